"""The LiDAR: one sweep of points per tick, as the world returns them."""

from __future__ import annotations

import math
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from operators.messages import Mount, PointCloud
from operators.sensors.base import LidarDevice, required
from operators.sensors.models import LidarModel, beam_table
from operators.sensors.sensor import AT_ONCE, Sensor
from pipeline.definition import Context
from pipeline.errors import UsageError
from pipeline.ports import Output
from pipeline.timestamps import Duration, ms


class Lidar(Sensor):
    """Sends the sweep that has just ended every ``period``. Angles in degrees, as data sheets have them.

    ``beams`` between ``lowest_deg`` and ``highest_deg``, ``columns`` a turn; ``sweep``: how long a turn takes (None:
    the period); ``range_std_m``, ``dropout``: noise and share of shots lost for no reason; ``rain_mmph``, ``fog_m``:
    weather on top of the world's own; ``truth``: points tell which road user they lie on.
    A partial fault loses a sector that begins at the front and reaches equally far to both sides.
    Ports: ``points`` out. Ends with the world. Raises UsageError for a world without geometry.
    """

    points = Output(PointCloud)
    period = ms(100)

    def __init__(
        self,
        *,
        world: LidarDevice,
        beams: int = 64,
        columns: int = 1024,
        lowest_deg: float = -24.0,
        highest_deg: float = 8.0,
        sweep: Duration | None = None,
        rolling: bool = True,
        range_max_m: float = 120.0,
        range_std_m: float = 0.02,
        range_10pct_m: float = 80.0,
        dropout: float = 0.005,
        rain_mmph: float = 0.0,
        fog_m: float = math.inf,
        truth: bool = False,
        x_m: float = 1.2,
        y_m: float = 0.0,
        z_m: float = 1.9,
        yaw_deg: float = 0.0,
        pitch_deg: float = 0.0,
        frame_id: str = "lidar_top",
        latency: Duration = AT_ONCE,
        faults: list[dict[str, Any]] | None = None,
        seed: int = 0,
    ) -> None:
        required(world, "LiDAR", "scan")
        super().__init__(world, latency=latency, faults=faults, seed=seed)
        if not (1 <= beams <= 256 and -90.0 <= lowest_deg <= highest_deg <= 90.0):
            raise UsageError("a LiDAR has 1 to 256 beams, the lowest not above the highest", where=frame_id)
        self._world = world
        self._sweep = sweep
        self._model = LidarModel(
            elevations_rad=beam_table(math.radians(lowest_deg), math.radians(highest_deg), beams),
            columns=columns,
            rolling=rolling,
            range_max_m=range_max_m,
            range_std_m=range_std_m,
            range_10pct_m=range_10pct_m,
            dropout=dropout,
            rain_mmph=rain_mmph,
            fog_m=fog_m,
            truth=truth,
            mount=Mount(x_m=x_m, y_m=y_m, z_m=z_m, yaw_rad=math.radians(yaw_deg), pitch_rad=math.radians(pitch_deg)),
            frame_id=frame_id,
        )

    @property
    def model(self) -> LidarModel:
        """What the device can do. A launch file sets the period after the operator is made."""
        sweep_s = (self.period if self._sweep is None else self._sweep) / 1e9
        if sweep_s != self._model.sweep_s:
            self._model = msgspec.structs.replace(self._model, sweep_s=sweep_s)
        return self._model

    def measure(self, ctx: Context) -> PointCloud:
        cloud = self._world.scan(self.model, ctx.rng)
        return cloud if cloud.captured_ns == ctx.t else msgspec.structs.replace(cloud, captured_ns=ctx.t)

    def blinded(self, message: PointCloud, share: float) -> PointCloud:
        azimuth = np.arctan2(message.points_m[:, 1], message.points_m[:, 0])
        return chosen(message, np.abs(azimuth) > share * math.pi)

    def warm_up(self) -> None:
        self._world.scan(self.model, np.random.default_rng(0))


def chosen(cloud: PointCloud, rows: NDArray[np.bool_]) -> PointCloud:
    """The points of a cloud for which ``rows``, (n,), is true."""
    return msgspec.structs.replace(
        cloud,
        points_m=cloud.points_m[rows],
        intensity=cloud.intensity[rows],
        offset_s=cloud.offset_s[rows],
        ring=cloud.ring[rows],
        instance=None if cloud.instance is None else cloud.instance[rows],
    )


def deskewed(cloud: PointCloud, speed_mps: float, yaw_rate_radps: float) -> NDArray[np.float32]:
    """All points in the ego frame at the end of the sweep, (n, 3), for an ego that moved steadily during it."""
    mount = cloud.mount
    x, y, z = (cloud.points_m[:, k].astype(np.float64) for k in range(3))
    level, down = math.cos(mount.pitch_rad), math.sin(mount.pitch_rad)
    forward, up = x * level + z * down, z * level - x * down
    cos, sin = math.cos(mount.yaw_rad), math.sin(mount.yaw_rad)
    along, across = mount.x_m + forward * cos - y * sin, mount.y_m + forward * sin + y * cos
    turn = yaw_rate_radps * cloud.offset_s
    shift = speed_mps * cloud.offset_s
    half = 0.5 * turn
    out = np.empty_like(cloud.points_m)
    out[:, 0] = along * np.cos(turn) - across * np.sin(turn) + shift * np.cos(half)
    out[:, 1] = along * np.sin(turn) + across * np.cos(turn) + shift * np.sin(half)
    out[:, 2] = up + mount.z_m
    return out
