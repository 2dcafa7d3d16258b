"""The world's own commands: ``skylane outcomes`` and ``skylane train``. Light to import: the work is elsewhere."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def numbers(text: str) -> list[int]:
    """``"1-3,7"`` → [1, 2, 3, 7]. Raises typer.BadParameter."""
    found: list[int] = []
    for part in text.split(","):
        first, dash, last = part.strip().partition("-")
        if not first.isdigit() or (dash and not last.isdigit()):
            raise typer.BadParameter(f"{text!r} is no list of numbers; write for example 1-20 or 1,2,5")
        found += range(int(first), int(last or first) + 1)
    return found


def _speeds(text: str) -> list[float]:
    try:
        return [float(speed) for speed in text.split(",")]
    except ValueError:
        raise typer.BadParameter(f"{text!r} is no list of speeds; write for example 10,12.5,14") from None


def outcomes(
    launch: Annotated[str, typer.Argument(help="Launch file whose variants are compared.")] = "launch/demo.yaml",
    scenarios: Annotated[str, typer.Option(help="Comma-separated.")] = "person_behind_truck,traffic_jam",
    speeds: Annotated[str, typer.Option(help="Of the ego, m/s, comma-separated.")] = "10,12,14",
    seeds: Annotated[str, typer.Option(help="For example 1-20.")] = "1-20",
    jobs: Annotated[int, typer.Option("--jobs", "-j", min=1)] = 2,
    out: Annotated[Path, typer.Option(help="Folder for the results; finished runs in it are kept.")] = Path(
        "runs/outcomes"
    ),
) -> None:
    """Compare a launch file's variants over scenarios, speeds and seeds."""
    from rich.console import Console
    from rich.progress import Progress

    from scenarios.experiments.outcomes import campaign

    command = f"skylane outcomes {launch} --scenarios {scenarios} --speeds {speeds} --seeds {seeds}"
    with Progress(console=Console(stderr=True)) as progress:
        bar = progress.add_task("runs", total=None)
        report = campaign(
            launch,
            scenarios=scenarios.split(","),
            speeds=_speeds(speeds),
            seeds=numbers(seeds),
            folder=out,
            jobs=jobs,
            command=command,
            tell=lambda done, total: progress.update(bar, completed=done, total=total),
        )
    print((out / "outcomes.md").read_text(encoding="utf-8"))
    raise SystemExit(0 if report["complete"] else 130)


def train(
    pictures: Annotated[int, typer.Option(min=10, help="Rendered pictures to train on.")] = 2400,
    minutes: Annotated[str, typer.Option(help="Of training for small, medium and large.")] = "8,8,10",
    held_out: Annotated[int, typer.Option(min=10, help="Pictures of the held-out seed to judge on.")] = 600,
    seed: Annotated[int, typer.Option(min=0)] = 7,
    out: Annotated[Path, typer.Option(help="Folder for weights, cards and checkpoints.")] = Path("runs/detectors"),
) -> None:
    """Train the detectors on pictures of the embedded world, judge them, write their model cards.

    Use the result with -o detect.args.weights=FOLDER, or copy it over the package's own weights.
    """
    import time

    from operators.models.cards import SIZES
    from scenarios.training import evaluate, train_family

    try:
        shares = dict(zip(SIZES, (float(share) for share in minutes.split(",")), strict=True))
    except ValueError:
        raise typer.BadParameter(f"--minutes {minutes!r}: write three numbers, for example 8,8,10") from None
    train_family(pictures=pictures, minutes=shares, seed=seed, out=out, report=print)
    for size in SIZES:
        evaluate(size, pictures=held_out, out=out, now_ns=time.process_time_ns, report=print)
    print(out / "MODEL_CARD.md")
