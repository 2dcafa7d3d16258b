"""What all tests share: hypothesis profiles, the switch that writes goldens, and the toy operators' place."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

# Examples on a shared machine have no deadline of their own; a failing one is repeated from the printed seed.
settings.register_profile(
    "default", deadline=None, derandomize=True, max_examples=100, suppress_health_check=[HealthCheck.too_slow]
)
settings.register_profile(
    "nightly", deadline=None, max_examples=5000, print_blob=True, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile("default")

ROOT = Path(__file__).resolve().parent.parent


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--update-goldens", action="store_true", help="write the goldens anew instead of comparing")


@pytest.fixture
def update_goldens(request: pytest.FixtureRequest) -> bool:
    """Whether goldens are to be written instead of compared."""
    return bool(request.config.getoption("--update-goldens"))


@pytest.fixture(scope="session")
def root() -> Path:
    """The project's folder."""
    return ROOT


@pytest.fixture(autouse=True)
def _rebuildable(request: pytest.FixtureRequest) -> None:
    """Lets the contract tests' graphs be made again in other processes."""
    from tests.oracle import elsewhere

    node = request.node
    if isinstance(node, pytest.Function) and "engine" in node.fixturenames:
        elsewhere.note(node.module.__name__, node.originalname, node.function, node.callspec.params)


@pytest.fixture
def toys(monkeypatch: pytest.MonkeyPatch) -> None:
    """Lets launch files name the operators in ``tests/pipeline/toys.py``: ``toys:Counter``."""
    monkeypatch.syspath_prepend(str(ROOT / "tests" / "pipeline"))
