"""The reader against another one: ``carla.Map`` on the same files. Its axes are left-handed: y is negated.

``get_waypoint`` there projects onto chords: its station is off by up to 40 cm along a curve. Its lanes are exact.
"""

from __future__ import annotations

import math
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import scenarios.maps
from operators.maps import Lane, LaneKey, RoadMap
from scenarios.maps import NAMES, shipped

carla = pytest.importorskip(
    "carla", reason="the oracle is carla.Map: pip install carla (Linux, x86-64, Python 3.8-3.12)"
)

FOLDER = Path(scenarios.maps.__file__).parent


@cache
def theirs(name: str) -> Any:
    return carla.Map(name, (FOLDER / f"{name}.xodr").read_text("utf-8"))


def key_of(waypoint: Any) -> LaneKey:
    return LaneKey(str(waypoint.road_id), waypoint.section_id, waypoint.lane_id)


def at_station(lane: Lane, station_m: float, values: Any) -> float:
    order = slice(None) if lane.forward else slice(None, None, -1)
    return float(np.interp(station_m, lane.station_m[order], values[order]))


def places(map_: RoadMap, count: int) -> tuple[np.ndarray[Any, Any], list[Lane], np.ndarray[Any, Any]]:
    """Random points within lanes, evenly by length: (n, 2), the lane of each, and its station."""
    rng = np.random.default_rng(11)
    lanes = [lane for lane in map_.driving() if lane.length_m > 1.0]
    lengths = np.array([lane.length_m for lane in lanes])
    chosen = [lanes[i] for i in rng.choice(len(lanes), count, p=lengths / lengths.sum())]
    points, stations = np.empty((count, 2)), np.empty(count)
    for i, lane in enumerate(chosen):
        s = rng.uniform(0.0, lane.length_m)
        x, y, yaw = map_.pose(lane.key, s)
        d = rng.uniform(-0.45, 0.45) * float(np.interp(s, lane.s_m, lane.width_m))
        points[i] = x - d * math.sin(yaw), y + d * math.cos(yaw)
        stations[i] = float(np.interp(s, lane.s_m, lane.station_m))
    return points, chosen, stations


@pytest.mark.parametrize("name", NAMES)
def test_all_lanes_are_the_same_lanes(name: str) -> None:
    """Where lanes run: every 2 m of every lane, place within 1 cm, width, height, direction, junction."""
    map_ = shipped(name)
    waypoints = theirs(name).generate_waypoints(2.0)
    assert len(waypoints) == pytest.approx(sum(lane.length_m for lane in map_.driving()) / 2.0, rel=0.03)
    seen = set()
    for waypoint in waypoints:
        lane = map_.lanes[key_of(waypoint)]
        seen.add(lane.key)
        place = waypoint.transform.location
        x, y, z, width = (at_station(lane, waypoint.s, one) for one in (lane.x_m, lane.y_m, lane.z_m, lane.width_m))
        assert math.hypot(x - place.x, y + place.y) < 0.01
        assert z == pytest.approx(place.z, abs=0.01)
        assert width == pytest.approx(waypoint.lane_width, abs=0.02)
        yaw = at_station(lane, waypoint.s, np.unwrap(lane.yaw_rad))
        # Theirs neglects that a widening lane turns more on the inside of a bend.
        assert abs(math.remainder(yaw + math.radians(waypoint.transform.rotation.yaw), math.tau)) < 0.03
        assert waypoint.is_junction == bool(lane.junction)
    assert {lane.key for lane in map_.driving() if lane.length_m > 2.0} <= seen


@pytest.mark.parametrize("name", NAMES)
def test_the_nearest_lane_is_the_same_lane(name: str) -> None:
    map_ = shipped(name)
    points, _, _ = places(map_, 2000)
    found = map_.nearest_many(points)
    others = 0
    for i, (x, y) in enumerate(points):
        waypoint = theirs(name).get_waypoint(carla.Location(x, -y, 0.0), True, carla.LaneType.Driving)
        place = waypoint.transform.location
        key = map_.keys[found.lane[i]]
        mx, my, _ = map_.pose(key, float(found.s_m[i]))
        mine, away = math.hypot(mx - x, my - y), math.hypot(place.x - x, place.y + y)
        assert mine < away + 0.005, "nothing nearer was missed"
        if key == key_of(waypoint):
            back = map_.nearest(place.x, -place.y)
            assert back is not None and abs(back.d_m) < 0.05
            assert abs(at_station(map_.lanes[key], waypoint.s, map_.lanes[key].width_m) - waypoint.lane_width) < 0.02
        else:
            others += 1
            assert mine == pytest.approx(away, abs=0.02) or mine < away
    assert others <= 0.005 * len(points), "lanes that begin at one place, and their chords"


@pytest.mark.parametrize("name", NAMES)
def test_next_left_and_right_are_the_same(name: str) -> None:
    map_ = shipped(name)
    _, lanes, stations = places(map_, 1500)
    joints = 0
    for lane, station in zip(lanes, stations, strict=True):
        waypoint = theirs(name).get_waypoint_xodr(int(lane.key.road), lane.key.lane, float(station))
        if waypoint is None or key_of(waypoint) != lane.key:
            continue  # a hair from the section's end
        assert _driving(waypoint.get_left_lane(), lane) == lane.left
        assert _driving(waypoint.get_right_lane(), lane) == lane.right
        rest = float(lane.s_m[-1]) - float(np.interp(station, *_ascending(lane)))
        ahead = (lane.station_m[-1] - station) if lane.forward else station - lane.station_m[-1]
        following = {key_of(one) for one in waypoint.next(float(ahead) + 0.05)} if 0.1 < rest < 20.0 else None
        if following is not None and all(map_.lanes[key].length_m > 0.2 for key in lane.next):
            assert following == set(lane.next)
            joints += 1
    assert joints > 20 or name in ("straight", "curve")


def _ascending(lane: Lane) -> tuple[Any, Any]:
    order = slice(None) if lane.forward else slice(None, None, -1)
    return lane.station_m[order], lane.s_m[order]


def _driving(waypoint: Any, lane: Lane) -> LaneKey | None:
    """Their neighbour, if it is for cars and driven the same way: theirs crosses the centre line, ours does not."""
    if waypoint is None or waypoint.lane_type != carla.LaneType.Driving:
        return None
    same = (waypoint.lane_id > 0) == (lane.key.lane > 0)
    return key_of(waypoint) if same else None


@pytest.mark.parametrize("name", NAMES)
def test_signals_and_crosswalks_are_where_they_are_there(name: str) -> None:
    map_ = shipped(name)
    lights = theirs(name).get_all_landmarks_of_type("1000001")
    assert {one.id for one in lights} == {signal.id for signal in map_.signals if signal.kind == "light"}
    mine = {signal.id: signal for signal in map_.signals}
    for one in lights:
        place = one.transform.location
        # Theirs steps aside by 25 cm where it thinks that a signal stands on a lane.
        assert math.hypot(mine[one.id].x_m - place.x, mine[one.id].y_m + place.y) < 0.26
    theirs_ = np.array([(one.x, -one.y) for one in theirs(name).get_crosswalks()]).reshape(-1, 1, 2)
    # Theirs moves a crosswalk with its road's lane offset; t is measured from the reference line.
    plain = {one.id for road in map_.description.roads.values() if not len(road.lane_offset) for one in road.crosswalks}
    ours = np.array([corner for walk in map_.crosswalks if walk.id in plain for corner in walk.corners]).reshape(
        1, -1, 2
    )
    assert len(theirs_) == sum(len(walk.corners) for walk in map_.crosswalks)
    assert not ours.size or np.hypot(*np.moveaxis(theirs_ - ours, -1, 0)).min(axis=0).max() < 0.01
