"""Silences: the same in every order of asking, merged where they touch, within their stated bounds."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cloud.silences import Recurring, Scheduled, Silence, Silences
from pipeline.errors import UsageError
from pipeline.timestamps import ms, seconds

intervals = st.lists(
    st.tuples(st.integers(0, 60), st.integers(1, 20)).map(lambda pair: (pair[0], pair[0] + pair[1])), max_size=6
)


def covered(kinds: list[list[tuple[int, int]]], ns: int) -> bool:
    return any(start <= ns < end for kind in kinds for start, end in kind)


@given(intervals, intervals)
def test_merged_silences_cover_exactly_what_their_parts_cover(
    first: list[tuple[int, int]], second: list[tuple[int, int]]
) -> None:
    silences = Silences(Scheduled(first), Scheduled(second))
    assert [silences.covers(ns) for ns in range(90)] == [covered([first, second], ns) for ns in range(90)]


@given(intervals, intervals, st.integers(0, 90))
def test_the_next_silence_reaches_from_open_air_to_open_air(
    first: list[tuple[int, int]], second: list[tuple[int, int]], ns: int
) -> None:
    kinds = [first, second]
    found = Silences(Scheduled(first), Scheduled(second)).next(ns)
    if found is None:
        assert not any(covered(kinds, later) for later in range(ns, 90))
        return
    assert all(covered(kinds, inside) for inside in range(found.start_ns, found.end_ns))
    assert not covered(kinds, found.start_ns - 1)
    assert not covered(kinds, found.end_ns)
    assert not any(covered(kinds, between) for between in range(ns, found.start_ns))


@given(st.integers(0, 5), st.lists(st.integers(0, seconds(300)), min_size=1, max_size=8))
def test_random_silences_do_not_depend_on_the_order_of_asking(seed: int, times: list[int]) -> None:
    def made() -> Silences:
        return Silences(
            Recurring((seconds(20), seconds(60)), (ms(30), ms(100)), seed=seed, name="handover"),
            Recurring((seconds(5), seconds(40)), (seconds(1), seconds(35)), seed=seed, name="outage"),
        )

    asked, fresh = made(), made()
    answers = {ns: asked.next(ns) for ns in times}
    assert [fresh.next(ns) for ns in sorted(times)] == [answers[ns] for ns in sorted(times)]


def test_random_silences_keep_their_bounds_and_pauses() -> None:
    kind = Recurring((seconds(20), seconds(60)), (ms(30), ms(100)), seed=3, name="handover")
    found: list[Silence] = []
    ns = 0
    while len(found) < 200:
        found.append(kind.next(ns))
        ns = found[-1].end_ns
    assert all(ms(30) <= silence.length_ns <= ms(100) for silence in found)
    pauses = [later.start_ns - earlier.end_ns for earlier, later in zip(found, found[1:], strict=False)]
    assert all(seconds(20) <= pause <= seconds(60) for pause in pauses)
    assert 38 < sum(pauses) / len(pauses) / 1e9 < 42


def test_another_seed_is_another_drive() -> None:
    first, second = (
        Recurring((seconds(20), seconds(60)), (ms(30), ms(100)), seed=seed, name="handover").next(0) for seed in (1, 2)
    )
    assert first != second


@pytest.mark.parametrize("interval", [(5, 5), (6, 5)])
def test_an_outage_that_ends_before_it_starts_is_refused(interval: tuple[int, int]) -> None:
    with pytest.raises(UsageError, match="no interval"):
        Scheduled([interval])


def test_a_range_of_times_that_is_none_is_refused() -> None:
    with pytest.raises(UsageError, match="outage: lasting"):
        Recurring((ms(1), ms(2)), (ms(3), ms(2)), seed=0, name="outage")
