"""Pushes what the scenario's lights show to SUMO, so that its drivers see the lights that everybody sees.

Decides which of SUMO's two greens a link has: with the right of way only where nobody whom it must let pass is green.
"""

from __future__ import annotations

from collections import defaultdict

from scenarios.sumo.simulation import Simulation
from scenarios.sumo.streets import Link, Streets
from scenarios.world.traffic.signals import AMBER, GREEN, RED, Signals

OFF, FIRST, SECOND = "O", "G", "g"
LETTERS = {RED: "r", AMBER: "y"}


class Pushed:
    """The lights of all junctions; one that no programme has is off, as in the world."""

    def __init__(self, streets: Streets, signals: Signals) -> None:
        self._signals = signals
        self._junctions = [
            (name, links, [signals.index.get(link.light, -1) for link in links])
            for name, links in sorted(streets.lights.items())
        ]
        self._last: dict[str, str] = {}
        self._shown: bytes | None = None

    def push(self, simulation: Simulation, now_s: float) -> None:
        """Tell SUMO about the lights that have changed."""
        states = self._signals.at(now_s)
        shown_now = states.tobytes()
        if shown_now == self._shown:
            return
        self._shown = shown_now
        for name, links, rows in self._junctions:
            letters = shown(links, [int(states[row]) if row >= 0 else -1 for row in rows])
            if self._last.get(name) != letters:
                simulation.show(name, letters)
                self._last[name] = letters


def shown(links: tuple[Link, ...], states: list[int]) -> str:
    """SUMO's letters for the states of a junction's links (-1: no programme)."""
    green: dict[str, int] = defaultdict(int)
    for link, state in zip(links, states, strict=True):
        if state == GREEN and link.index >= 0:
            green[link.junction] |= 1 << link.index
    return "".join(
        (SECOND if link.yields_to & green[link.junction] else FIRST) if state == GREEN else LETTERS.get(state, OFF)
        for link, state in zip(links, states, strict=True)
    )
