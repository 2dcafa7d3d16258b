"""What cameras measure. Images are read-only views; row 0 is the top, columns run to the right."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from pipeline.messages import Message, readonly


class CameraModel(Message, frozen=True, kw_only=True):
    """A pinhole camera without distortion and where it sits on the ego.

    The mount is given in the ego frame (x forward, y left, z up, origin at the rear axle on the road); the optical
    frame is x right, y down, z into the picture. ``pitch_rad`` is positive when the camera looks down (about +y).
    """

    width_px: int = 640
    height_px: int = 360
    fx_px: float = 320.0
    fy_px: float = 320.0
    cx_px: float = 320.0
    cy_px: float = 180.0
    x_m: float = 1.7
    y_m: float = 0.0
    z_m: float = 1.5
    yaw_rad: float = 0.0
    pitch_rad: float = 0.0
    frame_id: str = "camera_front"


class CameraFrame(Message, frozen=True, kw_only=True):
    """One RGB picture, ``rgb``: (height, width, 3) uint8; (0, 0, 3) when the run has no pixels."""

    rgb: NDArray[np.uint8]
    camera: CameraModel
    captured_ns: int

    def __post_init__(self) -> None:
        readonly(self.rgb)


class DepthFrame(Message, frozen=True, kw_only=True):
    """Distance along the optical axis, ``depth_m``: (height, width) float32 metres, ``inf`` for sky; (0, 0) without
    pixels.
    """

    depth_m: NDArray[np.float32]
    camera: CameraModel
    captured_ns: int

    def __post_init__(self) -> None:
        readonly(self.depth_m)
