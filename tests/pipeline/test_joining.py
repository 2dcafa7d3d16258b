"""Joins against their brute-force model; the periodic model's sampling."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.joining import WINDOW, Joined, Joiner
from pipeline.messages import Envelope
from pipeline.ports import Input, exact, latest, nearest
from pipeline.testing.strategies import arrivals_at
from pipeline.timestamps import TOP, Duration, Timestamp
from tests.oracle.join_model import Arrival, Port, choice, complete, joined, messages
from tests.oracle.profiles import ci

EXACT = Port("exact")
PORTS = st.lists(
    st.sampled_from(
        [
            EXACT,
            Port("latest"),
            Port("latest", 3),
            Port("latest", None, False),
            Port("latest", 3, False),
            Port("nearest", 0),
            Port("nearest", 2),
            Port("nearest", 3, False),
        ]
    ),
    max_size=2,
).map(lambda rest: [EXACT, *rest])


@st.composite
def cases(draw: st.DrawFn) -> tuple[list[Port], list[Arrival]]:
    ports = draw(PORTS)
    return ports, [Arrival(*arrival) for arrival in draw(arrivals_at(len(ports)))]


def inputs_of(ports: list[Port]) -> list[Input[int]]:
    made = []
    for port in ports:
        within = None if port.within is None else Duration(port.within)
        if port.kind == "exact":
            join = exact()
        elif port.kind == "latest":
            join = latest(max_age=within)
        else:
            assert within is not None
            join = nearest(within=within)
        made.append(Input(int, join=join, required=port.required))
    return made


def message(t: int) -> Envelope:
    return Envelope(Timestamp(t), t, Timestamp(t), "final", "local", Timestamp(t))


def feed(joiner: Joiner, arrival: Arrival) -> list[Joined]:
    if arrival.kind == "message":
        return list(joiner.on_message(arrival.index, message(arrival.t)))
    return list(joiner.on_watermark(arrival.index, arrival.t))


def rows(found: list[Joined]) -> list[tuple[int, tuple[int | None, ...]]]:
    return [(row.t, tuple(None if e is None else e.t for e in row.values)) for row in found]


def all_of(ports: list[Port], arrivals: list[Arrival]) -> list[Joined]:
    joiner = Joiner(inputs_of(ports))
    return [row for arrival in arrivals for row in feed(joiner, arrival)]


@ci
@given(cases())
def test_joins_what_the_model_joins_at_the_same_arrival(case: tuple[list[Port], list[Arrival]]) -> None:
    ports, arrivals = case
    joiner = Joiner(inputs_of(ports))
    for arrival, expected in zip(arrivals, joined(ports, arrivals), strict=True):
        assert rows(feed(joiner, arrival)) == expected, arrival


@ci
@given(cases())
def test_timestamps_strictly_increase_and_exact_inputs_match(case: tuple[list[Port], list[Arrival]]) -> None:
    ports, arrivals = case
    found = all_of(ports, arrivals)
    assert all(earlier.t < later.t for earlier, later in zip(found, found[1:], strict=False))
    for row in found:
        for port, envelope in zip(ports, row.values, strict=True):
            if port.kind == "exact":
                assert envelope is not None
                assert envelope.t == row.t


@ci
@given(cases())
def test_latest_is_never_newer_than_t_never_too_old_and_never_from_the_future(
    case: tuple[list[Port], list[Arrival]],
) -> None:
    ports, arrivals = case
    joiner = Joiner(inputs_of(ports))
    for count, arrival in enumerate(arrivals, start=1):
        for row in feed(joiner, arrival):
            for index, (port, envelope) in enumerate(zip(ports, row.values, strict=True)):
                if port.kind != "latest":
                    continue
                fits = [m for m in messages(arrivals[:count], index) if m <= row.t]
                if envelope is None:
                    assert not port.required
                    assert not fits or (port.within is not None and row.t - max(fits) > port.within)
                else:
                    assert envelope.t == max(fits)
                    assert port.within is None or row.t - envelope.t <= port.within


@ci
@given(cases())
def test_nearest_picks_the_closest_of_all_that_ever_come_and_the_earlier_on_a_tie(
    case: tuple[list[Port], list[Arrival]],
) -> None:
    ports, arrivals = case
    for row in all_of(ports, arrivals):
        for index, (port, envelope) in enumerate(zip(ports, row.values, strict=True)):
            if port.kind == "nearest":
                assert (None if envelope is None else envelope.t) == choice(port, row.t, messages(arrivals, index), TOP)


@ci
@given(cases(), st.sampled_from([1, 2, 3, WINDOW]))
def test_no_message_is_lost_without_a_counted_reason_and_none_is_counted_and_used(
    case: tuple[list[Port], list[Arrival]], window: int
) -> None:
    ports, arrivals = case
    joiner = Joiner(inputs_of(ports), window=window)
    found = [row for arrival in arrivals for row in feed(joiner, arrival)]
    joiner.close()
    used = {(i, e.t) for row in found for i, e in enumerate(row.values) if e is not None}
    dropped = [(drop.port, drop.t) for drop in joiner.dropped]
    assert len(set(dropped)) == len(dropped), "counted twice"
    assert not used & set(dropped)
    assert used | set(dropped) == {(a.index, a.t) for a in arrivals if a.kind == "message"}
    assert all(drop.reason for drop in joiner.dropped)


@ci
@given(cases(), st.randoms(use_true_random=False))
def test_the_order_in_which_streams_overtake_each_other_changes_nothing_for_exact_and_nearest(case, random) -> None:  # type: ignore[no-untyped-def]
    ports, arrivals = case
    if any(port.kind == "latest" for port in ports):
        return
    queues = [[a for a in arrivals if a.index == i] for i in range(len(ports))]
    shuffled = []
    while any(queues):
        shuffled.append(random.choice([q for q in queues if q]).pop(0))
    assert rows(all_of(ports, shuffled)) == rows(all_of(ports, arrivals))


@ci
@given(cases())
def test_the_watermark_never_falls_back_and_nothing_at_or_below_it_comes_later_but_for_what_waits(
    case: tuple[list[Port], list[Arrival]],
) -> None:
    ports, arrivals = case
    joiner = Joiner(inputs_of(ports))
    low = joiner.watermark()
    for count, arrival in enumerate(arrivals, start=1):
        waiting = [t for t in complete(ports, arrivals[: count - 1])] if count > 1 else []
        for row in feed(joiner, arrival):
            assert row.t > low or row.t in waiting
        assert joiner.watermark() >= low
        low = joiner.watermark()


# -- single cases -----------------------------------------------------------------------------------------------------


def reasons(joiner: Joiner) -> list[tuple[int, int, str]]:
    return [tuple(drop) for drop in joiner.dropped]


def test_two_exact_inputs_fire_when_the_second_arrives() -> None:
    joiner = Joiner(inputs_of([EXACT, EXACT]))
    assert joiner.on_message(0, message(5)) == () or list(joiner.on_message(0, message(5))) == []
    assert rows(list(joiner.on_message(1, message(5)))) == [(5, (5, 5))]


def test_a_message_without_its_partner_is_dropped_when_the_partner_has_passed_it() -> None:
    joiner = Joiner(inputs_of([EXACT, EXACT]))
    joiner.on_message(0, message(1))
    joiner.on_message(0, message(2))
    joiner.on_message(1, message(2))
    assert reasons(joiner) == [(0, 1, "no_partner")]


def test_a_watermark_without_data_releases_what_waited_for_it() -> None:
    joiner = Joiner(inputs_of([EXACT, EXACT]))
    joiner.on_message(0, message(1))
    joiner.on_watermark(1, 1)
    assert reasons(joiner) == [(0, 1, "no_partner")]
    assert joiner.watermark() == 1


def test_a_message_whose_partner_has_passed_already_is_dropped_at_once() -> None:
    joiner = Joiner(inputs_of([EXACT, EXACT]))
    joiner.on_watermark(1, 5)
    joiner.on_message(0, message(4))
    assert reasons(joiner) == [(0, 4, "no_partner")]


def test_the_window_bounds_what_waits_for_a_partner_and_counts_what_falls_out() -> None:
    joiner = Joiner(inputs_of([EXACT, EXACT]), window=3)
    for t in range(5):
        joiner.on_message(0, message(t))
    assert reasons(joiner) == [(0, 0, "join_window"), (0, 1, "join_window")]


def test_a_stream_further_behind_than_the_window_loses_its_own_messages() -> None:
    joiner = Joiner(inputs_of([EXACT, EXACT]), window=2)
    for t in (10, 11):
        joiner.on_message(0, message(t))
    assert list(joiner.on_message(1, message(9))) == []
    assert reasons(joiner) == [(1, 9, "no_partner")]


def test_the_window_bounds_what_waits_for_a_sampled_input_that_is_silent() -> None:
    joiner = Joiner(inputs_of([EXACT, Port("latest")]), window=3)
    for t in range(50):
        joiner.on_message(0, message(t))
    assert len(joiner.dropped) >= 40


def test_an_optional_sampled_input_is_never_waited_for() -> None:
    joiner = Joiner(inputs_of([EXACT, Port("latest", None, False)]))
    assert rows(list(joiner.on_message(0, message(1)))) == [(1, (1, None))]


def test_nearest_waits_until_none_closer_can_come() -> None:
    joiner = Joiner(inputs_of([EXACT, Port("nearest", 4)]))
    joiner.on_message(1, message(7))
    assert not list(joiner.on_message(0, message(10)))
    assert not list(joiner.on_watermark(1, 11))
    assert rows(list(joiner.on_watermark(1, 12))) == [(10, (10, 7))]


def test_nearest_takes_the_later_one_only_if_it_is_strictly_closer() -> None:
    joiner = Joiner(inputs_of([EXACT, Port("nearest", 4)]))
    joiner.on_message(1, message(8))
    joiner.on_message(1, message(12))
    assert rows(list(joiner.on_message(0, message(10)))) == [(10, (10, 8))]
    joiner.on_message(1, message(21))
    joiner.on_message(1, message(24))
    assert rows(list(joiner.on_message(0, message(23)))) == [(23, (23, 24))]


def test_an_older_message_of_a_latest_input_that_nobody_used_is_counted() -> None:
    joiner = Joiner(inputs_of([EXACT, Port("latest")]))
    for t in (1, 2, 3):
        joiner.on_message(1, message(t))
    joiner.on_message(0, message(3))
    assert reasons(joiner) == [(1, 1, "superseded"), (1, 2, "superseded")]


@pytest.mark.parametrize("age, used", [(3, True), (2, False)])
def test_latest_respects_its_age_bound_to_the_nanosecond(age: int, used: bool) -> None:
    joiner = Joiner(inputs_of([EXACT, Port("latest", age, False)]))
    joiner.on_message(1, message(7))
    assert rows(list(joiner.on_message(0, message(10)))) == [(10, (10, 7 if used else None))]
