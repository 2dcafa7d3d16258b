"""Labelled boxes of one instant, the shape in which truth and answers meet in every perception metric.

Decides no metric and no pairing; ``streaming`` pairs, ``detection`` and ``tracking`` count.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

import numpy as np
from numpy.typing import ArrayLike, NDArray

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]
T = TypeVar("T")
A = TypeVar("A")


@dataclass(frozen=True)
class Objects:
    """Objects of one instant, one row each.

    ``boxes``: (n, 4) float64 x0, y0, x1, y1, px; ``labels``, ``ids``: (n,) int64; ``scores``: (n,) float64 (1 for
    truth); ``crowd``: (n,) bool, one box for many objects: whatever lies in it is neither found nor false; ``ignored``:
    (n,) bool, one object that need not be found and may be.
    """

    boxes: Floats
    labels: Ints
    scores: Floats
    ids: Ints
    crowd: Bools
    ignored: Bools

    def __len__(self) -> int:
        return len(self.boxes)

    def chosen(self, rows: Bools | Ints) -> Objects:
        """Those rows, in that order."""
        return Objects(
            self.boxes[rows], self.labels[rows], self.scores[rows], self.ids[rows], self.crowd[rows], self.ignored[rows]
        )

    def of(self, label: int) -> Objects:
        """Those of one class."""
        return self.chosen(self.labels == label)


@dataclass(frozen=True)
class Pair(Generic[T, A]):
    """What was true at ``t`` (ns), and the answer that is held against it; None: nobody had said anything."""

    t: int
    truth: T
    answer: A | None


def objects(
    boxes: ArrayLike,
    *,
    labels: ArrayLike | None = None,
    scores: ArrayLike | None = None,
    ids: ArrayLike | None = None,
    crowd: ArrayLike | None = None,
    ignored: ArrayLike | None = None,
) -> Objects:
    """``Objects`` from anything array-like; what is not given: class 0, score 1, ids 0, 1, 2 …, nothing ignored."""
    box = np.asarray(boxes, np.float64).reshape(-1, 4)
    n = len(box)
    found = Objects(
        box,
        np.asarray(np.zeros(n) if labels is None else labels, np.int64).reshape(-1),
        np.asarray(np.ones(n) if scores is None else scores, np.float64).reshape(-1),
        np.asarray(np.arange(n) if ids is None else ids, np.int64).reshape(-1),
        np.asarray(np.zeros(n) if crowd is None else crowd, np.bool_).reshape(-1),
        np.asarray(np.zeros(n) if ignored is None else ignored, np.bool_).reshape(-1),
    )
    columns = (found.labels, found.scores, found.ids, found.crowd, found.ignored)
    assert all(len(column) == n for column in columns), "every column has one entry per box"
    return found


NOTHING = objects(np.zeros((0, 4)))
"""An instant without objects."""


def areas(boxes: Floats) -> Floats:
    """(n,) areas of (n, 4) boxes; 0 for those that are turned inside out."""
    return np.asarray(np.maximum(boxes[:, 2] - boxes[:, 0], 0.0) * np.maximum(boxes[:, 3] - boxes[:, 1], 0.0))


def overlaps(found: Floats, true: Floats, crowd: Bools | None = None) -> Floats:
    """Intersection over union of (n, 4) with (m, 4) boxes: (n, m); with a crowd, over the found box alone."""
    width = np.minimum(found[:, None, 2], true[None, :, 2]) - np.maximum(found[:, None, 0], true[None, :, 0])
    height = np.minimum(found[:, None, 3], true[None, :, 3]) - np.maximum(found[:, None, 1], true[None, :, 1])
    shared = np.maximum(width, 0.0) * np.maximum(height, 0.0)
    whole = areas(found)[:, None] + areas(true)[None, :] - shared
    if crowd is not None:
        whole = np.where(crowd[None, :], areas(found)[:, None], whole)
    return np.asarray(np.where(whole > 0.0, shared / np.where(whole > 0.0, whole, 1.0), 0.0))


def answered(pairs: Sequence[Pair[Objects, Objects]]) -> list[tuple[Objects, Objects]]:
    """(truth, answer) of every pair; an answer that nobody gave saw nothing."""
    return [(pair.truth, NOTHING if pair.answer is None else pair.answer) for pair in pairs]
