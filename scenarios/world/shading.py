"""From the visibility buffer to the picture: light, materials, ground, shadow, haze and sky, all in one pass.

Decides colours; also writes depth, instance and class. No fast-math: equal input gives equal bytes.
"""

from __future__ import annotations

import math
from typing import NamedTuple

from numba import njit

from scenarios.world.meshes import FACADE, FOLIAGE, GLASS, HEAD_LAMP, PAINT, ROOF, TAIL_LAMP
from scenarios.world.raster import Array, Frame, Library, Objects, View
from scenarios.world.roads import frenet
from scenarios.world.shadows import UNDER
from scenarios.world.surfaces import Rgb, asphalt, facade, lookup, mix, pavement, sky

ROAD_CLASS, PAVEMENT_CLASS = 1, 6
KERB_M = 0.12
HAZE = (210.0, 217.0, 222.0)
SKY_LIGHT, SUN_LIGHT = (0.47, 0.51, 0.58), (0.70, 0.66, 0.56)


class Stage(NamedTuple):
    """What the ground looks like and the light on it: road table, straight flag, widths, sun, noise, haze, brightness."""

    table: Array
    straight: bool
    lane_m: float
    kerb_m: float
    edge_m: float
    sun: Array
    noise: Array
    haze_1pm: float
    exposure: float


class Picture(NamedTuple):
    """The results: rgb, depth (m), instance, semantic."""

    rgb: Array
    depth: Array
    instance: Array
    semantic: Array


@njit(cache=True, error_model="numpy", _nrt=False)
def lit(colour: Rgb, sky_light: float, sun_light: float) -> Rgb:
    """Colour under the sky's and the sun's light."""
    return (
        colour[0] * (SKY_LIGHT[0] * sky_light + SUN_LIGHT[0] * sun_light),
        colour[1] * (SKY_LIGHT[1] * sky_light + SUN_LIGHT[1] * sun_light),
        colour[2] * (SKY_LIGHT[2] * sky_light + SUN_LIGHT[2] * sun_light),
    )


@njit(cache=True, error_model="numpy", _nrt=False)
def store(picture: Picture, y: int, x: int, colour: Rgb, haze: float, exposure: float) -> None:
    """Write a pixel through haze, exposure and a soft shoulder."""
    for k in range(3):
        value = (colour[k] + (HAZE[k] - colour[k]) * haze) * exposure
        if value > 200.0:
            value = 200.0 + 55.0 * (1.0 - 1.0 / (1.0 + (value - 200.0) / 55.0))
        picture.rgb[y, x, k] = int(min(255.0, max(0.0, value)))


@njit(cache=True, error_model="numpy", _nrt=False)
def place(stage: Stage, x: float, y: float) -> tuple[float, float]:
    """Road coordinates of a point on the ground."""
    if stage.straight:
        return x, y
    return frenet(stage.table, x, y)


@njit(cache=True, error_model="numpy", _nrt=False)
def ground(stage: Stage, view: View, dx: float, dy: float, dz: float, shadow: int) -> tuple[float, Rgb, bool]:
    """Depth, colour and whether it is pavement, where a ray downwards meets road, kerb face or pavement."""
    eye = view.eye
    z = -eye[2] / dz
    s, d = place(stage, eye[0] + dx * z, eye[1] + dy * z)
    norm = math.sqrt(dx * dx + dy * dy + dz * dz)
    raised, face = False, False
    if abs(d) > stage.kerb_m:
        high = (KERB_M - eye[2]) / dz
        s_high, d_high = place(stage, eye[0] + dx * high, eye[1] + dy * high)
        face = abs(d_high) < stage.kerb_m
        if not face:
            raised, z, s, d = True, high, s_high, d_high
    across = max(1e-4, z * norm / view.lens[0])
    along = across / max(0.004, -dz / norm)
    sun = stage.sun[2]
    if shadow:
        sun = 0.0
    sky_light = 0.32 if shadow & UNDER and not raised else 0.92
    if face:
        return z, lit((150.0, 147.0, 140.0), 0.75, 0.35 * sun), True
    if raised:
        colour = pavement(stage.noise, s, d, along, across, stage.kerb_m, stage.edge_m)
    else:
        colour = asphalt(stage.noise, s, d, along, across, stage.lane_m, stage.kerb_m)
    return z, lit(colour, sky_light, sun), raised


@njit(cache=True, error_model="numpy", _nrt=False)
def wall(objects: Objects, o: int, slot: int, view: View, px: float, py: float, pz: float, z: float) -> Rgb:
    """Facade of object ``o`` at a point of the map; slot 0 walls run along the object's x axis, slot 1 along its y axis."""
    pose, palette, style = objects.pose[o], objects.palette[o], objects.style[o]
    cos, sin = math.cos(pose[3]), math.sin(pose[3])
    dx, dy = px - pose[0], py - pose[1]
    to_x, to_y = px - view.eye[0], py - view.eye[1]
    if slot == 0:
        u, bay, facing = cos * dx + sin * dy, style[7], abs(-sin * to_x + cos * to_y)
    else:
        u, bay, facing = -sin * dx + cos * dy, style[8], abs(cos * to_x + sin * to_y)
    tall = max(1e-3, z / view.lens[0])
    wide = tall * min(60.0, math.sqrt(to_x * to_x + to_y * to_y) / max(1e-6, facing))
    first = (float(palette[0, 0]), float(palette[0, 1]), float(palette[0, 2]))
    trim = (float(palette[2, 0]), float(palette[2, 1]), float(palette[2, 2]))
    return facade(first, trim, style, u, pz - pose[2], bay, wide, tall)


@njit(cache=True, error_model="numpy", _nrt=False)
def surface(library: Library, objects: Objects, frame: Frame, t: int, view: View, noise: Array, x: float, y: float, ray: tuple[float, float, float], z: float) -> Rgb:
    """Lit colour of recorded triangle ``t`` at a pixel."""
    o, source, light = frame.owner[t], frame.source[t], frame.light[t]
    material, slot = library.materials[source], library.slots[source]
    sun = min(1.0, max(0.0, (light[0] * x + light[1] * y + light[2]) * z))
    soft = min(1.1, max(0.15, (light[3] * x + light[4] * y + light[5]) * z))
    own = objects.palette[o, slot]
    colour = (float(own[0]), float(own[1]), float(own[2]))
    if material == FACADE:
        px, py, pz = view.eye[0] + ray[0] * z, view.eye[1] + ray[1] * z, view.eye[2] + ray[2] * z
        colour = wall(objects, o, slot, view, px, py, pz, z)
        tone = 1.0 + 0.05 * lookup(noise, 2, px * 5.0 + py * 5.0, pz * 9.0)
        return lit((colour[0] * tone, colour[1] * tone, colour[2] * tone), soft, sun)
    if material == FOLIAGE or material == ROOF:
        px, py, pz = view.eye[0] + ray[0] * z, view.eye[1] + ray[1] * z, view.eye[2] + ray[2] * z
        rough = 0.34 if material == FOLIAGE else 0.10
        tone = 1.0 + rough * lookup(noise, 1, px * 13.0 + pz * 5.0, py * 13.0 + pz * 17.0)
        tone += rough * lookup(noise, 0, px * 9.0 + pz * 4.0, py * 9.0 + pz * 11.0) * min(1.0, 25.0 / z)
        return lit((colour[0] * tone, colour[1] * tone, colour[2] * tone), soft, sun)
    if material == TAIL_LAMP:
        return (255.0, 46.0, 30.0) if objects.braking[o] else lit((132.0, 18.0, 20.0), soft, sun)
    if material == HEAD_LAMP:
        return mix(lit((214.0, 218.0, 220.0), soft, sun), (240.0, 242.0, 238.0), 0.4)
    colour = lit(colour, soft, sun)
    if material == PAINT or material == GLASS:
        shine = min(1.0, max(0.0, (light[6] * x + light[7] * y + light[8]) * z))
        return mix(colour, (222.0, 230.0, 238.0), shine)
    return colour


@njit(cache=True, error_model="numpy", _nrt=False)
def shade(library: Library, objects: Objects, view: View, stage: Stage, frame: Frame, picture: Picture) -> None:
    """Colour every pixel and write depth, instance and class."""
    height, width = frame.inverse_depth.shape
    turn, lens = view.turn, view.lens
    for row in range(height):
        y = row + 0.5
        v = (y - lens[3]) / lens[1]
        for column in range(width):
            x = column + 0.5
            u = (x - lens[2]) / lens[0]
            dx = turn[0, 0] * u + turn[1, 0] * v + turn[2, 0]
            dy = turn[0, 1] * u + turn[1, 1] * v + turn[2, 1]
            dz = turn[0, 2] * u + turn[1, 2] * v + turn[2, 2]
            t = frame.triangle[row, column]
            if t >= 0:
                z = 1.0 / frame.inverse_depth[row, column]
                colour = surface(library, objects, frame, t, view, stage.noise, x, y, (dx, dy, dz), z)
                picture.instance[row, column] = objects.instance[frame.owner[t]]
                picture.semantic[row, column] = objects.semantic[frame.owner[t]]
            elif dz < -0.0015:
                z, colour, raised = ground(stage, view, dx, dy, dz, frame.shadow[row, column])
                picture.instance[row, column] = 0
                picture.semantic[row, column] = PAVEMENT_CLASS if raised else ROAD_CLASS
            else:
                store(picture, row, column, sky(stage.noise, dx, dy, dz, stage.sun), 0.0, stage.exposure)
                picture.depth[row, column] = math.inf
                picture.instance[row, column] = picture.semantic[row, column] = 0
                continue
            picture.depth[row, column] = z
            thick = z * stage.haze_1pm
            store(picture, row, column, colour, thick / (1.0 + thick), stage.exposure)


@njit(cache=True, error_model="numpy", _nrt=False)
def soften(frame: Frame, rgb: Array, out: Array) -> None:
    """Blend along the outlines of objects: what one sample a pixel would leave as steps. ``out`` starts as a copy of ``rgb``."""
    height, width = frame.triangle.shape
    for y in range(1, height - 1):
        for x in range(1, width - 1):
            own = frame.triangle[y, x]
            o = frame.owner[own] if own >= 0 else -1
            weight = 0
            for step in range(4):
                yy, xx = y + (step == 0) - (step == 1), x + (step == 2) - (step == 3)
                other = frame.triangle[yy, xx]
                if other != own and (frame.owner[other] if other >= 0 else -1) != o:
                    weight += 1
            if weight:
                for k in range(3):
                    around = int(rgb[y - 1, x, k]) + int(rgb[y + 1, x, k]) + int(rgb[y, x - 1, k]) + int(rgb[y, x + 1, k])
                    out[y, x, k] = (4 * int(rgb[y, x, k]) + around + 4) // 8
