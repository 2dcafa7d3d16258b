"""The Perfetto trace, decoded by a reader of its own: slices, marks, counters and the tracks that they stand on."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from pipeline import events as ev
from pipeline.errors import RecordingFailed
from pipeline.report.perfetto import trace, write_trace
from tests.pipeline.recorded import MS, every_event

BEGIN, END, INSTANT, COUNTER = 1, 2, 3, 4
"""TrackEvent.Type."""


def varint(data: bytes, at: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        byte = data[at]
        value |= (byte & 0x7F) << shift
        at, shift = at + 1, shift + 7
        if byte < 0x80:
            return value, at


def fields(data: bytes) -> Iterator[tuple[int, Any]]:
    """(field number, integer or bytes) of one protobuf message."""
    at = 0
    while at < len(data):
        key, at = varint(data, at)
        assert key & 7 in (0, 2), "only varints and lengths are written"
        value, at = varint(data, at)
        if key & 7 == 2:
            assert at + value <= len(data)
            yield key >> 3, data[at : at + value]
            at += value
        else:
            yield key >> 3, value
    assert at == len(data)


class Mark(NamedTuple):
    at: int
    kind: int
    track: str
    name: str
    value: int | None


def decode(data: bytes) -> tuple[dict[str, str], list[Mark], set[str]]:
    """Track → its parent, events in order, and which tracks are counters."""
    names: dict[int, str] = {}
    parents: dict[str, str] = {}
    counters: set[str] = set()
    marks: list[Mark] = []
    for number, packet in fields(data):
        assert number == 1, "a Trace holds packets alone"
        parts = dict(fields(packet))
        assert parts[10] == 1, "trusted_packet_sequence_id"
        if 60 in parts:
            track = dict(fields(parts[60]))
            name = track[2].decode()
            above = names.get(track.get(5, 0), "")
            names[track[1]] = f"{above}/{name}" if above else name
            parents[names[track[1]]] = above
            if 8 in track:
                counters.add(names[track[1]])
        else:
            event = dict(fields(parts[11]))
            text = event.get(23, b"").decode()
            marks.append(Mark(parts[8], event[9], names[event[11]], text, event.get(30)))
    return parents, marks, counters


def test_work_is_a_slice_from_its_start_to_its_end_on_its_candidate_s_track() -> None:
    parents, marks, _ = decode(trace(every_event()))
    assert parents["a/local"] == parents["a/cloud"] == "a"
    assert [m for m in marks if m.track == "a/local"] == [
        Mark(1 * MS, BEGIN, "a/local", "small t=0 ms", None),
        Mark(5 * MS, END, "a/local", "", None),
    ]
    assert [m.name for m in marks if m.track == "a/cloud" and m.kind == BEGIN] == ["a t=50 ms failed"]


def test_every_slice_that_begins_ends() -> None:
    events: list[ev.Event] = [
        ev.Finished((i + 1) * MS, "a", i * MS, "local", i * MS, "", "done" if i % 2 else "cancelled") for i in range(9)
    ]
    _, marks, _ = decode(trace(events))
    assert [m.kind for m in marks] == [BEGIN, END] * 9
    assert [m.at for m in marks if m.kind == END] == [(i + 1) * MS for i in range(9)]


def test_misses_handlers_and_drops_are_instants() -> None:
    _, marks, _ = decode(trace(every_event()))
    assert [m for m in marks if m.kind == INSTANT] == [
        Mark(90 * MS, INSTANT, "a/misses", "missed t=50 ms", None),
        Mark(91 * MS, INSTANT, "a/misses", "handler answered", None),
        Mark(95 * MS, INSTANT, "b/drops", "b.value: overload", None),
    ]


def test_drops_that_are_a_join_s_business_are_left_out() -> None:
    events: list[ev.Event] = [ev.Dropped(1, "b", 0, "b.value", reason) for reason in ("superseded", "closed")]
    assert trace(events) == b""


def test_budgets_are_a_counter_in_milliseconds() -> None:
    events: list[ev.Event] = [ev.BudgetSet(i * MS, "policy", 0, "e2e", (300 - i) * MS, "") for i in range(3)]
    parents, marks, counters = decode(trace(events))
    assert parents == {"budget of e2e (ms)": ""}
    assert counters == set(parents)
    assert [(m.at, m.kind, m.value) for m in marks] == [(i * MS, COUNTER, 300 - i) for i in range(3)]


def test_a_track_is_described_once_and_before_its_first_event() -> None:
    data = trace(every_event() * 3)
    parents, marks, _ = decode(data)  # decode fails on a track that is used before it is described
    described = [dict(fields(packet)) for _, packet in fields(data)]
    assert sum(60 in packet for packet in described) == len(parents)
    assert {m.track for m in marks} <= set(parents)


@pytest.mark.parametrize("at", [0, 127, 128, 2**32, 2**62])
def test_times_of_any_size_are_whole(at: int) -> None:
    _, marks, _ = decode(trace([ev.Missed(at, "a", 0, "d", 1, 1, (), "")]))
    assert marks[0].at == at


def test_the_same_events_are_the_same_bytes_in_the_file(tmp_path: Path) -> None:
    path = write_trace(iter(every_event()), tmp_path / "a.perfetto-trace")
    assert path.read_bytes() == trace(every_event())
    with pytest.raises(RecordingFailed, match=r"nowhere.*cannot be written"):
        write_trace([], tmp_path / "nowhere" / "trace")
