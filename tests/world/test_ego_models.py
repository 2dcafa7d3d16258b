"""The ego on wet roads, and without slip for cheap sweeps."""

from __future__ import annotations

import math

import pytest

from operators.messages import ControlCommand, EgoSize
from scenarios.scenario import Scenario, Weather
from scenarios.world.dynamics import EgoDynamics

FULL = ControlCommand(throttle=0.0, brake=1.0, steer_rad=0.0)


def ego(speed_mps: float = 15.0, **more: object) -> EgoDynamics:
    return EgoDynamics(EgoSize(), x_m=0.0, y_m=0.0, yaw_rad=0.0, speed_mps=speed_mps, **more)  # type: ignore[arg-type]


def stopping_m(**more: object) -> float:
    car = ego(**more)
    car.apply(FULL)
    for _ in range(4000):
        car.advance()
    return float(car.state[0])


def test_a_wet_road_makes_the_way_to_stop_longer_in_proportion() -> None:
    dry, wet = stopping_m(), stopping_m(friction=0.6)
    lag_m = 15.0 * 0.1
    assert (wet - lag_m) / (dry - lag_m) == pytest.approx(8.59 / (0.92 * 0.6 * 9.81), rel=0.06)


@pytest.mark.parametrize("friction", [1.0, 0.5])
def test_both_models_brake_alike(friction: float) -> None:
    assert stopping_m(friction=friction, model="kinematic") == pytest.approx(stopping_m(friction=friction), rel=0.02)


def test_both_models_turn_alike_at_walking_pace_and_neither_more_than_friction_allows() -> None:
    for speed, steer in ((3.0, 0.3), (6.0, 0.1)):
        ends = []
        for model in ("dynamic", "kinematic"):
            car = ego(speed, model=model)
            car.apply(ControlCommand(throttle=0.05, brake=0.0, steer_rad=steer))
            for _ in range(400):
                car.advance()
            ends.append(car.ego())
        assert ends[0].yaw_rad == pytest.approx(ends[1].yaw_rad, rel=0.08)
    fast = ego(25.0, model="kinematic", friction=0.5)
    fast.apply(ControlCommand(throttle=0.2, brake=0.0, steer_rad=0.5))
    for _ in range(200):
        fast.advance()
        assert abs(fast.state[5]) * fast.state[3] <= 0.92 * 0.5 * 9.81 + 1e-6


def test_standing_still_turns_nothing() -> None:
    car = ego(0.0, model="kinematic")
    car.apply(ControlCommand(throttle=0.0, brake=1.0, steer_rad=0.5))
    for _ in range(200):
        car.advance()
    assert car.ego().yaw_rad == 0.0 and car.ego().x_m == 0.0


def test_the_weather_wets_the_road() -> None:
    def grip(weather: Weather, friction: float = 1.0) -> float:
        scenario = Scenario(
            name="x", title="", duration_s=1.0, speed_mps=1.0, actors=(), weather=weather, friction=friction
        )
        return scenario.grip()

    assert grip(Weather()) == 1.0
    assert grip(Weather(wetness=1.0)) == pytest.approx(0.6)
    assert grip(Weather(rain=0.5, wetness=0.2)) == pytest.approx(0.8)
    assert grip(Weather(), 0.3) == 0.3
    assert math.isfinite(stopping_m(friction=0.3))
