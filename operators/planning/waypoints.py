"""Waypoint planning: keep to the route and slow down for whoever is, or is about to be, in the way.

Decides speed, not path. A road user is a conflict when its predicted stay in the ego's corridor meets the ego's own
passage in time, so a pedestrian who walks towards the lane counts before setting foot in it.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from operators.geometry.frenet import FrenetState, ReferenceLine
from operators.messages import EgoSize, EgoState, Predictions, Trajectory
from operators.planning.rules import Rules
from operators.planning.scene import ROAD_TOLERANCE_M, aligned, empty, finite, sampled

Floats = NDArray[np.float64]

LOOK_AHEAD_S = 6.0
STEP_S = 0.2
TRAJECTORY_S = 5.0
TRAJECTORY_STEP_S = 0.1
STANDING_MPS = 0.3


@dataclass(frozen=True)
class WaypointSettings:
    """Comfort, limits and distances."""

    accel_mps2: float = 2.0
    comfort_decel_mps2: float = 3.0
    decel_max_mps2: float = 8.0
    coast_factor: float = 1.75
    """Braking starts at this many comfortable stopping distances."""
    standoff_m: float = 2.5
    vehicle_margin_m: float = 0.4
    vehicle_squeeze_m: float = 0.1
    person_squeeze_m: float = 0.4
    squeeze_m_per_mps: float = 0.1
    """Past whoever stands a slow ego keeps less room, and more the faster it is: else it waits for somebody who waits
    for it.
    """
    person_margin_m: float = 0.8
    time_margin_s: float = 1.0
    headway_s: float = 0.8
    watch_m: float = 1.5
    """People this close to the corridor are passed only at a speed from which the ego could still stop."""
    watch_decel_mps2: float = 5.0
    start_mps: float = 0.1
    """A standing car is reckoned to reach a place ahead at this speed."""


class Conflict(NamedTuple):
    """Somebody in the way: free road up to them, and the speed at which they move along."""

    gap_m: float
    speed_mps: float
    certain: bool
    """False: only close to the corridor."""


def conflicts(
    line: ReferenceLine,
    state: FrenetState,
    predictions: Predictions,
    size: EgoSize,
    settings: WaypointSettings,
    age_s: float = 0.0,
) -> list[Conflict]:
    """All conflicts ahead, in the order of the predictions. ``age_s``: how long ago the predictions were made."""
    times = np.arange(0.0, LOOK_AHEAD_S + 1e-9, STEP_S)
    found = []
    predictions = aligned(finite(predictions), line)
    for item, path in zip(predictions.items, sampled(predictions, times, age_s), strict=True):
        seen = item.obstacle
        road = line.to_road_many(path, ROAD_TOLERANCE_M)
        turn = seen.yaw_rad - line.pose(float(road[0, 0]))[2]
        cos, sin = abs(math.cos(turn)), abs(math.sin(turn))
        reach_s = (seen.length_m * cos + seen.width_m * sin) / 2.0
        reach_d = (seen.length_m * sin + seen.width_m * cos) / 2.0
        person = seen.label == "pedestrian"
        margin = settings.person_margin_m if person else settings.vehicle_margin_m
        if math.hypot(seen.speed_x_mps, seen.speed_y_mps) < STANDING_MPS:
            least = settings.person_squeeze_m if person else settings.vehicle_squeeze_m
            margin = min(margin, least + settings.squeeze_m_per_mps * max(state.s_dot_mps, 0.0))
        aside = np.abs(road[:, 1] - _offset(state, road[:, 0])) - size.width_m / 2.0 - reach_d - margin
        conflict = _conflict(state, times, road[:, 0], aside, reach_s, size, settings, person)
        if conflict is not None:
            found.append(conflict)
    return found


def _conflict(
    state: FrenetState,
    times: Floats,
    s: Floats,
    aside: Floats,
    reach_s: float,
    size: EgoSize,
    settings: WaypointSettings,
    person: bool,
) -> Conflict | None:
    front = state.s_m + size.length_m - size.rear_overhang_m
    rear = state.s_m - size.rear_overhang_m
    inside = aside <= 0.0
    if not inside.any():
        near = person and aside[0] < settings.watch_m and float(s[0]) + reach_s > front
        return Conflict(float(s[0]) - reach_s - front - settings.standoff_m, 0.0, False) if near else None
    if float(s[inside].max()) + reach_s < rear:
        return None
    entry, leave = float(times[inside][0]), float(times[inside][-1])
    speed = max(state.s_dot_mps, settings.start_mps)
    low, high = float(s[inside].min()) - reach_s, float(s[inside].max()) + reach_s
    reached, passed = (low - front) / speed, (high - rear) / speed
    along = float(s[-1] - s[0]) / float(times[-1])
    pad = settings.time_margin_s
    if inside[0] and along > 1.0:  # Driving ahead in our lane.
        gap = float(s[0]) - reach_s - front
        return (
            Conflict(gap - settings.standoff_m - settings.headway_s * along, along, True)
            if gap > -size.length_m
            else None
        )
    stays = inside[-1]
    if (not stays and reached > leave + pad) or passed + pad < entry:
        return None
    bonnet = 1.0 if state.s_dot_mps > settings.start_mps + 1.0 else size.length_m / 2.0
    if float(s[inside][0]) + reach_s < front - bonnet:  # Already beside or behind the bonnet: too late to yield.
        return None
    return Conflict(low - front - settings.standoff_m, 0.0, True)


def _offset(state: FrenetState, s: Floats) -> Floats:
    """Where the ego's path lies beside the line at s: from its present offset smoothly back to the line."""
    length = return_length_m(state)
    share = np.clip((s - state.s_m) / length, 0.0, 1.0)
    slope = np.clip(state.d_dot_mps / max(state.s_dot_mps, 1.0), -0.5, 0.5) * length
    # Cubic from (d, slope) to (0, 0).
    cubic = state.d_m * (1.0 + 2.0 * share) * (1.0 - share) ** 2 + slope * share * (1.0 - share) ** 2
    return np.asarray(np.where(s < state.s_m, state.d_m, cubic))


def return_length_m(state: FrenetState) -> float:
    """Over which distance an offset is given up."""
    return max(10.0, 2.5 * state.s_dot_mps)


def wanted_decel(speed_mps: float, found: list[Conflict], settings: WaypointSettings) -> tuple[float, float]:
    """Deceleration and the speed to slow down to; (0, inf) when nothing asks for braking.

    Braking starts once comfort over the coast factor no longer suffices, and then exactly as hard as needed.
    """
    hardest, floor = 0.0, math.inf
    for conflict in found:
        excess = speed_mps**2 - min(conflict.speed_mps, speed_mps) ** 2
        need = (
            excess / (2.0 * conflict.gap_m) if conflict.gap_m > 0.05 else settings.decel_max_mps2 * float(excess > 0.0)
        )
        if conflict.certain:
            starts = settings.comfort_decel_mps2 / settings.coast_factor
        else:
            starts, need = settings.watch_decel_mps2, min(need, settings.comfort_decel_mps2) * float(speed_mps > 3.0)
            need = need if excess > 2.0 * starts * max(conflict.gap_m, 0.0) else 0.0
            starts = 0.1
        if need >= starts:
            floor = min(floor, conflict.speed_mps)
            hardest = max(hardest, min(1.05 * need, settings.decel_max_mps2))
    return hardest, floor


def is_blocked(found: list[Conflict], settings: WaypointSettings) -> bool:
    """Whether a standing ego must stay: somebody certain is closer than the road it takes to get going."""
    return any(c.certain and c.gap_m < 1.0 and c.speed_mps < 0.5 for c in found)


def plan(
    ego: EgoState,
    line: ReferenceLine,
    predictions: Predictions,
    target_mps: float,
    settings: WaypointSettings | None = None,
    *,
    size: EgoSize | None = None,
    age_s: float = 0.0,
    rules: Rules | None = None,
) -> Trajectory:
    """The route at a speed that gives way; empty when the ego's state is not finite.

    ``rules``: speeds along the line and where to stand, on a route that has any.
    """
    values = (ego.x_m, ego.y_m, ego.yaw_rad, ego.speed_mps, ego.accel_mps2, ego.yaw_rate_radps)
    if not all(math.isfinite(value) for value in values):
        return empty("safe_stop: the ego's state is not finite")
    chosen, outline = settings or WaypointSettings(), size or EgoSize()
    if rules is not None:
        chosen = replace(chosen, start_mps=2.0)
    state = line.state(ego.x_m, ego.y_m, ego.yaw_rad, ego.speed_mps, ego.accel_mps2, ego.yaw_rate_radps)
    found = conflicts(line, state, predictions, outline, chosen, age_s)
    if rules is not None and rules.hold_m is not None:
        front = state.s_m + outline.length_m - outline.rear_overhang_m
        found.append(Conflict(rules.hold_m - front, 0.0, True))
    speed = max(ego.speed_mps, 0.0)
    decel, floor = wanted_decel(speed, found, chosen)
    leading = min((c.speed_mps for c in found if c.certain and c.gap_m < 2.0 * speed + 5.0), default=math.inf)
    limit = min(target_mps, leading if leading > 0.5 else math.inf)
    if is_blocked(found, chosen):
        decel, floor = max(decel, chosen.comfort_decel_mps2), 0.0
    time = np.arange(0.0, TRAJECTORY_S + 1e-9, TRAJECTORY_STEP_S)
    if decel > 0.0:
        profile = np.maximum(speed - decel * time, min(floor, speed))
    elif speed <= limit:
        profile = np.minimum(speed + chosen.accel_mps2 * time, limit)
    else:
        profile = np.maximum(speed - chosen.comfort_decel_mps2 / 2.0 * time, limit)
    if rules is not None:
        profile = _within(rules, line, state.s_m, profile, decel, chosen)
    reason = "brake" if decel > chosen.comfort_decel_mps2 else "yield" if decel > 0.0 else "follow"
    return _along(line, state, ego, time, profile, reason)


def _within(
    rules: Rules, line: ReferenceLine, s_m: float, profile: Floats, decel_mps2: float, settings: WaypointSettings
) -> Floats:
    """``profile`` (instants,) lowered to what the rules allow where the ego will be; too fast is braked comfortably."""
    speeds, s = np.empty_like(profile), s_m
    speeds[0] = v = float(profile[0])
    braking = max(decel_mps2, settings.comfort_decel_mps2) * TRAJECTORY_STEP_S
    for k in range(1, len(profile)):
        allowed = rules.speed_at(line, s + v * TRAJECTORY_STEP_S)
        wanted = min(float(profile[k]), v + settings.accel_mps2 * TRAJECTORY_STEP_S)
        v_next = min(wanted, max(allowed, v - braking))
        s += (v + v_next) / 2.0 * TRAJECTORY_STEP_S
        speeds[k] = v = v_next
    return speeds


def _along(
    line: ReferenceLine, state: FrenetState, ego: EgoState, time: Floats, speed: Floats, reason: str
) -> Trajectory:
    steps = (speed[1:] + speed[:-1]) / 2.0 * np.diff(time)
    s = state.s_m + np.concatenate([[0.0], np.cumsum(steps)])
    d = _offset(state, s)
    x, y, road_yaw, _ = line.poses(s)
    slope = (_offset(state, s + 0.5) - _offset(state, np.maximum(s - 0.5, state.s_m))) / (
        s + 0.5 - np.maximum(s - 0.5, state.s_m)
    )
    return Trajectory(
        time_s=time,
        x_m=x - d * np.sin(road_yaw),
        y_m=y + d * np.cos(road_yaw),
        yaw_rad=road_yaw + np.arctan(slope),
        speed_mps=speed,
        reason=reason,
        frame_id=ego.frame_id,
    )
