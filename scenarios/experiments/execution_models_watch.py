"""What is noted during a drive: responses, budgets, models, misses, and whether it was tight when it mattered."""

from __future__ import annotations

from collections import Counter
from typing import Any

import numpy as np

from operators.sensors.base import captures
from pipeline.events import Event, Missed, Sent

RESPONSE, BUDGET, DETECTIONS, EGO = "plan.trajectory", "budget.budget", "detect.detections", "ego.state"
FRAME = "camera.frame"
BIN_MS = 20
HARD_MPS2 = 3.0
"""Braking this hard says that there was a hazard."""
BEFORE_S = 2.0
"""The moments this long before hard braking are those in which a short budget was right."""
TIGHT_MS = 250.0
VISIBLE_MIN = 0.05
HIDDEN_ID = 1
"""The road user of the grid's scenario who comes from behind the truck."""


class Watch:
    """Follows one drive."""

    def __init__(self, world: Any) -> None:
        self._captures = captures(world)
        self._captures.keep_truth()
        self._responses: list[tuple[int, int]] = []
        self._budgets: list[tuple[int, float]] = []
        self._reasons: Counter[str] = Counter()
        self._models: Counter[str] = Counter()
        self._misses: Counter[str] = Counter()
        self._qualities: Counter[str] = Counter()
        self._braking: list[int] = []
        self._visible_at: int | None = None

    def on_event(self, event: Event) -> None:
        if isinstance(event, Missed):
            self._misses[event.operator] += 1
        if not isinstance(event, Sent):
            return
        if event.stream == RESPONSE:
            self._responses.append((event.at, event.at - event.origin))
            self._qualities[str(event.quality)] += 1
        elif event.stream == BUDGET:
            self._budgets.append((event.at, event.value.within_ns / 1e6))
            self._reasons[event.value.reason] += 1
        elif event.stream == FRAME:
            self._look(event.t)
        elif event.stream == DETECTIONS:
            self._models[event.value.model] += 1
        elif event.stream == EGO and event.value.accel_mps2 <= -HARD_MPS2:
            self._braking.append(event.at)

    def figures(self) -> dict[str, Any]:
        """Plain values; times in ms."""
        latencies = np.array([latency for _, latency in self._responses]) / 1e6
        histogram = Counter(int(latency // BIN_MS) * BIN_MS for latency in latencies)
        return {
            "answers": len(latencies),
            "response_ms_p50": _quantile(latencies, 0.5),
            "response_ms_p99": _quantile(latencies, 0.99),
            "response_histogram": {str(key): histogram[key] for key in sorted(histogram)},
            "models_used": dict(sorted(self._models.items())),
            "misses": dict(sorted(self._misses.items())),
            "qualities": dict(sorted(self._qualities.items())),
            "budget_reasons": dict(self._reasons.most_common(8)),
            "tight": self._tightness(),
        }

    def _tightness(self) -> dict[str, int]:
        """Moments by whether the budget was short and whether hard braking followed."""
        braking = np.array(self._braking, dtype=np.int64)
        counts = Counter[str]()
        for at, budget_ms in self._budgets:
            k = int(np.searchsorted(braking, at))
            needed = k < len(braking) and braking[k] - at <= BEFORE_S * 1e9
            short = budget_ms <= TIGHT_MS
            counts[("right" if needed else "early") if short else ("late" if needed else "calm")] += 1
        return dict(sorted(counts.items()))

    def _look(self, t: int) -> None:
        """Note when anything of the hidden road user is in sight."""
        if self._visible_at is None:
            seen = (user for user in self._captures.truth_at(t) if user.id == HIDDEN_ID)
            if any(user.box is not None and user.visible > VISIBLE_MIN for user in seen):
                self._visible_at = t

    def timeline(self) -> dict[str, Any]:
        """Budget and response over time, and when the hidden road user came into sight and hard braking began."""
        return {
            "budget_s_ms": [(round(at / 1e9, 3), round(budget, 1)) for at, budget in self._budgets],
            "response_s_ms": [(round(at / 1e9, 3), round(latency / 1e6, 1)) for at, latency in self._responses],
            "visible_s": round(self._visible_at / 1e9, 3) if self._visible_at is not None else None,
            "braking_s": round(self._braking[0] / 1e9, 3) if self._braking else None,
        }


def _quantile(values: Any, q: float) -> float | None:
    return round(float(np.quantile(values, q)), 2) if len(values) else None
