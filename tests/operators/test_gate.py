"""The gate: whatever comes in, what goes out is finite, inside the envelope, and never less brake than asked for."""

from __future__ import annotations

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from operators.control.gate import Envelope, Sent, gate
from operators.messages import ControlCommand, EgoState

LIMITS = Envelope()
anything = st.one_of(
    st.floats(allow_nan=True, allow_infinity=True), st.sampled_from([math.nan, math.inf, -math.inf, 1e300, -1e300, 0.0])
)
steps = st.one_of(st.floats(0.001, 0.2), anything)


def command(throttle: float = 0.0, brake: float = 0.0, steer: float = 0.0) -> ControlCommand:
    return ControlCommand(throttle=throttle, brake=brake, steer_rad=steer)


def ego(speed: float = 10.0) -> EgoState:
    return EgoState(x_m=0.0, y_m=0.0, yaw_rad=0.0, speed_mps=speed)


@settings(max_examples=400)
@given(st.lists(st.tuples(st.booleans(), anything, anything, anything, anything, steps), max_size=8))
def test_what_goes_out_is_finite_and_inside_the_envelope(
    inputs: list[tuple[bool, float, float, float, float, float]],
) -> None:
    last = Sent()
    for present, throttle, brake, steer, speed, dt_s in inputs:
        asked = command(throttle, brake, steer) if present else None
        out = gate(asked, ego(speed), last, dt_s)
        assert 0.0 <= out.throttle <= 1.0 and 0.0 <= out.brake <= 1.0
        assert out.throttle == 0.0 or out.brake == 0.0
        assert math.isfinite(out.steer_rad)
        assert abs(out.steer_rad) <= LIMITS.steer_limit_rad(speed) + 1e-12
        if asked is not None and math.isfinite(brake):
            assert out.brake >= min(max(brake, 0.0), 1.0)
        last = Sent(out.throttle, out.brake, out.steer_rad, 0)


@given(st.floats(0, 1), st.floats(-0.6, 0.6), st.floats(0, 1), st.floats(-0.6, 0.6), st.floats(0, 5))
def test_steering_and_throttle_change_no_faster_than_their_rates(
    throttle: float, steer: float, throttle_was: float, steer_was: float, speed: float
) -> None:
    last = Sent(throttle_was, 0.0, steer_was, 0)
    out = gate(command(throttle, 0.0, steer), ego(speed), last, 0.02)
    assert out.throttle <= throttle_was + LIMITS.throttle_rate_ps * 0.02 + 1e-12
    assert abs(out.steer_rad - steer_was) <= LIMITS.steer_rate_radps * 0.02 + 1e-12


def test_a_good_command_passes_unchanged() -> None:
    out = gate(command(0.2, 0.0, 0.01), ego(), Sent(0.2, 0.0, 0.01, 0), 0.01)
    assert (out.throttle, out.brake, out.steer_rad, out.reason) == (0.2, 0.0, 0.01, "nominal")


def test_full_brake_passes_at_once() -> None:
    assert gate(command(brake=1.0), ego(), Sent(0.5, 0.0, 0.0, 0), 0.01).brake == 1.0


def test_an_emergency_brake_is_not_let_go_in_one_step() -> None:
    assert gate(command(throttle=1.0), ego(), Sent(0.0, 1.0, 0.0, 0), 0.01).brake > 0.9


def test_an_emergency_brake_survives_a_broken_steering_value() -> None:
    out = gate(command(brake=1.0, steer=math.nan), ego(), Sent(0.0, 0.1, 0.05, 0), 0.01)
    assert out.brake == 1.0
    assert out.reason == "safe_stop: steer_rad is not finite"


def test_no_command_ramps_up_to_a_firm_stop_and_holds_it() -> None:
    last, brakes = Sent(0.5, 0.0, 0.1, 0), []
    for k in range(60):
        out = gate(None, ego(max(10.0 - 0.3 * k, 0.0)), last, 0.02)
        brakes.append(out.brake)
        last = Sent(out.throttle, out.brake, out.steer_rad, k)
    assert brakes[0] == pytest.approx(0.04)
    assert max(brakes) == pytest.approx(LIMITS.stop_brake)
    assert last.brake >= LIMITS.hold_brake
    assert out.reason == "safe_stop: no fresh command"


def test_a_safe_stop_never_brakes_less_than_the_car_already_does() -> None:
    assert gate(None, ego(), Sent(0.0, 0.9, 0.0, 0), 0.01).brake > 0.85


def test_the_faster_the_smaller_the_steering() -> None:
    limits = [LIMITS.steer_limit_rad(v) for v in (0.0, 5.0, 15.0, 30.0)]
    assert limits == sorted(limits, reverse=True)
    for v, limit in zip((15.0, 30.0), limits[2:], strict=True):
        assert v * v * math.tan(limit) / LIMITS.wheelbase_m == pytest.approx(LIMITS.lateral_accel_mps2)


def test_an_unknown_speed_is_a_safe_stop() -> None:
    assert gate(command(0.5), ego(math.nan), Sent(), 0.01).reason == "safe_stop: the ego's speed is not finite"
    assert gate(command(0.5), None, Sent(), 0.01).reason == "safe_stop: no fresh ego state"
