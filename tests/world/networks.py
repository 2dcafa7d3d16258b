"""Small road networks for the tests of traffic: straight paths, a crossing with lights or signs, a ring."""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np

from operators.messages import ControlCommand
from scenarios.scenario import Actor, Drive, Lights, Path, PathStop, Phase, Scenario
from scenarios.world.collision import corners, overlap
from scenarios.world.traffic.columns import COMFORT, HEADWAY, PULL, STANDSTILL
from scenarios.world.traffic.idm import idm
from scenarios.world.traffic.leaders import follow
from scenarios.world.traffic.traffic import Traffic
from scenarios.world.ways import way_of
from scenarios.world.world import World

HOLD = ControlCommand(throttle=0.0, brake=1.0, steer_rad=0.0)


def straight(
    name: str,
    start: tuple[float, float],
    end: tuple[float, float],
    *,
    limit_mps: float = 13.9,
    stops: tuple[PathStop, ...] = (),
) -> Path:
    count = math.ceil(math.dist(start, end)) + 1
    points = np.linspace(start, end, count)
    return Path(
        name=name, points_m=tuple((float(x), float(y)) for x, y in points), limits=((0.0, limit_mps),), stops=stops
    )


def circle(name: str, radius_m: float, turn_rad: float = 2.0 * math.pi) -> Path:
    angles = np.linspace(0.0, turn_rad, math.ceil(radius_m * turn_rad) + 1)
    points = tuple((float(radius_m * np.cos(a)), float(radius_m * np.sin(a))) for a in angles)
    return Path(name=name, points_m=points)


def crossing(kind: str = "light", minor: str | None = None) -> tuple[Path, Path]:
    """West to east and south to north, 300 m to the middle; lines 8 m before it."""
    lights = ("w", "s") if kind == "light" else ("", "")
    major = (PathStop(290.0, kind, lights[0], 20.0),) if kind else ()
    small = minor if minor is not None else kind
    other = (PathStop(290.0, small, lights[1] if small == "light" else "", 20.0),) if small else ()
    return (
        straight("east", (-300.0, -1.75), (300.0, -1.75), stops=major),
        straight("north", (1.75, -300.0), (1.75, 300.0), stops=other),
    )


TWO_PHASES = (Lights((Phase(10.0, ("w",), 3.0, 2.0), Phase(10.0, ("s",), 3.0, 2.0))),)


def car(number: int, on: str, s_m: float, speed_mps: float = 12.0, kind: str = "car", **drive: object) -> Actor:
    return Actor(id=number, kind=kind, s_m=s_m, d_m=0.0, on=on, motion=Drive(speed_mps, **drive))  # type: ignore[arg-type]


def aside(*actors: Actor, paths: tuple[Path, ...], lights: tuple[Lights, ...] = (), **more: object) -> World:
    """A world whose ego stands half a kilometre away from everything."""
    values: dict[str, object] = {"duration_s": 900.0, "speed_mps": 0.0, "ego_s_m": 10.0, "end_s_m": 90.0, **more}
    road = straight("ego", (0.0, 900.0), (100.0, 900.0))
    scenario = Scenario(
        name="test",
        title="",
        actors=actors,
        road=road,
        paths=paths,
        lights=lights,
        **values,  # type: ignore[arg-type]
    )
    world = World(scenario, seed=0, pixels=False)
    world.apply(HOLD)
    return world


def played(world: World, seconds: float, step_s: float = 0.1) -> Iterator[float]:
    """Advance step by step; yields the time."""
    start = world.now_ns
    for k in range(1, round(seconds / step_s) + 1):
        world.advance(start + round(k * step_s * 1e9))
        yield world.now_ns / 1e9


def touching(world: World) -> list[tuple[int, int]]:
    """Pairs of road users that overlap, at least one of them a vehicle."""
    traffic = world._users
    assert isinstance(traffic, Traffic)
    items = traffic.items
    found = []
    for i, a in enumerate(items):
        for b in items[i + 1 :]:
            if a.kind.label == b.kind.label == "pedestrian" or math.hypot(a.x_m - b.x_m, a.y_m - b.y_m) > 14.0:
                continue
            boxes = [corners(u.x_m, u.y_m, u.yaw_rad, u.kind.length_m, u.kind.width_m) for u in (a, b)]
            if overlap(*boxes):
                found.append((a.actor.id, b.actor.id))
    return found


def who(world: World, number: int):  # type: ignore[no-untyped-def]
    """The road user with that id."""
    return next(user for user in world._users.items if user.actor.id == number)


class Chauffeur:
    """Drives the ego along its road: pure pursuit, a wish for ``speed_mps``, red lights and whoever is ahead."""

    def __init__(self, world: World, speed_mps: float = 10.0) -> None:
        self.world, self.speed_mps = world, speed_mps
        self.way = way_of(world.scenario.road)
        self.s_m = world.scenario.ego_s_m

    def drive(self, until_s: float, step_s: float = 0.05) -> None:
        while self.world.now_ns / 1e9 < until_s - 1e-9 and not self.world.finished:
            self.world.apply(self.command())
            self.world.advance(self.world.now_ns + round(step_s * 1e9))

    def command(self) -> ControlCommand:
        ego = self.world.ego()
        self.s_m, _ = self.way.locate(ego.x_m, ego.y_m, self.s_m)
        ahead = 4.0 + 0.5 * ego.speed_mps
        x, y, _ = self.way.pose(self.s_m + ahead, self.way.own_lane_m)
        dx, dy = x - ego.x_m, y - ego.y_m
        left = dy * math.cos(ego.yaw_rad) - dx * math.sin(ego.yaw_rad)
        steer = math.atan(2.0 * 2.7 * left / (dx * dx + dy * dy))
        wish = self.accel(ego.speed_mps)
        return ControlCommand(throttle=max(0.0, wish / 4.0), brake=max(0.0, -wish / 8.6), steer_rad=steer)

    def accel(self, speed_mps: float) -> float:
        traffic = self.world._users
        assert isinstance(traffic, Traffic)
        row = len(traffic.numbers) - 1
        numbers = traffic.numbers
        numbers[row, [HEADWAY, STANDSTILL, COMFORT, PULL]] = 1.3, 2.2, 2.5, 1.6
        line = self.way.line() if hasattr(self.way, "line") else None
        allowed = self.speed_mps
        if line is not None:
            allowed = min(allowed, float(line.nodes[min(len(line.nodes) - 1, int(self.s_m / line.step_m)), 5]))
        best = float(follow(numbers, traffic.flags, traffic.lines, row, allowed, True))
        front = self.s_m + 3.75
        for stop in getattr(self.world.scenario.road, "stops", ()):
            left = stop.s_m - front
            state = self.world._signals.state(stop.light, self.world.now_ns / 1e9)
            if -0.5 < left < 60.0 and state in ("red", "amber") and (state == "red" or speed_mps**2 / 6.0 < left):
                best = min(best, float(idm(speed_mps, allowed, max(left, 0.05) + 0.4, 0.0, 0.4, 1.2, 2.5, 1.6)))
        return best
