"""Writes a run's log: every stream and every event, in order, as an MCAP file that Foxglove, Lichtblick and Rerun open.

Pictures are stored as JPEG, other large arrays by shape and digest; ``runlog`` reads it back.
"""

from __future__ import annotations

import base64
import json
import platform
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from pathlib import Path
from types import TracebackType
from typing import Any

import msgspec
import numpy as np
from mcap.writer import CompressionType, Writer

from pipeline.digest import RunDigest, value_digest
from pipeline.errors import RecordingFailed
from pipeline.events import Event, Sent

EVENTS = "/skylane/events"
METADATA = "skylane"
LAUNCH = "launch.yaml"
CHUNK_BYTES = 1 << 20
"""A run that is killed loses the last chunk at most."""
JPEG_QUALITY = 85
INLINE_ELEMENTS = 4096
"""Arrays up to this size are written out; larger ones by shape, type and digest."""

_ENVELOPE = {name: {"type": "integer"} for name in ("n", "at", "t", "origin")} | {
    name: {"type": "string"} for name in ("operator", "stream", "quality", "winner", "digest")
}
_TIME = {"type": "object", "properties": {"sec": {"type": "integer"}, "nsec": {"type": "integer"}}}


def plain(value: Any) -> Any:
    """A payload as builtins for JSON; large arrays as ``{shape, dtype, digest}``."""
    if isinstance(value, msgspec.Struct):
        return {name: plain(getattr(value, name)) for name in value.__struct_fields__}
    if isinstance(value, np.ndarray):
        if value.size <= INLINE_ELEMENTS:
            return value.tolist()
        return {"shape": list(value.shape), "dtype": str(value.dtype), "digest": value_digest(value).hex()}
    if isinstance(value, (tuple, list)):
        return [plain(item) for item in value]
    if isinstance(value, dict):
        return {str(key): plain(item) for key, item in value.items()}
    return value.item() if isinstance(value, np.generic) else value


class Recorder:
    """An observer that writes ``path``. ``launch``: the resolved launch file; kept in the log so that it can be re-run.

    Raises RecordingFailed when the file cannot be written (read-only, full); what is in it so far stays readable.
    """

    def __init__(self, path: Path, *, launch: str = "", seed: int = 0, about: dict[str, str] | None = None) -> None:
        self._path = path
        self._digest = RunDigest()
        self._channels: dict[str, int] = {}
        self._count = 0
        self._last = 0
        self._failed = False
        self._about = {"seed": str(seed), "python": platform.python_version(), **_versions(), **(about or {})}
        try:
            self._file = path.open("wb")
        except OSError as error:
            raise self._failure(error) from error
        packed = CompressionType.LZ4 if find_spec("lz4") else CompressionType.NONE
        self._writer = Writer(self._file, chunk_size=CHUNK_BYTES, compression=packed, enable_data_crcs=True)
        self._guarded(self._start, launch)

    def on_event(self, event: Event) -> None:
        """Write one event."""
        if self._failed:
            return
        self._digest.on_event(event)
        self._last = max(self._last, event.at)
        self._guarded(self._write_sent if type(event) is Sent else self._write_other, event)
        self._count += 1

    def close(self) -> None:
        """Finish the file with its index and the run's hash. May be called again."""
        if self._file.closed:
            return
        try:
            if not self._failed:
                self._guarded(self._finish)
        finally:
            self._file.close()

    def __enter__(self) -> Recorder:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _start(self, launch: str) -> None:
        self._writer.start(library="skylane")
        self._writer.add_attachment(0, 0, LAUNCH, "application/yaml", launch.encode())
        schema = self._writer.register_schema("skylane.Event", "jsonschema", b'{"type":"object"}')
        self._channels[EVENTS] = self._writer.register_channel(EVENTS, "json", schema)

    def _finish(self) -> None:
        self._about |= {"hash": self._digest.hexdigest(), "output_hash": self._digest.outputs_hexdigest()}
        self._writer.add_metadata(METADATA, self._about | {"events": str(self._count)})
        self._writer.finish()  # type: ignore[no-untyped-call]

    def _write_other(self, event: Event) -> None:
        data = msgspec.json.encode({"n": self._count, **msgspec.to_builtins(event)})
        self._add(EVENTS, event.at, data)

    def _write_sent(self, sent: Sent) -> None:
        value = sent.value
        record: dict[str, Any] = {
            "n": self._count,
            **{name: getattr(sent, name) for name in ("at", "operator", "t", "stream", "origin", "quality", "winner")},
            "digest": value_digest(value).hex(),
        }
        topic = "/" + sent.stream.replace(".", "/")
        picture = getattr(value, "rgb", None)
        jpeg = _jpeg(picture) if picture is not None else None
        if jpeg is not None:
            record |= _compressed_image(sent.t, value, jpeg)
        record["value"] = plain(value)
        if topic not in self._channels:
            self._open_channel(topic, type(value), is_picture=jpeg is not None)
        self._add(topic, sent.at, msgspec.json.encode(record))

    def _open_channel(self, topic: str, type_: type, *, is_picture: bool) -> None:
        properties: dict[str, Any] = {**_ENVELOPE, "value": {"type": "object", "title": type_.__name__}}
        name = f"skylane.{type_.__name__}"
        if is_picture:
            name = "foxglove.CompressedImage"
            properties |= {
                "timestamp": _TIME,
                "frame_id": {"type": "string"},
                "format": {"type": "string"},
                "data": {"type": "string", "contentEncoding": "base64"},
            }
        text = json.dumps({"title": name, "type": "object", "properties": properties})
        schema = self._writer.register_schema(name, "jsonschema", text.encode())
        self._channels[topic] = self._writer.register_channel(topic, "json", schema)

    def _add(self, topic: str, at: int, data: bytes) -> None:
        self._writer.add_message(self._channels[topic], at, data, at, self._count & 0xFFFFFFFF)

    def _guarded(self, action: Any, *arguments: Any) -> None:
        try:
            action(*arguments)
        except OSError as error:
            self._failed = True
            raise self._failure(error) from error

    def _failure(self, error: OSError) -> RecordingFailed:
        what = f"cannot be written: {error.strerror or error}"
        return RecordingFailed(
            what, where=str(self._path), hint="free space or choose another folder: -o output=FOLDER"
        )


def _compressed_image(t: int, value: Any, jpeg: bytes) -> dict[str, Any]:
    camera = getattr(value, "camera", None)
    return {
        "timestamp": {"sec": t // 10**9, "nsec": t % 10**9},
        "frame_id": getattr(camera, "frame_id", "camera"),
        "format": "jpeg",
        "data": base64.b64encode(jpeg).decode(),
    }


def _jpeg(rgb: Any) -> bytes | None:
    """The picture as JPEG; None for an empty one or where OpenCV is not installed."""
    if rgb.size == 0 or find_spec("cv2") is None:
        return None
    import cv2

    done, data = cv2.imencode(".jpg", cv2.cvtColor(rgb, cv2.COLOR_RGB2BGR), [cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY])
    return bytes(data) if done else None


def _versions() -> dict[str, str]:
    found = {}
    for name in ("skylane", "numpy", "numba", "torch", "opencv-python-headless"):
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    commit = _commit(Path.cwd())
    return found | ({"git": commit} if commit else {})


def _commit(folder: Path) -> str:
    """The checked-out commit of the repository around ``folder``, read from its files; empty outside of one."""
    for place in (folder, *folder.parents):
        head = place / ".git" / "HEAD"
        try:
            text = head.read_text().strip()
            return text if not text.startswith("ref: ") else (place / ".git" / text[5:]).read_text().strip()
        except OSError:
            continue
    return ""
