"""The library: scenarios load, are jittered by their seed, and are worth deciding in."""

from __future__ import annotations

import math

import msgspec
import pytest

from operators.messages import ControlCommand
from pipeline.errors import UsageError
from scenarios.library.loading import NAMES, load
from scenarios.scenario import Actor, Scenario
from scenarios.world.world import Outcome, World

BRAKE = ControlCommand(throttle=0.0, brake=1.0, steer_rad=0.0)


def steer_along(world: World) -> float:
    """Pure pursuit of the lane, eight metres ahead."""
    road, ego = world.scenario.road, world.ego()
    s, _ = road.locate(ego.x_m, ego.y_m)
    x, y, _ = road.pose(s + 8.0, road.own_lane_m)
    angle = math.atan2(y - ego.y_m, x - ego.x_m) - ego.yaw_rad
    return math.atan2(2.0 * 2.8 * math.sin(angle), 8.0)


def react(name: str, speed_mps: float, delay_s: float, *, target: int = 1, seed: int = 0) -> tuple[Outcome, float]:
    """Drive until road user ``target`` can be seen, and brake fully ``delay_s`` later; also the time of first sight."""
    world = World(load(name, speed_mps, seed), seed=seed, pixels=False)
    seen_s, t = math.inf, 0
    while not world.finished:
        if math.isinf(seen_s) and world.truth()[target - 1].visible > 0.3:
            seen_s = t / 1e9
        if t / 1e9 >= seen_s + delay_s:
            world.apply(msgspec.structs.replace(BRAKE, steer_rad=steer_along(world)))
        elif name == "traffic_jam":
            world.apply(ControlCommand(throttle=0.07, brake=0.0, steer_rad=steer_along(world)))
        t += 20_000_000
        world.advance(t)
    return world.outcome(), seen_s


@pytest.mark.parametrize("name", NAMES)
def test_every_scenario_loads_and_its_seed_changes_it(name: str) -> None:
    first, again, other = (load(name, 12.0, seed) for seed in (1, 1, 2))
    assert first == again
    assert first != other
    assert first.name == name and first.duration_s > 0.0


@pytest.mark.parametrize("name", ["person_behind_truck", "traffic_jam"])
def test_what_the_demo_scenarios_turn_on_happens_four_to_six_seconds_in_within_twelve_seconds(name: str) -> None:
    for speed in (8.0, 12.0, 16.0):
        outcome, seen_s = react(name, speed, 0.0)
        assert 3.5 <= seen_s <= 6.5
        assert not outcome.collided or speed > 12.0
        assert load(name, speed, 0).duration_s <= 12.0


@pytest.mark.parametrize("seed", [0, 3])
def test_at_12_mps_a_reaction_within_a_fifth_of_a_second_saves_the_person_and_six_tenths_do_not(seed: int) -> None:
    for delay in (0.0, 0.1, 0.2):
        assert not react("person_behind_truck", 12.0, delay, seed=seed)[0].collided
    for delay in (0.6, 0.9, 9.0):
        outcome, _ = react("person_behind_truck", 12.0, delay, seed=seed)
        assert outcome.collided and outcome.collided_with == "pedestrian"


def test_faster_driving_needs_a_shorter_reaction() -> None:
    def longest(speed: float) -> float:
        """Longest delay that saves the person, to 0.1 s; negative when even none does."""
        low, high = -0.1, 1.5
        while high - low > 0.15:
            middle = 0.5 * (low + high)
            saved = middle >= 0.0 and not react("person_behind_truck", speed, middle)[0].collided
            low, high = (middle, high) if saved else (low, middle)
        return low

    slow, middle, fast = (longest(speed) for speed in (10.0, 14.0, 20.0))
    assert slow > middle > fast
    assert slow > 0.5 and fast < 0.1


def test_a_later_reaction_hits_the_person_harder() -> None:
    speeds = [react("person_behind_truck", 16.0, delay)[0].impact_speed_mps for delay in (0.3, 0.5, 0.8)]
    assert 0.0 < speeds[0] < speeds[1] < speeds[2]


@pytest.mark.parametrize("speed", [8.0, 12.0])
def test_whoever_brakes_in_the_jam_stands_behind_the_queue_and_whoever_does_not_hits_it(speed: float) -> None:
    outcome, _ = react("traffic_jam", speed, 0.3)
    assert not outcome.collided
    assert outcome.stopped_gap_m is not None and outcome.stopped_gap_m < 25.0 and outcome.standing_s >= 2.0
    assert react("traffic_jam", speed, 9.0)[0].collided_with == "vehicle"


def test_the_jam_stays_hidden_until_the_bend_opens() -> None:
    world = World(load("traffic_jam", 10.0, 0), seed=0, pixels=False)
    world.advance(1_500_000_000)
    assert world.truth()[0].visible < 0.2
    assert [actor.kind for actor in world.scenario.actors[:3]] == ["motorcycle", "mini", "van"]


def test_parameters_override_what_the_seed_draws_and_unknown_ones_are_named() -> None:
    assert load("person_behind_truck", 12.0, 0, walk_mps=1.0).parameters["walk_mps"] == 1.0
    with pytest.raises(UsageError, match="walk_mps"):
        load("person_behind_truck", 12.0, 0, wlak_mps=1.0)
    with pytest.raises(UsageError, match="traffic_jam"):
        load("traffic_jma", 12.0, 0)


def test_a_scenario_with_an_unknown_kind_or_a_repeated_id_is_refused() -> None:
    def build(*actors: Actor) -> Scenario:
        return Scenario(name="x", title="", duration_s=1.0, speed_mps=1.0, actors=actors)

    with pytest.raises(UsageError, match="lorry"):
        build(Actor(id=1, kind="lorry", s_m=0.0, d_m=0.0))
    with pytest.raises(UsageError, match="used twice"):
        build(Actor(id=1, kind="car", s_m=0.0, d_m=0.0), Actor(id=1, kind="car", s_m=9.0, d_m=0.0))


def test_the_street_has_twenty_vehicles_and_ten_people_and_nobody_crashes_in_it() -> None:
    scenario = load("street", 8.0, 1)
    kinds = [actor.kind == "pedestrian" for actor in scenario.actors]
    assert (kinds.count(False), kinds.count(True)) == (20, 10)
    world = World(scenario, seed=1, pixels=False)
    world.apply(BRAKE)
    world.advance(5_000_000_000)
    assert not world.outcome().collided
