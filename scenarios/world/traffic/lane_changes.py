"""When a driver moves over to a parallel line: MOBIL's incentive and safety, and room beside it.

Source: Kesting, Treiber, Helbing 2007, eq. 1–3 (symmetric rules; who follows behind now is left out of the loss).
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from scenarios.world.kernels import allocating
from scenarios.world.traffic.columns import (
    ACCEL,
    CHANGES_LANES,
    COMFORT,
    D_FROM,
    D_OVER,
    D_SINCE,
    D_TO,
    DRIVE,
    GRANTED,
    HEADWAY,
    LENGTH,
    LINE,
    PRESENT,
    PULL,
    ROLE,
    SPEED,
    STANDSTILL,
    STARTED,
    TURN_NEXT,
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
from scenarios.world.traffic.idm import SAFE_MPS2, idm, mobil_gain
from scenarios.world.traffic.junctions import next_cluster
from scenarios.world.traffic.leaders import MARGIN_M, NONE, ahead_of, follow, reach
from scenarios.world.ways import PSPEED, line_locate, line_pose

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

EVERY_S, OVER_S = 2.0, 3.5
BESIDE_M = (2.4, 4.6)
PARALLEL_RAD, PARALLEL_M, DRIFT_M = 0.15, 45.0, 0.8
"""Lines are parallel when their headings differ by less, and their distance by less over so far ahead."""
SLOWEST_MPS = 3.0
ROOM_M = 2.0
BEHIND_M = 70.0


@allocating
def change_lanes(users: Floats, flags: Ints, lines: Lines, areas: Areas, waits: Ints, now: float) -> None:
    """Let everybody who changes lanes think about it."""
    for row in range(users.shape[0]):
        drives = flags[row, CHANGES_LANES] == 1 and flags[row, PRESENT] == 1 and flags[row, STARTED] == 1
        if drives and waits[row] < 0:
            consider(users, flags, lines, areas, row, now)


@allocating
def consider(users: Floats, flags: Ints, lines: Lines, areas: Areas, row: int, now: float) -> None:
    """Let driver ``row`` begin a lane change if one pays; asked every ``EVERY_S``."""
    me, line = users[row], flags[row, LINE]
    if now < me[TURN_NEXT] or me[SPEED] < SLOWEST_MPS or me[D] != me[D_TO] or flags[row, GRANTED] > 0:
        return
    me[TURN_NEXT] = now + EVERY_S
    if is_near_junction(lines, areas, line, me[S] + 0.5 * me[LENGTH]):
        return
    best, target, target_s, target_d = 0.0, -1, 0.0, 0.0
    for other in range(lines.span.shape[0]):
        if other == line:
            continue
        s, d = beside(lines, me, line, other)
        if s == NONE or is_near_junction(lines, areas, other, s + 0.5 * me[LENGTH]):
            continue
        gain = gain_of(users, flags, lines, row, other, s)
        if gain > best:
            best, target, target_s, target_d = gain, other, s, d
    if target >= 0:
        flags[row, LINE] = target
        me[S], me[D], me[D_FROM], me[D_TO] = target_s, target_d, target_d, 0.0
        me[D_SINCE], me[D_OVER] = now, OVER_S


@allocating
def is_near_junction(lines: Lines, areas: Areas, line: int, front: float) -> bool:
    """Whether a cluster begins within 60 m, or has not ended."""
    cluster = next_cluster(lines, areas, line, front)
    return bool(cluster >= 0 and ahead_of(lines, line, areas.clusters[cluster, 0] - front) < 60.0)


@allocating
def beside(lines: Lines, me: Floats, line: int, other: int) -> tuple[float, float]:
    """The driver's place (s, d) on another line that runs beside its own for a while; NONE otherwise."""
    own = lines.nodes[lines.span[line, 0] : lines.span[line, 1]]
    nodes, step = lines.nodes[lines.span[other, 0] : lines.span[other, 1]], lines.step[other]
    closed, length = lines.span[other, 2] == 1, step * (nodes.shape[0] - 1)
    s, d = line_locate(nodes, step, closed, me[X], me[Y], 0.0, length)
    reach_m = max(PARALLEL_M, 4.0 * me[SPEED])
    if not BESIDE_M[0] < abs(d) < BESIDE_M[1] or (not closed and not 0.0 < s < length - reach_m - 20.0):
        return NONE, 0.0
    _, _, yaw = line_pose(nodes, step, closed, s, 0.0)
    if abs(math.sin(yaw - me[YAW])) > PARALLEL_RAD or math.cos(yaw - me[YAW]) < 0.0:
        return NONE, 0.0
    x, y, _ = line_pose(own, lines.step[line], lines.span[line, 2] == 1, me[S] + reach_m, me[D])
    far_s, far_d = line_locate(nodes, step, closed, x, y, s, s + 1.3 * reach_m)
    if abs(far_d - d) > DRIFT_M or abs(far_s - s - reach_m) > 0.2 * reach_m:
        return NONE, 0.0
    return s, d


@allocating
def gain_of(users: Floats, flags: Ints, lines: Lines, row: int, other: int, s: float) -> float:
    """MOBIL's gain of moving over to line ``other`` at station ``s``; not positive when that is unsafe."""
    me, loss = users[row], 0.0
    half = 0.5 * me[WIDTH] + MARGIN_M
    for k in range(users.shape[0]):
        if k == row or flags[k, PRESENT] == 0:
            continue
        if abs(users[k, X] - me[X]) > BEHIND_M + 20.0 or abs(users[k, Y] - me[Y]) > BEHIND_M + 20.0:
            continue
        room = 0.5 * me[LENGTH] + ROOM_M
        first, final, cos = reach(lines, other, s, 0.0, half, users[k], s - BEHIND_M, s + room + 10.0)
        if first == NONE:
            continue
        if final > s - room and first < s + room:
            return -1.0
        if final < s and flags[k, ROLE] >= DRIVE and cos > 0.7:
            then = behind_me(users, k, s - 0.5 * me[LENGTH] - final, me[SPEED])
            if then < SAFE_MPS2:
                return -1.0
            loss = max(loss, users[k, ACCEL] - then)
    nodes = lines.nodes[lines.span[other, 0] : lines.span[other, 1]]
    at = min(nodes.shape[0] - 1, max(0, int(s / lines.step[other])))
    line, own_s, own_d = flags[row, LINE], me[S], me[D]
    flags[row, LINE], me[S], me[D], me[D_TO] = other, s, 0.0, 0.0
    then = follow(users, flags, lines, row, min(me[WISH], nodes[at, PSPEED]), True)
    flags[row, LINE], me[S], me[D], me[D_TO] = line, own_s, own_d, own_d
    if then < SAFE_MPS2:
        return -1.0
    return mobil_gain(me[ACCEL], then, loss)


@allocating
def behind_me(users: Floats, k: int, gap: float, speed: float) -> float:
    """Acceleration of a follower ``gap`` behind somebody with ``speed``; an ego is taken for an average driver."""
    its = users[k]
    if its[PULL] <= 0.0:
        return idm(its[SPEED], max(its[SPEED], 1.0), gap, speed, 1.3, 2.2, 2.5, 1.6)
    return idm(its[SPEED], its[WISH], gap, speed, its[HEADWAY], its[STANDSTILL], its[COMFORT], its[PULL])
