"""Exports a run as a Perfetto trace: one track per operator and candidate, marks for misses, counters for budgets.

Writes the protobuf wire format by hand (a dozen fields): no dependency. Open it in ui.perfetto.dev.
Field numbers: perfetto/protos/perfetto/trace (TracePacket, TrackDescriptor, TrackEvent).
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from pipeline import events as ev
from pipeline.errors import RecordingFailed

_SLICE_BEGIN, _SLICE_END, _INSTANT, _COUNTER = 1, 2, 3, 4
_SEQUENCE = 1


def _varint(value: int) -> bytes:
    value &= (1 << 64) - 1
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)


def _number(field: int, value: int) -> bytes:
    return _varint(field << 3) + _varint(value)


def _bytes(field: int, value: bytes | str) -> bytes:
    data = value.encode() if isinstance(value, str) else value
    return _varint(field << 3 | 2) + _varint(len(data)) + data


class _Trace:
    def __init__(self) -> None:
        self.packets: list[bytes] = []
        self._tracks: dict[tuple[str, str], int] = {}

    def track(self, name: str, parent: str = "", *, counter: bool = False) -> int:
        """Id of the track called ``name`` below ``parent``, described on first use."""
        known = self._tracks.get((parent, name))
        if known is not None:
            return known
        above = self.track(parent) if parent else 0
        uuid = self._tracks[parent, name] = len(self._tracks) + 1
        descriptor = _number(1, uuid) + _bytes(2, name)
        descriptor += _number(5, above) if above else b""
        descriptor += _bytes(8, b"") if counter else b""
        self.packets.append(_bytes(1, _bytes(60, descriptor) + _number(10, _SEQUENCE)))
        return uuid

    def event(self, at: int, kind: int, track: int, name: str = "", value: int | None = None) -> None:
        """One TrackEvent."""
        body = _number(9, kind) + _number(11, track)
        body += _bytes(23, name) if name else b""
        body += _number(30, value) if value is not None else b""
        self.packets.append(_bytes(1, _number(8, at) + _bytes(11, body) + _number(10, _SEQUENCE)))


def trace(events: Iterable[ev.Event]) -> bytes:
    """The events of a run as the bytes of a Perfetto trace; times in nanoseconds on the run's clock."""
    out = _Trace()
    for event in events:
        if isinstance(event, ev.Finished):
            track = out.track(event.candidate, event.operator)
            name = f"{event.work or event.operator} t={event.t / 1e6:g} ms"
            out.event(
                event.started, _SLICE_BEGIN, track, name if event.outcome == "done" else f"{name} {event.outcome}"
            )
            out.event(event.at, _SLICE_END, track)
        elif isinstance(event, ev.Missed):
            out.event(event.at, _INSTANT, out.track("misses", event.operator), f"missed t={event.t / 1e6:g} ms")
        elif isinstance(event, ev.Handled):
            out.event(event.at, _INSTANT, out.track("misses", event.operator), f"handler {event.outcome}")
        elif isinstance(event, ev.Dropped) and event.reason not in ("superseded", "closed"):
            out.event(event.at, _INSTANT, out.track("drops", event.operator), f"{event.stream}: {event.reason}")
        elif isinstance(event, ev.BudgetSet):
            track = out.track(f"budget of {event.deadline} (ms)", counter=True)
            out.event(event.at, _COUNTER, track, value=event.within // 1_000_000)
    return b"".join(out.packets)


def write_trace(events: Iterable[ev.Event], path: Path) -> Path:
    """Write the trace to ``path``. Raises RecordingFailed."""
    try:
        path.write_bytes(trace(events))
    except OSError as error:
        raise RecordingFailed(f"cannot be written: {error.strerror}", where=str(path)) from error
    return path
