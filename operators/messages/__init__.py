"""The streams' vocabulary: every message that travels between the car's operators."""

from operators.messages.commands import ControlCommand
from operators.messages.ego import EgoSize, EgoState
from operators.messages.lanes import Route
from operators.messages.objects import (
    LABELS,
    Box,
    Detection,
    Detections,
    Obstacle,
    Obstacles,
    Prediction,
    Predictions,
    Track,
    Tracks,
)
from operators.messages.plans import Trajectory
from operators.messages.sensors import CameraFrame, CameraModel, DepthFrame

__all__ = [
    "LABELS",
    "Box",
    "CameraFrame",
    "CameraModel",
    "ControlCommand",
    "DepthFrame",
    "Detection",
    "Detections",
    "EgoSize",
    "EgoState",
    "Obstacle",
    "Obstacles",
    "Prediction",
    "Predictions",
    "Route",
    "Track",
    "Tracks",
    "Trajectory",
]
