"""Pictures against geometry: depth, instances, classes, watertight fills, and equal bytes twice."""

from __future__ import annotations

import hashlib
import math
from itertools import permutations

import numpy as np
import pytest

from operators.messages import CameraModel, EgoSize, EgoState
from scenarios.scenario import Actor, Scenario, Stand
from scenarios.world.drawing.camera import PEDESTRIAN, VEHICLE, Rendered, Renderer
from scenarios.world.drawing.raster import fill
from scenarios.world.drawing.shading import ROAD_CLASS
from scenarios.world.projection import clipped, eye_pose, lens_of, picture_boxes, rotation
from scenarios.world.traffic.agents import RoadUsers

CAMERA = CameraModel(width_px=320, height_px=180, fx_px=160.0, fy_px=160.0, cx_px=160.0, cy_px=90.0)


def scene(*actors: Actor) -> Scenario:
    return Scenario(
        name="test", title="", duration_s=1.0, speed_mps=0.0, actors=actors, ego_s_m=20.0, scenery_s_m=(0.0, 120.0)
    )


def shot(scenario: Scenario, camera: CameraModel = CAMERA) -> tuple[Rendered, RoadUsers, EgoState]:
    users = RoadUsers(scenario.actors, scenario.road, EgoSize())
    x, y, yaw = scenario.road.pose(scenario.ego_s_m, scenario.road.own_lane_m)
    ego = EgoState(x_m=x, y_m=y, yaw_rad=yaw, speed_mps=0.0)
    return Renderer(scenario, camera).render(ego, users.items), users, ego


def test_a_triangulated_square_covers_every_pixel_exactly_once() -> None:
    corners = np.array([[10.3, 5.7], [70.1, 9.2], [64.9, 50.5], [12.8, 44.4]])
    centre = np.array([37.77, 28.31])
    count = np.zeros((64, 80), np.int32)
    for i in range(4):
        depth, owner = np.zeros((64, 80), np.float32), np.full((64, 80), -1, np.int32)
        polygon = np.array([corners[i], corners[(i + 1) % 4], centre, centre])
        fill(polygon, 3, 0.0, 0.0, 1.0, 7, depth, owner)
        count += owner == 7
    whole, owner = np.zeros((64, 80), np.float32), np.full((64, 80), -1, np.int32)
    fill(corners, 4, 0.0, 0.0, 1.0, 7, whole, owner)
    assert count.max() == 1
    assert np.array_equal(count == 1, owner == 7)


@pytest.mark.parametrize("order", list(permutations(range(3))))
def test_the_nearer_triangle_wins_in_any_order(order: tuple[int, ...]) -> None:
    depth, owner = np.zeros((20, 20), np.float32), np.full((20, 20), -1, np.int32)
    square = np.array([[2.0, 2.0], [18.0, 2.0], [18.0, 18.0], [2.0, 18.0]])
    for k in order:
        fill(square, 4, 0.0, 0.0, (0.1, 0.5, 0.3)[k], k, depth, owner)
    assert set(owner[3:17, 3:17].ravel()) == {1}


def test_depth_is_the_distance_along_the_optical_axis() -> None:
    rendered, _, _ = shot(scene(Actor(id=3, kind="truck", s_m=50.0, d_m=-1.75)))
    own = rendered.instance == 3
    rear = 50.0 - 4.3 - 20.0 - CAMERA.x_m
    assert np.median(rendered.depth_m[own]) == pytest.approx(rear, abs=0.1)
    # The road straight ahead of the camera: one row, one depth.
    row = 170
    expected = CAMERA.z_m / ((row + 0.5 - CAMERA.cy_px) / CAMERA.fy_px)
    assert rendered.depth_m[row, 160] == pytest.approx(expected, rel=1e-4)
    assert rendered.semantic[row, 160] == ROAD_CLASS


def test_sky_has_infinite_depth_and_no_instance() -> None:
    rendered, _, _ = shot(scene())
    sky = np.isinf(rendered.depth_m)
    assert sky[2, 160] and not rendered.instance.any()
    assert not rendered.semantic[sky].any()


def test_classes_follow_the_kind_of_road_user() -> None:
    rendered, _, _ = shot(
        scene(Actor(id=4, kind="pedestrian", s_m=30.0, d_m=-1.0), Actor(id=9, kind="car", s_m=33.0, d_m=-3.6))
    )
    assert set(rendered.semantic[rendered.instance == 4]) == {PEDESTRIAN}
    assert set(rendered.semantic[rendered.instance == 9]) == {VEHICLE}


@pytest.mark.parametrize("kind", ["car", "mini", "suv", "estate", "van", "truck", "motorcycle", "pedestrian"])
def test_visible_pixels_fill_the_box_that_the_truth_predicts(kind: str) -> None:
    scenario = scene(Actor(id=1, kind=kind, s_m=36.0, d_m=-1.2, heading_rad=0.2))
    rendered, users, ego = shot(scenario)
    rows, columns = np.nonzero(rendered.instance == 1)
    eye, yaw = eye_pose(ego, CAMERA)
    heights = np.array([user.height_m for user in users.items])
    found = picture_boxes(eye, rotation(yaw, 0.0), lens_of(CAMERA), users.boxes, heights)[0]
    box = clipped(found, CAMERA)
    assert box is not None
    # The 3-D box encloses the mesh, but for the mirrors.
    assert columns.min() >= box.x0_px - 3.0 and columns.max() + 1 <= box.x1_px + 3.0
    assert rows.min() >= box.y0_px - 1.5 and rows.max() + 1 <= box.y1_px + 1.5
    assert rows.max() + 1 - rows.min() > 0.8 * (box.y1_px - box.y0_px)
    assert columns.max() + 1 - columns.min() > 0.55 * (box.x1_px - box.x0_px)


def test_pitching_down_moves_the_horizon_up() -> None:
    level, _, _ = shot(scene())
    down, _, _ = shot(
        scene(),
        CameraModel(width_px=320, height_px=180, fx_px=160.0, fy_px=160.0, cx_px=160.0, cy_px=90.0, pitch_rad=0.1),
    )
    road = [int(np.argmax(picture.semantic[:, 160] == ROAD_CLASS)) for picture in (level, down)]
    assert road[0] - road[1] == pytest.approx(160.0 * math.tan(0.1), abs=3.0)


def test_brake_lights_shine_only_while_braking() -> None:
    def red(brake_lights: bool) -> int:
        rendered, _, _ = shot(scene(Actor(id=1, kind="car", s_m=32.0, d_m=-1.75, motion=Stand(brake_lights))))
        rgb = rendered.rgb.astype(int)
        return int(((rgb[..., 0] > 225) & (rgb[..., 1] < 90) & (rendered.instance == 1)).sum())

    assert red(True) > 20
    assert red(False) == 0


def test_a_car_darkens_the_ground_on_the_side_away_from_the_sun() -> None:
    empty, _, _ = shot(scene())
    parked, _, _ = shot(scene(Actor(id=1, kind="van", s_m=34.0, d_m=1.5)))
    ground = (empty.semantic == ROAD_CLASS) & (parked.instance == 0)
    darker = parked.rgb.astype(int).sum(axis=2) < empty.rgb.astype(int).sum(axis=2) - 30
    assert (darker & ground).sum() > 100


def test_the_same_scene_gives_the_same_bytes() -> None:
    scenario = scene(Actor(id=4, kind="pedestrian", s_m=30.0, d_m=-1.0), Actor(id=9, kind="car", s_m=33.0, d_m=-4.0))

    def digest() -> str:
        rendered, _, _ = shot(scenario)
        parts = (rendered.rgb, rendered.depth_m, rendered.instance, rendered.semantic)
        return hashlib.blake2b(b"".join(part.tobytes() for part in parts)).hexdigest()

    assert digest() == digest()


def test_a_curved_road_is_drawn_where_its_geometry_says() -> None:
    from scenarios.world.roads import Road, Segment

    road = Road(segments=(Segment(30.0), Segment(100.0, 1.0 / 50.0), Segment(100.0)))
    scenario = Scenario(
        name="bend",
        title="",
        duration_s=1.0,
        speed_mps=0.0,
        actors=(),
        road=road,
        ego_s_m=20.0,
        scenery_s_m=(0.0, 100.0),
    )
    rendered, _, ego = shot(scenario)
    eye, yaw = eye_pose(ego, CAMERA)
    turn = rotation(yaw, 0.0)
    for s, d, expected in ((36.0, 0.5, ROAD_CLASS), (44.0, -4.0, ROAD_CLASS), (52.0, 2.0, ROAD_CLASS)):
        x, y, _ = road.pose(s, d)
        seen = turn @ (np.array([x, y, 0.0]) - eye)
        column = int(CAMERA.fx_px * seen[0] / seen[2] + CAMERA.cx_px)
        row = int(CAMERA.fy_px * seen[1] / seen[2] + CAMERA.cy_px)
        assert rendered.semantic[row, column] == expected
        assert rendered.depth_m[row, column] == pytest.approx(seen[2], rel=0.05)
