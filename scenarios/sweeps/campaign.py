"""A whole sweep: expand, do what is missing, keep every row, write table and report. Ctrl-C keeps what there is.

Says nothing to people: ``follow`` hears of everything that happens.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from pipeline.errors import MissingExtra, RecordingFailed
from pipeline.recording import commit_of, write_json
from scenarios.sweeps import summary
from scenarios.sweeps.driving import Row
from scenarios.sweeps.expansion import Scene, Task, expand
from scenarios.sweeps.on_ray import run_on_ray
from scenarios.sweeps.processes import Take, run_in_processes
from scenarios.sweeps.store import TABLE, Store, write_table
from scenarios.sweeps.suite import SuiteFile
from scenarios.sweeps.work import Clock, PictureTask, Work

REPORT, SUMMARY, PAGE, PICTURES = "report.html", "summary.json", "table.md", "pictures"


class Follower(Protocol):
    """Who is told how a sweep goes."""

    def begun(self, total: int, kept: int) -> None:
        """So many runs and pictures there are, so many of them are there already."""

    def done(self, work: Work, row: Row) -> None:
        """One more is done; ``row["error"]`` says whether it failed."""


@dataclass(frozen=True)
class Place:
    """Where the work is done."""

    jobs: int = 2
    on: str = "local"
    ray_address: str = ""


def sweep(
    file: SuiteFile,
    folder: Path,
    place: Place,
    *,
    clock_ns: Clock,
    follow: Follower,
    command: str = "",
    retry: bool = False,
) -> dict[str, Any]:
    """Run what is missing of the suite and write everything into ``folder``; what stands in its summary.json.

    ``retry``: runs that failed before count as missing. Raises InvalidSuite before anything runs, RecordingFailed,
    MissingExtra, ClusterFailed.
    """
    tasks = expand(file)
    store = Store(folder)
    pictures = _pictures(tasks, folder) if file.suite.pictures else {}
    kept = {task.key for task in tasks if task.key in store.rows and not (retry and store.rows[task.key]["error"])}
    todo: list[Work] = [task for task in tasks if task.key not in kept]
    # Pictures come with the last runs: they are the same for every start and nobody waits for them.
    todo += [work for work in pictures.values() if not Path(work.path).exists()]
    follow.begun(len(tasks) + len(pictures), len(tasks) + len(pictures) - len(todo))
    began = clock_ns()
    unseen: list[Row] = []
    interrupted = False
    try:
        _run(todo, place, file, clock_ns, _taking(store, unseen, follow))
    except KeyboardInterrupt:
        interrupted = True
    finally:
        store.close()
    rows = [store.rows[task.key] for task in tasks if task.key in store.rows]
    report = _summed_up(file, tasks, rows, command) | {
        "interrupted": interrupted,
        "kept": len(kept),
        "on": place.on,
        "jobs": place.jobs,
        "wall_s": round((clock_ns() - began) / 1e9, 1),
        "pictures_failed": [{"scene": row["scene"], "error": row["error"]} for row in unseen],
    }
    _write(report, rows, {scene: Path(work.path) for scene, work in pictures.items()}, folder)
    return report


def _taking(store: Store, unseen: list[Row], follow: Follower) -> Take:
    """What is done with a row as it comes; ``unseen`` takes up the pictures that failed."""
    commit = commit_of(Path.cwd())

    def take(work: Work, row: Row) -> None:
        if isinstance(work, Task):
            store.add(row | {"commit": commit})
        elif row.get("error"):
            unseen.append(row)
        follow.done(work, row)

    return take


def _run(todo: Sequence[Work], place: Place, file: SuiteFile, clock_ns: Clock, take: Take) -> None:
    limits = file.suite.limits
    if not todo:
        return
    if place.on == "ray":
        run_on_ray(todo, place.jobs, limits, clock_ns, take, address=place.ray_address)
    else:
        run_in_processes(todo, min(place.jobs, len(todo)), limits, clock_ns, take)


def _pictures(tasks: Sequence[Task], folder: Path) -> dict[Scene, PictureTask]:
    """One per scenario, at its first speed and seed."""
    shown: dict[str, PictureTask] = {}
    (folder / PICTURES).mkdir(parents=True, exist_ok=True)
    for task in tasks:
        scene = task.scene
        if scene.name not in shown:
            digest = hashlib.blake2b(repr((scene, task.scenario)).encode(), digest_size=8).hexdigest()
            shown[scene.name] = PictureTask(
                scene, str((folder / PICTURES / f"{scene.family}-{digest}.json").absolute())
            )
    return {work.scene: work for work in shown.values()}


def _summed_up(file: SuiteFile, tasks: Sequence[Task], rows: Sequence[Row], command: str) -> dict[str, Any]:
    suite = file.suite
    baseline = suite.baseline or (tasks[0].label if tasks else "")
    return {
        "name": suite.name,
        "title": suite.title or suite.name,
        "suite": str(file.path),
        "command": command,
        "runs": len(tasks),
        "done": len(rows),
        "complete": len(rows) == len(tasks),
        "failed": sum(summary.failed(row) for row in rows),
        "perception": sorted({row["perception"] for row in rows}),
        "baseline": baseline,
        "variants": summary.by_variant(rows),
        "differences": summary.differences(rows, baseline),
        "cells": summary.by_cell(rows),
        "commits": sorted({row.get("commit", "") for row in rows} - {""}),
    }


def _write(report: dict[str, Any], rows: Sequence[Row], pictures: dict[Scene, Path], folder: Path) -> None:
    from scenarios.sweeps.report import markdown, page

    write_json(folder / SUMMARY, report)
    for name, text in ((REPORT, page(report, rows, pictures)), (PAGE, markdown(report))):
        try:
            (folder / name).write_text(text, encoding="utf-8")
        except OSError as error:
            what = f"cannot be written: {error.strerror or error}"
            raise RecordingFailed(what, where=str(folder / name)) from error
    if rows:
        try:
            write_table([{k: v for k, v in row.items() if k != "trace"} for row in rows], folder / TABLE)
        except MissingExtra as error:
            report["table"] = str(error)  # the rows are there as JSON lines
