"""Reads what stands on and beside roads: signals, references to them, crosswalks."""

from __future__ import annotations

from operators.maps.description import ObjectDescription, SignalDescription
from operators.maps.elements import Element

CORNERS_MAX = 1000


def signal_of(element: Element, road_m: float) -> SignalDescription:
    """A ``<signal>`` or ``<signalReference>`` of a road of that length. Raises MapError."""
    value = element.words("value", "")
    elsewhere = element.first("positionInertial")
    return SignalDescription(
        id=element.words("id"),
        type=element.words("type", ""),
        subtype=element.words("subtype", ""),
        dynamic=element.words("dynamic", "no") == "yes",
        name=element.words("name", ""),
        s_m=_station(element, road_m),
        t_m=element.number("t", 0.0),
        z_m=element.number("zOffset", 0.0),
        turn_rad=element.number("hOffset", 0.0),
        orientation=element.words("orientation", "none"),
        value=element.number("value") if value and value != "none" else None,
        unit=element.words("unit", ""),
        lanes=tuple((one.integer("fromLane"), one.integer("toLane")) for one in element.all("validity")),
        inertial=None if elsewhere is None else _inertial(elsewhere),
        element=element,
    )


def crosswalk_of(element: Element, road_m: float) -> ObjectDescription:
    """A crosswalk ``<object>``: by its outline, or else by its length and width. Raises MapError."""
    s_m, t_m = _station(element, road_m), element.number("t", 0.0)
    outline = next(element.within("outlines", "outline"), None) or element.first("outline")
    by_road: list[tuple[float, float]] = []
    local: list[tuple[float, float]] = []
    if outline is not None:
        by_road = [(corner.number("s"), corner.number("t")) for corner in outline.all("cornerRoad")]
        local = [(corner.number("u"), corner.number("v")) for corner in outline.all("cornerLocal")]
    if max(len(by_road), len(local)) < 3:
        by_road = []
        half, side = 0.5 * element.length("length", 0.0), 0.5 * element.length("width", 0.0)
        local = [(half, side), (-half, side), (-half, -side), (half, -side)] if half and side else []
    corners = tuple(by_road or local)
    if not 3 <= len(corners) <= CORNERS_MAX:
        raise element.error(
            f"a crosswalk with {len(corners)} corners", "give an outline of 3 or more, or a length and a width"
        )
    return ObjectDescription(
        element.words("id", ""), s_m, t_m, element.number("hdg", 0.0), corners, bool(by_road), element
    )


def _inertial(element: Element) -> tuple[float, float, float, float]:
    return element.number("x"), element.number("y"), element.number("z", 0.0), element.number("hdg", 0.0)


def _station(element: Element, road_m: float) -> float:
    s_m = element.number("s")
    if not -0.5 <= s_m <= road_m + 0.5:
        raise element.error(f"s={s_m:g} m lies outside the road, which is {road_m:g} m long")
    return min(max(s_m, 0.0), road_m)
