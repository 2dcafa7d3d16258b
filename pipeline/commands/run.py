"""``skylane run``: plan the variants, run them, print and write what came out."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from pipeline.building import build
from pipeline.commands.following import Following, Wishes, following
from pipeline.commands.printing import faults, table
from pipeline.engines import require
from pipeline.errors import InvalidLaunchFile, SkylaneError
from pipeline.launchfile import LaunchFile, resolve
from pipeline.recording import write_result
from pipeline.running import prepare, remove_variants
from pipeline.suggestions import suggest
from pipeline.timestamps import format_duration
from pipeline.workers import Finished, Job, Tell, run_all

FAILED, INTERRUPTED = 1, 130
WIDTH = 160
"""Columns of the table where there is no terminal to ask."""


def run_launch_file(
    path: str,
    overrides: Sequence[str],
    variants: Sequence[str],
    jobs: int,
    *,
    artifacts: bool = True,
    as_json: bool = False,
    debug: bool = False,
    metrics: int | None = None,
    log_json: str | None = None,
) -> int:
    """Run the variants (all without a choice) and return the exit code. ``debug`` shows where errors come from.

    ``metrics``: port of a Prometheus endpoint (0: any); ``log_json``: file (``-``: stderr) for the run's log.
    """
    launch = resolve(path, overrides)
    chosen = _chosen(launch, variants)
    for variant in chosen:
        build(launch, variant)  # every mistake shows before anything runs
        require(launch.variants[variant])
    folder = Path(launch.settings.folder)
    wishes = Wishes(metrics, log_json, quiet=as_json)
    plan = [Job(str(launch.path), tuple(overrides), v, str(folder / v if v else folder)) for v in chosen]
    with following(launch.settings.name, wishes, lambda line: print(f"skylane: {line}", file=sys.stderr)) as follow:
        prepare(folder)
        remove_variants(folder)
        finished = _run(plan, jobs, launch, wishes, follow)
    results = [one.result for one in finished if one.result is not None]
    summary = _summary(launch, folder, finished, results)
    if chosen != [""]:
        write_result(folder, summary)
    written = _artifacts(folder) if artifacts and results else []
    if as_json:
        print(json.dumps(summary, indent=2, ensure_ascii=False))
    else:
        _print(launch, results, [folder / "result.json", *written])
    for one in finished:
        if one.error:
            print(one.trace if debug else "", end="", file=sys.stderr)
            print(f"skylane: {one.job.variant or launch.settings.name}: {one.error}", file=sys.stderr)
    if len(finished) < len(plan) or any(result["interrupted"] for result in results):
        return INTERRUPTED
    return FAILED if summary["failed"] else 0


def _summary(
    launch: LaunchFile, folder: Path, finished: Sequence[Finished], results: list[dict[str, Any]]
) -> dict[str, Any]:
    failed = [{"name": one.job.variant or launch.settings.name, "error": one.error} for one in finished if one.error]
    return {
        "name": launch.settings.name,
        "title": launch.settings.title,
        "folder": str(folder),
        "variants": results,
        "failed": failed,
        "load_average": round(os.getloadavg()[0], 2),
    }


def _chosen(launch: LaunchFile, variants: Sequence[str]) -> list[str]:
    known = list(launch.variants)
    for variant in variants:
        if variant not in known:
            hint = suggest(variant, filter(None, known)) or "it has none"
            raise InvalidLaunchFile(f"there is no variant {variant!r}", where=str(launch.path), hint=hint)
    return [name for name in known if name in variants] if variants else known


def _run(plan: Sequence[Job], jobs: int, launch: LaunchFile, wishes: Wishes, follow: Following) -> list[Finished]:
    if jobs == 1 or len(plan) == 1 or wishes.one_by_one:
        return run_all(plan, 1, lambda job, at: None, follow)
    if wishes.quiet or not sys.stderr.isatty():
        return run_all(plan, jobs, lambda job, at: None)
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

    columns = (TextColumn("{task.description}"), BarColumn(), TextColumn("{task.fields[at]}"), TimeElapsedColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as progress:
        bars = {
            job.variant: progress.add_task(
                job.variant or launch.settings.name, total=launch.variants[job.variant].duration, at=""
            )
            for job in plan
        }

        def tell(job: Job, at: int) -> None:
            progress.update(bars[job.variant], completed=at, at=format_duration(at))

        observe: Tell = tell
        return run_all(plan, jobs, observe)


def _artifacts(folder: Path) -> list[Path]:
    """Report, trace and video; where one cannot be made the run still counts, and its records are there."""
    try:
        from pipeline.report import write_report

        return write_report(folder)
    except (ImportError, SkylaneError) as error:
        print(f"skylane: no report: {error}", file=sys.stderr)
        return []


def _print(launch: LaunchFile, results: list[dict[str, Any]], files: list[Path]) -> None:
    from rich.console import Console

    console = Console(width=None if sys.stdout.isatty() else WIDTH, highlight=False)
    if launch.settings.title:
        console.print(launch.settings.title, style="bold")
    if results:
        console.print(table(results))
    for name in sorted({name for result in results for name in result["unprofiled"]}):
        console.print(
            f"note: the work of {name} takes no time: neither the file nor the profile says how long", style="dim"
        )
    for line in faults(results):
        console.print(line, markup=False)
    for file in files:
        if file.exists():
            print(file)
