"""Which shots of a sweep can meet a road user: a rectangle of columns and beams around its outline.

Decides generously: a shot that is left out cannot hit, one that is not may miss.
"""

from __future__ import annotations

import functools
import math

import numpy as np
from numpy.typing import NDArray

from operators.messages import EgoState
from operators.sensors.models import LidarModel
from scenarios.world.kernels import Array, kernel
from scenarios.world.traffic.agents import RoadUser

MARGIN_M, LIFT_M = 0.15, 0.5
"""How far a road user's shape may reach beyond its outline, and beyond its height with a kerb below it."""
AROUND_M = 0.5
"""Nearer than this an outline may lie in any direction."""


def possible(model: LidarModel, ego: EgoState, user: RoadUser) -> NDArray[np.int64]:
    """Numbers of the shots that may meet a road user, ascending by column and beam but for the seam at the back."""
    mount, table = model.mount, model.elevations_rad
    pose = np.array([ego.x_m, ego.y_m, ego.yaw_rad, ego.speed_mps, ego.yaw_rate_radps])
    place = np.array([mount.x_m, mount.y_m, mount.yaw_rad, model.sweep_s if model.rolling else 0.0])
    outline = np.array(
        [user.x_m, user.y_m, user.yaw_rad, user.kind.length_m, user.kind.width_m, user.speed_x_mps, user.speed_y_mps]
    )
    bearing, half, nearest, farthest = span(pose, place, outline)
    if nearest > model.range_max_m:
        return np.zeros(0, np.int64)
    beams, low, high = len(table), 0, len(table)
    if nearest > 0.0 and ascending(table):
        top, bottom, tilt = user.height_m + LIFT_M - mount.z_m, -mount.z_m, abs(mount.pitch_rad)
        highest = math.atan2(top, nearest if top > 0.0 else farthest) + tilt
        lowest = math.atan2(bottom, nearest if bottom < 0.0 else farthest) - tilt
        low, high = (int(each) for each in np.searchsorted(table, (lowest, highest)))
    columns = np.arange(model.columns)
    # The sensor looks back at first and turns clockwise.
    middle, reach = (math.pi - bearing) / (2.0 * math.pi) * model.columns, 2.0
    reach += (half + tilted(model)) / (2.0 * math.pi) * model.columns
    if reach < 0.5 * model.columns - 1.0:
        columns = np.arange(math.floor(middle - reach), math.ceil(middle + reach) + 1) % model.columns
    return (columns[:, None] * beams + np.arange(low, high)).ravel()


@kernel
def span(pose: Array, place: Array, outline: Array) -> tuple[float, float, float, float]:
    """Bearing of an outline's middle from the sensor when a sweep passes over it, and the angle to either side that
    covers it; least and greatest distance. The angle is pi and the least distance 0 for what is around the sensor.

    pose: the ego's x, y, yaw, speed, yaw rate at the end of the sweep; place: the sensor's x, y, yaw on it and how
    long a sweep takes; outline: x, y, yaw, length, width, velocity (x, y) at its end.
    """
    since, bearing, dx, dy, heading = 0.0, 0.0, 0.0, 0.0, 0.0
    for _ in range(3):
        turn, way = pose[4] * since, pose[3] * since
        heading = pose[2] + turn
        cos, sin, course = math.cos(heading), math.sin(heading), pose[2] + 0.5 * turn
        dx = outline[0] + outline[5] * since - pose[0] - way * math.cos(course) - place[0] * cos + place[1] * sin
        dy = outline[1] + outline[6] * since - pose[1] - way * math.sin(course) - place[0] * sin - place[1] * cos
        bearing = math.atan2(dy, dx) - heading - place[2]
        share = (math.pi - bearing) / (2.0 * math.pi)
        since = (share - math.floor(share) - 1.0) * place[3]
    cos, sin = math.cos(outline[2]), math.sin(outline[2])
    along, across = abs(dx * cos + dy * sin) - 0.5 * outline[3], abs(dy * cos - dx * sin) - 0.5 * outline[4]
    nearest = math.hypot(max(0.0, along), max(0.0, across)) - MARGIN_M
    middle, half, farthest = math.atan2(dy, dx), 0.0, 0.0
    for k in range(4):
        a, b = outline[3] * (0.5 if k & 1 else -0.5), outline[4] * (0.5 if k & 2 else -0.5)
        x, y = dx + a * cos - b * sin, dy + a * sin + b * cos
        turned = abs(math.atan2(y, x) - middle)
        half, farthest = max(half, min(turned, 2.0 * math.pi - turned)), max(farthest, math.hypot(x, y))
    # While the sweep passes over the outline, both go on moving.
    passing = place[3] * half / math.pi
    drift = math.hypot(outline[5] - pose[3] * math.cos(pose[2]), outline[6] - pose[3] * math.sin(pose[2])) * passing
    nearest, farthest = nearest - drift, farthest + drift + MARGIN_M
    if nearest < AROUND_M:
        return bearing, math.pi, 0.0, farthest
    half += (drift + MARGIN_M) / nearest + abs(pose[4]) * passing
    return bearing, half, nearest, farthest


def tilted(model: LidarModel) -> float:
    """By how much a pitched mount can turn a bearing; 0 for a level one."""
    steepest = max(abs(model.elevations_rad[0]), abs(model.elevations_rad[-1]))
    return 0.0 if model.mount.pitch_rad == 0.0 else 2.0 * abs(model.mount.pitch_rad) * (1.0 + math.tan(steepest))


@functools.lru_cache(maxsize=64)
def ascending(table: tuple[float, ...]) -> bool:
    """Whether the beams are in order of elevation."""
    return all(a <= b for a, b in zip(table, table[1:], strict=False))
