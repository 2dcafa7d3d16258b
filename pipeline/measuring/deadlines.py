"""``skylane bench deadlines``: does every deadline of busy operators fire, on time, once, and does nothing late get out?

On the wall clock, idle and beside twice as much other work as there are processors. Returns plain figures.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import Any

import numpy as np

from pipeline import events as ev
from pipeline.definition import Aborted, Context, DeadlineMissed, Operator, Source, Wait
from pipeline.events import Event
from pipeline.ports import Input, Output
from pipeline.timestamps import Duration, ms

FROM_HANDLER = -1
"""What a handler says. A callback says when it made its answer, so that a late one that was sent is found out."""
KEPT = 64
"""Timestamps of one operator that are remembered after they were sealed, to notice what happens twice."""
OVERSUBSCRIBED = 2.0


class Ticks(Source):
    """Starts its operator every ``period``."""

    start = Output(int)

    def __init__(self, period: Duration, offset: Duration) -> None:
        self.period, self.offset = period, offset

    def on_tick(self, ctx: Context) -> int:
        return ctx.t


class Overruns(Operator):
    """Never done in time; says in ``handled`` when its handler started."""

    device = True
    start = Input(int)
    answer = Output(int)

    def __init__(self) -> None:
        self.handled: list[tuple[int, int]] = []

    def on_miss(self, ctx: Context, miss: DeadlineMissed) -> int:
        self.handled.append((ctx.t, ctx.now()))
        return FROM_HANDLER


class Computes(Overruns):
    """Computes in Python, which holds the interpreter's lock, until it is stopped."""

    def on_watermark(self, ctx: Context) -> int:
        while True:
            for _ in range(100):
                pass


class Multiplies(Overruns):
    """Computes outside the interpreter's lock until it is stopped."""

    def __init__(self) -> None:
        super().__init__()
        self.matrix = np.ones((96, 96))

    def on_watermark(self, ctx: Context) -> int:
        while True:
            self.matrix @ self.matrix


class Waits(Overruns):
    """Waits for somebody who does not answer."""

    def on_watermark(self, ctx: Context) -> Iterator[Wait]:
        yield Wait(ms(10_000))


class Close(Overruns):
    """Answers around its deadline, up to half a millisecond before or after."""

    def on_watermark(self, ctx: Context) -> int:
        until = ctx.now() + ctx.remaining() + int(ctx.rng.integers(-500_000, 500_000))
        while ctx.now() < until:
            pass
        return ctx.now()


class Stubborn(Overruns):
    """Takes no notice of being stopped and answers all the same."""

    def on_watermark(self, ctx: Context) -> int:
        try:
            while True:
                for _ in range(100):
                    pass
        except Aborted:
            return ctx.now()


KINDS: tuple[type[Overruns], ...] = (Computes, Multiplies, Waits, Close, Stubborn)


class _Followed:
    """What has been seen of one operator; timestamps come in order."""

    def __init__(self, operator: Overruns) -> None:
        self.operator = operator
        self.expires: dict[int, int] = {}
        self.missed: dict[int, int] = {}
        self.answered: Counter[int] = Counter()
        self.sealed = -1
        self.taken = 0

    def forget(self) -> None:
        """Keep only the last timestamps."""
        for seen in (self.expires, self.missed, self.answered):
            while len(seen) > KEPT:
                del seen[next(iter(seen))]


class Tally:
    """Follows a run and counts what must not happen."""

    def __init__(self, operators: dict[str, Overruns], end: int) -> None:
        self.by_name = {name: _Followed(operator) for name, operator in operators.items()}
        self.end = end
        self.delays_ms: list[float] = []
        self.counts: Counter[str] = Counter()

    def on_event(self, event: Event) -> None:
        followed = self.by_name.get(event.operator)
        if followed is None:
            return
        kind, t = type(event), event.t
        if kind is ev.Armed:
            self.counts["armed"] += 1
            followed.expires[t] = event.expires  # type: ignore[union-attr]
        elif kind is ev.Missed:
            self.counts["missed"] += 1
            followed.missed[t] = event.at
        elif kind is ev.Handled:
            self.counts[f"handler_{event.outcome}"] += 1  # type: ignore[union-attr]
            self._handlers(followed)
        elif kind is ev.Sent:
            self._sent(followed, event)
        elif kind is ev.Sealed:
            self._over(followed, t)
            if event.reason != "shutdown":  # type: ignore[union-attr]
                self.counts["unanswered"] += 1
        elif kind is ev.Late:
            self.counts["refused_late"] += 1
        elif kind is ev.Dropped:
            self.counts["dropped"] += 1

    def _sent(self, followed: _Followed, event: Any) -> None:
        t, made = event.t, event.value
        if made != FROM_HANDLER:
            if t in followed.missed and made >= followed.missed[t]:
                self.counts["late_applied"] += 1
            elif made > followed.expires.get(t, made):
                self.counts["answered_before_the_timer"] += 1
        self._over(followed, t)

    def _over(self, followed: _Followed, t: int) -> None:
        self.counts["completed"] += 1
        if t <= followed.sealed:
            self.counts["completed_twice"] += 1
        followed.sealed = max(t, followed.sealed)
        self._handlers(followed)
        followed.forget()

    def _handlers(self, followed: _Followed) -> None:
        handled = followed.operator.handled
        while followed.taken < len(handled):
            t, started = handled[followed.taken]
            followed.taken += 1
            followed.answered[t] += 1
            if followed.answered[t] > 1:
                self.counts["handled_twice"] += 1
            expires = followed.expires.get(t)
            if expires is not None:
                self.delays_ms.append((started - expires) / 1e6)
            else:
                self.counts["handled_unarmed"] += 1
        if followed.taken > 10_000:
            del handled[: followed.taken]
            followed.taken = 0

    def finish(self) -> None:
        """The run is over."""
        for followed in self.by_name.values():
            self._handlers(followed)
