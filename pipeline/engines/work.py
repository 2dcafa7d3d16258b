"""What is under way at one operator: a run (one timestamp), the works in it (one per candidate), a callback's
context.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
from numpy.random import Generator, Philox  # now: np.random is loaded when first used, which may be in a callback
from numpy.typing import NDArray

from pipeline.deadlines import DeadlineSpec
from pipeline.definition import Aborted, DeadlineMissed, Operator
from pipeline.events import Event, Missed
from pipeline.latency import LatencyModel, uniform
from pipeline.messages import Envelope
from pipeline.ports import Output
from pipeline.race import Commit, Race
from pipeline.state import VersionedState
from pipeline.timestamps import BOTTOM, FOREVER, Duration, Timestamp

if TYPE_CHECKING:
    from pipeline.engines.stage import Stage

# At equal times, in this order: what arrives exactly at a deadline counts, also when a tick brings it.
AT_DONE, AT_YIELD, AT_FAIL, AT_TICK, AT_CANDIDATE_DEADLINE, AT_DEADLINE = range(6)


class Host(Protocol):
    """What an engine offers to its stages. Calls into stages are serialised by the engine."""

    latency: LatencyModel
    observed: bool
    """False: nobody listens, events need not be made."""
    checks_finite: bool
    """NaN and infinity do not leave an operator."""
    names_faults: bool
    """Failures are told as ``Fault`` events too."""

    def now(self) -> int:
        """The run's clock."""

    def call_at(self, at: int, order: int, stage: Stage, action: Any, argument: Any) -> None:
        """Call ``action(argument)`` at time ``at``; at equal times by ``order``, then by stage, then first come."""

    def start(self, work: Work) -> None:
        """Run the work's callback; answer by stage.on_yield / on_done / on_failed."""

    def stop(self, work: Work, why: str) -> None:
        """Abort the work; answer by stage.on_stopped, at once or when it really has stopped."""

    def handle(self, run: Run, ctx: OperatorContext, miss: Any) -> None:
        """Run the deadline handler; answer by stage.on_answer or on_handler_failed."""

    def deliver(self, stage: Stage, index: int, message: Envelope | int) -> None:
        """Hand a message, or a watermark (an int), to an input of a stage, after what is being done now."""

    def loan(self, stream: str, shape: tuple[int, ...], dtype: Any) -> NDArray[Any]:
        """A writable array for a value that will be sent on ``stream``."""

    def emit(self, event: Event) -> None:
        """Tell the observers."""

    def crash(self, error: Exception) -> None:
        """An operator failed and nothing can answer for it: end the run with this error."""


class Awaited:
    """What a timer is for."""

    __slots__ = ("over",)

    over: bool
    """It has happened, or no longer can: nobody needs to be woken."""


class Run(Awaited):
    """One timestamp at one operator, from the start condition to its seal."""

    __slots__ = (
        "begun",
        "commit",
        "deadline",
        "handler",
        "missed",
        "origin",
        "race",
        "rolled_back",
        "stage",
        "started_at",
        "starting",
        "t",
        "values",
        "withdrawn",
        "works",
    )

    def __init__(self, stage: Stage, t: int, race: Race, origin: int, started_at: int, deadline: str) -> None:
        self.stage, self.t, self.race, self.origin = stage, t, race, origin
        self.started_at, self.deadline = started_at, deadline
        self.values: tuple[Envelope | None, ...] = ()
        self.works: list[Work] = []
        self.commit: Commit | None = None
        self.begun = self.missed = self.rolled_back = self.starting = self.withdrawn = self.over = False
        self.handler: OperatorContext | None = None

    def release(self) -> None:
        """Sealed, and nobody works on it any more: let go of the messages. Without this the parts of a run, which know
        each other, would keep them until the garbage collector comes, and it comes seldom.
        """
        if not self.starting and not any(work.alive for work in self.works):
            self.values = ()
            self.works.clear()
            self.over = True

    def tighten(self, expires: int, spec: DeadlineSpec, now: int) -> None:
        """Another deadline of the same timestamp has started and expires first: it is the one that counts."""
        race = self.race
        race.deadline, race.budget = expires, expires - now
        race.policy, race.handler_budget = spec.policy, spec.handler_budget
        self.deadline, self.started_at = spec.name, now


class Work:
    """One candidate at work on one timestamp."""

    __slots__ = (
        "alive",
        "began",
        "candidate",
        "ctx",
        "data",
        "generator",
        "operator",
        "run",
        "stage",
        "states",
        "value",
    )

    def __init__(
        self, stage: Stage, run: Run, candidate: str, operator: Operator, states: Mapping[str, VersionedState]
    ) -> None:
        self.stage, self.run, self.candidate, self.operator, self.states = stage, run, candidate, operator, states
        self.ctx = OperatorContext(stage, run, operator, states)
        self.alive = True
        """False once its answer is in or it was stopped."""
        self.began = 0
        self.generator: Any = None
        self.value: Any = None
        """The last value it yielded."""
        self.data: Any = None
        """The engine's own."""


class OperatorContext:
    """The Context of one callback; see ``pipeline.definition.Context``."""

    __slots__ = ("_index", "_operator", "_rng", "_run", "_stage", "_states", "alive", "label", "origin", "t", "wrote")

    def __init__(self, stage: Stage, run: Run, operator: Operator, states: Mapping[str, VersionedState] | None) -> None:
        self._stage, self._run, self._operator, self._states = stage, run, operator, states
        self._index = stage.index
        self._rng: np.random.Generator | None = None
        self.t = Timestamp(run.t)
        self.origin = Timestamp(run.origin)
        self.label = ""
        """The last name given by ``work``; the engine takes it at each yield."""
        self.alive = True
        self.wrote = False

    def __getitem__(self, port: Any) -> Any:
        name = port.name
        index = self._index.get(name)
        if index is None:
            return self._state(name).read(self.t)
        values = self._run.values
        envelope = values[index] if values else None
        if envelope is None:
            raise LookupError(
                f"{self._operator}.{name} has no message for t={self.t}; use ctx.get where it may be absent"
            )
        return envelope.value

    def __setitem__(self, state: Any, value: Any) -> None:
        if not self.alive:
            raise Aborted(f"t={self.t} is over")
        self.wrote = True
        self._state(state.name).write(self.t, value)

    def _state(self, name: str) -> VersionedState:
        if self._states is None:
            raise RuntimeError(
                f"state {name!r} belongs to the work on t={self.t} that continues; the handler must not use it"
            )
        return self._states[name]

    def get(self, port: Any) -> Any:
        envelope = self.envelope(port)
        return None if envelope is None else envelope.value

    def envelope(self, port: Any) -> Envelope | None:
        values = self._run.values
        return values[self._index[port.name]] if values else None

    def remaining(self) -> Duration:
        deadline = self._run.race.deadline
        return FOREVER if deadline is None else Duration(max(0, deadline - self._stage.host.now()))

    def expected(self, work: str) -> Duration:
        return self._stage.host.latency.expected(self._operator.name, work)

    def work(self, name: str) -> None:
        if not self.alive:
            raise Aborted(f"t={self.t} is over")
        self.label = name

    def loan(self, port: Output[Any], shape: tuple[int, ...], dtype: Any = np.uint8) -> NDArray[Any]:
        return self._stage.host.loan(f"{self._stage.name}.{port.name}", shape, dtype)

    def now(self) -> Timestamp:
        if not self._operator.device:
            raise RuntimeError(f"{self._operator} may not read the clock: only sources and devices may (device = True)")
        return Timestamp(self._stage.host.now())

    @property
    def rng(self) -> np.random.Generator:
        if self._rng is None:
            seed = uniform(self._stage.host.latency.seed, "rng", self._operator.name, self.t)
            self._rng = Generator(Philox(int(seed * 2**63)))
        return self._rng


def miss_of(run: Run, reason: str, now: int, committed: int) -> DeadlineMissed:
    """The exception that a deadline handler is given; ``committed``: the timestamp of the last committed state."""
    race = run.race
    return DeadlineMissed(
        Timestamp(run.t),
        budget=Duration(race.budget),
        elapsed=Duration(now - run.started_at),
        best=race.best.value if race.best is not None else None,
        finished=race.finished,
        committed=Timestamp(committed) if committed > BOTTOM else None,
        reason=reason,
    )


def missed_event(run: Run, reason: str, now: int) -> Missed:
    """What the observers are told of a miss."""
    race, elapsed = run.race, now - run.started_at
    return Missed(now, run.stage.name, run.t, run.deadline, race.budget, elapsed, race.finished, reason)
