"""Follows a timed trajectory: PID with feed-forward on speed, pure pursuit on the path.

Decides pedals and steering; the gate has the last word. A trajectory is looked up at its age, so a late plan is joined
where it should be by now, and nothing to follow means braking. Source: Coulter, CMU-RI-TR-92-01 (pure pursuit).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from operators.messages import ControlCommand, EgoState, Trajectory
from pipeline.definition import Context, Operator
from pipeline.ports import Input, Output, State, keep_last, latest
from pipeline.timestamps import Duration, ms

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Vehicle:
    """What pedals and steering do: acceleration at full pedal, geometry, rolling losses."""

    throttle_accel_mps2: float = 4.0
    power_per_mass_wpkg: float = 64.0
    brake_decel_mps2: float = 8.5
    drag_mps2: float = 0.12
    drag_per_m: float = 2.5e-4
    wheelbase_m: float = 2.8
    steer_max_rad: float = 0.6


@dataclass(frozen=True)
class PidSettings:
    """Gains and times."""

    proportional: float = 1.2
    integral: float = 0.15
    derivative: float = 0.0
    position: float = 0.4
    """Acceleration per metre behind the plan …"""
    position_max_mps2: float = 1.5
    integral_max_mps2: float = 1.0
    lag_s: float = 0.1
    """The pedals' delay: acceleration is taken this much ahead."""
    look_ahead_s: float = 0.7
    look_ahead_min_m: float = 4.0
    look_ahead_max_m: float = 20.0
    safe_decel_mps2: float = 4.0
    """Braking without a plan, reached …"""
    safe_jerk_mps3: float = 8.0
    """… at this rate, so that the wait for the first plan costs little speed."""
    hold_brake: float = 0.4
    start_mps: float = 1.0
    """Below this a plan that speeds up is joined ``start_s`` later."""
    start_s: float = 0.8
    emergency_mps2: float = 7.5
    """A plan that decelerates this hard is an emergency: the whole pedal, whatever the feedback says."""


class PidState(NamedTuple):
    """What the controller keeps: integral term (m/s²) and last speed error."""

    integral_mps2: float = 0.0
    error_mps: float = 0.0
    t: int | None = None
    idle_s: float = 0.0
    """How long there has been nothing to follow."""


class Reference(NamedTuple):
    """Where the ego should be now."""

    x_m: float
    y_m: float
    yaw_rad: float
    speed_mps: float
    accel_mps2: float
    speed_ahead_mps: float


def reference(trajectory: Trajectory, age_s: float, lag_s: float) -> Reference:
    """The trajectory ``age_s`` after its timestamp; its acceleration is taken ``lag_s`` later still."""
    time = trajectory.time_s
    yaw = np.unwrap(trajectory.yaw_rad)
    x, y, heading, speed = (
        float(np.interp(age_s, time, values)) for values in (trajectory.x_m, trajectory.y_m, yaw, trajectory.speed_mps)
    )
    at = max(age_s, 0.0) + lag_s
    before, after = np.interp([at - 0.05, at + 0.05], time, trajectory.speed_mps)
    first = max(at - 0.05, float(time[0]))
    accel = float(after - before) / max(at + 0.05 - first, 1e-3)
    return Reference(x, y, heading, speed, accel, float(after))


def control(
    ego: EgoState,
    trajectory: Trajectory | None,
    age_s: float,
    state: PidState,
    dt_s: float,
    settings: PidSettings | None = None,
    vehicle: Vehicle | None = None,
) -> tuple[ControlCommand, PidState]:
    """Pedals and steering for now. No trajectory, an empty one or one that is over: brake with ``safe_decel_mps2``."""
    chosen, car = settings or PidSettings(), vehicle or Vehicle()
    if trajectory is None or len(trajectory.time_s) < 2 or age_s > float(trajectory.time_s[-1]):
        why = "no trajectory" if trajectory is None else trajectory.reason if age_s <= 0.0 else "trajectory over"
        idle_s = state.idle_s + max(dt_s, 0.0)
        braked = pedals(-min(chosen.safe_decel_mps2, chosen.safe_jerk_mps3 * idle_s), ego.speed_mps, chosen, car)
        return command_of(braked, ego.steer_rad, f"safe_stop: {why}"), PidState(idle_s=idle_s)
    wanted = reference(trajectory, age_s, chosen.lag_s)
    if ego.speed_mps < chosen.start_mps:
        # Every plan made at standstill begins at standstill: without looking ahead the car never starts.
        later = reference(trajectory, age_s + chosen.start_s, chosen.lag_s)
        wanted = later if later.speed_mps > ego.speed_mps + 0.2 else wanted
    error = wanted.speed_mps - ego.speed_mps
    behind = (wanted.x_m - ego.x_m) * math.cos(ego.yaw_rad) + (wanted.y_m - ego.y_m) * math.sin(ego.yaw_rad)
    place = min(max(chosen.position * behind, -chosen.position_max_mps2), chosen.position_max_mps2)
    rate = (error - state.error_mps) / dt_s if dt_s > 1e-4 and state.t is not None else 0.0
    push = chosen.proportional * error + place + chosen.derivative * rate
    asked = wanted.accel_mps2 + push + state.integral_mps2
    integral = state.integral_mps2
    if -car.brake_decel_mps2 < asked < car.throttle_accel_mps2:  # At the stops of a pedal more integral only winds up.
        limit = chosen.integral_max_mps2
        integral = min(max(integral + chosen.integral * error * dt_s, -limit), limit)
    if wanted.accel_mps2 <= -chosen.emergency_mps2:
        asked, integral = min(asked, -car.brake_decel_mps2 - 1.0), min(integral, 0.0)
    if wanted.speed_ahead_mps < 0.2 and ego.speed_mps < 0.3:
        pressed, integral = (0.0, chosen.hold_brake), 0.0
    else:
        pressed = pedals(asked, ego.speed_mps, chosen, car)
    steer = pursuit(ego, trajectory, age_s, chosen, car)
    return command_of(pressed, steer, "nominal"), PidState(integral, error)


def pedals(accel_mps2: float, speed_mps: float, settings: PidSettings, vehicle: Vehicle) -> tuple[float, float]:
    """Throttle and brake, each in [0, 1] and never both, for an acceleration at a speed."""
    losses = vehicle.drag_mps2 + vehicle.drag_per_m * speed_mps**2 if speed_mps > 0.05 else 0.0
    drive = accel_mps2 + losses
    available = min(vehicle.throttle_accel_mps2, vehicle.power_per_mass_wpkg / max(speed_mps, 1.0))
    throttle = min(max(drive / available, 0.0), 1.0)
    brake = min(max(-drive / vehicle.brake_decel_mps2, 0.0), 1.0)
    if speed_mps < 0.1 and accel_mps2 < 0.0:
        brake = max(brake, settings.hold_brake)
    return throttle, brake


def command_of(throttle_and_brake: tuple[float, float], steer_rad: float, reason: str) -> ControlCommand:
    """A command from throttle and brake."""
    throttle, brake = throttle_and_brake
    return ControlCommand(throttle=throttle, brake=brake, steer_rad=steer_rad, reason=reason)


def pursuit(ego: EgoState, trajectory: Trajectory, age_s: float, settings: PidSettings, vehicle: Vehicle) -> float:
    """Steering along the arc through the rear axle to the path's point one look-ahead away."""
    ahead = min(max(settings.look_ahead_s * ego.speed_mps, settings.look_ahead_min_m), settings.look_ahead_max_m)
    x, y = trajectory.x_m - ego.x_m, trajectory.y_m - ego.y_m
    cos, sin = math.cos(ego.yaw_rad), math.sin(ego.yaw_rad)
    forward, left = x * cos + y * sin, y * cos - x * sin
    nearest = int(np.argmin(forward**2 + left**2))
    reach = np.hypot(forward[nearest:], left[nearest:])
    beyond = np.flatnonzero((reach >= ahead) & (forward[nearest:] > 0.0))
    if len(beyond) > 0:
        k = nearest + int(beyond[0])
        target = (float(forward[k]), float(left[k]))
    else:  # The path ends before: go on along its last heading.
        missing = max(ahead - float(reach[-1]), 0.0)
        turn = float(trajectory.yaw_rad[-1]) - ego.yaw_rad
        target = (float(forward[-1]) + missing * math.cos(turn), float(left[-1]) + missing * math.sin(turn))
    squared = max(target[0] ** 2 + target[1] ** 2, 1.0)
    steer = math.atan(2.0 * vehicle.wheelbase_m * target[1] / squared)
    return min(max(steer, -vehicle.steer_max_rad), vehicle.steer_max_rad)


class Controller(Operator):
    """Follows the newest trajectory at the ego's rate.

    Ports: ``ego`` (trigger), ``trajectory`` (latest, optional) in; ``command`` out.
    """

    ego = Input(EgoState, queue=keep_last(1))
    trajectory = Input(Trajectory, join=latest(), required=False)
    command = Output(ControlCommand)
    memory: State[PidState] = State(PidState)

    def __init__(self, *, trajectory_age_max: Duration = ms(1500)) -> None:
        self.trajectory_age_max = trajectory_age_max
        self.settings, self.vehicle = PidSettings(), Vehicle()

    def on_watermark(self, ctx: Context) -> ControlCommand:
        ctx.work("control")
        envelope = ctx.envelope(self.trajectory)
        trajectory = ctx.get(self.trajectory)
        age = 0 if envelope is None else max(ctx.t - envelope.t, 0)
        if age > self.trajectory_age_max:
            trajectory = None
        memory = ctx[self.memory]
        dt_s = 0.0 if memory.t is None else (ctx.t - memory.t) * 1e-9
        command, after = control(ctx[self.ego], trajectory, age * 1e-9, memory, dt_s, self.settings, self.vehicle)
        ctx[self.memory] = after._replace(t=ctx.t)
        return command
