"""Training pictures: repeatable, varied, and labelled with what can really be seen."""

from __future__ import annotations

import numpy as np
import pytest

from operators.messages import LABELS
from scenarios.dataset import MIN_PIXELS, LabelledBox, picture

PICTURES = [picture(5, index) for index in range(12)]


def boxes() -> list[LabelledBox]:
    return [box for _, found in PICTURES for box in found]


def test_equal_numbers_give_equal_pictures_and_other_numbers_other_ones() -> None:
    rgb, found = picture(5, 3)
    assert np.array_equal(rgb, PICTURES[3][0]) and found == PICTURES[3][1]
    assert not np.array_equal(rgb, PICTURES[4][0])
    assert not np.array_equal(rgb, picture(6, 3)[0])


def test_pictures_have_the_size_of_the_default_camera() -> None:
    assert {(rgb.shape, rgb.dtype) for rgb, _ in PICTURES} == {((360, 640, 3), np.dtype(np.uint8))}


def test_every_box_lies_in_the_picture_and_holds_enough_pixels() -> None:
    for box in boxes():
        assert 0 <= box.x0_px < box.x1_px <= 640 and 0 <= box.y0_px < box.y1_px <= 360
        assert MIN_PIXELS <= box.pixels <= (box.x1_px - box.x0_px) * (box.y1_px - box.y0_px)
        assert 0.0 <= box.visible_share <= 1.0
        assert box.label in LABELS


def test_both_labels_and_a_wide_range_of_distances_occur() -> None:
    for label in LABELS:
        distances = [box.distance_m for box in boxes() if box.label == label]
        assert min(distances) < 15.0 and max(distances) > 50.0


def test_half_hidden_road_users_are_labelled_too() -> None:
    assert any(0.05 < box.visible_share < 0.6 for box in boxes())


def test_boxes_of_unhidden_people_have_the_height_that_their_distance_makes() -> None:
    people = [
        b
        for b in boxes()
        if b.label == "pedestrian" and b.visible_share > 0.99 and b.y1_px < 358 and b.distance_m > 4.0
    ]
    heights_m = [(box.y1_px - box.y0_px) * box.distance_m / 320.0 for box in people]
    # Trees and lamps may hide a part of somebody; nothing makes a person taller than a pixel more than life.
    assert len(people) > 5 and 1.2 < float(np.median(heights_m)) < 1.9
    for box, height_m in zip(people, heights_m, strict=True):
        assert height_m < 1.93 + 2.0 * box.distance_m / 320.0


def test_brightness_differs_between_pictures() -> None:
    means = [float(rgb.mean()) for rgb, _ in PICTURES]
    assert max(means) - min(means) > 20.0
    assert all(40.0 < mean < 220.0 for mean in means)


def test_the_position_in_the_ego_frame_agrees_with_the_place_in_the_picture() -> None:
    for box in boxes():
        if box.visible_share > 0.9 and box.distance_m > 8.0 and box.x0_px > 5 and box.x1_px < 635:
            middle = 0.5 * (box.x0_px + box.x1_px)
            assert middle == pytest.approx(320.0 - 320.0 * box.y_m / box.distance_m, abs=25.0 + 500.0 / box.distance_m)
