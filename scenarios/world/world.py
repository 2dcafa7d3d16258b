"""The embedded world: advances one ego and its scripted surroundings in fixed steps, draws pictures, tells the truth.

Decides nothing for the car. Deterministic for (scenario, seed): no clock, no hidden state.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TYPE_CHECKING, Protocol

import numpy as np
from numpy.typing import NDArray

from operators.messages import Box, CameraModel, ControlCommand, EgoSize, EgoState, Route, TrafficLights
from pipeline.errors import UsageError
from scenarios.scenario import KINDS, Path, Scenario
from scenarios.sensors.sensing import Sensing
from scenarios.world.checks import check
from scenarios.world.collision import corridor_gap, first_touched
from scenarios.world.dynamics import ACCEL, SPEED, STEP_S, EgoDynamics, X, Y
from scenarios.world.houses import Houses
from scenarios.world.judging import LOOK_STEPS, Judge
from scenarios.world.occlusion import visible_share
from scenarios.world.projection import clipped, eye_pose, lens_of, picture_boxes, rotation
from scenarios.world.records import GRIDLOCK, TRIGGER_NEVER_FIRED, Incident, Outcome, Snapshot, TruthObject
from scenarios.world.roads import Road
from scenarios.world.traffic.agents import RoadUser, RoadUsers, is_plain
from scenarios.world.traffic.leaders import path_gap
from scenarios.world.traffic.signals import Signals
from scenarios.world.traffic.traffic import Traffic
from scenarios.world.ways import way_of

if TYPE_CHECKING:
    from scenarios.world.drawing.camera import Rendered, Renderer

__all__ = ["STEP_NS", "Incident", "Outcome", "Snapshot", "TruthObject", "World"]

STEP_NS = 5_000_000
CORRIDOR_MARGIN_M = 0.3
STANDING_MPS = 0.05
TRUTH_M = 200.0
ROUTE_BEHIND_M, ROUTE_BEYOND_M = 20.0, 120.0


class Witness(Protocol):
    """Something that wants to see a run as it goes on, such as a journal of it."""

    def note(self, world: World) -> None:
        """Called after every step; decides itself how often it writes anything down."""


class World(Sensing):
    """One road, one ego, scripted road users; advances in steps of 5 ms of its own time.

    ``journal``: a witness, if somebody sets one. ``traffic``: what plays the road users, if not the built-in traffic.
    Raises UsageError for a scenario that cannot be played.
    """

    def __init__(
        self,
        scenario: Scenario,
        *,
        seed: int,
        camera: CameraModel | None = None,
        pixels: bool = True,
        traffic: Callable[[Scenario, EgoSize, Signals], Traffic] | None = None,
    ) -> None:
        self.scenario, self.seed, self.pixels = scenario, seed, pixels
        self.camera = camera if camera is not None else CameraModel()
        self.size = EgoSize()
        self.journal: Witness | None = None
        check(scenario, self.size)
        self._way = way_of(scenario.road)
        self._signals = Signals(scenario.lights)
        x, y, yaw = self._way.pose(scenario.ego_s_m, self._way.own_lane_m)
        self._dynamics = EgoDynamics(
            self.size, x_m=x, y_m=y, yaw_rad=yaw, speed_mps=scenario.speed_mps, model=scenario.ego_model,
            friction=scenario.grip(),
        )  # fmt: skip
        self._users: RoadUsers | Traffic
        if traffic is not None:
            self._users = traffic(scenario, self.size, self._signals)
        elif isinstance(scenario.road, Road) and is_plain(scenario):
            self._users = RoadUsers(scenario.actors, scenario.road, self.size)
        else:
            self._users = Traffic(scenario, self.size, self._signals)
        self._heights = self._users.heights
        self._steps = self._collisions = 0
        self._distance = self._max_decel = self._impact = self._standing = 0.0
        self._min_gap, self._hit, self._over = math.inf, "", False
        self._renderer: Renderer | None = None
        self._route: Route | None = None
        self._houses = Houses(scenario)
        self._judge_of_ego = Judge(
            scenario, self._way, self._signals, centre_m=self._lead(), half_m=0.5 * self.size.length_m
        )
        self._judge(self._outline())

    @property
    def now_ns(self) -> int:
        """The world's own time: a multiple of 5 ms."""
        return self._steps * STEP_NS

    @property
    def finished(self) -> bool:
        """Ended by a collision, the duration is over, or the end station is passed."""
        over = self._steps * STEP_S >= self.scenario.duration_s - 1e-9
        return self._over or over or self._progress() >= 1.0

    def apply(self, command: ControlCommand) -> None:
        """Hold pedals and steering from now on; a command with a value that is not finite is refused."""
        if not all(math.isfinite(value) for value in (command.throttle, command.brake, command.steer_rad)):
            raise UsageError(
                f"command throttle={command.throttle} brake={command.brake} steer_rad={command.steer_rad}",
                where=f"world, t={self.now_ns / 1e9:.3f} s",
                hint="every value must be a finite number",
            )
        self._dynamics.apply(command)

    def advance(self, to_ns: int) -> None:
        """Integrate up to the last step at or before ``to_ns``; earlier times change nothing."""
        while (self._steps + 1) * STEP_NS <= to_ns:
            self._step()
            if self.journal is not None:
                self.journal.note(self)

    def ego(self) -> EgoState:
        """The ego's state at ``now_ns``."""
        return self._dynamics.ego()

    def render(self) -> Rendered:
        """The camera's picture at ``now_ns``."""
        if self._renderer is None:
            if not self.pixels:
                raise UsageError("this world has no pixels", where="world", hint="build it with pixels=True")
            from scenarios.world.drawing.camera import Renderer

            self._renderer = Renderer(self.scenario, self.camera, seed=self.seed)
        return self._renderer.render(self.ego(), self._users.items, lights=self.lights(), now_ns=self.now_ns)

    def truth(self) -> tuple[TruthObject, ...]:
        """Every road user that is on the road now, in the order of the scenario; on a map those within 200 m."""
        ego, camera, users = self.ego(), self.camera, self._users
        rows = users.near(ego.x_m, ego.y_m, TRUTH_M)
        items, outlines = [users.user(int(row)) for row in rows], users.outlines[rows]
        eye, yaw = eye_pose(ego, camera)
        heights = np.array([user.height_m for user in items])
        half_view = (camera.cx_px / camera.fx_px, (camera.width_px - camera.cx_px) / camera.fx_px)
        houses = self._houses.near(ego.x_m, ego.y_m)
        every = np.concatenate([outlines, houses[0]]), np.concatenate([heights, houses[1]])
        share = visible_share(eye, yaw, half_view, *every, len(heights))
        boxes = picture_boxes(eye, rotation(yaw, camera.pitch_rad), lens_of(camera), outlines, heights)
        return tuple(
            _truth(user, clipped(box, camera), float(box[4]), float(seen))
            for user, box, seen in zip(items, boxes, share, strict=True)
        )

    def route(self) -> Route:
        """The lane of travel from 20 m behind the start to 120 m past the end station."""
        if self._route is None:
            scenario = self.scenario
            self._route = self._way.route(
                start_s_m=scenario.ego_s_m - ROUTE_BEHIND_M,
                end_s_m=scenario.end_s_m + ROUTE_BEYOND_M,
                width_left_m=scenario.width_left_m,
                width_right_m=scenario.width_right_m,
            )
        return self._route

    def lights(self, ahead_m: float = math.inf) -> TrafficLights:
        """What the lights show: all of them, or those on the ego's road whose lines are within ``ahead_m`` ahead."""
        now_s, names = self._steps * STEP_S, None
        if math.isfinite(ahead_m):
            front, road = self._judge_of_ego.s_m + 0.5 * self.size.length_m, self.scenario.road
            stops = road.stops if isinstance(road, Path) else ()
            near = [stop.light for stop in stops if -1.0 <= stop.s_m - front <= ahead_m and stop.light]
            names = tuple(dict.fromkeys(near))
        return self._signals.message(now_s, names)

    def incidents(self) -> tuple[Incident, ...]:
        """What a judge must know, in the order of time; once the drive is over, also the triggers that never fired."""
        found = list(self._judge_of_ego.incidents)
        if self.finished:
            ego = self.ego()
            for actor, what in self._users.never_fired():
                found.append(
                    Incident(
                        kind=TRIGGER_NEVER_FIRED, t_ns=self.now_ns, x_m=ego.x_m, y_m=ego.y_m, with_id=actor.id,
                        s_m=self._judge_of_ego.s_m, speed_mps=ego.speed_mps, with_kind=actor.kind, detail=what,
                    )
                )  # fmt: skip
        return tuple(found)

    def snapshot(self) -> Snapshot:
        """Where everybody is at ``now_ns``."""
        users, actors = self._users, self.scenario.actors
        rows = users.near(0.0, 0.0, math.inf)
        outlines, speeds = users.outlines[rows], users.speeds()[rows]
        kinds = tuple(actors[row].kind for row in rows)
        s, d = self._place()
        return Snapshot(
            t_ns=self.now_ns,
            ego=self.ego(),
            ego_s_m=s,
            ego_d_m=d - self._way.own_lane_m,
            ids=np.array([actors[row].id for row in rows], np.int64),
            labels=tuple(KINDS[kind].label for kind in kinds),
            kinds=kinds,
            x_m=outlines[:, 0].copy(),
            y_m=outlines[:, 1].copy(),
            yaw_rad=outlines[:, 2].copy(),
            speed_x_mps=speeds[:, 0].copy(),
            speed_y_mps=speeds[:, 1].copy(),
            length_m=outlines[:, 3].copy(),
            width_m=outlines[:, 4].copy(),
            height_m=self._heights[rows],
        )

    def outcome(self) -> Outcome:
        """What has happened up to ``now_ns``."""
        standing = self._standing > 0.0
        ahead = self._corridor_gap(ahead_only=True) if standing else math.inf
        return Outcome(
            collided=bool(self._hit),
            impact_speed_mps=self._impact,
            collided_with=self._hit,
            min_gap_m=self._min_gap,
            stopped_gap_m=ahead if math.isfinite(ahead) else None,
            standing_s=self._standing,
            distance_m=self._distance,
            duration_s=self._steps * STEP_S,
            max_decel_mps2=self._max_decel,
            progress=self._progress(),
            collisions=self._collisions,
        )

    def top_view(self) -> tuple[dict[str, float | int | str], ...]:
        """Outlines for drawings, the ego first (id 0): centre, heading and size of each."""
        own = self._outline()
        rows: list[tuple[int, str, float, float, float, float, float]] = [
            (0, "ego", float(own[0]), float(own[1]), float(own[2]), float(own[3]), float(own[4]))
        ]
        for user in self._users.items:
            kind = user.kind
            rows.append((user.actor.id, kind.label, user.x_m, user.y_m, user.yaw_rad, kind.length_m, kind.width_m))
        names = ("id", "label", "x_m", "y_m", "yaw_rad", "length_m", "width_m")
        return tuple(dict(zip(names, row, strict=True)) for row in rows)

    def _step(self) -> None:
        # After a contact that ends the drive the world stands still: what follows would be an invention.
        if self._over:
            self._steps += 1
            return
        state = self._dynamics.state
        x, y = float(state[X]), float(state[Y])
        self._dynamics.advance()
        speed = float(state[SPEED])
        own = self._outline()
        self._users.advance(self._steps * STEP_S, own, speed)
        self._steps += 1
        self._distance += math.hypot(float(state[X]) - x, float(state[Y]) - y)
        self._max_decel = max(self._max_decel, -float(state[ACCEL]))
        self._standing = self._standing + STEP_S if speed < STANDING_MPS else 0.0
        self._judge(own)

    def _judge(self, own: NDArray[np.float64]) -> None:
        now_s = self._steps * STEP_S
        looks = self._steps % LOOK_STEPS == 0
        if looks:
            ego = self.ego()
            judge = self._judge_of_ego
            judge.look(now_s, ego, own, self._standing)
            if len(self._users.people):
                speeds = self._users.speeds()
                judge.watch(now_s, self._users.outlines, self._heights, speeds, self._users.people, own, ego.speed_mps)
            for row in self._users.stuck(now_s):
                actor = self.scenario.actors[row]
                judge.note(GRIDLOCK, now_s, ego, "could not move and was taken off the road", actor.id, actor.kind)
        touched = int(first_touched(own, self._users.outlines))
        if touched >= 0:
            self._touch(now_s, own, touched)
        elif looks or isinstance(self._users, RoadUsers):
            self._min_gap = min(self._min_gap, self._corridor_gap(ahead_only=False))

    def _touch(self, now_s: float, own: NDArray[np.float64], row: int) -> None:
        users, user = self._users, self._users.user(row)
        incident = self._judge_of_ego.contact(
            now_s,
            self.ego(),
            own,
            user,
            row,
            other_ran=users.ran_lately(row, now_s),
            other_gives_way=users.gives_way(row),
            other_turns_left=users.turns_left(row),
        )
        if incident is not None:
            self._collisions += 1
            if not self._hit:
                self._hit, self._impact = user.kind.label, self._impact_speed(own, user)
        self._min_gap = 0.0
        if self.scenario.stop_on_collision:
            self._over = True
        else:
            users.remove(row)

    def _impact_speed(self, own: NDArray[np.float64], user: RoadUser) -> float:
        speed = float(self._dynamics.state[SPEED])
        return math.hypot(speed * math.cos(own[2]) - user.speed_x_mps, speed * math.sin(own[2]) - user.speed_y_mps)

    def _corridor_gap(self, *, ahead_only: bool) -> float:
        half_width = 0.5 * self.size.width_m + CORRIDOR_MARGIN_M
        users, road = self._users, self.scenario.road
        if isinstance(users, Traffic) and isinstance(road, Path):
            return float(path_gap(users.numbers, users.flags, users.lines, half_width, ahead_only))
        assert isinstance(road, Road)
        return float(corridor_gap(self._outline(), users.outlines, road.table(), half_width, ahead_only))

    def _place(self) -> tuple[float, float]:
        """(s, d) of the ego's outline on its road."""
        own = self._outline()
        return self._way.locate(float(own[0]), float(own[1]), self._judge_of_ego.s_m)

    def _progress(self) -> float:
        scenario, ego = self.scenario, self._dynamics.state
        s, _ = self._way.locate(float(ego[0]), float(ego[1]), self._judge_of_ego.s_m)
        whole = max(1e-9, scenario.end_s_m - scenario.ego_s_m)
        return min(1.0, max(0.0, (s - scenario.ego_s_m) / whole))

    def _lead(self) -> float:
        """From the rear axle to the outline's centre."""
        return self.size.middle_m

    def _outline(self) -> NDArray[np.float64]:
        x, y, yaw = self._dynamics.state[:3]
        lead = self._lead()
        return np.array(
            [x + lead * math.cos(yaw), y + lead * math.sin(yaw), yaw, self.size.length_m, self.size.width_m]
        )


def _truth(user: RoadUser, box: Box | None, distance_m: float, seen: float) -> TruthObject:
    return TruthObject(
        id=user.actor.id,
        label=user.kind.label,
        x_m=user.x_m,
        y_m=user.y_m,
        yaw_rad=user.yaw_rad,
        length_m=user.kind.length_m,
        width_m=user.kind.width_m,
        height_m=user.height_m,
        speed_x_mps=user.speed_x_mps,
        speed_y_mps=user.speed_y_mps,
        box=box,
        visible=seen if box is not None else 0.0,
        distance_m=distance_m,
        kind=user.actor.kind,
    )
