"""``skylane scenario``: list, show, import, export, rehearse."""

from __future__ import annotations

import json
from pathlib import Path

from typer.testing import CliRunner

from pipeline.errors import UsageError
from scenarios.library.cli import app
from scenarios.library.loading import NAMES


def said(*arguments: str) -> str:
    """What the command prints."""
    result = CliRunner().invoke(app, list(arguments))
    assert result.exit_code == 0, result.output
    return result.stdout


def test_the_list_has_every_family_with_its_speeds() -> None:
    rows = json.loads(said("list", "--json"))["scenarios"]
    assert [row["name"] for row in rows] == list(NAMES)
    assert all(row["source"] and row["speed_mps"]["default"] > 0.0 for row in rows)
    assert "A traffic jam behind a truck" in said("list")


def test_a_family_is_shown_with_what_the_seed_drew_and_what_is_set() -> None:
    text = said("show", "person_behind_truck", "--seed", "3", "--set", "walk_mps=1.5")
    assert "NHTSA" in text and "1.500 m/s" in text and "pedestrian, walks" in text
    shown = json.loads(said("show", "person_behind_truck", "--json", "--speed", "10"))
    assert shown["speed_mps"] == 10.0 and len(shown["actors"]) > 10


def test_what_is_exported_can_be_imported(tmp_path: Path) -> None:
    file = tmp_path / "cut.xosc"
    assert "cut.xodr" in said("export", "cut_in", "-o", str(file))
    assert "22 m/s" in said("import", str(file))
    found = json.loads(said("import", str(file), "--json", "--allow-unsupported"))
    assert found["left_out"] == [] and found["speed_mps"] == 22.0


def test_a_rehearsal_tells_both_ends_for_each_seed() -> None:
    runs = json.loads(said("rehearse", "construction", "--seeds", "1", "--json"))["runs"]
    assert runs[0]["never_brakes_mps"] > 5.0 and runs[0]["brakes_at_once_mps"] is None


def test_mistakes_on_the_command_line_are_told(tmp_path: Path) -> None:
    unknown = CliRunner().invoke(app, ["show", "traffic_jma"])
    assert isinstance(unknown.exception, UsageError) and "traffic_jam" in str(unknown.exception)
    assert CliRunner().invoke(app, ["show", "street", "--set", "cars"]).exit_code == 2
    assert CliRunner().invoke(app, ["show", "street", "--set", "cars=many"]).exit_code == 2
    missing = CliRunner().invoke(app, ["import", str(tmp_path / "none.xosc")])
    assert isinstance(missing.exception, UsageError)
