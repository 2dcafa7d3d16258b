"""The public names of the runtime: a change here is a change for everybody who uses it."""

from __future__ import annotations

from importlib.metadata import EntryPoint, distribution

import pytest

import pipeline

PUBLIC = [
    "END",
    "FOREVER",
    "MEASURED",
    "Aborted",
    "Budget",
    "CandidateFailed",
    "Context",
    "DeadlineMissed",
    "Distribution",
    "Duration",
    "Envelope",
    "ExecutionModel",
    "Graph",
    "Input",
    "LatencyModel",
    "Message",
    "MissPolicy",
    "Operator",
    "Output",
    "Profile",
    "Quality",
    "Recipe",
    "RunResult",
    "SkylaneError",
    "Source",
    "State",
    "Timestamp",
    "UsageError",
    "VirtualClock",
    "Wait",
    "WallClock",
    "block",
    "constant",
    "drop_newest",
    "exact",
    "format_duration",
    "keep_last",
    "latest",
    "ms",
    "nearest",
    "parse_duration",
    "readonly",
    "run",
    "seconds",
    "us",
]


def test_the_public_names_are_these() -> None:
    assert sorted(pipeline.__all__) == sorted(PUBLIC)


def test_every_public_name_exists_and_is_documented() -> None:
    for name in PUBLIC:
        value = getattr(pipeline, name)
        if callable(value) and isinstance(value, type):
            assert value.__doc__, name


def test_nothing_else_is_public_by_accident() -> None:
    submodules = {"benchmarks", "calibration", "cli", "commands", "engines", "measuring", "testing"}
    modules = {name for name, value in vars(pipeline).items() if type(value).__name__ == "module"}
    loose = {n for n in vars(pipeline) if not n.startswith("_")} - set(PUBLIC) - modules - submodules
    assert not loose


@pytest.mark.parametrize("point", distribution("skylane").entry_points, ids=lambda point: f"{point.group}:{point.name}")
def test_every_entry_point_leads_somewhere(point: EntryPoint) -> None:
    assert callable(point.load())
