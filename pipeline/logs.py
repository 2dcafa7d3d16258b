"""A run's log for people and machines: one record per fault, recovery and burst of misses, as a line of text or JSON.

Repetitions are counted, not written. Decides nothing about the run, and keeps no global logger.
"""

from __future__ import annotations

import json
import logging
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import msgspec

from pipeline.errors import RecordingFailed
from pipeline.events import Event, Fault, Missed, Recovered
from pipeline.timestamps import seconds

EVERY = seconds(1)
"""Of the run's time: the same thing is written once within it."""
STDERR = "-"

_Key = tuple[str, str, str, str]


class _Burst(msgspec.Struct):
    """The same thing again and again: when it was last written, and what has happened since."""

    written_at: int
    last: Event
    count: int = 0


class RunLogger:
    """An observer that writes to ``logger``. ``misses=False``: faults and recoveries only."""

    def __init__(self, logger: logging.Logger, *, run: str = "", misses: bool = True) -> None:
        self.run = run
        """The variant's name, in every record."""
        self._logger, self._misses = logger, misses
        self._bursts: dict[_Key, _Burst] = {}

    def on_event(self, event: Event) -> None:
        """Write the event if it is one of those, and was not written a moment ago."""
        if self._bursts:
            self._write_old(event.at)
        if isinstance(event, Fault):
            self._note(("fault", event.process, event.operator, event.kind), event)
        elif isinstance(event, Recovered):
            self._recovered(event)
        elif isinstance(event, Missed) and self._misses:
            self._note(("missed", "", event.operator, event.deadline), event)

    def close(self) -> None:
        """The run is over: write what was only counted."""
        for burst in self._bursts.values():
            self._write_counted(burst, burst.last.at)
        self._bursts.clear()

    def _note(self, key: _Key, event: Event) -> None:
        burst = self._bursts.get(key)
        if burst is None:
            self._bursts[key] = _Burst(event.at, event)
            self._write(event, 1)
        else:
            burst.last, burst.count = event, burst.count + 1

    def _recovered(self, event: Recovered) -> None:
        key = ("recovered", event.process, event.operator, "")
        if key not in self._bursts:  # else it comes and goes all the time, and both are counted
            for fault in [k for k in self._bursts if k[0] == "fault" and k[1:3] == key[1:3]]:
                self._write_counted(self._bursts[fault], event.at)
        self._note(key, event)

    def _write_old(self, now: int) -> None:
        """Write what has been counted for long enough, and forget what has not come again."""
        for key in [k for k, burst in self._bursts.items() if now - burst.written_at >= EVERY]:
            if not self._write_counted(self._bursts[key], now):
                del self._bursts[key]

    def _write_counted(self, burst: _Burst, now: int) -> bool:
        """Write what was only counted since the last record; False if there is nothing."""
        if not burst.count:
            return False
        self._write(burst.last, burst.count)
        burst.count, burst.written_at = 0, now
        return True

    def _write(self, event: Event, count: int) -> None:
        fields = _fields(event) | {"count": count} | ({"run": self.run} if self.run else {})
        level = logging.INFO if isinstance(event, Recovered) else logging.WARNING
        self._logger.log(level, _text(event, count), extra={"fields": fields})


def _fields(event: Event) -> dict[str, Any]:
    kind = type(event).__name__.lower()
    found = {"event": kind, "run_time_s": event.at / 1e9, "operator": event.operator, "t_ns": event.t}
    if isinstance(event, Fault):
        return found | {"process": event.process, "kind": event.kind, "reason": event.reason}
    if isinstance(event, Recovered):
        return found | {"process": event.process, "reason": event.reason, "after_ms": event.after / 1e6}
    assert isinstance(event, Missed)
    return found | {
        "deadline": event.deadline,
        "reason": event.reason,
        "budget_ms": event.budget / 1e6,
        "elapsed_ms": event.elapsed / 1e6,
    }


def _text(event: Event, count: int) -> str:
    where = event.operator or "the run"
    if isinstance(event, (Fault, Recovered)) and event.process:
        where = f"{event.operator} in {event.process}" if event.operator else f"process {event.process}"
    if isinstance(event, Fault):
        what = f"{event.kind.replace('_', ' ')}: {event.reason}"
    elif isinstance(event, Recovered):
        what = f"recovered after {event.after / 1e6:.0f} ms" + (f": {event.reason}" if event.reason else "")
    else:
        assert isinstance(event, Missed)
        what = f"missed {event.deadline} for t={event.t / 1e9:.3f} s: {event.reason}"
    return f"{event.at / 1e9:9.3f} s  {where}: {what}" + (f" ({count} times)" if count > 1 else "")


class JsonLines(logging.Formatter):
    """One JSON object a line: time of day, level and the event's fields."""

    def format(self, record: logging.LogRecord) -> str:
        when = datetime.fromtimestamp(record.created, tz=timezone.utc).isoformat(timespec="milliseconds")
        fields: dict[str, Any] = getattr(record, "fields", {"message": record.getMessage()})
        return json.dumps({"time": when, "level": record.levelname.lower(), **fields}, ensure_ascii=False)


class _Stderr(logging.Handler):
    """Whatever sys.stderr is at the moment: a live view puts itself in front of it."""

    def emit(self, record: logging.LogRecord) -> None:
        print(self.format(record), file=sys.stderr, flush=True)


class _File(logging.FileHandler):
    """A log that cannot be written must be known, not lost."""

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802
        error = sys.exc_info()[1]
        if isinstance(error, OSError):
            raise _failure(self.baseFilename, error) from error
        super().handleError(record)


def _failure(path: str, error: OSError) -> RecordingFailed:
    hint = "free space or choose another file: --log-json FILE"
    return RecordingFailed(f"cannot be written: {error.strerror or error}", where=path, hint=hint)


@contextmanager
def logging_to(target: str | None) -> Iterator[RunLogger]:
    """A RunLogger that writes JSON lines to the file ``target`` (``-``: stderr), or text to stderr for None.

    A file that is there is continued. Text leaves out misses: the live view and the results have them.
    Raises RecordingFailed when the file cannot be written.
    """
    logger = logging.Logger("skylane", logging.INFO)
    handler: logging.Handler
    try:
        handler = _Stderr() if target in (None, STDERR) else _File(Path(target or "").absolute(), encoding="utf-8")
    except OSError as error:
        raise _failure(str(target), error) from error
    handler.setFormatter(logging.Formatter("skylane: %(message)s") if target is None else JsonLines())
    logger.addHandler(handler)
    made = RunLogger(logger, misses=target is not None)
    try:
        yield made
        made.close()
    finally:
        with suppress(OSError):  # every record was flushed: what could not be written has been told
            handler.close()
