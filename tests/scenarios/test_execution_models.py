"""The comparison of execution models: what it sums up, what the detectors' stand-in finds, and its quick form."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline import cli
from scenarios.experiments.execution_models import planned
from scenarios.experiments.execution_models_cases import (
    DYNAMICS,
    FINAL_SEEDS,
    GRID,
    MODELS,
    POLICY_SEEDS,
    STATICS,
    grid_cases,
)
from scenarios.experiments.execution_models_city import CROSSINGS_PER_KM, scenario
from scenarios.experiments.execution_models_detector import FOUND_MAX, RANGE_M, found_share
from scenarios.experiments.execution_models_page import page
from scenarios.experiments.execution_models_rows import judged_rows
from scenarios.experiments.execution_models_studies import TRACKERS, tracker_runtimes
from scenarios.experiments.execution_models_summary import (
    grid_table,
    models_table,
    poisson_interval,
    reduction_pct,
)
from scenarios.world.world import World


def row(model: str, seed: int, impacts: tuple[float, ...] = (), km: float = 5.0, **changes: Any) -> dict[str, Any]:
    plain: dict[str, Any] = {
        "part": "city", "scenario": "grid", "speed_mps": 0.0, "error": "", "leg": 0, "duration_s": 600.0,
        "answers": 100, "response_ms_p50": 120.0, "misses": {"plan": 1}, "models_used": {"ed1": 3, "ed7": 1},
        "tight": {"right": 3, "early": 1}, "response_histogram": {"100": 9, "280": 1}, "min_gap_m": 2.0,
        "progress": 1.0, "at_fault": {"ego": 1}, "incidents": {"red_light": 2},
    }  # fmt: skip
    mine = {"model": model, "seed": seed, "impacts_mps": list(impacts), "collisions": len(impacts), "km": km}
    return {**plain, **mine, **changes}


def empty_report(**changes: Any) -> dict[str, Any]:
    plain: dict[str, Any] = {
        "models": [], "grid": [], "studies": {}, "reduction_vs_periodic_pct": None, "reductions_pct": {},
        "command": "x", "profile": "rtx2080", "accuracy": "assumed", "town": "Town", "seeds": [1, 2],
        "policy_seeds": [5],
        "complete": True, "failed": [],
    }  # fmt: skip
    return {**plain, **changes}


def test_the_seeds_that_are_reported_were_not_used_while_improving() -> None:
    assert not set(POLICY_SEEDS) & set(FINAL_SEEDS)
    assert len(FINAL_SEEDS) >= 10
    assert len(POLICY_SEEDS) >= 10


def test_the_full_plan_drives_fifty_kilometres_per_model_and_the_whole_grid() -> None:
    plan = planned()
    for model in MODELS:
        assert sum(case.length_m for case in plan.city if case.model == model) >= 50_000.0
    assert len(plan.grid) == sum(map(len, GRID.values())) * len((*STATICS, *DYNAMICS)) * 10
    assert len({case.place for case in plan.cases}) == len(plan.cases), "no two drives share a file"


def test_every_model_drives_the_same_scene_of_a_seed_before_the_next_seed_begins() -> None:
    cases = grid_cases((1, 2), ("static-200", "dynamic"))
    assert [case.seed for case in cases] == sorted(case.seed for case in cases)
    assert [case.model for case in cases[:4]] == ["static-200", "dynamic"] * 2


@given(
    st.sampled_from(sorted(RANGE_M)),
    st.floats(1.0, 300.0),
    st.floats(0.0, 50.0),
    st.floats(0.0, 1.0),
    st.floats(0.0, 1.0),
)
def test_larger_and_freer_is_found_more_often(model: str, height: float, more: float, low: float, high: float) -> None:
    low, high = min(low, high), max(low, high)
    assert 0.0 <= found_share(model, height, low, 320.0) <= found_share(model, height, high, 320.0) <= FOUND_MAX
    assert found_share(model, height, high, 320.0) <= found_share(model, height + more, high, 320.0)


def test_every_model_finds_half_of_the_adults_at_its_range_and_a_larger_one_no_fewer() -> None:
    for model, range_m in RANGE_M.items():
        assert found_share(model, 320.0 * 1.75 / range_m, 1.0, 320.0) == pytest.approx(0.5)
    shares = [found_share(model, 12.0, 0.8, 320.0) for model in RANGE_M]
    assert shares == sorted(shares)


def test_counts_have_their_exact_interval() -> None:
    # Values from Garwood's table for 0, 3 and 10 events.
    assert poisson_interval(0) == pytest.approx((0.0, 3.689), abs=1e-3)
    assert poisson_interval(3) == pytest.approx((0.619, 8.767), abs=1e-3)
    assert poisson_interval(10) == pytest.approx((4.795, 18.390), abs=1e-3)


def test_the_table_counts_collisions_and_leaves_failed_drives_out() -> None:
    rows = [row("dynamic", 1, (3.0, 5.0)), row("dynamic", 2), row("dynamic", 3, (9.0,), error="broken")]
    (entry,) = models_table(rows, ("periodic", "dynamic"))
    assert (entry["name"], entry["collisions"], entry["km"], entry["seeds"]) == ("dynamic", 2, 10.0, [1, 2])
    assert entry["impact_speed_mps_mean"] == 4.0
    assert entry["collisions_ci95"] == [0.2, 7.2]
    assert entry["models_used"] == {"ed1": 0.75, "ed7": 0.25}


def test_the_reduction_is_per_kilometre_and_paired_over_the_seeds() -> None:
    rows = [row("periodic", seed, (4.0,) * (2 + seed % 2)) for seed in range(10)]
    rows += [row("dynamic", seed, (4.0,) * (seed % 5 == 0), km=2.5) for seed in range(10)]
    reduction = reduction_pct(rows, "dynamic", "periodic")
    assert reduction is not None
    assert reduction["value"] == pytest.approx(100.0 * (1.0 - (2 / 25.0) / (25 / 50.0)))
    assert reduction["ci95"][0] < reduction["value"] < reduction["ci95"][1] <= 100.0


def test_nothing_is_reduced_where_nobody_collides() -> None:
    assert reduction_pct([row("periodic", 1), row("dynamic", 1)], "dynamic", "periodic") is None


def test_a_claim_that_was_not_measured_is_neither_beaten_nor_lost() -> None:
    rows = judged_rows(empty_report(), [])
    assert [each["row"] for each in rows] == ["R8", *(f"R{k}" for k in range(11, 23))]
    assert all(each["beaten"] is None for each in rows)


def test_a_cell_in_which_dynamic_collides_harder_loses_the_claim() -> None:
    def cell(model: str, speed: float, impacts: tuple[float, ...]) -> dict[str, Any]:
        return row(model, 1, impacts, part="grid", scenario="person_behind_truck", speed_mps=speed)

    calm = [cell(model, speed, ()) for model in ("static-200", "dynamic") for speed in (11.0, 12.0, 13.0)]
    for impacts, beaten in (((), True), ((2.0,), False)):
        grid = grid_table([*calm, cell("dynamic", 11.0, impacts)])
        line = next(each for each in judged_rows(empty_report(grid=grid), []) if each["row"] == "R14")
        assert line["beaten"] is beaten


def test_the_page_has_every_model_every_claim_and_says_when_it_is_not_complete() -> None:
    rows = [row("periodic", 1, (4.0,)), row("dynamic", 1)]
    report = empty_report(models=models_table(rows, MODELS), complete=False)
    report["rows"] = judged_rows(report, rows)
    text = page(report)
    assert "| periodic | 1 |" in text
    assert "| R22 |" in text
    assert "Not complete" in text


@pytest.mark.parametrize("seed", [POLICY_SEEDS[0], POLICY_SEEDS[1]])
def test_the_town_of_a_seed_is_the_same_every_time_and_has_its_share_of_trouble(seed: int) -> None:
    drive = scenario("grid", seed, 2000.0)
    assert drive == scenario("grid", seed, 2000.0)
    assert not drive.stop_on_collision
    names = [actor.on for actor in drive.actors]
    assert sum(name.startswith("pull-out") for name in names) >= 1
    walks = [actor for actor in drive.actors if actor.kind == "pedestrian" and actor.on == ""]
    assert len(walks) == 2.0 * CROSSINGS_PER_KM
    assert World(drive, seed=seed, pixels=False).route().stops


def test_a_tracker_takes_the_most_accurate_that_fits_and_keeps_its_deadline() -> None:
    found = tracker_runtimes()["agents"]
    assert found["1"]["chosen"] == list(TRACKERS)[-1]
    assert found["10"]["chosen"] == "deepsort"
    assert found["10"]["p99_ms"]["dasiamrpn"] > 100
    assert sum(cell["misses"] for cell in found.values()) == 0


@pytest.mark.slow
@pytest.mark.timeout(240)
def test_the_quick_form_says_everything_that_the_full_one_does(tmp_path: Path, capsys: Any) -> None:
    arguments = ["experiment", "execution-models", "--quick", "--json", "--jobs", "2", "--out", str(tmp_path)]
    with pytest.raises(SystemExit) as ended:
        cli.main(arguments)
    assert ended.value.code == 0
    report = json.loads(capsys.readouterr().out)
    assert report == json.loads((tmp_path / "execution-models.json").read_text(encoding="utf-8"))
    fields = {"name", "collisions", "collisions_ci95", "km", "seeds", "impact_speed_mps_mean"}
    assert all(fields <= set(entry) for entry in report["models"])
    assert {"periodic", "data-driven", "static-200", "dynamic"} <= {entry["name"] for entry in report["models"]}
    assert {"scenario", "speed_mps", "model", "collisions", "impact_speed_mps_max"} <= set(report["grid"][0])
    assert not set(report["policy_seeds"]) & set(report["final_seeds"])
    assert "reduction_vs_periodic_pct" in report
    assert report["failed"] == []
    drives = sorted((tmp_path / "drives").rglob("*.json"))
    before = {path: path.stat().st_mtime_ns for path in drives}
    with pytest.raises(SystemExit):
        cli.main(arguments)
    assert {path: path.stat().st_mtime_ns for path in drives} == before, "finished drives are not repeated"
