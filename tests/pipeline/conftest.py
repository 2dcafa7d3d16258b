"""Fixtures of the runtime's tests."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.pipeline.toy_launch import TOY


@pytest.fixture
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """``toy.yaml`` in a folder of its own, which is the current one."""
    monkeypatch.chdir(tmp_path)
    path = Path("toy.yaml")
    path.write_text(TOY)
    return path
