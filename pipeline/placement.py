"""Where a launch file's operators run: its ``run_on`` and ``supervision`` sections → a graph in several processes."""

from __future__ import annotations

import sys
from pathlib import Path

from pipeline.building import Built
from pipeline.engines.erdos import OnErdos
from pipeline.engines.hosts.engine import Hosted, OnHosts
from pipeline.engines.hosts.session import SessionSettings, Tls
from pipeline.engines.processes.plan import Placed, RunOn, Supervision, place
from pipeline.errors import InvalidLaunchFile
from pipeline.recipe import Recipe
from pipeline.settings import Settings
from pipeline.suggestions import suggest

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


def on_hosts(built: Built, path: str) -> OnHosts:
    """Divide a built launch file among its hosts. Raises InvalidLaunchFile."""
    settings: Settings = built.settings
    listening = [name for name, host in settings.hosts.items() if host.listen is not None]
    if len(listening) != 1:
        raise InvalidLaunchFile(
            f"{len(listening)} hosts listen", where=f"{path}: hosts", hint="exactly one, where the run is started, does"
        )
    here = settings.hosts[listening[0]]
    assert here.listen is not None
    host_of: dict[str, str] = {}
    for name, operator in settings.operators.items():
        host = operator.run_on.host if operator.run_on is not None else None
        if host is not None and host not in settings.hosts:
            hint = suggest(host, settings.hosts)
            raise InvalidLaunchFile(f"there is no host {host!r}", where=f"{path}: operators.{name}.run_on", hint=hint)
        host_of[name] = host or listening[0]
    away = {name for name in built.worldly if host_of[name] != listening[0]}
    if away and len({host_of[name] for name in built.worldly}) > 1:
        what = f"operators that need the world are on different hosts: {', '.join(sorted(away))} and others"
        raise InvalidLaunchFile(what, where=path, hint="the world is one object: keep them together")
    files = (here.tls.certificate, here.tls.key, here.tls.authority) if here.tls is not None else ()
    tls = Tls(*map(Path, files)) if files else None
    session = SessionSettings(listen=here.listen, tls=tls, insecure=here.insecure)
    return OnHosts(built, Hosted(listening[0], session, host_of, final=not built.variant), path)


def _recipe(built: Built, path: str) -> Recipe:
    here = tuple(folder for folder in sys.path if folder and Path(folder).is_dir() and "site-packages" not in folder)
    return Recipe("pipeline.building:rebuild", {"text": built.text, "path": path}, path=here)


def _run_on(settings: Settings, name: str) -> RunOn:
    given = settings.operators[name].run_on
    if given is None:
        return RunOn(name)
    return RunOn(given.process or name, given.host or "", given.threads, given.cores, given.priority)
