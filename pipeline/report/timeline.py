"""The data behind the report's plots: what each operator did when, and how long answers took against their budget."""

from __future__ import annotations

from typing import Any

from pipeline import events as ev
from pipeline.report.panels import RunData

COLOURS = ("#4477aa", "#228833", "#aa3377", "#ccbb44", "#66ccee", "#ee6677")
"""Paul Tol's bright palette: told apart by people with any kind of colour vision."""

QUIET = ("superseded", "closed", "no_partner")
"""Drops that are a join's ordinary business; the others are marked in the timeline."""


def timeline(run: RunData) -> dict[str, Any]:
    """Slices, marks and budgets of a run, times in milliseconds, for the script in the page."""
    lanes: dict[str, int] = {}
    kinds: dict[str, int] = {}
    slices, marks, budgets = [], [], []
    for event in run.log.events():
        if isinstance(event, ev.Finished):
            kind = event.candidate if event.candidate != "local" else event.work or "local"
            lane = lanes.setdefault(event.operator, len(lanes))
            if event.at > event.started:
                slices.append(
                    [
                        lane,
                        kinds.setdefault(kind, len(kinds)),
                        _ms(event.started),
                        _ms(event.at),
                        _ms(event.t),
                        event.outcome,
                    ]
                )
        elif isinstance(event, ev.Missed):
            marks.append([lanes.setdefault(event.operator, len(lanes)), "miss", _ms(event.at), _ms(event.t)])
        elif isinstance(event, ev.Dropped) and event.reason not in QUIET:
            marks.append([lanes.setdefault(event.operator, len(lanes)), event.reason, _ms(event.at), _ms(event.t)])
        elif isinstance(event, ev.BudgetSet):
            budgets.append([_ms(event.at), _ms(event.within), event.reason])
    busy = {row[0] for row in slices} | {mark[0] for mark in marks if mark[1] == "miss"}
    return {
        "name": run.name,
        "lanes": [name for name in lanes],
        "shown": sorted(busy),
        "kinds": list(kinds),
        "slices": slices,
        "marks": [mark for mark in marks if mark[0] in busy],
        "budgets": budgets,
        "answers": _answers(run),
        "end": run.result.get("duration_s", 0) * 1e3,
    }


def _answers(run: RunData) -> list[list[Any]]:
    """[commit time, latency, winner, quality] of every answer on the stream that ends the run's response time."""
    stream = run.result.get("response", "")
    if not stream:
        return []
    return [[_ms(m.at), _ms(m.at - m.origin), m.winner, m.quality] for m in run.log.messages(stream)]


def _ms(nanoseconds: int) -> float:
    return round(nanoseconds / 1e6, 3)
