"""From the description to lanes that know each other. Checks what elements of a file say of each other."""

from __future__ import annotations

import math
from collections import defaultdict
from dataclasses import dataclass, replace

import numpy as np

from operators.maps.description import Description, LaneDescription, Road, RoadLink, Section
from operators.maps.elements import Element
from operators.maps.lanes import Array, Lane, LaneKey, kind_of
from operators.maps.sampling import POINTS_MAX, SectionSamples, sampled, stations

End = tuple[LaneKey, str]
"""A lane and one of its ends by its road's station: ``start`` or ``end``."""

_TYPE_LIMITS_KMH = {"motorway": 130.0, "rural": 100.0, "lowSpeed": 30.0, "pedestrian": 10.0, "bicycle": 30.0}
_TOWN_KMH = 50.0
_CROSSABLE = {"broken", "none", "broken broken", "botts dots"}


def lanes_of(found: Description) -> dict[LaneKey, Lane]:
    """All lanes of the map, linked. Raises MapError."""
    lanes: dict[LaneKey, Lane] = {}
    left = POINTS_MAX
    for road in found.roads.values():
        for index, section in enumerate(road.sections):
            s = stations(road, section, left)
            left -= len(s) * (len(section.lanes) + 1)
            lanes.update(_section_lanes(road, index, section, sampled(road, section, s)))
    _link(found, lanes)
    return lanes


def _section_lanes(road: Road, index: int, section: Section, samples: SectionSamples) -> dict[LaneKey, Lane]:
    lanes: dict[LaneKey, Lane] = {}
    for label, lane in section.lanes.items():
        if label:
            key = LaneKey(road.id, index, label)
            lanes[key] = _lane(key, road, section, lane, samples)
    for key, one in lanes.items():
        lanes[key] = _beside(one, lanes, section)
    return lanes


def _lane(key: LaneKey, road: Road, section: Section, lane: LaneDescription, samples: SectionSamples) -> Lane:
    (inner, inner_slope), (outer, outer_slope) = samples.inner(key.lane), samples.borders[key.lane]
    t, slope = 0.5 * (inner + outer), 0.5 * (inner_slope + outer_slope)
    x, y, z = samples.at(t)
    yaw = samples.yaw_rad + np.arctan2(slope, 1.0 - samples.curvature * t)
    forward = ((key.lane < 0) != road.left_hand) != (lane.direction == "reversed")
    order = slice(None) if forward else slice(None, None, -1)
    yaw = yaw if forward else yaw + math.pi
    s = np.concatenate(([0.0], np.cumsum(np.hypot(np.diff(x[order]), np.diff(y[order])))))
    return Lane(
        key=key,
        kind=kind_of(lane.type),
        type=lane.type,
        x_m=_frozen(x[order]),
        y_m=_frozen(y[order]),
        z_m=_frozen(z[order]),
        yaw_rad=_frozen((yaw[order] + math.pi) % (2.0 * math.pi) - math.pi),
        width_m=_frozen(np.abs(outer - inner)[order]),
        s_m=_frozen(s),
        limits_mps=_frozen(_limits(road, section, lane, samples.s_m)[order]),
        junction=road.junction,
        forward=forward,
        station_m=_frozen(samples.s_m[order]),
    )


def _frozen(values: Array) -> Array:
    values = np.ascontiguousarray(values)
    values.setflags(write=False)
    return values


def _limits(road: Road, section: Section, lane: LaneDescription, s: Array) -> Array:
    limits = np.full(len(s), _TOWN_KMH / 3.6)
    for start, kind, limit in road.types:
        limits[s >= start - 1e-9] = limit if limit is not None else _TYPE_LIMITS_KMH.get(kind, _TOWN_KMH) / 3.6
    for start, limit in lane.speeds:
        limits[s >= section.s_m + start - 1e-9] = limit
    return limits


def _beside(lane: Lane, lanes: dict[LaneKey, Lane], section: Section) -> Lane:
    road, index, label = lane.key
    out = 1 if label > 0 else -1
    towards, away = label - out, label + out
    inner = lanes.get(LaneKey(road, index, towards or -out))
    outer = lanes.get(LaneKey(road, index, away))
    left, right = (outer, inner) if (label > 0) == lane.forward else (inner, outer)
    opposing = next(
        (
            lanes[LaneKey(road, index, other)].key
            for other in sorted((i for i in section.lanes if i * label < 0), key=abs)
            if lanes[LaneKey(road, index, other)].kind == lane.kind
            and lanes[LaneKey(road, index, other)].forward != lane.forward
        ),
        None,
    )
    marks = {left: 0, right: 1}
    crossable = [True, True]
    for other, border in ((inner, towards), (outer, label)):
        if other is not None:
            crossable[marks[other]] = _crossable(section.lanes.get(border), lane)
    return replace(
        lane,
        left=_same_way(lane, left),
        right=_same_way(lane, right),
        opposite=opposing,
        crossable=(crossable[0], crossable[1]),
    )


def _same_way(lane: Lane, other: Lane | None) -> LaneKey | None:
    if other is None or other.forward != lane.forward or (lane.kind == "driving" != other.kind):
        return None
    return other.key


def _crossable(border: LaneDescription | None, lane: Lane) -> bool:
    """Whether a lane change over the border's marks is allowed somewhere along it."""
    if border is None or not border.marks:
        return True
    higher = border.id + (border.id >= 0)
    for mark in border.marks:
        if mark.change == "both" or (not mark.change and mark.kind in _CROSSABLE):
            return True
        # "increase": only towards the lane with the higher id.
        if mark.change == ("decrease" if lane.key.lane == higher else "increase"):
            return True
    return False


@dataclass(frozen=True, slots=True)
class _Links:
    found: Description
    lanes: dict[LaneKey, Lane]
    joined: dict[End, dict[End, None]]

    def join(self, one: End, other: End, element: Element) -> None:
        for key, _ in (one, other):
            if key not in self.lanes:
                raise element.error(f"it links to lane {key.lane} of road {key.road}, which does not exist there")
        self.joined[one][other] = None
        self.joined[other][one] = None

    def key(self, road: Road, end: str, lane: int) -> LaneKey:
        return LaneKey(road.id, 0 if end == "start" else len(road.sections) - 1, lane)


def _link(found: Description, lanes: dict[LaneKey, Lane]) -> None:
    links = _Links(found, lanes, defaultdict(dict))
    for road in found.roads.values():
        if road.junction and road.junction not in found.junctions:
            raise road.element.error(f"its junction {road.junction[:60]!r} does not exist")
        _check(found, road.predecessor)
        _check(found, road.successor)
        _link_sections(links, road)
        _link_ends(links, road)
    for junction in found.junctions.values():
        _link_junction(links, junction.id)
    for key, lane in lanes.items():
        entry, leave = ("start", "end") if lane.forward else ("end", "start")
        lanes[key] = replace(
            lane,
            next=tuple(k for k, end in links.joined.get((key, leave), ()) if _entry(lanes[k]) == end),
            previous=tuple(k for k, end in links.joined.get((key, entry), ()) if _entry(lanes[k]) != end),
        )


def _entry(lane: Lane) -> str:
    return "start" if lane.forward else "end"


def _check(found: Description, link: RoadLink | None) -> None:
    if link is not None and link.id not in (found.roads if link.kind == "road" else found.junctions):
        raise link.element.error(f"the {link.kind} {link.id[:60]!r} does not exist")


def _link_sections(links: _Links, road: Road) -> None:
    for index, (section, following) in enumerate(zip(road.sections, road.sections[1:], strict=False)):
        for label, lane in section.lanes.items():
            for other in lane.successors if label else ():
                links.join(
                    (LaneKey(road.id, index, label), "end"), (LaneKey(road.id, index + 1, other), "start"), lane.element
                )
        for label, lane in following.lanes.items():
            for other in lane.predecessors if label else ():
                links.join(
                    (LaneKey(road.id, index + 1, label), "start"), (LaneKey(road.id, index, other), "end"), lane.element
                )


def _link_ends(links: _Links, road: Road) -> None:
    for end, link, section in (
        ("start", road.predecessor, road.sections[0]),
        ("end", road.successor, road.sections[-1]),
    ):
        if link is None or link.kind != "road":
            continue
        target = links.found.roads[link.id]
        for label, lane in section.lanes.items():
            others = lane.predecessors if end == "start" else lane.successors
            for other in others if label else ():
                links.join(
                    (links.key(road, end, label), end),
                    (links.key(target, link.contact, other), link.contact),
                    lane.element,
                )


def _link_junction(links: _Links, junction: str) -> None:
    roads = links.found.roads
    for connection in links.found.junctions[junction].connections:
        for label in (connection.incoming, connection.connecting):
            if label not in roads:
                raise connection.element.error(f"the road {label[:60]!r} does not exist")
        incoming, connecting = roads[connection.incoming], roads[connection.connecting]
        ends = [
            end
            for end, link in (("start", incoming.predecessor), ("end", incoming.successor))
            if link is not None and link.kind == "junction" and link.id == junction
        ]
        own = connecting.predecessor if connection.contact == "start" else connecting.successor
        if len(ends) != 1 and own is not None and own.kind == "road" and own.id == incoming.id:
            ends = [own.contact]
        if not ends:
            raise connection.element.error(f"road {incoming.id} does not end at junction {junction}")
        for start, to in connection.links:
            links.join(
                (links.key(incoming, ends[0], start), ends[0]),
                (links.key(connecting, connection.contact, to), connection.contact),
                connection.element,
            )
