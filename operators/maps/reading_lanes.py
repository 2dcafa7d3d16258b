"""Reads lane sections: lanes, widths, borders, links, road marks, speed limits."""

from __future__ import annotations

from collections.abc import Iterable

from operators.maps.cubics import Cubics
from operators.maps.description import LaneDescription, Mark, Section
from operators.maps.elements import Element

SECTION_LANES_MAX = 500
_TO_MPS = {"km/h": 1 / 3.6, "kmh": 1 / 3.6, "mph": 0.44704, "m/s": 1.0, "": 1.0}
_MARK_WIDTH_M = {"bold": 0.25}


def section_of(element: Element, start_m: float, end_m: float) -> Section:
    """The lanes of a ``<laneSection>``. Raises MapError."""
    if element.words("singleSide", "false") == "true":
        raise element.error("sections of one side only are not read", "write both sides in every <laneSection>")
    lanes: dict[int, LaneDescription] = {}
    for side, sign in (("left", 1), ("center", 0), ("right", -1)):
        for lane in element.within(side, "lane"):
            found = _lane(lane)
            if (found.id > 0) - (found.id < 0) != sign:
                raise lane.error(f"a lane with the id {found.id} stands under <{side}>")
            if len(lanes) >= SECTION_LANES_MAX:
                raise element.error(f"the lane section has more than {SECTION_LANES_MAX} lanes")
            if found.id in lanes:
                raise lane.error(f"the lane id {found.id} stands twice in its section")
            lanes[found.id] = found
    for label, one in lanes.items():
        inner = label - 1 if label > 0 else label + 1
        if label != 0 and inner != 0 and inner not in lanes:
            raise one.element.error(f"lane {label} stands outside lane {inner}, which does not exist")
    if not any(lanes):
        raise element.error("the lane section has no lane but the centre")
    return Section(start_m, end_m, dict(sorted(lanes.items())), element)


def cubics_of(elements: Iterable[Element], station: str) -> Cubics:
    """Elements with the attributes a, b, c, d from a ``station`` on. Raises MapError."""
    pieces: list[tuple[float, float, float, float, float]] = []
    for element in elements:
        a, b, c, d = (element.number(name, 0.0) for name in "abcd")
        pieces.append((element.length(station, 0.0), a, b, c, d))
        if len(pieces) > 1 and pieces[-1][0] < pieces[-2][0]:
            raise element.error(f"{station}={pieces[-1][0]:g} comes after {pieces[-2][0]:g}", "put them in order")
    return Cubics(pieces)


def speed_of(element: Element) -> float | None:
    """The limit of a ``<speed>`` in m/s; None where it says that there is none. Raises MapError."""
    text = element.words("max")
    if text.lower() in ("no limit", "undefined", "unlimited", ""):
        return None
    unit = element.words("unit", "m/s")
    if unit not in _TO_MPS:
        raise element.error(f"unit={unit[:40]!r} is no unit of speed", "use m/s, km/h or mph")
    return element.length("max") * _TO_MPS[unit] or None


def _lane(element: Element) -> LaneDescription:
    label = element.integer("id")
    width, border = cubics_of(element.all("width"), "sOffset"), cubics_of(element.all("border"), "sOffset")
    if label != 0 and not len(width) and not len(border):
        raise element.error("the lane has neither <width> nor <border>")
    lane = LaneDescription(
        id=label,
        type=element.words("type", "none"),
        width=width,
        border=border,
        predecessors=tuple(link.integer("id") for link in element.within("link", "predecessor")),
        successors=tuple(link.integer("id") for link in element.within("link", "successor")),
        marks=tuple(_mark(child) for child in element.all("roadMark")),
        speeds=tuple(
            (child.length("sOffset", 0.0), limit) for child in element.all("speed") if (limit := speed_of(child))
        ),
        direction=element.words("direction", "standard"),
        element=element,
    )
    element.children = []
    return lane


def _mark(element: Element) -> Mark:
    kind = element.words("type", "none")
    width_m = element.number("width", 0.0)
    if width_m <= 0.0:
        width_m = _MARK_WIDTH_M.get(element.words("weight", "standard"), 0.12)
    return Mark(
        element.length("sOffset", 0.0),
        kind,
        element.words("color", "standard"),
        min(width_m, 1.0),
        element.words("laneChange", ""),
    )
