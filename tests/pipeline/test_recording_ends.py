"""How a record ends: complete, interrupted, killed, on a full disk; and what a replay makes of each."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import cast

import msgspec
import numpy as np
import pytest
from mcap.records import Footer
from mcap.stream_reader import StreamReader
from mcap.writer import MCAP0_MAGIC

from pipeline import events as ev
from pipeline.errors import InvalidRecord, RecordingFailed
from pipeline.events import Observer
from pipeline.recording import FLUSH_EVERY, Recorder, commit_of, write_result
from pipeline.replaying import Divergence, compare
from pipeline.runlog import RunLog
from tests.pipeline.recorded import MS, Point, every_event, sent, write


def record(path: Path, events: list[ev.Event], *, interrupted: bool = False) -> RunLog:
    recorder = Recorder(path)
    for event in events:
        recorder.on_event(event)
    recorder.close(interrupted=interrupted)
    return RunLog(path)


def against(log: RunLog, rerun: list[ev.Event]) -> tuple[Divergence | None, int]:
    """What ``compare`` says, and how many events the re-run went on for."""
    played = 0

    def play(observer: Observer, stop: Callable[[], bool]) -> int:
        nonlocal played
        for event in rerun:
            if stop():
                break
            observer.on_event(event)
            played += 1
        return 0

    return compare(log, play), played


CLOSING: list[ev.Event] = [
    ev.Dropped(97 * MS, "b", 60 * MS, "b.value", "closed"),
    ev.Sealed(97 * MS, "a", 60 * MS, "missed", "shutdown"),
    ev.Finished(97 * MS, "a", 60 * MS, "local", 90 * MS, "", "cancelled", "shutdown; it ignores being aborted"),
]
GOES_ON: list[ev.Event] = [sent(Point(x_m=float(n)), at=(100 + n) * MS, t=n) for n in range(20)]


def test_an_interrupted_run_is_equal_as_far_as_it_went(tmp_path: Path) -> None:
    log = record(tmp_path / "log.mcap", every_event() + CLOSING, interrupted=True)
    assert log.metadata["interrupted"] == "true"
    divergence, played = against(log, every_event() + GOES_ON)
    assert divergence is None
    assert played == len(every_event()) + 1, "the re-run ends where the record does"


def test_an_interrupted_run_can_be_interrupted_at_the_same_place_again(tmp_path: Path) -> None:
    log = record(tmp_path / "log.mcap", every_event() + CLOSING, interrupted=True)
    assert against(log, every_event() + CLOSING)[0] is None
    assert against(log, every_event())[0] is None


def test_an_interrupted_run_still_differs_before_its_end(tmp_path: Path) -> None:
    log = record(tmp_path / "log.mcap", every_event() + CLOSING, interrupted=True)
    divergence, _ = against(log, every_event()[:-1] + GOES_ON)
    assert divergence is not None
    assert (divergence.n, divergence.recorded) == (len(every_event()) - 1, "sealed b")


def test_a_run_that_was_not_interrupted_must_end_where_it_did(tmp_path: Path) -> None:
    log = record(tmp_path / "log.mcap", every_event() + CLOSING)
    assert "interrupted" not in log.metadata
    divergence, _ = against(log, every_event() + GOES_ON)
    assert divergence is not None
    assert (divergence.recorded, divergence.found) == ("dropped b.value", "sent a.out")


def test_leaving_by_an_exception_counts_as_interrupted(tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt), Recorder(tmp_path / "log.mcap") as recorder:
        recorder.on_event(every_event()[0])
        raise KeyboardInterrupt
    log = RunLog(tmp_path)
    assert log.complete
    assert log.metadata["interrupted"] == "true"
    assert "interrupted" not in RunLog(write(tmp_path / "whole.mcap")).metadata


def test_a_record_that_was_cut_off_is_equal_as_far_as_it_goes(tmp_path: Path) -> None:
    path = write(tmp_path / "log.mcap")
    path.write_bytes(path.read_bytes()[:-40])
    log = RunLog(path)
    assert not log.complete
    divergence, played = against(log, every_event() + GOES_ON)
    assert divergence is None
    assert played == len(every_event()) + 1
    assert against(log, GOES_ON)[0] is not None


@pytest.mark.parametrize(
    ("was", "found"), [(0.0, -0.0), (1.0, 1), (1, True)], ids=["sign of zero", "float or int", "int or bool"]
)
def test_what_python_takes_for_equal_is_told_apart(tmp_path: Path, was: object, found: object) -> None:
    log = record(tmp_path / "log.mcap", [sent({"deep": [was]})])
    divergence, _ = against(log, [sent({"deep": [found]})])
    assert divergence is not None
    assert divergence.field == "value.deep[0]"
    assert (repr(divergence.recorded), repr(divergence.found)) == (repr(was), repr(found))


def test_a_killed_run_has_lost_a_second_of_its_time_at_most(tmp_path: Path) -> None:
    path = tmp_path / "log.mcap"
    recorder = Recorder(path)
    ats = [n * FLUSH_EVERY // 4 for n in range(30)]
    for at in ats:
        recorder.on_event(ev.Started(at, "a", at, "local"))
    killed = tmp_path / "killed.mcap"
    killed.write_bytes(path.read_bytes())
    recorder.close()
    log = RunLog(killed)
    assert not log.complete
    found = [event.at for event in log.events()]
    assert found == ats[: len(found)]
    assert ats[-1] - found[-1] < FLUSH_EVERY


def test_nothing_is_written_after_the_end(tmp_path: Path) -> None:
    path = write(tmp_path / "log.mcap")
    before = path.read_bytes()
    recorder = Recorder(tmp_path / "other.mcap")
    recorder.close()
    recorder.on_event(every_event()[0])
    assert path.read_bytes() == before
    assert list(RunLog(tmp_path / "other.mcap").records()) == []


WRITE_UNTIL_FULL = """
import resource, sys
from pathlib import Path
from typing import cast
import msgspec
import numpy as np
from pipeline.errors import InvalidRecord, RecordingFailed
from pipeline.recording import Recorder
from tests.pipeline.recorded import sent

resource.setrlimit(resource.RLIMIT_FSIZE, (3_000_000, 3_000_000))
recorder, rng, told = Recorder(Path(sys.argv[1])), np.random.default_rng(1), []
for t in range(16):
    try:
        recorder.on_event(sent(rng.bytes(200_000).hex(), t=t, at=t))
    except RecordingFailed as error:
        told.append(str(error))
recorder.close()
print(len(told), *told)
"""


def test_where_the_disk_really_ends_the_file_is_a_whole_mcap_file(tmp_path: Path, root: Path) -> None:
    path = tmp_path / "log.mcap"
    done = subprocess.run(
        [sys.executable, "-c", WRITE_UNTIL_FULL, str(path)], capture_output=True, text=True, check=True, cwd=root
    )
    assert done.stdout.startswith(f"1 {path}: cannot be written: ")
    with path.open("rb") as file:
        records = list(StreamReader(file, validate_crcs=True).records)
    assert isinstance(records[-1], Footer)
    assert path.read_bytes().endswith(MCAP0_MAGIC), "nothing of the write that failed stands behind the end"
    log = RunLog(path)
    found = [message.t for message in log.messages("a.out")]
    assert not log.complete
    assert found == list(range(len(found)))
    assert 5 <= len(found) < 16


def test_pictures_that_are_none_and_depth_are_told_by_figures(tmp_path: Path) -> None:
    from operators.messages import CameraModel, DepthFrame
    from tests.pipeline.recorded import Picture

    depth_m = np.full((80, 60), 30.0, np.float32)
    depth_m[0, 0], depth_m[1] = 2.5, np.inf
    grey = Picture(rgb=np.zeros((80, 60, 1), np.uint8))
    events: list[ev.Event] = [
        sent(DepthFrame(depth_m=depth_m, camera=CameraModel(), captured_ns=0), stream="depth.depth"),
        sent(DepthFrame(depth_m=depth_m[:0], camera=CameraModel(), captured_ns=0), stream="depth.depth"),
        sent(grey, stream="camera.frame"),
    ]
    log = record(tmp_path / "log.mcap", events)
    full, empty, picture = log.records()
    assert full["depth"] == {"min_m": 2.5, "median_m": 30.0}
    assert full["value"]["depth_m"]["shape"] == [80, 60]
    assert "depth" not in empty
    assert "data" not in picture
    assert list(log.images("camera.frame")) == []


def test_without_opencv_the_log_says_that_it_has_no_pictures(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from tests.pipeline.recorded import Picture

    monkeypatch.setattr("pipeline.recording.find_spec", lambda name: None)
    log = record(tmp_path / "log.mcap", [sent(Picture(rgb=np.zeros((80, 60, 3), np.uint8)), stream="camera.frame")])
    assert list(log.images("camera.frame")) == []
    assert "OpenCV is not installed" in log.metadata["pictures"]
    assert next(log.messages("camera.frame")).value["rgb"]["shape"] == [80, 60, 3]


def test_a_result_replaces_the_old_one_in_one_step(tmp_path: Path) -> None:
    path = write_result(tmp_path, {"gap_m": 1.5, "title": "Fußgänger"})
    assert json.loads(path.read_text(encoding="utf-8")) == {"gap_m": 1.5, "title": "Fußgänger"}
    before, place = path.read_bytes(), path.stat().st_ino
    with pytest.raises(TypeError):
        write_result(tmp_path, {"gap_m": object()})
    assert path.read_bytes() == before
    write_result(tmp_path, {})
    assert path.stat().st_ino != place, "another file took its name; the old one was never written to"
    assert [(each.name, each.read_text()) for each in tmp_path.iterdir()] == [("result.json", "{}\n")]


def test_a_result_that_cannot_be_written_names_the_file(tmp_path: Path) -> None:
    with pytest.raises(RecordingFailed, match=r"no.result\.json: cannot be written: No such file"):
        write_result(tmp_path / "no", {})
    (tmp_path / "result.json").mkdir()
    with pytest.raises(RecordingFailed, match="result.json: cannot be written"):
        write_result(tmp_path, {})
    assert [path.name for path in tmp_path.iterdir()] == ["result.json"]


def test_the_commit_is_read_from_a_branch_a_packed_one_a_detached_head_and_a_worktree(tmp_path: Path) -> None:
    git, inner = tmp_path / "repo" / ".git", tmp_path / "repo" / "deep" / "inside"
    inner.mkdir(parents=True)
    assert commit_of(inner) == ""
    (git / "refs/heads").mkdir(parents=True)
    (git / "HEAD").write_text("ref: refs/heads/main\n")
    (git / "refs/heads/main").write_text("a" * 40 + "\n")
    assert commit_of(inner) == "a" * 40
    (git / "refs/heads/main").unlink()
    (git / "packed-refs").write_text(f"# pack-refs\n{'c' * 40} refs/heads/not-main\n{'b' * 40} refs/heads/main\n")
    assert commit_of(inner) == "b" * 40
    linked = git / "worktrees" / "other"
    linked.mkdir(parents=True)
    (linked / "HEAD").write_text("ref: refs/heads/main\n")
    (linked / "commondir").write_text("../..\n")
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / ".git").write_text(f"gitdir: {linked}\n")
    assert commit_of(tmp_path / "other") == "b" * 40
    (git / "HEAD").write_text("d" * 40 + "\n")
    assert commit_of(inner) == "d" * 40


def test_a_run_that_was_killed_at_once_is_not_taken_for_a_foreign_file(tmp_path: Path) -> None:
    recorder = Recorder(tmp_path / "log.mcap", launch="name: short\n")
    recorder.on_event(every_event()[0])
    killed = tmp_path / "killed.mcap"
    killed.write_bytes((tmp_path / "log.mcap").read_bytes())
    recorder.close()
    with pytest.raises(InvalidRecord, match=r"killed\.mcap: holds nothing: the run was killed"):
        RunLog(killed)


def test_damage_in_the_middle_is_not_taken_for_a_cut(tmp_path: Path) -> None:
    events: list[ev.Event] = [ev.Started(n * FLUSH_EVERY, "a", n, "local") for n in range(5)]
    path = tmp_path / "log.mcap"
    record(path, events)
    data = path.read_bytes()
    frames = [n for n in range(len(data)) if data.startswith(b"\x04\x22\x4d\x18", n)]  # where lz4 data begins
    assert len(frames) > 2
    path.write_bytes(data[: frames[2]] + b"\xff" * 4 + data[frames[2] + 4 :])
    with pytest.raises(InvalidRecord, match="is damaged"):
        RunLog(path)


def test_a_log_of_another_version_is_refused_where_it_differs(tmp_path: Path) -> None:
    class Unheard(msgspec.Struct, frozen=True, tag_field="event", tag="unheard"):
        at: int = 5
        operator: str = "a"
        t: int = 0

    log = record(tmp_path / "log.mcap", [every_event()[0], cast("ev.Event", Unheard())])
    events = log.events()
    assert next(events) == every_event()[0]
    with pytest.raises(InvalidRecord, match="cannot be understood.*unheard.*of skylane"):
        next(events)


def test_the_launch_file_is_there_as_plain_values(tmp_path: Path) -> None:
    assert RunLog(write(tmp_path / "log.mcap")).config == {"name": "made-up"}
    assert record(tmp_path / "bare.mcap", every_event()).config == {}
