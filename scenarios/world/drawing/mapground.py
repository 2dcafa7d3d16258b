"""The ground of a map as patches to paint: what ``RoadMap.surfaces`` says, with wheel tracks on its lanes.

Decides materials and their order; ``ground`` paints them.
"""

from __future__ import annotations

import functools
from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from operators.maps import Lane, RoadMap
from scenarios.world.drawing import ground
from scenarios.world.drawing.ground import Patch

MATERIALS = {
    "grass": ground.GRASS,
    "asphalt": ground.ASPHALT,
    "parking": ground.PARKING,
    "cycleway": ground.CYCLEWAY,
    "pavement": ground.PAVEMENT,
    "kerb": ground.KERB_STONE,
    "crosswalk": ground.WHITE,
    "white": ground.WHITE,
    "yellow": ground.YELLOW,
}
TRACK_M, TRACK_HALF_M = 0.78, 0.28
QUADS = 12
"""Longest piece of a strip in one patch: short pieces are skipped sooner where they do not matter."""


@functools.lru_cache(maxsize=4)
def ground_patches(map_: RoadMap) -> ground.Patches:
    """Everything that is painted on the ground of a map, in order."""
    patches: list[Patch] = []
    tracked = False
    for surface in map_.surfaces():
        material = MATERIALS.get(surface.material, ground.ASPHALT)
        if not tracked and material not in (ground.GRASS, ground.ASPHALT):
            patches += tracks(map_)
            tracked = True
        patches += pieces(material, surface.left[:, :2], surface.right[:, :2])
    return ground.packed(patches)


def pieces(material: int, left: NDArray[np.float64], right: NDArray[np.float64]) -> Iterator[Patch]:
    """A strip between two edges (n, 2) as patches of a few quads."""
    for start in range(0, len(left) - 1, QUADS):
        end = min(len(left), start + QUADS + 1)
        yield Patch(material, np.concatenate([left[start:end], right[start:end][::-1]]))


def tracks(map_: RoadMap) -> Iterator[Patch]:
    """Where wheels have polished the lanes outside junctions."""
    for lane in map_.lanes.values():
        if lane.kind == "driving" and not lane.junction and float(lane.width_m.min()) > 2.4:
            for side in (-TRACK_M, TRACK_M):
                edges = (offset(lane, side + TRACK_HALF_M), offset(lane, side - TRACK_HALF_M))
                yield from pieces(ground.TRACK, *edges)


def offset(lane: Lane, d_m: float) -> NDArray[np.float64]:
    """The line ``d_m`` to the left of a lane's middle: (n, 2)."""
    normal = np.stack([-np.sin(lane.yaw_rad), np.cos(lane.yaw_rad)], 1)
    line: NDArray[np.float64] = np.stack([lane.x_m, lane.y_m], 1) + d_m * normal
    return line
