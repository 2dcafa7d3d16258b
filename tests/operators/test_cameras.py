"""Projection, its inverse, and the road plane."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from operators.geometry.cameras import camera_axes, ego_to_map, ground_point, map_to_ego, project, unproject
from operators.messages import CameraModel, EgoState

cameras = st.builds(
    CameraModel,
    x_m=st.floats(-2, 3),
    y_m=st.floats(-1, 1),
    z_m=st.floats(0.5, 3),
    yaw_rad=st.floats(-1, 1),
    pitch_rad=st.floats(-0.3, 0.5),
)


@given(cameras, st.floats(0, 640), st.floats(0, 360), st.floats(0.5, 150))
def test_projecting_undoes_unprojecting(camera: CameraModel, u: float, v: float, depth: float) -> None:
    point = unproject(camera, u, v, depth)
    assert project(camera, point[None])[0] == pytest.approx((u, v, depth), abs=1e-6)


@given(cameras, st.floats(0, 640), st.floats(0, 360))
def test_the_ground_point_lies_on_the_road_and_projects_back(camera: CameraModel, u: float, v: float) -> None:
    point = ground_point(camera, u, v)
    if point is None:
        return
    assert point[2] == pytest.approx(0.0, abs=1e-6)
    assert project(camera, point[None])[0, :2] == pytest.approx((u, v), rel=1e-5, abs=1e-3)


def test_the_horizon_has_no_ground_point() -> None:
    camera = CameraModel()
    assert ground_point(camera, 320.0, camera.cy_px) is None
    assert ground_point(camera, 320.0, camera.cy_px + 1.0) is not None


def test_left_is_left_in_the_picture_and_up_is_up() -> None:
    seen = project(CameraModel(), np.array([(11.7, 2.0, 1.5), (11.7, 0.0, 2.5)]))
    assert seen[0] == pytest.approx((320 - 64, 180, 10))
    assert seen[1] == pytest.approx((320, 180 - 32, 10))


def test_a_camera_pitched_down_sees_the_road_nearer() -> None:
    level, down = ground_point(CameraModel(), 320, 300), ground_point(CameraModel(pitch_rad=0.2), 320, 300)
    assert level is not None and down is not None
    assert down[0] < level[0]


def test_points_behind_the_camera_have_no_pixel() -> None:
    assert np.isnan(project(CameraModel(), np.array([(-5.0, 0.0, 1.0)]))[0, :2]).all()


@given(cameras)
def test_the_axes_are_a_right_handed_basis(camera: CameraModel) -> None:
    axes = camera_axes(camera)
    assert axes.T @ axes == pytest.approx(np.eye(3), abs=1e-12)
    assert np.linalg.det(axes) == pytest.approx(1.0)


@given(st.floats(-1e3, 1e3), st.floats(-1e3, 1e3), st.floats(-4, 4), st.floats(-99, 99), st.floats(-99, 99))
def test_map_to_ego_undoes_ego_to_map(x: float, y: float, yaw: float, px: float, py: float) -> None:
    ego = EgoState(x_m=x, y_m=y, yaw_rad=yaw, speed_mps=0.0)
    assert map_to_ego(ego, ego_to_map(ego, np.array([(px, py)])))[0] == pytest.approx((px, py), abs=1e-9)
