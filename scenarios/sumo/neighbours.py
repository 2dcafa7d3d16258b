"""Those with a script, as SUMO sees them: obstacles on its lanes, moved from outside.

Decides who is on a carriageway near the ego; people on the pavement do not concern SUMO's drivers.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from operators.maps import RoadMap
from scenarios.scenario import Scenario
from scenarios.world.traffic.columns import LENGTH, PRESENT, SPEED, SPEED_X, SPEED_Y, WIDTH, YAW, X, Y

Floats = NDArray[np.float64]

NEAR_M = 160.0
LOOK_STEPS = 5
"""Who is on a carriageway is asked every 250 ms."""
ON_LANE_M = 1.9
"""Half a lane, and a little: whoever reaches in so far is in the way."""


@dataclass(frozen=True, slots=True)
class Neighbour:
    """Where its front will be at the end of SUMO's step. ``near``: whether SUMO has to know at all."""

    name: str
    kind: str
    near: bool
    x_m: float = 0.0
    y_m: float = 0.0
    yaw_rad: float = 0.0
    speed_mps: float = 0.0


class Neighbours:
    """All actors but those that SUMO drives, rows ``free``."""

    def __init__(self, map_: RoadMap, scenario: Scenario, free: NDArray[np.int64]) -> None:
        self._map, self._actors = map_, scenario.actors
        self._rows = np.array([row for row in range(len(scenario.actors)) if row not in set(free.tolist())], np.int64)
        self._known: set[int] = set()
        self._found: dict[int, float] = {}
        self._calls = 0

    def around(
        self, x_m: float, y_m: float, numbers: Floats, flags: NDArray[np.int64], ahead_s: float
    ) -> Iterator[Neighbour]:
        """Those on the carriageway near a place; and, once, those that are not any more."""
        if not len(self._rows):
            return
        if self._calls % LOOK_STEPS == 0:
            self._look(x_m, y_m, numbers, flags)
        self._calls += 1
        for row, yaw in self._found.items():
            yield self._neighbour(row, numbers[row], yaw, ahead_s)
        for row in sorted(self._known - set(self._found)):
            yield Neighbour(self._name(row), self._actors[row].kind, near=False)
        self._known = set(self._found)

    def _look(self, x_m: float, y_m: float, numbers: Floats, flags: NDArray[np.int64]) -> None:
        """Who is on a lane, and which way it leads there."""
        rows = self._rows
        close = np.hypot(numbers[rows, X] - x_m, numbers[rows, Y] - y_m) < NEAR_M
        rows = rows[close & (flags[rows, PRESENT] == 1)]
        self._found = {}
        if len(rows):
            here = numbers[rows]
            places = self._map.nearest_many(np.ascontiguousarray(here[:, [X, Y]]))
            inside = (places.lane >= 0) & (np.abs(places.d_m) < ON_LANE_M + 0.5 * here[:, WIDTH])
            for k in np.flatnonzero(inside):
                self._found[int(rows[k])] = float(places.yaw_rad[k])

    def _name(self, row: int) -> str:
        return f"actor {self._actors[row].id}"

    def _neighbour(self, row: int, one: Floats, lane_yaw: float, ahead_s: float) -> Neighbour:
        # Somebody who crosses a lane is for SUMO a short vehicle along it.
        along = math.cos(one[YAW] - lane_yaw)
        yaw = float(one[YAW]) if abs(along) > 0.7 else lane_yaw
        half = 0.5 * float(one[LENGTH])
        return Neighbour(
            name=self._name(row),
            kind=self._actors[row].kind,
            near=True,
            x_m=float(one[X] + one[SPEED_X] * ahead_s) + half * math.cos(yaw),
            y_m=float(one[Y] + one[SPEED_Y] * ahead_s) + half * math.sin(yaw),
            yaw_rad=yaw,
            speed_mps=float(one[SPEED]) * max(0.0, along),
        )
