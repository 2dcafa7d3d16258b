"""Labelled pictures of random streets, for training and judging detectors: ``picture(seed, index)``.

Decides what a picture shows and which boxes are true. Equal (seed, index) give equal pictures.
"""

from __future__ import annotations

import functools
import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from operators.messages import CameraModel, EgoSize, EgoState
from scenarios.scenario import KINDS, Actor, Colour, Scenario, Stand
from scenarios.world.drawing.camera import Rendered, Renderer
from scenarios.world.drawing.scenery import house_boxes, houses
from scenarios.world.occlusion import visible_share
from scenarios.world.projection import eye_pose
from scenarios.world.roads import Road, Segment
from scenarios.world.traffic.agents import RoadUsers

STREETS = 24
SCENERY_S_M = (-20.0, 300.0)
MIN_PIXELS = 8
NEAREST_M, FARTHEST_M = 5.0, 90.0
PAINTS: tuple[Colour, ...] = (
    (58, 62, 68), (36, 37, 41), (186, 189, 192), (224, 225, 222), (132, 30, 32), (32, 58, 104), (92, 104, 96),
    (140, 142, 144), (104, 92, 78), (60, 82, 64), (168, 60, 40), (84, 112, 140), (206, 196, 172),
)  # fmt: skip


class LabelledBox(NamedTuple):
    """One road user with at least ``MIN_PIXELS`` visible pixels; the box encloses exactly those pixels (half-open)."""

    label: str
    x0_px: float
    y0_px: float
    x1_px: float
    y1_px: float
    distance_m: float
    """Along the optical axis, from the camera to the outline's centre."""
    visible_share: float
    """Share of the silhouette in view that nothing hides (geometric)."""
    x_m: float
    y_m: float
    """Centre in the ego's frame (x forward, y left)."""
    pixels: int
    kind: str


def picture(seed: int, index: int) -> tuple[NDArray[np.uint8], list[LabelledBox]]:
    """A random street scene: rgb (360, 640, 3) and its visible road users, nearest first."""
    rng = np.random.default_rng([seed, index, 9])
    scenario, camera, ego = _scene(rng)
    assert isinstance(scenario.road, Road)
    users = RoadUsers(scenario.actors, scenario.road, EgoSize())
    for user in users.items:
        if user.actor.kind == "pedestrian" and rng.random() < 0.75:
            user.speed_mps, user.gait_turns = 1.4, float(rng.random())
    renderer = Renderer(scenario, camera, seed=int(rng.integers(1 << 30)))
    rendered = renderer.render(ego, users.items)
    eye, yaw = eye_pose(ego, camera)
    half_view = (camera.cx_px / camera.fx_px, (camera.width_px - camera.cx_px) / camera.fx_px)
    heights = np.array([user.height_m for user in users.items])
    hiding, tall = _houses(scenario.scenery_seed)
    every = np.concatenate([users.boxes, hiding]), np.concatenate([heights, tall])
    share = visible_share(eye, yaw, half_view, *every, len(heights))
    boxes = []
    for user, seen in zip(users.items, share, strict=True):
        found = _tight_box(rendered, user.actor.id)
        if found is not None:
            x0, y0, x1, y1, pixels = found
            dx, dy = user.x_m - ego.x_m, user.y_m - ego.y_m
            forward = dx * math.cos(ego.yaw_rad) + dy * math.sin(ego.yaw_rad)
            left = dy * math.cos(ego.yaw_rad) - dx * math.sin(ego.yaw_rad)
            distance = (user.x_m - eye[0]) * math.cos(yaw) + (user.y_m - eye[1]) * math.sin(yaw)
            boxes.append(
                LabelledBox(
                    user.kind.label,
                    x0,
                    y0,
                    x1,
                    y1,
                    float(distance),
                    float(seen),
                    forward,
                    left,
                    pixels,
                    user.actor.kind,
                )
            )
    return _sensor(rendered.rgb, rng), sorted(boxes, key=lambda box: box.distance_m)


def _tight_box(rendered: Rendered, number: int) -> tuple[float, float, float, float, int] | None:
    mask = rendered.instance == number
    rows = np.flatnonzero(mask.any(axis=1))
    if len(rows) == 0:
        return None
    columns = np.flatnonzero(mask[rows[0] : rows[-1] + 1].any(axis=0))
    pixels = int(np.count_nonzero(mask[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]))
    if pixels < MIN_PIXELS:
        return None
    return float(columns[0]), float(rows[0]), float(columns[-1] + 1), float(rows[-1] + 1), pixels


@functools.lru_cache(maxsize=STREETS)
def _road(number: int) -> Road:
    rng = np.random.default_rng([number, 3])
    bend = 0.0 if number % 3 else float(rng.choice([-1.0, 1.0])) / float(rng.uniform(90.0, 220.0))
    segments = (Segment(60.0), Segment(70.0, bend), Segment(200.0)) if bend else (Segment(330.0),)
    return Road(
        segments=segments, parking_m=float(rng.choice([2.6, 2.6, 2.2, 0.0])), pavement_m=float(rng.uniform(2.6, 4.2))
    )


@functools.lru_cache(maxsize=STREETS)
def _houses(number: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    return house_boxes(houses(_road(number), start_s_m=SCENERY_S_M[0], end_s_m=SCENERY_S_M[1], seed=number))


def _scene(rng: np.random.Generator) -> tuple[Scenario, CameraModel, EgoState]:
    number = int(rng.integers(STREETS))
    road = _road(number)
    s = float(rng.uniform(5.0, 110.0))
    lateral = road.own_lane_m + float(rng.normal(0.0, 0.35))
    x, y, yaw = road.pose(s, lateral)
    pitch = float(rng.normal(0.0, 0.012))
    camera = CameraModel(pitch_rad=pitch, z_m=1.5 + float(rng.normal(0.0, 0.05)))
    ego = EgoState(x_m=x, y_m=y, yaw_rad=yaw + float(rng.normal(0.0, 0.04)), speed_mps=0.0)
    scenario = Scenario(
        name="picture",
        title="A random street",
        duration_s=1.0,
        speed_mps=0.0,
        road=road,
        ego_s_m=s,
        actors=tuple(_actors(rng, road, s)),
        scenery_seed=number,
        scenery_s_m=SCENERY_S_M,
        sun_azimuth_rad=float(rng.uniform(-math.pi, math.pi)),
        sun_elevation_rad=float(rng.uniform(0.4, 1.3)),
        sight_m=float(rng.choice([520.0, 520.0, 350.0, 160.0])),
        exposure=float(rng.uniform(0.72, 1.2)),
    )
    return scenario, camera, ego


def _distance(rng: np.random.Generator) -> float:
    return float(NEAREST_M * math.exp(rng.uniform(0.0, math.log(FARTHEST_M / NEAREST_M))))


def _actors(rng: np.random.Generator, road: Road, ego_s_m: float) -> list[Actor]:
    """Vehicles that do not overlap, then people: on pavements, crossing, half hidden behind vehicles."""
    taken: list[tuple[float, float, float]] = []
    actors: list[Actor] = []
    kinds = ("car", "car", "estate", "mini", "suv", "van", "truck", "motorcycle")
    lanes = [(road.own_lane_m, 0.0), (-road.own_lane_m, math.pi), (-road.own_lane_m, math.pi)]
    if road.parking_m > 0.0:
        strip = road.lane_width_m + 0.5 * road.parking_m
        lanes += [(-strip, 0.0), (-strip, 0.0), (strip, math.pi), (strip, math.pi)]
    for _ in range(int(rng.integers(3, 17))):
        kind = kinds[int(rng.integers(len(kinds)))]
        d, heading = lanes[int(rng.integers(len(lanes)))]
        s = ego_s_m + 3.0 + _distance(rng)
        room = 0.5 * KINDS[kind].length_m + 0.6
        if any(abs(s - other) < room + size and abs(d - line) < 2.2 for other, line, size in taken):
            continue
        if abs(d - road.own_lane_m) < 0.1 and s - ego_s_m < 11.0:
            continue
        taken.append((s, d, room))
        actors.append(
            _vehicle(
                rng, len(actors) + 1, kind, s, d + float(rng.normal(0.0, 0.12)), heading + float(rng.normal(0.0, 0.02))
            )
        )
    vehicles = list(actors)
    for _ in range(int(rng.integers(2, 11))):
        s, d = ego_s_m + 2.5 + _distance(rng), 0.0
        choice = rng.random()
        if choice < 0.4:
            d = float(rng.choice([-1.0, 1.0])) * (road.kerb_m + float(rng.uniform(0.2, road.pavement_m)))
        elif choice < 0.75 or not vehicles:
            d = float(rng.uniform(-road.kerb_m, road.kerb_m))
        else:
            shelter = vehicles[int(rng.integers(len(vehicles)))]
            s = shelter.s_m + 0.5 * KINDS[shelter.kind].length_m + float(rng.uniform(0.5, 2.5))
            d = shelter.d_m + float(rng.uniform(-1.6, 1.6))
        if any(abs(s - other) < size and abs(d - line) < 1.6 for other, line, size in taken):
            continue
        actors.append(_person(rng, len(actors) + 1, s, d))
    return actors or [_person(rng, 1, ego_s_m + 20.0, 0.0)]


def _vehicle(rng: np.random.Generator, number: int, kind: str, s: float, d: float, heading: float) -> Actor:
    paint, cab = (_tinted(rng, PAINTS[int(rng.integers(len(PAINTS)))]) for _ in range(2))
    if kind == "truck" and rng.random() < 0.6:
        paint = _tinted(rng, (222, 222, 216))
    return Actor(
        id=number,
        kind=kind,
        s_m=s,
        d_m=d,
        heading_rad=heading,
        colour=paint,
        second_colour=cab,
        motion=Stand(bool(rng.random() < 0.3)),
    )


def _person(rng: np.random.Generator, number: int, s: float, d: float) -> Actor:
    coat, trousers = rng.integers(18, 226, 3), rng.integers(20, 150, 3)
    return Actor(
        id=number,
        kind="pedestrian",
        s_m=s,
        d_m=d,
        heading_rad=float(rng.uniform(-math.pi, math.pi)),
        scale=float(rng.uniform(0.72, 1.1)),
        colour=(int(coat[0]), int(coat[1]), int(coat[2])),
        second_colour=(int(trousers[0]), int(trousers[1]), int(trousers[2])),
    )


def _tinted(rng: np.random.Generator, colour: Colour) -> Colour:
    red, green, blue = np.clip(np.array(colour) * rng.uniform(0.85, 1.15, 3), 8, 245).astype(int)
    return int(red), int(green), int(blue)


@functools.lru_cache(maxsize=1)
def _grain() -> NDArray[np.int16]:
    return np.random.default_rng(6).normal(0.0, 32.0, (512, 800, 3)).astype(np.int16)


def _sensor(rgb: NDArray[np.uint8], rng: np.random.Generator) -> NDArray[np.uint8]:
    """Colour balance and sensor noise."""
    gain = (256.0 * rng.uniform(0.94, 1.06, 3)).astype(np.int32)
    strength = int(rng.integers(0, 56))
    y, x = int(rng.integers(512 - rgb.shape[0])), int(rng.integers(800 - rgb.shape[1]))
    noise = _grain()[y : y + rgb.shape[0], x : x + rgb.shape[1]]
    value = (rgb * gain + noise * np.int32(strength) * 2) >> 8
    result: NDArray[np.uint8] = np.clip(value, 0, 255).astype(np.uint8)
    return result
