"""All drives together: collisions per model with intervals, the reduction against periodic, the speed grid.

Pure functions of the drives' rows.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

import numpy as np

RESAMPLES = 9999
Row = dict[str, Any]


def poisson_interval(count: int, confidence: float = 0.95) -> tuple[float, float]:
    """Exact interval of the expectation of a count. Source: Garwood, Biometrika 28 (1936)."""
    from scipy.stats import chi2

    tail = (1.0 - confidence) / 2.0
    low = float(chi2.ppf(tail, 2 * count) / 2.0) if count else 0.0
    return low, float(chi2.ppf(1.0 - tail, 2 * count + 2) / 2.0)


def models_table(rows: Sequence[Row], names: Sequence[str]) -> list[Row]:
    """One entry per model over all of its drives in ``rows``."""
    table = []
    for name in names:
        mine = [row for row in rows if row["model"] == name and not row["error"]]
        if not mine:
            continue
        count, impacts = sum(row["collisions"] for row in mine), [v for row in mine for v in row["impacts_mps"]]
        low, high = poisson_interval(count)
        answered = sum(row["answers"] for row in mine)
        table.append(
            {
                "name": name,
                "collisions": count,
                "collisions_ci95": [round(low, 1), round(high, 1)],
                "km": round(sum(row["km"] for row in mine), 2),
                "hours": round(sum(row["duration_s"] for row in mine) / 3600.0, 2),
                "drives": len(mine),
                "seeds": sorted({row["seed"] for row in mine}),
                "impact_speed_mps_mean": mean(impacts),
                "impact_speed_mps_max": round(max(impacts), 2) if impacts else None,
                "at_fault": dict(sorted(sum((Counter(row["at_fault"]) for row in mine), Counter()).items())),
                "incidents": dict(sorted(sum((Counter(row["incidents"]) for row in mine), Counter()).items())),
                "response_ms_p50": mean([row["response_ms_p50"] for row in mine if row["response_ms_p50"]]),
                "misses": sum(sum(row["misses"].values()) for row in mine),
                "answers": answered,
                "models_used": shares(mine, "models_used"),
                "tight": dict(sum((Counter(row["tight"]) for row in mine), Counter())),
                "response_histogram": histogram(mine),
            }
        )
    return table


def grid_table(rows: Sequence[Row]) -> list[Row]:
    """One entry per scenario, speed and model: collisions, mean and worst impact."""
    cells: dict[tuple[str, float, str], list[Row]] = {}
    for row in rows:
        if not row["error"]:
            cells.setdefault((row["scenario"], row["speed_mps"], row["model"]), []).append(row)
    table = []
    for (scenario, speed, model), mine in cells.items():
        impacts = [v for row in mine for v in row["impacts_mps"]]
        table.append(
            {
                "scenario": scenario,
                "speed_mps": speed,
                "model": model,
                "runs": len(mine),
                "collisions": sum(row["collisions"] for row in mine),
                "impact_speed_mps_mean": mean(impacts) or 0.0,
                "impact_speed_mps_max": round(max(impacts, default=0.0), 2),
                "min_gap_m_median": median([r["min_gap_m"] for r in mine if r["min_gap_m"] and not r["collisions"]]),
                "progress_mean": mean([row["progress"] for row in mine]),
            }
        )
    return table


def reduction_pct(rows: Sequence[Row], ours: str, theirs: str) -> dict[str, Any] | None:
    """By how much ``ours`` has fewer collisions per km than ``theirs``, with an interval from resampling the seeds.

    Seeds are drawn in pairs: the same ones for both. None when there is nothing to compare.
    """
    seeds = sorted({row["seed"] for row in rows})
    counts = {name: _by_seed(rows, name, seeds) for name in (ours, theirs)}
    if not counts[theirs][0].sum() or not counts[ours][1].sum():
        return None

    def reduction(weight: Any) -> Any:
        rate = {name: (weight @ hits) / np.maximum(weight @ km, 1e-9) for name, (hits, km) in counts.items()}
        return 100.0 * (1.0 - rate[ours] / np.maximum(rate[theirs], 1e-12))

    rng = np.random.default_rng([len(seeds), 68])
    drawn = rng.multinomial(len(seeds), np.full(len(seeds), 1.0 / len(seeds)), size=RESAMPLES)
    usable = drawn[drawn @ counts[theirs][0] > 0]
    low, high = np.quantile(reduction(usable), [0.025, 0.975])
    value = float(reduction(np.ones(len(seeds))))
    return {"value": round(value, 1), "ci95": [round(float(low), 1), round(float(high), 1)], "seeds": len(seeds)}


def _by_seed(rows: Sequence[Row], model: str, seeds: Sequence[int]) -> tuple[Any, Any]:
    hits, km = np.zeros(len(seeds)), np.zeros(len(seeds))
    for row in rows:
        if row["model"] == model and not row["error"]:
            k = seeds.index(row["seed"])
            hits[k] += row["collisions"]
            km[k] += row["km"]
    return hits, km


def shares(rows: Sequence[Row], field: str) -> dict[str, float]:
    """How a counter in every row adds up, as shares."""
    total: Counter[str] = sum((Counter(row[field]) for row in rows), Counter())
    whole = max(sum(total.values()), 1)
    return {key: round(total[key] / whole, 4) for key in sorted(total)}


def histogram(rows: Sequence[Row]) -> dict[str, int]:
    """The responses of all rows by their bin's lower end, ms."""
    total: Counter[str] = sum((Counter(row["response_histogram"]) for row in rows), Counter())
    return {key: total[key] for key in sorted(total, key=int)}


def mean(values: Sequence[float]) -> float | None:
    """Rounded; None of nothing."""
    return round(float(np.mean(values)), 2) if values else None


def median(values: Sequence[float]) -> float | None:
    """Rounded; None of nothing."""
    return round(float(np.median(values)), 2) if values else None
