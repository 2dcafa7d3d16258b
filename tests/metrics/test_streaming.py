"""Which answer meets which truth, and what that does to the ordinary metrics."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from scenarios.metrics.detection import average_precision
from scenarios.metrics.frames import Objects, Pair, answered, objects
from scenarios.metrics.streaming import Answer, Truth, arrival, decay, sync, timely
from scenarios.metrics.tracking import clear, similarities

TRUTHS = [Truth(t, f"truth {t}") for t in (0, 10, 20, 30, 40)]


def said(pairs: list[Pair[str]]) -> list[str | None]:
    return [pair.answer for pair in pairs]


def walker(t: int, speed: float = 10.0) -> Objects:
    """A box of 100 px that moves by ``speed`` px per unit of time."""
    return objects([(speed * t, 0.0, speed * t + 100.0, 100.0)])


def test_at_every_instant_the_newest_answer_that_was_out_counts() -> None:
    answers = [Answer(0, 12, "a0"), Answer(10, 30, "a10")]
    assert said(timely(answers, TRUTHS)) == [None, None, "a0", "a10", "a10"]


def test_an_older_answer_that_comes_later_replaces_nothing() -> None:
    answers = [Answer(10, 15, "a10"), Answer(0, 25, "a0")]
    assert said(timely(answers, TRUTHS)) == [None, None, "a10", "a10", "a10"]


def test_a_forecast_is_told_how_old_the_answer_is() -> None:
    answers = [Answer(0, 12, 0)]
    ages = timely(answers, [Truth(t, -1) for t in (20, 30)], forecast=lambda value, age: value + age)
    assert [pair.answer for pair in ages] == [20, 30]


def test_sync_holds_every_answer_against_its_own_instant_however_late_it_is() -> None:
    pairs = sync([Answer(10, 500, "a10"), Answer(30, 900, "a30"), Answer(33, 40, "lost")], TRUTHS)
    assert pairs == [Pair(10, "truth 10", "a10"), Pair(30, "truth 30", "a30")]


def test_sync_takes_the_nearest_truth_within_the_tolerance() -> None:
    pairs = sync([Answer(12, 20, "a12"), Answer(26, 30, "a26")], TRUTHS, tolerance_ns=2)
    assert pairs == [Pair(10, "truth 10", "a12")]


def test_of_two_instants_within_the_tolerance_the_nearer_one_is_taken() -> None:
    pairs = sync([Answer(4, 5, "a4"), Answer(16, 17, "a16"), Answer(43, 44, "a43")], TRUTHS, tolerance_ns=6)
    assert [pair.t for pair in pairs] == [0, 20, 40]
    assert sync([Answer(11, 20, "a11")], TRUTHS) == [], "without a tolerance there is none"


def test_arrival_holds_every_answer_against_the_first_truth_from_then_on() -> None:
    answers = [Answer(0, 12, "a0"), Answer(10, 30, "a10"), Answer(40, 41, "too late")]
    assert arrival(answers, TRUTHS) == [Pair(20, "truth 20", "a0"), Pair(30, "truth 30", "a10")]


def test_decay_holds_the_past_against_the_present() -> None:
    assert decay(TRUTHS, 20) == [
        Pair(20, "truth 20", "truth 0"),
        Pair(30, "truth 30", "truth 10"),
        Pair(40, "truth 40", "truth 20"),
    ]
    assert said(decay(TRUTHS, 0)) == [truth.value for truth in TRUTHS]
    # Between two instants the newest truth that old is the one before.
    assert said(decay(TRUTHS, 15)) == ["truth 0", "truth 10", "truth 20"]


def test_a_perfect_detector_loses_what_its_latency_costs() -> None:
    truths = [Truth(t, walker(t)) for t in range(12)]
    answers = [Answer(t, t + 3, walker(t)) for t in range(12)]
    assert average_precision(answered(sync(answers, truths))) == 1.0
    # A shift by 30 px of 100 leaves an overlap of 70/130 = .54, which counts; three instants have no answer yet.
    assert average_precision(answered(timely(answers, truths))) == pytest.approx(76 / 101)
    slow = [Answer(t, t + 4, walker(t)) for t in range(12)]
    assert average_precision(answered(timely(slow, truths))) == 0.0, "60/140 = .43 does not"
    assert average_precision(answered(decay(truths, 3))) == 1.0
    assert average_precision(answered(decay(truths, 4))) == 0.0


def test_a_forecast_wins_back_what_the_latency_cost() -> None:
    truths = [Truth(t, walker(t)) for t in range(10)]
    slow = [Answer(t, t + 4, walker(t)) for t in range(10)]

    def ahead(value: Objects, age: int) -> Objects:
        return objects(value.boxes + 10.0 * age * np.array([1.0, 0.0, 1.0, 0.0]))

    assert average_precision(answered(timely(slow, truths, forecast=ahead)[4:])) == 1.0


def test_streaming_mota_of_a_perfect_tracker_counts_the_instants_without_an_answer() -> None:
    truths = [Truth(t, walker(t, 1.0)) for t in range(8)]
    answers = [Answer(t, t + 2, walker(t, 1.0)) for t in range(8)]
    assert clear(similarities(answered(timely(answers, truths)))).mota == pytest.approx(1 - 2 / 8)
    assert clear(similarities(answered(sync(answers, truths)))).mota == 1.0


@given(st.lists(st.tuples(st.integers(0, 50), st.integers(0, 40)), max_size=12))
def test_no_answer_is_used_before_it_is_out_and_none_after_a_newer_one(rows: list[tuple[int, int]]) -> None:
    answers = [Answer(t, t + late, (t, t + late)) for t, late in rows]
    truths = [Truth(t, (t, t)) for t in range(0, 100, 7)]
    for pair in timely(answers, truths):
        out = [answer.value for answer in answers if answer.at <= pair.t]
        assert (pair.answer is None) == (not out)
        if pair.answer is not None:
            assert pair.answer[0] == max(t for t, _ in out)


@given(st.permutations(list(range(6))))
def test_the_order_in_which_answers_are_given_changes_nothing(order: list[int]) -> None:
    answers = [Answer(t * 7, t * 7 + (t * 13) % 20, str(t)) for t in range(6)]
    mixed = [answers[i] for i in order]
    assert timely(mixed, TRUTHS) == timely(answers, TRUTHS)
    assert sync(mixed, TRUTHS) == sync(answers, TRUTHS)
    assert arrival(mixed, TRUTHS) == arrival(answers, TRUTHS)
