"""Rays against triangles: the one place that knows embree."""

from __future__ import annotations

from importlib import import_module
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from pipeline.errors import MissingExtra

NOTHING = -1
"""Triangle number of a ray that hit none."""


class Hits(NamedTuple):
    """What n rays hit. range_m: (n,) float32, the limit where nothing was hit; triangle: (n,) int32 or ``NOTHING``;
    normal: (n, 3) float32, not of unit length."""

    range_m: NDArray[np.float32]
    triangle: NDArray[np.int32]
    normal: NDArray[np.float32]


class Caster:
    """Triangles, (n, 3, 3) float32, that rays can be cast at. Raises MissingExtra without the ray caster."""

    def __init__(self, triangles: NDArray[np.float32]) -> None:
        scene, mesh = _embree()
        self._scene: Any = None
        if len(triangles):
            self._scene = scene()
            mesh(self._scene, np.ascontiguousarray(triangles, np.float32))

    def cast(self, origin: NDArray[np.float32], direction: NDArray[np.float32], limit_m: NDArray[np.float32]) -> Hits:
        """The nearest triangle along each ray, not further than its limit. direction: (n, 3) unit vectors."""
        if self._scene is None or not len(origin):
            nothing = np.full(len(origin), NOTHING, np.int32)
            return Hits(limit_m.copy(), nothing, np.zeros((len(origin), 3), np.float32))
        found = self._scene.run(origin, direction, dists=limit_m, output=1)
        return Hits(found["tfar"], found["primID"], found["Ng"])


def _embree() -> tuple[Any, Any]:
    try:
        scene: Any = import_module("embreex.rtcore_scene")
        mesh: Any = import_module("embreex.mesh_construction")
    except ImportError as error:
        raise MissingExtra(
            "the LiDAR needs the ray caster embreex", hint="pip install 'skylane[lidar]', or leave the LiDAR out"
        ) from error
    return scene.EmbreeScene, mesh.TriangleMesh
