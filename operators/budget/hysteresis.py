"""How a budget follows what is wanted of it: tightened at once, relaxed after a pause and slowly."""

from __future__ import annotations

import math
from typing import NamedTuple, Protocol


class Pace(Protocol):
    """Settings of a policy that say how fast it relaxes."""

    @property
    def shortest_ms(self) -> float: ...
    @property
    def longest_ms(self) -> float: ...
    @property
    def hold_s(self) -> float: ...
    @property
    def relax_ms_per_s(self) -> float: ...


class Followed(NamedTuple):
    """The budget in force, how long nothing has asked for less, and why it is what it is."""

    budget_ms: float
    calm_s: float
    reason: str


def follow(budget_ms: float, calm_s: float, wanted_ms: float, reason: str, dt_s: float, pace: Pace) -> Followed:
    """The budget ``dt_s`` after ``budget_ms``, when ``wanted_ms`` is asked for because of ``reason``."""
    wanted = min(max(wanted_ms, pace.shortest_ms), pace.longest_ms)
    if wanted <= budget_ms:
        return Followed(wanted, 0.0 if wanted < pace.longest_ms else math.inf, reason)
    calm = calm_s + dt_s
    if calm < pace.hold_s:
        return Followed(budget_ms, calm, "holding")
    relaxed = min(wanted, budget_ms + pace.relax_ms_per_s * dt_s)
    return Followed(relaxed, calm, reason if relaxed == wanted else "relaxing")
