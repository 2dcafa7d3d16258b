"""The data behind the report's plots: what each operator did when, and how long answers took against their limits."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import yaml

from pipeline import events as ev
from pipeline.report.panels import RunData

COLOURS = ("#4477aa", "#228833", "#aa3377", "#ccbb44", "#66ccee", "#ee6677")
"""Paul Tol's bright palette: told apart by people with any kind of colour vision."""

QUIET = ("superseded", "closed", "no_partner")
"""Drops that are a join's ordinary business; the others are marked in the timeline."""

SLICES_MAX = 24_000
"""Per run, so that the page opens at once: a longer run shows its last part, and the page says from when on."""


def timelines(runs: Sequence[RunData]) -> list[dict[str, Any]]:
    """Slices, marks, limits and answers of the runs, times in milliseconds, for the script in the page.

    ``kinds``, the candidates and works, are the same list for all runs, so that they have one colour throughout; the
    first ``rivals`` of them are those that share an operator with another one.
    """
    logs = [list(run.log.events()) for run in runs]
    done: dict[str, set[str]] = {}
    """operator → its kinds, over all runs"""
    for event in (event for log in logs for event in log):
        if isinstance(event, ev.Finished) and event.at > event.started:
            done.setdefault(event.operator, set()).add(_kind(event))
    rivals = sorted({kind for kinds in done.values() if len(kinds) > 1 for kind in kinds})
    kinds = rivals + sorted({kind for row in done.values() for kind in row} - set(rivals))
    return [
        {**_timeline(run, log, {kind: i for i, kind in enumerate(kinds)}), "kinds": kinds, "rivals": len(rivals)}
        for run, log in zip(runs, logs, strict=True)
    ]


def _timeline(run: RunData, events: list[ev.Event], kinds: dict[str, int]) -> dict[str, Any]:
    lanes = _lanes(run, events)
    slices: list[list[Any]] = []
    marks: list[list[Any]] = []
    limits: list[list[Any]] = []
    for event in events:
        lane = lanes.get(event.operator, 0)
        if isinstance(event, ev.Finished) and event.at > event.started:
            times = [_ms(event.started), _ms(event.at), _ms(event.t)]
            slices.append([lane, kinds[_kind(event)], *times, event.outcome])
        elif isinstance(event, ev.Missed):
            marks.append([lane, "miss", _ms(event.at), _ms(event.t)])
        elif isinstance(event, ev.Fault) and event.operator:
            marks.append([lane, event.kind, _ms(event.at), _ms(event.t)])
        elif isinstance(event, ev.Dropped) and event.reason not in QUIET:
            marks.append([lane, event.reason, _ms(event.at), _ms(event.t)])
        elif isinstance(event, ev.Armed):
            limits.append([lane, _ms(event.at), _ms(event.expires), event.deadline])
    busy = {row[0] for row in slices} | {mark[0] for mark in marks if mark[1] == "miss"}
    slices.sort(key=lambda row: row[3])
    cut = slices[-SLICES_MAX - 1][3] if len(slices) > SLICES_MAX else 0.0
    return {
        "name": run.name,
        "lanes": list(lanes),
        "shown": sorted(busy),
        "slices": slices[-SLICES_MAX:],
        "marks": [mark for mark in marks if mark[0] in busy and mark[2] >= cut],
        "limits": [row for row in limits if row[0] in busy and row[2] >= cut],
        "cut": cut,
        "budgets": _limits(run, events),
        "answers": _answers(run),
        "end": max(run.result.get("duration_s", 0) * 1e3, max((_ms(event.at) for event in events), default=0.0)),
    }


def _lanes(run: RunData, events: Iterable[ev.Event]) -> dict[str, int]:
    """Operators as the launch file lists them; others behind them, in the order in which they come up."""
    try:
        named = list((yaml.safe_load(run.log.launch) or {})["operators"])
    except (yaml.YAMLError, KeyError, TypeError):  # a run that was not started from a launch file
        named = []
    seen = list(dict.fromkeys(event.operator for event in events if event.operator))
    order = [name for name in named if name in seen] + [name for name in seen if name not in named]
    return {name: i for i, name in enumerate(order)}


def _answers(run: RunData) -> list[list[Any]]:
    """[commit time, latency, winner, quality] of every answer on the stream that ends the run's response time."""
    stream = run.result.get("response", "")
    if not stream:
        return []
    return [[_ms(m.at), _ms(m.at - m.origin), m.winner, m.quality] for m in run.log.messages(stream)]


def _limits(run: RunData, events: Iterable[ev.Event]) -> list[list[Any]]:
    """[from, limit, why] of each answer's own limit; it holds from the answer before it up to this one's commit.

    A budget counts for the timestamps that start after it was set. Drawn at the time at which the policy wrote it, it
    would stand over answers that it never applied to.
    """
    stream = run.result.get("response", "")
    if not stream:
        return []
    operator = stream.rpartition(".")[0]
    expires: dict[int, ev.Armed] = {}
    reasons: list[tuple[int, str, str]] = []
    for event in events:
        if isinstance(event, ev.Armed) and event.operator == operator:
            before = expires.get(event.t)
            if before is None or event.expires < before.expires:
                expires[event.t] = event
        elif isinstance(event, ev.BudgetSet):
            reasons.append((event.at, event.deadline, event.reason))
    rows: list[list[Any]] = []
    begin: int | None = None
    for answer in run.log.messages(stream):
        armed = expires.get(answer.t)
        if armed is not None:
            why = [reason for at, name, reason in reasons if at <= answer.t and name == armed.deadline]
            start = armed.at if begin is None else begin
            rows.append([_ms(start), _ms(armed.expires - answer.origin), why[-1] if why else armed.deadline])
        begin = answer.at
    return rows


def _kind(event: ev.Finished) -> str:
    return event.candidate if event.candidate != "local" else event.work or "local"


def _ms(nanoseconds: int) -> float:
    return round(nanoseconds / 1e6, 3)
