"""All scripted road users where there are paths, lights or longer scripts: their lines, their state, and their steps.

Same interface as ``agents.RoadUsers``. Deterministic: no randomness after the scenario is made.
"""

from __future__ import annotations

import functools
import math

import numpy as np
from numpy.typing import NDArray

from operators.messages import EgoSize
from pipeline.errors import UsageError
from scenarios.scenario import KINDS, Actor, Change, Drive, Path, Scenario, Stand, Trigger, Walk
from scenarios.world.fault import LATELY_S
from scenarios.world.roads import Road
from scenarios.world.traffic.agents import THINK_STEPS, RoadUser
from scenarios.world.traffic.columns import (
    ACCEL,
    ASKED_SINCE,
    BRAKING,
    CHANGES_LANES,
    COMFORT,
    D_FROM,
    D_OVER,
    D_SINCE,
    D_TO,
    DRIVE,
    EGO,
    FIRST_POINT,
    FLAGS,
    GAIT,
    HEADING,
    HEADWAY,
    LENGTH,
    LINE,
    LOOKS,
    LOOPS,
    MINDS,
    NUMBERS,
    OBEYS,
    PAUSE,
    POINTS,
    PRESENT,
    PULL,
    RAN_RED_AT,
    RANK,
    RATE,
    RED_AT,
    ROLE,
    SPEED,
    SPEED_X,
    SPEED_Y,
    STAND,
    STANDSTILL,
    STARTED,
    STEP_CLEAR,
    STOP_KINDS,
    STOPS_AT_END,
    TURN_NEXT,
    WALK,
    WIDTH,
    WISH,
    YAW,
    Areas,
    D,
    Lines,
    S,
    X,
    Y,
)  # fmt: skip
from scenarios.world.traffic.conflicts import find_areas
from scenarios.world.traffic.idm import CAR, DRIVERS
from scenarios.world.traffic.junctions import SIGNED_RANK, TURNING_LEFT, negotiate
from scenarios.world.traffic.lane_changes import change_lanes
from scenarios.world.traffic.movement import follow_ego, longest_stuck, move, place, remove, think
from scenarios.world.traffic.signals import Signals
from scenarios.world.traffic.triggers import Script, Triggers
from scenarios.world.ways import PX, PY, PYAW, Way, line_of, way_of

Floats = NDArray[np.float64]

STUCK_STEPS = 400
"""Whether anybody is stuck for good is asked every 2 s."""


class Traffic:
    """All scripted road users; ``advance`` moves them by one step of ``STEP_S``.

    ``outlines``: (n, 5) as ``collision`` takes them, a row per actor of the scenario, also those off the road.
    """

    def __init__(self, scenario: Scenario, ego: EgoSize, signals: Signals) -> None:
        self._scenario, self._signals, self._steps = scenario, signals, 0
        self._tracks = _Tracks(scenario, signals)
        self.lines, self.areas = self._tracks.lines, self._tracks.areas
        count = len(scenario.actors)
        self.numbers, self.flags = np.zeros((count + 1, NUMBERS)), np.zeros((count + 1, FLAGS), np.int64)
        self.numbers[:, [RATE, RAN_RED_AT]] = math.nan, -math.inf
        self.numbers[:, [RED_AT, ASKED_SINCE]] = math.inf, -1.0
        self._waits = np.full(count + 1, -1, np.int64)
        points: list[tuple[float, float]] = []
        self._users = [self._placed(row, actor, points) for row, actor in enumerate(scenario.actors)]
        self._points = np.array(points, dtype=np.float64).reshape(-1, 2)
        self.triggers = Triggers(_scripts(scenario.actors), signals, self._tracks.first_s_m)
        self.outlines = np.ascontiguousarray(self.numbers[:count, [X, Y, YAW, LENGTH, WIDTH]])
        self.heights = np.array([user.height_m for user in self._users])
        self.people = np.array([k for k, u in enumerate(self._users) if u.kind.label == "pedestrian"], np.int64)
        self._changes_lanes = bool(self.flags[:, CHANGES_LANES].any())
        self._place_ego(ego)

    @property
    def items(self) -> list[RoadUser]:
        """Everybody who is on the road now, in the order of the scenario."""
        present = np.flatnonzero(self.flags[:-1, PRESENT])
        return [self.user(int(row)) for row in present]

    @property
    def boxes(self) -> Floats:
        """(n, 5) outlines of ``items``."""
        found: Floats = self.outlines[self.flags[:-1, PRESENT] == 1]
        return found

    def user(self, row: int) -> RoadUser:
        """Somebody's present state, on the road or not."""
        user, numbers, flags = self._users[row], self.numbers[row], self.flags[row]
        user.s_m, user.d_m = float(numbers[S]), float(numbers[D])
        user.x_m, user.y_m, user.yaw_rad = float(numbers[X]), float(numbers[Y]), float(numbers[YAW])
        user.speed_mps, user.accel_mps2 = float(numbers[SPEED]), float(numbers[ACCEL])
        user.speed_x_mps, user.speed_y_mps = float(numbers[SPEED_X]), float(numbers[SPEED_Y])
        user.braking, user.gait_turns = bool(flags[BRAKING]), float(numbers[GAIT])
        user.triggered = bool(flags[STARTED])
        return user

    def near(self, x_m: float, y_m: float, within_m: float) -> NDArray[np.int64]:
        """Rows of those on the road within a distance of a point."""
        apart = np.hypot(self.outlines[:, 0] - x_m, self.outlines[:, 1] - y_m)
        return np.flatnonzero((self.flags[:-1, PRESENT] == 1) & (apart <= within_m))

    def speeds(self) -> Floats:
        """(n, 2) in map axes."""
        return np.ascontiguousarray(self.numbers[:-1, [SPEED_X, SPEED_Y]])

    def never_fired(self) -> list[tuple[Actor, str]]:
        """Whose scripts have not begun, or not gone on, and with which step."""
        actors = self._scenario.actors
        return [
            (actors[row], f"the trigger of change {step} never fired" if step else "its script never began")
            for row, step, _ in self.triggers.never_fired()
        ]

    def stuck(self, now_s: float) -> list[int]:
        """Takes off the road whoever has stood for minutes for no reason but other traffic; at most one a time."""
        if self._steps % STUCK_STEPS:
            return []
        row = int(longest_stuck(self.numbers, self.flags, self.lines, self.areas, self._waits, now_s))
        if row < 0:
            return []
        self.remove(row)
        return [row]

    def ran_lately(self, row: int, now_s: float) -> bool:
        """Whether it passed a red light or a stop line within the last seconds."""
        return bool(now_s - self.numbers[row, RAN_RED_AT] < LATELY_S)

    def turns_left(self, row: int) -> bool:
        """Whether it turns left at the junction that it is in or comes to."""
        return bool(self.flags[row, ROLE] == DRIVE and self.flags[row, RANK] % SIGNED_RANK == TURNING_LEFT)

    def gives_way(self, row: int) -> bool:
        """Whether the next line on its way, or the one it is just behind, is one where it has to give way."""
        return bool(self.flags[row, ROLE] == DRIVE and self.flags[row, RANK] >= SIGNED_RANK)

    def remove(self, row: int) -> None:
        """Take somebody off the road."""
        remove(self.numbers, self.flags, row)
        self.outlines[row, :2] = self.numbers[row, [X, Y]]

    def advance(self, now_s: float, ego: Floats, ego_speed_mps: float) -> None:
        """One step; ``ego`` is its outline (x, y, yaw, length, width)."""
        own = self.numbers[-1]
        own[X], own[Y], own[YAW], own[SPEED] = ego[0], ego[1], ego[2], ego_speed_mps
        own[SPEED_X], own[SPEED_Y] = ego_speed_mps * math.cos(ego[2]), ego_speed_mps * math.sin(ego[2])
        lights, thinks = self._signals.at(now_s), self._steps % THINK_STEPS == 0
        if thinks or self.triggers.pending:
            follow_ego(self.numbers, self.lines)
        for script in self.triggers.fired(self.numbers, self.lines, lights, now_s):
            self._begin(script, now_s)
        if thinks:
            self._think(lights, now_s)
        move(self.numbers, self.flags, self.lines, self._points, lights, now_s, self.outlines)
        self._steps += 1

    def _think(self, lights: NDArray[np.int8], now_s: float) -> None:
        # Calls of their own: compiled into one another they would be compiled over and over.
        numbers, flags, lines, areas, waits = self.numbers, self.flags, self.lines, self.areas, self._waits
        negotiate(numbers, flags, lines, areas, lights, now_s, waits)
        think(numbers, flags, lines, areas, self._points, waits)
        if self._changes_lanes:
            change_lanes(numbers, flags, lines, areas, waits, now_s)

    def _place_ego(self, size: EgoSize) -> None:
        scenario, own, flags = self._scenario, self.numbers[-1], self.flags[-1]
        way = way_of(scenario.road)
        own[X], own[Y], own[YAW] = way.pose(scenario.ego_s_m, way.own_lane_m)
        own[S], own[D] = scenario.ego_s_m - self._tracks.first_s_m, way.own_lane_m
        own[LENGTH], own[WIDTH], own[SPEED] = size.length_m, size.width_m, scenario.speed_mps
        flags[ROLE], flags[PRESENT], flags[STARTED] = EGO, 1, 1

    def _placed(self, row: int, actor: Actor, points: list[tuple[float, float]]) -> RoadUser:
        numbers, flags, motion = self.numbers[row], self.flags[row], actor.motion
        kind, way = KINDS[actor.kind], self._tracks.way(actor)
        x, y, yaw = way.pose(actor.s_m, actor.d_m)
        user = RoadUser(actor, kind, actor.s_m, actor.d_m, x, y, yaw + actor.heading_rad)
        numbers[[X, Y, YAW, LENGTH, WIDTH]] = x, y, user.yaw_rad, kind.length_m, kind.width_m
        numbers[GAIT] = 0.25
        flags[PRESENT] = 1
        if isinstance(motion, Stand):
            flags[ROLE], flags[BRAKING] = STAND, int(motion.brake_lights)
        elif isinstance(motion, Walk):
            _set_walker(numbers, flags, motion, len(points))
            waypoints = [way.pose(s, d)[:2] for s, d in motion.path]
            if waypoints:
                numbers[YAW] = math.atan2(waypoints[0][1] - y, waypoints[0][0] - x)
            points.extend(waypoints)
        else:
            flags[LINE] = self._tracks.line(actor)
            numbers[S], numbers[D] = self._tracks.local(actor)
            _set_driver(numbers, flags, actor, motion)
            place(self.numbers, self.flags, self.lines, row)
        return user

    def _begin(self, script: Script, now_s: float) -> None:
        numbers, flags = self.numbers[script.row], self.flags[script.row]
        actor = self._scenario.actors[script.row]
        motion = actor.motion
        flags[STARTED] = 1
        if not isinstance(motion, Drive):
            return
        if script.step == 0:
            numbers[WISH] = _feasible(actor, motion, motion.speed_mps)
            return
        change: Change = motion.changes[script.step - 1]
        if change.speed_mps is not None:
            numbers[WISH] = _feasible(actor, motion, change.speed_mps)
            numbers[RATE] = math.nan if change.accel_mps2 is None else change.accel_mps2
        if change.d_m is not None:
            side = -1.0 if _is_oncoming(actor) else 1.0
            numbers[[D_FROM, D_TO, D_SINCE, D_OVER]] = numbers[D], side * change.d_m, now_s, change.over_s


class _Tracks:
    """Which lines a scenario has, and where its actors are on them."""

    def __init__(self, scenario: Scenario, signals: Signals) -> None:
        self._scenario = scenario
        self._paths = {path.name: path for path in scenario.paths}
        keys: list[tuple[str, bool]] = [("", False)]
        for actor in scenario.actors:
            key = (actor.on, _is_oncoming(actor))
            self._road(actor)
            if isinstance(actor.motion, Drive) and key not in keys:
                keys.append(key)
        if any(isinstance(actor.motion, Drive) and actor.motion.changes_lanes for actor in scenario.actors):
            # They may move over to paths that nobody is on yet.
            keys += [(name, False) for name in self._paths if (name, False) not in keys]
        self._rows = {key: row for row, key in enumerate(keys)}
        roads = [scenario.road if not name else self._paths[name] for name, _ in keys]
        oncoming = tuple(reverse for _, reverse in keys)
        self.lines, self.areas, firsts = _network(tuple(roads), oncoming, signals.names)
        self._first_s_m, self.first_s_m = firsts, firsts[0]

    def _road(self, actor: Actor) -> Road | Path:
        if not actor.on:
            return self._scenario.road
        if actor.on not in self._paths:
            raise UsageError(
                f"there is no path {actor.on!r}",
                where=f"scenario {self._scenario.name}, actor {actor.id}",
                hint=f"use one of {', '.join(sorted(self._paths)) or '(none)'}, or leave it empty for the ego's road",
            )
        return self._paths[actor.on]

    def way(self, actor: Actor) -> Way:
        """The way that the actor's s and d are on."""
        return way_of(self._road(actor))

    def line(self, actor: Actor) -> int:
        """The row of the line that the actor follows."""
        return self._rows[actor.on, _is_oncoming(actor)]

    def local(self, actor: Actor) -> tuple[float, float]:
        """(s, d) on that line, from its first node."""
        side = -1.0 if _is_oncoming(actor) else 1.0
        return side * actor.s_m - self._first_s_m[self.line(actor)], side * actor.d_m


@functools.lru_cache(maxsize=32)
def _network(
    roads: tuple[Road | Path, ...], oncoming: tuple[bool, ...], lights: tuple[str, ...]
) -> tuple[Lines, Areas, tuple[float, ...]]:
    """All lines in one table, their conflict areas, and their first stations; the same for every seed of a scenario."""
    lines = [line_of(road, reverse=reverse) for road, reverse in zip(roads, oncoming, strict=True)]
    stops = [_stops(road, reverse, lights) for road, reverse in zip(roads, oncoming, strict=True)]
    nodes, driven = [], []
    for road, line in zip(roads, lines, strict=True):
        lane = line.nodes.copy()
        # A street's line is between the directions; its lanes are where conflicts are.
        offset = road.own_lane_m if isinstance(road, Road) else 0.0
        lane[:, PX] -= offset * np.sin(lane[:, PYAW])
        lane[:, PY] += offset * np.cos(lane[:, PYAW])
        nodes.append(line.nodes)
        driven.append(lane)
    table = Lines(
        np.concatenate(nodes),
        np.array([(*span, int(line.closed)) for span, line in zip(_spans(nodes), lines, strict=True)], np.int64),
        np.array([line.step_m for line in lines]),
        np.concatenate([*stops, np.zeros((0, 4))]),
        np.array(_spans(stops), np.int64),
    )
    return table, find_areas(table._replace(nodes=np.concatenate(driven))), tuple(line.first_s_m for line in lines)


def _spans(parts: list[Floats]) -> list[tuple[int, int]]:
    ends = np.cumsum([len(part) for part in parts])
    return [(int(end) - len(part), int(end)) for end, part in zip(ends, parts, strict=True)]


def _stops(road: Road | Path, reverse: bool, lights: tuple[str, ...]) -> Floats:
    if isinstance(road, Road) or reverse:
        return np.zeros((0, 4))
    rows = [
        (stop.s_m, STOP_KINDS[stop.kind], lights.index(stop.light) if stop.kind == "light" else -1, stop.clear_m)
        for stop in sorted(road.stops, key=lambda stop: stop.s_m)
    ]
    return np.array(rows, dtype=np.float64).reshape(-1, 4)


def _set_walker(numbers: Floats, flags: NDArray[np.int64], motion: Walk, first_point: int) -> None:
    flags[ROLE], flags[FIRST_POINT], flags[POINTS] = WALK, first_point, len(motion.path)
    flags[LOOPS], flags[LOOKS], flags[STEP_CLEAR] = int(motion.loop), int(motion.minds), int(not motion.minds)
    numbers[WISH], numbers[ACCEL], numbers[PAUSE] = motion.speed_mps, motion.accel_mps2, motion.pause_s


def _set_driver(numbers: Floats, flags: NDArray[np.int64], actor: Actor, motion: Drive) -> None:
    driver = DRIVERS.get(actor.kind, CAR)
    flags[ROLE], flags[OBEYS], flags[MINDS] = DRIVE, int(motion.obeys), int(motion.minds)
    flags[CHANGES_LANES], flags[STOPS_AT_END] = int(motion.changes_lanes), int(motion.at_end == "stop")
    numbers[D_FROM] = numbers[D_TO] = numbers[D]
    numbers[HEADING] = actor.heading_rad - (math.pi if _is_oncoming(actor) else 0.0)
    numbers[HEADWAY] = driver.headway_s if motion.headway_s is None else motion.headway_s
    numbers[[STANDSTILL, COMFORT, PULL]] = driver.standstill_m, driver.comfort_mps2, driver.drive_mps2
    start = motion.start_mps
    if start is None:
        start = motion.speed_mps if motion.trigger == Trigger() else 0.0
    numbers[SPEED] = numbers[WISH] = start
    numbers[TURN_NEXT] = 1.0 + 0.37 * (actor.id % 7)
    numbers[WISH] = _feasible(actor, motion, start)
    flags[STARTED] = int(start > 0.0)


def _feasible(actor: Actor, motion: Drive, speed_mps: float) -> float:
    """A wish beyond what its kind can do becomes what it can; who obeys nothing does not care."""
    return min(speed_mps, DRIVERS.get(actor.kind, CAR).fastest_mps) if motion.obeys else speed_mps


def _is_oncoming(actor: Actor) -> bool:
    return isinstance(actor.motion, Drive) and math.cos(actor.heading_rad) < 0.0


def _scripts(actors: tuple[Actor, ...]) -> list[Script]:
    scripts: list[Script] = []
    for row, actor in enumerate(actors):
        motion = actor.motion
        if isinstance(motion, Stand):
            continue
        scripts.append(Script(row, 0, motion.trigger))
        if isinstance(motion, Drive):
            scripts += [Script(row, 1 + k, change.trigger) for k, change in enumerate(motion.changes)]
    return scripts
