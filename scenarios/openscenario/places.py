"""Where things are: OpenSCENARIO's positions as points with a heading on a map.

A relative heading is relative to the driving direction of the lane.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from scenarios.openscenario.document import Node

if TYPE_CHECKING:
    from operators.maps import LaneKey, RoadMap


@dataclass(frozen=True)
class Place:
    """A point (m) and a heading (rad) in the map's axes."""

    x_m: float
    y_m: float
    yaw_rad: float

    def ahead(self, distance_m: float) -> Place:
        """The place so far ahead of this one."""
        cos, sin = math.cos(self.yaw_rad), math.sin(self.yaw_rad)
        return Place(self.x_m + distance_m * cos, self.y_m + distance_m * sin, self.yaw_rad)


class Places:
    """Positions of a document over its map; relative ones refer to where entities were put before."""

    def __init__(self, map_: RoadMap) -> None:
        self.map = map_
        self.of: dict[str, Place] = {}

    def place(self, position: Node) -> Place:
        """The place that a ``<Position>`` says. Raises OpenScenarioError for kinds that are not supported."""
        what = position.only()
        reader = _READERS.get(what.tag)
        if reader is None:
            raise what.unsupported("is a kind of position that is not supported", f"use one of {', '.join(_READERS)}")
        return reader(self, what)

    def _world(self, node: Node) -> Place:
        for name in ("z", "p", "r"):
            node.number(name, 0.0)
        return Place(node.number("x"), node.number("y"), node.number("h", 0.0))

    def _lane(self, node: Node) -> Place:
        road, lane, s = node.text("roadId"), node.text("laneId"), node.number("s")
        for key, one in self.map.lanes.items():
            low, high = float(one.station_m.min()), float(one.station_m.max())
            if key.road == road and str(key.lane) == lane and low - 1e-6 <= s <= high + 1e-6:
                order = np.argsort(one.station_m)
                along = float(np.interp(s, one.station_m[order], one.s_m[order]))
                return self._beside(key, along, node.number("offset", 0.0), node)
        raise node.wrong(f"the map has no lane {lane} of road {road} at s={s:g}")

    def _beside(self, key: LaneKey, along: float, offset: float, node: Node) -> Place:
        x, y, yaw = self.map.pose(key, along)
        # Offsets count to the left of the road's reference line, which is the right of a lane against it.
        left = offset if self.map.lanes[key].forward else -offset
        return _turned(Place(x - left * math.sin(yaw), y + left * math.cos(yaw), yaw), node)

    def _relative_lane(self, node: Node) -> Place:
        origin = self._origin(node)
        found = self.map.nearest(origin.x_m, origin.y_m, origin.yaw_rad)
        if found is None:
            raise node.wrong("the entity that it refers to is on no lane")
        key, steps, crossed = found.key, int(node.number("dLane")), False
        for _ in range(min(50, abs(steps))):
            lane = self.map.lanes[key]
            # Beyond the middle of the road, further to the left is that lane's own right.
            beside = lane.left if (steps > 0) != crossed else lane.right
            if beside is None and steps > 0 and not crossed:
                beside, crossed = lane.opposite, True
            if beside is None:
                raise node.wrong(f"there is no lane {steps:+d} beside lane {found.key.lane} of road {found.key.road}")
            key = beside
        x, y, _ = self.map.pose(found.key, found.s_m)
        s = _along(self.map, key, x, y) + node.number("ds", 0.0) + node.number("dsLane", 0.0)
        for _ in range(100):
            lane = self.map.lanes[key]
            if s < 0.0 and lane.previous:
                key = lane.previous[0]
                s += self.map.lanes[key].length_m
            elif s > lane.length_m and lane.next:
                s -= lane.length_m
                key = lane.next[0]
            else:
                break
        return self._beside(key, s, node.number("offset", 0.0), node)

    def _relative_world(self, node: Node) -> Place:
        origin = self._origin(node)
        node.number("dz", 0.0)
        dx, dy = node.number("dx"), node.number("dy")
        return _turned(Place(origin.x_m + dx, origin.y_m + dy, origin.yaw_rad), node)

    def _relative_object(self, node: Node) -> Place:
        origin = self._origin(node)
        node.number("dz", 0.0)
        dx, dy, cos, sin = node.number("dx"), node.number("dy"), math.cos(origin.yaw_rad), math.sin(origin.yaw_rad)
        return _turned(Place(origin.x_m + dx * cos - dy * sin, origin.y_m + dx * sin + dy * cos, origin.yaw_rad), node)

    def _origin(self, node: Node) -> Place:
        name = node.text("entityRef")
        if name not in self.of:
            raise node.wrong(f"refers to {name!r}, which has no position yet", "put that entity first in Init")
        return self.of[name]


_READERS = {
    "WorldPosition": Places._world,
    "LanePosition": Places._lane,
    "RelativeLanePosition": Places._relative_lane,
    "RelativeWorldPosition": Places._relative_world,
    "RelativeObjectPosition": Places._relative_object,
}


def _turned(place: Place, node: Node) -> Place:
    orientation = node.one("Orientation")
    if orientation is None:
        return place
    for name in ("p", "r"):
        orientation.number(name, 0.0)
    heading = orientation.number("h", 0.0)
    base = place.yaw_rad if orientation.text("type", "absolute") == "relative" else 0.0
    return Place(place.x_m, place.y_m, base + heading)


def _along(map_: RoadMap, key: LaneKey, x: float, y: float) -> float:
    lane = map_.lanes[key]
    return float(lane.s_m[int(np.argmin(np.hypot(lane.x_m - x, lane.y_m - y)))])
