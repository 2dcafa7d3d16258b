"""The inertial unit: specific force and angular rate with bias, noise and gravity."""

from __future__ import annotations

import functools
import math
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from operators.messages import EgoState, ImuSample
from operators.sensors.base import Vehicle, required
from operators.sensors.drift import Drift
from operators.sensors.faults import WITHOUT_FIELD
from operators.sensors.sensor import AT_ONCE, Sensor
from pipeline.definition import Context
from pipeline.errors import UsageError
from pipeline.ports import Output
from pipeline.timestamps import Duration, ms

GRAVITY_MPS2 = 9.80665


class Imu(Sensor):
    """Sends one reading every ``period``; axes x forward, y left, z up; at rest the force is (0, 0, +9.81).

    ``force_noise``, ``rate_noise``: noise densities in m/s²/√Hz and rad/s/√Hz, so that a reading's deviation grows with
    the root of the rate; ``force_bias_std_mps2``, ``rate_bias_std_radps``: biases that wander over
    ``bias_correlation_s``. ``x_m``, ``y_m``: mount, from the rear axle's centre; what the ego's angular acceleration
    adds there is left out. ``orientation``: tell the heading as well (exactly). Black reads zero on every axis.
    Ports: ``sample`` out. Ends with the world.
    """

    sample = Output(ImuSample)
    period = ms(10)
    fault_kinds = WITHOUT_FIELD

    def __init__(
        self,
        *,
        world: Vehicle,
        force_noise: float = 1.5e-3,
        rate_noise: float = 1.2e-4,
        force_bias_std_mps2: float = 0.03,
        rate_bias_std_radps: float = 5e-4,
        bias_correlation_s: float = 300.0,
        orientation: bool = False,
        x_m: float = 0.0,
        y_m: float = 0.0,
        frame_id: str = "imu",
        latency: Duration = AT_ONCE,
        faults: list[dict[str, Any]] | None = None,
        seed: int = 0,
    ) -> None:
        required(world, "inertial unit", "ego")
        super().__init__(world, latency=latency, faults=faults, seed=seed)
        noise = (force_noise, rate_noise, force_bias_std_mps2, rate_bias_std_radps)
        if not all(0.0 <= value < math.inf for value in noise) or not bias_correlation_s > 0.0:
            raise UsageError("noise and bias must not be negative, the correlation time positive", where=frame_id)
        self._world = world
        self.force_noise, self.rate_noise, self.orientation = force_noise, rate_noise, orientation
        self._x_m, self._y_m, self._frame_id = x_m, y_m, frame_id
        wanders = functools.partial(Drift, seed, frame_id, axes=3, correlation_s=bias_correlation_s)
        self._force_bias = wanders("force", std=force_bias_std_mps2)
        self._rate_bias = wanders("rate", std=rate_bias_std_radps)

    def measure(self, ctx: Context) -> ImuSample:
        state = self._world.ego()
        noise = ctx.rng.normal(0.0, math.sqrt(1e9 / self.period), (2, 3))
        force = true_force(state, self._x_m, self._y_m)
        rate = np.array([0.0, 0.0, state.yaw_rate_radps])
        half = 0.5 * state.yaw_rad
        return ImuSample(
            specific_force_mps2=force + self._force_bias.at(ctx.t) + self.force_noise * noise[0],
            angular_rate_radps=rate + self._rate_bias.at(ctx.t) + self.rate_noise * noise[1],
            orientation=np.array([0.0, 0.0, math.sin(half), math.cos(half)]) if self.orientation else None,
            captured_ns=ctx.t,
            frame_id=self._frame_id,
        )

    def blinded(self, message: ImuSample, share: float) -> ImuSample:
        return msgspec.structs.replace(message, specific_force_mps2=np.zeros(3), angular_rate_radps=np.zeros(3))


def true_force(state: EgoState, x_m: float, y_m: float) -> NDArray[np.float64]:
    """Specific force at a point of the car on a level road, (3,): acceleration along, centripetal, and gravity."""
    turn = state.yaw_rate_radps
    along = state.accel_mps2 - turn * turn * x_m
    across = state.speed_mps * turn - turn * turn * y_m
    return np.array([along, across, GRAVITY_MPS2])
