"""Triggers: each condition by itself, together, with delay, one after the other; those that never fire are told."""

from __future__ import annotations

import math

import pytest

from operators.messages import ControlCommand
from scenarios.scenario import Actor, Change, Drive, Scenario, Trigger, Walk
from scenarios.world.world import World
from tests.world.networks import HOLD, TWO_PHASES, aside, car, crossing, played, straight, who

ROAD = straight("ego", (0.0, 0.0), (500.0, 0.0))
CRUISE = ControlCommand(throttle=0.04, brake=0.0, steer_rad=0.0)


def walker(trigger: Trigger, s_m: float = 200.0) -> Actor:
    return Actor(id=1, kind="pedestrian", s_m=s_m, d_m=-6.0, motion=Walk(((s_m, 6.0),), 1.5, trigger))


def world(*actors: Actor, **more: object) -> World:
    values: dict[str, object] = {"duration_s": 30.0, "speed_mps": 10.0, "ego_s_m": 20.0, "end_s_m": 480.0, **more}
    return World(
        Scenario(name="test", title="", actors=actors, road=ROAD, **values),  # type: ignore[arg-type]
        seed=0,
        pixels=False,
    )


def begins_at(trigger: Trigger) -> tuple[float, float]:
    """(time, ego's outline's station) at which the walker sets out."""
    car_ = world(walker(trigger))
    for k in range(1, 500):
        car_.advance(k * 20_000_000)
        if who(car_, 1).speed_mps > 0.0:
            return k * 0.02, car_.ego().x_m + 1.4
    return math.inf, math.inf


def test_time_distance_and_station_of_the_ego() -> None:
    assert begins_at(Trigger())[0] == pytest.approx(0.02)
    assert begins_at(Trigger(after_s=3.0))[0] == pytest.approx(3.0, abs=0.03)
    assert begins_at(Trigger(ego_station_m=80.0))[1] == pytest.approx(80.0, abs=0.3)
    near = begins_at(Trigger(ego_within_m=100.0))[1]
    assert math.hypot(200.0 - near, 6.0) == pytest.approx(100.0, abs=0.3)


def test_the_ego_s_time_to_arrival_at_the_actor_and_at_a_station() -> None:
    t, s = begins_at(Trigger(ego_arrives_in_s=12.0))
    speed = (s - 21.4) / t
    assert (200.0 - s) / speed == pytest.approx(12.0, abs=0.5)
    assert begins_at(Trigger(ego_arrives_in_s=3.0, arrival_s_m=100.0))[1] == pytest.approx(70.0, abs=2.5)


def test_all_conditions_must_hold_and_the_delay_follows() -> None:
    assert begins_at(Trigger(after_s=2.0, ego_station_m=80.0))[1] == pytest.approx(80.0, abs=0.3)
    assert begins_at(Trigger(after_s=2.0, delay_s=1.5))[0] == pytest.approx(3.5, abs=0.03)


def test_a_trigger_waits_for_the_state_of_a_light() -> None:
    east, north = crossing()
    person = Actor(
        id=1,
        kind="pedestrian",
        s_m=310.0,
        d_m=-8.0,
        on="east",
        motion=Walk(((310.0, 8.0),), trigger=Trigger(light="s")),
    )
    town = aside(person, paths=(east, north), lights=TWO_PHASES)
    began = next(t for t in played(town, 30.0) if who(town, 1).speed_mps > 0.0)
    assert began == pytest.approx(15.1, abs=0.11)


def test_changes_of_speed_and_place_follow_one_another() -> None:
    changes = (
        Change(Trigger(after_s=3.0), speed_mps=4.0, accel_mps2=4.0),
        Change(Trigger(after_s=1.0, delay_s=2.0), d_m=3.5, over_s=2.0),
    )
    road = straight("road", (0.0, 100.0), (500.0, 100.0))
    town = aside(car(1, "road", 20.0, 12.0, changes=changes), paths=(road,))
    seen = {round(t, 1): (who(town, 1).speed_mps, who(town, 1).y_m - 100.0) for t in played(town, 8.0)}
    assert seen[2.9][0] == pytest.approx(12.0, abs=0.01)
    assert seen[4.0][0] == pytest.approx(8.0, abs=0.3)
    assert seen[6.0][0] == pytest.approx(4.0, abs=0.02)
    assert seen[4.9][1] == 0.0 and seen[6.0][1] == pytest.approx(1.75, abs=0.2) and seen[7.5][1] == 3.5


def test_a_car_cuts_in_on_a_street() -> None:
    cut = Change(Trigger(ego_within_m=15.0), speed_mps=6.0, accel_mps2=2.0, d_m=-1.75, over_s=1.5)
    motion = Drive(8.0, changes=(cut,), minds=False)
    street = Scenario(
        name="cut-in",
        title="",
        duration_s=10.0,
        speed_mps=10.0,
        actors=(Actor(id=1, kind="car", s_m=22.0, d_m=1.75, motion=motion),),
    )
    played_ = World(street, seed=0, pixels=False)
    played_.advance(5_000_000_000)
    (other,) = played_.truth()
    assert other.y_m == pytest.approx(-1.75, abs=0.01)


def test_oncoming_traffic_on_a_street_keeps_its_side_where_scripts_are_longer() -> None:
    motion = Drive(8.0, changes=(Change(Trigger(after_s=2.0), speed_mps=4.0, accel_mps2=2.0),))
    oncoming = Actor(id=1, kind="car", s_m=100.0, d_m=1.75, heading_rad=math.pi, motion=motion)
    street = Scenario(name="on", title="", duration_s=10.0, speed_mps=0.0, actors=(oncoming,))
    town = World(street, seed=0, pixels=False)
    town.apply(HOLD)
    town.advance(2_000_000_000)
    user = who(town, 1)
    assert (user.x_m, user.y_m) == pytest.approx((84.0, 1.75), abs=0.1)
    assert math.cos(user.yaw_rad) == pytest.approx(-1.0)
    town.advance(6_000_000_000)
    assert who(town, 1).speed_mps == pytest.approx(4.0, abs=0.05)


def test_a_trigger_that_never_fires_is_told_when_the_drive_is_over() -> None:
    drive = world(walker(Trigger(ego_within_m=0.5)), duration_s=2.0)
    drive.advance(1_000_000_000)
    assert drive.incidents() == ()
    drive.advance(2_000_000_000)
    (incident,) = drive.incidents()
    assert (incident.kind, incident.with_id, incident.with_kind) == ("trigger_never_fired", 1, "pedestrian")


def test_a_change_that_never_came_is_told_and_on_a_plain_street_too() -> None:
    late = (Change(Trigger(after_s=1.0), 3.0), Change(Trigger(after_s=99.0), 5.0))
    road = straight("road", (0.0, 100.0), (500.0, 100.0))
    town = aside(car(1, "road", 20.0, changes=late), paths=(road,), duration_s=2.0)
    town.advance(2_000_000_000)
    assert [incident.detail for incident in town.incidents()] == ["the trigger of change 2 never fired"]
    plain = Scenario(
        name="plain", title="", duration_s=1.0, speed_mps=5.0, actors=(walker(Trigger(ego_within_m=2.0), 90.0),)
    )
    street = World(plain, seed=0, pixels=False)
    street.advance(1_000_000_000)
    assert [incident.kind for incident in street.incidents()] == ["trigger_never_fired"]
