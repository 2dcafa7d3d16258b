"""The sweep's benchmark: which rows count while the workers are warm and busy."""

from __future__ import annotations

import pytest

from scenarios.sweeps.benchmark import steady_rate

SECOND = 10**9


def test_the_rate_is_counted_while_all_workers_are_warm_and_busy() -> None:
    at = [3, 4, 4.5, 5, 5.5, 6, 6.5, 9]
    workers = ["a", "b", "a", "b", "a", "b", "a", "b"]
    assert steady_rate([round(t * SECOND) for t in at], workers, 2) == pytest.approx(5 / 2.5)


def test_one_worker_counts_from_its_first_run_on() -> None:
    assert steady_rate([2 * SECOND, 3 * SECOND, 4 * SECOND, 5 * SECOND], ["a"] * 4, 1) == pytest.approx(1.0)


def test_too_few_runs_are_refused() -> None:
    with pytest.raises(ValueError, match="2 runs are too few to measure 2 workers"):
        steady_rate([1, 2], ["a", "b"], 2)
