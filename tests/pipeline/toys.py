"""Operators that know no car, to be named in launch files as ``toys:Counter``."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from typing import Any, NamedTuple

from pipeline import (
    END,
    Budget,
    Context,
    DeadlineMissed,
    Duration,
    Input,
    Operator,
    Output,
    Source,
    State,
    latest,
    ms,
)


class Room:
    """A world: remembers what was put on its table."""

    def __init__(self, *, seats: int = 4, seed: int = 0) -> None:
        if seats < 1:
            raise ValueError(f"a room with {seats} seats")
        self.seats, self.seed = seats, seed
        self.heard: list[int] = []

    def outcome(self) -> dict[str, Any]:
        return {"full": len(self.heard) >= self.seats, "heard": len(self.heard), "mean_s": float("nan")}


class Counter(Source):
    """Counts its ticks."""

    count = Output(int)
    period = ms(10)

    def __init__(self, *, upto: int = 10**9, world: Room | None = None) -> None:
        self.upto, self.world = upto, world

    def on_tick(self, ctx: Context) -> Any:
        tick = ctx.t // self.period
        return tick if tick < self.upto else END


class Shout(Source):
    """Says a word."""

    word = Output(str)
    period = ms(10)

    def on_tick(self, ctx: Context) -> str:
        return "hey"


class Scale(Operator):
    """Multiplies, first roughly, then exactly."""

    value = Input(int)
    scaled = Output(int)

    def __init__(
        self, *, factor: int, names: list[str] | None = None, patience: Duration = ms(5), seed: int = -1
    ) -> None:
        self.factor, self.names, self.patience, self.seed = factor, names, patience, seed

    def on_watermark(self, ctx: Context) -> Iterator[int]:
        ctx.work("rough")
        yield ctx[self.value] * self.factor // 10 * 10
        ctx.work("exact")
        yield ctx[self.value] * self.factor


class Both(NamedTuple):
    low: int
    high: int


class Split(Operator):
    """Two outputs."""

    value = Input(int)
    extra = Input(int, join=latest(), required=False)
    low = Output(int)
    high = Output(int)

    def on_watermark(self, ctx: Context) -> Both:
        return Both(ctx[self.value] - 1, ctx[self.value] + 1)


class Fail(Operator):
    """Breaks at a given count."""

    value = Input(int)
    same = Output(int)

    def __init__(self, *, at: int) -> None:
        self.at = at

    def on_watermark(self, ctx: Context) -> int:
        if ctx[self.value] == self.at:
            raise RuntimeError("as told")
        return ctx[self.value]


class Allow(Operator):
    """A budget policy."""

    value = Input(int)
    budget = Output(Budget)
    seen: State[int] = State(lambda: 0)

    def on_watermark(self, ctx: Context) -> Budget:
        return Budget(within_ns=ms(20))

    def on_miss(self, ctx: Context, miss: DeadlineMissed) -> Budget:
        return Budget(within_ns=ms(20))


class Table(Operator):
    """Takes everything that reaches it into the room."""

    device = True
    value = Input(int)

    def __init__(self, *, world: Room) -> None:
        self.world = world

    def on_watermark(self, ctx: Context) -> None:
        self.world.heard.append(ctx[self.value])


class Die(Operator):
    """Ends its process without a word."""

    value = Input(int)
    same = Output(int)

    def on_watermark(self, ctx: Context) -> int:
        os.kill(os.getpid(), signal.SIGKILL)
        return 0
