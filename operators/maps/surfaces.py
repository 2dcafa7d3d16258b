"""What the ground of a map looks like: strips of asphalt, pavement and paint. How it is drawn, others decide."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from operators.maps.description import Mark, Road, Section
from operators.maps.junction_area import junction_area
from operators.maps.lanes import DRIVABLE, Array, Crosswalk, Lane, LaneKey
from operators.maps.roadmap import RoadMap
from operators.maps.sampling import SectionSamples, sampled, stations

MATERIALS = ("grass", "asphalt", "parking", "cycleway", "pavement", "kerb", "crosswalk", "white", "yellow")
"""Lowest first: what comes later lies on top. What no surface covers is grass."""
KERB_M, KERB_HEIGHT_M = 0.15, 0.12
STOP_LINE_M, TOOTH_M, BAR_M = 0.4, 0.5, 0.5
DASH_M, DASH_FAST_M = (3.0, 6.0), (6.0, 12.0)
"""(dash, gap) of broken lines, in town and where more than 70 km/h are allowed."""
BARE_MAX_M = 15.0
FLAT_M = 0.02
"""How far a simplified edge may lie from the true one, about."""

_MATERIAL_OF = {
    "sidewalk": "pavement", "walking": "pavement", "curb": "kerb", "parking": "parking", "biking": "cycleway",
    "shoulder": "asphalt", "stop": "asphalt", "restricted": "asphalt", "rail": "asphalt", "tram": "asphalt",
    "border": "grass", "median": "grass", "none": "grass",
    **dict.fromkeys(DRIVABLE, "asphalt"),
}  # fmt: skip
_YELLOW = {"yellow", "orange"}


@dataclass(frozen=True, slots=True, eq=False)
class Surface:
    """A strip of one material between two edges: ``left``, ``right`` (n, 3) x, y, z in m; quads between neighbours."""

    material: str
    left: Array
    right: Array

    @property
    def outline(self) -> Array:
        """(2n, 2) polygon around it."""
        return np.concatenate([self.left[:, :2], self.right[::-1, :2]])


def surfaces(map_: RoadMap) -> list[Surface]:
    """See ``RoadMap.surfaces``."""
    found: list[Surface] = []
    bare = _bare(map_)
    for road in map_.description.roads.values():
        for index, section in enumerate(road.sections):
            samples = sampled(road, section, stations(road, section))
            found += _strips(road, section, samples)
            found += _marks(road, index, section, samples, map_, bare.get(road.id, (0.0, road.length_m)))
    found += _areas(map_)
    for crosswalk in map_.crosswalks:
        found += _crosswalk(map_, crosswalk)
    found += _stop_lines(map_)
    order = {material: i for i, material in enumerate(MATERIALS)}
    return sorted(found, key=lambda surface: order[surface.material])


def _strips(road: Road, section: Section, samples: SectionSamples) -> Iterator[Surface]:
    for label, lane in section.lanes.items():
        if not label:
            continue
        material = _MATERIAL_OF.get(lane.type, "asphalt")
        inner, outer = samples.inner(label)[0], samples.borders[label][0]
        if float(np.abs(outer - inner).max()) < 0.02:
            continue
        raised = KERB_HEIGHT_M if material == "pavement" else 0.0
        yield _strip(material, samples, inner, outer, raised)
        within = section.lanes.get(label - 1 if label > 0 else label + 1)
        beside = within.type if within is not None and within.id else "driving"
        if material == "pavement" and _MATERIAL_OF.get(beside, "asphalt") not in ("pavement", "kerb", "grass"):
            side = 1.0 if label > 0 else -1.0
            yield _strip("kerb", samples, inner, inner + side * np.minimum(KERB_M, np.abs(outer - inner)), raised)


def _strip(material: str, samples: SectionSamples, one: Array, other: Array, raised: float = 0.0) -> Surface:
    left, right = np.maximum(one, other), np.minimum(one, other)
    a, b = (np.stack(samples.at(t), axis=1) + (0.0, 0.0, raised) for t in (left, right))
    kept = np.flatnonzero(bends(a, b))
    return Surface(material, a[kept], b[kept])


def bends(*edges: Array) -> np.ndarray[tuple[int, ...], np.dtype[np.bool_]]:
    """Which points of edges (n, 3) that belong together are needed for them to stay within a few cm of themselves."""
    kept = np.ones(len(edges[0]), dtype=np.bool_)
    if len(kept) < 3:
        return kept
    turn, reach = np.zeros(len(kept) - 2), np.zeros(len(kept) - 2)
    for edge in edges:
        step = np.diff(edge, axis=0)
        length = np.maximum(np.hypot(step[:, 0], step[:, 1]), 1e-9)
        yaw, slope = np.unwrap(np.arctan2(step[:, 1], step[:, 0])), step[:, 2] / length
        turn = np.maximum(turn, np.abs(np.diff(yaw)) + np.abs(np.diff(slope)))
        reach = np.maximum(reach, 0.5 * (length[:-1] + length[1:]))
    # A chord of length L over a bend of curvature k lies k L² / 8 away: so many chords are needed until here.
    chords = np.cumsum(np.sqrt(turn * reach / (8.0 * FLAT_M)))
    kept[1:-1] = (np.diff(np.floor(np.concatenate(([0.0], chords)))) > 0.0) | (turn > 0.05)
    return kept


def _bare(map_: RoadMap) -> dict[str, tuple[float, float]]:
    """From where to where roads have marks: none between a junction and the line in front of it."""
    found: dict[str, tuple[float, float]] = {}
    for signal in map_.signals:
        for key, s_m in signal.stops:
            lane, road = map_.lanes[key], map_.description.roads[key.road]
            station = float(np.interp(s_m, lane.s_m, lane.station_m))
            first, last = found.get(road.id, (0.0, road.length_m))
            if lane.forward and road.length_m - station < BARE_MAX_M:
                last = min(last, station)
            elif not lane.forward and station < BARE_MAX_M:
                first = max(first, station)
            found[road.id] = (first, last)
    return {road: ends for road, ends in found.items() if not map_.description.roads[road].junction}


def _marks(
    road: Road, index: int, section: Section, samples: SectionSamples, map_: RoadMap, ends_m: tuple[float, float]
) -> Iterator[Surface]:
    for label, lane in section.lanes.items():
        ends = [*(mark.s_m + section.s_m for mark in lane.marks[1:]), section.end_m]
        for mark, end in zip(lane.marks, ends, strict=False):
            start, end = max(section.s_m + mark.s_m, ends_m[0]), min(end, ends_m[1])
            if end - start > 0.05:
                beside = map_.lanes.get(LaneKey(road.id, index, label or -1)) or map_.lanes.get(
                    LaneKey(road.id, index, 1)
                )
                fast = beside is not None and beside.limit_mps > 20.0
                yield from _mark(mark, start, end, samples, samples.borders[label][0], fast)


def _mark(mark: Mark, start: float, end: float, samples: SectionSamples, t: Array, fast: bool) -> Iterator[Surface]:
    lines = [word for word in mark.kind.split() if word in ("solid", "broken")]
    material = "yellow" if mark.colour in _YELLOW else "white"
    for i, kind in enumerate(lines):
        # The first of two lines is the one on the left, seen along the road.
        middle = t + (0.5 * (len(lines) - 1) - i) * 2.0 * mark.width_m
        for a, b in _spans(kind, start, end, DASH_FAST_M if fast else DASH_M):
            inside = samples.s_m[(samples.s_m > a + 1e-6) & (samples.s_m < b - 1e-6)]
            s = np.concatenate(([a], inside, [b]))
            edges = [
                np.stack([np.interp(s, samples.s_m, one) for one in samples.at(middle + side)], axis=1)
                for side in (0.5 * mark.width_m, -0.5 * mark.width_m)
            ]
            kept = np.flatnonzero(bends(*edges))
            yield Surface(material, edges[0][kept], edges[1][kept])


def _spans(kind: str, start: float, end: float, dash: tuple[float, float]) -> list[tuple[float, float]]:
    if kind == "solid":
        return [(start, end)]
    starts = np.arange(start + 0.5 * dash[1], end, sum(dash))
    return [(float(a), min(float(a) + dash[0], end)) for a in starts if end - a > 0.2]


def _areas(map_: RoadMap) -> Iterator[Surface]:
    """The ground between the paths through each junction."""
    for junction in map_.junctions.values():
        lanes = [map_.lanes[key] for key in junction.lanes if map_.lanes[key].kind == "driving"]
        ring = junction_area(lanes)
        if ring is not None:
            middle = np.broadcast_to(ring[:-1].mean(axis=0), ring.shape)
            yield Surface("asphalt", ring, middle)


def _crosswalk(map_: RoadMap, crosswalk: Crosswalk) -> Iterator[Surface]:
    corners = np.column_stack([crosswalk.corners, np.full(len(crosswalk.corners), _height(map_, crosswalk.corners))])
    if len(corners) == 5 and np.allclose(corners[0], corners[-1]):
        corners = corners[:4]
    if len(corners) != 4:
        middle = np.broadcast_to(corners.mean(axis=0), (len(corners) + 1, 3))
        yield Surface("crosswalk", np.concatenate([corners, corners[:1]]), middle)
        return
    sides = np.hypot(*np.diff(np.concatenate([corners, corners[:1]]), axis=0)[:, :2].T)
    if sides[0] + sides[2] > sides[1] + sides[3]:
        corners = np.roll(corners, -1, axis=0)
    # Bars from the edge 0-1 to the edge 3-2, one after the other along the walk.
    a, b, c, d = corners
    count = max(1, round(float(max(sides)) / (2.0 * BAR_M)))
    for k in range(count):
        low, high = (k + 0.25) / count, (k + 0.75) / count
        yield Surface(
            "crosswalk",
            np.stack([a + low * (d - a), b + low * (c - b)]),
            np.stack([a + high * (d - a), b + high * (c - b)]),
        )


def _height(map_: RoadMap, corners: Array) -> float:
    place = map_.nearest(float(corners[:, 0].mean()), float(corners[:, 1].mean()))
    if place is None:
        return 0.0
    lane = map_.lanes[place.key]
    return float(np.interp(place.s_m, lane.s_m, lane.z_m))


def _stop_lines(map_: RoadMap) -> Iterator[Surface]:
    drawn: set[tuple[float, ...]] = set()
    for signal in map_.signals:
        for key, s_m in signal.stops:
            lane = map_.lanes[key]
            place = tuple(round(value, 1) for value in map_.pose(key, s_m))
            if lane.kind == "driving" and place not in drawn:
                drawn.add(place)
                yield from _stop_line(map_, lane, s_m, broken=signal.kind == "yield")


def _stop_line(map_: RoadMap, lane: Lane, s_m: float, *, broken: bool) -> Iterator[Surface]:
    x, y, yaw = map_.pose(lane.key, s_m)
    z = float(np.interp(s_m, lane.s_m, lane.z_m))
    width = float(np.interp(s_m, lane.s_m, lane.width_m))
    ahead, left = np.array([np.cos(yaw), np.sin(yaw), 0.0]), np.array([-np.sin(yaw), np.cos(yaw), 0.0])
    here = np.array([x, y, z])
    count = max(1, round(width / (2.0 * TOOTH_M))) if broken else 1
    part = width / count
    for i in range(count):
        middle = here + left * (-0.5 * width + (i + 0.5) * part)
        half = (0.25 if broken else 0.5) * part
        yield Surface(
            "white",
            np.stack([middle + left * half, middle + left * half + ahead * STOP_LINE_M]),
            np.stack([middle - left * half, middle - left * half + ahead * STOP_LINE_M]),
        )
