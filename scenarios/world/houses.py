"""The houses that hide road users: all those of a street, or those of a map that are near. Places only."""

from __future__ import annotations

import functools

import numpy as np
from numpy.typing import NDArray

from scenarios.scenario import Scenario
from scenarios.world.drawing.scenery import house_boxes, houses
from scenarios.world.roads import Road

Boxes = tuple[NDArray[np.float64], NDArray[np.float64]]

NEAR_M = 150.0
NO_HOUSES: Boxes = np.zeros((0, 5)), np.zeros(0)


class Houses:
    """Outlines (n, 5) and heights (n,) of a scenario's houses."""

    def __init__(self, scenario: Scenario) -> None:
        self._scenario, self._all = scenario, NO_HOUSES
        self._is_street = isinstance(scenario.road, Road)
        if isinstance(scenario.road, Road):
            start, end = scenario.scenery_span()
            self._all = house_boxes(houses(scenario.road, start_s_m=start, end_s_m=end, seed=scenario.scenery_seed))

    def near(self, x_m: float, y_m: float) -> Boxes:
        """Those that may hide something from a point; on a street all of them."""
        if self._is_street:
            return self._all
        if not self._scenario.map:
            return NO_HOUSES
        boxes, heights = _of_map(self._scenario.map, self._scenario.scenery_seed)
        close = (np.abs(boxes[:, 0] - x_m) < NEAR_M) & (np.abs(boxes[:, 1] - y_m) < NEAR_M)
        return boxes[close], heights[close]


@functools.lru_cache(maxsize=4)
def _of_map(name: str, seed: int) -> Boxes:
    from scenarios.maps import shipped
    from scenarios.world.drawing.surroundings import map_houses

    return house_boxes(list(map_houses(shipped(name), seed)))
