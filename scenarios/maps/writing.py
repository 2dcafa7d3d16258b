"""Writes OpenDRIVE 1.6 as compact text. Knows the format, not what a street looks like: ``generate`` does."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from xml.sax.saxutils import quoteattr

import numpy as np

from operators.maps.planview import Piece, along

Cubic = tuple[float, float, float, float, float]
"""(from this station on, a, b, c, d)."""
Pose = tuple[float, float, float]
"""x, y (m), yaw (rad)."""


def figure(value: float) -> str:
    """A number in as few digits as hold ten of them; rounding's dust is zero."""
    return f"{value:.10g}" if abs(value) > 1e-12 else "0"


def tag(name: str, /, *inner: str, **attributes: object) -> str:
    """An element; floats become figures, and a trailing underscore is dropped from attribute names."""
    words = [name]
    for key, value in attributes.items():
        text = figure(value) if isinstance(value, float) else str(value)
        words.append(f"{key.rstrip('_')}={quoteattr(text)}")
    head = " ".join(words)
    return f"<{head}>{''.join(inner)}</{name}>" if inner else f"<{head}/>"


def constant(value: float) -> list[Cubic]:
    """One value from the start on."""
    return [(0.0, value, 0.0, 0.0, 0.0)]


def linear(start: float, end: float, length_m: float) -> list[Cubic]:
    """From one value to another."""
    return [(0.0, start, (end - start) / length_m, 0.0, 0.0)]


def eased(first: float, *changes: tuple[float, float, float]) -> list[Cubic]:
    """``first``, then for each (at, over, value): a smooth change over that length to that value."""
    pieces, value = constant(first), first
    for at, over, target in changes:
        rise = target - value
        step = (at, value, 0.0, 3.0 * rise / over**2, -2.0 * rise / over**3)
        pieces = [*(piece for piece in pieces if piece[0] < at), step, (at + over, target, 0.0, 0.0, 0.0)]
        value = target
    return pieces


@dataclass
class LaneText:
    """A lane: ``marks`` (type, colour) of its outer border; ``links`` (predecessor, successor) lane ids or None."""

    id: int
    type: str
    width: list[Cubic] = field(default_factory=list)
    links: tuple[int | None, int | None] = (None, None)
    marks: tuple[str, str] | None = None
    speed_kmh: float | None = None

    def text(self) -> str:
        """The element."""
        inner: list[str] = []
        names = ("predecessor", "successor")
        joined = [tag(name, id=str(one)) for name, one in zip(names, self.links, strict=True) if one is not None]
        if joined:
            inner.append(tag("link", *joined))
        inner += [tag("width", sOffset=s, a=a, b=b, c=c, d=d) for s, a, b, c, d in self.width]
        if self.marks:
            kind, colour = self.marks
            inner.append(
                tag(
                    "roadMark",
                    sOffset=0.0,
                    type=kind,
                    weight="standard",
                    color=colour,
                    width=0.12,
                    laneChange=_CHANGES[kind],
                )
            )
        if self.speed_kmh:
            inner.append(tag("speed", sOffset=0.0, max=self.speed_kmh, unit="km/h"))
        return tag("lane", *inner, id=str(self.id), type=self.type, level="false")


_CHANGES = {"broken": "both", "solid": "none", "solid solid": "none", "none": "both"}


@dataclass
class RoadText:
    """A road under construction: geometries are appended to its end."""

    id: int
    name: str = ""
    junction: int = -1
    kind: str = "town"
    limit_kmh: float | None = 50.0
    predecessor: tuple[str, int, str] | None = None
    successor: tuple[str, int, str] | None = None
    pose: Pose = (0.0, 0.0, 0.0)
    length_m: float = 0.0
    geometries: list[str] = field(default_factory=list)
    elevation: list[Cubic] = field(default_factory=list)
    offset: list[Cubic] = field(default_factory=list)
    sections: list[tuple[float, list[LaneText]]] = field(default_factory=list)
    signals: list[str] = field(default_factory=list)
    objects: list[str] = field(default_factory=list)

    def line(self, length_m: float) -> RoadText:
        """Straight on."""
        x, y, yaw = self.pose
        return self._add(length_m, tag("line"), (x + length_m * math.cos(yaw), y + length_m * math.sin(yaw), yaw))

    def arc(self, radius_m: float, turn_rad: float) -> RoadText:
        """A turn, left positive, of that radius (positive)."""
        curvature = math.copysign(1.0 / radius_m, turn_rad)
        return self._add(abs(turn_rad) * radius_m, tag("arc", curvature=curvature), self._end(turn_rad, curvature))

    def _end(self, turn: float, curvature: float) -> Pose:
        x, y, yaw = self.pose
        across, along = 2.0 * math.sin(0.5 * turn) ** 2 / curvature, math.sin(turn) / curvature
        return (
            x + along * math.cos(yaw) - across * math.sin(yaw),
            y + along * math.sin(yaw) + across * math.cos(yaw),
            yaw + turn,
        )

    def spiral(self, length_m: float, start: float, end: float) -> RoadText:
        """A clothoid from one curvature (1/m) to another."""
        piece = Piece("spiral", 0.0, *self.pose, length_m, (start, end))
        x, y, yaw, _ = (float(one[0]) for one in along(piece, np.array([length_m])))
        return self._add(length_m, tag("spiral", curvStart=start, curvEnd=end), (x, y, yaw))

    def _add(self, length_m: float, shape: str, end: Pose) -> RoadText:
        x, y, yaw = self.pose
        if length_m > 1e-6:
            self.geometries.append(tag("geometry", shape, s=self.length_m, x=x, y=y, hdg=yaw, length=length_m))
            self.length_m += length_m
            self.pose = end
        return self

    def turn_to(self, end: Pose) -> RoadText:
        """A quarter turn (more or less) to ``end``: one arc, and a line before or after it. Straight on: a line."""
        x, y, yaw = self.pose
        dx, dy = end[0] - x, end[1] - y
        ahead, side = dx * math.cos(yaw) + dy * math.sin(yaw), dy * math.cos(yaw) - dx * math.sin(yaw)
        turn = math.remainder(end[2] - yaw, math.tau)
        if abs(turn) < 1e-9:
            if abs(side) > 1e-6:
                raise ValueError("a straight connection must not shift sideways")
            return self.line(ahead)
        after = side / math.sin(turn)
        before = ahead - after * math.cos(turn)
        tangent = min(before, after)
        self.line(before - tangent)
        self.arc(tangent / math.tan(0.5 * abs(turn)), turn)
        return self.line(after - tangent)

    def text(self) -> str:
        """The element."""
        links = [
            tag(name, elementType=link[0], elementId=str(link[1]), **({"contactPoint": link[2]} if link[2] else {}))
            for name, link in (("predecessor", self.predecessor), ("successor", self.successor))
            if link
        ]
        inner = [tag("link", *links)] if links else []
        if self.limit_kmh is not None:
            inner.append(tag("type", tag("speed", max=self.limit_kmh, unit="km/h"), s=0.0, type=self.kind))
        inner.append(tag("planView", *self.geometries))
        if self.elevation:
            inner.append(tag("elevationProfile", *_cubics("elevation", self.elevation)))
        inner.append(tag("lanes", *_cubics("laneOffset", self.offset), *(self._section(*one) for one in self.sections)))
        if self.objects:
            inner.append(tag("objects", *self.objects))
        if self.signals:
            inner.append(tag("signals", *self.signals))
        text = "\n".join(inner)
        attributes = {"name": self.name} if self.name else {}
        return (
            tag("road", text, **attributes, length=self.length_m, id=str(self.id), junction=str(self.junction)) + "\n"
        )

    def _section(self, s: float, lanes: Sequence[LaneText]) -> str:
        sides = [
            tag(name, *(lane.text() for lane in sorted(chosen, key=lambda lane: -lane.id)))
            for name, chosen in (
                ("left", [lane for lane in lanes if lane.id > 0]),
                ("center", [lane for lane in lanes if lane.id == 0] or [LaneText(0, "none")]),
                ("right", [lane for lane in lanes if lane.id < 0]),
            )
            if chosen
        ]
        return "\n" + tag("laneSection", *sides, s=s)

    def signal(
        self,
        label: int,
        s: float,
        t: float,
        type_: str,
        lanes: tuple[int, int],
        *,
        name: str = "",
        value: float | None = None,
    ) -> None:
        """A signal for the lanes (from, to): it stands on their side."""
        light = type_ == "1000001"
        self.signals.append(
            tag(
                "signal",
                tag("validity", fromLane=str(lanes[0]), toLane=str(lanes[1])),
                id=str(label), s=s, t=t, zOffset=2.6 if light else 2.2, hOffset=0.0, name=name,
                dynamic="yes" if light else "no", orientation="+" if lanes[0] < 0 else "-", country="OpenDRIVE",
                type=type_, subtype="-1", height=0.9, width=0.3,
                **({"value": value, "unit": "km/h"} if value is not None else {}),
            )
        )  # fmt: skip

    def crosswalk(self, label: int, s: float, t: tuple[float, float], width_m: float) -> None:
        """Stripes across the road at ``s``, from t[0] to t[1]."""
        half, side = 0.5 * width_m, 0.5 * (t[1] - t[0])
        corners = [(half, side), (-half, side), (-half, -side), (half, -side)]
        outline = tag("outline", *(tag("cornerLocal", u=u, v=v, z=0.0, height=0.0) for u, v in corners))
        self.objects.append(
            tag("object", outline, id=str(label), type="crosswalk", s=s, t=0.5 * (t[0] + t[1]), zOffset=0.0, hdg=0.0,
                orientation="none")
        )  # fmt: skip


def _cubics(name: str, pieces: Iterable[Cubic]) -> list[str]:
    return [tag(name, s=s, a=a, b=b, c=c, d=d) for s, a, b, c, d in pieces]


@dataclass
class JunctionText:
    """A junction under construction."""

    id: int
    name: str
    connections: list[str] = field(default_factory=list)
    controllers: list[int] = field(default_factory=list)
    priorities: list[tuple[int, int]] = field(default_factory=list)

    def connect(self, incoming: int, connecting: int, lanes: Sequence[tuple[int, int]]) -> None:
        """Lanes (from, to) of an incoming road and the connecting road that begins there."""
        links = [tag("laneLink", from_=str(a), to=str(b)) for a, b in lanes]
        self.connections.append(
            tag("connection", *links, id=str(len(self.connections)), incomingRoad=str(incoming),
                connectingRoad=str(connecting), contactPoint="start")
        )  # fmt: skip

    def text(self) -> str:
        """The element."""
        inner = [
            *self.connections,
            *(tag("priority", high=str(high), low=str(low)) for high, low in self.priorities),
            *(tag("controller", id=str(label), type="0") for label in self.controllers),
        ]
        return tag("junction", "\n".join(inner), id=str(self.id), name=self.name) + "\n"


def controller(label: int, name: str, signals: Iterable[int]) -> str:
    """A group of signals that change together."""
    return tag(
        "controller", *(tag("control", signalId=str(one), type="0") for one in signals), id=str(label), name=name
    )


def document(
    name: str, roads: Iterable[RoadText], junctions: Iterable[JunctionText] = (), controllers: Iterable[str] = ()
) -> str:
    """A whole file."""
    header = tag("header", revMajor="1", revMinor="6", name=name, version="1.00", vendor="skylane")
    parts = [header, "\n", *(road.text() for road in roads), *(f"{one}\n" for one in controllers)]
    parts += [junction.text() for junction in junctions]
    return f'<?xml version="1.0" encoding="UTF-8"?>\n{tag("OpenDRIVE", *parts)}\n'
