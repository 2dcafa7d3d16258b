"""The shipped maps by name: ``straight``, ``curve``, ``grid``, ``motorway``, ``roundabout``; or any OpenDRIVE file."""

from __future__ import annotations

from functools import cache
from pathlib import Path

from operators.maps import RoadMap
from pipeline.errors import UsageError
from pipeline.suggestions import suggest

NAMES = ("straight", "curve", "grid", "motorway", "roundabout")
_FOLDER = Path(__file__).parent


def shipped(name: str) -> RoadMap:
    """The map of that name, or in that file. Read once. Raises UsageError (unknown) or MapError (cannot be used)."""
    if name in NAMES:
        return _read(_FOLDER / f"{name}.xodr")
    if name.endswith(".xodr") or "/" in name or Path(name).is_file():
        return RoadMap.read(name)
    hint = suggest(name, NAMES) or f"use one of {', '.join(NAMES)}, or name an OpenDRIVE file"
    raise UsageError(f"no map is called {name!r}", hint=hint)


@cache
def _read(path: Path) -> RoadMap:
    return RoadMap.read(path)
