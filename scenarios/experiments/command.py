"""``skylane experiment``: the comparisons behind the results in docs/. Light to import: the work is elsewhere."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Annotated

import typer

NAMES = ("execution-models",)


def experiment(
    name: Annotated[str, typer.Argument(help=f"One of {', '.join(NAMES)}.", show_default=False)],
    quick: Annotated[bool, typer.Option("--quick", help="A short form that touches everything: minutes.")] = False,
    seeds: Annotated[str, typer.Option(help="For example 1-10; without it the experiment's final seeds.")] = "",
    parts: Annotated[str, typer.Option(help="city, grid or both, comma-separated.")] = "city,grid",
    models: Annotated[str, typer.Option(help="Only these execution models, comma-separated.")] = "",
    jobs: Annotated[int, typer.Option("--jobs", "-j", min=1)] = 2,
    out: Annotated[Path | None, typer.Option(help="Folder for the results; finished drives are kept.")] = None,
    sum_up: Annotated[bool, typer.Option("--sum-up", help="Drive nothing: sum up the drives that are there.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print the result as JSON and nothing else.")] = False,
) -> None:
    """Run an experiment; stopped and started again it goes on where it was."""
    from rich.console import Console
    from rich.progress import Progress, TimeRemainingColumn

    from pipeline.errors import UsageError
    from scenarios.experiments.execution_models import experiment as run_experiment
    from scenarios.experiments.execution_models import planned
    from scenarios.sweeps.suite import seeds_of

    if name not in NAMES:
        raise UsageError(f"there is no experiment {name!r}", hint=f"use one of {', '.join(NAMES)}")
    chosen = [part.strip() for part in parts.split(",")]
    unknown = [part for part in chosen if part not in ("city", "grid")]
    if unknown:
        raise UsageError(f"there is no part {unknown[0]!r}", hint="use city, grid or city,grid")
    try:
        drawn = seeds_of(seeds) if seeds else ()
    except ValueError as error:
        raise UsageError(str(error), where="--seeds", hint="write for example 1-10") from None
    plan = planned(quick=quick, seeds=drawn, parts=chosen, models=models.split(",") if models else ())
    words = ["skylane experiment", name, *(["--quick"] if quick else []), *([f"--seeds {seeds}"] if seeds else [])]
    words += [*([f"--parts {parts}"] if parts != "city,grid" else []), *([f"--models {models}"] if models else [])]
    folder = out or Path("runs") / (name + ("-quick" if quick else ""))
    columns = (*Progress.get_default_columns()[:3], TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True)) as progress:
        bar = progress.add_task("drives", total=len(plan.cases))
        report = run_experiment(
            plan,
            folder,
            jobs=jobs,
            command=" ".join(words),
            only_sum_up=sum_up,
            clock_ns=time.monotonic_ns,
            tell=lambda done, total, what: progress.update(bar, completed=done, description=what),
        )
    print(json.dumps(report, ensure_ascii=False) if as_json else (folder / "execution-models.md").read_text("utf-8"))
    raise SystemExit(0 if report["complete"] and not report["failed"] else 1 if report["complete"] else 130)
