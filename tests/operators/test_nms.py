"""What remains of overlapping boxes: compared with the definition, written out one box at a time."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from operators.detection.nms import overlap, suppress

CORNER = st.integers(0, 30)
SIDE = st.integers(0, 20)
BOX = st.tuples(CORNER, CORNER, SIDE, SIDE).map(lambda b: (b[0], b[1], b[0] + b[2], b[1] + b[3]))
SCENE = st.lists(st.tuples(BOX, st.integers(0, 8), st.integers(0, 1)), max_size=12)


def shared_pixels(a: tuple[int, ...], b: tuple[int, ...]) -> float:
    """Overlap of two boxes with whole corners, by counting pixels."""
    first = {(x, y) for x in range(a[0], a[2]) for y in range(a[1], a[3])}
    second = {(x, y) for x in range(b[0], b[2]) for y in range(b[1], b[3])}
    return len(first & second) / len(first | second) if first | second else 0.0


def remaining_by_definition(
    boxes: list[tuple[int, ...]], scores: list[float], labels: list[int], most: float
) -> list[int]:
    kept: list[int] = []
    for k in sorted(range(len(boxes)), key=lambda k: (-scores[k], k)):
        if all(labels[j] != labels[k] or shared_pixels(boxes[j], boxes[k]) <= most for j in kept):
            kept.append(k)
    return kept


@given(BOX, BOX)
def test_overlap_is_the_share_of_pixels_in_both_boxes(a: tuple[int, ...], b: tuple[int, ...]) -> None:
    found = overlap(np.array([a], dtype=float), np.array([b], dtype=float))
    assert found[0, 0] == pytest.approx(shared_pixels(a, b))


@given(SCENE, st.sampled_from([0.0, 0.25, 0.5, 0.9]))
def test_suppression_keeps_what_the_definition_keeps(
    scene: list[tuple[tuple[int, ...], int, int]], most: float
) -> None:
    boxes, scores, labels = [s[0] for s in scene], [s[1] / 8 for s in scene], [s[2] for s in scene]
    kept = suppress(
        np.array(boxes, dtype=float).reshape(-1, 4),
        np.array(scores, dtype=float),
        np.array(labels, dtype=np.int64),
        max_overlap=most,
    )
    assert kept.tolist() == remaining_by_definition(boxes, scores, labels, most)


def test_a_suppressed_box_suppresses_nothing() -> None:
    chain = np.array([[0, 0, 10, 10], [4, 0, 14, 10], [8, 0, 18, 10]], dtype=float)
    kept = suppress(chain, np.array([0.9, 0.8, 0.7]), np.zeros(3, dtype=np.int64), max_overlap=0.3)
    assert kept.tolist() == [0, 2]


def test_boxes_of_different_labels_do_not_suppress_each_other() -> None:
    boxes = np.array([[0, 0, 10, 10], [0, 0, 10, 10]], dtype=float)
    kept = suppress(boxes, np.array([0.4, 0.9]), np.array([0, 1]), max_overlap=0.5)
    assert kept.tolist() == [1, 0]
