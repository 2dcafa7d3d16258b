"""The comparison of execution models: run every drive, sum up, judge the papers' rows, write result and page.

Finished drives are kept and not repeated, so that Ctrl-C loses nothing.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from pipeline.errors import UsageError
from pipeline.recording import commit_of, write_json
from scenarios.experiments.execution_models_cases import (
    DYNAMICS,
    FINAL_SEEDS,
    MODELS,
    POLICY_SEEDS,
    STATICS,
    Case,
    city_cases,
    grid_cases,
    keep,
    kept,
)
from scenarios.experiments.execution_models_city import DESCRIPTION
from scenarios.experiments.execution_models_detector import ASSUMPTIONS
from scenarios.experiments.execution_models_rows import judged_rows
from scenarios.experiments.execution_models_summary import grid_table, models_table, reduction_pct
from scenarios.sweeps.driving import Row
from scenarios.sweeps.processes import run_in_processes
from scenarios.sweeps.suite import LimitSettings
from scenarios.sweeps.work import Clock, Work

Tell = Callable[[int, int, str], None]
QUICK_SEEDS = POLICY_SEEDS[:2]
LIMITS = LimitSettings.model_validate({"run": "3600s"})
"""A city drive takes half a minute on a free core; a machine may be busy."""


@dataclass(frozen=True)
class Plan:
    """How much is driven."""

    grid: tuple[Case, ...]
    city: tuple[Case, ...]
    quick: bool

    @property
    def cases(self) -> tuple[Case, ...]:
        """Everything, the city first: its drives are the longest, and the models that matter most come first."""
        return (*self.city, *self.grid)


def planned(
    *,
    quick: bool = False,
    seeds: Sequence[int] = (),
    parts: Sequence[str] = ("city", "grid"),
    models: Sequence[str] = (),
) -> Plan:
    """The full plan over the final seeds, or a short one that touches everything once.

    ``models``: only these. Raises UsageError for one that does not exist.
    """
    unknown = sorted(set(models) - set(MODELS))
    if unknown:
        raise UsageError(f"there is no execution model {unknown[0]!r}", hint=f"use some of {', '.join(MODELS)}")
    chosen = tuple(seeds) or (QUICK_SEEDS if quick else FINAL_SEEDS)
    grid_models = ("static-200", "static-500", "dynamic") if quick else (*STATICS, *DYNAMICS)
    city_models = ("periodic", "data-driven", "static-200", "static-500", "dynamic") if quick else MODELS
    grid = grid_cases(chosen[: 1 if quick else 10], grid_models) if "grid" in parts else []
    city = city_cases(chosen, city_models, length_m=250.0) if quick else city_cases(chosen, city_models)
    wanted = set(models) or set(MODELS)
    return Plan(
        tuple(case for case in grid if case.model in wanted),
        tuple(case for case in city if case.model in wanted and "city" in parts),
        quick,
    )


def run_cases(todo: Sequence[Case], folder: Path, jobs: int, clock_ns: Clock, tell: Tell) -> list[Row]:
    """Drive what is missing in ``jobs`` processes; the rows in the order given. Ctrl-C returns what is there."""
    found = {case: row for case in todo if (row := kept(case, folder)) is not None}
    missing = [case for case in todo if case not in found]
    tell(len(found), len(todo), "")

    def take(case: Work, row: Row) -> None:
        assert isinstance(case, Case)
        keep(case, row, folder)
        found[case] = row
        tell(len(found), len(todo), f"{case.scenario} {case.model} seed {case.seed}")

    with contextlib.suppress(KeyboardInterrupt):
        run_in_processes(missing, min(jobs, len(missing)), LIMITS, clock_ns, take)
    return [found[case] for case in todo if case in found]


def experiment(
    plan: Plan, folder: Path, *, jobs: int, command: str, clock_ns: Clock, tell: Tell, only_sum_up: bool = False
) -> Row:
    """Drive what is missing, write ``execution-models.json`` and ``.md`` into ``folder``; what stands in the JSON.

    ``only_sum_up``: drive nothing, take what is there.
    """
    from scenarios.experiments.execution_models_page import page
    from scenarios.experiments.execution_models_studies import studies

    folder.mkdir(parents=True, exist_ok=True)
    drives = folder / "drives"
    if only_sum_up:
        rows = [row for row in (kept(case, drives) for case in plan.cases) if row is not None]
    else:
        rows = run_cases(plan.cases, drives, jobs, clock_ns, tell)
    complete = len(rows) == len(plan.cases)
    report = summed_up(rows, studies(plan.quick) if complete or only_sum_up else {}, plan)
    report |= {"command": command, "complete": complete, "quick": plan.quick, "commit": commit_of(Path(__file__))}
    write_json(folder / "execution-models.json", report)
    (folder / "execution-models.md").write_text(page(report), encoding="utf-8")
    return report


def summed_up(rows: Sequence[Row], measured: Row, plan: Plan) -> Row:
    """Everything that follows from the drives."""
    city, grid = [row for row in rows if row["part"] == "city"], [row for row in rows if row["part"] == "grid"]
    report: Row = {
        "models": models_table(city, MODELS),
        "reduction_vs_periodic_pct": reduction_pct(city, "dynamic", "periodic"),
        "reductions_pct": {name: reduction_pct(city, "dynamic", name) for name in MODELS if name != "dynamic"},
        "grid": grid_table(grid),
        "policy_seeds": list(POLICY_SEEDS),
        "final_seeds": list(FINAL_SEEDS),
        "seeds": sorted({row["seed"] for row in rows}),
        "accuracy": ASSUMPTIONS,
        "town": DESCRIPTION,
        "profile": "rtx2080",
        "failed": [f"{row['scenario']} {row['model']} {row['seed']}: {row['error']}" for row in rows if row["error"]],
        "studies": measured,
    }
    report["rows"] = judged_rows(report, rows)
    return report
