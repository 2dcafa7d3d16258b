"""The wheels' speed sensors: turning rates of four wheels, with slip, noise and steps."""

from __future__ import annotations

import math
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from operators.messages import EgoSize, EgoState, WheelSpeeds
from operators.sensors.base import Vehicle, required
from operators.sensors.faults import WITHOUT_FIELD
from operators.sensors.sensor import AT_ONCE, Sensor
from pipeline.definition import Context
from pipeline.errors import UsageError
from pipeline.ports import Output
from pipeline.timestamps import Duration, ms

GRAVITY_MPS2 = 9.80665
TRACK_SHARE = 0.84
"""Track width over the car's width."""


class WheelEncoders(Sensor):
    """Sends the rates of the four wheels every ``period``.

    ``step_radps``: they come in multiples of this; below ``rate_min_radps`` no pulse comes in time and they read 0;
    ``noise_std_radps``: before the steps; ``slip_per_g``: longitudinal slip of a wheel that passes on 1 g: driven
    (``driven``: front, rear or all) wheels turn faster when accelerating, all of them slower when braking.
    ``radius_m``: what the receiver is told; ``radius_error``: by what share the tyres really differ from it.
    Ports: ``speeds`` out. Ends with the world.
    """

    speeds = Output(WheelSpeeds)
    period = ms(20)
    fault_kinds = WITHOUT_FIELD

    def __init__(
        self,
        *,
        world: Vehicle,
        step_radps: float = 0.05,
        rate_min_radps: float = 0.6,
        noise_std_radps: float = 0.02,
        slip_per_g: float = 0.08,
        driven: str = "front",
        radius_m: float = 0.32,
        radius_error: float = 0.0,
        frame_id: str = "wheels",
        latency: Duration = AT_ONCE,
        faults: list[dict[str, Any]] | None = None,
        seed: int = 0,
    ) -> None:
        required(world, "wheel speed sensor", "ego")
        super().__init__(world, latency=latency, faults=faults, seed=seed)
        if driven not in ("front", "rear", "all"):
            raise UsageError(f"driven={driven!r} names no wheels", hint="use front, rear or all")
        values = (step_radps, rate_min_radps, noise_std_radps, slip_per_g)
        if not all(0.0 <= value < math.inf for value in values):
            raise UsageError("steps, noise and slip must not be negative", hint="give 0 for none")
        if not (0.0 < radius_m < math.inf and abs(radius_error) < 0.5):
            raise UsageError("a wheel's radius must be positive and its error below a half")
        self._world, self._size = world, EgoSize()
        self.step_radps, self.rate_min_radps, self.noise_std_radps = step_radps, rate_min_radps, noise_std_radps
        self.slip_per_g, self.driven, self.radius_m, self.radius_error = slip_per_g, driven, radius_m, radius_error
        self._frame_id = frame_id

    def measure(self, ctx: Context) -> WheelSpeeds:
        state = self._world.ego()
        ground = over_ground(state, self._size)
        rates = ground * (1.0 + self._slip(state)) / (self.radius_m * (1.0 + self.radius_error))
        # A wheel that stands has no noise: there are no pulses to count.
        turning = np.abs(rates) >= max(self.rate_min_radps, 1e-9)
        rates = np.where(turning, rates + ctx.rng.normal(0.0, self.noise_std_radps, 4), 0.0)
        if self.step_radps > 0.0:
            rates = np.round(rates / self.step_radps) * self.step_radps
        return WheelSpeeds(rates_radps=rates + 0.0, radius_m=self.radius_m, captured_ns=ctx.t, frame_id=self._frame_id)

    def blinded(self, message: WheelSpeeds, share: float) -> WheelSpeeds:
        return msgspec.structs.replace(message, rates_radps=np.zeros(4))

    def _slip(self, state: EgoState) -> NDArray[np.float64]:
        pull = self.slip_per_g * state.accel_mps2 / GRAVITY_MPS2
        if pull <= 0.0:
            return np.full(4, pull)
        front, rear = self.driven in ("front", "all"), self.driven in ("rear", "all")
        share = 0.5 if self.driven == "all" else 1.0
        return pull * share * np.array([front, front, rear, rear], np.float64)


def over_ground(state: EgoState, size: EgoSize) -> NDArray[np.float64]:
    """Speed along its own direction at which each wheel's contact point moves, (4,): front left, front right, rear …"""
    half = 0.5 * TRACK_SHARE * size.width_m
    turn, steer = state.yaw_rate_radps, state.steer_rad
    left, right = state.speed_mps - half * turn, state.speed_mps + half * turn
    across = size.wheelbase_m * turn
    cos, sin = math.cos(steer), math.sin(steer)
    return np.array([left * cos + across * sin, right * cos + across * sin, left, right])
