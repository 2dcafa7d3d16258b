"""D3's deadline policy: the end-to-end budget follows from the stopping distance and what is in or near the way.

Writes budgets; the operators decide which models fit into them. Three variants: ``as_shipped`` with the published unit
error, ``fixed`` without it, and ``ours``, which is continuous and tightens for hazards that cannot be seen yet.
Source: D3 (EuroSys 2022) §5 and the published policy operator.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from operators.budget.hysteresis import follow
from operators.geometry.cameras import map_to_ego
from operators.messages import EgoSize, EgoState, Obstacle, Obstacles

OTHERS_MS = 159.0
"""What everything but the detector takes at its 99.9th percentile, as published."""
RELAXED_MS, MIDDLE_MS, TIGHT_MS = 274.0, 110.0, 60.0
"""Published detector budgets: nothing new, something new within 9 m of the stopping distance, within 3 m."""
READINGS = 8
READING_MS = 50.0
FRICTION = 0.7


class ShippedState(NamedTuple):
    """Identities ever seen, the obstacles first seen in each of the last readings, and the last end-to-end budget."""

    known: frozenset[int] = frozenset()
    fresh: tuple[tuple[Obstacle, ...], ...] = ()
    end_to_end_ms: float = 433.0


def shipped(
    state: ShippedState, obstacles: Obstacles, ego: EgoState, *, unit_error: bool
) -> tuple[ShippedState, float]:
    """One reading of the published policy: new state and end-to-end budget in ms.

    ``unit_error``: the reaction distance is milliseconds times metres per second, as published; without it, seconds.
    """
    new = tuple(item for item in obstacles.items if item.track_id not in state.known)
    fresh = (*state.fresh, new)[-READINGS:]
    speed = max(ego.speed_mps, 0.0)
    brake_m = (3.6 * speed) ** 2 / (250.0 * FRICTION)
    detector_ms = RELAXED_MS
    for index, items in enumerate(fresh):
        reaction = (READING_MS * (index + 1) + state.end_to_end_ms) * speed
        reaction_m = reaction if unit_error else reaction / 1000.0
        for item in items:
            margin_m = math.hypot(item.x_m - ego.x_m, item.y_m - ego.y_m) - (reaction_m + brake_m)
            if margin_m < 3.0:
                detector_ms = min(detector_ms, TIGHT_MS)
            elif margin_m < 9.0:
                detector_ms = min(detector_ms, MIDDLE_MS)
    known = state.known | {item.track_id for item in new}
    budget_ms = detector_ms + OTHERS_MS
    return ShippedState(known, fresh, budget_ms), budget_ms


@dataclass(frozen=True)
class StoppingSettings:
    """Range of budgets, and how the road ahead is judged."""

    shortest_ms: float = 120.0
    longest_ms: float = 500.0
    decel_mps2: float = 6.5
    actuation_s: float = 0.15
    standoff_m: float = 2.0
    answers: float = 3.0
    """So many answers of the pipeline must fit into the time left before braking: to see, to be sure, to act."""
    corridor_margin_m: float = 0.6
    look_ahead_s: float = 4.0
    approach_mps: float = 0.4
    """A person that closes in on the corridor this fast is a hazard from afar."""
    person_mps: float = 2.8
    """How fast somebody hidden may step out."""
    occluder_gap_m: float = 4.0
    """A standing vehicle this close to the corridor may hide a person."""
    occluder_length_min_m: float = 5.0
    """… if it is at least this long: vans and trucks; a car can be looked over."""
    relax_ms_per_s: float = 250.0
    hold_s: float = 0.6


class StoppingState(NamedTuple):
    """The budget in force and how long ago it was last tightened."""

    budget_ms: float = math.inf
    calm_s: float = math.inf


class Hazard(NamedTuple):
    """The nearest thing to stop for: free distance ahead of the bumper, and what it is."""

    gap_m: float
    reason: str


def hazards(
    obstacles: Obstacles, ego: EgoState, settings: StoppingSettings, size: EgoSize | None = None
) -> list[Hazard]:
    """What may demand a stop: in the corridor, approaching it, or possibly hidden beside it; nearest first.

    The corridor is the arc that the ego's yaw rate describes.
    """
    outline = size or EgoSize()
    front = outline.front_m
    curvature = min(max(ego.yaw_rate_radps / ego.speed_mps, -0.1), 0.1) if ego.speed_mps > 3.0 else 0.0
    found = []
    for item in obstacles.items:
        local = map_to_ego(ego, np.array([(item.x_m, item.y_m)]))[0]
        ahead, left = float(local[0]), float(local[1]) - curvature * float(local[0]) ** 2 / 2.0
        cos, sin = abs(math.cos(item.yaw_rad - ego.yaw_rad)), abs(math.sin(item.yaw_rad - ego.yaw_rad))
        reach_x = (item.length_m * cos + item.width_m * sin) / 2.0
        reach_y = (item.length_m * sin + item.width_m * cos) / 2.0
        near, far = ahead - reach_x - front, ahead + reach_x - front
        aside = abs(left) - reach_y - outline.width_m / 2.0 - settings.corridor_margin_m
        across = -math.copysign(1.0, left) * (
            item.speed_y_mps * math.cos(ego.yaw_rad) - item.speed_x_mps * math.sin(ego.yaw_rad)
        )
        if far < 0.0:
            continue
        hazard = _hazard(item, near, far, aside, across, settings)
        if hazard is not None:
            found.append(hazard)
    return sorted(found, key=lambda hazard: hazard.gap_m)


def _hazard(
    item: Obstacle, near_m: float, far_m: float, aside_m: float, closing_mps: float, settings: StoppingSettings
) -> Hazard | None:
    if aside_m <= 0.0:
        return Hazard(max(near_m, 0.0), f"{item.label} in the way")
    if closing_mps >= settings.approach_mps and aside_m / closing_mps <= settings.look_ahead_s:
        return Hazard(max(near_m, 0.0), f"{item.label} approaching")
    if item.label == "pedestrian":
        # Standing beside the lane: could start at any moment, from where it stands.
        return Hazard(near_m, "pedestrian beside the lane") if aside_m < 2.0 and near_m > 0.0 else None
    still = math.hypot(item.speed_x_mps, item.speed_y_mps) < 0.5
    hides = item.length_m >= settings.occluder_length_min_m and aside_m <= settings.occluder_gap_m
    return Hazard(far_m, f"{item.label} may hide somebody") if still and hides else None


def slack_s(gap_m: float, ego: EgoState, other_mps: float, settings: StoppingSettings) -> float:
    """Time left before the brakes must bite to stop ``standoff_m`` short of ``gap_m``; negative when it is too late."""
    speed = max(ego.speed_mps, 0.1)
    braking_m = (speed**2 - min(other_mps, speed) ** 2) / (2.0 * settings.decel_mps2)
    return (gap_m - settings.standoff_m - braking_m) / speed - settings.actuation_s


def stopping(
    state: StoppingState,
    obstacles: Obstacles,
    ego: EgoState,
    dt_s: float,
    settings: StoppingSettings | None = None,
) -> tuple[StoppingState, float, str]:
    """Our policy: new state, end-to-end budget in ms and why. Tightens at once; relaxes after a pause, and slowly."""
    chosen = settings or StoppingSettings()
    budget, reason = chosen.longest_ms, "clear"
    if math.isfinite(ego.speed_mps) and ego.speed_mps > 0.5:
        for hazard in hazards(obstacles, ego, chosen):
            share = slack_s(hazard.gap_m, ego, 0.0, chosen) / chosen.answers * 1e3
            if share < budget:
                budget, reason = share, hazard.reason
    elif not math.isfinite(ego.speed_mps):
        budget, reason = chosen.shortest_ms, "the ego's speed is not finite"
    after = follow(state.budget_ms, state.calm_s, budget, reason, dt_s, chosen)
    return StoppingState(after.budget_ms, after.calm_s), after.budget_ms, after.reason
