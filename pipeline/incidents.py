"""Faults put together: what went wrong where, how often, from when until when. Follows the events; judges nothing."""

from __future__ import annotations

from typing import Any

import msgspec

from pipeline.events import Event, Fault, Recovered

INCIDENTS_MAX = 200


class Incident(msgspec.Struct):
    """Faults of one kind in one place, from the first to the recovery. Times of the run's clock."""

    at: int
    operator: str
    process: str
    kind: str
    reason: str
    """The first one's."""
    last_at: int
    count: int = 1
    recovered_at: int | None = None

    def as_row(self) -> dict[str, Any]:
        """Plain values for ``result.json``."""
        return {
            "at_s": self.at / 1e9,
            "operator": self.operator,
            "process": self.process,
            "kind": self.kind,
            "reason": self.reason,
            "count": self.count,
            "last_s": self.last_at / 1e9,
            "recovered_s": None if self.recovered_at is None else self.recovered_at / 1e9,
        }


class Incidents:
    """An observer that keeps the run's incidents, the first ``INCIDENTS_MAX``, in the order in which they began."""

    def __init__(self) -> None:
        self.all: list[Incident] = []
        self.left_out = 0
        """Faults of incidents beyond the limit."""
        self._open: dict[tuple[str, str, str], Incident] = {}

    def on_event(self, event: Event) -> None:
        """Take a fault or a recovery into account."""
        if isinstance(event, Fault):
            self._note(event)
        elif isinstance(event, Recovered):
            where = (event.process, event.operator)
            for key in [key for key in self._open if key[:2] == where]:
                self._open.pop(key).recovered_at = event.at

    def _note(self, fault: Fault) -> None:
        key = (fault.process, fault.operator, fault.kind)
        known = self._open.get(key)
        if known is not None:
            known.count, known.last_at = known.count + 1, fault.at
        elif len(self.all) >= INCIDENTS_MAX:
            self.left_out += 1
        else:
            found = Incident(fault.at, fault.operator, fault.process, fault.kind, fault.reason, fault.at)
            self.all.append(found)
            self._open[key] = found
