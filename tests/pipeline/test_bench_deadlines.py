"""The wall-clock benchmarks count what they promise to count. How late anything was is not asked here."""

from __future__ import annotations

import math
from typing import Any

import pytest

from pipeline import events as ev
from pipeline import ms
from pipeline.engines.realtime import ORDINARY, Urgency
from pipeline.measuring import period, protection
from pipeline.measuring.deadlines import (
    FROM_HANDLER,
    KINDS,
    Overruns,
    Tally,
    Ticks,
    Waits,
    graph_of,
    handler_delay,
    measured,
)
from pipeline.timestamps import Duration


@pytest.mark.parametrize("urgency", [None, ORDINARY, Urgency(10)], ids=["default", "ordinary", "fifo"])
def test_every_miss_is_handled_once_and_nothing_late_gets_out(urgency: Urgency | None) -> None:
    figures = measured(graph_of(KINDS, 5, ms(40), ms(4)), ms(300), urgency)
    assert figures["deadlines"] >= 5
    assert figures["missed"] >= 1
    wrong = {n: figures[n] for n in ("late_applied", "handled_twice", "unhandled", "completed_twice") if figures[n]}
    assert not wrong
    assert set(figures["in_force"]) >= {"timers", "handlers", "callbacks", "switch_interval_ms", "cores", "wakeups"}


def test_a_busy_operator_is_free_again_for_the_next_timestamp_whatever_its_callback_did_when_stopped() -> None:
    graph = graph_of(KINDS, 10, ms(20), ms(2))
    figures = measured(graph, ms(600))
    for operator in graph.operators.values():
        if isinstance(operator, Waits):
            assert len(operator.handled) >= 2
    assert figures["unhandled"] == 0


class Story:
    """Events of one operator, told to a tally."""

    def __init__(self) -> None:
        self.operator = Overruns()
        self.tally = Tally({"busy": self.operator})

    def tell(self, *events: Any) -> dict[str, Any]:
        for event in events:
            self.tally.on_event(event)
        return self.tally.figures()


def armed(t: int) -> ev.Armed:
    return ev.Armed(t, "busy", t, "deadline", t + 10)


def missed(t: int) -> ev.Missed:
    return ev.Missed(t + 11, "busy", t, "deadline", 10, 11, (), "deadline")


def sent(t: int, value: int) -> ev.Sent:
    return ev.Sent(t + 20, "busy", t, "busy.answer", t, "final", "local", value)


def handled(t: int) -> ev.Handled:
    return ev.Handled(t + 15, "busy", t, "answered")


def test_a_value_made_after_the_miss_that_is_sent_all_the_same_is_found() -> None:
    assert Story().tell(armed(0), missed(0), handled(0), sent(0, 12))["late_applied"] == 1


def test_a_value_made_before_the_miss_may_be_sent_after_it() -> None:
    assert Story().tell(armed(0), missed(0), handled(0), sent(0, 5))["late_applied"] == 0


def test_a_miss_without_a_handler_is_found() -> None:
    assert Story().tell(armed(0), missed(0), sent(0, FROM_HANDLER))["unhandled"] == 1


def test_a_timestamp_that_is_never_completed_is_found() -> None:
    assert Story().tell(armed(0), armed(100), missed(0), handled(0), sent(0, FROM_HANDLER))["unhandled"] == 1


def test_a_timestamp_that_is_completed_twice_is_found() -> None:
    assert Story().tell(armed(0), sent(0, 5), sent(0, 5))["completed_twice"] == 1


def test_a_handler_that_runs_twice_is_found_and_its_delay_counts_from_the_deadline() -> None:
    story = Story()
    story.operator.handled += [(0, 2_000_010), (0, 4_000_010)]
    figures = story.tell(armed(0), missed(0), handled(0), sent(0, FROM_HANDLER))
    assert figures["handled_twice"] == 1
    assert story.tally.delays_ms == pytest.approx([2.0, 4.0])


def test_what_the_end_of_the_run_cuts_off_is_not_unhandled() -> None:
    sealed = ev.Sealed(30, "busy", 0, "missed", "shutdown")
    assert Story().tell(armed(0), missed(0), sealed)["unhandled"] == 0


@pytest.mark.parametrize(("p50", "p99", "beaten"), [(0.2, 1.0, True), (1.2, 2.0, False), (0.2, 6.0, False)])
def test_the_claim_about_handlers_is_judged_by_both_percentiles(p50: float, p99: float, beaten: bool) -> None:
    assert handler_delay({"handler_ms_p50": p50, "handler_ms_p99": p99})["beaten"] is beaten


def test_periods_are_described_by_mean_spread_and_longest() -> None:
    figures = period.periods([0, 50_000_000, 101_000_000, 150_000_000], ms(50))
    assert figures == {"ticks": 4, "mean_error": 0.0, "rel_std": pytest.approx(0.01633, abs=1e-5), "max_over_ms": 1.0}


def test_sources_of_both_rates_tick_as_often_as_their_rate_says() -> None:
    figures = period.measured(ms(205))
    assert 1 <= figures["hz_20"]["ticks"] <= 5
    assert 1 <= figures["hz_100"]["ticks"] <= 21
    assert math.isfinite(figures["hz_100"]["rel_std"])


def test_handlers_end_the_misses_of_a_heavy_tail_and_complete_each_timestamp_once() -> None:
    row = protection.heavy_tail(timestamps=4_000)
    assert row["beaten"]
    assert row["measured"]["misses_without"] > row["measured"]["misses_with"] == 0
    assert row["measured"]["not_completed_once_with"] == row["measured"]["not_completed_once_without"] == 0


def test_every_timestamp_is_protected_although_the_deadline_exceeds_the_period() -> None:
    row = protection.pipelined(timestamps=300)
    assert row["beaten"]
    assert row["measured"]["handled"] >= row["measured"]["stalls"] > 0
    assert row["measured"]["longest_ms"] <= 200


def test_a_timestamp_that_waits_behind_a_stalled_one_has_a_deadline_of_its_own_on_the_wall_clock_too() -> None:
    measured_ = protection.pipelined(timestamps=8, wall=True)["measured"]
    assert measured_["stalls"] == 1
    assert measured_["handled"] >= 1
    assert measured_["not_completed_once"] == 0


def test_a_graph_of_busy_operators_gives_each_its_own_source_and_deadline() -> None:
    graph = graph_of(KINDS, 7, ms(20), ms(2))
    assert len(graph.deadlines) == len([o for o in graph.operators.values() if isinstance(o, Overruns)]) == 7
    offsets = [Duration(o.offset) for o in graph.operators.values() if isinstance(o, Ticks)]
    assert len(set(offsets)) == 7
