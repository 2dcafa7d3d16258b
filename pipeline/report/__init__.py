"""What a recorded run looks like to people: the page, the trace, the live view. Reads records, changes none."""

from __future__ import annotations

from pathlib import Path


def write_report(folder: Path) -> list[Path]:
    """Write report.html, the traces and whatever other packages add for a run's folder; returns what was written."""
    from pipeline.report.writing import write

    return write(folder)
