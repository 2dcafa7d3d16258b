"""The last word before the actuators: a command is finite, fresh and inside the envelope, or the car stops safely.

Decides nothing about where to go. It may weaken steering and throttle and strengthen the brake; it never takes brake
away that the command asks for.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import NamedTuple

from operators.messages import ControlCommand, EgoState
from pipeline.definition import Context, Operator
from pipeline.ports import Input, Output, State, keep_last, latest
from pipeline.timestamps import Duration, ms


@dataclass(frozen=True)
class Envelope:
    """Limits of what may reach the actuators."""

    steer_max_rad: float = 0.6
    steer_rate_radps: float = 0.8
    lateral_accel_mps2: float = 6.0
    wheelbase_m: float = 2.8
    throttle_rate_ps: float = 4.0
    brake_release_ps: float = 4.0
    stop_brake: float = 0.47
    """Pedal of the safe stop: about 4 m/s²."""
    stop_ramp_ps: float = 2.0
    hold_brake: float = 0.4
    speed_unknown_mps: float = 40.0
    """Assumed when the ego's speed is not finite, so that steering stays small."""

    def steer_limit_rad(self, speed_mps: float) -> float:
        """Largest road-wheel angle at a speed: by the stops, and by the lateral acceleration v² tan(δ) / wheelbase."""
        v = abs(speed_mps) if math.isfinite(speed_mps) else self.speed_unknown_mps
        grip = math.atan(self.lateral_accel_mps2 * self.wheelbase_m / max(v * v, 1e-6))
        return min(self.steer_max_rad, grip)


class Sent(NamedTuple):
    """What left the gate last, and when; None before the first."""

    throttle: float = 0.0
    brake: float = 0.0
    steer_rad: float = 0.0
    t: int | None = None


def gate(
    command: ControlCommand | None, ego: EgoState | None, last: Sent, dt_s: float, envelope: Envelope | None = None
) -> ControlCommand:
    """The command that may go out ``dt_s`` after ``last``. ``command`` None: there is none that is fresh enough."""
    limits = envelope or Envelope()
    dt_s = min(max(dt_s, 0.0), 1.0) if math.isfinite(dt_s) else 0.0
    speed = math.nan if ego is None else ego.speed_mps
    why = _objection(command, ego)
    if command is None or why:
        return _safe_stop(command, speed, last, dt_s, limits, why)
    steer = _steered(command.steer_rad, speed, last, dt_s, limits)
    asked = min(max(command.brake, 0.0), 1.0)
    # Pressing harder is never delayed; letting go is.
    brake = max(asked, last.brake - limits.brake_release_ps * dt_s)
    throttle = min(max(command.throttle, 0.0), 1.0, last.throttle + limits.throttle_rate_ps * dt_s)
    return ControlCommand(
        throttle=0.0 if brake > 0.0 else throttle, brake=brake, steer_rad=steer, reason=command.reason
    )


def _objection(command: ControlCommand | None, ego: EgoState | None) -> str:
    if command is None:
        return "no fresh command"
    for name in ("throttle", "brake", "steer_rad"):
        if not math.isfinite(getattr(command, name)):
            return f"{name} is not finite"
    if ego is None:
        return "no fresh ego state"
    return "" if math.isfinite(ego.speed_mps) else "the ego's speed is not finite"


def _safe_stop(
    command: ControlCommand | None, speed_mps: float, last: Sent, dt_s: float, limits: Envelope, why: str
) -> ControlCommand:
    """Ramp up to a firm brake and hold at standstill; steering stays where it was, within the envelope."""
    ramped = min(last.brake + limits.stop_ramp_ps * dt_s, limits.stop_brake)
    brake = max(ramped, last.brake - limits.brake_release_ps * dt_s)
    if math.isfinite(speed_mps) and abs(speed_mps) < 0.1:
        brake = max(brake, limits.hold_brake)
    if command is not None and math.isfinite(command.brake):
        brake = max(brake, command.brake)
    steer = _steered(last.steer_rad, speed_mps, last, dt_s, limits)
    return ControlCommand(throttle=0.0, brake=min(max(brake, 0.0), 1.0), steer_rad=steer, reason=f"safe_stop: {why}")


def _steered(wanted_rad: float, speed_mps: float, last: Sent, dt_s: float, limits: Envelope) -> float:
    step = limits.steer_rate_radps * dt_s
    bound = limits.steer_limit_rad(speed_mps)
    near = min(max(wanted_rad, last.steer_rad - step), last.steer_rad + step)
    return min(max(near, -bound), bound)


class CommandGate(Operator):
    """Lets commands through that are safe; stops the car when none comes.

    Ports: ``command`` (trigger), ``ego`` (latest) in; ``command_out`` out. A command for a timestamp more than
    ``ego_age_max`` after the newest ego state is not trusted. When no command arrives at all, a frequency deadline
    on ``command_out`` calls ``on_miss``, which stops the car.
    """

    command = Input(ControlCommand, queue=keep_last(1))
    ego = Input(EgoState, join=latest(), required=False)
    command_out = Output(ControlCommand)
    sent: State[Sent] = State(Sent)

    def __init__(self, *, command_age_max: Duration = ms(200), ego_age_max: Duration = ms(200)) -> None:
        self.command_age_max, self.ego_age_max = command_age_max, ego_age_max
        self.envelope = Envelope()

    def on_watermark(self, ctx: Context) -> ControlCommand:
        ctx.work("gate")
        envelope = ctx.envelope(self.command)
        fresh = envelope is None or ctx.t - envelope.t <= self.command_age_max
        return self._answer(ctx, ctx[self.command] if fresh else None)

    def on_miss(self, ctx: Context, miss: object) -> ControlCommand:
        """Nothing in time: one step of the safe stop."""
        return self._answer(ctx, None)

    def _answer(self, ctx: Context, command: ControlCommand | None) -> ControlCommand:
        seen = ctx.envelope(self.ego)
        ego = ctx.get(self.ego) if seen is not None and ctx.t - seen.t <= self.ego_age_max else None
        last = ctx[self.sent]
        dt_s = 0.01 if last.t is None else (ctx.t - last.t) * 1e-9
        out = gate(command, ego, last, dt_s, self.envelope)
        ctx[self.sent] = Sent(out.throttle, out.brake, out.steer_rad, int(ctx.t))
        return out
