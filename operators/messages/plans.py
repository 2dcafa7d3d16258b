"""What the planner decides: a timed trajectory."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from pipeline.messages import Message, readonly


class Trajectory(Message, frozen=True, kw_only=True):
    """Where the rear axle shall be, ``time_s`` seconds after this message's timestamp. All arrays: (points,) float64.

    ``time_s`` starts at 0 and strictly increases. An empty trajectory means: stop in your lane.
    """

    time_s: NDArray[np.float64]
    x_m: NDArray[np.float64]
    y_m: NDArray[np.float64]
    yaw_rad: NDArray[np.float64]
    speed_mps: NDArray[np.float64]
    reason: str = "follow"
    """``follow``, ``yield``, ``brake``, ``safe_stop`` …: for people, not for code."""
    frame_id: str = "map"

    def __post_init__(self) -> None:
        for array in (self.time_s, self.x_m, self.y_m, self.yaw_rad, self.speed_mps):
            readonly(array)
