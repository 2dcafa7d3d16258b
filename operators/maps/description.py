"""What an OpenDRIVE file says, as typed values. Decides nothing about driving: ``network`` does."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from operators.maps.cubics import Cubics
from operators.maps.elements import Element
from operators.maps.planview import Piece


@dataclass(frozen=True, slots=True)
class RoadLink:
    """What a road's end touches: a road at its ``contact`` end, or a junction."""

    kind: str
    id: str
    contact: str
    element: Element


@dataclass(frozen=True, slots=True)
class Mark:
    """Road marks of a lane's outer border from ``s_m`` on: kind as in OpenDRIVE (``solid``, ``broken`` …)."""

    s_m: float
    kind: str
    colour: str
    width_m: float
    change: str


@dataclass(frozen=True, slots=True)
class LaneDescription:
    """One ``<lane>``. ``width`` or ``border`` holds pieces from the section's start."""

    id: int
    type: str
    width: Cubics
    border: Cubics
    predecessors: tuple[int, ...]
    successors: tuple[int, ...]
    marks: tuple[Mark, ...]
    speeds: tuple[tuple[float, float], ...]
    """(from this station of the section on, limit in m/s)."""
    direction: str
    element: Element


@dataclass(frozen=True, slots=True)
class Section:
    """One ``<laneSection>``, from ``s_m`` to ``end_m`` of its road; lanes by id."""

    s_m: float
    end_m: float
    lanes: dict[int, LaneDescription]
    element: Element


@dataclass(frozen=True, slots=True)
class SignalDescription:
    """One ``<signal>`` or ``<signalReference>`` at (s, t) of its road; ``lanes`` empty: all of its direction."""

    id: str
    type: str
    subtype: str
    dynamic: bool
    name: str
    s_m: float
    t_m: float
    z_m: float
    turn_rad: float
    orientation: str
    value: float | None
    unit: str
    lanes: tuple[tuple[int, int], ...]
    inertial: tuple[float, float, float, float] | None
    """x, y, z, heading where the file says that it stands elsewhere than at (s, t)."""
    element: Element


@dataclass(frozen=True, slots=True)
class ObjectDescription:
    """One crosswalk: corners as (s, t) of the road, or (u, v) about the object's own pose."""

    id: str
    s_m: float
    t_m: float
    yaw_rad: float
    corners: tuple[tuple[float, float], ...]
    by_road: bool
    element: Element


@dataclass(frozen=True, slots=True)
class Road:
    """One ``<road>``."""

    id: str
    name: str
    length_m: float
    junction: str
    left_hand: bool
    predecessor: RoadLink | None
    successor: RoadLink | None
    types: tuple[tuple[float, str, float | None], ...]
    """(from this station on, type, limit in m/s or None)."""
    pieces: tuple[Piece, ...]
    elevation: Cubics
    superelevation: Cubics
    lane_offset: Cubics
    sections: tuple[Section, ...]
    signals: tuple[SignalDescription, ...]
    references: tuple[SignalDescription, ...]
    crosswalks: tuple[ObjectDescription, ...]
    element: Element

    def section_at(self, s_m: float) -> int:
        """The index of the lane section at a station."""
        starts = [section.s_m for section in self.sections]
        return max(0, int(np.searchsorted(starts, s_m + 1e-9, side="right")) - 1)


@dataclass(frozen=True, slots=True)
class Connection:
    """One ``<connection>``: lanes of the incoming road → lanes of the connecting road at its ``contact`` end."""

    id: str
    incoming: str
    connecting: str
    contact: str
    links: tuple[tuple[int, int], ...]
    element: Element


@dataclass(frozen=True, slots=True)
class JunctionDescription:
    """One ``<junction>``."""

    id: str
    name: str
    virtual: bool
    connections: tuple[Connection, ...]
    controllers: tuple[str, ...]
    priorities: tuple[tuple[str, str], ...]
    element: Element


@dataclass(slots=True)
class Description:
    """A whole file. ``notes``: what it says that is not used, one line each."""

    name: str
    roads: dict[str, Road] = field(default_factory=dict)
    junctions: dict[str, JunctionDescription] = field(default_factory=dict)
    controllers: dict[str, tuple[str, ...]] = field(default_factory=dict)
    geo_reference: str = ""
    version: str = ""
    notes: list[str] = field(default_factory=list)
