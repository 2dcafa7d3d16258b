"""Puts a recorded run's pages together: traces, report.html, and what other packages bring."""

from __future__ import annotations

from pathlib import Path

from pipeline.building import build
from pipeline.errors import RecordingFailed, SkylaneError
from pipeline.launchfile import resolve
from pipeline.registry import PANELS, find, installed
from pipeline.report.drawing import svg
from pipeline.report.page import page
from pipeline.report.panels import Panel, RunData, load_runs
from pipeline.report.perfetto import write_trace

REPORT = "report.html"


def write(folder: Path) -> list[Path]:
    """Write everything for the runs in ``folder``; the paths for people, the report first."""
    runs = load_runs(folder)
    for run in runs:
        write_trace(run.log.events(), run.folder / "trace.perfetto-trace")
    _draw_graph(runs[-1])
    panels: list[Panel] = []
    extra: list[Path] = []
    for name in sorted(installed(PANELS)):
        made = find(PANELS, name, "report panel")(runs, folder)
        panels += [part for part in made if isinstance(part, Panel)]
        extra += [part for part in made if isinstance(part, Path)]
    title = str(runs[0].result.get("title") or folder.name)
    path = folder / REPORT
    try:
        path.write_text(page(title, runs, panels), encoding="utf-8")
    except OSError as error:
        raise RecordingFailed(f"cannot be written: {error.strerror}", where=str(path)) from error
    return [path, *extra]


def _draw_graph(run: RunData) -> None:
    """The graph as it was run; a record whose operators are not installed here goes without."""
    kept = run.folder / "launch.yaml"
    try:
        kept.write_text(run.log.launch, encoding="utf-8")
        launch = resolve(str(kept))
        (run.folder / "graph.svg").write_text(svg(build(launch, next(iter(launch.variants))).graph), encoding="utf-8")
    except (OSError, SkylaneError):
        (run.folder / "graph.svg").unlink(missing_ok=True)
