"""What ``skylane sweep`` prints at its end: one line per variant, and where the report lies."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

WIDE = 140


def told(report: Mapping[str, Any], folder: Path) -> str:
    """The summary as text."""
    console = Console(width=WIDE, highlight=False)
    table = Table("variant", "perception", box=None, pad_edge=False, header_style="")
    for name in ("runs", "failed", "collisions", "per run, 95 %", "impact", "gap", "p50"):
        table.add_column(name, justify="right")
    for one in report["variants"]:
        rate, gap, p50 = one["collision_rate"], one["min_gap_m_median"], one["latency_ms_p50_median"]
        share = "–" if rate["value"] is None else f"{100 * rate['low']:.0f}–{100 * rate['high']:.0f} %"
        table.add_row(
            one["label"],
            one["perception"],
            str(one["runs"]),
            str(one["failed"]),
            str(one["collisions"]),
            share,
            f"{one['impact_speed_mps_mean']:.1f} m/s" if one["collisions"] else "–",
            "–" if gap is None else f"{gap:.1f} m",
            "–" if p50 is None else f"{p50:.0f} ms",
        )
    with console.capture() as capture:
        console.print(table)
    state = f"{report['done']} of {report['runs']} runs in {report['wall_s']:.0f} s, {report['kept']} were there"
    failed = f", {report['failed']} failed" if report["failed"] else ""
    return f"{capture.get()}\n{state}{failed}\n{folder / 'report.html'}"
