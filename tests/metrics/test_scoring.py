"""``skylane score``: which runs it finds, what it makes of them, and what it says to those it cannot use."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import typer
from typer.testing import CliRunner

from pipeline.errors import InvalidRecord, UsageError
from scenarios.metrics.cli import score
from scenarios.metrics.judge import plain
from scenarios.metrics.leaderboard import RouteRun
from scenarios.metrics.leaderboard_check import validate
from scenarios.metrics.rules import RED_LIGHT, Infraction
from scenarios.metrics.scoring import results_of, scored, table
from tests.scenarios.recordings import record

RAN = Infraction(kind=RED_LIGHT, t_ns=1_500_000_000, message="Agent ran a red light 3 at (x=1.0, y=2.0, z=0.0)")


def judged(folder: Path, *infractions: Infraction, completion: float = 100.0, **more: Any) -> None:
    """A run with a result.json that was judged while it went on."""
    folder.mkdir(parents=True)
    run = RouteRun(
        route_id="RouteScenario_0_rep0",
        length_m=500.0,
        completion_pct=completion,
        duration_s=60.0,
        infractions=infractions,
    )
    result = {"name": folder.name, "wall_s": 3.5, "metrics": {"route": plain(run)}, **more}
    (folder / "result.json").write_text(json.dumps(result), encoding="utf-8")


def test_every_run_below_the_folder_is_a_route(tmp_path: Path) -> None:
    judged(tmp_path / "suite" / "b", RAN, completion=50.0)
    judged(tmp_path / "suite" / "a", streams={"camera.frame": {"count": 3}, "plan.trajectory": {"count": 3}})
    (tmp_path / "suite" / "result.json").write_text('{"variants": []}', encoding="utf-8")
    runs = scored(tmp_path)
    assert [one.name for one in runs] == ["suite/a", "suite/b"]
    assert [one.run.route_id for one in runs] == ["RouteScenario_0_rep0", "RouteScenario_1_rep0"]
    assert runs[1].run.infractions == (RAN,)
    found = results_of(runs, "2.1")
    assert validate(found) == []
    assert found["_checkpoint"]["global_record"]["scores_mean"]["score_composed"] == pytest.approx((100 + 50 / 1.4) / 2)
    assert found["sensors"] == ["carla_camera"]
    assert found["_checkpoint"]["records"][0]["meta"]["duration_system"] == 3.5
    shown = table(runs, "2.1")
    assert "suite/b" in shown and "1.50 s: Agent ran a red light" in shown and "67.9" in shown


@pytest.mark.parametrize("collided", [False, True])
def test_a_run_that_was_not_judged_is_judged_by_its_log(tmp_path: Path, collided: bool) -> None:
    record(tmp_path / "old", collided=collided, pixels=False)
    (one,) = scored(tmp_path / "old")
    assert one.name == "old"
    assert one.run.duration_s == pytest.approx(2.0, abs=0.02)
    assert 0.0 < one.run.completion_pct < 100.0
    assert [each.kind for each in one.run.infractions] == (["collisions_pedestrian"] if collided else [])
    assert validate(results_of([one], "2.0")) == []


def run(*arguments: str) -> Any:
    app = typer.Typer()
    app.command()(score)
    return CliRunner().invoke(app, [*arguments], catch_exceptions=True)


def test_the_command_prints_the_leaderboards_file_or_a_table(tmp_path: Path) -> None:
    judged(tmp_path / "run", RAN)
    file = tmp_path / "board.json"
    said = run(str(tmp_path), "--leaderboard", "2.0", "--json", "--out", str(file))
    assert said.exit_code == 0
    assert validate(json.loads(said.stdout)) == []
    assert json.loads(said.stdout) == json.loads(file.read_text("utf-8"))
    assert json.loads(said.stdout)["values"][0] == "70.0"
    assert "70.0" in run(str(tmp_path), "--leaderboard", "2.0").stdout


def test_what_cannot_be_scored_is_said_with_its_place(tmp_path: Path) -> None:
    with pytest.raises(InvalidRecord, match="holds no run"):
        scored(tmp_path)
    judged(tmp_path / "run")
    with pytest.raises(UsageError, match=r"1\.0"):
        results_of(scored(tmp_path), "1.0")
    (tmp_path / "run" / "result.json").write_text('{"metrics": {"route": {"route_id": 3}}}', encoding="utf-8")
    with pytest.raises(InvalidRecord, match=r"run/result\.json.*route_id"):
        scored(tmp_path)
    (tmp_path / "run" / "result.json").write_text("{", encoding="utf-8")
    with pytest.raises(InvalidRecord, match="cannot be read"):
        scored(tmp_path)
    (tmp_path / "run" / "result.json").write_text('{"name": "run"}', encoding="utf-8")
    with pytest.raises(InvalidRecord, match="neither judged"):
        scored(tmp_path)
