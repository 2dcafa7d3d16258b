"""The town that the execution models are compared in; the same for all of them.

Decides how much happens per kilometre: people who run out, cars that pull out, cars that run red lights. Who else is
where is ``scenarios.city``'s.
"""

from __future__ import annotations

import math

import msgspec
import numpy as np
from numpy.typing import NDArray

from operators.messages import CameraModel
from scenarios.city import city
from scenarios.scenario import Actor, Drive, Path, PathStop, Scenario, Stand, Trigger
from scenarios.world.ways import Way, way_of
from scenarios.world.world import World

CROSSINGS_PER_KM, HIDDEN_SHARE = 5.0, 0.5
PULL_OUTS_PER_KM = 1.0
RUNNER_SHARE = 0.5
"""At so many of the junctions that the ego crosses straight on, somebody ignores the red light."""
DESCRIPTION = (
    "Town: 20 cars, 2 trucks, 2 buses, 2 motorcycles, 4 cyclists and 15 pedestrians; in every kilometre 5 people run "
    "across the ego's way without looking, half of them from behind a parked van, and a parked car pulls out before "
    "the ego; at half of the junctions that the ego crosses straight on a car runs its red light. The ego's camera is "
    "120° wide, with as many pixels a degree straight ahead as one of 90°"
)
CAMERA = CameraModel(width_px=1108, cx_px=554.0)
"""At 90° a car that runs its red light as fast as the ego drives would never be in the picture."""
LANE_M, PARKED_M, MERGE_M = 3.4, 3.4, 14.0
RUN_UP_M, RUN_ON_M = 50.0, 45.0
ROOM_M, APART_M, ASIDE_M = 9.0, 4.0, 3.0
RUN_UP_S = 8.2
"""What a car needs for the run-up from a standstill."""


def scenario(map_name: str, seed: int, length_m: float) -> Scenario:
    """The drive of a seed; it goes on after a collision, without whoever was hit."""
    crossings = max(1, round(CROSSINGS_PER_KM * length_m / 1000.0))
    base = city(map_name, seed, length_m=length_m, crossings=crossings, hidden_share=HIDDEN_SHARE)
    road = base.road
    assert isinstance(road, Path)
    rng, way = np.random.default_rng([seed, 911]), way_of(road)
    paths = _runners(road, way, length_m, rng) + _pull_outs(road, way, length_m, rng)
    base = _thinned(base)
    actors, taken = list(base.actors), _places(base)
    used: list[Path] = []
    line = np.array(road.points_m)
    for path, drive in paths:
        here = np.array(path.points_m[2])
        if len(taken) and np.hypot(*(taken - here).T).min() < ROOM_M:
            continue  # Somebody stands there already.
        if np.hypot(*(line - here).T).min() < ASIDE_M:
            continue  # It would wait in the way of the ego, which comes by there as well.
        number = max(actor.id for actor in actors) + 1
        actors.append(Actor(id=number, kind="car", s_m=2.5, d_m=0.0, on=path.name, motion=drive, colour=(150, 40, 40)))
        taken, used = np.vstack([taken, here]), [*used, path]
    return msgspec.structs.replace(base, actors=tuple(actors), paths=(*base.paths, *used))


def _thinned(base: Scenario) -> Scenario:
    """Without the parked vans that stand where somebody else begins."""
    places = _places(base)
    kept = []
    for k, actor in enumerate(base.actors):
        gaps = np.hypot(*(np.delete(places, k, axis=0) - places[k]).T)
        if not isinstance(actor.motion, Stand) or gaps.min(initial=math.inf) > APART_M:
            kept.append(actor)
    return msgspec.structs.replace(base, actors=tuple(kept))


def _places(base: Scenario) -> NDArray[np.float64]:
    """Where everybody begins, (n, 2)."""
    ways = {path.name: way_of(path) for path in base.paths} | {"": way_of(base.road)}
    points = [ways[actor.on].pose(actor.s_m, actor.d_m)[:2] for actor in base.actors]
    return np.array(points, np.float64).reshape(-1, 2)


def world(*, map: str, length_m: float, seed: int) -> World:  # noqa: A002
    """A world for the launch file."""
    return World(scenario(map, seed, length_m), seed=seed, camera=CAMERA, pixels=False)


def _runners(road: Path, way: Way, length_m: float, rng: np.random.Generator) -> list[tuple[Path, Drive]]:
    """Cars that come from the side and do not stop for their light."""
    found = []
    for number, stop in enumerate(road.stops):
        drawn, side, late = float(rng.random()), (1.0 if rng.random() < 0.5 else -1.0), float(rng.uniform(-1.2, 0.8))
        if stop.kind != "light" or drawn > RUNNER_SHARE or not 40.0 < stop.s_m < length_m - 60.0:
            continue
        if not _is_straight(stop, way):
            continue
        middle = stop.s_m + 0.5 * stop.clear_m
        x, y, yaw = way.pose(middle)
        # From the right (side -1) it goes left: to keep right is to keep further on, and the other way round.
        keeps = -side * 0.5 * LANE_M
        ahead = (math.cos(yaw), math.sin(yaw))
        left = (-ahead[1], ahead[0])
        along = np.arange(-RUN_UP_M, RUN_ON_M + 1e-9, 1.0)
        beside = -side * PARKED_M * _parked_share(along + RUN_UP_M)
        points = tuple(
            (
                float(x + (keeps + b) * ahead[0] - side * a * left[0]),
                float(y + (keeps + b) * ahead[1] - side * a * left[1]),
            )
            for a, b in zip(along, beside, strict=True)
        )
        trigger = Trigger(
            ego_arrives_in_s=RUN_UP_S + late, arrival_s_m=middle, ego_station_m=max(0.0, stop.s_m - 130.0)
        )
        found.append((Path(name=f"runner {number}", points_m=points), Drive(13.0, trigger, obeys=False, minds=False)))
    return found


def _pull_outs(road: Path, way: Way, length_m: float, rng: np.random.Generator) -> list[tuple[Path, Drive]]:
    """Parked cars that pull out before the ego, drive on for a while and leave."""
    found = []
    for number in range(round(PULL_OUTS_PER_KM * length_m / 1000.0)):
        s, arrives_s = float(rng.uniform(80.0, length_m - 150.0)), float(rng.uniform(1.8, 3.2))
        near = [stop for stop in road.stops if -(MERGE_M + 60.0) < s - stop.s_m < stop.clear_m + 20.0]
        if near:
            s = near[-1].s_m + near[-1].clear_m + 25.0
        along = np.arange(0.0, 60.0, 1.0)
        places = [
            way.pose(s + float(a), -PARKED_M * float(b)) for a, b in zip(along, _parked_share(along), strict=True)
        ]
        path = Path(name=f"pull-out {number}", points_m=tuple((x, y) for x, y, _ in places))
        trigger = Trigger(ego_arrives_in_s=arrives_s, arrival_s_m=s, ego_station_m=max(0.0, s - 80.0))
        found.append((path, Drive(9.0, trigger, obeys=False, minds=False)))
    return found


def _parked_share(along_m: NDArray[np.float64]) -> NDArray[np.float64]:
    """1 while parked, 0 once in the lane, smoothly in between."""
    share = np.clip((along_m - 5.0) / MERGE_M, 0.0, 1.0)
    return np.asarray(1.0 - share * share * (3.0 - 2.0 * share))


def _is_straight(stop: PathStop, way: Way) -> bool:
    """Whether the ego's road crosses the junction behind the line straight on."""
    before, after = way.pose(stop.s_m)[2], way.pose(stop.s_m + stop.clear_m)[2]
    return stop.clear_m > 8.0 and abs(math.remainder(after - before, math.tau)) < 0.15
