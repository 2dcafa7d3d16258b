"""Where on the road a tracked picture box stands: from the depth picture, else from where the box touches the road.

Decides position and size; velocity is the predictor's business. A box holds background and, at its rim, whatever stands
in front, so the depth is a low quantile of its middle, never its mean.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from operators.geometry.cameras import camera_axes, ego_to_map, ground_point
from operators.messages import Box, CameraModel, DepthFrame, EgoState, Obstacle, Track

Floats = NDArray[np.float64]


class Shape(NamedTuple):
    """Footprint of a kind of road user and the height from which it is assumed."""

    height_min_m: float
    length_m: float
    width_m: float


VEHICLES = (Shape(2.4, 8.0, 2.5), Shape(1.85, 5.4, 2.0), Shape(0.0, 4.5, 1.85))
"""Truck, van, car: the first whose height is reached."""
PERSON = Shape(0.0, 0.5, 0.6)

FLANK_QUANTILE = 0.1
FLANK_PIXELS_MIN = 12


@dataclass(frozen=True)
class LocatorSettings:
    """How a box's depth is read."""

    middle: float = 0.5
    """Share of the box's width and height whose depths count."""
    quantile: float = 0.25
    pixels_min: int = 3
    range_max_m: float = 120.0
    depth_error_share: float = 0.005
    spread_share: float = 0.5
    """How much of the spread of depths in the box counts as uncertainty of its distance."""
    box_error_px: float = 1.5


VEHICLE_SHAPE_STD_M = 0.25
CUT_BOX_STD_M = 0.6
"""What the assumed shape of a vehicle adds across the line of sight, and a box that the picture's edge cuts."""


class _Range(NamedTuple):
    depth_m: float
    std_m: float


def locate(track: Track, depth: DepthFrame, ego: EgoState, settings: LocatorSettings | None = None) -> Obstacle | None:
    """The obstacle behind one track, in map; None when the box says neither depth nor road, or is out of range.

    Vehicles stand along the ego's heading unless they are seen from the side; their nearest face is measured and half
    their length (or width) is added.
    """
    chosen = settings or LocatorSettings()
    camera = depth.camera
    if not _usable(track.box):
        return None
    found = depth_of(track.box, depth, chosen) or _depth_from_road(track.box, camera, chosen)
    if found is None or not 0.3 < found.depth_m <= chosen.range_max_m:
        return None
    if track.label == "vehicle":
        centre, length, width, yaw = _vehicle(track.box, camera, found.depth_m, flank_of(track.box, depth))
    else:
        u = (track.box.x0_px + track.box.x1_px) / 2.0
        centre, length, width, yaw = _on_road(camera, u, found.depth_m + PERSON.length_m / 2.0), *PERSON[1:], 0.0
    x, y = ego_to_map(ego, np.array([centre]))[0]
    return Obstacle(
        track_id=track.track_id,
        label=track.label,
        score=track.score,
        x_m=float(x),
        y_m=float(y),
        length_m=length,
        width_m=width,
        yaw_rad=math.remainder(ego.yaw_rad + yaw, math.tau),
        position_std_m=found.std_m,
        cross_std_m=_cross_std_m(track, camera, found.depth_m, chosen),
        sight_rad=math.atan2(y - ego.y_m, x - ego.x_m),
    )


def _cross_std_m(track: Track, camera: CameraModel, depth_m: float, settings: LocatorSettings) -> float:
    std = 0.05 + settings.box_error_px * depth_m / camera.fx_px
    if track.label == "vehicle":
        std += VEHICLE_SHAPE_STD_M
        std += CUT_BOX_STD_M * float(track.box.x0_px <= 1.0 or track.box.x1_px >= camera.width_px - 1.0)
    return std


def depth_of(box: Box, depth: DepthFrame, settings: LocatorSettings) -> _Range | None:
    """Distance of the object in ``box`` along the optical axis; None when the picture has no depth there."""
    rows, columns = depth.depth_m.shape if depth.depth_m.ndim == 2 else (0, 0)
    if rows == 0 or columns == 0:
        return None
    # Boxes may be in the pixels of a camera picture of another size than the depth picture.
    across, down = columns / depth.camera.width_px, rows / depth.camera.height_px
    margin = (1.0 - settings.middle) / 2.0
    x0, x1 = _middle(box.x0_px * across, box.x1_px * across, margin, columns)
    y0, y1 = _middle(box.y0_px * down, box.y1_px * down, margin, rows)
    values = depth.depth_m[y0:y1, x0:x1]
    finite = values[np.isfinite(values) & (values > 0.0)]
    if finite.size < min(settings.pixels_min, values.size) or finite.size == 0:
        return None
    nearer, near, middle = (float(q) for q in np.quantile(finite, (settings.quantile / 2.0, settings.quantile, 0.5)))
    # A box that holds two things at different distances may show the other one in the next picture.
    spread = max(middle - near, near - nearer)
    return _Range(near, 0.1 + settings.depth_error_share * near + settings.spread_share * spread)


def _middle(low: float, high: float, margin: float, size: int) -> tuple[int, int]:
    inset = (high - low) * margin
    first = min(max(int(low + inset), 0), size - 1)
    return first, min(max(math.ceil(high - inset), first + 1), size)


def _depth_from_road(box: Box, camera: CameraModel, settings: LocatorSettings) -> _Range | None:
    """Distance at which the box's lower edge touches the road; None above the horizon.

    A box cut off by the picture's lower edge stands somewhat nearer than the road seen there.
    """
    is_cut = box.y1_px >= camera.height_px - 1.0
    point = ground_point(camera, (box.x0_px + box.x1_px) / 2.0, min(box.y1_px, float(camera.height_px)))
    if point is None:
        return None
    forward = camera_axes(camera)[:, 2]
    depth = float((point - (camera.x_m, camera.y_m, camera.z_m)) @ forward)
    if is_cut:
        return _Range(0.9 * depth, 0.3 + 0.1 * depth)
    # d = f h / rows below the horizon, so one row off moves it by d² / (f h).
    return _Range(depth, 0.1 + settings.box_error_px * depth**2 / (camera.fy_px * max(camera.z_m, 0.1)))


def flank_of(box: Box, depth: DepthFrame) -> float | None:
    """How far beside the optical axis an object's near flank lies, metres, positive; None without depth.

    Background seen through the box lies further out, so a low quantile of the pixels' lateral distances is the flank.
    """
    camera = depth.camera
    rows, columns = depth.depth_m.shape if depth.depth_m.ndim == 2 else (0, 0)
    if rows == 0 or columns == 0:
        return None
    across, down = columns / camera.width_px, rows / camera.height_px
    x0, x1 = _middle(box.x0_px * across, box.x1_px * across, 0.0, columns)
    y0, y1 = _middle(box.y0_px * down, box.y1_px * down, 0.25, rows)
    slope = np.abs((np.arange(x0, x1) + 0.5) / across - camera.cx_px) / camera.fx_px
    aside = depth.depth_m[y0:y1, x0:x1] * slope
    finite = aside[np.isfinite(aside)]
    return float(np.quantile(finite, FLANK_QUANTILE)) if finite.size >= FLANK_PIXELS_MIN else None


def _vehicle(
    box: Box, camera: CameraModel, depth_m: float, flank_m: float | None
) -> tuple[tuple[float, float], float, float, float]:
    """Centre in the ego frame, length, width and heading relative to the ego."""
    height = (box.y1_px - box.y0_px) * depth_m / camera.fy_px
    shape = next(shape for shape in VEHICLES if height >= shape.height_min_m)
    left = -(box.x0_px - camera.cx_px) / camera.fx_px * depth_m
    right = -(box.x1_px - camera.cx_px) / camera.fx_px * depth_m
    is_cut = box.x0_px <= 1.0 or box.x1_px >= camera.width_px - 1.0
    length, width, yaw = shape.length_m, shape.width_m, 0.0
    if right > 0.0 or left < 0.0:
        side = math.copysign(1.0, left + right)
        outer, inner = max(abs(left), abs(right)), min(abs(left), abs(right))
        middle, length = _beside(outer, inner, depth_m, flank_m, shape, is_cut)
        middle *= side
    else:
        middle = (left + right) / 2.0
        if left - right > 1.6 * width and not is_cut:  # Seen from the side: it stands across.
            length, yaw = min(left - right, 16.0), math.pi / 2.0
            depth_m += (width - length) / 2.0
    return _on_road_at(camera, middle, depth_m + length / 2.0), length, width, yaw


def _beside(
    outer_m: float, inner_m: float, depth_m: float, flank_m: float | None, shape: Shape, is_cut: bool
) -> tuple[float, float]:
    """Distance of the middle line from the optical axis and length, for a vehicle whose box lies off the axis.

    Such a box shows the near face and the flank: its outer edge belongs to the near face, at ``depth_m``; its inner
    edge is the far end of the flank, and tells how far back that is.
    """
    if flank_m is not None:
        near_side = flank_m
    elif is_cut:  # Nobody knows where the near face ends; the flank is at most as far out as the picture shows it.
        near_side = min(outer_m, inner_m / depth_m * (depth_m + shape.length_m))
    elif outer_m - inner_m > shape.width_m:
        near_side = outer_m - shape.width_m
    else:
        return (outer_m + inner_m) / 2.0, shape.length_m
    reach = near_side / max(inner_m / depth_m, 1e-3) - depth_m
    length = shape.length_m if is_cut else min(max(reach, shape.length_m - 1.5), 16.0)
    return near_side + shape.width_m / 2.0, length


def _on_road(camera: CameraModel, u_px: float, depth_m: float) -> tuple[float, float]:
    return _on_road_at(camera, -(u_px - camera.cx_px) / camera.fx_px * depth_m, depth_m)


def _on_road_at(camera: CameraModel, left_m: float, ahead_m: float) -> tuple[float, float]:
    """Ego-frame x and y of a point ``ahead_m`` along the camera's heading and ``left_m`` to the left of it."""
    cos, sin = math.cos(camera.yaw_rad), math.sin(camera.yaw_rad)
    ahead = ahead_m * math.cos(camera.pitch_rad)
    return camera.x_m + ahead * cos - left_m * sin, camera.y_m + ahead * sin + left_m * cos


def _usable(box: Box) -> bool:
    edges = (box.x0_px, box.y0_px, box.x1_px, box.y1_px)
    return all(math.isfinite(edge) for edge in edges) and box.x1_px > box.x0_px and box.y1_px > box.y0_px
