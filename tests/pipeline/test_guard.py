"""No NaN leaves an operator where the graph is guarded, failures get their names, and the run goes on."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from pipeline import (
    CandidateFailed,
    Context,
    DeadlineMissed,
    Graph,
    Input,
    Message,
    Operator,
    Output,
    RunResult,
    Source,
    VirtualClock,
    WallClock,
    ms,
    run,
)
from pipeline import events as ev
from pipeline.engines.guard import ELEMENTS_MAX
from pipeline.errors import OperatorFailed


class Reading(Message, frozen=True, kw_only=True):
    """A payload with numbers in several places."""

    x_m: float = 0.0
    ranges_m: Any = ()


class Ticks(Source):
    """0, 1, 2 …"""

    tick = Output(int)
    period = ms(10)

    def on_tick(self, ctx: Context) -> int:
        return ctx.t // self.period


class Sensor(Operator):
    """Answers with whatever ``of(tick)`` returns."""

    tick = Input(int)
    reading = Output(Reading)

    def __init__(self, of: Callable[[int], Any]) -> None:
        self.of = of

    def on_watermark(self, ctx: Context) -> Any:
        return self.of(ctx[self.tick])


class Careful(Sensor):
    """Has a handler."""

    def on_miss(self, ctx: Context, miss: DeadlineMissed) -> Reading:
        return Reading(x_m=-1.0)


class Hopeless(Sensor):
    """Its handler is no better."""

    def on_miss(self, ctx: Context, miss: DeadlineMissed) -> Reading:
        return Reading(x_m=math.nan)


def at(tick: int, value: Any, *, until: int | None = None) -> Callable[[int], Any]:
    """A good reading but for the ticks from ``tick`` to ``until``, at which ``value`` is answered or raised."""

    def answer(now: int) -> Any:
        if tick <= now <= (tick if until is None else until):
            if isinstance(value, Exception):
                raise value
            return value
        return Reading(x_m=1.0)

    return answer


def driven(sensor: Sensor, *, check: bool | None = True, clock: Any = None, ticks: int = 6) -> tuple[RunResult, Sensor]:
    graph = Graph("guarded", check_finite=check)
    graph.connect(Ticks().tick, sensor.tick)
    clock = VirtualClock() if clock is None else clock
    return run(graph, clock=clock, until=ms(10 * ticks - 5), keep_events=True), sensor


def of(result: RunResult, *kinds: type) -> list[Any]:
    return [event for event in result.events if isinstance(event, kinds)]


def ticks_of(result: RunResult, sensor: Sensor) -> dict[int, float]:
    return {t // ms(10): reading.x_m for t, reading in result[sensor.reading]}


BAD = [
    (Reading(x_m=math.nan), "x_m"),
    (Reading(x_m=-math.inf), "x_m"),
    (Reading(ranges_m=np.array([0.0, math.nan])), "ranges_m"),
    (Reading(ranges_m=np.array([0.0, math.inf], np.float32)), "ranges_m"),
    (Reading(ranges_m=(1.0, (2.0, math.nan))), "ranges_m[1][1]"),
    (Reading(ranges_m={"left": math.nan}), "ranges_m['left']"),
    (Reading(ranges_m=np.float32("nan")), "ranges_m"),
]


@pytest.mark.parametrize(("value", "where"), BAD, ids=[f"{where}-{n}" for n, (_, where) in enumerate(BAD)])
def test_an_answer_that_is_not_finite_does_not_leave_and_the_handler_answers(value: Reading, where: str) -> None:
    result, sensor = driven(Careful(at(2, value)))
    assert ticks_of(result, sensor) == {0: 1.0, 1: 1.0, 2: -1.0, 3: 1.0, 4: 1.0, 5: 1.0}
    (refused,) = of(result, ev.Refused)
    assert refused.reason == f"answered with a number that is not finite: {where}"
    fault, recovered = of(result, ev.Fault, ev.Recovered)
    assert (fault.operator, fault.t, fault.kind, fault.reason) == ("careful", ms(20), "not_finite", refused.reason)
    assert (recovered.operator, recovered.t, recovered.after) == ("careful", ms(30), ms(10))


def test_without_a_handler_its_timestamp_goes_without_and_the_run_goes_on() -> None:
    result, sensor = driven(Sensor(at(2, Reading(x_m=math.nan), until=3)))
    assert sorted(ticks_of(result, sensor)) == [0, 1, 4, 5]
    assert [seal.t // ms(10) for seal in of(result, ev.Sealed)] == [2, 3]
    assert [type(event).__name__ for event in of(result, ev.Fault, ev.Recovered)] == ["Fault", "Fault", "Recovered"]


def test_a_handlers_answer_is_held_to_the_same() -> None:
    result, sensor = driven(Hopeless(at(2, Reading(x_m=math.nan))))
    assert sorted(ticks_of(result, sensor)) == [0, 1, 3, 4, 5]
    assert [fault.reason for fault in of(result, ev.Fault)] == [
        "answered with a number that is not finite: x_m",
        "handler: answered with a number that is not finite: x_m",
    ]
    assert [handled.outcome for handled in of(result, ev.Handled)] == ["raised"]


def test_what_an_anytime_operator_said_before_counts() -> None:
    class Anytime(Careful):
        def on_watermark(self, ctx: Context) -> Any:
            yield Reading(x_m=float(ctx[self.tick]))
            yield Reading(x_m=math.nan)

    result, sensor = driven(Anytime(at(0, None)), ticks=2)
    assert len(of(result, ev.Fault)) == 2
    assert all(math.isfinite(x_m) for x_m in ticks_of(result, sensor).values())


def test_large_arrays_are_not_looked_through() -> None:
    for size, faults in ((ELEMENTS_MAX, 1), (ELEMENTS_MAX + 1, 0)):
        result, _ = driven(Careful(at(2, Reading(ranges_m=np.full(size, math.nan)))))
        assert len(of(result, ev.Fault)) == faults


@pytest.mark.parametrize("check", [None, False])
def test_on_virtual_time_only_a_graph_that_asks_for_it_is_guarded(check: bool | None) -> None:
    result, sensor = driven(Careful(at(2, Reading(x_m=math.nan))), check=check)
    assert math.isnan(ticks_of(result, sensor)[2])
    result, _ = driven(Careful(at(2, ValueError("no"))), check=check)
    assert not of(result, ev.Fault, ev.Recovered)


@pytest.mark.parametrize(
    ("value", "kind", "reason"),
    [
        (ValueError("as told"), "raised", "ValueError: as told"),
        ("text", "wrong_type", "answered str on careful.reading, which carries Reading"),
    ],
)
def test_other_failures_are_named_as_well(value: Any, kind: str, reason: str) -> None:
    result, _ = driven(Careful(at(2, value)))
    fault, _recovered = of(result, ev.Fault, ev.Recovered)
    assert (fault.kind, fault.reason) == (kind, reason)
    with pytest.raises(OperatorFailed, match=r"t=20000000: "):
        driven(Sensor(at(2, value)))


def test_an_operator_that_says_it_cannot_answer_is_no_fault() -> None:
    result, _ = driven(Careful(at(2, CandidateFailed("link down"))))
    assert not of(result, ev.Fault, ev.Recovered)
    assert [handled.outcome for handled in of(result, ev.Handled)] == ["answered"]


@pytest.mark.parametrize(("check", "faults"), [(None, {"not_finite"}), (True, {"not_finite"}), (False, set())])
def test_on_the_wall_clock_every_graph_is_guarded_that_does_not_refuse(check: bool | None, faults: set[str]) -> None:
    result, _ = driven(Careful(at(0, Reading(x_m=math.nan), until=10)), check=check, clock=WallClock(), ticks=10)
    assert {fault.kind for fault in of(result, ev.Fault)} == faults
