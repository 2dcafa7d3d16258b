"""What every traffic light shows at a time: programmes of phases, over and over.

Decides the state of lights; what a driver makes of it is ``junctions``' and the planner's business.
"""

from __future__ import annotations

import bisect

import numpy as np
from numpy.typing import NDArray

from operators.messages import LightState, TrafficLights
from pipeline.errors import UsageError
from scenarios.scenario import Lights

RED, AMBER, GREEN, OFF = range(4)
STATES = ("red", "amber", "green", "off")


class Signals:
    """All lights of a scenario, by name; ``index`` gives the row of a name in ``at``."""

    def __init__(self, programmes: tuple[Lights, ...]) -> None:
        self.names: tuple[str, ...] = tuple(
            sorted({name for programme in programmes for phase in programme.phases for name in phase.green})
        )
        self.index = {name: row for row, name in enumerate(self.names)}
        self._programmes = [_Programme(programme, self.index) for programme in programmes]
        seen: set[str] = set()
        for programme in self._programmes:
            twice = sorted(seen & programme.names)
            if twice:
                raise UsageError(
                    f"light {twice[0]!r} is in two programmes", where="lights", hint="give each light one programme"
                )
            seen |= programme.names
        self._states = np.full(len(self.names), OFF, dtype=np.int8)
        self._until_s, self._from_s = -1.0, 0.0

    def at(self, now_s: float) -> NDArray[np.int8]:
        """State of each light (rows as ``names``) at a time; valid until the next call."""
        if not self._from_s <= now_s < self._until_s:
            self._from_s, self._until_s = now_s, np.inf
            for programme in self._programmes:
                self._until_s = min(self._until_s, now_s + programme.write(now_s, self._states))
        return self._states

    def state(self, name: str, now_s: float) -> str:
        """``red``, ``amber``, ``green``, or ``off`` for a light that no programme has."""
        row = self.index.get(name)
        return STATES[OFF] if row is None else STATES[int(self.at(now_s)[row])]

    def message(self, now_s: float, names: tuple[str, ...] | None = None) -> TrafficLights:
        """The states of ``names``, or of all lights."""
        wanted = self.names if names is None else names
        return TrafficLights(items=tuple(LightState(light=name, state=self.state(name, now_s)) for name in wanted))


class _Programme:
    """Interval boundaries of one cycle and the rows that are green or amber in each; all other rows of it are red."""

    def __init__(self, lights: Lights, index: dict[str, int]) -> None:
        self.names = {name for phase in lights.phases for name in phase.green}
        self._rows = sorted(index[name] for name in self.names)
        self._offset_s = lights.offset_s
        self._ends: list[float] = []
        self._shown: list[tuple[tuple[int, ...], int]] = []
        self._steady: dict[int, tuple[int, ...]] = {}
        end = 0.0
        for k, phase in enumerate(lights.phases):
            following = set(lights.phases[(k + 1) % len(lights.phases)].green)
            green = tuple(index[name] for name in phase.green)
            for length_s, state in ((phase.length_s, GREEN), (phase.amber_s, AMBER), (phase.all_red_s, RED)):
                if length_s > 0.0:
                    end += length_s
                    self._ends.append(end)
                    self._shown.append((green, state))
            # A light that is green in the next phase too has no amber in between.
            self._keep_green(len(self._shown), tuple(index[name] for name in phase.green if name in following))
        if not self._ends:
            raise UsageError("a light programme has no phase of any length", where="lights", hint="give length_s > 0")

    def _keep_green(self, end: int, rows: tuple[int, ...]) -> None:
        k = end - 1
        while k >= 0 and k not in self._steady and self._shown[k][1] != GREEN:
            self._steady[k] = rows
            k -= 1

    def write(self, now_s: float, states: NDArray[np.int8]) -> float:
        """States at ``now_s`` into their rows; seconds until they change."""
        within = (now_s + self._offset_s) % self._ends[-1]
        k = min(bisect.bisect_right(self._ends, within), len(self._ends) - 1)
        states[self._rows] = RED
        rows, state = self._shown[k]
        states[list(rows)] = state
        states[list(self._steady.get(k, ()))] = GREEN
        return float(self._ends[k] - within)
