"""The Frenet planner's candidates: which longitudinal and lateral motions it may combine, and in which pass.

Decides the grid; feasibility and cost are the kernel's. A fixed grid per setting, so each plan only fills in numbers.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from operators.geometry.frenet import FrenetState
from operators.planning.frenet_kernel import fill_to_points, fill_to_speeds, lateral, longitudinal, to_point

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

STOP_POINTS = 3
BRAKES_MPS2 = (2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0)
SLOWER = (0.8, 0.6, 0.4, 0.2)
"""Shares of the target speed to follow slower traffic at."""
STRIDES = (4, 2, 1)
"""Every fourth, every second, every grid line: the passes of the anytime search."""


@dataclass(frozen=True)
class FrenetSettings:
    """Resolution, limits and weights. Defaults: Pylot's resolution and weights, limits of a passenger car."""

    road_left_m: float = 5.0
    road_right_m: float = 1.0
    road_step_m: float = 0.25
    end_min_s: float = 2.0
    end_max_s: float = 8.0
    step_s: float = 0.25
    speed_step_mps: float = 0.25
    speed_samples: int = 2
    speed_max_mps: float = 35.0
    accel_max_mps2: float = 4.0
    decel_max_mps2: float = 8.0
    lateral_accel_max_mps2: float = 4.0
    curvature_max_1pm: float = 0.2
    offset: float = 1.0
    offset_rate: float = 0.1
    offset_accel: float = 0.1
    offset_jerk: float = 0.01
    accel: float = 0.1
    jerk: float = 0.01
    duration: float = 0.01
    speed_missing: float = 1.0
    harshness: float = 0.05
    """Ours: weight of the square of what acceleration exceeds ``harsh_mps2``; Pylot's sums find all braking alike."""
    harsh_mps2: float = 3.0
    crawling: float = 0.2
    """Ours: added to ``duration`` at standstill, fading until ``crawl_mps``, so that a stop comes to its end."""
    crawl_mps: float = 3.0
    obstacle: float = 0.1
    lateral: float = 1.0
    longitudinal: float = 1.0


class Grid(NamedTuple):
    """Index tables, (candidates,): each one's longitudinal and lateral motion, its pass, whether it ends at rest."""

    ends_s: Floats
    offsets_m: Floats
    lon_of: Ints
    lat_of: Ints
    first_pass: Ints
    stops: NDArray[np.bool_]


@lru_cache(maxsize=8)
def grid(settings: FrenetSettings) -> Grid:
    """All candidates of a setting. Longitudinal motions: (ends, speeds), then (ends, stop points), then the brakes.

    Lateral motions: (ends, offsets), then two per brake: keep the heading, or return to the line.
    """
    steps = round((settings.end_max_s - settings.end_min_s) / settings.step_s)
    ends = np.asarray(settings.end_min_s + settings.step_s * np.arange(steps + 1), np.float64)
    right = int(settings.road_right_m / settings.road_step_m + 1e-9)
    left = int(settings.road_left_m / settings.road_step_m + 1e-9)
    lines = np.arange(-right, left + 1)
    around = 2 * settings.speed_samples + 1
    speeds = around + len(SLOWER) + 1
    moving, stopping = len(ends) * speeds, len(ends) * STOP_POINTS
    brakes = len(BRAKES_MPS2)
    rows: list[tuple[int, int, int, bool]] = []
    for e in range(len(ends)):
        for o, line in enumerate(lines):
            level = next(i for i, stride in enumerate(STRIDES) if line % stride == 0 and e % stride == 0)
            lat = e * len(lines) + o
            coarse = line % 2 == 0
            for v in range(speeds):
                if v < around or coarse:
                    rows.append((e * speeds + v, lat, level, v == speeds - 1))
            if coarse:
                rows += [(moving + e * STOP_POINTS + p, lat, level, True) for p in range(STOP_POINTS)]
    for b in range(brakes):
        for option in (0, 1):
            rows.append((moving + stopping + b, len(ends) * len(lines) + 2 * b + option, 0, True))
    table = np.array(rows, dtype=np.int64)
    return Grid(
        ends,
        np.asarray(lines * settings.road_step_m, np.float64),
        table[:, 0].copy(),
        table[:, 1].copy(),
        table[:, 2].copy(),
        table[:, 3].astype(bool),
    )


class Motions(NamedTuple):
    """All motions of one plan: polynomial coefficients (motions, 6), end times, samples (motions, 4, n), costs."""

    lon_coefficients: Floats
    lon_ends_s: Floats
    s: Floats
    lon_cost: Floats
    lat_coefficients: Floats
    lat_ends_s: Floats
    d: Floats
    lat_cost: Floats


def motions(
    state: FrenetState, target_mps: float, stop_points_m: Floats, settings: FrenetSettings, instants: int
) -> Motions:
    """Fill the grid for one state; ``stop_points_m``: up to three s at which the ego could come to rest."""
    table = grid(settings)
    v = max(state.s_dot_mps, 0.0)
    # A standing car has no deceleration to recover from, whatever the sensor says.
    a = min(max(state.s_ddot_mps2, -settings.decel_max_mps2, -v / settings.step_s), settings.accel_max_mps2)
    around = (np.arange(2 * settings.speed_samples + 1) - settings.speed_samples) * settings.speed_step_mps
    speeds = np.concatenate([np.maximum(target_mps + around, 0.0), target_mps * np.array(SLOWER), [0.0]])
    stops = np.full(STOP_POINTS, np.nan)
    stops[: min(len(stop_points_m), STOP_POINTS)] = stop_points_m[:STOP_POINTS]
    lon, lon_ends, end_speeds = _longitudinal(state.s_m, v, a, speeds, stops, table.ends_s)
    lat, lat_ends = _lateral(state, v, table)
    s, lon_cost = np.empty((len(lon), 4, instants)), np.empty(len(lon))
    d, lat_cost = np.empty((len(lat), 4, instants)), np.empty(len(lat))
    limits = np.array([max(settings.speed_max_mps, v + 0.5), settings.accel_max_mps2, settings.decel_max_mps2 + 1e-6])
    weights = np.array(
        [
            settings.accel,
            settings.jerk,
            settings.duration + settings.crawling * max(1.0 - v / settings.crawl_mps, 0.0),
            settings.speed_missing,
            target_mps,
            settings.harshness,
            settings.harsh_mps2,
        ]
    )
    longitudinal(lon, lon_ends, end_speeds, a, settings.step_s, limits, weights, s, lon_cost)
    weights = np.array([settings.offset, settings.offset_rate, settings.offset_accel, settings.offset_jerk])
    lateral(lat, lat_ends, settings.step_s, weights, d, lat_cost)
    return Motions(lon, lon_ends, s, lon_cost, lat, lat_ends, d, lat_cost)


def _longitudinal(
    s: float, v: float, a: float, speeds: Floats, stops: Floats, ends: Floats
) -> tuple[Floats, Floats, Floats]:
    moving, stopping = len(ends) * len(speeds), len(ends) * STOP_POINTS
    coefficients = np.zeros((moving + stopping + len(BRAKES_MPS2), 6))
    ahead = np.where(stops > s, stops, s)
    fill_to_speeds(s, v, a, speeds, ends, coefficients[:moving])
    fill_to_points(s, v, a, ahead, ends, coefficients[moving : moving + stopping])
    brakes = np.array(BRAKES_MPS2)
    rolling = v > 0.05
    coefficients[moving + stopping :, 0] = s
    coefficients[moving + stopping :, 1] = v if rolling else 0.0
    coefficients[moving + stopping :, 2] = -brakes / 2.0 if rolling else 0.0
    brake_ends = v / brakes if rolling else np.full(len(brakes), 0.1)
    stop_ends = np.where(stops > s, ends[:, None], 0.0).ravel()  # An end of 0 marks a motion that does not exist.
    ends_s = np.concatenate([np.repeat(ends, len(speeds)), stop_ends, brake_ends])
    end_speeds = np.concatenate([np.tile(speeds, len(ends)), np.zeros(stopping + len(brakes))])
    return coefficients, ends_s, end_speeds


def _lateral(state: FrenetState, v: float, table: Grid) -> tuple[Floats, Floats]:
    d, d_dot, d_ddot = state.d_m, state.d_dot_mps, state.d_ddot_mps2
    returning = len(table.ends_s) * len(table.offsets_m)
    coefficients = np.zeros((returning + 2 * len(BRAKES_MPS2), 6))
    fill_to_points(d, d_dot, d_ddot, table.offsets_m, table.ends_s, coefficients[:returning])
    brake_ends = np.maximum(v / np.array(BRAKES_MPS2), 0.1)
    keeping, centring = coefficients[returning::2], coefficients[returning + 1 :: 2]
    # Lateral speed fades like the forward speed, so the heading stays: no bend in the path.
    keeping[:, 0], keeping[:, 1] = d, d_dot
    keeping[:, 2] = -d_dot / (2.0 * brake_ends)
    for row, T in zip(centring, brake_ends, strict=True):
        to_point(d, d_dot, d_ddot, 0.0, float(T), row)
    ends_s = np.concatenate([np.repeat(table.ends_s, len(table.offsets_m)), np.repeat(brake_ends, 2)])
    return coefficients, ends_s
