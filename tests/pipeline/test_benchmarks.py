"""The runtime's own benchmarks give the promised figures, consistent with each other. How fast is not asked here."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from typing import Any

import pytest

from pipeline import Duration, VirtualClock, benchmarks, cli, ms, run


@pytest.fixture(scope="module")
def contest() -> dict[str, Any]:
    return benchmarks.race(quick=True)


@pytest.mark.slow
def test_the_clock_s_figures_hang_together(monkeypatch: pytest.MonkeyPatch) -> None:
    rounds: dict[str, list[float]] = {"_callbacks_per_s": [], "_simpy_per_s": []}

    def watch(name: str, measure: Callable[[int], float]) -> None:
        def watched(ticks: int) -> float:
            rounds[name].append(measure(ticks))
            return rounds[name][-1]

        monkeypatch.setattr(benchmarks, name, watched)

    for name in rounds:
        watch(name, getattr(benchmarks, name))
    figures = benchmarks.clock(quick=True)
    assert set(figures) >= {"callbacks_per_s", "callbacks_per_s_best", "simpy_per_s", "ratio", "operators", "rounds"}
    ours, theirs = rounds.values()
    assert len(ours) == len(theirs) == figures["rounds"] == benchmarks.ROUNDS
    ratios = sorted(a / b for a, b in zip(ours, theirs, strict=True))
    assert figures["ratio"] == pytest.approx(ratios[len(ratios) // 2], abs=1e-3)
    assert figures["callbacks_per_s"] == pytest.approx(sorted(ours)[len(ours) // 2], abs=1)
    assert figures["callbacks_per_s_best"] == pytest.approx(max(ours), abs=1)
    assert all(math.isfinite(value) and value > 0 for value in figures.values())


def test_the_clock_s_graph_has_the_promised_work() -> None:
    graph = benchmarks.clock_graph()
    operators = [o for o in graph.operators.values() if not isinstance(o, benchmarks.Tick)]
    assert len(operators) == len(graph.deadlines) == 8
    assert sum(isinstance(operator, benchmarks.Add) for operator in operators) == 3
    result = run(graph, clock=VirtualClock(), until=Duration(ms(20) - 1))
    last = operators[-1] if operators else None
    assert last is not None
    assert all(len(values) == 20 for values in result.values.values()), "every operator answers at every tick"
    assert not result.misses


def test_the_race_s_figures_hang_together(contest: dict[str, Any]) -> None:
    assert set(contest) >= {"decision_us_p50", "decision_us_p99", "events_per_decision", "candidates"}
    assert 0 < contest["decision_us_p50"] <= contest["decision_us_p99"] < math.inf
    assert (contest["events_per_decision"], contest["candidates"]) == (5, 3)


def test_bench_race_prints_one_json_object_with_the_machine_s_load(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as done:
        cli.main(["bench", "race", "-o", "quick=true", "--json"])
    assert not done.value.code
    told = json.loads(capsys.readouterr().out)
    assert told["name"] == "race"
    assert told["load_average"] >= 0
    assert told["cpus"] >= 1
    assert told["decision_us_p50"] > 0
