"""The streams' vocabulary: every message that travels between the car's operators."""

from operators.messages.commands import ControlCommand
from operators.messages.ego import EgoSize, EgoState
from operators.messages.lanes import LightState, Route, StopLine, TrafficLights
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
from operators.messages.sensors import (
    SEMANTIC_CLASSES,
    CameraFrame,
    CameraModel,
    DepthFrame,
    GeoReference,
    GnssFix,
    ImuSample,
    Mount,
    PointCloud,
    RadarReturns,
    SemanticFrame,
    WheelSpeeds,
)

__all__ = [
    "LABELS",
    "SEMANTIC_CLASSES",
    "Box",
    "CameraFrame",
    "CameraModel",
    "ControlCommand",
    "DepthFrame",
    "Detection",
    "Detections",
    "EgoSize",
    "EgoState",
    "GeoReference",
    "GnssFix",
    "ImuSample",
    "LightState",
    "Mount",
    "Obstacle",
    "Obstacles",
    "PointCloud",
    "Prediction",
    "Predictions",
    "RadarReturns",
    "Route",
    "SemanticFrame",
    "StopLine",
    "Track",
    "Tracks",
    "TrafficLights",
    "Trajectory",
    "WheelSpeeds",
]
