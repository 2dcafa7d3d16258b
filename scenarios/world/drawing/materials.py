"""What light makes of materials: the lit colour of ground and triangles at a pixel.

Decides colours at one point; ``shading`` walks over the picture.
"""

from __future__ import annotations

import math
from typing import NamedTuple

from scenarios.world.drawing import surfaces
from scenarios.world.drawing.ground import Terrain, colour_at, grained, meet
from scenarios.world.drawing.light import (
    BEAM_COLOUR,
    FOG_SIZE,
    FOG_STEP,
    FOG_TOP,
    LAMP_COLOUR,
    LAMPS,
    Light,
    headlights,
    pool,
)
from scenarios.world.drawing.meshes import FACADE, FOLIAGE, GLASS, GLOWING, PAINT, ROOF
from scenarios.world.drawing.shadows import UNDER
from scenarios.world.drawing.surfaces import Rgb, asphalt, blended, facade, hash_cell, lookup, mix, pavement
from scenarios.world.kernels import Array, inlined

KERB_FACE = (158.0, 155.0, 148.0)


class Lit(NamedTuple):
    """Light at a pixel, as factors: from the sky, from the sun, and from lamps; and what paint mirrors."""

    sky: Rgb
    sun: Rgb
    beam: Rgb
    shine: Rgb


@inlined
def lit(light: Lit, colour: Rgb, sky: float, sun: float) -> Rgb:
    """Colour under shares of the sky's and the sun's light, and under the lamps'."""
    return (
        colour[0] * (light.sky[0] * sky + light.sun[0] * sun + light.beam[0]),
        colour[1] * (light.sky[1] * sky + light.sun[1] * sun + light.beam[1]),
        colour[2] * (light.sky[2] * sky + light.sun[2] * sun + light.beam[2]),
    )


@inlined
def ground(
    noise: Array, light: Lit, k: Array, s: float, d: float, s_high: float, d_high: float, shadow: int, fresh: bool
) -> tuple[float, Rgb, bool]:
    """Depth, colour and whether it is raised, where a ray meets road, kerb face or pavement.

    (s, d) and (s_high, d_high) are the road coordinates at which it would meet road and pavement level.
    """
    kerb = k[surfaces.KERB]
    sun = 0.0 if shadow else k[surfaces.SUN]
    if abs(d) <= kerb:
        dim = 0.36 if shadow & UNDER else 0.98
        return k[surfaces.Z_LOW], lit(light, asphalt(noise, s, d, k, fresh), dim, sun), False
    if abs(d_high) < kerb:
        return k[surfaces.Z_LOW], lit(light, KERB_FACE, 0.75, 0.35 * sun), True
    return k[surfaces.Z_HIGH], lit(light, pavement(noise, s_high, d_high, k), 0.98, sun), True


@inlined
def map_ground(
    terrain: Terrain, noise: Array, light: Lit, k: Array, eye: Array, dx: float, dy: float, shadow: int, fresh: bool
) -> tuple[float, Rgb, int]:
    """Depth, colour and class where a ray meets the ground of a map."""
    z, material, face = meet(terrain, k, eye, dx, dy)
    sun = 0.0 if shadow else k[surfaces.SUN]
    if face:
        return z, lit(light, KERB_FACE, 0.75, 0.35 * sun), terrain.classes[material]
    colour = colour_at(terrain.texels, k, eye, dx, dy, z)
    colour = grained(noise, k, material, eye[0] + dx * z, eye[1] + dy * z, colour, fresh)
    return z, lit(light, colour, 0.36 if shadow & UNDER else 0.98, sun), terrain.classes[material]


@inlined
def surface(
    walls: Array,
    noise: Array,
    light: Lit,
    k: Array,
    material: int,
    owner: int,
    slot: int,
    colour: Rgb,
    sun: float,
    soft: float,
    shine: float,
    fresh: bool,
    px: float,
    py: float,
    pz: float,
    z: float,
    pixel: float,
    per_pixel: float,
) -> Rgb:
    """Lit colour of a triangle at a pixel that shows (px, py, pz) at depth ``z``, under these shares of sun and sky.

    ``shine``: mirrored share, or of a wall the inverse of its distance; ``pixel`` is the pixel's size there and
    ``per_pixel`` its inverse; neighbours on a wall share its plaster unless ``fresh``.
    """
    if material == FACADE:
        ratio = max(1.0, z * shine)
        colour = facade(walls, owner, slot, px, py, pz, 0.5 * pixel, per_pixel, ratio, k)
        if fresh:
            k[surfaces.PLASTER] = 1.0 + 0.05 * lookup(noise, 2, pz * 7.0, (px + py) * 4.0)
        return lit(light, colour, soft * k[surfaces.PLASTER], sun * k[surfaces.PLASTER])
    if material in (FOLIAGE, ROOF):
        rough = 0.17 if material == FOLIAGE else 0.06
        cells = 13.0 if z < 14.0 else (6.5 if z < 28.0 else 3.25)
        leaf = hash_cell(math.floor(px * cells), math.floor(py * cells), math.floor(pz * cells)) - 0.5
        tone = 1.0 + rough * (2.2 * leaf + blended(noise, 1, px * 9.0 - pz * 4.0, py * 9.0 + pz * 8.0))
        return lit(light, (colour[0] * tone, colour[1] * tone, colour[2] * tone), soft, sun)
    if material == GLOWING:
        return colour
    if material in (PAINT, GLASS):
        return mix(lit(light, colour, soft, sun), light.shine, min(1.0, max(0.0, shine)))
    return lit(light, colour, soft, sun)


@inlined
def lamps_at(light: Light, k: Array, x: float, y: float, z: float) -> Rgb:
    """The light of headlights and street lamps at a point; prepares ``k`` for what windows shine there."""
    strength = light.mood[LAMPS]
    if strength <= 0.0:
        return 0.0, 0.0, 0.0
    k[surfaces.PANE] = 0.0
    beam = headlights(light.lamps, x, y, z) * strength
    lamp = min(1.0, pool(light.pools, x, y, z)) * strength
    # Film and eye compress what is bright; one factor for all colours keeps their hue.
    dim = 1.0 / (1.0 + 0.45 * (beam + lamp))
    return (
        (beam * BEAM_COLOUR[0] + lamp * LAMP_COLOUR[0]) * dim,
        (beam * BEAM_COLOUR[1] + lamp * LAMP_COLOUR[1]) * dim,
        (beam * BEAM_COLOUR[2] + lamp * LAMP_COLOUR[2]) * dim,
    )


@inlined
def fogged(light: Light, haze: float, z: float, dz: float, unit: float) -> float:
    """Share of haze and fog together at depth ``z`` along a ray that rises by ``dz``; ``unit``: its inverse length."""
    step = light.mood[FOG_STEP]
    if step <= 0.0:
        return haze
    reach = min(z, light.mood[FOG_TOP] / max(1e-3, dz * unit)) if dz > 0.0 else min(z, 1e5)
    return float(1.0 - (1.0 - haze) * (1.0 - light.fog[min(FOG_SIZE - 1, int(reach * step))]))
