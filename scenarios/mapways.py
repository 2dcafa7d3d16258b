"""Ways through a map as scenarios have them: paths from lanes, random routes and circuits, programmes for its lights.

Decides geometry and light programmes; who drives there is ``city``'s business. All chance comes from the generator.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Mapping, Sequence

import numpy as np

from operators.maps import LaneKey, MapSignal, RoadMap
from pipeline.errors import UsageError
from scenarios.scenario import Lights, Path, PathStop, Phase

GREEN_S = (11.0, 17.0)
AMBER_S, ALL_RED_S = 3.0, 2.0
CIRCUIT_M = (500.0, 1400.0)
"""Length of the circuits that traffic drives round and round."""
START_ROOM_M = 40.0
TRIES = 60


def path_over(
    map_: RoadMap, lanes: Sequence[LaneKey], name: str, *, start_s_m: float = 0.0, end_s_m: float | None = None
) -> Path:
    """The lanes, one after the other, as a path with their limits, lights, stop and yield lines."""
    way = map_.way(lanes, start_s_m, end_s_m)
    changes = np.flatnonzero(np.diff(way.limit_mps, prepend=-1.0))
    return Path(
        name=name,
        points_m=tuple(zip(way.x_m.tolist(), way.y_m.tolist(), strict=True)),
        limits=tuple((float(way.s_m[k]), float(way.limit_mps[k])) for k in changes),
        stops=tuple(
            PathStop(stop.s_m, stop.kind, stop.signal if stop.kind == "light" else "", stop.clear_m)
            for stop in way.stops
        ),
    )


def lasting_lanes(map_: RoadMap) -> tuple[LaneKey, ...]:
    """The driving lanes from which one can drive on for ever; empty on a map without a circuit."""
    driving = {key: lane for key, lane in map_.lanes.items() if lane.kind == "driving"}
    onward = {key: {k for k in lane.next if k in driving} for key, lane in driving.items()}
    ends = [key for key, following in onward.items() if not following]
    while ends:
        gone = ends.pop()
        for key in driving[gone].previous:
            if key in onward and gone in onward[key]:
                onward[key].discard(gone)
                if not onward[key]:
                    ends.append(key)
        onward.pop(gone, None)
    return tuple(key for key in map_.keys if onward.get(key))


def random_route(map_: RoadMap, length_m: float, rng: np.random.Generator) -> tuple[list[LaneKey], float]:
    """Lanes driven one after the other, at least ``length_m`` from the station on the first one; both are returned.

    Raises UsageError when the map has no way of that length.
    """
    lasting = set(lasting_lanes(map_))
    if not lasting:
        return _longest_route(map_, length_m)
    starts = [key for key in map_.keys if key in lasting and _is_start(map_, key)]
    if not starts:
        raise UsageError(f"map {map_.name!r} has no lane to start on", hint=f"one of {START_ROOM_M:.0f} m is needed")
    lanes = [starts[int(rng.integers(len(starts)))]]
    start_s_m = 0.25 * map_.lanes[lanes[0]].length_m
    driven, passed = map_.lanes[lanes[0]].length_m - start_s_m, {lanes[0]: 1}
    while driven < length_m:
        onward = [key for key in map_.lanes[lanes[-1]].next if key in lasting]
        # Streets that have been driven less often first, so that a long drive sees the whole town.
        weight = np.array([1.0 / (1.0 + 3.0 * passed.get(key, 0)) for key in onward])
        chosen = onward[int(rng.choice(len(onward), p=weight / weight.sum()))]
        lanes.append(chosen)
        passed[chosen] = passed.get(chosen, 0) + 1
        driven += map_.lanes[chosen].length_m
    return lanes, start_s_m


def circuits(map_: RoadMap, count: int, rng: np.random.Generator) -> list[Path]:
    """Up to ``count`` closed paths that begin in the middle of a street and never use a lane twice."""
    lasting = set(lasting_lanes(map_))
    starts = [key for key in map_.keys if key in lasting and _is_start(map_, key)]
    found: list[Path] = []
    for _ in range(TRIES * count if starts else 0):
        if len(found) == count:
            break
        lanes = _circuit(map_, starts[int(rng.integers(len(starts)))], lasting, rng)
        if lanes is None:
            continue
        middle = 0.5 * map_.lanes[lanes[0]].length_m
        found.append(path_over(map_, [*lanes, lanes[0]], f"circuit {len(found) + 1}", start_s_m=middle, end_s_m=middle))
    return found


def crossings(map_: RoadMap, count: int, rng: np.random.Generator) -> list[Path]:
    """Up to ``count`` open paths from where lanes begin to where they end: traffic of a map without circuits."""
    driving = {key for key, lane in map_.lanes.items() if lane.kind == "driving"}
    starts = [key for key in map_.keys if key in driving and not any(k in driving for k in map_.lanes[key].previous)]
    found: list[Path] = []
    for k in range(count if starts else 0):
        # Every entrance in turn, so that no lane of a wide road stays empty.
        lanes = [starts[k % len(starts)]]
        while onward := [key for key in map_.lanes[lanes[-1]].next if key in driving and key not in lanes]:
            lanes.append(onward[int(rng.integers(len(onward)))])
        if sum(map_.lanes[key].length_m for key in lanes) > 2.0 * START_ROOM_M:
            found.append(path_over(map_, lanes, f"way {len(found) + 1}"))
    return found


def programmes(map_: RoadMap, used: set[str], rng: np.random.Generator) -> tuple[Lights, ...]:
    """A programme for the lights of every junction that has one of ``used``: its groups get green in turn."""
    lights = {signal.id: signal for signal in map_.signals if signal.kind == "light"}
    left = set(lights)
    found: list[Lights] = []
    for junction in sorted(map_.junctions.values(), key=lambda junction: junction.id):
        groups = [
            tuple(name for name in map_.controllers.get(controller, ()) if name in left)
            for controller in junction.controllers
        ]
        left -= {name for group in groups for name in group}
        found += _programme([group for group in groups if group], used, rng)
    by_junction: dict[str, list[MapSignal]] = {}
    for name in sorted(left):
        by_junction.setdefault(_junction_of(map_, lights[name]), []).append(lights[name])
    for signals in by_junction.values():
        found += _programme(_by_axis(signals), used, rng)
    return tuple(found)


def _programme(groups: Sequence[tuple[str, ...]], used: set[str], rng: np.random.Generator) -> list[Lights]:
    # Drawn for all junctions, used or not: a longer route must not change the lights of the shorter one.
    lengths, offset = rng.uniform(*GREEN_S, len(groups)), float(rng.uniform(0.0, 40.0))
    if not any(name in used for group in groups for name in group):
        return []
    phases = [Phase(float(length), group, AMBER_S, ALL_RED_S) for group, length in zip(groups, lengths, strict=True)]
    if len(phases) == 1:
        # A lone group would never turn red: its lights then serve those who cross on foot.
        phases.append(Phase(10.0, (), 0.0, ALL_RED_S))
    return [Lights(tuple(phases), offset)]


def _by_axis(signals: Sequence[MapSignal]) -> list[tuple[str, ...]]:
    """Lights that face along one axis share a phase."""
    groups: list[tuple[float, list[str]]] = []
    for signal in signals:
        for axis, names in groups:
            if abs(math.sin(signal.yaw_rad - axis)) < math.sin(math.pi / 4.0):
                names.append(signal.id)
                break
        else:
            groups.append((signal.yaw_rad, [signal.id]))
    return [tuple(names) for _, names in groups]


def _junction_of(map_: RoadMap, signal: MapSignal) -> str:
    for key in signal.lanes:
        lane = map_.lanes[key]
        for near in (lane, *(map_.lanes[following] for following in lane.next)):
            if near.junction:
                return near.junction
    return f"signal {signal.id}"


def _is_start(map_: RoadMap, key: LaneKey) -> bool:
    lane = map_.lanes[key]
    return not lane.junction and lane.length_m >= START_ROOM_M


def _longest_route(map_: RoadMap, length_m: float) -> tuple[list[LaneKey], float]:
    """On a map without circuits: the longest way over its lanes."""
    driving: Mapping[LaneKey, float] = {k: lane.length_m for k, lane in map_.lanes.items() if lane.kind == "driving"}
    best: dict[LaneKey, tuple[float, LaneKey | None]] = {}
    stack = list(driving)
    while stack:
        key = stack.pop()
        if key in best:
            continue
        onward = [k for k in map_.lanes[key].next if k in driving]
        waiting = [k for k in onward if k not in best]
        if waiting:
            stack += [key, *waiting]
            continue
        following = max(onward, key=lambda k: best[k][0], default=None)
        best[key] = (driving[key] + (best[following][0] if following else 0.0), following)
    start = max(best, key=lambda k: best[k][0], default=None)
    if start is None or best[start][0] < length_m:
        longest = best[start][0] if start else 0.0
        raise UsageError(
            f"map {map_.name!r} has no route of {length_m:.0f} m",
            hint=f"its longest is {longest:.0f} m; choose a shorter one, or a map with circuits such as grid",
        )
    lanes: list[LaneKey] = []
    at: LaneKey | None = start
    while at is not None:
        lanes.append(at)
        at = best[at][1]
    return lanes, 0.0


def _circuit(map_: RoadMap, start: LaneKey, lasting: set[LaneKey], rng: np.random.Generator) -> list[LaneKey] | None:
    """A walk from ``start`` that comes back to it without using a lane twice; None where it did not come about."""
    lanes, length = [start], map_.lanes[start].length_m
    goal = float(rng.uniform(CIRCUIT_M[0], CIRCUIT_M[1])) * 0.6
    while length < goal:
        onward = [key for key in map_.lanes[lanes[-1]].next if key in lasting and key not in lanes]
        if not onward:
            return None
        lanes.append(onward[int(rng.integers(len(onward)))])
        length += map_.lanes[lanes[-1]].length_m
    back = _shortest(map_, lanes[-1], start, lasting - set(lanes[1:]))
    if back is None or length + sum(map_.lanes[key].length_m for key in back) > CIRCUIT_M[1]:
        return None
    return lanes + back


def _shortest(map_: RoadMap, start: LaneKey, goal: LaneKey, allowed: set[LaneKey]) -> list[LaneKey] | None:
    """Lanes between ``start`` and ``goal``, both excluded, by the fewest lanes."""
    before: dict[LaneKey, LaneKey] = {}
    queue = deque([start])
    while queue:
        key = queue.popleft()
        for following in map_.lanes[key].next:
            if following == goal:
                back = [key]
                while back[-1] != start:
                    back.append(before[back[-1]])
                return back[-2::-1] if len(back) > 1 else []
            if following in allowed and following not in before:
                before[following] = key
                queue.append(following)
    return None
