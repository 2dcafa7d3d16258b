"""The ground that a junction's lanes enclose: as far out as any lane reaches, in every direction from the middle."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from operators.maps.lanes import Array, Lane

RAYS = 256
SPAN_MAX_M = 60.0
"""A larger junction may have something else than asphalt in its middle."""


def junction_area(lanes: Sequence[Lane]) -> Array | None:
    """A closed ring (257, 3) around the lanes, or None where that is no simple area.

    Between lanes that meet at the middle's far sides it follows the outermost border: the kerb line.
    """
    if len(lanes) < 2:
        return None
    starts, ends = _borders(lanes)
    low, high = starts.min(axis=0), starts.max(axis=0)
    if float((high - low)[:2].max()) > SPAN_MAX_M:
        return None
    middle = 0.5 * (low + high)
    angles: Array = (np.arange(RAYS, dtype=np.float64) + 0.5) * (2.0 * np.pi / RAYS)
    reach, height = _reach(starts - middle, ends - middle, angles)
    if not np.isfinite(reach).all():
        return None
    ring = middle + np.stack([reach * np.cos(angles), reach * np.sin(angles), height], axis=1)
    return np.concatenate([ring, ring[:1]])


def _borders(lanes: Sequence[Lane]) -> tuple[Array, Array]:
    starts, ends = [], []
    for lane in lanes:
        across = np.stack([-np.sin(lane.yaw_rad), np.cos(lane.yaw_rad), np.zeros(len(lane.s_m))], axis=1)
        centre = np.stack([lane.x_m, lane.y_m, lane.z_m], axis=1)
        left, right = (centre + side * 0.5 * lane.width_m[:, None] * across for side in (1.0, -1.0))
        for edge in (left, right):
            starts.append(edge[:-1])
            ends.append(edge[1:])
        for i in (0, -1):
            starts.append(left[i : i + 1 or None])
            ends.append(right[i : i + 1 or None])
    return np.concatenate(starts), np.concatenate(ends)


def _reach(starts: Array, ends: Array, angles: Array) -> tuple[Array, Array]:
    """How far out each ray from the origin crosses a segment last, and the height there."""
    along = ends - starts
    reach, height = np.full(len(angles), -np.inf), np.zeros(len(angles))
    for i, angle in enumerate(angles):
        cosine, sine = np.cos(angle), np.sin(angle)
        # Seen along the ray: where a segment changes sides, and how far out.
        side, change = cosine * starts[:, 1] - sine * starts[:, 0], cosine * along[:, 1] - sine * along[:, 0]
        with np.errstate(divide="ignore", invalid="ignore"):
            share = -side / change
        hit = (share >= -1e-9) & (share <= 1.0 + 1e-9)
        if hit.any():
            at = starts[hit] + share[hit, None] * along[hit]
            out = cosine * at[:, 0] + sine * at[:, 1]
            best = int(out.argmax())
            if out[best] > 0.0:
                reach[i], height[i] = out[best], at[best, 2]
    return reach, height
