"""A scripted ego that tries a scenario out without pixels: does the event happen, and can it be avoided?

Decides nothing about real drivers: it either never reacts to anybody, or sees all at once and brakes fully.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from operators.messages import ControlCommand
from scenarios.scenario import Scenario
from scenarios.world.collision import first_touched
from scenarios.world.world import Outcome, TruthObject, World

TICK_NS = 20_000_000
LOOKS = 3
"""Ticks from one look around to the next."""
HORIZON_S, INSTANT_S = 4.0, 0.1
LINGER = 12
"""Instants for which somebody who crosses may linger."""
MARGIN_M = 0.3
SEEN = 0.1
"""Share of a silhouette from which on somebody is seen."""
BEND_MPS2, LOOK_AHEAD_M = 2.5, 70.0


def rehearse(scenario: Scenario, *, seed: int, reacts: bool) -> Outcome:
    """Drive ``scenario`` to its end: with ``reacts``, brake fully for good once somebody seen is about to be hit.

    "About to": with the ego on its route and everybody going on as they do now, outlines meet within 4 s.
    """
    world = World(scenario, seed=seed, pixels=False)
    ego = _Ego(world)
    t = 0
    while not world.finished:
        world.apply(ego.command(reacts))
        t += TICK_NS
        world.advance(t)
        if ego.braking and world.ego().speed_mps < 0.05:
            ego.stood_ns += TICK_NS
            if ego.stood_ns > 1_000_000_000:
                break
    return world.outcome()


class _Ego:
    """Steers along the route, slows down for bends, holds the start speed otherwise."""

    def __init__(self, world: World) -> None:
        self.world, route = world, world.route()
        self.points = np.column_stack([route.x_m, route.y_m])
        steps = np.diff(self.points, axis=0)
        self.s = np.concatenate([[0.0], np.cumsum(np.hypot(steps[:, 0], steps[:, 1]))])
        self.limits = self._limits(np.unwrap(np.arctan2(steps[:, 1], steps[:, 0])))
        self.near, self.braking, self.stood_ns = 0, False, 0
        self.paces: dict[int, float] = {}
        self.ticks = 0

    def _limits(self, yaw: NDArray[np.float64]) -> NDArray[np.float64]:
        span = 4
        middle = 0.5 * (self.s[1:] + self.s[:-1])
        turn = np.abs(yaw[span:] - yaw[:-span]) / np.maximum(middle[span:] - middle[:-span], 1e-6)
        limit = np.full(len(self.s), np.inf)
        limit[span // 2 + 1 : span // 2 + 1 + len(turn)] = np.sqrt(BEND_MPS2 / np.maximum(turn, 1e-6))
        for k in range(len(limit) - 2, -1, -1):
            limit[k] = min(limit[k], math.sqrt(limit[k + 1] ** 2 + 2.0 * BEND_MPS2 * (self.s[k + 1] - self.s[k])))
        limit[limit > self.world.scenario.speed_mps] = self.world.scenario.speed_mps
        return limit

    def command(self, reacts: bool) -> ControlCommand:
        """Pedals and steering for the next tick."""
        ego = self.world.ego()
        window = self.points[self.near : self.near + 40]
        self.near += int(np.argmin(np.hypot(window[:, 0] - ego.x_m, window[:, 1] - ego.y_m)))
        steer = self._steer(ego.x_m, ego.y_m, ego.yaw_rad, ego.speed_mps)
        self.ticks += 1
        if reacts and not self.braking and self.ticks % LOOKS == 1:
            own = self._outlook(ego.speed_mps)
            self.braking = any([self._is_about_to_hit(user, own, ego.speed_mps) for user in self.world.truth()])
        if self.braking:
            return ControlCommand(throttle=0.0, brake=1.0, steer_rad=steer)
        wanted = float(self.limits[self.near]) - ego.speed_mps
        return ControlCommand(
            throttle=min(1.0, max(0.0, 0.06 + 0.25 * wanted)), brake=min(1.0, max(0.0, -0.4 * wanted)), steer_rad=steer
        )

    def _steer(self, x: float, y: float, yaw: float, speed: float) -> float:
        ahead = float(self.s[self.near]) + max(4.0, 0.5 * speed)
        target = self.points[min(int(np.searchsorted(self.s, ahead)), len(self.points) - 1)]
        angle = math.atan2(target[1] - y, target[0] - x) - yaw
        return math.atan2(2.0 * self.world.size.wheelbase_m * math.sin(angle), math.hypot(target[0] - x, target[1] - y))

    def _is_about_to_hit(self, user: TruthObject, own: NDArray[np.float64], speed: float) -> bool:
        ego = self.world.ego()
        pace = math.hypot(user.speed_x_mps, user.speed_y_mps)
        gain = (pace - self.paces.get(user.id, pace)) / (LOOKS * TICK_NS / 1e9)
        self.paces[user.id] = pace
        away = math.hypot(user.x_m - ego.x_m, user.y_m - ego.y_m)
        if user.visible < SEEN or away > 10.0 + HORIZON_S * (speed + pace):
            return False
        crossing = pace > 0.3 and abs(math.sin(user.yaw_rad - ego.yaw_rad)) > 0.4
        t = np.arange(len(own)) * INSTANT_S
        way = t + (0.5 * min(3.0, gain) * t * t / max(pace, 0.1) if crossing and gain > 0.5 else 0.0)
        x, y = user.x_m + user.speed_x_mps * way, user.y_m + user.speed_y_mps * way
        near = np.hypot(own[:, 0, None] - x, own[:, 1, None] - y) < 0.5 * (own[0, 3] + own[0, 4] + user.length_m) + 1.0
        for k, then in np.argwhere(near):
            # Whoever crosses may stop in the way: their place now counts for when the ego comes later, too.
            if then <= k <= then + (LINGER if crossing else 0):
                there = np.array([[x[then], y[then], user.yaw_rad, user.length_m, user.width_m]])
                if first_touched(own[k], there) >= 0:
                    return True
        return False

    def _outlook(self, speed: float) -> NDArray[np.float64]:
        """The ego's outline, with a margin, at every instant ahead on its route: (instants, 5)."""
        size, times = self.world.size, np.arange(0.0, HORIZON_S, INSTANT_S)
        stations = np.minimum(self.s[self.near] + speed * times, self.s[-2])
        rows = np.clip(np.searchsorted(self.s, stations, side="right") - 1, 0, len(self.s) - 2)
        share = ((stations - self.s[rows]) / (self.s[rows + 1] - self.s[rows]))[:, None]
        along = self.points[rows + 1] - self.points[rows]
        yaw = np.arctan2(along[:, 1], along[:, 0])
        lead = size.middle_m
        out = np.empty((len(times), 5))
        out[:, :2] = self.points[rows] * (1.0 - share) + self.points[rows + 1] * share
        out[:, :2] += lead * np.column_stack([np.cos(yaw), np.sin(yaw)])
        out[:, 2], out[:, 3], out[:, 4] = yaw, size.length_m + 2.0 * MARGIN_M, size.width_m + 2.0 * MARGIN_M
        return out
