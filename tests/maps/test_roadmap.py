"""Questions to a map: the nearest lane, what lies ahead, the way from here to there."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from operators.maps import LaneKey, LanePlace, RoadMap, RouteNotFound
from scenarios.maps import shipped
from tests.maps.documents import document, road

GRID = shipped("grid")
ROADS = {lane.key.road for lane in GRID.driving() if not lane.junction}
PLACES = [lane for lane in GRID.driving() if not lane.junction and lane.length_m > 40.0]
places = st.builds(
    lambda lane, share: LanePlace(lane.key, share * lane.length_m, 0.0, 0.0),
    st.sampled_from(PLACES),
    st.floats(0.02, 0.98),
)


def by_hand(map_: RoadMap, x: float, y: float, yaw: float | None) -> float:
    """The least price of any segment of any lane, one after the other."""
    best = math.inf
    for lane in map_.driving():
        ax, ay, bx, by = lane.x_m[:-1], lane.y_m[:-1], np.diff(lane.x_m), np.diff(lane.y_m)
        share = np.clip(((x - ax) * bx + (y - ay) * by) / (bx**2 + by**2), 0.0, 1.0)
        price = np.hypot(ax + share * bx - x, ay + share * by - y)
        if yaw is not None:
            price = price + 3.0 * (1.0 - np.cos(np.arctan2(by, bx) - yaw))
        best = min(best, float(price.min()))
    return best


@pytest.mark.parametrize("name", ["grid", "roundabout", "curve"])
@pytest.mark.parametrize("turned", [False, True])
def test_nearest_finds_what_looking_at_every_segment_finds(name: str, turned: bool) -> None:
    map_ = shipped(name)
    rng = np.random.default_rng(3)
    low, high = np.array(map_.bounds[:2]) - 200.0, np.array(map_.bounds[2:]) + 200.0
    points, yaw = rng.uniform(low, high, (40, 2)), rng.uniform(-math.pi, math.pi, 40)
    found = map_.nearest_many(points, yaw if turned else None)
    for i, (x, y) in enumerate(points):
        key = map_.keys[found.lane[i]]
        px, py, lane_yaw = map_.pose(key, float(found.s_m[i]))
        price = math.hypot(px - x, py - y) + (3.0 * (1.0 - math.cos(lane_yaw - yaw[i])) if turned else 0.0)
        assert price == pytest.approx(by_hand(map_, x, y, yaw[i] if turned else None), abs=0.1)


@given(which=st.integers(0, len(PLACES) - 1), share=st.floats(0.05, 0.95), d=st.floats(-1.2, 1.2))
def test_a_point_beside_a_lane_is_found_there(which: int, share: float, d: float) -> None:
    lane = PLACES[which]
    x, y, yaw = GRID.pose(lane.key, share * lane.length_m)
    place = GRID.nearest(x - d * math.sin(yaw), y + d * math.cos(yaw), yaw)
    assert place is not None
    found = GRID.pose(place.key, place.s_m)
    if place.key == lane.key:
        assert place.s_m == pytest.approx(share * lane.length_m, abs=0.2)
        assert place.d_m == pytest.approx(d, abs=0.02)
    else:  # where a lane begins beside another, or ends, both may be as near
        assert math.hypot(found[0] - x, found[1] - y) <= abs(d) + 2.0


def test_direction_decides_between_lanes_that_overlap() -> None:
    map_ = RoadMap.parse(document(road()))
    for yaw, lane in ((0.0, -1), (math.pi, 1)):
        place = map_.nearest(50.0, 0.0, yaw)
        assert place is not None and place.key == LaneKey("1", 0, lane)


def test_one_many_and_order_give_the_same_answer() -> None:
    points = np.random.default_rng(0).uniform(-50.0, 700.0, (60, 2))
    many, reverse = GRID.nearest_many(points), GRID.nearest_many(points[::-1])
    assert (many.lane == reverse.lane[::-1]).all()
    for i, (x, y) in enumerate(points):
        one = GRID.nearest(x, y)
        assert one == (GRID.keys[many.lane[i]], many.s_m[i], many.d_m[i], many.yaw_rad[i])


def test_what_is_no_place_finds_nothing() -> None:
    assert GRID.nearest(math.nan, 0.0) is None
    assert GRID.nearest(0.0, 0.0, kinds=("railway",)) is None
    assert GRID.nearest(80.0, 70.0, within_m=10.0) is None
    assert GRID.nearest(80.0, 3.0, within_m=10.0) is not None


def test_other_kinds_of_lanes_are_found_when_asked_for() -> None:
    place = GRID.nearest(80.0, -6.0, kinds=("sidewalk",))
    assert place is not None and GRID.lanes[place.key].kind == "sidewalk"


def test_ahead_branches_at_a_junction() -> None:
    lane = next(lane for lane in PLACES if len(lane.next) == 3)
    found = GRID.ahead(LanePlace(lane.key, lane.length_m - 1.0, 0.0, 0.0), 6.0)
    assert {place.key for place in found} == set(lane.next)
    assert all(place.s_m == pytest.approx(5.0) for place in found)


@given(start=places, goal=places)
def test_every_place_of_the_town_is_reached_by_lanes_that_join(start: LanePlace, goal: LanePlace) -> None:
    lanes = GRID.search(start, goal)
    assert lanes[0] == start.key and lanes[-1] == goal.key
    for one, other in zip(lanes, lanes[1:], strict=False):
        lane = GRID.lanes[one]
        assert other in (*lane.next, lane.left, lane.right)


@given(start=places, goal=places)
def test_a_way_is_smooth_and_short_of_nothing(start: LanePlace, goal: LanePlace) -> None:
    lanes = GRID.search(start, goal)
    if len(lanes) == 1 and goal.s_m - start.s_m < 1.0:
        return
    way = GRID.way(lanes, start.s_m, goal.s_m)
    steps = np.hypot(np.diff(way.x_m), np.diff(way.y_m))
    assert steps.max() <= 2.0 and steps.min() > 0.0
    assert np.allclose(np.diff(way.s_m), steps, atol=0.05)
    turns = np.diff(np.unwrap(way.yaw_rad)) / steps
    assert np.abs(turns).max() < 0.35, "no tighter than the tightest bend of the town"
    chord = np.arctan2(np.diff(way.y_m), np.diff(way.x_m))
    off = np.angle(np.exp(1j * (chord - 0.5 * (np.unwrap(way.yaw_rad)[1:] + np.unwrap(way.yaw_rad)[:-1]))))
    assert np.abs(off).max() < 0.06, "yaw is the direction of the line"
    assert math.hypot(way.x_m[0] - GRID.pose(start.key, start.s_m)[0], 0.0) < 0.05
    assert set(np.unique(way.lane)) <= set(range(len(lanes)))
    assert [stop.s_m for stop in way.stops] == sorted(stop.s_m for stop in way.stops)


def test_a_way_across_a_crossing_stops_at_its_light_and_clears_the_junction() -> None:
    signal = next(signal for signal in GRID.signals if signal.kind == "light")
    key, s_m = signal.stops[0]
    following = GRID.lanes[key].next[0]
    way = GRID.way([key, following, GRID.lanes[following].next[0]], max(0.0, s_m - 30.0), None)
    stop = way.stops[0]
    assert (stop.kind, stop.signal) == ("light", signal.id)
    assert stop.s_m == pytest.approx(min(30.0, s_m), abs=0.1)
    rest = GRID.lanes[key].length_m - s_m
    assert stop.clear_m == pytest.approx(rest + GRID.lanes[following].length_m, abs=0.1)


def test_a_lane_change_takes_25_m_or_more_and_keeps_its_neighbours_apart() -> None:
    map_ = shipped("straight")
    way = map_.way([LaneKey("1", 0, -2), LaneKey("1", 0, -1)], 100.0, 400.0)
    assert way.y_m[0] == pytest.approx(-5.25) and way.y_m[-1] == pytest.approx(-1.75)
    between = way.x_m[(way.y_m > -5.2) & (way.y_m < -1.8)]
    assert np.ptp(between) >= 25.0
    assert set(way.lane) == {0, 1}
    assert np.abs(np.gradient(way.y_m, way.s_m) - np.sin(way.yaw_rad)).max() < 0.02


def test_a_goal_behind_the_start_is_reached_around_the_block() -> None:
    lane = next(lane for lane in PLACES if lane.length_m > 100.0)
    lanes = GRID.search(LanePlace(lane.key, 60.0, 0.0, 0.0), LanePlace(lane.key, 20.0, 0.0, 0.0))
    assert len(lanes) > 4 and lanes[0] == lanes[-1] == lane.key


def test_where_no_lane_leads_there_is_no_route() -> None:
    map_ = shipped("straight")
    with pytest.raises(RouteNotFound, match="no way leads from lane"):
        map_.search(LanePlace(LaneKey("1", 0, -1), 0.0, 0.0, 0.0), LanePlace(LaneKey("1", 0, 1), 0.0, 0.0, 0.0))
    with pytest.raises(RouteNotFound, match="does not lead to lane"):
        map_.way([LaneKey("1", 0, -1), LaneKey("1", 0, 1)])
    with pytest.raises(RouteNotFound, match="no lane"):
        map_.way([LaneKey("9", 0, -1)])
    with pytest.raises(RouteNotFound, match="ends before it begins"):
        map_.way([LaneKey("1", 0, -1)], 50.0, 20.0)


def test_solid_lines_are_crossed_only_where_there_is_no_other_way() -> None:
    grid = [lane for lane in GRID.driving() if lane.left is not None and lane.kind == "driving"]
    assert grid and all(lane.crossable[0] for lane in grid), "turn lanes may be entered"
    motorway = shipped("motorway")
    entry = next(lane for lane in motorway.driving() if lane.key.lane == -4 and lane.previous and not lane.next)
    assert entry.left is not None and entry.crossable[0]
