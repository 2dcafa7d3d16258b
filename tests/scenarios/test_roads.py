"""Road geometry: poses and Frenet coordinates are inverse to each other, and the route keeps its promises."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from scenarios.world.roads import Road, Segment

STRAIGHT = Road(segments=(Segment(300.0),))
BENT = Road(segments=(Segment(50.0), Segment(60.0, 1.0 / 80.0), Segment(40.0, -1.0 / 60.0), Segment(100.0)))


@given(s=st.floats(-100.0, 400.0), d=st.floats(-9.0, 9.0))
def test_locating_a_pose_gives_back_its_station_and_lateral_position(s: float, d: float) -> None:
    for road in (STRAIGHT, BENT):
        x, y, _ = road.pose(s, d)
        located = road.locate(x, y)
        assert located == pytest.approx((s, d), abs=1e-6)


def test_positive_lateral_position_is_to_the_left_of_the_heading() -> None:
    x0, y0, yaw = BENT.pose(90.0, 0.0)
    x1, y1, _ = BENT.pose(90.0, 2.0)
    assert -math.sin(yaw) * (x1 - x0) + math.cos(yaw) * (y1 - y0) == pytest.approx(2.0)


def test_positive_curvature_turns_left() -> None:
    assert BENT.pose(110.0)[2] == pytest.approx(60.0 / 80.0)
    assert BENT.pose(150.0)[2] == pytest.approx(60.0 / 80.0 - 40.0 / 60.0)


@given(s=st.floats(-50.0, 350.0))
def test_the_reference_line_has_no_jumps(s: float) -> None:
    before, after = BENT.pose(s - 1e-4), BENT.pose(s + 1e-4)
    assert math.dist(before[:2], after[:2]) == pytest.approx(2e-4, rel=1e-3)


def test_the_route_runs_in_the_right_hand_lane_with_points_at_most_two_metres_apart() -> None:
    route = BENT.route(start_s_m=-20.0, end_s_m=260.0, width_left_m=1.5, width_right_m=1.0)
    steps = np.hypot(np.diff(route.x_m), np.diff(route.y_m))
    assert steps.min() > 0.0 and steps.max() <= 2.0
    laterals = [BENT.locate(float(x), float(y))[1] for x, y in zip(route.x_m, route.y_m, strict=True)]
    assert laterals == pytest.approx([-1.75] * len(laterals), abs=1e-6)
    assert (route.width_left_m, route.width_right_m) == (1.5, 1.0)
    assert not route.x_m.flags.writeable
