"""Operators for graphs over several hosts, to be named in launch files as ``host_toys:Count``."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from pipeline import Context, DeadlineMissed, Input, Message, Operator, Output, Source, ms, readonly

FALLBACK = -1


class Frame(Message, frozen=True, kw_only=True):
    """A picture."""

    rgb: NDArray[np.uint8]


class Count(Source):
    """Counts its ticks."""

    count = Output(int)
    period = ms(10)

    def on_tick(self, ctx: Context) -> int:
        return ctx.t // self.period


class Camera(Source):
    """Pictures whose every pixel is their number."""

    frame = Output(Frame)
    period = ms(20)

    def __init__(self, *, side: int = 64) -> None:
        self.side = side

    def on_tick(self, ctx: Context) -> Frame:
        number = ctx.t // self.period % 256
        return Frame(rgb=readonly(np.full((self.side, self.side, 3), number, np.uint8)))


class Look(Operator):
    """The brightest pixel."""

    frame = Input(Frame)
    brightest = Output(int)

    def on_watermark(self, ctx: Context) -> int:
        return int(ctx[self.frame].rgb.max())


class Double(Operator):
    """What an edge computer would do."""

    value = Input(int)
    double = Output(int)

    def on_watermark(self, ctx: Context) -> int:
        return 2 * ctx[self.value]


class Break(Operator):
    """Fails at a count."""

    value = Input(int)
    double = Output(int)

    def __init__(self, *, at: int) -> None:
        self.at = at

    def on_watermark(self, ctx: Context) -> int:
        if ctx[self.value] == self.at:
            raise RuntimeError("as told")
        return 2 * ctx[self.value]


class Decide(Operator):
    """Uses the far answer if it comes in time, else says FALLBACK."""

    value = Input(int)
    far = Input(int)
    decision = Output(int)

    def on_watermark(self, ctx: Context) -> int:
        return ctx[self.far] + 1

    def on_miss(self, ctx: Context, miss: DeadlineMissed) -> int:
        return FALLBACK
