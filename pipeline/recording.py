"""Writes a run's log: every stream and every event, in order, as an MCAP file that Foxglove, Lichtblick and Rerun open.

Pictures are stored as JPEG, other large arrays by shape and digest; ``runlog`` reads it back.
"""

from __future__ import annotations

import base64
import json
import platform
import struct
from collections.abc import Callable
from contextlib import suppress
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from pathlib import Path
from types import TracebackType
from typing import IO, Any, cast

import msgspec
import numpy as np
from mcap.opcode import Opcode
from mcap.writer import MCAP0_MAGIC, CompressionType, Writer

from pipeline.digest import RunDigest, value_digest
from pipeline.errors import RecordingFailed
from pipeline.events import Event, Sent
from pipeline.health import HealthReport
from pipeline.logschema import EVENT_SCHEMA, stream_schema
from pipeline.timestamps import seconds

EVENTS = "/skylane/events"
HEALTH = "skylane.health"
"""The stream of the health reports, on runs on the wall clock."""
METADATA = "skylane"
LIBRARY = "skylane"
LAUNCH = "launch.yaml"
RESULT = "result.json"
CHUNK_BYTES = 1 << 20
FLUSH_EVERY = seconds(1)
"""Of the run's time. A run that is killed loses what came since, or the last chunk, whichever is less."""
JPEG_QUALITY = 85
INLINE_ELEMENTS = 4096
"""Arrays up to this size are written out; larger ones by shape, type and digest."""

_END = struct.pack("<BQI", Opcode.DATA_END, 4, 0) + struct.pack("<BQQQI", Opcode.FOOTER, 20, 0, 0, 0) + MCAP0_MAGIC
"""The end of an MCAP file without an index."""

_HINT = "free space or choose another folder: -o output=FOLDER"


class _Logged(msgspec.Struct, omit_defaults=True):
    n: int
    at: int
    operator: str
    t: int
    stream: str
    origin: int
    quality: str
    winner: str
    digest: str
    value: Any
    timestamp: dict[str, int] | None = None
    frame_id: str | None = None
    format: str | None = None
    data: str | None = None
    depth: dict[str, float] | None = None


def _plain_array(value: Any) -> Any:
    if isinstance(value, np.ndarray):
        if value.size <= INLINE_ELEMENTS:
            return value.tolist()
        return {"shape": list(value.shape), "dtype": str(value.dtype), "digest": value_digest(value).hex()}
    if isinstance(value, np.generic):
        return value.item()
    raise NotImplementedError(f"{type(value).__name__} cannot travel on a stream")


_ENCODER = msgspec.json.Encoder(enc_hook=_plain_array)


def plain(value: Any) -> Any:
    """A payload as it reads in the log: builtins; large arrays as ``{shape, dtype, digest}``, NaN as None."""
    return msgspec.json.decode(_ENCODER.encode(value))


class Recorder:
    """An observer that writes ``path``. ``launch``: the resolved launch file; kept in the log so that it can be re-run.

    Raises RecordingFailed when the file cannot be written (read-only, full); what is in it so far stays readable.
    """

    def __init__(self, path: Path, *, launch: str = "", seed: int = 0, about: dict[str, str] | None = None) -> None:
        self._path = path
        self._digest = RunDigest()
        self._channels: dict[str, int] = {}
        self._count = 0
        self._flush_at = int(FLUSH_EVERY)
        self._failed = False
        self._has_jpeg = find_spec("cv2") is not None
        self._about = {
            "seed": str(seed),
            "python": platform.python_version(),
            "platform": f"{platform.system()} {platform.release()} {platform.machine()}",
            "pictures": f"jpeg {JPEG_QUALITY}" if self._has_jpeg else "shape and digest only: OpenCV is not installed",
            **_versions(),
            **(about or {}),
        }
        try:
            self._output = _Output(path)
        except OSError as error:
            raise self._failure(error) from error
        packed = CompressionType.LZ4 if find_spec("lz4") else CompressionType.NONE
        stream = cast("IO[bytes]", self._output)
        self._writer = Writer(stream, chunk_size=CHUNK_BYTES, compression=packed, enable_data_crcs=True)
        self._flush: Callable[[], None] | None = getattr(self._writer, "flush", None)  # mcap before 1.6 has none
        try:
            self._guarded(self._start, launch)
        except RecordingFailed:
            self.close()
            raise

    def on_event(self, event: Event) -> None:
        """Write one event."""
        if self._failed or self._output.closed:
            return
        self._digest.on_event(event)
        self._guarded(self._write_sent if type(event) is Sent else self._write_other, event)
        self._count += 1

    def on_health(self, report: HealthReport) -> None:
        """Write how everybody is, beside what happened: it is no part of the run's hash."""
        if self._failed or self._output.closed:
            return
        owner = HEALTH.partition(".")[0]
        self._guarded(self._write_sent, Sent(report.at, owner, report.at, HEALTH, report.at, "final", "", report))
        self._count += 1

    def close(self, *, interrupted: bool = False) -> None:
        """Finish the file with its index and the run's hash. May be called again.

        ``interrupted``: the run was ended early, so a replay is compared only as far as the record goes.
        """
        if self._output.closed:
            return
        try:
            if not self._failed:
                self._guarded(self._finish, interrupted)
        finally:
            try:
                self._output.close()
            except OSError as error:
                raise self._failure(error) from error

    def __enter__(self) -> Recorder:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close(interrupted=kind is not None)

    def _start(self, launch: str) -> None:
        self._writer.start(library=LIBRARY)
        self._writer.add_attachment(0, 0, LAUNCH, "application/yaml", launch.encode())
        schema = self._writer.register_schema("skylane.Event", "jsonschema", json.dumps(EVENT_SCHEMA).encode())
        self._channels[EVENTS] = self._writer.register_channel(EVENTS, "json", schema)

    def _finish(self, interrupted: bool) -> None:
        self._about |= {"hash": self._digest.hexdigest(), "output_hash": self._digest.outputs_hexdigest()}
        self._about |= {"events": str(self._count)} | ({"interrupted": "true"} if interrupted else {})
        self._writer.add_metadata(METADATA, self._about)
        self._writer.finish()  # type: ignore[no-untyped-call]

    def _write_other(self, event: Event) -> None:
        self._add(EVENTS, event.at, b'{"n":%d,' % self._count + msgspec.json.encode(event)[1:])

    def _write_sent(self, sent: Sent) -> None:
        value = sent.value
        record = _Logged(
            self._count,
            sent.at,
            sent.operator,
            sent.t,
            sent.stream,
            sent.origin,
            sent.quality,
            sent.winner,
            value_digest(value).hex(),
            value,
        )
        picture, depth_m = getattr(value, "rgb", None), getattr(value, "depth_m", None)
        if picture is not None and self._has_jpeg:
            _add_picture(record, value, _jpeg(picture))
        if isinstance(depth_m, np.ndarray) and depth_m.size > 0:
            record.depth = {"min_m": float(np.min(depth_m)), "median_m": float(np.median(depth_m))}
        topic = "/" + sent.stream.replace(".", "/")
        if topic not in self._channels:
            name, schema = stream_schema(value, is_picture=record.data is not None, inline=INLINE_ELEMENTS)
            number = self._writer.register_schema(name, "jsonschema", json.dumps(schema).encode())
            self._channels[topic] = self._writer.register_channel(topic, "json", number)
        self._add(topic, sent.at, _ENCODER.encode(record))

    def _add(self, topic: str, at: int, data: bytes) -> None:
        self._writer.add_message(self._channels[topic], at, data, at, self._count & 0xFFFFFFFF)
        if at >= self._flush_at and self._flush is not None:
            self._flush_at = at + FLUSH_EVERY
            self._flush()

    def _guarded(self, action: Callable[..., None], *arguments: Any) -> None:
        try:
            action(*arguments)
        except OSError as error:
            self._failed = True
            self._output.end()
            raise self._failure(error) from error

    def _failure(self, error: OSError) -> RecordingFailed:
        return RecordingFailed(f"cannot be written: {error.strerror or error}", where=str(self._path), hint=_HINT)


class _Output:
    """The file below the MCAP writer. A write that fails half-way is taken back, so that only whole records stand."""

    def __init__(self, path: Path) -> None:
        self._file = path.open("wb", buffering=0)
        self._size = 0

    @property
    def closed(self) -> bool:
        return self._file.closed

    def write(self, data: bytes) -> int:
        rest = memoryview(data)
        try:
            while rest:
                rest = rest[self._file.write(rest) :]
        except OSError:
            with suppress(OSError):
                self._file.truncate(self._size)
                self._file.seek(self._size)
            raise
        self._size += len(data)
        return len(data)

    def tell(self) -> int:
        return self._size

    def flush(self) -> None:
        """Nothing waits here."""

    def end(self) -> None:
        """End the file without an index: what was written so far is a valid MCAP file, if these 50 bytes still fit."""
        with suppress(OSError):
            self.write(_END)

    def close(self) -> None:
        self._file.close()


def write_json(path: Path, value: Any) -> Path:
    """Write plain values in one step: whoever looks sees the old file or all of the new. Raises RecordingFailed."""
    partial = path.with_name(f".{path.name}.partial")
    try:
        partial.write_text(json.dumps(value, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
        partial.replace(path)
    except OSError as error:
        with suppress(OSError):
            partial.unlink()
        raise RecordingFailed(f"cannot be written: {error.strerror or error}", where=str(path), hint=_HINT) from error
    return path


def write_result(folder: Path, result: dict[str, Any]) -> Path:
    """Write a run's ``result.json``; see ``write_json``."""
    return write_json(folder / RESULT, result)


def _add_picture(record: _Logged, value: Any, jpeg: bytes | None) -> None:
    if jpeg is None:
        return
    record.timestamp = {"sec": record.t // 10**9, "nsec": record.t % 10**9}
    record.frame_id = getattr(getattr(value, "camera", None), "frame_id", "camera")
    record.format, record.data = "jpeg", base64.b64encode(jpeg).decode()


def _jpeg(rgb: Any) -> bytes | None:
    """The picture as JPEG; None for what is none (empty, not three bytes a pixel)."""
    if not isinstance(rgb, np.ndarray) or rgb.size == 0 or rgb.dtype != np.uint8 or rgb.ndim != 3 or rgb.shape[2] != 3:
        return None
    import cv2

    done, data = cv2.imencode(".jpg", cv2.cvtColor(rgb, cv2.COLOR_RGB2BGR), [cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY])
    return bytes(data) if done else None


def _versions() -> dict[str, str]:
    found = {}
    for name in ("skylane", "numpy", "numba", "torch", "opencv-python-headless"):
        with suppress(PackageNotFoundError):
            found[name] = version(name)
    commit = commit_of(Path.cwd())
    return found | ({"git": commit} if commit else {})


def commit_of(folder: Path) -> str:
    """The checked-out commit of the repository around ``folder``, read from its files; empty outside of one."""
    for place in (folder, *folder.parents):
        git = place / ".git"
        try:
            if git.is_file():  # a linked worktree
                git = place / git.read_text(encoding="utf-8").removeprefix("gitdir:").strip()
            head = (git / "HEAD").read_text(encoding="utf-8").strip()
            return _resolved(git, head.removeprefix("ref: ")) if head.startswith("ref: ") else head
        except OSError:
            continue
    return ""


def _resolved(git: Path, ref: str) -> str:
    shared = git / "commondir"
    if shared.is_file():
        git = git / shared.read_text(encoding="utf-8").strip()
    if (git / ref).is_file():
        return (git / ref).read_text(encoding="utf-8").strip()
    packed = (git / "packed-refs").read_text(encoding="utf-8").splitlines()
    return next((line.split()[0] for line in packed if line.endswith(f" {ref}")), "")
