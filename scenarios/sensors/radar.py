"""The radar of the embedded world: echoes of road users by their size and kind, hidden ones weaker, and false returns.

Decides what one cycle finds, from the truth; houses hide things but send nothing back of their own.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from operators.messages import EgoState, RadarReturns
from operators.sensors.models import RadarModel
from scenarios.world.occlusion import visible_share
from scenarios.world.traffic.agents import RoadUser

RCS_DBSM = {
    "pedestrian": -8.0, "cyclist": -2.0, "motorcycle": 5.0, "mini": 8.0, "car": 10.0, "estate": 11.0, "suv": 12.0,
    "van": 15.0, "truck": 20.0, "bus": 20.0, "trailer": 22.0, "debris": -12.0, "tyre": -15.0, "cone": -15.0,
    "barrier": 0.0,
}  # fmt: skip
"""Typical at 77 GHz; other kinds count as ``OTHER_DBSM``."""
OTHER_DBSM = 10.0
FADING_DB = 3.0
EDGE_DB = 6.0
"""How much weaker the antenna is at the edge of the horizontal field of view, there and back."""
LEAST_SHARE = 0.02
SPREAD_M = 1.5
"""Things longer than this send back from several places."""
FALSE_DBSM = (-15.0, 0.0)
FALSE_SPEED_MPS = 30.0


class Echo(NamedTuple):
    """One echo before the device's own errors."""

    range_m: float
    azimuth_rad: float
    elevation_rad: float
    radial_speed_mps: float
    rcs_dbsm: float
    strength: float
    instance: int


def cycle(
    model: RadarModel,
    ego: EgoState,
    users: Sequence[RoadUser],
    walls: tuple[NDArray[np.float64], NDArray[np.float64]],
    rng: np.random.Generator,
    *,
    captured_ns: int,
) -> RadarReturns:
    """What one cycle finds now. walls: outlines, (n, 5), and heights, (n,), of what hides things."""
    found = _echoes(model, ego, users, walls, rng)
    found += _false(model, ego, rng)
    separate = _resolved(model, found)
    rows = np.array([echo[:5] for echo in separate], np.float64).reshape(-1, 5)
    noise = rng.normal(0.0, 1.0, (len(rows), 4))
    stds = (model.range_std_m, model.azimuth_std_rad, model.elevation_std_rad, model.speed_std_mps)
    rows[:, :4] += noise * stds
    rows[:, 0] = np.maximum(rows[:, 0], model.range_min_m)
    order = np.argsort(rows[:, 0], kind="stable")
    columns = [np.ascontiguousarray(rows[order, k], np.float32) for k in range(5)]
    instance = np.array([echo.instance for echo in separate], np.uint16)[order]
    return RadarReturns(
        range_m=columns[0],
        azimuth_rad=columns[1],
        elevation_rad=columns[2],
        radial_speed_mps=columns[3],
        rcs_dbsm=columns[4],
        instance=instance if model.truth else None,
        mount=model.mount,
        captured_ns=captured_ns,
        frame_id=model.frame_id,
    )


def _eye(model: RadarModel, ego: EgoState) -> tuple[NDArray[np.float64], float, tuple[float, float]]:
    """Place, (3,), heading and velocity of the antenna on the map."""
    mount, cos, sin = model.mount, math.cos(ego.yaw_rad), math.sin(ego.yaw_rad)
    x, y = mount.x_m * cos - mount.y_m * sin, mount.x_m * sin + mount.y_m * cos
    velocity = ego.speed_mps * cos - ego.yaw_rate_radps * y, ego.speed_mps * sin + ego.yaw_rate_radps * x
    return np.array([ego.x_m + x, ego.y_m + y, mount.z_m]), ego.yaw_rad + mount.yaw_rad, velocity


def _echoes(
    model: RadarModel,
    ego: EgoState,
    users: Sequence[RoadUser],
    walls: tuple[NDArray[np.float64], NDArray[np.float64]],
    rng: np.random.Generator,
) -> list[Echo]:
    if not users:
        return []
    eye, heading, velocity = _eye(model, ego)
    boxes = np.array([(u.x_m, u.y_m, u.yaw_rad, u.kind.length_m, u.kind.width_m) for u in users])
    heights = np.array([user.height_m for user in users])
    edge = math.tan(min(0.5 * model.field_rad, math.radians(89.0)))
    every = np.concatenate([boxes, walls[0]]), np.concatenate([heights, walls[1]])
    shares = visible_share(eye, heading, (edge, edge), *every, len(users))
    out: list[Echo] = []
    for user, box, share in zip(users, boxes, shares, strict=True):
        # Drawn for everybody, so that who is hidden does not change what befalls the others.
        fading, luck = rng.normal(0.0, FADING_DB, 8), rng.random(8)
        if share < LEAST_SHARE:
            continue
        places = _places(box, eye)
        for place, fade, chance in zip(places, fading, luck, strict=False):
            rcs = RCS_DBSM.get(user.actor.kind, OTHER_DBSM) - 10.0 * math.log10(len(places)) + float(fade)
            echo = _echo(model, (*place, min(0.6, 0.5 * user.height_m)), eye, heading, rcs, user, velocity)
            if echo is not None and chance * (1.0 + (echo.strength * share) ** -2.0) < 1.0:
                out.append(echo)
    return out


def _places(box: NDArray[np.float64], eye: NDArray[np.float64]) -> list[tuple[float, float]]:
    """Where an outline throws waves back: the middle of a small one's near side, several places on a large one."""
    x, y, yaw, length, width = (float(value) for value in box)
    cos, sin = math.cos(yaw), math.sin(yaw)
    to_x, to_y = float(eye[0]) - x, float(eye[1]) - y
    along, across = to_x * cos + to_y * sin, to_y * cos - to_x * sin
    places: list[tuple[float, float]] = []
    if abs(along) > 0.5 * length:
        places.append((math.copysign(0.5 * length, along), 0.0))
    if abs(across) > 0.5 * width:
        side = math.copysign(0.5 * width, across)
        spots = (-0.35, 0.0, 0.35) if length > SPREAD_M else (0.0,)
        places += [(share * length, side) for share in spots]
    if length <= SPREAD_M:
        places = places[:1]
    return [(x + a * cos - b * sin, y + a * sin + b * cos) for a, b in places]


def _echo(
    model: RadarModel,
    place: tuple[float, float, float],
    eye: NDArray[np.float64],
    heading: float,
    rcs_dbsm: float,
    user: RoadUser,
    velocity: tuple[float, float],
) -> Echo | None:
    dx, dy, dz = (place[k] - float(eye[k]) for k in range(3))
    level = math.hypot(dx, dy)
    reach = math.hypot(level, dz)
    azimuth = (math.atan2(dy, dx) - heading + math.pi) % (2.0 * math.pi) - math.pi
    elevation = math.atan2(dz, level)
    inside = abs(azimuth) <= 0.5 * model.field_rad and abs(elevation) <= 0.5 * model.field_up_rad
    if not inside or not model.range_min_m <= reach <= model.range_max_m:
        return None
    # Positive: the distance grows.
    radial = ((user.speed_x_mps - velocity[0]) * dx + (user.speed_y_mps - velocity[1]) * dy) / reach
    off_axis = azimuth / (0.5 * model.field_rad)
    signal_db = rcs_dbsm - 10.0 - EDGE_DB * off_axis * off_axis
    strength = 10.0 ** (0.1 * signal_db) * (model.range_10dbsm_m / reach) ** 4
    return Echo(reach, azimuth, elevation, radial, rcs_dbsm, strength, user.actor.id)


def _false(model: RadarModel, ego: EgoState, rng: np.random.Generator) -> list[Echo]:
    """Returns of nothing: half of them as still as the road, half at any speed."""
    out = []
    for _ in range(int(rng.poisson(model.false_rate))):
        reach, azimuth, elevation, still, speed, rcs = (float(value) for value in rng.random(6))
        reach = model.range_min_m + reach * (model.range_max_m - model.range_min_m)
        azimuth, elevation = (azimuth - 0.5) * model.field_rad, (elevation - 0.5) * model.field_up_rad
        radial = (2.0 * speed - 1.0) * FALSE_SPEED_MPS
        if still < 0.5:
            radial = -ego.speed_mps * math.cos(azimuth + model.mount.yaw_rad)
        strength = FALSE_DBSM[0] + rcs * (FALSE_DBSM[1] - FALSE_DBSM[0])
        out.append(Echo(reach, azimuth, elevation, radial, strength, 0.0, 0))
    return out


def _resolved(model: RadarModel, echoes: list[Echo]) -> list[Echo]:
    """Of those that the device cannot tell apart, the strongest."""
    steps = (model.range_resolution_m, model.azimuth_resolution_rad, model.speed_resolution_mps)
    kept: dict[tuple[int, int, int], Echo] = {}
    for echo in sorted(echoes, key=lambda each: -each.strength):
        cell = (
            math.floor(echo.range_m / steps[0]),
            math.floor(echo.azimuth_rad / steps[1]),
            math.floor(echo.radial_speed_mps / steps[2]),
        )
        kept.setdefault(cell, echo)
    return list(kept.values())
