"""The ego's dynamics against physics: braking distance, acceleration, steering, standstill."""

from __future__ import annotations

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from operators.messages import ControlCommand, EgoSize
from scenarios.world.dynamics import SLIP, SPEED, STEP_S, YAW_RATE, EgoDynamics


def car(speed_mps: float) -> EgoDynamics:
    return EgoDynamics(EgoSize(), x_m=0.0, y_m=0.0, yaw_rad=0.0, speed_mps=speed_mps)


def pedals(throttle: float = 0.0, brake: float = 0.0, steer: float = 0.0) -> ControlCommand:
    return ControlCommand(throttle=throttle, brake=brake, steer_rad=steer)


def run(dynamics: EgoDynamics, seconds: float) -> None:
    for _ in range(round(seconds / STEP_S)):
        dynamics.advance()


def energy(dynamics: EgoDynamics) -> float:
    """Kinetic energy by mass: of the centre of gravity and of the rotation."""
    state = dynamics.state
    return float(0.5 * (state[SPEED] ** 2 + state[SLIP] ** 2) + 0.5 * 2600.0 / 1700.0 * state[YAW_RATE] ** 2)


@pytest.mark.parametrize("speed", [8.0, 12.0, 20.0])
def test_full_braking_reaches_eight_to_nine_metres_per_second_squared_and_then_stands_still(speed: float) -> None:
    dynamics = car(speed)
    dynamics.apply(pedals(brake=1.0))
    strongest = 0.0
    for _ in range(1000):
        dynamics.advance()
        strongest = max(strongest, -dynamics.ego().accel_mps2)
    assert 8.0 <= strongest <= 9.2
    ego = dynamics.ego()
    assert ego.speed_mps == 0.0
    # Between the ideal distance and the same with half a second of lag.
    assert speed**2 / 2 / 9.0 < ego.x_m < speed**2 / 2 / 8.2 + 0.2 * speed


def test_a_car_without_a_command_keeps_its_speed() -> None:
    dynamics = car(12.0)
    run(dynamics, 5.0)
    assert dynamics.ego().speed_mps == pytest.approx(12.0, abs=0.05)


def test_full_throttle_accelerates_but_not_beyond_its_drive_force() -> None:
    dynamics = car(0.0)
    dynamics.apply(pedals(throttle=1.0))
    run(dynamics, 3.0)
    assert 9.0 < dynamics.ego().speed_mps < 12.0


def test_slow_steering_follows_the_circle_of_the_kinematic_bicycle() -> None:
    dynamics = car(1.5)
    dynamics.apply(pedals(throttle=0.02, steer=0.3))
    run(dynamics, 1.0)
    ego = dynamics.ego()
    assert ego.yaw_rate_radps == pytest.approx(ego.speed_mps * math.tan(0.3) / 2.8, rel=0.02)
    assert ego.y_m > 0.0


def test_steering_left_turns_left_and_is_mirrored_by_steering_right() -> None:
    left, right = car(10.0), car(10.0)
    left.apply(pedals(throttle=0.1, steer=0.05))
    right.apply(pedals(throttle=0.1, steer=-0.05))
    run(left, 1.5)
    run(right, 1.5)
    assert left.ego().y_m > 0.5
    assert right.ego().y_m == pytest.approx(-left.ego().y_m)


@settings(max_examples=30, deadline=None)
@given(
    speed=st.floats(0.0, 30.0),
    throttle=st.floats(-1.0, 2.0),
    brake=st.floats(-1.0, 2.0),
    steer=st.floats(-2.0, 2.0),
)
def test_no_command_makes_the_state_leave_physics(speed: float, throttle: float, brake: float, steer: float) -> None:
    dynamics = car(speed)
    dynamics.apply(pedals(throttle, brake, steer))
    before = energy(dynamics)
    for _ in range(300):
        dynamics.advance()
        ego = dynamics.ego()
        assert math.isfinite(ego.x_m) and math.isfinite(ego.yaw_rad)
        assert ego.speed_mps >= 0.0
        assert abs(ego.steer_rad) <= 0.61 + 1e-9
        if throttle <= 0.0:
            # Tyres only take energy out of a car that is not driven.
            now = energy(dynamics)
            assert now <= before * 1.001 + 0.05
            before = now
