"""Windows on a route: the piece around the ego says what the whole route says there."""

from __future__ import annotations

import numpy as np
import pytest

from operators.geometry.windows import AHEAD_M, BEHIND_M, RouteLine
from operators.messages import Route, StopLine


def route(x: np.ndarray, y: np.ndarray, *stops: StopLine, limits: np.ndarray | None = None) -> Route:
    return Route(
        x_m=x, y_m=y, width_left_m=1.0, width_right_m=1.0, speed_limit_mps=14.0, limits_mps=limits, stops=stops
    )  # fmt: skip


def straight(length: float, *stops: StopLine) -> RouteLine:
    x = np.arange(0.0, length, 2.0)
    return RouteLine(route(x, np.zeros(len(x)), *stops, limits=np.where(x < 5000.0, 14.0, 8.0)))


def test_a_short_route_is_used_whole() -> None:
    line = straight(500.0)
    window, s = line.around(100.0, 1.0, 0.0, None)
    assert window is line.whole
    assert s == 0.0


def test_a_long_route_is_cut_around_the_ego() -> None:
    line = straight(10_000.0, StopLine(s_m=100.0, kind="stop"), StopLine(s_m=5050.0, kind="yield", clear_m=9.0))
    window, s = line.around(5000.0, 0.5, 0.0, 4990.0)
    assert s == pytest.approx(5000.0, abs=1.0)
    assert window.line.length_m == pytest.approx(BEHIND_M + AHEAD_M, abs=2.0)
    assert window.line.x_m[0] == pytest.approx(window.start_m, abs=0.6)
    assert [(stop.kind, round(stop.s_m + window.start_m)) for stop in window.stops] == [("yield", 5050)]
    assert window.limits_mps is not None
    assert window.limits_mps[0] == 14.0
    assert window.limits_mps[-1] == 8.0


def test_where_a_route_crosses_itself_the_ego_stays_on_the_leg_it_is_on() -> None:
    # East for 800 m, back around, and north across the first leg at x = 400.
    east = np.stack([np.arange(0.0, 800.0, 2.0), np.zeros(400)], axis=1)
    turn = np.linspace(-np.pi / 2.0, -np.pi / 2.0 - 1.5 * np.pi, 300)
    loop = np.stack([800.0 + 200.0 * np.cos(-turn - np.pi), -200.0 + 200.0 * np.sin(-turn)], axis=1)[5:]
    north = np.stack([np.full(300, 400.0), np.arange(-300.0, 300.0, 2.0)], axis=1)
    points = np.concatenate([east, loop, north])
    line = RouteLine(route(points[:, 0], points[:, 1]))
    crossing_s = line.line.length_m - 300.0
    first, s_first = line.around(400.0, 0.0, 0.0, 398.0)
    second, s_second = line.around(400.0, 0.0, np.pi / 2.0, crossing_s - 2.0)
    assert s_first == pytest.approx(400.0, abs=2.0)
    assert s_second == pytest.approx(crossing_s, abs=4.0)
    assert first.start_m < second.start_m


def test_the_same_route_sent_again_is_recognised() -> None:
    line = straight(700.0)
    again = straight(700.0).route
    assert line.is_of(again)
    assert not line.is_of(straight(702.0).route)
