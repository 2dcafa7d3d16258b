"""The stages as operators under the virtual clock: ports, state, refinement, and answers after a miss."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

from operators.budget.policy import BudgetPolicy, UnknownVariant
from operators.control.gate import CommandGate
from operators.control.pid import Controller
from operators.location.locator import ObstacleLocator
from operators.messages import (
    Box,
    CameraModel,
    ControlCommand,
    DepthFrame,
    Detection,
    Detections,
    EgoState,
    Obstacle,
    Obstacles,
    Prediction,
    Predictions,
    Route,
    Track,
    Tracks,
)
from operators.planning.planners import FrenetPlanner, WaypointPlanner
from operators.planning.scene import empty
from operators.prediction.constant_velocity import LinearPredictor
from operators.tracking.sort import SortTracker
from pipeline.latency import constant
from pipeline.testing import Driven, drive
from pipeline.timestamps import ms

FRAME = ms(100)
ROUTE = Route(
    x_m=np.arange(0.0, 300.0, 2.0), y_m=np.zeros(150), width_left_m=1.0, width_right_m=1.0, speed_limit_mps=12.0
)
NOBODY = Predictions(items=(), step_s=0.2)
PLANNERS = pytest.mark.parametrize("planner", [FrenetPlanner, WaypointPlanner])


def ego(x: float = 50.0, speed: float = 12.0) -> EgoState:
    return EgoState(x_m=x, y_m=0.0, yaw_rad=0.0, speed_mps=speed)


def frames(values: list[Any], every: int = FRAME) -> list[tuple[int, Any]]:
    return [(k * every, value) for k, value in enumerate(values)]


def detections(u: float) -> Detections:
    box = Box(x0_px=u - 8, y0_px=160, x1_px=u + 8, y1_px=200)
    return Detections(items=(Detection(label="pedestrian", score=0.9, box=box),), model="test")


def person(x: float, y: float) -> Obstacle:
    return Obstacle(
        track_id=1, label="pedestrian", score=0.9, x_m=x, y_m=y, length_m=0.5, width_m=0.6, position_std_m=0.1
    )


def standing(x: float) -> Predictions:
    path = np.tile(np.array((x, 0.0)), (15, 1))
    return Predictions(items=(Prediction(obstacle=person(x, 0.0), path_m=path),), step_s=0.2)


def planned(planner: Any, seen: list[Predictions], **options: Any) -> Driven:
    count = len(seen)
    inputs = {
        "predictions": frames(seen),
        "ego": frames([ego(50.0 + 1.2 * k) for k in range(count)]),
        "route": [(0, ROUTE)],
    }
    return drive(planner, inputs, **options)


def test_the_tracker_keeps_an_identity_over_timestamps() -> None:
    driven = drive(SortTracker(), {"detections": frames([detections(100 + 10 * k) for k in range(5)])})
    assert [[t.track_id for t in tracks.items] for _, tracks in driven.values] == [[1]] * 5
    assert driven.values[-1][1].items[0].hits == 5


def test_the_locator_leaves_out_tracks_that_were_not_seen() -> None:
    box = Box(x0_px=310, y0_px=160, x1_px=330, y1_px=220)
    tracks = Tracks(
        items=tuple(
            Track(track_id=k, label="pedestrian", score=0.9, box=box, hits=3, missed=missed)
            for k, missed in ((1, 0), (2, 1))
        )
    )
    depth = DepthFrame(depth_m=np.full((360, 640), 12.0, np.float32), camera=CameraModel(), captured_ns=0)
    driven = drive(ObstacleLocator(), {"tracks": [(0, tracks)], "depth": [(0, depth)], "ego": [(0, ego(0.0))]})
    (_, found) = driven.values[0]
    assert [item.track_id for item in found.items] == [1]
    assert found.items[0].x_m == pytest.approx(12.0 + CameraModel().x_m + 0.25)


def test_the_predictor_learns_a_velocity_over_timestamps() -> None:
    walk = frames([Obstacles(items=(person(20.0, 4.0 - 0.2 * k),)) for k in range(6)])
    driven = drive(LinearPredictor(), {"obstacles": walk})
    speeds = [predictions.items[0].obstacle.speed_y_mps for _, predictions in driven.values]
    assert speeds[0] == 0.0
    assert speeds[-1] == pytest.approx(-2.0, abs=0.2)


@PLANNERS
def test_a_free_road_is_driven_at_the_target_speed(planner: type) -> None:
    driven = planned(planner(target_speed_mps=12.0), [NOBODY])
    assert driven.values[0][1].speed_mps[-1] == pytest.approx(12.0, abs=0.3)


@PLANNERS
def test_somebody_ahead_is_stopped_for(planner: type) -> None:
    driven = planned(planner(), [standing(70.0)])
    assert driven.values[0][1].speed_mps[-1] == pytest.approx(0.0, abs=0.1)


def test_the_frenet_planner_stops_refining_when_the_next_pass_would_not_fit() -> None:
    charged = {name: constant(ms(30)) for name in ("coarse", "medium", "fine")}
    driven = planned(FrenetPlanner(), [NOBODY], latency=charged, deadline=ms(70))
    assert driven.misses == []
    assert driven.answers[0].at == ms(60)


def test_a_deadline_while_refining_sends_the_coarse_plan() -> None:
    class HeldUp(FrenetPlanner):
        def on_watermark(self, ctx: Any) -> Any:
            yield next(super().on_watermark(ctx))
            ctx.work("stuck")
            yield empty()

    charged = {"coarse": constant(ms(30)), "stuck": constant(ms(80))}
    driven = planned(HeldUp(), [NOBODY], latency=charged, deadline=ms(50))
    assert driven.answers[0].value.reason == "follow"
    assert driven.answers[0].at <= ms(55)


@PLANNERS
def test_a_miss_with_a_clear_road_continues_the_last_plan(planner: type) -> None:
    driven = missed_second(planner, NOBODY)
    first, second = (trajectory for _, trajectory in driven.values)
    assert second.time_s[0] == 0.0
    assert second.x_m[0] == pytest.approx(first.x_m[1], abs=1e-6)
    assert second.speed_mps.min() > 11.0


@PLANNERS
def test_a_miss_with_somebody_in_the_way_brakes(planner: type) -> None:
    _, (_, second) = missed_second(planner, standing(72.0)).values
    assert second.reason == "brake"
    assert second.speed_mps[-1] == 0.0


@PLANNERS
def test_a_miss_without_any_plan_brakes(planner: type) -> None:
    driven = planned(planner(), [NOBODY], latency=ms(80), deadline=ms(50))
    assert [trajectory.reason for _, trajectory in driven.values] == ["brake"]


def missed_second(planner: type, seen: Predictions) -> Driven:
    """The second of two plans misses its deadline."""

    class HeldUp(planner):  # type: ignore[misc]
        def on_watermark(self, ctx: Any) -> Any:
            if ctx.t > 0:
                ctx.work("stuck")
                return empty()
            answer = super().on_watermark(ctx)
            return list(answer)[-1] if isinstance(answer, Iterator) else answer

    charged = {"": constant(ms(1)), "stuck": constant(ms(80))}
    return planned(HeldUp(), [NOBODY, seen], latency=charged, deadline=ms(50))


def test_the_controller_follows_a_trajectory_at_its_age() -> None:
    trajectory = planned(WaypointPlanner(), [standing(66.0)]).values[0][1]
    egos = [(k * ms(10), ego(50.0, 12.0)) for k in range(30)]
    driven = drive(Controller(), {"ego": egos, "trajectory": [(0, trajectory)]}, arrivals={"trajectory": ms(100)})
    brakes = {int(t): command.brake for t, command in driven.values}
    assert brakes[ms(50)] < 0.4  # Nothing to follow yet.
    assert brakes[ms(200)] > 0.7


def test_a_trajectory_that_is_too_old_is_not_followed() -> None:
    trajectory = planned(WaypointPlanner(), [NOBODY]).values[0][1]
    egos = [(k * ms(50), ego(50.0, 12.0)) for k in range(60)]
    driven = drive(Controller(trajectory_age_max=ms(500)), {"ego": egos, "trajectory": [(0, trajectory)]})
    reasons = {int(t): command.reason for t, command in driven.values}
    assert reasons[ms(400)] == "nominal"
    assert reasons[ms(1000)].startswith("safe_stop")
    assert driven.values[-1][1].brake > 0.4


def test_the_gate_stops_the_car_on_what_is_not_a_number() -> None:
    commands = [ControlCommand(throttle=0.2, brake=0.0, steer_rad=s) for s in (0.0, 0.0, math.nan, math.nan)]
    driven = drive(
        CommandGate(),
        {"command": [(t + ms(20), c) for t, c in frames(commands, ms(20))], "ego": frames([ego()] * 5, ms(20))},
    )
    answers = [command for _, command in driven.values]
    assert [a.reason for a in answers[:2]] == ["nominal", "nominal"]
    assert answers[-1].reason == "safe_stop: steer_rad is not finite"
    assert answers[-1].throttle == 0.0 and answers[-1].brake > 0.0


def test_the_gate_without_an_ego_state_stops_the_car() -> None:
    command = ControlCommand(throttle=0.2, brake=0.0, steer_rad=0.0)
    driven = drive(CommandGate(), {"command": [(ms(500), command)], "ego": [(0, ego())]})
    assert driven.values[0][1].reason.startswith("safe_stop")


def test_the_gate_brakes_on_its_own_when_commands_stop_coming() -> None:
    commands = [(k * ms(20), ControlCommand(throttle=0.1, brake=0.0, steer_rad=0.0)) for k in (1, 21)]
    egos = [(k * ms(20), ego()) for k in range(22)]
    driven = drive(CommandGate(), {"command": commands, "ego": egos}, frequency=ms(40))
    between = [a.value for a in driven.answers if ms(100) < a.at < ms(400)]
    assert len(between) > 3
    assert all(command.reason == "safe_stop: no fresh command" for command in between)
    assert between[-1].brake > 0.3


def test_the_policy_writes_budgets() -> None:
    roads = [Obstacles(items=()), Obstacles(items=(person(68.0, 0.0),))]
    driven = drive(BudgetPolicy(), {"obstacles": frames(roads), "ego": frames([ego(), ego()])})
    budgets = [(budget.within_ns, budget.reason) for _, budget in driven.values]
    assert budgets == [(ms(500), "clear"), (ms(120), "pedestrian in the way")]


@pytest.mark.parametrize(("variant", "budget"), [("as_shipped", ms(219)), ("fixed", ms(433))])
def test_the_published_policies_are_selectable(variant: str, budget: int) -> None:
    road = Obstacles(items=(person(130.0, 0.0),))
    driven = drive(BudgetPolicy(variant=variant), {"obstacles": [(0, road)], "ego": [(0, ego())]})
    assert driven.values[0][1].within_ns == budget


def test_an_unknown_policy_is_refused_with_the_known_ones() -> None:
    with pytest.raises(UnknownVariant, match="ours, fixed, as_shipped"):
        BudgetPolicy(variant="best")
