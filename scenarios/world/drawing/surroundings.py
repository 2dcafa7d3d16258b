"""What stands beside the roads of a map: houses, trees, lamps, traffic lights, signs, guard rails; seeded.

Decides what stands where. Nothing reaches onto a road: an occupancy grid of everything paved says no.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from operators.maps import Lane, RoadMap
from scenarios.world.drawing import furniture, ground
from scenarios.world.drawing.mapground import ground_patches
from scenarios.world.drawing.scenery import FACADES, House, Rgb, Thing, house, lamp, tree

__all__ = ["ground_patches", "map_houses", "surroundings"]

BUILT = 255
CELL_M, CELLS_MAX = 0.5, 3000
AROUND_M = 90.0
"""How far beyond the map's bounds things stand."""
PLANS = 24
URBAN_MPS, FAST_MPS = 17.0, 22.5
TREES_MAX = 1600
SIGHT_M = 32.0
KERB_TOP_M = 0.1


class Edge(NamedTuple):
    """The outer edge of a road, in the direction that has the road on its left. outer, kerb: (n, 2) of the edge and
    of the roadway's; limit in m/s."""

    outer: NDArray[np.float64]
    kerb: NDArray[np.float64]
    paved: bool
    limit_mps: float


class Free:
    """What is still free around a map: a grid of cells, anything but grass is taken."""

    def __init__(self, map_: RoadMap, patches: ground.Patches) -> None:
        x0, y0, x1, y1 = map_.bounds
        size = max(x1 - x0, y1 - y0) + 2.0 * AROUND_M
        self.cell_m = max(CELL_M, size / CELLS_MAX)
        self.x_m, self.y_m = x0 - AROUND_M, y0 - AROUND_M
        count = math.ceil(size / self.cell_m)
        self.cells = np.zeros((count, count), np.uint8)
        self.clear = np.zeros((count, count), np.bool_)
        ground.paint(patches, self.cells, self.x_m, self.y_m, self.cell_m, False, np.zeros(256))

    def block(self, x: float, y: float, yaw: float, size: tuple[float, float, float, float]) -> NDArray[np.int64]:
        """Cells of a box that spans ``size`` (x0, y0, x1, y1) in the frame (x, y, yaw): (n, 2)."""
        step = 0.7 * self.cell_m
        a, b = np.meshgrid(np.arange(size[0], size[2] + step, step), np.arange(size[1], size[3] + step, step))
        cos, sin = math.cos(yaw), math.sin(yaw)
        points = np.stack([x + cos * a - sin * b - self.x_m, y + sin * a + cos * b - self.y_m], -1).reshape(-1, 2)
        return np.floor(points / self.cell_m).astype(np.int64)

    def fits(self, cells: NDArray[np.int64]) -> bool:
        """Whether all of them are grass within the grid."""
        if cells.min() < 0 or cells.max() >= len(self.cells):
            return False
        return not self.cells[cells[:, 0], cells[:, 1]].any()

    def keep_clear(self, x: float, y: float, yaw: float, size: tuple[float, float, float, float]) -> None:
        """No tree may stand there."""
        cells = self.block(x, y, yaw, size)
        inside = ((cells >= 0) & (cells < len(self.cells))).all(axis=1)
        self.clear[cells[inside, 0], cells[inside, 1]] = True

    def is_clear(self, x: float, y: float) -> bool:
        """Whether a place is to be kept clear."""
        i, j = int((x - self.x_m) / self.cell_m), int((y - self.y_m) / self.cell_m)
        return bool(self.clear[min(max(i, 0), len(self.clear) - 1), min(max(j, 0), len(self.clear) - 1)])

    def take(self, cells: NDArray[np.int64]) -> None:
        """Nothing else may stand there."""
        self.cells[cells[:, 0], cells[:, 1]] = BUILT


@functools.lru_cache(maxsize=4)
def map_houses(map_: RoadMap, seed: int) -> tuple[House, ...]:
    """The plans of the houses along the town streets of a map: what hides things behind it."""
    rng, plans, free = np.random.default_rng([seed, 178]), _plans(seed), Free(map_, ground_patches(map_))
    out: list[House] = []
    for edge in edges(map_):
        if not edge.paved or edge.limit_mps > URBAN_MPS:
            continue
        line = _Line(edge.outer)
        s = float(rng.uniform(0.0, 3.0))
        while s < line.length_m - 6.0:
            plan = plans[int(rng.integers(PLANS))]
            back = 0.3 + (0.0 if rng.random() < 0.75 else float(rng.uniform(1.0, 4.0)))
            # The front runs against the edge's direction: the road lies before it.
            x, y, yaw = line.pose(s + plan.width_m, -back)
            yaw = math.atan2(*(line.pose(s, -back)[k] - (x, y)[k] for k in (1, 0)))
            cells = free.block(x, y, yaw, (-0.2, -0.15, plan.width_m + 0.2, plan.depth_m + 0.5))
            if s + plan.width_m < line.length_m + 4.0 and free.fits(cells):
                free.take(free.block(x, y, yaw, (0.3, 0.0, plan.width_m - 0.3, plan.depth_m)))
                out.append(plan._replace(pose=(x, y, 0.0, yaw), seed=int(rng.integers(1 << 30))))
                s += plan.width_m + (0.05 if rng.random() < 0.8 else float(rng.uniform(3.0, 9.0)))
            else:
                s += 2.5
    return tuple(out)


def surroundings(map_: RoadMap, seed: int) -> list[Thing]:
    """Everything that stands beside the roads of a map."""
    rng, free = np.random.default_rng([seed, 177]), Free(map_, ground_patches(map_))
    shapes, things = {_shape(plan): house(plan) for plan in _plans(seed)}, []
    for plan in map_houses(map_, seed):
        things.append(_painted(shapes[_shape(plan)], plan))
        free.take(free.block(*plan.pose[:2], plan.pose[3], (0.0, -1.2, plan.width_m, plan.depth_m)))
    things += furniture.signals(map_)
    for signal in map_.signals:
        # Nothing may grow between a driver and the lights.
        free.keep_clear(signal.x_m, signal.y_m, signal.yaw_rad, (-SIGHT_M, -5.0, 2.0, 5.0))
    for edge in edges(map_):
        things += _along(edge, free, rng)
    return things + _scattered(map_, free, rng)


def _plans(seed: int) -> list[House]:
    rng = np.random.default_rng([seed, 179])
    return [
        House(
            pose=(0.0, 0.0, 0.0, 0.0),
            bays=int(rng.integers(4, 8)),
            bay_m=float(rng.uniform(2.4, 3.4)),
            depth_m=float(rng.uniform(9.0, 13.0)),
            floors=int(rng.integers(2, 6)),
            floor_m=float(rng.uniform(2.9, 3.3)),
            ground_m=float(rng.uniform(3.3, 3.9)),
            seed=int(rng.integers(1 << 30)),
        )
        for _ in range(PLANS)
    ]


def _shape(plan: House) -> tuple[float, ...]:
    return plan.bays, plan.bay_m, plan.depth_m, plan.floors, plan.floor_m, plan.ground_m


def _painted(shape: Thing, plan: House) -> Thing:
    """A house of a known shape in another place and another colour."""
    rng = np.random.default_rng([plan.seed, 79])
    base = FACADES[int(rng.integers(len(FACADES)))]
    factors = rng.uniform(0.985, 1.015, 3) * rng.uniform(0.94, 1.05)
    tint: Rgb = (base[0] * float(factors[0]), base[1] * float(factors[1]), base[2] * float(factors[2]))
    trim: Rgb = (214.0, 208.0, 196.0) if sum(tint) < 480 else (150.0, 140.0, 126.0)
    palette = {**shape.palette, 0: tint, 1: tint, 2: trim, 6: tint}
    style = (*shape.style[:5], float(rng.integers(1000)), *shape.style[6:])
    return shape._replace(pose=plan.pose, palette=palette, style=style)


class _Line:
    """A polyline by arc length."""

    def __init__(self, points: NDArray[np.float64]) -> None:
        self._points = points
        step = np.hypot(*np.diff(points, axis=0).T)
        self._s = np.concatenate([[0.0], np.cumsum(step)])
        self.length_m = float(self._s[-1])

    def pose(self, s: float, d: float = 0.0) -> tuple[float, float, float]:
        """Point ``d`` to the left at ``s`` and the direction there."""
        k = min(max(int(np.searchsorted(self._s, s, "right")) - 1, 0), len(self._points) - 2)
        a, b = self._points[k], self._points[k + 1]
        yaw = math.atan2(b[1] - a[1], b[0] - a[0])
        ahead = s - float(self._s[k])
        x, y = float(a[0]) + ahead * math.cos(yaw), float(a[1]) + ahead * math.sin(yaw)
        return x - d * math.sin(yaw), y + d * math.cos(yaw), yaw


def edges(map_: RoadMap) -> Iterator[Edge]:
    """Both outer edges of every road outside junctions, section by section, the road on the left."""
    sections: dict[tuple[str, int], list[Lane]] = {}
    for lane in map_.lanes.values():
        if not lane.junction:
            sections.setdefault((lane.key.road, lane.key.section), []).append(lane)
    for lanes in sections.values():
        limit = max((lane.limit_mps for lane in lanes if lane.kind == "driving"), default=0.0)
        for sign in (-1, 1):
            side = sorted((lane for lane in lanes if sign * lane.key.lane > 0), key=lambda lane: abs(lane.key.lane))
            if not side or limit == 0.0:
                continue
            outer = side[-1]
            inner = next((lane for lane in side if lane.kind == "sidewalk"), None)
            line = border(outer, sign)
            kerb = line if inner is None else border(side[max(0, side.index(inner) - 1)], sign)
            if len(line) > 1:
                yield Edge(line, kerb, outer.kind == "sidewalk", limit)


def border(lane: Lane, sign: int) -> NDArray[np.float64]:
    """The border of a lane that is away from its road's middle, with the road on the left: (n, 2)."""
    # A lane right of the middle that is driven along the line has its outer border on its right.
    right = (sign < 0) == lane.forward
    normal = np.stack([-np.sin(lane.yaw_rad), np.cos(lane.yaw_rad)], 1)
    shift = (-0.5 if right else 0.5) * lane.width_m
    line: NDArray[np.float64] = np.stack([lane.x_m, lane.y_m], 1) + shift[:, None] * normal
    return line if right else line[::-1]


def _along(edge: Edge, free: Free, rng: np.random.Generator) -> list[Thing]:
    """Trees and lamps, or guard rails, along one edge."""
    out: list[Thing] = []
    outer, kerb = _Line(edge.outer), _Line(edge.kerb)
    if edge.paved:
        s = float(rng.uniform(4.0, 10.0))
        while s < kerb.length_m - 4.0:
            x, y, yaw = kerb.pose(s, -0.75)
            if rng.random() < 0.6 and not free.is_clear(x, y):
                out.append(tree(rng, (x, y, KERB_TOP_M, yaw)))
            s += float(rng.uniform(8.0, 13.0))
        for s in np.arange(14.0, kerb.length_m - 6.0, 28.0):
            x, y, yaw = kerb.pose(float(s), -0.42)
            out.append(lamp((x, y, KERB_TOP_M, yaw + 0.5 * math.pi)))
        return out
    if edge.limit_mps > FAST_MPS:
        out += furniture.guard_rail(edge.outer, free)
    s = float(rng.uniform(0.0, 12.0))
    while s < outer.length_m:
        away = float(rng.uniform(5.0, 22.0))
        x, y, yaw = outer.pose(s, -away)
        if free.fits(free.block(x, y, yaw, (-2.2, -2.2, 2.2, 2.2))):
            out.append(tree(rng, (x, y, 0.0, yaw)))
        s += float(rng.uniform(7.0, 22.0))
    return out


def _scattered(map_: RoadMap, free: Free, rng: np.random.Generator) -> list[Thing]:
    """Groups of trees on the green between and around the roads."""
    x0, y0, x1, y1 = map_.bounds
    area = (x1 - x0 + 2 * AROUND_M) * (y1 - y0 + 2 * AROUND_M)
    out: list[Thing] = []
    for _ in range(int(min(TREES_MAX / 4, area / 2200.0))):
        cx, cy = rng.uniform(x0 - AROUND_M, x1 + AROUND_M), rng.uniform(y0 - AROUND_M, y1 + AROUND_M)
        for _ in range(int(rng.integers(1, 6))):
            x, y = float(cx + rng.normal(0.0, 6.0)), float(cy + rng.normal(0.0, 6.0))
            if free.fits(free.block(x, y, 0.0, (-3.2, -3.2, 3.2, 3.2))):
                out.append(tree(rng, (x, y, 0.0, 0.0)))
    return out
