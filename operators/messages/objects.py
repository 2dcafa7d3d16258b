"""Road users from pixel to prediction: detection (2-D), track (2-D with identity), obstacle (located), prediction
(future).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from pipeline.messages import Message, readonly

LABELS: tuple[str, ...] = ("pedestrian", "vehicle")
"""Classes the detectors know, in the order of their output channels."""


class Box(Message, frozen=True, kw_only=True):
    """Axis-aligned picture box, pixels, half-open: ``x0_px <= x < x1_px``."""

    x0_px: float
    y0_px: float
    x1_px: float
    y1_px: float


class Detection(Message, frozen=True, kw_only=True):
    """One object in one picture; ``score`` in [0, 1]."""

    label: str
    score: float
    box: Box


class Detections(Message, frozen=True, kw_only=True):
    """What a detector saw in the picture of this timestamp, best score first."""

    items: tuple[Detection, ...]
    model: str
    """Which model answered: ``small``, ``medium``, ``large``, ``truth``, ``cloud.large`` …"""
    frame_id: str = "camera_front"


class Track(Message, frozen=True, kw_only=True):
    """A detection that keeps its identity over time."""

    track_id: int
    label: str
    score: float
    box: Box
    hits: int
    """Pictures in which it was matched."""
    missed: int
    """Pictures since it was last matched."""


class Tracks(Message, frozen=True, kw_only=True):
    """Confirmed tracks at this timestamp, lowest id first."""

    items: tuple[Track, ...]
    frame_id: str = "camera_front"


class Obstacle(Message, frozen=True, kw_only=True):
    """A located road user: footprint centre, size and velocity in ``Obstacles.frame_id``."""

    track_id: int
    label: str
    score: float
    x_m: float
    y_m: float
    length_m: float
    width_m: float
    yaw_rad: float = 0.0
    speed_x_mps: float = 0.0
    speed_y_mps: float = 0.0
    speed_std_mps: float = 0.0
    """Of the velocity across the line of sight; large after the first sightings."""
    position_std_m: float = 0.5
    """Along the line of sight, in which cameras are worst."""
    cross_std_m: float = 0.0
    """Across the line of sight; 0: as along it."""
    sight_rad: float = 0.0
    """Direction from the camera to it, in ``Obstacles.frame_id``."""


class Obstacles(Message, frozen=True, kw_only=True):
    """Everything located at this timestamp, lowest track id first."""

    items: tuple[Obstacle, ...]
    frame_id: str = "map"


class Prediction(Message, frozen=True, kw_only=True):
    """Where one obstacle is expected, ``path_m``: (steps, 2) float64 in map, step k at (k + 1) ·
    ``Predictions.step_s``.
    """

    obstacle: Obstacle
    path_m: NDArray[np.float64]
    probability: float = 1.0

    def __post_init__(self) -> None:
        readonly(self.path_m)


class Predictions(Message, frozen=True, kw_only=True):
    """Futures of all obstacles, counted from this timestamp."""

    items: tuple[Prediction, ...]
    step_s: float
    frame_id: str = "map"
