"""People on foot who look before they step out, and wait for those whom SUMO drives.

Decides only when they may look for themselves again: the built-in traffic knows the ego and those on its own lines.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from scenarios.world.traffic.columns import (
    FIRST_POINT,
    LEG,
    LENGTH,
    LOOKS,
    POINTS,
    PRESENT,
    ROLE,
    SPEED,
    SPEED_X,
    SPEED_Y,
    STEP_CLEAR,
    WALK,
    WISH,
    YAW,
    X,
    Y,
)

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

NEAR_M, AFTER_S, ROOM_M = 90.0, 1.5, 2.4
"""Vehicles within NEAR_M count that come closer than ROOM_M to the way across until AFTER_S later."""
LOOKS_AHEAD = 14


class Waiting:
    """Those who looked from the start, and which of them have been made to wait."""

    def __init__(self, flags: Ints) -> None:
        self._rows = np.flatnonzero((flags[:-1, ROLE] == WALK) & (flags[:-1, LOOKS] == 1))
        self._held: set[int] = set()

    def decide(self, numbers: Floats, flags: Ints, points: Floats, vehicles: Ints) -> None:
        """Hold whoever stands before a way across that one of ``vehicles`` comes by; let go whoever need not wait."""
        moving = numbers[vehicles[numbers[vehicles, SPEED] > 0.5]] if len(vehicles) else np.zeros((0, 0))
        for row in self._rows.tolist():
            stands = flags[row, PRESENT] == 1 and numbers[row, SPEED] == 0.0 and flags[row, LEG] < flags[row, POINTS]
            if not (stands or row in self._held):
                continue
            me = numbers[row]
            target = points[flags[row, FIRST_POINT] + flags[row, LEG]]
            if stands and len(moving) and comes_by(me[[X, Y]], target, float(me[WISH]), moving):
                self._held.add(row)
                flags[row, LOOKS] = flags[row, STEP_CLEAR] = 0
            elif row in self._held:
                self._held.discard(row)
                flags[row, LOOKS] = 1


def comes_by(place: Floats, target: Floats, speed_mps: float, vehicles: Floats) -> bool:
    """Whether a vehicle, going on as it does, crosses the way from ``place`` to ``target`` while one is on it."""
    near = vehicles[np.abs(vehicles[:, [X, Y]] - place).max(axis=1) < NEAR_M]
    if not len(near):
        return False
    way = target - place
    length = float(np.hypot(*way))
    times = np.linspace(0.0, length / max(speed_mps, 0.1) + AFTER_S, LOOKS_AHEAD)[:, None]
    half = 0.5 * near[:, LENGTH]
    fronts_x = near[:, X] + half * np.cos(near[:, YAW]) + times * near[:, SPEED_X] - place[0]
    fronts_y = near[:, Y] + half * np.sin(near[:, YAW]) + times * near[:, SPEED_Y] - place[1]
    along = np.clip((fronts_x * way[0] + fronts_y * way[1]) / max(length * length, 1e-9), 0.0, 1.0)
    return bool((np.hypot(fronts_x - along * way[0], fronts_y - along * way[1]) < ROOM_M).any())
