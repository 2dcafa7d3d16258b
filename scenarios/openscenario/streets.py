"""A street as an OpenDRIVE road: the same reference line in the same coordinates, its lanes, strips and pavements."""

from __future__ import annotations

from scenarios.maps.writing import LaneText, RoadText, constant, document
from scenarios.world.roads import LEAD_IN_M, LEAD_OUT_M, Road


def street_map(road: Road, name: str) -> str:
    """The OpenDRIVE document of a street; its lead-in begins at x = -400 m."""
    line = RoadText(1, name, limit_kmh=road.speed_limit_mps * 3.6, pose=(-LEAD_IN_M, 0.0, 0.0))
    line.line(LEAD_IN_M)
    for segment in road.segments:
        if segment.curvature_1pm == 0.0:
            line.line(segment.length_m)
        else:
            line.arc(1.0 / abs(segment.curvature_1pm), segment.curvature_1pm * segment.length_m)
    line.line(LEAD_OUT_M)
    lanes = [LaneText(0, "none", marks=("broken", "white"))]
    for side in (1, -1):
        number = side
        lanes.append(LaneText(number, "driving", constant(road.lane_width_m), marks=("solid", "white")))
        for kind, width in (("parking", road.parking_m), ("sidewalk", road.pavement_m)):
            if width > 0.0:
                number += side
                lanes.append(LaneText(number, kind, constant(width)))
    line.sections = [(0.0, lanes)]
    return document(name, [line])
