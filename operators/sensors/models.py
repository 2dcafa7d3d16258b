"""What a LiDAR and a radar can do, as data: what a world needs to know to measure in their place.

Decides defaults and refuses what no device can be. The physics belongs to the world.
"""

from __future__ import annotations

import math

import msgspec
import numpy as np

from operators.messages import Mount
from pipeline.errors import UsageError


def beam_table(lowest_rad: float, highest_rad: float, count: int) -> tuple[float, ...]:
    """Elevations of ``count`` beams, ascending, twice as dense in the middle third, where road users are."""
    place = np.linspace(-1.0, 1.0, count) if count > 1 else np.zeros(1)
    bent = place * (0.5 + 0.5 * place * place)
    middle, half = 0.5 * (lowest_rad + highest_rad), 0.5 * (highest_rad - lowest_rad)
    return tuple(float(value) for value in middle + half * bent)


class LidarModel(msgspec.Struct, frozen=True, kw_only=True):
    """A spinning LiDAR: every ``sweep_s`` it turns once, clockwise seen from above, and fires ``columns`` times.

    The sweep begins and ends looking back. Raises UsageError for numbers that make no device.
    """

    elevations_rad: tuple[float, ...] = beam_table(math.radians(-24.0), math.radians(8.0), 64)
    columns: int = 1024
    sweep_s: float = 0.1
    rolling: bool = True
    """False: all beams fire at the end of the sweep, as no real device does."""
    range_min_m: float = 0.9
    range_max_m: float = 120.0
    range_std_m: float = 0.02
    range_10pct_m: float = 80.0
    """How far it sees a surface that reflects a tenth, facing it, in clear air, in half of the shots."""
    dropout: float = 0.005
    """Share of shots that are lost whatever they hit."""
    rain_mmph: float = 0.0
    fog_m: float = math.inf
    """Meteorological visibility."""
    truth: bool = False
    """Tell which road user each point lies on."""
    mount: Mount = Mount(x_m=1.2, z_m=1.9)
    frame_id: str = "lidar_top"

    def __post_init__(self) -> None:
        positive = (self.sweep_s, self.range_max_m - self.range_min_m, self.range_10pct_m, self.fog_m)
        if not self.elevations_rad or len(self.elevations_rad) > 256 or not 1 <= self.columns <= 16384:
            raise UsageError("a LiDAR has 1 to 256 beams and 1 to 16384 columns", where=self.frame_id)
        if not all(value > 0.0 for value in positive) or self.range_min_m < 0.0:
            raise UsageError(
                "sweep, ranges and visibility must be positive, the least range first", where=self.frame_id
            )
        if not (0.0 <= self.dropout <= 1.0 and self.range_std_m >= 0.0 and 0.0 <= self.rain_mmph < math.inf):
            raise UsageError("dropout is a share, and noise and rain are not negative", where=self.frame_id)


class RadarModel(msgspec.Struct, frozen=True, kw_only=True):
    """A front radar. ``*_resolution``: what it cannot tell apart; ``*_std``: noise. Raises UsageError likewise."""

    field_rad: float = math.radians(120.0)
    """Whole width of the horizontal field of view."""
    field_up_rad: float = math.radians(20.0)
    """Whole height of the vertical one."""
    range_min_m: float = 0.5
    range_max_m: float = 180.0
    range_10dbsm_m: float = 150.0
    """At which a car (10 dBsm), unhidden, is found in half of the cycles."""
    range_resolution_m: float = 0.4
    speed_resolution_mps: float = 0.1
    azimuth_resolution_rad: float = math.radians(2.0)
    range_std_m: float = 0.1
    speed_std_mps: float = 0.05
    azimuth_std_rad: float = math.radians(0.4)
    elevation_std_rad: float = math.radians(1.0)
    false_rate: float = 0.8
    """False returns a cycle, on average."""
    truth: bool = False
    mount: Mount = Mount(x_m=3.7, z_m=0.6)
    frame_id: str = "radar_front"

    def __post_init__(self) -> None:
        positive = (
            self.field_rad, self.field_up_rad, self.range_max_m - self.range_min_m, self.range_10dbsm_m,
            self.range_resolution_m, self.speed_resolution_mps, self.azimuth_resolution_rad,
        )  # fmt: skip
        noise = (self.range_std_m, self.speed_std_mps, self.azimuth_std_rad, self.elevation_std_rad, self.false_rate)
        if not all(0.0 < value < math.inf for value in positive) or self.field_rad > math.pi:
            what = "field of view (half the horizon at most), ranges and resolutions must be positive and finite"
            raise UsageError(what, where=self.frame_id)
        if not all(0.0 <= value < math.inf for value in noise) or self.range_min_m < 0.0:
            raise UsageError("noise, least range and false returns must not be negative", where=self.frame_id)
