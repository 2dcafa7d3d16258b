"""When scripts begin: the conditions of all triggers of a scenario, checked together at every step.

Decides that a trigger fires; what then happens is ``traffic``'s business.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from pipeline.errors import UsageError
from scenarios.scenario import Trigger
from scenarios.world.kernels import allocating
from scenarios.world.traffic.columns import SPEED, Lines, S, X, Y
from scenarios.world.traffic.signals import STATES, Signals
from scenarios.world.ways import line_locate

Floats = NDArray[np.float64]

ROW, WAITING, WITHIN, AFTER, ARRIVES, ARRIVAL, STATION, LIGHT, SHOWS, DELAY, MET = range(11)
LATER, PENDING, FIRED = 0.0, 1.0, 2.0


class Script(NamedTuple):
    """Whose trigger it is: the road user's row, and which of its steps (0: the start, k: change k - 1)."""

    row: int
    step: int
    trigger: Trigger


class Triggers:
    """All triggers of a scenario; those of one road user fire one after the other."""

    def __init__(self, scripts: list[Script], signals: Signals, first_s_m: float) -> None:
        self.scripts = scripts
        self._table = np.zeros((len(scripts), 11))
        for k, (row, step, trigger) in enumerate(scripts):
            if trigger.light and trigger.light not in signals.index:
                raise UsageError(
                    f"a trigger waits for light {trigger.light!r}, which no programme has",
                    where=f"road user in row {row + 1}",
                    hint=f"use one of {', '.join(signals.names) or '(none)'}",
                )
            arrival = math.nan if trigger.arrival_s_m is None else trigger.arrival_s_m - first_s_m
            self._table[k] = (
                row, LATER if step else PENDING, trigger.ego_within_m, trigger.after_s, trigger.ego_arrives_in_s,
                arrival, trigger.ego_station_m - first_s_m, signals.index.get(trigger.light, -1),
                STATES.index(trigger.light_state) if trigger.light else -1, trigger.delay_s, -1.0,
            )  # fmt: skip
        self.pending = len(scripts)
        """How many have not fired."""

    def fired(self, users: Floats, lines: Lines, lights: NDArray[np.int8], now_s: float) -> list[Script]:
        """Those that fire now; each fires once."""
        if self.pending == 0:
            return []
        found: list[Script] = []
        while True:
            k = int(first_fired(self._table, users, lines, lights, now_s))
            if k < 0:
                return found
            self._table[k, WAITING] = FIRED
            self.pending -= 1
            script = self.scripts[k]
            found.append(script)
            if k + 1 < len(self.scripts) and self.scripts[k + 1].row == script.row:
                self._table[k + 1, WAITING] = PENDING

    def never_fired(self) -> list[Script]:
        """Those that have not fired so far."""
        return [script for script, row in zip(self.scripts, self._table, strict=True) if row[WAITING] != FIRED]


@allocating
def first_fired(table: Floats, users: Floats, lines: Lines, lights: NDArray[np.int8], now: float) -> int:
    """The first pending trigger whose conditions hold, and have held once ``DELAY`` ago; -1 for none."""
    ego = users[users.shape[0] - 1]
    for k in range(table.shape[0]):
        row = table[k]
        if row[WAITING] != PENDING:
            continue
        if row[MET] < 0.0 and holds(row, users[int(row[ROW])], ego, lines, lights, now):
            row[MET] = now
        if row[MET] >= 0.0 and now >= row[MET] + row[DELAY] - 1e-9:
            return k
    return -1


@allocating
def holds(row: Floats, actor: Floats, ego: Floats, lines: Lines, lights: NDArray[np.int8], now: float) -> bool:
    """Whether all conditions of a trigger hold."""
    if now < row[AFTER] or ego[S] < row[STATION]:
        return False
    if row[LIGHT] >= 0.0 and lights[int(row[LIGHT])] != int(row[SHOWS]):
        return False
    dx, dy = actor[X] - ego[X], actor[Y] - ego[Y]
    if math.sqrt(dx * dx + dy * dy) > row[WITHIN]:
        return False
    if row[ARRIVES] == np.inf:
        return True
    arrival = row[ARRIVAL]
    if math.isnan(arrival):
        nodes = lines.nodes[lines.span[0, 0] : lines.span[0, 1]]
        closed = lines.span[0, 2] == 1
        arrival, _ = line_locate(nodes, lines.step[0], closed, actor[X], actor[Y], ego[S] - 50.0, ego[S] + 300.0)
    left = arrival - ego[S]
    return bool(left <= 0.0 or (ego[SPEED] > 0.1 and left / ego[SPEED] <= row[ARRIVES]))
