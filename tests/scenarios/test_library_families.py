"""Every shipped family is worth driving: who never brakes meets the event, who brakes at once does not."""

from __future__ import annotations

from functools import cache

import pytest

from operators.messages import EgoSize
from scenarios.library.loading import NAMES, family, load
from scenarios.library.rehearsal import rehearse
from scenarios.scenario import Path
from scenarios.world.checks import check
from scenarios.world.world import Outcome

EVENTS = [name for name in NAMES if family(name).file.checks.never_brakes == "collides"]
LIBRARY = {
    "person_behind_truck", "behind_parked_car", "car_behind_truck", "many_pedestrians", "car_running_red_light",
    "opposite_car_running_red_light", "car_from_alley", "pedestrian_crossing", "crossing_paths", "traffic_jam",
    "cut_in", "hard_braking_lead", "unprotected_left_turn", "roundabout_entry", "merge", "cyclist_overtaking", "debris",
    "night_pedestrian", "construction", "random_route", "street",
}  # fmt: skip


@cache
def driven(name: str, speed_mps: float, seed: int, reacts: bool) -> Outcome:
    """What came of it."""
    return rehearse(load(name, speed_mps, seed), seed=seed, reacts=reacts)


def test_the_library_has_the_scenarios_of_the_papers_and_of_the_typology() -> None:
    assert set(NAMES) == LIBRARY
    assert set(EVENTS) == LIBRARY - {"street", "random_route"}


@pytest.mark.parametrize("name", EVENTS)
def test_a_car_that_never_brakes_collides(name: str) -> None:
    assert driven(name, family(name).file.speed.default, 0, False).collided


@pytest.mark.parametrize("name", EVENTS)
def test_a_car_that_brakes_at_once_does_not_collide(name: str) -> None:
    assert not driven(name, family(name).file.speed.default, 0, True).collided


@pytest.mark.slow
@pytest.mark.parametrize("name", EVENTS)
def test_over_ten_seeds_most_events_happen_and_most_can_be_avoided_up_to_the_stated_speed(name: str) -> None:
    speeds = family(name).file.speed
    never = [driven(name, speeds.default, seed, False).collided for seed in range(10)]
    at_once = [driven(name, speed, seed, True).collided for seed in range(10) for speed in (speeds.default, speeds.top)]
    assert sum(never) >= 8
    assert sum(at_once) <= 4


@pytest.mark.parametrize("name", sorted(LIBRARY - {"random_route"}))
def test_nobody_begins_inside_anybody_else(name: str) -> None:
    speeds = family(name).file.speed
    for seed in range(40):
        check(load(name, speeds.default if seed % 2 else speeds.top, seed), EgoSize())


@pytest.mark.parametrize("name", sorted(LIBRARY))
def test_a_family_can_be_played_at_any_speed(name: str) -> None:
    for speed in (0.0, 5.0, 9.0, 16.0, 30.0):
        for seed in range(1 if name == "random_route" else 4):
            check(load(name, speed, seed), EgoSize())


@pytest.mark.slow
@pytest.mark.parametrize("name", sorted(LIBRARY - {"random_route"}))
def test_nobody_begins_inside_anybody_else_for_two_hundred_seeds(name: str) -> None:
    for speed in {family(name).file.speed.default, family(name).file.speed.top}:
        for seed in range(200):
            check(load(name, speed, seed), EgoSize())


def test_the_runner_of_the_red_light_has_red_and_the_ego_green() -> None:
    scenario = load("car_running_red_light", 12.0, 0)
    (programme,) = scenario.lights
    runner = next(path for path in scenario.paths if path.name == "runner")
    assert isinstance(scenario.road, Path)
    assert {stop.light for stop in scenario.road.stops} <= set(programme.phases[0].green)
    assert not {stop.light for stop in runner.stops} & set(programme.phases[0].green)


def test_a_random_route_is_as_long_as_wished() -> None:
    scenario = load("random_route", 8.0, 0, length_m=700.0, cars=2.0, pedestrians=0.0, crossings=0.0)
    assert scenario.end_s_m - scenario.ego_s_m == pytest.approx(700.0, abs=1.0)
    assert scenario.map == "grid" and scenario.parameters["length_m"] == 700.0
