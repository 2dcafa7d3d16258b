"""What planners share: obstacles sampled at the plan's instants, safety checks, and trajectories that brake.

Decides what counts as a conflict; chooses no path.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import msgspec
import numpy as np
from numpy.typing import NDArray

from operators.geometry.frenet import ReferenceLine
from operators.messages import EgoSize, EgoState, Obstacle, Prediction, Predictions, Trajectory
from operators.planning.frenet_kernel import first_conflict, gap_now

Floats = NDArray[np.float64]


ROAD_TOLERANCE_M = 1e-3
"""Obstacles are not known better than this along the road."""
ALIGNED_WITHIN_M = 10.0
WALL_THICKNESS_M, WALL_WIDTH_M = 0.2, 8.0
ALIGNED_TURN_MAX_RAD = 1.0


@dataclass(frozen=True)
class Clearance:
    """Free space around obstacles."""

    vehicle_m: float = 0.5
    person_m: float = 0.8
    front_m: float = 1.5
    """Kept free ahead of the ego on top of it, so that it stops at a decent distance."""
    least_share: float = 0.5
    """Nearer than this share of the free space nobody is passed, even by a car that is that near already."""
    growth_mps: float = 0.1
    """Predictions become less sure by this much, …"""
    doubt: float = 0.5
    """… and a person's by this share of how uncertain their speed is: one seen once may be about to step out …"""
    doubt_s: float = 1.5
    """… within this time."""


@dataclass(frozen=True)
class Scene:
    """Obstacles as the kernels want them: see ``frenet_kernel.obstacle_cost``."""

    ego: Floats
    boxes: Floats
    margins: Floats

    def shrunk(self, share: float) -> Scene:
        """The same obstacles with only ``share`` of the free space around them, and none kept in front."""
        boxes = self.boxes.copy()
        boxes[:, 5] = 0.0
        return Scene(self.ego, boxes, self.margins * share)

    def walled(self, line: ReferenceLine, s_m: float) -> Scene:
        """The same obstacles and a thin wall across the line at ``s_m``."""
        x, y, yaw, _ = line.pose(s_m)
        row = np.zeros((1, self.boxes.shape[1]))
        half = (WALL_THICKNESS_M / 2.0, WALL_WIDTH_M / 2.0)
        row[0, :5] = math.cos(yaw), math.sin(yaw), *half, math.hypot(*half)
        row[0, 6 : 6 + self.instants], row[0, 6 + self.instants :] = x, y
        margins = np.vstack([self.margins, np.zeros((1, self.margins.shape[1]))])
        return Scene(self.ego, np.vstack([self.boxes, row]), margins)

    @property
    def instants(self) -> int:
        """How many instants the obstacles are sampled at."""
        return (int(self.boxes.shape[1]) - 6) // 2


def finite(predictions: Predictions) -> Predictions:
    """Without the obstacles that have a value which is not finite, and so no place to keep clear of."""
    fields = ("x_m", "y_m", "yaw_rad", "length_m", "width_m")
    kept = tuple(
        item
        for item in predictions.items
        if np.isfinite(item.path_m).all() and all(math.isfinite(getattr(item.obstacle, field)) for field in fields)
    )
    if len(kept) == len(predictions.items):
        return predictions
    return Predictions(items=kept, step_s=predictions.step_s, frame_id=predictions.frame_id)


def sampled(predictions: Predictions, times_s: Floats, age_s: float = 0.0) -> list[Floats]:
    """Each prediction's positions (instants, 2), all finite, ``times_s`` after now; ``age_s``: how old it is.

    Beyond the predicted horizon the last velocity is held.
    """
    step = predictions.step_s
    at = (times_s + age_s) / step
    paths = []
    for item in predictions.items:
        points = np.empty((len(item.path_m) + 1, 2))
        points[0] = item.obstacle.x_m, item.obstacle.y_m
        points[1:] = item.path_m
        if len(points) == 1:
            paths.append(np.repeat(points, len(at), axis=0))
            continue
        cell = np.minimum(at.astype(np.int64), len(points) - 2)
        paths.append(points[cell] + (at - cell)[:, None] * (points[cell + 1] - points[cell]))
    return paths


def aligned(predictions: Predictions, line: ReferenceLine) -> Predictions:
    """Turn standing vehicles near the road along it, about the end that was measured.

    Locators see the near face and assume that the rest lies along the ego's heading; before a bend it does not.
    """
    standing = [
        k
        for k, item in enumerate(predictions.items)
        if item.obstacle.label == "vehicle" and math.hypot(item.obstacle.speed_x_mps, item.obstacle.speed_y_mps) < 1.0
    ]
    if not standing:
        return predictions
    items = list(predictions.items)
    near = np.array([_near_end(items[k].obstacle) for k in standing])
    road = line.to_road_many(near, ROAD_TOLERANCE_M)
    # The heading at the vehicle's own middle, half its length further on.
    yaws = line.poses(road[:, 0] + [items[k].obstacle.length_m / 2.0 for k in standing])[2]
    for k, end, d, yaw in zip(standing, near, road[:, 1], yaws, strict=True):
        seen = items[k].obstacle
        turn = math.remainder(float(yaw) - seen.yaw_rad, math.pi)
        if abs(d) > ALIGNED_WITHIN_M or abs(turn) > ALIGNED_TURN_MAX_RAD:
            continue
        heading = seen.yaw_rad + turn
        half = seen.length_m / 2.0
        centre = end + half * np.array((math.cos(heading), math.sin(heading)))
        obstacle = msgspec.structs.replace(seen, x_m=float(centre[0]), y_m=float(centre[1]), yaw_rad=heading)
        moved = items[k].path_m + (centre - (seen.x_m, seen.y_m))
        items[k] = Prediction(obstacle=obstacle, path_m=moved, probability=items[k].probability)
    return Predictions(items=tuple(items), step_s=predictions.step_s, frame_id=predictions.frame_id)


def _near_end(obstacle: Obstacle) -> tuple[float, float]:
    half = obstacle.length_m / 2.0
    return obstacle.x_m - half * math.cos(obstacle.yaw_rad), obstacle.y_m - half * math.sin(obstacle.yaw_rad)


def understood(predictions: Predictions, line: ReferenceLine) -> Predictions:
    """Predictions as planners use them: finite, along the road, and with persons who may hesitate."""
    return with_hesitation(aligned(finite(predictions), line), line)


def with_hesitation(predictions: Predictions, line: ReferenceLine, corridor_m: float = 3.0) -> Predictions:
    """Add for every person who walks across the line a second future: stopping where they are closest to it.

    A person may hesitate in the middle of the road; a gap that opens only if they walk on is none.
    """
    walking = [
        item
        for item in predictions.items
        if item.obstacle.label == "pedestrian"
        and len(item.path_m) > 1
        and float(np.hypot(*(item.path_m[1] - item.path_m[0]))) > 0.3 * predictions.step_s
    ]
    if not walking:
        return predictions
    added = []
    lengths = np.cumsum([len(item.path_m) for item in walking])[:-1]
    beside = np.abs(line.to_road_many(np.concatenate([item.path_m for item in walking]), ROAD_TOLERANCE_M)[:, 1])
    for item, aside in zip(walking, np.split(beside, lengths), strict=True):
        k = int(np.argmin(aside))
        if aside[k] < corridor_m and k < len(aside) - 1:
            path = item.path_m.copy()
            path[k:] = path[k]
            added.append(Prediction(obstacle=item.obstacle, path_m=path, probability=item.probability))
    return Predictions(items=(*predictions.items, *added), step_s=predictions.step_s, frame_id=predictions.frame_id)


def scene(
    ego: EgoState, predictions: Predictions, times_s: Floats, size: EgoSize, clearance: Clearance, age_s: float = 0.0
) -> Scene:
    """The obstacles at ``times_s`` from now.

    Free space that is violated already cannot be kept: down to a least share it is cut to what there is, so that a car
    that passes close to something does not freeze, and does not come closer either. Obstacles with values that are not
    finite are left out.
    """
    usable = finite(predictions)
    n = len(times_s)
    boxes = np.zeros((len(usable.items), 6 + 2 * n))
    margins = np.zeros((len(usable.items), n))
    half_length = size.length_m / 2.0
    dimensions = np.array([half_length, size.width_m / 2.0, half_length - size.rear_overhang_m, clearance.front_m])
    pose = (ego.x_m, ego.y_m, math.cos(ego.yaw_rad), math.sin(ego.yaw_rad))
    for j, (item, path) in enumerate(zip(usable.items, sampled(usable, times_s, age_s), strict=True)):
        seen = item.obstacle
        wanted = clearance.person_m if seen.label == "pedestrian" else clearance.vehicle_m
        half = (seen.length_m / 2.0, seen.width_m / 2.0)
        boxes[j, :5] = math.cos(seen.yaw_rad), math.sin(seen.yaw_rad), *half, math.hypot(*half)
        boxes[j, 6 : 6 + n], boxes[j, 6 + n :] = path[:, 0], path[:, 1]
        gap = gap_now(*pose, dimensions, boxes[j], 1.0)
        if gap > 0.0:
            boxes[j, 5] = 1.0
        else:
            gap = gap_now(*pose, dimensions, boxes[j], 0.0)
        possible = max(gap - 0.02, clearance.least_share * wanted)
        doubt = clearance.doubt * seen.speed_std_mps if seen.label == "pedestrian" else 0.0
        growth = clearance.growth_mps * times_s + doubt * np.minimum(times_s, clearance.doubt_s)
        margins[j] = np.minimum(wanted + growth, possible)
    return Scene(dimensions, boxes, margins)


def is_clear(
    trajectory: Trajectory,
    ego: EgoState,
    predictions: Predictions,
    size: EgoSize,
    clearance: Clearance,
    age_s: float = 0.0,
) -> bool:
    """Whether following ``trajectory`` from now on keeps off every prediction; an empty one does not."""
    if len(trajectory.time_s) == 0:
        return False
    around = scene(ego, predictions, trajectory.time_s, size, clearance, age_s)
    hit = first_conflict(trajectory.x_m, trajectory.y_m, trajectory.yaw_rad, around.ego, around.boxes, around.margins)
    return int(hit) < 0


def moved_to_now(trajectory: Trajectory, elapsed_s: float) -> Trajectory | None:
    """The rest of a trajectory made ``elapsed_s`` ago, its time from 0 again; None when less than 0.5 s is left."""
    if elapsed_s < 0.0 or len(trajectory.time_s) < 2 or trajectory.time_s[-1] - elapsed_s < 0.5:
        return None
    rest = trajectory.time_s[trajectory.time_s > elapsed_s + 1e-6]
    at = np.concatenate([[elapsed_s], rest])
    yaw = np.unwrap(trajectory.yaw_rad)
    x, y, speed, heading = (
        np.interp(at, trajectory.time_s, values)
        for values in (trajectory.x_m, trajectory.y_m, trajectory.speed_mps, yaw)
    )
    return Trajectory(
        time_s=at - elapsed_s,
        x_m=x,
        y_m=y,
        yaw_rad=heading,
        speed_mps=speed,
        reason=trajectory.reason,
        frame_id=trajectory.frame_id,
    )


def braking(ego: EgoState, decel_mps2: float, duration_s: float = 4.0, reason: str = "brake") -> Trajectory:
    """Constant deceleration to a stop on the present arc; empty when the ego's state is not finite."""
    values = (ego.x_m, ego.y_m, ego.yaw_rad, ego.speed_mps, ego.yaw_rate_radps)
    if not all(math.isfinite(value) for value in values):
        return empty("safe_stop: the ego's state is not finite")
    time = np.arange(0.0, duration_s + 1e-9, 0.1)
    v0 = max(ego.speed_mps, 0.0)
    speed = np.maximum(v0 - decel_mps2 * time, 0.0)
    travel = (v0**2 - speed**2) / (2.0 * decel_mps2)
    # Above walking pace the yaw rate tells the arc; below it says little, and the car stops within a metre.
    curvature = min(max(ego.yaw_rate_radps / v0, -0.2), 0.2) if v0 > 2.0 else 0.0
    yaw = ego.yaw_rad + curvature * travel
    middle = ego.yaw_rad + curvature * travel / 2.0
    chord = travel * np.sinc(curvature * travel / math.tau)
    return Trajectory(
        time_s=time,
        x_m=ego.x_m + chord * np.cos(middle),
        y_m=ego.y_m + chord * np.sin(middle),
        yaw_rad=yaw,
        speed_mps=speed,
        reason=reason,
        frame_id=ego.frame_id,
    )


def empty(reason: str = "safe_stop") -> Trajectory:
    """The trajectory that says: stop in your lane."""
    none = np.zeros(0)
    return Trajectory(time_s=none, x_m=none, y_m=none, yaw_rad=none, speed_mps=none, reason=reason)
