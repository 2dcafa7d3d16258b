"""R22: what every model of the menu finds as an offline benchmark counts it, and as a driving car gets it.

The pairing and the counting are ``scenarios.metrics``'.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from operators.messages import LABELS, Box
from operators.sensors.base import captures
from pipeline.building import build
from pipeline.events import Event, Sent
from pipeline.execution import VirtualClock, run
from pipeline.launchfile import resolve
from scenarios.experiments.execution_models_cases import launch_file
from scenarios.experiments.execution_models_detector import RANGE_M, VISIBLE_MIN
from scenarios.metrics.detection import mean_precision, precision
from scenarios.metrics.frames import Objects, answered, objects
from scenarios.metrics.streaming import Answer, Truth, sync, timely

HEIGHT_MIN_PX = 5.0
"""Smaller ones count neither for nor against anybody."""


class _Course:
    """Truth at every picture, and answers with the time at which they were out."""

    def __init__(self, world: Any) -> None:
        self._captures = captures(world)
        self._captures.keep_truth()
        self.truths: list[Truth[Objects]] = []
        self.answers: list[Answer[Objects]] = []

    def on_event(self, event: Event) -> None:
        if not isinstance(event, Sent):
            return
        if event.stream == "camera.frame":
            seen = [user for user in self._captures.truth_at(event.t) if user.box is not None and user.visible > 0.0]
            boxes = [user.box for user in seen if user.box is not None]
            small = [box.y1_px - box.y0_px < HEIGHT_MIN_PX for box in boxes]
            hidden = [user.visible < VISIBLE_MIN for user in seen]
            ignored = np.array([a or b for a, b in zip(small, hidden, strict=True)], np.bool_)
            self.truths.append(Truth(event.t, _objects(boxes, [user.label for user in seen], ignored=ignored)))
        elif event.stream == "detect.detections":
            items = event.value.items
            scores = np.array([item.score for item in items])
            found = _objects([item.box for item in items], [item.label for item in items], scores=scores)
            self.answers.append(Answer(event.origin, event.at, found))


def _objects(boxes: Sequence[Box], labels: Sequence[str], **columns: Any) -> Objects:
    table = np.array([(box.x0_px, box.y0_px, box.x1_px, box.y1_px) for box in boxes]).reshape(-1, 4)
    return objects(table, labels=[LABELS.index(label) for label in labels], **columns)


def streaming(quick: bool) -> dict[str, Any]:
    """AP (IoU .5 to .95) of every model on a busy street, against the truth of its picture and of the moment."""
    found: dict[str, Any] = {"metric": "AP", "offline": {}, "streamed": {}}
    models = ("ed1", "ed4", "ed7") if quick else tuple(RANGE_M)
    for model in models:
        overrides = [
            "world.scenario=street", "world.speed_mps=12.0", f"detect.args.models=[{model}]", "seed=1",
            f"duration={4 if quick else 20}s",
        ]  # fmt: skip
        built = build(resolve(launch_file("grid"), overrides), "data-driven")
        course = _Course(built.world)
        clock = VirtualClock(built.settings.seed, built.latency)
        run(built.graph, clock=clock, until=built.settings.duration, observers=[course], keep=False)
        for name, pairs in (
            ("offline", sync(course.answers, course.truths)),
            ("streamed", timely(course.answers, course.truths)),
        ):
            scenes = answered(pairs)
            classes = [precision(scenes, label, by_size=False) for label in range(len(LABELS))]
            found[name][model] = round(mean_precision(classes).ap, 4)
    return found
