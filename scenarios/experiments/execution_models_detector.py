"""A detector menu without pixels: the largest model that fits the time left, and what each of them would have found.

The one place that says how accurate each model is: ``RANGE_M`` and ``found_share``. No network runs; the truth at
capture time is thinned out by size and occlusion.
"""

from __future__ import annotations

import math

from operators.messages import CameraFrame, Detection, Detections
from operators.sensors.base import GroundTruth, TrueObject, captures
from pipeline.definition import Context, Operator
from pipeline.errors import UsageError
from pipeline.latency import uniform
from pipeline.ports import Input, Output, keep_last

RANGE_M = {"ed1": 32.0, "ed2": 40.0, "ed3": 48.0, "ed4": 56.0, "ed5": 72.0, "ed6": 72.0, "ed7": 88.0}
"""Distance at which EfficientDet-D1 … D7 finds a standing adult in every second picture. D2 and D6: D3 (EuroSys'22) §2;
the others lie on the line through these two over the models' input resolution (640, 768, 896, 1024, 1280, 1280, 1536).
"""
ADULT_M = 1.75
VISIBLE_MIN = 0.25
FOUND_MAX = 0.97
ASSUMPTIONS = (
    "accuracy is assumed, not measured: EfficientDet-D1 … D7 find an adult in every second picture at 32, 40, 48, 56, "
    "72, 72 and 88 m (D2 and D6 as published, the others by input resolution), others by their height in the picture; "
    "97 % from 1.5 times that height on, nothing below two thirds of it; a partly hidden one counts with the square "
    "root of its visible share, and less than a quarter visible is nothing; boxes are exact, there are no false alarms"
)
"""Goes into every result."""


def found_share(model: str, height_px: float, visible: float, focal_px: float) -> float:
    """How often ``model`` finds a road user ``height_px`` high of which the share ``visible`` can be seen."""
    if visible < VISIBLE_MIN:
        return 0.0
    size = height_px * math.sqrt(visible) / (focal_px * ADULT_M / RANGE_M[model])
    if size < 1.0:
        return max(0.0, 1.5 * (size - 2.0 / 3.0))
    return min(FOUND_MAX, 0.5 + 2.0 * (size - 1.0) * (FOUND_MAX - 0.5))


class MenuDetector(Operator):
    """Of ``models`` the largest runs whose 99th percentile fits the time left, else the quickest.

    Chance is the same for all models: what a small one finds, a larger one finds as well. ``score`` of a detection is
    how often its like is found. Ports: ``frame`` in, ``detections`` out. Work: the model's name.
    """

    frame = Input(CameraFrame, queue=keep_last(1))
    detections = Output(Detections)

    def __init__(self, *, world: GroundTruth, seed: int, models: list[str]) -> None:
        unknown = [model for model in models if model not in RANGE_M]
        if unknown or not models:
            wrong = f"there is no model {unknown[0]!r}" if unknown else "no model is given"
            raise UsageError(wrong, where="models", hint=f"choose from: {', '.join(RANGE_M)}")
        self._captures = captures(world)
        self._captures.keep_truth()
        self.models, self.seed = tuple(model for model in RANGE_M if model in models), seed

    def on_watermark(self, ctx: Context) -> Detections:
        frame, model = ctx[self.frame], self.chosen(ctx)
        ctx.work(model)
        found = []
        for user in self._captures.truth_at(frame.captured_ns):
            share = self._share(model, user, frame.camera.fy_px)
            if user.box is not None and uniform(self.seed, "found", user.id, frame.captured_ns) < share:
                found.append(Detection(label=user.label, score=share, box=user.box))
        found.sort(key=lambda detection: -detection.score)
        return Detections(items=tuple(found), model=model, frame_id=frame.camera.frame_id)

    def chosen(self, ctx: Context) -> str:
        """The largest model expected to answer in the time left, else the smallest."""
        remaining = ctx.remaining()
        return ([model for model in self.models if ctx.expected(model) <= remaining] or [self.models[0]])[-1]

    def _share(self, model: str, user: TrueObject, focal_px: float) -> float:
        if user.box is None:
            return 0.0
        return found_share(model, user.box.y1_px - user.box.y0_px, user.visible, focal_px)
