"""Meshes of what lies or stands in the way: a lost crate, a tyre, a traffic cone, a barrier. Origin on the ground."""

from __future__ import annotations

import math

import numpy as np

from scenarios.scenario import KINDS
from scenarios.world.drawing.meshes import DARK, LIGHT, MATTE, METAL, PRIMARY, SECONDARY, SIGNAL, Builder, Mesh, Points


def debris() -> Mesh:
    """A wooden crate that fell from a load, with a broken board beside it."""
    builder = Builder()
    x, y, z = 0.33, 0.36, 0.52
    builder.box((-x, -y, 0.04), (x, y, z), PRIMARY, MATTE)
    for low in (0.04, 0.24, 0.44):
        builder.box((-x - 0.02, -y - 0.02, low), (x + 0.02, y + 0.02, low + 0.09), SECONDARY, MATTE)
    for a in (-1.0, 1.0):
        for b in (-1.0, 1.0):
            builder.box((a * x - 0.04, b * y - 0.04, 0.0), (a * x + 0.04, b * y + 0.04, z + 0.04), SECONDARY, MATTE)
    builder.limb(np.array([-0.45, -0.3, 0.03]), np.array([0.45, -0.2, 0.58]), (0.05, 0.05), PRIMARY, MATTE, 4)
    return builder.mesh()


def tyre() -> Mesh:
    """A lost tyre lying flat."""
    builder, sides = Builder(), 20
    angles = np.arange(sides) * 2.0 * math.pi / sides
    rings = []
    for radius, z in ((0.2, 0.04), (0.3, 0.0), (0.35, 0.05), (0.35, 0.17), (0.3, 0.22), (0.2, 0.18), (0.2, 0.04)):
        rings.append(np.stack([radius * np.cos(angles), -radius * np.sin(angles), np.full(sides, z)], 1))
    builder.loft(np.stack(rings)[::-1], DARK, MATTE, caps=False)
    return builder.mesh()


def cone() -> Mesh:
    """An orange traffic cone with two white bands."""
    builder, sides = Builder(), 14
    builder.box((-0.18, -0.18, 0.0), (0.18, 0.18, 0.04), DARK, MATTE)
    heights = (0.04, 0.28, 0.41, 0.5, 0.62, 0.75)
    slots = (PRIMARY, LIGHT, PRIMARY, LIGHT, PRIMARY)
    for (low, high), slot in zip(zip(heights, heights[1:], strict=False), slots, strict=True):
        radius = (0.145 - 0.15 * low, 0.145 - 0.15 * high)
        builder.limb(np.array([0.0, 0.0, low]), np.array([0.0, 0.0, high]), radius, slot, MATTE, sides)
    return builder.mesh()


def barrier() -> Mesh:
    """A red and white road works barrier across y, with two lamps, facing both ways."""
    kind, builder = KINDS["barrier"], Builder()
    half = 0.5 * kind.width_m
    stripes = 8
    for k in range(stripes):
        low, high = -half + k * kind.width_m / stripes, -half + (k + 1) * kind.width_m / stripes
        for z in (0.42, 0.76):
            builder.box((-0.02, low, z), (0.02, high, z + 0.2), PRIMARY if k % 2 else LIGHT, MATTE)
    for y in (-0.8 * half, 0.8 * half):
        builder.box((-0.03, y - 0.03, 0.06), (0.03, y + 0.03, 0.96), METAL, MATTE)
        builder.box((-0.25, y - 0.09, 0.0), (0.25, y + 0.09, 0.06), DARK, MATTE)
        builder.box((-0.04, y - 0.05, 0.96), (0.04, y + 0.05, 1.05), SECONDARY, SIGNAL)
    return builder.mesh()


def casters(mesh: Mesh) -> list[Points]:
    """The hull of the whole."""
    return [mesh.vertices[:: max(1, len(mesh.vertices) // 60)]]
