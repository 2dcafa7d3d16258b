"""The semantic camera: which class and which road user every pixel shows. Ground truth, for training and for judges."""

from __future__ import annotations

from typing import Any

import msgspec
import numpy as np

from operators.messages import SemanticFrame
from operators.sensors.base import LabelledPicture, LabellingDevice, captures, required
from operators.sensors.camera import without_rows
from operators.sensors.sensor import AT_ONCE, Sensor
from pipeline.definition import Context
from pipeline.errors import UsageError
from pipeline.ports import Output
from pipeline.timestamps import Duration, ms


class SemanticCamera(Sensor):
    """Labels every pixel every ``period``, in the same rendering as ``Camera`` at the same time.

    Where a fault hides something the class is 0 (sky) and the instance 0.
    Ports: ``labels`` out. Ends with the world. Raises UsageError for a world that draws no labels.
    """

    labels = Output(SemanticFrame)
    period = ms(50)

    def __init__(
        self,
        *,
        world: LabellingDevice,
        latency: Duration = AT_ONCE,
        faults: list[dict[str, Any]] | None = None,
        seed: int = 0,
    ) -> None:
        required(world, "semantic camera", "render", "camera")
        super().__init__(world, latency=latency, faults=faults, seed=seed)
        self._world = world
        self._captures = captures(world)

    def measure(self, ctx: Context) -> SemanticFrame:
        classes, instances = np.zeros((0, 0), np.uint8), np.zeros((0, 0), np.uint16)
        if self._world.pixels:
            picture: LabelledPicture | Any = self._captures.picture(self._world, ctx.t)
            if not hasattr(picture, "semantic"):
                raise UsageError("the pictures of this world have no labels", hint="use a world that labels its pixels")
            classes, instances = picture.semantic, picture.instance
        return SemanticFrame(classes=classes, instances=instances, camera=self._world.camera, captured_ns=ctx.t)

    def blinded(self, message: SemanticFrame, share: float) -> SemanticFrame:
        return msgspec.structs.replace(
            message,
            classes=without_rows(message.classes, share, np.uint8(0)),
            instances=without_rows(message.instances, share, np.uint16(0)),
        )
