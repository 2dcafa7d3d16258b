"""Families as files: what they say is checked, what they draw depends on the seed alone, mistakes are named."""

from __future__ import annotations

import hashlib
import math
from pathlib import Path

import pytest

from pipeline.errors import UsageError
from scenarios.library.errors import InvalidFamily
from scenarios.library.loading import NAMES, family, load, parse
from scenarios.scenario import KINDS, Actor, Drive, Scenario, Stand, Walk
from scenarios.world.roads import Road

SMALL = """
title: A test
source: ours
duration: 10
road: {pieces: [{length: 200}]}
parameters:
  gap_m: {value: 20, uniform: [-1, 1], unit: m, range: [5, 50]}
  many: {value: 2, range: [0, 5]}
ego: {s: 0}
end: 150
actors:
  lead: {kind: car, s: 10 + gap_m, d: own_lane_m, drive: {speed: 5}}
  row: {repeat: many, kind: [van, mini], s: 60 + 10 * k, d: -4.8}
"""


def small(*changes: tuple[str, str]) -> Scenario:
    """The small family with some text replaced."""
    text = SMALL
    for before, after in changes:
        assert before in text
        text = text.replace(before, after)
    return parse("small", text, "small.yaml").scenario(10.0, 1, {})


def facts(scenario: Scenario) -> str:
    """What the street's world makes of a scenario, exactly, without fields that came later."""
    road = scenario.road
    assert isinstance(road, Road)
    cross = (road.lane_width_m, road.parking_m, road.pavement_m, road.speed_limit_mps)
    pieces = tuple((piece.length_m, piece.curvature_1pm) for piece in road.segments)
    rest = (
        scenario.name, scenario.duration_s, scenario.speed_mps, scenario.ego_s_m, scenario.end_s_m,
        scenario.width_left_m, scenario.width_right_m, scenario.scenery_seed, scenario.scenery_s_m,
        scenario.sun_azimuth_rad, scenario.sun_elevation_rad, scenario.sight_m, scenario.exposure,
        tuple(scenario.parameters.items()),
    )  # fmt: skip
    return repr((pieces, cross, rest, [person(actor) for actor in scenario.actors]))


def person(actor: Actor) -> tuple[object, ...]:
    """One road user, exactly."""
    where = (actor.id, actor.kind, actor.s_m, actor.d_m, actor.heading_rad, actor.scale)
    motion, paint = actor.motion, (actor.colour, actor.second_colour)
    if isinstance(motion, Stand):
        return (*where, *paint, motion.brake_lights)
    start = (motion.trigger.ego_within_m, motion.trigger.after_s)
    if isinstance(motion, Drive):
        return (*where, *paint, motion.speed_mps, *start)
    return (*where, *paint, motion.path, motion.speed_mps, *start, motion.accel_mps2, motion.pause_s)


@pytest.mark.parametrize(
    ("name", "digest"),
    [("person_behind_truck", "a9f6a1b27c4f3f81"), ("traffic_jam", "00391f88d0f2f8ad"), ("street", "994e192aeb69e3f1")],
)
def test_the_first_three_scenarios_are_to_the_last_bit_what_they_were_as_programs(name: str, digest: str) -> None:
    whole = hashlib.blake2b(digest_size=8)
    for speed in (8.0, 12.0, 14.0):
        for seed in range(40):
            whole.update(facts(load(name, speed, seed)).encode())
    assert whole.hexdigest() == digest


@pytest.mark.parametrize("name", NAMES)
def test_a_seed_says_everything_and_says_it_again(name: str) -> None:
    speed = family(name).file.speed.default
    assert load(name, speed, 3) == load(name, speed, 3)
    assert load(name, speed, 3) != load(name, speed, 4)


@pytest.mark.parametrize("name", NAMES)
def test_every_family_says_where_it_comes_from_and_describes_its_parameters(name: str) -> None:
    file = family(name).file
    assert file.title and len(file.source) > 10
    assert file.speed.default <= file.speed.top
    assert all(parameter.range is not None for parameter in file.parameters.values())
    assert set(load(name, file.speed.default, 0).parameters) == set(file.parameters)


def test_rows_take_their_kinds_in_turn_and_their_places_by_number() -> None:
    row = [actor for actor in small().actors if actor.kind != "car"]
    assert [(actor.id, actor.kind, actor.s_m) for actor in row] == [(2, "van", 60.0), (3, "mini", 70.0)]


def test_a_parameter_that_is_given_changes_nothing_else_that_is_drawn() -> None:
    free, bound = load("person_behind_truck", 12.0, 5), load("person_behind_truck", 12.0, 5, walk_mps=1.0)
    assert bound.parameters == {**free.parameters, "walk_mps": 1.0}
    assert bound.actors[1:] == free.actors[1:] and bound.scenery_seed == free.scenery_seed


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_a_parameter_that_is_no_finite_number_is_refused_by_name(value: float) -> None:
    with pytest.raises(UsageError, match="walk_mps"):
        load("person_behind_truck", 12.0, 0, walk_mps=value)
    with pytest.raises(UsageError, match="speed"):
        load("person_behind_truck", value, 0)


def test_a_parameter_out_of_its_range_is_refused_and_the_range_is_told() -> None:
    with pytest.raises(UsageError, match=r"walk_mps.*0\.1 to 10 m/s"):
        load("person_behind_truck", 12.0, 0, walk_mps=99.0)


@pytest.mark.parametrize(
    ("before", "after", "told"),
    [
        ("duration: 10\n", "", "duration"),
        ("duration: 10", "duraton: 10\nduration: 9", "duration"),
        ("kind: car", "kind: lorry", "actors.lead.kind: unknown kind of road user 'lorry'"),
        ("10 + gap_m", "10 + gpa_m", r"small.yaml:12: actors.lead.s.*gpa_m.*did you mean 'gap_m'"),
        ("uniform: [-1, 1]", "uniform: [1, -1]", "small.yaml:7: parameters.gap_m.uniform.*upside down"),
        ("value: 20", "value: .nan", "parameters.gap_m"),
        ("value: 20", "value: 1 / 0", "parameters.gap_m.*divides by zero"),
        ("drive: {speed: 5}", "drive: {spede: 5}", "actors.lead.drive.spede.*did you mean 'speed'"),
        ("drive: {speed: 5}", "drive: {speed: -5}", "actors.lead.drive.speed.*negative"),
        ("drive: {speed: 5}", "drive: {speed: 5}, stand: {}", "actors.lead.stand.*second motion"),
        ("end: 150", "end: -3", "end.*behind the start"),
        ("repeat: many", "repeat: 1000000", "1000000 road users"),
        ("repeat: many", "each: {a: [1], b: [1, 2]}", "different lengths"),
        ("road: {pieces: [{length: 200}]}", "", "no road"),
        ("road: {pieces: [{length: 200}]}", "road: {pieces: [{length: -200}]}", "road.pieces.0.length"),
        ("kind: car", "on: ego, kind: car", "no way 'ego'"),
        ("kind: car", "fill: walkres, kind: car", "fill.*did you mean 'walkers'"),
        ("many: {value: 2", "pi: {value: 2", "parameters.pi.*taken"),
        ("kind: car", "colour: [1, 2], kind: car", "colour"),
        ("end: 150", "end: 150\nweather: {snow: 1}", "weather.snow"),
        ("end: 150", "end: 150\nweather: {rain: 7}", "weather.*rain is 7"),
        ("title: A test", "title: [", "small.yaml.*not YAML"),
        ("title: A test", "title: A test\ntitle: B", "stands twice"),
        ("end: 150", "end: 150\nways: {ego: {}}", "ways without a map"),
    ],
)  # fmt: skip
def test_a_mistake_is_told_with_its_file_line_and_field(before: str, after: str, told: str) -> None:
    with pytest.raises(UsageError, match=told):
        small((before, after))


def test_an_expression_with_a_comma_inside_braces_is_explained() -> None:
    with pytest.raises(InvalidFamily, match="quotes"):
        small(("s: 10 + gap_m", "s: max(10, gap_m)"))


def test_a_file_of_the_users_own_is_a_family_too(tmp_path: Path) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text(SMALL, encoding="utf-8")
    scenario = load(str(path), 10.0, 1, gap_m=30.0)
    assert scenario.name == "mine" and scenario.actors[0].s_m == 40.0
    path.write_text(SMALL.replace("end: 150", "end: 160"), encoding="utf-8")
    assert load(str(path), 10.0, 1).end_s_m == 160.0


def test_names_and_files_that_do_not_exist_are_told(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="did you mean 'traffic_jam'"):
        load("traffic_jma", 12.0, 0)
    with pytest.raises(UsageError, match="cannot be read"):
        load(str(tmp_path / "none.yaml"), 12.0, 0)
    large = tmp_path / "large.yaml"
    large.write_bytes(b"#" * (1 << 21))
    with pytest.raises(UsageError, match="larger than"):
        load(str(large), 12.0, 0)


def test_every_kind_in_the_files_can_be_drawn_and_stands_on_the_road() -> None:
    for name in NAMES:
        scenario = load(name, family(name).file.speed.default, 0)
        for actor in scenario.actors:
            assert actor.kind in KINDS
            assert isinstance(actor.motion, (Stand, Walk, Drive))
