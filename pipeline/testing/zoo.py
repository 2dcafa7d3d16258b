"""Operators that behave badly, each in one way, for testing whatever has to live with them.

All read ``numbers`` and write ``answers`` (int). ``bad`` names the timestamps at which one misbehaves (None: at all).
At the others it answers the number; its handler, unless that is what is bad, answers ``FALLBACK``.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipeline.definition import Context, DeadlineMissed, Operator, Wait
from pipeline.messages import Message
from pipeline.ports import Input, Output, State, keep_last
from pipeline.timestamps import Duration, ms, seconds

FALLBACK = -1
"""What the handlers of the zoo answer."""

HANG = seconds(3600)


class Sweep(Message, frozen=True, kw_only=True):
    """A payload with an array."""

    ranges_m: NDArray[np.float64]


class Bad(Operator):
    """What all of them share; ``misbehave`` is what each does at a bad timestamp."""

    numbers = Input(int, queue=keep_last(8))
    answers = Output(int)

    def __init__(self, bad: Sequence[int] | None = None) -> None:
        self._bad = bad

    def on_watermark(self, ctx: Context) -> Any:
        if self._bad is None or ctx.t in self._bad:
            return self.misbehave(ctx)
        return ctx[self.numbers]

    def misbehave(self, ctx: Context) -> Any:
        """The one thing that is wrong with it."""
        raise NotImplementedError

    def on_miss(self, ctx: Context, miss: DeadlineMissed) -> Any:
        return FALLBACK


class Hangs(Bad):
    """Never comes back, but lets itself be stopped."""

    def misbehave(self, ctx: Context) -> Iterator[Any]:
        yield Wait(HANG)


class Raises(Bad):
    """Raises an ordinary exception."""

    def misbehave(self, ctx: Context) -> Any:
        raise ZeroDivisionError("on purpose")


class RaisesMidway(Bad):
    """Yields an answer and then raises."""

    def misbehave(self, ctx: Context) -> Iterator[Any]:
        yield ctx[self.numbers]
        yield Wait(ms(1))
        raise ZeroDivisionError("on purpose")


class RaisesInHandler(Hangs):
    """Hangs, and its handler raises."""

    def on_miss(self, ctx: Context, miss: DeadlineMissed) -> Any:
        raise ZeroDivisionError("on purpose")


class RaisesWhenLate(Hangs):
    """Raises when it is told that a result came too late, and makes sure that one does."""

    def misbehave(self, ctx: Context) -> Iterator[Any]:
        yield Wait(ms(80))
        yield ctx[self.numbers]

    def on_late(self, t: int, value: Any, late_by: Duration) -> None:
        raise ZeroDivisionError("on purpose")


class YieldsNothing(Bad):
    """A generator that ends without an answer."""

    def misbehave(self, ctx: Context) -> Iterator[Any]:
        yield from ()


class WrongType(Bad):
    """Answers with something that its output does not carry."""

    def misbehave(self, ctx: Context) -> Any:
        return "seven"


class WrongTypeInHandler(Hangs):
    """Its handler answers with something that its output does not carry."""

    def on_miss(self, ctx: Context, miss: DeadlineMissed) -> Any:
        return "seven"


class NeverStops(Bad):
    """Improves its answer for ever."""

    def misbehave(self, ctx: Context) -> Iterator[Any]:
        step = 0
        while True:
            yield Wait(ms(1))
            step += 1
            yield step


class Floods(Bad):
    """Yields without end and without letting time pass."""

    def misbehave(self, ctx: Context) -> Iterator[Any]:
        while True:
            yield 1


class SwallowsAborted(Bad):
    """Catches what should stop it, and goes on; only the third blow ends it."""

    def misbehave(self, ctx: Context) -> Iterator[Any]:
        blows = 0
        while True:
            try:
                yield Wait(ms(1))
                yield 1
            except BaseException:
                blows += 1
                if blows > 2:
                    raise


class RaisesWhenAborted(Bad):
    """Its clean-up fails."""

    def misbehave(self, ctx: Context) -> Iterator[Any]:
        try:
            yield Wait(HANG)
        finally:
            raise ZeroDivisionError("on purpose, while cleaning up")


class SlowHandler(Hangs):
    """Its handler takes long: charge it by the latency entry ``on_miss``."""


class SilentHandler(Hangs):
    """Its handler has nothing to say."""

    def on_miss(self, ctx: Context, miss: DeadlineMissed) -> Any:
        return None


class HandlerIsAGenerator(Hangs):
    """Writes its handler as if it could yield."""

    def on_miss(self, ctx: Context, miss: DeadlineMissed) -> Iterator[Any]:
        yield FALLBACK


class ReadsTheClock(Bad):
    """Reads the running clock although it is no device."""

    def misbehave(self, ctx: Context) -> Any:
        return int(ctx.now())


class KeepsItsContext(Bad):
    """Writes its state through the context of a timestamp that is over."""

    total: State[int] = State(int)

    def __init__(self, bad: Sequence[int] | None = None) -> None:
        super().__init__(bad)
        self._kept: Context | None = None

    def misbehave(self, ctx: Context) -> Any:
        if self._kept is not None:
            self._kept[self.total] = 1_000_000
        self._kept = ctx
        ctx[self.total] = ctx[self.total] + 1
        return ctx[self.total]


class LeaksState(Bad):
    """Changes its state in place, and hangs afterwards, so that an abort has nothing to roll back to.

    ``State(copy=list)`` is what makes it safe; ``seen`` is the state's value at each good timestamp.
    """

    history: State[list[int]] = State(list, copy=list)

    def misbehave(self, ctx: Context) -> Iterator[Any]:
        ctx[self.history].append(ctx[self.numbers])
        yield Wait(HANG)

    def on_watermark(self, ctx: Context) -> Any:
        if self._bad is None or ctx.t in self._bad:
            return self.misbehave(ctx)
        ctx[self.history].append(ctx[self.numbers])
        return len(ctx[self.history])


class MutatesInput(Operator):
    """Writes into the array of a message that others read too."""

    sweeps = Input(Sweep)
    answers = Output(float)

    def on_watermark(self, ctx: Context) -> float:
        sweep = ctx[self.sweeps]
        sweep.ranges_m[0] = -1.0
        return float(sweep.ranges_m[0])

    def on_miss(self, ctx: Context, miss: DeadlineMissed) -> float:
        sweep = ctx.get(self.sweeps)
        return float(sweep.ranges_m[0]) if sweep is not None else 0.0


class NaNOutput(Operator):
    """Answers not-a-number."""

    numbers = Input(int)
    answers = Output(float)

    def on_watermark(self, ctx: Context) -> float:
        return float("nan")


ALL: tuple[type[Bad], ...] = (
    Hangs,
    Raises,
    RaisesMidway,
    RaisesInHandler,
    RaisesWhenLate,
    YieldsNothing,
    WrongType,
    WrongTypeInHandler,
    NeverStops,
    Floods,
    SwallowsAborted,
    RaisesWhenAborted,
    SlowHandler,
    SilentHandler,
    HandlerIsAGenerator,
    ReadsTheClock,
    KeepsItsContext,
    LeaksState,
)
"""Everybody with the ports ``numbers`` and ``answers`` of int."""
