"""How well an accuracy model agrees with the detector it stands for: average precision and counts on held-out scenes.

Judges; fits nothing. Intervals come from resampling scenes, since pictures of one scene are much alike.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from operators.messages import LABELS, Box, Detection
from operators.models.accuracy import Agreement, DetectorAccuracy, answer
from operators.models.accuracy_fitting import light_of, seen_of
from operators.models.evaluation import matched
from operators.models.examples import Example
from operators.models.sightings import Sightings, View
from scenarios.sweeps.statistics import CONFIDENCE

Floats = NDArray[np.float64]
Counts = tuple[float, float, float]
RESAMPLES = 600

Answers = Callable[[View], tuple[Detection, ...]]


def pixels(model: str) -> Answers:
    """What the detector itself found."""
    return lambda view: tuple(_detection(*row) for row in view.found[model])


def fitted(model: DetectorAccuracy, seed: int) -> Answers:
    """What the accuracy model says of the same picture."""

    def answers(view: View) -> tuple[Detection, ...]:
        size = {"width_px": view.width_px, "height_px": view.height_px}
        found = answer(model, seen_of(view), light_of(view), **size, seed=seed, t=view.t)
        return tuple(_detection(item.label, item.score, *item.box) for item in found)

    return answers


def agreement(data: Sequence[Sightings], model: DetectorAccuracy, *, seed: int = 5) -> dict[str, Agreement]:
    """Per class: average precision, recall, and false detections per picture, with 95 % intervals of the difference."""
    result = {}
    for label in model.labels:
        real = [_Judged.of(one, label, pixels(model.name)) for one in data]
        drawn = [_Judged.of(one, label, fitted(model, seed + k)) for k, one in enumerate(data)]
        rng = np.random.default_rng([seed, 3])
        picks = [list(range(len(data))), *(list(rng.integers(0, len(data), len(data))) for _ in range(RESAMPLES))]
        for k, name in enumerate(("average_precision", "recall", "false_per_picture")):
            ours = np.array([_figures([drawn[i] for i in pick])[k] for pick in picks])
            theirs = np.array([_figures([real[i] for i in pick])[k] for pick in picks])
            low, high = np.quantile(ours[1:] - theirs[1:], [0.5 - CONFIDENCE / 2, 0.5 + CONFIDENCE / 2])
            result[f"{label}_{name}"] = Agreement(
                pixels=round(float(theirs[0]), 4),
                fitted=round(float(ours[0]), 4),
                difference_low=round(float(low), 4),
                difference_high=round(float(high), 4),
            )
    return result


class _Judged:
    """One scene: scores and truth of what was found, how many there were to find, and how many pictures."""

    def __init__(self, scores: Floats, true: NDArray[np.bool_], objects: int, found: int, pictures: int) -> None:
        self.scores, self.true, self.objects, self.found, self.pictures = scores, true, objects, found, pictures

    @classmethod
    def of(cls, data: Sightings, label: str, answers: Answers) -> _Judged:
        examples = [_example(view) for view in data.views]
        found = matched(LABELS.index(label), label, examples, [answers(view) for view in data.views])
        return cls(
            found.scores,
            found.true,
            len(found.found_score),
            int(np.isfinite(found.found_score).sum()),
            len(data.views),
        )


def _figures(scenes: Sequence[_Judged]) -> Counts:
    """Average precision down to the detector's threshold, recall, false detections per picture."""
    scores = np.concatenate([one.scores for one in scenes])
    true = np.concatenate([one.true for one in scenes])[np.argsort(-scores, kind="stable")]
    objects = sum(one.objects for one in scenes)
    if not objects or not len(true):
        return 0.0, 0.0, 0.0
    hits = np.cumsum(true)
    precision = np.maximum.accumulate((hits / np.arange(1, len(true) + 1))[::-1])[::-1]
    false = float((~true).sum()) / sum(one.pictures for one in scenes)
    return float(precision[true].sum() / objects), sum(one.found for one in scenes) / objects, false


def _example(view: View) -> Example:
    """The picture's truth as both are judged by it: outlines, since the model knows nothing of silhouettes."""
    seen = [one for one in view.seen if one.label in LABELS]
    return Example(
        rgb=np.zeros((0, 0, 3), np.uint8),
        labels=np.array([LABELS.index(one.label) for one in seen], dtype=np.int64),
        boxes=np.array([one.box for one in seen], np.float32).reshape(-1, 4),
        visible=np.array([one.visible if one.tight is not None else 0.0 for one in seen], np.float32),
        distance_m=np.array([one.distance_m for one in seen], np.float32),
    )


def _detection(label: str, score: float, x0: float, y0: float, x1: float, y1: float) -> Detection:
    return Detection(label=label, score=score, box=Box(x0_px=x0, y0_px=y0, x1_px=x1, y1_px=y1))
