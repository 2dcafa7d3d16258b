"""What the ego did wrong, and what was done to it: watches a run and keeps its incidents.

Decides nothing that moves. Looks every 50 ms; contacts are told to it by the world, which sees every step.
"""

from __future__ import annotations

import math

import msgspec
import numpy as np
from numpy.typing import NDArray

from operators.messages import EgoState
from scenarios.scenario import Drive, Path, PathStop, Scenario
from scenarios.world import records
from scenarios.world.fault import LATELY_S, Contact, at_fault
from scenarios.world.records import Incident
from scenarios.world.sighting import EARLY, watch
from scenarios.world.traffic.agents import RoadUser
from scenarios.world.traffic.signals import Signals
from scenarios.world.ways import Way

Floats = NDArray[np.float64]

LOOK_STEPS = 10
"""The judge looks every 50 ms."""
LANE_HALF_M, LANE_TOLERANCE_M = 1.75, 0.25
ROUTE_LEFT_M = 30.0
BLOCKED_S = 90.0
STOPPED_MPS, STOP_ZONE_M = 0.5, 8.0
"""At a stop line the ego must have been this slow within so far before it."""
TURN_RAD = 0.5
AGAIN_S = 5.0
"""Contacts with the same road user within this count once."""


class Judge:
    """Incidents of one run. ``s_m`` and ``d_m``: place of the ego's outline, d from the centre of its lane."""

    def __init__(self, scenario: Scenario, way: Way, signals: Signals, *, centre_m: float, half_m: float) -> None:
        """``centre_m``: the outline's centre ahead of the ego's reference point; ``half_m``: half its length."""
        self._scenario, self._way, self._signals = scenario, way, signals
        self._front_m = half_m
        self.s_m, self.d_m = scenario.ego_s_m + centre_m, 0.0
        self._stops: tuple[PathStop, ...] = ()
        if isinstance(scenario.road, Path):
            self._stops = tuple(sorted(scenario.road.stops, key=lambda stop: stop.s_m))
        self._next_stop = sum(stop.s_m < self.s_m + half_m for stop in self._stops)
        self._slowest = math.inf
        self.incidents: list[Incident] = []
        self._off_lane = self._off_route = self._blocked = False
        self._ran_s = -math.inf
        self._touched: dict[int, float] = {}
        count = len(scenario.actors)
        self._seen = np.zeros((count, 2))
        self._speeds = np.zeros((count, 2))

    def look(self, now_s: float, ego: EgoState, outline: Floats, standing_s: float) -> None:
        """See what rules the ego breaks now."""
        self.s_m, d = self._way.locate(float(outline[0]), float(outline[1]), self.s_m)
        self.d_m = d - self._way.own_lane_m
        self._look_at_stops(now_s, ego)
        self._look_at_lane(now_s, ego, outline)
        if abs(self.d_m) > ROUTE_LEFT_M and not self._off_route:
            self._note(records.ROUTE_LEFT, now_s, ego, detail=f"{abs(self.d_m):.0f} m from the route")
        self._off_route = abs(self.d_m) > (0.8 if self._off_route else 1.0) * ROUTE_LEFT_M
        if standing_s >= BLOCKED_S and not self._blocked:
            self._note(records.BLOCKED, now_s, ego, detail=f"stood for {standing_s:.0f} s")
        self._blocked = standing_s >= BLOCKED_S

    def watch(
        self,
        now_s: float,
        outlines: Floats,
        heights: Floats,
        speeds: Floats,
        people: NDArray[np.int64],
        outline: Floats,
        speed_mps: float,
    ) -> None:
        """See which people on foot are in danger and in sight."""
        if len(people):
            watch(people, outlines, heights, speeds, outline, speed_mps, now_s, self._seen)

    def contact(
        self,
        now_s: float,
        ego: EgoState,
        outline: Floats,
        user: RoadUser,
        row: int,
        *,
        other_ran: bool,
        other_gives_way: bool,
        other_turns_left: bool,
    ) -> Incident | None:
        """Note a contact, unless it is the same one again."""
        last = self._touched.get(row, -math.inf)
        self._touched[row] = now_s
        if now_s - last < AGAIN_S:
            return None
        rules = (other_ran, other_gives_way, other_turns_left)
        who, why = at_fault(self._described(now_s, ego, outline, user, row, rules))
        ego_x, ego_y = ego.speed_mps * math.cos(ego.yaw_rad), ego.speed_mps * math.sin(ego.yaw_rad)
        self._note(records.COLLISION, now_s, ego, why, who)
        self.incidents[-1] = msgspec.structs.replace(
            self.incidents[-1],
            with_id=user.actor.id,
            with_kind=user.actor.kind,
            with_label=user.kind.label,
            impact_speed_mps=math.hypot(ego_x - user.speed_x_mps, ego_y - user.speed_y_mps),
        )
        return self.incidents[-1]

    def _described(
        self, now_s: float, ego: EgoState, outline: Floats, user: RoadUser, row: int, rules: tuple[bool, bool, bool]
    ) -> Contact:
        dx, dy = user.x_m - float(outline[0]), user.y_m - float(outline[1])
        cos, sin = math.cos(ego.yaw_rad), math.sin(ego.yaw_rad)
        motion = user.actor.motion
        return Contact(
            ego_speed_mps=ego.speed_mps,
            forward_m=dx * cos + dy * sin,
            left_m=dy * cos - dx * sin,
            heading_rad=math.remainder(user.yaw_rad - ego.yaw_rad, math.tau),
            speed_forward_mps=user.speed_x_mps * cos + user.speed_y_mps * sin,
            speed_left_mps=user.speed_y_mps * cos - user.speed_x_mps * sin,
            ego_length_m=float(outline[3]),
            length_m=user.kind.length_m,
            on_foot=user.kind.label == "pedestrian",
            in_sight=bool(self._seen[row, 0] == EARLY),
            ego_off_lane=self._is_off_lane(outline, ego),
            ego_ran=now_s - self._ran_s < LATELY_S,
            other_ran=rules[0],
            ego_gives_way=self._gives_way(),
            other_gives_way=rules[1],
            ego_turns_left=self._turns_left(),
            other_turns_left=rules[2],
            other_reckless=isinstance(motion, Drive) and not (motion.obeys and motion.minds),
        )

    def note(self, kind: str, now_s: float, ego: EgoState, detail: str, actor_id: int, actor_kind: str) -> None:
        """Note what the world knows of another road user."""
        self._note(kind, now_s, ego, detail)
        self.incidents[-1] = msgspec.structs.replace(self.incidents[-1], with_id=actor_id, with_kind=actor_kind)

    def _note(self, kind: str, now_s: float, ego: EgoState, detail: str, at_fault: str = "none") -> None:
        self.incidents.append(
            Incident(
                kind=kind,
                t_ns=round(now_s * 1e9),
                x_m=ego.x_m,
                y_m=ego.y_m,
                s_m=self.s_m,
                speed_mps=ego.speed_mps,
                detail=detail,
                at_fault=at_fault,
            )
        )

    def _look_at_stops(self, now_s: float, ego: EgoState) -> None:
        front = self.s_m + self._front_m
        while self._next_stop < len(self._stops):
            stop = self._stops[self._next_stop]
            if stop.s_m - front < STOP_ZONE_M:
                self._slowest = min(self._slowest, ego.speed_mps)
            if front < stop.s_m:
                return
            self._next_stop += 1
            slowest, self._slowest = self._slowest, math.inf
            if abs(self.d_m) > 4.0:
                continue
            if stop.kind == "light" and self._signals.state(stop.light, now_s) == "red":
                self._ran_s = now_s
                self._note(records.RED_LIGHT, now_s, ego, detail=f"light {stop.light} was red", at_fault="ego")
            elif stop.kind == "stop" and slowest > STOPPED_MPS:
                self._ran_s = now_s
                detail = f"slowest {slowest:.1f} m/s before the stop line at {stop.s_m:.0f} m"
                self._note(records.STOP_LINE, now_s, ego, detail=detail, at_fault="ego")

    def _look_at_lane(self, now_s: float, ego: EgoState, outline: Floats) -> None:
        off = self._is_off_lane(outline, ego)
        if off and not self._off_lane:
            self._note(records.LANE_LEFT, now_s, ego, detail=f"{self.d_m:+.1f} m beside the centre of the lane")
        self._off_lane = off

    def _is_off_lane(self, outline: Floats, ego: EgoState) -> bool:
        _, _, yaw = self._way.pose(self.s_m)
        turn = ego.yaw_rad - yaw
        across = 0.5 * (abs(math.sin(turn)) * float(outline[3]) + abs(math.cos(turn)) * float(outline[4]))
        left = max(LANE_HALF_M, self._scenario.width_left_m + 0.5 * float(outline[4])) + LANE_TOLERANCE_M
        right = max(LANE_HALF_M, self._scenario.width_right_m + 0.5 * float(outline[4])) + LANE_TOLERANCE_M
        return self.d_m + across > left or self.d_m - across < -right

    def _turns_left(self) -> bool:
        """Whether the ego's road bends to the left here as in a junction."""
        before, after = (self._way.pose(self.s_m + along)[2] for along in (-15.0, 15.0))
        return after - before > TURN_RAD

    def _gives_way(self) -> bool:
        """Whether the ego is just behind, or at, a line where it had to give way."""
        passed = self._stops[: self._next_stop][-1:]
        return any(
            stop.kind != "light" and self.s_m + self._front_m - stop.s_m < max(15.0, stop.clear_m) for stop in passed
        )
