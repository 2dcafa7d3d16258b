"""The shipped maps hold what they promise, and what is committed is what the script writes."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest

import scenarios.maps
from operators.maps import RoadMap
from pipeline.errors import UsageError
from scenarios.maps import NAMES, shipped
from scenarios.maps.generate import MAPS, main

FOLDER = Path(scenarios.maps.__file__).parent


@pytest.mark.parametrize("name", NAMES)
def test_the_script_writes_what_is_committed(name: str) -> None:
    assert MAPS[name]() == (FOLDER / f"{name}.xodr").read_text(encoding="utf-8")


def test_the_script_writes_all_maps_into_a_folder(tmp_path: Path) -> None:
    main(tmp_path)
    assert {path.stem for path in tmp_path.iterdir()} == set(NAMES)
    assert all(path.stat().st_size < 300_000 for path in tmp_path.iterdir())


@pytest.mark.parametrize("name", NAMES)
def test_lanes_join_within_a_centimetre_and_without_a_kink(name: str) -> None:
    map_ = shipped(name)
    joints = 0
    for lane in map_.lanes.values():
        for key in lane.next:
            other = map_.lanes[key]
            gap = math.hypot(lane.x_m[-1] - other.x_m[0], lane.y_m[-1] - other.y_m[0])
            turn = abs(math.remainder(lane.yaw_rad[-1] - other.yaw_rad[0], math.tau))
            assert gap < 0.01 and abs(lane.z_m[-1] - other.z_m[0]) < 0.01, (lane.key, key)
            assert turn < 0.01, (lane.key, key)
            assert lane.width_m[-1] == pytest.approx(other.width_m[0], abs=0.01), (lane.key, key)
            assert lane.key in other.previous
            joints += 1
    assert joints > 0 or name in ("straight", "curve")


@pytest.mark.parametrize("name", NAMES)
def test_yaw_is_the_direction_of_the_line_and_points_lie_close(name: str) -> None:
    for lane in shipped(name).lanes.values():
        steps = np.hypot(np.diff(lane.x_m), np.diff(lane.y_m))
        assert steps.max() <= 2.0
        yaw = np.unwrap(lane.yaw_rad)
        chord = np.arctan2(np.diff(lane.y_m), np.diff(lane.x_m))
        assert np.abs(np.angle(np.exp(1j * (chord - 0.5 * (yaw[1:] + yaw[:-1]))))).max() < 0.025


def test_the_straight_and_the_curve_have_no_junction() -> None:
    straight, curve = shipped("straight"), shipped("curve")
    assert (len(straight.junctions), len(curve.junctions)) == (0, 0)
    assert sum(lane.kind == "driving" for lane in straight.lanes.values()) == 4
    assert {piece.kind for piece in curve.description.roads["1"].pieces} == {"line", "arc", "spiral"}
    assert np.ptp(curve.lanes[curve.keys[0]].z_m) > 5.0


def test_the_town_has_four_by_four_blocks_lights_crosswalks_parking_and_pavements() -> None:
    grid = shipped("grid")
    assert len(grid.junctions) == 21
    assert {lane.kind for lane in grid.lanes.values()} == {"driving", "parking", "sidewalk"}
    assert grid.length_km > 8.0
    assert len(grid.crosswalks) == sum(signal.kind == "light" for signal in grid.signals) == 48
    assert sum(signal.kind == "yield" for signal in grid.signals) == 8
    assert {lane.limit_mps for lane in grid.driving()} == {50 / 3.6, 30 / 3.6}
    assert all(lane.next and lane.previous for lane in grid.driving() if float(lane.width_m.min()) > 1.0)


def test_every_light_belongs_to_one_controller_of_its_junction() -> None:
    grid = shipped("grid")
    lights = {signal.id: signal for signal in grid.signals if signal.kind == "light"}
    controlled = [signal for group in grid.controllers.values() for signal in group]
    assert sorted(controlled) == sorted(lights)
    assert sorted(one for junction in grid.junctions.values() for one in junction.controllers) == sorted(
        grid.controllers
    )
    for junction in grid.junctions.values():
        for group in junction.controllers:
            for light in grid.controllers[group]:
                roads = {key.road for key in lights[light].lanes}
                assert roads <= set(junction.incoming)


def test_turn_lanes_lead_to_the_left_only() -> None:
    grid = shipped("grid")
    turning = [lane for lane in grid.driving() if float(lane.width_m.min()) < 0.01 and lane.next]
    assert len(turning) == 12, "two avenues with six approaches each"
    for lane in turning:
        assert lane.right is not None and len(lane.next) == 1
        after = grid.lanes[lane.next[0]]
        assert math.remainder(after.yaw_rad[-1] - after.yaw_rad[0], math.tau) > 1.5


def test_the_motorway_can_be_left_and_entered() -> None:
    motorway = shipped("motorway")
    assert max(lane.limit_mps for lane in motorway.driving()) == pytest.approx(120.0 / 3.6)
    for number in (1, 2):
        start = next(lane for lane in motorway.driving() if lane.key.road == f"{number}1" and lane.key.lane == -1)
        rest = next(lane for lane in motorway.driving() if lane.key.road == f"1{number}1")
        end = next(lane for lane in motorway.driving() if lane.key == (f"{number}5", 1, -1))
        places = [motorway.nearest(*motorway.pose(lane.key, 0.5 * lane.length_m)[:2]) for lane in (start, rest, end)]
        assert all(place is not None for place in places)
        first, middle, last = (place for place in places if place is not None)
        away, back = motorway.search(first, middle), motorway.search(middle, last)
        assert any(key.lane == -4 for key in away) and any(key.lane == -4 for key in back)
        assert any(lane.kind == "parking" for lane in motorway.lanes.values())


def test_the_roundabout_turns_left_around_its_island_and_yields_at_four_lines() -> None:
    map_ = shipped("roundabout")
    assert [signal.kind for signal in map_.signals] == ["yield"] * 4
    east = next(lane for lane in map_.driving() if lane.key == ("1", 0, -1))
    first = map_.nearest(*map_.pose(east.key, 10.0)[:2])
    last = map_.nearest(-1.75, -150.0)
    assert first is not None and last is not None
    way = map_.way(map_.search(first, last), first.s_m, None)
    ring = np.hypot(way.x_m, way.y_m) < 22.0
    assert np.unwrap(np.arctan2(way.y_m[ring], way.x_m[ring]))[-1] > math.pi, "three quarters around, past the north"
    assert [stop.kind for stop in way.stops] == ["yield"]


def test_an_unknown_name_lists_the_known_ones_and_a_path_is_read() -> None:
    with pytest.raises(UsageError, match="straight, curve, grid, motorway, roundabout|did you mean 'grid'"):
        shipped("gird")
    with pytest.raises(UsageError, match="does not exist"):
        shipped("nowhere.xodr")
    assert isinstance(shipped(str(FOLDER / "straight.xodr")), RoadMap)
    assert shipped("straight") is shipped("straight")
