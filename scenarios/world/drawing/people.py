"""Meshes of people: an adult in sixteen phases of walking and of running, and standing. 1.75 m tall, faces along +x."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from scenarios.world.drawing.meshes import CLOTH, DARK, HAIR, MATTE, PRIMARY, SECONDARY, SKIN, Builder, Mesh, Points

PHASES = 16
HIP_M, KNEE_M, THIGH_M, SHIN_M = 0.92, 0.48, 0.44, 0.42


@dataclass(frozen=True)
class Detail:
    """How many sides limbs and trunk have and how finely heads are divided."""

    limb: int
    trunk: int
    head: int


FINE, COARSE = Detail(8, 10, 2), Detail(5, 6, 1)


def walking(phase: int, detail: Detail = FINE) -> Mesh:
    """The gait's ``phase`` of ``PHASES``; one turn is two steps."""
    turn = 2.0 * math.pi * phase / PHASES
    return _person(turn, detail, swing=0.48, bounce=0.02)


def running(phase: int, detail: Detail = FINE) -> Mesh:
    """The same for somebody in a hurry: longer strides, leaning forward."""
    mesh = _person(2.0 * math.pi * phase / PHASES, detail, swing=0.68, bounce=0.045)
    above = np.maximum(0.0, mesh.vertices[:, 2] - HIP_M)
    leant = mesh.vertices + np.stack([0.17 * above, np.zeros_like(above), -0.03 * above], 1)
    return mesh._replace(vertices=leant)


def standing(detail: Detail = FINE) -> Mesh:
    """Somebody who waits."""
    return _person(0.5 * math.pi, detail, swing=0.05, bounce=0.0)


def _person(turn: float, detail: Detail, *, swing: float, bounce: float) -> Mesh:
    builder = Builder()
    lift = bounce * math.cos(2.0 * turn) - bounce
    for side, offset in ((1.0, 0.0), (-1.0, math.pi)):
        _leg(builder, detail, side, turn + offset, swing, lift)
        _arm(builder, detail, side, turn + offset + math.pi, swing, lift)
    _torso(builder, detail, lift)
    _head(builder, detail, lift)
    return builder.mesh()


def _leg(builder: Builder, detail: Detail, side: float, turn: float, swing: float, lift: float) -> None:
    thigh = swing * math.sin(turn)
    # The knee bends while the leg swings forward and stays almost straight while it carries.
    bend = 0.12 * swing + 1.7 * swing * max(0.0, math.cos(turn)) ** 1.5 * (0.9 - 0.2 * math.sin(turn))
    hip = np.array([0.0, 0.095 * side, HIP_M + lift])
    knee = hip + THIGH_M * np.array([math.sin(thigh), 0.0, -math.cos(thigh)])
    ankle = knee + SHIN_M * np.array([math.sin(thigh - bend), 0.0, -math.cos(thigh - bend)])
    builder.limb(hip + [0.0, 0.0, 0.03], knee, (0.097, 0.066), SECONDARY, CLOTH, detail.limb)
    builder.limb(knee, ankle, (0.066, 0.046), SECONDARY, CLOTH, detail.limb)
    pitch = thigh - bend
    ahead = np.array([math.cos(pitch), 0.0, math.sin(pitch)])
    toe = ankle + 0.16 * ahead + [0.0, 0.0, -0.045]
    builder.limb(ankle - 0.05 * ahead + [0.0, 0.0, -0.03], toe, (0.052, 0.04), DARK, MATTE, 5)


def _arm(builder: Builder, detail: Detail, side: float, turn: float, swing: float, lift: float) -> None:
    angle = 0.8 * swing * math.sin(turn)
    shoulder = np.array([0.0, 0.205 * side, 1.40 + lift])
    elbow = shoulder + 0.28 * np.array([math.sin(angle), 0.12 * side, -math.cos(angle)])
    fore = angle + 0.25 + 0.5 * swing * max(0.0, math.sin(turn))
    wrist = elbow + 0.25 * np.array([math.sin(fore), 0.0, -math.cos(fore)])
    builder.limb(shoulder + [0.0, 0.0, 0.02], elbow, (0.058, 0.046), PRIMARY, CLOTH, detail.limb)
    builder.limb(elbow, wrist, (0.046, 0.036), PRIMARY, CLOTH, detail.limb)
    hand = wrist + 0.06 * np.array([math.sin(fore), 0.0, -math.cos(fore)])
    builder.blob(hand, np.array([0.04, 0.028, 0.055]), SKIN, MATTE, detail=0)


def _torso(builder: Builder, detail: Detail, lift: float) -> None:
    sections = [
        (0.86, 0.105, 0.165), (0.95, 0.118, 0.172), (1.08, 0.108, 0.158), (1.22, 0.122, 0.178),
        (1.34, 0.124, 0.200), (1.42, 0.100, 0.195), (1.47, 0.062, 0.110),
    ]  # fmt: skip
    angles = np.arange(detail.trunk) * 2.0 * math.pi / detail.trunk
    rings: list[Points] = []
    for z, deep, wide in sections:
        rings.append(np.stack([deep * np.cos(angles), wide * np.sin(angles), np.full(detail.trunk, z + lift)], 1))
    builder.loft(np.stack(rings), PRIMARY, CLOTH)


def _head(builder: Builder, detail: Detail, lift: float) -> None:
    builder.limb(np.array([0.0, 0.0, 1.44 + lift]), np.array([0.015, 0.0, 1.56 + lift]), (0.056, 0.05), SKIN, MATTE, 5)
    builder.blob(np.array([0.02, 0.0, 1.625 + lift]), np.array([0.098, 0.078, 0.122]), SKIN, MATTE, detail=detail.head)
    builder.blob(
        np.array([-0.008, 0.0, 1.655 + lift]), np.array([0.106, 0.087, 0.105]), HAIR, MATTE, detail=detail.head
    )
