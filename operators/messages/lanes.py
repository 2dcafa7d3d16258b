"""The road as the planner sees it, and the lights along it."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from pipeline.messages import Message, readonly


class StopLine(Message, frozen=True, kw_only=True):
    """A place on a route where the car may have to wait."""

    s_m: float
    """Along the route, from its first point."""
    kind: str
    """``light``, ``stop`` or ``yield``."""
    light: str = ""
    """Which light governs it, as ``TrafficLights`` names it."""
    clear_m: float = 0.0
    """How far beyond the line the junction ends: nobody may stand in between."""


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
    """The highest limit on the route."""
    limits_mps: NDArray[np.float64] | None = None
    """(points,) float64: the limit at each point, where it changes along the route."""
    stops: tuple[StopLine, ...] = ()
    """In driving direction."""
    frame_id: str = "map"

    def __post_init__(self) -> None:
        readonly(self.x_m)
        readonly(self.y_m)
        if self.limits_mps is not None:
            readonly(self.limits_mps)


class LightState(Message, frozen=True, kw_only=True):
    """What one light shows: ``red``, ``amber``, ``green`` or ``off``."""

    light: str
    state: str


class TrafficLights(Message, frozen=True, kw_only=True):
    """The lights that somebody has seen at this timestamp, by name."""

    items: tuple[LightState, ...]
