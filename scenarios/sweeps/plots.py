"""Hand-made SVG for a sweep's report: shares with intervals over speed, and differences to the baseline.

Decides only how things look; colours follow the page's light or dark setting.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from typing import Any

from pipeline.report.timeline import COLOURS

WIDTH, LEFT, RIGHT = 1100, 54, 16
ROW, TOP, BOTTOM = 26, 26, 30


@dataclass(frozen=True)
class Bar:
    """A value with its interval, in one group (such as a speed) and of one series (such as a variant)."""

    group: str
    series: str
    value: float | None
    low: float | None
    high: float | None
    words: str


def colour(number: int) -> str:
    """Of the nth variant."""
    return str(COLOURS[number % len(COLOURS)])


def key(names: Sequence[str]) -> str:
    """What the colours mean."""
    parts = (f'<i style="background:{colour(i)}"></i>{escape(name)}' for i, name in enumerate(names))
    return f"<p class=key>{''.join(parts)}</p>"


def grouped(bars: Sequence[Bar], *, label: str, top: float, percent: bool = False, height: int = 240) -> str:
    """Bars with whiskers, side by side by series in each group."""
    groups, series = list(dict.fromkeys(b.group for b in bars)), list(dict.fromkeys(b.series for b in bars))
    if not groups:
        return ""

    def y(value: float) -> float:
        return height - BOTTOM - min(value, top) / top * (height - TOP - BOTTOM)

    span = (WIDTH - LEFT - RIGHT) / len(groups)
    thick = min(34.0, 0.78 * span / len(series))
    parts = [_level(y(top * k / 4), _number(top * k / 4, percent)) for k in range(5)]
    for k, group in enumerate(groups):
        parts.append(_text(LEFT + (k + 0.5) * span, height - 10, group, "middle"))
    for bar in bars:
        i = series.index(bar.series)
        x = LEFT + (groups.index(bar.group) + 0.5) * span + (i - 0.5 * len(series)) * thick
        if bar.value is not None:
            parts.append(_bar(bar, x, thick, y, colour(i)))
    parts.append(_text(LEFT, 12, label, "start"))
    return _svg(WIDTH, height, "".join(parts), label)


def intervals(rows: Sequence[tuple[str, Any]], *, label: str) -> str:
    """One line per variant: its difference to the baseline with its interval; left of the line at 0 is less."""
    shown = [(name, one) for name, one in rows if one["value"] is not None]
    if not shown:
        return ""
    limit = max([abs(v) for _, one in shown for v in (one["value"], one["low"], one["high"]) if v is not None] + [1e-9])
    limit = float(limit) * 1.15
    start = 250.0

    def x(value: float) -> float:
        return start + (value / limit + 1.0) / 2.0 * (WIDTH - start - 130.0)

    height = TOP + ROW * len(shown) + BOTTOM
    parts = [f'<path d="M{x(0):.1f},{TOP}V{height - BOTTOM}" stroke="var(--dim)" stroke-dasharray="3 3"/>']
    parts.append(_text(x(0), height - 12, "0", "middle"))
    parts += [_text(x(s * limit / 1.15), height - 12, f"{s * limit / 1.15:+.2g}", "middle") for s in (-1, 1)]
    for k, (name, one) in enumerate(shown):
        parts.append(_interval(name, one, x, TOP + ROW * (k + 0.5)))
    return _svg(WIDTH, height, "".join(parts), label)


def _interval(name: str, one: Any, x: Any, y: float) -> str:
    sure = one["low"] is not None and (one["low"] > 0.0 or one["high"] < 0.0)
    ink = "var(--ink)" if sure else "var(--dim)"
    parts = [_text(240, y + 4, name, "end", ink)]
    if one["low"] is not None:
        parts.append(f'<path d="M{x(one["low"]):.1f},{y}H{x(one["high"]):.1f}" stroke="{ink}" stroke-width="2.4"/>')
    fill = ink if sure else "var(--card)"
    parts.append(f'<circle cx="{x(one["value"]):.1f}" cy="{y}" r="5" fill="{fill}" stroke="{ink}" stroke-width="2"/>')
    parts.append(_text(WIDTH - RIGHT, y + 4, f"{one['value']:+.3g}", "end", ink))
    return "".join(parts)


def _bar(bar: Bar, x: float, thick: float, y: Any, fill: str) -> str:
    assert bar.value is not None
    middle = x + 0.5 * thick
    parts = [
        f'<rect x="{x + 1:.1f}" y="{y(bar.value):.1f}" width="{max(1.0, thick - 2):.1f}" '
        f'height="{max(0.8, y(0.0) - y(bar.value)):.1f}" fill="{fill}" fill-opacity=".8">'
        f"<title>{escape(bar.words)}</title></rect>"
    ]
    if bar.low is not None and bar.high is not None:
        parts.append(
            f'<path d="M{middle:.1f},{y(bar.low):.1f}V{y(bar.high):.1f}M{middle - 4:.1f},{y(bar.low):.1f}h8'
            f'M{middle - 4:.1f},{y(bar.high):.1f}h8" stroke="var(--ink)" stroke-width="1.2" fill="none"/>'
        )
    return "".join(parts)


def _level(y: float, text: str) -> str:
    return f'<path d="M{LEFT},{y:.1f}H{WIDTH - RIGHT}" stroke="var(--line)"/>{_text(LEFT - 8, y + 4, text, "end")}'


def _number(value: float, percent: bool) -> str:
    return f"{100 * value:.0f} %" if percent else f"{value:g}"


def _text(x: float, y: float, text: str, anchor: str, ink: str = "var(--dim)") -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" fill="{ink}" font-size="12">{escape(text)}</text>'


def _svg(width: float, height: float, inside: str, label: str) -> str:
    about = f'role="img" aria-label="{escape(label)}"'
    return f'<svg viewBox="0 0 {width:.0f} {height:.0f}" width="100%" {about}>{inside}</svg>'
