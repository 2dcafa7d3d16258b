"""What every operator did in a run: work, answers, misses, losses and latencies. Follows the events; judges nothing.

``summary`` says what a run comes down to; this says where the time went. Eight bytes per message and per piece of work.
"""

from __future__ import annotations

from array import array
from collections import Counter
from typing import Any

import numpy as np

from pipeline.errors import UsageError
from pipeline.events import Dropped, Event, Finished, Handled, Late, Missed, Refused, Sealed, Sent, Started
from pipeline.suggestions import suggest


class OperatorStatistics:
    """Counts of one operator; times in nanoseconds of the run's clock."""

    def __init__(self) -> None:
        self.started = 0
        """Pieces of work that began, of all candidates."""
        self.committed = 0
        """Timestamps answered with a value."""
        self.silent: Counter[str] = Counter()
        """Timestamps sealed without a value, by quality."""
        self.misses: Counter[str] = Counter()
        """By deadline."""
        self.handled: Counter[str] = Counter()
        """What deadline handlers came to, by outcome."""
        self.late = 0
        self.dropped: Counter[str] = Counter()
        """By reason."""
        self.refused = 0
        self.winners: Counter[str] = Counter()
        """Timestamps that each candidate (or the handler) answered."""
        self.outcomes: Counter[str] = Counter()
        """How work ended: done, failed, cancelled, expired."""
        self.busy_ns: Counter[str] = Counter()
        """Time between the start and the end of work, by candidate. Work that never ended does not count."""
        self.latencies_ns = array("q")
        """Commit time minus sensor time, of every answered timestamp."""
        self.answered_t: int | None = None

    def as_dict(self) -> dict[str, Any]:
        """Plain values; times in milliseconds."""
        return {
            "started": self.started,
            "committed": self.committed,
            "silent": _sorted(self.silent),
            "misses": _sorted(self.misses),
            "handled": _sorted(self.handled),
            "late": self.late,
            "dropped": _sorted(self.dropped),
            "refused": self.refused,
            "winners": _sorted(self.winners),
            "outcomes": _sorted(self.outcomes),
            "busy_ms": {name: ns / 1e6 for name, ns in sorted(self.busy_ns.items())},
            **_latency(self.latencies_ns),
        }


class RunStatistics:
    """Counts while a run goes on; ``operators`` and ``as_dict`` say what there is so far."""

    def __init__(self) -> None:
        self.operators: dict[str, OperatorStatistics] = {}
        self._streams: dict[str, array[int]] = {}

    def on_event(self, event: Event) -> None:
        """Count one event."""
        row = self.operators.get(event.operator)
        if row is None:
            row = self.operators[event.operator] = OperatorStatistics()
        if isinstance(event, Sent):
            self._sent(row, event)
        elif isinstance(event, Started):
            row.started += 1
        elif isinstance(event, Finished):
            row.outcomes[event.outcome] += 1
            row.busy_ns[event.candidate] += event.at - event.started
        else:
            _count_rare(row, event)

    def end_to_end(self, stream: str) -> tuple[float, float]:
        """Median and 99th percentile of commit time minus sensor time on ``operator.port``, in milliseconds.

        Raises UsageError for a stream that carried nothing.
        """
        latencies = self._streams.get(stream)
        if latencies is None:
            hint = suggest(stream, self._streams) or "no stream did"
            raise UsageError(f"the stream {stream!r} carried nothing", hint=hint)
        return _quantile_ms(latencies, 0.5), _quantile_ms(latencies, 0.99)

    def as_dict(self) -> dict[str, Any]:
        """Plain values for a JSON file; times in milliseconds."""
        return {
            "operators": {name: row.as_dict() for name, row in sorted(self.operators.items())},
            "streams": {name: {"count": len(row), **_latency(row)} for name, row in sorted(self._streams.items())},
        }

    def _sent(self, row: OperatorStatistics, event: Sent) -> None:
        latency = event.at - event.origin
        stream = self._streams.get(event.stream)
        if stream is None:
            stream = self._streams[event.stream] = array("q")
        stream.append(latency)
        if event.t != row.answered_t:  # one commit sends on several outputs
            row.answered_t = event.t
            row.committed += 1
            row.winners[event.winner] += 1
            row.latencies_ns.append(latency)


def _count_rare(row: OperatorStatistics, event: Event) -> None:
    if isinstance(event, Missed):
        row.misses[event.deadline] += 1
    elif isinstance(event, Dropped):
        row.dropped[event.reason] += 1
    elif isinstance(event, Sealed):
        row.silent[event.quality] += 1
    elif isinstance(event, Handled):
        row.handled[event.outcome] += 1
    elif isinstance(event, Late):
        row.late += 1
    elif isinstance(event, Refused):
        row.refused += 1


def _sorted(counts: Counter[str]) -> dict[str, int]:
    return dict(sorted(counts.items()))


def _latency(values: array[int]) -> dict[str, float | None]:
    names = {"latency_ms_p50": 0.5, "latency_ms_p99": 0.99, "latency_ms_max": 1.0}
    return {name: _quantile_ms(values, q) if values else None for name, q in names.items()}


def _quantile_ms(values: array[int], q: float) -> float:
    # The next sample at or above the quantile: a latency that really occurred.
    return float(np.quantile(np.frombuffer(values, np.int64), q, method="higher")) / 1e6
