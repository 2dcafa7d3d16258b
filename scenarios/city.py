"""A drive through a town as a scenario: a random route of any length over a map, traffic and people around it.

Decides who is where at the start and what they are up to; ``world`` plays it.
"""

from __future__ import annotations

import math

import numpy as np

from operators.maps import RoadMap
from pipeline.errors import UsageError
from scenarios.maps import shipped
from scenarios.mapways import circuits, path_over, programmes, random_route
from scenarios.mapways import crossings as crossings_of
from scenarios.scenario import KINDS, Actor, Colour, Drive, Path, Scenario, Stand, Trigger, Walk, Weather
from scenarios.world.ways import PCURVATURE, PSPEED, way_of

PAINTS: tuple[Colour, ...] = (
    (58, 62, 68), (36, 37, 41), (186, 189, 192), (222, 223, 220), (132, 30, 32), (32, 58, 104), (92, 104, 96),
    (140, 142, 144), (104, 92, 78), (60, 82, 64), (168, 60, 40), (84, 112, 140),
)  # fmt: skip
COATS: tuple[Colour, ...] = ((150, 52, 44), (52, 70, 108), (70, 96, 70), (178, 164, 138), (48, 48, 54), (122, 96, 60))
KINDS_DRIVEN = ("car", "truck", "bus", "motorcycle", "cyclist")
CLEAR = Weather()
EGO_S_M = 5.0
CARS = ("car", "car", "estate", "suv", "mini", "van")
MOST_CIRCUITS = 14
CLEAR_M, EGO_CLEAR_M, JUNCTION_M = 6.0, 30.0, 8.0
"""Room around everybody at the start, around the ego, and before a line."""
BEYOND_M = 130.0
"""The route goes on so far beyond the end of the drive."""
URBAN_MPS = 17.0
LANE_M, VAN_M = 3.4, 4.2
"""Width of a lane, and how far a parked van's middle is before whoever steps out from behind it."""


def city(
    map_name: str = "grid",
    seed: int = 0,
    *,
    length_m: float = 5000.0,
    cars: int = 20,
    trucks: int = 2,
    buses: int = 2,
    motorcycles: int = 2,
    cyclists: int = 4,
    pedestrians: int = 15,
    crossings: int = 0,
    hidden_share: float = 0.5,
    speed_mps: float = 0.0,
    stop_on_collision: bool = False,
    ego_model: str = "dynamic",
    weather: Weather = CLEAR,
    duration_s: float | None = None,
) -> Scenario:
    """A random drive of ``length_m`` through the map of that name, or in that file.

    ``pedestrians`` use crosswalks and pavements and look before they step out; ``crossings`` people run across the
    ego's way without looking, spread over the route, ``hidden_share`` of them from behind a parked van. Equal arguments
    give equal scenarios. Raises UsageError: no such map, no route of that length, no room for so many.
    """
    town = _empty_town(map_name, seed, length_m)
    town.populate((cars, trucks, buses, motorcycles, cyclists), pedestrians)
    town.add_crossings(crossings, hidden_share, length_m)
    name = town.map_.name.removesuffix(".xodr")
    return Scenario(
        name=f"city-{name}-{seed}",
        title=f"{length_m / 1000.0:.1f} km through {name}",
        duration_s=duration_s or 120.0 + length_m / 2.5,
        speed_mps=speed_mps,
        actors=tuple(town.actors),
        road=town.road,
        map=map_name,
        paths=tuple(town.paths),
        lights=programmes(town.map_, town.lights(), np.random.default_rng([seed, 6153])),
        weather=weather,
        ego_model=ego_model,
        stop_on_collision=stop_on_collision,
        ego_s_m=EGO_S_M,
        end_s_m=EGO_S_M + length_m,
        scenery_seed=seed,
        parameters={"length_m": length_m, "crossings": float(crossings), "seed": float(seed)},
    )


def _empty_town(map_name: str, seed: int, length_m: float) -> _Town:
    if not (math.isfinite(length_m) and 30.0 <= length_m <= 200_000.0):
        raise UsageError(f"a drive of {length_m} m", where="city", hint="give a length from 30 m to 200 km")
    map_, rng = shipped(map_name), np.random.default_rng([seed, 6151])
    lanes, start_s_m = random_route(map_, length_m + BEYOND_M, rng)
    road = path_over(map_, lanes, "ego", start_s_m=start_s_m)
    loops = circuits(map_, MOST_CIRCUITS, rng) or crossings_of(map_, MOST_CIRCUITS, rng)
    return _Town(map_, road, loops, np.random.default_rng([seed, 6152]))


class _Town:
    """Collects paths and actors, so that nobody begins where somebody else is."""

    def __init__(self, map_: RoadMap, road: Path, loops: list[Path], rng: np.random.Generator) -> None:
        self.map_, self.road, self._loops, self._rng = map_, road, loops, rng
        self.paths: list[Path] = []
        self.actors: list[Actor] = []
        x, y, _ = way_of(road).pose(EGO_S_M)
        self._taken: list[tuple[float, float, float]] = [(x, y, EGO_CLEAR_M)]
        self._crossings = _crosswalks(map_)
        inside = [np.stack([lane.x_m, lane.y_m], axis=1) for lane in map_.lanes.values() if lane.junction]
        self._junctions = np.concatenate([np.zeros((0, 2)), *inside])
        self._pavements = [
            lane
            for lane in map_.lanes.values()
            if lane.kind == "sidewalk" and not lane.junction and lane.length_m > 30.0
        ]

    def lights(self) -> set[str]:
        """The lights on all paths."""
        return {stop.light for path in (self.road, *self.paths) for stop in path.stops if stop.light}

    def populate(self, counts: tuple[int, ...], pedestrians: int) -> None:
        """So many of ``KINDS_DRIVEN``, and people."""
        for kind, count in zip(KINDS_DRIVEN, counts, strict=True):
            for _ in range(count):
                self.add_vehicle(kind)
        for _ in range(pedestrians):
            self.add_pedestrian()

    def add_vehicle(self, kind: str) -> None:
        """A driver somewhere on a circuit, clear of junctions and of everybody else."""
        if not self._loops:
            raise UsageError(
                f"map {self.map_.name!r} has no way that traffic could drive",
                where="city",
                hint="set cars=0 and so on",
            )
        rng = self._rng
        for _ in range(400):
            loop = self._loops[int(rng.integers(len(self._loops)))]
            way = way_of(loop)
            s, d = float(rng.uniform(2.0, way.length_m - 2.0)), (-1.0 if kind == "cyclist" else 0.0)
            which = CARS[int(rng.integers(len(CARS)))] if kind == "car" else kind
            allowed = float(way.line().nodes[int(s / way.line().step_m), PSPEED])
            start = min(0.6 * allowed, 5.0 if allowed < URBAN_MPS else allowed)
            half = 0.5 * KINDS[which].length_m + (0.0 if allowed < URBAN_MPS else start)
            near = any(-half - JUNCTION_M < s - stop.s_m < stop.clear_m + half + 4.0 for stop in loop.stops)
            x, y, _ = way.pose(s, d)
            if near or not self._is_free(x, y, half):
                continue
            self._taken.append((x, y, half))
            self._use(loop)
            fastest = max(limit for _, limit in loop.limits)
            wish = float(rng.uniform(4.0, 6.0) if kind == "cyclist" else rng.uniform(0.85, 1.1) * fastest)
            motion = Drive(wish, start_mps=min(wish, start), changes_lanes=fastest > URBAN_MPS and kind != "cyclist")
            self._add(which, s, d, loop.name, motion, PAINTS)
            return
        raise UsageError(
            f"no room for {len(self.actors) + 1} road users on map {self.map_.name!r}",
            where="city",
            hint="ask for fewer",
        )

    def add_pedestrian(self) -> None:
        """Somebody who crosses at a crosswalk or walks along a pavement, back and forth."""
        rng = self._rng
        speed = float(rng.uniform(1.0, 1.7) if rng.random() < 0.9 else rng.uniform(2.4, 3.2))
        if self._crossings and rng.random() < 0.5:
            path = self._crossings[int(rng.integers(len(self._crossings)))]
            length, side = way_of(path).line().length_m, float(rng.uniform(-0.9, 0.9))
            route: tuple[tuple[float, float], ...] = ((length, side), (0.0, side))
            start = (0.0, side)
        elif self._pavements:
            lane = self._pavements[int(rng.integers(len(self._pavements)))]
            points = tuple(zip(lane.x_m.tolist(), lane.y_m.tolist(), strict=True))
            path = Path(name=f"pavement {'/'.join(map(str, lane.key))}", points_m=points)
            length, side = way_of(path).line().length_m, float(rng.uniform(-0.6, 0.6))
            start = (float(rng.uniform(0.0, length)), side)
            ahead = tuple((float(s), side) for s in np.arange(start[0] + 10.0, length, 10.0))
            back = tuple((float(s), side) for s in np.arange(length, 0.0, -10.0))
            route = (*ahead, *back, (0.0, side), *((float(s), side) for s in np.arange(10.0, start[0], 10.0)))
        else:
            return
        self._use(path)
        self._add("pedestrian", *start, path.name, Walk(route, speed, minds=True, loop=True), COATS)

    def add_crossings(self, count: int, hidden_share: float, length_m: float) -> None:
        """People who run across the ego's way when it comes, some of them from behind a parked van."""
        rng, way = self._rng, way_of(self.road)
        for _ in range(count):
            hidden = bool(rng.random() < hidden_share)
            speed, arrives_s = float(rng.uniform(1.6, 3.2)), float(rng.uniform(1.8, 3.6))
            kerb = -LANE_M / 2.0 - (2.4 if hidden else 1.2)
            s = self._place_beside(kerb, length_m)
            x, y, _ = way.pose(s, kerb - 0.6)
            self._taken.append((x, y, VAN_M))
            if hidden:
                self._add("van", s - VAN_M, kerb + 0.25, "", Stand(), PAINTS)
            trigger = Trigger(ego_arrives_in_s=arrives_s, arrival_s_m=s, ego_station_m=max(0.0, s - 80.0))
            self._add("pedestrian", s, kerb - 0.6, "", Walk(((s, 8.5),), speed, trigger), COATS)

    def _place_beside(self, kerb_m: float, length_m: float) -> float:
        """A station of the ego's road beside which nobody is, for somebody to step out; away from junctions."""
        way = way_of(self.road)
        for _ in range(200):
            s = self._clear_of_junctions(float(self._rng.uniform(80.0, max(81.0, length_m - 30.0))))
            places = [way.pose(s - back, kerb_m)[:2] for back in (0.0, VAN_M)]
            if all(self._is_free(x, y, 2.6) for x, y in places):
                return s
        raise UsageError(
            f"no room for so many crossings on {length_m:.0f} m", where="city", hint="ask for fewer, or a longer drive"
        )

    def _clear_of_junctions(self, s: float) -> float:
        """The station, moved back to where the road is straight and no junction is near."""
        bends = way_of(self.road).line().nodes[:, PCURVATURE]
        while s > 60.0:
            bend = np.abs(bends[max(0, int(s) - 20) : int(s) + 10]).max()
            if bend < 1.0 / 150.0 and not self._is_in_junction(s, 18.0):
                break
            s -= 5.0
        return s

    def _is_in_junction(self, s: float, within_m: float) -> bool:
        x, y, _ = way_of(self.road).pose(s)
        return bool(np.min(np.hypot(*(self._junctions - (x, y)).T), initial=math.inf) < within_m)

    def _is_free(self, x: float, y: float, half: float) -> bool:
        return all(math.hypot(x - ox, y - oy) > half + other + CLEAR_M for ox, oy, other in self._taken)

    def _use(self, path: Path) -> None:
        if all(path.name != other.name for other in self.paths):
            self.paths.append(path)

    def _add(
        self, kind: str, s: float, d: float, on: str, motion: Stand | Walk | Drive, paints: tuple[Colour, ...]
    ) -> None:
        rng = self._rng
        colours = [paints[int(rng.integers(len(paints)))] for _ in range(2)]
        scale = float(rng.uniform(0.9, 1.08)) if kind == "pedestrian" else 1.0
        self.actors.append(
            Actor(
                id=len(self.actors) + 1, kind=kind, s_m=s, d_m=d, on=on, motion=motion, scale=scale,
                colour=colours[0], second_colour=(50, 54, 68) if kind == "pedestrian" else colours[1],
            )
        )  # fmt: skip


def _crosswalks(map_: RoadMap) -> list[Path]:
    """The centre lines of the crosswalks, from pavement to pavement."""
    found = []
    for crosswalk in map_.crosswalks:
        corners = np.asarray(crosswalk.corners)[:4]
        if len(corners) < 4:
            continue
        sides = np.hypot(*(np.roll(corners, -1, axis=0) - corners).T)
        k = 0 if sides[0] > sides[1] else 1
        # Along the longer side, 1.6 m further at both ends.
        a, b = 0.5 * (corners[k] + corners[(k + 3) % 4]), 0.5 * (corners[k + 1] + corners[(k + 2) % 4])
        length = float(np.hypot(*(b - a)))
        unit = (b - a) / max(length, 1e-6)
        a, b = a - 1.6 * unit, b + 1.6 * unit
        count = max(3, math.ceil(length + 3.2) + 1)
        points = tuple((float(x), float(y)) for x, y in np.linspace(a, b, count))
        found.append(Path(name=f"crosswalk {crosswalk.id}", points_m=points))
    return found
