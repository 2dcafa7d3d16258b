"""Whom SUMO drives: those of a scenario who have no script, and as many more as somebody wants.

Decides kinds and colours; where they drive is SUMO's business.
"""

from __future__ import annotations

import msgspec
import numpy as np

from pipeline.errors import UsageError
from scenarios.city import CARS, PAINTS
from scenarios.scenario import Actor, Drive, Path, Scenario, Trigger

ANYWHERE = "anywhere"
OTHERS = ("truck", "bus", "motorcycle", "cyclist", "trailer")
OTHERS_SHARE = 0.2
CYCLING_MPS, DRIVING_MPS = 5.0, 13.9
ASIDE_M, APART_M = 1000.0, 30.0
MOST = 900


def is_free(actor: Actor) -> bool:
    """Whether SUMO drives it: a driver on a path of its own who follows no script and keeps to the rules."""
    motion = actor.motion
    return (
        isinstance(motion, Drive)
        and bool(actor.on)
        and motion.trigger == Trigger()
        and not motion.changes
        and motion.obeys
        and motion.minds
        and motion.at_end == "leave"
    )


def with_drivers(scenario: Scenario, count: int, seed: int = 0) -> Scenario:
    """The scenario with ``count`` more drivers for SUMO, a fifth of them no cars. For its traffic only.

    Needs no circuit, so it works on any map. Raises UsageError for a street or for too many.
    """
    if not isinstance(scenario.road, Path):
        raise UsageError("drivers for SUMO need a map", where=f"scenario {scenario.name}", hint="take one on a map")
    free = sorted(set(range(1, 1000)) - {actor.id for actor in scenario.actors})
    if not 0 <= count <= min(MOST, len(free)):
        raise UsageError(
            f"{count} drivers are too many or too few", where=f"scenario {scenario.name}", hint=f"give 0 to {MOST}"
        )
    rng = np.random.default_rng([seed, 6162])
    # Until SUMO puts them in they are off the map, where nobody is.
    actors = tuple(_driver(free[k], ASIDE_M + APART_M * k, rng) for k in range(count))
    anywhere = msgspec.structs.replace(scenario.road, name=ANYWHERE)
    paths = scenario.paths if any(path.name == ANYWHERE for path in scenario.paths) else (*scenario.paths, anywhere)
    return msgspec.structs.replace(scenario, actors=(*scenario.actors, *actors), paths=paths)


def _driver(id_: int, aside_m: float, rng: np.random.Generator) -> Actor:
    pool = OTHERS if rng.random() < OTHERS_SHARE else CARS
    kind = pool[int(rng.integers(len(pool)))]
    colour, second = (PAINTS[int(rng.integers(len(PAINTS)))] for _ in range(2))
    return Actor(
        id=id_, kind=kind, s_m=0.0, d_m=-aside_m, on=ANYWHERE, colour=colour, second_colour=second,
        motion=Drive(CYCLING_MPS if kind == "cyclist" else DRIVING_MPS),
    )  # fmt: skip
