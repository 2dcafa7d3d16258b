"""Outlines: overlap and gap against sampled points, impact speed against hand-made cases."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scenarios.world.collision import corners, corridor_gap, first_touched, gap, overlap
from scenarios.world.roads import Road, Segment

boxes = st.tuples(
    st.floats(-6.0, 6.0), st.floats(-6.0, 6.0), st.floats(-math.pi, math.pi), st.floats(0.5, 8.0), st.floats(0.4, 3.0)
)


def rim(box: tuple[float, ...], points: int = 60) -> np.ndarray:
    c = corners(*box)
    share = np.linspace(0.0, 1.0, points)[:, None]
    return np.concatenate([c[i] * (1.0 - share) + c[(i + 1) % 4] * share for i in range(4)])


@settings(max_examples=60, deadline=None)
@given(a=boxes, b=boxes)
def test_the_gap_is_the_smallest_distance_between_the_rims(a: tuple[float, ...], b: tuple[float, ...]) -> None:
    first, second = corners(*a), corners(*b)
    if overlap(first, second):
        assert gap(first, second) == 0.0
        return
    sampled = np.linalg.norm(rim(a)[:, None] - rim(b)[None], axis=-1).min()
    assert gap(first, second) <= sampled + 1e-9
    assert gap(first, second) >= sampled - 0.2


@settings(max_examples=60, deadline=None)
@given(a=boxes, b=boxes)
def test_overlap_and_gap_are_symmetric(a: tuple[float, ...], b: tuple[float, ...]) -> None:
    first, second = corners(*a), corners(*b)
    assert overlap(first, second) == overlap(second, first)
    assert gap(first, second) == pytest.approx(gap(second, first))


def test_boxes_that_only_their_circumcircles_share_do_not_overlap() -> None:
    assert not overlap(corners(0.0, 0.0, 0.0, 4.0, 1.0), corners(2.6, 1.2, 0.75 * math.pi, 4.0, 0.6))
    assert overlap(corners(0.0, 0.0, 0.0, 4.0, 1.0), corners(2.1, 0.2, 0.0, 0.5, 0.5))


def test_the_first_touched_box_is_named_by_its_row() -> None:
    own = np.array([0.0, 0.0, 0.0, 4.0, 2.0])
    others = np.array([[9.0, 0.0, 0.0, 1.0, 1.0], [2.2, 0.5, 0.3, 1.0, 1.0], [0.0, 0.0, 0.0, 1.0, 1.0]])
    assert first_touched(own, others) == 1
    assert first_touched(own, others[:1]) == -1


def test_only_what_reaches_into_the_corridor_counts_for_its_gap() -> None:
    own, straight = np.array([0.0, 0.0, 0.0, 4.0, 2.0]), Road().table()
    ahead, beside, behind = [12.0, 0.0, 0.0, 4.0, 2.0], [5.0, 3.0, 0.0, 4.0, 2.0], [-9.0, 0.0, 0.0, 4.0, 2.0]
    overlapping = np.array([[0.0, 2.2, 0.0, 4.0, 2.0]])
    assert corridor_gap(own, np.array([ahead, beside, behind]), straight, 1.3, False) == pytest.approx(8.0)
    assert corridor_gap(own, np.array([beside, behind]), straight, 1.3, False) == math.inf
    assert corridor_gap(own, overlapping, straight, 1.3, True) == math.inf
    assert corridor_gap(own, overlapping, straight, 1.3, False) == pytest.approx(0.2)


def test_the_corridor_follows_the_bend_of_the_road() -> None:
    road = Road(segments=(Segment(60.0, 1.0 / 40.0),))
    own = np.array([0.0, -1.75, 0.0, 4.0, 2.0])
    in_lane, straight_on = (*road.pose(25.0, -1.75), 4.0, 2.0), (25.0, -1.75, 0.0, 4.0, 2.0)
    assert corridor_gap(own, np.array([straight_on]), road.table(), 1.3, True) == math.inf
    assert 15.0 < corridor_gap(own, np.array([in_lane]), road.table(), 1.3, True) < 25.0
