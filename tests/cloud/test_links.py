"""The modelled link: order, rate, silences and losses, by property and by hand-computed cases."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cloud.links import (
    LINK_DOWN,
    LOST,
    QUEUE_FULL,
    Delivered,
    Link,
    Lost,
    Quantiles,
    SteppedRate,
    TraceRate,
    Transfer,
    always,
)
from cloud.silences import Scheduled, Silences
from cloud.traces import Trace
from pipeline.errors import UsageError
from pipeline.timestamps import ms, seconds

MS = 1_000_000
NOTICE = ms(300)

offers = st.lists(st.tuples(st.integers(0, 80 * MS), st.integers(1, 400_000)), min_size=1, max_size=25)
"""(pause before the message, its bits)."""
outages = st.lists(
    st.tuples(st.integers(0, 900 * MS), st.integers(1, 600 * MS)).map(lambda pair: (pair[0], pair[0] + pair[1])),
    max_size=4,
)
trace_times = st.lists(st.integers(0, 60), min_size=1, max_size=30).map(sorted).filter(lambda times: times[-1] > 0)


def plain(mbps: float = 8.0, delay_ms: float = 10.0, **more: object) -> Link:
    return Link(SteppedRate(round(mbps * 1e6)), delay_ns=always(delay_ms * MS), **more)  # type: ignore[arg-type]


def silent(*intervals_ms: tuple[int, int]) -> Silences:
    return Silences(Scheduled([(start * MS, end * MS) for start, end in intervals_ms]))


def traced(times_ms: list[int], **more: object) -> Link:
    return Link(TraceRate(Trace(np.array(times_ms, dtype=np.int64))), delay_ns=always(0), **more)  # type: ignore[arg-type]


def sent(link: Link, messages: list[tuple[int, int]]) -> list[tuple[int, int, Transfer]]:
    """(sent at, bits, what became of it)."""
    now, found = 0, []
    for pause, bits in messages:
        now += pause
        found.append((now, bits, link.transfer(now, bits)))
    return found


def delivered(found: list[tuple[int, int, Transfer]]) -> list[tuple[int, int, int]]:
    return [(now, bits, t.at_ns) for now, bits, t in found if isinstance(t, Delivered)]


# -- by hand ---------------------------------------------------------------------------------------------------------


def test_a_message_takes_size_over_rate_plus_the_delay() -> None:
    assert plain(8, 10).transfer(5 * MS, 80_000) == Delivered(5 * MS + 10 * MS + 10 * MS)


def test_messages_share_the_rate_one_after_the_other() -> None:
    link = plain(8, 0)
    assert [link.transfer(0, 80_000).at_ns for _ in range(3)] == [10 * MS, 20 * MS, 30 * MS]  # type: ignore[union-attr]


def test_the_rate_is_never_exceeded_by_rounding() -> None:
    link = Link(SteppedRate(3_000_000), delay_ns=always(0))
    assert link.transfer(0, 1) == Delivered(334)


def test_the_queue_refuses_what_does_not_fit_at_once() -> None:
    link = plain(8, 0, queue_max=2)
    link.transfer(0, 80_000)
    link.transfer(0, 80_000)
    assert link.queued(0) == 2
    assert link.transfer(0, 80_000) == Lost(0, QUEUE_FULL)
    assert link.queued(10 * MS) == 1
    assert link.transfer(10 * MS, 80_000) == Delivered(30 * MS)


def test_a_short_silence_pauses_the_message_on_the_air() -> None:
    link = plain(8, 0, silences=silent((4, 50)))
    assert link.transfer(0, 80_000) == Delivered(56 * MS)


def test_what_would_arrive_in_a_short_silence_arrives_at_its_end() -> None:
    link = plain(8, 10, silences=silent((15, 60)))
    assert link.transfer(0, 80_000) == Delivered(60 * MS)


def test_an_outage_loses_what_is_under_way_and_is_known_after_the_notice() -> None:
    link = plain(8, 0, silences=silent((4, 2000)), notice=NOTICE)
    assert link.transfer(0, 80_000) == Lost(304 * MS, LINK_DOWN)


def test_a_link_known_to_be_down_refuses_at_once_until_the_outage_ends() -> None:
    link = plain(8, 0, silences=silent((100, 2000)), notice=NOTICE)
    assert not link.is_down(399 * MS)
    assert link.transfer(399 * MS, 8) == Lost(400 * MS, LINK_DOWN)
    assert link.is_down(400 * MS)
    assert link.transfer(400 * MS, 8) == Lost(400 * MS, LINK_DOWN)
    assert not link.is_down(2000 * MS)
    assert link.transfer(2000 * MS, 80_000) == Delivered(2010 * MS)


def test_after_an_outage_the_backlog_is_gone() -> None:
    link = plain(8, 0, silences=silent((15, 2000)), notice=NOTICE)
    fates = [link.transfer(0, 80_000) for _ in range(4)]
    assert fates[0] == Delivered(10 * MS)
    assert all(fate == Lost(315 * MS, LINK_DOWN) for fate in fates[1:])
    assert link.queued(314 * MS) == 3
    assert link.queued(315 * MS) == 0


def test_two_short_silences_that_touch_are_one_outage() -> None:
    link = plain(8, 0, silences=silent((10, 200), (200, 400)), notice=NOTICE)
    assert link.transfer(5 * MS, 80_000) == Lost(310 * MS, LINK_DOWN)


def test_a_link_that_loses_everything_says_so_only_after_the_time_of_an_acknowledgement() -> None:
    link = plain(8, 10, loss=1.0)
    assert link.transfer(0, 80_000) == Lost(40 * MS, LOST)


# -- traces, by hand -------------------------------------------------------------------------------------------------


def test_the_single_1_trace_delivers_1500_bytes_every_millisecond() -> None:
    link = traced([1])
    assert link.transfer(0, 1500 * 8) == Delivered(1 * MS)
    assert link.transfer(1 * MS, 3 * 1500 * 8) == Delivered(4 * MS)


def test_twelve_megabit_take_one_second_on_the_single_1_trace() -> None:
    assert traced([1]).transfer(0, 12_000_000) == Delivered(seconds(1))


def test_a_message_that_arrives_with_an_opportunity_waits_for_the_next_one() -> None:
    assert traced([2, 5, 10]).transfer(2 * MS, 8) == Delivered(5 * MS)


def test_messages_that_wait_share_an_opportunity() -> None:
    link = traced([5, 10])
    assert [link.transfer(0, 500 * 8) for _ in range(4)] == [Delivered(5 * MS)] * 3 + [Delivered(10 * MS)]


def test_a_later_message_does_not_get_what_an_opportunity_had_left() -> None:
    link = traced([5, 10])
    link.transfer(0, 500 * 8)
    assert link.transfer(5 * MS, 500 * 8) == Delivered(10 * MS)


def test_a_message_may_end_in_the_opportunity_in_which_the_next_one_begins() -> None:
    link = traced([5, 10, 15])
    assert link.transfer(0, 2000 * 8) == Delivered(10 * MS)
    assert link.transfer(0, 1000 * 8) == Delivered(10 * MS)
    assert link.transfer(0, 1 * 8) == Delivered(15 * MS)


def test_unused_opportunities_are_lost_and_the_trace_wraps() -> None:
    link = traced([3, 10])
    assert link.transfer(25 * MS, 2 * 1500 * 8) == Delivered(33 * MS)


def test_equal_timestamps_are_several_opportunities() -> None:
    assert traced([5, 5, 5, 10]).transfer(0, 3 * 1500 * 8) == Delivered(5 * MS)


def test_opportunities_in_a_silence_do_not_count() -> None:
    link = traced([5, 10, 15, 20], silences=silent((10, 16)))
    assert link.transfer(0, 2 * 1500 * 8) == Delivered(20 * MS)


def simulated(times_ms: list[int], messages: list[tuple[int, int]]) -> list[int]:
    """Mahimahi's own loop, byte by byte of its definition: at every opportunity, serve who waits, in order."""
    waiting, now, number, found = [], 0, 0, {}
    for index, (pause, bits) in enumerate(messages):
        now += pause
        waiting.append([index, now, -(-bits // 8)])
    while waiting:
        repetition, rest = divmod(number, len(times_ms))
        at, left = (repetition * times_ms[-1] + times_ms[rest]) * MS, 1500
        while left and waiting and waiting[0][1] < at:
            used = min(left, waiting[0][2])
            left, waiting[0][2] = left - used, waiting[0][2] - used
            if waiting[0][2] == 0:
                found[waiting.pop(0)[0]] = at
        number += 1
    return [found[index] for index in range(len(messages))]


@settings(deadline=None, max_examples=150)
@given(trace_times, st.lists(st.tuples(st.integers(0, 30 * MS), st.integers(1, 60_000)), min_size=1, max_size=10))
def test_a_trace_delivers_exactly_as_mahimahis_loop_does(times_ms: list[int], messages: list[tuple[int, int]]) -> None:
    link = traced(times_ms, queue_max=100)
    assert [t.at_ns for _, _, t in sent(link, messages)] == simulated(times_ms, messages)  # type: ignore[union-attr]


# -- properties ------------------------------------------------------------------------------------------------------


def links(kind: str, intervals: list[tuple[int, int]], seed: int) -> Link:
    rate = (
        TraceRate(Trace(np.array([1, 1, 4, 9, 9, 30], dtype=np.int64)))
        if kind == "trace"
        else SteppedRate(9_000_001, factor=Quantiles([(0, 0.2), (0.5, 1.0), (1, 2.0)]), period=ms(37), seed=seed)
    )
    return Link(
        rate,
        delay_ns=Quantiles([(0, 2 * MS), (0.9, 9 * MS), (1, 200 * MS)]),
        loss=0.1,
        silences=Silences(Scheduled(intervals)),
        notice=NOTICE,
        queue_max=6,
        seed=seed,
    )


kinds = st.sampled_from(["trace", "stepped"])


@settings(deadline=None)
@given(kinds, offers, outages, st.integers(0, 3))
def test_what_arrives_arrives_in_the_order_of_sending(
    kind: str, messages: list[tuple[int, int]], intervals: list[tuple[int, int]], seed: int
) -> None:
    arrivals = [at for _, _, at in delivered(sent(links(kind, intervals, seed), messages))]
    assert arrivals == sorted(arrivals)


@settings(deadline=None)
@given(kinds, offers, outages, st.integers(0, 3))
def test_nothing_arrives_in_a_silence(
    kind: str, messages: list[tuple[int, int]], intervals: list[tuple[int, int]], seed: int
) -> None:
    for now, _, at in delivered(sent(links(kind, intervals, seed), messages)):
        assert at > now
        assert not any(start <= at < end for start, end in intervals)


@settings(deadline=None)
@given(kinds, offers, outages, st.integers(0, 3))
def test_every_loss_is_known_and_not_before_it_happens(
    kind: str, messages: list[tuple[int, int]], intervals: list[tuple[int, int]], seed: int
) -> None:
    for now, _, fate in sent(links(kind, intervals, seed), messages):
        if isinstance(fate, Lost):
            assert fate.known_at_ns >= now
            assert fate.reason in (LINK_DOWN, QUEUE_FULL, LOST)
            assert (fate.known_at_ns == now) or fate.reason != QUEUE_FULL


@settings(deadline=None)
@given(kinds, offers, outages, st.integers(0, 3))
def test_no_message_crosses_an_outage(
    kind: str, messages: list[tuple[int, int]], intervals: list[tuple[int, int]], seed: int
) -> None:
    for now, _, at in delivered(sent(links(kind, intervals, seed), messages)):
        for start, end in intervals:
            assert end - start < NOTICE or not (now < end and start < at)


@settings(deadline=None)
@given(offers, st.lists(st.tuples(st.integers(0, 900 * MS), st.integers(1, 200 * MS)), max_size=3))
def test_throughput_never_exceeds_the_rate_in_any_stretch_of_time(
    messages: list[tuple[int, int]], gaps: list[tuple[int, int]]
) -> None:
    silences = Silences(Scheduled([(start, start + length) for start, length in gaps]))
    link = plain(7.3, 5, silences=silences, queue_max=100, notice=seconds(5))
    found = delivered(sent(link, messages))
    for first in range(len(found)):
        bits = 0
        for now, size, at in found[first:]:
            bits += size
            began = found[first][0] + 5 * MS
            assert bits * 1_000_000_000 <= 7_300_000 * (at - began), (now, at)


@settings(deadline=None)
@given(kinds, offers, outages, st.integers(0, 3))
def test_the_same_seed_and_messages_have_the_same_fate(
    kind: str, messages: list[tuple[int, int]], intervals: list[tuple[int, int]], seed: int
) -> None:
    assert sent(links(kind, intervals, seed), messages) == sent(links(kind, intervals, seed), messages)


@settings(deadline=None)
@given(offers, st.integers(0, 3))
def test_a_message_does_not_change_the_luck_of_another_at_another_time(
    messages: list[tuple[int, int]], seed: int
) -> None:
    """Leaving out the first message changes no delay draw: variants of a run see the same link."""

    def idle() -> Link:
        return Link(SteppedRate(10**12), delay_ns=Quantiles([(0, 0), (1, MS)]), loss=0.3, queue_max=10**6, seed=seed)

    spaced = [(pause + 2 * MS, bits) for pause, bits in messages]
    everything = sent(idle(), spaced)
    link = idle()
    assert [link.transfer(now, bits) for now, bits, _ in everything[1:]] == [fate for _, _, fate in everything[1:]]


@settings(deadline=None)
@given(offers)
def test_the_queue_is_as_long_as_what_has_not_left(messages: list[tuple[int, int]]) -> None:
    link = plain(9, 0, queue_max=5)
    now = 0
    leaving: list[int] = []
    for pause, bits in messages:
        now += pause
        leaving = [at for at in leaving if at > now]
        assert link.queued(now) == len(leaving)
        fate = link.transfer(now, bits)
        assert isinstance(fate, Delivered) == (len(leaving) < 5)
        if isinstance(fate, Delivered):
            leaving.append(fate.at_ns)


def test_random_loss_has_its_share() -> None:
    link = Link(SteppedRate(10**9), delay_ns=always(0), loss=0.25, seed=4)
    lost = sum(isinstance(link.transfer(k * MS, 8000), Lost) for k in range(4000))
    assert 0.22 < lost / 4000 < 0.28


def test_the_delays_quantiles_are_the_stated_ones() -> None:
    delay = Quantiles([(0, 7 * MS), (0.5, 17 * MS), (0.95, 27 * MS), (1, 450 * MS)])
    link = Link(SteppedRate(10**12), delay_ns=delay, seed=1)
    times = sorted(link.transfer(k * seconds(1), 8).at_ns - k * seconds(1) for k in range(4000))  # type: ignore[union-attr]
    assert times[2000] == pytest.approx(17 * MS, rel=0.03)
    assert times[3600] == pytest.approx(25.9 * MS, rel=0.03)
    assert times[0] >= 7 * MS


def test_time_does_not_go_back() -> None:
    link = plain()
    link.transfer(10, 8)
    with pytest.raises(AssertionError, match="sent at 9 after 10"):
        link.transfer(9, 8)


@pytest.mark.parametrize(
    "points", [[], [(0, 1)], [(0, 1), (0.5, 2)], [(0, 2), (1, 1)], [(0, -1), (1, 1)], [(0, 0), (1, float("nan"))]]
)
def test_quantiles_that_are_none_are_refused(points: list[tuple[float, float]]) -> None:
    with pytest.raises(UsageError):
        Quantiles(points)


@pytest.mark.parametrize("wrong", [{"loss": 1.5}, {"loss": float("nan")}, {"queue_max": 0}, {"notice": 0}])
def test_a_link_that_makes_no_sense_is_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(UsageError):
        plain(**wrong)


def test_a_link_without_capacity_is_refused() -> None:
    with pytest.raises(UsageError, match="outage"):
        SteppedRate(0)
