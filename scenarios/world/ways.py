"""Ways that road users follow, streets and paths through a map alike: poses, places, limits and routes along them.

A line is tabulated in equal steps, so that a question near a known station costs the same on 100 m as on 10 km.
Decides geometry only; who has the right of way is ``junctions``' business.
"""

from __future__ import annotations

import functools
import math
from typing import NamedTuple, Protocol, overload

import numpy as np
from numpy.typing import NDArray

from operators.messages import Route, StopLine
from pipeline.errors import UsageError
from scenarios.scenario import Path
from scenarios.world.kernels import kernel
from scenarios.world.roads import LEAD_IN_M, LEAD_OUT_M, Road

Floats = NDArray[np.float64]

STEP_M = 1.0
"""Nodes of a line are this far apart, or a little less."""
SEARCH_BACK_M, SEARCH_AHEAD_M = 40.0, 60.0
"""How far from a known station a place is looked for."""
CLOSED_M, CLOSED_RAD = 1.0, 0.3
"""A path whose ends are closer than this, in place and heading, is a circuit."""
SIDEWAYS_MPS2, SLOWING_MPS2 = 2.0, 1.4
"""What drivers take in bends, and how they slow down for one or for a lower limit."""
SLOWEST_BEND_MPS = 2.5

PX, PY, PYAW, PCURVATURE, PLIMIT, PSPEED = range(6)
"""Columns of a line's nodes; PSPEED: how fast a driver may be there, considering all that follows."""


class Line(NamedTuple):
    """A tabulated line. ``nodes`` (n, 6); station of node k: ``first_s_m + k * step_m``; yaw without jumps."""

    nodes: Floats
    step_m: float
    first_s_m: float
    closed: bool

    @property
    def length_m(self) -> float:
        """From the first node to the last."""
        return self.step_m * (len(self.nodes) - 1)


class Way(Protocol):
    """What the ego, the judges and the traffic ask of a road."""

    @property
    def own_lane_m(self) -> float:
        """Lateral position of the centre of the lane of travel."""

    def pose(self, s_m: float, d_m: float = 0.0) -> tuple[float, float, float]:
        """Point ``d_m`` to the left at ``s_m`` and the line's heading there: x, y, yaw."""

    def locate(self, x_m: float, y_m: float, near_s_m: float | None = None) -> tuple[float, float]:
        """(s, d) of a point; with ``near_s_m``, the place near that station, where a way crosses itself."""

    def route(self, *, start_s_m: float, end_s_m: float, width_left_m: float, width_right_m: float) -> Route:
        """The lane to follow."""


class PathWay:
    """A ``Path`` as a way: its stations are arc lengths along its points."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._line = _tabulated(path)

    @property
    def own_lane_m(self) -> float:
        return 0.0

    def line(self) -> Line:
        """The tabulated line."""
        return self._line

    @property
    def length_m(self) -> float:
        """Length of the path."""
        return self._line.length_m

    def pose(self, s_m: float, d_m: float = 0.0) -> tuple[float, float, float]:
        line = self._line
        x, y, yaw = line_pose(line.nodes, line.step_m, line.closed, s_m, d_m)
        return float(x), float(y), float(yaw)

    def locate(self, x_m: float, y_m: float, near_s_m: float | None = None) -> tuple[float, float]:
        line = self._line
        low, high = 0.0, line.length_m
        if near_s_m is not None:
            low, high = near_s_m - SEARCH_BACK_M, near_s_m + SEARCH_AHEAD_M
        s, d = line_locate(line.nodes, line.step_m, line.closed, x_m, y_m, low, high)
        return float(s), float(d)

    def route(self, *, start_s_m: float, end_s_m: float, width_left_m: float, width_right_m: float) -> Route:
        line, path = self._line, self.path
        start = start_s_m if line.closed else max(0.0, start_s_m)
        end = end_s_m if line.closed else min(line.length_m, end_s_m)
        count = max(2, math.ceil((end - start) / STEP_M) + 1)
        stations = np.linspace(start, end, count)
        points = np.array([self.pose(float(s))[:2] for s in stations])
        limits = limit_at(path, np.mod(stations, line.length_m) if line.closed else stations)
        return Route(
            x_m=points[:, 0].copy(),
            y_m=points[:, 1].copy(),
            width_left_m=width_left_m,
            width_right_m=width_right_m,
            speed_limit_mps=float(limits.max()),
            limits_mps=limits,
            stops=tuple(
                StopLine(s_m=stop.s_m - start, kind=stop.kind, light=stop.light, clear_m=stop.clear_m)
                for stop in sorted(path.stops, key=lambda stop: stop.s_m)
                if start <= stop.s_m <= end
            ),
        )


@overload
def way_of(road: Road) -> Road:
    """A street is its own way."""


@overload
def way_of(road: Path) -> PathWay:
    """A path is tabulated once."""


@overload
def way_of(road: Road | Path) -> Way:
    """Either."""


def way_of(road: Road | Path) -> Way:
    """The way of a street or a path; tabulated once."""
    return road if isinstance(road, Road) else _path_way(road)


@functools.lru_cache(maxsize=512)
def _path_way(path: Path) -> PathWay:
    return PathWay(path)


def limit_at(path: Path, s_m: Floats) -> Floats:
    """Speed limits at stations (n,) of a path."""
    starts = np.array([start for start, _ in path.limits])
    values = np.array([limit for _, limit in path.limits])
    found: Floats = values[np.clip(np.searchsorted(starts, s_m, side="right") - 1, 0, len(values) - 1)]
    return found


def _tabulated(path: Path) -> Line:
    points = np.array(path.points_m, dtype=np.float64).reshape(-1, 2)
    where = f"path {path.name!r}"
    if not np.isfinite(points).all():
        raise UsageError("a point of the path is not finite", where=where, hint="check what made it")
    steps = np.hypot(*np.diff(points, axis=0).T) if len(points) > 1 else np.zeros(0)
    points = points[np.concatenate([[True], steps > 1e-6])] if len(points) else points
    if len(points) < 2:
        raise UsageError("the path has fewer than two points", where=where, hint="give points at most 2 m apart")
    if not path.limits:
        raise UsageError("the path has no speed limit", where=where, hint="give limits=((0.0, 13.9),)")
    arc = np.concatenate([[0.0], np.cumsum(np.hypot(*np.diff(points, axis=0).T))])
    ends = np.diff(points, axis=0)[[0, -1]]
    turn = math.remainder(math.atan2(ends[1, 1], ends[1, 0]) - math.atan2(ends[0, 1], ends[0, 0]), math.tau)
    closed = arc[-1] > 20.0 and math.dist(points[0], points[-1]) < CLOSED_M and abs(turn) < CLOSED_RAD
    if closed:
        points = np.vstack([points, points[:1]])
        arc = np.concatenate([arc, [arc[-1] + math.dist(points[0], points[-2])]])
        keep = np.concatenate([[True], np.diff(arc) > 1e-6])
        points, arc = points[keep], arc[keep]
    count = max(2, math.ceil(arc[-1] / STEP_M) + 1)
    at = np.linspace(0.0, arc[-1], count)
    x, y = np.interp(at, arc, points[:, 0]), np.interp(at, arc, points[:, 1])
    nodes = tabulate(x, y, closed=closed, step_m=float(at[1]))
    nodes[:, PLIMIT] = limit_at(path, at)
    nodes[:, PSPEED] = speed_profile(nodes, float(at[1]), closed=closed)
    nodes.flags.writeable = False
    return Line(nodes, float(at[1]), 0.0, closed)


def tabulate(x: Floats, y: Floats, *, closed: bool, step_m: float) -> Floats:
    """Nodes (n, 6) through equidistant points: headings and curvatures by central differences; limits still 0."""
    nodes = np.zeros((len(x), 6))
    nodes[:, PX], nodes[:, PY] = x, y
    if closed:
        around_x, around_y = (np.concatenate([v[-2:-1], v, v[1:2]]) for v in (x, y))
        dx, dy = around_x[2:] - around_x[:-2], around_y[2:] - around_y[:-2]
    else:
        dx, dy = np.gradient(x), np.gradient(y)
    yaw = np.unwrap(np.arctan2(dy, dx))
    nodes[:, PYAW] = yaw
    # Over a few metres: the corners of a polygon of 2 m chords are no bends.
    reach = min(3, max(1, (len(x) - 1) // 2))
    if closed:
        whole = yaw[-1] - yaw[0]
        wide = np.concatenate([yaw[-reach - 1 : -1] - whole, yaw, yaw[1 : reach + 1] + whole])
    else:
        wide = np.concatenate([np.full(reach, yaw[0]), yaw, np.full(reach, yaw[-1])])
    nodes[:, PCURVATURE] = (wide[2 * reach :] - wide[: -2 * reach]) / (2.0 * reach * step_m)
    return nodes


def speed_profile(nodes: Floats, step_m: float, *, closed: bool) -> Floats:
    """How fast a driver may be at each node to keep limits and bends, there and further on."""
    bend = np.sqrt(SIDEWAYS_MPS2 / np.maximum(np.abs(nodes[:, PCURVATURE]), 1e-6))
    speed: Floats = np.minimum(nodes[:, PLIMIT], np.maximum(bend, SLOWEST_BEND_MPS))
    slow_down(speed, step_m, closed)
    return speed


@kernel
def slow_down(speed: Floats, step: float, closed: bool) -> None:
    """Lower each speed so that the next one can be reached with ``SLOWING_MPS2``, in place."""
    for _ in range(2 if closed else 1):
        if closed:
            speed[-1] = min(speed[-1], speed[0])
        for k in range(len(speed) - 2, -1, -1):
            speed[k] = min(speed[k], math.sqrt(speed[k + 1] ** 2 + 2.0 * SLOWING_MPS2 * step))


@functools.lru_cache(maxsize=64)
def road_line(road: Road) -> Line:
    """The reference line of a street as a line, lead-in and lead-out included."""
    length = LEAD_IN_M + road.length_m + LEAD_OUT_M
    count = math.ceil(length / STEP_M) + 1
    at = np.linspace(-LEAD_IN_M, road.length_m + LEAD_OUT_M, count)
    poses = np.array([road.pose(float(s)) for s in at])
    step = length / (count - 1)
    nodes = tabulate(poses[:, 0], poses[:, 1], closed=False, step_m=step)
    nodes[:, PLIMIT] = road.speed_limit_mps
    nodes[:, PSPEED] = speed_profile(nodes, step, closed=False)
    nodes.flags.writeable = False
    return Line(nodes, step, -LEAD_IN_M, False)


def line_of(road: Road | Path, *, reverse: bool = False) -> Line:
    """The line of a street or a path, driven forwards or, for oncoming traffic on a street, backwards."""
    line = road_line(road) if isinstance(road, Road) else _path_way(road).line()
    if not reverse:
        return line
    nodes = line.nodes[::-1].copy()
    nodes[:, PYAW] = np.unwrap(nodes[:, PYAW] + math.pi)
    nodes[:, PCURVATURE] = -nodes[:, PCURVATURE]
    nodes[:, PSPEED] = speed_profile(nodes, line.step_m, closed=line.closed)
    return Line(nodes, line.step_m, -(line.first_s_m + line.length_m), line.closed)


@kernel
def line_pose(nodes: Floats, step: float, closed: bool, s: float, d: float) -> tuple[float, float, float]:
    """x, y, yaw at station s from the first node, d to the left; straight beyond the ends, or round again."""
    last = nodes.shape[0] - 1
    at = s / step
    if closed:
        at = at - math.floor(at / last) * last
    k = min(last - 1, max(0, int(math.floor(at))))
    f = at - k
    if f < 0.0 or f > 1.0:
        end = 0 if f < 0.0 else last
        beyond = (f if f < 0.0 else f - 1.0) * step
        yaw = nodes[end, 2]
        x, y = nodes[end, 0] + beyond * math.cos(yaw), nodes[end, 1] + beyond * math.sin(yaw)
    else:
        yaw = nodes[k, 2] + f * (nodes[k + 1, 2] - nodes[k, 2])
        x = nodes[k, 0] + f * (nodes[k + 1, 0] - nodes[k, 0])
        y = nodes[k, 1] + f * (nodes[k + 1, 1] - nodes[k, 1])
    return x - d * math.sin(yaw), y + d * math.cos(yaw), yaw


@kernel
def line_locate(
    nodes: Floats, step: float, closed: bool, x: float, y: float, low: float, high: float
) -> tuple[float, float]:
    """(s, d) of the place on the line nearest to a point, looked for from station ``low`` to ``high``.

    On a closed line s continues past its length, so that it stays near what was asked. Beyond the ends of an open one
    it goes straight on. d is large when the line is nowhere near.
    """
    last = nodes.shape[0] - 1
    first, final = int(math.floor(low / step)), int(math.ceil(high / step))
    if closed:
        final = min(final, first + last)
    else:
        first, final = max(0, min(last, first)), min(last, max(0, final))
    stride = 4
    best, nearest = 1e300, first
    k = first
    while True:
        node = k % last if closed else k
        dx, dy = x - nodes[node, 0], y - nodes[node, 1]
        squared = dx * dx + dy * dy
        if squared < best:
            best, nearest = squared, k
        if k == final:
            break
        k = min(final, k + stride)
    for k in range(max(first, nearest - stride + 1), min(final, nearest + stride - 1) + 1):
        node = k % last if closed else k
        dx, dy = x - nodes[node, 0], y - nodes[node, 1]
        squared = dx * dx + dy * dy
        if squared < best:
            best, nearest = squared, k
    node = nearest % last if closed else nearest
    s = nearest * step
    # The foot of the perpendicular, by two steps of Newton's method on the interpolated line.
    for _ in range(2):
        px, py, yaw = line_pose(nodes, step, closed, s, 0.0)
        along = (x - px) * math.cos(yaw) + (y - py) * math.sin(yaw)
        left = (y - py) * math.cos(yaw) - (x - px) * math.sin(yaw)
        stretch = max(0.3, 1.0 - nodes[node, 3] * left)
        move = along / stretch
        inside = closed or (0 < nearest < last)
        s += min(step, max(-step, move)) if inside else along
    px, py, yaw = line_pose(nodes, step, closed, s, 0.0)
    left = (y - py) * math.cos(yaw) - (x - px) * math.sin(yaw)
    return s, left
