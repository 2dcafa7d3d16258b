"""All meshes and shadow casters of a scene, packed into the arrays that the rasteriser reads."""

from __future__ import annotations

import functools

import numpy as np

from scenarios.scenario import KINDS
from scenarios.world.drawing import cycles, heavy, obstacles, people, vehicles
from scenarios.world.drawing.meshes import Mesh, Points
from scenarios.world.drawing.raster import Library

STANDING, RUNNING = people.PHASES, people.PHASES + 1
"""Index of the standing person and of the first running one among the meshes of people."""
RUN_MPS = 2.4
"""From this speed on people run."""
RUN_STRIDES = 0.62
"""Turns of the running gait for one of the walking gait over the same way."""


OBSTACLES = {
    "debris": obstacles.debris,
    "tyre": obstacles.tyre,
    "cone": obstacles.cone,
    "barrier": obstacles.barrier,
}

Figure = tuple[Mesh, list[Points]]
"""A mesh with its shadow casters."""


@functools.lru_cache(maxsize=1)
def road_user_meshes() -> dict[str, tuple[list[Figure], list[Figure]]]:
    """Near and far figures by kind: one each for a vehicle; for a pedestrian one per phase of walking, then standing,
    then one per phase of running; for a cyclist one per phase of the pedals."""
    out: dict[str, tuple[list[Figure], list[Figure]]] = {}
    for kind in KINDS:
        if kind == "pedestrian":
            near, far = _people(people.FINE), _people(people.COARSE)
        elif kind == "truck":
            near = far = [(vehicles.truck(), _truck_casters())]
        elif kind == "cyclist":
            near, far = ([(m, cycles.casters(m)) for m in cycles.figures(d)] for d in (people.FINE, people.COARSE))
        elif kind == "bus":
            near, far = ([(heavy.bus(coarse=coarse), heavy.bus_casters())] for coarse in (False, True))
        elif kind == "trailer":
            near = far = [(heavy.trailer(), heavy.trailer_casters())]
        elif kind in OBSTACLES:
            mesh = OBSTACLES[kind]()
            near = far = [(mesh, obstacles.casters(mesh))]
        elif kind == "motorcycle":
            mesh = vehicles.motorcycle()
            near = far = [(mesh, [mesh.vertices[:180:3], mesh.vertices[180::6]])]
        else:
            casters = _car_casters(kind)
            near, far = [(vehicles.car(kind), casters)], [(vehicles.car(kind, coarse=True), casters)]
        out[kind] = near, far
    return out


def _people(detail: people.Detail) -> list[Figure]:
    meshes = [people.walking(phase, detail) for phase in range(people.PHASES)] + [people.standing(detail)]
    meshes += [people.running(phase, detail) for phase in range(people.PHASES)]
    return [(mesh, _person_casters(mesh)) for mesh in meshes]


def _car_casters(kind: str) -> list[Points]:
    outline, shape = KINDS[kind], vehicles.SHAPES[kind]
    half_length, half = 0.5 * outline.length_m, 0.5 * outline.width_m
    body = [
        (x * half_length, y * half, z) for x in (-0.99, 0.99) for y in (-0.9, 0.9) for z in (0.25, shape.bonnet - 0.1)
    ]
    body += [(x, y * half, shape.belt) for x in (-0.9 * half_length, 0.45 * half_length) for y in (-0.95, 0.95)]
    low_rear, top_rear, top_front, low_front = ((share - 0.5) * outline.length_m for share in shape.cabin)
    cabin = [(x, y * half * 0.9, shape.belt) for x in (low_rear, low_front) for y in (-1.0, 1.0)]
    cabin += [(x, y * half * 0.78, outline.height_m) for x in (top_rear, top_front) for y in (-1.0, 1.0)]
    return [np.array(body), np.array(cabin)]


def _truck_casters() -> list[Points]:
    outline = KINDS["truck"]
    rear, front, half = -0.5 * outline.length_m, 0.5 * outline.length_m, 0.5 * outline.width_m
    cab = front - 1.95
    box = [(x, y, z) for x in (rear, cab - 0.22) for y in (-half, half) for z in (0.5, outline.height_m)]
    head = [(x, y, z) for x in (cab, front) for y in (-half, half) for z in (0.45, 1.75)]
    head += [(x, y, outline.height_m - 0.55) for x in (cab, front - 0.55) for y in (-half, half)]
    return [np.array(box), np.array(head)]


def _person_casters(mesh: Mesh) -> list[Points]:
    """Legs, trunk with arms and head, each as the hull of its vertices."""
    v = mesh.vertices
    left = v[(v[:, 2] < 0.9) & (v[:, 1] > 0.0)]
    right = v[(v[:, 2] < 0.9) & (v[:, 1] <= 0.0)]
    trunk = v[(v[:, 2] >= 0.82) & (v[:, 2] < 1.5)]
    head = v[v[:, 2] >= 1.48]
    return [part[:: max(1, len(part) // 20)] for part in (left, right, trunk, head)]


def pack(items: list[Figure]) -> Library:
    """One library in the order of ``items``."""
    vertex = triangle = caster_row = caster_point = 0
    ranges, caster_ranges, casters = [], [], []
    for mesh, parts in items:
        ranges.append(
            (
                vertex,
                vertex + len(mesh.vertices),
                triangle,
                triangle + len(mesh.triangles),
                caster_row,
                caster_row + len(parts),
            )
        )
        vertex += len(mesh.vertices)
        triangle += len(mesh.triangles)
        caster_row += len(parts)
        for part in parts:
            caster_ranges.append((caster_point, caster_point + len(part)))
            caster_point += len(part)
            casters.append(part)
    return Library(
        vertices=np.concatenate([mesh.vertices for mesh, _ in items]),
        normals=np.concatenate([mesh.normals for mesh, _ in items]),
        triangles=np.concatenate(
            [mesh.triangles + row[0] for (mesh, _), row in zip(items, ranges, strict=True)]
        ).astype(np.int32),
        slots=np.concatenate([mesh.slots for mesh, _ in items]),
        materials=np.concatenate([mesh.materials for mesh, _ in items]),
        ranges=np.array(ranges, dtype=np.int64),
        radii=np.array([float(np.linalg.norm(mesh.vertices, axis=1).max()) for mesh, _ in items]),
        caster_points=np.concatenate(casters),
        caster_ranges=np.array(caster_ranges, dtype=np.int64),
        planes=np.concatenate([planes(mesh) for mesh, _ in items]),
    )


def planes(mesh: Mesh) -> Points:
    """(m, 4) of the plane of each triangle: its normal, as long as twice its area, and its product with a corner."""
    corner = mesh.vertices[mesh.triangles]
    normal = np.cross(corner[:, 1] - corner[:, 0], corner[:, 2] - corner[:, 0])
    return np.concatenate([normal, (normal * corner[:, 0]).sum(axis=1, keepdims=True)], axis=1)
