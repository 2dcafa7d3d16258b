"""What share of each road user the camera can see past the others: rays on the ground against outlines, with heights.

Works without pixels. Vertical extent is handled by slopes: a low car hides a person's legs, not their head.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from scenarios.world.collision import write_corners
from scenarios.world.kernels import allocating, kernel

RAYS = 24


@kernel
def ray_to_box(ox: float, oy: float, dx: float, dy: float, box: NDArray[np.float64]) -> float:
    """Distance along a ray (unit direction) to the nearest edge of a box (corners, (4, 2)); inf when it misses."""
    best = np.inf
    for i in range(4):
        j = (i + 1) % 4
        ex, ey = box[j, 0] - box[i, 0], box[j, 1] - box[i, 1]
        cross = dx * ey - dy * ex
        if abs(cross) < 1e-12:
            continue
        px, py = box[i, 0] - ox, box[i, 1] - oy
        t = (px * ey - py * ex) / cross
        u = (px * dy - py * dx) / cross
        if t > 0.0 and -1e-9 <= u <= 1.0 + 1e-9 and t < best:
            best = t
    return best


@allocating
def visible_share(
    eye: NDArray[np.float64],
    yaw: float,
    half_view: tuple[float, float],
    boxes: NDArray[np.float64],
    heights: NDArray[np.float64],
) -> NDArray[np.float64]:
    """Share of each box that is neither hidden by any other box nor outside the view, (n,).

    eye: (3,) camera position; half_view: tangents of the view's left and right limits; boxes: (n, 5)
    outlines on the ground; heights: (n,). The share is over the target's silhouette: angle times slope.
    """
    targets = boxes.shape[0]
    share, outlines = np.zeros(targets), np.empty((targets, 4, 2))
    for k in range(targets):
        write_corners(boxes[k, 0], boxes[k, 1], boxes[k, 2], boxes[k, 3], boxes[k, 4], outlines[k])
    cos, sin = math.cos(yaw), math.sin(yaw)
    for k in range(targets):
        low, high, ahead = np.inf, -np.inf, True
        for i in range(4):
            dx, dy = outlines[k, i, 0] - eye[0], outlines[k, i, 1] - eye[1]
            forward, left = dx * cos + dy * sin, dy * cos - dx * sin
            if forward < 0.3:
                ahead = False
                break
            low, high = min(low, left / forward), max(high, left / forward)
        if not ahead:
            continue
        total, seen = 0.0, 0.0
        for ray in range(RAYS):
            tangent = low + (high - low) * (ray + 0.5) / RAYS
            norm = math.sqrt(1.0 + tangent * tangent)
            dx, dy = (cos - tangent * sin) / norm, (sin + tangent * cos) / norm
            mine = ray_to_box(eye[0], eye[1], dx, dy, outlines[k])
            if mine == np.inf:
                continue
            bottom, top = -eye[2] / mine, (heights[k] - eye[2]) / mine
            total += top - bottom
            if tangent > half_view[0] or tangent < -half_view[1]:
                continue
            hidden = bottom
            for j in range(outlines.shape[0]):
                if j != k:
                    other = ray_to_box(eye[0], eye[1], dx, dy, outlines[j])
                    if other < mine:
                        hidden = max(hidden, (heights[j] - eye[2]) / other)
            seen += max(0.0, top - hidden)
        if total > 0.0:
            share[k] = seen / total
    return share
