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
    targets: int,
) -> NDArray[np.float64]:
    """Share of each of the first ``targets`` boxes that no other box hides and that lies inside the view, (targets,).

    eye: (3,) camera position; half_view: tangents of the view's left and right limits; boxes: (n, 5) outlines on the
    ground, the later ones only hide; heights: (n,). The share is over the target's silhouette: angle times slope.
    """
    count = boxes.shape[0]
    share, outlines, span = np.zeros(targets), np.empty((count, 4, 2)), np.empty((count, 3))
    cos, sin = math.cos(yaw), math.sin(yaw)
    for k in range(count):
        write_corners(boxes[k, 0], boxes[k, 1], boxes[k, 2], boxes[k, 3], boxes[k, 4], outlines[k])
        angular_span(outlines[k], eye, cos, sin, span[k])
    for k in range(targets):
        if span[k, 2] < 0.5:
            continue
        total, seen = 0.0, 0.0
        for ray in range(RAYS):
            tangent = span[k, 0] + (span[k, 1] - span[k, 0]) * (ray + 0.5) / RAYS
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
            for j in range(count):
                if j != k and span[j, 0] <= tangent <= span[j, 1]:
                    other = ray_to_box(eye[0], eye[1], dx, dy, outlines[j])
                    if other < mine:
                        hidden = max(hidden, (heights[j] - eye[2]) / other)
            seen += max(0.0, top - hidden)
        if total > 0.0:
            share[k] = seen / total
    return share


@kernel
def angular_span(
    outline: NDArray[np.float64], eye: NDArray[np.float64], cos: float, sin: float, out: NDArray[np.float64]
) -> None:
    """Lowest and highest tangent (left over forward) of an outline and whether all of it is ahead (1) or not (0).

    An outline that reaches behind the eye has no bounds and an all-behind one an empty span.
    """
    out[0], out[1], out[2] = np.inf, -np.inf, 1.0
    behind = 0
    for i in range(4):
        dx, dy = outline[i, 0] - eye[0], outline[i, 1] - eye[1]
        forward, left = dx * cos + dy * sin, dy * cos - dx * sin
        if forward < 0.3:
            behind += 1
        else:
            out[0], out[1] = min(out[0], left / forward), max(out[1], left / forward)
    if behind > 0:
        out[2] = 0.0
        if behind < 4:
            out[0], out[1] = -np.inf, np.inf
