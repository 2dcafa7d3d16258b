"""The report's hand-made SVG: curves over time for all variants, and the view from above. Colours follow the page."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from html import escape
from math import ceil, degrees, hypot

import numpy as np

from operators.geometry.cameras import map_to_ego
from operators.messages import EgoSize
from pipeline.report.timeline import COLOURS
from scenarios.report.drive import FRONT_M, SECOND, SIDE_MARGIN_M, Believed, Drive

WIDTH, HEIGHT = 1100, 230
LEFT, RIGHT, TOP, BOTTOM = 46, 16, 12, 26
PX_PER_M = 11.0
BEHIND_M, AHEAD_M, SIDE_M = 7.0, 45.0, 8.5
SHAPES = {
    "seen": "M-5,0a5,5 0 1,0 10,0a5,5 0 1,0 -10,0z",
    "brakes": "M0,-6L6,5L-6,5z",
    "stands": "M-5,-5h10v10h-10z",
    "hit": "M-6,-6L6,6M-6,6L6,-6",
}
"""Marks on the curves, in pixels around their point."""
FILLS = {"seen": "var(--card)", "hit": "none"}
"""Of marks that do not have their curve's colour inside."""


Point = tuple[float, float]
Scale = Callable[[float], float]
Place = Callable[[list[Point]], list[Point]]
"""Map coordinates to the drawing's."""


@dataclass(frozen=True)
class Mark:
    """Something that happened on a curve."""

    kind: str
    at_ns: int
    value: float


@dataclass(frozen=True)
class Curve:
    """One variant's values: (run time, value), None where there is none; and its marks."""

    name: str
    points: list[tuple[int, float | None]]
    marks: list[Mark]


def plot(curves: list[Curve], *, label: str, span_ns: tuple[int, int], top: float) -> str:
    """Curves over the run times in ``span_ns`` and values from 0 to ``top``, as SVG; what is outside is left out."""
    start, end = span_ns

    def x(at_ns: float) -> float:
        return LEFT + (at_ns - start) / max(1, end - start) * (WIDTH - LEFT - RIGHT)

    def y(value: float) -> float:
        return HEIGHT - BOTTOM - min(value, top) / top * (HEIGHT - TOP - BOTTOM)

    parts = [_grid(x, y, span_ns, top, label)]
    for i, curve in enumerate(curves):
        colour = COLOURS[i % len(COLOURS)]
        path = "".join(
            _segments([(x(at), None if value is None else y(value)) for at, value in curve.points if at >= start])
        )
        parts.append(f'<path d="{path}" fill="none" stroke="{colour}" stroke-width="2.2" stroke-linejoin="round"/>')
    for i, curve in enumerate(curves):
        parts += [
            _mark(mark, x(mark.at_ns), y(mark.value), COLOURS[i % len(COLOURS)], curve.name) for mark in curve.marks
        ]
    return _svg(WIDTH, HEIGHT, "".join(parts), f"{label} over time")


def key(names: list[str], marks: dict[str, str]) -> str:
    """What the colours and the marks mean; ``marks``: kind → words."""
    colours = "".join(
        f'<i style="background:{COLOURS[i % len(COLOURS)]}"></i>{escape(name)}' for i, name in enumerate(names)
    )
    shapes = "".join(
        f'<svg width="14" height="14" viewBox="-8 -8 16 16" style="margin:0 5px -2px 16px">'
        f'<path d="{SHAPES[kind]}" fill="{FILLS.get(kind, "var(--dim)")}" stroke="var(--dim)" '
        f'stroke-width="2"/></svg>{escape(words)}'
        for kind, words in marks.items()
    )
    return f"<p class=key>{colours}{shapes}</p>"


def top_view(drive: Drive, now_ns: int) -> str:
    """The road from above around the car as it knew it at a time: driving to the right, SVG."""
    now = min(now_ns, drive.end_ns)
    ego, known, gap = drive.ego(now), drive.known(now), drive.gap(now)
    size = EgoSize()

    def place(points: list[Point]) -> list[Point]:
        local = map_to_ego(ego, np.array(points, float).reshape(-1, 2))
        return [((BEHIND_M + float(a)) * PX_PER_M, (SIDE_M - float(b)) * PX_PER_M) for a, b in local]

    parts = [_lane(drive, place, size.width_m + 2.0 * SIDE_MARGIN_M)]
    plan = drive.trajectories.newest(now)
    if plan is not None and len(plan.value["x_m"]) > 1:
        line = place(list(zip(plan.value["x_m"], plan.value["y_m"], strict=True)))
        parts.append(
            f'<path d="{"".join(_segments(line))}" fill="none" stroke="{COLOURS[1]}" stroke-opacity=".55" '
            f'stroke-width="{size.width_m * PX_PER_M:.1f}"/>'
        )
    for who in known.items if known else ():
        parts.append(_outline(who, place, ego.yaw_rad, gap is not None and who.track_id == gap.who.track_id))
    x, width = (BEHIND_M - size.rear_overhang_m) * PX_PER_M, size.width_m * PX_PER_M
    parts.append(
        f'<rect x="{x:.1f}" y="{SIDE_M * PX_PER_M - width / 2:.1f}" width="{size.length_m * PX_PER_M:.1f}" '
        f'height="{width:.1f}" rx="6" fill="{COLOURS[0]}"/>'
    )
    if gap is not None:
        parts.append(_measure(gap.distance_m))
    return _svg((BEHIND_M + AHEAD_M) * PX_PER_M, 2 * SIDE_M * PX_PER_M, "".join(parts), f"{drive.name} from above")


def _grid(x: Scale, y: Scale, span_ns: tuple[int, int], top: float, label: str) -> str:
    step = next(step for step in (1, 2, 5, 10, 20, 50, 100, 1e9) if top / step <= 6)
    lines = []
    for k in range(int(top / step) + 1):
        height = y(k * step)
        lines.append(f'<path d="M{LEFT},{height:.1f}H{WIDTH - RIGHT}" stroke="var(--line)"/>')
        lines.append(_text(LEFT - 8, height + 4, f"{k * step:g}", "end"))
    first, last = span_ns[0] / SECOND, span_ns[1] / SECOND
    every = next(step for step in (0.5, 1, 2, 5, 10, 30, 60, 600, 1e9) if (last - first) / step <= 12)
    for k in range(ceil(first / every), int(last / every) + 1):
        lines.append(_text(x(k * every * SECOND), HEIGHT - 8, f"{k * every:g} s", "middle"))
    lines.append(_text(LEFT + 6, TOP + 10, label, "start"))
    return "".join(lines)


def _text(x: float, y: float, text: str, anchor: str, colour: str = "var(--dim)") -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" fill="{colour}" font-size="12">{escape(text)}</text>'


def _segments(points: Sequence[tuple[float, float | None]]) -> list[str]:
    """Path commands; a None interrupts the line."""
    commands, pen = [], False
    for x, y in points:
        if y is not None:
            commands.append(f"{'L' if pen else 'M'}{x:.1f},{y:.1f}")
        pen = y is not None
    return commands


def _mark(mark: Mark, x: float, y: float, colour: str, name: str) -> str:
    fill = FILLS.get(mark.kind, colour)
    stroke = "var(--miss)" if mark.kind == "hit" else colour
    return (
        f'<path transform="translate({x:.1f},{y:.1f})" d="{SHAPES[mark.kind]}" fill="{fill}" stroke="{stroke}" '
        f'stroke-width="{3 if mark.kind == "hit" else 2}"><title>{escape(name)}: {mark.kind}, '
        f"{mark.at_ns / SECOND:.2f} s</title></path>"
    )


def _lane(drive: Drive, place: Place, width_m: float) -> str:
    if drive.route is None:
        return ""
    line = place(list(zip(drive.route.x_m, drive.route.y_m, strict=True)))
    near = [(a, b) for a, b in line if -40 <= a <= (BEHIND_M + AHEAD_M) * PX_PER_M + 40]
    return (
        f'<path d="{"".join(_segments(near))}" fill="none" stroke="var(--line)" stroke-opacity=".6" '
        f'stroke-width="{width_m * PX_PER_M:.1f}"/>'
    )


def _outline(who: Believed, place: Place, ego_yaw_rad: float, in_way: bool) -> str:
    (x, y) = place([(who.x_m, who.y_m)])[0]
    if not -60 < x < (BEHIND_M + AHEAD_M) * PX_PER_M + 60:
        return ""
    colour = "var(--miss)" if in_way else "var(--dim)"
    path = ""
    if len(who.path_m) and hypot(*(who.path_m[-1] - who.path_m[0])) > 0.5:
        ahead = [(x, y), *place([(float(a), float(b)) for a, b in who.path_m])]
        path = (
            f'<path d="{"".join(_segments(ahead))}" fill="none" stroke="{colour}" stroke-width="1.6" '
            'stroke-dasharray="2 4"/>'
        )
    if who.label == "pedestrian":
        return f'{path}<circle cx="{x:.1f}" cy="{y:.1f}" r="5.5" fill="{colour}"/>'
    length, width = who.length_m * PX_PER_M, who.width_m * PX_PER_M
    turn = -degrees(who.yaw_rad - ego_yaw_rad)
    return (
        f'{path}<rect x="{-length / 2:.1f}" y="{-width / 2:.1f}" width="{length:.1f}" height="{width:.1f}" rx="4" '
        f'transform="translate({x:.1f},{y:.1f}) rotate({turn:.1f})" fill="{colour}" fill-opacity=".25" '
        f'stroke="{colour}"/>'
    )


def _measure(gap_m: float) -> str:
    """The gap as a dimension line before the bumper."""
    x0, x1, y = (BEHIND_M + FRONT_M) * PX_PER_M, (BEHIND_M + FRONT_M + gap_m) * PX_PER_M, SIDE_M * PX_PER_M
    line = f'<path d="M{x0:.1f},{y:.1f}H{x1:.1f}M{x1:.1f},{y - 7:.1f}v14" stroke="currentColor" stroke-width="1.4"/>'
    return line + _text((x0 + x1) / 2, y - 6, f"{gap_m:.1f} m", "middle", "currentColor")


def _svg(width: float, height: float, inside: str, label: str) -> str:
    return (
        f'<svg viewBox="0 0 {ceil(width)} {ceil(height)}" width="100%" role="img" aria-label="{escape(label)}">'
        f"{inside}</svg>"
    )
