"""Response times: learned from answers, pessimistic after silence, forgotten when old."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cloud.estimation import ResponseTimes
from pipeline.errors import UsageError
from pipeline.timestamps import ms, seconds


def test_nothing_is_known_before_the_first_answer() -> None:
    assert ResponseTimes().response(0) == 0
    assert ResponseTimes().network(0) == 0


def test_the_servers_time_is_not_the_networks() -> None:
    times = ResponseTimes()
    times.answered(at_ns=ms(100), sent_ns=0, server_ns=ms(70))
    assert times.network(ms(100)) == ms(30)
    assert times.response(ms(100)) == ms(100)


def test_the_median_of_the_last_answers_counts() -> None:
    times = ResponseTimes(window=3)
    for k, took in enumerate([500, 10, 20, 30]):
        times.answered(at_ns=ms(took + k), sent_ns=ms(k), server_ns=0)
    assert times.response(ms(100)) == ms(20)


def test_no_answer_counts_as_more_than_the_time_waited() -> None:
    times = ResponseTimes(window=1)
    times.unanswered(at_ns=ms(150), sent_ns=0)
    assert times.response(ms(150)) == ms(150) + 1


def test_old_answers_say_nothing() -> None:
    times = ResponseTimes(fresh=seconds(1))
    times.answered(at_ns=ms(10), sent_ns=0, server_ns=0)
    assert times.response(ms(1010)) == ms(10)
    assert times.response(ms(1011)) == 0


@given(st.integers(-(10**12), 10**12), st.integers(0, 10**9))
def test_a_server_that_lies_about_its_time_makes_nothing_negative(server_ns: int, took_ns: int) -> None:
    times = ResponseTimes()
    times.answered(at_ns=took_ns, sent_ns=0, server_ns=server_ns)
    assert 0 <= times.network(took_ns) <= took_ns
    assert times.response(took_ns) == took_ns


@given(st.lists(st.integers(0, 10**9), min_size=1, max_size=10), st.floats(0, 1))
def test_the_estimate_is_one_of_the_times_seen(took: list[int], quantile: float) -> None:
    times = ResponseTimes(window=10, quantile=quantile, fresh=seconds(10))
    for ns in took:
        times.answered(at_ns=ns, sent_ns=0, server_ns=0)
    assert times.response(10**9) in took


def test_an_estimator_that_makes_no_sense_is_refused() -> None:
    with pytest.raises(UsageError):
        ResponseTimes(window=0)
