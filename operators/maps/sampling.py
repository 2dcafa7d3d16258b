"""Turns a lane section into arrays: stations dense enough for its curves, and every lane's borders there."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from operators.maps.description import Road, Section
from operators.maps.planview import evaluate

Array = NDArray[np.float64]

STEP_MAX_M, STEP_MIN_M = 1.9, 0.05
SAGITTA_MAX_M = 0.004
POINTS_MAX = 4_000_000
"""Of a whole map, over all lanes."""


@dataclass(frozen=True, slots=True)
class SectionSamples:
    """A lane section at (n,) stations. ``borders``: lane id → (t, dt/ds) of its outer border; 0: of the centre line."""

    s_m: Array
    x_m: Array
    y_m: Array
    z_m: Array
    yaw_rad: Array
    curvature: Array
    bank_rad: Array
    borders: dict[int, tuple[Array, Array]]

    def at(self, t_m: Array) -> tuple[Array, Array, Array]:
        """x, y, z (m) at lateral offsets ``t_m`` (n,), left positive."""
        across = t_m * np.cos(self.bank_rad)
        return (
            self.x_m - np.sin(self.yaw_rad) * across,
            self.y_m + np.cos(self.yaw_rad) * across,
            self.z_m + t_m * np.sin(self.bank_rad),
        )

    def inner(self, lane: int) -> tuple[Array, Array]:
        """(t, dt/ds) of a lane's border towards the centre line."""
        return self.borders[lane - 1 if lane > 0 else lane + 1]


def stations(road: Road, section: Section, budget: int = POINTS_MAX) -> Array:
    """Stations from the section's start to its end, at most 2 m apart on every lane.

    Raises MapError when more than ``budget`` points would come of it.
    """
    start, end = section.s_m, section.end_m
    knots = _knots(road, section)
    reach = _reach(road, section)
    ordered = np.array(sorted({start, end, *(k for k in knots if start + 1e-6 < k < end - 1e-6)}))
    pieces = np.array([piece.s_m for piece in road.pieces])
    curvatures = np.array([piece.curvature_max() for piece in road.pieces])
    first = np.clip(np.searchsorted(pieces, ordered[:-1] + 1e-6, side="right") - 1, 0, None)
    curvature = curvatures[first] + _bends(road, section, ordered)
    step = np.sqrt(8.0 * SAGITTA_MAX_M / np.maximum(curvature, 1e-9))
    step = np.clip(np.minimum(step, STEP_MAX_M / (1.0 + curvature * reach)), STEP_MIN_M, STEP_MAX_M)
    counts = np.ceil(np.diff(ordered) / step).astype(np.int64)
    if int(counts.sum()) * (len(section.lanes) + 1) > budget:
        raise section.element.error(
            f"the map needs more than {POINTS_MAX} points to be drawn", "cut it into parts, or mend its curvatures"
        )
    parts = [np.linspace(a, b, n, endpoint=False) for a, b, n in zip(ordered, ordered[1:], counts, strict=False)]
    return np.concatenate([*parts, [end]])


def sampled(road: Road, section: Section, s: Array) -> SectionSamples:
    """The section at the stations ``s`` (n,)."""
    x, y, yaw, curvature = evaluate(road.pieces, s)
    # At the section's last station the pieces before it count, not those that begin there.
    inside = np.clip(s, section.s_m, max(section.s_m, section.end_m - 1e-6))
    offset, slope = road.lane_offset.value(inside), road.lane_offset.slope(inside)
    borders = {0: (offset, slope)}
    for side in (1, -1):
        t, dt = offset, slope
        for label in sorted((lane for lane in section.lanes if lane * side > 0), key=abs):
            lane = section.lanes[label]
            local = inside - section.s_m
            if len(lane.width):
                width, change = lane.width.value(local), lane.width.slope(local)
                t = t + side * np.maximum(width, 0.0)
                dt = dt + side * np.where(width > 0.0, change, 0.0)
            else:
                t, dt = offset + lane.border.value(local), slope + lane.border.slope(local)
            borders[label] = (t, dt)
    return SectionSamples(s, x, y, road.elevation.value(s), yaw, curvature, road.superelevation.value(s), borders)


def _bends(road: Road, section: Section, knots: Array) -> Array:
    """How much the lanes' borders bend against the reference line, at most (1/m), between knots."""
    bend = road.lane_offset.bend(knots)
    for side in (1, -1):
        lanes = [lane for label, lane in section.lanes.items() if label * side > 0]
        local = knots - section.s_m
        bend = np.maximum(bend, sum((lane.width.bend(local) for lane in lanes), road.lane_offset.bend(knots)))
        for lane in lanes:
            bend = np.maximum(bend, lane.border.bend(local))
    return bend


def _knots(road: Road, section: Section) -> list[float]:
    knots = [piece.s_m for piece in road.pieces]
    for cubics in (road.lane_offset, road.elevation, road.superelevation):
        knots += cubics.starts.tolist()
    for lane in section.lanes.values():
        knots += (lane.width.starts + section.s_m).tolist() + (lane.border.starts + section.s_m).tolist()
    return knots


def _reach(road: Road, section: Section) -> float:
    """How far the outermost lane lies from the reference line, about."""
    ends = np.array([section.s_m, 0.5 * (section.s_m + section.end_m), section.end_m - 1e-6])
    rough = sampled(road, section, ends)
    return max(float(np.abs(t).max()) for t, _ in rough.borders.values())
