"""A recorded drive as a viewer sees it: what the car had in its hands at any time, and when things happened.

Reads logs only; draws nothing. What the car believes is what was committed, so it is as old as the car's own knowledge.
"""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import msgspec
import numpy as np
from numpy.typing import NDArray

from operators.geometry.frenet import InvalidRoute, ReferenceLine
from operators.messages import CameraModel, EgoSize, EgoState
from pipeline import events as ev
from pipeline.report.panels import RunData
from pipeline.runlog import LoggedMessage, RunLog

Floats = NDArray[np.float64]

SECOND = 1_000_000_000
MISS_SHOWN_NS = 200_000_000
"""How long a miss stays on the screen."""
SIDE_MARGIN_M = 0.3
HORIZON_S = 1.5
"""Somebody is in the way who is in the ego's corridor now or, as predicted, within this time."""
SIGHT_M = 60.0
STANDING_MPS = 0.05
MEASURE_TOLERANCE_M = 1.0
"""By how much the car's own idea of a gap may differ from the truth and still be of the same standstill."""
_SIZE = EgoSize()
FRONT_M = _SIZE.front_m
NAMES = {"pedestrian": "person", "vehicle": "vehicle"}


def metres(distance_m: float) -> str:
    """A distance for people: centimetres count below one metre."""
    return f"{distance_m:.2f} m" if distance_m < 1.0 else f"{distance_m:.1f} m"


class Stream:
    """The values of one stream by the time of their commit."""

    def __init__(self, items: list[LoggedMessage]) -> None:
        self.items = items
        self.at = [item.at for item in items]

    def newest(self, now_ns: int) -> LoggedMessage | None:
        """What had been committed last at ``now_ns``; None before the first."""
        i = bisect_right(self.at, now_ns)
        return self.items[i - 1] if i else None

    def next(self, now_ns: int) -> LoggedMessage | None:
        """What is committed first after ``now_ns``; None after the last."""
        i = bisect_right(self.at, now_ns)
        return self.items[i] if i < len(self.items) else None


class Believed(NamedTuple):
    """A road user as the car has it: footprint in map, predicted path (steps, 2), and where along the route it is."""

    track_id: int
    label: str
    x_m: float
    y_m: float
    yaw_rad: float
    length_m: float
    width_m: float
    path_m: Floats
    s_m: float
    d_low_m: float
    d_high_m: float
    """The stretch across the route that it covers within ``HORIZON_S``, its width included."""


class Beliefs(NamedTuple):
    """Everybody the car knew of, from the picture taken at ``origin``."""

    origin: int
    items: tuple[Believed, ...]


class Gap(NamedTuple):
    """Free distance to the nearest road user in the way, along the route."""

    distance_m: float
    who: Believed


@dataclass(frozen=True)
class Deadlines:
    """When deadlines were missed, and how long each answer was allowed to take."""

    misses: tuple[int, ...] = ()
    limits: dict[int, int] = field(default_factory=dict)
    """Logical time of a trajectory → its budget; empty when nothing had a deadline."""


@dataclass(frozen=True)
class Drive:
    """One variant's drive. ``end_ns``: the last time at which the car was somewhere."""

    name: str
    outcome: dict[str, Any]
    end_ns: int
    camera: CameraModel
    pictures: list[tuple[int, int, bytes]]
    """(t, at, JPEG) in order; empty without pixels."""
    egos: list[EgoState]
    ego_at: list[int]
    ego_s_m: Floats
    ego_d_m: Floats
    detections: Stream
    tracks: Stream
    trajectories: Stream
    commands: Stream
    beliefs: list[Beliefs]
    beliefs_at: list[int]
    route: ReferenceLine | None
    deadlines: Deadlines

    @property
    def collided(self) -> bool:
        """Whether it ended in a contact."""
        return bool(self.outcome.get("collided"))

    def ego(self, now_ns: int) -> EgoState:
        """The car's state, the first one before the first."""
        return self.egos[self._ego_index(now_ns)]

    def picture(self, now_ns: int) -> tuple[int, int, bytes] | None:
        """The newest camera frame."""
        i = bisect_right(self.pictures, now_ns, key=lambda row: row[1])
        return self.pictures[i - 1] if i else None

    def known(self, now_ns: int) -> Beliefs | None:
        """The road users of the newest committed answer."""
        i = bisect_right(self.beliefs_at, now_ns)
        return self.beliefs[i - 1] if i else None

    def gap(self, now_ns: int) -> Gap | None:
        """To the nearest one in the way, as far as the car knows; None when it knows of nobody."""
        known, i = self.known(now_ns), self._ego_index(now_ns)
        half = 0.5 * _SIZE.width_m + SIDE_MARGIN_M
        best: Gap | None = None
        for who in known.items if known else ():
            ahead, left = who.s_m - self.ego_s_m[i], self.ego_d_m[i]
            if not 0.0 < ahead < SIGHT_M or who.d_low_m > left + half or who.d_high_m < left - half:
                continue
            along = abs(np.cos(who.yaw_rad)) * who.length_m + abs(np.sin(who.yaw_rad)) * who.width_m
            distance = max(0.0, float(ahead - FRONT_M - 0.5 * along))
            if best is None or distance < best.distance_m:
                best = Gap(distance, who)
        return best

    def standing_gap_m(self, gap: Gap) -> float:
        """Free distance at a standstill: the world's own measure, where it can only be of this standstill."""
        measured = self.outcome.get("min_gap_m")
        near = isinstance(measured, float) and abs(measured - gap.distance_m) < MEASURE_TOLERANCE_M
        return measured if measured is not None and near else gap.distance_m

    def response(self, now_ns: int) -> tuple[int | None, int | None]:
        """(time used, budget) of the answer in the making; None where there is none."""
        coming = self.trajectories.next(now_ns) or self.trajectories.newest(now_ns)
        if coming is None:
            return None, None
        used = min(now_ns, coming.at) - coming.origin
        return (used if used >= 0 else None), self.deadlines.limits.get(coming.t)

    def missed(self, now_ns: int) -> bool:
        """Whether a deadline has just been missed."""
        i = bisect_right(self.deadlines.misses, now_ns)
        return i > 0 and now_ns - self.deadlines.misses[i - 1] < MISS_SHOWN_NS

    def _ego_index(self, now_ns: int) -> int:
        return max(0, bisect_right(self.ego_at, now_ns) - 1)


def read_drive(run: RunData) -> Drive | None:
    """The drive in a run's log; None for a run of a graph without a car."""
    log = run.log
    ego = _stream(log, "/ego/state", "state", "x_m y_m yaw_rad speed_mps")
    commands = _stream(log, "/gate/command_out", "command_out", "throttle brake")
    if not ego.items or not commands.items:
        return None
    egos = [msgspec.convert(item.value, EgoState) for item in ego.items]
    route = _route(log)
    places = np.array([(state.x_m, state.y_m) for state in egos])
    road = route.to_road_many(places) if route is not None else places
    plans, planner = (
        _stream(log, "/plan/trajectory", "trajectory", "time_s x_m y_m yaw_rad speed_mps"),
        _topic(log, "/plan/trajectory", "trajectory"),
    )
    frames = _topic(log, "/camera/frame", "frame")
    first = next(iter(log.messages(frames)), None)
    beliefs = _beliefs(log, route)
    return Drive(
        name=run.name,
        outcome=run.result.get("outcome") or {},
        end_ns=ego.at[-1],
        camera=msgspec.convert(first.value.get("camera", {}), CameraModel) if first else CameraModel(),
        pictures=list(log.images(frames)),
        egos=egos,
        ego_at=ego.at,
        ego_s_m=road[:, 0],
        ego_d_m=road[:, 1],
        detections=_stream(log, "/detect/detections", "detections", "items model", "label box"),
        tracks=_stream(log, "/track/tracks", "tracks", "items", "track_id hits box"),
        trajectories=plans,
        commands=commands,
        beliefs=[row for _, row in beliefs],
        beliefs_at=[at for at, _ in beliefs],
        route=route,
        deadlines=_deadlines(log, planner.split("/")[1], {item.t for item in plans.items}),
    )


def _topic(log: RunLog, usual: str, port: str) -> str:
    """The stream of that name, else the first one that comes from a port of that name."""
    topics = log.topics()
    return usual if usual in topics else next((name for name in topics if name.endswith("/" + port)), usual)


def _stream(log: RunLog, usual: str, port: str, keys: str, of_items: str = "") -> Stream:
    """The stream's values; none where a port of that name carries something else than a car's."""
    found = list(log.messages(_topic(log, usual, port)))
    values = [message.value for message in found]
    items = [item for value in values if isinstance(value, dict) and of_items for item in value.get("items", ())[:1]]
    fits = all(_has(value, keys) for value in values[:1]) and all(_has(item, of_items) for item in items[:1])
    return Stream(found if fits else [])


def _has(value: Any, keys: str) -> bool:
    return isinstance(value, dict) and set(keys.split()) <= set(value)


def _route(log: RunLog) -> ReferenceLine | None:
    found = _stream(log, "/route/route", "route", "x_m y_m").items
    try:
        return ReferenceLine.through(np.array(found[0].value["x_m"]), np.array(found[0].value["y_m"]))
    except (IndexError, KeyError, TypeError, ValueError, InvalidRoute):  # none, or too long to stand in the log
        return None


def _beliefs(log: RunLog, route: ReferenceLine | None) -> list[tuple[int, Beliefs]]:
    """(commit, who) from predictions; where nobody predicts, from obstacles."""
    rows = []
    for m in _stream(log, "/predict/predictions", "predictions", "items step_s", "obstacle path_m").items:
        steps = max(1, round(HORIZON_S / m.value["step_s"]))
        items = tuple(_believed(p["obstacle"], p["path_m"], steps, route) for p in m.value["items"])
        rows.append((m.at, Beliefs(m.origin, items)))
    if not rows:
        for m in _stream(
            log, "/locate/obstacles", "obstacles", "items", "track_id label x_m y_m yaw_rad length_m width_m"
        ).items:
            rows.append((m.at, Beliefs(m.origin, tuple(_believed(o, [], 0, route) for o in m.value["items"]))))
    return rows


def _believed(o: dict[str, Any], path: Any, steps: int, route: ReferenceLine | None) -> Believed:
    path_m = np.array(path if isinstance(path, list) else [], float).reshape(-1, 2)
    near = np.concatenate([[(o["x_m"], o["y_m"])], path_m[:steps]])
    road = route.to_road_many(near) if route is not None else near
    across = 0.5 * (abs(np.cos(o["yaw_rad"])) * o["width_m"] + abs(np.sin(o["yaw_rad"])) * o["length_m"])
    return Believed(
        **{name: o[name] for name in ("track_id", "label", "x_m", "y_m", "yaw_rad", "length_m", "width_m")},
        path_m=path_m,
        s_m=float(road[0, 0]),
        d_low_m=float(road[:, 1].min() - across),
        d_high_m=float(road[:, 1].max() + across),
    )


def _deadlines(log: RunLog, planner: str, answers: set[int]) -> Deadlines:
    """All misses, and the budgets that the planner's answers had since their picture."""
    misses, limits = [], {}
    for event in log.events():
        if isinstance(event, ev.Missed):
            misses.append(event.at)
        elif isinstance(event, ev.Armed) and event.operator == planner and event.t in answers:
            limits[event.t] = event.expires - event.t
    return Deadlines(tuple(misses), limits)
