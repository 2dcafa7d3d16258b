"""Runs a record again and finds the first thing that differs: by time, operator and field."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import msgspec

from pipeline.digest import value_digest
from pipeline.events import Event, Observer, Sent
from pipeline.recording import plain
from pipeline.runlog import RunLog

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
    """An observer that holds a run against its record; ``divergence`` is the first difference so far."""

    def __init__(self, log: RunLog) -> None:
        self._recorded = list(log.records())
        self._next = 0
        self.divergence: Divergence | None = None

    def on_event(self, event: Event) -> None:
        """Compare one event with the recorded one at the same place."""
        if self.divergence is not None:
            return
        if self._next >= len(self._recorded):
            self._differs(event.at, event.t, event.operator, "event", None, _name(msgspec.to_builtins(_bare(event))))
            return
        recorded = self._recorded[self._next]
        found = _as_recorded(event)
        if _name(recorded) != _name(found):
            self._differs(event.at, event.t, event.operator, "event", _name(recorded), _name(found))
        elif recorded.get("digest") != found.get("digest") or any(recorded[key] != found[key] for key in _keys(found)):
            self._find_field(event, recorded, found)
        self._next += 1

    def finish(self, at: int) -> None:
        """The re-run is over: whatever the record has beyond it is missing."""
        if self.divergence is None and self._next < len(self._recorded):
            missing = self._recorded[self._next]
            self._differs(missing["at"], missing["t"], missing["operator"], "event", _name(missing), None)

    def _find_field(self, event: Event, recorded: dict[str, Any], found: dict[str, Any]) -> None:
        for key in _keys(found):
            if recorded[key] != found[key]:
                path, was, is_ = first_difference(recorded[key], found[key], key)
                self._differs(event.at, event.t, event.operator, path, was, is_)
                return
        assert isinstance(event, Sent)
        # Through JSON, as the record went: what the log rounds or cannot say must not count as a difference.
        new = msgspec.json.decode(msgspec.json.encode(plain(event.value)))
        path, was, is_ = first_difference(recorded["value"], new, "value")
        if was == is_:
            path, was, is_ = "value", recorded["digest"], found["digest"]
        self._differs(event.at, event.t, event.operator, path, was, is_)

    def _differs(self, at: int, t: int, operator: str, field: str, recorded: Any, found: Any) -> None:
        self.divergence = Divergence(self._next, at, t, operator, field, recorded, found)


def compare(log: RunLog, rerun: Callable[[Observer, Callable[[], bool]], int]) -> Divergence | None:
    """Re-run by ``rerun(observer, stop)``, which returns the time of its end; the first divergence, None if equal."""
    comparer = Comparer(log)
    ended_at = rerun(comparer, lambda: comparer.divergence is not None)
    comparer.finish(ended_at)
    return comparer.divergence


def first_difference(recorded: Any, found: Any, path: str) -> tuple[str, Any, Any]:
    """Path and both values of the first difference between two trees of builtins; equal trees give (path, x, x)."""
    if isinstance(recorded, dict) and isinstance(found, dict):
        for key in [*recorded, *(k for k in found if k not in recorded)]:
            if recorded.get(key) != found.get(key) or (key in recorded) != (key in found):
                return first_difference(recorded.get(key), found.get(key), f"{path}.{key}")
    elif isinstance(recorded, list) and isinstance(found, list):
        for i, (a, b) in enumerate(zip(recorded, found, strict=False)):
            if a != b:
                return first_difference(a, b, f"{path}[{i}]")
        if len(recorded) != len(found):
            return f"{path} (length)", len(recorded), len(found)
    return path, recorded, found


def _bare(event: Event) -> Any:
    return msgspec.structs.replace(event, value=None) if isinstance(event, Sent) else event


def _as_recorded(event: Event) -> dict[str, Any]:
    if isinstance(event, Sent):
        return {**{name: getattr(event, name) for name in _ENVELOPE}, "digest": value_digest(event.value).hex()}
    found: dict[str, Any] = msgspec.json.decode(msgspec.json.encode(event))
    return found


def _keys(found: dict[str, Any]) -> list[str]:
    return [key for key in found if key != "digest"]


def _name(record: dict[str, Any]) -> str:
    return f"{record.get('event', 'sent')} {record.get('stream', record['operator'])}"
