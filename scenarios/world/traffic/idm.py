"""How drivers choose their speed: the intelligent driver model, and whether a lane change pays (MOBIL).

Formulas only. Source: Treiber, Hennecke, Helbing 2000, eq. 3 (IDM); Kesting, Treiber, Helbing 2007, eq. 1–2 (MOBIL).
"""

from __future__ import annotations

import math
from typing import NamedTuple

from scenarios.world.kernels import kernel

HARDEST_MPS2 = -8.0
POLITENESS, THRESHOLD_MPS2, SAFE_MPS2 = 0.3, 0.2, -2.0
"""MOBIL: weight of the others' loss, gain that makes a change worth while, deceleration that may be asked of others."""


class Driver(NamedTuple):
    """Time gap, standstill gap, comfortable deceleration, acceleration, and the highest speed of such a vehicle."""

    headway_s: float
    standstill_m: float
    comfort_mps2: float
    drive_mps2: float
    fastest_mps: float = math.inf


CAR = Driver(1.3, 2.2, 2.5, 1.6)
DRIVERS = {
    "truck": Driver(1.7, 2.6, 2.0, 0.9, 25.0),
    "bus": Driver(1.6, 2.6, 2.0, 1.0, 25.0),
    "trailer": Driver(1.8, 2.8, 2.0, 0.7, 25.0),
    "van": Driver(1.4, 2.3, 2.4, 1.3),
    "motorcycle": Driver(1.2, 2.0, 2.8, 2.2),
    "cyclist": Driver(1.0, 1.4, 2.2, 0.9, 7.5),
}
"""By kind of road user; others drive like ``CAR``."""


@kernel
def idm(
    speed: float, wanted: float, gap: float, lead: float, headway: float, standstill: float, comfort: float, pull: float
) -> float:
    """Acceleration (m/s²) at ``gap`` (m) behind somebody with speed ``lead``; inf: nobody. Not below -8."""
    ratio = speed / max(wanted, 0.1)
    free = pull * (1.0 - ratio * ratio * ratio * ratio)
    if ratio > 1.0:
        # The model's free term brakes far too hard where a limit drops; drivers then slow down comfortably.
        free = max(free, -comfort)
    if gap == math.inf:
        return max(HARDEST_MPS2, free)
    desired = standstill + max(0.0, speed * headway + speed * (speed - lead) / (2.0 * math.sqrt(pull * comfort)))
    pressure = desired / max(gap, 0.1)
    return max(HARDEST_MPS2, min(free, pull) - pull * pressure * pressure)


@kernel
def mobil_gain(own_now: float, own_then: float, loss: float) -> float:
    """What a change is worth (m/s²) beyond the threshold: own gain less the weighted loss of the new follower."""
    return own_then - own_now - POLITENESS * max(0.0, loss) - THRESHOLD_MPS2
