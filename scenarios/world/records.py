"""What a world tells about itself: truth, outcome, incidents and snapshots. Data only."""

from __future__ import annotations

import msgspec
import numpy as np
from numpy.typing import NDArray

from operators.messages import Box, EgoState

COLLISION, RED_LIGHT, STOP_LINE = "collision", "red_light", "stop_line"
LANE_LEFT, ROUTE_LEFT, BLOCKED = "lane_left", "route_left", "blocked"
TRIGGER_NEVER_FIRED, GRIDLOCK = "trigger_never_fired", "gridlock"
INCIDENT_KINDS = (
    COLLISION, RED_LIGHT, STOP_LINE, LANE_LEFT, ROUTE_LEFT, BLOCKED, TRIGGER_NEVER_FIRED, GRIDLOCK,
)  # fmt: skip


class TruthObject(msgspec.Struct, frozen=True):
    """One road user as it is: outline in map coordinates, and how the ego's camera has it."""

    id: int
    label: str
    x_m: float
    y_m: float
    yaw_rad: float
    length_m: float
    width_m: float
    height_m: float
    speed_x_mps: float
    speed_y_mps: float
    box: Box | None
    """Picture box of the 3-D outline, clipped to the picture; None when outside or behind."""
    visible: float
    """Share of the silhouette that nothing hides, in [0, 1]; geometric, so it exists without pixels."""
    distance_m: float
    """Along the optical axis."""
    kind: str = ""


class Outcome(msgspec.Struct, frozen=True):
    """What has happened so far."""

    collided: bool
    impact_speed_mps: float
    """Relative speed at first contact; 0 without one."""
    collided_with: str
    min_gap_m: float
    """Smallest gap between outlines to any road user in the ego's corridor; 0 on collision, inf if there was none."""
    stopped_gap_m: float | None
    """Gap to the nearest road user ahead in the corridor, when the ego stands behind one."""
    standing_s: float
    """How long the ego has been standing without a break."""
    distance_m: float
    duration_s: float
    max_decel_mps2: float
    progress: float
    """Share of the way from the start to the scenario's end station, in [0, 1]."""
    collisions: int = 0
    """More than one only where the drive goes on after a contact."""


class Incident(msgspec.Struct, frozen=True, kw_only=True):
    """Something a judge must know of, when and where it began.

    ``kind``: ``collision``; ``red_light`` and ``stop_line`` (the ego's front crossed one it should have waited at);
    ``lane_left`` (its outline beyond lane or carriageway); ``route_left`` (over 30 m from it); ``blocked`` (stood
    for 90 s without a break, for whatever reason); ``trigger_never_fired`` (a script that did not begin until the end);
    ``gridlock`` (other traffic that had to be taken off the road because it could not move).
    """

    kind: str
    t_ns: int
    x_m: float
    y_m: float
    s_m: float
    """The ego's station on its road."""
    speed_mps: float = 0.0
    """The ego's."""
    with_id: int = 0
    with_kind: str = ""
    with_label: str = ""
    impact_speed_mps: float = 0.0
    """Relative speed at contact."""
    at_fault: str = "none"
    """``ego``, ``other`` or ``none``: neither, or nobody could tell."""
    detail: str = ""
    """One line for people: which rule decided, which light was red."""


class Snapshot(msgspec.Struct, frozen=True, kw_only=True):
    """The world at ``t_ns``: the ego, and one row for every other road user that is on the road; arrays (n,).

    Poses are of the outlines' centres, speeds in map axes. ``ego`` is of the rear axle (``EgoState``).
    """

    t_ns: int
    ego: EgoState
    ego_s_m: float
    """Station on the ego's road."""
    ego_d_m: float
    """Left of the centre of its lane, of the outline's centre."""
    ids: NDArray[np.int64]
    labels: tuple[str, ...]
    kinds: tuple[str, ...]
    x_m: NDArray[np.float64]
    y_m: NDArray[np.float64]
    yaw_rad: NDArray[np.float64]
    speed_x_mps: NDArray[np.float64]
    speed_y_mps: NDArray[np.float64]
    length_m: NDArray[np.float64]
    width_m: NDArray[np.float64]
    height_m: NDArray[np.float64]
