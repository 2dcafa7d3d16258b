"""``skylane score``: driving scores of recorded runs. Light to import: the work is elsewhere."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def score(
    folder: Annotated[Path, typer.Argument(help="A run's folder, or one with many runs somewhere in it.")],
    leaderboard: Annotated[str, typer.Option(help="Whose penalties count: CARLA Leaderboard 2.0 or 2.1.")] = "2.1",
    as_json: Annotated[bool, typer.Option("--json", help="Print the leaderboard's results file.")] = False,
    out: Annotated[Path | None, typer.Option(help="Also write the leaderboard's results file there.")] = None,
) -> None:
    """Score runs as CARLA's leaderboard does, in its own format."""
    import json

    from pipeline.recording import write_json
    from scenarios.metrics.scoring import results_of, scored, table

    runs = scored(folder)
    found = results_of(runs, leaderboard)
    if out is not None:
        write_json(out, found)
    print(json.dumps(found, indent=2) if as_json else table(runs, leaderboard))
