"""Campaigns: which runs they make, what the table says of them, and that nothing is run twice or lost."""

from __future__ import annotations

import json
from concurrent.futures import Future
from pathlib import Path
from typing import Any

import pytest
import typer

from pipeline.errors import OperatorFailed, UnknownOperator
from pipeline.launchfile import resolve
from scenarios import cli
from scenarios.experiments import outcomes
from scenarios.experiments.outcomes import Case, campaign, cases, markdown, run_case, run_cases, summarise


class Resolved(str):
    """A launch file whose text is itself."""

    def text(self, variant: str) -> str:
        return f"{variant}: {self}"


def case(variant: str = "dynamic", seed: int = 1, speed: float = 12.0, scenario: str = "traffic_jam") -> Case:
    return Case("launch/twin.yaml", variant, scenario, speed, seed)


def result(**fields: Any) -> dict[str, Any]:
    """A good drive without a contact, as its result.json has it."""
    plain = {"interrupted": False, "collided": False, "impact_speed_mps": 0.0, "min_gap_m": 4.0}
    return {**plain, "latency_ms_p50": 100.0, "deadline_misses": 0, **fields}


class Here:
    """A process pool that works in this process, so that what is patched here counts."""

    def __init__(self, jobs: int, mp_context: Any = None) -> None:
        self.ended = False

    def submit(self, work: Any, *arguments: Any) -> Future[Any]:
        future: Future[Any] = Future()
        future.set_result(work(*arguments))
        return future

    def shutdown(self, wait: bool, cancel_futures: bool) -> None:
        self.ended = True


def test_every_combination_is_run_once_and_the_variants_of_a_scene_follow_each_other() -> None:
    todo = cases("a.yaml", ("x", "y"), ("jam", "truck"), (10.0, 12.0), (1, 2, 3))
    assert len(todo) == len(set(todo)) == 24
    assert [one.variant for one in todo[:4]] == ["x", "y", "x", "y"]
    assert {(one.scenario, one.speed_mps, one.seed) for one in todo[:2]} == {("jam", 10.0, 1)}
    assert len({one.folder for one in todo}) == 24, "no two share a folder"


def test_a_case_changes_scene_speed_and_seed_of_the_launch_file_and_nothing_else(root: Path) -> None:
    path = str(root / "launch" / "twin.yaml")
    assert case(speed=10.5, seed=9).folder == "traffic_jam/10.5/dynamic/9"
    plain, changed = resolve(path), resolve(path, case(speed=10.5, seed=9).overrides)
    assert changed.settings.seed == 9
    assert changed.variants.keys() == plain.variants.keys()
    world = str(changed.variants["dynamic"])
    assert "traffic_jam" in world
    assert "10.5" in world


def test_a_row_counts_collisions_and_takes_its_gaps_from_the_drives_without() -> None:
    rows = summarise(
        [
            (case(seed=1), result(collided=True, impact_speed_mps=4.0, min_gap_m=0.0, deadline_misses=2)),
            (case(seed=2), result(collided=True, impact_speed_mps=7.0, min_gap_m=0.0, latency_ms_p50=300.0)),
            (case(seed=3), result(min_gap_m=3.0, deadline_misses=1, latency_ms_p50=200.0)),
            (case(seed=4), result(min_gap_m=5.0, latency_ms_p50=None)),
            (case(seed=5), result(min_gap_m=None)),
        ]
    )
    assert rows == [
        {
            "scenario": "traffic_jam",
            "speed_mps": 12.0,
            "variant": "dynamic",
            "runs": 5,
            "failed": 0,
            "collisions": 2,
            "impact_speed_mps_mean": 5.5,
            "impact_speed_mps_max": 7.0,
            "min_gap_m_median": 5.0,
            "latency_ms_p50_median": 200.0,
            "deadline_misses": 3,
        }
    ]


def test_there_is_a_row_per_scenario_speed_and_variant() -> None:
    keys = [("a", "jam", 10.0), ("b", "jam", 10.0), ("a", "jam", 12.0), ("a", "truck", 10.0)]
    found = [(case(v, seed, speed, scene), result()) for v, scene, speed in keys for seed in (1, 2)]
    rows = summarise(found)
    assert [(row["variant"], row["scenario"], row["speed_mps"]) for row in rows] == keys
    assert [row["runs"] for row in rows] == [2, 2, 2, 2]


def test_a_run_that_failed_is_counted_apart() -> None:
    (row,) = summarise([(case(seed=1), {"error": "plan: broke"}), (case(seed=2), result())])
    assert (row["runs"], row["failed"], row["collisions"]) == (1, 1, 0)
    (lost,) = summarise([(case(), {"error": "plan: broke"})])
    assert (lost["runs"], lost["failed"], lost["min_gap_m_median"], lost["latency_ms_p50_median"]) == (0, 1, None, None)


def test_the_page_says_every_row_with_units_the_command_and_the_failures() -> None:
    found = [
        (case("dynamic"), result(min_gap_m=4.25)),
        (case("periodic", 1), result(collided=True, impact_speed_mps=4.0, min_gap_m=0.0, latency_ms_p50=310.4)),
        (case("periodic", 2), {"error": "broke"}),
        (case("silent"), result(latency_ms_p50=None)),
    ]
    page = markdown(summarise(found), "skylane outcomes launch/twin.yaml")
    lines = page.splitlines()
    table = [line for line in lines if line.startswith("|")]
    assert {line.count("|") for line in table} == {10}, "every line has the head's columns"
    assert table[2] == "| traffic_jam | 12 m/s | dynamic | 1 | 0 | – | 4.2 m | 100 ms | 0 |"
    assert table[3] == "| traffic_jam | 12 m/s | periodic | 1 | 1 | 4.0 / 4.0 m/s | – | 310 ms | 0 |"
    assert table[4] == "| traffic_jam | 12 m/s | silent | 1 | 0 | – | 4.0 m | – | 0 |"
    assert "Command: `skylane outcomes launch/twin.yaml`" in lines
    assert "Runs that failed: 1." in lines


def test_a_resumed_campaign_does_not_run_finished_cases_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ran: list[Path] = []

    def run(built: Any, place: Path, *, record: bool) -> dict[str, Any]:
        assert not record
        ran.append(place)
        place.mkdir(parents=True, exist_ok=True)
        (place / "result.json").write_text(json.dumps(result(min_gap_m=float(len(ran)))))
        return result(min_gap_m=float(len(ran)))

    monkeypatch.setattr(outcomes, "run_variant", run)
    monkeypatch.setattr(outcomes, "build", lambda launch, variant: variant)
    monkeypatch.setattr(outcomes, "resolve", lambda launch, overrides: Resolved("\n".join(overrides)))
    first = [run_case(case(seed=seed), str(tmp_path)) for seed in (1, 2)]
    assert [run_case(case(seed=seed), str(tmp_path)) for seed in (1, 2)] == first
    assert len(ran) == 2

    changed = tmp_path / case(seed=1).folder / "result.json"
    kept = changed.read_text()
    changed.write_text(json.dumps(json.loads(kept) | {"launch": "another file"}))
    run_case(case(seed=1), str(tmp_path))
    assert len(ran) == 3, "a result of another launch file does not count"

    (tmp_path / case(seed=2).folder / "result.json").write_text(json.dumps(result(interrupted=True)))
    (tmp_path / case(seed=1).folder / "result.json").write_text('{"interr')
    again = [run_case(case(seed=seed), str(tmp_path)) for seed in (1, 2, 3)]
    assert [one["min_gap_m"] for one in again] == [4.0, 5.0, 6.0], "interrupted, half-written and new ones are run"


@pytest.mark.parametrize("error", [OperatorFailed("broke", where="plan"), UnknownOperator("no operator 'x'")])
def test_a_run_that_fails_is_a_row_with_its_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    def run(*arguments: Any, **more: Any) -> None:
        raise error

    monkeypatch.setattr(outcomes, "build", run)
    monkeypatch.setattr(outcomes, "resolve", lambda launch, overrides: Resolved("\n".join(overrides)))
    assert run_case(case(), str(tmp_path)) == {"error": str(error)}


def test_an_interrupt_returns_what_is_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def told(done: int) -> None:
        if done == 2:
            raise KeyboardInterrupt

    monkeypatch.setattr(outcomes, "ProcessPoolExecutor", Here)
    monkeypatch.setattr(outcomes, "run_case", lambda one, folder: result(min_gap_m=float(one.seed)))
    found = run_cases([case(seed=seed) for seed in range(5)], tmp_path, tell=told)
    assert len(found) == 2
    assert all(one["min_gap_m"] == its.seed for its, one in found)


def test_results_come_in_the_order_of_the_cases(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(outcomes, "ProcessPoolExecutor", Here)
    monkeypatch.setattr(outcomes, "run_case", lambda one, folder: result())
    monkeypatch.setattr(outcomes, "as_completed", lambda futures: reversed(list(futures)))
    todo = [case(seed=seed) for seed in range(4)]
    assert [one for one, _ in run_cases(todo, tmp_path)] == todo


@pytest.mark.parametrize("interrupted", [False, True])
def test_a_campaign_writes_its_table_and_says_whether_it_is_complete(
    tmp_path: Path, root: Path, monkeypatch: pytest.MonkeyPatch, interrupted: bool
) -> None:
    def tell(done: int, total: int) -> None:
        assert total == 6
        if interrupted and done == 3:
            raise KeyboardInterrupt

    monkeypatch.setattr(outcomes, "ProcessPoolExecutor", Here)
    monkeypatch.setattr(outcomes, "run_case", lambda one, folder: result())
    report = campaign(
        str(root / "launch" / "twin.yaml"),
        scenarios=["traffic_jam"],
        speeds=[12.0],
        seeds=[1, 2],
        folder=tmp_path,
        jobs=1,
        command="skylane outcomes",
        tell=tell,
    )
    assert report["complete"] is not interrupted
    assert sum(row["runs"] for row in report["rows"]) == (3 if interrupted else 6)
    assert json.loads((tmp_path / "outcomes.json").read_text()) == report
    assert (tmp_path / "outcomes.md").read_text() == markdown(report["rows"], "skylane outcomes")


def test_seeds_are_written_as_numbers_and_ranges() -> None:
    assert cli.numbers("1-3,7") == [1, 2, 3, 7]
    assert cli.numbers("5") == [5]
    for wrong in ("", "a", "1-", "-3", "1-b", "1,,2"):
        with pytest.raises(typer.BadParameter, match="is no list of numbers"):
            cli.numbers(wrong)


@pytest.mark.slow
def test_one_real_drive_of_a_campaign_has_every_figure_of_the_table(
    tmp_path: Path, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Case, "overrides", property(lambda one: ("duration=1s", "world.scenario=traffic_jam")))
    one = Case(str(root / "launch" / "twin.yaml"), "dynamic", "traffic_jam", 12.0, 1)
    (row,) = summarise([(one, run_case(one, str(tmp_path)))])
    assert (row["runs"], row["failed"]) == (1, 0)
    assert row["latency_ms_p50_median"] > 0
    assert [path.name for path in (tmp_path / one.folder).iterdir()] == ["result.json"]
