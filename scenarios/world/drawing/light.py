"""From a scenario's weather to the light it is drawn in: colours of sky, sun, haze and lamps, fog, and lamp pools.

Decides how bright and which colour light is; ``shading`` lets it fall on things, ``effects`` does what lenses do.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from scenarios.scenario import Scenario, Weather
from scenarios.world.kernels import Array, inlined, kernel

Colours = NDArray[np.float64]

SKY_LIGHT, SUN_LIGHT, HAZE_COLOUR, SKY_LOW, SKY_HIGH, CLOUD, SUN_GLOW, SHINE = range(8)
"""Rows of ``colours``: light from the sky and from the sun (factors); then display values of haze, of the sky at the
horizon and overhead, of clouds, of the glow around the sun, and of what paint and glass mirror."""

DAY: Colours = np.array(
    [
        (0.58, 0.62, 0.68), (0.66, 0.61, 0.50), (214.0, 221.0, 226.0), (220.0, 227.0, 231.0),
        (108.0, 158.0, 212.0), (244.0, 245.0, 246.0), (252.0, 246.0, 232.0), (226.0, 234.0, 242.0),
    ]
)  # fmt: skip
DUSK: Colours = np.array(
    [
        (0.27, 0.26, 0.33), (0.34, 0.19, 0.09), (142.0, 116.0, 112.0), (228.0, 158.0, 106.0),
        (66.0, 82.0, 128.0), (148.0, 112.0, 118.0), (255.0, 196.0, 128.0), (150.0, 124.0, 124.0),
    ]
)  # fmt: skip
NIGHT: Colours = np.array(
    [
        (0.092, 0.100, 0.132), (0.026, 0.030, 0.040), (13.0, 15.0, 22.0), (26.0, 26.0, 35.0),
        (6.0, 8.0, 16.0), (20.0, 21.0, 28.0), (34.0, 38.0, 50.0), (18.0, 20.0, 28.0),
    ]
)  # fmt: skip
LAMPS_FROM = 0.3
"""From this share of night on lamps are lit."""

OVERCAST, GLOW, DRY, LAMPS, FOG_STEP, FOG_TOP = range(6)
"""Places in ``mood``: what is added to the clouds; strength of the sun's glow; brightness of the ground, 1 when dry;
strength of lamps against daylight; steps of the fog table for a metre, 0 without fog; thickness of the fog layer."""
FOG_SIZE = 1024
FOG_LAYER_M = 70.0

BEAM_COLOUR, LAMP_COLOUR, WINDOW_COLOUR = (1.0, 0.96, 0.86), (1.0, 0.80, 0.52), (250.0, 206.0, 130.0)
CELL_M, CELLS = 0.5, 512
"""Lamp light on the ground: a grid that is wrapped around the ego's surroundings."""
LAMP_REACH_M = 15.0


class Light(NamedTuple):
    """colours: see ``SKY_LIGHT``; mood: see ``OVERCAST``; fog: share hidden by distance in ``mood[FOG_STEP]`` steps;
    pools: (CELLS, CELLS) lamp light on the ground, wrapped; lamps: the ego's headlights (x, y, cosine, sine)."""

    colours: Array
    mood: Array
    fog: Array
    pools: Array
    lamps: Array


def light_of(scenario: Scenario) -> Light:
    """The light of a scenario; a clear day for the default weather."""
    weather = scenario.weather
    # Fog keeps the sun back as clouds do.
    cover = max(weather.clouds, 0.92 * weather.rain, min(0.95, 110.0 / weather.fog_m) if weather.fog_m else 0.0)
    wet = max(weather.wetness, min(1.0, 1.6 * weather.rain))
    colours = _colours(weather.night, cover)
    mood = np.array([1.1 * cover, 1.0 - cover, 1.0 - 0.38 * wet, lamp_share(weather), 0.0, 0.0])
    fog = np.zeros(FOG_SIZE)
    # Rain hides what is far away like thin fog.
    visibility = min(weather.fog_m or math.inf, 420.0 / weather.rain if weather.rain else math.inf)
    if math.isfinite(visibility):
        reach = 2.5 * visibility
        mood[FOG_STEP] = FOG_SIZE / reach
        mood[FOG_TOP] = FOG_LAYER_M
        fog[:] = 1.0 - np.exp(-3.0 / visibility * (np.arange(FOG_SIZE) / mood[FOG_STEP]))
    if mood[FOG_STEP] and mood[LAMPS]:
        # Drops scatter the light of lamps.
        colours[HAZE_COLOUR] = np.maximum(colours[HAZE_COLOUR], mood[LAMPS] * np.array([46.0, 42.0, 38.0]))
    night_on = CELLS if mood[LAMPS] > 0.0 else 1
    return Light(colours, mood, fog, np.zeros((night_on, night_on), np.float32), np.zeros(4))


def lamp_share(weather: Weather) -> float:
    """How much lamps count: 0 by day."""
    return 0.0 if weather.night < LAMPS_FROM else min(1.0, 0.35 + 0.65 * (weather.night - LAMPS_FROM) / 0.5)


def _colours(night: float, cover: float) -> Colours:
    if night == 0.0 and cover == 0.0:
        return DAY.copy()
    share = 2.0 * night if night < 0.5 else 2.0 * night - 1.0
    out: Colours = DAY + (DUSK - DAY) * share if night < 0.5 else DUSK + (NIGHT - DUSK) * share
    grey = out.mean(axis=1, keepdims=True)
    dull = grey * np.array([[0.99, 1.0, 1.02]])
    dimmed = np.array([1.14, 0.06, 0.88, 0.90, 1.0, 0.84, 0.8, 0.82])[:, None]
    result: Colours = out + (dull * dimmed - out) * cover
    return result


@inlined
def headlights(lamps: Array, x: float, y: float, z: float) -> float:
    """Light of the ego's dipped beam at a point: bright to 25 m, cut off above the lamps, a little further right."""
    dx, dy = x - lamps[0], y - lamps[1]
    ahead, left = dx * lamps[2] + dy * lamps[3], dy * lamps[2] - dx * lamps[3]
    if ahead <= 0.0:
        return 0.0
    spread = left / (1.1 + 0.36 * ahead)
    spread *= spread
    far = ahead / (17.0 if z < 0.2 else 27.0)
    bright = 1.9 * (0.3 + 0.7 * min(1.0, ahead / 8.0)) / ((1.0 + spread * spread) * (1.0 + far * far))
    cut = 0.75 + (0.035 * ahead if left < 0.0 else 0.008 * ahead)
    if z > cut:
        bright *= 0.10 + 0.90 / (1.0 + 18.0 * (z - cut) * (z - cut))
    return float(bright)


@inlined
def pool(pools: Array, x: float, y: float, z: float) -> float:
    """Lamp light at a point, bilinear in the plane; weaker high above the ground."""
    u, v = x / CELL_M, y / CELL_M
    low_u, low_v = math.floor(u), math.floor(v)
    a, b = u - low_u, v - low_v
    i, j = int(low_u) & (CELLS - 1), int(low_v) & (CELLS - 1)
    k, m = (i + 1) & (CELLS - 1), (j + 1) & (CELLS - 1)
    first = pools[i, j] + (pools[i, m] - pools[i, j]) * b
    second = pools[k, j] + (pools[k, m] - pools[k, j]) * b
    value = first + (second - first) * a
    return float(value * (1.0 if z < 4.0 else 1.0 / (1.0 + 0.5 * (z - 4.0))))


@kernel
def light_pools(pools: Array, eye: Array, lamps: Array, cars: Array) -> None:
    """Light the ground anew. lamps: (n, 2) of x, y; cars: (m, 4) of x, y (front), yaw, strength of their headlights."""
    half = 0.5 * (CELLS - 64) * CELL_M
    pools[:] = 0.0
    for n in range(lamps.shape[0]):
        if abs(lamps[n, 0] - eye[0]) > half or abs(lamps[n, 1] - eye[1]) > half:
            continue
        _spot(pools, lamps[n, 0], lamps[n, 1])
    for n in range(cars.shape[0]):
        if abs(cars[n, 0] - eye[0]) < half and abs(cars[n, 1] - eye[1]) < half:
            _cone(pools, cars[n, 0], cars[n, 1], cars[n, 2], cars[n, 3])


@kernel
def _spot(pools: Array, x: float, y: float) -> None:
    reach = int(LAMP_REACH_M / CELL_M)
    i, j = int(math.floor(x / CELL_M)), int(math.floor(y / CELL_M))
    for a in range(i - reach, i + reach + 1):
        for b in range(j - reach, j + reach + 1):
            dx, dy = a * CELL_M - x, b * CELL_M - y
            square = (dx * dx + dy * dy) / (LAMP_REACH_M * LAMP_REACH_M)
            if square < 1.0:
                fade = (1.0 - square) / (1.0 + 6.0 * square)
                pools[a & (CELLS - 1), b & (CELLS - 1)] += 0.85 * fade


@kernel
def _cone(pools: Array, x: float, y: float, yaw: float, strength: float) -> None:
    cos, sin = math.cos(yaw), math.sin(yaw)
    reach = 34
    i, j = int(math.floor((x + 11.0 * cos) / CELL_M)), int(math.floor((y + 11.0 * sin) / CELL_M))
    for a in range(i - reach, i + reach + 1):
        for b in range(j - reach, j + reach + 1):
            dx, dy = a * CELL_M - x, b * CELL_M - y
            ahead, left = dx * cos + dy * sin, dy * cos - dx * sin
            if 0.0 < ahead < 24.0:
                spread = left / (1.0 + 0.3 * ahead)
                spread *= spread
                far = ahead / 9.0
                rise = min(1.0, 0.4 * ahead) * (1.0 - ahead / 24.0)
                pools[a & (CELLS - 1), b & (CELLS - 1)] += (
                    strength * rise / ((1.0 + spread * spread) * (1.0 + far * far))
                )
