"""Whether a scenario can be played: numbers that are numbers, paths and lights that exist, room for all.

Raises one ``UsageError`` that names scenario and actor; decides nothing else.
"""

from __future__ import annotations

import math

import msgspec
import numpy as np

from operators.messages import EgoSize
from pipeline.errors import UsageError
from scenarios.scenario import KINDS, Actor, Drive, Path, Scenario, Stand, Trigger, Walk
from scenarios.world.collision import corners, overlap
from scenarios.world.dynamics import MODELS
from scenarios.world.traffic.columns import STOP_KINDS
from scenarios.world.traffic.signals import STATES, Signals
from scenarios.world.ways import PathWay, way_of

FARTHEST_M = 1e6
FASTEST_MPS = 120.0


def check(scenario: Scenario, ego: EgoSize) -> None:
    """Raises UsageError for the first thing in ``scenario`` that makes no sense."""
    where = f"scenario {scenario.name}"
    if scenario.ego_model not in MODELS:
        raise UsageError(
            f"unknown ego_model {scenario.ego_model!r}", where=where, hint=f"use one of {', '.join(MODELS)}"
        )
    if not 0.05 <= scenario.grip() <= 2.0:
        raise UsageError(f"friction {scenario.friction} leaves no grip", where=where, hint="give a factor near 1")
    names = [path.name for path in scenario.paths]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice or "" in names:
        raise UsageError(
            f"path name {(twice or [''])[0]!r} is empty or used twice", where=where, hint="name every path differently"
        )
    lights = Signals(scenario.lights)
    for path in (scenario.road, *scenario.paths):
        if isinstance(path, Path):
            _check_path(path, lights, where)
    _check_route(scenario, where)
    for actor in scenario.actors:
        _check_actor(actor, scenario, lights, f"{where}, actor {actor.id}")
    _check_overlaps(scenario, ego, where)


def _check_path(path: Path, lights: Signals, where: str) -> None:
    way = way_of(path)
    assert isinstance(way, PathWay)
    for start, limit in path.limits:
        if not (math.isfinite(start) and 0.0 < limit <= FASTEST_MPS):
            raise UsageError(
                f"limit {limit} m/s from {start} m on",
                where=f"{where}, path {path.name!r}",
                hint=f"give a limit above 0, up to {FASTEST_MPS:.0f} m/s",
            )
    for stop in path.stops:
        place = f"{where}, path {path.name!r}, stop at {stop.s_m} m"
        if stop.kind not in STOP_KINDS:
            raise UsageError(
                f"unknown kind of stop {stop.kind!r}", where=place, hint=f"use one of {_listed(STOP_KINDS)}"
            )
        if not (0.0 <= stop.s_m <= way.length_m and 0.0 <= stop.clear_m < FARTHEST_M):
            raise UsageError(
                "the stop is not on the path, or its clearance is no length",
                where=place,
                hint=f"the path is {way.length_m:.1f} m long",
            )
        if stop.kind == "light" and stop.light not in lights.index:
            raise UsageError(
                f"light {stop.light!r} has no programme", where=place, hint=f"lights: {_listed(lights.names)}"
            )


def _check_route(scenario: Scenario, where: str) -> None:
    begin, end = scenario.ego_s_m, scenario.end_s_m
    if not (math.isfinite(begin) and math.isfinite(end) and begin < end):
        raise UsageError(
            f"no route: the drive goes from {begin} m to {end} m", where=where, hint="end_s_m must lie beyond ego_s_m"
        )
    way = way_of(scenario.road)
    if isinstance(way, PathWay) and not way.line().closed and not 0.0 <= begin < end <= way.length_m + 1.0:
        raise UsageError(
            f"no route: the drive goes from {begin:.1f} m to {end:.1f} m, its path is {way.length_m:.1f} m long",
            where=where,
            hint="put ego_s_m and end_s_m on the path",
        )


def _check_actor(actor: Actor, scenario: Scenario, lights: Signals, where: str) -> None:
    if not all(math.isfinite(value) for value in (actor.s_m, actor.d_m, actor.heading_rad, actor.scale)):
        raise UsageError("its place or size is not a number", where=where, hint="check s_m, d_m, heading_rad, scale")
    if actor.scale <= 0.0 or max(abs(actor.s_m), abs(actor.d_m)) > FARTHEST_M:
        raise UsageError("its scale is not positive or it is beyond the world", where=where, hint="check the numbers")
    paths = {path.name: path for path in scenario.paths}
    if actor.on and actor.on not in paths:
        raise UsageError(
            f"there is no path {actor.on!r}", where=where, hint=f"paths: {_listed(paths)}; empty: the ego's road"
        )
    road = paths[actor.on] if actor.on else scenario.road
    way = way_of(road)
    if isinstance(actor.motion, Drive) and isinstance(way, PathWay) and not 0.0 <= actor.s_m <= way.length_m:
        raise UsageError(
            f"station {actor.s_m:.1f} m is not on its path",
            where=where,
            hint=f"path {way.path.name!r} is {way.length_m:.1f} m long",
        )
    _check_motion(actor, lights, where)


def _check_motion(actor: Actor, lights: Signals, where: str) -> None:
    motion = actor.motion
    if isinstance(motion, Stand):
        return
    for name, value in _numbers(motion):
        least = -math.inf if name.endswith(("d_m", "arrival_s_m", "ego_station_m")) else 0.0
        if math.isnan(value) or value < least or (value > FASTEST_MPS and name.endswith("_mps")):
            raise UsageError(f"{name} is {value}", where=where, hint="give a number that makes sense, not NaN")
    if isinstance(motion, Walk):
        if not all(math.isfinite(value) for point in motion.path for value in point):
            raise UsageError("a point of its path is not finite", where=where, hint="check the points (s, d)")
        if motion.speed_mps <= 0.0:
            raise UsageError("a walk at no speed", where=where, hint="use Stand() for somebody who stands")
    elif motion.at_end not in ("leave", "stop"):
        raise UsageError(f"unknown at_end {motion.at_end!r}", where=where, hint="use leave or stop")
    triggers = [motion.trigger]
    if isinstance(motion, Drive):
        triggers += [change.trigger for change in motion.changes]
    for trigger in triggers:
        _check_trigger(trigger, lights, where)


def _check_trigger(trigger: Trigger, lights: Signals, where: str) -> None:
    if trigger.light and trigger.light not in lights.index:
        raise UsageError(
            f"a trigger waits for light {trigger.light!r}, which has no programme",
            where=where,
            hint=f"lights: {_listed(lights.names)}",
        )
    if trigger.light and trigger.light_state not in STATES:
        raise UsageError(
            f"a light never shows {trigger.light_state!r}", where=where, hint=f"use one of {_listed(STATES)}"
        )


def _numbers(motion: Walk | Drive) -> list[tuple[str, float]]:
    """Every number of a script with its name."""
    found: list[tuple[str, float]] = []
    structs: list[tuple[str, msgspec.Struct]] = [("", motion), ("trigger.", motion.trigger)]
    if isinstance(motion, Drive):
        for k, change in enumerate(motion.changes):
            structs += [(f"changes[{k}].", change), (f"changes[{k}].trigger.", change.trigger)]
    for prefix, struct in structs:
        for name in struct.__struct_fields__:
            value = getattr(struct, name)
            if isinstance(value, (int, float)) and not isinstance(value, bool):
                found.append((prefix + name, float(value)))
    return found


def _check_overlaps(scenario: Scenario, size: EgoSize, where: str) -> None:
    """Nobody may begin inside a vehicle; people may stand close to one another."""
    paths = {path.name: way_of(path) for path in scenario.paths}
    own = way_of(scenario.road)
    x, y, yaw = own.pose(scenario.ego_s_m, own.own_lane_m)
    lead = size.middle_m
    boxes = [(x + lead * math.cos(yaw), y + lead * math.sin(yaw), yaw, size.length_m, size.width_m)]
    names, on_foot = ["the ego"], [False]
    for actor in scenario.actors:
        way, kind = (paths[actor.on] if actor.on else own), KINDS[actor.kind]
        x, y, yaw = way.pose(actor.s_m, actor.d_m)
        boxes.append((x, y, yaw + actor.heading_rad, kind.length_m, kind.width_m))
        names.append(f"actor {actor.id} ({actor.kind})")
        on_foot.append(kind.label == "pedestrian")
    table = np.array(boxes)
    reach = 0.5 * np.hypot(table[:, 3], table[:, 4])
    for k in range(1, len(table)):
        apart = np.hypot(*(table[:k, :2] - table[k, :2]).T)
        for j in np.flatnonzero(apart < reach[:k] + reach[k]):
            if not (on_foot[k] and on_foot[j]) and overlap(corners(*table[k]), corners(*table[j])):
                raise UsageError(
                    f"{names[k]} begins inside {names[j]}",
                    where=where,
                    hint="place them further apart, or on another path",
                )


def _listed(names: object) -> str:
    assert hasattr(names, "__iter__")
    return ", ".join(sorted(names)) or "(none)"
