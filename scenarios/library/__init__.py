"""The scenario library: ``load(name, speed_mps, seed)`` makes a scenario; each module holds one."""

from __future__ import annotations

import importlib

from pipeline.errors import UsageError
from scenarios.scenario import Scenario

NAMES: tuple[str, ...] = ("person_behind_truck", "traffic_jam", "street")


def load(name: str, speed_mps: float, seed: int, **parameters: float) -> Scenario:
    """The scenario ``name``, jittered by ``seed``; ``parameters`` override what the seed would draw."""
    if name not in NAMES:
        raise UsageError(f"unknown scenario {name!r}", where="scenario library", hint=f"use one of {', '.join(NAMES)}")
    module = importlib.import_module(f"scenarios.library.{name}")
    scenario: Scenario = module.scenario(speed_mps, seed, **parameters)
    return scenario


def drawn(name: str, draws: dict[str, float], parameters: dict[str, float]) -> dict[str, float]:
    """``draws`` with ``parameters`` in their place; a parameter that the scenario does not have is an error."""
    unknown = sorted(set(parameters) - set(draws))
    if unknown:
        raise UsageError(
            f"unknown parameter {unknown[0]!r}", where=f"scenario {name}", hint=f"use one of {', '.join(sorted(draws))}"
        )
    return {**draws, **{key: float(value) for key, value in parameters.items()}}
