"""Shipped maps without junctions: a straight street and a winding country road."""

from __future__ import annotations

from scenarios.maps.writing import LaneText, RoadText, constant, document


def straight() -> str:
    """A street of 1 km, two lanes of 3.5 m in each direction, pavements; 50 km/h."""
    road = RoadText(1, "Long Street").line(1000.0)
    lanes = [LaneText(0, "none", marks=("solid solid", "white"))]
    for side in (1, -1):
        lanes += [
            LaneText(side, "driving", constant(3.5), marks=("broken", "white")),
            LaneText(2 * side, "driving", constant(3.5), marks=("solid", "white")),
            LaneText(3 * side, "sidewalk", constant(2.5)),
        ]
    road.sections = [(0.0, lanes)]
    return document("straight", [road])


def curve() -> str:
    """A country road of about 1.4 km: clothoids, arcs of 160 m, 90 m and 250 m, a hill; 80 km/h."""
    road = RoadText(1, "Winding Road", kind="rural", limit_kmh=80.0).line(150.0)
    for radius, turn_m, ease_m in ((160.0, 180.0, 60.0), (-90.0, 120.0, 45.0), (250.0, 200.0, 70.0)):
        bend = 1.0 / radius
        road.spiral(ease_m, 0.0, bend).arc(abs(radius), turn_m / radius).spiral(ease_m, bend, 0.0).line(60.0)
    road.line(140.0)
    third = road.length_m / 3.0
    # Up 6 m, level, down again: cubics with level ends.
    road.elevation = [
        (0.0, 0.0, 0.0, 18.0 / third**2, -12.0 / third**3),
        (third, 6.0, 0.0, 0.0, 0.0),
        (2.0 * third, 6.0, 0.0, -18.0 / third**2, 12.0 / third**3),
    ]
    lanes = [LaneText(0, "none", marks=("broken", "white"))]
    for side in (1, -1):
        lanes += [
            LaneText(side, "driving", constant(3.5), marks=("solid", "white")),
            LaneText(2 * side, "shoulder", constant(1.5)),
        ]
    road.sections = [(0.0, lanes)]
    return document("curve", [road])
