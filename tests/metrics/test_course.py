"""Lateral and heading errors and speed violations along a route."""

from __future__ import annotations

import math

import numpy as np
import pytest

from scenarios.metrics.course import completion_pct, follow, speed_violations, stretches

STRAIGHT = np.array([[0.0, 0.0], [10.0, 0.0], [20.0, 0.0]])


def test_the_lateral_error_is_the_distance_from_the_line_and_not_from_its_next_point() -> None:
    course = follow(STRAIGHT, np.array([[3.0, 1.5], [14.0, -0.5]]), np.array([0.1, -0.2]))
    assert course.s_m == pytest.approx([3.0, 14.0])
    assert course.d_m == pytest.approx([1.5, -0.5])
    assert course.heading_error_rad == pytest.approx([0.1, -0.2])
    assert course.length_m == 20.0


def test_the_heading_error_is_relative_to_the_route_there_and_turns_the_short_way() -> None:
    north = np.array([[0.0, 0.0], [0.0, 30.0]])
    error = follow(
        north, np.array([[1.0, 3.0], [-1.0, 9.0]]), np.array([math.pi / 2 + 0.1, -math.pi])
    ).heading_error_rad
    assert error == pytest.approx([0.1, math.pi / 2])
    assert follow(north, np.array([[1.0, 3.0]]), np.zeros(1)).d_m == pytest.approx([-1.0]), "left is west"


def test_a_route_goes_straight_on_beyond_its_ends() -> None:
    course = follow(STRAIGHT, np.array([[-3.0, 1.0], [25.0, 1.0]]), np.zeros(2))
    assert course.s_m == pytest.approx([-3.0, 25.0])
    assert course.d_m == pytest.approx([1.0, 1.0])


def test_outside_a_corner_the_corner_is_nearest() -> None:
    corner = np.array([[0.0, 0.0], [10.0, 0.0], [10.0, 10.0]])
    course = follow(corner, np.array([[13.0, -4.0], [8.0, 5.0]]), np.array([0.0, math.pi / 2]))
    assert course.d_m == pytest.approx([-5.0, 2.0])
    assert course.s_m == pytest.approx([10.0, 15.0])


def test_a_route_that_crosses_itself_is_followed_in_order() -> None:
    turn = np.linspace(0.0, math.tau, 400)
    loop = np.stack([100.0 * np.sin(turn), 50.0 * np.sin(2.0 * turn)], axis=1)  # an eight: the middle is passed twice
    course = follow(loop, loop[::5], np.zeros(80))
    assert (np.diff(course.s_m) > 0.0).all()
    assert np.abs(course.d_m).max() < 1e-9


def test_a_route_that_comes_by_its_start_again_is_followed_from_its_beginning() -> None:
    square = np.array([(0.0, 0.0), (300.0, 0.0), (300.0, 300.0), (0.0, 300.0), (0.0, -40.0)])
    start = follow(square, np.array([(0.2, 0.5), (5.0, 0.0)]), np.zeros(2))
    assert start.s_m == pytest.approx([0.2, 5.0])


def test_completion_is_the_farthest_place_between_start_and_end() -> None:
    course = follow(STRAIGHT, np.array([[5.0, 0.0], [15.0, 0.0], [12.0, 0.0]]), np.zeros(3))
    assert completion_pct(course) == pytest.approx(75.0)
    assert completion_pct(course, start_m=5.0, end_m=15.0) == 100.0
    assert completion_pct(course, start_m=18.0) == 0.0


def test_a_speed_violation_is_a_stretch_above_the_limit_of_the_place() -> None:
    speed, limit = np.array([10.0, 12, 12, 10, 10, 16]), np.array([11.0, 11, 11, 11, 15, 15])
    assert speed_violations(speed, limit, 0.1) == (2, pytest.approx(0.3), pytest.approx(1.0))
    assert speed_violations(limit + 0.6, limit, 0.1).stretches == 1
    assert speed_violations(limit + 0.4, limit, 0.1) == (0, 0.0, 0.0)


def test_stretches_of_true() -> None:
    assert stretches(np.array([True, False, True, True])) == [(0, 1), (2, 4)]
    assert stretches(np.zeros(0, np.bool_)) == []
