"""Road users of every kind: they fill their outlines, keep their classes, and move their legs."""

from __future__ import annotations

import math

import numpy as np
import pytest

from scenarios.scenario import KINDS
from scenarios.world.drawing.camera import Renderer
from scenarios.world.drawing.catalogue import planes, road_user_meshes
from scenarios.world.drawing.classes import CARLA_TAGS, CARLA_VEHICLE_TAGS, NAMES, OBJECT, PEDESTRIAN, VEHICLE
from scenarios.world.drawing.cycles import TURN_M
from scenarios.world.projection import clipped, eye_pose, lens_of, picture_boxes, rotation
from tests.scenarios.pictures import CAMERA, ego_at, on_street, street_scenario, user

NEW = ["cyclist", "bus", "trailer", "debris", "tyre", "cone", "barrier"]


@pytest.mark.parametrize("kind", NEW)
def test_visible_pixels_fill_the_box_that_the_truth_predicts(kind: str) -> None:
    one = user(1, kind, 31.0, -1.2, 0.2)
    rendered = on_street(one)
    rows, columns = np.nonzero(rendered.instance == 1)
    eye, yaw = eye_pose(ego_at(20.0, -1.75), CAMERA)
    outline = np.array([[one.x_m, one.y_m, one.yaw_rad, one.kind.length_m, one.kind.width_m]])
    box = clipped(
        picture_boxes(eye, rotation(yaw, 0.0), lens_of(CAMERA), outline, np.array([one.kind.height_m]))[0], CAMERA
    )
    assert box is not None
    assert columns.min() >= box.x0_px - 2.5 and columns.max() + 1 <= box.x1_px + 2.5
    assert rows.min() >= box.y0_px - 1.5 and rows.max() + 1 <= box.y1_px + 1.5
    assert rows.max() + 1 - rows.min() > 0.7 * (box.y1_px - box.y0_px)
    assert columns.max() + 1 - columns.min() > 0.5 * (box.x1_px - box.x0_px)


@pytest.mark.parametrize("kind", sorted(KINDS))
def test_near_and_far_meshes_stand_on_the_ground_within_their_outline(kind: str) -> None:
    outline = KINDS[kind]
    # A stride and the bars of a bicycle reach a little beyond the box that others collide with.
    beyond = 0.45 if kind in ("pedestrian", "cyclist") else 0.25
    for figures in road_user_meshes()[kind]:
        for mesh, casters in figures:
            low, high = mesh.vertices.min(axis=0), mesh.vertices.max(axis=0)
            assert abs(low[2]) < 0.12
            assert high[2] == pytest.approx(outline.height_m, abs=0.16)
            assert high[0] - low[0] < outline.length_m + 2.0 * beyond
            assert high[1] - low[1] < outline.width_m + 2.0 * beyond
            assert casters and all(len(part) >= 4 for part in casters)


@pytest.mark.parametrize("kind", NEW)
def test_faces_look_outwards(kind: str) -> None:
    """Of a closed mesh the planes' products with their corners add up to six times its volume."""
    mesh, _ = road_user_meshes()[kind][0][0]
    assert planes(mesh)[:, 3].sum() > 0.0


@pytest.mark.parametrize(
    ("kind", "class_"), [("cyclist", VEHICLE), ("bus", VEHICLE), ("pedestrian", PEDESTRIAN), ("cone", OBJECT)]
)
def test_classes_follow_the_label(kind: str, class_: int) -> None:
    rendered = on_street(user(9, kind, 30.0, -1.0))
    assert set(rendered.semantic[rendered.instance == 9]) == {class_}
    assert class_ in set(rendered.semantic.ravel()) and (rendered.instance > 0).sum() > 20


def test_every_class_has_a_name_and_a_tag_in_carla_and_so_has_every_vehicle() -> None:
    assert sorted(CARLA_TAGS) == list(range(len(NAMES)))
    assert set(CARLA_VEHICLE_TAGS) == {name for name, kind in KINDS.items() if kind.label == "vehicle"}


def test_people_run_when_they_are_fast_and_cyclists_pedal_as_they_get_on() -> None:
    def silhouette(kind: str, *, speed_mps: float = 0.0, gait_turns: float = 0.0, s_m: float = 0.0) -> bytes:
        one = user(1, kind, 28.0, -1.5, math.pi / 2, speed_mps)
        one.gait_turns, one.s_m = gait_turns, s_m
        renderer = Renderer(street_scenario(one), CAMERA)
        return renderer.render(ego_at(20.0, -1.75), [one]).instance.tobytes()

    phases = [silhouette("pedestrian", speed_mps=speed, gait_turns=0.12) for speed in (0.0, 1.4, 3.5)]
    assert len(set(phases)) == 3
    assert silhouette("cyclist", s_m=0.0) != silhouette("cyclist", s_m=0.25 * TURN_M)
    assert silhouette("cyclist", s_m=0.1) == silhouette("cyclist", s_m=0.1 + TURN_M)


def test_whoever_leaves_the_road_leaves_the_picture_and_the_others_keep_who_they_are() -> None:
    near, far = user(1, "car", 31.0, -1.2), user(2, "bus", 45.0, 1.8)
    renderer = Renderer(street_scenario(near, far), CAMERA)
    ego = ego_at(20.0, -1.75)
    both, one = renderer.render(ego, [near, far]), renderer.render(ego, [far])
    assert set(np.unique(both.instance)) == {0, 1, 2}
    assert set(np.unique(one.instance)) == {0, 2}
    alone = renderer.render(ego, [near, far])
    assert np.array_equal(alone.rgb, both.rgb)
    seen = (both.instance == 2) & (one.instance == 2)
    # All but the edges, which are softened against what lies behind them.
    assert (one.rgb[seen] == both.rgb[seen]).all(axis=1).mean() > 0.9
