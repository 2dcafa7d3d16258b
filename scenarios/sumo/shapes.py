"""Puts the lanes of a converted network onto the centre lines that the map has for them, and closes what is no lane.

netconvert gives a lane one width per section, so tapers end up decimetres aside; this undoes it.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Mapping, Sequence
from xml.etree.ElementTree import Element

import numpy as np
from numpy.typing import NDArray

from operators.maps import LaneKey, RoadMap

Floats = NDArray[np.float64]

STEP_M = 1.0
SAMPLES = 25
"""Points by which a lane is told from another."""
CHUNK = 256
"""Points projected at a time, so that a long lane does not take much memory."""
FARTHEST_M = 4.0
"""A lane whose middle is further from the map's lane of that name is not that lane."""
KEY = "skylane.lane"
"""Under this parameter a lane keeps which of the map's lanes it is: road, section, lane, one space between them."""
CLOSED = "emergency"


def shape_of(lane: Element) -> Floats:
    """(n, 2) points of a lane's ``shape``."""
    points = [point.split(",")[:2] for point in (lane.get("shape") or "").split()]
    return np.array(points, dtype=np.float64).reshape(-1, 2)


def key_of(lane: Element) -> LaneKey | None:
    """Which of the map's lanes it is, once aligned; None for one that the map does not have."""
    for parameter in lane.iter("param"):
        if parameter.get("key") == KEY:
            road, section, number = (parameter.get("value") or "").rsplit(" ", 2)
            return LaneKey(road, int(section), int(number))
    return None


def is_open(lane: Element) -> bool:
    """Whether cars may use it."""
    allowed, refused = (lane.get("allow") or "").split(), (lane.get("disallow") or "").split()
    return not (allowed and "passenger" not in allowed) and not {"passenger", "all"} & set(refused)


def align(network: Element, map_: RoadMap) -> int:
    """Move every lane of ``network`` that cars use onto its centre line, in place; the number of those lanes.

    A lane that is no driving lane of the map, such as a parking lane, is closed to traffic.
    """
    named: dict[tuple[str, int], list[LaneKey]] = defaultdict(list)
    for key, own in map_.lanes.items():
        if own.kind == "driving":
            named[key.road, key.lane].append(key)
    found: dict[str, LaneKey] = {}
    joints: dict[str, Element] = {}
    for edge in network.iter("edge"):
        for lane in edge.iter("lane"):
            if not is_open(lane):
                continue
            name, original = lane.get("id") or "", _original(lane)
            key_found = _nearest(shape_of(lane), named.get(original, ()) if original else (), map_)
            if key_found is not None:
                found[name] = key_found
                _move(lane, [key_found], map_)
                lane.append(Element("param", {"key": KEY, "value": " ".join(map(str, key_found))}))
            elif edge.get("function") == "internal":
                joints[name] = lane
            else:
                _close(lane)
    _join(network, joints, found, map_)
    return len(found)


def _original(lane: Element) -> tuple[str, int] | None:
    """OpenDRIVE's road and lane that netconvert noted; the first, where it joined several."""
    for parameter in lane.iter("param"):
        if parameter.get("key") == "origId":
            road, _, number = (parameter.get("value") or "").split(" ")[0].rpartition("_")
            if road and number.lstrip("-").isdigit():
                return road, int(number)
    return None


def _nearest(points: Floats, keys: Sequence[LaneKey], map_: RoadMap) -> LaneKey | None:
    if len(points) < 2 or not keys:
        return None
    every = dense(points)
    some = every[np.linspace(0, len(every) - 1, min(len(every), SAMPLES)).astype(np.int64)]
    away = [float(np.median(np.hypot(*(_projected(some, _line(map_, key)) - some).T))) for key in keys]
    best = int(np.argmin(away))
    return keys[best] if away[best] <= FARTHEST_M else None


def _line(map_: RoadMap, key: LaneKey) -> Floats:
    lane = map_.lanes[key]
    return np.stack([lane.x_m, lane.y_m], axis=1)


def dense(points: Floats) -> Floats:
    """The same line with points at most ``STEP_M`` apart."""
    parts = [points[:1]]
    for a, b in zip(points[:-1], points[1:], strict=True):
        count = max(1, math.ceil(float(np.hypot(*(b - a))) / STEP_M))
        parts.append(a + (b - a) * (np.arange(1, count + 1) / count)[:, None])
    return np.concatenate(parts)


def _projected(points: Floats, line: Floats) -> Floats:
    """The nearest point of the line for each of ``points``, (n, 2)."""
    if len(points) > CHUNK:
        parts = [points[k : k + CHUNK] for k in range(0, len(points), CHUNK)]
        return np.concatenate([_projected(part, line) for part in parts])
    start, along = line[:-1], np.diff(line, axis=0)
    squared = np.maximum((along * along).sum(axis=1), 1e-12)
    t = ((points[:, None] - start) * along).sum(axis=2) / squared
    feet = start + np.clip(t, 0.0, 1.0)[..., None] * along
    nearest = np.argmin(((feet - points[:, None]) ** 2).sum(axis=2), axis=1)
    found: Floats = feet[np.arange(len(points)), nearest]
    return found


def _move(lane: Element, keys: Sequence[LaneKey], map_: RoadMap) -> None:
    points = dense(shape_of(lane))
    feet = np.stack([_projected(points, _line(map_, key)) for key in keys])
    best = np.argmin(((feet - points) ** 2).sum(axis=2), axis=0)
    write_shape(lane, feet[best, np.arange(len(points))])


def write_shape(lane: Element, points: Floats) -> None:
    """Give a lane these points, (n, 2)."""
    steps = np.hypot(*np.diff(points, axis=0).T)
    kept = points[np.concatenate([[True], steps > 0.02])]
    if len(kept) >= 2:
        lane.set("shape", " ".join(f"{x:.4f},{y:.4f}" for x, y in kept))


def _close(lane: Element) -> None:
    lane.attrib.pop("disallow", None)
    lane.set("allow", CLOSED)


def _join(network: Element, joints: Mapping[str, Element], found: Mapping[str, LaneKey], map_: RoadMap) -> None:
    """Lanes between two sections have no lane of their own: from the end of the one to the start of the other."""
    shapes = {lane.get("id"): lane for lane in network.iter("lane")}
    for connection in network.iter("connection"):
        joint = joints.get(connection.get("via") or "")
        before = f"{connection.get('from')}_{connection.get('fromLane')}"
        after = f"{connection.get('to')}_{connection.get('toLane')}"
        if joint is None or before not in shapes or after not in shapes:
            continue
        if before not in found or after not in found:
            _close(joint)
            continue
        ends = np.stack([shape_of(shapes[before])[-1], shape_of(shapes[after])[0]])
        if float(np.hypot(*(ends[1] - ends[0]))) > 1e-3:
            write_shape(joint, dense(ends))
            _move(joint, [found[before], found[after]], map_)
