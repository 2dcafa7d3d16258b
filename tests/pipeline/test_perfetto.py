"""The trace says what happened when: read back by Perfetto's own definitions where they are installed, and by hand."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline import events as ev
from pipeline.errors import RecordingFailed
from pipeline.report.perfetto import trace, write_trace
from pipeline.timestamps import FOREVER, ms

BEGIN, END, INSTANT, COUNTER = 1, 2, 3, 4


class Mark(NamedTuple):
    """One TrackEvent, with its track's path spelt out."""

    at: int
    kind: int
    track: str
    name: str
    value: int | None


def fields(data: bytes) -> Iterator[tuple[int, Any]]:
    """(field number, varint or bytes) of a protobuf message."""
    at = 0

    def varint() -> int:
        nonlocal at
        value = shift = 0
        while True:
            byte = data[at]
            at += 1
            value |= (byte & 0x7F) << shift
            shift += 7
            if byte < 0x80:
                return value

    while at < len(data):
        key = varint()
        if key & 7 == 0:
            yield key >> 3, varint()
        else:
            assert key & 7 == 2, "only varints and bytes are written"
            length = varint()
            assert at + length <= len(data)
            yield key >> 3, data[at : at + length]
            at += length


def marks(data: bytes) -> list[Mark]:
    """Every event of a trace in the order of the file."""
    names: dict[int, str] = {}
    found = []
    for _, packet in fields(data):
        parts = dict(fields(packet))
        if 60 in parts:
            track = dict(fields(parts[60]))
            above = f"{names[track[5]]}/" if 5 in track else ""
            assert track[1] not in names
            names[track[1]] = above + track[2].decode()
        else:
            event = dict(fields(parts[11]))
            name = event.get(23, b"").decode()
            found.append(Mark(parts[8], event[9], names[event[11]], name, event.get(30)))
    return found


def work(began: int, ended: int, *, t: int = 0, candidate: str = "local", outcome: str = "done") -> ev.Finished:
    return ev.Finished(ended, "plan", t, candidate, began, "fine", outcome)


def test_work_is_a_slice_on_the_track_of_its_candidate_below_its_operator() -> None:
    began = ev.Started(ms(3), "plan", ms(2), "cloud")
    done = ev.Finished(ms(9), "plan", ms(2), "cloud", ms(3), "fine", "cancelled")
    assert marks(trace([began, done])) == [
        Mark(ms(3), BEGIN, "plan/cloud", "fine t=2 ms cancelled", None),
        Mark(ms(9), END, "plan/cloud", "", None),
    ]


def test_work_without_a_name_goes_by_its_operator() -> None:
    (begin, _) = marks(trace([ev.Finished(9, "plan", 0, "local", 3, "", "done")]))
    assert begin.name == "plan t=0 ms"


def test_what_goes_wrong_is_marked_where_and_when_it_happens() -> None:
    events: list[ev.Event] = [
        ev.Missed(10, "plan", ms(1), "end-to-end", 5, 9, (), "no answer"),
        ev.Handled(11, "plan", ms(1), "answered"),
        ev.Late(12, "plan", ms(1), "local", ms(7)),
        ev.Dropped(13, "gate", ms(1), "gate.command", "overload"),
        ev.Dropped(14, "gate", ms(1), "gate.command", "closed"),
    ]
    assert marks(trace(events)) == [
        Mark(10, INSTANT, "plan/misses", "missed t=1 ms: no answer", None),
        Mark(11, INSTANT, "plan/misses", "handler answered", None),
        Mark(12, INSTANT, "plan/late", "local late by 7 ms", None),
        Mark(13, INSTANT, "gate/drops", "gate.command: overload", None),
    ]


def test_budgets_are_counters_in_nanoseconds_and_no_limit_is_no_value() -> None:
    events: list[ev.Event] = [
        ev.BudgetSet(5, "policy", 0, "end-to-end", 1_234_567, "near"),
        ev.BudgetSet(6, "policy", 0, "end-to-end", FOREVER, "clear"),
    ]
    assert marks(trace(events)) == [Mark(5, COUNTER, "budget of end-to-end", "", 1_234_567)]


def test_work_that_never_ended_is_there_as_well() -> None:
    events: list[ev.Event] = [ev.Started(1, "plan", 0, "local"), work(1, 5), ev.Started(6, "plan", ms(1), "local")]
    assert marks(trace(events))[2:] == [Mark(6, BEGIN, "plan/local", "plan t=1 ms unfinished", None)]


@given(st.lists(st.tuples(st.integers(0, 60), st.integers(0, 20)), max_size=30), st.lists(st.integers(0, 80)))
def test_slices_of_one_track_never_overlap(lengths: list[tuple[int, int]], unfinished: list[int]) -> None:
    done = sorted((work(b, b + n, t=t) for t, (b, n) in enumerate(lengths)), key=lambda one: one.at)
    begun: list[ev.Event] = [ev.Started(at, "plan", 1000 + n, "local") for n, at in enumerate(unfinished)]
    found = marks(trace([*begun, *done]))
    assert sum(mark.kind == BEGIN for mark in found) == len(lengths) + len(unfinished)
    for track in {mark.track for mark in found}:
        depth = 0
        for mark in sorted((m for m in found if m.track == track), key=lambda m: m.at):  # stable, as Perfetto sorts
            depth += 1 if mark.kind == BEGIN else -1
            assert 0 <= depth <= 1, track
    ended = sorted(mark.at for mark in found if mark.kind == END)
    assert ended == sorted(one.at for one in done)


def test_work_that_follows_without_a_gap_stays_on_one_track() -> None:
    found = marks(trace([work(0, 5), work(5, 5, t=1), work(5, 9, t=2)]))
    assert {mark.track for mark in found} == {"plan/local"}


def test_times_after_hours_and_names_in_any_language_survive() -> None:
    at = 10 * 3600 * 10**9 + 1
    found = marks(trace([ev.Finished(at, "прогноз", 0, "облако", at - 1, "точно", "done")]))
    assert [mark.at for mark in found] == [at - 1, at]
    assert (found[0].track, found[0].name) == ("прогноз/облако", "точно t=0 ms")


def test_perfetto_reads_every_field() -> None:
    definitions = pytest.importorskip("perfetto.protos.perfetto.trace.perfetto_trace_pb2")
    events: list[ev.Event] = [
        work(3, 9),
        ev.BudgetSet(5, "policy", 0, "end-to-end", 7, "near"),
        work(4, 9, candidate="cloud"),
    ]
    read = definitions.Trace()
    read.ParseFromString(trace(events))
    assert not [packet for packet in read.packet if packet.trusted_packet_sequence_id != 1]
    tracks = {p.track_descriptor.uuid: p.track_descriptor for p in read.packet if p.HasField("track_descriptor")}
    told = [p for p in read.packet if p.HasField("track_event")]
    event_type = definitions.TrackEvent.Type
    assert [(p.timestamp, event_type.Name(p.track_event.type)) for p in told] == [
        (3, "TYPE_SLICE_BEGIN"),
        (9, "TYPE_SLICE_END"),
        (5, "TYPE_COUNTER"),
        (4, "TYPE_SLICE_BEGIN"),
        (9, "TYPE_SLICE_END"),
    ]
    assert [tracks[p.track_event.track_uuid].name for p in told] == ["local"] * 2 + ["budget of end-to-end"] + [
        "cloud"
    ] * 2
    counter = tracks[told[2].track_event.track_uuid].counter
    assert (counter.unit, told[2].track_event.counter_value) == (definitions.CounterDescriptor.UNIT_TIME_NS, 7)
    assert tracks[tracks[told[0].track_event.track_uuid].parent_uuid].name == "plan"
    assert told[0].track_event.name == "fine t=0 ms"


def test_a_trace_that_cannot_be_written_names_the_file(tmp_path: Path) -> None:
    assert write_trace([work(0, 5)], tmp_path / "trace").read_bytes() == trace([work(0, 5)])
    with pytest.raises(RecordingFailed, match=r"no.trace: cannot be written.*output=FOLDER"):
        write_trace([], tmp_path / "no" / "trace")
