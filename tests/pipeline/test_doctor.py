"""``skylane doctor`` finds what is wrong with an installation and says what to do."""

from __future__ import annotations

import importlib.util
import json
from importlib.machinery import ModuleSpec
from pathlib import Path
from typing import Any

import pytest

from pipeline import doctor


def findings(capsys: pytest.CaptureFixture[str]) -> tuple[int, dict[str, dict[str, Any]]]:
    code = doctor.examine(as_json=True)
    return code, {finding["check"]: finding for finding in json.loads(capsys.readouterr().out)}


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_this_installation_is_whole(capsys: pytest.CaptureFixture[str]) -> None:
    code, found = findings(capsys)
    assert code == 0
    assert {"python", "skylane", "packages", "write access", "clock", "processors", "load"} <= set(found)
    assert all(finding["state"] != "fail" for finding in found.values())


def test_every_warning_and_failure_comes_with_advice(capsys: pytest.CaptureFixture[str]) -> None:
    _, found = findings(capsys)
    assert all(finding["advice"] for finding in found.values() if finding["state"] != "ok")


def test_a_package_that_is_shadowed_fails(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    real = importlib.util.find_spec

    def shadowed(name: str) -> ModuleSpec | None:
        return ModuleSpec(name, None, origin="/elsewhere/operators/__init__.py") if name == "operators" else real(name)

    monkeypatch.setattr(importlib.util, "find_spec", shadowed)
    code, found = findings(capsys)
    assert code == 1
    assert found["packages"]["state"] == "fail"
    assert "operators from /elsewhere" in found["packages"]["found"]
    assert "PYTHONPATH" in found["packages"]["advice"]


def test_a_missing_extra_names_the_command_that_installs_it(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    real = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name in ("torch", "numba") else real(name))
    code, found = findings(capsys)
    assert code == 0, "without the extras there is still much that runs"
    assert found["extra models"]["state"] == "warn"
    assert found["extra models"]["advice"] == "pip install 'skylane[models]'"
    assert "compiled code" not in found


def test_a_folder_without_write_access_fails(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def refused(**more: Any) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(doctor.tempfile, "TemporaryFile", refused)
    code, found = findings(capsys)
    assert code == 1
    assert found["write access"]["state"] == "fail"


def test_a_busy_machine_is_warned_of(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doctor.os, "getloadavg", lambda: (99.0, 0.0, 0.0))
    _, found = findings(capsys)
    assert found["load"]["state"] == "warn"


def test_the_lines_for_people_carry_the_same_findings(capsys: pytest.CaptureFixture[str]) -> None:
    _, found = findings(capsys)
    doctor.examine()
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == len(json.loads(json.dumps(list(found))))
    assert all(line.startswith(("ok", "warn", "fail")) for line in lines)
