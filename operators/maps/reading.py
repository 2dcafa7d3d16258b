"""From XML to ``Description``: every element is checked by itself. What elements say of each other: ``network``."""

from __future__ import annotations

import math
from collections.abc import Container

from operators.maps.description import (
    Connection,
    Description,
    JunctionDescription,
    Road,
    RoadLink,
    Section,
)
from operators.maps.elements import Element, parse
from operators.maps.errors import MapError
from operators.maps.planview import Piece
from operators.maps.reading_lanes import cubics_of, section_of, speed_of
from operators.maps.reading_objects import crosswalk_of, signal_of

TURN_MAX_RAD = 200.0 * math.pi
"""What winds more often than a hundred times is no road."""
ROAD_MAX_M = 1_000_000.0


def read(data: bytes, name: str) -> Description:
    """The description in an OpenDRIVE document. Raises MapError."""
    found = Description(name)

    def take(element: Element) -> None:
        reader = _READERS.get(element.tag)
        if reader is not None:
            reader(element, found)

    parse(data, name, take)
    if not found.roads:
        raise MapError("the map has no roads", where=name, hint="is it a complete OpenDRIVE file?")
    return found


def _new(element: Element, known: Container[str]) -> str:
    label = element.words("id")
    if not label:
        raise element.error("the id is empty")
    if label in known:
        raise element.error(f"the id {label[:60]!r} stands twice", f"give every {element.tag} its own")
    return label


def _header(element: Element, found: Description) -> None:
    found.version = f"{element.words('revMajor', '1')}.{element.words('revMinor', '?')}"
    geo = element.first("geoReference")
    found.geo_reference = geo.text.strip() if geo is not None else ""


def _controller(element: Element, found: Description) -> None:
    label = _new(element, found.controllers)
    found.controllers[label] = tuple(control.words("signalId") for control in element.all("control"))


def _junction(element: Element, found: Description) -> None:
    label = _new(element, found.junctions)
    virtual = element.words("type", "default") == "virtual"
    if virtual:
        found.notes.append(f"{element.where()}: a virtual junction, its connections are not followed")
    found.junctions[label] = JunctionDescription(
        id=label,
        name=element.words("name", ""),
        virtual=virtual,
        connections=() if virtual else tuple(_connection(child) for child in element.all("connection")),
        controllers=tuple(child.words("id") for child in element.all("controller")),
        priorities=tuple((p.words("high", ""), p.words("low", "")) for p in element.all("priority")),
        element=element,
    )


def _connection(element: Element) -> Connection:
    contact = element.words("contactPoint", "start")
    if contact not in ("start", "end"):
        raise element.error(f"contactPoint={contact[:40]!r} is neither start nor end")
    links = tuple((link.integer("from"), link.integer("to")) for link in element.all("laneLink"))
    connecting = element.words("connectingRoad", element.words("linkedRoad", ""))
    return Connection(element.words("id", ""), element.words("incomingRoad"), connecting, contact, links, element)


def _road(element: Element, found: Description) -> None:
    label = _new(element, found.roads)
    length_m = element.length("length")
    if not 0.0 < length_m <= ROAD_MAX_M:
        raise element.error(f"length={length_m:g} m is no length of a road", "give what its geometries add up to")
    rule = element.words("rule", "RHT")
    if rule not in ("RHT", "LHT"):
        raise element.error(f"rule={rule[:40]!r} is neither RHT nor LHT")
    junction = element.words("junction", "-1")
    link, lanes = element.first("link"), element.first("lanes")
    if lanes is None:
        raise element.error("the road has no <lanes>")
    found.roads[label] = Road(
        id=label,
        name=element.words("name", ""),
        length_m=length_m,
        junction="" if junction in ("-1", "") else junction,
        left_hand=rule == "LHT",
        predecessor=_link(link, "predecessor"),
        successor=_link(link, "successor"),
        types=tuple(_type(child) for child in element.all("type")),
        pieces=_plan_view(element, length_m),
        elevation=cubics_of(element.within("elevationProfile", "elevation"), "s"),
        superelevation=cubics_of(element.within("lateralProfile", "superelevation"), "s"),
        lane_offset=cubics_of(element.within("lanes", "laneOffset"), "s"),
        sections=_sections(element, lanes, length_m),
        signals=tuple(signal_of(child, length_m) for child in element.within("signals", "signal")),
        references=tuple(signal_of(child, length_m) for child in element.within("signals", "signalReference")),
        crosswalks=tuple(
            crosswalk_of(child, length_m)
            for child in element.within("objects", "object")
            if child.words("type", "").lower() == "crosswalk"
        ),
        element=element,
    )
    if any(element.within("lateralProfile", "shape")):
        found.notes.append(f"{element.where()}: the lateral profile's <shape> is not used")
    _slim(element)


def _slim(road: Element) -> None:
    # What has been read is dropped; only what later errors name keeps its place in the file.
    road.children = []


def _sections(element: Element, lanes: Element, length_m: float) -> tuple[Section, ...]:
    elements = list(lanes.all("laneSection"))
    if not elements:
        raise element.error("the road has no <laneSection>")
    starts = [section.length("s") for section in elements]
    for section, start, end in zip(elements, starts, [*starts[1:], length_m], strict=True):
        if end <= start:
            raise section.error(
                f"the lane section from {start:g} m to {end:g} m has no length", "sections stand in order of s"
            )
    ends = [*starts[1:], length_m]
    return tuple(section_of(one, start, end) for one, start, end in zip(elements, starts, ends, strict=True))


def _link(link: Element | None, tag: str) -> RoadLink | None:
    element = link.first(tag) if link is not None else None
    if element is None:
        return None
    kind = element.words("elementType", "road")
    if kind not in ("road", "junction"):
        raise element.error(f"elementType={kind[:40]!r} is neither road nor junction")
    contact = element.words("contactPoint", "end" if tag == "predecessor" else "start")
    if contact not in ("start", "end"):
        raise element.error(f"contactPoint={contact[:40]!r} is neither start nor end")
    return RoadLink(kind, element.words("elementId"), contact, element)


def _type(element: Element) -> tuple[float, str, float | None]:
    speed = element.first("speed")
    return element.length("s", 0.0), element.words("type", "unknown"), speed_of(speed) if speed is not None else None


def _plan_view(road: Element, length_m: float) -> tuple[Piece, ...]:
    pieces = [_piece(element) for element in road.within("planView", "geometry")]
    if not pieces:
        raise road.error("the road has no <planView> with a <geometry>")
    reach = 0.0
    for piece, element in zip(pieces, road.within("planView", "geometry"), strict=True):
        if abs(piece.s_m - reach) > 0.5:
            raise element.error(f"s={piece.s_m:g} m, but the geometries before it end at {reach:g} m")
        reach = piece.s_m + piece.length_m
    if abs(reach - length_m) > max(0.5, 0.01 * length_m):
        raise road.error(f"length={length_m:g} m, but its geometries end at {reach:g} m", "make both agree")
    return tuple(pieces)


def _piece(element: Element) -> Piece:
    length_m = element.length("length")
    if length_m <= 0.0:
        raise element.error("the geometry has no length", "drop it")
    if length_m > ROAD_MAX_M:
        raise element.error(f"length={length_m:g} m is no length of a geometry")
    for shape in element.children:
        reader = _SHAPES.get(shape.tag)
        if reader is not None:
            numbers = reader(shape, length_m)
            break
    else:
        raise element.error("the geometry is no line, arc, spiral, poly3 or paramPoly3")
    piece = Piece(
        shape.tag,
        element.length("s"),
        element.number("x"),
        element.number("y"),
        element.number("hdg"),
        length_m,
        numbers,
    )
    if shape.tag in ("arc", "spiral") and piece.curvature_max() * length_m > TURN_MAX_RAD:
        raise shape.error(f"a curvature of {piece.curvature_max():g} 1/m over {length_m:g} m winds too often")
    return piece


def _param_poly3(shape: Element, length_m: float) -> tuple[float, ...]:
    pace = shape.words("pRange", "normalized")
    if pace not in ("normalized", "arcLength"):
        raise shape.error(f"pRange={pace[:40]!r} is neither normalized nor arcLength")
    numbers = tuple(shape.number(letter + axis) for axis in "UV" for letter in "abcd")
    if not any(numbers[1:4]) and not any(numbers[5:8]):
        raise shape.error("all of its points are the same")
    return (*numbers, 1.0 if pace == "normalized" else length_m)


_SHAPES = {
    "line": lambda shape, length_m: (),
    "arc": lambda shape, length_m: (shape.number("curvature"),),
    "spiral": lambda shape, length_m: (shape.number("curvStart"), shape.number("curvEnd")),
    "poly3": lambda shape, length_m: tuple(shape.number(name) for name in "abcd"),
    "paramPoly3": _param_poly3,
}

_READERS = {"header": _header, "road": _road, "junction": _junction, "controller": _controller}
