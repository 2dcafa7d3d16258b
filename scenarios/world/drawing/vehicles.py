"""Meshes of the vehicles: saloon, estate, small car, off-roader, van, truck, motorcycle with rider. x forward, z up.

Each stands on z = 0 with its outline centred at the origin and fills the outline of its kind.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from scenarios.scenario import KINDS
from scenarios.world.drawing.meshes import (
    CLOTH,
    DARK,
    GLASS,
    HAIR,
    HEAD_LAMP,
    LIGHT,
    MATTE,
    METAL,
    PAINT,
    PRIMARY,
    SECONDARY,
    SKIN,
    TAIL_LAMP,
    WINDOW,
    Builder,
    Mesh,
    Points,
)


@dataclass(frozen=True)
class Shape:
    """Side view of a car, as shares of its length from the rear (0) to the front (1), and heights in metres."""

    bonnet: float
    """Height of the front edge of the bonnet."""
    belt: float
    """Height of the window line."""
    boot: float
    """Height of the rear edge of the deck."""
    cabin: tuple[float, float, float, float]
    """Rear window base, roof rear, roof front, windscreen base."""
    wheel: float
    axles: tuple[float, float]


SHAPES = {
    "car": Shape(0.72, 0.93, 0.95, (0.10, 0.26, 0.55, 0.72), 0.32, (0.19, 0.81)),
    "estate": Shape(0.72, 0.95, 0.95, (0.01, 0.09, 0.56, 0.72), 0.33, (0.19, 0.81)),
    "mini": Shape(0.76, 0.93, 0.92, (0.01, 0.10, 0.58, 0.74), 0.30, (0.16, 0.83)),
    "suv": Shape(0.94, 1.10, 1.08, (0.01, 0.09, 0.58, 0.74), 0.36, (0.19, 0.81)),
    "van": Shape(1.05, 1.22, 1.22, (0.005, 0.03, 0.80, 0.925), 0.34, (0.17, 0.82)),
}


def car(kind: str, *, coarse: bool = False) -> Mesh:
    """A car, estate, mini, suv or van; ``coarse`` leaves out what nobody sees from afar."""
    outline, shape, builder = KINDS[kind], SHAPES[kind], Builder()
    length, width, height = outline.length_m, outline.width_m, outline.height_m
    _body(builder, shape, length, width)
    _cabin(builder, shape, length, width, height)
    for share in shape.axles:
        x = (share - 0.5) * length
        for side in (-1.0, 1.0):
            _arch(builder, x, side * (0.5 * width + 0.004), shape.wheel * 1.16, side, 6 if coarse else 13)
            builder.wheel(x, side * (0.5 * width - 0.09), shape.wheel, 0.21, 8 if coarse else 14)
    _lamps(builder, shape, length, width)
    if not coarse:
        _trim(builder, shape, length, width)
    return builder.mesh()


def _body(builder: Builder, shape: Shape, length: float, width: float) -> None:
    # Sections from the rear bumper to the front one: share of length, deck height, half-width factor, underside.
    bottom = 0.24
    rear, front = shape.cabin[0], shape.cabin[3]
    sections = [
        (0.0, shape.boot - 0.16, 0.86, bottom + 0.16),
        (0.012, shape.boot - 0.05, 0.92, bottom + 0.06),
        (0.05, shape.boot, 0.98, bottom),
        (max(0.08, rear), shape.belt, 1.0, bottom - 0.02),
        (0.5 * (rear + front), shape.belt, 1.0, bottom - 0.02),
        (front, shape.belt - 0.01, 1.0, bottom - 0.02),
        (0.5 * (front + 0.95), 0.45 * shape.belt + 0.55 * shape.bonnet, 0.985, bottom - 0.01),
        (0.95, shape.bonnet, 0.95, bottom),
        (0.985, shape.bonnet - 0.07, 0.9, bottom + 0.05),
        (1.0, shape.bonnet - 0.2, 0.82, bottom + 0.14),
    ]
    rings = []
    for share, deck, factor, low in sections:
        x, half, rise = (share - 0.5) * length, 0.5 * width * factor, deck - low
        profile = [
            (0.80, 0.0), (0.97, 0.12), (1.0, 0.45), (0.985, 0.78), (0.94, 0.94), (0.80, 1.0),
            (-0.80, 1.0), (-0.94, 0.94), (-0.985, 0.78), (-1.0, 0.45), (-0.97, 0.12), (-0.80, 0.0),
        ]  # fmt: skip
        rings.append([(x, half * y, low + rise * z) for y, z in profile])
    builder.loft(np.array(rings), PRIMARY, PAINT)


def _cabin(builder: Builder, shape: Shape, length: float, width: float, height: float) -> None:
    base = [(share - 0.5) * length for share in shape.cabin]
    low, half, roof = shape.belt - 0.03, 0.5 * width * 0.93, 0.5 * width * 0.78
    if height > 2.0:
        roof = 0.5 * width * 0.86
    rear_low, rear_top, front_top, front_low = base
    top = height - 0.035

    def ring(x: float, z: float, y: float) -> list[tuple[float, float, float]]:
        return [(x, y, z), (x, -y, z)]

    left = [(rear_low, half, low), (front_low, half, low), (front_top, roof, top), (rear_top, roof, top)]
    right = [(x, -y, z) for x, y, z in left]
    builder.quad([left[0], left[1], left[2], left[3]][::-1], PRIMARY, PAINT)
    builder.quad(right, PRIMARY, PAINT)
    builder.quad([right[1], left[1], left[2], right[2]], PRIMARY, PAINT)
    builder.quad([left[0], right[0], right[3], left[3]], PRIMARY, PAINT)
    crown = np.array(
        [
            [
                *ring(rear_top - 0.02, top - 0.01, roof),
                (rear_top, -0.7 * roof, height - 0.012),
                (rear_top, 0.7 * roof, height - 0.012),
            ],
            [*ring(0.5 * (rear_top + front_top), top, roof), (0.0, -0.7 * roof, height), (0.0, 0.7 * roof, height)],
            [
                *ring(front_top + 0.02, top - 0.01, roof),
                (front_top, -0.7 * roof, height - 0.012),
                (front_top, 0.7 * roof, height - 0.012),
            ],
        ]
    )
    crown[1, 2:, 0] = 0.5 * (rear_top + front_top)
    builder.loft(crown[:, [1, 2, 3, 0]][:, ::-1], PRIMARY, PAINT)
    _panes(builder, left, right, front_top, rear_top, van=height > 2.0)


def _panes(
    builder: Builder,
    left: list[tuple[float, float, float]],
    right: list[tuple[float, float, float]],
    front_top: float,
    rear_top: float,
    *,
    van: bool,
) -> None:
    corner = np.array(left)

    def on_side(u: float, v: float, out: float) -> tuple[float, float, float]:
        low = corner[0] + u * (corner[1] - corner[0])
        high = corner[3] + u * (corner[2] - corner[3])
        point = low + v * (high - low)
        return (float(point[0]), float(point[1]) + out, float(point[2]))

    # Panes between the pillars; a delivery van has one only beside the seats.
    spans = [(0.68, 0.95)] if van else [(0.05, 0.30), (0.335, 0.60), (0.635, 0.93)]
    for start, end in spans:
        pane = [
            on_side(start, 0.10, 0.006),
            on_side(end, 0.10, 0.006),
            on_side(end, 0.86, 0.006),
            on_side(start, 0.86, 0.006),
        ]
        builder.quad(pane[::-1], WINDOW, GLASS)
        builder.quad([(x, -y, z) for x, y, z in pane], WINDOW, GLASS)
    for low, high, sign in ((left[1], left[2], 1.0), (left[0], left[3], -1.0)):
        a, b = np.array(low), np.array(high)
        bottom, upper = a + 0.08 * (b - a), a + 0.9 * (b - a)
        out = 0.012 * sign
        pane = [
            (bottom[0] + out, -0.91 * bottom[1], bottom[2] + 0.006),
            (bottom[0] + out, 0.91 * bottom[1], bottom[2] + 0.006),
            (upper[0] + out, 0.90 * upper[1], upper[2] + 0.006),
            (upper[0] + out, -0.90 * upper[1], upper[2] + 0.006),
        ]
        builder.quad(pane if sign > 0.0 else pane[::-1], WINDOW, GLASS)


def _arch(builder: Builder, x: float, y: float, radius: float, side: float, points: int) -> None:
    angles = np.linspace(-0.25, np.pi + 0.25, points)
    rim = [(x + radius * float(np.cos(a)), y, 0.31 + radius * float(np.sin(a))) for a in angles]
    builder.quad(rim if side < 0.0 else rim[::-1], DARK, MATTE)


def _lamps(builder: Builder, shape: Shape, length: float, width: float) -> None:
    """Head and tail lamps, bumpers and the rear plate: what tells front from rear at any distance."""
    rear, front, half = -0.5 * length, 0.5 * length, 0.5 * width
    for side in (-1.0, 1.0):
        y0, y1 = sorted((side * half * 0.55, side * half * 0.86))
        builder.box((front - 0.05, y0, shape.bonnet - 0.20), (front + 0.005, y1, shape.bonnet - 0.07), LIGHT, HEAD_LAMP)
        z1 = shape.boot - 0.06
        inner, outer = sorted((side * half * 0.60, side * half * 0.90))
        builder.box((rear - 0.005, inner, z1 - 0.17), (rear + 0.09, outer, z1), PRIMARY, TAIL_LAMP)
    builder.box((rear - 0.012, -0.26, shape.boot - 0.40), (rear + 0.05, 0.26, shape.boot - 0.28), LIGHT, MATTE)
    builder.box((rear - 0.02, -0.42 * width, 0.32), (rear + 0.1, 0.42 * width, 0.46), DARK, MATTE)
    builder.box((front - 0.08, -0.42 * width, 0.28), (front + 0.015, 0.42 * width, 0.46), DARK, MATTE)


def _trim(builder: Builder, shape: Shape, length: float, width: float) -> None:
    """Door lines, mirrors, sills, grille and front plate."""
    rear, front, half = -0.5 * length, 0.5 * length, 0.5 * width
    for side in (-1.0, 1.0):
        door = (shape.cabin[0] + shape.cabin[3]) * 0.5 - 0.5
        for share in (door, door + 0.23, door - 0.21):
            x = share * length
            strip = [(x, 0.38), (x + 0.014, 0.38), (x + 0.014, shape.belt - 0.05), (x, shape.belt - 0.05)]
            points = [(a, side * (half + 0.001), z) for a, z in strip]
            builder.quad(points if side < 0.0 else points[::-1], DARK, MATTE)
        low, high = sorted((side * half, side * (half + 0.14)))
        x = (shape.cabin[3] - 0.5) * length - 0.25
        builder.box((x, low, shape.belt + 0.0), (x + 0.09, high, shape.belt + 0.13), PRIMARY, PAINT)
        sill = sorted((side * (half - 0.04), side * (half + 0.002)))
        builder.box((rear + 0.3 * length, sill[0], 0.2), (front - 0.3 * length, sill[1], 0.31), DARK, MATTE)
    grille = (shape.bonnet - 0.21, shape.bonnet - 0.1)
    builder.box((front - 0.03, -0.24 * width, grille[0]), (front + 0.006, 0.24 * width, grille[1]), DARK, MATTE)
    builder.box((front - 0.03, -0.25, 0.46), (front + 0.012, 0.25, 0.56), LIGHT, MATTE)


def truck() -> Mesh:
    """A delivery truck: cab in front, tall box behind it on a frame."""
    outline, builder = KINDS["truck"], Builder()
    rear, front, half, high = -0.5 * outline.length_m, 0.5 * outline.length_m, 0.5 * outline.width_m, outline.height_m
    cab = front - 1.95
    builder.box((rear, -half, 0.98), (cab - 0.22, half, high), PRIMARY, PAINT)
    for z0, z1 in ((0.94, 1.06), (high - 0.10, high + 0.01)):
        builder.box((rear - 0.012, -half - 0.012, z0), (cab - 0.2, half + 0.012, z1), METAL, MATTE)
    for y in (-half, half):
        builder.box((rear - 0.014, y - 0.05, 0.98), (rear + 0.05, y + 0.05, high), METAL, MATTE)
    builder.box((rear - 0.012, -0.012, 1.06), (rear, 0.012, high - 0.1), DARK, MATTE)
    for y in (-0.45, -0.22, 0.22, 0.45):
        builder.box((rear - 0.03, y - 0.02, 1.1), (rear, y + 0.02, high - 0.14), METAL, MATTE)
    for side in (-1.0, 1.0):
        stripe = [(rear + 0.6, 1.55), (cab - 0.8, 1.55), (cab - 0.8, 2.2), (rear + 0.6, 2.2)]
        points = [(x, side * (half + 0.004), z) for x, z in stripe]
        builder.quad(points if side < 0.0 else points[::-1], SECONDARY, MATTE)
        low, up = sorted((side * half * 0.6, side * half * 0.96))
        builder.box((rear - 0.02, low, 0.72), (rear + 0.1, up, 0.9), PRIMARY, TAIL_LAMP)
        builder.box((front - 0.05, low, 0.72), (front + 0.012, up, 0.92), LIGHT, HEAD_LAMP)
        guard = sorted((side * (half - 0.06), side * (half - 0.02)))
        builder.box((rear + 2.6, guard[0], 0.5), (cab - 0.5, guard[1], 0.85), METAL, MATTE)
    builder.box((rear + 0.1, -0.45, 0.55), (front - 0.4, 0.45, 0.98), DARK, MATTE)
    builder.box((rear + 0.05, -half * 0.9, 0.5), (rear + 0.12, half * 0.9, 0.62), METAL, MATTE)
    truck_cab(builder, cab, front, half, high)
    for x in (rear + 1.5, rear + 2.35, front - 1.0):
        for side in (-1.0, 1.0):
            builder.wheel(x, side * (half - 0.19), 0.48, 0.34, 16)
    return builder.mesh()


def truck_cab(builder: Builder, cab: float, front: float, half: float, high: float) -> None:
    """A driver's cab from ``cab`` to ``front``, with its top 0.55 m below ``high``."""
    top = high - 0.55
    rings = []
    for x, z, y in (
        (cab, top, 0.97),
        (front - 0.55, top, 0.97),
        (front - 0.12, 1.75, 0.98),
        (front, 1.5, 0.97),
        (front, 0.5, 0.95),
    ):
        rings.append((x, z, y * half))
    outline = [(cab, 0.5), *[(x, z) for x, z, _ in reversed(rings)]]
    for sign in (-1.0, 1.0):
        points = [(x, sign * 0.97 * half, z) for x, z in outline]
        builder.quad(points if sign < 0.0 else points[::-1], SECONDARY, PAINT)
        pane = [(cab + 0.35, 1.62), (front - 0.26, 1.62), (front - 0.62, top - 0.25), (cab + 0.35, top - 0.25)]
        window = [(x, sign * (0.97 * half + 0.006), z) for x, z in pane]
        builder.quad(window if sign < 0.0 else window[::-1], WINDOW, GLASS)
        arm = sorted((sign * half, sign * (half + 0.2)))
        builder.box((front - 0.42, arm[0], 1.75), (front - 0.34, arm[1], 2.35), DARK, MATTE)
    for (xa, za, ya), (xb, zb, yb) in zip(rings, rings[1:], strict=False):
        builder.quad([(xb, -yb, zb), (xb, yb, zb), (xa, ya, za), (xa, -ya, za)], SECONDARY, PAINT)
    builder.quad([(cab, half, 0.5), (cab, -half, 0.5), (cab, -half, top), (cab, half, top)][::-1], SECONDARY, PAINT)
    lower, upper = (front - 0.14, 1.80), (front - 0.51, top - 0.12)
    y = 0.9 * half
    builder.quad(
        [
            (lower[0] + 0.03, -y, lower[1]),
            (lower[0] + 0.03, y, lower[1]),
            (upper[0] + 0.03, y, upper[1]),
            (upper[0] + 0.03, -y, upper[1]),
        ],
        WINDOW,
        GLASS,
    )
    builder.box((front - 0.02, -0.7 * half, 0.95), (front + 0.01, 0.7 * half, 1.4), DARK, MATTE)
    builder.box((front - 0.1, -half, 0.42), (front + 0.02, half, 0.7), DARK, MATTE)


def motorcycle() -> Mesh:
    """A sports motorcycle with its rider."""
    builder = Builder()
    for x in (-0.70, 0.72):
        builder.wheel(x, 0.0, 0.31, 0.15, 16)
    bars: list[tuple[Points, Points, tuple[float, float], int, int]] = [
        (np.array([0.72, 0.0, 0.31]), np.array([0.48, 0.0, 0.92]), (0.05, 0.05), METAL, PAINT),
        (np.array([-0.70, 0.0, 0.31]), np.array([-0.1, 0.0, 0.45]), (0.06, 0.08), DARK, MATTE),
    ]
    for start, end, radius, slot, material in bars:
        builder.limb(start, end, radius, slot, material)
    builder.tapered((-0.35, -0.17, 0.32), (0.45, 0.17, 0.72), (0.9, 0.9), PRIMARY, PAINT)
    builder.blob(np.array([0.18, 0.0, 0.82]), np.array([0.34, 0.18, 0.16]), PRIMARY, PAINT)
    builder.tapered((-0.85, -0.12, 0.74), (-0.1, 0.12, 0.86), (0.9, 0.7), DARK, MATTE)
    builder.tapered((0.45, -0.2, 0.62), (0.82, 0.2, 1.02), (0.4, 0.6), PRIMARY, PAINT)
    builder.box((-0.99, -0.08, 0.70), (-0.84, 0.08, 0.80), PRIMARY, TAIL_LAMP)
    builder.box((-0.98, -0.1, 0.5), (-0.95, 0.1, 0.62), LIGHT, MATTE)
    builder.box((0.80, -0.12, 0.72), (0.83, 0.12, 0.84), LIGHT, HEAD_LAMP)
    builder.limb(np.array([0.48, -0.34, 0.98]), np.array([0.48, 0.34, 0.98]), (0.02, 0.02), DARK, MATTE)
    for side in (-1.0, 1.0):
        hip, knee, foot = (
            np.array([-0.3, 0.12 * side, 0.90]),
            np.array([0.12, 0.24 * side, 0.74]),
            np.array([-0.2, 0.22 * side, 0.38]),
        )
        builder.limb(hip, knee, (0.1, 0.075), SECONDARY, CLOTH)
        builder.limb(knee, foot, (0.07, 0.05), SECONDARY, CLOTH)
        shoulder, hand = np.array([0.06, 0.21 * side, 1.32]), np.array([0.46, 0.3 * side, 1.0])
        builder.limb(shoulder, hand, (0.06, 0.045), SECONDARY, CLOTH)
    builder.limb(np.array([-0.32, 0.0, 0.86]), np.array([0.04, 0.0, 1.38]), (0.17, 0.19), SECONDARY, CLOTH, 8)
    builder.blob(np.array([0.12, 0.0, 1.50]), np.array([0.14, 0.12, 0.14]), HAIR, PAINT)
    builder.blob(np.array([0.2, 0.0, 1.49]), np.array([0.075, 0.09, 0.06]), SKIN, MATTE)
    return builder.mesh()
