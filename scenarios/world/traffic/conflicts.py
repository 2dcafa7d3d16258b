"""Where the lines of a scenario cross and merge, found once from their geometry: areas, and clusters of them.

Lines that lie on one another, one behind the other or parting need no rule: drivers mind whoever is ahead there.
Source of the idea: VISSIM's conflict areas; own construction.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from scenarios.world.kernels import allocating
from scenarios.world.traffic.columns import CROSSING, MERGE, NARROW, Areas, Lines
from scenarios.world.ways import PYAW

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

CELL_M = 4.0
CROSSING_M, ALONGSIDE_M, NARROW_M = 3.0, 2.2, 4.2
"""Centre lines nearer than this leave no room for two vehicles: at an angle, side by side, and for two long ones that
meet in a bend."""
BEND_1PM = 1.0 / 25.0
SAME_M, SAME_COS = 0.7, 0.97
"""Lines nearer and straighter than this are one lane."""
APART_M = 25.0
"""Stations of one line further apart than this are different passes."""
CHAIN_M = 8.0
"""No car waits between two areas nearer than this."""
SHARED, FREE = 3, 4
"""How two nodes lie, besides CROSSING and NARROW."""
STOP_REACH_M = 25.0
"""A stop line belongs to the first cluster that begins within this behind it."""


def find_areas(lines: Lines) -> Areas:
    """All areas and clusters, per line and in the order of driving."""
    xy = lines.nodes[:, :2]
    cells = np.floor((xy - xy.min(axis=0)) / CELL_M).astype(np.int64) + 1
    columns = int(cells[:, 1].max()) + 2
    key = cells[:, 0] * columns + cells[:, 1]
    order = np.argsort(key, kind="stable")
    owner = np.repeat(np.arange(len(lines.span)), lines.span[:, 1] - lines.span[:, 0])
    capacity = 4096
    while True:
        found = np.empty((capacity, 7))
        count = overlaps(lines, owner, key, order, key[order], columns, found)
        if count <= capacity:
            break
        capacity = 2 * int(count)
    rows = found[:count]
    # By line, then station.
    rows = rows[np.lexsort((rows[:, 1], rows[:, 0]))]
    area_span = np.searchsorted(rows[:, 0], np.arange(len(lines.span) + 1))
    clusters, cluster_span = _clusters(lines, rows, area_span)
    return Areas(
        np.ascontiguousarray(rows[:, 1:]),
        np.stack([area_span[:-1], area_span[1:]], axis=1).astype(np.int64),
        clusters,
        cluster_span,
    )


def _clusters(lines: Lines, rows: Floats, area_span: NDArray[np.int64]) -> tuple[Floats, Ints]:
    found: list[tuple[float, ...]] = []
    spans = []
    for line in range(len(lines.span)):
        begin = len(found)
        row, end = int(area_span[line]), int(area_span[line + 1])
        while row < end:
            first, low, high = row, rows[row, 1], rows[row, 2]
            while row < end and rows[row, 1] < high + CHAIN_M:
                high = max(high, rows[row, 2])
                row += 1
            found.append((low, high, first, row, *_hold(lines, line, low, high), _turn(lines, line, low, high)))
        spans.append((begin, len(found)))
    return np.array(found, dtype=np.float64).reshape(-1, 7), np.array(spans, dtype=np.int64)


def _hold(lines: Lines, line: int, low: float, high: float) -> tuple[float, float]:
    """The stop line of a cluster (or -1) and where to wait: at it, or just before the cluster."""
    begin, end = lines.stop_span[line]
    for row in range(begin, end):
        station = lines.stops[row, 0]
        if low - STOP_REACH_M < station < min(high, low + 3.0):
            return float(row), min(station, low - 0.5)
    return -1.0, low - 1.0


def _turn(lines: Lines, line: int, low: float, high: float) -> float:
    begin, end, _ = lines.span[line]
    step = lines.step[line]
    first, last = (min(end - 1, max(begin, begin + round(at / step))) for at in (low - 3.0, high + 3.0))
    return float(lines.nodes[last, PYAW] - lines.nodes[first, PYAW])


@allocating
def overlaps(lines: Lines, owner: Ints, key: Ints, order: Ints, keys: Ints, columns: int, out: Floats) -> int:
    """Intervals where a line is too near another one, into ``out``: line, from, to, other, its from, to, kind.

    Returns how many there are, even if ``out`` was too short for all.
    """
    count, total = 0, lines.span.shape[0]
    nearest, squared = np.empty(total, np.int64), np.empty(total)
    # Per other line: the open interval's first node, last node, lowest and highest node there, last node there, state.
    state = np.empty((total, 6), np.int64)
    for line in range(total):
        begin, end = lines.span[line, 0], lines.span[line, 1]
        state[:] = -1
        for node in range(begin, end):
            squared[:] = 1e300
            near_nodes(lines, owner, key, order, keys, columns, node, line, nearest, squared)
            for other in range(total):
                kind = FREE if squared[other] > 1e299 else closeness(lines, node, nearest[other], squared[other])
                close = kind != FREE
                jump = close and state[other, 0] >= 0 and abs(nearest[other] - state[other, 4]) > 12
                if state[other, 0] >= 0 and (not close or jump):
                    count = finish(lines, line, other, state[other], out, count)
                    state[other, 0] = -1
                if close:
                    extend(state[other], node, nearest[other], kind)
        for other in range(total):
            if state[other, 0] >= 0:
                count = finish(lines, line, other, state[other], out, count)
    return count


@allocating
def near_nodes(
    lines: Lines, owner: Ints, key: Ints, order: Ints, keys: Ints, columns: int, node: int, line: int, nearest: Ints,
    squared: Floats,
) -> None:  # fmt: skip
    """The nearest node of every line within a cell or two of ``node``; of its own line only those of another pass."""
    x, y = lines.nodes[node, 0], lines.nodes[node, 1]
    begin, end, closed = lines.span[line]
    for row in range(-1, 2):
        low = np.searchsorted(keys, key[node] + row * columns - 1)
        high = np.searchsorted(keys, key[node] + row * columns + 1, side="right")
        for at in range(low, high):
            k = order[at]
            other = owner[k]
            if other == line:
                apart = abs(k - node)
                if closed == 1:
                    apart = min(apart, end - begin - apart)
                if apart * lines.step[line] < APART_M:
                    continue
            dx, dy = lines.nodes[k, 0] - x, lines.nodes[k, 1] - y
            distance = dx * dx + dy * dy
            if distance < squared[other]:
                squared[other], nearest[other] = distance, k


@allocating
def closeness(lines: Lines, node: int, k: int, squared: float) -> int:
    """Whether two nodes are of one lane (SHARED), leave no room (CROSSING) or little (NARROW), or are FREE."""
    turn = lines.nodes[k, 2] - lines.nodes[node, 2]
    if squared < SAME_M * SAME_M and math.cos(turn) > SAME_COS:
        return SHARED
    limit = ALONGSIDE_M if abs(math.sin(turn)) < 0.35 else CROSSING_M
    if squared < limit * limit:
        return CROSSING
    bent = abs(lines.nodes[node, 3]) > BEND_1PM and abs(lines.nodes[k, 3]) > BEND_1PM
    return NARROW if bent and math.cos(turn) < -0.5 and squared < NARROW_M * NARROW_M else FREE


@allocating
def extend(state: Ints, node: int, k: int, kind: int) -> None:
    """Open or lengthen the interval in ``state``; once the lines have become one lane, its conflict is over."""
    if state[0] < 0:
        state[0], state[1], state[2], state[3], state[4], state[5] = node, node, k, k, k, kind
        return
    state[4] = k
    if state[5] == CROSSING or state[5] == NARROW:
        state[1], state[2], state[3] = node, min(state[2], k), max(state[3], k)
        if kind == SHARED:
            state[5] = MERGE
        elif kind == CROSSING:
            state[5] = CROSSING


@allocating
def finish(lines: Lines, line: int, other: int, state: Ints, out: Floats, count: int) -> int:
    """Write the interval in ``state`` if it is a conflict: the lines were not one lane from its beginning."""
    if state[5] == SHARED:
        return count
    if state[5] == CROSSING and touches_start(lines, other, state):
        return count
    if count < out.shape[0]:
        begin, there = lines.span[line, 0], lines.span[other, 0]
        step, step_there = lines.step[line], lines.step[other]
        out[count, 0] = line
        out[count, 1], out[count, 2] = (state[0] - begin) * step - 0.5, (state[1] - begin) * step + 0.5
        out[count, 3] = other
        out[count, 4], out[count, 5] = (state[2] - there) * step_there - 0.5, (state[3] - there) * step_there + 0.5
        out[count, 6] = float(state[5])
    return count + 1


@allocating
def touches_start(lines: Lines, other: int, state: Ints) -> bool:
    """Whether the interval is only the neighbourhood of the other line's first or last node, on an open line."""
    if lines.span[other, 2] == 1:
        return False
    first, last = lines.span[other, 0], lines.span[other, 1] - 1
    return bool((state[2] == first and state[3] == first) or (state[2] == last and state[3] == last))
