"""Our deadline policy: the budget follows from how soon the brakes must bite for what is, or may be, ahead.

Judges along the route, not along the ego's present arc: who is in the way, who is coming, who could start, who could
stand hidden behind what is seen, and what a junction may bring. Writes no command and no model: only the time there is.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from operators.budget.hysteresis import follow
from operators.geometry.frenet import ReferenceLine
from operators.geometry.windows import RouteWindow
from operators.messages import EgoSize, EgoState, Obstacle, Predictions

TOLERANCE_M = 1e-2
JUNCTION = "junction"


@dataclass(frozen=True)
class AnticipationSettings:
    """Range of budgets, and how the road ahead is judged."""

    shortest_ms: float = 160.0
    longest_ms: float = 500.0
    decel_mps2: float = 6.0
    """Braking that is counted on."""
    actuation_s: float = 0.2
    standoff_m: float = 2.5
    answers: float = 3.5
    """So many answers must fit into the time before braking: to see, to be sure, to act, and one under way."""
    corridor_margin_m: float = 0.6
    look_ahead_s: float = 5.0
    lead_decel_mps2: float = 7.0
    """How hard somebody ahead may brake without warning."""
    person_mps: float = 2.8
    """How fast somebody may step out, seen or hidden."""
    person_reach_m: float = 3.0
    """People further from the corridor than this are expected to walk on as they do."""
    occluder_gap_m: float = 3.0
    """A standing vehicle this close to the corridor may hide a person."""
    pulling_out_share: float = 0.6
    """Who moves beside the corridor at less than this share of the ego's speed may be about to move into it."""
    sight_from_mps: float = 9.0
    sight_ms_per_mps: float = 12.0
    """Above this speed what is not seen yet is met further off: this much more time to look that far."""
    waiting_mps: float = 6.0
    waiting_ms: float = 250.0
    """Slower than this at a junction the ego stops at once, but must see who comes from afar: at least so long."""
    relax_ms_per_s: float = 250.0
    hold_s: float = 0.6


class AnticipationState(NamedTuple):
    """The budget in force, how long nothing has asked for less, and where on the route the ego was."""

    budget_ms: float = math.inf
    calm_s: float = math.inf
    s_m: float | None = None


class Hazard(NamedTuple):
    """Something to stop for: free road ahead of the bumper, its own speed along the road, and what it is."""

    gap_m: float
    speed_mps: float
    reason: str
    hidden: bool = False
    """Nobody is seen there yet."""


class Placed(NamedTuple):
    """A road user in the corridor's terms: from and to along the road, how far aside, and its motion."""

    near_m: float
    far_m: float
    aside_m: float
    along_mps: float
    closing_mps: float
    enters_s: float
    """When its predicted path reaches the corridor; inf if it does not."""
    place_m: float
    """Where along the road that is, ahead of the bumper."""


def slack_s(gap_m: float, speed_mps: float, other_mps: float, settings: AnticipationSettings) -> float:
    """Time left before the brakes must bite to stay ``standoff_m`` clear; negative when it is too late.

    Somebody who drives ahead may brake at any moment, at most at ``lead_decel_mps2``.
    """
    speed = max(speed_mps, 0.1)
    braking_m = speed**2 / (2.0 * settings.decel_mps2)
    yielded_m = min(max(other_mps, 0.0), speed) ** 2 / (2.0 * settings.lead_decel_mps2)
    return (gap_m - settings.standoff_m + yielded_m - braking_m) / speed - settings.actuation_s


def hazards(
    predictions: Predictions,
    ego: EgoState,
    window: RouteWindow,
    settings: AnticipationSettings,
    size: EgoSize | None = None,
) -> list[Hazard]:
    """What may demand a stop, nearest first."""
    outline = size or EgoSize()
    line = window.line
    s, d = line.to_road(ego.x_m, ego.y_m)
    front = s + outline.length_m - outline.rear_overhang_m
    found = list(_junctions(window, front, s - outline.rear_overhang_m))
    for item, placed in zip(predictions.items, placements(predictions, line, front, d, outline, settings), strict=True):
        hazard = _hazard(item.obstacle, placed, ego.speed_mps, outline, settings)
        if hazard is not None:
            found.append(hazard)
    return sorted(found)


def _junctions(window: RouteWindow, front_m: float, rear_m: float) -> Iterator[Hazard]:
    """Where others cross: nobody knows who comes, whatever the light says."""
    for stop in window.stops:
        if rear_m <= stop.s_m + stop.clear_m:
            yield Hazard(max(stop.s_m - front_m, 0.0), 0.0, JUNCTION, True)


def placements(
    predictions: Predictions,
    line: ReferenceLine,
    front_m: float,
    offset_m: float,
    size: EgoSize,
    settings: AnticipationSettings,
) -> list[Placed]:
    """Every prediction along the route; the ego's own offset from it fades over the next 20 m."""
    if not predictions.items:
        return []
    steps = max(1, min(len(item.path_m) for item in predictions.items))
    every = np.array(
        [np.vstack([(item.obstacle.x_m, item.obstacle.y_m), item.path_m[:steps]]) for item in predictions.items]
    )
    road = line.to_road_many(every.reshape(-1, 2), TOLERANCE_M).reshape(*every.shape)
    yaws = line.poses(road[:, 0, 0])[2]
    placed = []
    for item, path, yaw in zip(predictions.items, road, yaws, strict=True):
        seen = item.obstacle
        turn = seen.yaw_rad - float(yaw)
        cos, sin = abs(math.cos(turn)), abs(math.sin(turn))
        reach_s = (seen.length_m * cos + seen.width_m * sin) / 2.0
        reach_d = (seen.length_m * sin + seen.width_m * cos) / 2.0
        fading = offset_m * np.clip(1.0 - (path[:, 0] - front_m) / 20.0, 0.0, 1.0)
        across = path[:, 1] - fading
        aside = np.abs(across) - reach_d - size.width_m / 2.0 - settings.corridor_margin_m
        inside = np.flatnonzero(aside <= 0.0)
        first = int(inside[0]) if len(inside) else -1
        span = steps * predictions.step_s
        placed.append(
            Placed(
                near_m=float(path[0, 0]) - reach_s - front_m,
                far_m=float(path[0, 0]) + reach_s - front_m,
                aside_m=float(aside[0]),
                along_mps=float(path[-1, 0] - path[0, 0]) / span,
                closing_mps=float(aside[0] - aside[-1]) / span,
                enters_s=first * predictions.step_s if first >= 0 else math.inf,
                place_m=float(path[max(first, 0), 0]) - reach_s - front_m,
            )
        )
    return placed


def _hazard(
    seen: Obstacle, placed: Placed, speed_mps: float, size: EgoSize, settings: AnticipationSettings
) -> Hazard | None:
    if placed.far_m < -size.length_m:
        return None
    if placed.aside_m <= 0.0:
        if placed.far_m < 0.0:
            return None
        return Hazard(max(placed.near_m, 0.0), placed.along_mps, f"{seen.label} in the way")
    if _approaches(placed, settings):
        place = min(placed.near_m, placed.place_m) if math.isfinite(placed.enters_s) else placed.near_m
        if max(place, placed.near_m) >= -size.length_m:
            return Hazard(max(place, 0.0), max(placed.along_mps, 0.0), f"{seen.label} approaching")
    if seen.label == "pedestrian":
        # Whoever stands or walks beside the lane can be in it before the ego has passed.
        ahead = placed.far_m + size.length_m
        could = placed.aside_m / settings.person_mps <= ahead / max(speed_mps, 0.1)
        close = placed.aside_m <= settings.person_reach_m
        return Hazard(max(placed.near_m, 0.0), 0.0, "pedestrian beside the lane") if could and close else None
    still = math.hypot(seen.speed_x_mps, seen.speed_y_mps) < 0.5
    beside = placed.aside_m <= settings.occluder_gap_m and placed.far_m > 0.0
    hides = still and beside
    slow = -0.5 < placed.along_mps < settings.pulling_out_share * speed_mps
    if not still and beside and slow and seen.label == "vehicle":
        return Hazard(max(placed.near_m, 0.0), max(placed.along_mps, 0.0), "vehicle may pull out")
    return Hazard(max(placed.far_m, 0.0), 0.0, f"{seen.label} may hide somebody", True) if hides else None


def _approaches(placed: Placed, settings: AnticipationSettings) -> bool:
    """Whether its motion leads into the corridor soon, on its predicted path or on a straight one."""
    if placed.enters_s <= settings.look_ahead_s:
        return True
    return placed.closing_mps > 0.4 and placed.aside_m / placed.closing_mps <= settings.look_ahead_s


def sight_ms(speed_mps: float, settings: AnticipationSettings) -> float:
    """The shortest budget for what is not seen yet: a detector that is quick but short-sighted helps no fast car."""
    more = settings.sight_ms_per_mps * max(0.0, speed_mps - settings.sight_from_mps)
    return min(settings.shortest_ms + more, settings.longest_ms)


def anticipated(
    state: AnticipationState,
    found: list[Hazard],
    speed_mps: float,
    dt_s: float,
    settings: AnticipationSettings | None = None,
) -> tuple[AnticipationState, float, str]:
    """New state, end-to-end budget in ms and why. Tightens at once; relaxes after a pause, and slowly."""
    chosen = settings or AnticipationSettings()
    budget, reason = chosen.longest_ms, "clear"
    if not math.isfinite(speed_mps):
        budget, reason = chosen.shortest_ms, "the ego's speed is not finite"
    elif speed_mps > 0.5:
        for hazard in found:
            share = slack_s(hazard.gap_m, speed_mps, hazard.speed_mps, chosen) / chosen.answers * 1e3
            if hazard.hidden:
                share = max(share, sight_ms(speed_mps, chosen))
            if hazard.reason == JUNCTION and speed_mps < chosen.waiting_mps:
                share = max(share, chosen.waiting_ms)
            if share < budget:
                budget, reason = share, hazard.reason
    after = follow(state.budget_ms, state.calm_s, budget, reason, dt_s, chosen)
    return state._replace(budget_ms=after.budget_ms, calm_s=after.calm_s), after.budget_ms, after.reason
