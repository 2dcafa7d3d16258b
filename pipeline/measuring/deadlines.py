"""``skylane bench deadlines``: is every miss of a busy operator handled, soon and once, and does nothing late get out?

On the wall clock, idle and beside twice as much other work as there are processors. Returns plain figures.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from pipeline import events as ev
from pipeline.definition import Aborted, Context, DeadlineMissed, Operator, Source, Wait
from pipeline.engines.realtime import ORDINARY, Urgency
from pipeline.events import Event
from pipeline.graph import Graph
from pipeline.latency import LatencyModel
from pipeline.measuring.load import in_force, load_average, oversubscribed, percentiles, urgent_engine
from pipeline.ports import Input, Output
from pipeline.timestamps import Duration, ms, seconds

FROM_HANDLER = -1
"""What a handler says. A callback says when it made its answer, so that a late one that was sent is found out."""
KEPT = 64
"""Timestamps of one operator that are remembered after they were sealed, to notice what happens twice."""
OVERSUBSCRIBED = 2.0
PERIOD, WITHIN = ms(20), ms(1)
"""Ten operators make five hundred deadlines a second and keep the interpreter's lock busy for half the time."""


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
    """What has been seen of one operator; its timestamps come in order."""

    def __init__(self, operator: Overruns) -> None:
        self.operator = operator
        self.expires: dict[int, int] = {}
        self.missed: dict[int, int] = {}
        self.handlers: Counter[int] = Counter()
        self.unhandled: set[int] = set()
        self.under_way: set[int] = set()
        self.sealed = -1
        self.taken = 0

    def forget(self) -> None:
        """Keep only the last timestamps."""
        for seen in (self.expires, self.missed, self.handlers):
            while len(seen) > KEPT:
                del seen[next(iter(seen))]


class Tally:
    """Follows a run and counts what must not happen, beside the delay of every handler."""

    def __init__(self, operators: Mapping[str, Overruns]) -> None:
        self.by_name = {name: _Followed(operator) for name, operator in operators.items()}
        self.delays_ms: list[float] = []
        self.counts: Counter[str] = Counter()

    def on_event(self, event: Event) -> None:
        """One thing happened."""
        followed = self.by_name.get(event.operator)
        if followed is None:
            return
        t = event.t
        if isinstance(event, ev.Armed):
            self.counts["deadlines"] += t not in followed.expires
            followed.expires[t] = event.expires
            followed.under_way.add(t)
        elif isinstance(event, ev.Missed):
            self.counts["missed"] += 1
            followed.missed[t] = event.at
            followed.unhandled.add(t)
        elif isinstance(event, ev.Handled):
            self.counts[f"handler_{event.outcome}"] += 1
            followed.unhandled.discard(t)
        elif isinstance(event, ev.Sent):
            self._sent(followed, event)
        elif isinstance(event, ev.Sealed):
            self.counts["silent"] += event.reason != "shutdown"
            followed.unhandled -= {t} if event.reason == "shutdown" else set()
            self._over(followed, t)
        elif isinstance(event, ev.Late):
            self.counts["refused_late"] += 1
        elif isinstance(event, ev.Dropped):
            self.counts["dropped"] += 1

    def _sent(self, followed: _Followed, event: ev.Sent) -> None:
        t, made = event.t, event.value
        if made != FROM_HANDLER:
            missed_at = followed.missed.get(t)
            if missed_at is not None and made >= missed_at:
                self.counts["late_applied"] += 1
            elif made > followed.expires.get(t, made):
                self.counts["answered_before_the_timer"] += 1
        self._over(followed, t)

    def _over(self, followed: _Followed, t: int) -> None:
        self.counts["completed_twice"] += t <= followed.sealed
        followed.sealed = max(t, followed.sealed)
        followed.under_way.discard(t)
        self._handlers(followed)
        followed.forget()

    def _handlers(self, followed: _Followed) -> None:
        handled = followed.operator.handled
        while followed.taken < len(handled) and handled[followed.taken][0] in followed.expires:
            t, started = handled[followed.taken]
            followed.taken += 1
            followed.handlers[t] += 1
            self.counts["handled_twice"] += followed.handlers[t] > 1
            self.delays_ms.append((started - followed.expires[t]) / 1e6)

    def figures(self) -> dict[str, Any]:
        """Call it when the run is over."""
        for followed in self.by_name.values():
            self._handlers(followed)
        unhandled = sum(len(f.unhandled | f.under_way) for f in self.by_name.values())
        return {
            **percentiles("handler_ms", self.delays_ms),
            **{name: self.counts[name] for name in ("deadlines", "missed", "late_applied", "handled_twice")},
            "unhandled": unhandled,
            "completed_twice": self.counts["completed_twice"],
            "handler_overran": self.counts["handler_overran"],
            "refused_late": self.counts["refused_late"],
            "answered_before_the_timer": self.counts["answered_before_the_timer"],
            "dropped": self.counts["dropped"],
        }


def graph_of(kinds: Sequence[type[Overruns]], pairs: int, period: Duration, within: Duration) -> Graph:
    """``pairs`` sources, evenly staggered, each with an operator of its own that is busy until its deadline."""
    graph = Graph("bench_deadlines")
    for i in range(pairs):
        source = Ticks(period, Duration(i * period // pairs))
        operator = kinds[i % len(kinds)]()
        graph.add(source, f"ticks_{i}")
        graph.add(operator, f"busy_{i}")
        graph.connect(source.start, operator.start)
        graph.deadline(operator.answer, within=within)
    return graph


def measured(graph: Graph, duration: Duration, urgency: Urgency | None = None) -> dict[str, Any]:
    """Run the graph on the wall clock and count. ``urgency``: how its threads stand to others."""
    operators = {name: o for name, o in graph.operators.items() if isinstance(o, Overruns)}
    tally = Tally(operators)
    engine = urgent_engine(urgency)(graph, LatencyModel(), [tally])
    before, began = load_average(), time.monotonic()
    engine.run(duration)
    wall_s = time.monotonic() - began
    return {
        **tally.figures(),
        "per_s": round(tally.counts["deadlines"] / wall_s),
        "wall_s": round(wall_s, 1),
        "load_average_before": before,
        "load_average_after": load_average(),
        "in_force": in_force(engine),
    }


def deadlines(
    *, quick: bool = False, count: int = 1_000_000, operators: int = 10, priority: int = 50
) -> dict[str, Any]:
    """Handler start after the deadline, late answers that got out, misses handled twice or never; idle and loaded.

    ``count`` deadlines, half of them beside twice as many busy processes as there are processors; ``quick``: 50
    seconds. ``operators``: fifty deadlines a second each. ``priority``: SCHED_FIFO of the callbacks; 0: ordinary
    scheduler, favoured; -1: like any other program.
    """
    urgency = ORDINARY if priority < 0 else Urgency(priority)
    duration = seconds(25) if quick else Duration(count // 2 * PERIOD // operators)
    began = time.monotonic()
    idle = measured(graph_of(KINDS, operators, PERIOD, WITHIN), duration, urgency)
    with oversubscribed(OVERSUBSCRIBED) as processes:
        loaded = measured(graph_of(KINDS, operators, PERIOD, WITHIN), duration, urgency)
    both = ("deadlines", "missed", "late_applied", "handled_twice", "unhandled", "completed_twice")
    return {
        **{name: idle[name] + loaded[name] for name in both},
        **{name: value for name, value in idle.items() if name.startswith("handler_ms")},
        **{f"loaded_{name}": value for name, value in loaded.items() if name.startswith("handler_ms")},
        "per_s": idle["per_s"],
        "operators": operators,
        "within_ms": WITHIN / 1e6,
        "busy_processes": processes,
        "total_s": round(time.monotonic() - began, 1),
        "idle": idle,
        "loaded": loaded,
        "R7": handler_delay(idle),
    }


def handler_delay(figures: Mapping[str, Any]) -> dict[str, Any]:
    """Row R7: how long after a miss its handler starts, while the callback is still busy.

    Source: D3 (EuroSys'22), section 7: 0.1 ms, in Rust.
    """
    p50, p99 = figures["handler_ms_p50"], figures["handler_ms_p99"]
    return {
        "claimed": "0.1 ms after the miss (Rust)",
        "measured": {"p50_ms": p50, "p99_ms": p99},
        "beaten": p50 <= 1.0 and p99 <= 5.0,
        "beaten_if": "p50 <= 1 ms and p99 <= 5 ms in Python while the callback runs",
    }
