"""Since when each person on foot has been a danger that the ego could see. For the question of fault only."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from scenarios.world.collision import write_corners
from scenarios.world.kernels import allocating
from scenarios.world.occlusion import ray_to_box

Floats = NDArray[np.float64]

REACTION_S, BRAKING_MPS2 = 1.0, 6.0
HALF_LANE_M = 2.0
SOON_S = 3.0
SIGHT_M = 90.0
FORGET_S = 0.5

NEVER, EARLY, LATE = 0, 1, 2


@allocating
def watch(
    rows: NDArray[np.int64], outlines: Floats, heights: Floats, speeds: Floats, ego: Floats, ego_speed: float,
    now: float, seen: Floats,
) -> None:  # fmt: skip
    """Bring ``seen`` (n, 2) up to date for the people in ``rows``: NEVER, EARLY or LATE, and when last seen.

    outlines: (n, 5); heights: (n,); speeds: (n, 2) in map axes; ego: its outline (5,). EARLY: when the danger came in
    sight, the ego could still stop short of it.
    """
    cos, sin = math.cos(ego[2]), math.sin(ego[2])
    for index in range(rows.shape[0]):
        row = rows[index]
        dx, dy = outlines[row, 0] - ego[0], outlines[row, 1] - ego[1]
        forward, left = dx * cos + dy * sin, dy * cos - dx * sin
        if forward < 0.0 or forward > SIGHT_M or abs(left) > 40.0:
            seen[row, 0] = NEVER
            continue
        across = speeds[row, 1] * cos - speeds[row, 0] * sin
        danger = abs(left) < HALF_LANE_M or (left * across < 0.0 and abs(left) / abs(across) < SOON_S)
        if danger and is_open(row, outlines, heights, ego, dx, dy):
            if seen[row, 0] == NEVER:
                room = forward - 0.5 * ego[3]
                needed = ego_speed * REACTION_S + ego_speed * ego_speed / (2.0 * BRAKING_MPS2)
                seen[row, 0] = EARLY if room > needed else LATE
            seen[row, 1] = now
        elif now - seen[row, 1] > FORGET_S:
            seen[row, 0] = NEVER


@allocating
def is_open(row: int, outlines: Floats, heights: Floats, ego: Floats, dx: float, dy: float) -> bool:
    """Whether nothing of three quarters of the person's height or more stands in the line of sight."""
    distance = math.sqrt(dx * dx + dy * dy)
    if distance < 1.0:
        return True
    box = np.empty((4, 2))
    for k in range(outlines.shape[0]):
        if k == row or heights[k] < 0.75 * heights[row]:
            continue
        kx, ky = outlines[k, 0] - ego[0], outlines[k, 1] - ego[1]
        if abs(kx * dy - ky * dx) / distance > outlines[k, 3] or kx * kx + ky * ky > (distance + 10.0) ** 2:
            continue
        write_corners(outlines[k, 0], outlines[k, 1], outlines[k, 2], outlines[k, 3], outlines[k, 4], box)
        if ray_to_box(ego[0], ego[1], dx / distance, dy / distance, box) < distance - 0.3:
            return False
    return True
