"""Ends the lanes of an aligned network where the map has its stop lines, which is where SUMO's drivers wait.

What is cut off goes to the ways over the junction. SUMO's own ``stopOffset`` would do, but whoever changes lanes late
then takes it for too late to stop, and runs the light.
"""

from __future__ import annotations

from collections import defaultdict
from xml.etree.ElementTree import Element

import numpy as np
from numpy.typing import NDArray

from operators.maps import RoadMap
from scenarios.sumo.shapes import key_of, shape_of, write_shape

Floats = NDArray[np.float64]

LEAST_M, LEFT_M = 0.3, 5.0
"""Lines so near the end stay there; and so much of a lane must be left."""


def cut_at_lines(network: Element, map_: RoadMap) -> None:
    """Shorten lanes that end beyond a stop line, in place, and lengthen what follows them."""
    lanes = {lane.get("id") or "": lane for lane in network.iter("lane")}
    ways: dict[str, list[tuple[Element, Element]]] = defaultdict(list)
    for connection in network.iter("connection"):
        lane_name, way_name = f"{connection.get('from')}_{connection.get('fromLane')}", connection.get("via") or ""
        if lane_name in lanes and way_name in lanes:
            ways[connection.get("from") or ""].append((lanes[lane_name], lanes[way_name]))
    for edge in network.iter("edge"):
        every = list(edge.iter("lane"))
        cut_m = max((_beyond_line(lane, map_) for lane in every), default=0.0)
        if edge.get("function") or cut_m < LEAST_M or min(_length(lane) for lane in every) < cut_m + LEFT_M:
            continue
        tails = {lane.get("id"): _shorten(lane, cut_m) for lane in every}
        for before, way in {id(way): (before, way) for before, way in ways[edge.get("id") or ""]}.values():
            tail, shape = tails[before.get("id")], shape_of(way)
            write_shape(way, np.concatenate([tail, shape[1:] if np.allclose(tail[-1], shape[0], atol=1e-3) else shape]))
            way.set("length", f"{_length(way) + cut_m:.4f}")


def _length(lane: Element) -> float:
    return float(lane.get("length") or 0.0)


def _beyond_line(lane: Element, map_: RoadMap) -> float:
    """How far the lane goes on beyond the last line on it."""
    key = key_of(lane)
    stops = map_.stops_on(key) if key is not None else ()
    if key is None or not stops:
        return 0.0
    own, end = map_.lanes[key], shape_of(lane)[-1]
    nearest = int(np.argmin(np.hypot(own.x_m - end[0], own.y_m - end[1])))
    beyond_m = float(own.s_m[nearest]) - stops[-1][0]
    return beyond_m if beyond_m < _length(lane) else 0.0


def _shorten(lane: Element, cut_m: float) -> Floats:
    """Cut the end off a lane; the points that were cut off, from the new end on."""
    points = shape_of(lane)
    at = np.concatenate([[0.0], np.cumsum(np.hypot(*np.diff(points, axis=0).T))])
    end = at[-1] * (1.0 - cut_m / _length(lane))
    new_end = np.array([[np.interp(end, at, points[:, axis]) for axis in (0, 1)]])
    tail: Floats = np.concatenate([new_end, points[at > end + 1e-6]])
    write_shape(lane, np.concatenate([points[at < end - 1e-6], new_end]))
    lane.set("length", f"{_length(lane) - cut_m:.4f}")
    return tail
