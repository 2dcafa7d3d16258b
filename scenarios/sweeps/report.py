"""The self-contained report of a sweep: opens offline, light and dark; and its table as Markdown for docs.

Decides what is said and in which order. The figures are ``summary``'s, the drawings ``plots``'.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping, Sequence
from contextlib import suppress
from html import escape
from importlib.resources import files
from pathlib import Path
from typing import Any

from pipeline.report.panels import table
from scenarios.sweeps import plots
from scenarios.sweeps.driving import Row
from scenarios.sweeps.expansion import Scene
from scenarios.sweeps.perception import WORDS
from scenarios.sweeps.pictures import beside
from scenarios.sweeps.summary import DIFFERENCES, failed

DASH = "–"
STYLE = """
.pair { display:grid; grid-template-columns:1fr 1fr; gap:6px; margin:4px 0 2px }
.pair img { width:100%; border-radius:6px; display:block }
.scenes { display:grid; grid-template-columns:repeat(auto-fill,minmax(500px,1fr)); gap:18px 22px }
@media (max-width:600px) { .scenes { grid-template-columns:1fr } }
.none { background:var(--lane); border-radius:6px; padding:40px 10px; color:var(--dim); text-align:center }
.bad { color:var(--miss); font-weight:600 }
td small { color:var(--dim); white-space:nowrap }
"""


def page(report: Mapping[str, Any], rows: Sequence[Row], pictures: Mapping[Scene, Path]) -> str:
    """The whole page as text; it asks for nothing from outside."""
    style = (files("pipeline.report") / "style.css").read_text(encoding="utf-8") + STYLE
    parts = [
        ("Outcome", _outcome(report)),
        ("Differences", _differences(report)),
        ("By speed", _by_speed(rows)),
        ("By scenario and speed", _cells(report)),
        ("Scenarios", _scenes(report, pictures)),
        ("Runs that failed", _failures(rows)),
        ("Records", _records(report, rows)),
    ]
    sections = "".join(f"<section><h2>{escape(title)}</h2>{html}</section>" for title, html in parts if html)
    title = escape(str(report["title"]))
    return (
        '<!doctype html>\n<html lang="en">\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{title}</title>\n<style>\n{style}</style>\n<main>\n<h1>{title}</h1>\n{sections}\n</main>\n</html>\n"
    )


def markdown(report: Mapping[str, Any]) -> str:
    """The cells as a page for docs/results."""
    head = ["scenario", "speed", "variant", "perception", "runs", "collisions", "95 % interval"]
    head += ["impact mean / max", "median gap", "p50", "misses"]
    lines = [f"# {report['title']}", "", f"Command: `{report['command']}`", ""]
    lines += ["| " + " | ".join(head) + " |", "|" + "---|" * len(head)]
    for cell in report["cells"]:
        rate = cell["collision_rate"]
        wide = DASH if rate["low"] is None else f"{100 * rate['low']:.0f}–{100 * rate['high']:.0f} %"
        values = [cell["scene"], f"{cell['speed_mps']:g} m/s", cell["label"], cell["perception"], cell["runs"]]
        values += [cell["collisions"], wide, _impact(cell), _unit(cell["min_gap_m_median"], "m", 1)]
        values += [_unit(cell["latency_ms_p50_median"], "ms", 0), cell["deadline_misses"]]
        lines.append("| " + " | ".join(str(value) for value in values) + " |")
    lines += ["", f"Runs: {report['done']} of {report['runs']}, {report['failed']} failed.", ""]
    return "\n".join(lines)


def _outcome(report: Mapping[str, Any]) -> str:
    head = ["variant", "perception", "runs", "collisions", "per run (95 %)", "impact mean / max", "median gap"]
    head += ["p50", "misses", "driven"]
    body: list[list[object]] = [
        [
            one["label"],
            one["perception"],
            f"{one['runs']}" + (f" + {one['failed']} failed" if one["failed"] else ""),
            one["collisions"],
            _share(one["collision_rate"]),
            _impact(one),
            _unit(one["min_gap_m_median"], "m", 1),
            _unit(one["latency_ms_p50_median"], "ms", 0),
            one["deadline_misses"],
            _unit(one["km"], "km", 1),
        ]
        for one in report["variants"]
    ]
    state = "" if report["complete"] else f" <b class=bad>{report['runs'] - report['done']} runs are missing.</b>"
    used = "<br>".join(escape(WORDS[name]) for name in report["perception"])
    seeds = max((one["seeds"] for one in report["variants"]), default=0)
    over = f"{seeds} seed{'s' * (seeds != 1)}"
    note = f"{report['done']} of {report['runs']} runs, {over}.{state}<br>Perception – {used}."
    return f"<p class=hint>{note}</p>{table(head, body, numbers_from=2)}"


def _differences(report: Mapping[str, Any]) -> str:
    rows = report["differences"]
    if not rows:
        return ""
    name = escape(report["baseline"])
    parts = [
        f"<p class=hint>Each variant minus <b>{name}</b>, paired by scenario, speed and seed; 95 % intervals from "
        "resampling the seeds. Filled: the interval leaves out 0.</p>"
    ]
    several = any(row[figure]["low"] is not None for row in rows for figure, _ in DIFFERENCES)
    if not several:
        parts = [f"<p class=hint>Each variant minus <b>{name}</b>; one seed, so no intervals.</p>"]
    for figure, words in DIFFERENCES if several else ():
        drawn = plots.intervals([(row["label"], row[figure]) for row in rows], label=words)
        parts.append(f"<div class=plot><h3>{escape(words)}</h3>{drawn}</div>" if drawn else "")
    head = ["variant", "pairs", *(words for _, words in DIFFERENCES)]
    body: list[list[object]] = [
        [row["label"], row["pairs"], *(_signed(row[figure]) for figure, _ in DIFFERENCES)] for row in rows
    ]
    return "".join(parts) + table(head, body)


def _by_speed(rows: Sequence[Row]) -> str:
    from scenarios.sweeps.summary import figures

    labels = list(dict.fromkeys(row["label"] for row in rows))
    speeds = sorted({row["speed_mps"] for row in rows})
    rates, impacts = [], []
    for speed in speeds:
        for label in labels:
            own = [row for row in rows if row["speed_mps"] == speed and row["label"] == label]
            one = figures(own)
            words = f"{label}, {speed:g} m/s: {one['collisions']} of {one['runs']}"
            group = f"{speed:g} m/s"
            rates.append(plots.Bar(group, label, *_three(one["collision_rate"]), words))
            impacts.append(plots.Bar(group, label, *_three(one["impact_speed_mps"]), words))
    highest = max([b.high or b.value or 0.0 for b in impacts], default=0.0)
    parts = [plots.key(labels), plots.grouped(rates, label="collisions per run", top=1.0, percent=True)]
    if highest > 0.0:
        top = float(-(-highest // 4) * 4)
        parts.append(plots.grouped(impacts, label="impact speed of those that collided, m/s", top=top))
    note = "<p class=hint>Whiskers are 95 % intervals: Wilson's for shares, a bootstrap over seeds for means.</p>"
    return f"<div class=plot>{''.join(parts)}</div>{note}" if rows else ""


def _cells(report: Mapping[str, Any]) -> str:
    labels = list(dict.fromkeys(cell["label"] for cell in report["cells"]))
    cells = {(cell["scene"], cell["speed_mps"], cell["label"]): cell for cell in report["cells"]}
    lines = []
    for scene, speed in dict.fromkeys((cell["scene"], cell["speed_mps"]) for cell in report["cells"]):
        row = [f"<td>{escape(scene)}</td><td class=num>{speed:g} m/s</td>"]
        row += [f"<td class=num>{_cell(cells.get((scene, speed, label)))}</td>" for label in labels]
        lines.append(f"<tr>{''.join(row)}</tr>")
    head = "".join(f"<th class=num>{escape(label)}</th>" for label in labels)
    note = "Collisions of runs, 95 % interval of the share; below: mean impact speed, median of the smallest gaps."
    return (
        f"<p class=hint>{note}</p><div class=wide><table><thead><tr><th>scenario</th><th class=num>speed</th>"
        f"{head}</tr></thead><tbody>{''.join(lines)}</tbody></table></div>"
    )


def _cell(cell: Mapping[str, Any] | None) -> str:
    if cell is None:
        return DASH
    if not cell["runs"]:
        return "<span class=bad>failed</span>"
    rate = cell["collision_rate"]
    count = f"{cell['collisions']} of {cell['runs']}"
    first = f"<span class=bad>{count}</span>" if cell["collisions"] else count
    lost = f" <span class=bad>+ {cell['failed']} failed</span>" if cell["failed"] else ""
    share = f" <small>({100 * rate['low']:.0f}–{100 * rate['high']:.0f} %)</small>" if cell["runs"] > 1 else ""
    figures = [_unit(cell["impact_speed_mps_mean"], "m/s", 1), _unit(cell["min_gap_m_median"], "m", 1)]
    return f"{first}{lost}{share}<br><small>{', '.join(one for one in figures if one != DASH) or DASH}</small>"


def _scenes(report: Mapping[str, Any], pictures: Mapping[Scene, Path]) -> str:
    wrong = {row["scene"]: row["error"] for row in report.get("pictures_failed", ())}
    shown = []
    for scene, path in pictures.items():
        about: dict[str, Any] = {}
        with suppress(OSError, ValueError):
            about = json.loads(path.read_text(encoding="utf-8"))
        images = [_image(beside(path, name), words) for name, words in _VIEWS] if about else []
        why = escape(wrong.get(scene.name, "not drawn yet"))
        pair = f"<div class=pair>{''.join(images)}</div>" if images else f"<div class=none>{why}</div>"
        moment = f" · {about['speed_mps']:g} m/s, seed {about['seed']}, {about['at_s']:.1f} s" if about else ""
        words = f"<b>{escape(scene.name)}</b> {escape(about.get('title', ''))}{moment}"
        shown.append(f"<figure>{pair}<figcaption>{words}</figcaption></figure>")
    note = (
        "Left from the driver's seat, right from above (blue: the ego), a second before the ego would come closest to "
        "somebody if it just drove on."
    )
    return f"<p class=hint>{note}</p><div class=scenes>{''.join(shown)}</div>" if shown else ""


_VIEWS = (("driver", "from the driver's seat"), ("above", "from above"))


def _image(path: Path, words: str) -> str:
    try:
        data = base64.b64encode(path.read_bytes()).decode()
    except OSError:
        return f"<div class=none>{escape(words)}: missing</div>"
    return f'<img alt="{escape(words)}" src="data:image/jpeg;base64,{data}">'


def _failures(rows: Sequence[Row]) -> str:
    lost = [row for row in rows if failed(row)]
    if not lost:
        return ""
    body: list[list[object]] = [
        [row["label"], row["scene"], f"{row['speed_mps']:g} m/s", row["seed"], row["error"]] for row in lost[:200]
    ]
    more = f"<p class=hint>and {len(lost) - 200} more in rows.jsonl</p>" if len(lost) > 200 else ""
    return table(["variant", "scenario", "speed", "seed", "error"], body, numbers_from=9) + more


def _records(report: Mapping[str, Any], rows: Sequence[Row]) -> str:
    workers = len({row.get("worker", "") for row in rows})
    commits = escape(", ".join(commit[:12] for commit in report["commits"]) or "unknown")
    words = [
        f"Command: <code>{escape(report['command'])}</code>",
        f"All {len(rows)} runs with all their figures and hashes: results.parquet and rows.jsonl beside this page.",
        f"Runs came from {workers} workers; commits: {commits}.",
        *(
            f"A run of {escape(one['label'])} takes {_unit(one['wall_s_mean'], 's', 1)} "
            f"and {_unit(one['peak_mb_max'], 'MiB', 0)} at most."
            for one in report["variants"]
        ),
    ]
    return f"<p class=hint>{'<br>'.join(words)}</p>"


def _three(interval: Mapping[str, Any]) -> tuple[float | None, float | None, float | None]:
    return interval["value"], interval["low"], interval["high"]


def _share(rate: Mapping[str, Any]) -> str:
    if rate["value"] is None:
        return DASH
    return f"{100 * rate['value']:.0f} % ({100 * rate['low']:.0f}–{100 * rate['high']:.0f})"


def _signed(interval: Mapping[str, Any]) -> str:
    if interval["value"] is None:
        return DASH
    if interval["low"] is None:
        return f"{interval['value']:+.3g}"
    return f"{interval['value']:+.3g} ({interval['low']:+.3g} … {interval['high']:+.3g})"


def _impact(one: Mapping[str, Any]) -> str:
    if not one["collisions"]:
        return DASH
    return f"{one['impact_speed_mps_mean']:.1f} / {one['impact_speed_mps_max']:.1f} m/s"


def _unit(value: float | None, unit: str, digits: int) -> str:
    return DASH if value is None else f"{value:.{digits}f} {unit}"
