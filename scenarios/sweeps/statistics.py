"""Intervals and tests for comparing variants: Wilson's for shares, a paired bootstrap over seeds for differences.

Pure functions of numbers; seeded, so that the same rows give the same report.
"""

from __future__ import annotations

import math
from collections.abc import Hashable, Sequence
from statistics import NormalDist
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

CONFIDENCE = 0.95
RESAMPLES = 9999


class Estimate(NamedTuple):
    """A value with its confidence interval; ``low`` and ``high`` are nan where there is too little to say."""

    value: float
    low: float
    high: float
    n: int
    """What it is counted over: runs for a share, seeds for a bootstrap."""

    @property
    def excludes_zero(self) -> bool:
        """Whether 0 lies outside the interval."""
        return self.low > 0.0 or self.high < 0.0


def wilson(hits: int, n: int, confidence: float = CONFIDENCE) -> Estimate:
    """Share of ``hits`` among ``n`` with its score interval; nan of nothing. Raises ValueError for impossible counts.

    Source: Wilson, Probable Inference, the Law of Succession, and Statistical Inference (1927)
    """
    if not 0 <= hits <= n:
        raise ValueError(f"{hits} of {n}")
    if n == 0:
        return Estimate(math.nan, math.nan, math.nan, 0)
    z = NormalDist().inv_cdf(0.5 + confidence / 2.0)
    share = hits / n
    centre = (share + z * z / (2 * n)) / (1 + z * z / n)
    half = z / (1 + z * z / n) * math.sqrt(share * (1 - share) / n + z * z / (4 * n * n))
    low = 0.0 if hits == 0 else max(0.0, centre - half)
    high = 1.0 if hits == n else min(1.0, centre + half)
    return Estimate(share, low, high, n)


def bootstrap_mean(
    values: Sequence[float],
    clusters: Sequence[Hashable],
    *,
    confidence: float = CONFIDENCE,
    resamples: int = RESAMPLES,
    seed: int = 0,
) -> Estimate:
    """Mean of ``values`` with a percentile interval from resampling whole ``clusters`` with replacement.

    Runs of one seed share their scenery, their road users and their luck, so that seeds and not runs are drawn. With
    one cluster there is no interval. Source: Davison & Hinkley, Bootstrap Methods and their Application (1997), §3.8.
    """
    if len(values) != len(clusters):
        raise ValueError(f"{len(values)} values, {len(clusters)} clusters")
    if not len(values):
        return Estimate(math.nan, math.nan, math.nan, 0)
    sums, counts = _by_cluster(values, clusters)
    mean = float(sums.sum() / counts.sum())
    if len(sums) < 2:
        return Estimate(mean, math.nan, math.nan, len(sums))
    rng = np.random.default_rng([seed, 77])
    drawn = rng.multinomial(len(sums), np.full(len(sums), 1.0 / len(sums)), size=resamples)
    means = (drawn @ sums) / (drawn @ counts)
    low, high = np.quantile(means, [0.5 - confidence / 2.0, 0.5 + confidence / 2.0])
    return Estimate(mean, float(low), float(high), len(sums))


def paired_difference(
    ours: Sequence[float], theirs: Sequence[float], seeds: Sequence[Hashable], *, confidence: float = CONFIDENCE
) -> Estimate:
    """Mean of ``ours - theirs`` over pairs of runs of the same scene, with an interval from resampling the seeds."""
    if not len(ours) == len(theirs) == len(seeds):
        raise ValueError(f"{len(ours)}, {len(theirs)} and {len(seeds)} values are no pairs")
    return bootstrap_mean([a - b for a, b in zip(ours, theirs, strict=True)], seeds, confidence=confidence)


def _by_cluster(
    values: Sequence[float], clusters: Sequence[Hashable]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    numbers = {cluster: k for k, cluster in enumerate(dict.fromkeys(clusters))}
    index = np.array([numbers[cluster] for cluster in clusters], dtype=np.int64)
    weights = np.asarray(values, dtype=np.float64)
    sums = np.bincount(index, weights=weights, minlength=len(numbers)).astype(np.float64)
    counts = np.bincount(index, minlength=len(numbers)).astype(np.float64)
    return sums, counts
