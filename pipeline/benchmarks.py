"""``skylane bench clock`` and ``bench race``: what the runtime itself costs, beside SimPy in the same run.

Each returns plain figures; the command adds the machine and its load.
"""

from __future__ import annotations

import statistics
import time
from typing import Any

from pipeline.definition import Context, DeadlineMissed, Operator, Source
from pipeline.engines.virtual import VirtualEngine
from pipeline.errors import MissingExtra
from pipeline.graph import Graph
from pipeline.latency import LatencyModel
from pipeline.messages import Quality
from pipeline.ports import Input, Output, State
from pipeline.race import Candidate, Race
from pipeline.timestamps import Duration, ms

ROUNDS = 5


class Tick(Source):
    """Writes its timestamp every millisecond."""

    period = ms(1)
    count = Output(int)

    def on_tick(self, ctx: Context) -> int:
        return ctx.t


class Increment(Operator):
    """Adds one and counts in its state."""

    value = Input(int)
    result = Output(int)
    seen = State(lambda: 0)

    def on_watermark(self, ctx: Context) -> int:
        ctx[self.seen] = ctx[self.seen] + 1
        return ctx[self.value] + 1

    def on_miss(self, ctx: Context, miss: DeadlineMissed) -> int:
        return 0


class Add(Operator):
    """Joins two streams at exactly t and counts in its state."""

    left = Input(int)
    right = Input(int)
    result = Output(int)
    seen = State(lambda: 0)

    def on_watermark(self, ctx: Context) -> int:
        ctx[self.seen] = ctx[self.seen] + 1
        return ctx[self.left] + ctx[self.right]

    def on_miss(self, ctx: Context, miss: DeadlineMissed) -> int:
        return 0


def clock_graph() -> Graph:
    """Eight trivial operators, three of them joins, each with state and a deadline of 5 ms."""
    graph = Graph("bench_clock")
    source = Tick()
    a, b, c, d, e = (Increment() for _ in range(5))
    ab, cd, ea = (Add() for _ in range(3))
    graph.connect(source.count, a.value)
    graph.connect(source.count, b.value)
    graph.connect(a.result, ab.left)
    graph.connect(b.result, ab.right)
    graph.connect(ab.result, c.value)
    graph.connect(ab.result, d.value)
    graph.connect(c.result, cd.left)
    graph.connect(d.result, cd.right)
    graph.connect(cd.result, e.value)
    graph.connect(e.result, ea.left)
    graph.connect(a.result, ea.right)
    for operator in (a, b, c, d, e, ab, cd, ea):
        graph.deadline(operator.outputs()[0], within=ms(5))
    return graph


def clock(*, quick: bool = False) -> dict[str, Any]:
    """Callbacks a second of the virtual engine, and process switches a second of SimPy, in alternating rounds."""
    ticks = 1_000 if quick else 4_000
    ours, theirs = [], []
    for _ in range(ROUNDS):
        ours.append(_callbacks_per_s(ticks))
        theirs.append(_simpy_per_s(ticks))
    return {
        "callbacks_per_s": round(statistics.median(ours)),
        "callbacks_per_s_best": round(max(ours)),
        "simpy_per_s": round(statistics.median(theirs)),
        "ratio": round(statistics.median(a / b for a, b in zip(ours, theirs, strict=True)), 3),
        "operators": 8,
        "rounds": ROUNDS,
    }


def _callbacks_per_s(ticks: int) -> float:
    engine = VirtualEngine(clock_graph(), LatencyModel(), [])
    began = time.perf_counter()
    engine.run(ms(ticks) - 1)
    return 8 * ticks / (time.perf_counter() - began)


def _simpy_per_s(ticks: int) -> float:
    try:
        import simpy
    except ImportError as error:
        raise MissingExtra(
            "bench clock compares with SimPy, which is not installed", hint="pip install simpy"
        ) from error
    environment = simpy.Environment()

    def process() -> Any:
        while True:
            yield environment.timeout(1)

    for _ in range(8):
        environment.process(process())
    began = time.perf_counter()
    environment.run(until=ticks)
    return 8 * ticks / (time.perf_counter() - began)


def race(*, quick: bool = False) -> dict[str, Any]:
    """One race of three candidates with a deadline and a handler, from the start to the commit."""
    durations = []
    for t in range(2_000 if quick else 20_000):
        began = time.perf_counter_ns()
        contest = Race(
            t,
            [Candidate("local"), Candidate("large", 1), Candidate("cloud", 2, t + 40, remote=True)],
            deadline=t + 100,
            has_handler=True,
            budget=Duration(100),
        )
        contest.start(t)
        contest.yielded("local", 1, t + 10)
        contest.done("local", 2, t + 20)
        contest.failed("large", "refused", t + 30)
        contest.expire_candidate("cloud", t + 40)
        durations.append(time.perf_counter_ns() - began)
        assert contest.committed is not None and contest.committed.quality == Quality.FINAL
    durations.sort()
    return {
        "decision_us_p50": durations[len(durations) // 2] / 1e3,
        "decision_us_p99": durations[len(durations) * 99 // 100] / 1e3,
        "events_per_decision": 5,
        "candidates": 3,
    }
