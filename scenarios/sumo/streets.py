"""What traffic needs to know of a network: where one can start, where one can go on to, which light each link obeys.

Decides random routes (all chance comes from the generator); who drives them is ``traffic``'s business.
"""

from __future__ import annotations

import functools
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
from numpy.typing import NDArray

from operators.maps import RoadMap
from scenarios.sumo.shapes import dense, is_open, key_of, shape_of

Floats = NDArray[np.float64]

START_EVERY_M = 8.0
BEFORE_END_M, AFTER_START_M = 14.0, 7.0
"""Nobody starts nearer to a lane's end, where others may have to stop, or to its start."""


@dataclass(frozen=True, slots=True)
class Link:
    """A way over a junction that a traffic light governs: the junction, its index there, the light's name in the map
    ("" if none), and the links of the same junction that it gives way to, as bits."""

    junction: str
    index: int
    light: str
    yields_to: int


@dataclass(frozen=True, slots=True)
class Starts:
    """Places where a vehicle can be put, (n,) each: the lane's row in ``lanes``, station along it, x, y, yaw."""

    lane: NDArray[np.int64]
    s_m: Floats
    x_m: Floats
    y_m: Floats
    yaw_rad: Floats


@dataclass(frozen=True, slots=True)
class Streets:
    """``lanes``: (edge, index of the lane). ``onward``: where each edge leads. ``lasting``: edges without a dead end
    ahead, empty on a map without a circuit. ``lights``: links of each junction with lights, by SUMO's name for it."""

    lanes: tuple[tuple[str, int], ...]
    starts: Starts
    length_m: dict[str, float]
    onward: dict[str, tuple[str, ...]]
    lasting: frozenset[str]
    lights: dict[str, tuple[Link, ...]]

    def route(self, first: str, length_m: float, rng: np.random.Generator) -> list[str]:
        """Edges one after the other from ``first`` on, at random, at least that long or up to a dead end."""
        route, length = [first], self.length_m[first]
        while length < length_m:
            choices = self.onward.get(route[-1], ())
            going_on = [edge for edge in choices if edge in self.lasting] or choices
            if not going_on:
                break
            route.append(going_on[int(rng.integers(len(going_on)))])
            length += self.length_m[route[-1]]
        return route


@functools.lru_cache(maxsize=8)
def streets_of(network: Path, map_: RoadMap) -> Streets:
    """Of an aligned network."""
    root = ElementTree.parse(network).getroot()
    lengths: dict[str, float] = {}
    lanes: list[tuple[str, int]] = []
    rows: list[Floats] = []
    for edge in root.iter("edge"):
        name = edge.get("id") or ""
        usable = [lane for lane in edge.iter("lane") if is_open(lane)]
        if edge.get("function") or not usable:
            continue
        lengths[name] = min(float(lane.get("length") or 0.0) for lane in usable)
        for lane in usable:
            rows.append(_starts_on(shape_of(lane), lengths[name], len(lanes)))
            lanes.append((name, int(lane.get("index") or 0)))
    table = np.concatenate(rows) if rows else np.zeros((0, 5))
    onward = _onward(root, {f"{edge}_{index}" for edge, index in lanes})
    return Streets(
        lanes=tuple(lanes),
        starts=Starts(table[:, 0].astype(np.int64), *table[:, 1:].T.copy()),
        length_m=lengths,
        onward=onward,
        lasting=_lasting(onward),
        lights=_lights(root, map_),
    )


def _starts_on(shape: Floats, length_m: float, row: int) -> Floats:
    points = dense(shape)
    if len(points) < 2:
        return np.zeros((0, 5))
    steps = np.diff(points, axis=0)
    at = np.concatenate([[0.0], np.cumsum(np.hypot(*steps.T))])
    wanted = np.arange(AFTER_START_M, length_m - BEFORE_END_M, START_EVERY_M)
    # SUMO's length of a lane and that of its shape may differ a little.
    on_shape = wanted * at[-1] / length_m
    k = np.clip(np.searchsorted(at, on_shape), 1, len(steps)) - 1
    x, y = (np.interp(on_shape, at, points[:, axis]) for axis in (0, 1))
    yaw = np.arctan2(steps[k, 1], steps[k, 0])
    return np.stack([np.full(len(wanted), float(row)), wanted, x, y, yaw], axis=1)


def _onward(root: ElementTree.Element, usable: set[str]) -> dict[str, tuple[str, ...]]:
    found: dict[str, dict[str, None]] = defaultdict(dict)
    for connection in root.iter("connection"):
        before, after = connection.get("from") or "", connection.get("to") or ""
        lanes = {f"{before}_{connection.get('fromLane')}", f"{after}_{connection.get('toLane')}"}
        if lanes <= usable:
            found[before][after] = None
    return {edge: tuple(following) for edge, following in found.items()}


def _lasting(onward: dict[str, tuple[str, ...]]) -> frozenset[str]:
    left = {edge: set(following) for edge, following in onward.items()}
    while True:
        dead = [edge for edge, following in left.items() if not any(other in left for other in following)]
        if not dead:
            return frozenset(left)
        for edge in dead:
            del left[edge]


def _lights(root: ElementTree.Element, map_: RoadMap) -> dict[str, tuple[Link, ...]]:
    keys = {lane.get("id") or "": key_of(lane) for lane in root.iter("lane")}
    answers: dict[str, dict[int, int]] = {}
    for junction in root.iter("junction"):
        answers[junction.get("id") or ""] = {
            int(request.get("index") or 0): int(request.get("response") or "0", 2)
            for request in junction.iter("request")
        }
    found: dict[str, dict[int, Link]] = defaultdict(dict)
    for connection in root.iter("connection"):
        junction_light, parts = connection.get("tl"), (connection.get("via") or "").removeprefix(":").rsplit("_", 2)
        if junction_light is None or connection.get("linkIndex") is None or len(parts) < 3:
            continue
        key = keys.get(f"{connection.get('from')}_{connection.get('fromLane')}")
        stops = map_.stops_on(key) if key is not None else ()
        light = next((signal for _, kind, signal in reversed(stops) if kind == "light"), "")
        # Internal lanes are numbered by the links of their junction.
        place, index = parts[0], int(parts[1]) + int(parts[2])
        yields_to = answers.get(place, {}).get(index, 0)
        found[junction_light][int(connection.get("linkIndex") or 0)] = Link(place, index, light, yields_to)
    return {name: tuple(_filled(links)) for name, links in found.items()}


def _filled(links: dict[int, Link]) -> list[Link]:
    """One per link index, without gaps: those of people on foot have no lights here."""
    return [links.get(k, Link("", -1, "", 0)) for k in range(max(links) + 1)]
