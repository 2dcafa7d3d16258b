"""What light can hit, as triangles: houses, trees and road users, with how well each surface reflects.

Decides shape and reflectivity (for near infrared light); who stands where, the world decides.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from scenarios.scenario import Actor
from scenarios.world.drawing import catalogue, cycles, meshes, people
from scenarios.world.drawing.meshes import Mesh
from scenarios.world.drawing.scenery import Thing
from scenarios.world.traffic.agents import RoadUser

DETAILED_M = 70.0
"""Up to which distance scenery has its full shape."""

OF_MATERIAL = np.full(256, 0.3, np.float32)
OF_MATERIAL[[meshes.MATTE, meshes.PAINT, meshes.GLASS, meshes.FACADE, meshes.FOLIAGE]] = 0.25, 0.5, 0.03, 0.36, 0.42
OF_MATERIAL[[meshes.TAIL_LAMP, meshes.HEAD_LAMP, meshes.CLOTH, meshes.ROOF]] = 0.95, 0.7, 0.5, 0.24
PLATE = 1.0
"""Number plates, tail lamps and paint on the road throw light back to where it comes from."""


class Solids(NamedTuple):
    """n triangles. corners: (n, 3, 3) float32 (m); reflectivity: (n,) float32 in [0, 1]; leafy: (n,) bool."""

    corners: NDArray[np.float32]
    reflectivity: NDArray[np.float32]
    leafy: NDArray[np.bool_]


def joined(parts: Sequence[Solids]) -> Solids:
    """All of them as one; nothing for none."""
    if not parts:
        return Solids(np.zeros((0, 3, 3), np.float32), np.zeros(0, np.float32), np.zeros(0, bool))
    return Solids(*(np.concatenate(each) for each in zip(*parts, strict=True)))


def flat(corners: NDArray[np.float64], reflectivity: float) -> Solids:
    """Triangles of one surface."""
    count = len(corners)
    return Solids(corners.astype(np.float32), np.full(count, reflectivity, np.float32), np.zeros(count, bool))


def quads(corners: NDArray[np.float64]) -> NDArray[np.float64]:
    """(n, 4, 3) quadrangles as (2n, 3, 3) triangles."""
    return np.concatenate([corners[:, [0, 1, 2]], corners[:, [0, 2, 3]]])


def placed(
    mesh: Mesh, pose: tuple[float, float, float, float], scale: float, centre: tuple[float, float]
) -> NDArray[np.float32]:
    """A mesh's triangles at a pose (x, y, z, yaw), relative to ``centre``, (n, 3, 3) float32."""
    x, y, z, yaw = pose
    cos, sin = scale * math.cos(yaw), scale * math.sin(yaw)
    turn = np.array([[cos, sin, 0.0], [-sin, cos, 0.0], [0.0, 0.0, scale]])
    points = mesh.vertices @ turn + (x - centre[0], y - centre[1], z)
    corners: NDArray[np.float32] = points.astype(np.float32)[mesh.triangles]
    return corners


def scenery(things: Sequence[Thing], centre: tuple[float, float]) -> Solids:
    """Houses, trees and lamps, relative to ``centre``; those far from it coarser."""
    parts = []
    for thing in things:
        away = math.hypot(thing.pose[0] - centre[0], thing.pose[1] - centre[1])
        mesh = thing.meshes[0 if away < DETAILED_M else 1]
        if mesh is None:
            continue
        leafy = mesh.materials == meshes.FOLIAGE
        corners = placed(mesh, thing.pose, thing.scale, centre)
        parts.append(Solids(corners, OF_MATERIAL[mesh.materials], leafy))
    return joined(parts)


def figure(user: RoadUser, *, near: bool) -> tuple[str, bool, int]:
    """Which mesh a road user has in its present posture, for ``mesh_of``."""
    kind = user.actor.kind
    if kind == "pedestrian":
        return kind, near, gait(user)
    return kind, near, int(user.s_m / cycles.TURN_M * cycles.PHASES) % cycles.PHASES if kind == "cyclist" else 0


def gait(user: RoadUser) -> int:
    """Which of a pedestrian's meshes shows the present step."""
    if user.speed_mps <= 0.05:
        return catalogue.STANDING
    if user.speed_mps < catalogue.RUN_MPS:
        return int(user.gait_turns * people.PHASES) % people.PHASES
    return catalogue.RUNNING + int(user.gait_turns * catalogue.RUN_STRIDES * people.PHASES) % people.PHASES


def mesh_of(kind: str, near: bool, index: int) -> Mesh:
    """The mesh that ``figure`` names."""
    return catalogue.road_user_meshes()[kind][0 if near else 1][index][0]


def reflectivity_of(actor: Actor, mesh: Mesh) -> NDArray[np.float32]:
    """Of every triangle of a road user, (n,) float32: dark paint and dark cloth throw back little."""
    return _reflectivity(actor.kind, actor.colour, actor.second_colour, mesh.slots.tobytes(), mesh.materials.tobytes())


@functools.lru_cache(maxsize=512)
def _reflectivity(
    kind: str, colour: tuple[int, ...], second: tuple[int, ...], slots: bytes, materials: bytes
) -> NDArray[np.float32]:
    slot, material = np.frombuffer(slots, np.uint8), np.frombuffer(materials, np.uint8)
    value = OF_MATERIAL[material].copy()
    for row, paint in ((meshes.PRIMARY, colour), (meshes.SECONDARY, second)):
        body = (slot == row) & ((material == meshes.PAINT) | (material == meshes.CLOTH) | (material == meshes.MATTE))
        value[body] = 0.08 + 0.62 * sum(paint) / 765.0
    value[(slot == meshes.DARK) & (material == meshes.MATTE)] = 0.06
    if kind != "pedestrian":
        value[slot == meshes.LIGHT] = np.maximum(value[slot == meshes.LIGHT], PLATE)
    value.flags.writeable = False
    return value
