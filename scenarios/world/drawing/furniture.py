"""Meshes and places of street furniture on maps: traffic lights, signs with their posts, guard rails.

Decides shape and place; what a light shows comes with every picture.
"""

from __future__ import annotations

import functools
import math
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from operators.maps import MapSignal, RoadMap
from scenarios.world.drawing.classes import GUARD_RAIL, POLE, TRAFFIC_LIGHT, TRAFFIC_SIGN
from scenarios.world.drawing.meshes import (
    DARK,
    LIGHT,
    MATTE,
    METAL,
    PRIMARY,
    SECONDARY,
    SIGNAL,
    WINDOW,
    Builder,
    Mesh,
    Points,
)
from scenarios.world.drawing.scenery import Rgb, Thing

ARM_M, ARM_Z_M, HEAD_Z_M = 2.5, 5.3, 2.3
RAIL_M = 8.0
RAIL_AWAY_M = 0.7
GREY: Rgb = (120.0, 124.0, 126.0)
HEAD: dict[int, Rgb] = {WINDOW: (30.0, 32.0, 33.0), LIGHT: (222.0, 222.0, 216.0)}
SIGN: dict[int, Rgb] = {PRIMARY: (190.0, 28.0, 30.0), LIGHT: (236.0, 236.0, 230.0), METAL: (142.0, 146.0, 148.0)}


class Room(Protocol):
    """Says what is free: see ``surroundings.Free``."""

    def block(self, x: float, y: float, yaw: float, size: tuple[float, float, float, float]) -> NDArray[np.int64]: ...

    def fits(self, cells: NDArray[np.int64]) -> bool: ...


def signals(map_: RoadMap) -> list[Thing]:
    """Lights and signs of a map, each with its post."""
    out: list[Thing] = []
    for signal in map_.signals:
        pose = (signal.x_m, signal.y_m, 0.1, signal.yaw_rad)
        if signal.kind == "light":
            out += _light(signal, pose)
        elif signal.kind in ("stop", "yield", "speed"):
            face, post = _sign(signal.kind), _post()
            out.append(Thing((face, face, None), [], pose, TRAFFIC_SIGN, SIGN, ()))
            out.append(Thing((post, post, None), [_upright(2.4)], pose, POLE, {PRIMARY: GREY}, ()))
    return out


def _light(signal: MapSignal, pose: tuple[float, float, float, float]) -> list[Thing]:
    heads, mast = _heads(), _mast()
    bar = np.array([[x, y, z] for x in (-0.05, 0.05) for y in (0.0, ARM_M) for z in (ARM_Z_M - 0.06, ARM_Z_M + 0.06)])
    return [
        Thing((heads, heads, heads), [], pose, TRAFFIC_LIGHT, HEAD, (), light=signal.id),
        Thing((mast, mast, None), [_upright(ARM_Z_M), bar], pose, POLE, {PRIMARY: (92.0, 98.0, 100.0)}, ()),
    ]


@functools.lru_cache(maxsize=1)
def _mast() -> Mesh:
    builder = Builder()
    builder.limb(np.zeros(3), np.array([0.0, 0.0, ARM_Z_M + 0.25]), (0.085, 0.065), PRIMARY, MATTE, 8)
    builder.limb(np.array([0.0, 0.0, ARM_Z_M]), np.array([0.0, ARM_M + 0.1, ARM_Z_M]), (0.05, 0.04), PRIMARY, MATTE, 6)
    return builder.mesh()


@functools.lru_cache(maxsize=1)
def _heads() -> Mesh:
    """One head at the post and one above the lane; both look at those who come along +x."""
    builder = Builder()
    _head(builder, 0.0, HEAD_Z_M, 1.0)
    _head(builder, ARM_M, ARM_Z_M - 0.5, 1.25)
    return builder.mesh()


def _head(builder: Builder, y: float, low: float, size: float) -> None:
    half, tall, lens = 0.17 * size, 0.96 * size, 0.115 * size
    front = -0.16 * size
    builder.box((front, y - half, low), (0.02, y + half, low + tall), WINDOW, MATTE)
    builder.box((front + 0.04, y - 1.5 * half, low - 0.1), (front + 0.06, y + 1.5 * half, low + tall + 0.1), 7, MATTE)
    builder.box((front + 0.03, y - 1.4 * half, low - 0.07), (front + 0.04, y + 1.4 * half, low + tall + 0.07), 3, MATTE)
    angles = np.arange(10) * 2.0 * math.pi / 10
    for slot, share in ((PRIMARY, 0.82), (SECONDARY, 0.5), (DARK, 0.18)):
        z = low + share * tall
        ring = [(front - 0.004, y - lens * float(np.cos(a)), z + lens * float(np.sin(a))) for a in angles]
        builder.quad(ring, slot, SIGNAL)
        top = z + 1.12 * lens
        builder.box((front - 0.2 * size, y - 1.05 * lens, top), (front, y + 1.05 * lens, top + 0.02), WINDOW, MATTE)


@functools.lru_cache(maxsize=1)
def _post() -> Mesh:
    builder = Builder()
    builder.limb(np.zeros(3), np.array([0.0, 0.0, 2.75]), (0.035, 0.035), PRIMARY, MATTE, 7)
    return builder.mesh()


@functools.lru_cache(maxsize=4)
def _sign(kind: str) -> Mesh:
    """The plate, looking at those who come along +x."""
    builder = Builder()
    corners, radius, turn = {"stop": (8, 0.45, 0.125), "yield": (3, 0.5, 0.75), "speed": (18, 0.32, 0.0)}[kind]
    z = 2.35
    builder.quad(_plate(corners, radius, turn, -0.05, z), PRIMARY, MATTE)
    builder.quad(_plate(corners, radius, turn, -0.04, z)[::-1], METAL, MATTE)
    if kind == "stop":
        builder.quad(_plate(corners, 0.94 * radius, turn, -0.054, z), LIGHT, MATTE)
        builder.quad(_plate(corners, 0.88 * radius, turn, -0.058, z), PRIMARY, MATTE)
        for y in (-0.24, -0.09, 0.06, 0.21):
            builder.box((-0.064, y - 0.05, z - 0.1), (-0.058, y + 0.05, z + 0.1), LIGHT, MATTE)
    else:
        builder.quad(_plate(corners, (0.66 if kind == "yield" else 0.78) * radius, turn, -0.056, z), LIGHT, MATTE)
    return builder.mesh()


def _plate(corners: int, radius: float, turn: float, x: float, z: float) -> list[tuple[float, float, float]]:
    """A regular polygon seen from -x; ``turn``: where its first corner is, in turns."""
    angles = [2.0 * math.pi * (turn + (k / corners)) for k in range(corners)]
    if corners == 8:
        angles = [angle - math.pi / 8.0 for angle in angles]
    return [(x, -radius * math.cos(a), z + radius * math.sin(a)) for a in angles]


def guard_rail(edge: NDArray[np.float64], room: Room) -> list[Thing]:
    """Rails along an edge (n, 2) that has its road on the left."""
    out: list[Thing] = []
    step = np.hypot(*np.diff(edge, axis=0).T)
    s = np.concatenate([[0.0], np.cumsum(step)])
    mesh = _rail()
    count = int(s[-1] // RAIL_M)
    for k in range(count):
        a, b = (np.array([np.interp(k * RAIL_M + m, s, edge[:, i]) for i in range(2)]) for m in (0.0, RAIL_M))
        yaw = math.atan2(b[1] - a[1], b[0] - a[0])
        x, y = float(a[0]) + RAIL_AWAY_M * math.sin(yaw), float(a[1]) - RAIL_AWAY_M * math.cos(yaw)
        if room.fits(room.block(x, y, yaw, (0.0, -0.3, RAIL_M, 0.1))):
            out.append(
                Thing((mesh, mesh, mesh), [], (x, y, 0.0, yaw), GUARD_RAIL, {PRIMARY: (164.0, 168.0, 170.0)}, ())
            )
    return out


@functools.lru_cache(maxsize=1)
def _rail() -> Mesh:
    builder = Builder()
    builder.box((0.0, -0.04, 0.46), (RAIL_M + 0.05, 0.03, 0.60), PRIMARY, MATTE)
    builder.box((0.0, -0.04, 0.64), (RAIL_M + 0.05, 0.03, 0.76), PRIMARY, MATTE)
    for x in (0.4, 2.4, 4.4, 6.4):
        builder.box((x, -0.14, 0.0), (x + 0.1, -0.04, 0.7), PRIMARY, MATTE)
    return builder.mesh()


def _upright(height: float) -> Points:
    return np.array([[a, b, z] for a in (-0.06, 0.06) for b in (-0.06, 0.06) for z in (0.0, height)])
