"""Non-maximum suppression and the overlap of boxes, in numpy. Decides which of several overlapping boxes remains."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


def overlap(a: Floats, b: Floats) -> Floats:
    """Intersection over union of every box of ``a`` (n, 4) with every one of ``b`` (m, 4): (n, m) in [0, 1].

    Boxes are x0, y0, x1, y1, half-open. A box without area overlaps nothing, not even itself.
    """
    top_left = np.maximum(a[:, None, :2], b[None, :, :2])
    bottom_right = np.minimum(a[:, None, 2:], b[None, :, 2:])
    sides = np.clip(bottom_right - top_left, 0.0, None)
    shared = sides[..., 0] * sides[..., 1]
    union = _area(a)[:, None] + _area(b)[None, :] - shared
    share: Floats = np.divide(shared, union, out=np.zeros_like(shared), where=union > 0)
    return share


def suppress(boxes: Floats, scores: Floats, labels: NDArray[np.int64], *, max_overlap: float) -> NDArray[np.int64]:
    """Indices of the boxes that remain, best score first; equal scores keep their given order.

    A box goes when a remaining box of the same label with a better score overlaps it by more than ``max_overlap``.

    Args:
        boxes: (n, 4) x0, y0, x1, y1 in pixels.
        scores: (n,), finite.
        labels: (n,) class numbers.

    Source: Felzenszwalb et al., Object Detection with Discriminatively Trained Part-Based Models (2010), §7.1
    """
    order = np.argsort(-scores, kind="stable").astype(np.int64)
    boxes, labels = boxes[order], labels[order]
    hides = (overlap(boxes, boxes) > max_overlap) & (labels[:, None] == labels[None, :])
    alive = np.ones(len(order), dtype=bool)
    for k in range(len(order)):
        if alive[k]:
            alive[k + 1 :] &= ~hides[k, k + 1 :]
    return order[alive]


def _area(boxes: Floats) -> Floats:
    area: Floats = np.clip(boxes[:, 2] - boxes[:, 0], 0.0, None) * np.clip(boxes[:, 3] - boxes[:, 1], 0.0, None)
    return area
