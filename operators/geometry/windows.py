"""The part of a route around the ego: so that a route of ten kilometres costs no more than one of five hundred metres.

Decides where on the route the ego is when the route crosses or repeats itself: near where it was before.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from operators.geometry.frenet import ReferenceLine
from operators.messages import Route, StopLine

Floats = NDArray[np.float64]

WHOLE_MAX_M = 600.0
"""Routes up to this length are used whole."""
BEHIND_M, AHEAD_M = 60.0, 260.0
SEARCH_BEHIND_M, SEARCH_AHEAD_M = 40.0, 120.0
LOST_M = 12.0
"""Further than this from where it was expected, the ego is looked for on the whole route."""


class RouteWindow(NamedTuple):
    """A piece of a route: its line, limits (nodes,) of the line (None without), stops with s on the piece."""

    line: ReferenceLine
    limits_mps: Floats | None
    stops: tuple[StopLine, ...]
    start_m: float
    """Where the piece begins on the whole route: s on the route is s on the piece plus this."""


class RouteLine:
    """A whole route, tabulated once."""

    def __init__(self, route: Route) -> None:
        self.route = route
        self.line = ReferenceLine.along(route)
        self.limits_mps = _limits(route, self.line)
        self.whole = RouteWindow(self.line, self.limits_mps, route.stops, 0.0)

    def is_of(self, route: Route) -> bool:
        """Whether ``route`` is the one this was made of, or says the same."""
        mine = self.route
        if route is mine:
            return True
        same = len(route.x_m) == len(mine.x_m) and route.stops == mine.stops
        same = same and (route.limits_mps is None) == (mine.limits_mps is None)
        if not (same and np.array_equal(route.x_m, mine.x_m) and np.array_equal(route.y_m, mine.y_m)):
            return False
        return route.limits_mps is None or np.array_equal(route.limits_mps, np.asarray(mine.limits_mps))

    def around(self, x_m: float, y_m: float, yaw_rad: float, last_s_m: float | None) -> tuple[RouteWindow, float]:
        """The piece around a pose, and the pose's s on the route; ``last_s_m``: where it was a moment ago."""
        if self.line.length_m <= WHOLE_MAX_M:
            return self.whole, 0.0
        node = self._node(x_m, y_m, yaw_rad, last_s_m)
        step, count = self.line.step_m, len(self.line.x_m)
        first = max(node - math.ceil(BEHIND_M / step), 0)
        last = min(node + math.ceil(AHEAD_M / step), count - 1)
        part, start = slice(first, last + 1), first * step
        line = ReferenceLine(
            step, self.line.x_m[part], self.line.y_m[part], self.line.yaw_rad[part], self.line.curvature_1pm[part]
        )
        limits = None if self.limits_mps is None else self.limits_mps[part]
        stops = tuple(
            StopLine(s_m=stop.s_m - start, kind=stop.kind, light=stop.light, clear_m=stop.clear_m)
            for stop in self.route.stops
            if start <= stop.s_m + stop.clear_m and stop.s_m <= last * step
        )
        return RouteWindow(line, limits, stops, start), node * step

    def _node(self, x_m: float, y_m: float, yaw_rad: float, last_s_m: float | None) -> int:
        step, count = self.line.step_m, len(self.line.x_m)
        if last_s_m is not None:
            first = min(max(int((last_s_m - SEARCH_BEHIND_M) / step), 0), count - 1)
            last = min(int((last_s_m + SEARCH_AHEAD_M) / step) + 1, count)
            node, distance = _nearest(self.line, first, max(last, first + 1), x_m, y_m, yaw_rad)
            if distance <= LOST_M:
                return node
        return _nearest(self.line, 0, count, x_m, y_m, yaw_rad)[0]


def _nearest(line: ReferenceLine, first: int, last: int, x_m: float, y_m: float, yaw_rad: float) -> tuple[int, float]:
    distance = np.hypot(line.x_m[first:last] - x_m, line.y_m[first:last] - y_m)
    # The other direction of the same road is no match.
    away = distance + LOST_M * (np.cos(line.yaw_rad[first:last] - yaw_rad) < 0.0)
    k = int(np.argmin(away))
    return first + k, float(away[k])


def _limits(route: Route, line: ReferenceLine) -> Floats | None:
    """The route's limits at the line's nodes: of two points the stricter one."""
    if route.limits_mps is None:
        return None
    steps = np.hypot(np.diff(route.x_m), np.diff(route.y_m))
    chord = np.concatenate([[0.0], np.cumsum(steps)])
    at = np.arange(len(line.x_m)) * (chord[-1] / max(len(line.x_m) - 1, 1))
    k = np.clip(np.searchsorted(chord, at, side="right") - 1, 0, len(chord) - 2)
    return np.asarray(np.minimum(route.limits_mps[k], route.limits_mps[k + 1]), np.float64)
