"""The experiment's report as a page for docs/results. Says what came out, whatever it is."""

from __future__ import annotations

from typing import Any

Row = dict[str, Any]

CITY_HEAD = (
    "model",
    "collisions",
    "95 %",
    "ego at fault",
    "km",
    "hours",
    "per 50 km",
    "impact mean / max",
    "red lights",
    "response p50",
    "misses",
)


def page(report: Row) -> str:
    """Markdown; everything in it follows from the report."""
    lines = [
        "# Execution models",
        "",
        "The same operators on the same drives under four execution models: *periodic*, *data-driven*, *static*",
        "deadlines (125 to 500 ms end to end) and *dynamic* ones. Written by the command; whatever came out is said.",
        "",
        f"Command: `{report['command']}`",
        "",
        f"Latencies: profile `{report['profile']}` (D3's car). No pixels; {report['accuracy']}.",
        f"Periodic and data-driven drive with EfficientDet-D4, as D3's did. Seeds: {_seeds(report['seeds'])}; the",
        f"policy was improved on {_seeds(report['policy_seeds'])} alone.",
        "",
    ]
    if not report["complete"]:
        lines += ["**Not complete: the run was stopped.**", ""]
    lines += _city(report) + _grid(report) + _claims(report)
    if report["failed"]:
        lines += [
            f"Drives that failed: {len(report['failed'])}.",
            "",
            *(f"* {each}" for each in report["failed"][:10]),
            "",
        ]
    return "\n".join(lines)


def _seeds(seeds: list[int]) -> str:
    return f"{seeds[0]}–{seeds[-1]}" if seeds and seeds == list(range(seeds[0], seeds[-1] + 1)) else str(seeds)


def _city(report: Row) -> list[str]:
    if not report["models"]:
        return []
    lines = ["## City", "", _line(CITY_HEAD), _line(["---"] * len(CITY_HEAD))]
    for entry in report["models"]:
        low, high = entry["collisions_ci95"]
        impact = (
            f"{entry['impact_speed_mps_mean']:.1f} / {entry['impact_speed_mps_max']:.1f} m/s"
            if entry["collisions"]
            else "–"
        )
        rate = 50.0 * entry["collisions"] / max(entry["km"], 1e-9)
        lines.append(
            _line(
                (
                    entry["name"],
                    entry["collisions"],
                    f"{low:g}–{high:g}",
                    entry["at_fault"].get("ego", 0),
                    f"{entry['km']:.1f}",
                    f"{entry['hours']:.1f}",
                    f"{rate:.1f}",
                    impact,
                    entry["incidents"].get("red_light", 0),
                    f"{entry['response_ms_p50']:.0f} ms" if entry["response_ms_p50"] else "–",
                    entry["misses"],
                )
            )
        )
    lines += [
        "",
        report["town"] + ".",
        "95 %: exact Poisson interval of the count. Every collision counts, whoever is at fault.",
        "`dynamic` is our policy, the two others are D3's. Red lights: lines crossed at red, mostly a late stop.",
        "",
    ]
    for name, reduction in report["reductions_pct"].items():
        if reduction is not None:
            low, high = reduction["ci95"]
            lines.append(
                f"* dynamic against {name}: {-reduction['value']:+.0f} % (95 %: {-high:+.0f} to {-low:+.0f} %)"
            )
    return [*lines, "", "Intervals of the differences: bootstrap over the seeds, in pairs.", ""]


def _grid(report: Row) -> list[str]:
    if not report["grid"]:
        return []
    columns = sorted({(cell["scenario"], cell["speed_mps"]) for cell in report["grid"]})
    models = list(dict.fromkeys(cell["model"] for cell in report["grid"]))
    cells = {(cell["model"], cell["scenario"], cell["speed_mps"]): cell for cell in report["grid"]}
    head = ["model", *(f"{scenario.replace('_', ' ')} {speed:g} m/s" for scenario, speed in columns)]
    lines = ["## Speed grid", "", "Worst impact in m/s (mean of those that collided; colliding runs of all).", ""]
    lines += [_line(head), _line(["---"] * len(head))]
    for model in models:
        row = [model]
        for scenario, speed in columns:
            cell = cells.get((model, scenario, speed))
            row.append(_cell(cell) if cell is not None else "–")
        lines.append(_line(row))
    return [*lines, ""]


def _cell(cell: Row) -> str:
    if not cell["collisions"]:
        return f"0 (0 of {cell['runs']})"
    worst, mean = cell["impact_speed_mps_max"], cell["impact_speed_mps_mean"]
    return f"{worst:.1f} ({mean:.1f}; {cell['collisions']} of {cell['runs']})"


def _claims(report: Row) -> list[str]:
    lines = ["## Claims", "", _line(("row", "claim", "claimed", "measured", "beaten?")), _line(["---"] * 5)]
    words = {True: "yes", False: "no", None: "–"}
    for row in report["rows"]:
        lines.append(_line((row["row"], row["claim"], row["claimed"], row["measured"], words[row["beaten"]])))
    return [*lines, ""]


def _line(cells: Any) -> str:
    return "| " + " | ".join(str(cell) for cell in cells) + " |"
