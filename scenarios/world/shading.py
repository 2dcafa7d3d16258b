"""From the visibility buffer to the picture: light, materials, ground, shadow, haze and sky, all in one pass.

Decides colours; also writes depth, instance and class.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from scenarios.world import surfaces
from scenarios.world.kernels import Array, inlined, kernel
from scenarios.world.meshes import FACADE, FOLIAGE, GLASS, GLOWING, PAINT, ROOF
from scenarios.world.raster import MATERIAL, OWNER, SLOT, TAG, Frame, View
from scenarios.world.roads import frenet
from scenarios.world.shadows import UNDER
from scenarios.world.surfaces import Rgb, asphalt, blended, facade, hash_cell, lookup, mix, pavement, sky

ROAD_CLASS, PAVEMENT_CLASS = 1, 6
KERB_M = 0.12
CHUNK = 16
"""Pixels over which road coordinates are interpolated."""

HAZE_COLOUR = (214.0, 221.0, 226.0)
SKY_LIGHT, SUN_LIGHT = (0.58, 0.62, 0.68), (0.66, 0.61, 0.50)
TONE_STEPS = 4
TONE_SIZE = 2048
TONE_MASK = TONE_SIZE - 1


class Stage(NamedTuple):
    """Ground and light. size: lane, kerb and pavement edge (m from the middle); sun: direction; tone: display curve;
    unit: inverse lengths of the pixels' rays (H, W)."""

    table: Array
    straight: bool
    size: Array
    sun: Array
    noise: Array
    tone: Array
    unit: Array
    haze_1pm: float


class Picture(NamedTuple):
    """The results: rgb, depth (m), instance, semantic."""

    rgb: Array
    depth: Array
    instance: Array
    semantic: Array


def tone_curve(exposure: float) -> NDArray[np.uint8]:
    """Display value of ``value · TONE_STEPS``: exposure, then a soft shoulder from 200 on."""
    value = np.arange(TONE_SIZE) / TONE_STEPS * exposure
    above = np.maximum(0.0, value - 200.0) / 55.0
    return np.where(value > 200.0, 200.0 + 55.0 * above / (1.0 + above), value).astype(np.uint8)


def ray_lengths(width: int, height: int, lens: NDArray[np.float64]) -> NDArray[np.float32]:
    """Inverse length of every pixel's ray in the optical frame, (H, W)."""
    u = (np.arange(width) + 0.5 - lens[2]) / lens[0]
    v = (np.arange(height) + 0.5 - lens[3]) / lens[1]
    lengths: NDArray[np.float32] = (1.0 / np.sqrt(1.0 + u[None, :] ** 2 + v[:, None] ** 2)).astype(np.float32)
    return lengths


@inlined
def lit(colour: Rgb, sky_light: float, sun_light: float) -> Rgb:
    """Colour under the sky's and the sun's light."""
    return (
        colour[0] * (SKY_LIGHT[0] * sky_light + SUN_LIGHT[0] * sun_light),
        colour[1] * (SKY_LIGHT[1] * sky_light + SUN_LIGHT[1] * sun_light),
        colour[2] * (SKY_LIGHT[2] * sky_light + SUN_LIGHT[2] * sun_light),
    )


@inlined
def store(row: Array, x: int, colour: Rgb, haze: float, tone: Array) -> None:
    """Write a pixel of a row (W, 3) through haze and display curve; colours are below ``TONE_SIZE / TONE_STEPS``."""
    thin = (1.0 - haze) * TONE_STEPS
    thick = haze * TONE_STEPS
    row[x, 0] = tone[int(colour[0] * thin + HAZE_COLOUR[0] * thick) & TONE_MASK]
    row[x, 1] = tone[int(colour[1] * thin + HAZE_COLOUR[1] * thick) & TONE_MASK]
    row[x, 2] = tone[int(colour[2] * thin + HAZE_COLOUR[2] * thick) & TONE_MASK]


@kernel
def row_constants(dz: float, eye_z: float, fx: float, stage: Stage, k: Array) -> None:
    """Fill ``k`` for a row whose rays have the vertical component ``dz`` (for a depth of one)."""
    k[surfaces.LANE], k[surfaces.KERB], k[surfaces.EDGE] = stage.size[0], stage.size[1], stage.size[2]
    k[surfaces.SUN] = stage.sun[2]
    k[surfaces.RISE], k[surfaces.CLOUD] = dz, 26.0 / (max(dz, 0.0) + 0.06)
    if dz >= 0.0:
        return
    z = -eye_z / dz
    k[surfaces.Z_LOW], k[surfaces.Z_HIGH] = z, (KERB_M - eye_z) / dz
    across = max(1e-4, z / fx)
    along = across * math.sqrt(1.0 + dz * dz) / max(0.003, -dz)
    k[surfaces.HALF_ACROSS], k[surfaces.PER_ACROSS] = 0.5 * across, 1.0 / across
    k[surfaces.HALF_ALONG], k[surfaces.PER_ALONG] = 0.5 * along, 1.0 / along
    step_s, step_d = 0.025, 0.025
    while step_s < along:
        step_s *= 2.0
    while step_d < across:
        step_d *= 2.0
    k[surfaces.PER_GRAIN_S], k[surfaces.PER_GRAIN_D] = 1.0 / step_s, 1.0 / step_d
    k[surfaces.GRAIN] = 0.3 + 0.7 * 0.025 / max(step_s, step_d)
    thick = z * stage.haze_1pm
    k[surfaces.HAZE] = thick / (1.0 + thick)


@kernel
def place(stage: Stage, x: float, y: float) -> tuple[float, float]:
    """Road coordinates of a point on the ground."""
    if stage.straight:
        return x, y
    return frenet(stage.table, x, y)


@inlined
def ground(
    noise: Array, k: Array, s: float, d: float, s_high: float, d_high: float, shadow: int, fresh: bool
) -> tuple[float, Rgb, bool]:
    """Depth, colour and whether it is raised, where a ray meets road, kerb face or pavement.

    (s, d) and (s_high, d_high) are the road coordinates at which it would meet road and pavement level.
    """
    kerb = k[surfaces.KERB]
    sun = 0.0 if shadow else k[surfaces.SUN]
    if abs(d) <= kerb:
        return k[surfaces.Z_LOW], lit(asphalt(noise, s, d, k, fresh), 0.36 if shadow & UNDER else 0.98, sun), False
    if abs(d_high) < kerb:
        return k[surfaces.Z_LOW], lit((158.0, 155.0, 148.0), 0.75, 0.35 * sun), True
    return k[surfaces.Z_HIGH], lit(pavement(noise, s_high, d_high, k), 0.98, sun), True


@inlined
def surface(
    record: Array,
    label: Array,
    walls: Array,
    noise: Array,
    k: Array,
    t: int,
    fresh: bool,
    x: float,
    y: float,
    px: float,
    py: float,
    pz: float,
    z: float,
    pixel: float,
    per_pixel: float,
) -> Rgb:
    """Lit colour of recorded triangle ``t`` at a pixel of the picture that shows (px, py, pz) at depth ``z``.

    ``pixel`` is the pixel's size there and ``per_pixel`` its inverse; neighbours on a wall share its plaster unless
    ``fresh``.
    """
    material = label[t, MATERIAL]
    sun = min(1.0, max(0.0, (record[t, 0] * x + record[t, 1] * y + record[t, 2]) * z))
    soft = min(1.1, max(0.15, (record[t, 3] * x + record[t, 4] * y + record[t, 5]) * z))
    colour = (float(record[t, 9]), float(record[t, 10]), float(record[t, 11]))
    if material == FACADE:
        ratio = max(1.0, z * record[t, 6])
        colour = facade(walls, label[t, OWNER], label[t, SLOT], px, py, pz, 0.5 * pixel, per_pixel, ratio)
        if fresh:
            k[surfaces.PLASTER] = 1.0 + 0.05 * lookup(noise, 2, pz * 7.0, (px + py) * 4.0)
        return lit(colour, soft * k[surfaces.PLASTER], sun * k[surfaces.PLASTER])
    if material in (FOLIAGE, ROOF):
        rough = 0.17 if material == FOLIAGE else 0.06
        cells = 13.0 if z < 14.0 else (6.5 if z < 28.0 else 3.25)
        leaf = hash_cell(math.floor(px * cells), math.floor(py * cells), math.floor(pz * cells)) - 0.5
        tone = 1.0 + rough * (2.2 * leaf + blended(noise, 1, px * 9.0 - pz * 4.0, py * 9.0 + pz * 8.0))
        return lit((colour[0] * tone, colour[1] * tone, colour[2] * tone), soft, sun)
    if material == GLOWING:
        return colour
    if material in (PAINT, GLASS):
        shine = min(1.0, max(0.0, (record[t, 6] * x + record[t, 7] * y + record[t, 8]) * z))
        return mix(lit(colour, soft, sun), (226.0, 234.0, 242.0), shine)
    return lit(colour, soft, sun)


@kernel
def place_chunk(stage: Stage, eye: Array, dx: float, dy: float, far_x: float, far_y: float, k: Array) -> None:
    """Into ``k``: road coordinates at road and pavement level where a chunk begins, and their change per pixel."""
    for level in range(2):
        z = k[surfaces.Z_LOW + level]
        s, d = place(stage, eye[0] + dx * z, eye[1] + dy * z)
        s_end, d_end = place(stage, eye[0] + (dx + far_x) * z, eye[1] + (dy + far_y) * z)
        first = surfaces.COORDINATES + 4 * level
        k[first], k[first + 1] = s, d
        k[first + 2], k[first + 3] = (s_end - s) / CHUNK, (d_end - d) / CHUNK


@kernel
def shade_row(walls: Array, view: View, stage: Stage, frame: Frame, picture: Picture, row: int, k: Array) -> None:
    """Colour one row and write its depth, instance and class."""
    turn, lens, eye, noise, sun = view.turn, view.lens, view.eye, stage.noise, stage.sun
    label, record, first, tone = frame.label, frame.record, surfaces.COORDINATES, stage.tone
    triangles, inverse, shadow, unit = frame.triangle[row], frame.inverse_depth[row], frame.shadow[row], stage.unit[row]
    rgb, depth, instance, semantic = picture.rgb[row], picture.depth[row], picture.instance[row], picture.semantic[row]
    y, per_fx = row + 0.5, 1.0 / lens[0]
    v = (y - lens[3]) / lens[1]
    dz = turn[1, 2] * v + turn[2, 2]
    row_constants(dz, eye[2], lens[0], stage, k)
    step_x, step_y = turn[0, 0] * per_fx, turn[0, 1] * per_fx
    base_x = turn[1, 0] * v + turn[2, 0] - turn[0, 0] * lens[2] * per_fx
    base_y = turn[1, 1] * v + turn[2, 1] - turn[0, 1] * lens[2] * per_fx
    start, until, last, z, colour, paved = 0, 0, -1, 0.0, (0.0, 0.0, 0.0), False
    for column in range(depth.shape[0]):
        x = column + 0.5
        dx, dy = base_x + step_x * x, base_y + step_y * x
        t = triangles[column]
        if t >= 0:
            fresh, last, paved = column & 1 == 0 or t != last, t, False
            z = 1.0 / inverse[column]
            px, py, pz = eye[0] + dx * z, eye[1] + dy * z, eye[2] + dz * z
            tag, thick = label[t, TAG], z * stage.haze_1pm
            colour, haze = (
                surface(
                    record, label, walls, noise, k, t, fresh, x, y, px, py, pz, z, z * per_fx, lens[0] * inverse[column]
                ),
                thick / (1.0 + thick),
            )
            instance[column], semantic[column] = tag & 0xFFFF, tag >> 16
        elif dz < -0.0015:
            if column >= until:
                start, until = column, column + CHUNK
                place_chunk(stage, eye, dx, dy, step_x * CHUNK, step_y * CHUNK, k)
            n, fresh = column - start, column & 1 == 0 or not paved
            s, d = k[first] + n * k[first + 2], k[first + 1] + n * k[first + 3]
            s_high, d_high = k[first + 4] + n * k[first + 6], k[first + 5] + n * k[first + 7]
            z, colour, raised = ground(noise, k, s, d, s_high, d_high, shadow[column], fresh)
            haze, paved = k[surfaces.HAZE], not raised
            instance[column], semantic[column] = 0, PAVEMENT_CLASS if raised else ROAD_CLASS
        else:
            paved = False
            # The sky is smooth: two pixels share a colour.
            if column & 1 == 0 or z < math.inf:
                colour = sky(noise, dx, dy, unit[column], k, sun)
            z, haze = math.inf, 0.0
            instance[column], semantic[column] = 0, 0
        depth[column] = z
        store(rgb, column, colour, haze, tone)


@kernel
def shade(walls: Array, view: View, stage: Stage, frame: Frame, picture: Picture, k: Array) -> None:
    """Colour every pixel and write depth, instance and class; ``k`` is scratch for the row constants."""
    for row in range(picture.depth.shape[0]):
        shade_row(walls, view, stage, frame, picture, row, k)


@kernel
def soften(frame: Frame, edges: Array, rgb: Array) -> None:
    """Blend along the outlines of objects what one sample a pixel would leave as steps, in place.

    edges: (W,) scratch.
    """
    label, (height, width) = frame.label, frame.triangle.shape
    for y in range(1, height - 1):
        above, here, below = frame.triangle[y - 1], frame.triangle[y], frame.triangle[y + 1]
        # Branch-free, so that it runs several pixels at once; few pixels survive it.
        for x in range(1, width - 1):
            own = here[x]
            edges[x] = (above[x] != own) | (below[x] != own) | (here[x - 1] != own) | (here[x + 1] != own)
        for x in range(1, width - 1):
            if edges[x] == 0:
                continue
            o, edge = label[here[x], OWNER] if here[x] >= 0 else -1, False
            for other in (above[x], below[x], here[x - 1], here[x + 1]):
                edge |= (label[other, OWNER] if other >= 0 else -1) != o
            if edge:
                for c in range(3):
                    around = (
                        int(rgb[y - 1, x, c]) + int(rgb[y + 1, x, c]) + int(rgb[y, x - 1, c]) + int(rgb[y, x + 1, c])
                    )
                    rgb[y, x, c] = (4 * int(rgb[y, x, c]) + around + 4) >> 3
