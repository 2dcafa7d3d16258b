"""SUMO as the engine of a map's traffic, with the extra [sumo]; ``engine`` is what a world is given.

Decides who makes the traffic, nothing else. Light: nothing of SUMO is imported before it is asked for.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import TYPE_CHECKING

from pipeline.errors import UsageError
from pipeline.suggestions import suggest

if TYPE_CHECKING:
    from operators.messages import EgoSize
    from scenarios.scenario import Scenario
    from scenarios.world.traffic.signals import Signals
    from scenarios.world.traffic.traffic import Traffic

    TrafficMaker = Callable[[Scenario, EgoSize, Signals], Traffic]

ENGINES = ("sumo",)


def engine(name: str, seed: int) -> TrafficMaker | None:
    """What makes the traffic of a world: ``sumo``, or None for "": the built-in traffic.

    Raises UsageError for another name and MissingExtra where SUMO is not installed.
    """
    if not name:
        return None
    if name not in ENGINES:
        hint = suggest(name, ENGINES, "use one of") or f"use {', '.join(ENGINES)}, or leave it out"
        raise UsageError(f"unknown traffic {name!r}", where="world: traffic", hint=hint)
    from scenarios.sumo.tools import libsumo
    from scenarios.sumo.traffic import SumoTraffic

    libsumo()
    return functools.partial(SumoTraffic, seed=seed)
