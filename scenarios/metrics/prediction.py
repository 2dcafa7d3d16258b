"""How far predicted paths end up from the paths that were taken, by Euclidean distance, offline and timely.

Decides nothing about whose path is whose: rows of the arrays belong together.
Source of the definitions: Chang et al., Argoverse (CVPR 2019) §4.2
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from scenarios.metrics.frames import Bools, Floats

MISS_M = 2.0


class Displacement(NamedTuple):
    """Means over all predicted road users; nan where there was none."""

    ade_m: float
    """Mean distance over the steps."""
    fde_m: float
    """Distance at the last step."""
    min_ade_m: float
    """ADE of the best of the paths offered."""
    min_fde_m: float
    miss_rate: float
    """Share of road users of whom no path ends within ``miss_m`` of where they were."""
    road_users: int


NOBODY = Displacement(math.nan, math.nan, math.nan, math.nan, math.nan, 0)


def displacement(
    predicted_m: Floats,
    true_m: Floats,
    *,
    probability: Floats | None = None,
    known: Bools | None = None,
    best_of: int | None = None,
    miss_m: float = MISS_M,
) -> Displacement:
    """Judge ``predicted_m`` (n, k, steps, 2) or (n, steps, 2) against ``true_m`` (n, steps, 2).

    ``ade_m`` and ``fde_m`` are of the most probable path (``probability`` (n, k); the first without it), the ``min``
    figures of the best of the ``best_of`` most probable (all without it). ``known`` (n, steps): steps of which the
    truth is known; the last known one is the final one, and nobody counts of whom none is.
    """
    paths = predicted_m[:, None] if predicted_m.ndim == 3 else predicted_m
    valid = np.ones(true_m.shape[:2], np.bool_) if known is None else known
    counted = valid.any(axis=1)
    paths, valid = paths[counted], valid[counted]
    n, k = paths.shape[:2]
    if n == 0 or k == 0:
        return NOBODY
    weight = np.zeros((n, k)) if probability is None else probability[counted]
    order = np.argsort(-weight, axis=1, kind="stable")[:, : best_of or k]
    error = np.linalg.norm(paths - true_m[counted][:, None], axis=3)
    error = np.take_along_axis(error, order[:, :, None], axis=1)
    mean = np.where(valid[:, None], error, 0.0).sum(axis=2) / valid.sum(axis=1)[:, None]
    last = valid.shape[1] - 1 - np.argmax(valid[:, ::-1], axis=1)
    final = np.take_along_axis(error, last[:, None, None], axis=2)[:, :, 0]
    return Displacement(
        ade_m=float(mean[:, 0].mean()),
        fde_m=float(final[:, 0].mean()),
        min_ade_m=float(mean.min(axis=1).mean()),
        min_fde_m=float(final.min(axis=1).mean()),
        miss_rate=float((final.min(axis=1) > miss_m).mean()),
        road_users=n,
    )


def aged(path_m: Floats, now_m: Floats, step_s: float, age_s: float) -> Floats:
    """What a path said ``age_s`` ago about the same number of steps from now on: (steps, 2).

    ``path_m`` (steps, 2) begins one step after the instant at which its owner was at ``now_m`` (2,); beyond its end it
    goes on as it ended, so that a stale prediction is judged over the same horizon as a fresh one.
    """
    points = np.concatenate([now_m[None], path_m])
    at = (age_s + step_s * np.arange(1, len(path_m) + 1)) / step_s
    k = np.minimum(at.astype(np.int64), len(points) - 2)
    share = (at - k)[:, None]
    return np.asarray(points[k] + share * (points[k + 1] - points[k]))
