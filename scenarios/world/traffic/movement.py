"""How road users move: drivers along their lines, walkers through their waypoints, both in steps of ``STEP_S``.

Decides motion from what ``think`` chose every 50 ms; nothing here judges.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from scenarios.world.dynamics import STEP_S
from scenarios.world.kernels import allocating
from scenarios.world.traffic.columns import (
    ACCEL,
    BRAKING,
    D_FROM,
    D_OVER,
    D_SINCE,
    D_TO,
    DRIVE,
    FIRST_POINT,
    GAIT,
    GRANT_END,
    GRANTED,
    HEADING,
    LEG,
    LENGTH,
    LIGHT_STOP,
    LINE,
    LOOKS,
    LOOPS,
    MINDS,
    OBEYS,
    PAUSE,
    PAUSED,
    POINTS,
    PRESENT,
    PULL,
    RAN_RED_AT,
    RATE,
    RED_AT,
    ROLE,
    SPEED,
    SPEED_X,
    SPEED_Y,
    STAND,
    STARTED,
    STEP_CLEAR,
    STILL_SINCE,
    STOP_STOP,
    STOPPED_FOR,
    STOPS_AT_END,
    WALK,
    WIDTH,
    WISH,
    YAW,
    Areas,
    D,
    Lines,
    S,
    X,
    Y,
)  # fmt: skip
from scenarios.world.traffic.idm import HARDEST_MPS2
from scenarios.world.traffic.junctions import LONG_M, has_room, stop_for, yielding_speed
from scenarios.world.traffic.leaders import ahead_of, follow
from scenarios.world.traffic.signals import RED
from scenarios.world.ways import PSPEED, line_locate, line_pose

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
States = NDArray[np.int8]

STRIDE_M = 1.5
BRAKE_LIGHT_MPS2 = -0.4
STANDING_MPS = 0.1
STUCK_S, JAMMED_S = 120.0, 60.0
AWAY_M = 1e8
"""Where those are who are not on the road: nothing ever touches them."""
STEP_ROOM_M = 0.6
"""Room that somebody on foot keeps from vehicles."""


@allocating
def place(users: Floats, flags: Ints, lines: Lines, row: int) -> None:
    """Pose and velocity of a driver from its place on its line."""
    me, line = users[row], flags[row, LINE]
    nodes = lines.nodes[lines.span[line, 0] : lines.span[line, 1]]
    closed = lines.span[line, 2] == 1
    if me[LENGTH] > LONG_M:
        # Its axles follow the line, its middle cuts the corner.
        half = 0.35 * me[LENGTH]
        fx, fy, _ = line_pose(nodes, lines.step[line], closed, me[S] + half, me[D])
        rx, ry, _ = line_pose(nodes, lines.step[line], closed, me[S] - half, me[D])
        x, y, yaw = 0.5 * (fx + rx), 0.5 * (fy + ry), math.atan2(fy - ry, fx - rx)
    else:
        x, y, yaw = line_pose(nodes, lines.step[line], closed, me[S], me[D])
    me[X], me[Y], me[YAW] = x, y, yaw + me[HEADING]
    me[SPEED_X], me[SPEED_Y] = me[SPEED] * math.cos(me[YAW]), me[SPEED] * math.sin(me[YAW])


@allocating
def roll(users: Floats, flags: Ints, lines: Lines, lights: States, row: int, now: float) -> None:
    """One step of a driver."""
    me, line = users[row], flags[row, LINE]
    before = me[SPEED]
    me[SPEED] = max(0.0, before + me[ACCEL] * STEP_S)
    if me[ACCEL] != 0.0 and not math.isnan(me[RATE]) and (before - me[WISH]) * (me[SPEED] - me[WISH]) < 0.0:
        me[SPEED], me[ACCEL] = me[WISH], 0.0
    if flags[row, OBEYS] == 0 and runs_line(me, lines, line, lights):
        me[RAN_RED_AT] = now
    me[S] += me[SPEED] * STEP_S
    slant = 0.0
    if me[D] != me[D_TO]:
        t = min(1.0, (now - me[D_SINCE]) / max(me[D_OVER], STEP_S))
        # Nobody moves sideways without moving forward.
        if me[SPEED] < 0.3:
            me[D_SINCE] += STEP_S
        else:
            last = me[D]
            me[D] = me[D_FROM] + (me[D_TO] - me[D_FROM]) * t * t * (3.0 - 2.0 * t)
            slant = math.atan2((me[D] - last) / STEP_S, me[SPEED])
    place(users, flags, lines, row)
    me[YAW] += slant
    flags[row, BRAKING] = 1 if me[ACCEL] < BRAKE_LIGHT_MPS2 or me[SPEED] < 0.05 else 0
    if me[SPEED] > STANDING_MPS:
        me[STILL_SINCE] = now
    end_of_line(users, flags, lines, row)


@allocating
def runs_line(me: Floats, lines: Lines, line: int, lights: States) -> bool:
    """Whether the front crosses a stop line, or one whose light is red, in the next step."""
    front = me[S] + 0.5 * me[LENGTH]
    for k in range(lines.stop_span[line, 0], lines.stop_span[line, 1]):
        if front < lines.stops[k, 0] <= front + me[SPEED] * STEP_S:
            kind = lines.stops[k, 1]
            return bool(kind == STOP_STOP or (kind == LIGHT_STOP and lights[int(lines.stops[k, 2])] == RED))
    return False


@allocating
def longest_stuck(users: Floats, flags: Ints, lines: Lines, areas: Areas, waits: Ints, now: float) -> int:
    """Who has stood longest of those that stand for no reason but other drivers, if for ``STUCK_S``; -1 for nobody.

    Not those near the ego, nor anybody who just stands behind somebody else, unless for twice as long.
    """
    ego, best = users[users.shape[0] - 1], -1
    for row in range(users.shape[0] - 1):
        me = users[row]
        if flags[row, ROLE] != DRIVE or flags[row, PRESENT] == 0 or flags[row, STARTED] == 0 or me[WISH] < 1.0:
            continue
        still = now - me[STILL_SINCE]
        # Whoever stands inside a junction blocks it, and may be nose to nose with the ego.
        inside = still > JAMMED_S and is_inside(users, flags, lines, areas, row)
        if not inside and (still < STUCK_S or me[RED_AT] < 30.0):
            continue
        near = (ego[X] - me[X]) ** 2 + (ego[Y] - me[Y]) ** 2 < 2500.0
        if not inside and (near or stands_before(users, flags, row)):
            continue
        if not inside and still < 2.0 * STUCK_S and is_queued(users, flags, lines, areas, row, waits[row]):
            continue
        if best < 0 or me[STILL_SINCE] < users[best, STILL_SINCE]:
            best = row
    return best


@allocating
def is_inside(users: Floats, flags: Ints, lines: Lines, areas: Areas, row: int) -> bool:
    """Whether a driver's front is inside a cluster that it may enter."""
    if flags[row, GRANTED] == 0:
        return False
    begin = areas.clusters[flags[row, GRANTED] - 1, 0]
    return bool(ahead_of(lines, flags[row, LINE], begin - users[row, S] - 0.5 * users[row, LENGTH]) < 0.0)


@allocating
def is_queued(users: Floats, flags: Ints, lines: Lines, areas: Areas, row: int, cluster: int) -> bool:
    """Whether a driver stands because of whoever stands before it, on this side of a junction or on the other."""
    if follow(users, flags, lines, row, users[row, WISH], True) < 0.3 * users[row, PULL]:
        return True
    return bool(cluster >= 0 and not has_room(users, flags, lines, areas, row, cluster))


@allocating
def stands_before(users: Floats, flags: Ints, row: int) -> bool:
    """Whether something parked, or somebody on foot, is near a driver: a reason to stand."""
    for k in range(users.shape[0] - 1):
        apart = abs(users[k, X] - users[row, X]) + abs(users[k, Y] - users[row, Y])
        if flags[k, PRESENT] == 1 and flags[k, ROLE] < DRIVE and apart < 15.0:
            return True
    return False


@allocating
def end_of_line(users: Floats, flags: Ints, lines: Lines, row: int) -> None:
    """Round again on a circuit; off the road at the end of an open path, for those who do not stop there."""
    me, line = users[row], flags[row, LINE]
    length = lines.step[line] * (lines.span[line, 1] - lines.span[line, 0] - 1)
    if lines.span[line, 2] == 1:
        if me[S] >= length:
            me[S] -= length
            me[GRANT_END] -= length
            flags[row, STOPPED_FOR] = 0
    elif me[S] > length and flags[row, STOPS_AT_END] == 0:
        remove(users, flags, row)


@allocating
def remove(users: Floats, flags: Ints, row: int) -> None:
    """Take somebody off the road."""
    flags[row, PRESENT] = 0
    users[row, X], users[row, Y] = AWAY_M + 100.0 * row, AWAY_M
    users[row, SPEED] = users[row, SPEED_X] = users[row, SPEED_Y] = 0.0


@allocating
def walk(users: Floats, flags: Ints, points: Floats, row: int) -> None:
    """One step of somebody on foot."""
    me = users[row]
    leg = flags[row, LEG]
    paused = leg == 1 and me[PAUSED] < me[PAUSE]
    if leg >= flags[row, POINTS] or paused or flags[row, STEP_CLEAR] == 0:
        if paused:
            me[PAUSED] += STEP_S
        me[SPEED] = me[SPEED_X] = me[SPEED_Y] = 0.0
        return
    target = points[flags[row, FIRST_POINT] + leg]
    dx, dy = target[0] - me[X], target[1] - me[Y]
    left = math.sqrt(dx * dx + dy * dy)
    me[SPEED] = min(me[WISH], me[SPEED] + me[ACCEL] * STEP_S)
    stride = me[SPEED] * STEP_S
    if left <= stride or left == 0.0:
        me[X], me[Y] = target[0], target[1]
        flags[row, LEG] = leg + 1
        if flags[row, LOOPS] == 1 and leg + 1 == flags[row, POINTS]:
            flags[row, LEG] = 0
        flags[row, STEP_CLEAR] = 1 - flags[row, LOOKS]
    else:
        me[YAW] = math.atan2(dy, dx)
        me[X] += dx / left * stride
        me[Y] += dy / left * stride
    me[SPEED_X], me[SPEED_Y] = me[SPEED] * math.cos(me[YAW]), me[SPEED] * math.sin(me[YAW])
    me[GAIT] += stride / STRIDE_M


@allocating
def look(users: Floats, flags: Ints, lines: Lines, points: Floats, row: int) -> None:
    """Whether somebody on foot may set out on the next leg, or go on with it: ``STEP_CLEAR``."""
    me, leg = users[row], flags[row, LEG]
    if leg >= flags[row, POINTS]:
        return
    target = points[flags[row, FIRST_POINT] + leg]
    dx, dy = target[0] - me[X], target[1] - me[Y]
    left = math.sqrt(dx * dx + dy * dy)
    if left < 1e-6:
        flags[row, STEP_CLEAR] = 1
        return
    looks = flags[row, LOOKS] == 1
    under_way = flags[row, STEP_CLEAR] == 1 or me[SPEED] > 0.0
    step, margin = (1.2, STEP_ROOM_M) if looks else (0.5, 0.2)
    clear = 1
    for k in range(users.shape[0]):
        role = flags[k, ROLE]
        if k == row or flags[k, PRESENT] == 0 or role == WALK:
            continue
        ux, uy = users[k, X] - me[X], users[k, Y] - me[Y]
        if abs(ux) > 120.0 or abs(uy) > 120.0:
            continue
        # Who does not look runs in front of anything that moves, but not into what stands; then waits until it is gone.
        solid = looks or (role >= DRIVE and (users[k, SPEED] < 1.0 or not under_way))
        if solid and is_body_ahead(me, users[k], dx / left, dy / left, min(left, step), margin):
            clear = 0
        if looks and not under_way and role >= DRIVE:
            clear = 0 if comes_by(users[k], flags[k], lines, me, dx, dy, left / me[WISH]) else clear
    flags[row, STEP_CLEAR] = clear


@allocating
def is_body_ahead(me: Floats, other: Floats, ux: float, uy: float, step: float, margin: float) -> bool:
    """Whether a vehicle stands within the next ``step`` metres of somebody on foot."""
    cos, sin = math.cos(other[YAW]), math.sin(other[YAW])
    for part in (0.5, 1.0):
        px, py = me[X] + ux * step * part - other[X], me[Y] + uy * step * part - other[Y]
        along, across = px * cos + py * sin, py * cos - px * sin
        if abs(along) < 0.5 * other[LENGTH] + margin and abs(across) < 0.5 * other[WIDTH] + margin:
            return True
    return False


@allocating
def comes_by(other: Floats, other_flags: Ints, lines: Lines, me: Floats, dx: float, dy: float, takes_s: float) -> bool:
    """Whether a vehicle on its line crosses the leg (dx, dy) from ``me`` before it is walked, with room to spare."""
    line = other_flags[LINE]
    nodes, step = lines.nodes[lines.span[line, 0] : lines.span[line, 1]], lines.step[line]
    # One that stands may set off: 1.5 m/s² for as long as the leg takes.
    run = other[SPEED] * (takes_s + 1.5) + (0.75 * takes_s * takes_s if other[SPEED] < 4.0 else 0.0)
    run = min(run, 110.0) + 0.5 * other[LENGTH] + 2.0
    squared = dx * dx + dy * dy
    at = -0.5 * other[LENGTH]
    while at <= run:
        x, y, _ = line_pose(nodes, step, lines.span[line, 2] == 1, other[S] + at, other[D])
        t = min(1.0, max(0.0, ((x - me[X]) * dx + (y - me[Y]) * dy) / squared))
        px, py = x - me[X] - t * dx, y - me[Y] - t * dy
        room = 0.5 * other[WIDTH] + 1.2
        if px * px + py * py < room * room:
            return True
        at += 2.0
    return False


@allocating
def think(users: Floats, flags: Ints, lines: Lines, areas: Areas, points: Floats, waits: Ints) -> None:
    """Every driver's acceleration and every careful walker's decision, all from the same moment."""
    wishes = np.zeros(users.shape[0])
    for row in range(users.shape[0]):
        if flags[row, PRESENT] == 0 or flags[row, STARTED] == 0:
            continue
        if flags[row, ROLE] == WALK:
            look(users, flags, lines, points, row)
        elif flags[row, ROLE] == DRIVE:
            wishes[row] = wish(users, flags, lines, areas, row, waits[row])
    for row in range(users.shape[0]):
        if flags[row, ROLE] == DRIVE:
            users[row, ACCEL] = wishes[row]


@allocating
def wish(users: Floats, flags: Ints, lines: Lines, areas: Areas, row: int, cluster: int) -> float:
    """The acceleration that a driver wants."""
    me, line = users[row], flags[row, LINE]
    nodes, step = lines.nodes[lines.span[line, 0] : lines.span[line, 1]], lines.step[line]
    last = nodes.shape[0] - 1
    front = me[S] + 0.5 * me[LENGTH]
    wanted = me[WISH]
    if flags[row, OBEYS] == 1:
        for at in (me[S], me[S] + 0.5 * me[SPEED]):
            k = int(at / step)
            k = k % last if lines.span[line, 2] == 1 else min(last, max(0, k))
            wanted = min(wanted, nodes[k, PSPEED])
    if cluster >= 0:
        to_hold = ahead_of(lines, line, areas.clusters[cluster, 5] - front)
        wanted = min(wanted, yielding_speed(lines, areas, cluster, to_hold))
    accel = follow(users, flags, lines, row, wanted, flags[row, MINDS] == 1)
    if not math.isnan(me[RATE]) and me[SPEED] != me[WISH]:
        scripted = me[RATE] if me[WISH] > me[SPEED] else -me[RATE]
        accel = scripted if flags[row, MINDS] == 0 or scripted < accel else min(accel, scripted)
    if flags[row, OBEYS] == 1:
        if me[RED_AT] < np.inf:
            accel = min(accel, stop_for(users, row, me[RED_AT], wanted))
        if cluster >= 0:
            accel = min(accel, stop_for(users, row, ahead_of(lines, line, areas.clusters[cluster, 5] - front), wanted))
    if flags[row, STOPS_AT_END] == 1 and lines.span[line, 2] == 0:
        accel = min(accel, stop_for(users, row, last * step - front, wanted))
    return max(HARDEST_MPS2, accel)


@allocating
def move(users: Floats, flags: Ints, lines: Lines, points: Floats, lights: States, now: float, boxes: Floats) -> None:
    """One step of everybody but the ego; ``boxes`` (n, 5) follow."""
    for row in range(users.shape[0] - 1):
        role = flags[row, ROLE]
        if flags[row, PRESENT] == 1 and flags[row, STARTED] == 1 and role != STAND:
            if role == DRIVE and users[row, SPEED] == 0.0 and users[row, ACCEL] <= 0.0:
                flags[row, BRAKING] = 1
                users[row, SPEED_X] = users[row, SPEED_Y] = 0.0
            elif role == DRIVE:
                roll(users, flags, lines, lights, row, now)
            elif role == WALK:
                walk(users, flags, points, row)
        boxes[row, 0], boxes[row, 1], boxes[row, 2] = users[row, X], users[row, Y], users[row, YAW]


@allocating
def follow_ego(users: Floats, lines: Lines) -> None:
    """Station and distance of the ego's outline on its line, near where it was."""
    ego = users[users.shape[0] - 1]
    nodes = lines.nodes[lines.span[0, 0] : lines.span[0, 1]]
    closed = lines.span[0, 2] == 1
    low, high = ego[S] - 15.0, ego[S] + 20.0
    ego[S], ego[D] = line_locate(nodes, lines.step[0], closed, ego[X], ego[Y], low, high)
