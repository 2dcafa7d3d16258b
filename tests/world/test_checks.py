"""Scenarios that cannot be played are refused with one line that names the scenario and the road user."""

from __future__ import annotations

import math
from typing import Any

import msgspec
import pytest

from pipeline.errors import UsageError
from scenarios.scenario import Actor, Change, Drive, Lights, Path, PathStop, Phase, Road, Scenario, Trigger, Walk
from scenarios.world.world import World
from tests.world.networks import straight

ROAD = straight("ego", (0.0, 0.0), (300.0, 0.0))
SIDE = straight("side", (0.0, 50.0), (300.0, 50.0))
GOOD = Scenario(
    name="good",
    title="",
    duration_s=10.0,
    speed_mps=5.0,
    road=ROAD,
    paths=(SIDE,),
    ego_s_m=10.0,
    end_s_m=250.0,
    actors=(Actor(id=7, kind="car", s_m=50.0, d_m=0.0, on="side", motion=Drive(10.0)),),
)


def with_actor(**fields: Any) -> Scenario:
    return msgspec.structs.replace(GOOD, actors=(msgspec.structs.replace(GOOD.actors[0], **fields),))


def with_path(**fields: Any) -> Scenario:
    return msgspec.structs.replace(GOOD, paths=(msgspec.structs.replace(SIDE, **fields),))


def test_the_good_scenario_is_played() -> None:
    World(GOOD, seed=0, pixels=False).advance(100_000_000)


@pytest.mark.parametrize(
    ("scenario", "words"),
    [
        (with_actor(s_m=math.nan), "not a number"),
        (with_actor(d_m=math.inf), "not a number"),
        (with_actor(scale=-1.0), "scale"),
        (with_actor(on="nowhere"), "no path 'nowhere'"),
        (with_actor(s_m=400.0), "not on its path"),
        (with_actor(motion=Drive(math.nan)), "speed_mps is nan"),
        (with_actor(motion=Drive(-3.0)), "speed_mps is -3"),
        (with_actor(motion=Drive(9.0, headway_s=-1.0)), "headway_s is -1"),
        (with_actor(motion=Drive(9.0, Trigger(after_s=math.nan))), "trigger.after_s is nan"),
        (with_actor(motion=Drive(9.0, changes=(Change(accel_mps2=-2.0),))), r"changes\[0\].accel_mps2 is -2"),
        (with_actor(motion=Drive(9.0, at_end="fly")), "at_end"),
        (with_actor(motion=Drive(9.0, Trigger(light="x"))), "light 'x'"),
        (with_actor(kind="pedestrian", motion=Walk(((math.nan, 0.0),))), "point of its path"),
        (with_actor(kind="pedestrian", motion=Walk(((9.0, 0.0),), 0.0)), "no speed"),
    ],
)
def test_a_road_user_that_makes_no_sense_is_named(scenario: Scenario, words: str) -> None:
    with pytest.raises(UsageError, match=words) as caught:
        World(scenario, seed=0, pixels=False)
    assert "good" in str(caught.value) and "actor 7" in str(caught.value)


@pytest.mark.parametrize(
    ("scenario", "words"),
    [
        (msgspec.structs.replace(GOOD, end_s_m=5.0), "no route"),
        (msgspec.structs.replace(GOOD, end_s_m=900.0), "no route"),
        (msgspec.structs.replace(GOOD, end_s_m=math.nan), "no route"),
        (msgspec.structs.replace(GOOD, road=Road(), paths=(), actors=(), end_s_m=1.0), "no route"),
        (msgspec.structs.replace(GOOD, ego_model="flying"), "ego_model"),
        (msgspec.structs.replace(GOOD, friction=0.0), "grip"),
        (msgspec.structs.replace(GOOD, paths=(SIDE, SIDE)), "used twice"),
        (with_path(stops=(PathStop(20.0, "gate"),)), "kind of stop 'gate'"),
        (with_path(stops=(PathStop(20.0, "light", "a"),)), "no programme"),
        (with_path(stops=(PathStop(999.0, "stop"),)), "not on the path"),
        (with_path(limits=((0.0, -1.0),)), "limit -1"),
        (with_path(points_m=((0.0, 0.0),)), "fewer than two points"),
        (msgspec.structs.replace(GOOD, lights=(Lights((Phase(-1.0, ("a",), 0.0),)),)), "no phase"),
    ],
)
def test_a_scenario_that_makes_no_sense_is_refused(scenario: Scenario, words: str) -> None:
    with pytest.raises(UsageError, match=words):
        World(scenario, seed=0, pixels=False)


def test_nobody_may_begin_inside_somebody_else_or_the_ego() -> None:
    two = (*GOOD.actors, msgspec.structs.replace(GOOD.actors[0], id=8, s_m=52.0))
    with pytest.raises(UsageError, match=r"actor 8 \(car\) begins inside actor 7 \(car\)"):
        World(msgspec.structs.replace(GOOD, actors=two), seed=0, pixels=False)
    with pytest.raises(UsageError, match=r"actor 7 \(car\) begins inside the ego"):
        World(with_actor(on="", s_m=12.0), seed=0, pixels=False)


def test_people_may_stand_close_together() -> None:
    people = tuple(Actor(id=k, kind="pedestrian", s_m=60.0 + 0.2 * k, d_m=-5.0) for k in (1, 2, 3))
    World(msgspec.structs.replace(GOOD, actors=people), seed=0, pixels=False)


def test_a_path_without_a_name_is_refused() -> None:
    nameless = Path(name="", points_m=SIDE.points_m)
    with pytest.raises(UsageError, match="empty"):
        World(msgspec.structs.replace(GOOD, paths=(nameless,), actors=()), seed=0, pixels=False)
