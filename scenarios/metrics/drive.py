"""Judges one drive by everything that applies: its journal and what the car's operators said, in one struct.

Only puts together; every figure is defined in the module that computes it. What cannot be told is None.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import msgspec
import numpy as np

from operators.messages import ControlCommand
from scenarios.metrics import rules
from scenarios.metrics.comfort import Comfort, comfort
from scenarios.metrics.course import Course, completion_pct, follow, speed_violations
from scenarios.metrics.frames import Floats, Ints
from scenarios.metrics.journal import SPEED, TRAFFIC, YAW, Journal, X, Y
from scenarios.metrics.leaderboard import RouteRun, driving_score, status
from scenarios.metrics.perception import (
    DetectionForms,
    PredictionForms,
    Said,
    TrackingForms,
    judge_detections,
    judge_predictions,
    judge_tracks,
)
from scenarios.metrics.rules import Contact, Infraction
from scenarios.metrics.safety import (
    CONFLICT_S,
    Motion,
    clearance,
    collision_times,
    first_braking,
    first_visible,
    gap_ahead,
    post_encroachment_time,
)
from scenarios.world.records import COLLISION, LANE_LEFT, RED_LIGHT, ROUTE_LEFT, STOP_LINE, Incident

HALF_LANE_M, OUTSIDE_M = 1.75, 0.5
"""A centre farther than this from the middle of its lane is outside of it, as the leaderboard sees it."""
LOOKS = 2000
"""At most this many instants are looked at for the timely form of predictions."""

Streams = Mapping[str, Sequence[Said]]
"""What was said on ``detections``, ``tracks``, ``predictions`` and ``commands``; what is missing was not said."""


class Collisions(msgspec.Struct, frozen=True):
    """Every contact that the world reported; the leaderboard's own count stands in ``RouteRun.infractions``."""

    count: int
    at_fault: int
    impact_speed_mps: float | None
    """Of the hardest."""
    label: str
    """Of the first one's partner; empty without one."""


class Closeness(msgspec.Struct, frozen=True):
    """How near it came; None where nobody was there."""

    ttc_min_s: float | None
    pet_min_s: float | None
    gap_ahead_min_m: float | None
    clearance_min_m: float | None


class Reaction(msgspec.Struct, frozen=True):
    """To the road user that the ego hit, else came closest to hitting, in time: run times in s, None: did not happen.

    ``visible_s``: in view without a break until the closest moment; ``conflict_s``: from then on less than 4 s away;
    ``braking_s``: the brake was commanded.
    """

    id: int
    visible_s: float | None
    conflict_s: float | None
    braking_s: float | None
    response_s: float | None
    """From visible to braking."""
    response_to_conflict_s: float | None
    """From visible and in conflict to braking."""


class Keeping(msgspec.Struct, frozen=True):
    """How well lane and limits were kept."""

    lateral_error_mean_m: float
    lateral_error_max_m: float
    heading_error_max_rad: float
    speeding_count: int
    speeding_s: float
    speeding_max_mps: float
    red_lights: int
    stop_lines: int
    lanes_left: int
    routes_left: int


class Scores(msgspec.Struct, frozen=True):
    """Driving scores of one route, in percent."""

    route_completion_pct: float
    driving_score_2_0: float
    driving_score_2_1: float
    status: str


class DriveMetrics(msgspec.Struct, frozen=True):
    """Everything about one drive."""

    duration_s: float
    distance_m: float
    collisions: Collisions
    closeness: Closeness
    reaction: Reaction | None
    """None if nobody ever was in the way."""
    keeping: Keeping | None
    """None without a route."""
    comfort: Comfort
    scores: Scores
    route: RouteRun
    """What the scores are made of; ``leaderboard.results`` makes the leaderboard's file of many of these."""
    detection: DetectionForms | None
    tracking: TrackingForms | None
    prediction: PredictionForms | None


def judge(journal: Journal, streams: Streams, *, route_id: str = "RouteScenario_0_rep0") -> DriveMetrics:
    """Everything that journal and streams have something to say about. The journal has at least one line."""
    ego, t_ns = journal.ego, journal.t_ns
    motion = journal.motion()
    times = _rolling(motion, collision_times(motion))
    course = _course(journal)
    route = _route(journal, course, route_id)
    truths = journal.sights()
    return DriveMetrics(
        duration_s=_seconds(t_ns[-1]),
        distance_m=float(np.hypot(*np.diff(ego[:, [X, Y]], axis=0).T).sum()),
        collisions=_collisions(journal.incidents),
        closeness=_closeness(motion, times, journal.incidents),
        reaction=_reaction(journal, motion, times, streams.get("commands", ())),
        keeping=None if course is None else _keeping(journal, course),
        comfort=_comfort(journal),
        scores=Scores(route.completion_pct, driving_score(route, "2.0"), driving_score(route, "2.1"), status(route)),
        route=route,
        detection=judge_detections(streams.get("detections", ()), truths),
        tracking=judge_tracks(streams.get("tracks", ()), truths),
        prediction=_predictions(journal, streams.get("predictions", ())),
    )


def _seconds(t_ns: int | np.int64) -> float:
    return int(t_ns) / 1e9


def _step_s(t_ns: Ints) -> float:
    return float(np.median(np.diff(t_ns))) / 1e9 if len(t_ns) > 1 else 1.0


def _predictions(journal: Journal, said: Sequence[Said]) -> PredictionForms | None:
    if not said:
        return None
    instants = journal.t_ns[:: max(1, math.ceil(len(journal) / LOOKS))]
    return judge_predictions(said, journal.paths(), instants.tolist())


def _comfort(journal: Journal) -> Comfort:
    """Between two lines farther apart than usual the motion went on evenly."""
    ego, t_s = journal.ego, journal.t_ns / 1e9
    step = _step_s(journal.t_ns)
    steady = np.arange(t_s[0], t_s[-1] + 0.5 * step, step)
    turn = np.unwrap(ego[:, YAW])
    return comfort(np.interp(steady, t_s, ego[:, SPEED]), np.interp(steady, t_s, turn), step)


def _course(journal: Journal) -> Course | None:
    """The drive along its route, stations counted from where it began, up to where it shall end."""
    route = journal.route
    if route is None or np.hypot(np.diff(route.x_m), np.diff(route.y_m)).sum() <= 0.0:
        return None
    ego = journal.ego
    course = follow(np.stack([route.x_m, route.y_m], axis=1), ego[:, [X, Y]], ego[:, YAW])
    start = float(course.s_m[0])
    length = course.length_m - start if journal.length_m is None else journal.length_m
    return Course(course.s_m - start, course.d_m, course.heading_error_rad, max(length, 1e-6))


def _limits(journal: Journal, course: Course) -> Floats:
    """The speed limit at each instant."""
    route = journal.route
    assert route is not None
    if route.limits_mps is None:
        return np.full(len(course.s_m), route.speed_limit_mps)
    places = np.concatenate([[0.0], np.cumsum(np.hypot(np.diff(route.x_m), np.diff(route.y_m)))])
    start = follow(np.stack([route.x_m, route.y_m], axis=1), journal.ego[:1, [X, Y]], journal.ego[:1, YAW]).s_m[0]
    nearest = np.clip(np.searchsorted(places, course.s_m + start, side="right") - 1, 0, len(places) - 1)
    return np.asarray(route.limits_mps[nearest], np.float64)


def _route(journal: Journal, course: Course | None, route_id: str) -> RouteRun:
    ego, t_ns = journal.ego, journal.t_ns
    found = rules.collisions([_contact(one) for one in journal.incidents if one.kind == COLLISION])
    found += [_ran(one) for one in journal.incidents if one.kind in (RED_LIGHT, STOP_LINE)]
    places = ego[:, [X, Y]]
    stopped = [rules.blocked(t_ns, ego[:, SPEED], places)]
    completion, length = 0.0, 0.0
    if course is not None:
        outside = np.abs(course.d_m) > HALF_LANE_M + OUTSIDE_M
        found += rules.outside_lanes(t_ns, course, outside)
        found += rules.too_slow(t_ns, course, ego[:, SPEED], ego[:, TRAFFIC])
        stopped += [
            rules.deviated(t_ns, course, places),
            rules.timed_out(t_ns, course, np.maximum(_limits(journal, course), 1.0)),
        ]
        length = course.length_m
        reached = completion_pct(course)
        completion = rules.completed_pct(reached, length * (1.0 - reached / 100.0))
    found += [one for one in stopped if one is not None]
    return RouteRun(
        route_id=route_id,
        length_m=length,
        completion_pct=completion,
        duration_s=_seconds(t_ns[-1]),
        infractions=tuple(sorted(found, key=lambda one: one.t_ns)),
    )


def _contact(one: Incident) -> Contact:
    return Contact(
        t_ns=one.t_ns,
        x_m=one.x_m,
        y_m=one.y_m,
        speed_mps=one.speed_mps,
        id=one.with_id,
        label=one.with_label,
        kind=one.with_kind or one.with_label,
    )


def _ran(one: Incident) -> Infraction:
    where = rules.place(one.x_m, one.y_m)
    if one.kind == RED_LIGHT:
        name = one.detail.removeprefix("light ").removesuffix(" was red") or one.with_id
        return Infraction(kind=rules.RED_LIGHT, t_ns=one.t_ns, message=f"Agent ran a red light {name} at {where}")
    message = f"Agent ran a stop with id={one.with_id} at {where}"
    return Infraction(kind=rules.STOP_SIGN, t_ns=one.t_ns, message=message)


def _collisions(incidents: Sequence[Incident]) -> Collisions:
    hits = [one for one in incidents if one.kind == COLLISION]
    return Collisions(
        count=len(hits),
        at_fault=sum(one.at_fault == "ego" for one in hits),
        impact_speed_mps=max((one.impact_speed_mps for one in hits), default=None),
        label=hits[0].with_label if hits else "",
    )


def _closeness(motion: Motion, times: Floats, incidents: Sequence[Incident]) -> Closeness:
    def told(value: float) -> float | None:
        return value if math.isfinite(value) else None

    ahead = gap_ahead(motion).value
    if any(one.kind == COLLISION for one in incidents):  # it may lie between two lines of the journal
        return Closeness(ttc_min_s=0.0, pet_min_s=0.0, gap_ahead_min_m=told(ahead), clearance_min_m=0.0)
    return Closeness(
        ttc_min_s=told(float(times.min(initial=math.inf))),
        pet_min_s=told(post_encroachment_time(motion).value),
        gap_ahead_min_m=told(ahead),
        clearance_min_m=told(clearance(motion).value),
    )


def _rolling(motion: Motion, times: Floats) -> Floats:
    """Times to collision while the ego moves; nothing is on a course from a standing car."""
    return np.where(np.hypot(*motion.ego_mps.T)[motion.row] > rules.STANDING_MPS, times, math.inf)


def _reaction(journal: Journal, motion: Motion, times: Floats, commands: Sequence[Said]) -> Reaction | None:
    hits = [one for one in journal.incidents if one.kind == COLLISION]
    if hits:
        who, until = hits[0].with_id, hits[0].t_ns
    elif len(times) and times.min() <= CONFLICT_S:
        nearest = int(np.argmin(times))
        who, until = int(motion.ids[nearest]), int(motion.t_ns[motion.row[nearest]])
    else:
        return None
    seen_at, share = journal.shares(who)
    visible = first_visible(seen_at, share, until) if len(seen_at) else None
    mine = (motion.ids == who) & (times <= CONFLICT_S)
    close = motion.t_ns[motion.row[mine]]
    close = close[close >= visible] if visible is not None else close
    conflict = int(close[0]) if len(close) else None
    pedals = [(said.at, said.value.brake) for said in commands if isinstance(said.value, ControlCommand)]
    at = np.array([row[0] for row in pedals], np.int64)
    brake = np.array([row[1] for row in pedals], np.float64)
    braking = first_braking(at, brake, visible) if visible is not None else None
    to_conflict = first_braking(at, brake, conflict) if conflict is not None and visible is not None else None
    return Reaction(
        id=who,
        visible_s=_run_s(visible),
        conflict_s=_run_s(conflict),
        braking_s=_run_s(braking),
        response_s=_between_s(visible, braking),
        response_to_conflict_s=_between_s(conflict, to_conflict),
    )


def _run_s(t_ns: int | None) -> float | None:
    return None if t_ns is None else t_ns / 1e9


def _between_s(first_ns: int | None, last_ns: int | None) -> float | None:
    return None if first_ns is None or last_ns is None else (last_ns - first_ns) / 1e9


def _keeping(journal: Journal, course: Course) -> Keeping:
    kinds = [one.kind for one in journal.incidents]
    fast = speed_violations(journal.ego[:, SPEED], _limits(journal, course), _step_s(journal.t_ns))
    away = np.abs(course.d_m)
    return Keeping(
        lateral_error_mean_m=float(away.mean()),
        lateral_error_max_m=float(away.max()),
        heading_error_max_rad=float(np.abs(course.heading_error_rad).max()),
        speeding_count=fast.stretches,
        speeding_s=fast.time_s,
        speeding_max_mps=fast.excess_max_mps,
        red_lights=kinds.count(RED_LIGHT),
        stop_lines=kinds.count(STOP_LINE),
        lanes_left=kinds.count(LANE_LEFT),
        routes_left=kinds.count(ROUTE_LEFT),
    )
