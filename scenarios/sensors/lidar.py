"""The LiDAR of the embedded world: what stands still is kept between sweeps, what moves is met in its own frame.

Decides which surfaces are near enough to matter and which shots can meet a road user; ``beams`` decides the echoes.
"""

from __future__ import annotations

import functools
import math
from collections import OrderedDict
from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from operators.messages import EgoState, PointCloud
from operators.sensors.models import LidarModel
from scenarios.sensors import solids
from scenarios.sensors.aiming import possible
from scenarios.sensors.beams import Found, Sweep, air, approached, directions, echoes, met, room, sweep
from scenarios.sensors.casting import NOTHING, Caster
from scenarios.sensors.solids import Solids
from scenarios.world.traffic.agents import RoadUser

CELL_M = 96.0
"""Surroundings are built for cells of this size, so that they depend on where the car is and not on where it was."""
KEPT = 4
NEAR_M = 25.0
"""Up to which distance road users have their full shape."""

Standing = Callable[[tuple[float, float], float], Solids]
"""What stands still within so many metres of a place, relative to it."""
GroundHeight = Callable[[RoadUser], float]
"""How high the ground is under a road user."""


class Surroundings(NamedTuple):
    """What stands still around the middle of a cell."""

    centre: tuple[float, float]
    caster: Caster
    reflectivity: NDArray[np.float32]
    leafy: NDArray[np.bool_]
    """Of each triangle; behind the last, at ``NOTHING``, of what is not there."""


@functools.lru_cache(maxsize=256)
def body(kind: str, near: bool, index: int) -> Caster:
    """The shape of a road user in its own frame: built once, however many there are and wherever they go."""
    mesh = solids.mesh_of(kind, near, index)
    return Caster(mesh.vertices[mesh.triangles].astype(np.float32))


class Scanner:
    """Scans one world. ``standing``: its immovable surfaces; ``ground``: the height of the ground under a road user."""

    def __init__(self, standing: Standing, ground: GroundHeight) -> None:
        self._standing, self._ground = standing, ground
        self._cells: OrderedDict[tuple[int, int, float], Surroundings] = OrderedDict()

    def scan(
        self,
        model: LidarModel,
        ego: EgoState,
        users: Sequence[RoadUser],
        rng: np.random.Generator,
        *,
        captured_ns: int,
        rain_mmph: float = 0.0,
        visibility_m: float = math.inf,
    ) -> PointCloud:
        """The sweep that ends now. Raises MissingExtra without the ray caster."""
        around = self._around(ego, model.range_max_m)
        shots = sweep(model, ego, around.centre)
        limit = np.full(len(shots.origin), model.range_max_m, np.float32)
        reach, triangle, normal = around.caster.cast(shots.origin, shots.direction, limit)
        found = reach, normal, around.reflectivity[triangle], around.leafy[triangle], triangle != NOTHING
        instance = np.zeros(len(reach), np.uint16)
        for user in users:
            self._meet(model, ego, user, shots, around.centre, found, instance)
        constants = air(model, rain_mmph, visibility_m)
        return _cloud(model, shots, found, instance, constants, rng, captured_ns)

    def _around(self, ego: EgoState, reach_m: float) -> Surroundings:
        cell = math.floor(ego.x_m / CELL_M), math.floor(ego.y_m / CELL_M), reach_m
        found = self._cells.pop(cell, None)
        if found is None:
            centre = (cell[0] + 0.5) * CELL_M, (cell[1] + 0.5) * CELL_M
            standing = self._standing(centre, reach_m + 0.75 * CELL_M)
            reflectivity, leafy = np.append(standing.reflectivity, np.float32(0.0)), np.append(standing.leafy, False)
            found = Surroundings(centre, Caster(standing.corners), reflectivity, leafy)
        self._cells[cell] = found
        if len(self._cells) > KEPT:
            self._cells.popitem(last=False)
        return found

    def _meet(
        self,
        model: LidarModel,
        ego: EgoState,
        user: RoadUser,
        shots: Sweep,
        centre: tuple[float, float],
        found: Found,
        instance: NDArray[np.uint16],
    ) -> None:
        """Let the shots that can meet a road user meet it, where it was when each of them was fired."""
        rows = possible(model, ego, user)
        if not len(rows):
            return
        ground = self._ground(user)
        x, y, scale = user.x_m - centre[0], user.y_m - centre[1], user.actor.scale
        pose = np.array([x, y, ground, user.yaw_rad, scale, user.speed_x_mps, user.speed_y_mps])
        origin, direction, limit = approached(rows, shots.origin, shots.direction, shots.offset_s, pose, found[0])
        away = math.hypot(user.x_m - ego.x_m, user.y_m - ego.y_m)
        figure = solids.figure(user, near=away < NEAR_M)
        hits = body(*figure).cast(origin, direction, limit)
        reflectivity = solids.reflectivity_of(user.actor, solids.mesh_of(*figure))
        met(
            rows,
            (hits.range_m, hits.triangle, hits.normal),
            reflectivity,
            pose,
            found,
            instance,
            user.actor.id,
        )


def _cloud(
    model: LidarModel,
    shots: Sweep,
    found: Found,
    instance: NDArray[np.uint16],
    constants: NDArray[np.float64],
    rng: np.random.Generator,
    captured_ns: int,
) -> PointCloud:
    total = len(shots.origin)
    chance, noise = rng.random((total, 2), np.float32), rng.standard_normal(total, np.float32)
    own, _ = directions(model.elevations_rad, model.columns, model.mount)
    out = room(total)
    count = echoes(found, shots.direction, own, shots.offset_s, constants, chance, noise, out)
    return PointCloud(
        points_m=out.points_m[:count].copy(),
        intensity=out.intensity[:count].copy(),
        offset_s=out.offset_s[:count].copy(),
        ring=out.ring[:count].copy(),
        instance=instance[out.shot[:count]] if model.truth else None,
        mount=model.mount,
        captured_ns=captured_ns,
        frame_id=model.frame_id,
    )
