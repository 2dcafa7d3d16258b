"""Where a drive was relative to its route: progress, true lateral and heading error, speed against the limit.

The route is a polyline; a drive is followed along it, so that a route may cross itself.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from scenarios.metrics.frames import Bools, Floats

REACH_M = 60.0
"""How far along the route the next position is looked for, before and behind the last one."""
BEGIN_M = 200.0
TOLERATED_MPS = 0.5
"""How far above the limit is still the limit."""


class Course(NamedTuple):
    """A drive in its route's coordinates, arrays (n,); the lateral offset is positive to the left."""

    s_m: Floats
    d_m: Floats
    heading_error_rad: Floats
    length_m: float
    """Of the route."""


class SpeedViolations(NamedTuple):
    """``stretches`` above the limit, together ``time_s`` long; ``excess_max_mps`` above it at worst."""

    stretches: int
    time_s: float
    excess_max_mps: float


def follow(route_m: Floats, points_m: Floats, yaw_rad: Floats) -> Course:
    """Project a drive, ``points_m`` (n, 2) with headings (n,), onto ``route_m`` (points, 2).

    Every point goes to the nearest place within ``REACH_M`` of the last one's; the first to the nearest in the first
    ``BEGIN_M`` of the route, which may come by again later. Beyond the ends the route goes straight on.
    """
    starts, edges = route_m[:-1], np.diff(route_m, axis=0)
    lengths = np.hypot(*edges.T)
    real = lengths > 1e-9
    starts, edges, lengths = starts[real], edges[real], lengths[real]
    stations = np.concatenate([[0.0], np.cumsum(lengths)])
    directions, headings = edges / lengths[:, None], np.arctan2(edges[:, 1], edges[:, 0])
    last, found = len(lengths) - 1, np.zeros((len(points_m), 3))
    low, high = 0, max(1, int(np.searchsorted(stations[:-1], BEGIN_M)))
    for k, point in enumerate(points_m):
        offset = point - starts[low:high]
        along = (offset * directions[low:high]).sum(axis=1)
        clipped = np.clip(along, 0.0, lengths[low:high])
        away = ((offset - clipped[:, None] * directions[low:high]) ** 2).sum(axis=1)
        i = int(np.argmin(away))
        segment = low + i
        beyond = (segment == 0 and along[i] < 0.0) or (segment == last and along[i] > lengths[last])
        station = float(along[i] if beyond else clipped[i])
        across = directions[segment, 0] * offset[i, 1] - directions[segment, 1] * offset[i, 0]
        # At a corner of the line the nearest place is the corner: as far away as it is, on the side it is on.
        lateral = across if beyond else math.copysign(math.sqrt(float(away[i])), across)
        error = math.remainder(float(yaw_rad[k]) - float(headings[segment]), math.tau)
        found[k] = stations[segment] + station, lateral, error
        low = int(np.searchsorted(stations, found[k, 0] - REACH_M)) - 1
        low = min(max(low, 0), last)
        high = max(low + 1, int(np.searchsorted(stations[:-1], found[k, 0] + REACH_M)))
    return Course(found[:, 0], found[:, 1], found[:, 2], float(stations[-1]))


def completion_pct(course: Course, *, start_m: float = 0.0, end_m: float | None = None) -> float:
    """How far the drive came between two stations, in percent."""
    whole = (course.length_m if end_m is None else end_m) - start_m
    reached = float(course.s_m.max(initial=start_m)) - start_m
    return 100.0 * min(1.0, max(0.0, reached / max(whole, 1e-9)))


def speed_violations(speed_mps: Floats, limit_mps: Floats, dt_s: float) -> SpeedViolations:
    """Stretches faster than the limit (n,) that held at each instant, by more than ``TOLERATED_MPS``."""
    excess = speed_mps - limit_mps
    over = excess > TOLERATED_MPS
    worst = float(excess[over].max(initial=0.0))
    return SpeedViolations(len(stretches(over)), float(np.count_nonzero(over)) * dt_s, worst)


def stretches(true: Bools) -> list[tuple[int, int]]:
    """(first, one past the last) of every unbroken run of True."""
    padded = np.concatenate([[False], true, [False]]).astype(np.int8)
    change = np.diff(padded)
    return list(zip(np.flatnonzero(change == 1).tolist(), np.flatnonzero(change == -1).tolist(), strict=True))
