"""Sweeps: nothing is run twice or lost, a failed run is a row, and what is written says what came out."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from scenarios.sweeps import campaign
from scenarios.sweeps.expansion import Scene, expand
from scenarios.sweeps.schedule import Schedule
from scenarios.sweeps.store import Store, write_table
from scenarios.sweeps.summary import by_cell, by_variant, differences
from scenarios.sweeps.work import PictureTask
from tests.scenarios.sweep_toys import LAUNCH, Heard, here, press_ctrl_c, read_toy, run_toy


@pytest.fixture(autouse=True)
def in_this_process(monkeypatch: pytest.MonkeyPatch, root: Path) -> None:
    monkeypatch.syspath_prepend(str(root / "tests" / "scenarios"))
    monkeypatch.setattr(campaign, "run_in_processes", here)


def test_a_sweep_runs_everything_once_and_says_what_came_out(tmp_path: Path) -> None:
    heard = Heard()
    report = run_toy(read_toy(tmp_path), tmp_path / "out", heard)
    assert (heard.total, heard.kept, len(heard.rows)) == (24, 0, 24)
    assert (report["runs"], report["done"], report["failed"], report["complete"]) == (24, 24, 0, True)
    calm, bold = report["variants"]
    assert (calm["label"], calm["collisions"], calm["min_gap_m_median"]) == ("calm", 0, 9.0)
    assert (bold["collisions"], bold["impact_speed_mps_mean"], bold["impact_speed_mps_max"]) == (6, 8.0, 9.0)
    assert json.loads((tmp_path / "out" / "summary.json").read_text()) == report


def test_a_second_start_does_only_what_is_missing(tmp_path: Path) -> None:
    out = tmp_path / "out"
    first = run_toy(read_toy(tmp_path, "seeds=1-2"), out)
    lines = (out / "rows.jsonl").read_text().splitlines()
    heard = Heard()
    second = run_toy(read_toy(tmp_path), out, heard)
    assert (heard.total, heard.kept, len(heard.rows)) == (24, 16, 8)
    assert {row["seed"] for _, row in heard.rows} == {3}
    assert (out / "rows.jsonl").read_text().splitlines()[:16] == lines, "what was there stays as it is"
    assert (first["done"], second["done"], second["kept"]) == (16, 24, 16)
    again = Heard()
    assert run_toy(read_toy(tmp_path), out, again)["variants"] == second["variants"]
    assert not again.rows


def test_ctrl_c_keeps_everything_that_is_done(tmp_path: Path) -> None:
    out = tmp_path / "out"
    report = run_toy(read_toy(tmp_path), out, Heard(5, press_ctrl_c))
    assert (report["interrupted"], report["complete"], report["done"]) == (True, False, 5)
    assert sum(one["runs"] for one in report["variants"]) == 5
    assert "19 runs are missing" in (out / "report.html").read_text()
    heard = Heard()
    assert run_toy(read_toy(tmp_path), out, heard)["complete"]
    assert len(heard.rows) == 19


def test_a_run_that_fails_is_a_row_with_its_error_and_the_others_go_on(tmp_path: Path) -> None:
    bad = LAUNCH.replace("bold: {world.bold: true}", "bold: {echo.args.trouble: raise, echo.args.on: 2}")
    heard = Heard()
    report = run_toy(read_toy(tmp_path, launch=bad), tmp_path / "out", heard)
    assert (report["done"], report["failed"], report["complete"]) == (24, 4, True)
    lost = [row for _, row in heard.rows if row["error"]]
    assert {(row["label"], row["seed"]) for row in lost} == {("bold", 2)}
    assert "echo" in lost[0]["error"]
    assert "as told" in lost[0]["error"]
    assert (
        lost[0]["error"].replace('"', "&quot;").replace("'", "&#x27;") in (tmp_path / "out" / "report.html").read_text()
    )
    bold = report["variants"][1]
    assert (bold["runs"], bold["failed"]) == (8, 4)


def test_what_failed_is_run_again_only_when_asked(tmp_path: Path) -> None:
    bad = LAUNCH.replace("bold: {world.bold: true}", "bold: {echo.args.trouble: raise, echo.args.on: 2}")
    file, out = read_toy(tmp_path, launch=bad), tmp_path / "out"
    run_toy(file, out)
    kept, again = Heard(), Heard()
    run_toy(file, out, kept)
    run_toy(file, out, again, retry=True)
    assert (len(kept.rows), len(again.rows)) == (0, 4)


def test_a_launch_file_that_cannot_be_built_is_a_row_that_says_where(tmp_path: Path) -> None:
    report = run_toy(read_toy(tmp_path, 'echo.use="sweep_toys:Ehco"', quick=True), tmp_path / "out")
    assert report["failed"] == 4
    (row, *_) = Store(tmp_path / "out").rows.values()
    assert "Ehco" in row["error"]
    assert "did you mean 'Echo'" in row["error"]


def test_the_same_suite_gives_the_same_hashes(tmp_path: Path) -> None:
    hashes = []
    for name in ("a", "b"):
        run_toy(read_toy(tmp_path, quick=True), tmp_path / name)
        hashes.append({key: row["hash"] for key, row in Store(tmp_path / name).rows.items()})
    assert hashes[0] == hashes[1]
    assert len(set(hashes[0].values())) == 1, "a world that nobody looks at changes nothing that is said"


def test_a_line_that_was_cut_off_is_run_again_and_does_no_harm(tmp_path: Path) -> None:
    out = tmp_path / "out"
    run_toy(read_toy(tmp_path, quick=True), out)
    whole = (out / "rows.jsonl").read_bytes()
    (out / "rows.jsonl").write_bytes(whole[:-20])
    heard = Heard()
    run_toy(read_toy(tmp_path, quick=True), out, heard)
    assert len(heard.rows) == 1
    assert [json.loads(line)["error"] for line in (out / "rows.jsonl").read_bytes().splitlines()] == [""] * 4


def test_lines_of_somebody_else_are_passed_over(tmp_path: Path) -> None:
    (tmp_path / "rows.jsonl").write_text('{"no": "key"}\nnonsense\n[1]\n{"key": "k", "error": ""}\n')
    assert list(Store(tmp_path).rows) == ["k"]


def test_the_table_has_a_row_for_every_run_and_a_column_for_every_figure(tmp_path: Path) -> None:
    parquet = pytest.importorskip("pyarrow.parquet")
    run_toy(read_toy(tmp_path), tmp_path / "out")
    table = parquet.read_table(tmp_path / "out" / "results.parquet")
    assert table.num_rows == 24
    rows = {(row["label"], row["scene"], row["speed_mps"], row["seed"]): row for row in table.to_pylist()}
    row = rows["bold", "traffic_jam", 12.0, 3]
    assert (row["collided"], row["impact_speed_mps"], row["perception"]) == (True, 9.0, "none")
    assert json.loads(row["parameters"]) == {}


def test_columns_of_mixed_kinds_are_still_a_table(tmp_path: Path) -> None:
    parquet = pytest.importorskip("pyarrow.parquet")
    rows = [{"a": 1, "b": [1], "c": None}, {"a": 1.5, "b": None, "d": "x"}, {"a": None, "d": 3}]
    table = parquet.read_table(write_table(rows, tmp_path / "t.parquet"))
    assert table.column("a").to_pylist() == [1.0, 1.5, None]
    assert table.column("b").to_pylist() == ["[1]", None, None]
    assert table.column("d").to_pylist() == [None, "x", "3"]


def test_cells_are_scene_speed_and_variant(tmp_path: Path) -> None:
    run_toy(read_toy(tmp_path), tmp_path / "out")
    cells = by_cell(list(Store(tmp_path / "out").rows.values()))
    assert len(cells) == 2 * 2 * 2
    fast = next(c for c in cells if (c["scene"], c["speed_mps"], c["label"]) == ("traffic_jam", 12.0, "bold"))
    assert (fast["runs"], fast["collisions"], fast["seeds"], fast["impact_speed_mps_mean"]) == (3, 3, 3, 8.0)
    assert fast["min_gap_m_median"] is None, "the gaps of those that collided do not count"


def test_differences_are_paired_by_scene_and_leave_out_what_failed(tmp_path: Path) -> None:
    run_toy(read_toy(tmp_path), tmp_path / "out")
    rows = list(Store(tmp_path / "out").rows.values())
    (bold,) = differences(rows, "calm")
    assert (bold["pairs"], bold["collision_rate"]["value"], bold["impact_speed_mps"]["value"]) == (12, 0.5, 4.0)
    rows[0] = rows[0] | {"error": "broke"}
    assert differences(rows, "calm")[0]["pairs"] == 11
    assert by_variant(rows)[0]["failed"] == 1


def test_the_report_needs_nothing_from_outside_and_escapes_what_it_shows(tmp_path: Path) -> None:
    run_toy(read_toy(tmp_path, "title='<b>toys</b>'"), tmp_path / "out")
    page = (tmp_path / "out" / "report.html").read_text()
    assert "&lt;b&gt;toys&lt;/b&gt;" in page
    assert "<b>toys" not in page
    assert "http" not in page.replace("http://www.w3.org", "")
    for word in ("calm", "bold", "traffic_jam", "3 of 3", "nothing looks at the road"):
        assert word in page
    table = (tmp_path / "out" / "table.md").read_text()
    assert {line.count("|") for line in table.splitlines() if line.startswith("|")} == {12}
    assert "| traffic_jam | 12 m/s | bold | none | 3 | 3 | 44–100 % | 8.0 / 9.0 m/s |" in table


def test_workers_stay_with_a_scene_and_no_work_is_lost_or_done_twice(tmp_path: Path) -> None:
    tasks = expand(read_toy(tmp_path))
    schedule = Schedule(tasks)
    first = [schedule.next("a"), schedule.next("b"), schedule.next("a"), schedule.next("b")]
    assert [work.scene for work in first if work] == [tasks[0].scene, tasks[2].scene, tasks[0].scene, tasks[2].scene]
    rest = [schedule.next("ab"[k % 2]) for k in range(len(schedule))]
    done = [work for work in (*first, *rest) if work is not None]
    assert schedule.next("a") is None
    assert sorted(task.key for task in done) == sorted(task.key for task in tasks)


def test_a_worker_that_is_gone_leaves_its_scene_to_the_others(tmp_path: Path) -> None:
    tasks = expand(read_toy(tmp_path))[:4]
    schedule = Schedule(tasks)
    schedule.next("a")
    assert schedule.next("b") == tasks[2]
    schedule.gone("a")
    assert [schedule.next("c"), schedule.next("b"), schedule.next("b")] == [tasks[1], tasks[3], None]


def test_every_scenario_has_one_picture_and_it_is_made_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    drawn: list[Scene] = []

    def draw(scene: Scene, path: Path) -> None:
        if scene.family == "traffic_jam" and len(drawn) < 2:
            drawn.append(scene)
            raise RuntimeError("no light")
        drawn.append(scene)
        about = {"scene": scene.name, "title": "A title", "speed_mps": 10.0, "seed": 1, "at_s": 2.0}
        path.write_text(json.dumps(about))
        for name in ("driver", "above"):
            path.with_name(f"{path.stem}-{name}.jpg").write_bytes(b"jpeg")

    monkeypatch.setattr("scenarios.sweeps.pictures.draw", draw)
    heard = Heard()
    report = run_toy(read_toy(tmp_path, "pictures=true"), tmp_path / "out", heard)
    assert [scene.family for scene in drawn] == ["person_behind_truck", "traffic_jam"]
    assert heard.total == 26
    assert report["failed"] == 0
    assert report["pictures_failed"] == [{"scene": "traffic_jam", "error": "RuntimeError: no light"}]
    page = (tmp_path / "out" / "report.html").read_text()
    assert page.count("data:image/jpeg;base64,") == 2
    assert "no light" in page
    run_toy(read_toy(tmp_path, "pictures=true"), tmp_path / "out")
    assert [scene.family for scene in drawn] == ["person_behind_truck", "traffic_jam", "traffic_jam"]
    assert isinstance(heard.rows[-1][0], PictureTask)
