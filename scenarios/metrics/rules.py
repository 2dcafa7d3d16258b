"""What CARLA's leaderboard holds against a car, found in what a drive did: when each rule was broken.

Decides which infractions there are; what they cost is ``leaderboard``'s business. The rules and their figures are those
of Leaderboard 2: leaderboard.carla.org/get_started and the criteria of ScenarioRunner.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import msgspec
import numpy as np

from scenarios.metrics.course import Course, stretches
from scenarios.metrics.frames import Bools, Floats, Ints

PEDESTRIAN, VEHICLE, LAYOUT = "collisions_pedestrian", "collisions_vehicle", "collisions_layout"
RED_LIGHT, STOP_SIGN = "red_light", "stop_infraction"
OUTSIDE_LANES, MIN_SPEED = "outside_route_lanes", "min_speed_infractions"
YIELD_EMERGENCY, SCENARIO_TIMEOUT = "yield_emergency_vehicle_infractions", "scenario_timeouts"
DEVIATION, BLOCKED, ROUTE_TIMEOUT = "route_dev", "vehicle_blocked", "route_timeout"

SAME_ACTOR_NS, SAME_PLACE_M = 5_000_000_000, 5.0
"""Contacts with one road user within this time, or with anybody within this distance, are one collision."""
STANDING_MPS = 0.1
BLOCKED_S = 180.0
OFF_ROUTE_MAX_M, OFF_ROUTE_SAFE_M, OFF_ROUTE_SHARE = 30.0, 15.0, 0.3
TIMEOUT_S, TIMEOUT_SPEED_SHARE = 300.0, 0.1
COMPLETE_PCT, COMPLETE_WITHIN_M = 99.0, 10.0
CHECKPOINTS = 4


class Infraction(msgspec.Struct, frozen=True, kw_only=True):
    """One broken rule; ``kind`` is its key in the leaderboard's results."""

    kind: str
    t_ns: int
    message: str
    """As the leaderboard words it, which its plotters read."""
    percentage: float | None = None
    """Outside the route's lanes: of the way driven; too slow: speed relative to the traffic."""
    distance_m: float | None = None


class Contact(msgspec.Struct, frozen=True, kw_only=True):
    """The ego touched something."""

    t_ns: int
    x_m: float
    y_m: float
    speed_mps: float
    """The ego's."""
    id: int
    label: str
    kind: str


def place(x_m: float, y_m: float) -> str:
    """A position as the leaderboard's messages have it."""
    return f"(x={round(x_m, 3)}, y={round(y_m, 3)}, z=0.0)"


def collisions(contacts: Sequence[Contact]) -> list[Infraction]:
    """The contacts that count: not again the same one, and not while the ego stood."""
    found: list[Infraction] = []
    last: Contact | None = None
    recent: Contact | None = None
    for contact in sorted(contacts, key=lambda contact: contact.t_ns):
        if recent is not None and contact.t_ns - recent.t_ns > SAME_ACTOR_NS:
            recent = None
        if last is not None and math.hypot(contact.x_m - last.x_m, contact.y_m - last.y_m) > SAME_PLACE_M:
            last = None
        if last is not None or contact.speed_mps < STANDING_MPS or (recent is not None and recent.id == contact.id):
            continue
        last = recent = contact
        what = f"Agent collided against object with type={contact.kind} and id={contact.id} at "
        kind = {"pedestrian": PEDESTRIAN, "vehicle": VEHICLE}.get(contact.label, LAYOUT)
        found.append(Infraction(kind=kind, t_ns=contact.t_ns, message=what + place(contact.x_m, contact.y_m)))
    return found


def outside_lanes(t_ns: Ints, course: Course, outside: Bools) -> list[Infraction]:
    """How much of the way driven lay outside the route's lanes: one infraction, however often."""
    ahead = np.maximum.accumulate(course.s_m)
    steps = np.diff(ahead, prepend=ahead[:1])
    driven, wrong = float(steps.sum()), float(steps[outside].sum())
    if wrong <= 0.0:
        return []
    percentage = 100.0 * wrong / driven
    message = (
        f"Agent went outside its route lanes for about {round(wrong, 3)} meters "
        f"({round(percentage, 2)}% of the completed route)"
    )
    t = int(t_ns[np.flatnonzero(outside)[-1]])
    return [
        Infraction(kind=OUTSIDE_LANES, t_ns=t, message=message, percentage=percentage, distance_m=wrong),
    ]


def too_slow(t_ns: Ints, course: Course, speed_mps: Floats, traffic_mps: Floats) -> list[Infraction]:
    """Every quarter of the route on which the ego was slower than the traffic around it.

    ``traffic_mps`` (n,): mean speed of the other vehicles at each instant, nan where there were none. The last quarter
    counts if the drive came that far.
    """
    quarter, ahead = course.length_m / CHECKPOINTS, np.maximum.accumulate(course.s_m)
    found: list[Infraction] = []
    begin, since = 0, max(0.0, float(ahead[0]) if len(ahead) else 0.0)
    for k in range(len(ahead)):
        last = k == len(ahead) - 1
        if ahead[k] - since > quarter or (last and ahead[k] > 0.95 * course.length_m):
            part = slice(begin, k + 1 if last else k)
            found += _slower(int(t_ns[k]), speed_mps[part], traffic_mps[part])
            begin, since = k, float(ahead[k])
    return found


def _slower(t_ns: int, speed_mps: Floats, traffic_mps: Floats) -> list[Infraction]:
    known = np.isfinite(traffic_mps)
    if not known.any() or traffic_mps[known].mean() <= 0.0:
        return []
    percentage = round(100.0 * float(speed_mps[known].mean() / traffic_mps[known].mean()), 2)
    if percentage >= 100.0:
        return []
    message = f"Average speed is {percentage}% of the surrounding traffic's one"
    return [Infraction(kind=MIN_SPEED, t_ns=t_ns, message=message, percentage=percentage)]


def blocked(t_ns: Ints, speed_mps: Floats, places_m: Floats) -> Infraction | None:
    """The car stood for three minutes: when that was over."""
    for first, end in stretches(speed_mps < STANDING_MPS):
        late = np.flatnonzero(t_ns[first:end] - t_ns[first] > BLOCKED_S * 1e9)
        if len(late):
            k = first + int(late[0])
            message = "Agent got blocked at " + place(*places_m[k].tolist())
            return Infraction(kind=BLOCKED, t_ns=int(t_ns[k]), message=message)
    return None


def deviated(t_ns: Ints, course: Course, places_m: Floats) -> Infraction | None:
    """The car came too far from its route, or drove too much of it far away."""
    away, ahead = np.abs(course.d_m), np.maximum.accumulate(course.s_m)
    lost = np.cumsum(np.where(away >= OFF_ROUTE_SAFE_M, np.diff(ahead, prepend=ahead[:1]), 0.0))
    off = np.flatnonzero((away >= OFF_ROUTE_MAX_M) | (lost > OFF_ROUTE_SHARE * course.length_m))
    if not len(off):
        return None
    k = int(off[0])
    message = "Agent deviated from the route at " + place(*places_m[k].tolist())
    return Infraction(kind=DEVIATION, t_ns=int(t_ns[k]), message=message)


def timed_out(t_ns: Ints, course: Course, limit_mps: Floats) -> Infraction | None:
    """The car took longer than five minutes and what a tenth of the speed limit would have taken."""
    ahead = np.maximum.accumulate(course.s_m)
    granted = TIMEOUT_S + np.cumsum(np.diff(ahead, prepend=ahead[:1]) / (TIMEOUT_SPEED_SHARE * limit_mps))
    over = np.flatnonzero((t_ns - t_ns[:1]) * 1e-9 > granted)
    if not len(over):
        return None
    return Infraction(kind=ROUTE_TIMEOUT, t_ns=int(t_ns[over[0]]), message="Route timeout.")


def completed_pct(percentage: float, remaining_m: float) -> float:
    """Completion as it is scored: all of it once only the last percent and ten metres are missing."""
    return 100.0 if percentage > COMPLETE_PCT and remaining_m < COMPLETE_WITHIN_M else round(percentage, 2)
