"""What road, pavement, facades, foliage and sky look like at a point. Pure functions of position, filtered by footprint.

Colours are display values (0 … 255); light and haze are added by ``shading``.
"""

from __future__ import annotations

import math

import numpy as np
from numba import njit
from numpy.typing import NDArray

from scenarios.world.raster import Array

NOISE_SIZE = 256
Rgb = tuple[float, float, float]

LINE = (226.0, 225.0, 216.0)
LINE_HALF_M = 0.065
SKY_LOW, SKY_HIGH = (216.0, 223.0, 227.0), (104.0, 152.0, 206.0)


def noise_textures() -> NDArray[np.float32]:
    """Tileable noise in [-1, 1], (3, 256, 256): fine grain, soft patches over 8 cells, soft patches over 32 cells."""
    rng = np.random.default_rng(20)
    layers = [rng.uniform(-1.0, 1.0, (NOISE_SIZE, NOISE_SIZE))]
    for cell in (8, 32):
        total = np.zeros((NOISE_SIZE, NOISE_SIZE))
        for octave in range(3):
            size = max(2, cell >> octave)
            coarse = rng.uniform(-1.0, 1.0, (NOISE_SIZE // size, NOISE_SIZE // size))
            total += _smooth_upsample(coarse, size) * 0.55**octave
        layers.append(total / np.abs(total).max())
    return np.stack(layers).astype(np.float32)


def _smooth_upsample(coarse: NDArray[np.float64], factor: int) -> NDArray[np.float64]:
    position = np.arange(NOISE_SIZE) / factor
    low = position.astype(np.int64)
    share = position - low
    share = share * share * (3.0 - 2.0 * share)
    high = (low + 1) % coarse.shape[0]
    rows = coarse[low] * (1.0 - share)[:, None] + coarse[high] * share[:, None]
    result: NDArray[np.float64] = rows[:, low] * (1.0 - share) + rows[:, high] * share
    return result


@njit(cache=True, error_model="numpy", _nrt=False)
def lookup(noise: Array, layer: int, u: float, v: float) -> float:
    """Nearest texel of a noise layer; coordinates in texels, wrapped."""
    return float(noise[layer, int(math.floor(u)) & 255, int(math.floor(v)) & 255])


@njit(cache=True, error_model="numpy", _nrt=False)
def covered(x: float, low: float, high: float, footprint: float) -> float:
    """Share of the interval of width ``footprint`` around ``x`` that lies in [low, high]."""
    return max(0.0, min(x + 0.5 * footprint, high) - max(x - 0.5 * footprint, low)) / footprint


@njit(cache=True, error_model="numpy", _nrt=False)
def mix(a: Rgb, b: Rgb, share: float) -> Rgb:
    """``a`` at 0, ``b`` at 1."""
    return a[0] + (b[0] - a[0]) * share, a[1] + (b[1] - a[1]) * share, a[2] + (b[2] - a[2]) * share


@njit(cache=True, error_model="numpy", _nrt=False)
def grain(noise: Array, s: float, d: float, along: float, across: float) -> float:
    """Fine grain of asphalt, stone or grass, coarsened with the footprint so that it never shimmers."""
    step_s, step_d = 0.03, 0.03
    while step_s < along:
        step_s *= 2.0
    while step_d < across:
        step_d *= 2.0
    fade = 0.03 / max(step_s, step_d)
    return lookup(noise, 0, s / step_s, d / step_d) * (0.35 + 0.65 * fade)


@njit(cache=True, error_model="numpy", _nrt=False)
def markings(s: float, d: float, along: float, across: float, lane: float, kerb: float) -> float:
    """Coverage by white paint: dashed middle line, solid edge lines, marks between parking bays."""
    side = abs(d)
    paint = 0.0
    if side < 0.5 + across:
        period = s - 9.0 * math.floor(s / 9.0)
        dash = covered(period, 0.0, 3.0, along) if along < 5.0 else 0.33
        paint = covered(d, -LINE_HALF_M, LINE_HALF_M, across) * dash
    elif kerb > lane + 0.5 and abs(side - lane) < 0.5 + across:
        paint = covered(side, lane - LINE_HALF_M, lane + LINE_HALF_M, across)
    if kerb > lane + 0.5 and lane < side < kerb - 0.4:
        bay = s - 6.0 * math.floor(s / 6.0)
        paint = max(paint, covered(bay, 0.0, 0.1, along) if along < 3.0 else 0.02)
    return paint


@njit(cache=True, error_model="numpy", _nrt=False)
def asphalt(noise: Array, s: float, d: float, along: float, across: float, lane: float, kerb: float) -> Rgb:
    """Roadway: wheel tracks, patches, gutter and markings."""
    side = abs(d)
    tone = 92.0 + 5.5 * lookup(noise, 1, s * 1.3, d * 2.6) + 6.0 * lookup(noise, 2, s * 2.3, d * 5.1)
    if side < lane:
        track = abs(side - 0.5 * lane) - 0.78
        tone -= 6.0 * max(0.0, 1.0 - track * track * 7.0)
    else:
        tone += 5.0
    patch = lookup(noise, 1, s * 0.31 + 40.0, math.floor(d * 0.8) * 17.0)
    if patch > 0.52:
        tone -= 9.0
    tone += 11.0 * grain(noise, s, d, along, across)
    colour = (tone, tone + 0.6, tone + 2.6)
    gutter = covered(side, kerb - 0.32, kerb, across)
    if gutter > 0.0:
        colour = mix(colour, (tone + 26.0, tone + 24.0, tone + 20.0), gutter)
    paint = markings(s, d, along, across, lane, kerb)
    if paint > 0.0:
        colour = mix(colour, LINE, min(1.0, paint) * (0.86 + 0.14 * lookup(noise, 1, s * 9.0, d * 9.0)))
    return colour


@njit(cache=True, error_model="numpy", _nrt=False)
def pavement(noise: Array, s: float, d: float, along: float, across: float, kerb: float, edge: float) -> Rgb:
    """Kerb stone, slabs and what lies behind them."""
    side = abs(d)
    speckle = grain(noise, s, d, along, across)
    if side > edge:
        tone = 12.0 * lookup(noise, 1, s * 3.0, d * 3.0) + 13.0 * speckle
        return 97.0 + tone, 111.0 + tone, 66.0 + 0.6 * tone
    slab_s, slab_d = s / 0.6, side / 0.6
    tone = 152.0 + 6.0 * lookup(noise, 0, slab_s, slab_d) * max(0.0, 1.0 - along) + 7.0 * speckle
    tone += 6.0 * lookup(noise, 2, s * 2.0, d * 4.0)
    joint_s, joint_d = (slab_s - math.floor(slab_s)) * 0.6, (slab_d - math.floor(slab_d)) * 0.6
    joint = max(covered(joint_s, 0.0, 0.014, along), covered(joint_d, 0.0, 0.014, across))
    tone -= 42.0 * min(1.0, joint)
    stone = covered(side, kerb, kerb + 0.16, across)
    tone = tone * (1.0 - stone) + (172.0 + 5.0 * speckle) * stone
    return tone, tone - 3.5, tone - 9.0


@njit(cache=True, error_model="numpy", _nrt=False)
def sky(noise: Array, dx: float, dy: float, dz: float, sun: Array) -> Rgb:
    """Gradient, thin clouds and the glow around the sun; the direction need not have unit length."""
    norm = 1.0 / math.sqrt(dx * dx + dy * dy + dz * dz)
    rise = max(0.0, dz * norm)
    lift = 1.0 - (1.0 - min(1.0, rise * 1.5)) ** 2
    colour = mix(SKY_LOW, SKY_HIGH, lift)
    glow = max(0.0, (dx * sun[0] + dy * sun[1] + dz * sun[2]) * norm)
    if rise > 0.02:
        u, v = 30.0 * dx / (dz + 0.06), 30.0 * dy / (dz + 0.06)
        cloud = lookup(noise, 2, u, v) + 0.5 * lookup(noise, 1, 1.7 * u, 1.7 * v)
        share = min(1.0, max(0.0, cloud - 0.05) * 1.5) * min(1.0, (rise - 0.02) * 6.0)
        colour = mix(colour, (240.0, 241.0, 242.0), 0.7 * share)
    glow = glow * glow
    return mix(colour, (250.0, 244.0, 230.0), 0.35 * glow * glow * glow)


@njit(cache=True, error_model="numpy", _nrt=False)
def hash_cell(a: float, b: float, seed: float) -> float:
    """A number in [0, 1) for a cell."""
    mixed = (int(a) * 73856093) ^ (int(b) * 19349663) ^ (int(seed) * 83492791)
    mixed = (mixed ^ (mixed >> 13)) * 1274126177
    return float((mixed >> 8) & 0xFFFF) / 65536.0


@njit(cache=True, error_model="numpy", _nrt=False)
def facade(wall: Rgb, trim: Rgb, style: Array, u: float, v: float, bay: float, wide: float, tall: float) -> Rgb:
    """A wall with rows of windows. u, v: metres along and up the wall; wide, tall: the pixel's footprint there.

    style: floor height, ground floor height, window width and height shares, shop front, seed, wall height.
    """
    floor_m, ground_m = style[0], style[1]
    if v < ground_m:
        row, y, storey = -1.0, v, ground_m
    else:
        row = math.floor((v - ground_m) / floor_m)
        y, storey = v - ground_m - row * floor_m, floor_m
    column = math.floor(u / bay)
    x = u - column * bay
    chance = hash_cell(column, row, style[5])
    half, low, high = 0.5 * style[2] * bay, 0.30 * storey, (0.30 + style[3]) * storey
    if row < 0.0:
        high = min(0.86 * storey, 2.6)
        if style[4] > 0.5:
            half, low = 0.43 * bay, 0.5
        if chance < 0.22:
            half, low = 0.55 + 0.1 * bay, 0.0
    colour = wall
    if row < 0.0:
        colour = mix(wall, trim, 0.55)
    band = covered(v, ground_m - 0.12, ground_m + 0.12, tall) + covered(v, style[6] - 0.5, style[6], tall)
    colour = mix(colour, trim, min(1.0, band))
    if v + floor_m > style[6] + 0.6 and row >= 0.0 and y > 0.8 * storey:
        return colour
    middle = 0.5 * bay
    frame = covered(x, middle - half - 0.09, middle + half + 0.09, wide) * covered(y, low - 0.12, high + 0.09, tall)
    pane = covered(x, middle - half, middle + half, wide) * covered(y, low, high, tall)
    cross = covered(x, middle - 0.03, middle + 0.03, wide) * 0.8 + 0.5 * covered(y, high - 0.55, high - 0.49, tall)
    shade = 46.0 + 34.0 * chance + 10.0 * y / storey
    glass = (shade, shade + 7.0, shade + 15.0)
    if chance > 0.80 and row >= 0.0:
        glass = (176.0, 170.0, 156.0)
    if row < 0.0 and chance < 0.22 and style[4] < 0.5:
        glass = (78.0, 58.0, 44.0)
    recess = covered(y, high - 0.14, high, tall)
    glass = mix(glass, (26.0, 28.0, 32.0), 0.6 * recess)
    colour = mix(colour, mix(trim, (238.0, 236.0, 230.0), 0.6), frame)
    return mix(colour, mix(glass, (206.0, 204.0, 198.0), min(1.0, cross)), pane)
