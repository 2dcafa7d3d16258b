"""Incidents: collisions with impact speed and fault, lights, stop lines, the lane, the route, standing for nothing."""

from __future__ import annotations

import math

import numpy as np
import pytest

from operators.messages import ControlCommand
from scenarios.scenario import Actor, Drive, Lights, Path, PathStop, Phase, Scenario, Stand, Trigger, Walk
from scenarios.world.records import Incident
from scenarios.world.world import World
from tests.world.networks import HOLD, TWO_PHASES, Chauffeur, car, straight, who

COAST = ControlCommand(throttle=0.05, brake=0.0, steer_rad=0.0)


def world(*actors: Actor, road: Path | None = None, speed_mps: float = 10.0, **more: object) -> World:
    values: dict[str, object] = {"duration_s": 30.0, "ego_s_m": 20.0, "end_s_m": 380.0, **more}
    scenario = Scenario(
        name="test", title="", actors=actors, speed_mps=speed_mps,
        road=road or straight("ego", (0.0, 0.0), (400.0, 0.0)), **values,  # type: ignore[arg-type]
    )  # fmt: skip
    return World(scenario, seed=0, pixels=False)


def kinds(car_: World) -> list[str]:
    return [incident.kind for incident in car_.incidents()]


def collision(car_: World) -> Incident:
    (found,) = [incident for incident in car_.incidents() if incident.kind == "collision"]
    return found


def test_running_into_somebody_ahead_is_the_ego_s_fault_with_the_relative_speed() -> None:
    drive = world(car(3, "", 60.0, 4.0, obeys=False))
    drive.apply(COAST)
    drive.advance(20_000_000_000)
    found = collision(drive)
    assert found.at_fault == "ego" and (found.with_id, found.with_kind, found.with_label) == (3, "car", "vehicle")
    assert found.impact_speed_mps == pytest.approx(found.speed_mps - 4.0, abs=0.05)
    assert drive.finished and drive.outcome().collided and drive.outcome().collisions == 1


def test_being_hit_from_behind_while_standing_is_the_other_s_fault() -> None:
    blind = car(1, "", 5.0, 8.0, obeys=False, minds=False, start_mps=8.0, trigger=Trigger(after_s=0.1))
    drive = world(blind, speed_mps=0.0, ego_s_m=60.0)
    drive.apply(HOLD)
    drive.advance(20_000_000_000)
    assert collision(drive).at_fault == "other" and collision(drive).impact_speed_mps == pytest.approx(8.0, abs=0.1)


def test_somebody_who_jumps_out_from_behind_a_truck_is_nobody_s_fault_and_one_seen_long_before_is_the_ego_s() -> None:
    run = Walk(((80.0, 6.0),), 3.0, Trigger(ego_arrives_in_s=0.9, arrival_s_m=80.0))
    person = Actor(id=1, kind="pedestrian", s_m=80.0, d_m=-3.3, motion=run)
    truck = Actor(id=2, kind="truck", s_m=74.0, d_m=-2.9, motion=Stand())
    hidden = world(person, truck)
    hidden.apply(COAST)
    hidden.advance(10_000_000_000)
    assert collision(hidden).at_fault == "none"
    slow = Walk(((80.0, 0.0),), 1.0, Trigger(after_s=0.5))
    seen = world(Actor(id=1, kind="pedestrian", s_m=80.0, d_m=-3.0, motion=slow))
    seen.apply(COAST)
    seen.advance(10_000_000_000)
    assert collision(seen).at_fault == "ego"


def test_somebody_on_foot_who_has_stopped_for_the_ego_lets_it_drive_off_before_going_on() -> None:
    runs = Walk(((22.0, 6.0),), 2.5, Trigger(after_s=0.1))
    drive = world(Actor(id=1, kind="pedestrian", s_m=22.0, d_m=-4.0, motion=runs), speed_mps=0.0)
    drive.apply(HOLD)
    drive.advance(5_000_000_000)
    waits = who(drive, 1)
    assert waits.speed_mps == 0.0 and -2.0 < waits.y_m < -1.0
    drive.apply(ControlCommand(throttle=0.3, brake=0.0, steer_rad=0.0))
    drive.advance(20_000_000_000)
    assert kinds(drive) == []
    assert who(drive, 1).y_m == pytest.approx(6.0)


def test_somebody_who_runs_a_red_light_is_at_fault() -> None:
    stops = (PathStop(290.0, "light", "s", 20.0),)
    north = straight("north", (100.0, -300.0), (100.0, 300.0), stops=stops)
    meets = Trigger(after_s=0.0)
    other = Actor(
        id=1,
        kind="van",
        s_m=219.0,
        d_m=0.0,
        on="north",
        motion=Drive(10.0, meets, obeys=False, minds=False, start_mps=10.0),
    )
    lights = (Lights((Phase(90.0, ("w",)), Phase(10.0, ("s",)))),)
    drive = world(other, paths=(north,), lights=lights)
    drive.apply(COAST)
    drive.advance(12_000_000_000)
    assert collision(drive).at_fault == "other"


def test_a_red_light_and_a_stop_line_that_the_ego_runs_are_told_once() -> None:
    stops = (PathStop(60.0, "light", "s", 20.0), PathStop(120.0, "stop"), PathStop(200.0, "yield"))
    drive = world(road=straight("ego", (0.0, 0.0), (400.0, 0.0), stops=stops), lights=TWO_PHASES)
    drive.apply(COAST)
    drive.advance(25_000_000_000)
    assert kinds(drive) == ["red_light", "stop_line"]
    assert all(incident.at_fault == "ego" for incident in drive.incidents())
    assert "light s" in drive.incidents()[0].detail


def test_a_green_light_and_a_stop_that_is_kept_are_not() -> None:
    stops = (PathStop(60.0, "light", "w", 20.0), PathStop(120.0, "stop"))
    drive = world(road=straight("ego", (0.0, 0.0), (400.0, 0.0), stops=stops), lights=TWO_PHASES, speed_mps=8.0)
    while drive.now_ns < 25_000_000_000:
        ego = drive.ego()
        front, braking = ego.x_m + 3.75, ego.speed_mps**2 / 8.0
        wait = front + braking > 118.5 and front < 120.0 and not (ego.speed_mps < 0.1 and front > 115.0)
        drive.apply(ControlCommand(throttle=0.0 if wait else 0.1, brake=0.45 if wait else 0.0, steer_rad=0.0))
        drive.advance(drive.now_ns + 20_000_000)
    assert drive.ego().x_m > 125.0
    assert kinds(drive) == []


def test_leaving_the_lane_and_the_route_is_told_when_it_begins() -> None:
    drive = world(speed_mps=12.0)
    drive.apply(ControlCommand(throttle=0.2, brake=0.0, steer_rad=0.05))
    drive.advance(3_000_000_000)
    assert kinds(drive) == ["lane_left"]
    lane = drive.incidents()[0]
    assert 1.0 < float(lane.detail.split()[0]) < 1.8
    drive.apply(COAST)
    drive.advance(9_000_000_000)
    assert kinds(drive) == ["lane_left", "route_left"]


def test_a_small_swerve_within_the_allowed_width_is_no_incident() -> None:
    drive = world(width_left_m=3.5)
    drive.apply(ControlCommand(throttle=0.05, brake=0.0, steer_rad=0.006))
    drive.advance(2_500_000_000)
    assert drive.ego().y_m > 0.5 and kinds(drive) == []


def test_standing_for_nothing_is_blocked() -> None:
    drive = world(speed_mps=0.0, duration_s=200.0)
    drive.apply(HOLD)
    drive.advance(89_000_000_000)
    assert kinds(drive) == []
    drive.advance(150_000_000_000)
    assert kinds(drive) == ["blocked"]


def test_where_a_contact_does_not_end_the_drive_each_is_counted_and_taken_off_the_road() -> None:
    parked = [Actor(id=1 + k, kind="car", s_m=60.0 + 40.0 * k, d_m=0.0) for k in range(3)]
    drive = world(*parked, stop_on_collision=False)
    drive.apply(COAST)
    drive.advance(20_000_000_000)
    assert [(i.kind, i.with_id) for i in drive.incidents()] == [("collision", 1), ("collision", 2), ("collision", 3)]
    outcome = drive.outcome()
    assert outcome.collisions == 3 and outcome.collided and outcome.min_gap_m == 0.0
    assert outcome.impact_speed_mps == pytest.approx(drive.incidents()[0].impact_speed_mps)
    assert drive.truth() == () and drive.ego().x_m > 150.0


def test_a_street_tells_its_collision_too() -> None:
    street = Scenario(
        name="street", title="", duration_s=9.0, speed_mps=10.0, actors=(Actor(id=1, kind="van", s_m=40.0, d_m=-1.75),)
    )
    drive = World(street, seed=0, pixels=False)
    drive.advance(9_000_000_000)
    assert collision(drive).at_fault == "ego"
    assert collision(drive).impact_speed_mps == drive.outcome().impact_speed_mps


def test_the_snapshot_has_everybody_on_the_road_and_the_ego_s_place() -> None:
    person = Actor(id=5, kind="pedestrian", s_m=90.0, d_m=4.0, motion=Walk(((90.0, -4.0),), 1.0))
    drive = world(car(2, "", 100.0, 8.0), person)
    drive.advance(1_000_000_000)
    shot = drive.snapshot()
    assert shot.t_ns == 1_000_000_000 and shot.ego == drive.ego()
    assert (
        shot.ids.tolist() == [2, 5] and shot.labels == ("vehicle", "pedestrian") and shot.kinds == ("car", "pedestrian")
    )
    assert shot.ego_s_m == pytest.approx(drive.ego().x_m + 1.4, abs=1e-3) and shot.ego_d_m == pytest.approx(
        0.0, abs=1e-6
    )
    assert np.hypot(shot.speed_x_mps, shot.speed_y_mps) == pytest.approx([8.0, 1.0], abs=0.2)
    assert shot.length_m[0] == 4.5 and shot.height_m[1] == 1.75
    assert math.sin(shot.yaw_rad[1]) == pytest.approx(-1.0)


def test_a_chauffeur_who_keeps_the_rules_has_no_incident() -> None:
    stops = (PathStop(150.0, "light", "s", 20.0),)
    drive = world(
        car(1, "", 100.0, 5.0), road=straight("ego", (0.0, 0.0), (400.0, 0.0), stops=stops), lights=TWO_PHASES,
        duration_s=80.0, speed_mps=8.0,
    )  # fmt: skip
    Chauffeur(drive, 9.0).drive(80.0)
    assert drive.outcome().progress == 1.0
    assert kinds(drive) == []


def test_progress_where_the_road_crosses_itself_is_that_of_the_drive() -> None:
    there = np.linspace((-100.0, 0.0), (100.0, 0.0), 201)
    angles = np.linspace(-math.pi / 2.0, math.pi, 480)
    back = np.stack([100.0 + 100.0 * np.cos(angles), 100.0 + 100.0 * np.sin(angles)], axis=1)
    down = np.linspace((0.0, 99.0), (0.0, -100.0), 200)
    points = tuple((float(x), float(y)) for x, y in np.concatenate([there, back, down]))
    drive = world(road=Path(name="loop", points_m=points), end_s_m=860.0, duration_s=200.0)
    Chauffeur(drive, 9.0).drive(12.0)
    assert drive.outcome().progress < 0.25
    Chauffeur(drive, 9.0)
    driver = Chauffeur(drive, 9.0)
    driver.s_m = drive.snapshot().ego_s_m
    driver.drive(200.0)
    assert drive.outcome().progress == 1.0 and "route_left" not in kinds(drive)
