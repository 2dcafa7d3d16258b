"""``skylane bench sweep``: runs per second on one worker and on two, and what a run costs in memory."""

from __future__ import annotations

import os
import statistics
from collections.abc import Callable
from typing import Any

from scenarios.sweeps.driving import Row
from scenarios.sweeps.expansion import Task, expand
from scenarios.sweeps.processes import run_in_processes
from scenarios.sweeps.suite import LimitSettings, read_suite
from scenarios.sweeps.work import Work

SUITE = "quick"
ROUNDS = 3
SEEDS_PER_ROUND = 16


def benchmark(
    timer_ns: Callable[[], int], *, quick: bool = False, suite: str = SUITE, seeds: int = 0, rounds: int = 0
) -> dict[str, Any]:
    """Throughput of the suite's first ``seeds`` seeds, the best of ``rounds`` rounds, once the workers are warm.

    Each round measures one worker and two, one after the other. ``scaling_of_cpu``: twice the processor time of a run
    on one worker over that on two; unlike throughput it says little about what else the machine has to do.
    """
    tasks = expand(read_suite(suite, [f"seeds=1-{seeds or (6 if quick else SEEDS_PER_ROUND)}"]))
    found: dict[int, list[float]] = {1: [], 2: []}
    rows: list[Row] = []
    for _ in range(rounds or (1 if quick else ROUNDS)):
        for jobs, rates in found.items():
            rate, own = _round(tasks, jobs, timer_ns)
            rates.append(rate)
            rows += own
    one, two = max(found[1]), max(found[2])
    cpu_s = {jobs: statistics.median(row["cpu_s"] for row in rows if row["jobs"] == jobs) for jobs in found}
    return {
        "runs": len(tasks),
        "runs_per_s_1": round(one, 2),
        "runs_per_s_2": round(two, 2),
        "scaling_1_to_2": round(two / one, 2),
        "scaling_of_cpu": round(2 * cpu_s[1] / cpu_s[2], 2),
        "scaling_by_round": [round(b / a, 2) for a, b in zip(found[1], found[2], strict=True)],
        "peak_mb_max": max(row["peak_mb"] for row in rows if not row["error"]),
        "failed": sum(bool(row["error"]) for row in rows),
        "cores": len(os.sched_getaffinity(0)),
    }


def _round(tasks: list[Task], jobs: int, timer_ns: Callable[[], int]) -> tuple[float, list[Row]]:
    """Runs per second while all ``jobs`` workers are warm and busy, and all rows."""
    done: list[tuple[int, Row]] = []

    def take(work: Work, row: Row) -> None:
        done.append((timer_ns(), row | {"jobs": jobs}))

    run_in_processes(tasks, jobs, LimitSettings(), timer_ns, take)
    return steady_rate([at for at, _ in done], [str(row["worker"]) for _, row in done], jobs), [row for _, row in done]


def steady_rate(at_ns: list[int], workers: list[str], jobs: int) -> float:
    """Rows per second from when every worker has finished its first run until the first has nothing left to do."""
    begun = {worker: k for k, worker in reversed(list(enumerate(workers)))}
    first = max(begun.values())
    last = len(at_ns) - jobs
    if last <= first:
        raise ValueError(f"{len(at_ns)} runs are too few to measure {jobs} workers")
    return (last - first) / ((at_ns[last] - at_ns[first]) / 1e9)
