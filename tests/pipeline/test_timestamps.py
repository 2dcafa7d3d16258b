"""Durations: read only with a unit, written shortly, and the same after writing and reading."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.errors import InvalidDuration, UsageError
from pipeline.timestamps import BOTTOM, FOREVER, TOP, format_duration, ms, parse_duration, seconds, us


@pytest.mark.parametrize(
    ("text", "nanoseconds"),
    [
        ("80ms", 80_000_000),
        ("0.5 s", 500_000_000),
        ("20 us", 20_000),
        ("20µs", 20_000),
        ("2 min", 120_000_000_000),
        ("  7ns ", 7),
        ("-3ms", -3_000_000),
        ("+3ms", 3_000_000),
        (".5us", 500),
        ("1.ms", 1_000_000),
        ("1e-3s", 1_000_000),
        ("1.5e3 ms", 1_500_000_000),
        ("0.1s", 100_000_000),
        ("0s", 0),
    ],
)
def test_a_duration_is_read_in_nanoseconds(text: str, nanoseconds: int) -> None:
    assert parse_duration(text) == nanoseconds


@pytest.mark.parametrize("text", ["80", "0", "-1.5", "1e9"])
def test_a_number_without_a_unit_is_refused(text: str) -> None:
    with pytest.raises(InvalidDuration, match=r"has no unit.*for example 80ms"):
        parse_duration(text)


@pytest.mark.parametrize("text", ["80 h", "3 Ms", "3 MS", "5 msec", "1 sec", "4 m"])
def test_an_unknown_unit_is_named(text: str) -> None:
    with pytest.raises(InvalidDuration, match=f"unknown unit '{text.split()[-1]}'"):
        parse_duration(text)


@pytest.mark.parametrize(
    "text", ["", "ms", "fast", "1 000 ms", "1,5 s", "80ms 3", "nan s", "inf s", "0x10 ms", "--3ms"]
)
def test_what_is_no_number_is_no_duration(text: str) -> None:
    with pytest.raises(InvalidDuration, match=r"is not a duration|unknown unit"):
        parse_duration(text)


@pytest.mark.parametrize("text", ["1e10s", "-1e10s", "9223372036854775808ns", "1e400s", "1e300min"])
def test_more_than_63_bits_are_refused(text: str) -> None:
    with pytest.raises(InvalidDuration, match="292 years"):
        parse_duration(text)


def test_a_wrong_duration_is_the_user_s_mistake() -> None:
    assert issubclass(InvalidDuration, UsageError)


@given(st.text(max_size=12))
def test_any_text_is_a_duration_or_refused(text: str) -> None:
    try:
        assert abs(parse_duration(text)) < TOP
    except InvalidDuration as error:
        assert repr(text) in str(error)


@given(st.integers(-999_999, 999_999), st.sampled_from([1, 1_000, 1_000_000, 1_000_000_000]))
def test_six_digits_of_any_unit_are_the_same_after_writing_and_reading(digits: int, scale: int) -> None:
    assert parse_duration(format_duration(digits * scale)) == digits * scale


@given(st.integers(-(TOP - 1), TOP - 1))
def test_what_is_written_is_the_duration_to_six_digits(duration: int) -> None:
    assert abs(parse_duration(format_duration(duration)) - duration) <= 5e-6 * abs(duration)


@pytest.mark.parametrize(
    ("duration", "text"),
    [
        (0, "0 ns"),
        (999, "999 ns"),
        (1_000, "1 us"),
        (80_000_000, "80 ms"),
        (1_250_000_000, "1.25 s"),
        (-1_500, "-1.5 us"),
        (FOREVER, "∞"),
    ],
)
def test_durations_are_written_in_their_largest_unit(duration: int, text: str) -> None:
    assert format_duration(duration) == text


def test_builders_round_to_the_nanosecond() -> None:
    assert (us(0.5), ms(0.1), seconds(0.3)) == (500, 100_000, 300_000_000)
    assert ms(1e-7) == 0
    assert BOTTOM < 0 < TOP
    assert int(TOP) == int(FOREVER)
