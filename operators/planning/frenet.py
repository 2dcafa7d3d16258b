"""Frenet optimal trajectory: the cheapest collision-free combination of lateral and longitudinal motion.

Refines in passes from every fourth grid line to all of them, best so far always at hand. When nothing is free of
collisions it brakes, gently if half the free space allows it, else fully. Source: Werling et al., ICRA 2010.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from operators.geometry.frenet import FrenetState, ReferenceLine
from operators.messages import EgoSize, EgoState, Predictions, Route, Trajectory
from operators.planning.frenet_candidates import STRIDES, FrenetSettings, Grid, Motions, grid, motions
from operators.planning.frenet_kernel import search
from operators.planning.rules import Rules
from operators.planning.scene import ROAD_TOLERANCE_M, Clearance, Scene, braking, empty, sampled, scene, understood

Floats = NDArray[np.float64]

TRAJECTORY_STEP_S = 0.1
HORIZON_MIN_S = 4.0
REDUCED_CLEARANCE = 0.4
PREVIEW_S = 0.8
"""The speed allowed where the ego is this much later is the one to aim at now."""
WALL_M = 0.4
"""A line's wall stands this far behind the place to stand at."""


class Plan(NamedTuple):
    """One answer of the search: the trajectory, its cost, the pass it is from and how many candidates were examined."""

    trajectory: Trajectory
    cost: float
    level: int
    examined: int


@dataclass(frozen=True)
class Problem:
    """Everything one plan rests on; immutable."""

    ego: EgoState
    line: ReferenceLine
    state: FrenetState
    target_mps: float
    around: Scene
    moves: Motions
    table: Grid
    instants: int
    settings: FrenetSettings


def problem(
    ego: EgoState,
    line: ReferenceLine,
    predictions: Predictions,
    target_mps: float,
    settings: FrenetSettings,
    size: EgoSize,
    clearance: Clearance,
    age_s: float = 0.0,
    rules: Rules | None = None,
) -> Problem:
    """Prepare a search from ``ego`` along ``line``; ``age_s``: how long ago the predictions were made.

    A line that the ``rules`` hold it at is a wall across the road; allowed speeds lower the target in time.
    """
    state = line.state(ego.x_m, ego.y_m, ego.yaw_rad, ego.speed_mps, ego.accel_mps2, ego.yaw_rate_radps)
    predictions = understood(predictions, line)
    instants = round(settings.end_max_s / settings.step_s) + 1
    times = np.arange(instants, dtype=np.float64) * settings.step_s
    around = scene(ego, predictions, times, size, clearance, age_s)
    stops = _stop_points(line, state, predictions, size, clearance, age_s)
    if rules is not None:
        ahead = state.s_m + PREVIEW_S * max(state.s_dot_mps, 0.0)
        target_mps = min(target_mps, rules.speed_at(line, ahead))
        if rules.hold_m is not None:
            around = around.walled(line, rules.hold_m + WALL_M)
            at = rules.hold_m - size.front_m
            stops = np.sort(np.append(stops, at)) if at > state.s_m + 0.3 else stops
    moves = motions(state, target_mps, stops, settings, instants)
    return Problem(ego, line, state, target_mps, around, moves, grid(settings), instants, settings)


def _stop_points(
    line: ReferenceLine,
    state: FrenetState,
    predictions: Predictions,
    size: EgoSize,
    clearance: Clearance,
    age_s: float,
) -> Floats:
    """Rear-axle s at which the ego would stand clear behind whoever is or comes into its lane, nearest first."""
    paths = sampled(predictions, np.array([0.0, 1.0, 2.0, 3.0]), age_s)
    if not paths:
        return np.zeros(0)
    points = np.array(paths)
    sizes = np.array([math.hypot(p.obstacle.length_m, p.obstacle.width_m) / 2.0 for p in predictions.items])
    sizes = sizes[:, None]
    road = line.to_road_many(points.reshape(-1, 2), ROAD_TOLERANCE_M).reshape(*points.shape)
    inside = np.abs(road[..., 1]) < size.width_m / 2.0 + sizes + clearance.person_m
    kept = size.front_m + clearance.front_m + clearance.person_m + 0.3
    stops = np.where(inside, road[..., 0] - sizes - kept, np.inf).min(axis=1, initial=np.inf)
    return np.sort(stops[np.isfinite(stops) & (stops > state.s_m + 0.3)])


def check_instants(task: Problem) -> int:
    """How many samples are checked, and sent: comfortable braking plus a second, at least four seconds."""
    settings = task.settings
    wanted = max(max(task.state.s_dot_mps, 0.0) / 4.0 + 1.0, HORIZON_MIN_S)
    return min(math.ceil(wanted / settings.step_s) + 1, task.instants)


def plans(task: Problem) -> Iterator[Plan]:
    """Ever better plans, one per pass of the grid; costs never rise. The last one is the optimum of the grid.

    The first pass always answers, with an emergency stop if it must (cost infinite).
    """
    settings, table, moves = task.settings, task.table, task.moves
    base = settings.lateral * moves.lat_cost[table.lat_of] + settings.longitudinal * moves.lon_cost[table.lon_of]
    cost: float = math.inf
    answer: Trajectory | None = None
    for level in range(len(STRIDES)):
        here = np.flatnonzero((table.first_pass == level) & (base < cost))
        found, found_cost, examined = _cheapest(task, here, base, task.around, cost)
        if found >= 0:
            cost, answer = found_cost, _trajectory(task, found)
        elif answer is None:
            answer = _giving_way(task, base)
        yield Plan(answer, cost, level, examined)


def _cheapest(
    task: Problem, subset: NDArray[np.int64], base: Floats, around: Scene, cost: float
) -> tuple[int, float, int]:
    order = subset[np.argsort(base[subset], kind="stable")]
    line, settings = task.line, task.settings
    table = np.stack([line.x_m, line.y_m, np.cos(line.yaw_rad), np.sin(line.yaw_rad), line.curvature_1pm], axis=1)
    heading = np.array([math.cos(task.ego.yaw_rad), math.sin(task.ego.yaw_rad)])
    limits = np.array([settings.curvature_max_1pm, settings.lateral_accel_max_mps2])
    best, best_cost, examined = search(
        order,
        base,
        task.table.lon_of,
        task.table.lat_of,
        task.moves.s,
        task.moves.d,
        check_instants(task),
        table,
        line.step_m,
        heading,
        around.ego,
        limits,
        around.boxes,
        around.margins,
        settings.obstacle,
        cost,
    )
    return int(best), float(best_cost), int(examined)


def _giving_way(task: Problem, base: Floats) -> Trajectory:
    """Nothing keeps the full distance: the gentlest stop that keeps part of it, else full braking."""
    stopping = np.flatnonzero(task.table.stops & np.isfinite(base))
    found, _, _ = _cheapest(task, stopping, base, task.around.shrunk(REDUCED_CLEARANCE), math.inf)
    if found >= 0:
        return _trajectory(task, found, "yield")
    return braking(task.ego, task.settings.decel_max_mps2)


def _trajectory(task: Problem, candidate: int, reason: str = "") -> Trajectory:
    """The candidate at 0.1 s steps, as far as it was checked."""
    moves, i, j = task.moves, task.table.lon_of[candidate], task.table.lat_of[candidate]
    end = (check_instants(task) - 1) * task.settings.step_s
    time = np.arange(round(end / TRAJECTORY_STEP_S) + 1, dtype=np.float64) * TRAJECTORY_STEP_S
    s, s_dot = _evaluated(moves.lon_coefficients[i], float(moves.lon_ends_s[i]), time)
    d, d_dot = _evaluated(moves.lat_coefficients[j], float(moves.lat_ends_s[j]), time)
    x, y, road_yaw, curvature = task.line.poses(s)
    forward = np.maximum(s_dot, 0.0) * (1.0 - curvature * d)
    speed = np.hypot(forward, d_dot)
    yaw = road_yaw + np.arctan2(d_dot, np.maximum(forward, 1e-9))
    yaw = _held_at_rest(yaw, speed, task.ego.yaw_rad)
    if not reason:
        reason = "yield" if task.table.stops[candidate] or speed[-1] < 0.9 * task.target_mps else "follow"
    return Trajectory(
        time_s=time,
        x_m=x - d * np.sin(road_yaw),
        y_m=y + d * np.cos(road_yaw),
        yaw_rad=yaw,
        speed_mps=np.where(forward > 0.0, speed, 0.0),
        reason=reason,
        frame_id=task.ego.frame_id,
    )


def _evaluated(coefficients: Floats, end_s: float, time: Floats) -> tuple[Floats, Floats]:
    t = np.minimum(time, end_s)
    value = np.polynomial.polynomial.polyval(t, coefficients)
    rate = np.polynomial.polynomial.polyval(t, np.polynomial.polynomial.polyder(coefficients))
    return np.asarray(value + np.maximum(time - end_s, 0.0) * rate), np.asarray(rate)


def _held_at_rest(yaw: Floats, speed: Floats, yaw_now: float) -> Floats:
    """A car that stands keeps its heading; before it first moves, the present one."""
    moving = speed > 0.1
    last = np.maximum.accumulate(np.where(moving, np.arange(len(yaw)), -1))
    return np.where(last >= 0, yaw[np.maximum(last, 0)], yaw_now)


def plan(
    ego: EgoState,
    route: Route,
    predictions: Predictions,
    settings: FrenetSettings | None = None,
    *,
    target_mps: float | None = None,
    size: EgoSize | None = None,
    clearance: Clearance | None = None,
    age_s: float = 0.0,
    line: ReferenceLine | None = None,
    rules: Rules | None = None,
) -> Iterator[Plan]:
    """``plans`` from messages: the route gives line, room to the sides and speed limit.

    An ego state that is not finite yields one empty trajectory. Raises InvalidRoute.
    """
    values = (ego.x_m, ego.y_m, ego.yaw_rad, ego.speed_mps, ego.accel_mps2, ego.yaw_rate_radps)
    if not all(math.isfinite(value) for value in values):
        yield Plan(empty("safe_stop: the ego's state is not finite"), math.inf, 0, 0)
        return
    wanted = route.speed_limit_mps if target_mps is None else min(target_mps, route.speed_limit_mps)
    fitted = replace(settings or FrenetSettings(), road_left_m=route.width_left_m, road_right_m=route.width_right_m)
    yield from plans(
        problem(
            ego,
            line or ReferenceLine.along(route),
            predictions,
            wanted,
            fitted,
            size or EgoSize(),
            clearance or Clearance(),
            age_s,
            rules,
        )
    )
