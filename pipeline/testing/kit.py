"""Drive one operator under the virtual clock and look at everything it said, missed and dropped.

Builds the smallest graph around the operator, with one scripted source per input. Timing is the engine's business.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple, Union

from pipeline.definition import END, Context, Operator, Source
from pipeline.errors import UsageError
from pipeline.events import Dropped, Event, Handled, Late, Missed, Refused, RolledBack, Sealed, Sent
from pipeline.execution import RunResult, VirtualClock, run
from pipeline.graph import ExecutionModel, Graph
from pipeline.latency import Distribution, Latency, LatencyModel, constant
from pipeline.ports import Output
from pipeline.race import MissPolicy
from pipeline.timestamps import Duration, Timestamp, ms, seconds

Scripted = Sequence[tuple[int, Any]]
"""(t, value) in increasing t."""
Charged = Union[Duration, Distribution, Mapping[str, Latency]]
"""What work takes: always the same, a distribution, or work → latency (``on_miss`` is the handler's)."""

TICKS_AT_MOST = 200_000
PATIENCE = seconds(10)
"""How long a driven run goes on after the last input."""


class Script(Source):
    """A source that says given values at given timestamps, and then ends. Writes ``out``."""

    out = Output(object)

    def __init__(self, type_: type, values: Scripted) -> None:
        self.out.type_ = type_
        self._values = dict(values)
        stamps = [t for t, _ in values]
        if not stamps or any(later <= earlier for earlier, later in zip(stamps, stamps[1:], strict=False)):
            raise UsageError("a script needs at least one value, and its timestamps must increase")
        self.offset = Duration(stamps[0])
        self.period = Duration(math.gcd(*(t - stamps[0] for t in stamps)) or ms(1))
        self.last = stamps[-1]
        if (self.last - stamps[0]) // self.period > TICKS_AT_MOST:
            raise UsageError(
                f"the timestamps have a common step of only {self.period} ns", hint="round them, to 1 ms for example"
            )

    def on_tick(self, ctx: Context) -> Any:
        return END if ctx.t > self.last else self._values.get(ctx.t)


class Answer(NamedTuple):
    """One committed value."""

    t: Timestamp
    value: Any
    quality: str
    winner: str
    at: Timestamp
    """When it was committed, on the run's clock."""


@dataclass
class Driven:
    """What the driven operator did. Lists are in the order in which things happened."""

    operator: Operator
    result: RunResult
    outputs: dict[str, list[Answer]] = field(default_factory=dict)
    """By output port."""
    sealed: list[Sealed] = field(default_factory=list)
    """Timestamps without a value."""
    misses: list[Missed] = field(default_factory=list)
    handled: list[Handled] = field(default_factory=list)
    late: list[Late] = field(default_factory=list)
    drops: list[Dropped] = field(default_factory=list)
    refused: list[Refused] = field(default_factory=list)
    rolled_back: list[RolledBack] = field(default_factory=list)
    events: list[Event] = field(default_factory=list)
    """All of the operator's events."""

    @property
    def answers(self) -> list[Answer]:
        """What the operator said on its only output."""
        if len(self.outputs) != 1:
            raise UsageError(f"{self.operator} has {len(self.outputs)} outputs", hint="look into .outputs[port]")
        return next(iter(self.outputs.values()))

    @property
    def values(self) -> list[tuple[Timestamp, Any]]:
        """(t, value) of the only output."""
        return [(answer.t, answer.value) for answer in self.answers]

    @property
    def qualities(self) -> dict[int, str]:
        """t → quality, of every sealed timestamp."""
        said = [answer for answers in self.outputs.values() for answer in answers]
        return {**{s.t: s.quality for s in self.sealed}, **{int(answer.t): answer.quality for answer in said}}

    @property
    def hash(self) -> str:
        """Rolling hash of the whole run."""
        return self.result.hash


def drive(
    operator: Operator,
    inputs: Mapping[str, Scripted],
    *,
    latency: Charged | None = None,
    arrivals: Mapping[str, Charged] | None = None,
    deadline: Duration | None = None,
    policy: MissPolicy | str = MissPolicy.ABORT,
    handler_budget: Duration = ms(5),
    frequency: Duration | None = None,
    until: Duration | None = None,
    seed: int = 0,
    execution: ExecutionModel = ExecutionModel.STATIC,
) -> Driven:
    """Run ``operator`` on ``{port name: [(t, value), …]}``.

    ``latency``: what its work takes. ``arrivals``: by port, how long after t an input arrives. ``deadline``: from its
    first input of t to its answer. Raises OperatorFailed as a run would.
    """
    graph = Graph("drive", execution)
    graph.add(operator, "operator")
    charged: dict[str, Mapping[str, Latency]] = {}
    if latency is not None:
        charged["operator"] = _by_work(latency)
    ports = {port.name: port for port in operator.inputs()}
    for name, values in inputs.items():
        if name not in ports:
            raise UsageError(f"{operator} has no input {name!r}", hint=f"its inputs are {', '.join(ports)}")
        script = Script(ports[name].type_, values)
        graph.add(script, f"script_{name}")
        graph.connect(script.out, ports[name])
        if arrivals is not None and name in arrivals:
            charged[f"script_{name}"] = _by_work(arrivals[name])
    outputs = operator.outputs()
    if deadline is not None:
        graph.deadline(outputs[0], within=deadline, policy=policy, handler_budget=handler_budget, name="deadline")
    if frequency is not None:
        graph.frequency(outputs[0], every=frequency, handler_budget=handler_budget, name="frequency")
    last = max((t for values in inputs.values() for t, _ in values), default=0)
    driven = _Watch(operator)
    clock = VirtualClock(seed, LatencyModel(seed, charged))
    end = until if until is not None else Duration(last + PATIENCE)
    driven.done.result = run(graph, clock=clock, until=end, observers=[driven])
    return driven.done


def _by_work(charged: Charged) -> Mapping[str, Latency]:
    if isinstance(charged, Mapping):
        return charged
    # The handler takes no time unless the caller says so: its latency is an entry of its own.
    distribution = charged if isinstance(charged, Distribution) else constant(charged)
    return {"": distribution}


class _Watch:
    """Sorts the operator's events into a Driven."""

    def __init__(self, operator: Operator) -> None:
        self.done = Driven(operator, result=None)  # type: ignore[arg-type]
        self.done.outputs = {port.name: [] for port in operator.outputs()}

    def on_event(self, event: Event) -> None:
        done = self.done
        if event.operator != done.operator.name:
            return
        done.events.append(event)
        if isinstance(event, Sent):
            answer = Answer(Timestamp(event.t), event.value, event.quality, event.winner, Timestamp(event.at))
            done.outputs[event.stream.rpartition(".")[2]].append(answer)
        for kind, found in self._lists():
            if isinstance(event, kind):
                found.append(event)

    def _lists(self) -> Iterable[tuple[type, list[Any]]]:
        done = self.done
        return (
            (Sealed, done.sealed),
            (Missed, done.misses),
            (Handled, done.handled),
            (Late, done.late),
            (Dropped, done.drops),
            (Refused, done.refused),
            (RolledBack, done.rolled_back),
        )
