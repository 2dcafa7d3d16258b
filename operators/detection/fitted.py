"""The trained detectors without pixels: answers from the world's truth as they would probably have answered.

Decides what the model is told of the world. How an answer is drawn is ``operators.models.accuracy``'s business.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, Protocol

from operators.detection.cnn import CnnDetector
from operators.messages import Box, Detection, Detections
from operators.models.accuracy import Light, Seen, answer, read_accuracy
from operators.models.cards import SIZES, WEIGHTS_DIR, read_card
from operators.models.errors import ModelFileError
from operators.sensors.base import GroundTruth, TrueObject, captures
from pipeline.definition import Context
from pipeline.errors import UsageError
from pipeline.timestamps import Duration

HEIGHT_MIN_PX = 3.0


class LocatedObject(TrueObject, Protocol):
    """A road user of which the world also says how far it is along the optical axis."""

    @property
    def distance_m(self) -> float: ...


class FittedDetector(CnnDetector):
    """Stands in for ``detector.cnn`` where pictures cost too much: the same ports, sizes and latencies.

    What is found, where, with which score, and what is found where nobody is, are drawn from an accuracy model that
    was fitted to the trained detector: by size in pixels, distance, occlusion, light and weather. Draws depend on
    (seed, t, road user) alone, so that variants of a run share their luck; and luck lasts for a while, as it does with
    a real detector. The size that runs is chosen as ``detector.cnn`` does it.

    Ports: ``frame`` in (its pixels are not looked at), ``detections`` out.

    Args:
        sizes: models to choose from, in any order.
        accuracy: a folder with an ``accuracy.json``; empty for the shipped one.

    Raises UsageError for sizes that do not exist, ModelFileError for a missing or damaged accuracy model.
    """

    def __init__(self, *, world: GroundTruth, sizes: list[str], accuracy: str = "", seed: int = 0) -> None:
        unknown = [size for size in sizes if size not in SIZES]
        if unknown or not sizes:
            wrong = f"there is no detector size {unknown[0]!r}" if unknown else "no detector size is given"
            raise UsageError(wrong, where="sizes", hint=f"choose from: {', '.join(SIZES)}")
        self.sizes = tuple(size for size in SIZES if size in sizes)
        folder = Path(accuracy) if accuracy else WEIGHTS_DIR
        models = read_accuracy(folder)
        missing = [size for size in self.sizes if size not in models]
        if missing:
            hint = "run `skylane fit-detectors`"
            raise ModelFileError(f"there is no accuracy model of {missing[0]!r}", where=str(folder), hint=hint)
        self.models = {size: models[size] for size in self.sizes}
        self.measured = {size: Duration(round(read_card(size).latency.p99_ms * 1e6)) for size in self.sizes}
        self.seed, self._world = seed, world
        self._captures = captures(world)
        self._captures.keep_truth()

    def warm_up(self) -> None:
        """Nothing needs it."""

    def on_watermark(self, ctx: Context) -> Detections:
        frame = ctx[self.frame]
        size = self.chosen(ctx)
        ctx.work(size)
        found = answer(
            self.models[size],
            [_seen(user) for user in self._captures.truth_at(frame.captured_ns) if _could_be_seen(user)],
            light_of(self._world),
            width_px=frame.camera.width_px,
            height_px=frame.camera.height_px,
            # Each size has luck of its own in part; the same seed keeps them alike, as pictures do.
            seed=self.seed,
            t=frame.captured_ns,
        )
        items = tuple(Detection(label=item.label, score=item.score, box=_box(item.box)) for item in found)
        return Detections(items=items, model=size, frame_id=frame.camera.frame_id)


def light_of(world: Any) -> Light:
    """Light and weather of a world that tells it (``weather``, or that of its ``scenario``); else a clear day."""
    weather = getattr(world, "weather", None) or getattr(getattr(world, "scenario", None), "weather", None)
    return Light(*(float(getattr(weather, name, 0.0)) for name in Light._fields))


def _could_be_seen(user: TrueObject) -> bool:
    box = user.box
    return box is not None and user.visible > 0.0 and box.y1_px - box.y0_px >= HEIGHT_MIN_PX


def _seen(user: Any) -> Seen:
    box = user.box
    edges = (box.x0_px, box.y0_px, box.x1_px, box.y1_px)
    return Seen(user.id, user.label, edges, user.visible, user.distance_m)


def _box(edges: tuple[float, float, float, float]) -> Box:
    return Box(x0_px=edges[0], y0_px=edges[1], x1_px=edges[2], y1_px=edges[3])
