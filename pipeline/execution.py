"""``run``: one call that drives a graph on a clock and returns what it said, missed and measured."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol, TypeVar

from pipeline.digest import RunDigest
from pipeline.events import Event, Missed, Observer, Sent
from pipeline.graph import ExecutionModel, Graph
from pipeline.latency import LatencyModel
from pipeline.ports import Output
from pipeline.timestamps import FOREVER, Duration, Timestamp

T = TypeVar("T")


@dataclass(frozen=True)
class VirtualClock:
    """Time is a schedule of events, not of the machine; ``latency`` says how long work takes."""

    seed: int = 0
    latency: LatencyModel | None = None


class Elsewhere(Protocol):
    """Where a graph runs that does not run in this process."""

    def homes(self, graph: Graph) -> dict[str, str]:
        """Operator → its process."""

    def engine(
        self, graph: Graph, clock: WallClock, observers: Sequence[Observer], stop: Callable[[], bool] | None
    ) -> Any:
        """What runs it: ``run(until)``, and afterwards ``outcome`` and ``origin``."""


@dataclass(frozen=True)
class WallClock:
    """The machine's monotonic clock: in this process, a thread per operator, or over several processes."""

    seed: int = 0
    expected: LatencyModel | None = None
    """A profile for ``ctx.expected`` and end-to-end reserves; nothing is charged."""
    elsewhere: Elsewhere | None = None
    """Who runs what in which process: ``engines.processes.plan.Placed``, ``engines.erdos.OnErdos``. None: all here."""


@dataclass
class RunResult:
    """What a run said and how it went."""

    graph: Graph
    digest: RunDigest
    ended_at: Timestamp
    values: dict[str, list[tuple[Timestamp, Any]]] = field(default_factory=dict)
    events: list[Event] = field(default_factory=list)
    misses: list[Missed] = field(default_factory=list)
    """Every missed deadline, in order."""
    origin: int = 0
    """CLOCK_MONOTONIC nanoseconds when the run's clock was 0, for a run over processes."""
    outcome: dict[str, Any] = field(default_factory=dict)
    """What the world had to say, where it was in another process."""

    def __getitem__(self, port: Output[T]) -> list[tuple[Timestamp, T]]:
        """Everything sent on an output, in order. Empty unless the run kept its values."""
        return self.values.get(str(port), [])

    @property
    def hash(self) -> str:
        """Rolling hash over everything that happened."""
        return self.digest.hexdigest()

    @property
    def output_hash(self) -> str:
        """Hash over what was said alone: every value on every stream."""
        return self.digest.outputs_hexdigest()


class _Keeper:
    def __init__(self, result: RunResult, *, values: bool, events: bool) -> None:
        self._result, self._values, self._events = result, values, events

    def on_event(self, event: Event) -> None:
        if isinstance(event, Missed):
            self._result.misses.append(event)
        elif self._values and isinstance(event, Sent):
            self._result.values.setdefault(event.stream, []).append((Timestamp(event.t), event.value))
        if self._events:
            self._result.events.append(event)


def run(
    graph: Graph,
    *,
    clock: VirtualClock | WallClock | None = None,
    until: Duration = FOREVER,
    observers: Sequence[Observer] = (),
    keep: bool = True,
    keep_events: bool = False,
    stop: Callable[[], bool] | None = None,
    watch: bool = True,
) -> RunResult:
    """Drive ``graph`` until its sources end, ``until`` has passed or ``stop()`` is true.

    ``keep``: remember every value sent (``result[port]``); ``keep_events``: every event. Observers see each event as it
    happens. ``watch=False``: nothing is kept, hashed or told.
    Raises InvalidGraph before anything runs, OperatorFailed when an operator fails and nothing can
    answer for it.
    """
    clock = clock or VirtualClock()
    result = RunResult(graph, RunDigest(), Timestamp(0))
    followers: list[Observer] = [result.digest, _Keeper(result, values=keep, events=keep_events), *observers]
    followers = followers if watch else []
    graph.validate()
    if isinstance(clock, WallClock) and clock.elsewhere is not None:
        away = clock.elsewhere.engine(graph, clock, followers, stop)
        result.ended_at = Timestamp(away.run(until))
        result.outcome, result.origin = away.outcome, away.origin
        return result
    operators = [*graph.operators.values(), *(s.operator for specs in graph.candidates.values() for s in specs)]
    for operator in operators:
        operator.warm_up()
    engine = _engine(graph, clock, followers, stop)
    for tell in [each.on_engine for each in observers if hasattr(each, "on_engine")]:
        tell(engine)
    try:
        result.ended_at = Timestamp(engine.run(until))
    finally:
        for operator in operators:
            operator.close()
    return result


def _engine(
    graph: Graph, clock: VirtualClock | WallClock, observers: Sequence[Observer], stop: Callable[[], bool] | None
) -> Any:
    if isinstance(clock, WallClock):
        from pipeline.engines.threads import ThreadEngine

        return ThreadEngine(graph, clock.expected or LatencyModel(clock.seed), observers, stop=stop)
    from pipeline.engines.virtual import VirtualEngine

    return VirtualEngine(graph, clock.latency or LatencyModel(clock.seed), observers, stop=stop)


__all__ = ["ExecutionModel", "RunResult", "VirtualClock", "WallClock", "run"]
