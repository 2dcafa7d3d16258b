"""Scripted road users: triggers, walking, pausing, following, and that a queue never drives into itself."""

from __future__ import annotations

import math

import numpy as np
import pytest

from operators.messages import EgoSize
from scenarios.scenario import Actor, Drive, Stand, Trigger, Walk
from scenarios.world.collision import corners, overlap
from scenarios.world.dynamics import STEP_S
from scenarios.world.roads import Road, Segment
from scenarios.world.traffic.agents import RoadUsers, follow_accel

ROAD = Road(segments=(Segment(400.0),))


def play(users: RoadUsers, seconds: float, *, ego_x_m: float = -500.0, start_s: float = 0.0) -> None:
    ego = np.array([ego_x_m, -1.75, 0.0, 4.7, 1.9])
    for step in range(round(seconds / STEP_S)):
        users.advance(start_s + step * STEP_S, ego, 0.0)


def walker(**motion: object) -> Actor:
    return Actor(id=1, kind="pedestrian", s_m=50.0, d_m=-6.0, motion=Walk(path=((50.0, 0.0),), **motion))  # type: ignore[arg-type]


def test_a_walker_waits_until_the_ego_is_near_and_then_walks_at_its_speed_to_the_end_of_its_path() -> None:
    users = RoadUsers((walker(speed_mps=2.0, trigger=Trigger(ego_within_m=20.0)),), ROAD, EgoSize())
    play(users, 1.0, ego_x_m=25.0)
    assert users.items[0].y_m == -6.0
    play(users, 1.0, ego_x_m=35.0)
    assert users.items[0].speed_y_mps == pytest.approx(2.0)
    assert -6.0 < users.items[0].y_m < -3.5
    play(users, 5.0, ego_x_m=35.0)
    assert users.items[0].y_m == 0.0
    assert users.items[0].speed_mps == 0.0


def test_a_trigger_in_time_holds_until_that_time() -> None:
    users = RoadUsers((walker(trigger=Trigger(after_s=2.0)),), ROAD, EgoSize())
    play(users, 1.9)
    assert users.items[0].y_m == -6.0
    play(users, 0.5, start_s=1.9)
    assert users.items[0].y_m > -6.0


def test_a_frightened_walker_pauses_at_the_first_point_of_the_path_and_then_goes_on() -> None:
    actor = Actor(
        id=1,
        kind="pedestrian",
        s_m=50.0,
        d_m=-6.0,
        motion=Walk(path=((50.0, -2.0), (50.0, 4.0)), speed_mps=2.0, pause_s=2.0),
    )
    users = RoadUsers((actor,), ROAD, EgoSize())
    play(users, 3.0)
    assert users.items[0].y_m == pytest.approx(-2.0)
    play(users, 3.0)
    assert users.items[0].y_m > 0.0


def test_the_gait_advances_with_the_distance_walked() -> None:
    users = RoadUsers((walker(speed_mps=1.5),), ROAD, EgoSize())
    play(users, 2.0)
    user = users.items[0]
    assert user.gait_turns - 0.25 == pytest.approx((user.y_m + 6.0) / 1.5, abs=1e-6)


def test_a_driver_stops_behind_a_standing_car_without_touching_it_and_shows_brake_lights() -> None:
    follower = Actor(id=1, kind="car", s_m=0.0, d_m=1.75, motion=Drive(speed_mps=12.0))
    standing = Actor(id=2, kind="van", s_m=90.0, d_m=1.75, motion=Stand())
    users = RoadUsers((follower, standing), ROAD, EgoSize())
    braked = False
    for _ in range(40):
        play(users, 0.5)
        braked |= users.items[0].braking
        a, b = (corners(*users.boxes[row]) for row in (0, 1))
        assert not overlap(a, b)
    gap = 90.0 - 0.5 * 5.1 - users.items[0].s_m - 0.5 * 4.5
    assert users.items[0].speed_mps < 0.05 and 1.0 < gap < 4.0 and braked


def test_an_oncoming_driver_moves_against_the_road_and_keeps_to_its_bend() -> None:
    bent = Road(segments=(Segment(20.0), Segment(80.0, -1.0 / 60.0), Segment(100.0)))
    users = RoadUsers(
        (Actor(id=1, kind="car", s_m=90.0, d_m=1.75, heading_rad=math.pi, motion=Drive(speed_mps=8.0)),),
        bent,
        EgoSize(),
    )
    play(users, 4.0)
    user = users.items[0]
    assert bent.locate(user.x_m, user.y_m) == pytest.approx((user.s_m, 1.75), abs=1e-6)
    assert user.s_m == pytest.approx(90.0 - 32.0, abs=0.5)


@pytest.mark.parametrize("speed", [0.0, 5.0, 15.0])
def test_following_never_accelerates_into_a_closing_gap(speed: float) -> None:
    assert follow_accel(speed, 15.0, 1.0, 0.0) < 0.0
    assert follow_accel(speed, 30.0, math.inf, 0.0) > 0.0
