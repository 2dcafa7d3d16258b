"""Average precision and recall as COCO defines them, per class: which detections are right, and the curve they make.

Knows nothing of time: ``streaming`` says which detections belong to which truth.
Source: Lin et al., Microsoft COCO (ECCV 2014), and the challenge's evaluation page.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np

from scenarios.metrics.frames import Bools, Floats, Ints, Objects, areas, overlaps

IOU_MIN: Floats = np.linspace(0.5, 0.95, 10)
RECALLS: Floats = np.linspace(0.0, 1.0, 101)
AREAS_PX2: Mapping[str, tuple[float, float]] = {
    "all": (0.0, 1e10),
    "small": (0.0, 32.0**2),
    "medium": (32.0**2, 96.0**2),
    "large": (96.0**2, 1e10),
}
SIZES = ("small", "medium", "large")
MAX_DETECTIONS = (1, 10, 100)
UNKNOWN: Floats = np.full(len(IOU_MIN), math.nan)

Scene = tuple[Objects, Objects]
"""(truth, detections) of one picture."""


class Precision(NamedTuple):
    """Of one class, or the mean over classes; every value in [0, 1], nan where nothing was to be found."""

    ap: float
    """Mean over IoU .5:.95."""
    ap_50: float
    ap_75: float
    ap_small: float
    ap_medium: float
    ap_large: float
    ar_1: float
    """Recall with one detection a picture at most, mean over IoU .5:.95."""
    ar_10: float
    ar_100: float
    ar_small: float
    ar_medium: float
    ar_large: float


class _Judged(NamedTuple):
    """The detections of all pictures, picture by picture, best first in each."""

    scores: Floats
    rank: Ints
    """Place among the detections of its picture, from 0."""
    right: Bools
    """(thresholds, d)."""
    ignored: Bools
    """(thresholds, d)."""
    objects: int
    """How many were to be found."""


def precision(scenes: Sequence[Scene], label: int = 0, *, by_size: bool = True) -> Precision:
    """The twelve figures of COCO for one class over all pictures; nan for small to large without ``by_size``."""
    everything = _judged(scenes, label, AREAS_PX2["all"])
    curves = {name: (UNKNOWN, UNKNOWN) for name in SIZES}
    if by_size:
        curves = {name: _curve(_judged(scenes, label, AREAS_PX2[name]), MAX_DETECTIONS[-1]) for name in SIZES}
    few = {count: _curve(everything, count) for count in MAX_DETECTIONS}
    ap = few[MAX_DETECTIONS[-1]][0]
    return Precision(
        ap=float(ap.mean()),
        ap_50=float(ap[0]),
        ap_75=float(ap[5]),
        **{f"ap_{name}": float(curves[name][0].mean()) for name in SIZES},
        **{f"ar_{count}": float(recall.mean()) for count, (_, recall) in few.items()},
        **{f"ar_{name}": float(curves[name][1].mean()) for name in SIZES},
    )


def mean_precision(classes: Sequence[Precision]) -> Precision:
    """Each figure's mean over those classes of which something was to be found."""
    rows = np.array(classes, np.float64).reshape(-1, len(Precision._fields))
    known = np.isfinite(rows)
    sums, counts = np.where(known, rows, 0.0).sum(axis=0), known.sum(axis=0)
    return Precision(*(float(s / n) if n else math.nan for s, n in zip(sums, counts, strict=True)))


def average_precision(scenes: Sequence[Scene], label: int = 0, *, iou_min: float = 0.5) -> float:
    """AP at one threshold over objects of every size; nan if there was none."""
    judged = _judged(scenes, label, AREAS_PX2["all"], np.array([iou_min]))
    return float(_curve(judged, MAX_DETECTIONS[-1])[0][0])


def _judged(scenes: Sequence[Scene], label: int, limits: tuple[float, float], iou_min: Floats = IOU_MIN) -> _Judged:
    scores: list[Floats] = [np.zeros(0)]
    ranks: list[Ints] = [np.zeros(0, np.int64)]
    rights: list[Bools] = [np.zeros((len(iou_min), 0), np.bool_)]
    ignoreds: list[Bools] = [np.zeros((len(iou_min), 0), np.bool_)]
    objects = 0
    for truth, found in scenes:
        true, said = truth.of(label), found.of(label)
        size = areas(true.boxes)
        passed = true.crowd | true.ignored | (size < limits[0]) | (size > limits[1])
        objects += int(np.count_nonzero(~passed))
        if not len(said):
            continue
        said = said.chosen(np.argsort(-said.scores, kind="stable")[: MAX_DETECTIONS[-1]])
        right, ignored = _matched(said, true, passed, iou_min)
        size = areas(said.boxes)
        ignored |= ~right & ((size < limits[0]) | (size > limits[1]))
        scores.append(said.scores)
        ranks.append(np.arange(len(said)))
        rights.append(right)
        ignoreds.append(ignored)
    axis = 1
    return _Judged(
        np.concatenate(scores),
        np.concatenate(ranks),
        np.concatenate(rights, axis),
        np.concatenate(ignoreds, axis),
        objects,
    )


def _matched(said: Objects, true: Objects, passed: Bools, iou_min: Floats) -> tuple[Bools, Bools]:
    """(thresholds, d): whether the detection found something; whether that is something that does not count.

    Best score first, each takes the free object that it overlaps most, one that counts before one that does not; a
    crowd is never used up. Of equal overlaps the last object is taken, as COCO does.
    """
    right = np.zeros((len(iou_min), len(said)), np.bool_)
    ignored = np.zeros_like(right)
    if not len(true):
        return right, ignored
    overlap = overlaps(said.boxes, true.boxes, true.crowd)
    free = np.ones((len(iou_min), len(true)), np.bool_)
    least = np.minimum(iou_min, 1.0 - 1e-10)[:, None]
    rows = np.arange(len(iou_min))
    for k in np.flatnonzero(overlap.max(axis=1) >= least[0]):
        fits = (free | true.crowd) & (overlap[k] >= least)
        # Above every overlap, so that what counts goes before what does not.
        worth = np.where(fits, overlap[k] + np.where(passed, 0.0, 2.0), -1.0)
        best = len(true) - 1 - np.argmax(worth[:, ::-1], axis=1)
        hit = worth[rows, best] >= 0.0
        free[rows[hit], best[hit]] = False
        right[:, k], ignored[:, k] = hit, hit & passed[best]
    return right, ignored


def _curve(judged: _Judged, most: int) -> tuple[Floats, Floats]:
    """(thresholds,) average precision and (thresholds,) recall with ``most`` detections a picture."""
    count = len(judged.right)
    if judged.objects == 0:
        return np.full(count, math.nan), np.full(count, math.nan)
    kept = np.flatnonzero(judged.rank < most)
    order = kept[np.argsort(-judged.scores[kept], kind="stable")]
    ap, recall = np.zeros(count), np.zeros(count)
    for k in range(count):
        right, counts = judged.right[k, order], ~judged.ignored[k, order]
        hits, misses = np.cumsum(right & counts), np.cumsum(~right & counts)
        if not len(order):
            continue
        share = hits / judged.objects
        exact = hits / np.maximum(hits + misses, np.spacing(1.0))
        # From here on it gets no better: the curve is what somebody reaches who picks the threshold.
        best = np.maximum.accumulate(exact[::-1])[::-1]
        at = np.searchsorted(share, RECALLS, side="left")
        ap[k] = np.where(at < len(best), best[np.minimum(at, len(best) - 1)], 0.0).mean()
        recall[k] = share[-1]
    return ap, recall
