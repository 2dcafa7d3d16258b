"""``skylane bench world`` gives the promised figures. How fast this machine is, is not asked here."""

from __future__ import annotations

import math
import os
from collections.abc import Sequence

import pytest

from scenarios import benchmarks

KEYS = {
    "fps_640x360",
    "fps_1280x720",
    "fps_640x360_full",
    "fps_640x360_city",
    "realtime_factor_pixels",
    "realtime_factor_twin",
}


def test_the_figures_have_their_promised_names_and_come_from_their_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[tuple[str, str]] = []

    def factor(path: str, variant: str, overrides: Sequence[str], quick: bool) -> float:
        asked.append((path, variant))
        return float(len(asked))

    monkeypatch.setattr(benchmarks, "_realtime_factor", factor)
    monkeypatch.setattr("scenarios.benchmark_world.fps", lambda width, height, *_: width / height)
    figures = benchmarks.world(quick=True)
    assert set(figures) == KEYS
    assert figures["fps_640x360"] == figures["fps_1280x720"] == figures["fps_640x360_full"] == 1.8
    assert (figures["realtime_factor_pixels"], figures["realtime_factor_twin"]) == (1.0, 2.0)
    assert asked == [("launch/demo.yaml", "dynamic"), ("launch/twin.yaml", "dynamic")]


def test_the_cores_are_given_back_also_when_drawing_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    before = os.sched_getaffinity(0)
    during: list[set[int]] = []

    def fps(width: int, height: int, seconds: float, scene: str = "street") -> float:
        during.append(os.sched_getaffinity(0))
        raise ZeroDivisionError

    monkeypatch.setattr("scenarios.benchmark_world.fps", fps)
    with pytest.raises(ZeroDivisionError):
        benchmarks.world(quick=True)
    assert during == [{min(before)}], "pictures are drawn on one core"
    assert os.sched_getaffinity(0) == before


@pytest.mark.slow
def test_the_twin_s_real_time_factor_is_a_positive_figure() -> None:
    factor = benchmarks._realtime_factor("launch/twin.yaml", "dynamic", [], quick=True)
    assert 0 < factor < math.inf
