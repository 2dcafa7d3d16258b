"""Where the road runs and how wide its parts are: reference line of straights and arcs, Frenet queries, the route.

Decides geometry only: who drives on it is ``agents``' business, what it looks like is ``shading``'s.
"""

from __future__ import annotations

import bisect
import functools
import math

import msgspec
import numpy as np
from numpy.typing import NDArray

from operators.messages import Route
from scenarios.world.kernels import kernel

LEAD_IN_M = 400.0
LEAD_OUT_M = 800.0
"""Straight pieces before s = 0 and after the last segment, so that every point near the road has coordinates."""

ROUTE_STEP_M = 1.0


class Segment(msgspec.Struct, frozen=True):
    """A piece of constant curvature (1/m, positive bends left)."""

    length_m: float
    curvature_1pm: float = 0.0


class Road(msgspec.Struct, frozen=True):
    """One street: the reference line (s along, d to the left) is the line between the two directions of travel.

    The cross-section is symmetric: a lane, a parking strip (may be 0), a pavement behind a kerb. Right-hand traffic:
    the lane of travel lies at ``d = -lane_width_m / 2``.
    """

    segments: tuple[Segment, ...] = (Segment(300.0),)
    lane_width_m: float = 3.5
    parking_m: float = 2.6
    pavement_m: float = 3.2
    speed_limit_mps: float = 13.9

    @property
    def kerb_m(self) -> float:
        """Distance of the kerb from the reference line."""
        return self.lane_width_m + self.parking_m

    @property
    def own_lane_m(self) -> float:
        """Lateral position of the centre of the lane of travel."""
        return -0.5 * self.lane_width_m

    @property
    def length_m(self) -> float:
        """Length of the reference line without lead-in and lead-out."""
        return sum(segment.length_m for segment in self.segments)

    def table(self) -> NDArray[np.float64]:
        """Segments with their start poses, lead-in first: (segments, 6) of s, x, y, yaw, length, curvature."""
        return _table(self.segments)

    def pose(self, s_m: float, d_m: float = 0.0) -> tuple[float, float, float]:
        """Point ``d_m`` to the left of the reference line at ``s_m`` and the line's heading there: x, y, yaw."""
        starts, rows = _rows(self.segments)
        s0, x0, y0, yaw0, _, curvature = rows[max(0, bisect.bisect_right(starts, s_m) - 1)]
        x, y, yaw = along(x0, y0, yaw0, curvature, s_m - s0)
        return x - d_m * math.sin(yaw), y + d_m * math.cos(yaw), yaw

    def locate(self, x_m: float, y_m: float, near_s_m: float | None = None) -> tuple[float, float]:
        """Frenet coordinates (s, d) of a point: the nearest point on the reference line, wherever that is."""
        s, d = frenet(self.table(), x_m, y_m)
        return float(s), float(d)

    def route(self, *, start_s_m: float, end_s_m: float, width_left_m: float, width_right_m: float) -> Route:
        """Centre of the lane of travel from ``start_s_m`` to ``end_s_m``, a point at least every metre."""
        count = max(2, math.ceil((end_s_m - start_s_m) / ROUTE_STEP_M) + 1)
        points = [self.pose(float(s), self.own_lane_m) for s in np.linspace(start_s_m, end_s_m, count)]
        return Route(
            x_m=np.array([point[0] for point in points]),
            y_m=np.array([point[1] for point in points]),
            width_left_m=width_left_m,
            width_right_m=width_right_m,
            speed_limit_mps=self.speed_limit_mps,
        )


Row = tuple[float, float, float, float, float, float]


@functools.lru_cache(maxsize=256)
def _rows(segments: tuple[Segment, ...]) -> tuple[list[float], list[Row]]:
    rows: list[Row] = [(-LEAD_IN_M, -LEAD_IN_M, 0.0, 0.0, LEAD_IN_M, 0.0)]
    s, x, y, yaw = 0.0, 0.0, 0.0, 0.0
    for segment in (*segments, Segment(LEAD_OUT_M)):
        rows.append((s, x, y, yaw, segment.length_m, segment.curvature_1pm))
        x, y, yaw = along(x, y, yaw, segment.curvature_1pm, segment.length_m)
        s += segment.length_m
    return [row[0] for row in rows], rows


@functools.lru_cache(maxsize=256)
def _table(segments: tuple[Segment, ...]) -> NDArray[np.float64]:
    table = np.array(_rows(segments)[1])
    table.flags.writeable = False
    return table


def along(x: float, y: float, yaw: float, curvature: float, length: float) -> tuple[float, float, float]:
    """Pose after ``length`` on an arc that starts at (x, y, yaw)."""
    if curvature == 0.0:
        return x + length * math.cos(yaw), y + length * math.sin(yaw), yaw
    turned = yaw + curvature * length
    return (
        x + (math.sin(turned) - math.sin(yaw)) / curvature,
        y - (math.cos(turned) - math.cos(yaw)) / curvature,
        turned,
    )


@kernel
def frenet(table: NDArray[np.float64], x: float, y: float) -> tuple[float, float]:
    """(s, d) of a point against the ``Road.table``: the segment that it projects onto at the smallest distance."""
    best_s, best_d = 0.0, 1e9
    for row in range(table.shape[0]):
        dx, dy = x - table[row, 1], y - table[row, 2]
        cos, sin = math.cos(table[row, 3]), math.sin(table[row, 3])
        forward, left = dx * cos + dy * sin, dy * cos - dx * sin
        length, curvature = table[row, 4], table[row, 5]
        if curvature == 0.0:
            station, lateral = forward, left
        else:
            radius = 1.0 / curvature
            rise = radius - left
            turn = 1.0 if curvature > 0.0 else -1.0
            station = math.atan2(forward, turn * rise) * turn * radius
            distance = math.sqrt(forward * forward + rise * rise)
            lateral = radius - distance if curvature > 0.0 else radius + distance
        if -1e-9 <= station <= length + 1e-9 and abs(lateral) < abs(best_d):
            best_s, best_d = table[row, 0] + station, lateral
    return best_s, best_d
