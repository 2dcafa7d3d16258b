"""When a message is offered, and until when an answer is worth waiting for."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cloud.speculation import Endpoint, Offer, Situation, Skip, Speculation, ordered
from pipeline.errors import UsageError
from pipeline.timestamps import FOREVER, Duration, ms


def situation(
    *,
    sequence: int = 0,
    remaining: Duration = ms(200),
    queued: int = 0,
    link_down: bool = False,
    expected: Duration = Duration(0),
) -> Situation:
    return Situation(sequence, remaining, queued, link_down, expected)


durations = st.integers(0, ms(500)).map(Duration)


def test_an_answer_is_awaited_until_what_follows_still_meets_the_deadline() -> None:
    rules = Speculation(hold=ms(150), follows=ms(80))
    assert rules.decide(situation(remaining=ms(200))) == Offer(ms(120))


def test_the_wait_is_bounded_even_without_a_deadline() -> None:
    assert Speculation(hold=ms(150)).decide(situation(remaining=FOREVER)) == Offer(ms(150))


def test_a_link_that_is_down_gets_nothing() -> None:
    assert Speculation().decide(situation(link_down=True)) == Skip("link down")


def test_a_long_queue_gets_nothing_more() -> None:
    rules = Speculation(queue_max=2)
    assert isinstance(rules.decide(situation(queued=1)), Offer)
    assert rules.decide(situation(queued=2)) == Skip("queue full: 2 messages")


def test_every_other_message_can_be_offered() -> None:
    rules = Speculation(every=2)
    offered = [isinstance(rules.decide(situation(sequence=k)), Offer) for k in range(6)]
    assert offered == [True, False, True, False, True, False]


def test_two_clouds_can_take_turns() -> None:
    """IROS'23: the handler sees how many messages there were, so alternating is a matter of two rules."""
    rules = Speculation(every=2)
    for k in range(6):
        first, second = (rules.decide(situation(sequence=k + shift)) for shift in (0, 1))
        assert isinstance(first, Offer) != isinstance(second, Offer)


def test_without_time_left_nothing_is_offered() -> None:
    rules = Speculation(follows=ms(80))
    assert rules.decide(situation(remaining=ms(80))) == Skip("no time: 80 ms left")
    assert rules.decide(situation(remaining=ms(81))) == Offer(ms(1))


def test_what_is_known_to_take_too_long_is_not_offered() -> None:
    rules = Speculation(hold=ms(150))
    assert rules.decide(situation(expected=ms(150))) == Offer(ms(150))
    assert rules.decide(situation(expected=Duration(ms(150) + 1000))) == Skip("too slow: takes 150.001 ms, has 150 ms")


@given(durations, durations, st.integers(0, 4), st.booleans(), durations, st.integers(0, 5), durations)
def test_an_offer_never_endangers_what_follows(
    remaining: Duration,
    follows: Duration,
    queued: int,
    link_down: bool,
    expected: Duration,
    sequence: int,
    hold: Duration,
) -> None:
    rules = Speculation(hold=Duration(hold + 1), follows=follows, queue_max=2, every=2)
    decision = rules.decide(Situation(sequence, remaining, queued, link_down, expected))
    if isinstance(decision, Offer):
        assert 0 < decision.hold <= rules.hold
        assert decision.hold + follows <= remaining
        assert expected <= decision.hold
        assert not link_down
        assert queued < 2
        assert sequence % 2 == 0
    else:
        assert decision.reason


@pytest.mark.parametrize("wrong", [{"hold": 0}, {"hold": FOREVER}, {"follows": -1}, {"queue_max": 0}, {"every": 0}])
def test_rules_that_make_no_sense_are_refused(wrong: dict[str, int]) -> None:
    with pytest.raises(UsageError):
        Speculation(**wrong)  # type: ignore[arg-type]


def test_answers_have_a_total_order_and_the_local_one_comes_last() -> None:
    order = ordered("local", [Endpoint("near", 5), Endpoint("far", 10)])
    assert [endpoint.name for endpoint in order] == ["far", "near", "local"]


@pytest.mark.parametrize(
    ("remote", "message"),
    [
        ([Endpoint("a", 5), Endpoint("b", 5)], "a and b have the same priority 5"),
        ([Endpoint("a", 5), Endpoint("a", 6)], "the same name"),
        ([Endpoint("local", 5)], "the same name"),
        ([Endpoint("a", 0)], "a: priority 0"),
    ],
)
def test_an_order_that_is_none_is_refused(remote: list[Endpoint], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        ordered("local", remote)
