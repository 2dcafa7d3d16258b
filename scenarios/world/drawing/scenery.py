"""The street around a scenario: rows of houses, trees and lamps along the road, drawn from the scenery seed.

Decides what stands where. Nothing here moves, and nothing here reaches onto the road.
"""

from __future__ import annotations

import functools
import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from scenarios.world.drawing.classes import BUILDING, POLE, VEGETATION
from scenarios.world.drawing.meshes import (
    FACADE,
    FOLIAGE,
    LANTERN,
    MATTE,
    METAL,
    PRIMARY,
    ROOF,
    SECONDARY,
    WINDOW,
    Builder,
    Mesh,
    Points,
)
from scenarios.world.roads import Road

Rgb = tuple[float, float, float]
FAR_M, DISTANT_M = 30.0, 80.0
TREE_SHAPES = 8
FACADES: tuple[Rgb, ...] = (
    (196, 184, 160), (206, 198, 182), (178, 160, 136), (168, 108, 84), (152, 92, 74), (188, 176, 168),
    (172, 170, 160), (202, 178, 142), (160, 150, 138), (182, 132, 104), (210, 206, 196), (146, 128, 112),
)  # fmt: skip
ROOFS: tuple[Rgb, ...] = ((112, 72, 58), (84, 82, 84), (98, 88, 80), (126, 84, 66))
LEAVES: tuple[Rgb, ...] = ((84, 110, 52), (96, 118, 58), (72, 98, 50), (106, 122, 62))


class Thing(NamedTuple):
    """One piece of scenery: its meshes and pose (x, y, z, yaw); class; palette rows by slot; facade style."""

    meshes: tuple[Mesh, Mesh, Mesh | None]
    """What is drawn up to ``FAR_M``, up to ``DISTANT_M`` and beyond it (None: nothing)."""
    casters: list[Points]
    pose: tuple[float, float, float, float]
    semantic: int
    palette: dict[int, Rgb]
    style: tuple[float, ...]
    """See ``surfaces.facade``; empty for what is no house."""
    scale: float = 1.0
    light: str = ""
    """The traffic light that it shows."""
    lantern: tuple[float, float] | tuple[()] = ()
    """Where on the ground it shines at night."""


class House(NamedTuple):
    """Where a house stands and how large it is; its front runs along +x from (x, y) and faces -y."""

    pose: tuple[float, float, float, float]
    bays: int
    bay_m: float
    depth_m: float
    floors: int
    floor_m: float
    ground_m: float
    seed: int

    @property
    def width_m(self) -> float:
        """Length of the front."""
        return self.bays * self.bay_m

    @property
    def wall_m(self) -> float:
        """Height of the walls."""
        return self.ground_m + self.floors * self.floor_m


def street(road: Road, *, start_s_m: float, end_s_m: float, seed: int) -> list[Thing]:
    """Houses on both sides, trees and lamps on the pavements, from ``start_s_m`` to ``end_s_m``."""
    things = [house(plan) for plan in houses(road, start_s_m=start_s_m, end_s_m=end_s_m, seed=seed)]
    rng = np.random.default_rng([seed, 77])
    for side in (1.0, -1.0):
        things += _trees(road, rng, side, start_s_m, end_s_m)
        things += _lamps(road, side, start_s_m, end_s_m)
    return things


def houses(road: Road, *, start_s_m: float, end_s_m: float, seed: int) -> list[House]:
    """The plan of the houses alone: what hides things behind it."""
    rng = np.random.default_rng([seed, 78])
    plans: list[House] = []
    front = road.kerb_m + road.pavement_m
    for side in (1.0, -1.0):
        s = start_s_m
        while s < end_s_m:
            bays, bay = int(rng.integers(4, 9)), float(rng.uniform(2.4, 3.4))
            setback = 0.0 if rng.random() < 0.75 else float(rng.uniform(1.0, 4.0))
            x, y, yaw = road.pose(s if side > 0.0 else s + bays * bay, side * (front + setback))
            plan = House(
                pose=(x, y, 0.1, yaw if side > 0.0 else yaw + math.pi),
                bays=bays,
                bay_m=bay,
                depth_m=float(rng.uniform(9.0, 13.0)),
                floors=int(rng.integers(2, 6)),
                floor_m=float(rng.uniform(2.9, 3.3)),
                ground_m=float(rng.uniform(3.3, 3.9)),
                seed=int(rng.integers(1 << 30)),
            )
            plans.append(plan)
            s += plan.width_m + (0.0 if rng.random() < 0.8 else float(rng.uniform(3.0, 9.0)))
    return plans


def house_boxes(plans: list[House]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Outlines (n, 5) and heights (n,) of the houses, as ``occlusion`` takes them."""
    rows = []
    for plan in plans:
        x, y, _, yaw = plan.pose
        across, deep = 0.5 * plan.width_m, 0.5 * plan.depth_m
        centre_x = x + across * math.cos(yaw) - deep * math.sin(yaw)
        centre_y = y + across * math.sin(yaw) + deep * math.cos(yaw)
        rows.append((centre_x, centre_y, yaw, plan.width_m, plan.depth_m))
    return np.array(rows).reshape(-1, 5), np.array([plan.wall_m for plan in plans])


def house(plan: House) -> Thing:
    """A house with its front, roof and what hangs on them."""
    rng = np.random.default_rng([plan.seed, 79])
    builder, wall, width, depth = Builder(), plan.wall_m, plan.width_m, plan.depth_m
    gabled = bool(rng.random() < 0.6)
    top = wall + (float(rng.uniform(2.2, 3.6)) if gabled else 0.0)
    _walls(builder, width, depth, wall)
    _roof(builder, width, depth, wall, top)
    distant = builder.mesh()
    if gabled:
        _roof_details(builder, rng, plan, top)
    else:
        _parapet(builder, width, depth, wall)
    builder.box((0.0, -0.10, plan.ground_m - 0.14), (width, 0.02, plan.ground_m + 0.10), 2, MATTE)
    far = builder.mesh()
    _front(builder, rng, plan)
    base = FACADES[int(rng.integers(len(FACADES)))]
    factors = rng.uniform(0.985, 1.015, 3) * rng.uniform(0.94, 1.05)
    tint: Rgb = (base[0] * float(factors[0]), base[1] * float(factors[1]), base[2] * float(factors[2]))
    trim: Rgb = (214.0, 208.0, 196.0) if sum(tint) < 480 else (150.0, 140.0, 126.0)
    roof = ROOFS[int(rng.integers(len(ROOFS)))]
    palette: dict[int, Rgb] = {
        0: tint,
        1: tint,
        2: trim,
        3: roof,
        4: (96.0, 98.0, 100.0),
        6: tint,
        7: (60.0, 66.0, 72.0),
    }
    window = (float(rng.uniform(0.36, 0.5)), float(rng.uniform(0.44, 0.54)), float(rng.random() < 0.35))
    side_bay = depth / round(depth / plan.bay_m)
    style = (plan.floor_m, plan.ground_m, *window, float(rng.integers(1000)), wall, plan.bay_m, side_bay)
    outline = [(x, y, z) for x in (0.0, width) for y in (0.0, depth) for z in (0.0, wall)]
    ridge = [(x, 0.5 * depth, top) for x in (0.0, width)]
    return Thing((builder.mesh(), far, distant), [np.array(outline + ridge)], plan.pose, BUILDING, palette, style)


def _walls(builder: Builder, width: float, depth: float, wall: float) -> None:
    front = [(0.0, 0.0, 0.0), (width, 0.0, 0.0), (width, 0.0, wall), (0.0, 0.0, wall)]
    builder.quad(front, PRIMARY, FACADE)
    builder.quad([(x, depth, z) for x, _, z in front][::-1], PRIMARY, FACADE)
    builder.quad([(0.0, depth, 0.0), (0.0, 0.0, 0.0), (0.0, 0.0, wall), (0.0, depth, wall)], SECONDARY, FACADE)
    builder.quad([(width, 0.0, 0.0), (width, depth, 0.0), (width, depth, wall), (width, 0.0, wall)], SECONDARY, FACADE)


def _roof(builder: Builder, width: float, depth: float, wall: float, top: float) -> None:
    if top == wall:
        builder.quad([(0.0, 0.0, wall), (width, 0.0, wall), (width, depth, wall), (0.0, depth, wall)], WINDOW, ROOF)
        return
    low, eave, mid = wall - 0.05, -0.45, 0.5 * depth
    builder.quad([(0.0, eave, low), (width, eave, low), (width, mid, top), (0.0, mid, top)], WINDOW, ROOF)
    builder.quad(
        [(width, depth - eave, low), (0.0, depth - eave, low), (0.0, mid, top), (width, mid, top)], WINDOW, ROOF
    )
    builder.quad([(0.0, depth, wall), (0.0, 0.0, wall), (0.0, mid, top)], 6, MATTE)
    builder.quad([(width, 0.0, wall), (width, depth, wall), (width, mid, top)], 6, MATTE)


def _roof_details(builder: Builder, rng: np.random.Generator, plan: House, top: float) -> None:
    width, depth, wall = plan.width_m, plan.depth_m, plan.wall_m
    low, eave, mid = wall - 0.05, -0.45, 0.5 * depth
    builder.box((0.0, eave - 0.1, low - 0.12), (width, eave + 0.06, low + 0.02), METAL, MATTE)
    for _ in range(int(rng.integers(1, 3))):
        x = float(rng.uniform(0.1, 0.85)) * width
        builder.box((x, mid - 0.3, top - 0.9), (x + 0.9, mid + 0.3, top + 0.9), 6, MATTE)
    for k in range(plan.bays // 2):
        _dormer(builder, (2 * k + 1) * plan.bay_m, wall, top, depth)


def _parapet(builder: Builder, width: float, depth: float, wall: float) -> None:
    builder.box((-0.06, -0.12, wall - 0.06), (width + 0.06, 0.35, wall + 0.5), 2, MATTE)
    builder.box((-0.05, 0.0, wall), (0.3, depth, wall + 0.45), 2, MATTE)
    builder.box((width - 0.3, 0.0, wall), (width + 0.05, depth, wall + 0.45), 2, MATTE)


def _dormer(builder: Builder, x: float, wall: float, top: float, depth: float) -> None:
    slope = (top - wall) / (0.5 * depth + 0.45)
    y = 1.0
    z = wall + slope * (y + 0.45)
    builder.box((x - 0.7, y, z - 0.1), (x + 0.7, y + 2.4, z + 1.25), 2, MATTE)
    builder.quad(
        [
            (x - 0.5, y - 0.01, z + 0.1),
            (x + 0.5, y - 0.01, z + 0.1),
            (x + 0.5, y - 0.01, z + 1.1),
            (x - 0.5, y - 0.01, z + 1.1),
        ],
        7,
        MATTE,
    )
    builder.box((x - 0.85, y - 0.15, z + 1.22), (x + 0.85, y + 2.4, z + 1.34), WINDOW, ROOF)


def _front(builder: Builder, rng: np.random.Generator, plan: House) -> None:
    """Balconies and awnings in front of the wall."""
    balconies = rng.random() < 0.4
    for column in range(plan.bays):
        middle = (column + 0.5) * plan.bay_m
        if rng.random() < 0.12:
            builder.tapered((middle - 1.0, -1.1, 2.55), (middle + 1.0, 0.0, 2.7), (1.0, 0.7), 6, MATTE)
        if balconies and column % 2 == 1:
            for floor in range(plan.floors):
                z = plan.ground_m + floor * plan.floor_m + 0.1
                builder.box((middle - 0.9, -0.85, z), (middle + 0.9, 0.0, z + 0.14), 2, MATTE)
                builder.box((middle - 0.9, -0.85, z + 0.14), (middle + 0.9, -0.81, z + 0.95), METAL, MATTE)
                for edge in (-0.9, 0.86):
                    builder.box((middle + edge, -0.85, z + 0.14), (middle + edge + 0.04, 0.0, z + 0.95), METAL, MATTE)


def _trees(road: Road, rng: np.random.Generator, side: float, start: float, end: float) -> list[Thing]:
    out: list[Thing] = []
    s = start + float(rng.uniform(0.0, 10.0))
    while s < end:
        if rng.random() < 0.62:
            x, y, yaw = road.pose(s, side * (road.kerb_m + 0.75))
            out.append(tree(rng, (x, y, 0.1, yaw)))
        s += float(rng.uniform(8.0, 13.0))
    return out


def tree(rng: np.random.Generator, pose: tuple[float, float, float, float]) -> Thing:
    """A street tree; the few shapes repeat in other sizes and directions."""
    meshes, casters = _tree_shape(int(rng.integers(TREE_SHAPES)))
    turned = (*pose[:3], float(rng.uniform(-math.pi, math.pi)))
    palette: dict[int, Rgb] = {0: LEAVES[int(rng.integers(len(LEAVES)))], 1: (92.0, 76.0, 62.0)}
    return Thing(meshes, casters, turned, VEGETATION, palette, (), float(rng.uniform(0.82, 1.22)))


@functools.lru_cache(maxsize=TREE_SHAPES)
def _tree_shape(number: int) -> tuple[tuple[Mesh, Mesh, Mesh], list[Points]]:
    """A forked trunk and a crown of rough blobs at three levels of detail, and the casters."""
    rng = np.random.default_rng([number, 61])
    builder, coarse, distant, casters = Builder(), Builder(), Builder(), []
    trunk = float(rng.uniform(2.3, 2.9))
    builder.limb(np.zeros(3), np.array([0.0, 0.0, trunk]), (0.17, 0.11), SECONDARY, MATTE, 8)
    for level in (coarse, distant):
        level.limb(np.zeros(3), np.array([0.0, 0.0, trunk + 0.8]), (0.17, 0.11), SECONDARY, MATTE, 5)
    casters.append(np.array([[a, b, z] for a in (-0.12, 0.12) for b in (-0.12, 0.12) for z in (0.0, trunk)]))
    angles = [(0.25 * a * math.pi, b) for a in range(8) for b in (-0.8, 0.0, 0.8)]
    ball = np.array([[math.cos(a) * math.cos(b), math.sin(a) * math.cos(b), math.sin(b)] for a, b in angles])
    for k in range(7):
        angle = 2.0 * math.pi * (k + float(rng.uniform(0.0, 0.6))) / 6.0
        top = k == 6
        reach, rise = (0.0, 0.9) if top else (0.85, float(rng.uniform(-0.4, 0.5)))
        centre = np.array([reach * math.cos(angle), reach * math.sin(angle), trunk + 1.35 + rise])
        radii = rng.uniform(0.8, 1.15, 3) * np.array([1.0, 1.0, 0.85])
        builder.limb(np.array([0.0, 0.0, trunk - 0.5]), centre, (0.08, 0.03), SECONDARY, MATTE, 5)
        # Equal seeds put the vertices that both levels have in the same places.
        for level, detail in ((builder, 2), (coarse, 1)):
            level.blob(centre, radii, PRIMARY, FOLIAGE, rough=0.15, seed=10 * number + k, detail=detail)
        distant.blob(centre, 1.1 * radii, PRIMARY, FOLIAGE, detail=0)
        casters.append(centre + ball * radii)
    return (builder.mesh(), coarse.mesh(), distant.mesh()), casters


def _lamps(road: Road, side: float, start: float, end: float) -> list[Thing]:
    out: list[Thing] = []
    s = start + (12.0 if side > 0.0 else 27.0)
    while s < end:
        x, y, yaw = road.pose(s, side * (road.kerb_m + 0.42))
        out.append(lamp((x, y, 0.1, yaw - side * 0.5 * math.pi)))
        s += 30.0
    return out


def lamp(pose: tuple[float, float, float, float]) -> Thing:
    """A street lamp that reaches over the road along its x axis."""
    mesh, casters = _lamp_shape()
    palette: dict[int, Rgb] = {0: (84.0, 90.0, 92.0), 7: (226.0, 224.0, 212.0)}
    lit = pose[0] + 1.65 * math.cos(pose[3]), pose[1] + 1.65 * math.sin(pose[3])
    return Thing((mesh, mesh, None), casters, pose, POLE, palette, (), lantern=lit)


@functools.lru_cache(maxsize=1)
def _lamp_shape() -> tuple[Mesh, list[Points]]:
    builder = Builder()
    builder.limb(np.zeros(3), np.array([0.0, 0.0, 6.2]), (0.085, 0.055), PRIMARY, MATTE, 8)
    builder.limb(np.array([0.0, 0.0, 6.15]), np.array([1.5, 0.0, 6.6]), (0.05, 0.04), PRIMARY, MATTE, 6)
    builder.box((1.3, -0.13, 6.52), (2.0, 0.13, 6.66), PRIMARY, MATTE)
    builder.box((1.35, -0.1, 6.49), (1.95, 0.1, 6.53), 7, LANTERN)
    caster = np.array([[a, b, z] for a in (-0.06, 0.06) for b in (-0.06, 0.06) for z in (0.0, 6.2)])
    return builder.mesh(), [caster]
