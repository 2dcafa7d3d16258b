"""The ground that light can hit, as triangles: of a street and of a map, with markings, kerbs and what grows beside.

Decides shape and reflectivity (for near infrared light), as ``solids`` does for everything that stands on it.
"""

from __future__ import annotations

import functools

import numpy as np
from numpy.typing import NDArray

from operators.maps.roadmap import RoadMap
from scenarios.sensors.solids import Solids, flat, joined, quads
from scenarios.world.roads import LEAD_IN_M, LEAD_OUT_M, Road

KERB_M = 0.12
PAINT_M = 0.003
"""How far markings lie above the asphalt, so that rays meet them first."""
MEADOW_M = -0.005
STATION_M = 2.0
GREEN_M = 60.0

ASPHALT, PAINT, KERB, PAVEMENT, GREEN = 0.16, 0.72, 0.34, 0.28, 0.40
LAYERS = {
    "grass": (GREEN, 0.0), "asphalt": (ASPHALT, 0.0), "parking": (0.18, 0.001), "cycleway": (0.2, 0.001),
    "pavement": (PAVEMENT, 0.0), "kerb": (KERB, 0.001), "crosswalk": (PAINT, PAINT_M), "white": (PAINT, PAINT_M),
    "yellow": (0.6, PAINT_M),
}  # fmt: skip
"""Of a map's surfaces: reflectivity, and how far one lies above those that it covers."""


def street_ground(road: Road, centre: tuple[float, float], reach_m: float) -> Solids:
    """Roadway with markings, kerbs and pavements around ``centre``, relative to it; green beyond the houses' fronts."""
    s = np.arange(-LEAD_IN_M, road.length_m + LEAD_OUT_M, STATION_M)
    middle = np.array([road.pose(float(each)) for each in s])
    near = np.hypot(middle[:, 0] - centre[0], middle[:, 1] - centre[1]) < reach_m
    lane, kerb, edge = road.lane_width_m, road.kerb_m, road.kerb_m + road.pavement_m
    middle, s = middle[near], s[near]
    strips: list[tuple[float, float, float, float, float]] = [(-kerb, kerb, 0.0, 0.0, ASPHALT)]
    for side in (1.0, -1.0):
        strips.append((side * kerb, side * kerb, 0.0, KERB_M, KERB))
        strips.append((side * kerb, side * edge, KERB_M, KERB_M, PAVEMENT))
        strips.append((side * edge, side * (edge + GREEN_M), KERB_M, KERB_M, GREEN))
        if kerb > lane + 0.5:
            strips.append((side * lane - 0.065, side * lane + 0.065, PAINT_M, PAINT_M, PAINT))
    # Neighbours in the list need not be neighbours on the road where it leaves the surroundings and comes back.
    whole = np.diff(s) < 1.5 * STATION_M
    parts = [_strip(middle, whole, strip, centre) for strip in strips]
    dashes = [_dash(road, float(k), centre) for k in np.unique(np.floor(s / 9.0) * 9.0)]
    if dashes:
        parts.append(flat(quads(np.array(dashes)), PAINT))
    return joined(parts)


def plain(centre: tuple[float, float], reach_m: float) -> Solids:
    """Level asphalt and nothing else."""
    return flat(quads(_square(reach_m, 0.0)), ASPHALT)


def map_ground(map_: RoadMap, centre: tuple[float, float], reach_m: float) -> Solids:
    """Everything on the ground of a map around ``centre``, relative to it; meadow where the map says nothing."""
    corners, reflectivity, middle, half_m = _map_quads(map_)
    near = np.hypot(*(middle - centre).T) - half_m < reach_m
    triangles = quads(corners[near] - (*centre, 0.0)).astype(np.float32)
    paved = Solids(triangles, np.tile(reflectivity[near], 2), np.zeros(len(triangles), bool))
    return joined([flat(quads(_square(reach_m, MEADOW_M)), GREEN), paved])


@functools.lru_cache(maxsize=4)
def _map_quads(
    map_: RoadMap,
) -> tuple[NDArray[np.float64], NDArray[np.float32], NDArray[np.float64], NDArray[np.float64]]:
    """All quads of a map: corners (n, 4, 3), reflectivity (n,), middle (n, 2) and half a diagonal (n,)."""
    corners, reflectivity = [np.zeros((0, 4, 3))], [np.zeros(0, np.float32)]
    for surface in map_.surfaces():
        value, lift = LAYERS.get(surface.material, (ASPHALT, 0.0))
        up = np.array([0.0, 0.0, lift])
        faces = [(surface.left + up, surface.right + up)]
        if surface.material == "kerb":
            faces += [(edge, edge * (1.0, 1.0, 0.0)) for edge in (surface.left, surface.right)]
        for left, right in faces:
            corners.append(np.stack([left[:-1], left[1:], right[1:], right[:-1]], axis=1))
            reflectivity.append(np.full(len(left) - 1, value, np.float32))
    every = np.concatenate(corners)
    low, high = every[:, :, :2].min(axis=1), every[:, :, :2].max(axis=1)
    return every, np.concatenate(reflectivity), 0.5 * (low + high), 0.5 * np.hypot(*(high - low).T)


def _square(half_m: float, z_m: float) -> NDArray[np.float64]:
    r = half_m
    return np.array([[(-r, -r, z_m), (r, -r, z_m), (r, r, z_m), (-r, r, z_m)]])


def _strip(
    middle: NDArray[np.float64],
    whole: NDArray[np.bool_],
    strip: tuple[float, float, float, float, float],
    centre: tuple[float, float],
) -> Solids:
    d0, d1, z0, z1, reflectivity = strip
    x, y, yaw = middle.T
    first = np.stack([x - d0 * np.sin(yaw) - centre[0], y + d0 * np.cos(yaw) - centre[1], np.full_like(x, z0)], 1)
    second = np.stack([x - d1 * np.sin(yaw) - centre[0], y + d1 * np.cos(yaw) - centre[1], np.full_like(x, z1)], 1)
    corners = np.stack([first[:-1], first[1:], second[1:], second[:-1]], axis=1)[whole]
    return flat(quads(corners), reflectivity)


def _dash(road: Road, s_m: float, centre: tuple[float, float]) -> list[tuple[float, float, float]]:
    corners = []
    for s, d in ((s_m, -0.065), (s_m + 3.0, -0.065), (s_m + 3.0, 0.065), (s_m, 0.065)):
        x, y, _ = road.pose(s, d)
        corners.append((x - centre[0], y - centre[1], PAINT_M))
    return corners
