"""Clocks of two machines: the offset is known as well as the network allows, never better than claimed."""

from __future__ import annotations

from dataclasses import dataclass

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.engines.hosts.clocks import DRIFT_PPM, ClockUncertain, OffsetEstimate, Ping, RunClock
from pipeline.timestamps import ms, seconds

DELAYS = st.integers(0, ms(50))
OFFSETS = st.integers(-(10**15), 10**15)


@dataclass
class Far:
    """Another clock, which runs ``drift_ppm`` too fast."""

    offset: int
    drift_ppm: int = 0
    start: int = 10**12

    def shows(self, here: int) -> int:
        return here + self.offset + (here - self.start) * self.drift_ppm // 1_000_000

    def ping(self, sent: int, there: int, back: int, work: int = 0) -> Ping:
        arrived = sent + there
        return Ping(sent, self.shows(arrived), self.shows(arrived + work), arrived + work + back)


@given(OFFSETS, DELAYS, DELAYS, st.integers(0, ms(5)))
def test_one_exchange_is_off_by_half_its_round_trip_at_most(offset: int, there: int, back: int, work: int) -> None:
    far, estimate = Far(offset), OffsetEstimate()
    ping = far.ping(far.start, there, back, work)
    assert estimate.add(ping)
    found = estimate.at(ping.returned)
    drifted = -(-(there + back + work) * DRIFT_PPM // 1_000_000)
    assert abs(found.value - offset) <= found.uncertainty <= ping.round_trip // 2 + drifted + 1


@given(OFFSETS, st.lists(st.tuples(DELAYS, DELAYS, st.integers(0, seconds(1))), min_size=1, max_size=90))
def test_many_exchanges_are_as_good_as_the_quickest_and_never_claim_more(
    offset: int, ways: list[tuple[int, int, int]]
) -> None:
    far, estimate, now = Far(offset), OffsetEstimate(), 10**12
    pings = []
    for there, back, pause in ways:
        pings.append(far.ping(now + pause, there, back))
        now = pings[-1].returned
        assert estimate.add(pings[-1]), "no clock has jumped"
        found = estimate.at(now)
        assert abs(found.value - offset) <= found.uncertainty
    kept = pings[-64:]
    aged = (now - kept[0].sent) * DRIFT_PPM // 1_000_000
    assert estimate.at(now).uncertainty <= min(ping.round_trip for ping in kept) // 2 + aged + 2
    assert estimate.jumps == 0


@given(
    OFFSETS,
    st.integers(-DRIFT_PPM, DRIFT_PPM),
    st.lists(st.tuples(DELAYS, DELAYS), min_size=2, max_size=40),
    st.integers(0, seconds(100)),
)
def test_a_clock_that_drifts_stays_within_what_is_claimed(
    offset: int, drift_ppm: int, ways: list[tuple[int, int]], silence: int
) -> None:
    far, estimate, now = Far(offset, drift_ppm), OffsetEstimate(), 10**12
    for there, back in ways:
        ping = far.ping(now, there, back)
        now = ping.returned + ms(250)
        estimate.add(ping)
    assert estimate.jumps == 0
    now += silence
    found = estimate.at(now)
    assert abs(found.value - (far.shows(now) - now)) <= found.uncertainty + 1


@given(OFFSETS, st.integers(ms(101), seconds(1000)), st.sampled_from([-1, 1]), DELAYS, DELAYS)
def test_a_jump_is_noticed_and_what_was_known_before_is_forgotten(
    offset: int, jump: int, sign: int, there: int, back: int
) -> None:
    far, estimate = Far(offset), OffsetEstimate()
    assert estimate.add(far.ping(10**12, there, back))
    far.offset += sign * jump
    ping = far.ping(10**12 + ms(250), there, back)
    assert not estimate.add(ping)
    assert estimate.jumps == 1
    found = estimate.at(ping.returned)
    assert abs(found.value - far.offset) <= found.uncertainty


def test_an_exchange_that_cannot_have_been_is_not_taken_into_account() -> None:
    estimate = OffsetEstimate()
    assert not estimate.add(Ping(sent=100, received=5, answered=5, returned=90))
    assert not estimate.add(Ping(sent=100, received=9, answered=5, returned=110))
    assert not estimate.add(Ping(sent=100, received=5, answered=500, returned=110))
    assert (estimate.refused, estimate.known) == (3, False)


def test_a_clock_that_is_not_known_well_enough_is_refused_with_both_figures() -> None:
    estimate = OffsetEstimate()
    with pytest.raises(ClockUncertain, match="never asked"):
        estimate.check(0)
    estimate.add(Far(0).ping(10**12, ms(20), ms(20)))
    with pytest.raises(ClockUncertain, match=r"±20\.\d+ ms only, ±5 ms is needed"):
        estimate.check(10**12 + ms(40))
    assert estimate.check(10**12 + ms(40), bound=ms(21)).uncertainty >= ms(20)


@given(OFFSETS, st.integers(-DRIFT_PPM, DRIFT_PPM), st.integers(0, seconds(60)))
def test_the_run_s_clock_converts_both_ways_and_follows_the_drift(offset: int, drift_ppm: int, later: int) -> None:
    far, estimate, now = Far(offset, drift_ppm), OffsetEstimate(), 10**12
    estimate.add(far.ping(now, ms(1), ms(1)))
    origin = far.shows(now) + ms(200)
    clock = RunClock(estimate, launcher_origin=origin, now=now + ms(2))
    now += ms(250) + later
    ping = far.ping(now, ms(1), ms(1))
    estimate.add(ping)
    clock.follow(ping.returned)
    at = ping.returned - clock.origin
    assert clock.entering(clock.leaving(at)) == at
    there = far.shows(ping.returned) - origin
    assert abs(clock.leaving(at) - there) <= ms(1) + 2 * DRIFT_PPM
