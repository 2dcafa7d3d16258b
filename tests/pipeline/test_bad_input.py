"""What users get wrong, through the command line: one line that says what, where and what to do; never a traceback."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from pipeline.runlog import RunLog
from tests.pipeline.toy_launch import skylane

GRAPH = """\
name: toy
duration: 300ms
operators:
  count: {use: "toys:Counter", args: {upto: 20}}
  scale:
    use: toys:Scale
    args: {factor: 3}
    inputs: {value: count.count}
    deadline: 8ms
    latency: {rough: 2ms, exact: 5ms}
"""

NAN = """\
from pipeline import Context, Input, Operator, Output, Source, ms

class Broken(Source):
    speed_mps = Output(float)
    period = ms(10)

    def on_tick(self, ctx: Context) -> float:
        return float("nan") if ctx.t == 50_000_000 else 1.0

class Steps(Operator):
    speed_mps = Input(float)
    steps = Output(int)

    def on_watermark(self, ctx: Context) -> int:
        return int(ctx[self.speed_mps] * 10)
"""

pytestmark = pytest.mark.usefixtures("toys")


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "toy.yaml").write_text(GRAPH)
    return tmp_path


def complaint(capsys: pytest.CaptureFixture[str]) -> str:
    """The one line on standard error; standard output is empty, so that pipes get nothing wrong."""
    said = capsys.readouterr()
    assert "Traceback" not in said.err
    assert "bug of ours" not in said.err
    assert said.err.startswith("skylane: ")
    assert said.err.count("\nskylane: ") == 0, "one complaint"
    return said.err


def test_the_toy_runs_as_long_as_nothing_is_wrong_with_it() -> None:
    assert skylane("run", "toy.yaml", "--no-artifacts") == 0


@pytest.mark.parametrize("command", ["run", "graph"])
@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ("factor: 3}", "factor: 3", ["toy.yaml:8", "not YAML"]),
        ("name: toy", "\tname: toy", ["toy.yaml:"]),
        ("toys:Scale", "scalle", ["toy.yaml:6", "scalle"]),
        ("toys:Scale", "toys:Scael", ["toy.yaml:6", "did you mean 'Scale'"]),
        ("toys:Scale", "toyz:Scale", ["toy.yaml:6", "toyz"]),
        ("deadline: 8ms", "deadline: 8", ["toy.yaml:9", "has no unit", "80ms"]),
        ("deadline: 8ms", "deadline: 8 parsec", ["toy.yaml:9", "unknown unit 'parsec'"]),
        ("deadline: 8ms", "deadline: -8ms", ["toy.yaml:9", "-8ms", "must be positive"]),
        ("deadline: 8ms", "deadline: 0ms", ["must be positive"]),
        ("deadline: 8ms", "deadlin: 8ms", ["toy.yaml:9", "did you mean 'deadline'"]),
        ("duration: 300ms", "duration: -1s", ["toy.yaml:2"]),
        ("rough: 2ms", "rough: -2ms", ["toy.yaml:10"]),
        ('toys:Counter", args: {upto: 20}', 'toys:Shout"', ["toy.yaml:8", "no output 'count'", "there is word"]),
        ("count.count}", "count.cuont}", ["toy.yaml:8", "did you mean"]),
        ("count.count}", "cuont.count}", ["toy.yaml:8", "did you mean 'count"]),
        ("factor: 3", "factor: three", ["toy.yaml:7", "factor"]),
        ("args: {factor: 3}", "args: {}", ["factor"]),
        ("inputs: {value: count.count}", "inputs: {}", ["scale.value"]),
    ],
)
def test_a_mistake_in_the_launch_file_is_told_with_its_place_and_runs_nothing(
    folder: Path, capsys: pytest.CaptureFixture[str], command: str, old: str, new: str, says: list[str]
) -> None:
    assert old in GRAPH
    (folder / "toy.yaml").write_text(GRAPH.replace(old, new, 1))
    assert skylane(command, "toy.yaml") == 2
    said = complaint(capsys)
    assert all(part in said for part in says), said
    assert not (folder / "runs").exists()


def test_two_ports_of_different_types_are_told_with_both(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    text = GRAPH.replace('count: {use: "toys:Counter", args: {upto: 20}}', 'count: {use: "toys:Shout"}')
    (folder / "toy.yaml").write_text(text.replace("count.count", "count.word"))
    assert skylane("run", "toy.yaml") == 2
    said = complaint(capsys)
    assert all(part in said for part in ("count.word", "scale.value", "str", "int")), said


@pytest.mark.parametrize("content", ["", "- a\n- b\n", "just text\n", "\x00\x01", "name: &a [*a]\n", "a: {b: [c}\n"])
def test_a_file_that_is_no_launch_file_is_told(folder: Path, capsys: pytest.CaptureFixture[str], content: str) -> None:
    (folder / "toy.yaml").write_text(content)
    assert skylane("run", "toy.yaml") == 2
    assert "toy.yaml" in complaint(capsys)


def test_bytes_that_are_no_text_are_told(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (folder / "toy.yaml").write_bytes(b"name: \xff\xfe\n")
    assert skylane("run", "toy.yaml") == 2
    assert "toy.yaml" in complaint(capsys)


def test_a_file_in_place_of_the_run_s_folder_is_told(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (folder / "taken").write_text("mine")
    assert skylane("run", "toy.yaml", "-o", "output=taken") == 1
    said = complaint(capsys)
    assert "taken" in said
    assert "output=FOLDER" in said
    assert (folder / "taken").read_text() == "mine"


@pytest.mark.skipif(os.geteuid() == 0, reason="the superuser may write everywhere")
def test_a_read_only_folder_is_told(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (folder / "locked").mkdir(mode=0o500)
    assert skylane("run", "toy.yaml", "-o", "output=locked/run") == 1
    assert "Permission denied" in complaint(capsys)


@pytest.mark.parametrize("command", ["replay", "report"])
@pytest.mark.parametrize("content", [None, b"", b"not a log at all", b"\x89MCAP0\r\n"])
def test_a_folder_without_a_log_of_ours_is_told(
    folder: Path, capsys: pytest.CaptureFixture[str], command: str, content: bytes | None
) -> None:
    (folder / "run").mkdir()
    if content is not None:
        (folder / "run" / "log.mcap").write_bytes(content)
    assert skylane(command, "run") == 1
    assert "run" in complaint(capsys)


def test_a_number_that_is_none_is_told_by_operator_and_time_and_the_log_is_kept(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (folder / "nan_toys.py").write_text(NAN)
    (folder / "nan.yaml").write_text(
        "name: nan\nduration: 200ms\noperators:\n  speed: {use: 'nan_toys:Broken'}\n"
        "  steps: {use: 'nan_toys:Steps', inputs: {speed_mps: speed.speed_mps}}\n"
    )
    assert skylane("run", "nan.yaml", "--no-artifacts") == 1
    said = complaint(capsys)
    assert said.count("\n") == 1
    assert all(part in said for part in ("steps", "NaN", "50")), said
    log = RunLog(folder / "runs/nan")
    assert len(list(log.messages("steps.steps"))) == 5
    assert len(list(log.messages("speed.speed_mps"))) >= 5


@pytest.mark.real
def test_ctrl_c_in_mid_run_keeps_a_readable_log(folder: Path, root: Path) -> None:
    # A wall-clock run, so that it lasts until the interrupt comes.
    text = GRAPH.replace("300ms", "600s").replace("upto: 20", "upto: 1000000")
    (folder / "toy.yaml").write_text(text + "engine: threads\n")
    process = subprocess.Popen(
        [sys.executable, "-m", "pipeline.cli", "run", "toy.yaml", "--no-artifacts"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": f"{root / 'tests' / 'pipeline'}:{root}"},
    )
    try:
        process.wait(timeout=4)
    except subprocess.TimeoutExpired:
        process.send_signal(signal.SIGINT)
    try:
        _, err = process.communicate(timeout=30)
    finally:
        process.kill()
    assert process.returncode == 130, err
    assert "Traceback" not in err
    log = RunLog(folder / "runs/toy")
    assert log.complete
    found = list(log.messages("scale.scaled"))
    assert found
    assert [m.t for m in found] == sorted(m.t for m in found)
