"""Joins lanes to one smooth line: lane changes blended, limits and stops along it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from operators.maps.errors import RouteNotFound
from operators.maps.lanes import Array, Lane, LaneKey, Stop, Way
from operators.maps.roadmap import RoadMap

BLEND_MIN_M, BLEND_MAX_M, BLEND_S = 25.0, 100.0, 3.0
"""A lane change takes 3 s at the limit, within these lengths; less where the section is shorter."""
_WIDE_ENOUGH_M = 2.0
_SAME_LINE_M = 1.0
_FORCE = {"light": 0, "stop": 1, "yield": 2}


@dataclass(frozen=True, slots=True)
class _Stretch:
    """Lanes beside each other that are driven one after the other, in one section.

    ``u`` (n,): fractional point index that all its lanes share. ``which`` (n,): the lane that one is on.
    """

    first: int
    lanes: list[Lane]
    u: Array
    columns: Array
    """(n, 6): x, y, z, yaw, limit, width."""
    which: Array


def way(map_: RoadMap, keys: Sequence[LaneKey], start_s_m: float, end_s_m: float | None) -> Way:
    """See ``RoadMap.way``."""
    if not keys:
        raise RouteNotFound("a way over no lanes", where=map_.name)
    stretches = [_stretch(map_, group, first, len(keys), start_s_m, end_s_m) for first, group in _groups(map_, keys)]
    columns = np.concatenate([one.columns for one in stretches])
    which = np.concatenate([one.which + one.first for one in stretches]).astype(np.int64)
    steps = np.hypot(np.diff(columns[:, 0]), np.diff(columns[:, 1]))
    keep = np.concatenate(([True], steps > 0.02))
    if keep.sum() < 2:
        raise RouteNotFound("the way has no length", where=map_.name, hint="end it behind its start")
    s_all = np.concatenate(([0.0], np.cumsum(steps)))
    x, y, z, yaw, limit, width = columns[keep].T
    s = s_all[keep]
    ends = np.cumsum([len(one.u) for one in stretches])
    places = [(s_all[end - len(one.u) : end], one) for end, one in zip(ends, stretches, strict=True)]
    yaw = (yaw + math.pi) % (2.0 * math.pi) - math.pi
    return Way(x, y, z, yaw, s, limit, width, which[keep], tuple(keys), _stops(map_, keys, places))


def _groups(map_: RoadMap, keys: Sequence[LaneKey]) -> list[tuple[int, list[Lane]]]:
    groups: list[tuple[int, list[Lane]]] = []
    for i, key in enumerate(keys):
        lane = map_.lanes.get(key)
        if lane is None:
            raise RouteNotFound(f"the map has no lane {tuple(key)}", where=map_.name)
        before = groups[-1][1][-1] if groups else None
        if before is not None and key in (before.left, before.right):
            groups[-1][1].append(lane)
        elif before is None or key in before.next:
            groups.append((i, [lane]))
        else:
            raise RouteNotFound(f"lane {tuple(before.key)} does not lead to lane {tuple(key)}", where=map_.name)
    return groups


def _stretch(
    map_: RoadMap, lanes: list[Lane], first: int, total: int, start_s_m: float, end_s_m: float | None
) -> _Stretch:
    n = len(lanes[0].s_m)
    index = np.arange(n, dtype=np.float64)
    low = float(np.interp(start_s_m, lanes[0].s_m, index)) if first == 0 else 0.0
    last = first + len(lanes) == total and end_s_m is not None
    high = float(np.interp(end_s_m or 0.0, lanes[-1].s_m, index)) if last else n - 1.0
    if high <= low:
        raise RouteNotFound(
            "the way ends before it begins", where=map_.name, hint=f"end_s_m must lie beyond start_s_m on lane {first}"
        )
    u = np.unique(np.concatenate(([low, high], index[index > low + 1e-6])))
    # Blended over the whole section, then cut: a way that ends early ends between two lanes rather than with a kink.
    columns, which = _blended(lanes, u)
    kept = u <= high
    return _Stretch(first, lanes, u[kept], columns[kept], which[kept])


def _at(lane: Lane, u: Array) -> Array:
    index = np.arange(len(lane.s_m), dtype=np.float64)
    yaw = np.unwrap(lane.yaw_rad)
    values = (lane.x_m, lane.y_m, lane.z_m, yaw, lane.limits_mps, lane.width_m, lane.s_m)
    return np.stack([np.interp(u, index, one) for one in values], axis=1)


def _blended(lanes: list[Lane], u: Array) -> tuple[Array, Array]:
    base = _at(lanes[0], u)
    columns, s = base[:, :6].copy(), base[:, 6] - base[0, 6]
    which = np.zeros(len(u))
    start, span = 0.0, s[-1] / max(1, len(lanes) - 1)
    for i, lane in enumerate(lanes[1:], 1):
        target = _at(lane, u)[:, :6]
        wide = np.flatnonzero(target[:, 5] >= _WIDE_ENOUGH_M)
        begin = max(start, float(s[wide[0]]) if len(wide) else 0.0)
        room = i * span - begin
        wish = float(np.clip(BLEND_S * columns[0, 4], BLEND_MIN_M, BLEND_MAX_M))
        length = max(min(wish, room), 1e-3)
        share = np.clip((s - begin) / length, 0.0, 1.0)
        weight = share**3 * (10.0 + share * (6.0 * share - 15.0))
        pace = 30.0 * (share * (1.0 - share)) ** 2 / length
        across = np.cos(columns[:, 3]) * (target[:, 1] - columns[:, 1]) - np.sin(columns[:, 3]) * (
            target[:, 0] - columns[:, 0]
        )
        target[:, 3] += 2.0 * math.pi * np.round((columns[:, 3] - target[:, 3]) / (2.0 * math.pi))
        columns += weight[:, None] * (target - columns)
        columns[:, 3] += np.arctan(pace * across)
        which[weight > 0.5] = i
        start = i * span
    return columns, which


def _stops(map_: RoadMap, keys: Sequence[LaneKey], places: list[tuple[Array, _Stretch]]) -> tuple[Stop, ...]:
    found: list[Stop] = []
    for number, (s, one) in enumerate(places):
        for i, lane in enumerate(one.lanes):
            index = np.arange(len(lane.s_m), dtype=np.float64)
            for along, kind, signal in map_.stops_on(lane.key):
                u = float(np.interp(along, lane.s_m, index))
                on = int(one.which[min(int(np.searchsorted(one.u, u)), len(one.u) - 1)])
                if one.u[0] - 1e-6 <= u <= one.u[-1] + 1e-6 and on == i:
                    place = float(np.interp(u, one.u, s))
                    found.append(Stop(place, kind, signal, _clear(places, number, place)))
    found.sort(key=lambda stop: (stop.s_m, _FORCE[stop.kind], stop.signal))
    kept: list[Stop] = []
    for stop in found:
        # Several signals at one line are one place to wait; a light decides over a sign.
        if kept and stop.s_m - kept[-1].s_m < _SAME_LINE_M:
            if _FORCE[stop.kind] < _FORCE[kept[-1].kind]:
                kept[-1] = stop
            continue
        kept.append(stop)
    return tuple(kept)


def _clear(places: list[tuple[Array, _Stretch]], number: int, stop_m: float) -> float:
    """From a line to the end of the junction behind it; 0 where there is none within 40 m."""
    junction, end = "", stop_m
    for s, one in places[number:]:
        inside = one.lanes[0].junction
        if not junction and inside:
            junction = inside
        elif junction and inside != junction:
            break
        elif not junction and float(s[-1]) - stop_m > 40.0:
            return 0.0
        if inside:
            end = float(s[-1])
    return end - stop_m if junction else 0.0
