"""Pictures on maps: the ground is what the map says, nothing stands on the road, lights show their state."""

from __future__ import annotations

import math

import numpy as np
import pytest

from operators.messages import EgoState
from scenarios.maps import NAMES, shipped
from scenarios.world.drawing.camera import Rendered, Renderer
from scenarios.world.drawing.classes import (
    BUILDING,
    PAVEMENT,
    ROAD,
    ROAD_LINE,
    TERRAIN,
    TRAFFIC_LIGHT,
)
from scenarios.world.drawing.classes import (
    NAMES as CLASS_NAMES,
)
from scenarios.world.drawing.ground import ASPHALT, GRASS, Ground, Patch, packed
from scenarios.world.drawing.ground import PAVEMENT as PAVED
from scenarios.world.drawing.mapground import ground_patches
from scenarios.world.drawing.surroundings import map_houses, surroundings
from scenarios.world.projection import eye_pose, lens_of, rotation
from tests.scenarios.pictures import CAMERA, bytes_of, ego_at, map_scenario, on_map, user

BESIDE_M = 0.2


def place_before_a_light(back_m: float) -> tuple[EgoState, str]:
    """An ego on the grid, so far before the line of a light that governs its lane, and that light."""
    map_ = shipped("grid")
    signal = next(s for s in map_.signals if s.kind == "light" and s.stops[0][1] > back_m + 1.0)
    key, s_m = signal.stops[0]
    x, y, yaw = map_.pose(key, s_m - back_m)
    return ego_at(x, y, yaw), signal.id


def seen_at(rendered: Rendered, ego: EgoState, x_m: float, y_m: float) -> tuple[int, float, float] | None:
    """Class, depth, and true depth at the pixel where a point of the ground lands; None outside the picture."""
    eye, yaw = eye_pose(ego, CAMERA)
    right, down, ahead = rotation(yaw, 0.0) @ (np.array([x_m, y_m, 0.0]) - eye)
    lens = lens_of(CAMERA)
    column, row = lens[0] * right / max(ahead, 0.01) + lens[2], lens[1] * down / max(ahead, 0.01) + lens[3]
    if ahead < 1.0 or not (0 <= column < CAMERA.width_px and 0 <= row < CAMERA.height_px):
        return None
    return int(rendered.semantic[int(row), int(column)]), float(rendered.depth_m[int(row), int(column)]), float(ahead)


@pytest.mark.parametrize("name", NAMES)
def test_lanes_are_road_and_far_from_them_it_is_green(name: str) -> None:
    map_ = shipped(name)
    ground = Ground(ground_patches(map_), 1.5)
    lanes = [lane for lane in map_.lanes.values() if lane.kind == "driving" and lane.length_m > 8.0]
    for lane in lanes[:: max(1, len(lanes) // 3)]:
        middle = len(lane.x_m) // 2
        x, y = float(lane.x_m[middle]), float(lane.y_m[middle])
        ground.centre(x, y)
        assert ground.class_at(x, y) in (ROAD, ROAD_LINE)
    x0, y0, _, _ = map_.bounds
    ground.centre(x0 - 40.0, y0 - 40.0)
    assert ground.class_at(x0 - 40.0, y0 - 40.0) == TERRAIN


@pytest.mark.parametrize("name", NAMES)
def test_nothing_reaches_onto_a_road(name: str) -> None:
    map_ = shipped(name)
    points = []
    for house in map_houses(map_, 5):
        x, y, _, yaw = house.pose
        a, b = np.meshgrid(np.linspace(0.2, house.width_m - 0.2, 9), np.linspace(0.1, house.depth_m, 7))
        cos, sin = math.cos(yaw), math.sin(yaw)
        points.append(np.stack([x + cos * a - sin * b, y + sin * a + cos * b], -1).reshape(-1, 2))
    things = surroundings(map_, 5)
    points.append(np.array([thing.pose[:2] for thing in things if thing.semantic != BUILDING]).reshape(-1, 2))
    every = np.concatenate(points)
    places = map_.nearest_many(every)
    lanes = [map_.lanes[map_.keys[k]] for k in places.lane]
    on = [
        (np.interp(s, lane.s_m, lane.x_m), np.interp(s, lane.s_m, lane.y_m), 0.5 * np.interp(s, lane.s_m, lane.width_m))
        for lane, s in zip(lanes, places.s_m, strict=True)
    ]
    x, y, half = np.array(on).T
    assert (np.hypot(every[:, 0] - x, every[:, 1] - y) > half - BESIDE_M).all()
    assert len(things) > 20


def test_surroundings_follow_from_the_seed_alone() -> None:
    map_ = shipped("roundabout")
    poses = [[thing.pose for thing in surroundings(map_, seed)] for seed in (1, 1, 2)]
    assert poses[0] == poses[1] != poses[2]


def test_what_the_ground_shows_does_not_depend_on_the_way_there() -> None:
    ego, _ = place_before_a_light(25.0)
    scenario = map_scenario("grid")
    fresh, driven = Renderer(scenario, CAMERA), Renderer(scenario, CAMERA)
    for step in range(6):
        driven.render(ego_at(ego.x_m + 37.0 * step, ego.y_m - 23.0 * step, 0.4 * step), [])
    assert bytes_of(fresh.render(ego, [])) == bytes_of(driven.render(ego, []))


def test_lanes_and_crosswalks_are_drawn_where_the_map_has_them() -> None:
    ego, _ = place_before_a_light(14.0)
    rendered = on_map("grid", ego)
    map_ = shipped("grid")
    found = 0
    for lane in map_.lanes.values():
        for x, y in zip(lane.x_m, lane.y_m, strict=True):
            if lane.kind != "driving" or math.hypot(x - ego.x_m, y - ego.y_m) > 30.0:
                continue
            seen = seen_at(rendered, ego, float(x), float(y))
            if seen is not None and seen[0] in (ROAD, ROAD_LINE, TERRAIN, PAVEMENT):
                assert seen[0] in (ROAD, ROAD_LINE)
                assert seen[1] == pytest.approx(seen[2], rel=0.12)
                found += 1
    assert found > 15
    ahead = (rendered.semantic == ROAD_LINE) & (rendered.depth_m > 8.0) & (rendered.depth_m < 20.0)
    assert ahead.sum() > 60


@pytest.mark.parametrize(("state", "channel"), [("red", 0), ("green", 1)])
def test_a_light_shows_its_state(state: str, channel: int) -> None:
    ego, light = place_before_a_light(12.0)
    off, lit = on_map("grid", ego, lights={light: "off"}), on_map("grid", ego, lights={light: state})
    changed = (off.rgb != lit.rgb).any(axis=2)
    assert changed.sum() >= 3
    colour = lit.rgb[changed].astype(int)[lit.rgb[changed].max(axis=1) > 180].mean(axis=0)
    assert int(np.argmax(colour)) == channel
    assert (lit.semantic == TRAFFIC_LIGHT).sum() > 10
    assert np.array_equal(off.semantic, lit.semantic)


def test_people_stand_on_the_pavement_and_not_in_it() -> None:
    map_ = shipped("grid")
    walk = next(lane for lane in map_.lanes.values() if lane.kind == "sidewalk" and lane.length_m > 60.0)
    middle = len(walk.x_m) // 2
    x, y, yaw = float(walk.x_m[middle]), float(walk.y_m[middle]), float(walk.yaw_rad[middle])
    person = user(7, "pedestrian", x, y, yaw)
    ego = ego_at(x - 9.0 * math.cos(yaw), y - 9.0 * math.sin(yaw), yaw)
    rendered = on_map("grid", ego, person)
    rows = np.nonzero(rendered.instance == 7)[0]
    eye, _ = eye_pose(ego, CAMERA)
    away = math.hypot(x - eye[0], y - eye[1])
    foot = lens_of(CAMERA)[1] * (eye[2] - 0.12) / away + lens_of(CAMERA)[3]
    assert rows.max() + 1 == pytest.approx(foot, abs=1.6)


def test_masks_on_a_map_hold_known_classes_and_the_users_ids() -> None:
    ego, _ = place_before_a_light(25.0)
    cos, sin = math.cos(ego.yaw_rad), math.sin(ego.yaw_rad)
    bus = user(3, "bus", ego.x_m + 24.0 * cos, ego.y_m + 24.0 * sin, ego.yaw_rad)
    rendered = on_map("grid", ego, bus)
    assert set(np.unique(rendered.instance)) == {0, 3}
    assert rendered.semantic.max() < len(CLASS_NAMES)
    assert not (rendered.semantic[np.isinf(rendered.depth_m)]).any()


def test_later_patches_cover_earlier_ones_and_edges_meet_without_a_gap() -> None:
    left = np.array([[0.0, 0.0], [10.0, 0.0], [10.3, 10.0], [0.0, 10.0]])
    right = np.array([[10.0, 0.0], [20.0, 0.0], [20.0, 10.0], [10.3, 10.0]])
    top = np.array([[4.0, 4.0], [6.0, 4.0], [6.0, 6.0], [4.0, 6.0]])
    ground = Ground(packed([Patch(ASPHALT, left), Patch(ASPHALT, right), Patch(PAVED, top)]), 1.5)
    ground.centre(10.0, 5.0)
    assert {ground.material_at(float(x), 5.0) for x in np.arange(6.5, 19.0, 0.05)} == {ASPHALT}
    assert ground.material_at(5.0, 5.0) == PAVED and ground.raised(5.0, 5.0)
    assert ground.material_at(5.0, 11.0) == GRASS and not ground.raised(5.0, 11.0)
