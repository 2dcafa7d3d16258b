"""Overlap and distance of picture boxes and of oriented outlines on the road.

Pure geometry: decides nothing about who is an obstacle.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from operators.messages import Box, EgoSize

Floats = NDArray[np.float64]


def box_array(boxes: Sequence[Box]) -> Floats:
    """(boxes, 4) float64 of x0, y0, x1, y1 in pixels."""
    rows = [(b.x0_px, b.y0_px, b.x1_px, b.y1_px) for b in boxes]
    return np.array(rows, dtype=np.float64).reshape(-1, 4)


def iou_matrix(first: Floats, second: Floats) -> Floats:
    """Intersection over union of (n, 4) with (m, 4) boxes: (n, m) in [0, 1]; boxes without area overlap nothing."""
    a, b = first[:, None, :], second[None, :, :]
    width = np.minimum(a[..., 2], b[..., 2]) - np.maximum(a[..., 0], b[..., 0])
    height = np.minimum(a[..., 3], b[..., 3]) - np.maximum(a[..., 1], b[..., 1])
    shared = np.maximum(width, 0.0) * np.maximum(height, 0.0)
    united = _areas(first)[:, None] + _areas(second)[None, :] - shared
    return np.where(united > 0.0, shared / np.where(united > 0.0, united, 1.0), 0.0)


def iou(first: Box, second: Box) -> float:
    """Intersection over union of two picture boxes, in [0, 1]."""
    return float(iou_matrix(box_array([first]), box_array([second]))[0, 0])


def _areas(boxes: Floats) -> Floats:
    return np.maximum(boxes[:, 2] - boxes[:, 0], 0.0) * np.maximum(boxes[:, 3] - boxes[:, 1], 0.0)


class Outline(NamedTuple):
    """A rectangle on the road: centre, heading and full side lengths."""

    x_m: float
    y_m: float
    yaw_rad: float
    length_m: float
    width_m: float


def ego_outline(x_m: float, y_m: float, yaw_rad: float, size: EgoSize) -> Outline:
    """The ego's outline when its rear axle is at (x, y)."""
    ahead_m = size.length_m / 2.0 - size.rear_overhang_m
    return Outline(
        x_m + ahead_m * math.cos(yaw_rad), y_m + ahead_m * math.sin(yaw_rad), yaw_rad, size.length_m, size.width_m
    )


def corners(outline: Outline) -> Floats:
    """(4, 2) corners, counter-clockwise from the front left."""
    half_length, half_width = outline.length_m / 2.0, outline.width_m / 2.0
    cos, sin = math.cos(outline.yaw_rad), math.sin(outline.yaw_rad)
    local = np.array(
        [(half_length, half_width), (-half_length, half_width), (-half_length, -half_width), (half_length, -half_width)]
    )
    rotation = np.array([(cos, sin), (-sin, cos)])
    return np.asarray(local @ rotation + (outline.x_m, outline.y_m))


def outlines_overlap(first: Outline, second: Outline) -> bool:
    """Whether two outlines share area, one inside the other included; touching is not overlapping."""
    return _separation(corners(first), corners(second)) < 0.0


def outline_gap_m(first: Outline, second: Outline) -> float:
    """Shortest distance between two outlines; 0 when they overlap or touch."""
    a, b = corners(first), corners(second)
    if _separation(a, b) <= 0.0:
        return 0.0
    # Two disjoint convex polygons are closest at a corner of one of them.
    return min(_corners_to_edges(a, b), _corners_to_edges(b, a))


def _separation(a: Floats, b: Floats) -> float:
    """Widest gap over the four face normals; negative when no axis separates the two rectangles."""
    widest = -math.inf
    for polygon in (a, b):
        for k in (0, 1):
            edge = polygon[k + 1] - polygon[k]
            norm = math.hypot(edge[0], edge[1])
            axis = np.array((-edge[1], edge[0])) / norm if norm > 0.0 else np.array((1.0, 0.0))
            on_a, on_b = a @ axis, b @ axis
            widest = max(widest, float(on_a.min() - on_b.max()), float(on_b.min() - on_a.max()))
    return widest


def _corners_to_edges(points: Floats, polygon: Floats) -> float:
    starts = polygon[None, :, :]
    edges = np.roll(polygon, -1, axis=0)[None, :, :] - starts
    offset = points[:, None, :] - starts
    squared = np.maximum((edges**2).sum(-1), 1e-18)
    along = np.clip((offset * edges).sum(-1) / squared, 0.0, 1.0)
    return float(np.sqrt(((offset - along[..., None] * edges) ** 2).sum(-1)).min())
