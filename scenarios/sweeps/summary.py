"""Rows → what a sweep comes down to: figures per variant, per family and speed, and differences to the baseline.

Counts and compares; how it looks is ``report``'s business.
"""

from __future__ import annotations

import math
import statistics as plain
from collections.abc import Iterable, Sequence
from typing import Any

from scenarios.sweeps.driving import Row
from scenarios.sweeps.statistics import Estimate, bootstrap_mean, paired_difference, wilson

Summary = dict[str, Any]


def failed(row: Row) -> bool:
    """Whether the run has no outcome."""
    return bool(row.get("error"))


def by_variant(rows: Sequence[Row]) -> list[Summary]:
    """One summary per variant over everything it drove, in the order of the rows."""
    return [{"label": label} | figures(own) for label, own in _groups(rows, ("label",)).items()]


def by_cell(rows: Sequence[Row]) -> list[Summary]:
    """One summary per scene, speed and variant."""
    names = ("scene", "family", "speed_mps", "label")
    return [
        dict(zip(names, _key(row, names), strict=True)) | figures(own)
        for own in _groups(rows, names).values()
        for row in own[:1]
    ]


def figures(rows: Sequence[Row]) -> Summary:
    """What the runs have in common. Means of nothing are None."""
    good = [row for row in rows if not failed(row)]
    hits = [row for row in good if row.get("collided")]
    impacts = [float(row["impact_speed_mps"]) for row in hits]
    gaps = _numbers(row.get("min_gap_m") for row in good if not row.get("collided"))
    latencies = _numbers(row.get("latency_ms_p50") for row in good)
    return {
        "runs": len(good),
        "failed": len(rows) - len(good),
        "seeds": len({row["seed"] for row in good}),
        "perception": ", ".join(sorted({row["perception"] for row in rows})),
        "collisions": len(hits),
        "collision_rate": _interval(wilson(len(hits), len(good))),
        "impact_speed_mps_mean": _mean(impacts),
        "impact_speed_mps_max": max(impacts, default=None),
        "impact_speed_mps": _interval(bootstrap_mean(impacts, [row["seed"] for row in hits])),
        "min_gap_m_median": plain.median(gaps) if gaps else None,
        "latency_ms_p50_median": plain.median(latencies) if latencies else None,
        "deadline_misses": sum(row.get("deadline_misses") or 0 for row in good),
        "km": round(sum(row.get("distance_m") or 0.0 for row in good) / 1e3, 3),
        "wall_s_mean": _mean([row["wall_s"] for row in good]),
        "peak_mb_max": max((row["peak_mb"] for row in good), default=None),
    }


DIFFERENCES: tuple[tuple[str, str], ...] = (
    ("collision_rate", "collisions per run"),
    ("impact_speed_mps", "impact speed, m/s (0 without a collision)"),
    ("min_gap_m", "smallest gap, m"),
)
"""Which figures are compared run by run, and what they are called."""


def differences(rows: Sequence[Row], baseline: str) -> list[Summary]:
    """Every other variant minus ``baseline``, over the scenes that both finished; paired by scene, speed and seed."""
    reference = {_scene(row): row for row in rows if row["label"] == baseline and not failed(row)}
    found = []
    for label in dict.fromkeys(row["label"] for row in rows if row["label"] != baseline):
        own = {_scene(row): row for row in rows if row["label"] == label and not failed(row)}
        pairs = [(own[scene], reference[scene]) for scene in own if scene in reference]
        summary: Summary = {"label": label, "baseline": baseline, "pairs": len(pairs)}
        for name, _ in DIFFERENCES:
            summary[name] = _interval(_difference(pairs, name))
        found.append(summary)
    return found


def _difference(pairs: Sequence[tuple[Row, Row]], name: str) -> Estimate:
    values = [(_value(a, name), _value(b, name), a["seed"]) for a, b in pairs]
    whole = [(a, b, seed) for a, b, seed in values if a is not None and b is not None]
    return paired_difference([a for a, _, _ in whole], [b for _, b, _ in whole], [seed for _, _, seed in whole])


def _value(row: Row, name: str) -> float | None:
    if name == "collision_rate":
        return float(bool(row.get("collided")))
    value = row.get(name)
    return None if value is None else float(value)


def _scene(row: Row) -> tuple[Any, ...]:
    return row["scene"], row["speed_mps"], row["seed"]


def _groups(rows: Iterable[Row], names: tuple[str, ...]) -> dict[tuple[Any, ...] | Any, list[Row]]:
    found: dict[Any, list[Row]] = {}
    for row in rows:
        key = _key(row, names)
        found.setdefault(key if len(names) > 1 else key[0], []).append(row)
    return found


def _key(row: Row, names: tuple[str, ...]) -> tuple[Any, ...]:
    return tuple(row[name] for name in names)


def _numbers(values: Iterable[Any]) -> list[float]:
    return sorted(float(value) for value in values if value is not None)


def _mean(values: Sequence[float]) -> float | None:
    return round(sum(values) / len(values), 3) if values else None


def _interval(estimate: Estimate) -> Summary:
    """As plain values: what is not a number is None."""
    value, low, high = (None if math.isnan(x) else round(x, 4) for x in estimate[:3])
    return {"value": value, "low": low, "high": high, "n": estimate.n}
