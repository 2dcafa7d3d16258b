"""Cameras: one rendering per tick, as a colour frame and as a depth frame. Without pixels the frames are empty."""

from __future__ import annotations

from typing import Any

import numpy as np

from operators.messages import CameraFrame, DepthFrame
from operators.sensors.base import CameraDevice, captures, over
from pipeline.definition import END, Context, Source
from pipeline.ports import Output
from pipeline.timestamps import ms


class Camera(Source):
    """Takes a colour picture every ``period``.

    Ports: ``frame`` out. Ends with the world.
    """

    frame = Output(CameraFrame)
    period = ms(50)

    def __init__(self, *, world: CameraDevice) -> None:
        self._world = world
        self._captures = captures(world)

    def on_tick(self, ctx: Context) -> Any:
        if over(self._world, ctx.t):
            return END
        self._captures.note_truth(self._world, ctx.t)
        rgb = np.zeros((0, 0, 3), np.uint8)
        if self._world.pixels:
            rgb = self._captures.picture(self._world, ctx.t).rgb
        return CameraFrame(rgb=rgb, camera=self._world.camera, captured_ns=ctx.t)

    def warm_up(self) -> None:
        if self._world.pixels:
            self._world.render()


class DepthCamera(Source):
    """Measures depth in every pixel every ``period``, in the same rendering as ``Camera`` at the same time.

    Ports: ``depth`` out. Ends with the world.
    """

    depth = Output(DepthFrame)
    period = ms(50)

    def __init__(self, *, world: CameraDevice) -> None:
        self._world = world
        self._captures = captures(world)

    def on_tick(self, ctx: Context) -> Any:
        if over(self._world, ctx.t):
            return END
        depth_m = np.zeros((0, 0), np.float32)
        if self._world.pixels:
            depth_m = self._captures.picture(self._world, ctx.t).depth_m
        return DepthFrame(depth_m=depth_m, camera=self._world.camera, captured_ns=ctx.t)
