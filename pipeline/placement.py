"""Where a launch file's operators run: its ``run_on`` and ``supervision`` sections → a graph in several processes."""

from __future__ import annotations

import sys
from pathlib import Path

from pipeline.building import Built
from pipeline.engines.erdos import OnErdos
from pipeline.engines.processes.plan import Placed, RunOn, Supervision, place
from pipeline.errors import InvalidLaunchFile
from pipeline.recipe import Recipe
from pipeline.settings import Settings

WORLD = "world"
"""The process of the operators that share the simulated world, unless the file gives it another name."""


def on_erdos(built: Built, path: str) -> OnErdos:
    """A built launch file, to be run by ERDOS; operators that need the world share a process."""
    return OnErdos(_recipe(built, path), built.worldly)


def placed(built: Built, path: str) -> Placed:
    """Divide a built launch file. Raises InvalidLaunchFile when operators that need the world are apart."""
    settings: Settings = built.settings
    run_on = {name: _run_on(settings, name) for name in settings.operators}
    given = {run_on[name].process for name in built.worldly if settings.operators[name].run_on is not None}
    if len(given) > 1:
        raise InvalidLaunchFile(
            f"operators that need the world are in different processes: {', '.join(sorted(given))}",
            where=path,
            hint="the world is one object: give all of them the same run_on",
        )
    home = next((run_on[n] for n in built.worldly if settings.operators[n].run_on is not None), RunOn(WORLD))
    run_on |= dict.fromkeys(built.worldly, home)
    changes = {name: value for name, value in settings.supervision.model_dump().items() if value is not None}
    recipe = _recipe(built, path)
    return place(built.graph, recipe, run_on, fragile=built.worldly, supervision=Supervision(**changes))


def _recipe(built: Built, path: str) -> Recipe:
    here = tuple(folder for folder in sys.path if folder and Path(folder).is_dir() and "site-packages" not in folder)
    return Recipe("pipeline.building:rebuild", {"text": built.text, "path": path}, path=here)


def _run_on(settings: Settings, name: str) -> RunOn:
    given = settings.operators[name].run_on
    if given is None:
        return RunOn(name)
    return RunOn(given.process, given.host or "", given.threads, given.cores, given.priority)
