"""A map to drive on: lanes, signals, crosswalks, and the questions one asks of them. Reads OpenDRIVE 1.4 to 1.8."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from operators.maps.description import Description
from operators.maps.elements import bytes_of
from operators.maps.errors import MapError
from operators.maps.lanes import Array, Crosswalk, Junction, Lane, LaneKey, LanePlace, MapSignal, Way
from operators.maps.network import lanes_of
from operators.maps.reading import read
from operators.maps.segments import SegmentIndex
from operators.maps.signals import crosswalks_of, junctions_of, signals_of

if TYPE_CHECKING:
    from operators.maps.surfaces import Surface

TURN_PRICE_M = 3.0
"""``nearest`` with a direction: a lane across costs 3 m of distance, one the other way 6 m."""


@dataclass(frozen=True, slots=True, eq=False)
class Places:
    """Nearest lanes of n points: ``lane`` (n,) is an index into ``RoadMap.keys``, -1 for none; else as LanePlace."""

    lane: NDArray[np.int64]
    s_m: Array
    d_m: Array
    yaw_rad: Array


@dataclass(frozen=True, slots=True)
class _Index:
    segments: SegmentIndex
    lane: NDArray[np.int64]
    s_m: Array
    length_m: Array
    yaw_rad: Array
    turn_rad: Array


class RoadMap:
    """A road network. ISO 8855 axes as in OpenDRIVE: x east, y north, z up; metres, radians, m/s."""

    def __init__(self, description: Description) -> None:
        self._description = description
        self.name = description.name
        self._indices: dict[tuple[str, ...], _Index | None] = {}
        lanes = lanes_of(description)
        self.lanes: Mapping[LaneKey, Lane] = MappingProxyType(lanes)
        self.keys: tuple[LaneKey, ...] = tuple(lanes)
        self.signals: tuple[MapSignal, ...] = signals_of(description, lanes)
        self.crosswalks: tuple[Crosswalk, ...] = crosswalks_of(description)
        self.junctions: Mapping[str, Junction] = MappingProxyType(junctions_of(description, lanes))
        self.controllers: Mapping[str, tuple[str, ...]] = MappingProxyType(description.controllers)
        """Signal groups: controller id → ids of the signals that change together."""
        self.geo_reference = description.geo_reference
        self.notes: tuple[str, ...] = tuple(description.notes)
        """What the file says that is not used, one line each."""

    @classmethod
    def read(cls, path: str | Path) -> RoadMap:
        """The map in an OpenDRIVE file. Raises MapError naming file, line and element."""
        return cls.parse(bytes_of(Path(path)), Path(path).name)

    @classmethod
    def parse(cls, text: str | bytes, name: str = "map.xodr") -> RoadMap:
        """The map in an OpenDRIVE document. Raises MapError."""
        try:
            return cls(read(text.encode(errors="replace") if isinstance(text, str) else text, name))
        except (MemoryError, RecursionError, OverflowError) as error:
            raise MapError(f"the map is too large: {type(error).__name__}", where=name) from None

    @property
    def description(self) -> Description:
        """What the file says."""
        return self._description

    @property
    def length_km(self) -> float:
        """Of all reference lines."""
        return sum(road.length_m for road in self._description.roads.values()) / 1000.0

    @cached_property
    def bounds(self) -> tuple[float, float, float, float]:
        """x_min, y_min, x_max, y_max of all lanes' borders, m (lanes' centre lines and half their widths)."""
        boxes = np.array(
            [
                (
                    (lane.x_m - 0.5 * lane.width_m).min(),
                    (lane.y_m - 0.5 * lane.width_m).min(),
                    (lane.x_m + 0.5 * lane.width_m).max(),
                    (lane.y_m + 0.5 * lane.width_m).max(),
                )
                for lane in self.lanes.values()
            ]
        )
        low, high = boxes[:, :2].min(axis=0), boxes[:, 2:].max(axis=0)
        return float(low[0]), float(low[1]), float(high[0]), float(high[1])

    def nearest(
        self,
        x_m: float,
        y_m: float,
        yaw_rad: float | None = None,
        kinds: Sequence[str] = ("driving",),
        within_m: float = math.inf,
    ) -> LanePlace | None:
        """The place on the lane whose centre line is nearest; None if there is none within ``within_m``.

        With ``yaw_rad`` a lane that leads elsewhere counts as up to 6 m farther away: in a junction, on a two-way road.
        """
        yaw = None if yaw_rad is None else np.array([yaw_rad])
        found = self.nearest_many(np.array([[x_m, y_m]]), yaw, kinds)
        lane = int(found.lane[0])
        if lane < 0:
            return None
        place = LanePlace(self.keys[lane], float(found.s_m[0]), float(found.d_m[0]), float(found.yaw_rad[0]))
        if within_m < math.inf:
            x, y, _ = self.pose(place.key, place.s_m)
            if math.hypot(x - x_m, y - y_m) > within_m:
                return None
        return place

    def nearest_many(self, points: Array, yaw_rad: Array | None = None, kinds: Sequence[str] = ("driving",)) -> Places:
        """``nearest`` for ``points`` (n, 2), with directions (n,) if wanted. What is not finite finds nothing."""
        points = np.asarray(points, dtype=np.float64).reshape(-1, 2)
        n = len(points)
        places = Places(np.full(n, -1), np.full(n, np.nan), np.full(n, np.nan), np.full(n, np.nan))
        index = self._index(tuple(kinds))
        usable = np.isfinite(points).all(axis=1) & (np.abs(points) < 1e7).all(axis=1)
        if index is None or not usable.any():
            return places
        some = points[usable]
        turns = None if yaw_rad is None else np.asarray(yaw_rad, dtype=np.float64)[usable]
        found = index.segments.nearest(some, turns, TURN_PRICE_M)
        segment = found.segment
        delta, along = some - index.segments.starts[segment], index.segments.along[segment]
        across = along[:, 0] * delta[:, 1] - along[:, 1] * delta[:, 0]
        places.lane[usable] = index.lane[segment]
        places.s_m[usable] = index.s_m[segment] + found.share * index.length_m[segment]
        places.d_m[usable] = across / np.sqrt(index.segments.squared[segment])
        yaw = index.yaw_rad[segment] + found.share * index.turn_rad[segment]
        places.yaw_rad[usable] = (yaw + math.pi) % (2.0 * math.pi) - math.pi
        return places

    def _index(self, kinds: tuple[str, ...]) -> _Index | None:
        if kinds not in self._indices:
            self._indices[kinds] = self._build(kinds)
        return self._indices[kinds]

    def _build(self, kinds: tuple[str, ...]) -> _Index | None:
        chosen = [(i, lane) for i, lane in enumerate(self.lanes.values()) if lane.kind in kinds]
        if not chosen:
            return None
        starts = np.concatenate([np.stack([one.x_m[:-1], one.y_m[:-1]], axis=1) for _, one in chosen])
        ends = np.concatenate([np.stack([one.x_m[1:], one.y_m[1:]], axis=1) for _, one in chosen])
        chord = np.arctan2(ends[:, 1] - starts[:, 1], ends[:, 0] - starts[:, 0])
        yaw = np.concatenate([one.yaw_rad[:-1] for _, one in chosen])
        turn = np.concatenate([one.yaw_rad[1:] for _, one in chosen]) - yaw
        return _Index(
            SegmentIndex(starts, ends, chord),
            np.concatenate([np.full(len(one.s_m) - 1, i) for i, one in chosen]),
            np.concatenate([one.s_m[:-1] for _, one in chosen]),
            np.concatenate([np.diff(one.s_m) for _, one in chosen]),
            yaw,
            (turn + math.pi) % (2.0 * math.pi) - math.pi,
        )

    def pose(self, key: LaneKey, s_m: float) -> tuple[float, float, float]:
        """x, y (m) and yaw (rad) of a lane's centre line at ``s_m`` along it; beyond its ends, the end."""
        lane = self.lanes[key]
        i = int(np.clip(np.searchsorted(lane.s_m, s_m, side="right") - 1, 0, len(lane.s_m) - 2))
        span = float(lane.s_m[i + 1] - lane.s_m[i])
        share = min(max((s_m - float(lane.s_m[i])) / span, 0.0), 1.0) if span > 0.0 else 0.0
        turn = (float(lane.yaw_rad[i + 1] - lane.yaw_rad[i]) + math.pi) % (2.0 * math.pi) - math.pi
        return (
            float(lane.x_m[i] + share * (lane.x_m[i + 1] - lane.x_m[i])),
            float(lane.y_m[i] + share * (lane.y_m[i + 1] - lane.y_m[i])),
            (float(lane.yaw_rad[i]) + share * turn + math.pi) % (2.0 * math.pi) - math.pi,
        )

    def ahead(self, place: LanePlace, distance_m: float) -> tuple[LanePlace, ...]:
        """Where a driver may be after ``distance_m`` without changing lanes: one place for each way to go."""
        found: list[LanePlace] = []
        open_: list[tuple[LaneKey, float]] = [(place.key, place.s_m + distance_m)]
        seen: set[tuple[LaneKey, float]] = set()
        while open_:
            key, s_m = open_.pop(0)
            length = self.lanes[key].length_m
            if s_m <= length:
                found.append(LanePlace(key, s_m, 0.0, self.pose(key, s_m)[2]))
                continue
            for following in self.lanes[key].next:
                step = (following, round(s_m - length, 6))
                if step not in seen:
                    seen.add(step)
                    open_.append((following, s_m - length))
        return tuple(found)

    def search(self, start: LanePlace, goal: LanePlace) -> tuple[LaneKey, ...]:
        """The lanes of the shortest way from one place to another; a lane beside the one before is a lane change.

        Raises RouteNotFound.
        """
        from operators.maps.routes import search

        return search(self, start, goal)

    def way(self, lanes: Sequence[LaneKey], start_s_m: float = 0.0, end_s_m: float | None = None) -> Way:
        """One smooth line over ``lanes``, from ``start_s_m`` along the first to ``end_s_m`` along the last.

        Raises UsageError where one lane does not lead to the next.
        """
        from operators.maps.ways import way

        return way(self, lanes, start_s_m, end_s_m)

    def surfaces(self) -> list[Surface]:
        """Everything that can be seen on the ground, by material, lowest first."""
        from operators.maps.surfaces import surfaces

        return surfaces(self)

    def stops_on(self, key: LaneKey) -> tuple[tuple[float, str, str], ...]:
        """(s_m along the lane, kind, signal id) of the lines where one may have to wait."""
        return self._stops.get(key, ())

    @cached_property
    def _stops(self) -> dict[LaneKey, tuple[tuple[float, str, str], ...]]:
        found: dict[LaneKey, list[tuple[float, str, str]]] = {}
        for signal in self.signals:
            for key, s_m in signal.stops:
                found.setdefault(key, []).append((s_m, signal.kind, signal.id))
        return {key: tuple(sorted(stops)) for key, stops in found.items()}

    def driving(self) -> Iterator[Lane]:
        """The lanes for cars."""
        return (lane for lane in self.lanes.values() if lane.kind == "driving")
