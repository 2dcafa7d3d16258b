"""The controller follows the plan in time and space, and brakes without one."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from operators.control.pid import PidState, Vehicle, control, reference
from operators.messages import EgoState, Trajectory


def straight(speed: np.ndarray, y: float = 0.0) -> Trajectory:
    time = np.arange(len(speed)) * 0.1
    x = np.concatenate([[0.0], np.cumsum((speed[1:] + speed[:-1]) * 0.05)])
    return Trajectory(
        time_s=time, x_m=x, y_m=np.full(len(x), y), yaw_rad=np.zeros(len(x)), speed_mps=np.array(speed, float)
    )


def ego(x: float = 0.0, y: float = 0.0, speed: float = 10.0, yaw: float = 0.0) -> EgoState:
    return EgoState(x_m=x, y_m=y, yaw_rad=yaw, speed_mps=speed)


CRUISE = straight(np.full(41, 10.0))
STOP = straight(np.maximum(10.0 - 0.8 * np.arange(41), 0.0))


def test_a_trajectory_is_looked_up_at_its_age() -> None:
    found = reference(STOP, 0.5, 0.0)
    assert found.speed_mps == pytest.approx(6.0)
    assert found.x_m == pytest.approx(10 * 0.5 - 4 * 0.25)
    assert found.accel_mps2 == pytest.approx(-8.0)


def test_on_plan_it_only_overcomes_the_losses() -> None:
    command, _ = control(ego(), CRUISE, 0.0, PidState(), 0.01)
    assert 0.0 < command.throttle < 0.1
    assert (command.brake, command.steer_rad) == (0.0, pytest.approx(0.0))


def test_hard_braking_reaches_the_full_pedal_at_once() -> None:
    command, _ = control(ego(), STOP, 0.0, PidState(), 0.01)
    assert command.brake > 0.9
    assert command.throttle == 0.0


def test_a_late_plan_is_joined_where_it_should_be_by_now() -> None:
    late, _ = control(ego(x=4.0, speed=10.0), STOP, 0.5, PidState(), 0.01)
    assert late.brake == 1.0


def test_being_ahead_of_the_plan_means_less_speed() -> None:
    behind, _ = control(ego(x=-2.0), CRUISE, 0.0, PidState(), 0.01)
    ahead, _ = control(ego(x=2.0), CRUISE, 0.0, PidState(), 0.01)
    assert behind.throttle > ahead.throttle


@pytest.mark.parametrize("trajectory", [None, straight(np.zeros(0))])
def test_without_a_plan_it_brakes_firmly_within_a_second(trajectory: Trajectory | None) -> None:
    state, brakes = PidState(), []
    for _ in range(100):
        command, state = control(ego(), trajectory, 0.0, state, 0.01)
        brakes.append(command.brake)
    assert command.reason.startswith("safe_stop")
    assert brakes == sorted(brakes)
    assert brakes[-1] == pytest.approx(4.0 / Vehicle().brake_decel_mps2, abs=0.03)


def test_a_plan_that_is_over_is_no_plan() -> None:
    command, _ = control(ego(), CRUISE, 4.5, PidState(idle_s=1.0), 0.01)
    assert command.reason == "safe_stop: trajectory over"
    assert command.brake > 0.4


def test_a_standing_car_is_held() -> None:
    command, _ = control(ego(speed=0.0), straight(np.zeros(41)), 0.0, PidState(), 0.01)
    assert (command.throttle, command.brake) == (0.0, 0.4)


def test_a_standing_car_starts_although_every_plan_begins_at_standstill() -> None:
    slowly = straight(12.0 * (3.0 * (np.arange(41) / 80) ** 2 - 2.0 * (np.arange(41) / 80) ** 3))
    command, _ = control(ego(speed=0.0), slowly, 0.1, PidState(), 0.01)
    assert command.throttle > 0.1


def test_a_pedal_at_its_stop_does_not_wind_up() -> None:
    state = PidState()
    for _ in range(300):
        _, state = control(ego(speed=0.5), straight(np.full(41, 30.0)), 0.0, state, 0.01)
    assert state.integral_mps2 == 0.0


@pytest.mark.parametrize("side", [-1.0, 1.0])
def test_it_steers_towards_the_path(side: float) -> None:
    command, _ = control(ego(y=-side), CRUISE, 0.0, PidState(), 0.01)
    assert command.steer_rad * side > 0.01


def test_a_circle_is_steered_with_its_own_angle() -> None:
    angle = np.arange(0.0, 1.5, 0.02)
    circle = Trajectory(
        time_s=angle * 4.0,
        x_m=40 * np.sin(angle),
        y_m=40 * (1 - np.cos(angle)),
        yaw_rad=angle,
        speed_mps=np.full(len(angle), 10.0),
    )
    command, _ = control(ego(), circle, 0.0, PidState(), 0.01)
    assert command.steer_rad == pytest.approx(math.atan(Vehicle().wheelbase_m / 40), rel=0.02)


@settings(max_examples=50)
@given(st.floats(-50, 50), st.floats(-20, 20), st.floats(0, 40), st.floats(-4, 4), st.floats(0, 6), st.floats(0, 1))
def test_pedals_are_in_range_and_never_both(
    x: float, y: float, speed: float, yaw: float, age: float, dt: float
) -> None:
    for trajectory in (CRUISE, STOP, None):
        command, state = control(ego(x, y, speed, yaw), trajectory, age, PidState(t=0), dt)
        assert 0.0 <= command.throttle <= 1.0 and 0.0 <= command.brake <= 1.0
        assert command.throttle == 0.0 or command.brake == 0.0
        assert abs(command.steer_rad) <= Vehicle().steer_max_rad
        assert math.isfinite(state.integral_mps2)
