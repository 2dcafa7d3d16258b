"""Where those are whom SUMO drives, between two of its steps.

Decides interpolation only: straight from one pose to the next, so that the world's steps of 5 ms see no jumps.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from scenarios.sumo.simulation import ANGLE, BRAKE_LIGHT, NOWHERE, POSITION, SIGNALS, SPEED, STEP_S

Floats = NDArray[np.float64]
JUMP_M = 6.0
"""Further in one step than anybody drives: put somewhere else."""
STANDING_MPS = 0.1


class Poses:
    """Rows as the scenario's actors. ``take`` a step's result, then ask for the ``track`` of those that were there.

    ``rows``: who was there from beginning to end; ``present``: who was there at the end of the last step;
    ``standing_s``: for how long each has stood.
    """

    def __init__(self, count: int, lengths: Floats) -> None:
        self.lengths = lengths
        self._before, self._after = np.zeros((count, 5)), np.zeros((count, 5))
        self.rows = np.zeros(0, np.int64)
        self.present = np.zeros(count, np.bool_)
        self.standing_s = np.zeros(count)

    def take(self, found: Mapping[str, Mapping[int, Any]], row_of: Mapping[str, int]) -> None:
        """The result of a step: poses at its end. Those that were there at its beginning move from there to here."""
        was = self.present.copy()
        self._before[:] = self._after
        self.present[:] = False
        rows: list[int] = []
        values: list[tuple[float, float, float, float, float]] = []
        for name, row in row_of.items():
            one = found.get(name)
            if one is None or one[POSITION][0] < NOWHERE:
                continue
            x, y = one[POSITION][:2]
            rows.append(row)
            values.append((x, y, one[ANGLE], one[SPEED], one[SIGNALS]))
        if rows:
            table, at = np.array(values), np.array(rows, np.int64)
            yaw = np.mod(0.5 * math.pi - np.radians(table[:, 2]) + math.pi, 2.0 * math.pi) - math.pi
            # SUMO has the middle of the front bumper.
            back = 0.5 * self.lengths[at]
            after = self._after[at]
            after[:, 0], after[:, 1] = table[:, 0] - back * np.cos(yaw), table[:, 1] - back * np.sin(yaw)
            after[:, 2], after[:, 3] = yaw, table[:, 3]
            after[:, 4] = (table[:, 4].astype(np.int64) & BRAKE_LIGHT) | (table[:, 3] < STANDING_MPS)
            self._after[at] = after
            self.present[at] = True
            self.standing_s[at] = np.where(table[:, 3] < STANDING_MPS, self.standing_s[at] + STEP_S, 0.0)
        # Who has just been put in has no pose at the beginning of the step: it is there from its end on.
        self.rows = np.flatnonzero(was & self.present)
        jumped = np.hypot(*(self._after[self.rows, :2] - self._before[self.rows, :2]).T) > JUMP_M
        self._before[self.rows[jumped]] = self._after[self.rows[jumped]]

    def track(self, count: int) -> Floats:
        """(count, n, 6): ``rows`` in ``count`` equal parts of the step, its end last; the first columns of ``end``."""
        before, after = self._before[self.rows], self._after[self.rows]
        change = after - before
        change[:, 2] = np.mod(change[:, 2] + math.pi, 2.0 * math.pi) - math.pi
        share = (np.arange(1, count + 1) / count)[:, None, None]
        found = np.empty((count, len(self.rows), 6))
        found[..., :4] = before[:, :4] + share * change[:, :4]
        # While it moves over it drives askew: its velocity is where it really goes.
        found[..., 4:6] = change[:, :2] / STEP_S
        return found

    def end(self) -> tuple[NDArray[np.int64], Floats]:
        """Who is there at the end of the step, and (n, 7): x, y, yaw, speed, speed in x and y, brake lights."""
        rows = np.flatnonzero(self.present)
        after = self._after[rows]
        speed, yaw = after[:, 3], after[:, 2]
        braking = (after[:, 4] > 0.0).astype(np.float64)
        columns = [after[:, 0], after[:, 1], yaw, speed, speed * np.cos(yaw), speed * np.sin(yaw), braking]
        return rows, np.stack(columns, axis=1)

    def places(self) -> Floats:
        """(n, 2) of those that were there at the end of the last step."""
        places: Floats = self._after[self.present, :2]
        return places

    def away(self, row: int, x_m: float, y_m: float) -> float:
        """Distance of one of them from a point."""
        return math.hypot(self._after[row, 0] - x_m, self._after[row, 1] - y_m) if self.present[row] else 0.0

    def drop(self, row: int) -> None:
        """It is not there any more."""
        self.present[row], self.standing_s[row] = False, 0.0
