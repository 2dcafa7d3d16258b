"""How the traffic keeps its road users: one row of numbers and one of flags each, the ego's row last. Names only."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

STAND, WALK, DRIVE, EGO = range(4)
"""Roles."""

(
    S, D, SPEED, ACCEL, X, Y, YAW, SPEED_X, SPEED_Y, LENGTH, WIDTH, WISH, RATE, HEADWAY, STANDSTILL, COMFORT, PULL,
    D_FROM, D_TO, D_SINCE, D_OVER, GRANT_END, STILL_SINCE, ASKED_SINCE, GAIT, PAUSED, PAUSE, RED_AT, TURN_NEXT,
    HEADING, RAN_RED_AT, GRANTED_AT,
) = range(32)  # fmt: skip
"""Numbers. S and D: on the user's line, of the outline's centre, from the line's first node. WISH: wanted speed; RATE:
prescribed change of speed (NaN: the driver's own); D_*: the move across under way; GRANT_END: up to where the user has
the right of way, given at GRANTED_AT; RED_AT: where the light ahead stops it; TURN_NEXT: when it next considers the
other lane; HEADING: an outline's heading less its line's; RAN_RED_AT: when it last passed a red light or stop line."""
NUMBERS = 32

(
    ROLE, LINE, PRESENT, STARTED, OBEYS, MINDS, CHANGES_LANES, STOPS_AT_END, LEG, LOOPS, LOOKS, BRAKING, GRANTED,
    STOPPED_FOR, FIRST_POINT, POINTS, ASKING, RANK, STEP_CLEAR,
) = range(19)  # fmt: skip
"""Flags and counts. GRANTED: the cluster (plus 1) that the user may enter; STOPPED_FOR: the stop line (plus 1) at which
it has stood; LEG: next waypoint of a walker."""
FLAGS = 19

STOP_S, STOP_KIND, STOP_LIGHT, STOP_CLEAR = range(4)
LIGHT_STOP, STOP_STOP, YIELD_STOP = range(3)
STOP_KINDS = {"light": LIGHT_STOP, "stop": STOP_STOP, "yield": YIELD_STOP}


CROSSING, MERGE, NARROW = range(3)
"""Kinds of areas. NARROW: a bend in which two long vehicles cannot meet, while others can."""


class Lines(NamedTuple):
    """All lines of a scenario; the ego's is number 0. Line k has the nodes ``span[k, 0]`` to ``span[k, 1]``."""

    nodes: NDArray[np.float64]
    span: NDArray[np.int64]
    """(lines, 3): first node, end, 1 if closed."""
    step: NDArray[np.float64]
    stops: NDArray[np.float64]
    """(stops, 4): station, kind, row of the light or -1, clearance."""
    stop_span: NDArray[np.int64]


class Areas(NamedTuple):
    """Where lines cross or merge. ``areas`` (n, 6): from, to, other line, its from, its to, CROSSING, MERGE or NARROW.

    ``clusters`` (m, 7): from, to, first area, end, stop line (or -1), hold station, turn (rad): areas too near one
    another to stand between. Those of line k: ``area_span[k]``, ``cluster_span[k]``.
    """

    areas: NDArray[np.float64]
    area_span: NDArray[np.int64]
    clusters: NDArray[np.float64]
    cluster_span: NDArray[np.int64]
