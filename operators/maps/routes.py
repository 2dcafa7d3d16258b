"""The shortest way over the lanes of a map (A*). Lane changes cost extra, over solid marks much more."""

from __future__ import annotations

import heapq
import math
from collections.abc import Iterator

from operators.maps.errors import RouteNotFound
from operators.maps.lanes import Lane, LaneKey, LanePlace
from operators.maps.roadmap import RoadMap

CHANGE_M = 30.0
"""A lane change costs as much as this detour."""
SHORT_CHANGE_M = 100.0
"""… and that much more where there are less than 25 m for it, or inside a junction."""
FORBIDDEN_CHANGE_M = 1000.0
"""… and over marks that nobody may cross."""
BLEND_MIN_M, ROOM_MIN_M = 25.0, 15.0

Node = tuple[LaneKey, bool]
"""A lane, and whether it lies in the section that the search begins in."""


def search(map_: RoadMap, start: LanePlace, goal: LanePlace) -> tuple[LaneKey, ...]:
    """See ``RoadMap.search``."""
    for place in (start, goal):
        if place.key not in map_.lanes:
            raise RouteNotFound(f"the map has no lane {tuple(place.key)}", where=map_.name)
    aim = map_.pose(goal.key, goal.s_m)
    first: Node = (start.key, True)
    costs: dict[Node, float] = {first: -start.s_m}
    came: dict[Node, Node] = {}
    # The count keeps equal costs in the order found: the same answer every time.
    queue: list[tuple[float, int, Node]] = [(0.0, 0, first)]
    count = 0
    closed: set[Node] = set()
    while queue:
        _, _, node = heapq.heappop(queue)
        if node in closed:
            continue
        closed.add(node)
        key, fresh = node
        if key == goal.key and (not fresh or goal.s_m >= start.s_m - 1e-6):
            return _path(node, came)
        for following, price in _steps(map_, node, start):
            cost = costs[node] + price
            if cost < costs.get(following, math.inf):
                costs[following], came[following] = cost, node
                lane = map_.lanes[following[0]]
                rest = math.hypot(lane.x_m[0] - aim[0], lane.y_m[0] - aim[1])
                count += 1
                heapq.heappush(queue, (cost + rest, count, following))
    raise RouteNotFound(
        f"no way leads from lane {tuple(start.key)} to lane {tuple(goal.key)}",
        where=map_.name,
        hint="are both on lanes for cars, and do the lanes' links join them?",
    )


def _path(node: Node, came: dict[Node, Node]) -> tuple[LaneKey, ...]:
    path = [node[0]]
    while node in came:
        node = came[node]
        path.append(node[0])
    return tuple(reversed(path))


def _steps(map_: RoadMap, node: Node, start: LanePlace) -> Iterator[tuple[Node, float]]:
    key, fresh = node
    lane = map_.lanes[key]
    for following in lane.next:
        yield (following, False), lane.length_m
    room = lane.length_m - (start.s_m if fresh else 0.0)
    for other, crossable in zip((lane.left, lane.right), lane.crossable, strict=True):
        if other is not None:
            price = _change(lane, map_.lanes[other], room, crossable)
            if price is not None:
                yield (other, fresh), price


def _change(lane: Lane, other: Lane, room_m: float, crossable: bool) -> float | None:
    if lane.kind != other.kind or room_m < ROOM_MIN_M or float(other.width_m.max()) < 2.0:
        return None
    short = room_m < BLEND_MIN_M or lane.junction
    return CHANGE_M + (SHORT_CHANGE_M if short else 0.0) + (0.0 if crossable else FORBIDDEN_CHANGE_M)
