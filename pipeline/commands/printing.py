"""How results look in a terminal: one row per variant, units in the heading."""

from __future__ import annotations

from typing import Any

from rich.table import Table
from rich.text import Text

UNITS = {"mps2": "m/s²", "mps": "m/s", "m": "m", "s": "s", "ms": "ms", "rad": "rad", "px": "px"}
OUTCOMES = 4
"""How many of the world's figures the table shows: the first ones, the world puts what matters first."""


def table(results: list[dict[str, Any]]) -> Table:
    """One row per variant: the world's outcome, latency of the answers, misses, winners, the outputs' hash."""
    shown = Table(box=None, pad_edge=False, header_style="bold")
    outcomes = list(results[0].get("outcome", {}))[:OUTCOMES]
    shown.add_column("variant")
    for name in outcomes:
        shown.add_column(heading(name), justify="right")
    for name in ("latency p50", "p99", "misses"):
        shown.add_column(name, justify="right")
    shown.add_column("winners")
    shown.add_column("outputs")
    for result in results:
        told = result.get("outcome", {})
        shown.add_row(
            result["name"] + (" (interrupted)" if result["interrupted"] else ""),
            *(value(told.get(name)) for name in outcomes),
            milliseconds(result["latency_ms_p50"]),
            milliseconds(result["latency_ms_p99"]),
            str(result["deadline_misses"]),
            winners(result["winners"]),
            Text(result["output_hash"][:8], style="dim"),
        )
    return shown


def faults(results: list[dict[str, Any]]) -> list[str]:
    """A line per fault: ``dynamic: detect: not finite at 3.2 s, 4 times: why``."""
    lines = []
    for result in results:
        for row in result.get("faults", []):
            where = row["operator"] or f"process {row['process']}" if row["operator"] or row["process"] else "the run"
            times = f", {row['count']} times" if row["count"] > 1 else ""
            over = "" if row["recovered_s"] is None else f", recovered at {row['recovered_s']:.2f} s"
            what = f"{row['kind'].replace('_', ' ')} at {row['at_s']:.2f} s{times}{over}: {row['reason']}"
            lines.append(f"{result['name']}: {where}: {what}")
    return lines


def heading(name: str) -> str:
    """``impact_speed_mps`` as ``impact speed (m/s)``."""
    stem, _, unit = name.rpartition("_")
    if stem and unit in UNITS:
        return f"{stem.replace('_', ' ')} ({UNITS[unit]})"
    return name.replace("_", " ")


def value(told: Any) -> Text:
    """A figure of the world's outcome; what is true of it stands out."""
    if told is True:
        return Text("yes", style="bold red")
    if told is False:
        return Text("no", style="green")
    if told is None or told == "":
        return Text("–", style="dim")
    return Text(f"{told:.2f}" if isinstance(told, float) else str(told))


def milliseconds(latency: float | None) -> str:
    """``123 ms``."""
    return "–" if latency is None else f"{latency:.0f} ms" if latency >= 10 else f"{latency:.2g} ms"


def winners(by_operator: dict[str, dict[str, int]]) -> str:
    """``detect: cloud 120, local 30``, the frequent first."""
    rows = []
    for operator, counts in by_operator.items():
        ordered = sorted(counts.items(), key=lambda item: -item[1])
        rows.append(f"{operator}: " + ", ".join(f"{name or 'local'} {count}" for name, count in ordered))
    return "; ".join(rows)
