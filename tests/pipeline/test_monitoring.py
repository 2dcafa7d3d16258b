"""Whoever follows a run on the wall clock gets everything once, in order, and a report per period between."""

from __future__ import annotations

import json
import socket
import threading
import time
from pathlib import Path
from typing import Any

import msgspec
import pytest

from pipeline import events as ev
from pipeline import ms
from pipeline.building import build
from pipeline.commands.following import Several
from pipeline.engines import monitoring
from pipeline.engines.clock_watch import ClockReading
from pipeline.engines.monitoring import Watch
from pipeline.errors import RecordingFailed
from pipeline.events import Event
from pipeline.health import HealthReport, ProcessStatus
from pipeline.runlog import RunLog
from pipeline.running import run_variant
from tests.pipeline.toy_launch import changed, skylane

pytestmark = pytest.mark.usefixtures("toys")

SOON_S = 20.0


class Follower:
    """Remembers everything it is told."""

    def __init__(self) -> None:
        self.events: list[Event] = []
        self.reports: list[HealthReport] = []
        self.statuses: list[ProcessStatus] = []
        self.told = threading.Event()

    def on_event(self, event: Event) -> None:
        self.events.append(event)

    def on_health(self, report: HealthReport) -> None:
        self.reports.append(report)
        self.told.set()

    def on_process(self, status: ProcessStatus) -> None:
        self.statuses.append(status)


class Plain:
    """An observer that wants events alone."""

    def __init__(self) -> None:
        self.events: list[Event] = []

    def on_event(self, event: Event) -> None:
        self.events.append(event)


def started(operator: str = "see") -> ev.Started:
    return ev.Started(ms(1), operator, ms(1), "local")


def test_reports_come_between_events_and_the_thread_ends_with_the_run() -> None:
    follower, plain = Follower(), Plain()
    with Watch([follower, plain], {"see": ""}, period_ns=ms(5)) as watch:
        watch.on_event(started())
        assert follower.told.wait(SOON_S)
    assert follower.events == plain.events == [started()]
    report = follower.reports[0]
    assert [(row.name, row.state) for row in report.operators] == [("see", "healthy")]
    (main,) = report.processes
    assert main.process == "main" and main.rss_bytes > 1 << 20 and main == follower.statuses[0]
    assert "skylane.health" not in {thread.name for thread in threading.enumerate()}


def test_a_run_shorter_than_a_period_has_one_report_and_a_run_without_events_none() -> None:
    for events, reports in (([started()], 1), ([], 0)):
        follower = Follower()
        with Watch([follower], {"see": ""}) as watch:
            for event in events:
                watch.on_event(event)
        assert len(follower.reports) == reports


def test_the_queues_of_the_engine_are_in_the_report() -> None:
    class Stage:
        class intake:  # noqa: N801
            ready = (1, 2, 3)

    class Engine:
        stages = {"see": Stage}

    follower = Follower()
    with Watch([follower], {"see": ""}) as watch:
        watch.on_engine(Engine())
        watch.on_event(started())
    assert follower.reports[-1].operators[0].queued == 3


def test_supervised_processes_are_reported_in_their_supervisors_words() -> None:
    follower = Follower()
    status = ProcessStatus(process="p", state="down", restarts=1)
    with Watch([follower], {"see": "p"}) as watch:
        watch.on_process(status)
        watch.on_event(started())
    assert follower.statuses == [status] and follower.reports[-1].processes == (status,)
    assert follower.reports[-1].operators[0].state == "down"


def test_an_operators_fault_is_told_with_its_process() -> None:
    plain = Plain()
    with Watch([plain], {"see": "p", "plan": ""}) as watch:
        for operator in ("see", "plan", "unknown"):
            watch.on_event(ev.Fault(0, operator, 0, "", "raised", "why"))
    assert [event.process for event in plain.events if isinstance(event, ev.Fault)] == ["p", "", ""]


def test_what_a_follower_raises_between_two_events_ends_the_run_with_its_reason() -> None:
    class Full(Follower):
        def on_health(self, report: HealthReport) -> None:
            super().on_health(report)
            raise RecordingFailed("full", where="x")

    follower = Full()
    with Watch([follower], {"see": ""}, period_ns=ms(5)) as watch:
        watch.on_event(started())
        assert follower.told.wait(SOON_S)
        with pytest.raises(RecordingFailed, match="full"):
            for _ in range(1000):
                watch.on_event(started())
                time.sleep(0.001)
        assert len(follower.reports) == 1
        watch._followers.clear()
        watch._reported.clear()
    with pytest.raises(RecordingFailed, match="full"), Watch([Full()], {"see": ""}) as watch:
        watch.on_event(started())


def test_a_jump_of_the_time_of_day_and_a_halt_of_the_whole_run_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    plain = Plain()
    watch = Watch([plain], {"see": ""})
    watch.on_event(started())
    watch._look()
    assert plain.events == [started()]
    read = monitoring.read_clocks

    def after_the_jump() -> ClockReading:
        reading = read()
        return msgspec.structs.replace(reading, wall=reading.wall - ms(1500))

    monkeypatch.setattr(monitoring, "read_clocks", after_the_jump)
    watch._look()
    watch._looked_at -= ms(9000)
    watch._look()
    found = [event for event in plain.events if isinstance(event, ev.Fault)]
    assert [fault.kind for fault in found] == ["clock_step", "stopped"]
    assert "set back by 1" in found[0].reason
    assert watch.monitor.report(0).operators[0].state == "healthy"


def test_the_time_that_a_run_takes_to_begin_is_no_halt() -> None:
    plain = Plain()
    watch = Watch([plain], {"see": ""})
    watch._looked_at -= ms(9000)
    watch._look()
    watch.on_event(started())
    watch._look()
    assert plain.events == [started()]


def test_several_observers_are_told_what_each_wants() -> None:
    follower, plain = Follower(), Plain()
    both = Several([follower, plain])
    both.on_event(started())
    both.on_health(HealthReport(at=0))
    both.on_process(ProcessStatus(process="p"))
    assert follower.events == plain.events == [started()]
    assert len(follower.reports) == len(follower.statuses) == 1


def test_a_run_on_the_wall_clock_records_its_health_and_one_on_virtual_time_does_not(file: Path) -> None:
    for engine, recorded in (("threads", True), ("virtual", False)):
        built = build(changed("duration: 500ms", f"duration: 100ms\nengine: {engine}"))
        result = run_variant(built, Path("out") / engine)
        log = RunLog(Path("out") / engine)
        assert ("/skylane/health" in log.topics()) == recorded
        assert result["faults"] == []
        assert log.metadata["hash"] == result["hash"]
        if recorded:
            value: Any = [*log.messages("/skylane/health")][-1].value
            assert [row["name"] for row in value["operators"]] == ["count", "scale", "table"]
            assert result["processes"]["main"]["restarts"] == 0


def test_the_command_serves_metrics_and_writes_a_log(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    changed("deadline: 8ms", "deadline: 1ms\n    latency: 5ms")
    code = skylane("run", "toy.yaml", "--metrics", "0", "--log-json", "log.jsonl", "--no-artifacts")
    assert code == 0
    assert "metrics at http://127.0.0.1:" in capsys.readouterr().err
    rows = [json.loads(line) for line in Path("log.jsonl").read_text("utf-8").splitlines()]
    result = json.loads(Path("runs/toy/result.json").read_text("utf-8"))
    assert result["deadline_misses"] == sum(row["count"] for row in rows if row["event"] == "missed") > 0


def test_a_taken_port_or_a_log_that_cannot_be_written_stops_the_command_before_it_removes_anything(file: Path) -> None:
    kept = Path("runs/toy/result.json")
    kept.parent.mkdir(parents=True)
    kept.write_text("{}")
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        assert skylane("run", "toy.yaml", "--metrics", str(taken.getsockname()[1])) == 2
    assert skylane("run", "toy.yaml", "--log-json", "none/log.jsonl") == 1
    assert kept.read_text() == "{}"
