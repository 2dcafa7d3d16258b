"""Ways through a map from the words of a family file: lanes found by side and turn, joined to paths, where they meet.

Decides geometry only. Lights' programmes follow the map's signal groups.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from functools import lru_cache
from typing import TYPE_CHECKING

import msgspec
import numpy as np
from numpy.typing import NDArray

from pipeline.errors import UsageError
from scenarios.library.errors import InvalidFamily
from scenarios.library.schema import WayShape
from scenarios.scenario import Lights, Path, PathStop, Phase

if TYPE_CHECKING:
    from operators.maps import LaneKey, RoadMap, Way

SIDES = {"south": 0.5 * math.pi, "west": 0.0, "north": -0.5 * math.pi, "east": math.pi}
"""Heading of traffic that comes from there."""
TURNS = {"straight": 0.0, "left": 0.5 * math.pi, "right": -0.5 * math.pi}
TOUCH_M = 1.0
"""Centre lines closer than this meet."""


class Found:
    """The ways of a family: their paths, names for its expressions, and the light groups of their junctions."""

    def __init__(self, map_name: str, shapes: Mapping[str, WayShape]) -> None:
        from scenarios.maps import shipped

        self.map = shipped(map_name)
        self.ways: dict[str, Way] = {}
        self.names: dict[str, float] = {}
        for name, shape in shapes.items():
            junction = "" if shape.through else _junction(self.map, shape.junction)
            way = _over_junction(self.map, shape, junction) if junction else _through(self.map, shape)
            self.ways[name] = way
            self._measure(name, way, junction)
        for name in self.ways:
            if name != "ego" and "ego" in self.ways:
                met = _meeting(self.ways["ego"], self.ways[name])
                if met is not None:
                    self.names[f"ego_meets_{name}_m"], self.names[f"{name}_meets_ego_m"] = met
        self.paths = {name: path_of(name, way) for name, way in self.ways.items()}

    def _measure(self, name: str, way: Way, junction: str) -> None:
        """``length``, and of the way's junction (the first one without a name): ``entry``, ``exit``, stop ``line``."""
        self.names[f"{name}_length_m"] = float(way.s_m[-1])
        crossed = [self.map.lanes[way.lanes[k]].junction for k in way.lane]
        junction = junction or next((one for one in crossed if one), "")
        inside = np.flatnonzero(np.array([one == junction != "" for one in crossed]))
        if len(inside):
            entry = float(way.s_m[inside[0]])
            self.names[f"{name}_entry_m"], self.names[f"{name}_exit_m"] = entry, float(way.s_m[inside[-1]])
            lines = [stop.s_m for stop in way.stops if entry - 30.0 < stop.s_m < entry + 2.0]
            self.names[f"{name}_line_m"] = lines[-1] if lines else entry

    def programmes(
        self, first: str, *, green_s: float, others_s: float, amber_s: float, all_red_s: float, offset_s: float
    ) -> tuple[Lights, ...]:
        """A programme for every junction with lights on the ways; the group of the way ``first`` begins."""
        if first not in self.ways:
            raise InvalidFamily(f"lights: there is no way {first!r}", where="lights.first")
        wanted = {stop.signal for way in self.ways.values() for stop in way.stops if stop.kind == "light"}
        mine = {stop.signal for stop in self.ways[first].stops if stop.kind == "light"}
        found = []
        for junction in self.map.junctions.values():
            groups = [self.map.controllers[controller] for controller in junction.controllers]
            if not wanted & {signal for group in groups for signal in group}:
                continue
            groups.sort(key=lambda group: not mine & set(group))
            phases = [Phase(others_s, tuple(group), amber_s, all_red_s) for group in groups]
            phases[0] = Phase(green_s, tuple(groups[0]), amber_s, all_red_s)
            found.append(Lights(tuple(phases), offset_s))
        return tuple(found)


@lru_cache(maxsize=128)
def find(map_name: str, shapes: tuple[tuple[str, WayShape], ...]) -> Found:
    """The ways of these shapes; read once."""
    return Found(map_name, dict(shapes))


def lit(path: Path, lights: tuple[Lights, ...]) -> Path:
    """The path without the lights that no programme has: nobody would know what they show."""
    known = {name for programme in lights for phase in programme.phases for name in phase.green}
    stops = tuple(stop for stop in path.stops if stop.kind != "light" or stop.light in known)
    return path if len(stops) == len(path.stops) else msgspec.structs.replace(path, stops=stops)


def path_of(name: str, way: Way) -> Path:
    """A map's way as the path of a scenario."""
    limits: list[tuple[float, float]] = []
    for s, limit in zip(way.s_m, way.limit_mps, strict=True):
        if not limits or abs(limits[-1][1] - float(limit)) > 1e-9:
            limits.append((float(s), float(limit)))
    return Path(
        name=name,
        points_m=tuple((float(x), float(y)) for x, y in zip(way.x_m, way.y_m, strict=True)),
        limits=tuple(limits),
        stops=tuple(
            PathStop(stop.s_m, stop.kind, stop.signal if stop.kind == "light" else "", stop.clear_m)
            for stop in way.stops
            if stop.kind in ("light", "stop", "yield")
        ),
    )


def _over_junction(map_: RoadMap, shape: WayShape, junction: str) -> Way:
    choices = []
    for key, lane in map_.lanes.items():
        if lane.kind != "driving" or lane.junction == junction:
            continue
        off = abs(_turned(float(lane.yaw_rad[-1]) - SIDES[shape.from_]))
        for following in lane.next:
            inner = map_.lanes[following]
            if inner.junction != junction or off > math.radians(50.0):
                continue
            turn = _turned(_heading_after(map_, following, junction) - float(lane.yaw_rad[-1]))
            if abs(_turned(turn - TURNS[shape.turn])) < math.radians(45.0):
                choices.append((round(off, 2), abs(key.lane), key, following))
    if not choices:
        raise UsageError(
            f"junction {junction} has no way from {shape.from_} that goes {shape.turn}",
            where=f"map {map_.name}",
            hint="choose another side or turn",
        )
    best = min(choice[0] for choice in choices)
    # The outermost lane has the highest number: right-hand traffic counts from the reference line outwards.
    lanes = sorted((c for c in choices if c[0] <= best + 0.1), key=lambda choice: -choice[1])
    _, _, key, inner_key = lanes[min(shape.lane, len(lanes) - 1)]
    before, start = backwards(map_, key, shape.before)
    after, end = onwards(map_, inner_key, shape.after, junction)
    return map_.way([*before, *after], start, end)


def _junction(map_: RoadMap, name: str) -> str:
    if name in map_.junctions:
        return name
    for junction in map_.junctions.values():
        if junction.name and junction.name == name:
            return junction.id
    if name != "centre" or not map_.junctions:
        known = ", ".join(sorted(map_.junctions)[:12]) or "none"
        raise UsageError(f"no junction {name!r}", where=f"map {map_.name}", hint=f"it has {known}; or say centre")
    west, south, east, north = map_.bounds

    def away(identity: str) -> tuple[int, float]:
        junction = map_.junctions[identity]
        points = np.array([(map_.lanes[k].x_m.mean(), map_.lanes[k].y_m.mean()) for k in junction.lanes])
        x, y = points.mean(axis=0) if len(points) else (math.inf, math.inf)
        return -len(junction.incoming), math.hypot(x - 0.5 * (west + east), y - 0.5 * (south + north))

    return min(sorted(map_.junctions), key=away)


def _heading_after(map_: RoadMap, key: LaneKey, junction: str) -> float:
    """Heading with which the junction is left."""
    for _ in range(20):
        following = [k for k in map_.lanes[key].next if map_.lanes[k].junction == junction]
        if not following:
            break
        key = following[0]
    return float(map_.lanes[key].yaw_rad[-1])


def backwards(map_: RoadMap, key: LaneKey, length_m: float) -> tuple[list[LaneKey], float]:
    """Lanes that lead to the end of ``key``, straightest first, ``length_m`` in all; and where the first begins."""
    keys, left = [key], length_m - map_.lanes[key].length_m
    while left > 0.0 and len(keys) < 200:
        lane = map_.lanes[keys[0]]
        before = [k for k in lane.previous if map_.lanes[k].kind == "driving"]
        if not before:
            # A lane that begins here, such as a pocket for turning: come from the lane beside it.
            beside = [k for k in (lane.right, lane.left) if k is not None and map_.lanes[k].previous and k not in keys]
            if not beside:
                return keys, 0.0
            keys.insert(0, beside[0])
            continue
        keys.insert(0, min(before, key=lambda k: (_bend(map_, k), k)))
        left -= map_.lanes[keys[0]].length_m
    return keys, max(0.0, -left)


def onwards(map_: RoadMap, key: LaneKey, length_m: float, junction: str) -> tuple[list[LaneKey], float]:
    """From ``key`` through the rest of the junction and ``length_m`` beyond it; and where the last lane ends."""
    keys, left = [key], length_m
    while len(keys) < 200:
        lane = map_.lanes[keys[-1]]
        if lane.junction != junction:
            left -= lane.length_m
        after = [k for k in lane.next if map_.lanes[k].kind == "driving"]
        if left <= 0.0 or not after:
            break
        keys.append(min(after, key=lambda k: (map_.lanes[k].junction == junction, _bend(map_, k), k)))
    last = map_.lanes[keys[-1]].length_m
    return keys, last + min(0.0, left) if last + min(0.0, left) > 0.5 else last


def _bend(map_: RoadMap, key: LaneKey) -> float:
    yaw = map_.lanes[key].yaw_rad
    return round(abs(_turned(float(yaw[-1]) - float(yaw[0]))), 3)


def _through(map_: RoadMap, shape: WayShape) -> Way:
    if len(shape.through) < 2:
        raise UsageError("a way through one point", where="ways", hint="give at least two points")
    points = np.array(shape.through)
    places = []
    for k, (x, y) in enumerate(points):
        step = points[k + 1] - points[k] if k + 1 < len(points) else points[k] - points[k - 1]
        place = map_.nearest(float(x), float(y), math.atan2(step[1], step[0]), within_m=30.0)
        if place is None:
            raise UsageError(f"no lane near ({x:g}, {y:g})", where=f"map {map_.name}")
        places.append(place)
    keys: list[LaneKey] = []
    for start, goal in zip(places[:-1], places[1:], strict=True):
        part = map_.search(start, goal)
        keys += part[1:] if keys and part and part[0] == keys[-1] else part
    return map_.way(keys, places[0].s_m, places[-1].s_m)


def _meeting(one: Way, other: Way) -> tuple[float, float] | None:
    """Stations on both of the first place where their centre lines come within a metre."""
    a, b = _dense(one), _dense(other)
    for k in range(len(a)):
        away = np.hypot(b[:, 0] - a[k, 0], b[:, 1] - a[k, 1])
        nearest = int(np.argmin(away))
        if away[nearest] < TOUCH_M:
            return float(a[k, 2]), float(b[nearest, 2])
    return None


def _dense(way: Way) -> NDArray[np.float64]:
    stations = np.arange(0.0, float(way.s_m[-1]), 0.25)
    return np.column_stack([np.interp(stations, way.s_m, way.x_m), np.interp(stations, way.s_m, way.y_m), stations])


def _turned(angle: float) -> float:
    return (angle + math.pi) % (2.0 * math.pi) - math.pi
