"""Mahimahi traces: exact arithmetic through repetitions, and errors that name file and line."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cloud.traces import InvalidTrace, Trace, load

MS = 1_000_000


def trace(*times_ms: int) -> Trace:
    return Trace(np.array(times_ms, dtype=np.int64))


def traces() -> st.SearchStrategy[Trace]:
    return (
        st.lists(st.integers(0, 40), min_size=1, max_size=12)
        .map(sorted)
        .filter(lambda t: t[-1] > 0)
        .map(lambda t: trace(*t))
    )


def test_the_file_with_a_single_1_is_12_megabit_per_second(tmp_path: Path) -> None:
    path = tmp_path / "12mbps"
    path.write_text("1\n", encoding="ascii")
    assert load(path).mean_rate_bps == 12_000_000


def test_opportunities_repeat_from_the_last_timestamp_on() -> None:
    found = trace(2, 5, 5, 10)
    assert [found.time_ns(k) // MS for k in range(9)] == [2, 5, 5, 10, 12, 15, 15, 20, 22]


def test_an_opportunity_at_0_comes_together_with_the_last_one_of_the_repetition_before() -> None:
    found = trace(0, 10)
    assert [found.time_ns(k) // MS for k in range(5)] == [0, 10, 10, 20, 20]


def test_what_arrives_together_with_an_opportunity_misses_it() -> None:
    found = trace(2, 5, 5, 10)
    assert found.first_after(0) == 0
    assert found.first_after(2 * MS - 1) == 0
    assert found.first_after(2 * MS) == 1
    assert found.first_after(5 * MS) == 3
    assert found.first_after(10 * MS) == 4


@given(traces(), st.integers(0, 500 * MS))
def test_the_first_opportunity_after_a_time_is_what_counting_from_the_start_finds(found: Trace, ns: int) -> None:
    number = 0
    while found.time_ns(number) <= ns:
        number += 1
    assert found.first_after(ns) == number


@given(traces(), st.integers(0, 200))
def test_opportunities_never_go_back_in_time(found: Trace, number: int) -> None:
    assert found.time_ns(number) <= found.time_ns(number + 1)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "the trace is empty"),
        ("1\n\n3\n", r"uplink:2: empty line"),
        ("1\nfast\n", r"uplink:2: 'fast' is not a whole number"),
        ("1\n-4\n", r"uplink:2: '-4' is not a whole number"),
        ("1\n2.5\n", r"uplink:2: '2.5' is not a whole number"),
        ("5\n4\n", r"uplink:2: timestamp 4 follows 5"),
        ("0\n0\n", r"uplink:2: the trace lasts 0 ms"),
        ("9" * 30 + "\n", r"uplink:1: timestamp 9+ is beyond"),
        ("1\n²\n", "not a text of numbers"),
    ],
)
def test_a_broken_trace_is_named_with_file_and_line(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "uplink"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(InvalidTrace, match=message) as caught:
        load(path)
    assert str(path) in str(caught.value)


def test_a_missing_trace_and_a_folder_are_named(tmp_path: Path) -> None:
    for path in (tmp_path / "missing", tmp_path):
        with pytest.raises(InvalidTrace, match="cannot read the trace"):
            load(path)


def test_a_file_with_other_line_ends_is_read_alike(tmp_path: Path) -> None:
    path = tmp_path / "uplink"
    path.write_bytes(b"1\r\n3\r\n")
    assert load(path).opportunities_ms.tolist() == [1, 3]


@pytest.mark.parametrize("times_ms", [[], [0], [3, 2], [-1, 2]])
def test_a_trace_that_is_none_cannot_be_made(times_ms: list[int]) -> None:
    with pytest.raises(InvalidTrace):
        trace(*times_ms)
