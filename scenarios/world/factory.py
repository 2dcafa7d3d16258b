"""Makes the embedded world from the plain values of a launch file's ``world:`` section."""

from __future__ import annotations

from scenarios.library import load
from scenarios.world.world import World


def street(
    *,
    scenario: str,
    speed_mps: float,
    seed: int,
    pixels: bool = True,
    parameters: dict[str, float] | None = None,
) -> World:
    """The scenario of that name at that speed, jittered by ``seed``; ``parameters`` replace what it would draw.

    Raises UsageError for a scenario or a parameter that does not exist.
    """
    return World(load(scenario, speed_mps, seed, **(parameters or {})), seed=seed, pixels=pixels)
