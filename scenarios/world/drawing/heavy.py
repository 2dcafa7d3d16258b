"""Meshes of the long vehicles: a city bus, a truck with a semi-trailer. x forward, z up, fills its kind's outline."""

from __future__ import annotations

import numpy as np

from scenarios.scenario import KINDS
from scenarios.world.drawing.meshes import (
    DARK,
    GLASS,
    HEAD_LAMP,
    LIGHT,
    MATTE,
    METAL,
    PAINT,
    PRIMARY,
    SECONDARY,
    TAIL_LAMP,
    WINDOW,
    Builder,
    Mesh,
    Points,
)
from scenarios.world.drawing.vehicles import truck_cab

WAIST_M, PANE_TOP_M, FLOOR_M = 1.25, 2.62, 0.32


def bus(*, coarse: bool = False) -> Mesh:
    """A low-floor city bus with doors on its right side."""
    kind, builder = KINDS["bus"], Builder()
    rear, front, half, high = -0.5 * kind.length_m, 0.5 * kind.length_m, 0.5 * kind.width_m, kind.height_m
    profile = [
        (0.97, FLOOR_M), (1.0, 0.5), (1.0, 2.75), (0.96, high - 0.2), (0.82, high - 0.06),
        (-0.82, high - 0.06), (-0.96, high - 0.2), (-1.0, 2.75), (-1.0, 0.5), (-0.97, FLOOR_M),
    ]  # fmt: skip
    ends = ((rear, 0.95), (rear + 0.12, 1.0), (front - 0.25, 1.0), (front - 0.06, 0.97), (front, 0.93))
    rings = [[(x, half * factor * y, z) for y, z in profile] for x, factor in ends]
    builder.loft(np.array(rings), PRIMARY, PAINT, smooth=False)
    _bus_panes(builder, rear, front, half, coarse=coarse)
    for side in (-1.0, 1.0):
        low, up = sorted((side * half * 0.62, side * half * 0.9))
        builder.box((front - 0.05, low, 0.62), (front + 0.012, up, 0.82), LIGHT, HEAD_LAMP)
        builder.box((rear - 0.012, low, 0.9), (rear + 0.08, up, 1.25), PRIMARY, TAIL_LAMP)
        for x in (front - 2.75, rear + 3.4):
            builder.wheel(x, side * (half - 0.13), 0.48, 0.28, 8 if coarse else 16)
        stripe = [(rear + 0.2, 0.42), (front - 0.4, 0.42), (front - 0.4, 0.62), (rear + 0.2, 0.62)]
        _side(builder, stripe, side, half + 0.004, SECONDARY, MATTE)
    builder.box((rear - 0.01, -0.9 * half, 0.34), (rear + 0.1, 0.9 * half, 0.52), DARK, MATTE)
    builder.box((front - 0.1, -0.88 * half, 0.34), (front + 0.01, 0.88 * half, 0.5), DARK, MATTE)
    if not coarse:
        builder.box((rear + 0.8, -0.6 * half, high - 0.08), (rear + 3.6, 0.6 * half, high), LIGHT, MATTE)
        builder.box((-0.4, -0.55 * half, high - 0.08), (1.8, 0.55 * half, high), LIGHT, MATTE)
        for side in (-1.0, 1.0):
            arm = sorted((side * half, side * (half + 0.18)))
            builder.box((front - 0.2, arm[0], 1.9), (front - 0.1, arm[1], 2.35), DARK, MATTE)
    return builder.mesh()


def _bus_panes(builder: Builder, rear: float, front: float, half: float, *, coarse: bool) -> None:
    for side in (-1.0, 1.0):
        # One dark band, posts on top of it.
        band = [(rear + 0.35, WAIST_M), (front - 0.3, WAIST_M), (front - 0.3, PANE_TOP_M), (rear + 0.35, PANE_TOP_M)]
        _side(builder, band, side, half + 0.004, WINDOW, GLASS)
        if not coarse:
            for x in np.arange(rear + 1.75, front - 1.0, 1.42):
                post = [(x, WAIST_M), (x + 0.06, WAIST_M), (x + 0.06, PANE_TOP_M), (x, PANE_TOP_M)]
                _side(builder, [(float(a), z) for a, z in post], side, half + 0.008, DARK, MATTE)
        if side < 0.0:
            for x in (front - 1.55, -0.3):
                door = [(x, 0.4), (x + 1.2, 0.4), (x + 1.2, 2.5), (x, 2.5)]
                _side(builder, door, side, half + 0.01, WINDOW, GLASS)
                frame = [(x + 0.57, 0.4), (x + 0.63, 0.4), (x + 0.63, 2.5), (x + 0.57, 2.5)]
                _side(builder, frame, side, half + 0.014, DARK, MATTE)
    wide = 0.88 * half
    screen = [(-wide, 1.05), (wide, 1.05), (wide, 2.6), (-wide, 2.6)]
    builder.quad([(front + 0.006, y, z) for y, z in screen], WINDOW, GLASS)
    sign = [(-0.7, 2.68), (0.7, 2.68), (0.7, 2.92), (-0.7, 2.92)]
    builder.quad([(front + 0.006, y, z) for y, z in sign], DARK, MATTE)
    back = [(-0.8 * half, 1.5), (0.8 * half, 1.5), (0.8 * half, 2.5), (-0.8 * half, 2.5)]
    builder.quad([(rear - 0.006, y, z) for y, z in back][::-1], WINDOW, GLASS)


def _side(
    builder: Builder, outline: list[tuple[float, float]], side: float, y: float, slot: int, material: int
) -> None:
    """A polygon (x, z) on the left or right flank, given counter-clockwise as seen from the right."""
    points = [(x, side * y, z) for x, z in outline]
    builder.quad(points if side < 0.0 else points[::-1], slot, material)


def trailer() -> Mesh:
    """A tractor with a box semi-trailer, in line."""
    kind, builder = KINDS["trailer"], Builder()
    rear, front, half, high = -0.5 * kind.length_m, 0.5 * kind.length_m, 0.5 * kind.width_m, kind.height_m
    cab = front - 2.25
    builder.box((rear, -half, 1.12), (cab - 0.55, half, high), PRIMARY, PAINT)
    for z0, z1 in ((1.08, 1.2), (high - 0.09, high + 0.005)):
        builder.box((rear - 0.01, -half - 0.01, z0), (cab - 0.54, half + 0.01, z1), METAL, MATTE)
    for y in (-0.5, -0.02, 0.46):
        builder.box((rear - 0.03, y, 1.2), (rear, y + 0.04, high - 0.1), METAL, MATTE)
    truck_cab(builder, cab, front, half, high)
    builder.box((cab + 0.1, -0.8 * half, high - 0.56), (front - 0.9, 0.8 * half, high - 0.12), SECONDARY, PAINT)
    builder.box((rear + 0.1, -0.45, 0.7), (cab - 1.0, 0.45, 1.12), DARK, MATTE)
    builder.box((cab - 1.9, -0.5, 0.5), (front - 0.4, 0.5, 0.95), DARK, MATTE)
    for side in (-1.0, 1.0):
        low, up = sorted((side * half * 0.6, side * half * 0.96))
        builder.box((rear - 0.02, low, 0.8), (rear + 0.1, up, 1.0), PRIMARY, TAIL_LAMP)
        builder.box((front - 0.05, low, 0.72), (front + 0.012, up, 0.92), LIGHT, HEAD_LAMP)
        guard = sorted((side * (half - 0.06), side * (half - 0.02)))
        builder.box((rear + 4.6, guard[0], 0.55), (cab - 2.4, guard[1], 0.95), METAL, MATTE)
        stripe = [(rear + 0.8, 1.9), (cab - 1.4, 1.9), (cab - 1.4, 2.7), (rear + 0.8, 2.7)]
        _side(builder, stripe, side, half + 0.004, SECONDARY, MATTE)
        for x in (rear + 1.4, rear + 2.7, rear + 4.0, cab - 0.9, front - 1.15):
            builder.wheel(x, side * (half - 0.19), 0.5, 0.36, 14)
    builder.box((rear + 0.05, -half * 0.9, 0.5), (rear + 0.12, half * 0.9, 0.64), METAL, MATTE)
    return builder.mesh()


def bus_casters() -> list[Points]:
    """The bus as one box."""
    return [_cuboid("bus", -0.5, 0.5, 0.3)]


def trailer_casters() -> list[Points]:
    """Box and cab."""
    return [_cuboid("trailer", -0.5, 0.325, 0.7), _cuboid("trailer", 0.36, 0.5, 0.45)]


def _cuboid(name: str, start: float, end: float, low: float) -> Points:
    kind = KINDS[name]
    ends = (start * kind.length_m, end * kind.length_m)
    return np.array(
        [(x, y * 0.5 * kind.width_m, z) for x in ends for y in (-1.0, 1.0) for z in (low, kind.height_m - 0.1)]
    )
