"""Finds what a launch file names: entry points of installed packages, or ``module:Name``. Imports, builds nothing."""

from __future__ import annotations

import importlib
from functools import cache
from importlib.metadata import EntryPoint, entry_points
from typing import Any

from pipeline.errors import MissingExtra, UnknownOperator
from pipeline.suggestions import suggest

OPERATORS = "skylane.operators"
WORLDS = "skylane.worlds"
PROFILES = "skylane.profiles"
COMMANDS = "skylane.commands"
PANELS = "skylane.report_panels"
BENCHMARKS = "skylane.benchmarks"
JUDGES = "skylane.judges"

_EXTRAS = {
    "av": "world",
    "carla": "carla",
    "cv2": "world",
    "erdos": "erdos",
    "iceoryx2": "live",
    "prometheus_client": "health",
    "zenoh": "hosts",
    "grpc": "cloud",
    "numba": "world",
    "ray": "ray",
    "rerun": "viewers",
    "safetensors": "models",
    "scipy": "world",
    "torch": "models",
}


@cache
def installed(group: str) -> dict[str, EntryPoint]:
    """Name → entry point of everything that installed packages offer in ``group``."""
    return {point.name: point for point in entry_points(group=group)}


def find(group: str, name: str, label: str) -> Any:
    """The object called ``name``: an entry point of ``group``, or ``module:Name`` from the import path.

    Raises UnknownOperator (nothing of that name) or MissingExtra (it needs a package that is not installed).
    """
    point = installed(group).get(name)
    if point is None:
        if ":" not in name:
            hint = suggest(name, installed(group)) or "write module:Name for one of your own"
            raise UnknownOperator(f"no {label} is called {name!r}", hint=hint)
        point = EntryPoint(name, name, group)
    try:
        module = importlib.import_module(point.module)
    except ModuleNotFoundError as error:
        raise _missing(error, name, point.module, label) from error
    try:
        found: Any = module
        for part in point.attr.split(".") if point.attr else ():
            found = getattr(found, part)
    except AttributeError as error:
        hint = suggest(point.attr, [n for n in vars(module) if not n.startswith("_")])
        raise UnknownOperator(f"{label} {name!r}: {point.module} has no {point.attr}", hint=hint) from error
    return found


def _missing(error: ModuleNotFoundError, name: str, module: str, label: str) -> UnknownOperator | MissingExtra:
    missing = error.name or str(error)
    if module == missing or module.startswith(missing + "."):
        return UnknownOperator(f"{label} {name!r}: there is no module {missing}", hint="is its package installed?")
    extra = _EXTRAS.get(missing.partition(".")[0])
    hint = f"pip install 'skylane[{extra}]'" if extra else f"pip install {missing.partition('.')[0]}"
    return MissingExtra(f"{label} {name!r} needs {missing}, which is not installed", hint=hint)
