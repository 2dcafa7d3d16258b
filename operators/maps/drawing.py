"""Draws a map from above, as SVG text or as a picture: the ground by material, where lanes lead, signals, a scale."""

from __future__ import annotations

import math
from collections import defaultdict
from dataclasses import dataclass, field

import numpy as np

from operators.maps.lanes import Array, Lane
from operators.maps.roadmap import RoadMap
from operators.maps.surfaces import MATERIALS

COLOURS = {
    "grass": "#dfe7d2",
    "asphalt": "#6b6f76",
    "parking": "#7d828a",
    "cycleway": "#a3685f",
    "pavement": "#d9d4c7",
    "kerb": "#b3ada0",
    "crosswalk": "#f5f5f2",
    "white": "#f5f5f2",
    "yellow": "#f2c14e",
}
GROUND = COLOURS["grass"]
INK = "#2b2f36"
ARROW = "#aeb4be"
SIGNALS = {"light": "#d64545", "stop": "#b3261e", "yield": "#e8a33d", "speed": "#3d6fb4"}
"""What stands beside the road and means something to a driver; other signs are not drawn."""
MARGIN_M = 10.0
ARROW_EVERY_M = 40.0


@dataclass
class Sheet:
    """What is on a drawing, in metres, y up: polygons by colour in order, and words."""

    x_m: float
    y_m: float
    width_m: float
    height_m: float
    layers: list[tuple[str, list[Array]]] = field(default_factory=list)
    words: list[tuple[float, float, float, str]] = field(default_factory=list)
    """x, y, size (m), text; centred."""


def sheet(map_: RoadMap) -> Sheet:
    """The drawing of a map."""
    x_low, y_low, x_high, y_high = map_.bounds
    span = max(x_high - x_low, y_high - y_low)
    margin = max(MARGIN_M, 0.02 * span)
    foot = 0.05 * span + margin
    found = Sheet(x_low - margin, y_low - foot, x_high - x_low + 2.0 * margin, y_high - y_low + margin + foot)
    polygons: dict[str, list[Array]] = defaultdict(list)
    for surface in map_.surfaces():
        polygons[surface.material].append(surface.outline)
    found.layers += [(COLOURS[material], polygons[material]) for material in MATERIALS if polygons[material]]
    found.layers.append(
        (ARROW, [arrow for lane in map_.driving() for arrow in _arrows(lane, max(ARROW_EVERY_M, span / 20.0))])
    )
    for kind, colour in SIGNALS.items():
        chosen = [signal for signal in map_.signals if signal.kind == kind]
        found.layers.append((colour, [_sign(kind, s.x_m, s.y_m, s.yaw_rad, span) for s in chosen]))
    _scale(found, x_low, y_low - 0.5 * foot, span, map_)
    return found


def _arrows(lane: Lane, every_m: float) -> list[Array]:
    """Arrows along a lane; inside junctions too many lanes overlap for any to be read."""
    if lane.junction or lane.length_m < 12.0:
        return []
    count = max(1, int(lane.length_m / every_m))
    found = []
    for i in range(count):
        s = (i + 0.5) * lane.length_m / count
        width = float(np.interp(s, lane.s_m, lane.width_m))
        if width < 2.0:
            continue
        x, y = (float(np.interp(s, lane.s_m, one)) for one in (lane.x_m, lane.y_m))
        yaw = float(np.interp(s, lane.s_m, np.unwrap(lane.yaw_rad)))
        shape = np.array(
            [(1.9, 0.0), (0.4, 0.55), (0.4, 0.16), (-1.9, 0.16), (-1.9, -0.16), (0.4, -0.16), (0.4, -0.55)]
        )
        found.append(placed(shape, x, y, yaw))
    return found


def placed(shape: Array, x_m: float, y_m: float, yaw_rad: float) -> Array:
    """A shape (n, 2), turned and moved."""
    cosine, sine = math.cos(yaw_rad), math.sin(yaw_rad)
    turned: Array = shape @ np.array([[cosine, sine], [-sine, cosine]]) + (x_m, y_m)
    return turned


def _sign(kind: str, x_m: float, y_m: float, yaw_rad: float, span_m: float) -> Array:
    size = float(np.clip(span_m / 450.0, 0.6, 2.0))
    corners, turn = {"yield": (3, math.pi), "stop": (8, math.pi / 8.0), "light": (20, 0.0)}.get(kind, (20, 0.0))
    angles = turn + np.arange(corners) * (2.0 * math.pi / corners)
    return placed(size * np.stack([np.cos(angles), np.sin(angles)], axis=1), x_m, y_m, yaw_rad)


def _scale(found: Sheet, x_m: float, y_m: float, span_m: float, map_: RoadMap) -> None:
    """A bar of a round length, and what the map is, below it."""
    power = 10.0 ** math.floor(math.log10(max(span_m / 5.0, 1.0)))
    length = max(step * power for step in (1.0, 2.0, 5.0) if step * power <= max(span_m / 5.0, 1.0))
    thick, size = 0.004 * span_m, 0.016 * span_m
    for i in range(4):
        a, b = x_m + 0.25 * i * length, x_m + 0.25 * (i + 1) * length
        bar = np.array([(a, y_m), (b, y_m), (b, y_m + thick), (a, y_m + thick)])
        found.layers.append((INK if i % 2 == 0 else "#ffffff", [bar]))
    driving = sum(lane.kind == "driving" for lane in map_.lanes.values())
    found.words.append((x_m + length + 2.0 * size, y_m + 0.5 * thick - 0.35 * size, size, f"{length:g} m"))
    about = f"{map_.name}: {map_.length_km:.1f} km, {driving} lanes for cars, {len(map_.junctions)} junctions"
    found.words.append((x_m + length + 2.0 * size + 5.0 * size, y_m + 0.5 * thick - 0.35 * size, size, about))


def svg(map_: RoadMap) -> str:
    """The drawing as an SVG document; one unit is a metre."""
    drawn = sheet(map_)
    top = drawn.y_m + drawn.height_m
    lines = [
        '<?xml version="1.0" encoding="UTF-8"?>',
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {drawn.width_m:.2f} {drawn.height_m:.2f}"'
        f' width="{min(1600.0, 1600.0 * drawn.width_m / drawn.height_m):.0f}">',
        f"<title>{escaped(map_.name)}</title>",
        f'<rect width="100%" height="100%" fill="{GROUND}"/>',
    ]
    for colour, polygons in drawn.layers:
        path = "".join(_path(polygon, drawn.x_m, top) for polygon in polygons)
        if path:
            lines.append(f'<path fill="{colour}" stroke="{colour}" stroke-width="0.02" d="{path}"/>')
    for x, y, size, text in drawn.words:
        lines.append(
            f'<text x="{x - drawn.x_m:.2f}" y="{top - y:.2f}" font-size="{size:.2f}" font-family="sans-serif"'
            f' fill="{INK}">{escaped(text)}</text>'
        )
    return "\n".join([*lines, "</svg>", ""])


def escaped(text: str) -> str:
    """Text that may stand in XML."""
    kept = "".join(letter for letter in text if letter.isprintable())
    return kept.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def _path(polygon: Array, x_m: float, top_m: float) -> str:
    points = np.round(np.stack([polygon[:, 0] - x_m, top_m - polygon[:, 1]], axis=1), 2)
    moved = np.concatenate(([True], (np.diff(points, axis=0) != 0.0).any(axis=1)))
    return "M" + "L".join(f"{x:g} {y:g}" for x, y in points[moved]) + "Z"


def picture(map_: RoadMap, pixels: int = 1600) -> bytes:
    """The drawing as a PNG, ``pixels`` on its longer side. Raises MissingExtra without OpenCV."""
    try:
        import cv2
    except ModuleNotFoundError:
        from pipeline.errors import MissingExtra

        raise MissingExtra(
            "a PNG needs cv2, which is not installed", hint="pip install 'skylane[world]', or -o map.svg"
        ) from None
    drawn = sheet(map_)
    scale = pixels / max(drawn.width_m, drawn.height_m)
    top = drawn.y_m + drawn.height_m
    size = (max(1, math.ceil(drawn.height_m * scale)), max(1, math.ceil(drawn.width_m * scale)))
    # Filled at twice the size and averaged: thin paint stays visible.
    image = np.empty((2 * size[0], 2 * size[1], 3), dtype=np.uint8)
    image[:] = _bgr(GROUND)
    for colour, polygons in drawn.layers:
        for polygon in polygons:
            points = np.stack([polygon[:, 0] - drawn.x_m, top - polygon[:, 1]], axis=1) * (2.0 * scale)
            cv2.fillPoly(image, [np.round(points * 16.0).astype(np.int32)], _bgr(colour), cv2.LINE_AA, 4)
    small = cv2.resize(image, size[::-1], interpolation=cv2.INTER_AREA)
    for x, y, height, text in drawn.words:
        place = (int((x - drawn.x_m) * scale), int((top - y) * scale))
        cv2.putText(small, text, place, cv2.FONT_HERSHEY_SIMPLEX, height * scale / 30.0, _bgr(INK), 1, cv2.LINE_AA)
    done, data = cv2.imencode(".png", small)
    assert done
    return bytes(data)


def _bgr(colour: str) -> tuple[int, int, int]:
    return int(colour[5:7], 16), int(colour[3:5], 16), int(colour[1:3], 16)
