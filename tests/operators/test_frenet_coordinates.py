"""Road coordinates: round trips, known circles, and derivatives against finite differences."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from operators.geometry.frenet import InvalidRoute, ReferenceLine

RADIUS = 60.0


def circle(step_m: float = 0.5) -> ReferenceLine:
    angle = np.arange(0.0, 2.0, 2.0 / RADIUS)
    return ReferenceLine.through(RADIUS * np.sin(angle), RADIUS * (1.0 - np.cos(angle)), step_m)


CIRCLE = circle()
FINE = circle(0.02)
WAVY = ReferenceLine.through(np.arange(0.0, 160.0, 2.0), 6.0 * np.sin(np.arange(0.0, 160.0, 2.0) / 25.0))


@given(st.floats(-20, 140), st.floats(-5, 5))
def test_road_to_map_and_back_is_the_identity(s: float, d: float) -> None:
    for line in (CIRCLE, WAVY):
        assert line.to_road(*line.to_map(s, d)) == pytest.approx((s, d), abs=1e-6)


@given(st.floats(0, 150), st.floats(-10, 10))
def test_map_to_road_and_back_is_the_identity(x: float, aside: float) -> None:
    y = 6.0 * math.sin(x / 25.0) + aside
    assert WAVY.to_map(*WAVY.to_road(x, y)) == pytest.approx((x, y), abs=1e-6)


def test_a_circle_has_its_length_and_curvature() -> None:
    assert CIRCLE.pose(50.0)[3] == pytest.approx(1.0 / RADIUS, rel=1e-3)
    x, y, yaw, _ = CIRCLE.pose(50.0)
    angle = 50.0 / RADIUS
    assert (x, y, yaw) == pytest.approx((RADIUS * math.sin(angle), RADIUS * (1 - math.cos(angle)), angle), abs=5e-3)


def test_left_of_the_line_is_positive() -> None:
    line = ReferenceLine.through(np.array([0.0, 10.0]), np.array([0.0, 0.0]))
    assert line.to_road(4.0, 1.5) == pytest.approx((4.0, 1.5))


def test_beyond_its_ends_the_line_goes_straight_on() -> None:
    line = ReferenceLine.through(np.array([0.0, 10.0]), np.array([0.0, 0.0]))
    assert line.to_road(25.0, -1.0) == pytest.approx((25.0, -1.0))
    assert line.to_road(-5.0, 2.0) == pytest.approx((-5.0, 2.0))


@pytest.mark.parametrize("error", [0.0, 0.2, -0.3])
def test_the_state_is_the_derivative_of_the_motion(error: float) -> None:
    speed, accel, yaw_rate, h = 9.0, -3.0, 0.25, 1e-3
    x0, y0 = FINE.to_map(40.0, 1.2)
    yaw0 = FINE.pose(40.0)[2] + error

    def road(t: float) -> np.ndarray:
        at = np.linspace(0.0, t, 201)
        v, yaw = speed + accel * at, yaw0 + yaw_rate * at
        x = x0 + np.trapezoid(v * np.cos(yaw), at)
        y = y0 + np.trapezoid(v * np.sin(yaw), at)
        return np.array(FINE.to_road(float(x), float(y)))

    before, now, after = road(-50 * h), road(0.0), road(50 * h)
    first, second = (after - before) / (100 * h), (after - 2 * now + before) / (50 * h) ** 2
    state = FINE.state(x0, y0, yaw0, speed, accel, yaw_rate)
    assert (state.s_m, state.d_m) == pytest.approx((40.0, 1.2), abs=1e-6)
    assert (state.s_dot_mps, state.d_dot_mps) == pytest.approx(tuple(first), abs=0.02)
    assert (state.s_ddot_mps2, state.d_ddot_mps2) == pytest.approx(tuple(second), abs=0.05)


def test_a_route_without_two_points_is_refused() -> None:
    with pytest.raises(InvalidRoute, match="two distinct points"):
        ReferenceLine.through(np.array([1.0, 1.0]), np.array([2.0, 2.0]))


def test_a_route_with_a_hole_is_refused() -> None:
    with pytest.raises(InvalidRoute, match="not finite"):
        ReferenceLine.through(np.array([0.0, math.nan, 4.0]), np.zeros(3))
