"""Road coordinates: s along a centre line, d to its left, and the motion of a car in them.

The line is a natural cubic spline through the route's points, tabulated densely; beyond its ends it goes straight on.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from operators.geometry.kernels import kernel
from operators.messages import Route
from pipeline.errors import InvalidMessage

Floats = NDArray[np.float64]

TABLE_STEP_M = 0.5
NEWTON_STEPS = 12


class InvalidRoute(InvalidMessage):
    """A route that no line can be laid through."""


class FrenetState(NamedTuple):
    """Position and its time derivatives along (s) and left of (d) a reference line."""

    s_m: float
    s_dot_mps: float
    s_ddot_mps2: float
    d_m: float
    d_dot_mps: float
    d_ddot_mps2: float


@dataclass(frozen=True)
class ReferenceLine:
    """A tabulated centre line: node k at ``k * step_m`` along it; all arrays (nodes,) float64, yaw without jumps."""

    step_m: float
    x_m: Floats
    y_m: Floats
    yaw_rad: Floats
    curvature_1pm: Floats

    @classmethod
    def through(cls, x_m: Floats, y_m: Floats, step_m: float = TABLE_STEP_M) -> ReferenceLine:
        """Line through (points,) map coordinates, points closer than 1 cm merged. Raises InvalidRoute."""
        points = np.stack([np.asarray(x_m, float), np.asarray(y_m, float)], axis=1)
        if not np.isfinite(points).all():
            raise InvalidRoute("the route has a point that is not finite", hint="check the map or the log it came from")
        steps = np.hypot(*np.diff(points, axis=0).T)
        points = points[np.concatenate([[True], steps > 0.01])]
        if len(points) < 2:
            raise InvalidRoute(
                "the route has fewer than two distinct points", hint="give at least two, 2 m apart or less"
            )
        return cls._tabulated(points, step_m)

    @classmethod
    def along(cls, route: Route) -> ReferenceLine:
        """The line of a route message. Raises InvalidRoute."""
        return cls.through(route.x_m, route.y_m)

    @classmethod
    def _tabulated(cls, points: Floats, step_m: float) -> ReferenceLine:
        chord = np.concatenate([[0.0], np.cumsum(np.hypot(*np.diff(points, axis=0).T))])
        second = _spline_second_derivatives(chord, points)
        fine = np.linspace(0.0, chord[-1], max(2, math.ceil(chord[-1] / (step_m / 8.0)) + 1))
        xy = _spline_values(chord, points, second, fine)
        # Resampled by true arc length: chord length is shorter in bends.
        arc = np.concatenate([[0.0], np.cumsum(np.hypot(*np.diff(xy, axis=0).T))])
        nodes = max(2, round(arc[-1] / step_m) + 1)
        exact_step = arc[-1] / (nodes - 1)
        at = np.interp(np.arange(nodes) * exact_step, arc, fine)
        table = _spline_values(chord, points, second, at)
        slope = _spline_slopes(chord, points, second, at)
        yaw = np.unwrap(np.arctan2(slope[:, 1], slope[:, 0]))
        curvature = np.gradient(yaw, exact_step)
        return cls(exact_step, table[:, 0].copy(), table[:, 1].copy(), yaw, curvature)

    @property
    def length_m(self) -> float:
        """Arc length of the tabulated part."""
        return self.step_m * (len(self.x_m) - 1)

    def poses(self, s_m: Floats) -> tuple[Floats, Floats, Floats, Floats]:
        """x_m, y_m, yaw_rad, curvature_1pm at every ``s_m``; straight beyond the ends."""
        position = np.asarray(s_m, float) / self.step_m
        k = np.clip(np.floor(position), 0, len(self.x_m) - 2).astype(np.int64)
        f = np.clip(position - k, 0.0, 1.0)
        beyond = (position - k - f) * self.step_m
        yaw = self.yaw_rad[k] + f * (self.yaw_rad[k + 1] - self.yaw_rad[k])
        x = self.x_m[k] + f * (self.x_m[k + 1] - self.x_m[k]) + beyond * np.cos(yaw)
        y = self.y_m[k] + f * (self.y_m[k + 1] - self.y_m[k]) + beyond * np.sin(yaw)
        curvature = self.curvature_1pm[k] + f * (self.curvature_1pm[k + 1] - self.curvature_1pm[k])
        return x, y, yaw, np.where(beyond == 0.0, curvature, 0.0)

    def pose(self, s_m: float) -> tuple[float, float, float, float]:
        """``poses`` of one s."""
        x, y, yaw, curvature = self.poses(np.array([s_m]))
        return float(x[0]), float(y[0]), float(yaw[0]), float(curvature[0])

    def to_map(self, s_m: float, d_m: float) -> tuple[float, float]:
        """Road coordinates to map."""
        x, y, yaw, _ = self.pose(s_m)
        return x - d_m * math.sin(yaw), y + d_m * math.cos(yaw)

    def to_road(self, x_m: float, y_m: float) -> tuple[float, float]:
        """Map to (s, d): the foot of the perpendicular nearest to the point."""
        s, d = self.to_road_many(np.array([(x_m, y_m)]))[0]
        return float(s), float(d)

    def to_road_many(self, points_m: Floats, tolerance_m: float = 1e-10) -> Floats:
        """(n, 2) map points to (n, 2) of s and d, s exact to ``tolerance_m``."""
        x_m, y_m = points_m[:, 0], points_m[:, 1]
        squared = (self.x_m[None, :] - x_m[:, None]) ** 2 + (self.y_m[None, :] - y_m[:, None]) ** 2
        s = np.argmin(squared, axis=1) * self.step_m
        for _ in range(NEWTON_STEPS):
            x, y, yaw, curvature = self.poses(s)
            cos, sin = np.cos(yaw), np.sin(yaw)
            along, left = (x_m - x) * cos + (y_m - y) * sin, (y_m - y) * cos - (x_m - x) * sin
            s = s + along / np.maximum(1.0 - curvature * left, 0.2)
            if float(np.abs(along).max(initial=0.0)) < tolerance_m:
                break
        x, y, yaw, _ = self.poses(s)
        return np.stack([s, (y_m - y) * np.cos(yaw) - (x_m - x) * np.sin(yaw)], axis=1)

    def state(
        self, x_m: float, y_m: float, yaw_rad: float, speed_mps: float, accel_mps2: float, yaw_rate_radps: float
    ) -> FrenetState:
        """Motion of a point that travels along its own heading, in road coordinates.

        The second derivatives are complete (heading error, road curvature and yaw rate); only the change of the road's
        curvature along s is left out.
        """
        s, d = self.to_road(x_m, y_m)
        _, _, road_yaw, curvature = self.pose(s)
        error = math.remainder(yaw_rad - road_yaw, math.tau)
        stretch = max(1.0 - curvature * d, 0.1)
        forward, left = speed_mps * math.cos(error), speed_mps * math.sin(error)
        s_dot = forward / stretch
        turning = yaw_rate_radps - curvature * s_dot
        forward_dot = accel_mps2 * math.cos(error) - left * turning
        s_ddot = (forward_dot + curvature * left * s_dot) / stretch
        return FrenetState(s, s_dot, s_ddot, d, left, accel_mps2 * math.sin(error) + forward * turning)


def _spline_second_derivatives(at: Floats, values: Floats) -> Floats:
    """(n, 2) second derivatives of the natural cubic spline (the tridiagonal system solved by elimination)."""
    n = len(at)
    second = np.zeros_like(values)
    if n < 3:
        return second
    step = np.diff(at)
    slope = np.diff(values, axis=0) / step[:, None]
    second[1:-1] = 6.0 * np.diff(slope, axis=0)
    eliminate(step, 2.0 * (step[:-1] + step[1:]), second[1:-1])
    return second


@kernel
def eliminate(step: Floats, diagonal: Floats, right: Floats) -> None:
    """Solve the symmetric tridiagonal system with off-diagonal ``step[1:-1]`` in place; right (n, 2)."""
    n = diagonal.shape[0]
    for i in range(1, n):
        factor = step[i] / diagonal[i - 1]
        diagonal[i] -= factor * step[i]
        for column in range(2):
            right[i, column] -= factor * right[i - 1, column]
    for column in range(2):
        right[n - 1, column] /= diagonal[n - 1]
        for i in range(n - 2, -1, -1):
            right[i, column] = (right[i, column] - step[i + 1] * right[i + 1, column]) / diagonal[i]


def _spline_values(at: Floats, values: Floats, second: Floats, x: Floats) -> Floats:
    k, h, a, b = _cell(at, x)
    cubic = ((a**3 - a) * second[k] + (b**3 - b) * second[k + 1]) * (h**2 / 6.0)
    return np.asarray(a * values[k] + b * values[k + 1] + cubic)


def _spline_slopes(at: Floats, values: Floats, second: Floats, x: Floats) -> Floats:
    k, h, a, b = _cell(at, x)
    bend = ((3.0 * b**2 - 1.0) * second[k + 1] - (3.0 * a**2 - 1.0) * second[k]) * (h / 6.0)
    return np.asarray((values[k + 1] - values[k]) / h + bend)


def _cell(at: Floats, x: Floats) -> tuple[NDArray[np.int64], Floats, Floats, Floats]:
    k = np.clip(np.searchsorted(at, x, side="right") - 1, 0, len(at) - 2)
    h = (at[k + 1] - at[k])[:, None]
    b = (x - at[k])[:, None] / h
    return k, h, 1.0 - b, b
