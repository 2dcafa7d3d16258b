"""Building blocks of the contract tests: a counting source, an operator that follows a plan, both engines to run on.

Plans let time pass by ``Wait``, so that they mean the same on the virtual and on the wall clock.
"""

from __future__ import annotations

import importlib.util
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from pipeline import (
    END,
    Budget,
    Context,
    DeadlineMissed,
    Duration,
    Graph,
    Input,
    LatencyModel,
    Operator,
    Output,
    RunResult,
    Source,
    State,
    Timestamp,
    VirtualClock,
    Wait,
    WallClock,
    latest,
    ms,
    run,
    seconds,
)
from pipeline.events import Event, Sent
from tests.oracle import elsewhere
from tests.oracle.checks import Checker

HAS_ERDOS = importlib.util.find_spec("erdos") is not None
"""Only on CPython 3.10: tests/pipeline/test_erdos.py makes such an environment and runs the contract there."""

engines = pytest.mark.parametrize(
    "engine",
    [
        "virtual",
        *(pytest.param(name, marks=pytest.mark.real) for name in ("threads", "processes")),
        *([pytest.param("erdos", marks=pytest.mark.real)] if HAS_ERDOS else []),
    ],
)
"""Decorator: the test holds on every engine."""

SLOWER = 3
"""On the wall clock everything is planned this much slower: a busy machine must not look like a missed deadline.
What is recorded is scaled back, so that the tests read the same on every engine."""

FALLBACK = "fallback"
Step = tuple[str, Any]
"""("wait", Duration) | ("yield", value) | ("raise", error) | ("add", number to the state)."""
Plan = Mapping[int, Sequence[Step]]
"""What to do at which tick (the number of the source's tick); missing ticks are answered at once."""


class Ticks(Source):
    """Says 0, 1, 2, … every ``period`` and ends after ``count``."""

    out = Output(int)

    def __init__(self, count: int, period: Duration = ms(100), offset: Duration = ms(0)) -> None:
        self.count, self.period, self.offset = count, period, offset

    def on_tick(self, ctx: Context) -> Any:
        number = (ctx.t - self.offset) // self.period
        return number if number < self.count else END


class Skips(Ticks):
    """The same, but says nothing at some ticks."""

    def __init__(self, count: int, skipped: Sequence[int], period: Duration = ms(100)) -> None:
        super().__init__(count, period)
        self.skipped = skipped

    def on_tick(self, ctx: Context) -> Any:
        number = super().on_tick(ctx)
        return None if number in self.skipped else number


class Budgets(Source):
    """Writes a budget at each of its ticks."""

    out = Output(Budget)
    scale = 1

    def __init__(self, budgets: Sequence[Duration], period: Duration = ms(100), offset: Duration = ms(0)) -> None:
        self.budgets, self.period, self.offset = budgets, period, offset

    def on_tick(self, ctx: Context) -> Any:
        number = (ctx.t - self.offset) // self.period
        return Budget(within_ns=self.budgets[number] * self.scale) if number < len(self.budgets) else END


class Planned(Operator):
    """Follows its plan for tick number ``inp`` and answers with the number, unless the plan has yielded something."""

    inp = Input(object)
    out = Output(object)
    total: State[int] = State(int)

    scale = 1

    def __init__(self, plan: Plan | None = None) -> None:
        self.plan = plan or {}
        self.calls: list[int] = []
        self.misses: list[DeadlineMissed] = []
        self.totals: dict[int, int] = {}
        """t → state as the callback found it."""
        self.late: list[tuple[int, Any, int]] = []

    def on_watermark(self, ctx: Context) -> Iterator[Any]:
        self.calls.append(ctx.t // self.scale)
        self.totals[ctx.t // self.scale] = ctx[self.total]
        yield from self.follow(ctx, self.plan.get(ctx[self.inp], ()))

    def follow(self, ctx: Context, steps: Sequence[Step]) -> Iterator[Any]:
        said = False
        for kind, what in steps:
            if kind == "wait":
                yield Wait(Duration(what * self.scale))
            elif kind == "add":
                ctx[self.total] = ctx[self.total] + what
            elif kind == "raise":
                raise what
            else:
                said = True
                yield what
        if not said:
            yield ctx[self.inp]

    def on_late(self, t: int, value: Any, late_by: Duration) -> None:
        self.late.append((t // self.scale, value, late_by // self.scale))


class Handled(Planned):
    """The same with a handler."""

    def __init__(self, plan: Plan | None = None, answer: Callable[[DeadlineMissed], Any] | None = None) -> None:
        super().__init__(plan)
        self.answer = answer or (lambda miss: FALLBACK)

    def on_miss(self, ctx: Context, miss: DeadlineMissed) -> Any:
        self.misses.append(_scaled_back(miss, self.scale))
        return self.answer(miss)


class HandledWithState(Handled):
    """Its handler adds 1000 to the state."""

    def on_miss(self, ctx: Context, miss: DeadlineMissed) -> Any:
        ctx[self.total] = ctx[self.total] + 1000
        return super().on_miss(ctx, miss)


class Collects(Operator):
    """A sink that remembers the envelopes it got."""

    inp = Input(object)
    scale = 1

    def __init__(self) -> None:
        self.got: list[Any] = []

    def on_watermark(self, ctx: Context) -> None:
        envelope = ctx.envelope(self.inp)
        assert envelope is not None
        times = {name: getattr(envelope, name) // self.scale for name in ("t", "origin", "at")}
        self.got.append(envelope._replace(**times))


class Pairs(Operator):
    """Two exact inputs; answers with the pair."""

    left = Input(object)
    right = Input(object)
    out = Output(object)

    def on_watermark(self, ctx: Context) -> Any:
        return [ctx[self.left], ctx[self.right]]


class Samples(Operator):
    """An exact trigger and the latest of another stream."""

    inp = Input(int)
    other = Input(object, join=latest(), required=False)
    out = Output(object)

    def on_watermark(self, ctx: Context) -> Any:
        return [ctx[self.inp], ctx.get(self.other)]


def checked(
    graph: Graph, engine: str = "virtual", *, until: Duration = seconds(2), **settings: Any
) -> tuple[RunResult, Checker]:
    """Run a graph on an engine with every event checked."""
    exact = engine == "virtual"
    scale = 1 if exact else SLOWER
    _slow_down(graph, scale)
    elsewhere.pause(graph)
    checker = Checker(exact_time=exact, handler_budget=settings.pop("handler_budget", ms(5)), scale=scale)
    latency = settings.pop("latency", None)
    with tempfile.TemporaryDirectory() as notes:
        result = run(
            graph,
            clock=_clock(graph, engine, latency or {}, Path(notes)),
            until=Duration(until * scale),
            observers=[checker],
            **settings,
        )
        elsewhere.read_back(graph, Path(notes))
    checker.finish()
    return result, checker


def _clock(graph: Graph, engine: str, latency: Any, notes: Path) -> VirtualClock | WallClock:
    if engine == "virtual":
        return VirtualClock(7, LatencyModel(7, latency))
    if engine == "threads":
        return WallClock(7)
    recipe = elsewhere.recipe_of(notes)
    if engine == "erdos":
        from pipeline.engines.erdos import OnErdos

        return WallClock(7, elsewhere=OnErdos(recipe))
    from pipeline.engines.processes.plan import Supervision, place

    # Nothing is repaired here: what fails must be seen to fail.
    everybody, patient = frozenset(graph.operators), Supervision(alive=seconds(5), grace=seconds(5))
    return WallClock(7, elsewhere=place(graph, recipe, fragile=everybody, supervision=patient))


def _slow_down(graph: Graph, scale: int) -> None:
    def slower(duration: Any) -> Any:
        return Duration(duration * scale) if isinstance(duration, int) else duration

    def handling(budget: Duration) -> Duration:
        # On a busy machine a thread may need some milliseconds to start; no test on the wall clock is about them.
        return budget if scale == 1 else max(budget, ms(200))

    for operator in [*graph.operators.values(), *(s.operator for specs in graph.candidates.values() for s in specs)]:
        if isinstance(operator, Source):
            operator.period, operator.offset = slower(operator.period), slower(operator.offset)
        if hasattr(operator, "scale"):
            operator.scale = scale
    graph.deadlines[:] = [
        replace(
            spec,
            within=slower(spec.within),
            static=slower(spec.static),
            handler_budget=handling(spec.handler_budget),
            reserve={name: slower(least) for name, least in spec.reserve.items()},
        )
        for spec in graph.deadlines
    ]
    for specs in graph.candidates.values():
        specs[:] = [replace(spec, within=slower(spec.within)) for spec in specs]


def _scaled_back(miss: DeadlineMissed, scale: int) -> DeadlineMissed:
    return DeadlineMissed(
        Timestamp(miss.t // scale),
        budget=Duration(miss.budget // scale),
        elapsed=Duration(miss.elapsed // scale),
        best=miss.best,
        finished=miss.finished,
        committed=None if miss.committed is None else Timestamp(miss.committed // scale),
        reason=miss.reason,
    )


def chain(*operators: Any, source: Source) -> Graph:
    """source → operator → operator … by their ports ``out`` and ``inp``, named a, b, c …"""
    graph = Graph("chain")
    graph.add(source, "source")
    previous: Any = source
    for name, operator in zip("abcdefgh", operators, strict=False):
        graph.add(operator, name)
        graph.connect(previous.out, operator.inp)
        previous = operator
    return graph


def of(checker: Checker, kind: type, operator: str) -> list[Any]:
    """The events of one kind and operator."""
    return [event for event in checker.events if isinstance(event, kind) and event.operator == operator]


def said(checker: Checker, operator: str) -> list[tuple[int, Any, str]]:
    """(t in ms, value, quality) of everything the operator sent."""
    return [(event.t // ms(1), event.value, event.quality) for event in of(checker, Sent, operator)]


def names(events: Sequence[Event]) -> list[str]:
    """The events' kinds, for looking at an order."""
    return [type(event).__name__ for event in events]
