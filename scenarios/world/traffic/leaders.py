"""Who is in a driver's way: road users ahead in the corridor of its line, whichever line they follow themselves.

Decides the acceleration that keeps clear of them; right of way where lines cross is ``junctions``' business.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from scenarios.world.collision import gap, write_corners
from scenarios.world.kernels import allocating
from scenarios.world.traffic.columns import (
    COMFORT,
    D_TO,
    DRIVE,
    HEADWAY,
    LENGTH,
    LINE,
    PRESENT,
    PULL,
    ROLE,
    SPEED,
    SPEED_X,
    SPEED_Y,
    STANDSTILL,
    WALK,
    WIDTH,
    YAW,
    D,
    Lines,
    S,
    X,
    Y,
)  # fmt: skip
from scenarios.world.traffic.idm import idm
from scenarios.world.ways import line_locate, line_pose

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

MARGIN_M = 0.3
"""Room that a driver wants beside its outline."""
PEDESTRIAN_MARGIN_M = 0.7
FORESIGHT_S = 2.4
"""How far ahead a driver imagines where somebody on foot will be."""
NONE = 1e9


@allocating
def look_m(speed: float) -> float:
    """How far ahead a driver minds others."""
    return min(140.0, 25.0 + 2.0 * speed + speed * speed / 4.0)


@allocating
def ahead_of(lines: Lines, line: int, delta: float) -> float:
    """A difference of stations as a distance ahead: on a circuit the way round, unless just passed."""
    if lines.span[line, 2] == 0:
        return delta
    length = lines.step[line] * (lines.span[line, 1] - lines.span[line, 0] - 1)
    return float(delta - math.floor((delta + 40.0) / length) * length)


@allocating
def reach(
    lines: Lines, line: int, s: float, d: float, half: float, other: Floats, low: float, high: float
) -> tuple[float, float, float]:
    """Where an outline reaches into the corridor |d' - d| < half of a line between two stations.

    Returns (nearest station, farthest station, cosine of its heading against the line); NONE when it does not.
    """
    nodes, step = lines.nodes[lines.span[line, 0] : lines.span[line, 1]], lines.step[line]
    closed = lines.span[line, 2] == 1
    centre_s, centre_d = line_locate(nodes, step, closed, other[X], other[Y], low, high)
    px, py, yaw = line_pose(nodes, step, closed, centre_s, 0.0)
    if abs((other[X] - px) * math.cos(yaw) + (other[Y] - py) * math.sin(yaw)) > 1.0:
        return NONE, NONE, 1.0  # its place on the line is outside the stations asked for
    cos, sin = math.cos(other[YAW] - yaw), math.sin(other[YAW] - yaw)
    along = 0.5 * (abs(cos) * other[LENGTH] + abs(sin) * other[WIDTH])
    across = 0.5 * (abs(sin) * other[LENGTH] + abs(cos) * other[WIDTH])
    if abs(centre_d - d) > half + across or centre_s < low - along or centre_s > high + along:
        return NONE, NONE, 1.0
    if abs(sin) < 0.15 or other[LENGTH] < 1.5:
        return centre_s - along, centre_s + along, cos
    # Askew: the parts of its length that are inside.
    first, final = NONE, -NONE
    pieces = int(math.ceil(other[LENGTH])) + 1
    for k in range(pieces):
        at = other[LENGTH] * (k / (pieces - 1) - 0.5)
        px, py = other[X] + at * math.cos(other[YAW]), other[Y] + at * math.sin(other[YAW])
        ps, pd = line_locate(nodes, step, closed, px, py, centre_s - along - 2.0, centre_s + along + 2.0)
        if abs(pd - d) < half + 0.5 * abs(cos) * other[WIDTH] and low <= ps <= high:
            side = 0.5 * abs(sin) * other[WIDTH]
            first, final = min(first, ps - side), max(final, ps + side)
    if first == NONE:
        return NONE, NONE, cos
    return first, final, cos


@allocating
def follow(users: Floats, flags: Ints, lines: Lines, row: int, wanted: float, minds: bool) -> float:
    """Acceleration of driver ``row`` who wants to drive ``wanted`` and, if it minds them, behind all in its way."""
    me = users[row]
    accel = idm(me[SPEED], wanted, math.inf, 0.0, me[HEADWAY], me[STANDSTILL], me[COMFORT], me[PULL])
    if not minds:
        return accel
    look = look_m(me[SPEED])
    for k in range(users.shape[0]):
        if k == row or flags[k, PRESENT] == 0:
            continue
        other = users[k]
        dx, dy = other[X] - me[X], other[Y] - me[Y]
        far = look + 0.5 * (other[LENGTH] + me[LENGTH])
        if dx * dx + dy * dy > far * far:
            continue
        gap, lead = behind(users, flags, lines, row, k, look)
        if gap < NONE:
            accel = min(accel, idm(me[SPEED], wanted, gap, lead, me[HEADWAY], me[STANDSTILL], me[COMFORT], me[PULL]))
    return accel


@allocating
def behind(users: Floats, flags: Ints, lines: Lines, row: int, k: int, look: float) -> tuple[float, float]:
    """Gap from driver ``row`` to road user ``k`` ahead in its way and that one's speed along it; NONE if it is not."""
    me, other, line = users[row], users[k], flags[row, LINE]
    role = flags[k, ROLE]
    half = 0.5 * me[WIDTH] + (PEDESTRIAN_MARGIN_M if role == WALK else MARGIN_M)
    front = me[S] + 0.5 * me[LENGTH]
    if role == DRIVE and flags[k, LINE] == line:
        delta = ahead_of(lines, line, other[S] - me[S])
        if abs(delta) < look and abs(delta) > 0.0:
            # Both places across count while one moves over.
            apart = min(abs(other[D] - me[D]), abs(other[D_TO] - me[D_TO]))
            if delta < 0.0 or apart > half + 0.5 * other[WIDTH]:
                return NONE, 0.0
            return delta - 0.5 * (me[LENGTH] + other[LENGTH]), other[SPEED]
    low, high = me[S] - 0.5 * me[LENGTH], front + look
    first, final, cos = reach(lines, line, me[S], me[D], half, other, low, high)
    if role == WALK and other[SPEED] > 0.1 and first == NONE:
        return step_out(users, flags, lines, row, k, look)
    if first == NONE or 0.5 * (first + final) < me[S]:
        return NONE, 0.0
    # One that is level with me and not ahead of me minds me, not I it.
    if role >= DRIVE and 0.5 * (first + final) - me[S] < 0.25 * me[LENGTH] and cos > 0.7:
        return NONE, 0.0
    return first - front, max(-3.0, other[SPEED] * cos)


@allocating
def path_gap(users: Floats, flags: Ints, lines: Lines, half: float, ahead_only: bool) -> float:
    """Smallest gap from the ego to anybody in its corridor along line 0 within 60 m; inf without one.

    As ``collision.corridor_gap``: from the ego's rear on or, with ``ahead_only``, from its front.
    """
    ego, best = users[users.shape[0] - 1], np.inf
    mine, other = np.empty((4, 2)), np.empty((4, 2))
    write_corners(ego[X], ego[Y], ego[YAW], ego[LENGTH], ego[WIDTH], mine)
    low = ego[S] + (0.5 if ahead_only else -0.5) * ego[LENGTH]
    for k in range(users.shape[0] - 1):
        one = users[k]
        if flags[k, PRESENT] == 0 or abs(one[X] - ego[X]) > 60.0 or abs(one[Y] - ego[Y]) > 60.0:
            continue
        first, final, _ = reach(lines, 0, ego[S], ego[D], half, one, ego[S] - 15.0, ego[S] + 65.0)
        if first < NONE and final > low:
            write_corners(one[X], one[Y], one[YAW], one[LENGTH], one[WIDTH], other)
            best = min(best, gap(mine, other))
    return best


@allocating
def step_out(users: Floats, flags: Ints, lines: Lines, row: int, k: int, look: float) -> tuple[float, float]:
    """The gap to where somebody on foot is about to step into the driver's way, if it would not be past by then."""
    me, other, line = users[row], users[k], flags[row, LINE]
    soon = np.empty(other.shape[0])
    soon[:] = other
    half = 0.5 * me[WIDTH] + PEDESTRIAN_MARGIN_M
    front = me[S] + 0.5 * me[LENGTH]
    later = 0.6
    while later <= FORESIGHT_S:
        soon[X], soon[Y] = other[X] + later * other[SPEED_X], other[Y] + later * other[SPEED_Y]
        first, _, _ = reach(lines, line, me[S], me[D], half, soon, front, front + look)
        if first < NONE:
            passed = (first - front + me[LENGTH] + 1.0) / max(me[SPEED], 0.1)
            if passed < later - 0.3:
                return NONE, 0.0
            return max(0.2, first - front), 0.0
        later += 0.6
    return NONE, 0.0
