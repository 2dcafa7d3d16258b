"""What lens and sensor do to a picture: glare around lamps, motion blur, automatic exposure, noise. All in place.

Decides nothing about the scene: works on pixels, depth and velocities.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from scenarios.world.drawing.raster import View
from scenarios.world.kernels import Array, kernel

GLARE_SCALE = 4
GLARE_FROM = 190.0
NOISE_SIDE = 256
BLUR_TAPS_MAX = 15
SKY_M = 1e4
MIDDLE_GREY, GAINS = 104.0, (0.55, 3.2)


def noise_tile() -> NDArray[np.float32]:
    """(NOISE_SIDE, NOISE_SIDE, 3) of standard normal noise: mostly brightness, some colour."""
    rng = np.random.default_rng(31)
    shared, own = rng.standard_normal((NOISE_SIDE, NOISE_SIDE, 1)), rng.standard_normal((NOISE_SIDE, NOISE_SIDE, 3))
    tile: NDArray[np.float32] = (0.8 * shared + 0.6 * own).astype(np.float32)
    return tile


@kernel
def gather_glare(rgb: Array, small: Array) -> None:
    """Into ``small`` (H // 4, W // 4, 3): what of each block of pixels is brighter than ``GLARE_FROM``."""
    share = 1.0 / (GLARE_SCALE * GLARE_SCALE)
    for i in range(small.shape[0]):
        for j in range(small.shape[1]):
            for c in range(3):
                small[i, j, c] = 0.0
            for a in range(GLARE_SCALE):
                for b in range(GLARE_SCALE):
                    y, x = i * GLARE_SCALE + a, j * GLARE_SCALE + b
                    top = max(rgb[y, x, 0], rgb[y, x, 1], rgb[y, x, 2])
                    if top > GLARE_FROM:
                        weight = share * (top - GLARE_FROM) / (255.0 - GLARE_FROM)
                        for c in range(3):
                            small[i, j, c] += weight * rgb[y, x, c]


@kernel
def spread_glare(small: Array, other: Array, total: Array, radius: int, strength: float) -> None:
    """Blur ``small`` by a running mean along rows and then columns and add it to ``total``; ``other`` is scratch."""
    height, width = small.shape[0], small.shape[1]
    per = np.float32(1.0 / (2 * radius + 1))
    for i in range(height):
        for c in range(3):
            run = np.float32(0.0)
            for j in range(-radius, width):
                if j + radius < width:
                    run += small[i, j + radius, c]
                if j - radius - 1 >= 0:
                    run -= small[i, j - radius - 1, c]
                if j >= 0:
                    other[i, j, c] = run * per
    for i in range(height):
        low, high = max(0, i - radius), min(height, i + radius + 1)
        for j in range(width):
            for c in range(3):
                run = np.float32(0.0)
                for m in range(low, high):
                    run += other[m, j, c]
                small[i, j, c] = max(np.float32(0.0), run * per)
                total[i, j, c] += small[i, j, c] * np.float32(strength)


@kernel
def add_glare(rgb: Array, small: Array) -> None:
    """Add the blurred light to the picture, bilinear."""
    height, width = small.shape[0], small.shape[1]
    for y in range(rgb.shape[0]):
        v = (y + 0.5) / GLARE_SCALE - 0.5
        i = min(max(0, int(math.floor(v))), height - 2)
        a = min(1.0, max(0.0, v - i))
        for x in range(rgb.shape[1]):
            u = (x + 0.5) / GLARE_SCALE - 0.5
            j = min(max(0, int(math.floor(u))), width - 2)
            b = min(1.0, max(0.0, u - j))
            for c in range(3):
                first = small[i, j, c] + (small[i, j + 1, c] - small[i, j, c]) * b
                second = small[i + 1, j, c] + (small[i + 1, j + 1, c] - small[i + 1, j, c]) * b
                value = rgb[y, x, c] + (first + (second - first) * a)
                rgb[y, x, c] = int(min(255.0, value))


@kernel
def smear(
    rgb: Array, source: Array, depth: Array, instance: Array, view: View, motion: Array, speeds: Array, shutter: float
) -> None:
    """Motion blur: every pixel of ``rgb`` becomes the mean of ``source`` along its way during ``shutter`` seconds.

    motion: the eye's velocity in the map (x, y) and its turn rate; speeds: (1000, 2) velocity by instance.
    Source: Potmesil, Chakravarty 1983, with velocities from depth as in Rosado 2007 (GPU Gems 3, 27).
    """
    height, width = depth.shape
    turn, lens = view.turn, view.lens
    for y in range(height):
        v = (y + 0.5 - lens[3]) / lens[1]
        for x in range(width):
            u, z = (x + 0.5 - lens[2]) / lens[0], min(SKY_M, float(depth[y, x]))
            o = instance[y, x]
            right = (turn[0, 0] * u + turn[1, 0] * v + turn[2, 0]) * z
            ahead = (turn[0, 1] * u + turn[1, 1] * v + turn[2, 1]) * z
            wx = speeds[o, 0] - motion[0] + motion[2] * ahead
            wy = speeds[o, 1] - motion[1] - motion[2] * right
            deeper = turn[2, 0] * wx + turn[2, 1] * wy
            du = lens[0] * (turn[0, 0] * wx + turn[0, 1] * wy - u * deeper) / z * shutter
            dv = lens[1] * (turn[1, 0] * wx + turn[1, 1] * wy - v * deeper) / z * shutter
            length = math.sqrt(du * du + dv * dv)
            if length < 0.8:
                continue
            if length > 60.0:
                du, dv, length = du * 60.0 / length, dv * 60.0 / length, 60.0
            taps = min(BLUR_TAPS_MAX, 2 + int(length / 1.5))
            red, green, blue, total = 0.0, 0.0, 0.0, 0.0
            for k in range(taps):
                share = (k + 0.5) / taps - 0.5
                i = min(height - 1, max(0, int(y + 0.5 + share * dv)))
                j = min(width - 1, max(0, int(x + 0.5 + share * du)))
                # What stands before it has a motion of its own.
                weight = 1.0 if depth[i, j] > 0.8 * z or instance[i, j] == o else 0.1
                red += weight * source[i, j, 0]
                green += weight * source[i, j, 1]
                blue += weight * source[i, j, 2]
                total += weight
            rgb[y, x, 0], rgb[y, x, 1], rgb[y, x, 2] = (
                int(red / total + 0.5), int(green / total + 0.5), int(blue / total + 0.5),
            )  # fmt: skip


@kernel
def mean_light(rgb: Array) -> float:
    """Mean brightness of every fourth pixel of every fourth row, the lower two thirds counted twice."""
    total, count = 0.0, 0.0
    for y in range(0, rgb.shape[0], 4):
        weight = 2.0 if 3 * y > rgb.shape[0] else 1.0
        for x in range(0, rgb.shape[1], 4):
            total += weight * (0.3 * rgb[y, x, 0] + 0.59 * rgb[y, x, 1] + 0.11 * rgb[y, x, 2])
            count += weight
    return total / max(1.0, count)


def exposure_table(mean: float) -> NDArray[np.uint8]:
    """Display values that bring a picture of that mean towards mid-grey: (256,), highlights compressed."""
    gain = min(GAINS[1], max(GAINS[0], (MIDDLE_GREY / max(1.0, mean)) ** 0.75))
    value = np.arange(256) * gain
    above = np.maximum(0.0, value - 190.0) / 65.0
    table: NDArray[np.uint8] = np.where(value > 190.0, 190.0 + 65.0 * above / (1.0 + above), value).astype(np.uint8)
    return table


@kernel
def exposed(rgb: Array, table: Array) -> None:
    """Look every value up."""
    for y in range(rgb.shape[0]):
        for x in range(rgb.shape[1]):
            for c in range(3):
                rgb[y, x, c] = table[rgb[y, x, c]]


@kernel
def add_noise(rgb: Array, tile: Array, first: int, second: int, strength: Array) -> None:
    """Sensor noise from a tile begun at (first, second); ``strength``: (256,) by value, as light comes in grains."""
    side = tile.shape[0] - 1
    for y in range(rgb.shape[0]):
        i = y + first & side
        for x in range(rgb.shape[1]):
            j = x + second & side
            for c in range(3):
                value = rgb[y, x, c]
                rgb[y, x, c] = int(min(255.0, max(0.0, value + tile[i, j, c] * strength[value] + 0.5)))
