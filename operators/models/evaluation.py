"""Judges a detector on held-out pictures: matching, average precision, operating point, recall by distance, latency.

Decides what counts as found. Does not decide which pictures are held out.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from operators.detection.base import PictureDetector
from operators.detection.nms import overlap
from operators.messages import Detection
from operators.models.cards import DISTANCE_BINS_M, ClassFigures
from operators.models.examples import Example, Examples

MATCH_OVERLAP_MIN = 0.5
COUNTED_VISIBLE_MIN = 0.4
"""Objects of which less is visible count neither as missed nor, if found, as false."""
PRECISION_WANTED = 0.9

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Matches:
    """One class in many pictures.

    Attributes:
        scores: (d,) of every detection that is not ignored, best first.
        true: (d,) whether it found a counted object.
        found_score: (n,) per counted object the score that found it, -inf if none did.
        distance_m: (n,) per counted object.
        bottom_error_px, centre_error_px: (n,) of the matched box, nan if none.
    """

    scores: Floats
    true: NDArray[np.bool_]
    found_score: Floats
    distance_m: Floats
    bottom_error_px: Floats
    centre_error_px: Floats


def matched(label: int, name: str, examples: Examples, detections: Sequence[Sequence[Detection]]) -> Matches:
    """Assigns the detections of one class, best first, each to the free object it overlaps most, at IoU >= 0.5.

    Source: Everingham et al., The PASCAL Visual Object Classes Challenge (2010), §4.2
    """
    rows: list[tuple[float, bool]] = []
    columns: list[Floats] = []
    for example, found in zip(examples, detections, strict=True):
        mine = example.labels == label
        picture_rows, objects = _matched_picture(example, mine, [item for item in found if item.label == name])
        rows += picture_rows
        columns.append(objects)
    rows.sort(key=lambda row: -row[0])
    objects = np.concatenate(columns) if columns else np.zeros((0, 4))
    return Matches(
        scores=np.array([score for score, _ in rows]),
        true=np.array([true for _, true in rows], dtype=bool),
        found_score=objects[:, 0],
        distance_m=objects[:, 1],
        bottom_error_px=objects[:, 2],
        centre_error_px=objects[:, 3],
    )


def _matched_picture(
    example: Example, mine: NDArray[np.bool_], found: Sequence[Detection]
) -> tuple[list[tuple[float, bool]], Floats]:
    """(score, true) per detection not ignored; (counted objects, 4): score, distance, bottom and centre error."""
    boxes = example.boxes[mine].astype(np.float64)
    counted = example.visible[mine] >= COUNTED_VISIBLE_MIN
    objects = np.full((len(boxes), 4), np.nan)
    objects[:, 0] = -np.inf
    objects[:, 1] = example.distance_m[mine]
    edges = np.array([_edges(item) for item in found]).reshape(-1, 4)
    overlaps = overlap(edges, boxes)
    free = np.ones(len(boxes), dtype=bool)
    rows = []
    for k in sorted(range(len(found)), key=lambda k: -found[k].score):
        near = np.flatnonzero(free & (overlaps[k] >= MATCH_OVERLAP_MIN))
        # A counted object goes first: a detection is lost on an ignored one only if it fits nothing else.
        near = near[counted[near]] if counted[near].any() else near
        if not len(near):
            rows.append((found[k].score, False))
            continue
        best = near[np.argmax(overlaps[k, near])]
        free[best] = False
        if counted[best]:
            rows.append((found[k].score, True))
            error = edges[k] - boxes[best]
            objects[best, 0] = found[k].score
            objects[best, 2:] = abs(error[3]), abs(error[0] + error[2]) / 2
    return rows, objects[counted]


def _edges(item: Detection) -> tuple[float, float, float, float]:
    return item.box.x0_px, item.box.y0_px, item.box.x1_px, item.box.y1_px


def average_precision(true: NDArray[np.bool_], objects: int) -> float:
    """Area under the precision-recall curve, precision made monotone; ``true`` (d,) best score first."""
    if objects == 0 or len(true) == 0:
        return 0.0
    hits = np.cumsum(true)
    precision = np.maximum.accumulate((hits / np.arange(1, len(true) + 1))[::-1])[::-1]
    return float(precision[true].sum() / objects)


def operating_threshold(matches: Matches, precision: float = PRECISION_WANTED) -> float:
    """The lowest score at which at least ``precision`` of all detections are true; the best score if there is none."""
    if not len(matches.scores):
        return 0.5
    precise = np.flatnonzero(np.cumsum(matches.true) / np.arange(1, len(matches.true) + 1) >= precision)
    # Rounded down, so that the detection which sets the threshold passes it.
    return float(np.floor(matches.scores[precise[-1] if len(precise) else 0] * 1e4) / 1e4)


def figures(matches: Matches, threshold: float) -> ClassFigures:
    """What goes onto the card for one class."""
    reported = matches.scores >= threshold
    found = matches.found_score >= threshold
    recall, counted = [], []
    for near, far in DISTANCE_BINS_M:
        inside = (matches.distance_m >= near) & (matches.distance_m < far)
        counted.append(int(inside.sum()))
        recall.append(round(float(found[inside].mean()) if inside.any() else 0.0, 4))
    return ClassFigures(
        threshold=round(threshold, 4),
        average_precision=round(average_precision(matches.true, len(matches.found_score)), 4),
        precision=round(float(matches.true[reported].mean()) if reported.any() else 0.0, 4),
        recall_all=round(float(found.mean()) if len(found) else 0.0, 4),
        recall=tuple(recall),
        counted=tuple(counted),
        bottom_error_px_p50=_median(matches.bottom_error_px[found]),
        centre_error_px_p50=_median(matches.centre_error_px[found]),
    )


def judged(
    examples: Examples, detections: Sequence[Sequence[Detection]], labels: Sequence[str]
) -> dict[str, ClassFigures]:
    """Figures by label, at the threshold that gives about 90 % precision on these pictures.

    ``detections`` must reach down to low scores, or average precision and threshold are cut short.
    """
    result = {}
    for label, name in enumerate(labels):
        matches = matched(label, name, examples, detections)
        result[name] = figures(matches, operating_threshold(matches))
    return result


def timed(detector: PictureDetector, examples: Examples, runs: int, now_ns: Callable[[], int]) -> tuple[float, float]:
    """Median and 99th percentile of one ``detect`` call, milliseconds, by the clock given."""
    detector.warm_up()
    spent = []
    for k in range(runs):
        rgb = examples[k % len(examples)].rgb
        start = now_ns()
        detector.detect(rgb)
        spent.append((now_ns() - start) / 1e6)
    p50, p99 = np.percentile(spent, [50, 99])
    return float(p50), float(p99)


def _median(values: Floats) -> float:
    return round(float(np.median(values)), 2) if len(values) else 0.0
