"""What an operator is: typed ports, callbacks, plain constructor arguments. Knows no engine and no clock."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, ClassVar, NamedTuple, Protocol, TypeVar, overload

import numpy as np
from numpy.typing import NDArray

from pipeline.messages import Envelope
from pipeline.ports import Input, Output, State
from pipeline.timestamps import Duration, Timestamp

T = TypeVar("T")


class DeadlineMissed(Exception):
    """Timestamp ``t`` was not answered in time. Handed to ``on_miss``; carries all there is to answer with."""

    def __init__(
        self,
        t: Timestamp,
        *,
        budget: Duration,
        elapsed: Duration,
        best: Any = None,
        finished: tuple[str, ...] = (),
        committed: Timestamp | None = None,
        reason: str = "deadline",
    ) -> None:
        self.t, self.budget, self.elapsed = t, budget, elapsed
        self.best = best
        """The value of the best usable candidate so far, or None."""
        self.finished = finished
        """Names of the candidates that have finished."""
        self.committed = committed
        """The timestamp whose state is the last committed one."""
        self.reason = reason
        super().__init__(f"t={t}: no answer within the budget ({reason})")


class Aborted(BaseException):
    """Raised inside a running callback whose timestamp is over. Clean up and let it pass; never catch it for good."""


class CandidateFailed(Exception):
    """Raise it in a candidate that cannot answer this t (refused, link down): it is out at once, without a timer."""

    def __init__(self, reason: str) -> None:
        self.reason = reason
        super().__init__(reason)


class Wait(NamedTuple):
    """Yield it to let time pass without computing: a transfer, a remote answer. It is not an answer."""

    duration: Duration


class Context(Protocol):
    """What a callback for timestamp t sees."""

    t: Timestamp
    origin: Timestamp
    """Sensor time of the data that this timestamp rests on."""

    @property
    def rng(self) -> np.random.Generator:
        """This operator's own random stream for t, seeded by the run."""

    @overload
    def __getitem__(self, port: Input[T]) -> T: ...
    @overload
    def __getitem__(self, port: State[T]) -> T: ...
    def __setitem__(self, state: State[T], value: T) -> None: ...
    def get(self, port: Input[T]) -> T | None:
        """The input's message for t, or None if the input is not required and has none."""

    def envelope(self, port: Input[Any]) -> Envelope | None:
        """The message with its timestamp, origin, quality and winner."""

    def remaining(self) -> Duration:
        """Until the deadline of t; never negative; FOREVER without one."""

    def expected(self, work: str) -> Duration:
        """What ``work`` takes at its 99th percentile, from the latency profile or measured so far; 0 when unknown."""

    def work(self, name: str) -> None:
        """Names the work from here to the next yield. The virtual clock charges it, the wall clock measures it."""

    def loan(self, port: Output[Any], shape: tuple[int, ...], dtype: Any = np.uint8) -> NDArray[Any]:
        """A writable array to fill in place for a value sent on ``port``.

        It lies in memory that readers in other processes share, so that sending it copies nothing.
        """

    def now(self) -> Timestamp:
        """The running clock; for sources and actuators only (``device = True``), all else sees only t."""


class Operator:
    """Reads its inputs at t, answers on its outputs for t.

    Subclasses declare ports as class attributes and implement ``on_watermark``. With several outputs the answer is a
    NamedTuple whose fields are the outputs' names (None: nothing on that one), so that one commit covers them all.
    """

    name: str = ""
    """Set by the graph."""
    reentrant: ClassVar[bool] = False
    """True: timestamps may overlap (such an operator has no State)."""
    newest: ClassVar[bool] = False
    """True: committing t+1 commits t as superseded at once. Needs ``reentrant``."""
    device: ClassVar[bool] = False
    """True: an end to the world outside; may read the running clock."""

    def on_watermark(self, ctx: Context) -> Iterator[Any] | Any:
        """The callback for t: return the answer, or yield ever better ones. None: nothing to say for t."""
        raise NotImplementedError(f"{type(self).__name__} has no on_watermark")

    def on_miss(self, ctx: Context, miss: DeadlineMissed) -> Any:
        """Answer for t although the deadline has passed; what it returns is sent and t is sealed."""
        return miss.best

    def merge(self, value: Any, local: Any) -> Any:
        """As a candidate that outranks the operator: its value for t, given the local one that is at hand.

        A remote candidate overrides this where it may add to what the local side found, but not take from it.
        """
        return value

    def on_late(self, t: Timestamp, value: Any, late_by: Duration) -> None:
        """A result for t that came after t was sealed. It can no longer be sent."""

    def warm_up(self) -> None:
        """Load and compile what the first callback would otherwise pay for. Runs before the clock starts."""

    def close(self) -> None:
        """The run is over; release what you hold."""

    @classmethod
    def declared(cls) -> tuple[tuple[Input[Any], ...], tuple[Output[Any], ...], tuple[State[Any], ...]]:
        """Inputs, outputs and states in order of declaration, base classes first."""
        found: dict[str, Any] = {}
        for base in reversed(cls.__mro__):
            found.update({k: v for k, v in vars(base).items() if isinstance(v, (Input, Output, State))})
        values = found.values()
        return (
            tuple(v for v in values if isinstance(v, Input)),
            tuple(v for v in values if isinstance(v, Output)),
            tuple(v for v in values if isinstance(v, State)),
        )

    def inputs(self) -> tuple[Input[Any], ...]:
        """This instance's inputs, the trigger first."""
        return tuple(getattr(self, p.name) for p in self.declared()[0])

    def outputs(self) -> tuple[Output[Any], ...]:
        """This instance's outputs."""
        return tuple(getattr(self, p.name) for p in self.declared()[1])

    def states(self) -> tuple[State[Any], ...]:
        """The states it declares."""
        return self.declared()[2]

    def __str__(self) -> str:
        return self.name or type(self).__name__


class _EndOfStream:
    def __repr__(self) -> str:
        return "END"


END = _EndOfStream()
"""What ``Source.on_tick`` returns when nothing will follow."""


class Source(Operator):
    """Writes on its own clock: ``on_tick`` runs every ``period``; t is the tick's time."""

    device: ClassVar[bool] = True
    period: Duration = Duration(0)
    offset: Duration = Duration(0)
    """Time of the first tick; staggered sensors differ here."""

    def on_tick(self, ctx: Context) -> Any:
        """The value for tick t; None to skip it; END to close the stream."""
        raise NotImplementedError(f"{type(self).__name__} has no on_tick")

    def on_watermark(self, ctx: Context) -> Any:
        return self.on_tick(ctx)


__all__ = ["END", "Aborted", "CandidateFailed", "Context", "DeadlineMissed", "Operator", "Source", "State", "Wait"]
