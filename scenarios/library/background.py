"""Fill-ins that families name: parked cars, people on the pavements, oncoming traffic, a whole busy street.

Decides who stands around the event. Nobody here is meant to meet the ego.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import numpy as np

from scenarios.scenario import KINDS, Actor, Colour, Drive, Path, Stand, Walk
from scenarios.world.roads import Road

PAINTS: tuple[Colour, ...] = (
    (58, 62, 68), (36, 37, 41), (186, 189, 192), (222, 223, 220), (132, 30, 32), (32, 58, 104), (92, 104, 96),
    (140, 142, 144), (104, 92, 78), (60, 82, 64), (168, 60, 40), (84, 112, 140),
)  # fmt: skip
COATS: tuple[Colour, ...] = ((150, 52, 44), (52, 70, 108), (70, 96, 70), (178, 164, 138), (48, 48, 54), (122, 96, 60))
CARS = ("car", "estate", "mini", "suv", "car", "van")
ROOM_M = 1.2
"""Between a parked car and whatever the family placed at the kerb."""


@dataclass
class Scene:
    """What has been placed so far, on which road, at which speed the ego comes."""

    road: Road | Path
    speed_mps: float
    rng: np.random.Generator
    actors: list[Actor] = field(default_factory=list)

    @property
    def street(self) -> Road:
        """The road; fill-ins are for streets."""
        assert isinstance(self.road, Road)
        return self.road

    def next_id(self) -> int:
        """One more than the highest number so far."""
        return 1 + max((actor.id for actor in self.actors), default=0)

    def is_free(self, s_m: float, d_m: float, length_m: float) -> bool:
        """Whether a car of that length stands clear of every stationary neighbour and of every path on foot."""
        for actor in self.actors:
            stations = [(actor.s_m, actor.d_m)]
            if isinstance(actor.motion, Walk):
                stations += actor.motion.path
            reach = 0.5 * (length_m + KINDS[actor.kind].length_m) + ROOM_M
            low, high = min(d for _, d in stations), max(d for _, d in stations)
            near = min(s for s, _ in stations) - reach < s_m < max(s for s, _ in stations) + reach
            if near and low - 2.2 < d_m < high + 2.2:
                return False
        return True


Fill = Callable[[Scene, Mapping[str, float]], list[Actor]]


def parked_cars(scene: Scene, options: Mapping[str, float]) -> list[Actor]:
    """Rows at the kerbs between two stations, with gaps; clear of what already stands there."""
    rng, road = scene.rng, scene.street
    actors: list[Actor] = []
    for side in (-1.0, 1.0):
        if options["side"] not in (0.0, side):
            continue
        s, number = options["from"] + float(rng.uniform(0.0, 4.0)), scene.next_id() + len(actors)
        while s < options["to"]:
            kind, paint = CARS[int(rng.integers(len(CARS)))], PAINTS[int(rng.integers(len(PAINTS)))]
            length = KINDS[kind].length_m
            gap = float(rng.uniform(1.2, 1.2 + max(0.0, options["gaps"])))
            d = side * (road.lane_width_m + 0.5 * road.parking_m + float(rng.uniform(-0.08, 0.08)))
            if scene.is_free(s + 0.5 * length, d, length):
                heading = 0.0 if side < 0.0 else math.pi
                actors.append(
                    Actor(id=number, kind=kind, s_m=s + 0.5 * length, d_m=d, heading_rad=heading, colour=paint)
                )
                number += 1
            s += length + gap
    return actors


def walkers(scene: Scene, options: Mapping[str, float]) -> list[Actor]:
    """People who walk along the pavements, both ways, as many on either side."""
    rng, road, count = scene.rng, scene.street, int(options["count"])
    span, number = options["to"] - options["from"], scene.next_id()
    actors: list[Actor] = []
    for k in range(count):
        side, way = (-1.0 if k % 2 else 1.0), (1.0 if rng.random() < 0.5 else -1.0)
        s = options["from"] + span * (k + float(rng.random())) / max(1, count)
        d = side * (road.kerb_m + float(rng.uniform(1.3, max(1.4, road.pavement_m - 0.4))))
        coat = COATS[int(rng.integers(len(COATS)))]
        scale, speed = float(rng.uniform(0.92, 1.08)), float(rng.uniform(1.0, 1.7))
        if not scene.is_free(s, d, KINDS["pedestrian"].length_m):
            continue
        # Waypoints on the way keep a walker on the pavement of a bend.
        path = tuple((s + 12.0 * way * step, d) for step in range(1, 11))
        actors.append(
            Actor(
                id=number + len(actors),
                kind="pedestrian",
                s_m=s,
                d_m=d,
                scale=scale,
                colour=coat,
                second_colour=(50, 54, 68),
                motion=Walk(path=path, speed_mps=speed),
            )
        )
    return actors


def oncoming(scene: Scene, options: Mapping[str, float]) -> list[Actor]:
    """Cars in the opposite lane, one behind the other, that drive past."""
    rng, road, number = scene.rng, scene.street, scene.next_id()
    actors, s = [], options["from"]
    for k in range(int(options["count"])):
        kind, paint = CARS[int(rng.integers(len(CARS)))], PAINTS[int(rng.integers(len(PAINTS)))]
        s += KINDS[kind].length_m + float(rng.uniform(0.7, 1.3)) * options["gap"]
        actors.append(
            Actor(
                id=number + k,
                kind=kind,
                s_m=s,
                d_m=-road.own_lane_m,
                heading_rad=math.pi,
                colour=paint,
                motion=Drive(speed_mps=options["speed"]),
            )
        )
    return actors


def busy_street(scene: Scene, options: Mapping[str, float]) -> list[Actor]:
    """``cars`` vehicles, half of them driving, and ``people`` walkers, over the 150 m ahead of the ego."""
    vehicles = _vehicles(scene.rng, scene.street, int(options["cars"]), scene.speed_mps)
    return vehicles + _people(scene.rng, scene.street, int(options["people"]), len(vehicles))


FILLS: dict[str, tuple[Fill, dict[str, float]]] = {
    "parked_cars": (parked_cars, {"from": 20.0, "to": 160.0, "side": 0.0, "gaps": 9.0}),
    "walkers": (walkers, {"count": 4.0, "from": 20.0, "to": 160.0}),
    "oncoming": (oncoming, {"count": 3.0, "from": 60.0, "gap": 22.0, "speed": 10.0}),
    "busy_street": (busy_street, {"cars": 20.0, "people": 10.0}),
}
"""Every fill-in with its options and their defaults."""


def _vehicles(rng: np.random.Generator, road: Road, count: int, speed_mps: float) -> list[Actor]:
    kinds = ("car", "estate", "suv", "mini", "van", "car", "truck")
    strip = road.lane_width_m + 0.5 * road.parking_m
    lines = ((-strip, 0.0), (strip, math.pi), (-road.own_lane_m, math.pi), (road.own_lane_m, 0.0))
    next_s = {line: 50.0 + float(rng.uniform(0.0, 6.0)) for line, _ in lines}
    next_s[road.own_lane_m] = 62.0
    actors: list[Actor] = []
    for number in range(1, count + 1):
        line, heading = lines[(number - 1) % 4]
        parked = abs(line) > road.lane_width_m
        kind = kinds[int(rng.integers(len(kinds)))]
        length = KINDS[kind].length_m
        s = next_s[line] + 0.5 * length
        next_s[line] = s + 0.5 * length + float(rng.uniform(1.5, 14.0) if parked else rng.uniform(9.0, 22.0))
        actors.append(
            Actor(
                id=number,
                kind=kind,
                s_m=s,
                d_m=line + float(rng.uniform(-0.08, 0.08)),
                heading_rad=heading,
                colour=PAINTS[int(rng.integers(len(PAINTS)))],
                second_colour=PAINTS[int(rng.integers(len(PAINTS)))],
                motion=Stand() if parked else Drive(speed_mps=max(3.0, speed_mps)),
            )
        )
    return actors


def _people(rng: np.random.Generator, road: Road, count: int, taken: int) -> list[Actor]:
    actors = []
    for k in range(count):
        side, way = (-1.0 if k % 2 else 1.0), float(rng.choice([-1.0, 1.0]))
        s = 52.0 + 120.0 * (k + float(rng.random())) / max(1, count)
        d = side * (road.kerb_m + float(rng.uniform(1.3, road.pavement_m - 0.4)))
        coat = COATS[int(rng.integers(len(COATS)))]
        actors.append(
            Actor(
                id=taken + k + 1,
                kind="pedestrian",
                s_m=s,
                d_m=d,
                scale=float(rng.uniform(0.92, 1.08)),
                colour=coat,
                second_colour=(50, 54, 68),
                motion=Walk(path=((s + 200.0 * way, d),), speed_mps=float(rng.uniform(1.0, 1.7))),
            )
        )
    return actors
