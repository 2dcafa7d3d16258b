"""The ground of a map: patches of material painted into textures around the eye, several scales of them, and read back.

Decides what the ground is made of at a point and which colour it has; light is added by ``shading``.
Source: Tanner, Migdal, Jones 1998 (clipmaps): every scale covers the same number of texels around the eye.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from scenarios.world.drawing import classes
from scenarios.world.drawing.surfaces import (
    GRAIN,
    HALF_ACROSS,
    HALF_ALONG,
    PER_GRAIN_D,
    SOFT,
    Z_HIGH,
    Z_LOW,
    Rgb,
    blended,
    lookup,
)
from scenarios.world.kernels import Array, inlined, kernel

GRASS, ASPHALT, TRACK, PARKING, CYCLEWAY, WHITE, YELLOW, KERB_STONE, PAVEMENT, ISLAND = range(10)
"""Materials; from ``KERB_STONE`` on they lie a kerb's height higher."""
RAISED = KERB_STONE
COLOURS = np.array(
    [
        (104, 119, 72), (103, 103, 105), (98, 98, 100), (110, 110, 110), (142, 94, 84), (222, 221, 212),
        (222, 178, 62), (184, 181, 175), (164, 161, 155), (112, 126, 78),
    ],
    np.uint8,
)  # fmt: skip
CLASSES = np.array(
    [
        classes.TERRAIN, classes.ROAD, classes.ROAD, classes.ROAD, classes.ROAD, classes.ROAD_LINE, classes.ROAD_LINE,
        classes.PAVEMENT, classes.PAVEMENT, classes.TERRAIN,
    ],
    np.uint8,
)  # fmt: skip

TEXEL_M, LEVELS, SIZE, BLOCKS = 0.05, 7, 1024, 8
MASK, BLOCK = SIZE - 1, SIZE // BLOCKS
SAMPLES = (2, 2, 4, 4, 3, 2, 2)
"""Samples a texel along each side, by level."""
NO_LINES_FROM = 5
"""From this level on markings are thinner than a sample and left out."""
REACH_M = 3.5 * BLOCK * TEXEL_M
"""How far around the eye the finest level is certain to reach; each coarser one reaches twice as far."""
TAPS_MAX = 10

LEVEL, TAPS, TAP_STEP = 31, 32, 33
"""Constants of a picture row behind those of ``surfaces``: the level it reads, samples along the view, their spacing
as a share of the distance."""
ROW_CONSTANTS = 34


class Patch(NamedTuple):
    """An outline of one material: (n, 2), not crossing itself. Later patches cover earlier ones."""

    material: int
    outline: NDArray[np.float64]


class Patches(NamedTuple):
    """points (p, 2); first (n + 1,): where each outline begins; material (n,); box (n, 4) of x0, y0, x1, y1."""

    points: Array
    first: Array
    material: Array
    box: Array


class Terrain(NamedTuple):
    """texels: (LEVELS, SIZE, SIZE) red, green, blue, material in one word; classes by material; spread: horizontal
    length of the longest ray for a depth of one."""

    texels: Array
    classes: Array
    spread: float


def packed(patches: Sequence[Patch]) -> Patches:
    """Patches as arrays, in the same order."""
    counts = np.array([0, *(len(patch.outline) for patch in patches)], np.int64)
    boxes = [(*patch.outline.min(axis=0), *patch.outline.max(axis=0)) for patch in patches]
    return Patches(
        points=np.concatenate([np.zeros((0, 2)), *(patch.outline for patch in patches)]).astype(np.float64),
        first=np.cumsum(counts),
        material=np.array([patch.material for patch in patches], np.uint8),
        box=np.array(boxes, np.float64).reshape(-1, 4),
    )


class Ground:
    """Keeps the textures around the eye. What they show depends on the eye's place alone, never on the way to it."""

    def __init__(self, patches: Patches, spread: float) -> None:
        self._patches = patches
        self.terrain = Terrain(np.zeros((LEVELS, SIZE, SIZE), np.int32), CLASSES, spread)
        self._held = np.full((LEVELS, BLOCKS, BLOCKS, 2), np.iinfo(np.int64).min, np.int64)
        self._samples = np.zeros((max(SAMPLES) * BLOCK,) * 2, np.uint8)
        self._cuts = np.zeros(256)

    def centre(self, x_m: float, y_m: float) -> None:
        """Paint whatever has come into reach of the eye."""
        for level in range(LEVELS):
            side = TEXEL_M * 2.0**level * BLOCK
            i0, j0 = round(x_m / side) - BLOCKS // 2, round(y_m / side) - BLOCKS // 2
            held = self._held[level]
            for i in range(i0, i0 + BLOCKS):
                for j in range(j0, j0 + BLOCKS):
                    slot = held[i % BLOCKS, j % BLOCKS]
                    if slot[0] != i or slot[1] != j:
                        slot[:] = i, j
                        self._paint(level, i, j)

    def material_at(self, x_m: float, y_m: float) -> int:
        """Material at a point, in the finest texture that reaches it; grass where none does."""
        for level in range(LEVELS):
            side = TEXEL_M * 2.0**level * BLOCK
            i, j = math.floor(x_m / side), math.floor(y_m / side)
            slot = self._held[level, i % BLOCKS, j % BLOCKS]
            if slot[0] == i and slot[1] == j:
                texel = side / BLOCK
                return int(self.terrain.texels[level, int(x_m // texel) & MASK, int(y_m // texel) & MASK]) >> 24
        return GRASS

    def class_at(self, x_m: float, y_m: float) -> int:
        """Class at a point."""
        return int(CLASSES[self.material_at(x_m, y_m)])

    def raised(self, x_m: float, y_m: float) -> bool:
        """Whether the ground at a point lies at the height of kerbs."""
        return self.material_at(x_m, y_m) >= RAISED

    def _paint(self, level: int, i: int, j: int) -> None:
        count, texel = SAMPLES[level], TEXEL_M * 2.0**level
        side = BLOCK * count
        samples = self._samples[:side, :side]
        step = texel / count
        paint(self._patches, samples, i * BLOCK * texel, j * BLOCK * texel, step, level >= NO_LINES_FROM, self._cuts)
        shrink(samples, count, COLOURS, self.terrain.texels[level], i * BLOCK & MASK, j * BLOCK & MASK)


@kernel
def fill_outline(points: Array, x0: float, y0: float, step: float, samples: Array, value: int, cuts: Array) -> None:
    """Set the samples whose centres lie inside an outline (even-odd); neighbours agree on every sample."""
    count, side = points.shape[0], samples.shape[0]
    low, high = 1e30, -1e30
    for k in range(count):
        low, high = min(low, points[k, 0]), max(high, points[k, 0])
    first = max(0, int(math.ceil((low - x0) / step - 0.5)))
    end = min(side, int(math.ceil((high - x0) / step - 0.5)))
    for i in range(first, end):
        x, n = x0 + (i + 0.5) * step, 0
        for k in range(count):
            m = k + 1 if k + 1 < count else 0
            # The same two corners give the same crossing from either side.
            a, b = (k, m) if points[k, 0] <= points[m, 0] else (m, k)
            xa, xb = points[a, 0], points[b, 0]
            if xa <= x < xb and n < cuts.shape[0]:
                y = points[a, 1] + (x - xa) * (points[b, 1] - points[a, 1]) / (xb - xa)
                at = n
                while at > 0 and cuts[at - 1] > y:
                    cuts[at] = cuts[at - 1]
                    at -= 1
                cuts[at] = y
                n += 1
        for pair in range(0, n - 1, 2):
            start = max(0, int(math.ceil((cuts[pair] - y0) / step - 0.5)))
            stop = min(side, int(math.ceil((cuts[pair + 1] - y0) / step - 0.5)))
            for j in range(start, stop):
                samples[i, j] = value


@kernel
def paint(patches: Patches, samples: Array, x0: float, y0: float, step: float, no_lines: bool, cuts: Array) -> None:
    """Paint a square of samples whose corner is (x0, y0): grass, then every patch in order."""
    samples[:] = GRASS
    x1, y1 = x0 + samples.shape[0] * step, y0 + samples.shape[1] * step
    for n in range(patches.material.shape[0]):
        box = patches.box[n]
        if box[0] >= x1 or box[1] >= y1 or box[2] <= x0 or box[3] <= y0:
            continue
        material = patches.material[n]
        if no_lines and (material in (WHITE, YELLOW)):
            continue
        fill_outline(patches.points[patches.first[n] : patches.first[n + 1]], x0, y0, step, samples, material, cuts)


@kernel
def shrink(samples: Array, count: int, colours: Array, texels: Array, i0: int, j0: int) -> None:
    """Average ``count`` by ``count`` samples into each texel; a texel's material is the one at its middle."""
    area, half = count * count, count // 2
    for i in range(samples.shape[0] // count):
        for j in range(samples.shape[1] // count):
            red, green, blue = 0, 0, 0
            for a in range(count):
                for b in range(count):
                    material = samples[i * count + a, j * count + b]
                    red += colours[material, 0]
                    green += colours[material, 1]
                    blue += colours[material, 2]
            middle = int(samples[i * count + half, j * count + half])
            texels[i0 + i, j0 + j] = (
                (red + area // 2) // area
                | (green + area // 2) // area << 8
                | (blue + area // 2) // area << 16
                | middle << 24
            )


@kernel
def row_reading(terrain: Terrain, k: Array) -> None:
    """Into ``k``: which level a row reads and how often along the view, by its footprint and its distance."""
    across, along, reach = 2.0 * k[HALF_ACROSS], 2.0 * k[HALF_ALONG], k[Z_LOW] * terrain.spread
    level, texel = 0, TEXEL_M
    while level < LEVELS and (0.7 * across > texel or 1.05 * reach > REACH_M * 2.0**level):
        level += 1
        texel *= 2.0
    taps = max(1, min(TAPS_MAX, int(0.9 * along / texel + 0.5)))
    k[LEVEL], k[TAPS] = level, taps
    k[TAP_STEP] = along / taps / k[Z_LOW] if taps > 1 else 0.0


@inlined
def material_at(texels: Array, level: int, per_texel: float, x: float, y: float) -> int:
    """Material at a point."""
    return int(texels[level, int(math.floor(x * per_texel)) & MASK, int(math.floor(y * per_texel)) & MASK] >> 24)


@inlined
def tap(texels: Array, level: int, u: float, v: float) -> tuple[int, int]:
    """Bilinear colour at texel coordinates, times 256: red and (from bit 16) blue in one word, and green."""
    low_u, low_v = math.floor(u), math.floor(v)
    a, b = int((u - low_u) * 16.0), int((v - low_v) * 16.0)
    i, j = int(low_u) & MASK, int(low_v) & MASK
    m, n = (i + 1) & MASK, (j + 1) & MASK
    p, q = int(texels[level, i, j]), int(texels[level, i, n])
    r, s = int(texels[level, m, j]), int(texels[level, m, n])
    w, x, y, z = (16 - a) * (16 - b), (16 - a) * b, a * (16 - b), a * b
    red_blue = w * (p & 0xFF00FF) + x * (q & 0xFF00FF) + y * (r & 0xFF00FF) + z * (s & 0xFF00FF)
    green = w * (p >> 8 & 255) + x * (q >> 8 & 255) + y * (r >> 8 & 255) + z * (s >> 8 & 255)
    return red_blue, green


@inlined
def colour_at(texels: Array, k: Array, eye: Array, dx: float, dy: float, z: float) -> Rgb:
    """Mean colour of the ground under a pixel: its samples along the view."""
    level, taps = int(k[LEVEL]), int(k[TAPS])
    per_texel = 1.0 / (TEXEL_M * (1 << level))
    red, green, blue = 0, 0, 0
    for t in range(taps):
        far = z * (1.0 + (t - 0.5 * (taps - 1)) * k[TAP_STEP])
        u, v = (eye[0] + dx * far) * per_texel - 0.5, (eye[1] + dy * far) * per_texel - 0.5
        red_blue, more = tap(texels, level, u, v)
        red += red_blue & 0xFFFF
        blue += red_blue >> 16
        green += more
    share = 1.0 / (256.0 * taps)
    return red * share, green * share, blue * share


@inlined
def grained(noise: Array, k: Array, material: int, x: float, y: float, colour: Rgb, fresh: bool) -> Rgb:
    """``colour`` with the roughness of its material; two neighbours share what changes slowly (``fresh``: compute)."""
    if fresh:
        k[SOFT] = blended(noise, 2, x * 2.3, y * 2.3)
    speckle = k[GRAIN] * lookup(noise, 0, x * k[PER_GRAIN_D], y * k[PER_GRAIN_D])
    if material in (GRASS, ISLAND):
        tone = 12.0 * lookup(noise, 1, x * 3.0, y * 3.0) + 13.0 * speckle + 9.0 * k[SOFT]
        return colour[0] + tone, colour[1] + tone, colour[2] + 0.6 * tone
    if material == PAVEMENT:
        tone = 7.0 * speckle + 5.0 * k[SOFT]
        if k[HALF_ALONG] < 0.5:
            slab_x, slab_y = x * 1.6666, y * 1.6666
            low_x, low_y = math.floor(slab_x), math.floor(slab_y)
            tone += 7.0 * lookup(noise, 0, low_x, low_y) * (1.0 - 2.0 * k[HALF_ALONG])
            edge = min(min(slab_x - low_x, low_x + 1.0 - slab_x), min(slab_y - low_y, low_y + 1.0 - slab_y)) * 0.6
            tone -= 36.0 * max(0.0, 1.0 - edge / (0.008 + k[HALF_ALONG])) * 0.008 / (0.008 + k[HALF_ALONG])
    else:
        tone = 9.0 * k[SOFT] + 9.0 * speckle
        if material in (WHITE, YELLOW):
            tone *= 0.8
    return colour[0] + tone, colour[1] + tone, colour[2] + tone


@inlined
def meet(terrain: Terrain, k: Array, eye: Array, dx: float, dy: float) -> tuple[float, int, bool]:
    """Depth and material where a ray meets the ground, and whether it does so at the face of a kerb."""
    level = int(k[LEVEL])
    if level >= LEVELS:
        return k[Z_LOW], GRASS, False
    per_texel, texels = 1.0 / (TEXEL_M * (1 << level)), terrain.texels
    material = material_at(texels, level, per_texel, eye[0] + dx * k[Z_HIGH], eye[1] + dy * k[Z_HIGH])
    if material >= RAISED:
        return k[Z_HIGH], material, False
    material = material_at(texels, level, per_texel, eye[0] + dx * k[Z_LOW], eye[1] + dy * k[Z_LOW])
    return k[Z_LOW], material, material >= RAISED
