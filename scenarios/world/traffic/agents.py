"""What the scripted road users do: stand, walk a path once triggered, or follow a lane behind whoever is ahead.

Decides their motion from their script, the ego's pose and each other; does not judge who is hit.
Source: Treiber, Hennecke, Helbing 2000 (intelligent driver model).
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from operators.messages import EgoSize
from scenarios.scenario import KINDS, Actor, Drive, Kind, Scenario, Stand, Trigger, Walk
from scenarios.world.dynamics import STEP_S
from scenarios.world.roads import Road
from scenarios.world.traffic.idm import DRIVERS

STRIDE_M = 1.5
"""Two steps of a walking adult: one turn of the gait."""

HEADWAY_S, STANDSTILL_M, COMFORT_MPS2, DRIVE_MPS2 = 1.3, 2.2, 2.5, 1.6
SAME_LANE_M, IN_THE_WAY_M = 1.4, 2.3
"""Lateral distance up to which another driver, or the ego, is in front."""
BRAKE_LIGHT_MPS2 = -0.4
THINK_STEPS = 10
"""Drivers reconsider every 50 ms."""


@dataclass
class RoadUser:
    """One actor with its present state; poses are of the outline's centre, in map coordinates."""

    actor: Actor
    kind: Kind
    s_m: float
    d_m: float
    x_m: float = 0.0
    y_m: float = 0.0
    yaw_rad: float = 0.0
    speed_mps: float = 0.0
    speed_x_mps: float = 0.0
    speed_y_mps: float = 0.0
    triggered: bool = False
    accel_mps2: float = 0.0
    braking: bool = False
    leg: int = 0
    paused_s: float = 0.0
    gait_turns: float = 0.0
    waypoints: list[tuple[float, float]] = field(default_factory=list)

    @property
    def height_m(self) -> float:
        """Height of the outline."""
        return self.kind.height_m * self.actor.scale


class RoadUsers:
    """All scripted road users of a scenario; ``advance`` moves them by one step of ``STEP_S``.

    ``boxes``: (n, 5) outlines as ``collision`` takes them, in the order of ``items``.
    """

    def __init__(self, actors: tuple[Actor, ...], road: Road, ego: EgoSize) -> None:
        self._road, self._ego, self._steps = road, ego, 0
        self.items = [self._placed(actor) for actor in actors]
        self.boxes = np.array(
            [(u.x_m, u.y_m, u.yaw_rad, u.kind.length_m, u.kind.width_m) for u in self.items], dtype=np.float64
        ).reshape(-1, 5)
        self.outlines = self.boxes
        self.heights = np.array([user.height_m for user in self.items])
        self.people = np.array([k for k, u in enumerate(self.items) if u.kind.label == "pedestrian"], np.int64)
        self._movers = [(k, u) for k, u in enumerate(self.items) if not isinstance(u.actor.motion, Stand)]

    def _placed(self, actor: Actor) -> RoadUser:
        user = RoadUser(actor, KINDS[actor.kind], actor.s_m, actor.d_m)
        user.x_m, user.y_m, yaw = self._road.pose(actor.s_m, actor.d_m)
        user.yaw_rad = yaw + actor.heading_rad
        motion = actor.motion
        user.gait_turns = 0.25
        if isinstance(motion, Stand):
            user.braking = motion.brake_lights
        elif isinstance(motion, Walk):
            user.waypoints = [self._road.pose(s, d)[:2] for s, d in motion.path]
            if user.waypoints:
                user.yaw_rad = math.atan2(user.waypoints[0][1] - user.y_m, user.waypoints[0][0] - user.x_m)
        elif motion.trigger == Trigger():
            user.triggered, user.speed_mps = True, motion.speed_mps
        return user

    def advance(self, now_s: float, ego: NDArray[np.float64], ego_speed_mps: float) -> None:
        """One step; ``ego`` is its outline (x, y, yaw, length, width)."""
        think = self._steps % THINK_STEPS == 0
        self._steps += 1
        for row, user in self._movers:
            motion = user.actor.motion
            assert not isinstance(motion, Stand)
            if not user.triggered:
                near = math.hypot(user.x_m - ego[0], user.y_m - ego[1]) <= motion.trigger.ego_within_m
                user.triggered = near and now_s >= motion.trigger.after_s
            if not user.triggered:
                continue
            if isinstance(motion, Walk):
                _walk(user, motion)
            else:
                if think:
                    user.accel_mps2 = self._wish(user, motion, ego, ego_speed_mps)
                self._roll(user)
            self.boxes[row, :3] = user.x_m, user.y_m, user.yaw_rad

    def user(self, row: int) -> RoadUser:
        """The road user in that row."""
        return self.items[row]

    def near(self, x_m: float, y_m: float, within_m: float) -> NDArray[np.int64]:
        """All rows: a street is short."""
        return np.arange(len(self.items))

    def speeds(self) -> NDArray[np.float64]:
        """(n, 2) in map axes."""
        return np.array([(user.speed_x_mps, user.speed_y_mps) for user in self.items]).reshape(-1, 2)

    def never_fired(self) -> list[tuple[Actor, str]]:
        """Whose script has not begun, and what it waits for."""
        waiting = [u for _, u in self._movers if not u.triggered]
        return [(user.actor, "its script never began") for user in waiting]

    def stuck(self, now_s: float) -> list[int]:
        """Nobody on a street is ever taken off it."""
        return []

    def remove(self, row: int) -> None:
        """Scenarios that go on after a contact are played by ``traffic.Traffic``."""
        raise NotImplementedError

    def ran_lately(self, row: int, now_s: float) -> bool:
        """There are no lights on a plain street."""
        return False

    def turns_left(self, row: int) -> bool:
        """Nobody leaves a plain street."""
        return False

    def gives_way(self, row: int) -> bool:
        """Nor are there signs."""
        return False

    def _wish(self, user: RoadUser, motion: Drive, ego: NDArray[np.float64], ego_speed_mps: float) -> float:
        sign = _direction(user)
        room, lead_speed = math.inf, user.speed_mps
        ego_s, ego_d = self._road.locate(float(ego[0]), float(ego[1]))
        rivals = [(ego_s, ego_d, ego_speed_mps, self._ego.length_m)]
        rivals += [
            (o.s_m, o.d_m, o.speed_mps * _direction(o), o.kind.length_m)
            for o in self.items
            if o is not user and abs(o.d_m - user.d_m) < SAME_LANE_M
        ]
        for s, d, speed, length in rivals:
            ahead = sign * (s - user.s_m) - 0.5 * (length + user.kind.length_m)
            if abs(d - user.d_m) < IN_THE_WAY_M and sign * (s - user.s_m) > 0.0 and ahead < room:
                room, lead_speed = ahead, sign * speed
        return follow_accel(user.speed_mps, motion.speed_mps, room, lead_speed)

    def _roll(self, user: RoadUser) -> None:
        user.speed_mps = max(0.0, user.speed_mps + user.accel_mps2 * STEP_S)
        user.s_m += _direction(user) * user.speed_mps * STEP_S
        user.x_m, user.y_m, yaw = self._road.pose(user.s_m, user.d_m)
        user.yaw_rad = yaw + user.actor.heading_rad
        user.speed_x_mps = user.speed_mps * math.cos(user.yaw_rad)
        user.speed_y_mps = user.speed_mps * math.sin(user.yaw_rad)
        user.braking = user.accel_mps2 < BRAKE_LIGHT_MPS2 or user.speed_mps < 0.05


def is_plain(scenario: Scenario) -> bool:
    """Whether a scenario needs no more than a street and the simplest scripts: what ``RoadUsers`` plays."""
    if scenario.paths or scenario.lights or not scenario.stop_on_collision:
        return False
    return all(not actor.on and _is_simple(actor) for actor in scenario.actors)


def _is_simple(actor: Actor) -> bool:
    motion = actor.motion
    if isinstance(motion, Stand):
        return True
    trigger = motion.trigger
    if trigger != Trigger(ego_within_m=trigger.ego_within_m, after_s=trigger.after_s):
        return False
    if isinstance(motion, Walk):
        return not (motion.minds or motion.loop)
    return actor.kind not in DRIVERS and motion == Drive(motion.speed_mps, motion.trigger)


def _direction(user: RoadUser) -> float:
    return 1.0 if math.cos(user.actor.heading_rad) > 0.0 else -1.0


def follow_accel(speed_mps: float, wanted_mps: float, gap_m: float, lead_speed_mps: float) -> float:
    """Acceleration of the intelligent driver model, limited to [-8, 1.6] m/s²."""
    free = 1.0 - (speed_mps / max(wanted_mps, 0.1)) ** 4
    if math.isinf(gap_m):
        return max(-8.0, DRIVE_MPS2 * free)
    closing = speed_mps * (speed_mps - lead_speed_mps) / (2.0 * math.sqrt(DRIVE_MPS2 * COMFORT_MPS2))
    desired = STANDSTILL_M + max(0.0, speed_mps * HEADWAY_S + closing)
    return max(-8.0, DRIVE_MPS2 * (free - (desired / max(gap_m, 0.1)) ** 2))


def _walk(user: RoadUser, motion: Walk) -> None:
    if user.leg >= len(user.waypoints):
        user.speed_mps = user.speed_x_mps = user.speed_y_mps = 0.0
        return
    if user.leg == 1 and user.paused_s < motion.pause_s:
        user.speed_mps = user.speed_x_mps = user.speed_y_mps = 0.0
        user.paused_s += STEP_S
        return
    target_x, target_y = user.waypoints[user.leg]
    dx, dy = target_x - user.x_m, target_y - user.y_m
    left = math.hypot(dx, dy)
    user.speed_mps = min(motion.speed_mps, user.speed_mps + motion.accel_mps2 * STEP_S)
    stride = user.speed_mps * STEP_S
    if left <= stride or left == 0.0:
        user.x_m, user.y_m = target_x, target_y
        user.leg += 1
    else:
        user.yaw_rad = math.atan2(dy, dx)
        user.x_m += dx / left * stride
        user.y_m += dy / left * stride
    user.speed_x_mps = user.speed_mps * math.cos(user.yaw_rad)
    user.speed_y_mps = user.speed_mps * math.sin(user.yaw_rad)
    user.gait_turns += stride / STRIDE_M
