"""Who runs what, and which streams go between processes: from a graph and its placement to a plan that can be sent."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import msgspec

from pipeline.engines.border import queue_of, readers
from pipeline.errors import InvalidGraph
from pipeline.graph import Graph
from pipeline.recipe import Recipe
from pipeline.timestamps import Duration, ms, seconds

if TYPE_CHECKING:
    from pipeline.engines.processes.engine import ProcessEngine
    from pipeline.events import Observer
    from pipeline.execution import WallClock

OBSERVER = "observer"
"""The launching process as a reader of streams."""


class RunOn(msgspec.Struct, frozen=True):
    """Where an operator runs, and how its process behaves."""

    process: str
    host: str = ""
    threads: int = 1
    """For torch, OpenMP, OpenCV and numba."""
    cores: tuple[int, ...] = ()
    priority: int = 0
    """SCHED_FIFO priority of the callbacks; 0: the ordinary scheduler."""


class Supervision(msgspec.Struct, frozen=True):
    """When a process counts as gone, and what is done about it."""

    heartbeat: Duration = ms(10)
    """How often every process says that it is alive."""
    alive: Duration = ms(60)
    """Without a heartbeat for this long a process is hung."""
    grace: Duration = ms(20)
    """Hung as well: a deadline's handler is overdue by this much and the heartbeat is late."""
    backoff: Duration = ms(50)
    """Before the second restart within ``window``; doubles with each further one."""
    backoff_max: Duration = seconds(5)
    crashes: int = 5
    """More restarts than this within ``window``: given up, the standby goes on."""
    window: Duration = seconds(60)
    start: Duration = seconds(60)
    """How long a process may take until it is ready."""
    memory_mb: int = 0
    """A process that holds more is ended and restarted; 0: no limit."""


class ProcessPlan(msgspec.Struct, frozen=True):
    """One process of the run."""

    name: str
    operators: tuple[str, ...]
    run_on: RunOn
    standby: bool
    """A second instance of its operators stands by to answer for it."""
    restart: bool


class StreamPlan(msgspec.Struct, frozen=True):
    """One stream that crosses processes."""

    name: str
    writer: str
    readers: tuple[str, ...]
    throttles: tuple[tuple[str, int], ...] = ()
    """Reading operators whose queue blocks, with its depth."""


class Plan(msgspec.Struct, frozen=True):
    """A whole run over processes."""

    run: str
    recipe: Recipe
    processes: tuple[ProcessPlan, ...]
    streams: tuple[StreamPlan, ...]
    supervision: Supervision
    until: int
    seed: int
    watched: bool
    """Somebody wants to see the events."""

    def row(self, process: str) -> int:
        """The process's row in the status table, and its wake-up."""
        return next(i for i, each in enumerate(self.processes) if each.name == process)

    def throttles(self) -> list[tuple[str, str, int]]:
        """(stream, operator, depth) of every blocking reader, in the order of the status table."""
        return [(s.name, operator, depth) for s in self.streams for operator, depth in s.throttles]


class Placed(msgspec.Struct, frozen=True):
    """A graph divided among processes."""

    recipe: Recipe
    processes: tuple[ProcessPlan, ...]
    streams: tuple[StreamPlan, ...]
    supervision: Supervision = Supervision()

    def homes(self, graph: Graph) -> dict[str, str]:
        """Operator → its process."""
        return {name: process.name for process in self.processes for name in process.operators}

    def engine(
        self, graph: Graph, clock: WallClock, observers: Sequence[Observer], stop: Callable[[], bool] | None
    ) -> ProcessEngine:
        """The engine that runs it."""
        from pipeline.engines.processes.engine import ProcessEngine

        return ProcessEngine(graph, self, observers, seed=clock.seed, stop=stop)


def place(
    graph: Graph,
    recipe: Recipe,
    run_on: Mapping[str, RunOn] | None = None,
    *,
    fragile: frozenset[str] = frozenset(),
    observed: bool = True,
    supervision: Supervision | None = None,
) -> Placed:
    """Divide the graph, which ``recipe`` makes again in every process.

    An operator without a place gets a process of its own name. ``fragile``: operators whose process cannot be
    restarted, such as those that hold a simulated world. ``observed``: the launching process reads every stream as
    well. Raises InvalidGraph.
    """
    run_on = run_on or {}
    where = {name: run_on.get(name, RunOn(name)) for name in graph.operators}
    groups: dict[str, list[str]] = {}
    for name in graph.order():
        groups.setdefault(where[name].process, []).append(name)
    if OBSERVER in groups:
        raise InvalidGraph(f"no process may be called {OBSERVER!r}", where=graph.name)
    processes = []
    for process, operators in groups.items():
        first = where[operators[0]]
        for name in operators:
            if where[name] != first:
                what = f"{operators[0]} and {name} share the process {process!r} but differ in how it is to run"
                raise InvalidGraph(what, where=graph.name, hint="give both the same run_on")
        breaks = any(name in fragile for name in operators)
        works = any(graph.operators[name].inputs() and graph.operators[name].outputs() for name in operators)
        processes.append(ProcessPlan(process, tuple(operators), first, works and not breaks, not breaks))
    streams = _streams(graph, {name: where[name].process for name in graph.operators}, observed)
    return Placed(recipe, tuple(processes), tuple(streams), supervision or Supervision())


def _streams(graph: Graph, process_of: Mapping[str, str], observed: bool) -> list[StreamPlan]:
    found = []
    for name, operator in graph.operators.items():
        for port in operator.outputs():
            outside = {reader for reader in readers(graph, str(port)) if process_of[reader] != process_of[name]}
            goes_to = sorted({process_of[reader] for reader in outside})
            if observed:
                goes_to.append(OBSERVER)
            if not goes_to:
                continue
            throttles = []
            for edge in graph.edges:
                if edge.source is not port or edge.target.owner is None:
                    continue
                reader = edge.target.owner
                index = [each.name for each in reader.inputs()].index(edge.target.name)
                queue = queue_of(graph, reader.name)
                if reader.name in outside and index == 0 and queue is not None and queue.rule == "block":
                    throttles.append((reader.name, queue.depth))
            found.append(StreamPlan(str(port), process_of[name], tuple(goes_to), tuple(throttles)))
    return found


# -- what is said between the processes of a run ---------------------------------------------------------------------


class _Said(msgspec.Struct, frozen=True, tag_field="say"):
    pass


class Assignment(_Said, frozen=True, tag="assignment"):
    """To a new process: what it is."""

    plan: Plan
    process: str
    """Empty: the standby of all."""
    incarnation: int
    table: int
    wakeups: tuple[int, ...]
    """File descriptors, in the order of the plan; then the observer's, then the standby's."""
    events: int
    """Socket for the run's events."""


class Ready(_Said, frozen=True, tag="ready"):
    """From a process: it is warm and waits for ``Go``."""

    notes: tuple[str, ...] = ()
    """What it was asked for and may not do, such as a priority."""


class Go(_Said, frozen=True, tag="go"):
    """To a process: begin, and answer under ``epoch`` for what has not been answered."""

    origin: int
    epoch: int
    process: str = ""
    """To the standby: for whom."""


class Rest(_Said, frozen=True, tag="rest"):
    """To the standby: the process answers for itself again."""

    process: str


class Stop(_Said, frozen=True, tag="stop"):
    """To a process: end now."""


class Finished(_Said, frozen=True, tag="finished"):
    """From a process: all its operators are closed, or it was stopped."""

    ended_at: int
    outcome: dict[str, Any] = {}
    process: str = ""
    """From the standby: for whom."""


class Failed(_Said, frozen=True, tag="failed"):
    """From a process: it cannot go on, and restarting would not help."""

    kind: str
    what: str
    where: str = ""
    hint: str = ""


class Started(_Said, frozen=True, tag="started"):
    """To the launcher: everybody is ready; the run's clock is 0 at ``origin``."""

    origin: int


class Fault(_Said, frozen=True, tag="fault"):
    """To the launcher: something is wrong with a process."""

    at: int
    process: str
    kind: str
    reason: str


class Recovered(_Said, frozen=True, tag="recovered"):
    """To the launcher: the process answers for itself again."""

    at: int
    process: str
    after: int
    """Nanoseconds since the fault."""


class Status(_Said, frozen=True, tag="status"):
    """To the launcher, twice a second: how a process is."""

    at: int
    process: str
    pid: int
    state: str
    rss_bytes: int
    heartbeat_age: int
    restarts: int
    queued: dict[str, int] = {}
    """Operator → timestamps that wait for their turn."""


class Ended(_Said, frozen=True, tag="ended"):
    """To the launcher, last of all: nothing of the run is left."""

    at: int
    failure: Failed | None = None
    outcome: dict[str, Any] = {}


Said = Assignment | Ready | Go | Rest | Stop | Finished | Failed | Started | Fault | Recovered | Status | Ended
