"""Where the camera is and where points of the map land in its picture."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from operators.messages import Box, CameraModel, EgoState

NEAR_M = 0.3


def eye_pose(ego: EgoState, camera: CameraModel) -> tuple[NDArray[np.float64], float]:
    """Position of the camera in the map, (3,), and the heading of its optical axis."""
    cos, sin = math.cos(ego.yaw_rad), math.sin(ego.yaw_rad)
    x = ego.x_m + camera.x_m * cos - camera.y_m * sin
    y = ego.y_m + camera.x_m * sin + camera.y_m * cos
    return np.array([x, y, camera.z_m]), ego.yaw_rad + camera.yaw_rad


def rotation(yaw_rad: float, pitch_rad: float) -> NDArray[np.float64]:
    """Map to optical frame (x right, y down, z into the picture), (3, 3); pitch is positive downwards."""
    cos, sin = math.cos(yaw_rad), math.sin(yaw_rad)
    level, down = math.cos(pitch_rad), math.sin(pitch_rad)
    return np.array(
        [[sin, -cos, 0.0], [-cos * down, -sin * down, -level], [cos * level, sin * level, -down]]
    )


def picture_box(
    ego: EgoState,
    camera: CameraModel,
    pose: tuple[float, float, float],
    size: tuple[float, float, float],
) -> tuple[Box | None, float]:
    """Box of an upright cuboid (x, y, yaw of its ground centre; length, width, height), clipped to the picture.

    Also returns the distance of its centre along the optical axis. The box is None when nothing of it is in view.
    """
    eye, yaw = eye_pose(ego, camera)
    turn = rotation(yaw, camera.pitch_rad)
    cos, sin = math.cos(pose[2]), math.sin(pose[2])
    length, width, height = size
    local = np.array([[a * length, b * width] for a in (-0.5, 0.5) for b in (-0.5, 0.5)])
    ground = local @ np.array([[cos, sin], [-sin, cos]]) + np.array(pose[:2])
    points = np.concatenate([np.c_[ground, np.zeros(4)], np.c_[ground, np.full(4, height)]])
    seen = (points - eye) @ turn.T
    distance = float(turn[2] @ (np.array([pose[0], pose[1], 0.5 * height]) - eye))
    low, high = seen[:, None, :], seen[None, :, :]
    # Edges that cross the near plane contribute their crossing point: a box beside the camera stays in view.
    crossing = (low[..., 2] > NEAR_M) & (high[..., 2] <= NEAR_M)
    first, second = np.nonzero(crossing)
    share = (NEAR_M - seen[first, 2]) / (seen[second, 2] - seen[first, 2])
    cut = seen[first] + share[:, None] * (seen[second] - seen[first])
    front = np.concatenate([seen[seen[:, 2] > NEAR_M], cut])
    if len(front) == 0:
        return None, distance
    u = camera.fx_px * front[:, 0] / front[:, 2] + camera.cx_px
    v = camera.fy_px * front[:, 1] / front[:, 2] + camera.cy_px
    x0, x1 = max(0.0, float(u.min())), min(float(camera.width_px), float(u.max()))
    y0, y1 = max(0.0, float(v.min())), min(float(camera.height_px), float(v.max()))
    if x1 - x0 <= 0.0 or y1 - y0 <= 0.0:
        return None, distance
    return Box(x0_px=x0, y0_px=y0, x1_px=x1, y1_px=y1), distance
