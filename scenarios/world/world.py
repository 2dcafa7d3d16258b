"""The embedded world: advances one ego and its scripted surroundings in fixed steps, draws pictures, tells the truth.

Decides nothing for the car. Deterministic for (scenario, seed): no clock, no hidden state.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import msgspec
import numpy as np
from numpy.typing import NDArray

from operators.messages import Box, CameraModel, ControlCommand, EgoSize, EgoState, Route
from pipeline.errors import UsageError
from scenarios.scenario import Scenario
from scenarios.world.agents import RoadUser, RoadUsers
from scenarios.world.collision import corridor_gap, first_touched
from scenarios.world.dynamics import ACCEL, SPEED, STEP_S, EgoDynamics, X, Y
from scenarios.world.occlusion import visible_share
from scenarios.world.projection import clipped, eye_pose, lens_of, picture_boxes, rotation
from scenarios.world.scenery import house_boxes, houses

if TYPE_CHECKING:
    from scenarios.world.camera import Rendered, Renderer

STEP_NS = 5_000_000
CORRIDOR_MARGIN_M = 0.3
STANDING_MPS = 0.05


class TruthObject(msgspec.Struct, frozen=True):
    """One road user as it is: outline in map coordinates, and how the ego's camera has it."""

    id: int
    label: str
    x_m: float
    y_m: float
    yaw_rad: float
    length_m: float
    width_m: float
    height_m: float
    speed_x_mps: float
    speed_y_mps: float
    box: Box | None
    """Picture box of the 3-D outline, clipped to the picture; None when outside or behind."""
    visible: float
    """Share of the silhouette that nothing hides, in [0, 1]; geometric, so it exists without pixels."""
    distance_m: float
    """Along the optical axis."""
    kind: str = ""


class Outcome(msgspec.Struct, frozen=True):
    """What has happened so far."""

    collided: bool
    impact_speed_mps: float
    """Relative speed at first contact; 0 without one."""
    collided_with: str
    min_gap_m: float
    """Smallest gap between outlines to any road user in the ego's corridor; 0 on collision, inf if there was none."""
    stopped_gap_m: float | None
    """Gap to the nearest road user ahead in the corridor, when the ego stands behind one."""
    standing_s: float
    """How long the ego has been standing without a break."""
    distance_m: float
    duration_s: float
    max_decel_mps2: float
    progress: float
    """Share of the way from the start to the scenario's end station, in [0, 1]."""


class World:
    """One street, one ego, scripted road users; advances in steps of 5 ms of its own time."""

    def __init__(
        self, scenario: Scenario, *, seed: int, camera: CameraModel | None = None, pixels: bool = True
    ) -> None:
        self.scenario, self.seed, self.pixels = scenario, seed, pixels
        self.camera = camera if camera is not None else CameraModel()
        self.size = EgoSize()
        x, y, yaw = scenario.road.pose(scenario.ego_s_m, scenario.road.own_lane_m)
        self._dynamics = EgoDynamics(self.size, x_m=x, y_m=y, yaw_rad=yaw, speed_mps=scenario.speed_mps)
        self._users = RoadUsers(scenario.actors, scenario.road, self.size)
        self._steps = 0
        self._distance = self._max_decel = self._impact = self._standing = 0.0
        self._min_gap, self._hit = math.inf, ""
        self._renderer: Renderer | None = None
        start, end = scenario.scenery_span()
        self._houses = house_boxes(houses(scenario.road, start_s_m=start, end_s_m=end, seed=scenario.scenery_seed))
        self._judge()

    @property
    def now_ns(self) -> int:
        """The world's own time: a multiple of 5 ms."""
        return self._steps * STEP_NS

    @property
    def finished(self) -> bool:
        """Collided, the duration is over, or the end station is passed."""
        over = self._steps * STEP_S >= self.scenario.duration_s - 1e-9
        return bool(self._hit) or over or self._progress() >= 1.0

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

    def ego(self) -> EgoState:
        """The ego's state at ``now_ns``."""
        return self._dynamics.ego()

    def render(self) -> Rendered:
        """The camera's picture at ``now_ns``."""
        if self._renderer is None:
            if not self.pixels:
                raise UsageError("this world has no pixels", where="world", hint="build it with pixels=True")
            from scenarios.world.camera import Renderer

            self._renderer = Renderer(self.scenario, self.camera, seed=self.seed)
        return self._renderer.render(self.ego(), self._users.items)

    def truth(self) -> tuple[TruthObject, ...]:
        """Every road user as it is now, in the order of the scenario."""
        users, ego, camera = self._users, self.ego(), self.camera
        eye, yaw = eye_pose(ego, camera)
        heights = np.array([user.height_m for user in users.items])
        half_view = (camera.cx_px / camera.fx_px, (camera.width_px - camera.cx_px) / camera.fx_px)
        every = np.concatenate([users.boxes, self._houses[0]]), np.concatenate([heights, self._houses[1]])
        share = visible_share(eye, yaw, half_view, *every, len(heights))
        boxes = picture_boxes(eye, rotation(yaw, camera.pitch_rad), lens_of(camera), users.boxes, heights)
        return tuple(
            _truth(user, clipped(box, camera), float(box[4]), float(seen))
            for user, box, seen in zip(users.items, boxes, share, strict=True)
        )

    def route(self) -> Route:
        """The lane of travel from 20 m behind the start to 120 m past the end station."""
        scenario = self.scenario
        return scenario.road.route(
            start_s_m=scenario.ego_s_m - 20.0,
            end_s_m=scenario.end_s_m + 120.0,
            width_left_m=scenario.width_left_m,
            width_right_m=scenario.width_right_m,
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
        # After a contact the world stands still: what follows would be an invention.
        if self._hit:
            self._steps += 1
            return
        state = self._dynamics.state
        x, y = float(state[X]), float(state[Y])
        self._dynamics.advance()
        speed = float(state[SPEED])
        self._users.advance(self._steps * STEP_S, self._outline(), speed)
        self._steps += 1
        self._distance += math.hypot(float(state[X]) - x, float(state[Y]) - y)
        self._max_decel = max(self._max_decel, -float(state[ACCEL]))
        self._standing = self._standing + STEP_S if speed < STANDING_MPS else 0.0
        self._judge()

    def _judge(self) -> None:
        own, boxes = self._outline(), self._users.boxes
        touched = int(first_touched(own, boxes))
        if touched >= 0:
            user, state = self._users.items[touched], self._dynamics.state
            relative_x = float(state[SPEED]) * math.cos(own[2]) - user.speed_x_mps
            relative_y = float(state[SPEED]) * math.sin(own[2]) - user.speed_y_mps
            self._hit, self._impact, self._min_gap = user.kind.label, math.hypot(relative_x, relative_y), 0.0
            return
        self._min_gap = min(self._min_gap, self._corridor_gap(ahead_only=False))

    def _corridor_gap(self, *, ahead_only: bool) -> float:
        half_width = 0.5 * self.size.width_m + CORRIDOR_MARGIN_M
        table = self.scenario.road.table()
        return float(corridor_gap(self._outline(), self._users.boxes, table, half_width, ahead_only))

    def _progress(self) -> float:
        scenario, ego = self.scenario, self._dynamics.state
        s, _ = scenario.road.locate(float(ego[0]), float(ego[1]))
        whole = max(1e-9, scenario.end_s_m - scenario.ego_s_m)
        return min(1.0, max(0.0, (s - scenario.ego_s_m) / whole))

    def _outline(self) -> NDArray[np.float64]:
        x, y, yaw = self._dynamics.state[:3]
        lead = 0.5 * self.size.length_m - self.size.rear_overhang_m
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
