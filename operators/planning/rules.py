"""The rules of the road as constraints on the plan: how fast where, and before which line to stand.

Decides from the route's limits, bends and stop lines, the lights and the predictions; chooses no path and no pedal. A
light nobody has reported counts as amber: stop if no hard braking is needed, else go on. Red stops whenever braking
hard suffices.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from operators.geometry.frenet import ReferenceLine
from operators.geometry.windows import RouteWindow
from operators.messages import EgoSize, Prediction, Predictions, StopLine
from operators.planning.scene import ROAD_TOLERANCE_M, sampled

Floats = NDArray[np.float64]

STOPPED_WITHIN_M = 4.0
"""Who stands no further than this before a stop line has stopped at it."""
CURVATURE_SPAN_M = 3.0
"""Bends shorter than this are the map's roughness."""


@dataclass(frozen=True)
class RuleSettings:
    """Comfort, distances and patience."""

    lateral_accel_mps2: float = 2.2
    comfort_decel_mps2: float = 2.5
    hard_decel_mps2: float = 6.0
    reaction_s: float = 0.4
    line_m: float = 1.8
    """The bumper comes to rest this far before a line."""
    beyond_m: float = 1.0
    """A car that stands this little beyond a line still waits at it."""
    wait_s: float = 1.0
    """How long a stop sign's stop takes."""
    yield_mps: float = 4.0
    """Speed at a line where others go first."""
    gap_s: float = 1.5
    """Free time kept before and behind crossing traffic."""
    watch_m: float = 35.0
    """From this far before a line its crossing traffic is watched."""
    look_ahead_s: float = 7.0
    step_s: float = 0.35
    accel_mps2: float = 1.8
    crossing_mps: float = 7.0
    standing_mps: float = 1.0
    passing_mps: float = 4.0
    passing_mps_per_m: float = 1.5
    passing_gap_m: float = 2.8
    """Past a vehicle beside the lane that stands, may hide somebody and may pull out: so fast, and so much more for
    every metre of room."""
    starting_mps: tuple[float, float] = (0.7, 4.0)
    """Who drives this slowly beside the lane has just set off and is let go first, …"""
    starting_limit_mps: float = 16.0
    """… where no higher speed than this is allowed: elsewhere it is a slow lane."""
    behind_m: float = 1.0
    """So far behind it the bumper stays."""
    amber_decel_mps2: float = 3.5
    amber_reaction_s: float = 0.1
    """Amber is stopped for as long as braking no harder suffices. More than comfort asks for, so that who has begun to
    brake does not change its mind."""
    others_decel_mps2: float = 3.5
    """On green, crossing traffic that could still brake this hard is trusted to."""


class Waiting(NamedTuple):
    """The stop sign the ego has come to, by its s on the whole route: since when it stands there, and whether it may go
    on.
    """

    s_m: float = -1.0
    since_ns: int = -1
    served: bool = False


class Rules(NamedTuple):
    """What holds for one plan, on its window's line."""

    allowed_mps: Floats
    """(nodes,) of the line."""
    hold_m: float | None
    """Where the front bumper has to stand, if anywhere."""
    reason: str

    def speed_at(self, line: ReferenceLine, s_m: float) -> float:
        """The allowed speed at a place of the line."""
        return value_at(self.allowed_mps, line, s_m)


def value_at(nodes: Floats, line: ReferenceLine, s_m: float) -> float:
    """One of the values at the line's nodes: that of the last node up to ``s_m``, or of the nearest end."""
    return float(nodes[min(max(int(s_m / line.step_m), 0), len(nodes) - 1)])


class Passage(NamedTuple):
    """Where the ego is and how fast, on the window's line."""

    s_m: float
    speed_mps: float
    front_m: float
    rear_m: float


class Beside(NamedTuple):
    """A slow vehicle beside the ego's lane: its ends on the window's line, the room between, its speed along it."""

    near_m: float
    far_m: float
    gap_m: float
    along_mps: float


def allowed_speeds(
    window: RouteWindow,
    top_mps: float,
    settings: RuleSettings,
    beside: Sequence[Beside] = (),
    size: EgoSize | None = None,
) -> Floats:
    """The highest speed at every node: limits, bends, lines where others go first, standing vehicles.

    Each is braked for in time.
    """
    line = window.line
    span = max(1, round(CURVATURE_SPAN_M / line.step_m))
    bend = np.convolve(np.abs(line.curvature_1pm), np.full(span, 1.0 / span), mode="same")
    speed = np.minimum(top_mps, np.sqrt(settings.lateral_accel_mps2 / np.maximum(bend, 1e-6)))
    if window.limits_mps is not None:
        speed = np.minimum(speed, window.limits_mps)

    def at_most(limit_mps: float, from_m: float, to_m: float) -> None:
        part = slice(max(int(from_m / line.step_m), 0), max(int(to_m / line.step_m) + 1, 0))
        speed[part] = np.minimum(speed[part], limit_mps)

    for stop in window.stops:
        if stop.kind in ("yield", "stop"):
            at_most(settings.yield_mps, stop.s_m, stop.s_m)
    bumper_m = (size or EgoSize()).front_m
    for each in beside:
        passing = settings.passing_mps + settings.passing_mps_per_m * each.gap_m
        at_most(passing, each.near_m - bumper_m, each.far_m - bumper_m + 1.0)
    return braked_for(speed, line.step_m, settings.comfort_decel_mps2)


def vehicles_beside(
    window: RouteWindow, ego: Passage, predictions: Predictions, size: EgoSize, settings: RuleSettings
) -> list[Beside]:
    """Vehicles that stand or have just set off close to the ego's lane and that it has not passed yet."""
    vehicles = [
        item.obstacle
        for item in predictions.items
        if item.obstacle.label == "vehicle"
        and math.hypot(item.obstacle.speed_x_mps, item.obstacle.speed_y_mps) < settings.starting_mps[1]
    ]
    if not vehicles:
        return []
    found = []
    road = window.line.to_road_many(np.array([(seen.x_m, seen.y_m) for seen in vehicles]), ROAD_TOLERANCE_M)
    yaws = window.line.poses(road[:, 0])[2]
    for seen, (s, d), yaw in zip(vehicles, road, yaws, strict=True):
        gap = abs(float(d)) - (seen.width_m + size.width_m) / 2.0
        half = seen.length_m / 2.0
        if 0.0 < gap < settings.passing_gap_m and s + half > ego.front_m:
            along = seen.speed_x_mps * math.cos(yaw) + seen.speed_y_mps * math.sin(yaw)
            found.append(Beside(float(s) - half, float(s) + half, gap, float(along)))
    return found


def behind_starting(
    window: RouteWindow, ego: Passage, beside: Sequence[Beside], settings: RuleSettings
) -> float | None:
    """Where the bumper stays for a vehicle that sets off beside the lane: it may not have seen the ego.

    None if there is none, or the ego is beside it already.
    """
    slow, fast = settings.starting_mps
    holds = []
    for each in beside:
        limit = math.inf if window.limits_mps is None else value_at(window.limits_mps, window.line, each.near_m)
        starts = slow < each.along_mps < fast and limit <= settings.starting_limit_mps
        if starts and each.near_m > ego.front_m - settings.behind_m:
            holds.append(max(each.near_m - settings.behind_m, ego.front_m + 0.1))
    return min(holds, default=None)


def braked_for(speed_mps: Floats, step_m: float, decel_mps2: float) -> Floats:
    """``speed_mps`` lowered so that every later value is reached with at most ``decel_mps2``."""
    gain = 2.0 * decel_mps2 * step_m * np.arange(len(speed_mps))
    squared = np.minimum.accumulate((speed_mps**2 + gain)[::-1])[::-1] - gain
    return np.asarray(np.sqrt(np.maximum(squared, 0.0)))


def rules(
    window: RouteWindow,
    ego: Passage,
    lights: Mapping[str, str],
    predictions: Predictions,
    waiting: Waiting,
    top_mps: float,
    size: EgoSize,
    settings: RuleSettings | None = None,
) -> Rules:
    """What holds now; ``lights``: state by name, those that nobody has reported are missing."""
    chosen = settings or RuleSettings()
    beside = vehicles_beside(window, ego, predictions, size, chosen)
    allowed = allowed_speeds(window, top_mps, chosen, beside, size)
    starting = behind_starting(window, ego, beside, chosen)
    for stop in window.stops:
        ahead = stop.s_m - ego.front_m
        if ego.rear_m > stop.s_m + stop.clear_m or ahead < -chosen.beyond_m or ahead > 120.0:
            continue
        if ahead < 0.0 and ego.speed_mps > chosen.standing_mps:
            continue
        reason = _reason_to_hold(stop, ahead, window, ego, lights, predictions, waiting, size, chosen)
        if reason and (starting is None or stop.s_m - chosen.line_m < starting):
            return Rules(allowed, stop.s_m - chosen.line_m, reason)
    return Rules(allowed, starting, "" if starting is None else "vehicle sets off")


def _reason_to_hold(
    stop: StopLine,
    ahead_m: float,
    window: RouteWindow,
    ego: Passage,
    lights: Mapping[str, str],
    predictions: Predictions,
    waiting: Waiting,
    size: EgoSize,
    settings: RuleSettings,
) -> str:
    state = lights.get(stop.light, "unknown") if stop.kind == "light" else ""
    if state == "red":
        return "red light" if ahead_m >= stopping_m(ego.speed_mps, settings.hard_decel_mps2, 0.0) else ""
    if state in ("amber", "unknown"):
        firm = stopping_m(ego.speed_mps, settings.amber_decel_mps2, settings.amber_reaction_s)
        return f"{state} light" if ahead_m >= firm else ""
    if stop.kind == "stop" and not _is_served(stop, window, waiting):
        return "stop sign"
    if ahead_m > max(settings.watch_m, stopping_m(ego.speed_mps, settings.comfort_decel_mps2, 1.0)):
        return ""
    if ahead_m < stopping_m(ego.speed_mps, settings.hard_decel_mps2, 0.0):
        return ""
    if stop.clear_m > 0.0 and not is_clear_beyond(stop, window, ego, predictions, size, settings):
        return "junction not clear"
    first_go = stop.kind != "light" or state == "off"
    return "crossing traffic" if others_first(stop, window, ego, predictions, size, settings, first_go) else ""


def stopping_m(speed_mps: float, decel_mps2: float, reaction_s: float) -> float:
    """Way to a standstill."""
    return speed_mps**2 / (2.0 * decel_mps2) + reaction_s * speed_mps


def _is_served(stop: StopLine, window: RouteWindow, waiting: Waiting) -> bool:
    return waiting.served and abs(waiting.s_m - (stop.s_m + window.start_m)) < 0.5


def waited(waiting: Waiting, window: RouteWindow, ego: Passage, t_ns: int, settings: RuleSettings) -> Waiting:
    """The memory of stop signs, one reading later."""
    for stop in window.stops:
        ahead = stop.s_m - ego.front_m
        if stop.kind != "stop" or not -settings.beyond_m <= ahead <= STOPPED_WITHIN_M:
            continue
        at = stop.s_m + window.start_m
        if abs(waiting.s_m - at) > 0.5:
            waiting = Waiting(at)
        if ego.speed_mps > 0.3:
            return waiting._replace(since_ns=-1)
        since = t_ns if waiting.since_ns < 0 else waiting.since_ns
        return Waiting(at, since, waiting.served or t_ns - since >= settings.wait_s * 1e9)
    return waiting


def is_clear_beyond(
    stop: StopLine, window: RouteWindow, ego: Passage, predictions: Predictions, size: EgoSize, settings: RuleSettings
) -> bool:
    """Whether the ego finds room behind the junction: nobody stands in its lane within its length of the exit."""
    need = stop.s_m + stop.clear_m + size.length_m + 1.0
    for item in predictions.items:
        seen = item.obstacle
        if math.hypot(seen.speed_x_mps, seen.speed_y_mps) > settings.standing_mps or seen.label != "vehicle":
            continue
        s, d = window.line.to_road_many(np.array([(seen.x_m, seen.y_m)]), ROAD_TOLERANCE_M)[0]
        half = seen.length_m / 2.0
        if abs(d) < 1.5 and s - half > max(stop.s_m, ego.front_m) and s - half < need:
            return False
    return True


def others_first(
    stop: StopLine,
    window: RouteWindow,
    ego: Passage,
    predictions: Predictions,
    size: EgoSize,
    settings: RuleSettings,
    all_of_them: bool,
) -> bool:
    """Whether somebody is predicted in the ego's way through the junction while the ego would be there.

    ``all_of_them``: everybody goes first. Otherwise (the ego has green) oncoming traffic does when the ego crosses its
    lane, and crossing traffic only if it is too late for it to stop.
    """
    moving = [
        item
        for item in predictions.items
        if item.obstacle.label == "vehicle"
        and math.hypot(item.obstacle.speed_x_mps, item.obstacle.speed_y_mps) > settings.standing_mps
    ]
    if not moving:
        return False
    end = stop.s_m + max(stop.clear_m, 8.0)
    enter, leave = _times(ego, stop.s_m, end + size.length_m, settings)
    times = np.arange(0.0, settings.look_ahead_s + 1e-9, settings.step_s)
    paths = sampled(Predictions(items=tuple(moving), step_s=predictions.step_s), times)
    road = window.line.to_road_many(np.concatenate(paths), ROAD_TOLERANCE_M).reshape(len(paths), len(times), 2)
    yaw = window.line.pose(stop.s_m)[2]
    for item, path in zip(moving, road, strict=True):
        if _conflicts(item, path, times, (stop.s_m, end), (enter, leave), yaw, size, settings, all_of_them):
            return True
    return False


def _conflicts(
    item: Prediction,
    path: Floats,
    times: Floats,
    zone_m: tuple[float, float],
    ego_s: tuple[float, float],
    yaw_rad: float,
    size: EgoSize,
    settings: RuleSettings,
    all_of_them: bool,
) -> bool:
    seen = item.obstacle
    speed = math.hypot(seen.speed_x_mps, seen.speed_y_mps)
    turn = abs(math.remainder(math.atan2(seen.speed_y_mps, seen.speed_x_mps) - yaw_rad, math.tau))
    if turn < 0.6:  # Goes our way.
        return False
    reach = (size.width_m + max(seen.width_m, 1.8)) / 2.0 + 0.5
    inside = np.flatnonzero((np.abs(path[:, 1]) < reach) & (path[:, 0] > zone_m[0]) & (path[:, 0] < zone_m[1]))
    if not len(inside):
        return False
    comes, goes = float(times[inside[0]]), float(times[inside[-1]])
    if not all_of_them and turn < 2.4 and comes > speed / (2.0 * settings.others_decel_mps2):
        return False  # It can still stop for its red light.
    return comes < ego_s[1] + settings.gap_s and goes > ego_s[0] - settings.gap_s


def _times(ego: Passage, line_m: float, end_m: float, settings: RuleSettings) -> tuple[float, float]:
    """When the ego's front would reach the line and its rear the end if it went now."""
    v, a, top = max(ego.speed_mps, 0.0), settings.accel_mps2, settings.crossing_mps

    def takes(way: float) -> float:
        way = max(way, 0.0)
        if v >= top:
            return way / v
        ramp = (top**2 - v**2) / (2.0 * a)
        if way <= ramp:
            return (math.sqrt(v**2 + 2.0 * a * way) - v) / a
        return (top - v) / a + (way - ramp) / top

    return takes(line_m - ego.front_m), takes(end_m - ego.front_m)
