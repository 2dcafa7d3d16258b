"""Holding a run against its record: equal, or the first difference by time, operator and field."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest

from pipeline import cli
from pipeline import events as ev
from pipeline.events import Observer
from pipeline.replaying import Comparer, Divergence, compare, first_difference
from pipeline.runlog import RunLog
from tests.pipeline.recorded import MS, Picture, Point, Scan, every_event, sent, write


def again(recorded: list[ev.Event], rerun: list[ev.Event], folder: Path) -> Divergence | None:
    """The first difference between a record of ``recorded`` and ``rerun``."""

    def play(observer: Observer, stop: Callable[[], bool]) -> int:
        for event in rerun:
            if stop():
                break
            observer.on_event(event)
        return rerun[-1].at if rerun else 0

    return compare(RunLog(write(folder / "log.mcap", recorded)), play)


def changed(index: int, **fields: Any) -> list[ev.Event]:
    events = every_event()
    events[index] = msgspec.structs.replace(events[index], **fields)
    return events


def test_the_same_events_are_equal(tmp_path: Path) -> None:
    assert again(every_event(), every_event(), tmp_path) is None


FIRST = 5
"""Where in every_event the first value on a.out stands."""


@pytest.mark.parametrize(
    ("fields", "path", "was", "found"),
    [
        ({"value": Point(x_m=1.75, tags=("near", "wet"), next=Point(x_m=float("inf")))}, "value.x_m", 1.5, 1.75),
        (
            {"value": Point(x_m=1.5, tags=("near", "dry"), next=Point(x_m=float("inf")))},
            "value.tags[1]",
            "wet",
            "dry",
        ),
        (
            {"value": Point(x_m=1.5, tags=("near", "wet"), next=Point(x_m=3.0))},
            "value.next.x_m",
            None,
            3.0,
        ),
        ({"value": Point(x_m=1.5, tags=("near",), next=Point(x_m=float("inf")))}, "value.tags (length)", 2, 1),
        ({"winner": "cloud"}, "winner", "local", "cloud"),
        ({"quality": "partial"}, "quality", "final", "partial"),
        ({"at": 6 * MS}, "at", 5 * MS, 6 * MS),
        ({"origin": 1}, "origin", 0, 1),
    ],
)
def test_a_changed_answer_is_told_by_time_operator_and_field(
    tmp_path: Path, fields: dict[str, Any], path: str, was: Any, found: Any
) -> None:
    divergence = again(every_event(), changed(FIRST, **fields), tmp_path)
    assert divergence == Divergence(FIRST, fields.get("at", 5 * MS), 0, "a", path, was, found)
    assert f"after {FIRST} equal events" in str(divergence)
    assert f"a (t=0): {path} was {was!r}, is {found!r}" in str(divergence)


@pytest.mark.parametrize(
    ("index", "fields", "path"),
    [
        (0, {"within": 1}, "within"),
        (4, {"work": "large"}, "work"),
        (9, {"finished": ("local", "edge")}, "finished[1]"),
        (13, {"late_by": 1}, "late_by"),
        (16, {"reason": "other"}, "reason"),
    ],
)
def test_a_changed_field_of_any_event_is_told(tmp_path: Path, index: int, fields: dict[str, Any], path: str) -> None:
    divergence = again(every_event(), changed(index, **fields), tmp_path)
    assert divergence is not None
    assert (divergence.n, divergence.operator, divergence.field) == (index, every_event()[index].operator, path)


def test_a_difference_that_the_log_cannot_write_is_told_by_digest(tmp_path: Path) -> None:
    # Both are null in JSON; only the digest knows.
    divergence = again([sent(Point(x_m=float("inf")))], [sent(Point(x_m=float("nan")))], tmp_path)
    assert divergence is not None
    assert divergence.field == "value"
    assert divergence.recorded != divergence.found


def test_one_pixel_of_a_picture_is_a_difference(tmp_path: Path) -> None:
    dark, bright = np.zeros((40, 60, 3), np.uint8), np.zeros((40, 60, 3), np.uint8)
    bright[39, 59, 2] = 1
    divergence = again([sent(Picture(rgb=dark))], [sent(Picture(rgb=bright))], tmp_path)
    assert divergence is not None
    assert divergence.field == "value.rgb.digest"


def test_one_number_of_a_scan_is_told_by_its_place(tmp_path: Path) -> None:
    divergence = again([sent(Scan(ranges_m=np.zeros(9)))], [sent(Scan(ranges_m=np.eye(9)[4]))], tmp_path)
    assert divergence is not None
    assert (divergence.field, divergence.recorded, divergence.found) == ("value.ranges_m[4]", 0.0, 1.0)


def test_a_missing_event_is_told_where_the_record_has_it(tmp_path: Path) -> None:
    events = every_event()
    divergence = again(events, [*events[:9], *events[10:]], tmp_path)
    assert divergence is not None
    assert (divergence.n, divergence.field) == (9, "event")
    assert (divergence.recorded, divergence.found) == ("missed a", "rolled_back a")


def test_a_re_run_that_ends_early_misses_the_next_recorded_event(tmp_path: Path) -> None:
    events = every_event()
    assert again(events, events[:6], tmp_path) == Divergence(6, 6 * MS, 0, "b", "event", "sent b.number", None)


def test_an_extra_event_in_the_middle_and_at_the_end_is_told(tmp_path: Path) -> None:
    events = every_event()
    extra = ev.Dropped(8 * MS, "c", 0, "c.value", "stale")
    middle = again(events, [*events[:8], extra, *events[8:]], tmp_path)
    assert middle == Divergence(8, 8 * MS, 0, "c", "event", "finished a", "dropped c.value")
    after = again(events, [*events, extra], tmp_path)
    assert after == Divergence(len(events), 8 * MS, 0, "c", "event", None, "dropped c.value")


def test_a_value_on_another_stream_is_another_event(tmp_path: Path) -> None:
    divergence = again(every_event(), changed(FIRST, stream="a.other"), tmp_path)
    assert divergence is not None
    assert (divergence.field, divergence.recorded, divergence.found) == ("event", "sent a.out", "sent a.other")


def test_only_the_first_difference_counts_and_ends_the_re_run(tmp_path: Path) -> None:
    comparer = Comparer(RunLog(write(tmp_path / "log.mcap")))
    for event in changed(4, outcome="failed")[:5] + changed(FIRST, winner="cloud")[5:]:
        comparer.on_event(event)
    comparer.finish(0)
    assert comparer.divergence is not None
    assert comparer.divergence.field == "outcome"


def test_equal_trees_have_no_difference() -> None:
    tree = {"a": [1, {"b": None}], "c": "d"}
    assert first_difference(tree, tree, "x") == ("x", tree, tree)
    assert first_difference({"a": None}, {}, "x") == ("x.a", None, None)


def skylane(*arguments: str) -> int:
    try:
        cli.main(list(arguments))
    except SystemExit as done:
        return int(done.code or 0)
    return 0


@pytest.mark.slow
def test_skylane_replay_says_equal_different_or_impossible(
    tmp_path: Path, root: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    twin = ("run", str(root / "launch" / "twin.yaml"), "--variant", "dynamic", "--no-artifacts")
    assert skylane(*twin, "-o", "duration=1s", "-o", "output=twin") == 0
    capsys.readouterr()
    assert skylane("replay", "twin/dynamic") == 0
    result = json.loads((tmp_path / "twin/dynamic/result.json").read_text())
    assert capsys.readouterr().out == f"twin/dynamic: equal, hash {result['hash']}\n"

    whole = (tmp_path / "twin/dynamic/log.mcap").read_bytes()
    retell(tmp_path / "twin/dynamic/log.mcap", "target_speed_mps: 12.0", "target_speed_mps: 11.0")
    assert skylane("replay", "twin/dynamic", "--json") == 1
    told = json.loads(capsys.readouterr().out)
    assert (told["equal"], told["divergence"]["operator"]) == (False, "plan")
    assert told["divergence"]["field"].startswith("value.")

    (tmp_path / "twin/dynamic/log.mcap").write_bytes(whole)
    retell(tmp_path / "twin/dynamic/log.mcap", "name: twin", "engine: threads\nname: twin")
    assert skylane("replay", "twin/dynamic") == 2
    assert "only runs on modelled virtual time" in capsys.readouterr().err
    assert skylane("replay", "nothing") == 1
    assert "name a run's folder" in capsys.readouterr().err


def retell(path: Path, old: str, new: str) -> None:
    """Put another launch file into a log and leave its events as they are."""
    from mcap.records import Attachment, Channel, Message, Metadata, Schema
    from mcap.stream_reader import StreamReader
    from mcap.writer import Writer

    with path.open("rb") as file:
        records = list(StreamReader(file).records)
    with path.open("wb") as file:
        writer = Writer(file)
        writer.start()
        schemas: dict[int, int] = {}
        channels: dict[int, int] = {}
        for record in records:
            if isinstance(record, Attachment):
                assert old in record.data.decode()
                data = record.data.decode().replace(old, new).encode()
                writer.add_attachment(0, 0, record.name, record.media_type, data)
            elif isinstance(record, Metadata):
                writer.add_metadata(record.name, record.metadata)
            elif isinstance(record, Schema) and record.id not in schemas:
                schemas[record.id] = writer.register_schema(record.name, record.encoding, record.data)
            elif isinstance(record, Channel) and record.id not in channels:
                schema = schemas[record.schema_id]
                channels[record.id] = writer.register_channel(record.topic, record.message_encoding, schema)
            elif isinstance(record, Message):
                writer.add_message(channels[record.channel_id], record.log_time, record.data, record.publish_time)
        writer.finish()  # type: ignore[no-untyped-call]
