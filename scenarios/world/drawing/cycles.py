"""Meshes of a cyclist: bicycle and rider in the phases of a pedal turn. Faces +x, stands on z = 0, 1.75 m tall."""

from __future__ import annotations

import math

import numpy as np

from scenarios.world.drawing.meshes import (
    CLOTH,
    DARK,
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
    Builder,
    Mesh,
    Points,
)
from scenarios.world.drawing.people import COARSE, FINE, Detail

PHASES = 12
TURN_M = 4.6
"""Way that one turn of the pedals takes the bicycle."""
WHEEL_M, REAR_X, FRONT_X = 0.34, -0.53, 0.53
CRANK, CRANK_M = np.array([-0.06, 0.0, 0.29]), 0.17
HIP_X, HIP_Z, THIGH_M, SHIN_M = -0.22, 0.99, 0.43, 0.45


def riding(phase: int, detail: Detail = FINE) -> Mesh:
    """Rider and bicycle with the pedals at ``phase`` of ``PHASES``."""
    builder, turn = Builder(), 2.0 * math.pi * phase / PHASES
    _bicycle(builder, detail)
    for side, offset in ((1.0, 0.0), (-1.0, math.pi)):
        _leg(builder, detail, side, turn + offset)
        _arm(builder, detail, side)
    _trunk(builder, detail)
    return builder.mesh()


def _bicycle(builder: Builder, detail: Detail) -> None:
    sides = 18 if detail is FINE else 9
    for x in (REAR_X, FRONT_X):
        _tyre(builder, x, sides)
    low, seat, head = CRANK, np.array([-0.24, 0.0, 0.82]), np.array([0.36, 0.0, 0.84])
    fork, rear = np.array([FRONT_X, 0.0, WHEEL_M]), np.array([REAR_X, 0.0, WHEEL_M])
    for start, end in ((low, seat), (low, head), (seat + [0.02, 0.0, -0.08], head), (rear, low), (rear, seat)):
        builder.limb(start, end, (0.021, 0.021), PRIMARY, PAINT, 5)
    builder.limb(fork, head + [-0.02, 0.0, 0.14], (0.019, 0.019), DARK, MATTE, 5)
    builder.limb(np.array([0.40, -0.27, 1.0]), np.array([0.40, 0.27, 1.0]), (0.016, 0.016), DARK, MATTE, 5)
    builder.limb(head + [-0.02, 0.0, 0.12], np.array([0.40, 0.0, 1.0]), (0.018, 0.018), METAL, MATTE, 5)
    builder.tapered((-0.36, -0.07, 0.86), (-0.12, 0.07, 0.92), (1.0, 0.7), DARK, MATTE)
    builder.box((0.40, -0.03, 0.86), (0.45, 0.03, 0.93), LIGHT, HEAD_LAMP)
    builder.box((-0.42, -0.03, 0.74), (-0.38, 0.03, 0.80), PRIMARY, TAIL_LAMP)


def _tyre(builder: Builder, x: float, sides: int) -> None:
    """A ring with spokes that nobody can count: only the tyre covers pixels."""
    angles = np.arange(sides) * 2.0 * math.pi / sides
    unit = np.stack([np.cos(angles), np.zeros(sides), np.sin(angles)], 1)
    centre, half = np.array([x, 0.0, WHEEL_M]), np.array([0.0, 0.022, 0.0])
    outer, inner = centre + WHEEL_M * unit, centre + (WHEEL_M - 0.05) * unit
    builder.loft(np.stack([outer + half, outer - half]), DARK, MATTE, caps=False)
    faces: list[tuple[int, ...]] = []
    for i in range(sides):
        j = (i + 1) % sides
        faces += [(i, j, sides + j, sides + i), (2 * sides + j, 2 * sides + i, 3 * sides + i, 3 * sides + j)]
    builder.add(np.concatenate([outer - half, inner - half, outer + half, inner + half]), faces, DARK, MATTE)
    hub = np.array([0.0, 0.04, 0.0])
    builder.limb(centre - hub, centre + hub, (0.03, 0.03), METAL, MATTE, 5)
    for k in range(4):
        spoke = 0.25 * math.pi * k
        reach = (WHEEL_M - 0.03) * np.array([math.cos(spoke), 0.0, math.sin(spoke)])
        builder.limb(centre - reach, centre + reach, (0.006, 0.006), METAL, MATTE, 3)


def _leg(builder: Builder, detail: Detail, side: float, turn: float) -> None:
    pedal = CRANK + CRANK_M * np.array([math.cos(turn), 0.0, -math.sin(turn)])
    builder.limb(CRANK + [0.0, 0.05 * side, 0.0], pedal + [0.0, 0.05 * side, 0.0], (0.016, 0.016), METAL, MATTE, 4)
    hip = np.array([HIP_X, 0.1 * side, HIP_Z])
    ankle = pedal + [-0.06, 0.11 * side, 0.09]
    # Two links between hip and ankle; the knee points forward.
    away = ankle - hip
    reach = min(float(np.linalg.norm(away)), 0.999 * (THIGH_M + SHIN_M))
    share = (THIGH_M**2 - SHIN_M**2 + reach**2) / (2.0 * reach)
    along = away / float(np.linalg.norm(away))
    ahead = np.array([-along[2], 0.0, along[0]])
    ahead = ahead if ahead[0] > 0.0 else -ahead
    knee = hip + share * along + math.sqrt(max(0.0, THIGH_M**2 - share**2)) * ahead
    builder.limb(hip, knee, (0.098, 0.064), SECONDARY, CLOTH, detail.limb)
    builder.limb(knee, ankle, (0.064, 0.045), SECONDARY, CLOTH, detail.limb)
    builder.limb(ankle + [-0.06, 0.0, -0.03], ankle + [0.17, 0.0, -0.055], (0.05, 0.036), DARK, MATTE, 5)


def _arm(builder: Builder, detail: Detail, side: float) -> None:
    shoulder, elbow = np.array([0.13, 0.19 * side, 1.39]), np.array([0.24, 0.25 * side, 1.16])
    hand = np.array([0.40, 0.24 * side, 1.03])
    builder.limb(shoulder, elbow, (0.056, 0.046), PRIMARY, CLOTH, detail.limb)
    builder.limb(elbow, hand, (0.044, 0.036), PRIMARY, CLOTH, detail.limb)
    builder.blob(hand, np.array([0.045, 0.035, 0.04]), SKIN, MATTE, detail=0)


def _trunk(builder: Builder, detail: Detail) -> None:
    start, end = np.array([-0.25, 0.0, 0.93]), np.array([0.15, 0.0, 1.46])
    angles = np.arange(detail.trunk) * 2.0 * math.pi / detail.trunk
    axis = (end - start) / float(np.linalg.norm(end - start))
    across = np.array([axis[2], 0.0, -axis[0]])
    rings: list[Points] = []
    for share, deep, wide in ((0.0, 0.11, 0.165), (0.25, 0.115, 0.16), (0.6, 0.125, 0.18), (0.85, 0.11, 0.19)):
        circle = deep * np.cos(angles)[:, None] * across + wide * np.sin(angles)[:, None] * np.array([0.0, 1.0, 0.0])
        rings.append(start + share * (end - start) + circle)
    rings.append(end + (rings[-1] - rings[-1].mean(axis=0)) * 0.45)
    builder.loft(np.stack(rings), PRIMARY, CLOTH)
    builder.limb(end - 0.05 * axis, end + [0.05, 0.0, 0.07], (0.055, 0.05), SKIN, MATTE, 5)
    builder.blob(np.array([0.22, 0.0, 1.585]), np.array([0.095, 0.076, 0.115]), SKIN, MATTE, detail=detail.head)
    builder.blob(np.array([0.2, 0.0, 1.645]), np.array([0.125, 0.092, 0.1]), HAIR, PAINT, detail=detail.head)


def casters(mesh: Mesh) -> list[Points]:
    """Wheels, legs and trunk, each as the hull of its vertices."""
    v = mesh.vertices
    parts = (v[(v[:, 2] < 0.7) & (v[:, 0] < -0.1)], v[(v[:, 2] < 0.7) & (v[:, 0] > 0.15)])
    body = (v[(v[:, 2] >= 0.3) & (v[:, 2] < 1.0) & (np.abs(v[:, 0]) < 0.3)], v[v[:, 2] >= 0.95])
    return [part[:: max(1, len(part) // 24)] for part in (*parts, *body)]


def figures(detail: Detail = FINE) -> list[Mesh]:
    """One mesh for each phase."""
    assert detail in (FINE, COARSE)
    return [riding(phase, detail) for phase in range(PHASES)]
