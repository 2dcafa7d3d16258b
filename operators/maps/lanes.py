"""What a map is made of, for those who drive on it: lanes, signals, crosswalks, junctions."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

DRIVABLE = frozenset(
    {
        "driving", "entry", "exit", "onRamp", "offRamp", "connectingRamp", "slipLane", "mwyEntry", "mwyExit",
        "bidirectional", "hov", "bus", "taxi", "special1", "special2", "special3", "roadWorks",
    }
)  # fmt: skip
"""OpenDRIVE's lane types that are the kind ``driving`` here."""
_KINDS = {"walking": "sidewalk", "stop": "shoulder", "HOV": "driving"}


def kind_of(type_: str) -> str:
    """A lane's kind, from OpenDRIVE's type."""
    return "driving" if type_ in DRIVABLE else _KINDS.get(type_, type_)


class LaneKey(NamedTuple):
    """A lane of a map: OpenDRIVE's road id, the lane section's index, and the lane id (negative: right of the line)."""

    road: str
    section: int
    lane: int


class LanePlace(NamedTuple):
    """A place on a lane: ``s_m`` along its centre line, ``d_m`` to the left of it, ``yaw_rad`` of the lane there."""

    key: LaneKey
    s_m: float
    d_m: float
    yaw_rad: float


@dataclass(frozen=True, slots=True, eq=False)
class Lane:
    """One lane of one lane section. Arrays are (n,) float64 along its centre line IN DRIVING DIRECTION, <= 2 m apart.

    ``kind``: driving, sidewalk, shoulder, parking, biking, … ; ``type``: as OpenDRIVE says. ``left``/``right``: the
    neighbour with the same driving direction (of a driving lane: a driving lane). ``opposite``: the nearest lane of
    the section that is driven the other way. ``left_mark``/``right_mark``: may a driver cross that side's marks?
    """

    key: LaneKey
    kind: str
    type: str
    x_m: Array
    y_m: Array
    z_m: Array
    yaw_rad: Array
    width_m: Array
    s_m: Array
    """Length along the lane, from 0."""
    limits_mps: Array
    junction: str
    forward: bool
    """Whether it is driven in the direction of its road's reference line."""
    station_m: Array
    """The road's station (OpenDRIVE's s) at each point."""
    next: tuple[LaneKey, ...] = ()
    previous: tuple[LaneKey, ...] = ()
    left: LaneKey | None = None
    right: LaneKey | None = None
    opposite: LaneKey | None = None
    crossable: tuple[bool, bool] = (True, True)
    """Whether the marks to the (left, right) allow a lane change."""

    @property
    def length_m(self) -> float:
        """Of the centre line."""
        return float(self.s_m[-1])

    @property
    def limit_mps(self) -> float:
        """The lowest limit on the lane."""
        return float(self.limits_mps.min())


@dataclass(frozen=True, slots=True)
class MapSignal:
    """A light or sign. ``yaw_rad``: where those that it governs are heading. ``value``: m/s of a speed limit.

    ``stops``: (lane, s_m along it) of the line where its lanes wait.
    """

    id: str
    kind: str
    """light, stop, yield, speed or other."""
    type: str
    x_m: float
    y_m: float
    z_m: float
    yaw_rad: float
    lanes: tuple[LaneKey, ...]
    stops: tuple[tuple[LaneKey, float], ...] = ()
    value: float | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Crosswalk:
    """``corners``: (n, 2) of its outline, m."""

    id: str
    corners: Array


@dataclass(frozen=True, slots=True)
class Junction:
    """``controllers``: ids of its signal groups. ``lanes``: those inside. ``incoming``: ids of roads that end there."""

    id: str
    name: str
    incoming: tuple[str, ...]
    controllers: tuple[str, ...]
    lanes: tuple[LaneKey, ...] = field(default=())


class Stop(NamedTuple):
    """A line on a way where one may have to wait; ``clear_m``: how far beyond it the junction ends."""

    s_m: float
    kind: str
    signal: str
    clear_m: float


@dataclass(frozen=True, slots=True, eq=False)
class Way:
    """One line over several lanes, (n,) float64 arrays at most 2 m apart; ``lane``: (n,) index into ``lanes``."""

    x_m: Array
    y_m: Array
    z_m: Array
    yaw_rad: Array
    s_m: Array
    limit_mps: Array
    width_m: Array
    lane: NDArray[np.int64]
    lanes: tuple[LaneKey, ...]
    stops: tuple[Stop, ...]
