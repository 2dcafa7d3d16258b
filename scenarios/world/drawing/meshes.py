"""Triangle meshes and the few shapes that everything is made of: boxes, prisms, lofts, wheels, blobs.

Decides shape only. A triangle carries a palette slot and a material; colours belong to the object that uses the mesh.
"""

from __future__ import annotations

import functools
import math
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Points = NDArray[np.float64]

MATTE, PAINT, GLASS, FACADE, FOLIAGE, TAIL_LAMP, HEAD_LAMP, CLOTH, ROOF, GLOWING, SIGNAL, LANTERN = range(12)
"""Materials: how ``shading`` turns light into colour. Nothing is made of GLOWING: lit lamps turn into it. SIGNAL lenses
are lit by the state of their object (slot 0 red, 1 amber, 2 green), a LANTERN in the dark."""

PRIMARY, SECONDARY, DARK, WINDOW, METAL, SKIN, HAIR, LIGHT = range(8)
"""Palette slots: which of the object's colours a triangle takes."""


class Mesh(NamedTuple):
    """vertices (n, 3), normals (n, 3), triangles (m, 3) counter-clockwise from outside, slots (m,), materials (m,)."""

    vertices: Points
    normals: Points
    triangles: NDArray[np.int64]
    slots: NDArray[np.uint8]
    materials: NDArray[np.uint8]


@dataclass
class _Part:
    vertices: Points
    normals: Points
    triangles: NDArray[np.int64]
    slot: int
    material: int


class Builder:
    """Collects parts; ``mesh()`` joins them."""

    def __init__(self) -> None:
        self._parts: list[_Part] = []

    def add(
        self, vertices: Points, faces: list[tuple[int, ...]], slot: int, material: int, *, smooth: bool = False
    ) -> None:
        """Convex faces over ``vertices`` (counter-clockwise from outside); ``smooth`` shares normals between them."""
        triangles = np.array([(f[0], f[i], f[i + 1]) for f in faces for i in range(1, len(f) - 1)])
        points = np.asarray(vertices, dtype=np.float64)
        edge = points[triangles]
        area = _cross(edge[:, 1] - edge[:, 0], edge[:, 2] - edge[:, 0])
        if smooth:
            normals = np.stack(
                [np.bincount(triangles.ravel(), np.repeat(area[:, k], 3), len(points)) for k in range(3)], axis=1
            )
        else:
            points = edge.reshape(-1, 3)
            normals = np.repeat(area, 3, axis=0)
            triangles = np.arange(len(points)).reshape(-1, 3)
        length = np.sqrt((normals * normals).sum(axis=1, keepdims=True))
        self._parts.append(_Part(points, normals / np.maximum(length, 1e-12), triangles, slot, material))

    def box(self, low: tuple[float, float, float], high: tuple[float, float, float], slot: int, material: int) -> None:
        """Axis-aligned cuboid."""
        self.tapered(low, high, (1.0, 1.0), slot, material)

    def tapered(
        self,
        low: tuple[float, float, float],
        high: tuple[float, float, float],
        top: tuple[float, float],
        slot: int,
        material: int,
    ) -> None:
        """Cuboid whose top face is scaled by ``top`` (x, y) about its centre."""
        cx, cy = 0.5 * (low[0] + high[0]), 0.5 * (low[1] + high[1])
        hx, hy = 0.5 * (high[0] - low[0]), 0.5 * (high[1] - low[1])
        corners = [(-1, -1), (1, -1), (1, 1), (-1, 1)]
        points = [(cx + a * hx, cy + b * hy, low[2]) for a, b in corners]
        points += [(cx + a * hx * top[0], cy + b * hy * top[1], high[2]) for a, b in corners]
        faces: list[tuple[int, ...]] = [(3, 2, 1, 0), (4, 5, 6, 7)]
        faces += [(i, (i + 1) % 4, (i + 1) % 4 + 4, i + 4) for i in range(4)]
        self.add(np.array(points), faces, slot, material)

    def quad(self, points: list[tuple[float, float, float]], slot: int, material: int) -> None:
        """One flat polygon, counter-clockwise from its visible side."""
        self.add(np.array(points), [tuple(range(len(points)))], slot, material)

    def loft(self, rings: Points, slot: int, material: int, *, caps: bool = True, smooth: bool = True) -> None:
        """Skin over ``rings`` (sections, points, 3); a ring runs clockwise seen along the row of sections."""
        sections, count = rings.shape[:2]
        faces: list[tuple[int, ...]] = []
        for a in range(sections - 1):
            for i in range(count):
                j = (i + 1) % count
                faces.append((a * count + i, a * count + j, (a + 1) * count + j, (a + 1) * count + i))
        self.add(rings.reshape(-1, 3), faces, slot, material, smooth=smooth)
        if caps:
            self.add(rings[0], [tuple(reversed(range(count)))], slot, material)
            self.add(rings[-1], [tuple(range(count))], slot, material)

    def limb(
        self, start: Points, end: Points, radius: tuple[float, float], slot: int, material: int, sides: int = 6
    ) -> None:
        """Tapered cylinder between two points."""
        axis = (end - start) / max(1e-9, float(np.linalg.norm(end - start)))
        helper = np.array([0.0, 1.0, 0.0]) if abs(axis[1]) < 0.9 else np.array([1.0, 0.0, 0.0])
        first = np.cross(helper, axis)
        first /= np.linalg.norm(first)
        second = np.cross(axis, first)
        angles = np.arange(sides) * 2.0 * math.pi / sides
        circle = np.cos(angles)[:, None] * first + np.sin(angles)[:, None] * second
        self.loft(np.stack([start + radius[0] * circle, end + radius[1] * circle]), slot, material)

    def blob(
        self,
        centre: Points,
        radii: Points,
        slot: int,
        material: int,
        *,
        rough: float = 0.0,
        seed: int = 0,
        detail: int = 1,
    ) -> None:
        """Ellipsoid from a subdivided octahedron; ``rough`` pushes vertices in and out by that share."""
        points, faces = _sphere(detail)
        rng = np.random.default_rng(seed)
        push = 1.0 + rough * rng.uniform(-1.0, 1.0, (len(points), 1))
        self.add(centre + points * push * radii, faces, slot, material, smooth=True)

    def wheel(self, x: float, y: float, radius: float, width: float, sides: int = 14) -> None:
        """Tyre with a bright rim and a hub on its outer face (away from y = 0), axle along y."""
        angles = np.arange(sides) * 2.0 * math.pi / sides
        circle = np.stack([np.cos(angles), np.zeros(sides), np.sin(angles)], 1)
        middle, half = np.array([x, y, radius]), 0.5 * width
        left, right = middle + radius * circle + [0.0, half, 0.0], middle + radius * circle - [0.0, half, 0.0]
        self.loft(np.stack([left, right]), DARK, MATTE)
        out = 1.0 if y > 0.0 else -1.0
        for scale, lift, slot, material in ((0.66, 0.006, METAL, PAINT), (0.2, 0.012, DARK, MATTE)):
            disc = middle + scale * radius * circle + [0.0, out * (half + lift), 0.0]
            self.add(disc, [tuple(range(sides))[::-1] if out > 0.0 else tuple(range(sides))], slot, material)

    def mesh(self) -> Mesh:
        """Everything added so far."""
        offset, triangles = 0, []
        for part in self._parts:
            triangles.append(part.triangles + offset)
            offset += len(part.vertices)
        count = [len(part.triangles) for part in self._parts]
        return Mesh(
            np.concatenate([part.vertices for part in self._parts]),
            np.concatenate([part.normals for part in self._parts]),
            np.concatenate(triangles),
            np.repeat(np.array([part.slot for part in self._parts], dtype=np.uint8), count),
            np.repeat(np.array([part.material for part in self._parts], dtype=np.uint8), count),
        )


def _cross(a: Points, b: Points) -> Points:
    return np.stack(
        [
            a[:, 1] * b[:, 2] - a[:, 2] * b[:, 1],
            a[:, 2] * b[:, 0] - a[:, 0] * b[:, 2],
            a[:, 0] * b[:, 1] - a[:, 1] * b[:, 0],
        ],
        axis=1,
    )


@functools.lru_cache(maxsize=4)
def _sphere(detail: int) -> tuple[Points, list[tuple[int, ...]]]:
    points = [(1.0, 0.0, 0.0), (-1.0, 0.0, 0.0), (0.0, 1.0, 0.0), (0.0, -1.0, 0.0), (0.0, 0.0, 1.0), (0.0, 0.0, -1.0)]
    faces: list[tuple[int, ...]] = [
        (0, 2, 4),
        (2, 1, 4),
        (1, 3, 4),
        (3, 0, 4),
        (2, 0, 5),
        (1, 2, 5),
        (3, 1, 5),
        (0, 3, 5),
    ]
    for _ in range(detail):
        middle: dict[tuple[int, int], int] = {}
        finer: list[tuple[int, ...]] = []
        for face in faces:
            halves = []
            for a, b in ((0, 1), (1, 2), (2, 0)):
                key = (min(face[a], face[b]), max(face[a], face[b]))
                if key not in middle:
                    point = np.array(points[key[0]]) + np.array(points[key[1]])
                    point /= np.linalg.norm(point)
                    middle[key] = len(points)
                    points.append((float(point[0]), float(point[1]), float(point[2])))
                halves.append(middle[key])
            finer += [(face[0], halves[0], halves[2]), (face[1], halves[1], halves[0]), (face[2], halves[2], halves[1])]
            finer.append((halves[0], halves[1], halves[2]))
        faces = finer
    return np.array(points), faces
