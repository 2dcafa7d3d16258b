"""The contact sheet and the views that it is made of, and the LiDAR's benchmark."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from operators.messages import SEMANTIC_CLASSES, CameraModel, Mount, PointCloud, RadarReturns

contact_sheet = pytest.importorskip("scenarios.sensors.contact_sheet")
views = pytest.importorskip("scenarios.sensors.views")

CAMERA = CameraModel()


def test_a_point_straight_ahead_of_the_camera_is_in_the_middle_of_its_picture() -> None:
    ahead = np.array([[CAMERA.x_m + 10.0, 0.0, CAMERA.z_m], [CAMERA.x_m - 10.0, 0.0, CAMERA.z_m]])
    places, seen = views.projected(ahead, CAMERA)
    assert places[0].tolist() == [CAMERA.cx_px, CAMERA.cy_px]
    assert seen.tolist() == [True, False]


def test_left_is_left_and_up_is_up_in_the_picture() -> None:
    left, up = (CAMERA.x_m + 10.0, 2.0, CAMERA.z_m), (CAMERA.x_m + 10.0, 0.0, CAMERA.z_m + 2.0)
    places, _ = views.projected(np.array([left, up]), CAMERA)
    assert places[0, 0] == CAMERA.cx_px - 0.2 * CAMERA.fx_px
    assert places[1, 1] == CAMERA.cy_px - 0.2 * CAMERA.fy_px


def test_every_class_has_a_colour_of_its_own() -> None:
    shown = views.semantic_view(np.arange(len(SEMANTIC_CLASSES), dtype=np.uint8)[None])
    assert len({tuple(colour) for colour in shown[0].tolist()}) == len(SEMANTIC_CLASSES)


def test_near_is_warm_and_the_sky_is_dark_in_the_depth_view() -> None:
    near, far, sky = views.depth_view(np.array([[3.0, 100.0, np.inf]], np.float32))[0].astype(int)
    assert near[2] > near[0]
    assert far[0] > far[2]
    assert sky.tolist() == list(views.DARK)


def test_a_sweep_from_above_has_its_points_where_they_are() -> None:
    cloud = PointCloud(
        points_m=np.array([[10.0, 5.0, 0.0]], np.float32), intensity=np.ones(1, np.float32),
        offset_s=np.zeros(1, np.float32), ring=np.zeros(1, np.uint8), mount=Mount(), captured_ns=0,
    )  # fmt: skip
    page = views.from_above(cloud, (200, 400), 40.0, (0.0, 0.0)).astype(int)
    x, y = int(0.42 * 400 + 100), 100 - 50
    assert page[y, x].sum() > 200
    assert page[y - 8, x].tolist() == list(views.DARK)


def test_the_egos_own_motion_is_taken_out_of_radial_speeds() -> None:
    row = np.zeros(2, np.float32)
    found = RadarReturns(
        range_m=row + 20, azimuth_rad=np.array([0.0, 1.0], np.float32), elevation_rad=row, rcs_dbsm=row,
        radial_speed_mps=np.array([-10.0, -10.0 * np.cos(1.0)], np.float32), mount=Mount(), captured_ns=0,
    )  # fmt: skip
    assert views.over_ground(found, 10.0) == pytest.approx([0.0, 0.0], abs=1e-5)


@pytest.mark.parametrize(("low", "high"), [(0.0, 1.0), (-7.3, 11.8), (0.0012, 0.0019), (-400.0, 9000.0)])
def test_ticks_are_few_round_and_inside(low: float, high: float) -> None:
    found = views.ticks(low, high)
    assert 2 <= len(found) <= 7
    assert low <= found[0] and found[-1] <= high


def test_curves_leave_a_gap_where_nothing_was_measured() -> None:
    time = np.linspace(0.0, 10.0, 100)
    values = np.where((time > 4.0) & (time < 6.0), np.nan, 1.0 + 0.1 * time)
    page = views.curves((200, 400), [("x", (255, 255, 255), time, values)], "m")
    lit = (page[40:170] > 100).all(axis=2).any(axis=0)
    assert lit[60:170].all()
    assert not lit[202:240].any()


def test_panels_are_put_on_one_page_with_room_for_their_captions() -> None:
    picture = np.full((540, 960, 3), 200, np.uint8)
    page = contact_sheet.assembled([("one", picture)] * 5)
    assert page.shape[0] == 2 * (270 + 24 + 4) + 4
    assert (page[10, 10] == 200).all()


@pytest.mark.slow
def test_the_sheet_is_drawn_below_its_size(tmp_path: Path) -> None:
    pytest.importorskip("embreex", reason="the ray caster embreex has no wheel here")
    size = contact_sheet.main(tmp_path / "sheet.jpg")
    assert 100_000 < size == (tmp_path / "sheet.jpg").stat().st_size < 600_000


def test_the_sheet_in_the_documentation_is_a_small_jpeg(root: Path) -> None:
    data = (root / "docs" / "pictures" / "sensors.jpg").read_bytes()
    assert data[:2] == b"\xff\xd8"
    assert len(data) < contact_sheet.BYTES_MAX


def test_the_benchmark_tells_how_long_a_sweep_takes() -> None:
    pytest.importorskip("embreex", reason="the ray caster embreex has no wheel here")
    from scenarios.sensors.benchmark import lidar

    ticks = iter(range(0, 10**12, 7_000_000))
    figures: dict[str, Any] = lidar(timer_ns=lambda: next(ticks), quick=True)
    assert figures["sweep_ms_p50"] == 7.0
    assert figures["shots_per_s"] == round(64 * 1024 / 0.007)
    assert 30_000 < figures["points"] <= 65_536
