"""The road as the planner sees it."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from pipeline.messages import Message, readonly


class Route(Message, frozen=True, kw_only=True):
    """Centre line of the lane to follow, ``x_m``/``y_m``: (points,) float64, in driving direction, at most 2 m
    apart.
    """

    x_m: NDArray[np.float64]
    y_m: NDArray[np.float64]
    width_left_m: float
    """How far the ego's centre may move to the left of the line."""
    width_right_m: float
    speed_limit_mps: float
    frame_id: str = "map"

    def __post_init__(self) -> None:
        readonly(self.x_m)
        readonly(self.y_m)
