"""The parts of a report and the data they are made from. Other packages add panels under ``skylane.report_panels``."""

from __future__ import annotations

import json
from dataclasses import dataclass
from html import escape
from pathlib import Path
from typing import Any

from pipeline.errors import InvalidRecord
from pipeline.runlog import RunLog


@dataclass(frozen=True)
class RunData:
    """One recorded run: its name (the variant's), folder, result.json and log."""

    name: str
    folder: Path
    result: dict[str, Any]
    log: RunLog


@dataclass(frozen=True)
class Panel:
    """A section of the page: ``html`` is trusted; ``order`` sorts, the headline is at 0."""

    title: str
    html: str
    order: int = 50


def load_runs(folder: Path) -> list[RunData]:
    """The run in ``folder``, or its variants in the order in which they ran. Raises InvalidRecord if there is none."""
    if (folder / "log.mcap").exists():
        return [_load(folder)]
    try:
        summary = json.loads((folder / "result.json").read_text(encoding="utf-8"))
        names = [variant["name"] for variant in summary["variants"]]
    except (OSError, ValueError, KeyError):
        names = sorted(path.parent.name for path in folder.glob("*/log.mcap"))
    runs = [_load(folder / name) for name in names if (folder / name / "log.mcap").exists()]
    if not runs:
        raise InvalidRecord(
            "holds no recorded run", where=str(folder), hint="name a run's folder, for example runs/demo"
        )
    return runs


def _load(folder: Path) -> RunData:
    try:
        result = json.loads((folder / "result.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        result = {}  # a run that was killed has a log but no result
    return RunData(result.get("name", folder.name), folder, result, RunLog(folder))


def table(head: list[str], rows: list[list[object]], *, numbers_from: int = 1) -> str:
    """An HTML table; cells from column ``numbers_from`` on are right-aligned; text is escaped."""

    def cells(row: list[object], tag: str) -> str:
        return "".join(
            f"<{tag}{'' if i < numbers_from else ' class=num'}>{escape(str(cell))}</{tag}>"
            for i, cell in enumerate(row)
        )

    body = "".join(f"<tr>{cells(row, 'td')}</tr>" for row in rows)
    return (
        f"<div class=wide><table><thead><tr>{cells(list(head), 'th')}</tr></thead><tbody>{body}</tbody></table></div>"
    )
