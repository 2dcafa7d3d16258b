"""Real sweeps, end to end: the command, its files, its report; and accuracy models against rendered pictures."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from operators.models.accuracy import read_accuracy
from pipeline.cli import main
from scenarios.sweeps.agreement import agreement
from scenarios.sweeps.fitting import drive
from scenarios.sweeps.store import Store

pytestmark = [pytest.mark.slow, pytest.mark.real]


def code_of(arguments: list[str]) -> int:
    with pytest.raises(SystemExit) as ended:
        main(arguments)
    return int(ended.value.code or 0)


def test_a_sweep_from_the_command_line(
    tmp_path: Path, root: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(root)
    arguments = ["sweep", "quick", "--json", "--out", str(tmp_path), "--set", "seeds=1", "--set", "duration=2s"]
    assert code_of(arguments) == 0
    report = json.loads(capsys.readouterr().out)
    assert (report["runs"], report["failed"], report["kept"], report["complete"]) == (6, 0, 0, True)
    assert report["perception"] == ["truth"]
    assert {one["label"] for one in report["variants"]} == {"periodic", "data-driven", "dynamic"}
    page = (tmp_path / "report.html").read_text()
    assert page.count("data:image/jpeg;base64,") == 2 * 2, "each scenario from the driver's seat and from above"
    assert (tmp_path / "results.parquet").stat().st_size > 1000
    assert all(row["peak_mb"] < 400 for row in Store(tmp_path).rows.values()), "a run without torch: under 400 MiB"
    assert code_of(arguments) == 0
    assert json.loads(capsys.readouterr().out)["kept"] == 6


def test_mistakes_are_one_line_and_exit_code_2(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    suite = tmp_path / "bad.yaml"
    suite.write_text("name: bad\nlaunch: twin\nfamilies: [traffic_jam]\nspeeds_mps: fast\nseeds: 1\n")
    assert code_of(["sweep", str(suite)]) == 2
    said = capsys.readouterr().err
    assert "bad.yaml:4: speeds_mps: 'fast' is no speed in m/s" in said
    assert "Traceback" not in said


def test_the_fitted_model_and_the_pixels_agree_within_the_interval_on_new_scenes() -> None:
    pytest.importorskip("torch")
    from operators.detection.torch_detector import TorchDetector

    detectors = {"medium": TorchDetector("medium")}
    families = ("person_behind_truck", "traffic_jam", "street", "behind_parked_car", "many_pedestrians")
    data = [drive(name, 10.0, 3_000_000 + k, detectors) for k, name in enumerate(families * 2)]
    found = agreement(data, read_accuracy()["medium"])
    for name in ("vehicle_average_precision", "vehicle_recall", "pedestrian_average_precision", "pedestrian_recall"):
        one = found[name]
        assert one.difference_low <= 0.0 <= one.difference_high, f"{name}: {one}"
