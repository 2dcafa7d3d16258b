"""Cameras: one rendering per tick, as a colour frame and as a depth frame. Without pixels the frames are empty."""

from __future__ import annotations

import math
from typing import Any, TypeVar

import msgspec
import numpy as np
from numpy.typing import NDArray

from operators.messages import CameraFrame, DepthFrame
from operators.sensors.base import CameraDevice, captures
from operators.sensors.sensor import AT_ONCE, Sensor
from pipeline.definition import Context
from pipeline.ports import Output
from pipeline.timestamps import Duration, ms

Pixels = TypeVar("Pixels", np.uint8, np.uint16, np.float32)


class Camera(Sensor):
    """Takes a colour picture every ``period`` and sends it ``latency`` later.

    ``faults``: see ``operators.sensors.faults``; what a fault hides, ``TruthDetector`` does not see either.
    Ports: ``frame`` out. Ends with the world.
    """

    frame = Output(CameraFrame)
    period = ms(50)

    def __init__(
        self,
        *,
        world: CameraDevice,
        latency: Duration = AT_ONCE,
        faults: list[dict[str, Any]] | None = None,
        seed: int = 0,
    ) -> None:
        super().__init__(world, latency=latency, faults=faults, seed=seed)
        self._world = world
        self._captures = captures(world)

    def measure(self, ctx: Context) -> CameraFrame:
        self._captures.note_truth(self._world, ctx.t)
        rgb = np.zeros((0, 0, 3), np.uint8)
        if self._world.pixels:
            rgb = self._captures.picture(self._world, ctx.t).rgb
        return CameraFrame(rgb=rgb, camera=self._world.camera, captured_ns=ctx.t)

    def blinded(self, message: CameraFrame, share: float) -> CameraFrame:
        self._captures.hide_truth(message.captured_ns, (1.0 - share) * message.camera.height_px)
        return msgspec.structs.replace(message, rgb=without_rows(message.rgb, share, np.uint8(0)))

    def warm_up(self) -> None:
        if self._world.pixels:
            self._world.render()


class DepthCamera(Sensor):
    """Measures depth in every pixel every ``period``, in the same rendering as ``Camera`` at the same time.

    Where a fault hides something the depth is infinite, as if nothing were there.
    Ports: ``depth`` out. Ends with the world.
    """

    depth = Output(DepthFrame)
    period = ms(50)

    def __init__(
        self,
        *,
        world: CameraDevice,
        latency: Duration = AT_ONCE,
        faults: list[dict[str, Any]] | None = None,
        seed: int = 0,
    ) -> None:
        super().__init__(world, latency=latency, faults=faults, seed=seed)
        self._world = world
        self._captures = captures(world)

    def measure(self, ctx: Context) -> DepthFrame:
        depth_m = np.zeros((0, 0), np.float32)
        if self._world.pixels:
            depth_m = self._captures.picture(self._world, ctx.t).depth_m
        return DepthFrame(depth_m=depth_m, camera=self._world.camera, captured_ns=ctx.t)

    def blinded(self, message: DepthFrame, share: float) -> DepthFrame:
        depth_m = without_rows(message.depth_m, share, np.float32(np.inf))
        return msgspec.structs.replace(message, depth_m=depth_m)


def without_rows(picture: NDArray[Pixels], share: float, value: Pixels) -> NDArray[Pixels]:
    """A copy of which the lower ``share`` of the rows, as if never transferred, is ``value``."""
    left = picture.copy()
    left[math.ceil((1.0 - share) * len(picture) - 1e-9) :] = value
    return left
