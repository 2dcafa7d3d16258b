"""Ways: places along paths are exact, also where a path crosses itself, and routes carry limits and stops."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.errors import UsageError
from scenarios.scenario import Path, PathStop
from scenarios.world.roads import Road, Segment
from scenarios.world.ways import line_of, way_of
from tests.world.networks import circle, straight


@given(s=st.floats(1.0, 310.0), d=st.floats(-6.0, 6.0))
def test_a_place_on_a_circuit_is_found_again(s: float, d: float) -> None:
    way = way_of(circle("ring", 50.0))
    x, y, _ = way.pose(s, d)
    assert way.locate(x, y, s) == pytest.approx((s, d), abs=1e-3)


@given(s=st.floats(-40.0, 140.0), d=st.floats(-8.0, 8.0))
def test_an_open_path_goes_straight_on_beyond_its_ends(s: float, d: float) -> None:
    way = way_of(straight("p", (10.0, 20.0), (70.0, 100.0)))
    x, y, yaw = way.pose(s, d)
    assert yaw == pytest.approx(math.atan2(80.0, 60.0))
    assert (x, y) == pytest.approx((10.0 + 0.6 * s - 0.8 * d, 20.0 + 0.8 * s + 0.6 * d), abs=1e-6)
    assert way.locate(x, y) == pytest.approx((s, d), abs=1e-6)


def test_where_a_path_crosses_itself_the_station_decides() -> None:
    there = np.linspace((-100.0, 0.0), (100.0, 0.0), 201)
    angles = np.linspace(-math.pi / 2.0, math.pi, 200)
    back = np.stack([100.0 + 100.0 * np.cos(angles), 100.0 + 100.0 * np.sin(angles)], axis=1)
    down = np.linspace((0.0, 99.0), (0.0, -100.0), 200)
    way = way_of(Path(name="loop", points_m=tuple(map(tuple, np.concatenate([there, back, down]).tolist()))))
    first, _ = way.locate(0.0, 0.0, 95.0)
    second, _ = way.locate(0.0, 0.0, 760.0)
    assert first == pytest.approx(100.0, abs=0.5)
    assert second > 700.0


def test_a_circuit_is_recognised_and_driven_round_and_round() -> None:
    way = way_of(circle("ring", 50.0))
    line = way.line()
    assert line.closed
    x, y, _ = way.pose(5.0)
    assert way.pose(5.0 + line.length_m)[:2] == pytest.approx((x, y), abs=1e-9)
    assert line.nodes[:, 3] == pytest.approx(np.full(len(line.nodes), 1.0 / 50.0), rel=0.1)
    assert not way_of(circle("half", 50.0, math.pi)).line().closed


def test_a_driver_slows_down_in_time_for_a_lower_limit_and_for_a_bend() -> None:
    points = tuple((float(x), 0.0) for x in range(401))
    slowing = way_of(Path(name="p", points_m=points, limits=((0.0, 20.0), (200.0, 8.0)))).line().nodes[:, 5]
    assert slowing[50] == 20.0 and slowing[200] == 8.0
    assert 8.0 < slowing[190] < 20.0
    assert way_of(circle("ring", 20.0)).line().nodes[:, 5].max() < 7.0


def test_the_route_of_a_path_has_its_limits_and_stops() -> None:
    points = tuple((float(x), 0.0) for x in range(301))
    path = Path(
        name="p",
        points_m=points,
        limits=((0.0, 14.0), (100.0, 8.0)),
        stops=(PathStop(30.0, "stop"), PathStop(150.0, "light", "a", 20.0), PathStop(290.0, "yield")),
    )
    route = way_of(path).route(start_s_m=50.0, end_s_m=250.0, width_left_m=1.5, width_right_m=1.0)
    assert route.speed_limit_mps == 14.0
    assert route.limits_mps is not None and len(route.limits_mps) == len(route.x_m)
    assert route.limits_mps[0] == 14.0 and route.limits_mps[-1] == 8.0
    (stop,) = route.stops
    assert (stop.s_m, stop.kind, stop.light, stop.clear_m) == (100.0, "light", "a", 20.0)
    assert np.max(np.hypot(np.diff(route.x_m), np.diff(route.y_m))) <= 2.0


@given(s=st.floats(0.0, 150.0), d=st.floats(-4.0, 4.0))
def test_the_line_of_a_street_agrees_with_the_street(s: float, d: float) -> None:
    road = Road(segments=(Segment(40.0), Segment(60.0, 1.0 / 40.0), Segment(60.0, -1.0 / 60.0)))
    forward, backward = line_of(road), line_of(road, reverse=True)
    x, y, _ = road.pose(s, d)
    for line, side in ((forward, 1.0), (backward, -1.0)):
        at = side * s - line.first_s_m
        node = line.nodes[round(at / line.step_m)]
        assert math.hypot(node[0] - road.pose(s)[0], node[1] - road.pose(s)[1]) < 0.6
    assert road.locate(x, y, s) == road.locate(x, y)


@pytest.mark.parametrize(
    ("path", "words"),
    [
        (Path(name="dot", points_m=((1.0, 1.0),)), "fewer than two"),
        (Path(name="nan", points_m=((0.0, 0.0), (math.nan, 1.0))), "not finite"),
        (Path(name="free", points_m=((0.0, 0.0), (9.0, 1.0)), limits=()), "no speed limit"),
    ],
)
def test_a_path_that_is_none_is_refused_by_name(path: Path, words: str) -> None:
    with pytest.raises(UsageError, match=words) as caught:
        way_of(path)
    assert path.name in str(caught.value)
