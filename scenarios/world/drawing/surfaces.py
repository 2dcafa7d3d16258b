"""What road, pavement, facades and sky look like at a point. Pure functions of position, filtered by footprint.

Colours are display values (0 … 255); light and haze are added by ``shading``.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from scenarios.world.drawing.light import CLOUD as CLOUDS
from scenarios.world.drawing.light import SKY_HIGH, SKY_LOW, SUN_GLOW
from scenarios.world.kernels import Array, inlined

NOISE_SIZE = 256
Rgb = tuple[float, float, float]

Z_LOW, Z_HIGH, HALF_ALONG, HALF_ACROSS, PER_ALONG, PER_ACROSS, PER_GRAIN_S, PER_GRAIN_D, GRAIN, HAZE, RISE, CLOUD = (
    range(12)
)
LANE, KERB, EDGE, SUN, SOFT, TONE, GUTTER, PLASTER, COORDINATES = range(12, 21)
PANE, LAMPLIT = 29, 30
"""Constants of a picture row (the camera never rolls): depths at which it meets road and pavement level; half the
pixel's footprint along and across the view and its inverse; scale and strength of the finest visible grain; haze; sky.
Then half-widths of the road, the sun's share on flat ground, what ``worn`` and walls keep, and eight road
coordinates (see ``shading.place_chunk``), how much of the pixel is a lit window, and whether windows are lit."""
ROW_CONSTANTS = 31

LINE = (226.0, 225.0, 216.0)
LINE_HALF_M = 0.065


def noise_textures() -> NDArray[np.float32]:
    """Tileable noise in [-1, 1], three layers of 256 x 256 in one row: fine grain, patches over 8 and over 32 cells."""
    rng = np.random.default_rng(20)
    layers = [rng.uniform(-1.0, 1.0, (NOISE_SIZE, NOISE_SIZE))]
    for cell in (8, 32):
        total = np.zeros((NOISE_SIZE, NOISE_SIZE))
        for octave in range(3):
            size = max(2, cell >> octave)
            coarse = rng.uniform(-1.0, 1.0, (NOISE_SIZE // size, NOISE_SIZE // size))
            total += _smooth_upsample(coarse, size) * 0.55**octave
        layers.append(total / np.abs(total).max())
    return np.stack(layers).astype(np.float32).ravel()


def _smooth_upsample(coarse: NDArray[np.float64], factor: int) -> NDArray[np.float64]:
    position = np.arange(NOISE_SIZE) / factor
    low = position.astype(np.int64)
    share = position - low
    share = share * share * (3.0 - 2.0 * share)
    high = (low + 1) % coarse.shape[0]
    rows = coarse[low] * (1.0 - share)[:, None] + coarse[high] * share[:, None]
    result: NDArray[np.float64] = rows[:, low] * (1.0 - share) + rows[:, high] * share
    return result


@inlined
def lookup(noise: Array, layer: int, u: float, v: float) -> float:
    """Nearest texel of a noise layer; coordinates in texels, wrapped."""
    return float(noise[layer << 16 | (int(math.floor(u)) & 255) << 8 | int(math.floor(v)) & 255])


@inlined
def blended(noise: Array, layer: int, u: float, v: float) -> float:
    """Bilinear look-up of a noise layer."""
    low_u, low_v = math.floor(u), math.floor(v)
    column, a, b = int(low_v), u - low_u, v - low_v
    row = layer << 16 | (int(low_u) & 255) << 8
    below = layer << 16 | (int(low_u) + 1 & 255) << 8
    i, j = column & 255, column + 1 & 255
    first = noise[row | i] + (noise[row | j] - noise[row | i]) * b
    second = noise[below | i] + (noise[below | j] - noise[below | i]) * b
    return float(first + (second - first) * a)


@inlined
def covered(x: float, low: float, high: float, half: float, per: float) -> float:
    """Share of the interval x ± ``half`` (``per`` is the inverse of its width) that lies in [low, high]."""
    return max(0.0, min(x + half, high) - max(x - half, low)) * per


@inlined
def mix(a: Rgb, b: Rgb, share: float) -> Rgb:
    """``a`` at 0, ``b`` at 1."""
    return a[0] + (b[0] - a[0]) * share, a[1] + (b[1] - a[1]) * share, a[2] + (b[2] - a[2]) * share


@inlined
def markings(s: float, side: float, k: Array, lane: float, kerb: float) -> float:
    """Coverage by white paint: dashed middle line, solid edge lines, marks between parking bays."""
    paint = 0.0
    if side < 0.1 + k[HALF_ACROSS]:
        period = s - 9.0 * math.floor(s / 9.0)
        dash = covered(period, 0.0, 3.0, k[HALF_ALONG], k[PER_ALONG]) if k[HALF_ALONG] < 2.5 else 0.33
        paint = min(1.0, covered(side, -LINE_HALF_M, LINE_HALF_M, k[HALF_ACROSS], k[PER_ACROSS])) * dash
    elif kerb > lane + 0.5 and side > lane - 0.1 - k[HALF_ACROSS]:
        paint = covered(side, lane - LINE_HALF_M, lane + LINE_HALF_M, k[HALF_ACROSS], k[PER_ACROSS])
        if side < kerb - 0.4:
            bay = s - 6.0 * math.floor(s / 6.0)
            mark = covered(bay, 0.0, 0.1, k[HALF_ALONG], k[PER_ALONG]) if k[HALF_ALONG] < 1.5 else 0.02
            paint = max(paint, mark)
    return paint


@inlined
def worn(noise: Array, s: float, d: float, k: Array) -> None:
    """What changes slowly on the roadway, into ``k``: soft patches, wheel tracks, repairs, the gutter."""
    side, lane, kerb = abs(d), k[LANE], k[KERB]
    k[SOFT] = blended(noise, 2, s * 2.3, d * 5.1)
    tone = 103.0 + 9.0 * k[SOFT]
    if side < lane:
        track = abs(side - 0.5 * lane) - 0.78
        tone -= 6.0 * max(0.0, 1.0 - track * track * 7.0)
        patch = lookup(
            noise, 2, math.floor(s * 0.17) * 31.0, math.floor(side * 0.55) * 17.0 + (9.0 if d > 0.0 else 0.0)
        )
        if patch > 0.55:
            tone -= 9.0
    else:
        tone += 6.0
    k[TONE], k[GUTTER] = tone, 0.0
    if side > kerb - 0.32 - k[HALF_ACROSS]:
        k[GUTTER] = min(1.0, covered(side, kerb - 0.32, kerb + 9.0, k[HALF_ACROSS], k[PER_ACROSS]))


@inlined
def asphalt(noise: Array, s: float, d: float, k: Array, fresh: bool) -> Rgb:
    """Roadway with markings; two neighbours share what changes slowly (``fresh``: compute it)."""
    if fresh:
        worn(noise, s, d, k)
    tone = k[TONE] + k[GRAIN] * 9.0 * lookup(noise, 0, s * k[PER_GRAIN_S], d * k[PER_GRAIN_D])
    red, green, blue = tone + 26.0 * k[GUTTER], tone + 0.5 + 24.0 * k[GUTTER], tone + 2.0 + 19.0 * k[GUTTER]
    paint = markings(s, abs(d), k, k[LANE], k[KERB])
    if paint > 0.0:
        return mix((red, green, blue), LINE, min(1.0, paint) * (0.86 + 0.12 * k[SOFT]))
    return red, green, blue


@inlined
def pavement(noise: Array, s: float, d: float, k: Array) -> Rgb:
    """Kerb stone, slabs and what lies behind them."""
    side, kerb = abs(d), k[KERB]
    speckle = k[GRAIN] * lookup(noise, 0, s * k[PER_GRAIN_S], d * k[PER_GRAIN_D])
    if side > k[EDGE]:
        tone = 12.0 * lookup(noise, 1, s * 3.0, d * 3.0) + 13.0 * speckle
        return 104.0 + tone, 119.0 + tone, 72.0 + 0.6 * tone
    tone = 164.0 + 7.0 * speckle + 6.0 * lookup(noise, 2, s * 2.0, d * 4.0)
    if k[HALF_ALONG] < 0.5:
        slab_s, slab_d = s * 1.6666, side * 1.6666
        low_s, low_d = math.floor(slab_s), math.floor(slab_d)
        tone += 7.0 * lookup(noise, 0, low_s, low_d) * (1.0 - 2.0 * k[HALF_ALONG])
        joint = covered((slab_s - low_s) * 0.6, 0.0, 0.014, k[HALF_ALONG], k[PER_ALONG])
        joint = max(joint, covered((slab_d - low_d) * 0.6, 0.0, 0.014, k[HALF_ACROSS], k[PER_ACROSS]))
        tone -= 42.0 * min(1.0, joint)
    if side < kerb + 0.2 + k[HALF_ACROSS]:
        stone = min(1.0, covered(side, kerb - 9.0, kerb + 0.16, k[HALF_ACROSS], k[PER_ACROSS]))
        tone = tone * (1.0 - stone) + (184.0 + 5.0 * speckle) * stone
    return tone, tone - 3.0, tone - 9.0


@inlined
def sky(
    noise: Array, dx: float, dy: float, unit: float, k: Array, sun: Array, colours: Array, overcast: float, glare: float
) -> Rgb:
    """Gradient, clouds and the glow around the sun; ``unit`` is the inverse length of the direction."""
    rise = k[RISE] * unit
    clear = max(0.0, 1.0 - 1.5 * rise)
    low = (colours[SKY_LOW, 0], colours[SKY_LOW, 1], colours[SKY_LOW, 2])
    colour = mix((colours[SKY_HIGH, 0], colours[SKY_HIGH, 1], colours[SKY_HIGH, 2]), low, clear * clear)
    if rise > 0.02:
        cloud = blended(noise, 2, dx * k[CLOUD], dy * k[CLOUD]) + overcast
        if cloud > 0.0:
            share = 0.8 * min(1.0, cloud * 1.7) * min(1.0, (rise - 0.02) * 7.0)
            colour = mix(colour, (colours[CLOUDS, 0], colours[CLOUDS, 1], colours[CLOUDS, 2]), share)
    glow = (dx * sun[0] + dy * sun[1] + k[RISE] * sun[2]) * unit
    if glow > 0.3:
        glow *= glow
        bright = (colours[SUN_GLOW, 0], colours[SUN_GLOW, 1], colours[SUN_GLOW, 2])
        return mix(colour, bright, 0.4 * glow * glow * glow * glare)
    return colour


@inlined
def hash_cell(a: float, b: float, seed: float) -> float:
    """A number in [0, 1) for a cell."""
    mixed = (int(a) * 73856093) ^ (int(b) * 19349663) ^ (int(seed) * 83492791)
    mixed = (mixed ^ (mixed >> 13)) * 1274126177
    return float((mixed >> 8) & 0xFFFF) / 65536.0


@inlined
def window(
    seed: float, column: float, row: float, y: float, storey: float, high: float, half: float, per: float, door: bool
) -> Rgb:
    """What a pane shows: dark glass, sometimes a blind, or a wooden door; darker under the lintel."""
    chance = hash_cell(column, row, seed)
    shade = 50.0 + 34.0 * chance + 12.0 * y / storey
    red, green, blue = shade, shade + 8.0, shade + 17.0
    if door:
        red, green, blue = 84.0, 62.0, 46.0
    elif chance > 0.80 and row >= 0.0:
        red, green, blue = 182.0, 176.0, 162.0
    recess = 1.0 - 0.6 * covered(y, high - 0.14, high, half, per)
    return red * recess, green * recess, blue * recess


@inlined
def opening(
    walls: Array, o: int, column: float, v: float, bay: float
) -> tuple[float, float, float, float, float, bool]:
    """Storey (-1 on the ground) and height in it of a point ``v`` up a wall; of that bay's window or door half the
    width, lower and upper edge, and whether it is a door."""
    floor_m, ground_m = walls[o, 11], walls[o, 12]
    half = 0.5 * walls[o, 13] * bay
    if v >= ground_m:
        row = math.floor((v - ground_m) * walls[o, 22])
        return row, v - ground_m - row * floor_m, half, 0.30 * floor_m, (0.30 + walls[o, 14]) * floor_m, False
    low, door = 0.30 * ground_m, False
    if walls[o, 15] > 0.5:
        half, low = 0.43 * bay, 0.5
    if hash_cell(column, -1.0, walls[o, 16]) < 0.22:
        half, low, door = 0.55 + 0.1 * bay, 0.0, walls[o, 15] < 0.5
    return -1.0, v, half, low, min(0.86 * ground_m, 2.6), door


@inlined
def facade(
    walls: Array, o: int, slot: int, px: float, py: float, pz: float, half_tall: float, per_tall: float, ratio: float,
    k: Array,
) -> Rgb:  # fmt: skip
    """Colour of a wall with rows of windows; into ``k[PANE]`` how much of the pixel is a window with light behind it.

    half_tall, per_tall: half the pixel's footprint up the wall and its inverse; ratio: how much more it spans along it.

    walls: (n, 23) of x, y, z, cosine, sine, wall colour, trim colour, then the style: floor height, ground floor
    height, window width and height shares, shop front, seed, wall height, bays of front and side; last the inverses
    of both bays and of the floor height.
    Slot 0 walls run along the object's x axis, slot 1 walls along its y axis.
    """
    dx, dy, v, cos, sin = px - walls[o, 0], py - walls[o, 1], pz - walls[o, 2], walls[o, 3], walls[o, 4]
    wall, trim = (walls[o, 5], walls[o, 6], walls[o, 7]), (walls[o, 8], walls[o, 9], walls[o, 10])
    u, bay = (cos * dx + sin * dy, walls[o, 18]) if slot == 0 else (cos * dy - sin * dx, walls[o, 19])
    floor_m, ground_m, height, seed = walls[o, 11], walls[o, 12], walls[o, 17], walls[o, 16]
    half_wide, per_wide = half_tall * ratio, per_tall / ratio
    column = math.floor(u * (walls[o, 20] if slot == 0 else walls[o, 21]))
    x, colour = u - (column + 0.5) * bay, wall
    if v < ground_m:
        colour = mix(wall, trim, 0.55)
    row, y, half, low, high, door = opening(walls, o, column, v, bay)
    storey = floor_m if row >= 0.0 else ground_m
    band = covered(v, ground_m - 0.12, ground_m + 0.12, half_tall, per_tall) + covered(
        v, height - 0.5, height, half_tall, per_tall
    )
    if band > 0.0:
        colour = mix(colour, trim, min(1.0, band))
    across = covered(x, -half - 0.09, half + 0.09, half_wide, per_wide)
    upright = covered(y, low - 0.12, high + 0.09, half_tall, per_tall)
    if across <= 0.0 or upright <= 0.0 or row >= 0.0 and v - y + high + 0.3 > height:
        return colour
    colour = mix(colour, mix(trim, (240.0, 238.0, 232.0), 0.6), min(1.0, across * upright))
    pane = min(1.0, covered(x, -half, half, half_wide, per_wide)) * covered(y, low, high, half_tall, per_tall)
    if pane <= 0.0:
        return colour
    bars = 0.8 * covered(x, -0.03, 0.03, half_wide, per_wide) + 0.5 * covered(
        y, high - 0.55, high - 0.49, half_tall, per_tall
    )
    if k[LAMPLIT] > 0.0 and not door and hash_cell(row, column, seed + 7.0) < 0.34:
        k[PANE] = min(1.0, pane) * (1.0 - min(1.0, bars)) * (0.45 + 0.55 * hash_cell(column, row, seed + 3.0))
    glass = window(seed, column, row, y, storey, high, half_tall, per_tall, door)
    return mix(colour, mix(glass, (206.0, 204.0, 198.0), min(1.0, bars)), min(1.0, pane))
