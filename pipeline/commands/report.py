"""``skylane report``: write a recorded run's report, traces and pictures anew."""

from __future__ import annotations

import json
from pathlib import Path

from pipeline.report import write_report


def report_run(folder: Path, *, as_json: bool) -> None:
    """Write everything that ``skylane run`` writes beside the log, and print where."""
    written = [str(path) for path in write_report(folder)]
    print(json.dumps({"written": written}) if as_json else "\n".join(written))
