"""Who may import whom, and what a first import may cost. The finer contracts are import-linter's (`make layers`)."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
LAYERS = ("pipeline", "operators", "cloud", "scenarios")
SHARED = {"messages", "geometry", "models", "profiles", "sensors"}
"""What every stage of the car may import from; a stage imports no other stage."""
TOOLS = {"models"}
"""Training and evaluation look at the stages they serve."""
HEAVY = {
    "iceoryx2",
    "zenoh",
    "torch",
    "numba",
    "cv2",
    "av",
    "plotly",
    "scipy",
    "jinja2",
    "carla",
    "ray",
    "rerun",
    "grpc",
    "matplotlib",
    "pandas",
    "pyarrow",
    "embreex",
    "libsumo",
}


def imported(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            yield node.module


@pytest.mark.parametrize("layer", LAYERS)
def test_a_package_imports_only_what_lies_below_it(layer: str) -> None:
    above = set(LAYERS[LAYERS.index(layer) + 1 :])
    wrong = {
        f"{path.relative_to(ROOT)} imports {name}"
        for path in (ROOT / layer).rglob("*.py")
        for name in imported(path)
        if name.partition(".")[0] in above
    }
    assert not wrong


def test_stages_of_the_car_do_not_import_each_other() -> None:
    stages = [folder for folder in (ROOT / "operators").iterdir() if folder.is_dir() and folder.name not in TOOLS]
    wrong = set()
    for folder in stages:
        for path in folder.rglob("*.py"):
            for name in imported(path):
                parts = name.split(".")
                if parts[0] == "operators" and len(parts) > 1 and parts[1] not in SHARED | {folder.name}:
                    wrong.add(f"{path.relative_to(ROOT)} imports {name}")
    assert not wrong, "stages share messages and geometry, nothing else"


def modules_after(code: str) -> set[str]:
    code = f"import sys; {code}; print(*sorted(m for m in sys.modules if '.' not in m))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT)
    return set(done.stdout.split())


@pytest.mark.parametrize(
    "code",
    [
        "import pipeline",
        "import pipeline.cli",
        "import operators, cloud, scenarios",
        "import operators.messages",
        "import pipeline.launchfile",
        "import pipeline.cli; pipeline.cli._add_installed_commands()",
    ],
)
def test_a_first_import_pulls_in_nothing_heavy(code: str) -> None:
    assert not modules_after(code) & HEAVY


def test_the_command_line_does_not_load_the_launch_file_s_machinery() -> None:
    loaded = modules_after("import pipeline.cli")
    assert not loaded & {"yaml", "pydantic", "mcap", "rich.progress"}
