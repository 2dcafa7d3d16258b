"""What a run comes down to: answers, latencies, winners, misses, drops, faults. Follows the events; judges nothing."""

from __future__ import annotations

from collections import Counter
from typing import Any

import numpy as np

from pipeline.events import Dropped, Event, Fault, Missed, Recovered, Sealed, Sent
from pipeline.health import ProcessStatus
from pipeline.incidents import Incidents
from pipeline.messages import Quality


class Summary:
    """Counts while a run goes on; ``figures`` says what there is so far.

    ``response``: the stream on which the graph answers; its latency is commit time minus sensor time.
    """

    def __init__(self, response: str = "") -> None:
        self.response = response
        self.at = 0
        self._latencies: dict[str, list[int]] = {}
        self._winners: dict[str, Counter[str]] = {}
        self._qualities: Counter[str] = Counter()
        self._misses: Counter[str] = Counter()
        self._drops: Counter[str] = Counter()
        self._silent = 0
        self._incidents = Incidents()
        self._processes: dict[str, ProcessStatus] = {}
        self._rss_bytes: dict[str, int] = {}

    def on_event(self, event: Event) -> None:
        self.at = event.at
        if isinstance(event, Sent):
            self._latencies.setdefault(event.stream, []).append(event.at - event.origin)
            self._winners.setdefault(event.operator, Counter())[event.winner] += 1
            self._qualities[event.quality] += 1
        elif isinstance(event, Missed):
            self._misses[event.deadline] += 1
        elif isinstance(event, Dropped):
            self._drops[event.reason] += 1
        elif isinstance(event, Sealed) and event.quality == Quality.MISSED:
            self._silent += 1
        elif isinstance(event, (Fault, Recovered)):
            self._incidents.on_event(event)

    def on_process(self, status: ProcessStatus) -> None:
        """How a process is; the last word and the most memory count."""
        self._processes[status.process] = status
        self._rss_bytes[status.process] = max(status.rss_bytes, self._rss_bytes.get(status.process, 0))

    def figures(self) -> dict[str, Any]:
        """Plain values for ``result.json``; latencies in milliseconds."""
        response = self._latencies.get(self.response, [])
        return {
            "response": self.response,
            "answers": len(response),
            "latency_ms_p50": _quantile_ms(response, 0.5),
            "latency_ms_p99": _quantile_ms(response, 0.99),
            "latency_ms_max": _quantile_ms(response, 1.0),
            "deadline_misses": sum(self._misses.values()),
            "misses": dict(sorted(self._misses.items())),
            "without_answer": self._silent,
            "winners": {name: dict(sorted(row.items())) for name, row in self._winners.items() if _raced(row)},
            "qualities": dict(sorted(self._qualities.items())),
            "dropped": dict(sorted(self._drops.items())),
            "faults": [incident.as_row() for incident in self._incidents.all],
            "processes": {
                name: {"restarts": status.restarts, "rss_mb_max": round(self._rss_bytes[name] / 1e6, 1)}
                for name, status in self._processes.items()
            },
            "streams": {
                name: {
                    "count": len(row),
                    "latency_ms_p50": _quantile_ms(row, 0.5),
                    "latency_ms_p99": _quantile_ms(row, 0.99),
                }
                for name, row in self._latencies.items()
            },
        }


def _raced(winners: Counter[str]) -> bool:
    return len(winners) > 1 or not {"local", ""} >= set(winners)


def _quantile_ms(values: list[int], q: float) -> float | None:
    return round(float(np.quantile(values, q, method="higher")) / 1e6, 3) if values else None
