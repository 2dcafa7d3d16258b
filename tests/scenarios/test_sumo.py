"""Traffic by SUMO: the map's own lanes, an ego that others mind, as many as wanted, and the same every time."""

from __future__ import annotations

import importlib
import importlib.util
import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import msgspec
import numpy as np
import pytest

from operators.messages import EgoSize
from pipeline.errors import MissingExtra, UsageError
from scenarios.city import city
from scenarios.maps import shipped
from scenarios.mapways import path_over
from scenarios.scenario import Actor, Drive, Scenario, Stand, Walk
from scenarios.scenario import Path as Way
from scenarios.sumo import engine
from scenarios.sumo.drivers import with_drivers
from scenarios.sumo.lights import shown
from scenarios.sumo.network import file_of, network_of
from scenarios.sumo.poses import Poses
from scenarios.sumo.shapes import dense, is_open, shape_of
from scenarios.sumo.streets import Link
from scenarios.sumo.waiting import comes_by
from scenarios.world.checks import check
from scenarios.world.collision import corners, overlap
from scenarios.world.traffic.columns import LENGTH, NUMBERS, PRESENT, SPEED, SPEED_X, SPEED_Y, YAW, X, Y
from scenarios.world.traffic.signals import AMBER, GREEN, RED, Signals
from scenarios.world.ways import way_of

HAS_SUMO = all(importlib.util.find_spec(name) for name in ("libsumo", "sumo"))
SIZE = EgoSize()


def needs_sumo(test: Any) -> Any:
    """For tests that run it: not among the quick ones, and skipped where it is not installed."""
    return pytest.mark.real(pytest.mark.skipif(not HAS_SUMO, reason="needs skylane[sumo]")(test))


@pytest.fixture(scope="module", autouse=True)
def cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Networks are made anew, and not left in the user's cache."""
    folder = tmp_path_factory.mktemp("cache")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", str(folder))
        yield folder


def town(seed: int = 3, *, cars: int = 20, cyclists: int = 2, pedestrians: int = 4) -> Scenario:
    return city(
        "grid", seed, length_m=400.0, cars=cars, trucks=1, buses=1, motorcycles=1, cyclists=cyclists,
        pedestrians=pedestrians,
    )  # fmt: skip


def country_road(*actors: Actor, drivers: int = 5) -> Scenario:
    """A road with a lane for each direction; the ego is in the middle of one."""
    map_ = shipped("curve")
    key = next(lane.key for lane in map_.driving() if lane.forward)
    road = path_over(map_, [key], "ego")
    free = tuple(
        Actor(id=50 + k, kind="car", s_m=30.0 * k, d_m=0.0, on="there", motion=Drive(14.0)) for k in range(drivers)
    )
    return Scenario(
        name="country road", title="", duration_s=60.0, speed_mps=0.0, actors=(*actors, *free), road=road,
        map="curve", paths=(msgspec.structs.replace(road, name="there"),), ego_s_m=400.0, end_s_m=700.0,
    )  # fmt: skip


class Drivers:
    """The traffic of a scenario, and an ego that follows its road at a steady speed."""

    def __init__(self, scenario: Scenario, seed: int = 1, speed_mps: float = 0.0) -> None:
        make = engine("sumo", seed)
        assert make is not None
        self.scenario, self.signals, self.speed_mps = scenario, Signals(scenario.lights), speed_mps
        self.traffic: Any = make(scenario, SIZE, self.signals)
        self.steps, self._way = 0, way_of(scenario.road)

    @property
    def now_s(self) -> float:
        return self.steps * 0.005

    def ego(self) -> np.ndarray:
        x, y, yaw = self._way.pose(self.scenario.ego_s_m + self.speed_mps * self.now_s)
        return np.array([x, y, yaw, SIZE.length_m, SIZE.width_m], np.float64)

    def advance(self, seconds: float) -> Iterator[None]:
        for _ in range(round(seconds / 0.005)):
            now_s = self.now_s
            self.steps += 1
            self.traffic.advance(now_s, self.ego(), self.speed_mps)
            yield

    def free(self) -> np.ndarray:
        """Numbers of those on the road that SUMO drives."""
        traffic, actors = self.traffic, self.scenario.actors
        free = [isinstance(actor.motion, Drive) and bool(actor.on) for actor in actors]
        numbers: np.ndarray = traffic.numbers[:-1]
        present: np.ndarray = traffic.flags[:-1, PRESENT] == 1
        return np.asarray(numbers[present & np.array(free)])


def test_no_name_is_the_built_in_traffic_and_a_wrong_one_is_refused() -> None:
    assert engine("", 1) is None
    with pytest.raises(UsageError, match="sumo"):
        engine("sumoo", 1)


def test_without_libsumo_one_error_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    def absent(name: str) -> None:
        raise ImportError(f"No module named {name!r}")

    monkeypatch.setattr(importlib, "import_module", absent)
    with pytest.raises(MissingExtra, match=r"skylane\[sumo\]"):
        engine("sumo", 1)


def test_a_green_link_has_the_right_of_way_only_where_nobody_it_must_let_pass_is_green() -> None:
    links = (
        Link("j", 0, "a", 0),
        Link("j", 1, "a", 0b100),
        Link("j", 2, "b", 0),
        Link("k", 2, "c", 0b001),
        Link("", -1, "", 0),
    )
    assert shown(links, [GREEN, GREEN, RED, AMBER, -1]) == "GGryO"
    assert shown(links, [GREEN, GREEN, GREEN, RED, -1]) == "GgGrO"
    # Links of another junction do not count.
    assert shown(links, [GREEN, RED, RED, GREEN, -1]) == "GrrGO"


def test_between_two_steps_a_vehicle_goes_straight_from_one_pose_to_the_next() -> None:
    poses = Poses(1, np.array([4.0]))
    for x, degrees in ((12.0, 350.0), (13.0, 10.0)):
        poses.take({"a": {0x42: (x, 5.0), 0x43: degrees, 0x40: 20.0, 0x4D: 8}}, {"a": 0})
    track = poses.track(10)
    start, end = (12.0 + 2.0 * math.sin(math.radians(10.0)), 13.0 - 2.0 * math.sin(math.radians(10.0)))
    assert track[4, 0, 0] == pytest.approx(0.5 * (start + end))
    assert track[9, 0, 0] == pytest.approx(end)
    # From 350 to 10 degrees of the compass: through north, which is a quarter turn from east.
    assert track[4, 0, 2] == pytest.approx(math.pi / 2.0)
    assert track[4, 0, 4] == pytest.approx((end - start) / 0.05)


def test_who_has_just_come_in_is_there_from_the_end_of_the_step_on() -> None:
    poses = Poses(2, np.array([4.0, 4.0]))
    poses.take({"a": {0x42: (1.0, 0.0), 0x43: 90.0, 0x40: 0.0, 0x4D: 0}}, {"a": 1, "b": 0})
    assert poses.rows.tolist() == [] and poses.track(10).shape == (10, 0, 6)
    rows, now = poses.end()
    assert rows.tolist() == [1] and now[0, :2] == pytest.approx([-1.0, 0.0]) and now[0, 6] == 1.0


@pytest.mark.parametrize(
    ("y_m", "speed_mps", "comes"), [(-30.0, 10.0, True), (-30.0, -10.0, False), (-30.0, 1.0, False)]
)
def test_people_wait_for_a_vehicle_that_crosses_their_way_while_they_are_on_it(
    y_m: float, speed_mps: float, comes: bool
) -> None:
    vehicle = np.zeros((1, NUMBERS))
    vehicle[0, [X, Y, YAW, SPEED, SPEED_X, SPEED_Y, LENGTH]] = (
        5.0,
        y_m,
        math.pi / 2.0,
        abs(speed_mps),
        0.0,
        speed_mps,
        4.5,
    )
    assert comes_by(np.zeros(2), np.array([10.0, 0.0]), 1.4, vehicle) is comes


@needs_sumo
@pytest.mark.parametrize("name", ["grid", "motorway", "roundabout"])
def test_every_lane_of_the_network_is_on_a_centre_line_of_the_map_within_5_cm(name: str) -> None:
    points, map_ = [], shipped(name)
    for lane in ElementTree.parse(network_of(name)).getroot().iter("lane"):
        if is_open(lane):
            line = dense(shape_of(lane))
            steps = np.diff(line, axis=0)
            points.append(np.column_stack([0.5 * (line[:-1] + line[1:]), np.arctan2(steps[:, 1], steps[:, 0])]))
    table = np.concatenate(points)
    places = map_.nearest_many(np.ascontiguousarray(table[:, :2]), table[:, 2])
    assert len(points) > 20 and (places.lane >= 0).all()
    assert np.abs(places.d_m).max() < 0.05
    assert np.cos(places.yaw_rad - table[:, 2]).min() > 0.9


@needs_sumo
def test_a_network_is_made_once_per_content_of_its_map(tmp_path: Path) -> None:
    copy = tmp_path / "copy.xodr"
    copy.write_bytes(file_of("roundabout").read_bytes())
    assert network_of(str(copy)) == network_of("roundabout") != network_of("straight")


@needs_sumo
def test_lanes_end_at_the_stop_lines_of_the_map() -> None:
    map_ = shipped("grid")
    ends = np.array(
        [shape_of(lane)[-1] for lane in ElementTree.parse(network_of("grid")).iter("lane") if is_open(lane)]
    )
    lines = [map_.pose(key, s_m)[:2] for key in map_.lanes for s_m, kind, _ in map_.stops_on(key) if kind == "light"]
    assert len(lines) > 40
    for x, y in lines:
        assert np.hypot(ends[:, 0] - x, ends[:, 1] - y).min() < 0.1


@needs_sumo
def test_those_behind_a_standing_ego_stop_behind_it() -> None:
    drivers = Drivers(country_road(drivers=12))
    ego = drivers.ego()
    own, stood = corners(*ego), []
    for _ in drivers.advance(22.0):
        if drivers.steps % 40 == 0:
            assert not any(overlap(own, corners(*row)) for row in drivers.traffic.outlines)
    for one in drivers.free():
        dx, dy = one[X] - ego[0], one[Y] - ego[1]
        back = dx * math.cos(ego[2]) + dy * math.sin(ego[2])
        if -12.0 < back < 0.0 and math.cos(one[YAW] - ego[2]) > 0.9 and one[SPEED] < 0.1:
            stood.append(-back - 0.5 * (one[LENGTH] + SIZE.length_m))
    assert len(stood) == 1 and 0.5 < stood[0] < 5.0


@needs_sumo
def test_those_with_a_script_are_minded_like_the_ego() -> None:
    van = Actor(id=1, kind="van", s_m=450.0, d_m=0.0, motion=Stand())
    scenario = msgspec.structs.replace(country_road(van, drivers=12), ego_s_m=500.0)
    drivers = Drivers(scenario)
    own = corners(*drivers.traffic.outlines[0])
    for _ in drivers.advance(22.0):
        if drivers.steps % 40 == 0:
            assert not any(overlap(own, corners(*row)) for row in drivers.traffic.outlines[1:])
    x, y, yaw = way_of(scenario.road).pose(450.0)
    behind = [
        one
        for one in drivers.free()
        if -14.0 < (one[X] - x) * math.cos(yaw) + (one[Y] - y) * math.sin(yaw) < 0.0 and one[SPEED] < 0.1
    ]
    assert len(behind) == 1


@needs_sumo
def test_two_runs_are_equal_and_another_seed_is_another_run() -> None:
    def record(seed: int) -> bytes:
        drivers = Drivers(town(), seed, 6.0)
        return b"".join(drivers.traffic.outlines.tobytes() for _ in drivers.advance(6.0))

    first = record(1)
    assert record(1) == first
    assert record(2) != first


@needs_sumo
def test_as_many_as_the_scenario_has_are_kept_around_an_ego_that_drives_on_and_nobody_jumps() -> None:
    scenario = town(cars=30)
    drivers = Drivers(scenario, speed_mps=10.0)
    traffic, wanted = drivers.traffic, sum(isinstance(actor.motion, Drive) for actor in scenario.actors)
    missing, before = [], traffic.outlines.copy()
    for _ in drivers.advance(20.0):
        both = (np.abs(before[:, :2]).max(axis=1) < 1e6) & (np.abs(traffic.outlines[:, :2]).max(axis=1) < 1e6)
        assert np.hypot(*(traffic.outlines - before)[both, :2].T).max() < 0.3
        before = traffic.outlines.copy()
        missing.append(wanted - len(drivers.free()))
    assert max(missing) <= 0.3 * wanted and np.mean(missing[1000:]) < 0.03 * wanted
    away = np.hypot(drivers.free()[:, X] - drivers.ego()[0], drivers.free()[:, Y] - drivers.ego()[1])
    assert away.max() < 400.0


@needs_sumo
def test_drivers_can_be_had_on_a_map_without_circuits() -> None:
    empty = city("motorway", 1, length_m=900.0, cars=0, trucks=0, buses=0, motorcycles=0, cyclists=0, pedestrians=0)
    scenario = with_drivers(empty, 30, seed=4)
    check(scenario, SIZE)
    drivers = Drivers(scenario, speed_mps=25.0)
    for _ in drivers.advance(8.0):
        pass
    assert len(drivers.free()) >= 27
    places = shipped("motorway").nearest_many(np.ascontiguousarray(drivers.free()[:, [X, Y]]), drivers.free()[:, YAW])
    assert np.median(np.abs(places.d_m)) < 0.5


def test_too_many_drivers_and_drivers_on_a_street_are_refused() -> None:
    with pytest.raises(UsageError, match="1000 drivers"):
        with_drivers(country_road(), 1000)
    with pytest.raises(UsageError, match="need a map"):
        with_drivers(Scenario(name="street", title="", duration_s=1.0, speed_mps=0.0, actors=()), 3)


@needs_sumo
def test_nobody_drives_over_a_line_whose_light_is_red() -> None:
    scenario, map_ = town(cars=30, pedestrians=0), shipped("grid")
    drivers = Drivers(scenario)
    lines = [
        (*map_.pose(key, s_m), name) for key in map_.lanes for s_m, kind, name in map_.stops_on(key) if kind == "light"
    ]
    rows = np.array([drivers.signals.index[line[3]] for line in lines])
    x, y, yaw = np.array([line[:3] for line in lines]).T
    passed, before = 0, None
    for _ in drivers.advance(15.0):
        if drivers.steps % 10:
            continue
        one = drivers.traffic.numbers[:-1]
        front = one[:, [X, Y]] + 0.5 * one[:, [LENGTH]] * np.column_stack([np.cos(one[:, YAW]), np.sin(one[:, YAW])])
        dx, dy = front[:, :1] - x, front[:, 1:] - y
        beyond, beside = dx * np.cos(yaw) + dy * np.sin(yaw), dy * np.cos(yaw) - dx * np.sin(yaw)
        if before is not None:
            over = (before <= 0.0) & (beyond > 0.0) & (beyond < 3.0) & (np.abs(beside) < 1.4)
            over &= np.cos(one[:, [YAW]] - yaw) > 0.9
            passed += int(over.sum())
            assert not (drivers.signals.at(drivers.now_s)[rows] == RED)[over.any(axis=0)].any()
        before = beyond
    assert passed > 5


@needs_sumo
def test_one_taken_off_the_road_comes_back_elsewhere() -> None:
    drivers = Drivers(town(pedestrians=0))
    traffic = drivers.traffic
    row = int(np.flatnonzero(traffic.flags[:-1, PRESENT])[0])
    place = traffic.outlines[row, :2].copy()
    traffic.remove(row)
    assert not traffic.flags[row, PRESENT]
    for _ in drivers.advance(3.0):
        pass
    assert traffic.flags[row, PRESENT] and np.hypot(*(traffic.outlines[row, :2] - place)) > 5.0


@needs_sumo
def test_the_world_that_came_first_is_told_when_another_has_taken_sumo_over() -> None:
    first, second = Drivers(country_road()), Drivers(country_road())
    assert all(True for _ in second.advance(0.1))
    with pytest.raises(UsageError, match="another world"):
        list(first.advance(0.1))


@needs_sumo
def test_a_scenario_on_a_street_is_refused() -> None:
    street = Scenario(name="street", title="", duration_s=1.0, speed_mps=0.0, actors=())
    with pytest.raises(UsageError, match="needs a map"):
        Drivers(street)


@needs_sumo
def test_people_who_look_still_cross_the_streets() -> None:
    drivers = Drivers(town(cars=10, pedestrians=12))
    walkers = [row for row, actor in enumerate(drivers.scenario.actors) if isinstance(actor.motion, Walk)]
    before = drivers.traffic.outlines[walkers, :2].copy()
    for _ in drivers.advance(15.0):
        pass
    moved = np.hypot(*(drivers.traffic.outlines[walkers, :2] - before).T)
    assert (moved > 3.0).sum() > len(walkers) / 2


@needs_sumo
def test_a_world_is_given_sumo_as_its_traffic() -> None:
    from scenarios.world.world import World

    def drive() -> list[Any]:
        world = World(town(), seed=1, pixels=False, traffic=engine("sumo", 1))
        world.advance(3_000_000_000)
        seen = world.snapshot()
        return [seen.ids.tolist(), seen.x_m.tolist(), seen.yaw_rad.tolist(), world.truth(), world.outcome()]

    first = drive()
    assert len(first[0]) > 20 and drive() == first
    assert isinstance(town().road, Way)
