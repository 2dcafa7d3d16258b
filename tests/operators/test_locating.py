"""Located obstacles stand where they were projected from."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from operators.geometry.boxes import Outline, corners
from operators.geometry.cameras import ego_to_map, project
from operators.location.locating import locate
from operators.messages import Box, CameraModel, DepthFrame, EgoState, Track

CAMERA = CameraModel()
EGO = EgoState(x_m=50.0, y_m=-3.0, yaw_rad=0.7, speed_mps=10.0)


def boxed(outline: Outline, height: float) -> tuple[Box, float]:
    """Picture box of a cuboid in the ego frame, cut at the picture's edges, and the depth of its nearest face."""
    base = corners(outline)
    points = np.concatenate([np.column_stack([base, np.full(4, z)]) for z in (0.0, height)])
    seen = project(CAMERA, points)
    u, v = np.clip(seen[:, 0], 0, CAMERA.width_px), np.clip(seen[:, 1], 0, CAMERA.height_px)
    return Box(x0_px=u.min(), y0_px=v.min(), x1_px=u.max(), y1_px=v.max()), float(seen[:, 2].min())


def track(box: Box, label: str) -> Track:
    return Track(track_id=7, label=label, score=0.9, box=box, hits=3, missed=0)


def depth_frame(box: Box, depth: float, *, background: float = 90.0, pixels: bool = True) -> DepthFrame:
    picture = np.zeros((0, 0), np.float32)
    if pixels:
        picture = np.full((CAMERA.height_px, CAMERA.width_px), background, np.float32)
        u = np.arange(CAMERA.width_px) + 0.5
        # Only the middle half of the box's columns is the object; the rest of the box is background.
        middle, half = (box.x0_px + box.x1_px) / 2, (box.x1_px - box.x0_px) / 4 + 0.5
        rows = slice(int(box.y0_px), math.ceil(box.y1_px))
        picture[rows, np.abs(u - middle) <= half] = depth
    return DepthFrame(depth_m=picture, camera=CAMERA, captured_ns=0)


@given(st.floats(8, 60), st.floats(-6, 6), st.booleans())
def test_a_person_is_found_where_they_stand(ahead: float, left: float, pixels: bool) -> None:
    outline = Outline(ahead + CAMERA.x_m, min(max(left, -0.7 * ahead), 0.7 * ahead), 0.0, 0.5, 0.6)
    box, depth = boxed(outline, 1.75)
    found = locate(track(box, "pedestrian"), depth_frame(box, depth, pixels=pixels), EGO)
    assert found is not None
    truth = ego_to_map(EGO, np.array([outline[:2]]))[0]
    assert math.hypot(found.x_m - truth[0], found.y_m - truth[1]) < 0.4


def flanked(outline: Outline, box: Box) -> DepthFrame:
    """Depth of a box-shaped vehicle beside the lane: its near face and the flank that looks at the ego."""
    picture = np.full((CAMERA.height_px, CAMERA.width_px), 90.0, np.float32)
    side = math.copysign(1.0, outline.y_m)
    slope = -(np.arange(CAMERA.width_px) + 0.5 - CAMERA.cx_px) / CAMERA.fx_px * side
    rear = outline.x_m - outline.length_m / 2 - CAMERA.x_m
    near, far = abs(outline.y_m) - outline.width_m / 2, abs(outline.y_m) + outline.width_m / 2
    face = (slope * rear >= near) & (slope * rear <= far)
    along = near / np.maximum(slope, 1e-6)
    flank = (slope > 0) & (along >= max(rear, 0.0)) & (along <= rear + outline.length_m)
    column = np.where(face & (rear > 0), rear, np.where(flank, along, 90.0))
    picture[int(box.y0_px) : math.ceil(box.y1_px)] = column
    return DepthFrame(depth_m=picture, camera=CAMERA, captured_ns=0)


@given(
    st.floats(3, 60),
    st.floats(-8, 8),
    st.sampled_from([(4.5, 1.85, 1.5), (5.4, 2.0, 2.1), (8.0, 2.5, 3.0), (5.2, 2.6, 2.5)]),
    st.booleans(),
)
def test_a_parked_vehicle_never_reaches_much_further_into_the_lane_than_it_does(
    ahead: float, left: float, shape: tuple[float, float, float], pixels: bool
) -> None:
    length, width, height = shape
    left = math.copysign(max(abs(left), width / 2 + 1.5), left)
    outline = Outline(ahead + CAMERA.x_m + length / 2, left, 0.0, length, width)
    box, depth = boxed(outline, height)
    if box.x1_px - box.x0_px < 4:  # Out of the picture.
        return
    picture = flanked(outline, box) if pixels else depth_frame(box, depth, pixels=False)
    found = locate(track(box, "vehicle"), picture, EGO)
    assert found is not None
    local = np.array([(found.x_m - EGO.x_m, found.y_m - EGO.y_m)])
    side = float(local[0] @ (-math.sin(EGO.yaw_rad), math.cos(EGO.yaw_rad)))
    inner = abs(side) - found.width_m / 2
    truth = abs(left) - width / 2
    # Without depth, a near vehicle cut by the picture's edge is only known to be outside the ego's lane.
    assert inner >= (truth - 0.5 if pixels else min(truth - 0.5, 1.5))
    assert inner <= truth + (0.5 if pixels else 2.0)


def test_a_lead_vehicle_is_found_by_its_rear_face() -> None:
    outline = Outline(30.0 + 2.25, 0.0, 0.0, 4.5, 1.85)
    box, depth = boxed(outline, 1.5)
    found = locate(track(box, "vehicle"), depth_frame(box, depth), EgoState(x_m=0, y_m=0, yaw_rad=0, speed_mps=9))
    assert found is not None
    assert (found.x_m, found.y_m) == pytest.approx((32.25, 0.0), abs=0.2)


def test_a_vehicle_across_the_road_lies_across() -> None:
    outline = Outline(25.0, 0.0, math.pi / 2, 4.5, 1.85)
    box, depth = boxed(outline, 1.5)
    found = locate(track(box, "vehicle"), depth_frame(box, depth), EgoState(x_m=0, y_m=0, yaw_rad=0, speed_mps=9))
    assert found is not None
    assert abs(found.yaw_rad) == pytest.approx(math.pi / 2)
    assert (found.x_m, found.length_m) == pytest.approx((25.0, 4.5), abs=0.4)


def test_sky_behind_a_person_does_not_move_them() -> None:
    box, depth = boxed(Outline(21.7, 0.0, 0.0, 0.5, 0.6), 1.75)
    ego = EgoState(x_m=0, y_m=0, yaw_rad=0, speed_mps=9)
    found = locate(track(box, "pedestrian"), depth_frame(box, depth, background=math.inf), ego)
    assert found is not None
    assert found.x_m == pytest.approx(21.7, abs=0.1)


def test_without_depth_and_road_there_is_no_obstacle() -> None:
    sky = Box(x0_px=300, y0_px=20, x1_px=320, y1_px=60)
    assert locate(track(sky, "pedestrian"), depth_frame(sky, 10.0, pixels=False), EGO) is None


@pytest.mark.parametrize("edge", [math.nan, math.inf])
def test_a_box_that_is_not_finite_is_no_obstacle(edge: float) -> None:
    box = Box(x0_px=edge, y0_px=100, x1_px=200, y1_px=200)
    assert locate(track(box, "vehicle"), depth_frame(Box(x0_px=0, y0_px=0, x1_px=9, y1_px=9), 9.0), EGO) is None


def test_distance_from_the_road_is_less_certain_than_from_depth() -> None:
    box, depth = boxed(Outline(40.0, 0.0, 0.0, 0.5, 0.6), 1.75)
    near = locate(track(box, "pedestrian"), depth_frame(box, depth), EGO)
    far = locate(track(box, "pedestrian"), depth_frame(box, depth, pixels=False), EGO)
    assert near is not None and far is not None
    assert far.position_std_m > 2 * near.position_std_m


def test_a_person_right_before_the_bumper_is_not_lost() -> None:
    box = Box(x0_px=280, y0_px=120, x1_px=380, y1_px=360)
    ego = EgoState(x_m=0, y_m=0, yaw_rad=0, speed_mps=0)
    found = locate(track(box, "pedestrian"), depth_frame(box, 2.0, pixels=False), ego)
    assert found is not None
    assert 3.5 < found.x_m < 5.0
