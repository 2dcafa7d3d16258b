"""Overlap and distance of boxes, against brute force."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from operators.geometry.boxes import (
    Outline,
    box_array,
    corners,
    ego_outline,
    iou,
    iou_matrix,
    outline_gap_m,
    outlines_overlap,
)
from operators.messages import Box, EgoSize


def box(x0: float, y0: float, x1: float, y1: float) -> Box:
    return Box(x0_px=x0, y0_px=y0, x1_px=x1, y1_px=y1)


small_boxes = st.tuples(*[st.integers(0, 12)] * 4).map(
    lambda c: box(min(c[0], c[2]), min(c[1], c[3]), max(c[0], c[2]), max(c[1], c[3]))
)
outlines = st.builds(
    Outline,
    st.floats(-10, 10),
    st.floats(-10, 10),
    st.floats(-math.pi, math.pi),
    st.floats(0.3, 8.0),
    st.floats(0.3, 3.0),
)


def pixels(b: Box) -> set[tuple[int, int]]:
    return {(x, y) for x in range(int(b.x0_px), int(b.x1_px)) for y in range(int(b.y0_px), int(b.y1_px))}


@given(small_boxes, small_boxes)
def test_iou_counts_pixels(a: Box, b: Box) -> None:
    shared, united = pixels(a) & pixels(b), pixels(a) | pixels(b)
    assert iou(a, b) == pytest.approx(len(shared) / len(united) if united else 0.0)


def test_boxes_that_touch_do_not_overlap() -> None:
    assert iou(box(0, 0, 2, 2), box(2, 0, 4, 2)) == 0.0


def test_the_matrix_of_no_boxes_is_empty() -> None:
    assert iou_matrix(box_array([]), box_array([box(0, 0, 1, 1)])).shape == (0, 1)


def boundary(outline: Outline, steps: int = 60) -> np.ndarray:
    c = corners(outline)
    share = np.linspace(0.0, 1.0, steps)[:, None]
    return np.concatenate([c[k] + share * (c[(k + 1) % 4] - c[k]) for k in range(4)])


def inside(outline: Outline, points: np.ndarray) -> np.ndarray:
    cos, sin = math.cos(outline.yaw_rad), math.sin(outline.yaw_rad)
    local = (points - (outline.x_m, outline.y_m)) @ np.array([(cos, -sin), (sin, cos)])
    return (np.abs(local[:, 0]) < outline.length_m / 2) & (np.abs(local[:, 1]) < outline.width_m / 2)


@given(outlines, outlines)
def test_the_gap_is_the_least_distance_of_the_boundaries(a: Outline, b: Outline) -> None:
    between = np.hypot(*(boundary(a)[:, None] - boundary(b)[None]).transpose(2, 0, 1)).min()
    gap = outline_gap_m(a, b)
    if gap > 0.0:
        assert gap <= between + 1e-9
        assert between <= gap + 0.25  # Spacing of the samples.
    assert gap == pytest.approx(outline_gap_m(b, a), abs=1e-9)


@given(outlines, outlines)
def test_a_point_of_one_inside_the_other_is_an_overlap(a: Outline, b: Outline) -> None:
    if inside(a, boundary(b)).any() or inside(b, boundary(a)).any():
        assert outlines_overlap(a, b)
        assert outline_gap_m(a, b) == 0.0


def test_one_outline_within_another_overlaps_it() -> None:
    assert outlines_overlap(Outline(0, 0, 0, 8, 4), Outline(0.5, 0.2, 1.0, 1, 0.5))


def test_a_known_gap_across_a_corner() -> None:
    assert outline_gap_m(Outline(0, 0, 0, 2, 2), Outline(4, 5, 0, 2, 2)) == pytest.approx(math.hypot(2, 3))


def test_the_ego_reaches_from_its_rear_overhang_to_its_nose() -> None:
    size = EgoSize()
    front = corners(ego_outline(10.0, 0.0, 0.0, size))[:, 0]
    assert front.max() == pytest.approx(10.0 + size.length_m - size.rear_overhang_m)
    assert front.min() == pytest.approx(10.0 - size.rear_overhang_m)
