"""The self-contained report.html: opens offline, light and dark, with a timeline to zoom into."""

from __future__ import annotations

import json
import platform
import re
from html import escape
from importlib.resources import files
from typing import Any

from pipeline.events import FAULTS
from pipeline.report.panels import Panel, RunData, table
from pipeline.report.timeline import COLOURS, timelines

DASH = "–"


def page(title: str, runs: list[RunData], panels: list[Panel]) -> str:
    """The whole page as text; it asks for nothing from outside."""
    assets = files("pipeline.report")
    plotted = timelines(runs)
    parts = sorted([*own_panels(runs, plotted), *panels], key=lambda panel: panel.order)
    data = {"colours": COLOURS, "runs": plotted}
    fields = {
        "title": escape(title),
        "style": (assets / "style.css").read_text(encoding="utf-8"),
        "sections": "".join(f"<section><h2>{escape(part.title)}</h2>{part.html}</section>" for part in parts),
        # Neither "</script" nor "<!--" may stand in a script, whatever a launch file or a reason says.
        "data": json.dumps(data, separators=(",", ":")).replace("<", "\\u003c"),
        "script": (assets / "script.js").read_text(encoding="utf-8"),
    }
    template = (assets / "template.html").read_text(encoding="utf-8")
    # In one pass: what is put in is never searched for fields.
    return re.sub(r"\{\{(\w+)\}\}", lambda match: fields[match[1]], template)


def own_panels(runs: list[RunData], plotted: list[dict[str, Any]]) -> list[Panel]:
    """What can be said about any graph. ``plotted``: what ``timelines`` says of the runs."""
    cut = max((row["cut"] for row in plotted), default=0.0)
    faulty = any(run.result.get("faults") for run in runs)
    note = f"<p class=hint>Long runs: only what happened after {cut / 1e3:.1f} s is drawn.</p>" if cut else ""
    return [
        Panel("Outcome", headline(runs), 0),
        *([Panel("Health", health(runs), 20)] if faulty else []),
        Panel("Timeline", TIMELINE + note, 30),
        Panel("Response time against budget", LATENCY, 40),
        Panel("Who answered", winners(runs), 45),
        Panel("What was not used, and why", drops(runs), 60),
        Panel("Graph", graph_drawing(runs), 70),
        Panel("Records", records(runs), 80),
    ]


TIMELINE = """<p class=hint>One lane per operator, one bar per timestamp, coloured by the candidate or the work it did.
Pale bars were stopped before they were done. Red marks are deadline misses, grey ticks dropped timestamps.
Wheel to zoom, drag to move, double click to see all, hover for details.</p>
<div id=timelines></div>"""
LATENCY = """<p class=hint>Each dot is one answer: from the sensor's time stamp to its commit. The line is the
limit that held for it: the budget in force when its data came in.</p>
<div id=latencies></div>"""

NOT_USED = {
    "blocked": "the reader's full queue held its writer back",
    "closed": "still waiting when the run ended",
    "gap": "overwritten in shared memory before the reader took it",
    "join_window": "too many timestamps were waiting for their other inputs",
    "late": "its timestamp was over before it could begin",
    "no_partner": "another input had nothing for its timestamp; ordinary where streams have different rates",
    "overload": "the operator was busy and something newer came",
    "stale": "older than the reader accepts",
    "superseded": "a newer message took its place before anybody looked; ordinary for sampled inputs",
}
"""What the reasons of dropped messages mean."""


def headline(runs: list[RunData]) -> str:
    """The table of outcomes: what the car did and what the deadlines did."""
    head = ["variant", "outcome", "impact", "smallest gap", "p50", "p99", "misses", "answered by", "outputs"]
    left = (0, 1, 7)
    rows = []
    for run in runs:
        result = run.result
        bound = result.get("execution") not in ("periodic", "data-driven")
        cells = [
            escape(run.name),
            _outcome(result),
            _number(result.get("impact_speed_mps"), "m/s", 1) if result.get("collided") else DASH,
            _number(result.get("min_gap_m"), "m"),
            _number(result.get("latency_ms_p50"), "ms", 0),
            _number(result.get("latency_ms_p99"), "ms", 0),
            str(result.get("deadline_misses", DASH)) if bound else "no deadlines",
            escape(_winners_text(result)),
            escape(str(result.get("output_hash", DASH))[:8]),
        ]
        rows.append("".join(f"<td{'' if i in left else ' class=num'}>{cell}</td>" for i, cell in enumerate(cells)))
    titles = "".join(f"<th{'' if i in left else ' class=num'}>{name}</th>" for i, name in enumerate(head))
    body = "".join(f"<tr>{row}</tr>" for row in rows)
    return f"<div class=wide><table><thead><tr>{titles}</tr></thead><tbody>{body}</tbody></table></div>"


def winners(runs: list[RunData]) -> str:
    """Bars of who won how often, per raced operator; a candidate has one colour in all of them."""
    counted = [
        (run.name, operator, counts)
        for run in runs
        for operator, counts in run.result.get("winners", {}).items()
        if sum(counts.values())
    ]
    names = sorted({name for _, _, counts in counted for name in counts}, key=lambda name: (name != "local", name))
    rows = []
    for run_name, operator, counts in counted:
        total = sum(counts.values())
        bars = "".join(
            f'<span style="width:{100 * n / total:.1f}%;{_paint(names.index(name))}" title="{escape(name)}: {n}">'
            f"{escape(name)} {n}</span>"
            for name, n in sorted(counts.items(), key=lambda item: names.index(item[0]))
        )
        rows.append(f"<tr><td>{escape(run_name)}<td>{escape(operator)}<td class=bars><div>{bars}</div></tr>")
    if not rows:
        return "<p class=hint>Every operator answered by itself: no candidates, no handlers.</p>"
    return f"<table class=full>{''.join(rows)}</table>"


def drops(runs: list[RunData]) -> str:
    """Dropped messages by reason, and what the reasons mean."""
    reasons = sorted({reason for run in runs for reason in run.result.get("dropped", {})})
    if not reasons:
        return "<p class=hint>Every message was used.</p>"
    rows: list[list[object]] = [[run.name, *(run.result.get("dropped", {}).get(r, 0) for r in reasons)] for run in runs]
    meanings = [f"<b>{escape(reason)}</b>: {NOT_USED[reason]}" for reason in reasons if reason in NOT_USED]
    return f"{table(['variant', *reasons], rows)}<p class=hint>{'.<br>'.join(meanings)}.</p>"


def health(runs: list[RunData]) -> str:
    """What went wrong with operators and processes, and how often processes were started again."""
    rows: list[list[object]] = []
    kinds: set[str] = set()
    for run in runs:
        for fault in run.result.get("faults", []):
            where = fault["operator"] or fault["process"] or "the run"
            over = _number(fault["recovered_s"], "s")
            times = [_number(fault["at_s"], "s"), over, fault["count"]]
            rows.append([run.name, where, fault["kind"].replace("_", " "), fault["reason"], *times])
            kinds.add(fault["kind"])
    restarts = [
        f"{run.name}: {name} {process['restarts']}"
        for run in runs
        for name, process in run.result.get("processes", {}).items()
        if process["restarts"]
    ]
    meanings = [f"<b>{escape(kind.replace('_', ' '))}</b>: {FAULTS[kind]}" for kind in sorted(kinds) if kind in FAULTS]
    notes = [*meanings, *([f"processes started again: {escape(', '.join(restarts))}"] if restarts else [])]
    head = ["variant", "where", "fault", "why", "at", "recovered", "times"]
    return f"{table(head, rows, numbers_from=4)}<p class=hint>{'.<br>'.join(notes)}.</p>"


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
    hashes = table(["variant", "seed", "engine", "hash"], rows)
    return f"{hashes}<p class=hint>{versions}. Page written on {machine}.</p>{launch}"


def _paint(index: int) -> str:
    """Background and text colour of the nth name; dark text on light colours."""
    colour = COLOURS[index % len(COLOURS)]
    red, green, blue = (int(colour[i : i + 2], 16) for i in (1, 3, 5))
    ink = "#fff" if 0.299 * red + 0.587 * green + 0.114 * blue < 140 else "#1b1f24"
    return f"background:{colour};color:{ink}"


def _outcome(result: dict[str, Any]) -> str:
    """What the car did, as HTML."""
    if result.get("collided") is None:
        return DASH
    if not result["collided"]:
        return "no collision"
    hit = escape(f"hit a {result.get('collided_with') or 'road user'}")
    return f'<b style="color:var(--miss)">{hit}</b>'


def _winners_text(result: dict[str, Any]) -> str:
    found = [
        f"{operator}: " + ", ".join(f"{name} {n}" for name, n in sorted(row.items(), key=lambda item: -item[1]))
        for operator, row in result.get("winners", {}).items()
    ]
    return "; ".join(found) or DASH


def _number(value: float | None, unit: str, digits: int = 2) -> str:
    return DASH if value is None else f"{value:.{digits}f} {unit}"
