"""A LiDAR's sweep: where each shot starts and goes while the car moves, and what becomes of the echo.

Decides directions, noise, losses and intensity; ``lidar`` decides what is hit. All kernels, no fast-math.
Source: Carbonneau, Wisely 1998 (attenuation by rain); Koschmieder 1924 (visibility in fog).
"""

from __future__ import annotations

import functools
import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from operators.messages import EgoState, Mount
from operators.sensors.models import LidarModel
from scenarios.world.kernels import Array, allocating, kernel

Found = tuple[Array, Array, Array, Array, Array]
SPECKLE = 0.17
"""Width of the uniform distribution of an echo's strength around its mean."""
LEAFY_STD_M = 0.08
WET = 0.65
"""What wet surfaces keep of their reflectivity in heavy rain."""
DOWNPOUR_MMPH = 50.0
DROPS_PER_MMPH = 0.0002
DROPS_REACH_M = 8.0
"""Share of shots that a raindrop near the sensor answers, and how far off."""


class Sweep(NamedTuple):
    """The shots of one sweep in the order in which they are fired: column after column, in each the lowest first.

    origin: (n, 3) and direction: (n, 3) float32 in the map, relative to the surroundings' centre; offset_s: (columns,).
    """

    origin: NDArray[np.float32]
    direction: NDArray[np.float32]
    offset_s: NDArray[np.float32]


@functools.lru_cache(maxsize=16)
def directions(
    elevations: tuple[float, ...], columns: int, mount: Mount
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Unit vectors of all shots in the sensor frame and in the ego frame, (columns · beams, 3) float32 each.

    The first column looks just left of straight back, and the sensor turns clockwise.
    """
    azimuth = math.pi - (np.arange(columns) + 0.5) * 2.0 * math.pi / columns
    elevation = np.array(elevations)
    level = np.cos(elevation)
    own = np.empty((columns, len(elevations), 3))
    own[:, :, 0] = np.cos(azimuth)[:, None] * level
    own[:, :, 1] = np.sin(azimuth)[:, None] * level
    own[:, :, 2] = np.sin(elevation)
    cos, sin, flat, down = (
        math.cos(mount.yaw_rad),
        math.sin(mount.yaw_rad),
        math.cos(mount.pitch_rad),
        math.sin(mount.pitch_rad),
    )
    turn = np.array([[cos * flat, -sin, cos * down], [sin * flat, cos, sin * down], [-down, 0.0, flat]])
    rays = own.reshape(-1, 3)
    out = rays.astype(np.float32), (rays @ turn.T).astype(np.float32)
    for each in out:
        each.flags.writeable = False
    return out


def offsets(model: LidarModel) -> NDArray[np.float32]:
    """When each column is fired, seconds relative to the end of the sweep, (columns,): the last at 0."""
    if not model.rolling:
        return np.zeros(model.columns, np.float32)
    return ((np.arange(model.columns) - (model.columns - 1)) * (model.sweep_s / model.columns)).astype(np.float32)


def sweep(model: LidarModel, ego: EgoState, centre: tuple[float, float]) -> Sweep:
    """The shots of the sweep that ends now, from a car that has moved steadily during it."""
    _, inside = directions(model.elevations_rad, model.columns, model.mount)
    offset, mount = offsets(model), model.mount
    pose = np.array([ego.x_m - centre[0], ego.y_m - centre[1], ego.yaw_rad, ego.speed_mps, ego.yaw_rate_radps])
    origin, direction = carried(inside, offset, pose, np.array([mount.x_m, mount.y_m, mount.z_m]))
    return Sweep(origin, direction, offset)


@allocating
def carried(inside: Array, offset: Array, pose: Array, mount: Array) -> tuple[Array, Array]:
    """Origins and directions of shots that a car fires on its way; pose: x, y, yaw at the end, speed, yaw rate."""
    columns = offset.shape[0]
    beams = inside.shape[0] // columns
    origin, direction = np.empty(inside.shape, np.float32), np.empty(inside.shape, np.float32)
    for c in range(columns):
        turn = pose[4] * offset[c]
        way, heading = pose[3] * offset[c], pose[2] + 0.5 * turn
        cos, sin = math.cos(pose[2] + turn), math.sin(pose[2] + turn)
        x = pose[0] + way * math.cos(heading) + mount[0] * cos - mount[1] * sin
        y = pose[1] + way * math.sin(heading) + mount[0] * sin + mount[1] * cos
        for i in range(c * beams, (c + 1) * beams):
            origin[i, 0], origin[i, 1], origin[i, 2] = x, y, mount[2]
            direction[i, 0] = inside[i, 0] * cos - inside[i, 1] * sin
            direction[i, 1] = inside[i, 0] * sin + inside[i, 1] * cos
            direction[i, 2] = inside[i, 2]
    return origin, direction


@allocating
def approached(
    shots: Array, origin: Array, direction: Array, offset: Array, pose: Array, reach: Array
) -> tuple[Array, Array, Array]:
    """Some shots in the frame of a road user who moves steadily: origins, directions and how far they get.

    pose: x, y, z, yaw, scale, and velocity (x, y), at the end of the sweep; reach: what else each shot has met.
    """
    beams = origin.shape[0] // offset.shape[0]
    count, cos, sin, per_scale = shots.shape[0], math.cos(pose[3]), math.sin(pose[3]), 1.0 / pose[4]
    out = np.empty((count, 3), np.float32), np.empty((count, 3), np.float32), np.empty(count, np.float32)
    for k in range(count):
        i = shots[k]
        since = offset[i // beams]
        x = origin[i, 0] - pose[0] - pose[5] * since
        y = origin[i, 1] - pose[1] - pose[6] * since
        out[0][k, 0], out[0][k, 1] = (x * cos + y * sin) * per_scale, (y * cos - x * sin) * per_scale
        out[0][k, 2] = (origin[i, 2] - pose[2]) * per_scale
        out[1][k, 0] = direction[i, 0] * cos + direction[i, 1] * sin
        out[1][k, 1] = direction[i, 1] * cos - direction[i, 0] * sin
        out[1][k, 2], out[2][k] = direction[i, 2], reach[i] * per_scale
    return out


@kernel
def met(
    shots: Array,
    hits: tuple[Array, Array, Array],
    reflectivity: Array,
    pose: Array,
    found: Found,
    instance: Array,
    number: int,
) -> None:
    """Enter what some shots hit of road user ``number``, in its frame, into what they have found so far."""
    range_m, triangle, normal = hits
    reach, normals, back, leafy, hit = found
    cos, sin, scale = math.cos(pose[3]), math.sin(pose[3]), pose[4]
    for k in range(shots.shape[0]):
        t = triangle[k]
        if t < 0:
            continue
        i = shots[k]
        reach[i], back[i], leafy[i], hit[i], instance[i] = range_m[k] * scale, reflectivity[t], False, True, number
        normals[i, 0] = normal[k, 0] * cos - normal[k, 1] * sin
        normals[i, 1] = normal[k, 0] * sin + normal[k, 1] * cos
        normals[i, 2] = normal[k, 2]


def air(model: LidarModel, rain_mmph: float, visibility_m: float) -> NDArray[np.float64]:
    """Constants for ``echoes``: two-way loss per metre, what wet surfaces keep, drops, and the device's own."""
    rain = rain_mmph + model.rain_mmph
    decibel_per_km = 1.076 * rain**0.67 if rain > 0.0 else 0.0
    loss = decibel_per_km / 1000.0 / (10.0 / math.log(10.0)) + 3.0 / min(visibility_m, model.fog_m)
    wet = 1.0 - (1.0 - WET) * min(1.0, rain / DOWNPOUR_MMPH)
    drops = DROPS_PER_MMPH * rain
    device = (model.range_min_m, model.range_max_m, model.range_std_m, model.range_10pct_m, model.dropout)
    return np.array([2.0 * loss, wet, drops, *device])


class Echoes(NamedTuple):
    """Room for the echoes of n shots. points_m: (n, 3); intensity, offset_s, ring and shot: (n,)."""

    points_m: Array
    intensity: Array
    offset_s: Array
    ring: Array
    shot: Array


def room(shots: int) -> Echoes:
    """Room for as many echoes as there are shots."""
    types = (np.float32, np.float32, np.uint8, np.int64)
    return Echoes(np.empty((shots, 3), np.float32), *(np.empty(shots, each) for each in types))


@kernel
def echoes(
    found: Found,
    direction: Array,
    own: Array,
    offset: Array,
    constants: Array,
    chance: Array,
    noise: Array,
    out: Echoes,
) -> int:
    """Enter what comes back into ``out``, in the order of the shots; returns how many did.

    found: range, normal, reflectivity, leafy and whether anything was hit, of each shot; direction: in the map, own: in
    the sensor frame; offset: of each column; chance: (n, 2) uniform and noise: (n,) normal numbers of each shot.
    """
    reach, normal, reflectivity, leafy, hit = found
    loss, wet, drops, least, most, std, half_range, dropout = constants
    beams, count = reach.shape[0] // offset.shape[0], 0
    for i in range(reach.shape[0]):
        measured, strength = 0.0, 0.02
        if drops > 0.0 and chance[i, 1] < drops:
            measured = least + DROPS_REACH_M * (chance[i, 1] / drops) ** 2
        if measured == 0.0 or measured >= reach[i]:
            if not hit[i] or reach[i] < least or reach[i] > most or chance[i, 0] < dropout:
                continue
            nx, ny, nz = normal[i, 0], normal[i, 1], normal[i, 2]
            length = math.sqrt(nx * nx + ny * ny + nz * nz)
            facing = abs(nx * direction[i, 0] + ny * direction[i, 1] + nz * direction[i, 2]) / max(length, 1e-12)
            strength = reflectivity[i] * wet * (0.6 if leafy[i] else facing)
            if loss > 0.0:
                strength *= math.exp(-loss * reach[i])
            near = half_range / reach[i]
            # Half of the echoes of strength 1 are found; it takes little more for all and little less for none.
            sure = (strength / 0.1 * near * near) ** 6
            # The lowest chances are taken by the dropout; what is left is spread over [0, 1] again.
            if (chance[i, 0] - dropout) / (1.0 - dropout) * (1.0 + sure) > sure:
                continue
            measured = max(least, reach[i] + (std + (LEAFY_STD_M if leafy[i] else 0.0)) * noise[i])
            strength = min(1.0, max(0.0, strength * (1.0 + SPECKLE * (chance[i, 1] - 0.5))))
        for k in range(3):
            out.points_m[count, k] = own[i, k] * measured
        out.intensity[count], out.offset_s[count] = strength, offset[i // beams]
        out.ring[count], out.shot[count] = i % beams, i
        count += 1
    return count
