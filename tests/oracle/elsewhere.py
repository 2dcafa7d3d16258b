"""Lets a test's graph be made again in another process: the test itself is called there, up to where it runs the graph.

What the operators noted there comes back as files, so that a test looks at its operators as if they had run here.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import msgspec

from pipeline import DeadlineMissed, Duration, Graph, Recipe, Timestamp
from pipeline.definition import Operator

ROOT = Path(__file__).resolve().parent.parent.parent


class Captured(BaseException):
    """Carries the graph out of a test that was called only for its graph."""

    def __init__(self, graph: Graph) -> None:
        self.graph = graph


capturing: list[bool] = []
"""Not empty while a test is called for its graph."""
current: dict[str, Any] = {}
"""The test that runs: module, name and which row of each of its parameters; set by a fixture."""


def recipe_of(notes: Path) -> Recipe:
    """How to make the graph that the current test is about to run."""
    args = {name: current[name] for name in ("module", "test", "chosen")} | {"notes": str(notes)}
    return Recipe("tests.oracle.elsewhere:graph_of", args, path=(str(ROOT),))


def graph_of(module: str, test: str, chosen: dict[str, int], notes: str) -> Graph:
    """Call the test again, until it runs its graph."""
    function = getattr(importlib.import_module(module), test)
    capturing[:] = [True]
    try:
        function(**arguments(function, chosen))
    except Captured as captured:
        graph = captured.graph
    for name, operator in graph.operators.items():
        _note_at_the_end(operator, Path(notes) / f"{name}.json")
        for spec in graph.candidates.get(name, []):
            _note_at_the_end(spec.operator, Path(notes) / f"{name}.{spec.name}.json")
    return graph


def pause(graph: Graph) -> None:
    """The test has built a graph and would run it now."""
    if capturing:
        raise Captured(graph)


def note(module: str, test: str, function: Callable[..., Any], params: Mapping[str, Any]) -> None:
    """This test runs now, with these parameters."""
    chosen = {}
    for names, rows in _parameters(function):
        wanted = {name: params[name] for name in names if name in params}
        if wanted:
            chosen[names[0]] = [{name: row[name] for name in wanted} for row in rows].index(wanted)
    current.clear()
    current.update(module=module, test=test, chosen=chosen)


def arguments(function: Callable[..., Any], chosen: Mapping[str, int]) -> dict[str, Any]:
    """The test's arguments."""
    found: dict[str, Any] = {}
    for names, rows in _parameters(function):
        found |= rows[chosen[names[0]]]
    return found


def _parameters(function: Callable[..., Any]) -> Iterator[tuple[list[str], list[dict[str, Any]]]]:
    """Of each ``parametrize``: its names, and its rows."""
    for mark in getattr(function, "pytestmark", []):
        if mark.name == "parametrize":
            names = mark.args[0] if isinstance(mark.args[0], (list, tuple)) else mark.args[0].split(",")
            names = [name.strip() for name in names]
            rows = []
            for row in mark.args[1]:
                values = getattr(row, "values", None)
                values = values if isinstance(values, tuple) else (row if len(names) > 1 else (row,))
                rows.append(dict(zip(names, values, strict=True)))
            yield names, rows


# -- what operators remember -----------------------------------------------------------------------------------------

NOTED = ("calls", "totals", "late", "misses", "got")


def _note_at_the_end(operator: Operator, path: Path) -> None:
    def close() -> None:
        noted = {name: _plain(getattr(operator, name)) for name in NOTED if hasattr(operator, name)}
        path.write_bytes(msgspec.json.encode(noted))

    operator.close = close  # type: ignore[method-assign]


def _plain(value: Any) -> Any:
    if isinstance(value, list):
        return [_plain(each) for each in value]
    if isinstance(value, dict):
        return [[key, _plain(each)] for key, each in value.items()]
    if isinstance(value, DeadlineMissed):
        return {name: getattr(value, name) for name in ("t", "budget", "elapsed", "best", "finished", "committed")} | {
            "reason": value.reason
        }
    return value


def read_back(graph: Graph, notes: Path) -> None:
    """Let the test's operators remember what their doubles noted in the other processes."""
    for name, operator in graph.operators.items():
        _remember(operator, notes / f"{name}.json")
        for spec in graph.candidates.get(name, []):
            _remember(spec.operator, notes / f"{name}.{spec.name}.json")


def _remember(operator: Any, path: Path) -> None:
    if not path.exists():
        return
    noted = msgspec.json.decode(path.read_bytes())
    for name, value in noted.items():
        if name == "misses":
            value = [_miss(each) for each in value]
        elif name == "totals":
            value = dict(value)
        elif name == "late":
            value = [tuple(each) for each in value]
        elif name == "got":
            from pipeline.messages import Envelope

            value = [Envelope(*each) for each in value]
        remembered = getattr(operator, name)
        remembered.clear()
        remembered.update(value) if isinstance(value, dict) else remembered.extend(value)


def _miss(noted: dict[str, Any]) -> DeadlineMissed:
    committed = noted["committed"]
    return DeadlineMissed(
        Timestamp(noted["t"]),
        budget=Duration(noted["budget"]),
        elapsed=Duration(noted["elapsed"]),
        best=noted["best"],
        finished=tuple(noted["finished"]),
        committed=None if committed is None else Timestamp(committed),
        reason=noted["reason"],
    )
