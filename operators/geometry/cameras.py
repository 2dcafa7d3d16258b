"""Projection into a picture and back, with a depth or onto the road plane, and ego to map.

Pixel coordinates are continuous: the centre of column i is at u = i + 0.5. No lens distortion.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from operators.messages import CameraModel, EgoState

Floats = NDArray[np.float64]

HORIZON_MARGIN = 1e-4
"""A ray must fall by at least this much per metre to count as hitting the road."""


def camera_axes(camera: CameraModel) -> Floats:
    """(3, 3): columns are the optical axes right, down and forward in the ego frame."""
    cos_yaw, sin_yaw = math.cos(camera.yaw_rad), math.sin(camera.yaw_rad)
    cos_pitch, sin_pitch = math.cos(camera.pitch_rad), math.sin(camera.pitch_rad)
    forward = (cos_yaw * cos_pitch, sin_yaw * cos_pitch, -sin_pitch)
    left = (-sin_yaw, cos_yaw, 0.0)
    up = (cos_yaw * sin_pitch, sin_yaw * sin_pitch, cos_pitch)
    return np.array([(-left[i], -up[i], forward[i]) for i in range(3)])


def project(camera: CameraModel, points_m: Floats) -> Floats:
    """Ego-frame points (n, 3) to (n, 3) of u_px, v_px and depth_m; u and v are NaN where depth is not positive."""
    optical = (points_m - (camera.x_m, camera.y_m, camera.z_m)) @ camera_axes(camera)
    depth = optical[:, 2]
    safe = np.where(depth > 0.0, depth, np.nan)
    u = camera.cx_px + camera.fx_px * optical[:, 0] / safe
    v = camera.cy_px + camera.fy_px * optical[:, 1] / safe
    return np.stack([u, v, depth], axis=1)


def unproject(camera: CameraModel, u_px: float, v_px: float, depth_m: float) -> Floats:
    """The ego-frame point (3,) seen at a pixel, ``depth_m`` along the optical axis."""
    ray = ((u_px - camera.cx_px) / camera.fx_px, (v_px - camera.cy_px) / camera.fy_px, 1.0)
    return camera_axes(camera) @ (np.array(ray) * depth_m) + (camera.x_m, camera.y_m, camera.z_m)


def ground_point(camera: CameraModel, u_px: float, v_px: float) -> Floats | None:
    """The ego-frame road point (3,) at z = 0 seen at a pixel; None at or above the horizon."""
    ray = camera_axes(camera) @ np.array(
        ((u_px - camera.cx_px) / camera.fx_px, (v_px - camera.cy_px) / camera.fy_px, 1.0)
    )
    if ray[2] > -HORIZON_MARGIN:
        return None
    return np.asarray(ray * (camera.z_m / -ray[2]) + (camera.x_m, camera.y_m, camera.z_m))


def ego_to_map(ego: EgoState, points_m: Floats) -> Floats:
    """Ego-frame points (n, 2) to map."""
    cos, sin = math.cos(ego.yaw_rad), math.sin(ego.yaw_rad)
    return np.asarray(points_m @ np.array([(cos, sin), (-sin, cos)]) + (ego.x_m, ego.y_m))


def map_to_ego(ego: EgoState, points_m: Floats) -> Floats:
    """Map points (n, 2) to the ego frame."""
    cos, sin = math.cos(ego.yaw_rad), math.sin(ego.yaw_rad)
    return np.asarray((points_m - (ego.x_m, ego.y_m)) @ np.array([(cos, -sin), (sin, cos)]))
