"""Every Python block of the pages that people copy from runs as it stands, and every launch file builds."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
BLOCK = re.compile(r"```python\n(.*?)```", re.DOTALL)
BLOCKS = [(page, n, code) for page in PAGES if page.exists() for n, code in enumerate(BLOCK.findall(page.read_text()))]


@pytest.mark.parametrize(("page", "number", "code"), BLOCKS, ids=[f"{p.name}-{n}" for p, n, _ in BLOCKS])
def test_a_python_block_of_a_page_runs(page: Path, number: int, code: str, tmp_path: Path) -> None:
    script = tmp_path / "block.py"
    script.write_text(code)
    done = subprocess.run([sys.executable, "-W", "error", str(script)], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    expected = re.findall(r"^# prints: (.*)$", code, re.MULTILINE)
    assert done.stdout.splitlines()[: len(expected)] == expected


def test_the_readme_has_an_example() -> None:
    assert any(page.name == "README.md" for page, _, _ in BLOCKS)


SUITES = sorted((ROOT / "launch" / "suites").glob("*.yaml"))
LAUNCH_FILES = sorted({*(ROOT / "launch").rglob("*.yaml")} - {*SUITES})


@pytest.mark.parametrize("path", LAUNCH_FILES, ids=lambda path: path.name)
def test_every_variant_of_every_launch_file_builds(path: Path) -> None:
    from pipeline.building import build
    from pipeline.launchfile import resolve

    launch = resolve(str(path))
    for variant in launch.variants:
        assert build(launch, variant).graph.operators
    assert path.read_text().startswith("# You will see: ")


@pytest.mark.parametrize("path", SUITES, ids=lambda path: path.name)
def test_every_suite_says_what_to_run(path: Path) -> None:
    from scenarios.sweeps.expansion import expand
    from scenarios.sweeps.suite import read_suite

    assert expand(read_suite(path))
    if "\nquick:" in path.read_text():
        assert expand(read_suite(path, quick=True))
    assert path.read_text().startswith("# You will see: ")
