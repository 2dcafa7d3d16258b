"""Where the camera is and where points of the map land in its picture."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from operators.messages import Box, CameraModel, EgoState
from scenarios.world.kernels import allocating, kernel

NEAR_M = 0.3


def eye_pose(ego: EgoState, camera: CameraModel) -> tuple[NDArray[np.float64], float]:
    """Position of the camera in the map, (3,), and the heading of its optical axis."""
    cos, sin = math.cos(ego.yaw_rad), math.sin(ego.yaw_rad)
    x = ego.x_m + camera.x_m * cos - camera.y_m * sin
    y = ego.y_m + camera.x_m * sin + camera.y_m * cos
    return np.array([x, y, camera.z_m]), ego.yaw_rad + camera.yaw_rad


def lens_of(camera: CameraModel) -> NDArray[np.float64]:
    """fx, fy, cx, cy."""
    return np.array([camera.fx_px, camera.fy_px, camera.cx_px, camera.cy_px])


def rotation(yaw_rad: float, pitch_rad: float) -> NDArray[np.float64]:
    """Map to optical frame (x right, y down, z into the picture), (3, 3); pitch is positive downwards."""
    cos, sin = math.cos(yaw_rad), math.sin(yaw_rad)
    level, down = math.cos(pitch_rad), math.sin(pitch_rad)
    return np.array([[sin, -cos, 0.0], [-cos * down, -sin * down, -level], [cos * level, sin * level, -down]])


@allocating
def picture_boxes(
    eye: NDArray[np.float64],
    turn: NDArray[np.float64],
    lens: NDArray[np.float64],
    boxes: NDArray[np.float64],
    heights: NDArray[np.float64],
) -> NDArray[np.float64]:
    """Picture boxes of upright cuboids, not yet clipped to the picture: (n, 5) of x0, y0, x1, y1, distance.

    boxes: (n, 5) outlines on the ground; lens: fx, fy, cx, cy; distance: of the centre, along the optical axis.
    x0 > x1 when nothing is in front of the camera. Edges are cut at the near plane, so that a cuboid beside the
    camera stays in view.
    """
    out, points = np.empty((boxes.shape[0], 5)), np.empty((8, 3))
    for k in range(boxes.shape[0]):
        cos, sin = math.cos(boxes[k, 2]), math.sin(boxes[k, 2])
        for i in range(8):
            along = boxes[k, 3] * (0.5 if i & 1 else -0.5)
            across = boxes[k, 4] * (0.5 if i & 2 else -0.5)
            x, y = boxes[k, 0] + along * cos - across * sin - eye[0], boxes[k, 1] + along * sin + across * cos - eye[1]
            z = (heights[k] if i & 4 else 0.0) - eye[2]
            for axis in range(3):
                points[i, axis] = turn[axis, 0] * x + turn[axis, 1] * y + turn[axis, 2] * z
        out[k, 0], out[k, 1], out[k, 2], out[k, 3] = np.inf, np.inf, -np.inf, -np.inf
        for i in range(8):
            if points[i, 2] > NEAR_M:
                widen(out[k], points[i, 0] / points[i, 2], points[i, 1] / points[i, 2], lens)
            for bit in (1, 2, 4):
                j = i ^ bit
                if points[i, 2] > NEAR_M >= points[j, 2]:
                    share = (NEAR_M - points[i, 2]) / (points[j, 2] - points[i, 2])
                    x = points[i, 0] + share * (points[j, 0] - points[i, 0])
                    y = points[i, 1] + share * (points[j, 1] - points[i, 1])
                    widen(out[k], x / NEAR_M, y / NEAR_M, lens)
        x, y, z = boxes[k, 0] - eye[0], boxes[k, 1] - eye[1], 0.5 * heights[k] - eye[2]
        out[k, 4] = turn[2, 0] * x + turn[2, 1] * y + turn[2, 2] * z
    return out


@kernel
def widen(box: NDArray[np.float64], u: float, v: float, lens: NDArray[np.float64]) -> None:
    """Stretch ``box`` so that it contains the point (u, v), given for a focal length of one."""
    x, y = lens[0] * u + lens[2], lens[1] * v + lens[3]
    box[0], box[1] = min(box[0], x), min(box[1], y)
    box[2], box[3] = max(box[2], x), max(box[3], y)


def clipped(box: NDArray[np.float64], camera: CameraModel) -> Box | None:
    """The part of a row of ``picture_boxes`` inside the picture; None when there is none."""
    x0, x1 = max(0.0, float(box[0])), min(float(camera.width_px), float(box[2]))
    y0, y1 = max(0.0, float(box[1])), min(float(camera.height_px), float(box[3]))
    if x1 <= x0 or y1 <= y0:
        return None
    return Box(x0_px=x0, y0_px=y0, x1_px=x1, y1_px=y1)
