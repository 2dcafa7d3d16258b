"""How much of the sky houses hide from a place: what makes satellite positions jump."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from scenarios.world.collision import write_corners
from scenarios.world.kernels import allocating
from scenarios.world.occlusion import ray_to_box

DIRECTIONS = 32


@allocating
def blocked(point: NDArray[np.float64], boxes: NDArray[np.float64], heights: NDArray[np.float64]) -> float:
    """Share of the hemisphere above ``point``, (3,), that upright cuboids hide, in [0, 1].

    boxes: (n, 5) outlines on the ground; heights: (n,).
    """
    corners, steep = np.empty((4, 2)), np.zeros(DIRECTIONS)
    for k in range(boxes.shape[0]):
        write_corners(boxes[k, 0], boxes[k, 1], boxes[k, 2], boxes[k, 3], boxes[k, 4], corners)
        rise = heights[k] - point[2]
        for i in range(DIRECTIONS):
            angle = (i + 0.5) * 2.0 * math.pi / DIRECTIONS
            away = ray_to_box(point[0], point[1], math.cos(angle), math.sin(angle), corners)
            if rise > 0.0 and away < np.inf:
                steep[i] = max(steep[i], rise / math.sqrt(rise * rise + away * away))
    # Area on a sphere goes with the sine of the elevation.
    return float(steep.mean())
