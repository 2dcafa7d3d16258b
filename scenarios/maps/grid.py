"""The shipped town: 4 x 4 blocks, two avenues with turn lanes, traffic lights, crosswalks, parking, pavements.

Streets run east or north between 5 x 5 nodes: four bends at the corners, T junctions along the edge, crossings within.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field

from scenarios.maps.writing import (
    Cubic,
    JunctionText,
    LaneText,
    Pose,
    RoadText,
    constant,
    controller,
    document,
    eased,
)

COLUMNS = ROWS = 5
PITCH_X_M, PITCH_Y_M = 160.0, 140.0
AVENUE = 2
BOX_M = 12.0
"""From a node to where its streets begin."""
HALF_M = 8.25
"""From a street's middle to its edge, pavements included."""
LANE_M, PARKING_M = 3.35, 2.4
TURN_M, THROUGH_M = 2.75, 3.0
QUEUE_M, TAPER_M = 32.0, 14.0
CROSSWALK_M, LINE_M = 3.0, 5.5
"""A crosswalk's width; from a street's end back to the line where one waits."""


@dataclass
class Arm:
    """A street where it meets a node. Lateral places are measured to the right of its middle, as one drives."""

    road: RoadText
    contact: str
    pocket: bool
    yaw_rad: float
    """Outwards from the node."""
    name: str

    @property
    def sign(self) -> int:
        """Of the lane ids that lead to the node."""
        return -1 if self.contact == "end" else 1

    def entries(self) -> dict[str, tuple[int, float, float]]:
        """Movement → (lane id, left edge, width) of the lane that leads into the junction."""
        if not self.pocket:
            return dict.fromkeys(("left", "straight", "right"), (self.sign, 0.0, LANE_M))
        through = (2 * self.sign, 0.5 * TURN_M, THROUGH_M)
        return {"left": (self.sign, -0.5 * TURN_M, TURN_M), "straight": through, "right": through}

    def exit(self) -> tuple[int, float, float]:
        """(lane id, left edge, width) of the lane that leads away."""
        return (-self.sign, 0.5 * TURN_M, THROUGH_M) if self.pocket else (-self.sign, 0.0, LANE_M)

    def pavement(self, *, inward: bool) -> tuple[int, float]:
        """(lane id, width) of the pavement beside the way in, or out."""
        edge = 0.5 * TURN_M + THROUGH_M if self.pocket else LANE_M
        number = 3 if inward or not self.pocket else 2
        return number * (self.sign if inward else -self.sign), HALF_M - edge

    def pose(self, centre: tuple[float, float], right_m: float, *, inward: bool) -> Pose:
        """A place at the junction's edge, and where one is heading there."""
        yaw = self.yaw_rad + (math.pi if inward else 0.0)
        x = centre[0] + BOX_M * math.cos(self.yaw_rad) + right_m * math.sin(yaw)
        y = centre[1] + BOX_M * math.sin(self.yaw_rad) - right_m * math.cos(yaw)
        return x, y, math.remainder(yaw, math.tau)


@dataclass
class Node:
    """A place where streets meet."""

    x_m: float
    y_m: float
    arms: dict[str, Arm] = field(default_factory=dict)


_YAW = {"E": 0.0, "N": 0.5 * math.pi, "W": math.pi, "S": -0.5 * math.pi}
_TURNS = {0: "straight", 1: "left", 3: "right"}
_ORDER = "ENWS"


class Town:
    """Collects what ``grid`` writes."""

    def __init__(self) -> None:
        self.nodes = {(i, j): Node(i * PITCH_X_M, j * PITCH_Y_M) for i in range(COLUMNS) for j in range(ROWS)}
        self.roads: list[RoadText] = []
        self.junctions: list[JunctionText] = []
        self.controllers: list[str] = []
        self.signals = 0

    def street(self, start: tuple[int, int], end: tuple[int, int]) -> None:
        """A street from one node to its neighbour in the east or north."""
        along = start[1] == end[1]
        avenue = (start[1] if along else start[0]) == AVENUE
        a, b = self.nodes[start], self.nodes[end]
        inner = [0 < i < COLUMNS - 1 and 0 < j < ROWS - 1 for i, j in (start, end)]
        pockets = [avenue and one for one in inner]
        label = f"{'Avenue' if avenue else 'Street'} {start[1] if along else start[0]}{'EW' if along else 'NS'}"
        yaw = 0.0 if along else 0.5 * math.pi
        road = RoadText(len(self.roads) + 1, label)
        road.pose = (a.x_m + BOX_M * math.cos(yaw), a.y_m + BOX_M * math.sin(yaw), yaw)
        road.line((PITCH_X_M if along else PITCH_Y_M) - 2.0 * BOX_M)
        lanes(road, pockets)
        self.roads.append(road)
        a.arms["E" if along else "N"] = Arm(road, "start", pockets[0], yaw, "E" if along else "N")
        b.arms["W" if along else "S"] = Arm(road, "end", pockets[1], yaw + math.pi, "W" if along else "S")

    def bend(self, place: tuple[int, int]) -> None:
        """A corner of the town: one street turns into the other."""
        node = self.nodes[place]
        first, second = (node.arms[name] for name in _ORDER if name in node.arms)
        road = RoadText(len(self.roads) + 1, "Bend", limit_kmh=30.0)
        road.pose = first.pose((node.x_m, node.y_m), 0.0, inward=True)
        road.turn_to(second.pose((node.x_m, node.y_m), 0.0, inward=False))
        for arm, end in ((first, "start"), (second, "end")):
            mine = ("road", arm.road.id, arm.contact)
            if end == "start":
                road.predecessor = mine
            else:
                road.successor = mine
            _touch(arm, ("road", road.id, end))
        one = [LaneText(0, "none", marks=("solid", "white"))]
        for side in (1, -1):
            before = side if first.contact == "end" else -side
            after = side if second.contact == "start" else -side
            one += [
                LaneText(side, "driving", constant(LANE_M), (before, after)),
                LaneText(2 * side, "sidewalk", constant(HALF_M - LANE_M), (3 * before, 3 * after)),
            ]
        road.sections = [(0.0, one)]
        self.roads.append(road)
        # The streets' own lane links lead into the bend.
        for arm, end in ((first, "start"), (second, "end")):
            _link_lanes(arm, {lane.links[end == "end"]: lane.id for lane in one if lane.id})

    def junction(self, place: tuple[int, int]) -> None:
        """A crossing or a T junction: connecting roads, lights or signs, crosswalks."""
        node = self.nodes[place]
        junction = JunctionText(1000 + len(self.junctions), f"{place[0]}-{place[1]}")
        arms = [node.arms[name] for name in _ORDER if name in node.arms]
        for arm in arms:
            _touch(arm, ("junction", junction.id, ""))
        for arm in arms:
            for other in arms:
                turn = (_ORDER.index(other.name) - _ORDER.index(arm.name) - 2) % 4
                if turn != 2 and arm is not other:
                    self._connect(junction, node, arm, other, _TURNS[turn])
        lit = len(arms) == 4 or AVENUE in place
        groups: dict[str, list[int]] = {"EW": [], "NS": []}
        for arm in arms:
            if lit:
                groups["EW" if arm.name in "EW" else "NS"].append(self._sign(arm, "1000001"))
                _cross(arm)
            elif _is_stem(arm, arms):
                self._sign(arm, "205")
        if lit:
            for name, signals in groups.items():
                number = 1 + len(self.controllers)
                self.controllers.append(controller(number, f"{junction.name} {name}", signals))
                junction.controllers.append(number)
        self.junctions.append(junction)

    def _connect(self, junction: JunctionText, node: Node, arm: Arm, other: Arm, movement: str) -> None:
        lane, left, width = arm.entries()[movement]
        target, target_left, target_width = other.exit()
        road = RoadText(len(self.roads) + 1, junction=junction.id, limit_kmh=None)
        centre = (node.x_m, node.y_m)
        road.pose = arm.pose(centre, left, inward=True)
        end = other.pose(centre, target_left, inward=False)
        road.turn_to(end)
        road.predecessor = ("road", arm.road.id, arm.contact)
        road.successor = ("road", other.road.id, other.contact)
        found = [LaneText(-1, "driving", _between(width, target_width, road.length_m), (lane, target))]
        links = [(lane, -1)]
        flat = movement == "straight" and _right_of(arm) not in node.arms
        if movement == "right" or flat:
            before, before_m = arm.pavement(inward=True)
            after, after_m = other.pavement(inward=False)
            found.append(LaneText(-2, "sidewalk", _between(before_m, after_m, road.length_m), (before, after)))
            links.append((before, -2))
        road.sections = [(0.0, found)]
        junction.connect(arm.road.id, road.id, links)
        self.roads.append(road)

    def _sign(self, arm: Arm, type_: str) -> int:
        self.signals += 1
        lanes_in = [lane for lane, _, _ in arm.entries().values()]
        span = (min(lanes_in), max(lanes_in))
        edge = (0.5 * TURN_M + THROUGH_M if arm.pocket else LANE_M) + 0.7
        s = LINE_M if arm.contact == "start" else arm.road.length_m - LINE_M
        name = "light" if type_ == "1000001" else "yield"
        arm.road.signal(self.signals, s, edge * arm.sign, type_, span, name=name)
        return self.signals


def _right_of(arm: Arm) -> str:
    # Somebody who drives in from the east heads west: north lies to the right.
    return _ORDER[(_ORDER.index(arm.name) + 1) % 4]


def _is_stem(arm: Arm, arms: list[Arm]) -> bool:
    opposite = _ORDER[(_ORDER.index(arm.name) + 2) % 4]
    return all(other.name != opposite for other in arms)


def _between(start: float, end: float, length_m: float) -> list[Cubic]:
    return constant(start) if abs(start - end) < 1e-9 else eased(start, (0.0, length_m, end))[:1]


def _touch(arm: Arm, link: tuple[str, int, str]) -> None:
    if arm.contact == "start":
        arm.road.predecessor = link
    else:
        arm.road.successor = link


def _link_lanes(arm: Arm, targets: dict[int | None, int]) -> None:
    _, found = arm.road.sections[0 if arm.contact == "start" else -1]
    for lane in found:
        if lane.id in targets:
            before, after = lane.links
            lane.links = (targets[lane.id], after) if arm.contact == "start" else (before, targets[lane.id])


def _cross(arm: Arm) -> None:
    middle = 0.5 * CROSSWALK_M + 1.0
    edge = 0.5 * TURN_M + THROUGH_M if arm.pocket else LANE_M
    s = middle if arm.contact == "start" else arm.road.length_m - middle
    label = 2 * arm.road.id + (arm.contact == "end")
    arm.road.crosswalk(label, s, (-edge, edge), CROSSWALK_M)


def lanes(road: RoadText, pockets: list[bool]) -> None:
    """The lane sections of a street: with a lane for left turns where it leads to a junction as an avenue."""
    zone = QUEUE_M + TAPER_M
    breaks = [zone if pockets[0] else 0.0, road.length_m - (zone if pockets[1] else 0.0)]
    if any(pockets):
        half = 0.5 * TURN_M
        ramps = [(QUEUE_M, TAPER_M, 0.0)] if pockets[0] else []
        ramps += [(breaks[1], TAPER_M, half)] if pockets[1] else []
        road.offset = eased(-half if pockets[0] else 0.0, *ramps)
    if pockets[0]:
        road.sections.append((0.0, _pocket(1, QUEUE_M, leaving=True)))
    road.sections.append((breaks[0], _middle(breaks[1] - breaks[0], pockets)))
    if pockets[1]:
        road.sections.append((breaks[1], _pocket(-1, 0.0, leaving=False)))


def _pocket(side: int, taper_at: float, *, leaving: bool) -> list[LaneText]:
    """Lanes near a junction; ``side``: sign of the lane ids that lead to it; ``leaving``: it lies at the start."""

    def change(middle: float, junction: float) -> list[Cubic]:
        first, last = (junction, middle) if leaving else (middle, junction)
        return eased(first, (taper_at, TAPER_M, last))

    def links(own: int) -> tuple[int | None, int | None]:
        return (None, own) if leaving else (own, None)

    pavement = change(HALF_M - LANE_M, HALF_M - 0.5 * TURN_M - THROUGH_M)
    drive = change(LANE_M, THROUGH_M)
    return [
        LaneText(0, "none", marks=("solid", "white")),
        LaneText(side, "driving", change(0.0, TURN_M), marks=("broken", "white")),
        LaneText(2 * side, "driving", drive, links(side)),
        LaneText(3 * side, "sidewalk", pavement, links(3 * side)),
        LaneText(-side, "driving", drive, links(-side)),
        LaneText(-2 * side, "sidewalk", pavement, links(-3 * side)),
    ]


def _middle(length_m: float, pockets: list[bool]) -> list[LaneText]:
    first, last = (2.0 if pocket else 16.0 for pocket in pockets)
    ramp = 4.0
    ends = ((first, ramp), (length_m - last - ramp, ramp))
    parking = eased(0.0, (*ends[0], PARKING_M), (*ends[1], 0.0))
    wide = HALF_M - LANE_M
    pavement = eased(wide, (*ends[0], wide - PARKING_M), (*ends[1], wide))
    found = [LaneText(0, "none", marks=("broken", "white"))]
    for side in (1, -1):
        before = after = (side, 3 * side)
        if pockets[0]:
            before = (2, 3) if side > 0 else (-1, -2)
        if pockets[1]:
            after = (1, 2) if side > 0 else (-2, -3)
        joined = [(b if pockets[0] else None, a if pockets[1] else None) for b, a in zip(before, after, strict=True)]
        found += [
            LaneText(side, "driving", constant(LANE_M), joined[0]),
            LaneText(2 * side, "parking", parking),
            LaneText(3 * side, "sidewalk", pavement, joined[1]),
        ]
    return found


def grid() -> str:
    """The whole town."""
    town = Town()
    for j in range(ROWS):
        for i in range(COLUMNS - 1):
            town.street((i, j), (i + 1, j))
    for i in range(COLUMNS):
        for j in range(ROWS - 1):
            town.street((i, j), (i, j + 1))
    for place, node in town.nodes.items():
        if len(node.arms) == 2:
            town.bend(place)
        else:
            town.junction(place)
    return document("grid", town.roads, town.junctions, town.controllers)
