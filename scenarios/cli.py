"""The world's own commands: ``sweep``, ``train`` and ``fit-detectors``. Light to import: the work is elsewhere."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

INTERRUPTED = 130


def sweep(
    suite: Annotated[
        str, typer.Argument(help="Suite file, or the bare name of one in launch/suites/.", show_default=False)
    ],
    quick: Annotated[bool, typer.Option("--quick", help="The suite's own short form.")] = False,
    jobs: Annotated[int, typer.Option("--jobs", "-j", min=1, max=4096, help="Workers.")] = 2,
    on: Annotated[str, typer.Option(help="local: processes here; ray: a cluster, or Ray here.")] = "local",
    ray_address: Annotated[str, typer.Option(help="Of an existing cluster, or auto; without it Ray starts here.")] = "",
    out: Annotated[
        Path | None, typer.Option(help="Folder; finished runs in it are kept. runs/sweeps/NAME without it.")
    ] = None,
    changes: Annotated[
        list[str] | None,
        typer.Option("--set", help="key=value for the suite (seeds=1-3) or its launch files. May be repeated."),
    ] = None,
    retry: Annotated[bool, typer.Option("--retry", help="Run again what failed before.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print the summary as JSON and nothing else.")] = False,
) -> None:
    """Run a suite: launch files × variants × scenarios × speeds × seeds.

    Can be stopped and started again: only what is missing is run. Exit codes: 0 all runs are done; 1 some have failed;
    2 a mistake in the suite; 130 Ctrl-C.
    """
    raise SystemExit(_sweep(suite, quick, jobs, on, ray_address, out, changes or [], retry, as_json))


def _sweep(
    suite: str,
    quick: bool,
    jobs: int,
    on: str,
    ray_address: str,
    out: Path | None,
    changes: list[str],
    retry: bool,
    as_json: bool,
) -> int:
    import json
    import time

    from pipeline.errors import UsageError
    from scenarios.sweeps.campaign import Place
    from scenarios.sweeps.campaign import sweep as run_sweep
    from scenarios.sweeps.progress import Bar
    from scenarios.sweeps.suite import read_suite
    from scenarios.sweeps.words import told

    if on not in ("local", "ray"):
        raise UsageError(f"--on {on!r}: there is local and ray")
    if ray_address and on != "ray":
        raise UsageError("--ray-address goes with --on ray")
    file = read_suite(suite, changes, quick=quick)
    folder = out or Path("runs/sweeps") / (file.suite.name + ("-quick" if quick else ""))
    words = ["skylane sweep", suite, *(["--quick"] if quick else []), *(f"--set {change}" for change in changes)]
    place, command = Place(jobs, on, ray_address), " ".join(words)
    with Bar() as bar:
        report = run_sweep(file, folder, place, clock_ns=time.monotonic_ns, follow=bar, command=command, retry=retry)
    print(json.dumps(report, indent=2, ensure_ascii=False) if as_json else told(report, folder), flush=True)
    return INTERRUPTED if report["interrupted"] else 1 if report["failed"] else 0


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


def fit_detectors(
    scenes: Annotated[int, typer.Option(min=30, help="Drives to learn from, of 14 pictures each.")] = 204,
    held_out: Annotated[int, typer.Option(min=10, help="Drives to judge by, of other seeds.")] = 102,
    seed: Annotated[int, typer.Option(min=0)] = 0,
    out: Annotated[Path, typer.Option(help="Folder for the models; pictures in it are not taken again.")] = Path(
        "runs/accuracy"
    ),
) -> None:
    """Fit accuracy models to the trained detectors: what they find, said without pixels, for large sweeps.

    Use the result with -o detect.args.accuracy=FOLDER, or copy accuracy.json over the package's own.
    """
    from operators.models.accuracy import ACCURACY_FILE
    from pipeline.running import limit_threads
    from scenarios.sweeps.fitting import fit_detectors as fit

    limit_threads()
    fit(scenes_=scenes, held_out=held_out, seed=seed, out=out, report=print)
    print(out / ACCURACY_FILE)
