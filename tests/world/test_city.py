"""Random drives through a map: reproducible, of the length asked for, with traffic that never runs into itself."""

from __future__ import annotations

import math

import msgspec
import numpy as np
import pytest

from operators.maps import LaneKey
from pipeline.errors import UsageError
from scenarios.city import city
from scenarios.maps import shipped
from scenarios.mapways import circuits, lasting_lanes, programmes, random_route
from scenarios.world.factory import town
from scenarios.world.traffic.signals import Signals
from scenarios.world.traffic_benchmark import speedup, traffic
from scenarios.world.ways import way_of
from scenarios.world.world import World
from tests.world.networks import HOLD, Chauffeur, played, touching


def test_equal_arguments_give_equal_scenarios_and_another_seed_another_one() -> None:
    one, same, other = (city("grid", seed, length_m=800.0, cars=5, pedestrians=4) for seed in (4, 4, 5))
    assert msgspec.msgpack.encode(one) == msgspec.msgpack.encode(same)
    assert one.road != other.road


@pytest.mark.parametrize("length_m", [300.0, 5000.0, 20_000.0])
def test_the_route_is_as_long_as_asked_and_smooth(length_m: float) -> None:
    scenario = city("grid", 1, length_m=length_m, cars=0, trucks=0, buses=0, motorcycles=0, cyclists=0, pedestrians=0)
    assert scenario.end_s_m - scenario.ego_s_m == length_m
    way = way_of(scenario.road)
    steps = np.hypot(*np.diff(np.array(scenario.road.points_m), axis=0).T)  # type: ignore[union-attr]
    assert way.line().length_m > length_m + 100.0  # type: ignore[attr-defined]
    assert steps.max() <= 2.01
    assert np.abs(np.diff(way.line().nodes[:, 2])).max() < 0.35  # type: ignore[attr-defined]


def test_the_route_has_the_map_s_lights_and_limits() -> None:
    scenario = city("grid", 2, length_m=3000.0, cars=3)
    world = World(scenario, seed=0, pixels=False)
    route = world.route()
    lights = {stop.light for stop in route.stops if stop.kind == "light"}
    assert len(lights) >= 5 and lights <= {item.light for item in world.lights().items}
    assert route.limits_mps is not None and route.limits_mps.max() <= 14.0
    assert all(stop.clear_m > 5.0 for stop in route.stops if stop.kind == "light")


def test_lights_that_are_green_together_never_cross() -> None:
    map_ = shipped("grid")
    names = {signal.id for signal in map_.signals if signal.kind == "light"}
    found = programmes(map_, names, np.random.default_rng(1))
    yaw = {signal.id: signal.yaw_rad for signal in map_.signals}
    told = {name for programme in found for phase in programme.phases for name in phase.green}
    assert told == names
    for programme in found:
        for phase in programme.phases:
            assert all(abs(math.sin(yaw[a] - yaw[b])) < 0.8 for a in phase.green for b in phase.green)
    assert Signals(found).state(min(names), 3.0) in ("red", "amber", "green")


def test_circuits_come_back_to_where_they_began() -> None:
    found = circuits(shipped("grid"), 6, np.random.default_rng(3))
    assert len(found) == 6
    for path in found:
        assert way_of(path).line().closed
        assert 400.0 < way_of(path).line().length_m < 1500.0


def test_every_step_of_a_random_route_follows_the_lane_before() -> None:
    map_ = shipped("grid")
    lanes, _ = random_route(map_, 3000.0, np.random.default_rng(2))
    lasting = set(lasting_lanes(map_))
    assert all(isinstance(key, LaneKey) and key in lasting for key in lanes)
    assert all(b in map_.lanes[a].next for a, b in zip(lanes, lanes[1:], strict=False))


def test_a_map_without_circuits_has_through_traffic() -> None:
    scenario = city("roundabout", 0, length_m=300.0, cars=5, pedestrians=2)
    world = World(scenario, seed=0, pixels=False)
    world.apply(HOLD)
    for _ in played(world, 20.0, 0.5):
        assert not touching(world)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"map_name": "atlantis"}, "no map"),
        ({"map_name": "straight", "length_m": 5000.0}, "no route of 5130 m"),
        ({"length_m": -1.0}, "drive of -1"),
        ({"length_m": math.nan}, "drive of nan"),
        ({"cars": 900}, "no room"),
        ({"length_m": 100.0, "crossings": 60}, "no room for so many crossings"),
    ],
)
def test_what_cannot_be_had_is_said(arguments: dict[str, object], words: str) -> None:
    with pytest.raises(UsageError, match=words):
        city(**arguments)  # type: ignore[arg-type]


def test_two_minutes_of_a_busy_town_without_a_collision_or_a_jam() -> None:
    scenario = city("grid", 7, length_m=2000.0, cars=32, trucks=3, buses=3, cyclists=4, pedestrians=10)
    world = World(scenario, seed=0, pixels=False)
    driver = Chauffeur(world)
    distance = 0.0
    while world.now_ns < 120_000_000_000:
        driver.drive(world.now_ns / 1e9 + 0.5)
        assert not touching(world)
        distance += 0.5 * sum(user.speed_mps for user in world._users.items if user.kind.label == "vehicle")
    assert len(world._users.items) == len(scenario.actors)
    assert distance / 120.0 / 44 > 2.5
    assert world.incidents() == ()


@pytest.mark.slow
@pytest.mark.parametrize("seed", [11, 12])
def test_ten_minutes_of_fifty_road_users_without_a_collision(seed: int) -> None:
    scenario = city("grid", seed, length_m=8000.0, cars=30, trucks=3, buses=3, cyclists=4, pedestrians=10)
    world = World(scenario, seed=0, pixels=False)
    driver = Chauffeur(world)
    while world.now_ns < 600_000_000_000:
        driver.drive(world.now_ns / 1e9 + 0.2)
        assert not touching(world), f"t={world.now_ns / 1e9:.1f} s"
    assert [incident for incident in world.incidents() if incident.at_fault == "other"] == []
    assert world.outcome().distance_m > 2000.0


def test_people_who_cross_without_looking_are_hidden_or_not_and_can_be_avoided() -> None:
    scenario = city("grid", 1, length_m=1500.0, cars=6, pedestrians=2, crossings=12)
    runs = [actor for actor in scenario.actors if actor.kind == "pedestrian" and not actor.on]
    vans = [actor for actor in scenario.actors if actor.kind == "van" and not actor.on]
    assert len(runs) == 12 and 2 <= len(vans) <= 10
    world = World(scenario, seed=0, pixels=False)
    Chauffeur(world).drive(400.0)
    assert world.outcome().progress == 1.0 and world.outcome().collisions == 0
    assert [incident.kind for incident in world.incidents() if incident.kind == "trigger_never_fired"] == []


def test_the_drive_goes_on_after_collisions_and_they_count() -> None:
    world = town(seed=5, length_m=1500.0, vehicles=6, pedestrians=2, crossings=12, pixels=False)
    driver = Chauffeur(world)
    driver.accel = lambda speed_mps: 2.0 if speed_mps < 9.0 else 0.0  # type: ignore[method-assign]
    driver.drive(300.0)
    collisions = [incident for incident in world.incidents() if incident.kind == "collision"]
    assert world.outcome().collisions == len(collisions) >= 2
    assert world.outcome().progress == 1.0
    assert all(incident.at_fault in ("ego", "other", "none") and incident.detail for incident in collisions)


def test_the_same_town_is_the_same_to_the_last_bit() -> None:
    def end() -> bytes:
        world = World(city("grid", 9, length_m=600.0, cars=12, pedestrians=6), seed=0, pixels=False)
        Chauffeur(world).drive(30.0)
        shot = world.snapshot()
        return shot.x_m.tobytes() + shot.speed_y_mps.tobytes() + repr(shot.ego).encode()

    assert end() == end()


def test_the_benchmark_tells_how_much_faster_than_the_clock_it_is() -> None:
    ticks = iter(range(0, 10**12, 250_000_000))
    assert speedup(30, lambda: next(ticks)) == pytest.approx(20.0)
    assert "times_real_time_50_users" in traffic.__code__.co_consts or traffic.__doc__
