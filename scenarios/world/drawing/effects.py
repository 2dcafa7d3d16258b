"""What happens to a picture after shading: wet ground, spray, drops, glare, motion blur, exposure and noise.

Decides which of it a scenario's weather asks for, and in which order; ``rain`` and ``lens`` do it.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from operators.messages import CameraModel, EgoState
from scenarios.scenario import Scenario, Weather
from scenarios.world.drawing import lens, rain
from scenarios.world.drawing.light import HAZE_COLOUR, LAMPS, SKY_LOW, light_of
from scenarios.world.drawing.raster import View
from scenarios.world.drawing.scenes import Shown
from scenarios.world.drawing.shading import Picture
from scenarios.world.drawing.surfaces import noise_textures

DROPS = 1500
"""Drops in a picture of 640 x 360 in the heaviest rain."""
SPRAY_FROM_MPS = 4.0
GLARES = ((1, 0.50), (3, 1.4), (9, 2.6))
"""Radius of each glow in blocks of four pixels, and its strength."""


class Effects:
    """The finish of one renderer's pictures; nothing at all by default."""

    def __init__(self, scenario: Scenario, camera: CameraModel, seed: int) -> None:
        self._idle = scenario.weather == Weather(shadow_map=scenario.weather.shadow_map, fog_m=scenario.weather.fog_m)
        self._weather, self._seed = scenario.weather, scenario.scenery_seed * 1009 + seed
        light = light_of(scenario)
        self._lamps = float(light.mood[LAMPS])
        self._wet = max(self._weather.wetness, min(1.0, 1.6 * self._weather.rain))
        self._above = light.colours[SKY_LOW].copy()
        self._drop = np.minimum(255.0, 0.5 * light.colours[HAZE_COLOUR] + 70.0 * self._lamps + 96.0 * (1 - self._lamps))
        self._mist = np.minimum(255.0, light.colours[HAZE_COLOUR] * 0.92 + 26.0 * self._lamps)
        self._noise = noise_textures()
        small = (camera.height_px // lens.GLARE_SCALE, camera.width_px // lens.GLARE_SCALE, 3)
        self._small, self._other, self._total = (np.zeros(small, np.float32) for _ in range(3))
        self._source = np.zeros((camera.height_px, camera.width_px, 3), np.uint8)
        self._tile = lens.noise_tile()
        self._strength = (self._weather.grain * np.sqrt((np.arange(256) + 24.0) / 152.0)).astype(np.float32)
        self._speeds = np.zeros((1000, 2))

    def apply(self, picture: Picture, view: View, ego: EgoState, users: Sequence[Shown], now_ns: int) -> None:
        """Finish a picture in place."""
        weather, rgb = self._weather, picture.rgb
        if self._idle:
            return
        rng = np.random.default_rng([self._seed, now_ns, 11])
        if self._wet > 0.0:
            rain.mirror_ground(rgb, picture.depth, picture.semantic, self._noise, view, self._wet, self._above)
        if weather.rain > 0.0:
            rain.spray(rgb, picture.depth, view, _puffs(users, weather.rain, self._wet), self._noise, self._mist)
        if self._lamps > 0.0:
            self._glare(rgb)
        if weather.blur_s > 0.0:
            self._smear(picture, view, ego, users)
        if weather.rain > 0.0:
            count = int(DROPS * weather.rain * rgb.shape[0] * rgb.shape[1] / 230400)
            drops = rng.random((count, 3))
            drops[:, 2] = 1.2 + 11.0 * drops[:, 2] ** 1.5
            rain.streaks(rgb, picture.depth, view, drops, ego.speed_mps, self._drop)
        if weather.auto_exposure:
            lens.exposed(rgb, lens.exposure_table(float(lens.mean_light(rgb))))
        if weather.grain > 0.0:
            first, second = (int(value) for value in rng.integers(lens.NOISE_SIDE, size=2))
            lens.add_noise(rgb, self._tile, first, second, self._strength)

    def _glare(self, rgb: NDArray[np.uint8]) -> None:
        lens.gather_glare(rgb, self._small)
        self._total.fill(0.0)
        for radius, strength in GLARES:
            lens.spread_glare(self._small, self._other, self._total, radius, strength * self._lamps)
        lens.add_glare(rgb, self._total)

    def _smear(self, picture: Picture, view: View, ego: EgoState, users: Sequence[Shown]) -> None:
        self._source[:] = picture.rgb
        self._speeds[:] = 0.0
        for user in users:
            self._speeds[user.actor.id] = user.speed_x_mps, user.speed_y_mps
        motion = np.array(
            [ego.speed_mps * math.cos(ego.yaw_rad), ego.speed_mps * math.sin(ego.yaw_rad), ego.yaw_rate_radps]
        )
        lens.smear(
            picture.rgb,
            self._source,
            picture.depth,
            picture.instance,
            view,
            motion,
            self._speeds,
            self._weather.blur_s,
        )


def _puffs(users: Sequence[Shown], amount: float, wet: float) -> NDArray[np.float64]:
    """Spray behind what drives through the wet, the furthest first as listed: (n, 5) for ``rain.spray``."""
    rows = []
    for user in users:
        if user.kind.label != "vehicle" or user.speed_mps < SPRAY_FROM_MPS:
            continue
        cos, sin = math.cos(user.yaw_rad), math.sin(user.yaw_rad)
        dense = min(1.0, user.speed_mps / 22.0) * (0.25 + 0.75 * amount) * wet * 0.42
        for away, radius in ((0.3, 0.55), (1.5, 0.85), (3.2, 1.2), (5.4, 1.5)):
            back = 0.5 * user.kind.length_m + away
            size = radius * (0.6 + 0.2 * user.kind.width_m)
            rows.append((user.x_m - back * cos, user.y_m - back * sin, 0.55 * size, size, dense / (0.7 + away * 0.35)))
    return np.array(rows, np.float64).reshape(-1, 5)
