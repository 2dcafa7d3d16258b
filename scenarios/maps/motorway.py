"""The shipped motorway: 3 km, 2 x 3 lanes, on each side an exit to a rest area and an entry from it; 120 km/h.

The carriageways are one-way roads, each the other turned by half a turn. The reference line is the fast lane's edge.
"""

from __future__ import annotations

import math

from scenarios.maps.writing import Cubic, JunctionText, LaneText, Pose, RoadText, constant, document, eased

LANE_M, SHOULDER_M, VERGE_M = 3.75, 3.0, 0.75
MEDIAN_M = 4.0
CURVE_M, CURVE_LENGTH_M, END_M = 1500.0, 500.0, 300.0
APPROACH_M, NOSE_M, BETWEEN_M = 350.0, 80.0, 500.0
EXTRA_M, TAPER_M = 250.0, 60.0
"""Length of the acceleration and deceleration lanes, tapers included."""
RAMP_RADIUS_M, BACK_RADIUS_M, RAMP_LINE_M = 600.0, 300.0, 60.0
RAMP_SHOULDER_M = 1.5

_SOLID, _BROKEN = ("solid", "white"), ("broken", "white")


def motorway() -> str:
    """Both carriageways with their rest areas."""
    centre = RoadText(0).line(END_M).arc(CURVE_M, CURVE_LENGTH_M / CURVE_M)
    centre.line(2.0 * APPROACH_M + 2.0 * NOSE_M + BETWEEN_M).arc(CURVE_M, -CURVE_LENGTH_M / CURVE_M).line(END_M)
    x, y, yaw = centre.pose
    roads: list[RoadText] = []
    junctions: list[JunctionText] = []
    for number, start in ((1, (0.0, 0.0, 0.0)), (2, (x, y, yaw + math.pi))):
        _carriageway(number, _aside(start, 0.5 * MEDIAN_M), roads, junctions)
    return document("motorway", roads, junctions)


def _aside(pose: Pose, right_m: float) -> Pose:
    x, y, yaw = pose
    return x + right_m * math.sin(yaw), y - right_m * math.cos(yaw), math.remainder(yaw, math.tau)


def _road(label: int, name: str, pose: Pose, limit_kmh: float = 120.0, junction: int = -1) -> RoadText:
    return RoadText(label, name, kind="motorway", limit_kmh=limit_kmh, pose=pose, junction=junction)


def _carriageway(number: int, start: Pose, roads: list[RoadText], junctions: list[JunctionText]) -> None:
    """Roads 10 n + 1 …: before, nose of the exit, between, nose of the entry, after, and the rest area's."""
    base, half = 10 * number, 0.5 * MEDIAN_M
    before = _road(base + 1, f"Motorway {number} before", start)
    before.line(END_M).arc(CURVE_M + half, CURVE_LENGTH_M / CURVE_M).line(APPROACH_M)
    leave = _road(base + 2, "", before.pose, junction=base + 8).line(NOSE_M)
    between = _road(base + 3, f"Motorway {number} between", leave.pose).line(BETWEEN_M)
    enter = _road(base + 4, "", between.pose, junction=base + 9).line(NOSE_M)
    after = _road(base + 5, f"Motorway {number} after", enter.pose)
    after.line(APPROACH_M).arc(CURVE_M - half, -CURVE_LENGTH_M / CURVE_M).line(END_M)
    slow = before.length_m - EXTRA_M
    before.sections = [(0.0, _main(before=False, after=True)), (slow, _main(extra="exit", before=True, after=True))]
    leave.sections = [(0.0, _main(before=True, after=True, shoulder=eased(0.0, (0.0, NOSE_M, SHOULDER_M))[:1]))]
    between.sections = [(0.0, _main(before=False, after=False))]
    enter.sections = [(0.0, _main(before=True, after=True, shoulder=eased(SHOULDER_M, (0.0, NOSE_M, 0.0))[:1]))]
    after.sections = [(0.0, _main(extra="entry", before=True, after=True)), (EXTRA_M, _main(before=True, after=False))]
    # The hard shoulder goes on beside the extra lane.
    _relink(before.sections[0][1], -4, (None, -5))
    _relink(after.sections[1][1], -4, (-5, None))
    ramps = _ramps(base, before.pose, enter.pose)
    exits, entries = JunctionText(base + 8, f"exit {number}"), JunctionText(base + 9, f"entry {number}")
    leaving, off, rest, on, entering = ramps
    for first, junction, inner in (
        (before, exits, (leave, leaving)),
        (between, entries, (enter,)),
        (on, entries, (entering,)),
    ):
        for one in inner:
            one.predecessor = ("road", first.id, "end")
            first.successor = ("junction", junction.id, "")
            junction.connect(first.id, one.id, _through(first, one))
    for last, inner in ((between, (leave,)), (off, (leaving,)), (after, (enter, entering))):
        for one in inner:
            one.successor = ("road", last.id, "start")
            last.predecessor = ("junction", one.junction, "")
    for one, following in ((off, rest), (rest, on)):
        one.successor, following.predecessor = ("road", following.id, "start"), ("road", one.id, "end")
    roads += [before, leave, between, enter, after, *ramps]
    junctions += [exits, entries]


def _through(first: RoadText, inner: RoadText) -> list[tuple[int, int]]:
    """Lane links from a road's end to a connecting road, by what that road's lanes name as predecessors."""
    lanes = inner.sections[0][1]
    return [(lane.links[0], lane.id) for lane in lanes if lane.id < 0 and lane.links[0] is not None]


def _main(*, before: bool, after: bool, extra: str = "", shoulder: list[Cubic] | None = None) -> list[LaneText]:
    """Three lanes, the lane ``extra`` (exit or entry), the shoulder. Linked where ``before``, ``after`` are given."""

    def links(own: int) -> tuple[int | None, int | None]:
        return (own if before else None, own if after else None)

    lanes = [LaneText(0, "none", marks=_SOLID), LaneText(1, "border", constant(VERGE_M))]
    for number in (-1, -2, -3):
        mark = _SOLID if number == -3 and not extra else _BROKEN
        lanes.append(LaneText(number, "driving", constant(LANE_M), links(number), mark))
    if extra:
        grows = extra == "exit"
        width = eased(0.0, (0.0, TAPER_M, LANE_M)) if grows else eased(LANE_M, (EXTRA_M - TAPER_M, TAPER_M, 0.0))
        lanes.append(LaneText(-4, "driving", width, (None, -1) if grows else (-1, None), _SOLID))
        lanes.append(LaneText(-5, "shoulder", constant(SHOULDER_M), (-4, -2) if grows else (-2, -4)))
    elif shoulder is not None:
        # In a junction the shoulder between road and ramp begins, or ends, at a point.
        lanes.append(LaneText(-4, "shoulder", shoulder, (-4, None) if shoulder[0][1] else (None, -4)))
    else:
        lanes.append(LaneText(-4, "shoulder", constant(SHOULDER_M), links(-4)))
    return lanes


def _relink(lanes: list[LaneText], label: int, links: tuple[int | None, int | None]) -> None:
    for lane in lanes:
        if lane.id == label:
            lane.links = links


def _ramps(base: int, leave: Pose, enter: Pose) -> tuple[RoadText, RoadText, RoadText, RoadText, RoadText]:
    """The way through the rest area: nose, off-ramp, rest area, on-ramp, nose; a mirror image of itself."""
    turn = NOSE_M / RAMP_RADIUS_M
    nose = _road(base + 6, "", _aside(leave, 3.0 * LANE_M), 80.0, base + 8).arc(RAMP_RADIUS_M, -turn)
    off = _road(100 + base, "Off ramp", nose.pose, 80.0).line(RAMP_LINE_M).arc(BACK_RADIUS_M, turn)
    x, y, yaw = _aside(leave, 3.0 * LANE_M)
    used = (off.pose[0] - x) * math.cos(yaw) + (off.pose[1] - y) * math.sin(yaw)
    rest = _road(100 + base + 1, "Rest area", off.pose, 30.0).line(2.0 * NOSE_M + BETWEEN_M - 2.0 * used)
    on = _road(100 + base + 2, "On ramp", rest.pose, 80.0).arc(BACK_RADIUS_M, turn).line(RAMP_LINE_M)
    last = _road(base + 7, "", on.pose, 80.0, base + 9).arc(RAMP_RADIUS_M, -turn)
    assert math.dist(last.pose[:2], _aside(enter, 3.0 * LANE_M)[:2]) < 1e-6
    wide, narrow = SHOULDER_M, RAMP_SHOULDER_M
    for road, links, shoulder in (
        (nose, (-4, -5), eased(wide, (0.0, NOSE_M, narrow))[:1]),
        (off, (-1, -2), eased(narrow, (off.length_m - 40.0, 40.0, 0.0))),
        (on, (-1, -2), eased(0.0, (0.0, 40.0, narrow))),
        (last, (-1, -2), eased(narrow, (0.0, NOSE_M, wide))[:1]),
    ):
        after = (-4, -5) if road is last else (-1, None if road is off else -2)
        before = (links[0], None) if road is on else links
        road.sections = [
            (
                0.0,
                [
                    LaneText(0, "none", marks=_SOLID),
                    LaneText(-1, "driving", constant(LANE_M), (before[0], after[0]), _SOLID),
                    LaneText(-2, "shoulder", shoulder, (before[1], after[1])),
                ],
            )
        ]
    end = rest.length_m
    rest.sections = [
        (
            0.0,
            [
                LaneText(0, "none", marks=_SOLID),
                LaneText(-1, "driving", constant(LANE_M), (-1, -1), _BROKEN),
                LaneText(-2, "parking", eased(0.0, (10.0, 25.0, 3.5), (end - 35.0, 25.0, 0.0))),
                LaneText(-3, "sidewalk", eased(0.0, (10.0, 25.0, 3.0), (end - 35.0, 25.0, 0.0))),
            ],
        )
    ]
    return nose, off, rest, on, last
