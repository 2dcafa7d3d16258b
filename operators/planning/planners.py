"""The planners as operators: when to refine, what to answer after a miss. The planning itself is elsewhere."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from operators.geometry.windows import RouteLine, RouteWindow
from operators.messages import EgoSize, EgoState, Predictions, Route, TrafficLights, Trajectory
from operators.planning import frenet, waypoints
from operators.planning.frenet_candidates import FrenetSettings
from operators.planning.rules import Passage, Rules, RuleSettings, Waiting, rules, waited
from operators.planning.scene import Clearance, braking, empty, is_clear, moved_to_now, understood
from pipeline.definition import Context, DeadlineMissed, Operator
from pipeline.ports import Input, Output, State, keep_last, latest
from pipeline.timestamps import Duration, seconds

PASSES = ("coarse", "medium", "fine")
"""Names of the Frenet planner's work, as in latency profiles."""

ROUTE_AGE: Duration = seconds(60)
LIGHTS_AGE: Duration = seconds(1)
"""Older news of a light is none."""


class Previous(NamedTuple):
    """The last trajectory sent and what it rested on."""

    t: int
    trajectory: Trajectory
    predictions: Predictions


class _Planner(Operator):
    """What both planners share: the ports, the memory of the last plan, and the answer after a miss."""

    predictions = Input(Predictions, queue=keep_last(1))
    ego = Input(EgoState)
    route = Input(Route, join=latest(max_age=ROUTE_AGE))
    lights = Input(TrafficLights, join=latest(max_age=LIGHTS_AGE), required=False)
    trajectory = Output(Trajectory)
    previous: State[Previous | None] = State(lambda: None)
    progress: State[float | None] = State(lambda: None)
    """Where on the route the ego was."""
    waiting: State[Waiting] = State(Waiting)

    def __init__(self, *, target_speed_mps: float | None = None, brake_mps2: float = 8.0) -> None:
        self.target_speed_mps = target_speed_mps
        self.brake_mps2 = brake_mps2
        self.size = EgoSize()
        self.clearance = Clearance()
        self.rule_settings = RuleSettings()
        self._line: RouteLine | None = None

    def window(self, route: Route, ego: EgoState, last_s_m: float | None) -> tuple[RouteWindow, float | None]:
        """The route around the ego, and where on it the ego is; its line is kept for as long as the route stays."""
        if self._line is None or not self._line.is_of(route):
            self._line = RouteLine(route)
        if not np.isfinite((ego.x_m, ego.y_m, ego.yaw_rad)).all():
            return self._line.whole, last_s_m
        return self._line.around(ego.x_m, ego.y_m, ego.yaw_rad, last_s_m)

    def line_of(self, ctx: Context) -> tuple[RouteWindow, Rules | None]:
        """The line to plan on and what holds on it; no rules on a route without limits and stop lines."""
        route, ego = ctx[self.route], ctx[self.ego]
        window, s_m = self.window(route, ego, ctx[self.progress])
        if route.limits_mps is None and not route.stops:
            return window, None
        ctx[self.progress] = s_m
        s, _ = window.line.to_road(ego.x_m, ego.y_m) if s_m is not None else (0.0, 0.0)
        front = s + self.size.length_m - self.size.rear_overhang_m
        passage = Passage(s, max(ego.speed_mps, 0.0), front, s - self.size.rear_overhang_m)
        ctx[self.waiting] = waiting = waited(ctx[self.waiting], window, passage, int(ctx.t), self.rule_settings)
        seen = ctx.get(self.lights)
        lights = {each.light: each.state for each in seen.items} if seen is not None else {}
        top = self.target_of(route)
        held = rules(window, passage, lights, ctx[self.predictions], waiting, top, self.size, self.rule_settings)
        return window, held

    def target_of(self, route: Route) -> float:
        """The speed to drive on a free road."""
        limit = route.speed_limit_mps
        return limit if self.target_speed_mps is None else min(self.target_speed_mps, limit)

    def age_s(self, ctx: Context, t: int | None = None) -> float:
        """How long before this timestamp the predictions were made."""
        if t is None:
            envelope = ctx.envelope(self.predictions)
            t = ctx.t if envelope is None else envelope.t
        return max(ctx.t - t, 0) * 1e-9

    def remember(self, ctx: Context, trajectory: Trajectory) -> None:
        """Keep a plan for the answer after a later miss."""
        ctx[self.previous] = Previous(ctx.t, trajectory, ctx[self.predictions])

    def on_miss(self, ctx: Context, miss: DeadlineMissed) -> Trajectory:
        """The best plan so far; else the last one moved to now, if still safe; else a braking trajectory."""
        if miss.best is not None:
            best: Trajectory = miss.best
            return best
        ego, last = ctx.get(self.ego), ctx[self.previous]
        rest = moved_to_now(last.trajectory, (ctx.t - last.t) * 1e-9) if last is not None else None
        if last is None or rest is None:
            return empty("safe_stop: no plan") if ego is None else braking(ego, self.brake_mps2)
        if ego is None:
            ego = _start_of(rest)
        seen = ctx.get(self.predictions)
        route = ctx.get(self.route)
        predictions, age_s = (
            (seen, self.age_s(ctx)) if seen is not None else (last.predictions, self.age_s(ctx, last.t))
        )
        if route is not None:
            predictions = understood(predictions, self.window(route, ego, ctx[self.progress])[0].line)
        if is_clear(rest, ego, predictions, self.size, self.clearance, age_s):
            return rest
        return braking(ego, self.brake_mps2)

    def warm_up(self) -> None:
        """Compile the kernels on a small road, so that the first plan is as quick as the others."""
        x = np.arange(0.0, 60.0, 2.0)
        route = Route(x_m=x, y_m=np.zeros(30), width_left_m=1.0, width_right_m=1.0, speed_limit_mps=10.0)
        ego = EgoState(x_m=5.0, y_m=0.0, yaw_rad=0.0, speed_mps=8.0)
        *_, last = frenet.plan(ego, route, Predictions(items=(), step_s=0.2))
        is_clear(last.trajectory, ego, Predictions(items=(), step_s=0.2), self.size, self.clearance)


class FrenetPlanner(_Planner):
    """Frenet optimal trajectories, coarse first, then finer while time is left.

    Ports: ``predictions``, ``ego`` (same t), ``route``, ``lights`` (latest, not required) in; ``trajectory`` out. Work:
    coarse, medium, fine.
    """

    def __init__(
        self,
        *,
        target_speed_mps: float | None = None,
        brake_mps2: float = 8.0,
        road_step_m: float = 0.25,
        step_s: float = 0.25,
        passes: int = 3,
    ) -> None:
        super().__init__(target_speed_mps=target_speed_mps, brake_mps2=brake_mps2)
        self.settings = FrenetSettings(road_step_m=road_step_m, step_s=step_s, decel_max_mps2=brake_mps2)
        self.passes = PASSES[:passes]

    def on_watermark(self, ctx: Context) -> Iterator[Trajectory]:
        route = ctx[self.route]
        window, held = self.line_of(ctx)
        search = frenet.plan(
            ctx[self.ego],
            route,
            ctx[self.predictions],
            self.settings,
            target_mps=self.target_of(route),
            size=self.size,
            clearance=self.clearance,
            age_s=self.age_s(ctx),
            line=window.line,
            rules=held,
        )
        for index, name in enumerate(self.passes):
            if index > 0 and ctx.remaining() < ctx.expected(name):
                return
            ctx.work(name)
            answer = next(search, None)
            if answer is None:
                return
            self.remember(ctx, answer.trajectory)
            yield answer.trajectory


class WaypointPlanner(_Planner):
    """Follows the route and gives way by slowing down.

    Ports: ``predictions``, ``ego`` (same t), ``route``, ``lights`` (latest, not required) in; ``trajectory`` out. Work:
    plan.
    """

    def __init__(
        self, *, target_speed_mps: float | None = None, brake_mps2: float = 8.0, standoff_m: float = 2.5
    ) -> None:
        super().__init__(target_speed_mps=target_speed_mps, brake_mps2=brake_mps2)
        self.settings = waypoints.WaypointSettings(decel_max_mps2=brake_mps2, standoff_m=standoff_m)

    def on_watermark(self, ctx: Context) -> Trajectory:
        ctx.work("plan")
        window, held = self.line_of(ctx)
        trajectory = waypoints.plan(
            ctx[self.ego],
            window.line,
            ctx[self.predictions],
            self.target_of(ctx[self.route]),
            self.settings,
            size=self.size,
            age_s=self.age_s(ctx),
            rules=held,
        )
        self.remember(ctx, trajectory)
        return trajectory


def _start_of(trajectory: Trajectory) -> EgoState:
    return EgoState(
        x_m=float(trajectory.x_m[0]),
        y_m=float(trajectory.y_m[0]),
        yaw_rad=float(trajectory.yaw_rad[0]),
        speed_mps=float(trajectory.speed_mps[0]),
        frame_id=trajectory.frame_id,
    )
