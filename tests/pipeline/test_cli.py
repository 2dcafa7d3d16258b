"""The command line: exit codes, what it prints, what it leaves behind, and that mistakes get one line."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import xml.etree.ElementTree as ElementTree
from pathlib import Path
from typing import Any

import pytest
import typer

from pipeline import cli
from tests.pipeline.toy_launch import skylane

ROOT = Path(__file__).resolve().parents[2]

TOY = """\
name: toy
title: Counting in a room
duration: 300ms
world: {use: "toys:Room", seats: 2}
operators:
  count: {use: "toys:Counter", args: {upto: 20}}
  scale:
    use: toys:Scale
    args: {factor: 3}
    inputs: {value: count.count}
    deadline: 8ms
    latency: {rough: 2ms, exact: {p50: 5ms, p99: 9ms}}
  table: {use: "toys:Table", inputs: {value: scale.scaled}}
"""
VARIANTS = "variants:\n  calm: {scale.deadline: 50ms}\n  hasty: {scale.deadline: 4ms}\n"

pytestmark = pytest.mark.usefixtures("toys")


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "toy.yaml").write_text(TOY)
    (tmp_path / "two.yaml").write_text(TOY + VARIANTS)
    return tmp_path


def test_a_run_prints_one_row_per_variant_and_leaves_a_result_for_each(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert skylane("run", "two.yaml", "--jobs", "1") == 0
    printed = capsys.readouterr().out
    assert "Counting in a room" in printed
    assert [line.split()[0] for line in printed.splitlines()[2:4]] == ["calm", "hasty"]
    top = json.loads((folder / "runs/toy/result.json").read_text())
    for row in top["variants"]:
        own = json.loads((folder / "runs/toy" / row["name"] / "result.json").read_text())
        assert own == row


def test_json_is_all_there_is_on_standard_output(capsys: pytest.CaptureFixture[str]) -> None:
    assert skylane("run", "two.yaml", "--jobs", "1", "--json") == 0
    told = json.loads(capsys.readouterr().out)
    calm, hasty = told["variants"]
    assert (calm["name"], hasty["name"]) == ("calm", "hasty")
    assert (calm["deadline_misses"], hasty["deadline_misses"]) == (0, 20)
    assert (calm["heard"], calm["full"]) == (20, True)
    assert calm["outcome"]["mean_s"] is None, "JSON has no NaN"
    assert hasty["latency_ms_p99"] == 4.0 < calm["latency_ms_p50"]
    assert told["load_average"] >= 0


def test_the_same_run_has_the_same_hash_and_another_seed_another(capsys: pytest.CaptureFixture[str]) -> None:
    def hashes(*overrides: str) -> tuple[str, str]:
        assert skylane("run", "toy.yaml", "--json", *overrides) == 0
        (one,) = json.loads(capsys.readouterr().out)["variants"]
        return one["hash"], one["output_hash"]

    assert hashes() == hashes() != hashes("-o", "seed=5")


def test_variants_in_processes_give_what_they_give_here(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PYTHONPATH", str(ROOT / "tests" / "pipeline"))
    runs = []
    for jobs in ("1", "2"):
        assert skylane("run", "two.yaml", "--json", "--jobs", jobs) == 0
        runs.append([one["hash"] for one in json.loads(capsys.readouterr().out)["variants"]])
    assert runs[0] == runs[1]


def test_one_variant_can_be_chosen(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert skylane("run", "two.yaml", "--variant", "hasty", "--json") == 0
    assert [one["name"] for one in json.loads(capsys.readouterr().out)["variants"]] == ["hasty"]
    assert skylane("run", "two.yaml", "--variant", "hastyy") == 2
    assert "did you mean 'hasty'" in capsys.readouterr().err


def test_a_new_run_replaces_the_records_of_the_old_one_and_nothing_else(folder: Path) -> None:
    assert skylane("run", "two.yaml", "--jobs", "1") == 0
    (folder / "runs/toy/notes.txt").write_text("mine")
    assert skylane("run", "toy.yaml") == 0
    assert not (folder / "runs/toy/calm").exists()
    assert (folder / "runs/toy/notes.txt").read_text() == "mine"


@pytest.mark.parametrize(
    ("arguments", "code", "says"),
    [
        (("run", "none.yaml"), 2, "none.yaml: no such launch file"),
        (("run", "toy.yaml", "-o", "scale.deadline=80"), 2, "'80' has no unit"),
        (("run", "toy.yaml", "-o", "scle.deadline=80ms"), 2, "did you mean 'scale'"),
        (("run", "toy.yaml", "-o", "scale.use=toys:Scald"), 2, "did you mean 'Scale'"),
        (("run", "toy.yaml", "--jobs", "0"), 2, "--jobs"),
        (("run",), 2, "Missing argument"),
        (("fly",), 2, "No such command"),
        (("graph", "toy.yaml", "--format", "pgn"), 2, "svg"),
        (("graph", "toy.yaml", "--variant", "x"), 2, "no variant 'x'"),
        (("bench", "clok"), 2, "did you mean 'clock'"),
        (("bench", "clock", "-o", "quik=true"), 2, "did you mean 'quick'"),
    ],
)
def test_a_user_s_mistake_is_one_line_and_exit_code_2(
    capsys: pytest.CaptureFixture[str], arguments: tuple[str, ...], code: int, says: str
) -> None:
    assert skylane(*arguments) == code
    said = capsys.readouterr()
    assert says in said.err
    assert "Traceback" not in said.err
    assert not said.out


def test_an_operator_that_fails_is_exit_code_1_and_the_other_variant_still_counts(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    broken = "{use: 'toys:Fail', args: {at: 7}, inputs: {value: count.count}}"
    (folder / "two.yaml").write_text(TOY + f"variants:\n  broken: {{operators.fail: {broken}}}\n  whole: {{}}\n")
    assert skylane("run", "two.yaml", "--json", "--jobs", "1") == 1
    said = capsys.readouterr()
    told = json.loads(said.out)
    assert [one["name"] for one in told["variants"]] == ["whole"]
    assert [one["name"] for one in told["failed"]] == ["broken"]
    assert "fail" in told["failed"][0]["error"]
    assert "as told" in said.err
    assert "Traceback" not in said.err
    assert skylane("run", "two.yaml", "--debug", "--variant", "broken") == 1
    assert "RuntimeError: as told" in capsys.readouterr().err


def test_a_bug_of_ours_is_exit_code_1_with_a_traceback_only_when_asked(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*arguments: Any, **more: Any) -> None:
        raise RuntimeError("oh")

    monkeypatch.setattr("pipeline.commands.run.resolve", broken)
    assert skylane("run", "toy.yaml") == 1
    assert capsys.readouterr().err.startswith("skylane: RuntimeError: oh")
    assert skylane("run", "toy.yaml", "--debug") == 1
    assert "Traceback" in capsys.readouterr().err


def test_ctrl_c_keeps_what_was_recorded_and_exits_with_130(
    folder: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    import toys

    def pressing(self: Any, ctx: Any) -> int:
        if ctx.t == 100_000_000:
            signal.raise_signal(signal.SIGINT)
        return int(ctx.t // self.period)

    monkeypatch.setattr(toys.Counter, "on_tick", pressing)
    assert skylane("run", "toy.yaml", "--json") == 130
    (one,) = json.loads(capsys.readouterr().out)["variants"]
    assert one["interrupted"]
    assert 9 <= one["heard"] <= 12
    assert json.loads((folder / "runs/toy/result.json").read_text())["interrupted"]
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


@pytest.mark.real
@pytest.mark.parametrize("ended_by", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_ctrl_c_or_a_request_to_end_ends_worker_processes_with_their_results(folder: Path, ended_by: int) -> None:
    # A wall-clock run, so that it lasts until the interrupt comes.
    text = (TOY + VARIANTS).replace("300ms", "60s").replace("upto: 20", "upto: 1000000")
    (folder / "two.yaml").write_text(text + "engine: threads\n")
    process = subprocess.Popen(
        [sys.executable, "-m", "pipeline.cli", "run", "two.yaml", "--json", "--no-artifacts"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": f"{ROOT / 'tests' / 'pipeline'}:{ROOT}"},
    )
    assert process.stdout is not None
    try:
        process.wait(timeout=4)
    except subprocess.TimeoutExpired:
        process.send_signal(ended_by)
    out, err = process.communicate(timeout=20)
    assert process.returncode == 130, err
    assert "Traceback" not in err
    assert all(one["interrupted"] for one in json.loads(out)["variants"])


@pytest.mark.real
def test_a_worker_that_dies_does_not_take_the_others_along(
    folder: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PYTHONPATH", str(ROOT / "tests" / "pipeline"))
    dying = "{use: 'toys:Die', inputs: {value: count.count}}"
    (folder / "two.yaml").write_text(TOY + f"variants:\n  dying: {{operators.die: {dying}}}\n  whole: {{}}\n")
    assert skylane("run", "two.yaml", "--json", "--jobs", "2") == 1
    told = json.loads(capsys.readouterr().out)
    assert [one["name"] for one in told["variants"]] == ["whole"]
    assert told["failed"] == [{"name": "dying", "error": "its process died (SIGKILL)"}]


def test_a_replay_of_a_run_is_equal_and_a_changed_one_is_not(
    folder: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    import toys

    assert skylane("run", "toy.yaml", "--no-artifacts") == 0
    capsys.readouterr()
    assert skylane("replay", "runs/toy") == 0
    assert "equal" in capsys.readouterr().out
    monkeypatch.setattr(toys.Counter, "on_tick", lambda self, ctx: 1)
    assert skylane("replay", "runs/toy", "--json") == 1
    told = json.loads(capsys.readouterr().out)
    assert told["divergence"]["operator"] == "count"


def test_a_report_needs_the_folder_of_a_run(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert skylane("report", str(folder)) == 1
    assert "name a run's folder" in capsys.readouterr().err


def test_a_run_without_artifacts_leaves_the_records_alone(folder: Path) -> None:
    assert skylane("run", "toy.yaml", "--no-artifacts") == 0
    assert sorted(path.name for path in (folder / "runs/toy").iterdir()) == ["log.mcap", "result.json"]


def test_a_file_in_the_way_of_the_folder_is_exit_code_1(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (folder / "runs").write_text("")
    assert skylane("run", "toy.yaml") == 1
    assert "output=FOLDER" in capsys.readouterr().err


def test_the_graph_is_drawn_with_every_operator_and_stream(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert skylane("graph", "two.yaml") == 0
    text = capsys.readouterr().out
    assert text.startswith("flowchart")
    assert text.count("-->") == 2
    assert "within 50 ms" in text
    assert skylane("graph", "two.yaml", "--variant", "hasty", "-o", "g.svg") == 0
    drawing = ElementTree.parse(folder / "g.svg")
    words = " ".join(part for element in drawing.iter() for part in element.itertext())
    assert all(word in words for word in ("count", "scale", "table", "within 4 ms"))
    assert skylane("graph", "toy.yaml", "--format", "json") == 0
    assert len(json.loads(capsys.readouterr().out.partition("\n")[2])["edges"]) == 2


def test_calibration_writes_a_profile_that_a_launch_file_can_use(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert skylane("calibrate", "toy.yaml", "-o", "here.yaml", "--json") == 0
    told = json.loads(capsys.readouterr().out)
    assert set(told["latencies"]["scale"]) == {"rough", "exact"}
    assert told["latencies"]["scale"]["exact"]["samples"] == 17
    text = TOY.replace("    latency: {rough: 2ms, exact: {p50: 5ms, p99: 9ms}}\n", "")
    (folder / "plain.yaml").write_text(text)
    assert skylane("run", "plain.yaml", "--json", "-o", "profile=./here.yaml") == 0
    assert json.loads(capsys.readouterr().out)["variants"][0]["unprofiled"] == []


def test_benchmarks_are_listed_and_say_what_machine_they_ran_on(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert skylane("bench") == 0
    assert "clock" in capsys.readouterr().out

    def quick(*, rounds: int = 1) -> dict[str, float]:
        return {"rounds": rounds}

    monkeypatch.setattr("pipeline.commands.bench.find", lambda group, name, label: quick)
    assert skylane("bench", "clock", "-o", "rounds=3", "--json") == 0
    told = json.loads(capsys.readouterr().out)
    assert told["rounds"] == 3
    assert {"cpu", "cpus", "python", "load_average"} <= set(told)


def test_commands_of_installed_packages_are_added(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    from importlib.metadata import EntryPoint

    from pipeline import registry

    def hello(name: str) -> None:
        """Greet somebody."""
        print(f"hello {name}")

    point = EntryPoint("hello", "toys:hello", registry.COMMANDS)
    monkeypatch.setattr(registry, "installed", lambda group: {"hello": point} if group == registry.COMMANDS else {})
    monkeypatch.setattr(registry, "find", lambda group, name, label: hello)
    monkeypatch.setattr(cli.app, "registered_commands", list(cli.app.registered_commands))
    assert skylane("hello", "you") == 0
    assert capsys.readouterr().out == "hello you\n"


def test_an_installed_command_may_have_commands_of_its_own(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    from importlib.metadata import EntryPoint

    from pipeline import registry
    from pipeline.errors import UsageError

    greet = typer.Typer()

    @greet.command()
    def hello(name: str) -> None:
        """Greet somebody."""
        if name == "nobody":
            raise UsageError("there is nobody")
        print(f"hello {name}")

    @greet.command()
    def goodbye() -> None:
        """Part."""

    point = EntryPoint("greet", "toys:greet", registry.COMMANDS)
    monkeypatch.setattr(registry, "installed", lambda group: {"greet": point} if group == registry.COMMANDS else {})
    monkeypatch.setattr(registry, "find", lambda group, name, label: greet)
    monkeypatch.setattr(cli.app, "registered_commands", list(cli.app.registered_commands))
    monkeypatch.setattr(cli.app, "registered_groups", list(cli.app.registered_groups))
    assert skylane("greet", "hello", "you") == 0
    assert capsys.readouterr().out == "hello you\n"
    assert skylane("greet", "hello", "nobody") == 2
    assert capsys.readouterr().err == "skylane: there is nobody\n"


def test_help_names_every_command(capsys: pytest.CaptureFixture[str]) -> None:
    assert skylane("--help") == 0
    text = capsys.readouterr().out
    assert all(name in text for name in ("run", "replay", "graph", "report", "bench", "calibrate", "doctor", "--debug"))
