"""Perception that reads the world's truth, behind the ports of the real detector and tracker: for baselines and tests.

Only what the camera could see counts; what it saw at capture time counts, not what is true when the answer comes.
"""

from __future__ import annotations

from types import MappingProxyType
from typing import Any

import numpy as np

from operators.geometry.boxes import box_array, iou_matrix
from operators.messages import CameraFrame, Detection, Detections, Track, Tracks
from operators.sensors.base import GroundTruth, TrueObject, captures
from pipeline.definition import Context, Operator
from pipeline.errors import UsageError
from pipeline.ports import Input, Output, State, keep_last

NONE: MappingProxyType[int, int] = MappingProxyType({})


class TruthDetector(Operator):
    """Answers with every road user of which at least ``visible_min`` can be seen in the picture.

    ``score`` of a detection is its visible share. ``work`` names its work in the latency profile.
    Ports: ``frame`` in, ``detections`` out.
    """

    frame = Input(CameraFrame, queue=keep_last(1))
    detections = Output(Detections)

    def __init__(
        self, *, world: GroundTruth, visible_min: float = 0.3, height_min_px: float = 4.0, work: str = "small"
    ) -> None:
        if not 0.0 <= visible_min <= 1.0:
            raise UsageError(f"visible_min={visible_min} is no share", hint="give a number from 0 to 1")
        self._captures = captures(world)
        self._captures.keep_truth()
        self.visible_min, self.height_min_px, self.work = visible_min, height_min_px, work

    def on_watermark(self, ctx: Context) -> Detections:
        frame = ctx[self.frame]
        ctx.work(self.work)
        seen = [user for user in self._captures.truth_at(frame.captured_ns) if self._is_seen(user)]
        found = [Detection(label=o.label, score=o.visible, box=o.box) for o in seen if o.box is not None]
        found.sort(key=lambda detection: -detection.score)
        return Detections(items=tuple(found), model="truth", frame_id=frame.camera.frame_id)

    def _is_seen(self, user: TrueObject) -> bool:
        box = user.box
        return box is not None and user.visible >= self.visible_min and box.y1_px - box.y0_px >= self.height_min_px


class TruthTracker(Operator):
    """Gives each detection the identity of the road user it overlaps most; detections of nobody are dropped.

    ``iou_min``: least overlap of a detection with its road user's true box at capture time.
    Ports: ``detections`` in, ``tracks`` out.
    """

    detections = Input(Detections)
    tracks = Output(Tracks)
    hits: State[Any] = State(lambda: NONE)
    """Road user → pictures in which it was matched."""

    def __init__(self, *, world: GroundTruth, iou_min: float = 0.3) -> None:
        if not 0.0 < iou_min <= 1.0:
            raise UsageError(f"iou_min={iou_min} is no overlap", hint="give a number above 0, at most 1")
        self._captures = captures(world)
        self._captures.keep_truth()
        self.iou_min = iou_min

    def on_watermark(self, ctx: Context) -> Tracks:
        detections = ctx[self.detections]
        # The most visible first: where two overlap a detection equally, it is of the one in front.
        users = sorted(
            (user for user in self._captures.truth_at(ctx.origin) if user.box is not None),
            key=lambda user: -user.visible,
        )
        counts = dict(ctx[self.hits])
        tracks: dict[int, Track] = {}
        overlap = iou_matrix(
            box_array([d.box for d in detections.items]), box_array([u.box for u in users if u.box is not None])
        )
        # Best overlap first, so that two detections of one road user do not fight over the order they came in.
        for index in np.argsort(-overlap, axis=None, kind="stable"):
            row, column = divmod(int(index), len(users))
            detection, user = detections.items[row], users[column]
            if overlap[row, column] < self.iou_min or user.id in tracks:
                continue
            counts[user.id] = counts.get(user.id, 0) + 1
            tracks[user.id] = Track(
                track_id=user.id,
                label=detection.label,
                score=detection.score,
                box=detection.box,
                hits=counts[user.id],
                missed=0,
            )
            overlap[row] = 0.0
        ctx[self.hits] = MappingProxyType(counts)
        return Tracks(items=tuple(tracks[i] for i in sorted(tracks)), frame_id=detections.frame_id)
