"""The ego's camera: turns the world's state into a picture with depth, classes and instances.

Decides how a scenario's road users and scenery become objects; ``raster`` and ``shading`` do the drawing.
"""

from __future__ import annotations

import functools
import math
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from operators.messages import CameraModel, EgoState
from scenarios.scenario import KINDS, Scenario
from scenarios.world import catalogue, people
from scenarios.world.agents import RoadUser
from scenarios.world.projection import eye_pose, lens_of, rotation
from scenarios.world.raster import Frame, Library, Objects, View, draw
from scenarios.world.roads import Road
from scenarios.world.scenery import BUILDING, DISTANT_M, FAR_M, Thing, street
from scenarios.world.shading import Picture, Stage, ray_lengths, shade, soften, tone_curve
from scenarios.world.shadows import draw_shadows, sun_shares
from scenarios.world.surfaces import ROW_CONSTANTS, noise_textures

VEHICLE, PEDESTRIAN = 2, 3
"""Classes of road users in ``Rendered.semantic``; 0 sky, 1 road, 4 building, 5 vegetation, 6 pavement, 7 pole."""

PAVEMENT_Z_M = 0.12
SKINS = ((212, 170, 142), (196, 150, 120), (162, 112, 84), (120, 82, 60), (224, 186, 160))
TYRE, GLASS_TINT, RIM, PLATE, HELMET = (34, 34, 37), (38, 45, 54), (168, 172, 176), (226, 228, 226), (40, 42, 46)
HAIRS = ((52, 38, 30), (34, 30, 28), (104, 76, 50), (146, 118, 82), (120, 118, 116))


@dataclass(frozen=True)
class Rendered:
    """One picture. rgb: (H, W, 3) uint8; depth_m: (H, W) float32, inf for sky; instance: (H, W) uint16 actor ids
    (0 for everything that is no road user); semantic: (H, W) uint8 classes."""

    rgb: NDArray[np.uint8]
    depth_m: NDArray[np.float32]
    instance: NDArray[np.uint16]
    semantic: NDArray[np.uint8]


class Scenery(NamedTuple):
    """What stands still, ready to draw: shared by all renderers of the same street."""

    library: Library
    things: tuple[Thing, ...]
    first: dict[str, tuple[int, int]]
    """Rows of each kind's first near and first far mesh in the library."""
    base: int
    """Row of the first mesh of scenery."""
    rows: NDArray[np.int64]
    """Mesh of each thing by distance, -1 for none: (3, things)."""


@functools.lru_cache(maxsize=32)
def scenery(road: Road, start_s_m: float, end_s_m: float, seed: int) -> Scenery:
    """Build (once per process) the street between two stations."""
    things = street(road, start_s_m=start_s_m, end_s_m=end_s_m, seed=seed)
    first: dict[str, tuple[int, int]] = {}
    items: list[catalogue.Figure] = []
    for kind, (near, far) in catalogue.road_user_meshes().items():
        first[kind] = len(items), len(items) + len(near)
        items += near + far
    base, rows = len(items), np.full((3, len(things)), -1, np.int64)
    known: dict[int, int] = {}
    for k, thing in enumerate(things):
        for level, mesh in enumerate(thing.meshes):
            if mesh is None:
                continue
            if id(mesh) not in known:
                known[id(mesh)] = len(items)
                items.append((mesh, thing.casters))
            rows[level, k] = known[id(mesh)]
    return Scenery(catalogue.pack(items), tuple(things), first, base, rows)


@functools.lru_cache(maxsize=1)
def _noise() -> NDArray[np.float32]:
    return noise_textures()


class Renderer:
    """Draws one scenario from one camera model. The buffers are kept warm; results belong to the caller."""

    def __init__(self, scenario: Scenario, camera: CameraModel, *, seed: int = 0) -> None:
        self._camera, self._road = camera, scenario.road
        start, end = scenario.scenery_span()
        self._scenery = scenery(scenario.road, start, end, scenario.scenery_seed)
        self._library = self._scenery.library
        rng = np.random.default_rng([scenario.scenery_seed, seed, 5])
        self._objects, self._footprint = _objects(scenario, self._scenery, rng)
        self._walls = _walls(scenario, self._scenery)
        self._stage = _stage(scenario, camera)
        users = len(scenario.actors)
        tall = [i for i, actor in enumerate(scenario.actors) if KINDS[actor.kind].height_m > 2.0]
        houses = [users + i for i, thing in enumerate(self._scenery.things) if thing.semantic == BUILDING]
        self._casters, self._receivers = np.array(tall + houses, dtype=np.int64), np.arange(users)
        self._frame, self._row = _frame(camera, self._scenery, users), np.zeros(ROW_CONSTANTS)
        self._edges = np.zeros(camera.width_px, np.uint8)

    def render(self, ego: EgoState, users: list[RoadUser]) -> Rendered:
        """The picture from the ego's pose with the road users where they are."""
        eye, _ = eye_pose(ego, self._camera)
        for row, user in enumerate(users):
            self._place(row, user, eye)
        return self.draw(ego)

    def draw(self, ego: EgoState) -> Rendered:
        """The picture of the objects as they are."""
        camera, stage, frame = self._camera, self._stage, self._frame
        eye, yaw = eye_pose(ego, camera)
        view = View(eye=eye, turn=rotation(yaw, camera.pitch_rad), lens=lens_of(camera))
        self._choose_detail(eye)
        frame.inverse_depth.fill(0.0)
        frame.triangle.fill(-1)
        frame.shadow.fill(0)
        sun_shares(self._library, self._objects, self._casters, self._receivers, stage.sun)
        order = np.argsort(
            np.hypot(self._objects.pose[:, 0] - eye[0], self._objects.pose[:, 1] - eye[1]), kind="stable"
        )
        draw(self._library, self._objects, order, view, stage.sun, frame, 0)
        draw_shadows(self._library, self._objects, self._footprint, view, stage.sun, frame)
        shape = (camera.height_px, camera.width_px)
        picture = Picture(
            rgb=np.empty((*shape, 3), np.uint8),
            depth=np.empty(shape, np.float32),
            instance=np.empty(shape, np.uint16),
            semantic=np.empty(shape, np.uint8),
        )
        shade(self._walls, view, stage, frame, picture, self._row)
        soften(frame, self._edges, picture.rgb)
        return Rendered(picture.rgb, picture.depth, picture.instance, picture.semantic)

    def _choose_detail(self, eye: NDArray[np.float64]) -> None:
        count = len(self._scenery.things)
        mesh, pose = self._objects.mesh[-count:], self._objects.pose[-count:]
        away = np.hypot(pose[:, 0] - eye[0], pose[:, 1] - eye[1])
        level = (away > FAR_M).astype(np.int64) + (away > DISTANT_M)
        mesh[:] = self._scenery.rows[level, np.arange(count)]

    def _place(self, row: int, user: RoadUser, eye: NDArray[np.float64]) -> None:
        objects, actor, ground, figure = self._objects, user.actor, 0.0, 0
        if actor.kind == "pedestrian":
            walking = user.speed_mps > 0.05
            figure = int(user.gait_turns * people.PHASES) % people.PHASES if walking else catalogue.STANDING
            _, d = self._road.locate(user.x_m, user.y_m)
            ground = PAVEMENT_Z_M if abs(d) > self._road.kerb_m else 0.0
        far = math.hypot(user.x_m - eye[0], user.y_m - eye[1]) > FAR_M
        objects.mesh[row] = self._scenery.first[actor.kind][far] + figure
        objects.pose[row] = user.x_m, user.y_m, ground, user.yaw_rad, actor.scale
        objects.braking[row] = user.braking


def _frame(camera: CameraModel, static: Scenery, users: int) -> Frame:
    shape = (camera.height_px, camera.width_px)
    ranges = static.library.ranges
    sizes = ranges[:, 3] - ranges[:, 2]
    limit = int(sizes[static.rows[0]].sum() + users * sizes[: static.base].max())
    return Frame(
        inverse_depth=np.zeros(shape, np.float32),
        triangle=np.zeros(shape, np.int32),
        shadow=np.zeros(shape, np.uint8),
        record=np.zeros((limit, 12)),
        label=np.zeros((limit, 4), np.int32),
        vertex=np.zeros((int((ranges[:, 1] - ranges[:, 0]).max()), 9)),
        polygon=np.zeros((4, 2)),
    )


def _stage(scenario: Scenario, camera: CameraModel) -> Stage:
    azimuth, elevation, road = scenario.sun_azimuth_rad, scenario.sun_elevation_rad, scenario.road
    level = math.cos(elevation)
    return Stage(
        table=road.table(),
        straight=all(segment.curvature_1pm == 0.0 for segment in road.segments),
        size=np.array([road.lane_width_m, road.kerb_m, road.kerb_m + road.pavement_m]),
        sun=np.array([level * math.cos(azimuth), level * math.sin(azimuth), math.sin(elevation)]),
        noise=_noise(),
        tone=tone_curve(scenario.exposure),
        unit=ray_lengths(camera.width_px, camera.height_px, lens_of(camera)),
        haze_1pm=1.0 / scenario.sight_m,
    )


def _objects(scenario: Scenario, static: Scenery, rng: np.random.Generator) -> tuple[Objects, NDArray[np.float64]]:
    actors, things = scenario.actors, static.things
    total = len(actors) + len(things)
    objects = Objects(
        pose=np.zeros((total, 5)),
        mesh=np.full(total, -1, np.int64),
        tag=np.zeros(total, np.int64),
        braking=np.zeros(total, np.bool_),
        shaded=np.arange(total) < len(actors),
        sun=np.ones(total),
        palette=np.zeros((total, 8, 3)),
    )
    footprint = np.zeros((total, 2))
    for row, actor in enumerate(actors):
        person = actor.kind == "pedestrian"
        objects.mesh[row] = static.first[actor.kind][0]
        objects.tag[row] = actor.id + ((PEDESTRIAN if person else VEHICLE) << 16)
        skin, hair = SKINS[int(rng.integers(len(SKINS)))], HAIRS[int(rng.integers(len(HAIRS)))]
        objects.palette[row, :3] = actor.colour, actor.second_colour, TYRE
        objects.palette[row, 3:] = GLASS_TINT, RIM, skin, HELMET if actor.kind == "motorcycle" else hair, PLATE
        if not person:
            footprint[row] = KINDS[actor.kind].length_m, KINDS[actor.kind].width_m
    for row, thing in enumerate(things, len(actors)):
        objects.tag[row] = thing.semantic << 16
        objects.pose[row] = (*thing.pose, thing.scale)
        for slot, colour in thing.palette.items():
            objects.palette[row, slot] = colour
    return objects, footprint


def _walls(scenario: Scenario, static: Scenery) -> NDArray[np.float64]:
    """Rows for ``surfaces.facade``, one per object."""
    walls = np.zeros((len(scenario.actors) + len(static.things), 23))
    for row, thing in enumerate(static.things, len(scenario.actors)):
        if thing.semantic == BUILDING:
            x, y, z, yaw = thing.pose
            walls[row, :5] = x, y, z, math.cos(yaw), math.sin(yaw)
            walls[row, 5:8], walls[row, 8:11], walls[row, 11:20] = thing.palette[0], thing.palette[2], thing.style
            walls[row, 20:] = 1.0 / walls[row, [18, 19, 11]]
    return walls
