"""The shipped roundabout: four streets, one lane around a green island, yield lines, crosswalks over islands."""

from __future__ import annotations

import math

from scenarios.maps.writing import JunctionText, LaneText, Pose, RoadText, constant, document, eased

ISLAND_M, RING_M = 16.0, 5.5
"""Radius of the island; width of the lane around it."""
HALF_RAD = math.radians(36.0)
"""Half of the ring's part that belongs to a junction."""
MOUTH_M, STREET_M = 27.0, 150.0
"""From the island's middle to where a street ends; its length."""
LANE_M, PAVEMENT_M, SPLITTER_M, SPLITTER_LENGTH_M = 3.5, 2.5, 1.5, 35.0
_SOLID, _BROKEN = ("solid", "white"), ("broken", "white")


def roundabout() -> str:
    """Streets 1 … 4 (east, north, west, south), ring 11 … 14 behind each, junctions 101 … 104."""
    roads: list[RoadText] = []
    junctions: list[JunctionText] = []
    for k in range(4):
        yaw = 0.5 * math.pi * k
        street, ring, junction = _street(k, yaw), _ring(k, yaw), JunctionText(101 + k, f"arm {k + 1}")
        before, after = 11 + (k - 1) % 4, 11 + k
        through = _inside(20 + 3 * k, junction.id, (before, "end"), (after, "start"), _on_ring(yaw - HALF_RAD))
        through.arc(ISLAND_M, 2.0 * HALF_RAD)
        through.sections = [(0.0, [_edge(), LaneText(-1, "driving", constant(RING_M), (-1, -1))])]
        enter = _inside(21 + 3 * k, junction.id, (street.id, "end"), (after, "start"), _mouth(yaw, inward=True))
        enter.turn_to(_on_ring(yaw + HALF_RAD))
        leave = _inside(22 + 3 * k, junction.id, (before, "end"), (street.id, "end"), _on_ring(yaw - HALF_RAD))
        leave.turn_to(_mouth(yaw, inward=False))
        for road, first, last, links in ((enter, LANE_M, RING_M, (-2, -1)), (leave, RING_M, LANE_M, (-1, 2))):
            width = eased(first, (0.0, road.length_m, last))[:1]
            outer = (-3, -2) if road is enter else (-2, 3)
            road.sections = [
                (
                    0.0,
                    [
                        LaneText(0, "none"),
                        LaneText(-1, "driving", width, links),
                        LaneText(-2, "sidewalk", constant(PAVEMENT_M), outer),
                    ],
                )
            ]
        junction.connect(before, through.id, [(-1, -1)])
        junction.connect(street.id, enter.id, [(-2, -1), (-3, -2)])
        junction.connect(before, leave.id, [(-1, -1), (-2, -2)])
        junction.priorities.append((through.id, enter.id))
        roads += [street, ring, through, enter, leave]
        junctions.append(junction)
    return document("roundabout", roads, junctions)


def _edge() -> LaneText:
    return LaneText(0, "none", marks=_SOLID)


def _on_ring(angle: float) -> Pose:
    return (
        ISLAND_M * math.cos(angle),
        ISLAND_M * math.sin(angle),
        math.remainder(angle + 0.5 * math.pi, math.tau),
    )


def _mouth(yaw: float, *, inward: bool) -> Pose:
    """The driver's left edge of the lane where a street meets the roundabout."""
    side = SPLITTER_M if inward else -SPLITTER_M
    return (
        MOUTH_M * math.cos(yaw) - side * math.sin(yaw),
        MOUTH_M * math.sin(yaw) + side * math.cos(yaw),
        math.remainder(yaw + (math.pi if inward else 0.0), math.tau),
    )


def _inside(label: int, junction: int, first: tuple[int, str], last: tuple[int, str], pose: Pose) -> RoadText:
    return RoadText(
        label,
        junction=junction,
        limit_kmh=30.0,
        predecessor=("road", *first),
        successor=("road", *last),
        pose=pose,
    )


def _ring(k: int, yaw: float) -> RoadText:
    road = RoadText(11 + k, f"Ring {k + 1}", limit_kmh=30.0, pose=_on_ring(yaw + HALF_RAD))
    road.arc(ISLAND_M, 0.5 * math.pi - 2.0 * HALF_RAD)
    road.predecessor, road.successor = ("junction", 101 + k, ""), ("junction", 101 + (k + 1) % 4, "")
    road.sections = [
        (
            0.0,
            [
                _edge(),
                LaneText(-1, "driving", constant(RING_M)),
                LaneText(-2, "sidewalk", constant(PAVEMENT_M)),
            ],
        )
    ]
    return road


def _street(k: int, yaw: float) -> RoadText:
    """It runs towards the roundabout; an island splits it at its end."""
    far = MOUTH_M + STREET_M
    pose = (far * math.cos(yaw), far * math.sin(yaw), math.remainder(yaw + math.pi, math.tau))
    road = RoadText(1 + k, f"Street {k + 1}", pose=pose).line(STREET_M)
    road.successor = ("junction", 101 + k, "")
    split = STREET_M - SPLITTER_LENGTH_M
    first, last = [LaneText(0, "none", marks=_BROKEN)], [LaneText(0, "none")]
    island = eased(0.0, (0.0, 15.0, SPLITTER_M))
    for side in (1, -1):
        first += [
            LaneText(side, "driving", constant(LANE_M), (None, 2 * side), _SOLID),
            LaneText(2 * side, "sidewalk", constant(PAVEMENT_M), (None, 3 * side)),
        ]
        last += [
            LaneText(side, "median", island, marks=_SOLID),
            LaneText(2 * side, "driving", constant(LANE_M), (side, None), _SOLID),
            LaneText(3 * side, "sidewalk", constant(PAVEMENT_M), (2 * side, None)),
        ]
    road.sections = [(0.0, first), (split, last)]
    edge = SPLITTER_M + LANE_M
    road.signal(1 + k, STREET_M - 1.5, -(edge + 0.7), "205", (-2, -2), name="yield")
    road.crosswalk(1 + k, STREET_M - 9.0, (-edge, edge), 3.0)
    return road
