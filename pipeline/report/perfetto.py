"""Exports a run as a Perfetto trace: one track per operator and candidate, marks for misses, counters for budgets.

Work of one candidate that overlaps goes on a track of its own, since slices of one track must nest.

Writes the protobuf wire format by hand (a dozen fields): no dependency. Open it in ui.perfetto.dev.
Field numbers: perfetto/protos/perfetto/trace (TracePacket, TrackDescriptor, TrackEvent).
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from pipeline import events as ev
from pipeline.errors import RecordingFailed
from pipeline.timestamps import FOREVER, format_duration

_SLICE_BEGIN, _SLICE_END, _INSTANT, _COUNTER = 1, 2, 3, 4
_SEQUENCE = 1
_UNIT_NS = 1


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
        self._free_at: dict[tuple[str, str], list[int]] = {}

    def track(self, name: str, parent: str = "", *, counter: bool = False) -> int:
        """Id of the track called ``name`` below ``parent``, described on first use."""
        known = self._tracks.get((parent, name))
        if known is not None:
            return known
        above = self.track(parent) if parent else 0
        uuid = self._tracks[parent, name] = len(self._tracks) + 1
        descriptor = _number(1, uuid) + _bytes(2, name)
        descriptor += _number(5, above) if above else b""
        descriptor += _bytes(8, _number(3, _UNIT_NS)) if counter else b""
        self.packets.append(_bytes(1, _bytes(60, descriptor) + _number(10, _SEQUENCE)))
        return uuid

    def event(self, at: int, kind: int, track: int, name: str = "", value: int | None = None) -> None:
        """One TrackEvent."""
        body = _number(9, kind) + _number(11, track)
        body += _bytes(23, name) if name else b""
        body += _number(30, value) if value is not None else b""
        self.packets.append(_bytes(1, _number(8, at) + _bytes(11, body) + _number(10, _SEQUENCE)))

    def slice(self, event: ev.Started | ev.Finished, began: int, ended: int | None, name: str) -> None:
        """Work of a candidate from ``began`` on, on its first track that is free then; None: it never ended."""
        lanes = self._free_at.setdefault((event.operator, event.candidate), [])
        lane = next((n for n, free_at in enumerate(lanes) if free_at <= began), len(lanes))
        lanes[lane : lane + 1] = [FOREVER if ended is None else ended]
        candidate = event.candidate or "local"
        track = self.track(candidate if lane == 0 else f"{candidate} ({lane + 1})", event.operator)
        self.event(began, _SLICE_BEGIN, track, name)
        if ended is not None:
            self.event(ended, _SLICE_END, track)


def trace(events: Iterable[ev.Event]) -> bytes:
    """The events of a run as the bytes of a Perfetto trace; times in nanoseconds on the run's clock."""
    out = _Trace()
    running: dict[tuple[str, str, int], ev.Started] = {}
    for event in events:
        if isinstance(event, ev.Started):
            running[event.operator, event.candidate, event.t] = event
        elif isinstance(event, ev.Finished):
            running.pop((event.operator, event.candidate, event.t), None)
            outcome = "" if event.outcome == "done" else f" {event.outcome}"
            name = f"{event.work or event.operator} {_t(event)}{outcome}"
            out.slice(event, event.started, event.at, name)
        elif isinstance(event, ev.BudgetSet):
            if event.within < FOREVER:
                track = out.track(f"budget of {event.deadline}", counter=True)
                out.event(event.at, _COUNTER, track, value=event.within)
        else:
            _mark(out, event)
    for started in running.values():
        out.slice(started, started.at, None, f"{started.operator} {_t(started)} unfinished")
    return b"".join(out.packets)


def _mark(out: _Trace, event: ev.Event) -> None:
    if isinstance(event, ev.Missed):
        out.event(event.at, _INSTANT, out.track("misses", event.operator), f"missed {_t(event)}: {event.reason}")
    elif isinstance(event, ev.Handled):
        out.event(event.at, _INSTANT, out.track("misses", event.operator), f"handler {event.outcome}")
    elif isinstance(event, ev.Late):
        name = f"{event.candidate} late by {format_duration(event.late_by)}"
        out.event(event.at, _INSTANT, out.track("late", event.operator), name)
    elif isinstance(event, (ev.Fault, ev.Recovered)):
        what = f"{event.kind}: {event.reason}" if isinstance(event, ev.Fault) else "recovered"
        out.event(event.at, _INSTANT, out.track("faults", event.operator or event.process), what)
    elif isinstance(event, ev.Dropped) and event.reason not in ("superseded", "closed"):
        out.event(event.at, _INSTANT, out.track("drops", event.operator), f"{event.stream}: {event.reason}")


def _t(event: ev.Event) -> str:
    return f"t={event.t / 1e6:g} ms"


def write_trace(events: Iterable[ev.Event], path: Path) -> Path:
    """Write the trace to ``path``. Raises RecordingFailed."""
    try:
        path.write_bytes(trace(events))
    except OSError as error:
        hint = "free space or choose another folder: -o output=FOLDER"
        raise RecordingFailed(f"cannot be written: {error.strerror or error}", where=str(path), hint=hint) from error
    return path
