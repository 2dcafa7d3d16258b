"""From the visibility buffer to the picture: every pixel's colour, depth, instance and class, in one pass.

Decides how the picture is walked over; what a material looks like is ``materials``' business.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from scenarios.world.drawing import surfaces
from scenarios.world.drawing.classes import PAVEMENT as PAVEMENT_CLASS
from scenarios.world.drawing.classes import ROAD as ROAD_CLASS
from scenarios.world.drawing.ground import Terrain, row_reading
from scenarios.world.drawing.light import (
    DRY,
    GLOW,
    HAZE_COLOUR,
    LAMPS,
    OVERCAST,
    SHINE,
    SKY_LIGHT,
    SUN_LIGHT,
    WINDOW_COLOUR,
    Light,
)
from scenarios.world.drawing.materials import Lit, fogged, ground, lamps_at, map_ground, surface
from scenarios.world.drawing.meshes import GLASS, PAINT
from scenarios.world.drawing.raster import MATERIAL, OWNER, SLOT, TAG, Frame, View
from scenarios.world.drawing.sunmap import SunMap, sunlit
from scenarios.world.drawing.surfaces import Rgb, mix, sky
from scenarios.world.kernels import Array, inlined, kernel
from scenarios.world.roads import frenet

KERB_M = 0.12
CHUNK = 16
"""Pixels over which road coordinates are interpolated."""

TONE_STEPS = 4
TONE_SIZE = 2048
TONE_MASK = TONE_SIZE - 1


class Stage(NamedTuple):
    """Ground and light. size: lane, kerb and pavement edge (m from the middle); sun: direction; tone: display curve;
    unit: inverse lengths of the pixels' rays (H, W); light: see ``light.Light``."""

    table: Array
    straight: bool
    size: Array
    sun: Array
    noise: Array
    tone: Array
    unit: Array
    haze_1pm: float
    light: Light


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
def store(row: Array, x: int, colour: Rgb, haze: float, tone: Array, dull: Rgb) -> None:
    """Write a pixel of a row (W, 3) through haze and display curve; colours are below ``TONE_SIZE / TONE_STEPS``."""
    thin = (1.0 - haze) * TONE_STEPS
    thick = haze * TONE_STEPS
    row[x, 0] = tone[int(colour[0] * thin + dull[0] * thick) & TONE_MASK]
    row[x, 1] = tone[int(colour[1] * thin + dull[1] * thick) & TONE_MASK]
    row[x, 2] = tone[int(colour[2] * thin + dull[2] * thick) & TONE_MASK]


@inlined
def rgb_of(colours: Array, row: int) -> Rgb:
    """A row of ``light.Light.colours``."""
    return (colours[row, 0], colours[row, 1], colours[row, 2])


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
def place(table: Array, straight: bool, x: float, y: float) -> tuple[float, float]:
    """Road coordinates of a point on the ground."""
    if straight:
        return x, y
    return frenet(table, x, y)


@kernel
def place_chunk(
    table: Array, straight: bool, eye: Array, dx: float, dy: float, far_x: float, far_y: float, k: Array
) -> None:
    """Into ``k``: road coordinates at road and pavement level where a chunk begins, and their change per pixel."""
    for level in range(2):
        z = k[surfaces.Z_LOW + level]
        s, d = place(table, straight, eye[0] + dx * z, eye[1] + dy * z)
        s_end, d_end = place(table, straight, eye[0] + (dx + far_x) * z, eye[1] + (dy + far_y) * z)
        first = surfaces.COORDINATES + 4 * level
        k[first], k[first + 1] = s, d
        k[first + 2], k[first + 3] = (s_end - s) / CHUNK, (d_end - d) / CHUNK


class Row(NamedTuple):
    """A picture row. Rays: a pixel's direction in the map is (x + step_x · column, y + step_y · column, dz); light
    from sky and sun, what paint mirrors, and the colour of haze."""

    x: float
    step_x: float
    y: float
    step_y: float
    dz: float
    number: int
    sky: Rgb
    sun: Rgb
    shine: Rgb
    dull: Rgb


@inlined
def row_of(view: View, stage: Stage, row: int) -> Row:
    """The rays and the light of a row."""
    turn, lens, colours = view.turn, view.lens, stage.light.colours
    per_fx, v = 1.0 / lens[0], (row + 0.5 - lens[3]) / lens[1]
    return Row(
        turn[1, 0] * v + turn[2, 0] - turn[0, 0] * lens[2] * per_fx,
        turn[0, 0] * per_fx,
        turn[1, 1] * v + turn[2, 1] - turn[0, 1] * lens[2] * per_fx,
        turn[0, 1] * per_fx,
        turn[1, 2] * v + turn[2, 2],
        row,
        rgb_of(colours, SKY_LIGHT),
        rgb_of(colours, SUN_LIGHT),
        rgb_of(colours, SHINE),
        rgb_of(colours, HAZE_COLOUR),
    )


@kernel
def shade_triangles(
    walls: Array, view: View, stage: Stage, frame: Frame, picture: Picture, row: Row, k: Array, sunmap: SunMap | None
) -> None:
    """Colour the pixels of a row that show objects, and write their depth, instance and class."""
    eye, light, label, record, fx = view.eye, stage.light, frame.label, frame.record, view.lens[0]
    triangles, inverse = frame.triangle[row.number], frame.inverse_depth[row.number]
    rgb, depth = picture.rgb[row.number], picture.depth[row.number]
    instance, semantic = picture.instance[row.number], picture.semantic[row.number]
    mood, per_fx, y, last, beam = light.mood, 1.0 / fx, row.number + 0.5, -1, (0.0, 0.0, 0.0)
    for column in range(depth.shape[0]):
        t = triangles[column]
        if t < 0:
            continue
        fresh, last = column & 1 == 0 or t != last, t
        x, z, material = column + 0.5, 1.0 / inverse[column], label[t, MATERIAL]
        px, py, pz = (
            eye[0] + (row.x + row.step_x * x) * z, eye[1] + (row.y + row.step_y * x) * z, eye[2] + row.dz * z,
        )  # fmt: skip
        direct = min(1.0, max(0.0, (record[t, 0] * x + record[t, 1] * y + record[t, 2]) * z))
        soft = min(1.1, max(0.15, (record[t, 3] * x + record[t, 4] * y + record[t, 5]) * z))
        shine = record[t, 6]
        if material in (PAINT, GLASS):
            shine = (record[t, 6] * x + record[t, 7] * y + record[t, 8]) * z
        if sunmap is not None:
            beam = lamps_at(light, k, px, py, pz)
            direct *= sunlit(sunmap, px, py, pz, direct)
        paint = (float(record[t, 9]), float(record[t, 10]), float(record[t, 11]))
        colour = surface(
            walls, stage.noise, Lit(row.sky, row.sun, beam, row.shine), k, material, label[t, OWNER], label[t, SLOT],
            paint, direct, soft, shine, fresh, px, py, pz, z, z * per_fx, fx * inverse[column],
        )  # fmt: skip
        thick = z * stage.haze_1pm
        haze = thick / (1.0 + thick)
        if sunmap is not None:
            colour = mix(colour, WINDOW_COLOUR, k[surfaces.PANE] * mood[LAMPS])
            haze = fogged(light, haze, z, row.dz, stage.unit[row.number, column])
        depth[column], instance[column], semantic[column] = z, label[t, TAG] & 0xFFFF, label[t, TAG] >> 16
        store(rgb, column, colour, haze, stage.tone, row.dull)


@kernel
def shade_ground(
    view: View,
    stage: Stage,
    frame: Frame,
    picture: Picture,
    row: Row,
    k: Array,
    terrain: Terrain | None,
    sunmap: SunMap | None,
) -> None:
    """The same for what shows the ground."""
    eye, light, first, noise = view.eye, stage.light, surfaces.COORDINATES, stage.noise
    triangles, shadow = frame.triangle[row.number], frame.shadow[row.number]
    rgb, depth = picture.rgb[row.number], picture.depth[row.number]
    instance, semantic = picture.instance[row.number], picture.semantic[row.number]
    haze, dry, beam, start, until, paved = k[surfaces.HAZE], light.mood[DRY], (0.0, 0.0, 0.0), 0, 0, False
    if sunmap is not None:
        haze = fogged(light, haze, k[surfaces.Z_LOW], 0.0, 1.0)
    for column in range(depth.shape[0]):
        if triangles[column] >= 0:
            paved = False
            continue
        x, fresh = column + 0.5, column & 1 == 0 or not paved
        dx, dy = row.x + row.step_x * x, row.y + row.step_y * x
        if sunmap is not None:
            beam = lamps_at(light, k, eye[0] + dx * k[surfaces.Z_LOW], eye[1] + dy * k[surfaces.Z_LOW], 0.0)
        here = Lit(row.sky, row.sun, beam, row.shine)
        if terrain is None:
            if column >= until:
                start, until = column, column + CHUNK
                place_chunk(stage.table, stage.straight, eye, dx, dy, row.step_x * CHUNK, row.step_y * CHUNK, k)
            n = column - start
            s, d = k[first] + n * k[first + 2], k[first + 1] + n * k[first + 3]
            s_high, d_high = k[first + 4] + n * k[first + 6], k[first + 5] + n * k[first + 7]
            z, colour, raised = ground(noise, here, k, s, d, s_high, d_high, shadow[column], fresh)
            paved, kind = not raised, PAVEMENT_CLASS if raised else ROAD_CLASS
        else:
            z, colour, kind = map_ground(terrain, noise, here, k, eye, dx, dy, shadow[column], fresh)
            paved = True
        if sunmap is not None:
            colour = (colour[0] * dry, colour[1] * dry, colour[2] * dry)
        depth[column], instance[column], semantic[column] = z, 0, kind
        store(rgb, column, colour, haze, stage.tone, row.dull)


@kernel
def shade_sky(stage: Stage, frame: Frame, picture: Picture, row: Row, k: Array, sunmap: SunMap | None) -> None:
    """The same for the sky."""
    light, triangles, unit = stage.light, frame.triangle[row.number], stage.unit[row.number]
    rgb, depth = picture.rgb[row.number], picture.depth[row.number]
    instance, semantic = picture.instance[row.number], picture.semantic[row.number]
    colour, known, haze, mood = (0.0, 0.0, 0.0), False, 0.0, light.mood
    for column in range(depth.shape[0]):
        if triangles[column] >= 0:
            known = False
            continue
        # The sky is smooth: two pixels share a colour.
        if column & 1 == 0 or not known:
            x = column + 0.5
            dx, dy = row.x + row.step_x * x, row.y + row.step_y * x
            colour = sky(stage.noise, dx, dy, unit[column], k, stage.sun, light.colours, mood[OVERCAST], mood[GLOW])
            known = True
        if sunmap is not None:
            haze = fogged(light, 0.0, math.inf, row.dz, unit[column])
        depth[column], instance[column], semantic[column] = math.inf, 0, 0
        store(rgb, column, colour, haze, stage.tone, row.dull)


@kernel
def shade(
    walls: Array,
    view: View,
    stage: Stage,
    frame: Frame,
    picture: Picture,
    k: Array,
    terrain: Terrain | None,
    sunmap: SunMap | None,
) -> None:
    """Colour every pixel and write depth, instance and class; ``k`` is scratch for the row constants.

    ``terrain``: the ground of a map, None for the street's; ``sunmap``: None on a clear day without one, which
    leaves all that weather needs out of the compiled code; of one texel where only weather is wanted.
    """
    k[surfaces.PANE], k[surfaces.LAMPLIT] = 0.0, stage.light.mood[LAMPS]
    for number in range(picture.depth.shape[0]):
        row = row_of(view, stage, number)
        row_constants(row.dz, view.eye[2], view.lens[0], stage, k)
        if terrain is not None:
            row_reading(terrain, k)
        shade_triangles(walls, view, stage, frame, picture, row, k, sunmap)
        if row.dz < -0.0015:
            shade_ground(view, stage, frame, picture, row, k, terrain, sunmap)
        else:
            shade_sky(stage, frame, picture, row, k, sunmap)


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
