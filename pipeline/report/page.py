"""The self-contained report.html: opens offline, light and dark, with a timeline to zoom into."""

from __future__ import annotations

import json
import platform
from html import escape
from importlib.resources import files
from typing import Any

from pipeline.report.panels import Panel, RunData, table
from pipeline.report.timeline import COLOURS, timeline

DASH = "–"


def page(title: str, runs: list[RunData], panels: list[Panel]) -> str:
    """The whole page as text."""
    assets = files("pipeline.report")
    parts = sorted([*own_panels(runs), *panels], key=lambda panel: panel.order)
    sections = "".join(f"<section><h2>{escape(panel.title)}</h2>{panel.html}</section>" for panel in parts)
    data = {"colours": COLOURS, "runs": [timeline(run) for run in runs]}
    return (
        (assets / "template.html")
        .read_text(encoding="utf-8")
        .replace("{{title}}", escape(title))
        .replace("{{style}}", (assets / "style.css").read_text(encoding="utf-8"))
        .replace("{{sections}}", sections)
        .replace("{{data}}", json.dumps(data, separators=(",", ":")).replace("</", "<\\/"))
        .replace("{{script}}", (assets / "script.js").read_text(encoding="utf-8"))
    )


def own_panels(runs: list[RunData]) -> list[Panel]:
    """What can be said about any graph."""
    return [
        Panel("Outcome", headline(runs), 0),
        Panel("Timeline", TIMELINE, 30),
        Panel("Response time against budget", LATENCY, 40),
        Panel("Who answered", winners(runs), 45),
        Panel("What was not used, and why", drops(runs), 60),
        Panel("Graph", graph_drawing(runs), 70),
        Panel("Records", records(runs), 80),
    ]


TIMELINE = """<p class=hint>One lane per operator, one bar per timestamp, coloured by the candidate or the work it did.
Red marks are deadline misses, grey ticks dropped timestamps. Wheel to zoom, drag to move, hover for details.</p>
<div id=timelines></div>"""
LATENCY = """<p class=hint>Each dot is one answer: from the sensor's time stamp to its commit. The line is the budget in
force.</p><div id=latencies></div>"""


def headline(runs: list[RunData]) -> str:
    """The table of outcomes: what the car did and what the deadlines did."""
    rows: list[list[object]] = []
    for run in runs:
        result = run.result
        hit = result.get("collided")
        rows.append(
            [
                run.name,
                DASH
                if hit is None
                else f"hit a {result.get('collided_with') or 'road user'}"
                if hit
                else "no collision",
                f"{result['impact_speed_mps']:.1f} m/s" if hit else DASH,
                _number(result.get("min_gap_m"), "m"),
                _number(result.get("latency_ms_p50"), "ms", 0),
                _number(result.get("latency_ms_p99"), "ms", 0),
                result.get("deadline_misses", DASH),
                _winners_text(result),
                str(result.get("output_hash", DASH))[:8],
            ]
        )
    head = ["variant", "outcome", "impact", "smallest gap", "p50", "p99", "misses", "answered by", "outputs"]
    return table(head, rows, numbers_from=2)


def winners(runs: list[RunData]) -> str:
    """Bars of who won how often, per raced operator."""
    rows = []
    for run in runs:
        for operator, counts in run.result.get("winners", {}).items():
            total = sum(counts.values())
            bars = "".join(
                f'<span style="width:{100 * n / total:.1f}%;background:{COLOURS[i % len(COLOURS)]}" '
                f'title="{escape(name)}: {n}">{escape(name)} {n}</span>'
                for i, (name, n) in enumerate(sorted(counts.items(), key=lambda item: -item[1]))
            )
            rows.append(f"<tr><td>{escape(run.name)}<td>{escape(operator)}<td class=bars><div>{bars}</div></tr>")
    if not rows:
        return "<p class=hint>Every operator answered by itself: no candidates, no handlers.</p>"
    return f"<table class=full>{''.join(rows)}</table>"


def drops(runs: list[RunData]) -> str:
    """Dropped messages by reason."""
    reasons = sorted({reason for run in runs for reason in run.result.get("dropped", {})})
    rows: list[list[object]] = [[run.name, *(run.result.get("dropped", {}).get(r, 0) for r in reasons)] for run in runs]
    return table(["variant", *reasons], rows)


def graph_drawing(runs: list[RunData]) -> str:
    """The graph of the last variant, which has the most in it."""
    drawing = runs[-1].folder / "graph.svg"
    return f"<div class=wide>{drawing.read_text(encoding='utf-8')}</div>" if drawing.exists() else ""


def records(runs: list[RunData]) -> str:
    """Hashes, seeds, versions, and the launch file as it was run."""
    rows: list[list[object]] = [
        [run.name, run.result.get("seed", DASH), run.result.get("engine", DASH), run.log.metadata.get("hash", DASH)]
        for run in runs
    ]
    about = {k: v for k, v in runs[0].log.metadata.items() if k not in ("hash", "output_hash", "events", "seed")}
    versions = ", ".join(f"{escape(k)} {escape(v)}" for k, v in about.items())
    launch = "".join(
        f"<details><summary>launch file of {escape(run.name)}</summary><pre>{escape(run.log.launch)}</pre></details>"
        for run in runs
    )
    machine = escape(f"{platform.machine()}, {platform.system()} {platform.release()}")
    return f"{table(['variant', 'seed', 'engine', 'hash'], rows)}<p class=hint>{versions}. {machine}.</p>{launch}"


def _outcome(result: dict[str, Any]) -> str:
    if result.get("collided") is None:
        return DASH
    return f"hit a {result.get('collided_with') or 'road user'}" if result["collided"] else "no collision"


def _winners_text(result: dict[str, Any]) -> str:
    found = [
        f"{operator}: " + ", ".join(f"{name} {n}" for name, n in sorted(row.items(), key=lambda item: -item[1]))
        for operator, row in result.get("winners", {}).items()
    ]
    return "; ".join(found) or DASH


def _number(value: float | None, unit: str, digits: int = 2) -> str:
    return DASH if value is None else f"{value:.{digits}f} {unit}"
