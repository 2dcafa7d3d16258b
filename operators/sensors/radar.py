"""The radar: one list of returns per tick, as the world sends them back."""

from __future__ import annotations

import math
from typing import Any

import msgspec
import numpy as np

from operators.messages import Mount, RadarReturns
from operators.sensors.base import RadarDevice, required
from operators.sensors.models import RadarModel
from operators.sensors.sensor import AT_ONCE, Sensor
from pipeline.definition import Context
from pipeline.ports import Output
from pipeline.timestamps import Duration, ms


class Radar(Sensor):
    """Sends the returns of one cycle every ``period``. Angles in degrees; fields of view are whole widths.

    ``range_10dbsm_m``: at which a car is found in half of the cycles; ``false_rate``: false returns a cycle on average;
    ``truth``: returns tell which road user they come from. A partial fault loses the left part of the field of view.
    Ports: ``returns`` out. Ends with the world. Raises UsageError for a world without radar.
    """

    returns = Output(RadarReturns)
    period = ms(50)

    def __init__(
        self,
        *,
        world: RadarDevice,
        field_deg: float = 120.0,
        field_up_deg: float = 20.0,
        range_max_m: float = 180.0,
        range_10dbsm_m: float = 150.0,
        range_resolution_m: float = 0.4,
        speed_resolution_mps: float = 0.1,
        azimuth_resolution_deg: float = 2.0,
        range_std_m: float = 0.1,
        speed_std_mps: float = 0.05,
        azimuth_std_deg: float = 0.4,
        false_rate: float = 0.8,
        truth: bool = False,
        x_m: float = 3.7,
        y_m: float = 0.0,
        z_m: float = 0.6,
        yaw_deg: float = 0.0,
        frame_id: str = "radar_front",
        latency: Duration = AT_ONCE,
        faults: list[dict[str, Any]] | None = None,
        seed: int = 0,
    ) -> None:
        required(world, "radar", "echoes")
        super().__init__(world, latency=latency, faults=faults, seed=seed)
        self._world = world
        self.model = RadarModel(
            field_rad=math.radians(field_deg),
            field_up_rad=math.radians(field_up_deg),
            range_max_m=range_max_m,
            range_10dbsm_m=range_10dbsm_m,
            range_resolution_m=range_resolution_m,
            speed_resolution_mps=speed_resolution_mps,
            azimuth_resolution_rad=math.radians(azimuth_resolution_deg),
            range_std_m=range_std_m,
            speed_std_mps=speed_std_mps,
            azimuth_std_rad=math.radians(azimuth_std_deg),
            false_rate=false_rate,
            truth=truth,
            mount=Mount(x_m=x_m, y_m=y_m, z_m=z_m, yaw_rad=math.radians(yaw_deg)),
            frame_id=frame_id,
        )

    def measure(self, ctx: Context) -> RadarReturns:
        found = self._world.echoes(self.model, ctx.rng)
        return found if found.captured_ns == ctx.t else msgspec.structs.replace(found, captured_ns=ctx.t)

    def blinded(self, message: RadarReturns, share: float) -> RadarReturns:
        kept = message.azimuth_rad < (0.5 - share) * self.model.field_rad
        if share >= 1.0:
            kept = np.zeros_like(kept)
        return msgspec.structs.replace(
            message,
            range_m=message.range_m[kept],
            azimuth_rad=message.azimuth_rad[kept],
            elevation_rad=message.elevation_rad[kept],
            radial_speed_mps=message.radial_speed_mps[kept],
            rcs_dbsm=message.rcs_dbsm[kept],
            instance=None if message.instance is None else message.instance[kept],
        )

    def warm_up(self) -> None:
        self._world.echoes(self.model, np.random.default_rng(0))
