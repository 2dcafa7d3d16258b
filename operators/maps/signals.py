"""Signals with the lanes that they govern, crosswalks in the plane, junctions with what belongs to them."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from operators.maps.description import Description, ObjectDescription, Road, SignalDescription
from operators.maps.lanes import Crosswalk, Junction, Lane, LaneKey, MapSignal
from operators.maps.planview import evaluate

_KINDS = {
    "205": "yield", "206": "stop", "274": "speed", "r1-1": "stop", "r1-2": "yield", "r2-1": "speed",
    "stop": "stop", "yield": "yield",
    **{f"10000{number:02d}": "light" for number in (1, 7, 8, 9, 10, 11, 12, 13)},
}  # fmt: skip
"""OpenDRIVE's own and German codes, as CARLA uses them too, and American ones."""
_LIGHT_WORDS = ("trafficlight", "traffic_light", "light_3", "signal_3light")
_TO_MPS = {"km/h": 1 / 3.6, "mph": 0.44704, "m/s": 1.0}


def signals_of(found: Description, lanes: Mapping[LaneKey, Lane]) -> tuple[MapSignal, ...]:
    """All signals; of those with one id, which files are full of, the later ones are called ``id@number``.

    Raises MapError for a reference to one that does not exist.
    """
    own: dict[str, tuple[Road, SignalDescription]] = {}
    governed: dict[str, dict[LaneKey, float]] = defaultdict(dict)
    for road in found.roads.values():
        for signal in road.signals:
            label = signal.id
            while label in own:
                label = f"{label}@{len(own)}"
            if label != signal.id:
                found.notes.append(f"{found.name}: the signal id {signal.id[:60]!r} stands twice: {label[:60]!r}")
            own[label] = (road, replace(signal, id=label))
            _govern(governed[label], road, signal, lanes)
    for road in found.roads.values():
        for reference in road.references:
            if reference.id not in own:
                raise reference.element.error(f"the signal {reference.id[:60]!r} does not exist")
            _govern(governed[reference.id], road, reference, lanes)
    known = own.keys()
    for label, controlled in found.controllers.items():
        missing = [signal for signal in controlled if signal not in known]
        if missing:
            found.notes.append(f"{found.name}: controller {label} names the signal {missing[0]}, which does not exist")
    return tuple(_signal(road, signal, governed[label]) for label, (road, signal) in own.items())


def _govern(
    governed: dict[LaneKey, float], road: Road, signal: SignalDescription, lanes: Mapping[LaneKey, Lane]
) -> None:
    index = road.section_at(signal.s_m)
    here = [lanes[LaneKey(road.id, index, label)] for label in road.sections[index].lanes if label]
    here = [lane for lane in here if lane.kind in ("driving", "biking")]
    if signal.lanes:
        chosen = [lane for lane in here if any(min(span) <= lane.key.lane <= max(span) for span in signal.lanes)]
    else:
        chosen = [lane for lane in here if signal.orientation not in ("-" if lane.forward else "+")]
        if not chosen and len({lane.forward for lane in here}) == 1:
            # On a one-way road the orientation leaves no choice, and many files have it wrong.
            chosen = here
    for lane in chosen:
        order = slice(None) if lane.forward else slice(None, None, -1)
        along = float(np.interp(signal.s_m, lane.station_m[order], lane.s_m[order]))
        # Inside a junction one waits where one enters it.
        governed.setdefault(lane.key, 0.0 if lane.junction else along)


def _kind(signal: SignalDescription) -> str:
    kind = _KINDS.get(signal.type.lower())
    if kind is not None:
        return kind
    name = signal.name.lower().replace(" ", "_")
    return "light" if signal.dynamic and any(word in name for word in _LIGHT_WORDS) else "other"


def _signal(road: Road, signal: SignalDescription, governed: dict[LaneKey, float]) -> MapSignal:
    kind = _kind(signal)
    x, y, z, yaw = signal.inertial or _at(road, signal.s_m, signal.t_m)
    forward = signal.orientation != "-"
    value = signal.value
    if kind == "speed":
        if value is None and signal.subtype.replace(".", "", 1).isdigit():
            value = float(signal.subtype)
        value = value * _TO_MPS.get(signal.unit, 1 / 3.6) if value is not None else None
    return MapSignal(
        id=signal.id,
        kind=kind,
        type=signal.type,
        x_m=x,
        y_m=y,
        z_m=z + signal.z_m,
        yaw_rad=yaw + signal.turn_rad + (0.0 if forward else math.pi),
        lanes=tuple(governed),
        stops=tuple(governed.items()) if kind in ("light", "stop", "yield") else (),
        value=value,
    )


def _at(road: Road, s_m: float, t_m: float) -> tuple[float, float, float, float]:
    station = np.array([s_m])
    x, y, yaw, _ = evaluate(road.pieces, station)
    bank = float(road.superelevation.value(station)[0])
    height = float(road.elevation.value(station)[0])
    across = t_m * math.cos(bank)
    return (
        float(x[0]) - math.sin(float(yaw[0])) * across,
        float(y[0]) + math.cos(float(yaw[0])) * across,
        height + t_m * math.sin(bank),
        float(yaw[0]),
    )


def crosswalks_of(found: Description) -> tuple[Crosswalk, ...]:
    """All crosswalks of the map, their outlines in the plane."""
    return tuple(
        Crosswalk(one.id or f"{road.id}/{i}", _corners(road, one))
        for road in found.roads.values()
        for i, one in enumerate(road.crosswalks)
    )


def _corners(road: Road, one: ObjectDescription) -> np.ndarray[tuple[int, ...], np.dtype[np.float64]]:
    if one.by_road:
        return np.array([_at(road, min(max(s, 0.0), road.length_m), t)[:2] for s, t in one.corners])
    x, y, _, yaw = _at(road, one.s_m, one.t_m)
    cosine, sine = math.cos(yaw + one.yaw_rad), math.sin(yaw + one.yaw_rad)
    return np.array([(x + cosine * u - sine * v, y + sine * u + cosine * v) for u, v in one.corners])


def junctions_of(found: Description, lanes: Mapping[LaneKey, Lane]) -> dict[str, Junction]:
    """All junctions of the map."""
    inside: dict[str, list[LaneKey]] = defaultdict(list)
    for key, lane in lanes.items():
        if lane.junction:
            inside[lane.junction].append(key)
    return {
        label: Junction(
            label,
            one.name,
            tuple(dict.fromkeys(connection.incoming for connection in one.connections)),
            one.controllers,
            tuple(inside[label]),
        )
        for label, one in found.junctions.items()
    }
