"""Whether two outlines touch, how far apart they are and how fast they meet. Outlines are oriented boxes on the ground.

Pure geometry; which pairs matter is ``world``'s decision.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from scenarios.world.kernels import allocating, kernel
from scenarios.world.roads import frenet

CENTRE_X, CENTRE_Y, HEADING, LENGTH, WIDTH = range(5)
"""Columns of a box."""


@kernel
def write_corners(x: float, y: float, yaw: float, length: float, width: float, out: NDArray[np.float64]) -> None:
    """``corners`` into ``out``."""
    cos, sin = math.cos(yaw), math.sin(yaw)
    for i in range(4):
        along = 0.5 * length if i == 0 or i == 3 else -0.5 * length
        across = 0.5 * width if i < 2 else -0.5 * width
        out[i, 0] = x + along * cos - across * sin
        out[i, 1] = y + along * sin + across * cos


@allocating
def corners(x: float, y: float, yaw: float, length: float, width: float) -> NDArray[np.float64]:
    """Corners of a box given by its centre, counter-clockwise from front left: (4, 2)."""
    out = np.empty((4, 2))
    write_corners(x, y, yaw, length, width, out)
    return out


@kernel
def overlap(a: NDArray[np.float64], b: NDArray[np.float64]) -> bool:
    """Whether two boxes (corner arrays) overlap: separating-axis test over the four edge normals."""
    for k in range(4):
        box = a if k < 2 else b
        i = k % 2
        nx, ny = box[i + 1, 0] - box[i, 0], box[i + 1, 1] - box[i, 1]
        low_a, high_a, low_b, high_b = 1e300, -1e300, 1e300, -1e300
        for j in range(4):
            pa = a[j, 0] * nx + a[j, 1] * ny
            pb = b[j, 0] * nx + b[j, 1] * ny
            low_a, high_a = min(low_a, pa), max(high_a, pa)
            low_b, high_b = min(low_b, pb), max(high_b, pb)
        if high_a < low_b or high_b < low_a:
            return False
    return True


@kernel
def point_to_edge(px: float, py: float, ax: float, ay: float, bx: float, by: float) -> float:
    """Distance of a point from a line segment."""
    dx, dy = bx - ax, by - ay
    squared = dx * dx + dy * dy
    t = 0.0 if squared == 0.0 else min(1.0, max(0.0, ((px - ax) * dx + (py - ay) * dy) / squared))
    return math.sqrt((px - ax - t * dx) ** 2 + (py - ay - t * dy) ** 2)


@kernel
def gap(a: NDArray[np.float64], b: NDArray[np.float64]) -> float:
    """Smallest distance between two boxes (corner arrays); 0 when they overlap."""
    if overlap(a, b):
        return 0.0
    best = 1e300
    for i in range(4):
        for j in range(4):
            k = (j + 1) % 4
            best = min(best, point_to_edge(a[i, 0], a[i, 1], b[j, 0], b[j, 1], b[k, 0], b[k, 1]))
            best = min(best, point_to_edge(b[i, 0], b[i, 1], a[j, 0], a[j, 1], a[k, 0], a[k, 1]))
    return best


@allocating
def first_touched(own: NDArray[np.float64], boxes: NDArray[np.float64]) -> int:
    """Row of the first of ``boxes`` (n, 5) that the box ``own`` (5,) overlaps, or -1."""
    mine, other = np.empty((4, 2)), np.empty((4, 2))
    write_corners(own[0], own[1], own[2], own[3], own[4], mine)
    for k in range(boxes.shape[0]):
        reach = own[3] + boxes[k, 3] + boxes[k, 4]
        if abs(boxes[k, 0] - own[0]) < reach and abs(boxes[k, 1] - own[1]) < reach:
            write_corners(boxes[k, 0], boxes[k, 1], boxes[k, 2], boxes[k, 3], boxes[k, 4], other)
            if overlap(mine, other):
                return k
    return -1


@allocating
def corridor_gap(
    own: NDArray[np.float64],
    boxes: NDArray[np.float64],
    table: NDArray[np.float64],
    half_width: float,
    ahead_only: bool,
) -> float:
    """Smallest gap from ``own`` (5,) to any of ``boxes`` (n, 5) that reaches into its corridor; inf when there is none.

    The corridor follows the road (``Road.table``) at the lateral position of ``own``, ± ``half_width``, for 60 m,
    from the rear of ``own`` or, with ``ahead_only``, from its front.
    """
    mine, other = np.empty((4, 2)), np.empty((4, 2))
    write_corners(own[0], own[1], own[2], own[3], own[4], mine)
    own_s, own_d = frenet(table, own[0], own[1])
    beyond, best = own_s + (0.5 * own[3] if ahead_only else -0.5 * own[3]), np.inf
    for k in range(boxes.shape[0]):
        if abs(boxes[k, 0] - own[0]) > 60.0 or abs(boxes[k, 1] - own[1]) > 60.0:
            continue
        write_corners(boxes[k, 0], boxes[k, 1], boxes[k, 2], boxes[k, 3], boxes[k, 4], other)
        low, high, farthest = np.inf, -np.inf, -np.inf
        for i in range(4):
            s, d = frenet(table, other[i, 0], other[i, 1])
            low, high, farthest = min(low, d - own_d), max(high, d - own_d), max(farthest, s)
        if farthest > beyond and low < half_width and high > -half_width:
            best = min(best, gap(mine, other))
    return best
