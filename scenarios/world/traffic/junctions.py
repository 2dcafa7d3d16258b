"""Who may enter a junction: lights, stop and yield lines, the order of arrival, and room to leave it again.

A driver enters a cluster of conflict areas as a whole or waits in front of it, so nobody waits inside for somebody who
waits for him. Decides permission and the acceleration that waits for it; the ego is watched, never commanded.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from scenarios.world.kernels import allocating
from scenarios.world.traffic.columns import (
    ASKED_SINCE,
    ASKING,
    COMFORT,
    DRIVE,
    EGO,
    GRANT_END,
    GRANTED,
    GRANTED_AT,
    LENGTH,
    LIGHT_STOP,
    LINE,
    MERGE,
    NARROW,
    OBEYS,
    PRESENT,
    PULL,
    RANK,
    RED_AT,
    ROLE,
    SPEED,
    STARTED,
    STILL_SINCE,
    STOP_STOP,
    STOPPED_FOR,
    WALK,
    WIDTH,
    YIELD_STOP,
    Areas,
    D,
    Lines,
    S,
    X,
    Y,
)  # fmt: skip
from scenarios.world.traffic.idm import idm
from scenarios.world.traffic.leaders import MARGIN_M, NONE, ahead_of, reach
from scenarios.world.traffic.signals import AMBER, RED

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
States = NDArray[np.int8]

AMBER_MPS2 = 3.0
"""Whoever can stop at an amber light with this, does."""
EMERGENCY_MPS2 = 6.5
LINE_GAP_M = 0.8
"""A driver stops so far before a line."""
SPACE_M = 2.5
"""Room that a standing vehicle takes besides its length."""
MARGIN_S = 1.2
"""Least time between one vehicle's leaving an area and another's arrival there, for whoever gives way."""
IMPATIENT_S = 25.0
"""After so long a wait nobody has precedence over a driver any more but those already inside."""
TURN_RAD = 0.5
SIGNED_RANK, TURNING_LEFT = 4, 2
FAR_M, SEEN_M = 60.0, 350.0
LONG_M = 6.5
"""Trucks and buses: their middle leaves the line in bends, and two of them cannot meet in tight ones."""
SETS_OFF_M, SETS_OFF_MPS2 = 25.0, 1.5
SLACK_M = 2.0
"""Seen from the other line an area is as long as the nearest nodes say; vehicles are wider than nodes."""


@allocating
def next_cluster(lines: Lines, areas: Areas, line: int, front: float) -> int:
    """The first cluster whose end is ahead of a station; -1 without one."""
    best, nearest = -1, SEEN_M
    for row in range(areas.cluster_span[line, 0], areas.cluster_span[line, 1]):
        delta = ahead_of(lines, line, areas.clusters[row, 1] - front)
        if 0.0 < delta < nearest:
            best, nearest = row, delta
    return best


@allocating
def red_ahead(users: Floats, flags: Ints, lines: Lines, lights: States, row: int) -> float:
    """Distance from a vehicle's front to the light that it has to stop at; inf without one."""
    me, line = users[row], flags[row, LINE]
    front = me[S] + 0.5 * me[LENGTH]
    nearest = np.inf
    for k in range(lines.stop_span[line, 0], lines.stop_span[line, 1]):
        if lines.stops[k, 1] != LIGHT_STOP or lines.stops[k, 2] < 0:
            continue
        ahead = ahead_of(lines, line, lines.stops[k, 0] - front)
        if not -0.5 < ahead < 150.0 or ahead > nearest:
            continue
        state = lights[int(lines.stops[k, 2])]
        braking = me[SPEED] * me[SPEED] / (2.0 * AMBER_MPS2)
        if (state == RED and (ahead > -0.4 and braking < 2.2 * max(ahead, 0.3))) or (
            state == AMBER and braking < ahead
        ):
            nearest = ahead
    return nearest


@allocating
def stop_for(users: Floats, row: int, distance: float, wanted: float) -> float:
    """Acceleration that brings a driver to rest ``distance`` ahead of its front."""
    me = users[row]
    if distance < 0.3 and me[SPEED] < 0.3:
        return -3.0
    return idm(me[SPEED], wanted, max(distance, 0.05) + 0.4, 0.0, 0.4, LINE_GAP_M + 0.4, me[COMFORT], me[PULL])


@allocating
def rank_of(lines: Lines, areas: Areas, cluster: int) -> int:
    """Precedence at a cluster: 0 straight on, 1 to the right, 2 to the left; SIGNED_RANK more behind a sign."""
    stop, turn = int(areas.clusters[cluster, 4]), areas.clusters[cluster, 6]
    rank = TURNING_LEFT if turn > TURN_RAD else (1 if turn < -TURN_RAD else 0)
    if stop >= 0 and lines.stops[stop, 1] != LIGHT_STOP:
        rank += SIGNED_RANK
    return rank


@allocating
def time_to_clear(speed: float, pull: float, distance: float) -> float:
    """How long an accelerating vehicle needs for a distance, at most at 9 m/s or its present speed."""
    top = max(9.0, speed)
    ramp = (top * top - speed * speed) / (2.0 * pull)
    if distance <= ramp:
        return (math.sqrt(speed * speed + 2.0 * pull * distance) - speed) / pull
    return (top - speed) / pull + (distance - ramp) / top


@allocating
def is_covered(
    lines: Lines, areas: Areas, mine: int, my_line: int, other: Floats, other_flags: Ints, margin_s: float,
    clear_s: float, both_long: bool,
) -> bool:  # fmt: skip
    """Whether ``other`` has, or within ``clear_s`` will have, a claim on an area of cluster ``mine``.

    A claim: it is inside; or the right of way up to GRANT_END; or, with ``margin_s`` >= 0, it arrives before the area
    would be clear again. Areas that are narrow count only if ``both_long``.
    """
    there = other_flags[LINE]
    low, high = areas.clusters[mine, 0], areas.clusters[mine, 1]
    for row in range(areas.area_span[there, 0], areas.area_span[there, 1]):
        area = areas.areas[row]
        if int(area[2]) != my_line or area[4] < low or area[3] > high or (area[5] == NARROW and not both_long):
            continue
        # Who has entered a merge is followed; nobody needs to wait any longer.
        end = min(area[1], area[0] + 2.0) if area[5] == MERGE else area[1]
        if claims(lines, there, other, other_flags, area[0], end, margin_s, clear_s):
            return True
    for row in range(int(areas.clusters[mine, 2]), int(areas.clusters[mine, 3])):
        area = areas.areas[row]
        if int(area[2]) != there or (area[5] == NARROW and not both_long):
            continue
        begin = area[3] - SLACK_M
        end = min(area[4] + SLACK_M, begin + 2.0) if area[5] == MERGE else area[4] + SLACK_M
        if claims(lines, there, other, other_flags, begin, end, margin_s, clear_s):
            return True
    return False


@allocating
def claims(
    lines: Lines, line: int, other: Floats, other_flags: Ints, low: float, high: float, margin_s: float, clear_s: float
) -> bool:
    """Whether ``other`` claims the stations from ``low`` to ``high`` of its own line."""
    half = 0.5 * other[LENGTH]
    to_end = ahead_of(lines, line, high - (other[S] - half))
    if to_end <= 0.0 or to_end > 200.0:
        return False
    to_begin = to_end - (high - low) - 2.0 * half
    if to_begin <= 0.0:
        return True
    if other_flags[GRANTED] > 0:
        return bool(to_begin < ahead_of(lines, line, other[GRANT_END] - (other[S] + half)))
    if margin_s < 0.0 or other[RED_AT] < to_begin + 3.0:
        return False
    if other[SPEED] < 1.0:
        # An ego that stands at its line, free to go, is expected to set off.
        near = other_flags[ROLE] == EGO and to_begin < SETS_OFF_M
        return bool(near and math.sqrt(2.0 * to_begin / SETS_OFF_MPS2) < clear_s + margin_s)
    return bool(to_begin / other[SPEED] < clear_s + margin_s)


@allocating
def is_free(users: Floats, flags: Ints, lines: Lines, areas: Areas, row: int, cluster: int, now: float) -> bool:
    """Whether nobody who has precedence over driver ``row`` claims any of the cluster."""
    me, line, ego = users[row], flags[row, LINE], users.shape[0] - 1
    front = me[S] + 0.5 * me[LENGTH]
    rank = flags[row, RANK]
    if me[ASKED_SINCE] >= 0.0 and now - me[ASKED_SINCE] > IMPATIENT_S:
        rank = -1
    way = ahead_of(lines, line, areas.clusters[cluster, 1] - front) + me[LENGTH]
    clear_s = time_to_clear(me[SPEED], me[PULL], way)
    for k in range(users.shape[0]):
        if k == row or flags[k, PRESENT] == 0 or flags[k, ROLE] < DRIVE or is_far(me, users[k]):
            continue
        if k == ego and abs(users[k, D]) > 4.0:
            continue
        if k != ego and flags[k, OBEYS] == 1:
            # Whoever also asks is dealt with in its turn; those still on their way count by their precedence.
            yields = flags[k, RANK] < rank and flags[k, ASKING] == 0
            margin = MARGIN_S if yields else -1.0
        elif k == ego and flags[k, RANK] > rank:
            margin = 0.3 - clear_s
        else:
            margin = MARGIN_S
        both_long = me[LENGTH] > LONG_M and users[k, LENGTH] > LONG_M
        if is_covered(lines, areas, cluster, line, users[k], flags[k], margin, clear_s, both_long):
            return False
    return True


@allocating
def asking_m(speed: float) -> float:
    """How far before a cluster a driver asks for the right of way: where it could still stop comfortably."""
    return 0.25 * speed * speed + speed + 6.0


@allocating
def is_far(me: Floats, other: Floats) -> bool:
    """Whether two road users are too far apart to meet at the next junction."""
    far = FAR_M + asking_m(me[SPEED]) + asking_m(other[SPEED])
    return bool(abs(other[X] - me[X]) > far or abs(other[Y] - me[Y]) > far)


@allocating
def has_room(users: Floats, flags: Ints, lines: Lines, areas: Areas, row: int, cluster: int) -> bool:
    """Whether driver ``row`` and all before it in its lane will find room beyond the cluster."""
    me, line = users[row], flags[row, LINE]
    front = me[S] + 0.5 * me[LENGTH]
    begin = front + ahead_of(lines, line, areas.clusters[cluster, 0] - front)
    end = begin + areas.clusters[cluster, 1] - areas.clusters[cluster, 0]
    need, space = me[LENGTH] + SPACE_M, np.inf
    half = 0.5 * me[WIDTH] + MARGIN_M
    for k in range(users.shape[0]):
        if k == row or flags[k, PRESENT] == 0:
            continue
        other = users[k]
        if is_far(me, other):
            continue
        first, final, cos = reach(lines, line, me[S], me[D], half, other, front - 1.0, end + 40.0)
        if first == NONE or cos < 0.5:
            continue
        if 0.5 * (first + final) < begin and flags[k, GRANTED] == 0 and flags[k, ROLE] != WALK:
            return False  # whoever is before me goes before me
        if 0.5 * (first + final) < end:
            need += other[LENGTH] + SPACE_M
        else:
            space = min(space, first - end + 2.0 * other[SPEED])
    return bool(space >= need)


@allocating
def ask(users: Floats, flags: Ints, lines: Lines, areas: Areas, row: int, now: float) -> int:
    """Bring driver ``row``'s claim up to date; the cluster it is coming to and has no right to enter, or -1."""
    me, line = users[row], flags[row, LINE]
    front, rear = me[S] + 0.5 * me[LENGTH], me[S] - 0.5 * me[LENGTH]
    flags[row, ASKING] = 0
    if flags[row, GRANTED] > 0 and ahead_of(lines, line, me[GRANT_END] - rear) <= 0.0:
        flags[row, GRANTED] = 0
    cluster = next_cluster(lines, areas, line, front if flags[row, GRANTED] == 0 else rear)
    if cluster < 0:
        me[ASKED_SINCE] = -1.0
        return -1
    flags[row, RANK] = rank_of(lines, areas, cluster)
    to_begin = ahead_of(lines, line, areas.clusters[cluster, 0] - front)
    to_hold = ahead_of(lines, line, areas.clusters[cluster, 5] - front)
    speed = me[SPEED]
    if flags[row, GRANTED] == cluster + 1:
        # Whoever has not gone in and does not go asks again.
        held = me[RED_AT] < to_begin + 1.0 or now - max(me[STILL_SINCE], me[GRANTED_AT]) > 3.0
        if to_begin <= 0.0 or not held or speed * speed > 2.0 * EMERGENCY_MPS2 * max(to_hold, 0.0):
            return -1
        flags[row, GRANTED] = 0
    if to_begin < 0.0 or (to_hold < speed * speed / (2.0 * EMERGENCY_MPS2) - 1.0 and speed > 3.0):
        grant(users, flags, areas, row, cluster, now)
        return -1
    if to_hold > asking_m(speed):
        me[ASKED_SINCE] = -1.0
        return -1
    if me[RED_AT] < to_begin + 1.0:
        # Whoever has already asked in vain at green keeps its place, or would never turn left in dense traffic.
        if speed > 1.0:
            me[ASKED_SINCE] = -1.0
        return cluster
    stop = int(areas.clusters[cluster, 4])
    if stop >= 0 and lines.stops[stop, 1] == STOP_STOP and flags[row, STOPPED_FOR] != stop + 1:
        if speed > 0.3 or to_hold > 3.5:
            return cluster
        flags[row, STOPPED_FOR] = stop + 1
    if me[ASKED_SINCE] < 0.0:
        me[ASKED_SINCE] = now
    flags[row, ASKING] = 1
    return cluster


@allocating
def grant(users: Floats, flags: Ints, areas: Areas, row: int, cluster: int, now: float) -> None:
    """Give driver ``row`` the right of way through a cluster."""
    flags[row, GRANTED], flags[row, ASKING] = cluster + 1, 0
    users[row, GRANT_END], users[row, GRANTED_AT] = areas.clusters[cluster, 1], now
    users[row, ASKED_SINCE] = -1.0


@allocating
def negotiate(users: Floats, flags: Ints, lines: Lines, areas: Areas, lights: States, now: float, waits: Ints) -> None:
    """Decide for every driver which cluster it has to wait for: ``waits`` (n,), -1 for none."""
    total = users.shape[0]
    for row in range(total):
        waits[row] = -1
        if flags[row, PRESENT] == 0 or flags[row, ROLE] < DRIVE:
            continue
        users[row, RED_AT] = red_ahead(users, flags, lines, lights, row)
        if flags[row, ROLE] == EGO:
            cluster = next_cluster(lines, areas, flags[row, LINE], users[row, S])
            flags[row, RANK] = rank_of(lines, areas, cluster) if cluster >= 0 else 0
        elif flags[row, OBEYS] == 1 and flags[row, STARTED] == 1:
            waits[row] = ask(users, flags, lines, areas, row, now)
            revoke(users, flags, lines, areas, row, waits)
    while True:
        best = -1
        for row in range(total):
            if (
                flags[row, ASKING] == 1
                and flags[row, ROLE] == DRIVE
                and (best < 0 or comes_first(users, flags, row, best, now))
            ):
                best = row
        if best < 0:
            return
        flags[best, ASKING] = 2
        cluster = waits[best]
        if is_free(users, flags, lines, areas, best, cluster, now) and has_room(
            users, flags, lines, areas, best, cluster
        ):
            grant(users, flags, areas, best, cluster, now)
            waits[best] = -1


@allocating
def comes_first(users: Floats, flags: Ints, row: int, other: int, now: float) -> bool:
    """Whether one who asks is dealt with before another: by precedence, then by arrival."""
    mine, its = users[row, ASKED_SINCE], users[other, ASKED_SINCE]
    rank = -1 if now - mine > IMPATIENT_S else flags[row, RANK]
    rival = -1 if now - its > IMPATIENT_S else flags[other, RANK]
    if rank != rival:
        return rank < rival
    return bool(mine < its)


@allocating
def revoke(users: Floats, flags: Ints, lines: Lines, areas: Areas, row: int, waits: Ints) -> None:
    """Take back the right of way of one who can still stop, when the ego or somebody reckless is about to be inside."""
    if flags[row, GRANTED] == 0:
        return
    me, line, cluster = users[row], flags[row, LINE], flags[row, GRANTED] - 1
    front = me[S] + 0.5 * me[LENGTH]
    room = ahead_of(lines, line, areas.clusters[cluster, 5] - front)
    if room < me[SPEED] * me[SPEED] / 8.0 or room > 150.0:
        return
    for k in range(users.shape[0]):
        if flags[k, PRESENT] == 0 or k == row or flags[k, ROLE] < DRIVE or is_far(me, users[k]):
            continue
        if flags[k, ROLE] == DRIVE and flags[k, OBEYS] == 1:
            continue
        if abs(users[k, D]) < 4.0 and is_covered(lines, areas, cluster, line, users[k], flags[k], 0.0, 1.2, False):
            flags[row, GRANTED], waits[row] = 0, cluster
            return


@allocating
def yielding_speed(lines: Lines, areas: Areas, cluster: int, to_hold: float) -> float:
    """How fast a driver approaches a line at which it may have to give way."""
    stop = int(areas.clusters[cluster, 4])
    if stop >= 0 and lines.stops[stop, 1] == YIELD_STOP:
        return math.sqrt(16.0 + 2.0 * 1.5 * max(0.0, to_hold))
    return math.inf
