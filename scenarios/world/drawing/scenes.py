"""What stands and moves in a scenario, as objects to draw: road users, houses, trees, lamps, signals; their colours.

Decides rows, poses, palettes and what they show; ``raster`` and ``shading`` do the drawing.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Sequence
from typing import NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from operators.messages import TrafficLights
from scenarios.scenario import KINDS, Actor, Kind, Scenario, Stand
from scenarios.world.drawing import catalogue, cycles, people
from scenarios.world.drawing.classes import BUILDING, class_of
from scenarios.world.drawing.raster import AMBER, DARK, GREEN, LIGHTS_ON, RED, Library, Objects
from scenarios.world.drawing.scenery import DISTANT_M, FAR_M, Thing, street
from scenarios.world.roads import Road

SKINS = ((212, 170, 142), (196, 150, 120), (162, 112, 84), (120, 82, 60), (224, 186, 160))
TYRE, GLASS_TINT, RIM, PLATE, HELMET = (34, 34, 37), (38, 45, 54), (168, 172, 176), (226, 228, 226), (40, 42, 46)
HAIRS = ((52, 38, 30), (34, 30, 28), (104, 76, 50), (146, 118, 82), (120, 118, 116))
CYCLE_HELMETS = ((206, 60, 48), (230, 230, 226), (44, 70, 140), (214, 190, 40), (40, 42, 46))
SAFETY_ORANGE, SAFETY_WHITE, SAFETY_RED, WOOD, WOOD_DARK = (
    (236, 92, 28), (236, 236, 230), (200, 36, 32), (168, 128, 84), (124, 90, 56),
)  # fmt: skip
SIGNAL_BITS = {"red": RED, "amber": AMBER, "yellow": AMBER, "green": GREEN, "off": 0}
ASLEEP_M = 450.0
"""Scenery further away is not drawn."""
GONE_M = 1e7
"""Where those stand who are not on the road: beyond every reach."""


class Shown(Protocol):
    """A road user as pictures need it: the outline's centre, and how it moves."""

    @property
    def actor(self) -> Actor: ...
    @property
    def kind(self) -> Kind: ...
    @property
    def x_m(self) -> float: ...
    @property
    def y_m(self) -> float: ...
    @property
    def yaw_rad(self) -> float: ...
    @property
    def s_m(self) -> float: ...
    @property
    def speed_mps(self) -> float: ...
    @property
    def speed_x_mps(self) -> float: ...
    @property
    def speed_y_mps(self) -> float: ...
    @property
    def gait_turns(self) -> float: ...
    @property
    def braking(self) -> bool: ...


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


def scenery_of(scenario: Scenario) -> Scenery:
    """The surroundings of a scenario."""
    if isinstance(scenario.road, Road):
        start, end = scenario.scenery_span()
        return scenery(scenario.road, start, end, scenario.scenery_seed)
    return map_scenery(scenario.map, scenario.scenery_seed)


@functools.lru_cache(maxsize=32)
def scenery(road: Road, start_s_m: float, end_s_m: float, seed: int) -> Scenery:
    """Build (once per process) the street between two stations."""
    return _packed(street(road, start_s_m=start_s_m, end_s_m=end_s_m, seed=seed))


@functools.lru_cache(maxsize=4)
def map_scenery(map_: str, seed: int) -> Scenery:
    """Build (once per process) what stands beside the roads of a map."""
    from scenarios.maps import shipped
    from scenarios.world.drawing.surroundings import surroundings

    return _packed(surroundings(shipped(map_), seed))


def _packed(things: list[Thing]) -> Scenery:
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


class Scene:
    """The objects of one scenario, road users first. ``moved`` and ``choose_detail`` bring them up to date."""

    def __init__(self, scenario: Scenario, static: Scenery, rng: np.random.Generator, *, dark: bool) -> None:
        self.static, self.users, self.dark = static, len(scenario.actors), dark
        self._row = {actor.id: row for row, actor in enumerate(scenario.actors)}
        self.objects, self.footprint = _objects(scenario, static, rng)
        self.coarse = np.concatenate([self.objects.mesh[: self.users], static.rows[1]])
        """The far mesh of everything, whatever its distance."""
        self.walls = _walls(self.users, static)
        tall = [i for i, actor in enumerate(scenario.actors) if KINDS[actor.kind].height_m > 2.0]
        houses = [self.users + i for i, thing in enumerate(static.things) if thing.semantic == BUILDING]
        self.casters, self.receivers = np.array(tall + houses, dtype=np.int64), np.arange(self.users)
        self._signals: dict[str, list[int]] = {}
        for row, thing in enumerate(static.things, self.users):
            if thing.light:
                self._signals.setdefault(thing.light, []).append(row)
        self.lanterns = np.array([thing.lantern for thing in static.things if thing.lantern]).reshape(-1, 2)
        self.limit = _triangle_limit(scenario, static)
        if dark:
            self.objects.state[:] |= DARK

    def clear(self) -> None:
        """Nobody is on the road: who is comes by ``moved``."""
        self.objects.mesh[: self.users] = self.coarse[: self.users] = -1
        self.objects.pose[: self.users, :2] = GONE_M

    def moved(self, user: Shown, ground_m: float, away_m: float) -> None:
        """Put a road user where it is, ``away_m`` from the eye."""
        objects, actor, figure = self.objects, user.actor, 0
        row = self._row[actor.id]
        if actor.kind == "pedestrian":
            figure = _gait(user)
        elif actor.kind == "cyclist":
            figure = int(user.s_m / cycles.TURN_M * cycles.PHASES) % cycles.PHASES
        near, far = self.static.first[actor.kind]
        objects.mesh[row], self.coarse[row] = (far if away_m > FAR_M else near) + figure, far + figure
        objects.pose[row] = user.x_m, user.y_m, ground_m, user.yaw_rad, actor.scale
        objects.braking[row] = user.braking
        if self.dark:
            parked = isinstance(actor.motion, Stand) and not actor.motion.brake_lights
            objects.state[row] = DARK | (objects.state[row] & AMBER) | (0 if parked else LIGHTS_ON)

    def choose_detail(self, eye: NDArray[np.float64]) -> None:
        """Finer meshes for what is near, none for what is out of sight."""
        count = len(self.static.things)
        mesh, pose = self.objects.mesh[self.users :], self.objects.pose[self.users :]
        away = np.hypot(pose[:, 0] - eye[0], pose[:, 1] - eye[1])
        level = (away > FAR_M).astype(np.int64) + (away > DISTANT_M)
        mesh[:] = self.static.rows[level, np.arange(count)]

    def show(self, lights: TrafficLights) -> None:
        """Light the lenses of the signals."""
        state = self.objects.state
        for item in lights.items:
            for row in self._signals.get(item.light, ()):
                state[row] = state[row] & ~(RED | AMBER | GREEN) | SIGNAL_BITS.get(item.state, 0)

    def headlights(self, users: Sequence[Shown]) -> NDArray[np.float64]:
        """Where road users' headlights shine from in the dark: (n, 4) of x, y, yaw, strength."""
        rows = []
        for user in users:
            weak = {"pedestrian": 0.0, "object": 0.0}.get(user.kind.label, 0.75)
            weak = 0.2 if user.actor.kind == "cyclist" else weak
            if weak and self.objects.state[self._row[user.actor.id]] & LIGHTS_ON:
                half = 0.5 * user.kind.length_m
                x, y = user.x_m + half * math.cos(user.yaw_rad), user.y_m + half * math.sin(user.yaw_rad)
                rows.append((x, y, user.yaw_rad, weak))
        return np.array(rows, np.float64).reshape(-1, 4)


def _gait(user: Shown) -> int:
    if user.speed_mps <= 0.05:
        return catalogue.STANDING
    if user.speed_mps < catalogue.RUN_MPS:
        return int(user.gait_turns * people.PHASES) % people.PHASES
    return catalogue.RUNNING + int(user.gait_turns * catalogue.RUN_STRIDES * people.PHASES) % people.PHASES


def _triangle_limit(scenario: Scenario, static: Scenery) -> int:
    ranges = static.library.ranges
    sizes = ranges[:, 3] - ranges[:, 2]
    largest = {kind: int(sizes[rows[0]]) for kind, rows in static.first.items()}
    near = np.sort(sizes[static.rows[0]])[::-1][:2500] if static.rows.size else np.zeros(1)
    return int(near.sum()) + sum(largest[actor.kind] for actor in scenario.actors) + 64


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
        state=np.zeros(total, np.int64),
    )
    footprint = np.zeros((total, 2))
    for row, actor in enumerate(actors):
        kind = KINDS[actor.kind]
        objects.mesh[row] = static.first[actor.kind][0]
        objects.tag[row] = actor.id + (class_of(kind.label) << 16)
        skin, hair = SKINS[int(rng.integers(len(SKINS)))], HAIRS[int(rng.integers(len(HAIRS)))]
        if actor.kind in ("motorcycle", "cyclist"):
            hair = HELMET if actor.kind == "motorcycle" else CYCLE_HELMETS[actor.id % len(CYCLE_HELMETS)]
        objects.palette[row, :3] = actor.colour, actor.second_colour, TYRE
        objects.palette[row, 3:] = GLASS_TINT, RIM, skin, hair, PLATE
        if kind.label == "object":
            _paint_obstacle(objects, row, actor.kind)
        if kind.label == "vehicle" and actor.kind != "cyclist":
            footprint[row] = kind.length_m, kind.width_m
    for row, thing in enumerate(things, len(actors)):
        objects.tag[row] = thing.semantic << 16
        objects.pose[row] = (*thing.pose, thing.scale)
        for slot, colour in thing.palette.items():
            objects.palette[row, slot] = colour
    return objects, footprint


def _paint_obstacle(objects: Objects, row: int, kind: str) -> None:
    """Cones and barriers have their own colours whatever an actor's paint says."""
    objects.palette[row, 7] = SAFETY_WHITE
    if kind == "cone":
        objects.palette[row, 0] = SAFETY_ORANGE
    elif kind == "barrier":
        objects.palette[row, 0], objects.state[row] = SAFETY_RED, AMBER
    elif kind == "debris":
        objects.palette[row, 0], objects.palette[row, 1] = WOOD, WOOD_DARK


def _walls(users: int, static: Scenery) -> NDArray[np.float64]:
    """Rows for ``surfaces.facade``, one per object."""
    walls = np.zeros((users + len(static.things), 23))
    for row, thing in enumerate(static.things, users):
        if thing.semantic == BUILDING:
            x, y, z, yaw = thing.pose
            walls[row, :5] = x, y, z, math.cos(yaw), math.sin(yaw)
            walls[row, 5:8], walls[row, 8:11], walls[row, 11:20] = thing.palette[0], thing.palette[2], thing.style
            walls[row, 20:] = 1.0 / walls[row, [18, 19, 11]]
    return walls
