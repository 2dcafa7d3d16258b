"""The rules of the road: limits, bends, lights, stop and yield lines; driven in closed loop by the plans."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from operators.geometry.frenet import ReferenceLine
from operators.geometry.windows import RouteLine, RouteWindow
from operators.messages import EgoSize, EgoState, Obstacle, Prediction, Predictions, Route, StopLine
from operators.planning import frenet
from operators.planning.rules import (
    Passage,
    Rules,
    RuleSettings,
    Waiting,
    allowed_speeds,
    braked_for,
    rules,
    waited,
)
from operators.planning.waypoints import plan

SIZE = EgoSize()
SETTINGS = RuleSettings()
FRONT_M = SIZE.length_m - SIZE.rear_overhang_m
NOBODY = Predictions(items=(), step_s=0.2)
LIGHT = StopLine(s_m=100.0, kind="light", light="a", clear_m=15.0)


def window(*stops: StopLine, limits: Callable[[float], float] = lambda s: 14.0, length: float = 300.0) -> RouteWindow:
    x = np.arange(0.0, length, 1.0)
    route = Route(
        x_m=x,
        y_m=np.zeros(len(x)),
        width_left_m=1.0,
        width_right_m=1.0,
        speed_limit_mps=14.0,
        limits_mps=np.array([limits(s) for s in x]),
        stops=stops,
    )
    return RouteLine(route).whole


def passage(s: float, speed: float) -> Passage:
    return Passage(s, speed, s + FRONT_M, s - SIZE.rear_overhang_m)


def vehicle(x: float, y: float, vx: float, vy: float) -> Predictions:
    yaw = math.atan2(vy, vx) if vx or vy else 0.0
    seen = Obstacle(
        track_id=7, label="vehicle", score=1.0, x_m=x, y_m=y, length_m=4.5, width_m=1.8, yaw_rad=yaw,
        speed_x_mps=vx, speed_y_mps=vy,
    )  # fmt: skip
    path = np.array((x, y)) + (np.arange(15) + 1.0)[:, None] * 0.2 * np.array((vx, vy))
    return Predictions(items=(Prediction(obstacle=seen, path_m=path),), step_s=0.2)


def hold(where: RouteWindow, s: float, speed: float, lights: Mapping[str, str], seen: Predictions = NOBODY) -> Rules:
    return rules(where, passage(s, speed), lights, seen, Waiting(), 14.0, SIZE)


class Drive:
    """The ego along a straight road, planned anew every 0.2 s, following each plan exactly."""

    def __init__(self, where: RouteWindow, s: float = 20.0, speed: float = 10.0) -> None:
        self.where, self.s, self.speed, self.t = where, s, speed, 0.0
        self.waiting = Waiting()
        self.course: list[tuple[float, float, float]] = []

    def go(self, seconds: float, lights: Mapping[str, str], seen: Predictions = NOBODY) -> Drive:
        for _ in range(round(seconds / 0.2)):
            here = passage(self.s, self.speed)
            self.waiting = waited(self.waiting, self.where, here, round(self.t * 1e9), SETTINGS)
            held = rules(self.where, here, lights, seen, self.waiting, 12.0, SIZE)
            ego = EgoState(x_m=self.s, y_m=0.0, yaw_rad=0.0, speed_mps=self.speed)
            path = plan(ego, self.where.line, seen, 12.0, rules=held)
            self.s, self.speed = float(path.x_m[2]), float(path.speed_mps[2])
            self.t += 0.2
            self.course.append((self.t, self.s + FRONT_M, self.speed))
        return self

    def hardest(self) -> float:
        speeds = [speed for _, _, speed in self.course]
        return max((a - b) / 0.2 for a, b in zip(speeds, speeds[1:], strict=False))


def test_limits_are_reached_in_time_and_comfortably() -> None:
    where = window(limits=lambda s: 12.0 if s < 100.0 else 6.0)
    drive = Drive(where, speed=12.0).go(20.0, {})
    at_the_sign = next(speed for _, front, speed in drive.course if front - FRONT_M >= 100.0)
    assert at_the_sign <= 6.2
    assert drive.hardest() <= 3.3
    assert drive.course[-1][2] == pytest.approx(6.0, abs=0.1)


def test_a_bend_is_taken_no_faster_than_its_lateral_acceleration_allows() -> None:
    angle = np.linspace(0.0, math.pi / 2.0, 40)
    x = np.concatenate([np.arange(0.0, 80.0), 80.0 + 20.0 * np.sin(angle)])
    y = np.concatenate([np.zeros(80), 20.0 - 20.0 * np.cos(angle)])
    line = ReferenceLine.through(x, y)
    speeds = allowed_speeds(RouteWindow(line, None, (), 0.0), 14.0, SETTINGS)
    middle = int(95.0 / line.step_m)
    assert speeds[middle] == pytest.approx(math.sqrt(SETTINGS.lateral_accel_mps2 * 20.0), rel=0.05)
    assert speeds[0] == 14.0


@given(st.lists(st.floats(0.5, 30.0), min_size=2, max_size=60), st.floats(0.5, 8.0))
def test_lowered_speeds_can_be_braked_for_and_are_lowered_no_more_than_that(speeds: list[float], decel: float) -> None:
    wanted = np.array(speeds)
    lowered = braked_for(wanted, 0.5, decel)
    assert (lowered <= wanted + 1e-9).all()
    assert (lowered[:-1] ** 2 - lowered[1:] ** 2 <= 2.0 * decel * 0.5 + 1e-6).all()
    touched = lowered < wanted - 1e-9
    assert not touched[-1]


def test_past_a_standing_vehicle_that_may_hide_somebody_it_slows_down_and_then_goes_on() -> None:
    near, far = vehicle(100.0, -2.8, 0.0, 0.0), vehicle(100.0, -8.0, 0.0, 0.0)
    drive = Drive(window(), speed=12.0).go(14.0, {}, near)
    assert min(speed for _, front, speed in drive.course if 100.5 < front < 103.0) < 9.0
    assert drive.hardest() < 3.5
    assert drive.course[-1][2] > 11.0
    assert min(speed for _, _, speed in Drive(window(), speed=12.0).go(14.0, {}, far).course) > 11.5


def test_a_vehicle_that_sets_off_beside_the_lane_is_let_go_first() -> None:
    """The bumper stays behind it while that is possible; once beside it the ego goes on."""
    starting = vehicle(100.0, -3.4, 2.0, 0.0)
    held = hold(window(), 80.0, 8.0, {}, starting)
    assert held.reason == "vehicle sets off"
    assert held.hold_m == pytest.approx(100.0 - 2.25 - SETTINGS.behind_m)
    late = hold(window(), 97.0 - FRONT_M, 8.0, {}, starting)
    assert late.hold_m == pytest.approx(97.0 + 0.1)
    assert hold(window(), 101.0 - FRONT_M, 8.0, {}, starting).hold_m is None
    drive = Drive(window(), s=80.0, speed=8.0).go(3.0, {}, starting)
    assert drive.course[-1][2] < 1.0
    assert drive.course[-1][1] < 97.5


@pytest.mark.parametrize(
    ("seen", "limit"),
    [
        (vehicle(100.0, -3.4, 0.0, 0.0), 14.0),
        (vehicle(100.0, -3.4, 6.0, 0.0), 14.0),
        (vehicle(100.0, -3.4, -2.0, 0.0), 14.0),
        (vehicle(100.0, -8.0, 2.0, 0.0), 14.0),
        (vehicle(100.0, -3.4, 2.0, 0.0), 30.0),
    ],
    ids=["stands", "drives", "comes towards", "far aside", "slow lane of a motorway"],
)
def test_others_beside_the_lane_hold_nobody(seen: Predictions, limit: float) -> None:
    assert hold(window(limits=lambda s: limit), 80.0, 8.0, {}, seen).hold_m is None


def test_a_red_light_before_a_vehicle_that_sets_off_counts_and_so_does_the_vehicle_before_the_light() -> None:
    lights = {"a": "red"}
    assert hold(window(LIGHT), 70.0, 8.0, lights, vehicle(115.0, -3.4, 2.0, 0.0)).reason == "red light"
    assert hold(window(LIGHT), 70.0, 8.0, lights, vehicle(90.0, -3.4, 2.0, 0.0)).reason == "vehicle sets off"


@given(speed=st.floats(4.0, 17.0), ahead=st.floats(1.0, 80.0), late=st.floats(0.0, 0.3))
def test_who_has_begun_to_brake_for_amber_does_not_change_its_mind(speed: float, ahead: float, late: float) -> None:
    where = window(LIGHT)
    ahead = max(ahead, speed**2 / 5.0 + 0.5 * speed)  # What comfortable braking needs, and a late answer.
    drive = Drive(where, s=100.0 - FRONT_M - ahead + late * speed, speed=speed).go(0.2, {"a": "amber"})
    for _ in range(60):
        if drive.speed < 0.3:
            break
        assert hold(where, drive.s, drive.speed, {"a": "amber"}).reason == "amber light"
        drive.go(0.2, {"a": "amber"})
    assert drive.s + FRONT_M < 100.0


def test_a_standing_car_does_not_start_into_somebody_who_is_about_to_leave_its_way() -> None:
    leaving = vehicle(20.0 + FRONT_M + 3.0, 0.3, 0.0, 1.5)
    assert Drive(window(), speed=0.0).go(0.2, {}, leaving).speed == 0.0


def test_it_stops_before_a_red_light_and_goes_on_at_green() -> None:
    drive = Drive(window(LIGHT)).go(20.0, {"a": "red"})
    _, front, speed = drive.course[-1]
    assert speed == 0.0
    assert 95.5 < front <= 100.0
    assert drive.hardest() < 4.0
    assert drive.go(10.0, {"a": "green"}).s > 120.0


@pytest.mark.parametrize("state", ["red", "amber", "unknown"])
def test_from_afar_every_light_but_green_is_stopped_for(state: str) -> None:
    lights = {} if state == "unknown" else {"a": state}
    assert hold(window(LIGHT), 40.0, 10.0, lights).reason == f"{state} light"


@pytest.mark.parametrize("lights", [{"a": "amber"}, {}])
def test_amber_and_no_news_are_driven_through_when_stopping_is_not_comfortable(lights: dict[str, str]) -> None:
    assert hold(window(LIGHT), 100.0 - FRONT_M - 15.0, 10.0, lights).hold_m is None


def test_red_is_stopped_for_even_if_that_is_hard_but_not_if_it_is_impossible() -> None:
    assert hold(window(LIGHT), 100.0 - FRONT_M - 12.0, 10.0, {"a": "red"}).hold_m is not None
    assert hold(window(LIGHT), 100.0 - FRONT_M - 5.0, 10.0, {"a": "red"}).hold_m is None


def test_green_holds_nobody() -> None:
    assert hold(window(LIGHT), 60.0, 10.0, {"a": "green"}).hold_m is None


def test_the_junction_is_not_entered_when_there_is_no_room_behind_it() -> None:
    queue = vehicle(119.0, 0.0, 0.0, 0.0)
    assert hold(window(LIGHT), 75.0, 8.0, {"a": "green"}, queue).reason == "junction not clear"
    assert hold(window(LIGHT), 75.0, 8.0, {"a": "green"}, vehicle(130.0, 0.0, 0.0, 0.0)).hold_m is None


def test_who_is_in_the_junction_clears_it_whatever_the_light_says() -> None:
    assert hold(window(LIGHT), 104.0, 6.0, {"a": "red"}).hold_m is None


def test_at_green_a_car_that_can_still_stop_for_its_red_is_trusted_and_one_that_cannot_is_not() -> None:
    where, s = window(LIGHT), 100.0 - FRONT_M - 12.0
    assert hold(where, s, 7.0, {"a": "green"}, vehicle(107.0, -30.0, 0.0, 10.0)).hold_m is None
    assert hold(where, s, 7.0, {"a": "green"}, vehicle(107.0, -13.0, 0.0, 14.0)).reason == "crossing traffic"


def test_at_a_yield_line_it_waits_for_crossing_traffic_and_uses_a_gap() -> None:
    where, s = window(StopLine(s_m=100.0, kind="yield", clear_m=10.0)), 100.0 - FRONT_M - 10.0
    assert hold(where, s, 5.0, {}, vehicle(105.0, -25.0, 0.0, 9.0)).reason == "crossing traffic"
    assert hold(where, s, 5.0, {}, vehicle(105.0, -90.0, 0.0, 9.0)).hold_m is None
    assert hold(where, s, 5.0, {}, vehicle(105.0, 12.0, 0.0, 9.0)).hold_m is None, "it has passed"
    assert hold(where, s, 5.0, {}, vehicle(130.0, 0.0, 8.0, 0.0)).hold_m is None, "it goes our way"


def test_a_yield_line_is_approached_slowly() -> None:
    drive = Drive(window(StopLine(s_m=100.0, kind="yield", clear_m=10.0)), speed=10.0).go(12.0, {})
    at_the_line = next(speed for _, front, speed in drive.course if front >= 103.5)
    assert at_the_line <= SETTINGS.yield_mps + 1.5
    assert drive.s > 105.0


def test_at_a_stop_sign_it_stands_for_a_second_and_then_goes() -> None:
    drive = Drive(window(StopLine(s_m=100.0, kind="stop", clear_m=10.0)), speed=10.0).go(25.0, {})
    standing = [t for t, front, speed in drive.course if speed < 0.1 and front <= 100.0]
    assert 0.8 <= max(standing) - min(standing) <= 4.0
    assert drive.s > 110.0


def test_the_frenet_planner_stands_before_the_line_too() -> None:
    where = window(LIGHT)
    held = hold(where, 70.0, 9.0, {"a": "red"})
    ego = EgoState(x_m=70.0, y_m=0.0, yaw_rad=0.0, speed_mps=9.0)
    x = np.arange(0.0, 300.0, 2.0)
    route = Route(x_m=x, y_m=np.zeros(150), width_left_m=1.0, width_right_m=1.0, speed_limit_mps=12.0)
    *_, last = frenet.plan(ego, route, NOBODY, line=where.line, rules=held)
    assert last.trajectory.reason == "yield"
    assert last.trajectory.x_m[-1] + FRONT_M < 100.0
    *_, free = frenet.plan(ego, route, NOBODY, line=where.line, rules=hold(where, 70.0, 9.0, {"a": "green"}))
    assert free.trajectory.x_m[-1] + FRONT_M > 100.0
