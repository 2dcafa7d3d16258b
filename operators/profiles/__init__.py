"""Latency profiles: how long each stage's work takes on a computer, from published tables or from a calibration.

Decides how a profile is written and read. What a run charges to which operator is decided by the launch file.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from decimal import Decimal
from pathlib import Path
from typing import Any

import yaml

from pipeline.errors import SkylaneError, UsageError
from pipeline.latency import Distribution, Profile
from pipeline.timestamps import Duration, parse_duration

SHIPPED = Path(__file__).parent
_NAME = re.compile(r"[a-z][a-z0-9_]*")
_ENTRY_KEYS = {"p50", "p99", "model", "from"}
_FILE_KEYS = {"name", "extends", "source", "stages"}


class InvalidProfile(UsageError):
    """A latency profile that is unknown, unreadable or does not say what it must; names file and entry."""


def names() -> tuple[str, ...]:
    """Names of the shipped profiles, sorted."""
    return tuple(sorted(path.stem for path in SHIPPED.glob("*.yaml")))


def load(name: str | Path) -> Profile:
    """The shipped profile of that name, or the one in the file ``name`` if it ends in ``.yaml`` or has a ``/``.

    ``table[stage][work]``: see ``README.md`` beside this module. Raises InvalidProfile.
    """
    text = str(name)
    if text.endswith((".yaml", ".yml")) or "/" in text:
        return _read(Path(text), ())
    if text not in names():
        raise InvalidProfile(
            f"there is no latency profile {text!r}",
            hint=f"choose one of {', '.join(names())}, or give the path of a .yaml file",
        )
    return _read(SHIPPED / f"{text}.yaml", ())


def write(profile: Profile, path: Path) -> None:
    """Store ``profile`` so that ``load(path)`` gives it back exactly."""
    stages = {
        kind: {
            work or "default": {"p50": _milliseconds(entry.p50), "p99": _milliseconds(entry.p99)}
            for work, entry in sorted(row.items())
        }
        for kind, row in sorted(profile.table.items())
    }
    document = {"name": profile.name, "source": profile.source, "stages": stages}
    try:
        path.write_text(yaml.safe_dump(document, sort_keys=False, allow_unicode=True), encoding="utf-8")
    except OSError as error:
        raise InvalidProfile(f"cannot write the profile: {error.strerror}", where=str(path)) from error


def _milliseconds(duration: Duration) -> str:
    return f"{(Decimal(duration) / 1_000_000).normalize():f}ms"


def _read(path: Path, readers: tuple[Path, ...]) -> Profile:
    if path in readers:
        raise InvalidProfile("the profile extends itself", where=str(path), hint="remove one extends:")
    document = _document(path)
    name, source = document.get("name"), document.get("source", "")
    if not isinstance(name, str) or not name:
        raise InvalidProfile("name: is missing", where=str(path), hint="name the computer, for example name: orin")
    if not isinstance(source, str):
        raise InvalidProfile("source: must be text", where=str(path))
    table: dict[str, dict[str, Distribution]] = {}
    base = document.get("extends")
    if base is not None:
        if not isinstance(base, str) or base not in names():
            raise InvalidProfile(
                f"extends: {base!r} is not a shipped profile",
                where=str(path),
                hint=f"choose one of {', '.join(names())}",
            )
        inherited = _read(SHIPPED / f"{base}.yaml", (*readers, path))
        table = {kind: dict(row) for kind, row in inherited.table.items()}
    stages = document.get("stages")
    if not isinstance(stages, Mapping) or not (stages or table):
        raise InvalidProfile("stages: is missing or no mapping", where=str(path), hint="give stage: {work: {p50, p99}}")
    for kind, row in stages.items():
        table[_checked_name(kind, path, "stage")] = _row(kind, row, path)
    return Profile(name=name, table=table, source=source.strip())


def _document(path: Path) -> Mapping[str, Any]:
    try:
        document = yaml.safe_load(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise InvalidProfile(f"cannot read the profile: {error.strerror}", where=str(path)) from error
    except UnicodeDecodeError as error:
        raise InvalidProfile("the profile is not UTF-8 text", where=str(path)) from error
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        where = f"{path}:{mark.line + 1}" if mark is not None else str(path)
        problem = getattr(error, "problem", None) or "syntax error"
        raise InvalidProfile(f"the profile is not YAML: {problem}", where=where) from error
    if not isinstance(document, Mapping):
        raise InvalidProfile("the profile is not a mapping", where=str(path), hint="start with name: and stages:")
    unknown = sorted(str(key) for key in document if key not in _FILE_KEYS)
    if unknown:
        raise InvalidProfile(
            f"unknown field {unknown[0]!r}", where=str(path), hint=f"known: {', '.join(sorted(_FILE_KEYS))}"
        )
    return document


def _row(kind: str, row: object, path: Path) -> dict[str, Distribution]:
    if not isinstance(row, Mapping) or not row:
        raise InvalidProfile(f"stage {kind} has no works", where=str(path), hint="give work: {p50: …, p99: …}")
    found: dict[str, Distribution] = {}
    for work, entry in row.items():
        key = "" if work == "default" else _checked_name(work, path, f"{kind}: work")
        found[key] = _entry(f"{kind}.{work}", entry, path)
    return found


def _entry(place: str, entry: object, path: Path) -> Distribution:
    if not isinstance(entry, Mapping):
        raise InvalidProfile(f"{place} is not a mapping", where=str(path), hint="give {p50: 12ms, p99: 20ms}")
    unknown = sorted(str(key) for key in entry if key not in _ENTRY_KEYS)
    if unknown:
        raise InvalidProfile(f"{place}: unknown field {unknown[0]!r}", where=str(path))
    quantiles: list[Duration] = []
    for quantile in ("p50", "p99"):
        value = entry.get(quantile)
        if not isinstance(value, str):
            raise InvalidProfile(f"{place}.{quantile}: {value!r} is no time", where=str(path), hint="write 12ms")
        try:
            quantiles.append(parse_duration(value))
        except SkylaneError as error:
            raise InvalidProfile(f"{place}.{quantile}: {error.what}", where=str(path), hint=error.hint) from error
    try:
        return Distribution(*quantiles)
    except UsageError as error:
        raise InvalidProfile(f"{place}: {error.what}", where=str(path), hint=error.hint) from error


def _checked_name(name: object, path: Path, what: str) -> str:
    if not isinstance(name, str) or _NAME.fullmatch(name) is None:
        raise InvalidProfile(f"{what} {name!r} is no name", where=str(path), hint="use lower case, digits and _")
    return name


__all__ = ["SHIPPED", "InvalidProfile", "load", "names", "write"]
