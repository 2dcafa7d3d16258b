"""The satellite receiver: where the antenna seems to be, with errors that wander and jump at houses.

Decides the error; where the antenna really is, and how much sky it sees, the world knows.
"""

from __future__ import annotations

import math
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from operators.messages import GnssFix
from operators.sensors import geodesy
from operators.sensors.base import SkyView, Vehicle, required
from operators.sensors.drift import Drift
from operators.sensors.faults import WITHOUT_FIELD
from operators.sensors.sensor import AT_ONCE, Sensor
from pipeline.definition import Context
from pipeline.errors import UsageError
from pipeline.ports import Output
from pipeline.timestamps import Duration, ms

VERTICAL = 1.6
"""Errors upwards are larger than along the ground by this factor: no satellites below."""
UNKNOWN_M2 = 1e6


class Gnss(Sensor):
    """Sends a position every ``period``.

    ``noise_std_m``: from fix to fix; ``bias_std_m``: wanders over ``bias_correlation_s``; ``multipath_m``: wanders
    within seconds, in proportion to the share of the sky that the world says is blocked (all of it where the world
    cannot say); ``dropout``: share of fixes that are not valid. Standard deviations per horizontal axis.
    ``latitude_deg``, ``longitude_deg``, ``altitude_m``: where on the earth the map's origin lies; map x is east.
    Ports: ``fix`` out. Ends with the world.
    """

    fix = Output(GnssFix)
    period = ms(100)
    fault_kinds = WITHOUT_FIELD

    def __init__(
        self,
        *,
        world: Vehicle,
        noise_std_m: float = 0.15,
        bias_std_m: float = 0.8,
        bias_correlation_s: float = 60.0,
        multipath_m: float = 0.0,
        multipath_correlation_s: float = 2.0,
        dropout: float = 0.0,
        latitude_deg: float = 48.137,
        longitude_deg: float = 11.575,
        altitude_m: float = 519.0,
        x_m: float = 1.0,
        y_m: float = 0.0,
        z_m: float = 1.5,
        frame_id: str = "gnss",
        latency: Duration = AT_ONCE,
        faults: list[dict[str, Any]] | None = None,
        seed: int = 0,
    ) -> None:
        required(world, "satellite receiver", "ego")
        super().__init__(world, latency=latency, faults=faults, seed=seed)
        if not all(0.0 <= std < math.inf for std in (noise_std_m, bias_std_m, multipath_m)):
            raise UsageError("a standard deviation is negative or not finite", hint="give 0 for none")
        if not (bias_correlation_s > 0.0 and multipath_correlation_s > 0.0 and 0.0 <= dropout <= 1.0):
            raise UsageError("correlation times must be positive and dropout a share from 0 to 1")
        self._world: Any = world
        self._arm, self._frame_id = (x_m, y_m, z_m), frame_id
        self.noise_std_m, self.bias_std_m, self.multipath_m, self.dropout = (
            noise_std_m,
            bias_std_m,
            multipath_m,
            dropout,
        )
        self.reference = geodesy.checked(latitude_deg, longitude_deg, altitude_m)
        self._bias = Drift(seed, frame_id, "bias", axes=3, std=bias_std_m, correlation_s=bias_correlation_s)
        self._multipath = Drift(seed, frame_id, "multipath", axes=3, std=1.0, correlation_s=multipath_correlation_s)

    def measure(self, ctx: Context) -> GnssFix:
        noise, lost = ctx.rng.normal(0.0, 1.0, 3), ctx.rng.random() < self.dropout
        x, y, z = self._antenna()
        multipath = self.multipath_m * self._blocked(x, y, z)
        error = self.noise_std_m * noise + self._bias.at(ctx.t) + multipath * self._multipath.at(ctx.t)
        error[2] *= VERTICAL
        variance = self.noise_std_m**2 + self.bias_std_m**2 + multipath**2
        latitude, longitude, altitude = geodesy.to_earth(self.reference, x + error[0], y + error[1], z + error[2])
        fix = GnssFix(
            latitude_deg=latitude,
            longitude_deg=longitude,
            altitude_m=altitude,
            covariance_m2=np.diag([variance, variance, variance * VERTICAL**2]),
            reference=self.reference,
            captured_ns=ctx.t,
            frame_id=self._frame_id,
        )
        return self.blinded(fix, 1.0) if lost else fix

    def blinded(self, message: GnssFix, share: float) -> GnssFix:
        return msgspec.structs.replace(
            message,
            latitude_deg=self.reference.latitude_deg,
            longitude_deg=self.reference.longitude_deg,
            altitude_m=self.reference.altitude_m,
            covariance_m2=UNKNOWN_M2 * np.eye(3),
            valid=False,
        )

    def _antenna(self) -> tuple[float, float, float]:
        state = self._world.ego()
        cos, sin = math.cos(state.yaw_rad), math.sin(state.yaw_rad)
        along, across, up = self._arm
        return state.x_m + along * cos - across * sin, state.y_m + along * sin + across * cos, up

    def _blocked(self, x_m: float, y_m: float, z_m: float) -> float:
        if self.multipath_m == 0.0 or not hasattr(self._world, "blocked_sky"):
            return 1.0
        sky: SkyView = self._world
        return sky.blocked_sky(x_m, y_m, z_m)


def map_position(fix: GnssFix) -> NDArray[np.float64]:
    """Where on the map a fix puts the antenna, (3,)."""
    return np.array(geodesy.to_map(fix.reference, fix.latitude_deg, fix.longitude_deg, fix.altitude_m))
