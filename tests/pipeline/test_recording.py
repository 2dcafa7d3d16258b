"""What is recorded comes back as it happened; what cannot be written is said at once and loses nothing before it."""

from __future__ import annotations

import errno
import os
from pathlib import Path
from typing import Any, get_args

import msgspec
import numpy as np
import pytest

from pipeline import events as ev
from pipeline.digest import RunDigest, value_digest
from pipeline.errors import RecordingFailed
from pipeline.recording import CHUNK_BYTES, INLINE_ELEMENTS, Recorder
from pipeline.runlog import RunLog
from tests.pipeline.recorded import LAUNCH, Picture, Scan, every_event, sent, write


def test_every_type_of_event_comes_back_equal_and_in_order(tmp_path: Path) -> None:
    log = RunLog(write(tmp_path / "log.mcap"))
    events = every_event()
    assert {type(event) for event in events} == set(get_args(ev.Event))
    assert list(log.events()) == [event for event in events if not isinstance(event, ev.Sent)]
    records = list(log.records())
    assert [record["n"] for record in records] == list(range(len(events)))
    assert [record.get("event", "sent") for record in records] == [
        msgspec.to_builtins(msgspec.structs.replace(e, value=0) if isinstance(e, ev.Sent) else e)["event"]
        for e in events
    ]


def test_every_stream_comes_back_with_its_envelopes(tmp_path: Path) -> None:
    log = RunLog(write(tmp_path / "log.mcap"))
    assert log.topics() == ["/a/out", "/b/number", "/c/scan"]
    for stream in ("a.out", "b.number", "c.scan"):
        told = [e for e in every_event() if isinstance(e, ev.Sent) and e.stream == stream]
        found = list(log.messages(stream))
        assert [(m.t, m.at, m.origin, m.quality, m.winner) for m in found] == [
            (e.t, e.at, e.origin, e.quality, e.winner) for e in told
        ]
        assert [m.digest for m in found] == [value_digest(e.value).hex() for e in told]
    first, second = log.messages("/a/out")
    assert first.value == {"x_m": 1.5, "tags": ["near", "wet"], "next": {"x_m": None, "tags": [], "next": None}}
    assert second.value["x_m"] == 2.5
    assert next(log.messages("c.scan")).value == {"ranges_m": [0.0, 0.25, 0.5, 0.75, 1.0]}


def test_the_log_keeps_the_launch_file_the_seed_and_the_hashes(tmp_path: Path) -> None:
    log = RunLog(write(tmp_path / "log.mcap"))
    follower = RunDigest()
    for event in every_event():
        follower.on_event(event)
    assert log.complete
    assert log.launch == LAUNCH
    assert log.metadata["seed"] == "3"
    assert log.metadata["events"] == str(len(every_event()))
    assert (log.metadata["hash"], log.metadata["output_hash"]) == (follower.hexdigest(), follower.outputs_hexdigest())


def test_pictures_come_back_as_jpeg_of_their_size(tmp_path: Path) -> None:
    cv2 = pytest.importorskip("cv2")
    rgb = np.zeros((36, 64, 3), np.uint8)
    rgb[:, :32, 0] = 200
    empty = Picture(rgb=np.zeros((0, 0, 3), np.uint8))
    events: list[ev.Event] = [sent(Picture(rgb=rgb), stream="camera.frame"), sent(empty, stream="camera.frame", t=9)]
    log = RunLog(write(tmp_path / "log.mcap", events))
    ((t, at, jpeg),) = log.images("camera.frame")
    assert (t, at) == (0, events[0].at)
    back = cv2.cvtColor(cv2.imdecode(np.frombuffer(jpeg, np.uint8), cv2.IMREAD_COLOR), cv2.COLOR_BGR2RGB)
    assert back.shape == rgb.shape
    assert np.abs(back[:, :24].astype(int) - rgb[:, :24]).max() < 16, "red is red, not blue"


def test_large_arrays_come_back_as_shape_type_and_digest(tmp_path: Path) -> None:
    small, large = np.zeros(INLINE_ELEMENTS), np.zeros((INLINE_ELEMENTS + 1, 1))
    events: list[ev.Event] = [sent(Scan(ranges_m=small)), sent(Scan(ranges_m=large), t=1)]
    written, described = RunLog(write(tmp_path / "log.mcap", events)).messages("a.out")
    assert written.value["ranges_m"] == [0.0] * INLINE_ELEMENTS
    assert described.value["ranges_m"] == {
        "shape": [INLINE_ELEMENTS + 1, 1],
        "dtype": "float64",
        "digest": value_digest(large).hex(),
    }


def test_a_recorder_may_be_closed_twice(tmp_path: Path) -> None:
    recorder = Recorder(tmp_path / "log.mcap")
    recorder.on_event(every_event()[0])
    recorder.close()
    size = (tmp_path / "log.mcap").stat().st_size
    recorder.close()
    assert (tmp_path / "log.mcap").stat().st_size == size
    assert RunLog(tmp_path).complete


def test_a_run_that_raises_still_has_a_complete_log(tmp_path: Path) -> None:
    with pytest.raises(ZeroDivisionError), Recorder(tmp_path / "log.mcap") as recorder:
        recorder.on_event(every_event()[0])
        raise ZeroDivisionError
    assert list(RunLog(tmp_path).events()) == every_event()[:1]


def test_a_folder_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(RecordingFailed, match=r"file.log\.mcap: cannot be written.*output=FOLDER"):
        Recorder(tmp_path / "file" / "log.mcap")


@pytest.mark.skipif(os.geteuid() == 0, reason="the superuser may write everywhere")
def test_a_read_only_folder_is_named(tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    try:
        with pytest.raises(RecordingFailed, match="Permission denied"):
            Recorder(tmp_path / "log.mcap")
    finally:
        tmp_path.chmod(0o700)


class FullDisk:
    """A file on a disk that has room for ``room`` bytes; the last write goes in as far as it fits."""

    def __init__(self, file: Any, room: int) -> None:
        self._file, self._room, self._whole = file, room, room

    def write(self, data: bytes) -> int:
        written = int(self._file.write(bytes(data)[: max(0, self._room)]))
        self._room -= written
        if written < len(data):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return written

    def truncate(self, size: int) -> int:
        self._room = self._whole - size
        return int(self._file.truncate(size))

    def __getattr__(self, name: str) -> Any:
        return getattr(self._file, name)


def fill(monkeypatch: pytest.MonkeyPatch, room: int) -> None:
    opened = Path.open

    def full(self: Path, mode: str = "r", *arguments: Any, **more: Any) -> Any:
        file = opened(self, mode, *arguments, **more)
        return FullDisk(file, room) if mode == "wb" else file

    monkeypatch.setattr(Path, "open", full)


def noisy() -> list[ev.Event]:
    """Values that no compression makes small: half a chunk each."""
    rng = np.random.default_rng(1)
    return [sent(rng.bytes(CHUNK_BYTES // 4).hex(), t=t, at=t) for t in range(8)]


@pytest.mark.parametrize("cut", [0.0, 0.5])
def test_a_full_disk_names_the_file_and_what_is_recorded_stays_readable(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, cut: float
) -> None:
    path = tmp_path / "log.mcap"
    room = int((2 + cut) * CHUNK_BYTES)
    fill(monkeypatch, room)
    recorder = Recorder(path)
    told: list[str] = []
    events = noisy()
    for event in events:
        try:
            recorder.on_event(event)
        except RecordingFailed as error:
            told.append(str(error))
    recorder.close()
    monkeypatch.undo()
    assert len(told) == 1, "said once; afterwards it is silent"
    assert str(path) in told[0]
    assert "No space left" in told[0]
    log = RunLog(path)
    found = list(log.messages("a.out"))
    assert not log.complete
    assert 2 <= len(found) < len(events)
    assert [m.value for m in found] == [e.value for e in events[: len(found)] if isinstance(e, ev.Sent)]


def test_a_disk_that_is_full_at_the_end_is_said_as_well(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fill(monkeypatch, 600)
    recorder = Recorder(tmp_path / "log.mcap")
    recorder.on_event(sent(1))
    with pytest.raises(RecordingFailed, match=r"log\.mcap: cannot be written: No space left"):
        recorder.close()
    recorder.close()
