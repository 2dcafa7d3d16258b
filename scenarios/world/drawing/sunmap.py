"""Where the sun reaches: a picture of the scene from the sun, still parts kept, what moves drawn into it every time.

Decides whether a point above the ground is in shadow; shadows on the ground are ``shadows``' business.
Source: Williams 1978 (shadow maps); Reeves, Salesin, Cook 1987 (percentage closer filtering).
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from scenarios.world.drawing.raster import Library, Objects, fill
from scenarios.world.kernels import Array, inlined, kernel

SIZE, HALF_M, GRID_M = 1024, 56.0, 16.0
"""Texels along a side, half of what they cover, and the steps in which the middle follows the eye."""
AHEAD_M = 36.0
PER_M = 0.5 * SIZE / HALF_M
BIAS_M, GRAZE_M = 0.14, 0.09
NOTHING = -1e30


class SunMap(NamedTuple):
    """height: (SIZE, SIZE) largest distance towards the sun of anything above a texel; axes (3, 3): across, up, and
    towards the sun; middle (2,): what lies in the middle, along the first two axes."""

    height: Array
    axes: Array
    middle: Array


NO_MAP = SunMap(np.zeros((1, 1), np.float32), np.zeros((3, 3)), np.zeros(2))


class Sun:
    """Keeps the map around the eye; it depends on the eye's place and on what moves, never on earlier pictures."""

    def __init__(self, sun: NDArray[np.float64]) -> None:
        across = np.array([-sun[1], sun[0], 0.0]) / math.hypot(sun[0], sun[1])
        axes = np.stack([across, np.cross(sun, across), sun])
        self.map = SunMap(np.full((SIZE, SIZE), NOTHING, np.float32), axes, np.zeros(2))
        self._still = np.full((SIZE, SIZE), NOTHING, np.float32)
        self._owner = np.zeros((SIZE, SIZE), np.int8)
        self._polygon, self._centre = np.zeros((3, 3)), (math.inf, math.inf)
        self._touched = np.zeros((0, 4), np.int64)

    def update(
        self,
        library: Library,
        objects: Objects,
        coarse: NDArray[np.int64],
        movers: int,
        place: tuple[float, float, float],
    ) -> None:
        """Draw the sun's view around ``place`` (x, y, yaw of the eye).

        ``coarse``: which mesh of each object to draw; the first ``movers`` objects move, all others stand still.
        """
        x, y = place[0] + AHEAD_M * math.cos(place[2]), place[1] + AHEAD_M * math.sin(place[2])
        centre = GRID_M * round(x / GRID_M), GRID_M * round(y / GRID_M)
        if centre != self._centre:
            self._centre = centre
            self.map.middle[:] = self.map.axes[:2] @ np.array([*centre, 0.0])
            self._still.fill(NOTHING)
            touched = np.zeros((len(objects.mesh), 4), np.int64)
            rows = np.arange(movers, len(objects.mesh))
            cast(library, objects, coarse, rows, self.map, self._still, self._owner, self._polygon, touched)
            self.map.height[:] = self._still
            self._touched = np.zeros((movers, 4), np.int64)
        restore(self.map.height, self._still, self._touched)
        rows = np.arange(movers)
        cast(library, objects, coarse, rows, self.map, self.map.height, self._owner, self._polygon, self._touched)


@kernel
def restore(height: Array, still: Array, touched: Array) -> None:
    """Put back what was there before the moving objects."""
    for n in range(touched.shape[0]):
        for i in range(touched[n, 0], touched[n, 1]):
            for j in range(touched[n, 2], touched[n, 3]):
                height[i, j] = still[i, j]


@kernel
def cast(
    library: Library,
    objects: Objects,
    meshes: Array,
    rows: Array,
    sunmap: SunMap,
    height: Array,
    owner: Array,
    polygon: Array,
    touched: Array,
) -> None:
    """Draw objects as the sun sees them into ``height``; ``touched``: rows and columns that each may have changed."""
    axes, middle = sunmap.axes, sunmap.middle
    for n in range(rows.shape[0]):
        o = rows[n]
        mesh, pose = meshes[o], objects.pose[o]
        touched[n, :] = 0
        if mesh < 0:
            continue
        reach = library.radii[mesh] * pose[4]
        u = axes[0, 0] * pose[0] + axes[0, 1] * pose[1] + axes[0, 2] * pose[2] - middle[0]
        v = axes[1, 0] * pose[0] + axes[1, 1] * pose[1] + axes[1, 2] * pose[2] - middle[1]
        if abs(u) > HALF_M + reach or abs(v) > HALF_M + reach:
            continue
        low, high = int((v - reach + HALF_M) * PER_M) - 1, int((v + reach + HALF_M) * PER_M) + 2
        touched[n, 0], touched[n, 1] = max(0, low), min(SIZE, max(0, high))
        low, high = int((u - reach + HALF_M) * PER_M) - 1, int((u + reach + HALF_M) * PER_M) + 2
        touched[n, 2], touched[n, 3] = max(0, low), min(SIZE, max(0, high))
        cos, sin = math.cos(pose[3]) * pose[4], math.sin(pose[3]) * pose[4]
        for t in range(library.ranges[mesh, 2], library.ranges[mesh, 3]):
            for k in range(3):
                i = library.triangles[t, k]
                x = pose[0] + cos * library.vertices[i, 0] - sin * library.vertices[i, 1]
                y = pose[1] + sin * library.vertices[i, 0] + cos * library.vertices[i, 1]
                z = pose[2] + library.vertices[i, 2] * pose[4]
                polygon[k, 0] = (axes[0, 0] * x + axes[0, 1] * y + axes[0, 2] * z - middle[0] + HALF_M) * PER_M
                polygon[k, 1] = (axes[1, 0] * x + axes[1, 1] * y + axes[1, 2] * z - middle[1] + HALF_M) * PER_M
                polygon[k, 2] = axes[2, 0] * x + axes[2, 1] * y + axes[2, 2] * z
            face(polygon, height, owner)


@inlined
def face(polygon: Array, height: Array, owner: Array) -> None:
    """Draw one triangle that faces the sun; columns of ``polygon``: place in the map and distance towards the sun."""
    ux, uy, uz = polygon[1, 0] - polygon[0, 0], polygon[1, 1] - polygon[0, 1], polygon[1, 2] - polygon[0, 2]
    vx, vy, vz = polygon[2, 0] - polygon[0, 0], polygon[2, 1] - polygon[0, 1], polygon[2, 2] - polygon[0, 2]
    area = ux * vy - uy * vx
    if area > 1e-9:
        a, b = (uz * vy - vz * uy) / area, (vz * ux - uz * vx) / area
        fill(polygon, 3, a, b, polygon[0, 2] - a * polygon[0, 0] - b * polygon[0, 1], 1, height, owner)


@inlined
def sunlit(sunmap: SunMap, x: float, y: float, z: float, cosine: float) -> float:
    """Share of the sun that reaches a point of a surface at that ``cosine`` to it, from 2 x 2 texels.

    1 in its light, outside the map, and where there is none.
    """
    axes, height = sunmap.axes, sunmap.height
    if cosine <= 0.0 or height.shape[0] < SIZE:
        return 1.0
    u = (axes[0, 0] * x + axes[0, 1] * y + axes[0, 2] * z - sunmap.middle[0] + HALF_M) * PER_M - 0.5
    v = (axes[1, 0] * x + axes[1, 1] * y + axes[1, 2] * z - sunmap.middle[1] + HALF_M) * PER_M - 0.5
    if not (0.0 <= u < SIZE - 1.0 and 0.0 <= v < SIZE - 1.0):
        return 1.0
    own = axes[2, 0] * x + axes[2, 1] * y + axes[2, 2] * z + BIAS_M + GRAZE_M / (cosine + 0.08)
    i, j = int(v), int(u)
    a, b = v - i, u - j
    first = (1.0 - b if height[i, j] <= own else 0.0) + (b if height[i, j + 1] <= own else 0.0)
    second = (1.0 - b if height[i + 1, j] <= own else 0.0) + (b if height[i + 1, j + 1] <= own else 0.0)
    return float(first + (second - first) * a)
