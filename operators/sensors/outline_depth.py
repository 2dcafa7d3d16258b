"""Depth without rendering: the road's plane and every road user as an upright box. For runs on fitted detectors.

Decides what stands in for a depth picture where pictures cost too much: two rows of houses, and no trees.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from operators.geometry.cameras import camera_axes, map_to_ego
from operators.messages import CameraModel, DepthFrame, EgoState
from operators.sensors.base import captures
from operators.sensors.camera import DepthCamera
from pipeline.definition import Context

Floats = NDArray[np.float64]
NEAR_M = 0.3
BESIDE_M, FACADES_M = 10.0, 12.0
"""Houses stand on both sides of the road, so far away and so tall: without them, what a detector sees in a wall would
be taken for something on the road."""


class OutlineDepth(DepthCamera):
    """Measures depth as ``DepthCamera`` does, in a drawing of outlines instead of a rendering.

    The world has to tell the truth with outlines (``x_m``, ``y_m``, ``yaw_rad``, ``length_m``, ``width_m``,
    ``height_m``). Ports: ``depth`` out. Ends with the world.
    """

    def measure(self, ctx: Context) -> DepthFrame:
        world: Any = self._world
        noted = captures(world)
        noted.keep_truth()
        noted.note_truth(world, ctx.t)
        camera = world.camera
        depth_m = outline_depth(noted.truth_at(ctx.t), world.ego(), camera)
        return DepthFrame(depth_m=depth_m, camera=camera, captured_ns=ctx.t)

    def warm_up(self) -> None:
        """Nothing needs it."""


def outline_depth(users: Sequence[Any], ego: EgoState, camera: CameraModel) -> NDArray[np.float32]:
    """(height, width) metres along the optical axis: road, facades beside it, upright boxes on it, else infinite."""
    axes = camera_axes(camera)
    rows: Floats = np.asarray((np.arange(camera.height_px) + 0.5 - camera.cy_px) / camera.fy_px, dtype=np.float64)
    columns = (np.arange(camera.width_px) + 0.5 - camera.cx_px) / camera.fx_px
    rise = axes[2, 1] * rows + axes[2, 2]
    road = np.where(rise < -1e-4, camera.z_m / np.maximum(-rise, 1e-4), np.inf)
    wall = BESIDE_M / np.maximum(np.abs(columns), 1e-3)
    tall = camera.z_m + wall[None, :] * rise[:, None] <= FACADES_M
    depth = np.minimum(road[:, None], np.where(tall, wall[None, :], np.inf)).astype(np.float32)
    for user in users:
        if user.box is not None:
            _draw(depth, rows, _corners(user, ego, camera, axes), user.height_m, camera, axes)
    return depth


def _corners(user: Any, ego: EgoState, camera: CameraModel, axes: Floats) -> Floats:
    """(4, 2) of its footprint: across and along the optical axis, metres."""
    cos, sin = math.cos(user.yaw_rad), math.sin(user.yaw_rad)
    half = np.array([(1, 1), (1, -1), (-1, -1), (-1, 1)]) * (0.5 * user.length_m, 0.5 * user.width_m)
    corners = half @ np.array([(cos, sin), (-sin, cos)]) + (user.x_m, user.y_m)
    local = map_to_ego(ego, corners) - (camera.x_m, camera.y_m)
    return np.asarray(np.column_stack([local, np.full(4, 0.5 * user.height_m - camera.z_m)]) @ axes[:, [0, 2]])


def _draw(
    depth: NDArray[np.float32], rows: Floats, corners: Floats, height_m: float, camera: CameraModel, axes: Floats
) -> None:
    """Lay an upright box over what is behind it, face by face."""
    for k in range(4):
        (x0, z0), (x1, z1) = corners[k], corners[(k + 1) % 4]
        if min(z0, z1) < NEAR_M:
            continue
        u0, u1 = camera.cx_px + camera.fx_px * x0 / z0, camera.cx_px + camera.fx_px * x1 / z1
        first = max(0, math.ceil(min(u0, u1) - 0.5))
        last = min(camera.width_px, math.ceil(max(u0, u1) - 0.5))
        if last <= first:
            continue
        share = (np.arange(first, last) + 0.5 - u0) / (u1 - u0)
        z = 1.0 / (1.0 / z0 + share * (1.0 / z1 - 1.0 / z0))
        # The optical axis may look down: height over the road of what a row sees at distance z.
        height = camera.z_m + z[None, :] * (axes[2, 2] + axes[2, 1] * rows[:, None])
        inside = (height >= 0.0) & (height <= height_m)
        part = depth[:, first:last]
        np.copyto(part, z[None, :].astype(np.float32), where=inside & (z[None, :] < part))
