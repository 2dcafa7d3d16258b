"""Runs a record again and finds the first thing that differs: by time, operator and field."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import msgspec

from pipeline.digest import value_digest
from pipeline.events import Event, Observer, Sent
from pipeline.recording import plain
from pipeline.runlog import RunLog

_Difference = tuple[str, Any, Any]
"""Field, recorded value, found value."""

_ENVELOPE = ("at", "operator", "t", "stream", "origin", "quality", "winner")


class Divergence(NamedTuple):
    """The first difference between a record and its re-run."""

    n: int
    """How many events agreed before it."""
    at: int
    t: int
    operator: str
    field: str
    """``event``, ``at``, ``quality``, ``value.items[2].box.x0_px`` …"""
    recorded: Any
    found: Any

    def __str__(self) -> str:
        place = f"after {self.n} equal events, at {self.at / 1e9:.6f} s, {self.operator} (t={self.t})"
        return f"{place}: {self.field} was {self.recorded!r}, is {self.found!r}"


class Comparer:
    """An observer that holds a run against its record; ``divergence`` is the first difference so far.

    A record that was cut off, or whose run was interrupted, counts as far as it goes: what follows is no difference.
    """

    def __init__(self, log: RunLog) -> None:
        self._records = log.records()
        self._recorded = next(self._records, None)
        self._interrupted = log.metadata.get("interrupted") == "true"
        self._open_end = self._interrupted or not log.complete
        self._count = 0
        self.divergence: Divergence | None = None
        self.done = False
        """There is nothing more to compare."""

    def on_event(self, event: Event) -> None:
        """Compare one event with the recorded one at the same place."""
        if self.done:
            return
        recorded, found = self._recorded, _as_recorded(event)
        if recorded is None:
            self.done = True
            if not self._open_end:
                self._differs(event, ("event", None, _name(found)))
            return
        difference = _difference(recorded, found, event)
        if difference is None:
            self._count += 1
            self._recorded = next(self._records, None)
            return
        self.done = True
        if not (self._interrupted and _closes(recorded)):
            self._differs(event, difference)

    def finish(self, at: int) -> None:
        """The re-run is over: whatever the record has beyond it is missing."""
        missing = self._recorded
        if self.done or missing is None or (self._interrupted and _closes(missing)):
            return
        self.divergence = Divergence(
            self._count, missing["at"], missing["t"], missing["operator"], "event", _name(missing), None
        )
        self.done = True

    def _differs(self, event: Event, difference: _Difference) -> None:
        self.divergence = Divergence(self._count, event.at, event.t, event.operator, *difference)


def compare(log: RunLog, rerun: Callable[[Observer, Callable[[], bool]], int]) -> Divergence | None:
    """Re-run by ``rerun(observer, stop)``, which returns the time of its end; the first divergence, None if equal."""
    comparer = Comparer(log)
    ended_at = rerun(comparer, lambda: comparer.done)
    comparer.finish(ended_at)
    return comparer.divergence


def first_difference(recorded: Any, found: Any, path: str) -> tuple[str, Any, Any]:
    """Path and both values of the first difference between two trees of builtins; equal trees give (path, x, x)."""
    if isinstance(recorded, dict) and isinstance(found, dict):
        for key in [*recorded, *(k for k in found if k not in recorded)]:
            if not _same(recorded.get(key), found.get(key)) or (key in recorded) != (key in found):
                return first_difference(recorded.get(key), found.get(key), f"{path}.{key}")
    elif isinstance(recorded, list) and isinstance(found, list):
        for i, (a, b) in enumerate(zip(recorded, found, strict=False)):
            if not _same(a, b):
                return first_difference(a, b, f"{path}[{i}]")
        if len(recorded) != len(found):
            return f"{path} (length)", len(recorded), len(found)
    return path, recorded, found


def _same(recorded: Any, found: Any) -> bool:
    # By what stands in the log: 0.0 and -0.0, 1 and 1.0 are equal to Python.
    return msgspec.json.encode(recorded) == msgspec.json.encode(found)


def _difference(recorded: dict[str, Any], found: dict[str, Any], event: Event) -> _Difference | None:
    """The first field in which one event differs from the recorded one."""
    if _name(recorded) != _name(found):
        return "event", _name(recorded), _name(found)
    for key, value in found.items():
        if key != "digest" and recorded.get(key) != value:
            return first_difference(recorded.get(key), value, key)
    if not isinstance(event, Sent) or recorded["digest"] == found["digest"]:
        return None
    difference = first_difference(recorded["value"], plain(event.value), "value")
    if _same(*difference[1:]):  # what the log cannot say, such as NaN and infinity
        return "value", recorded["digest"], found["digest"]
    return difference


def _closes(recorded: dict[str, Any]) -> bool:
    """Whether the event says that the run was being ended."""
    return str(recorded.get("reason", "")).startswith(("shutdown", "closed"))


def _as_recorded(event: Event) -> dict[str, Any]:
    if isinstance(event, Sent):
        return {**{name: getattr(event, name) for name in _ENVELOPE}, "digest": value_digest(event.value).hex()}
    found: dict[str, Any] = msgspec.json.decode(msgspec.json.encode(event))
    return found


def _name(record: dict[str, Any]) -> str:
    return f"{record.get('event', 'sent')} {record.get('stream', record['operator'])}"
