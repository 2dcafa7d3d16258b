"""The trust gate: which remote detections the car believes. The cloud advises; it deletes nothing local.

``refuse`` runs before a remote answer becomes a candidate's value, so a refused one fails in the race and the local
one wins. The race commits one candidate's value whole. Where the local value is at hand when the remote one is
committed (it has finished and was held), ``merge`` is what to commit instead: the cloud may add and refine, never
delete what the local side saw. Where it is not, the tracker's memory carries a confirmed road user over a picture in
which the cloud did not report it.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from cloud.protocol import DetectionAnswer, DetectionRequest, Found
from operators.geometry.boxes import iou
from operators.messages import LABELS, Box, Detection, Detections

SAME_OBJECT_IOU = 0.5


@dataclass(frozen=True)
class TrustGate:
    """Limits of what a remote answer may say.

    ``items_max``: road users in one picture. ``side_px_min``: nothing smaller is a road user. ``outside_px``:
    rounding at the picture's edge. ``area_share_max``: nothing that fills more of the picture is one.
    """

    items_max: int = 64
    side_px_min: float = 1.0
    outside_px: float = 1.0
    area_share_max: float = 0.98

    def refuse(
        self, answer: DetectionAnswer, request: DetectionRequest, *, width_px: int, height_px: int
    ) -> str | None:
        """Why the answer must not be used, or None if it may be."""
        if answer.t != request.t:
            return f"answer for t={answer.t}, asked for t={request.t}"
        if answer.car_id != request.car_id:
            return "answer for another car"
        if answer.model != request.model:
            return f"answer of model {answer.model!r}, asked {request.model!r}"
        if len(answer.items) > self.items_max:
            return f"{len(answer.items)} road users, at most {self.items_max}"
        for index, item in enumerate(answer.items):
            reason = self._refuse_item(item, width_px, height_px)
            if reason is not None:
                return f"item {index}: {reason}"
        return None

    def _refuse_item(self, item: Found, width_px: int, height_px: int) -> str | None:
        if item.label not in LABELS:
            return f"unknown label {item.label!r}"
        numbers = (item.score, item.x0_px, item.y0_px, item.x1_px, item.y1_px)
        if not all(math.isfinite(number) for number in numbers):
            return "a number is not finite"
        if not 0.0 <= item.score <= 1.0:
            return f"score {item.score:g}"
        low = -self.outside_px
        if item.x0_px < low or item.y0_px < low:
            return "box outside the picture"
        if item.x1_px > width_px + self.outside_px or item.y1_px > height_px + self.outside_px:
            return "box outside the picture"
        wide, high = item.x1_px - item.x0_px, item.y1_px - item.y0_px
        if not (wide >= self.side_px_min and high >= self.side_px_min):
            return f"box of {wide:g} x {high:g} pixels"
        if wide * high > self.area_share_max * width_px * height_px:
            return "box as large as the picture"
        return None


def detections(answer: DetectionAnswer, *, model: str, frame_id: str, width_px: int, height_px: int) -> Detections:
    """The answer's road users as a message, clipped to the picture, best score first."""
    items = [
        Detection(
            label=found.label,
            score=found.score,
            box=Box(
                x0_px=max(found.x0_px, 0.0),
                y0_px=max(found.y0_px, 0.0),
                x1_px=min(found.x1_px, float(width_px)),
                y1_px=min(found.y1_px, float(height_px)),
            ),
        )
        for found in answer.items
    ]
    items.sort(key=lambda item: -item.score)
    return Detections(items=tuple(items), model=model, frame_id=frame_id)


def merge(local: Detections, remote: Detections, *, same_object_iou: float = SAME_OBJECT_IOU) -> Detections:
    """Local detections, refined and added to by remote ones of the same picture; best score first.

    Every local road user stays: with the remote box where one of the same label overlaps it by ``same_object_iou``
    (refined within the local uncertainty), with the better of both scores. Remote road users that match none are
    added.
    """
    assert local.frame_id == remote.frame_id, "detections of two cameras"
    free = list(remote.items)
    merged: list[Detection] = []
    for item in sorted(local.items, key=lambda item: -item.score):
        overlaps = [(iou(item.box, other.box), k) for k, other in enumerate(free) if other.label == item.label]
        best, k = max(overlaps, key=lambda pair: (pair[0], -pair[1]), default=(0.0, -1))
        if best >= same_object_iou:
            other = free.pop(k)
            item = Detection(label=item.label, score=max(item.score, other.score), box=other.box)
        merged.append(item)
    merged = sorted([*merged, *free], key=lambda item: -item.score)
    return Detections(items=tuple(merged), model=f"{local.model}+{remote.model}", frame_id=local.frame_id)
