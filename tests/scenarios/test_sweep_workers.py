"""Workers for real: the same results on one, on two and on Ray; one that dies, hangs or grows costs its run alone."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from scenarios.sweeps.driving import Row
from scenarios.sweeps.expansion import Task, expand
from scenarios.sweeps.processes import run_in_processes
from scenarios.sweeps.suite import LimitSettings, read_suite
from scenarios.sweeps.work import Work
from tests.scenarios.sweep_toys import LAUNCH, read_toy

pytestmark = pytest.mark.real


@pytest.fixture(autouse=True)
def toys_are_found(monkeypatch: pytest.MonkeyPatch, root: Path) -> None:
    monkeypatch.syspath_prepend(str(root / "tests" / "scenarios"))


def done(tasks: list[Task], jobs: int, limits: dict[str, Any] | None = None) -> dict[str, Row]:
    """What comes back for each task, by key."""
    import time

    rows: dict[str, Row] = {}

    def take(work: Work, row: Row) -> None:
        assert isinstance(work, Task)
        assert work.key not in rows
        rows[work.key] = row

    run_in_processes(tasks, jobs, LimitSettings.model_validate(limits or {}), time.monotonic_ns, take)
    return rows


def in_trouble(folder: Path, trouble: str) -> list[Task]:
    """Sixteen toy runs, of which two (bold, seed 2, at two speeds) get into trouble."""
    bad = LAUNCH.replace("bold: {world.bold: true}", f"bold: {{echo.args.trouble: {trouble}, echo.args.on: 2}}")
    return expand(read_toy(folder, "families=traffic_jam", "seeds=1-4", launch=bad))


def good_and_bad(rows: dict[str, Row]) -> tuple[list[Row], list[Row]]:
    return [r for r in rows.values() if not r["error"]], [r for r in rows.values() if r["error"]]


def test_a_worker_that_dies_is_a_failed_row_and_is_replaced(tmp_path: Path) -> None:
    good, bad = good_and_bad(done(in_trouble(tmp_path, "die"), 2))
    assert (len(good), len(bad)) == (14, 2)
    assert {(row["label"], row["seed"]) for row in bad} == {("bold", 2)}
    assert {row["error"] for row in bad} == {"its worker died (SIGKILL)"}
    assert len({row["worker"] for row in (*good, *bad)}) >= 3


def test_a_run_that_does_not_end_is_stopped(tmp_path: Path) -> None:
    good, bad = good_and_bad(done(in_trouble(tmp_path, "hang")[:4], 1, {"run": "3s"}))
    assert len(good) == 4
    good, bad = good_and_bad(done(in_trouble(tmp_path, "hang")[4:6], 1, {"run": "3s"}))
    assert (len(good), [row["error"] for row in bad]) == (1, ["stopped: it took more than 3 s"])


def test_a_run_that_takes_all_memory_is_stopped(tmp_path: Path) -> None:
    good, bad = good_and_bad(done(in_trouble(tmp_path, "grow")[4:6], 1, {"memory_mb": 700}))
    assert len(good) == 1
    assert "stopped: its worker had grown to" in bad[0]["error"]


def test_a_worker_is_replaced_after_so_many_runs(tmp_path: Path) -> None:
    tasks = expand(read_toy(tmp_path, "families=traffic_jam", "seeds=1"))
    rows = done(tasks, 1, {"runs_per_worker": 2})
    assert [row["worker"] for row in rows.values()] == ["process 1", "process 1", "process 2", "process 2"]


def real_drives(root: Path) -> list[Task]:
    """Short drives in the embedded world, without pixels."""
    file = read_suite(root / "launch" / "suites" / "quick.yaml", ["seeds=1-2", "duration=1500ms", "pictures=false"])
    return expand(file)[::2]


def hashes(rows: dict[str, Row]) -> dict[str, tuple[str, Any]]:
    assert not [row["error"] for row in rows.values() if row["error"]]
    return {key: (row["hash"], row["min_gap_m"]) for key, row in rows.items()}


def test_one_and_two_workers_give_the_same_hashes(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(root)
    tasks = real_drives(root)
    one, two = done(tasks, 1), done(list(reversed(tasks)), 2)
    assert hashes(one) == hashes(two)
    assert len(set(hashes(one).values())) == len(tasks), "different runs have different hashes"
    assert max(row["peak_mb"] for row in two.values()) < 400, "a run without torch needs less than 400 MiB"
    assert len({row["worker"] for row in two.values()}) == 2


@pytest.mark.slow
def test_ray_gives_the_same_hashes(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("ray", reason="the extra ray is not installed")
    import time

    from scenarios.sweeps.on_ray import run_on_ray

    monkeypatch.chdir(root)
    tasks = real_drives(root)
    rows: dict[str, Row] = {}

    def take(work: Work, row: Row) -> None:
        assert isinstance(work, Task)
        rows[work.key] = row

    run_on_ray(tasks, 2, LimitSettings(), time.monotonic_ns, take)
    assert hashes(rows) == hashes(done(tasks, 1))
    assert all(row["worker"].startswith("ray") for row in rows.values())


def test_no_worker_is_left_behind(tmp_path: Path) -> None:
    import psutil

    before = {child.pid for child in psutil.Process(os.getpid()).children(recursive=True)}
    done(in_trouble(tmp_path, "raise"), 2)
    left = [c for c in psutil.Process(os.getpid()).children(recursive=True) if c.pid not in before]
    assert not [child for child in left if "resource_tracker" not in " ".join(child.cmdline())]
