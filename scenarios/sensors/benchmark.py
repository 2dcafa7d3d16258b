"""``skylane bench lidar``: how long a 64 × 1024 sweep of the benchmark street takes on one core.

Every sweep from another place, with 20 cars and 10 people placed anew.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

import numpy as np

from operators.sensors.models import LidarModel
from scenarios.library.loading import load
from scenarios.world.world import World

SWEEP_NS = 100_000_000
LAP_S = 8.0


def lidar(*, timer_ns: Callable[[], int], quick: bool = False) -> dict[str, Any]:
    """Milliseconds for a sweep (median and slowest of twenty), points in it, and shots a second; set-up not counted."""
    cores = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {min(cores)})
    try:
        spent, points = _sweeps(20 if quick else 200, timer_ns)
    finally:
        os.sched_setaffinity(0, cores)
    model = LidarModel()
    median = float(np.median(spent))
    return {
        "sweep_ms_p50": round(median, 2),
        "sweep_ms_p95": round(float(np.quantile(spent, 0.95)), 2),
        "points": round(float(np.mean(points))),
        "shots_per_s": round(1e3 * len(model.elevations_rad) * model.columns / median),
    }


def _sweeps(count: int, timer_ns: Callable[[], int]) -> tuple[list[float], list[int]]:
    scenario, model, rng = load("street", 8.0, 1), LidarModel(), np.random.default_rng(0)
    world = World(scenario, seed=1, pixels=False)
    world.scan(model, rng)
    spent, points = [], []
    for _ in range(count):
        if world.finished or world.now_ns >= LAP_S * 1e9:
            world = World(scenario, seed=1, pixels=False)
            world.scan(model, rng)
        world.advance(world.now_ns + SWEEP_NS)
        start = timer_ns()
        cloud = world.scan(model, rng)
        spent.append((timer_ns() - start) / 1e6)
        points.append(len(cloud.points_m))
    return spent, points
