"""The run's log says each thing once, counts what comes again, and is one JSON object a line for machines."""

from __future__ import annotations

import json
import logging
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from pipeline import events as ev
from pipeline import ms, seconds
from pipeline.errors import RecordingFailed
from pipeline.events import Event
from pipeline.logs import RunLogger, logging_to


def fault(at: int, kind: str = "not_finite", *, operator: str = "see", process: str = "") -> ev.Fault:
    return ev.Fault(ms(at), operator, ms(at), process, kind, "why")


def recovered(at: int, *, operator: str = "see", process: str = "") -> ev.Recovered:
    return ev.Recovered(ms(at), operator, ms(at), process, ms(50))


def missed(at: int, deadline: str = "d") -> ev.Missed:
    return ev.Missed(ms(at), "plan", ms(at - 80), deadline, ms(80), ms(81), (), "no answer")


class Kept(logging.Handler):
    """Remembers the records."""

    def __init__(self) -> None:
        super().__init__()
        self.fields: list[dict[str, Any]] = []
        self.lines: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.fields.append(record.__dict__["fields"])
        self.lines.append(record.getMessage())

    def said(self) -> list[tuple[str, int]]:
        return [(row["event"], row["count"]) for row in self.fields]


def logged(*events: Event, misses: bool = True, close: bool = True) -> Kept:
    kept, logger = Kept(), logging.Logger("test")
    logger.addHandler(kept)
    made = RunLogger(logger, misses=misses)
    for event in events:
        made.on_event(event)
    if close:
        made.close()
    return kept


def test_the_first_fault_is_written_at_once_and_those_after_it_are_counted() -> None:
    events = [fault(at) for at in range(0, 500, 25)]
    assert logged(*events, close=False).said() == [("fault", 1)]
    assert logged(*events).said() == [("fault", 1), ("fault", 19)]


def test_what_goes_on_is_written_once_a_second() -> None:
    assert logged(*(fault(at) for at in range(0, 3001, 25))).said() == [
        ("fault", 1),
        ("fault", 39),
        ("fault", 40),
        ("fault", 40),
        ("fault", 1),
    ]


def test_every_fault_is_in_some_record() -> None:
    times = [0, 10, 900, 1000, 2500, 2501, 9000]
    assert sum(count for _, count in logged(*map(fault, times)).said()) == len(times)


def test_a_recovery_is_written_behind_what_was_counted() -> None:
    assert logged(fault(0), fault(10), fault(20), recovered(30)).said() == [
        ("fault", 1),
        ("fault", 2),
        ("recovered", 1),
    ]


def test_what_comes_and_goes_does_not_flood_the_log() -> None:
    events: list[Event] = []
    for at in range(0, 1000, 20):
        events += [fault(at), recovered(at + 10)]
    assert logged(*events).said() == [("fault", 1), ("recovered", 1), ("fault", 49), ("recovered", 49)]


def test_faults_of_other_kinds_and_places_are_told_apart() -> None:
    kept = logged(fault(0), fault(1, "raised"), fault(2, operator="plan"), fault(3, "killed", operator="", process="p"))
    assert [count for _, count in kept.said()] == [1, 1, 1, 1]
    assert [line.partition("s  ")[2] for line in kept.lines] == [
        "see: not finite: why",
        "see: raised: why",
        "plan: not finite: why",
        "process p: killed: why",
    ]


def test_a_burst_of_misses_is_one_record_and_its_count() -> None:
    kept = logged(*(missed(at) for at in range(100, 600, 100)), missed(700, "other"))
    assert kept.said() == [("missed", 1), ("missed", 1), ("missed", 4)]
    assert kept.lines[-1].endswith("missed d for t=0.420 s: no answer (4 times)")


def test_people_are_not_told_of_every_miss() -> None:
    assert logged(missed(100), fault(200), misses=False).said() == [("fault", 1)]


def test_what_is_remembered_does_not_grow_with_the_run() -> None:
    made = RunLogger(logging.Logger("test"))
    for n in range(1000):
        made.on_event(fault(n * 2000, operator=f"o{n}"))
    assert len(made._bursts) == 1


def test_a_file_gets_one_json_object_a_line_and_is_continued(tmp_path: Path) -> None:
    path = tmp_path / "run.jsonl"
    for name in ("first", "second"):
        with logging_to(str(path)) as made:
            made.run = name
            for event in (fault(1500, process="p"), recovered(1550, process="p"), missed(1600)):
                made.on_event(event)
    rows = [json.loads(line) for line in path.read_text("utf-8").splitlines()]
    assert [(row["run"], row["event"]) for row in rows] == [
        (name, event) for name in ("first", "second") for event in ("fault", "recovered", "missed")
    ]
    first, back, miss = rows[:3]
    assert datetime.fromisoformat(first.pop("time")).tzinfo is not None
    assert first == {
        "level": "warning",
        "event": "fault",
        "run_time_s": 1.5,
        "operator": "see",
        "t_ns": seconds(1.5),
        "process": "p",
        "kind": "not_finite",
        "reason": "why",
        "count": 1,
        "run": "first",
    }
    assert (back["level"], back["after_ms"]) == ("info", 50.0)
    assert (miss["deadline"], miss["budget_ms"], miss["reason"]) == ("d", 80.0, "no answer")


def test_json_and_text_can_go_to_stderr(capsys: pytest.CaptureFixture[str]) -> None:
    for target in ("-", None):
        with logging_to(target) as made:
            made.on_event(fault(1500))
            made.on_event(missed(1600))
    out, err = capsys.readouterr()
    fault_json, missed_json, text = err.splitlines()
    assert not out and json.loads(fault_json)["kind"] == "not_finite" and json.loads(missed_json)["event"] == "missed"
    assert text == "skylane:     1.500 s  see: not finite: why"


def test_a_file_that_cannot_be_opened_is_an_error_of_ours(tmp_path: Path) -> None:
    with pytest.raises(RecordingFailed, match="cannot be written"), logging_to(str(tmp_path / "none" / "run.jsonl")):
        pass


def test_a_full_disk_is_not_swallowed() -> None:
    if not Path("/dev/full").exists():
        pytest.skip("needs a device that is always full")
    with pytest.raises(RecordingFailed, match="No space left"), logging_to("/dev/full") as made:
        made.on_event(fault(1500))
