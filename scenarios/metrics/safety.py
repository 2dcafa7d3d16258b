"""How close a drive came: time to collision, post-encroachment time, gaps, and how soon the car reacted.

Pure functions of what everybody did, instant by instant; who was to blame is the world's decision.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from scenarios.metrics.frames import Bools, Floats, Ints
from scenarios.metrics.outlines import CHUNK, gaps, times_to_touch

CONFLICT_S = 4.0
"""A time to collision below this is a conflict."""
BRAKING = 0.1
"""Pedal from which a command counts as braking."""
VISIBLE_MIN = 0.3
"""Share of a road user from which it counts as visible."""
BLINK_NS = 300_000_000
"""Who is hidden for no longer than this has been visible all along."""
CROSSING_RAD = math.radians(30.0)
ENCROACHMENT_WITHIN_S = 5.0


class Motion(NamedTuple):
    """The ego and everybody else at instants ``t_ns`` (n,), in map axes.

    ``ego`` (n, 5) outline and ``ego_mps`` (n, 2); one row for every other road user at every instant: ``row`` (m,)
    index of the instant, ``ids`` (m,), ``others`` (m, 5), ``others_mps`` (m, 2).
    """

    t_ns: Ints
    ego: Floats
    ego_mps: Floats
    row: Ints
    ids: Ints
    others: Floats
    others_mps: Floats


class Closest(NamedTuple):
    """A smallest value, when it was and to whom; inf, -1 and 0 if there was nobody."""

    value: float
    t_ns: int
    id: int


def time_to_collision(motion: Motion) -> Closest:
    """Smallest time to collision if everybody kept speed and heading at that moment; while the ego stands, none."""
    rolling = np.hypot(*motion.ego_mps.T) > 0.1
    return _closest(motion, np.where(rolling[motion.row], collision_times(motion), np.inf))


def collision_times(motion: Motion) -> Floats:
    """(m,) time to collision with every other road user at every instant, s; inf: none on these courses."""
    return _each(motion, times_to_touch)


def clearance(motion: Motion) -> Closest:
    """Smallest gap between outlines, to anybody on any side."""
    between = _each(motion, _centres_apart)
    reach = 0.5 * _each(motion, _diagonals)
    # Nobody is nearer than their circles are, and the nearest no farther than the nearest centre.
    near = between - reach <= between.min(initial=np.inf)
    value = np.full(len(between), np.inf)
    value[near] = gaps(motion.ego[motion.row[near]], motion.others[near])
    return _closest(motion, value)


def gap_ahead(motion: Motion, *, margin_m: float = 0.3, within_m: float = 60.0) -> Closest:
    """Smallest gap to anybody ahead who reaches into the strip that the ego covers if it goes straight on."""

    def ahead(ego: Floats, ego_mps: Floats, others: Floats, others_mps: Floats) -> Floats:
        cos, sin = np.cos(ego[:, 2]), np.sin(ego[:, 2])
        dx, dy = others[:, 0] - ego[:, 0], others[:, 1] - ego[:, 1]
        along, left = dx * cos + dy * sin, dy * cos - dx * sin
        turned = others[:, 2] - ego[:, 2]
        half_along = 0.5 * (np.abs(np.cos(turned)) * others[:, 3] + np.abs(np.sin(turned)) * others[:, 4])
        half_across = 0.5 * (np.abs(np.sin(turned)) * others[:, 3] + np.abs(np.cos(turned)) * others[:, 4])
        inside = np.abs(left) < 0.5 * ego[:, 4] + margin_m + half_across
        inside &= (along + half_along > 0.5 * ego[:, 3]) & (along - half_along < within_m)
        value = np.full(len(others), np.inf)
        value[inside] = gaps(ego[inside], others[inside])
        return value

    return _closest(motion, _each(motion, ahead))


def _each(motion: Motion, one: Callable[[Floats, Floats, Floats, Floats], Floats]) -> Floats:
    """(m,) ``one`` of the ego's and the others' outlines and velocities, a part at a time: long drives are big."""
    found = np.full(len(motion.row), np.inf)
    for first in range(0, len(found), CHUNK):
        part = slice(first, first + CHUNK)
        row = motion.row[part]
        found[part] = one(motion.ego[row], motion.ego_mps[row], motion.others[part], motion.others_mps[part])
    return found


def _centres_apart(ego: Floats, ego_mps: Floats, others: Floats, others_mps: Floats) -> Floats:
    return np.hypot(others[:, 0] - ego[:, 0], others[:, 1] - ego[:, 1])


def _diagonals(ego: Floats, ego_mps: Floats, others: Floats, others_mps: Floats) -> Floats:
    return np.hypot(ego[:, 3], ego[:, 4]) + np.hypot(others[:, 3], others[:, 4])


def post_encroachment_time(motion: Motion, *, step_s: float = 0.1) -> Closest:
    """Shortest time between one of two leaving a spot and the other, on a crossing course, reaching it, s.

    Looked at every ``step_s``, up to ``ENCROACHMENT_WITHIN_S`` apart; followers are no conflict, nor is who stands.
    Source: Allen, Shin, Cooper: Analysis of Traffic Conflicts and Collisions (1978)
    """
    if len(motion.t_ns) < 2:
        return Closest(math.inf, -1, 0)
    dt_s = float(np.median(np.diff(motion.t_ns))) * 1e-9
    every = max(1, round(step_s / dt_s))
    chosen = np.arange(0, len(motion.t_ns), every)
    looked = (motion.row % every == 0) & (np.hypot(*motion.others_mps.T) > 0.1)
    best = Closest(math.inf, -1, 0)
    row, ids = motion.row[looked], motion.ids[looked]
    others = motion.others[looked]
    span = math.ceil(ENCROACHMENT_WITHIN_S / (every * dt_s))
    for shift in range(-span, span + 1):
        at = row + shift * every
        apart_s = abs(shift) * every * dt_s
        inside = (at >= 0) & (at <= chosen[-1])
        if apart_s >= best.value or not inside.any():
            continue
        hit = _crossing(motion.ego[at[inside]], others[inside])
        if hit.any():
            k = np.flatnonzero(inside)[np.flatnonzero(hit)[0]]
            best = Closest(apart_s, int(motion.t_ns[row[k]]), int(ids[k]))
    return best


def _crossing(ego: Floats, others: Floats) -> Bools:
    near = np.hypot(*(ego[:, :2] - others[:, :2]).T) < 0.5 * (ego[:, 3] + ego[:, 4] + others[:, 3] + others[:, 4])
    angle = np.abs(np.remainder(ego[:, 2] - others[:, 2] + math.pi / 2, math.pi) - math.pi / 2)
    near &= angle >= CROSSING_RAD
    near[near] = gaps(ego[near], others[near]) <= 0.0
    return np.asarray(near)


def first_visible(t_ns: Ints, share: Floats, until_ns: int) -> int | None:
    """When somebody came into view for the last time before ``until_ns``; None if they were not in view then.

    ``share`` (n,): how much of them is seen at ``t_ns`` (n,).
    """
    since: int | None = None
    hidden: int | None = None
    for t, seen in zip(t_ns.tolist(), (share >= VISIBLE_MIN).tolist(), strict=True):
        if t > until_ns:
            break
        if not seen:
            hidden = t if hidden is None else hidden
            continue
        since = t if since is None or (hidden is not None and t - hidden > BLINK_NS) else since
        hidden = None
    return None if hidden is not None and until_ns - hidden > BLINK_NS else since


def first_braking(at_ns: Ints, brake: Floats, since_ns: int) -> int | None:
    """When the brake was first commanded at or after ``since_ns``; at once if it was being pressed already."""
    pressed = brake >= BRAKING
    before = np.flatnonzero(at_ns <= since_ns)
    if len(before) and pressed[before[-1]]:
        return since_ns
    after = np.flatnonzero((at_ns >= since_ns) & pressed)
    return int(at_ns[after[0]]) if len(after) else None


def _closest(motion: Motion, value: Floats) -> Closest:
    if not len(value) or not np.isfinite(value).any():
        return Closest(math.inf, -1, 0)
    k = int(np.argmin(value))
    return Closest(float(value[k]), int(motion.t_ns[motion.row[k]]), int(motion.ids[k]))
