"""``skylane bench world``: pictures a second on one core, and how much faster than real time the whole graph runs."""

from __future__ import annotations

import os
import time
from collections.abc import Sequence
from typing import Any

from pipeline.building import build
from pipeline.execution import VirtualClock, run
from pipeline.launchfile import resolve

DEMO, TWIN = "launch/demo.yaml", "launch/twin.yaml"


def world(*, quick: bool = False) -> dict[str, Any]:
    """Frames a second of the benchmark street (20 cars, 10 pedestrians), plain and with everything, and of a town, and
    real-time factors of demo and twin.
    """
    from scenarios.benchmark_world import fps

    cores = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {min(cores)})
    try:
        seconds = 1.0 if quick else 4.0
        frames = {f"fps_{w}x{h}": round(fps(w, h, seconds), 1) for w, h in ((640, 360), (1280, 720))}
        for scene in ("full", "city"):
            frames[f"fps_640x360_{scene}"] = round(fps(640, 360, seconds, scene), 1)
    finally:
        os.sched_setaffinity(0, cores)
    return {
        **frames,
        "realtime_factor_pixels": _realtime_factor(DEMO, "dynamic", ["detect.args.sizes=[small]"], quick),
        "realtime_factor_twin": _realtime_factor(TWIN, "dynamic", [], quick),
    }


def _realtime_factor(path: str, variant: str, overrides: Sequence[str], quick: bool) -> float:
    """Simulated seconds per second, the second of two runs: compiled code and models are loaded by the first."""
    factor = 0.0
    for duration in ("1s", "3s" if quick else "9s"):
        built = build(resolve(path, [*overrides, f"duration={duration}"]), variant)
        for operator in built.graph.operators.values():
            operator.warm_up()
        began = time.perf_counter()
        result = run(
            built.graph,
            clock=VirtualClock(built.settings.seed, built.latency),
            until=built.settings.duration,
            keep=False,
        )
        factor = result.ended_at / 1e9 / (time.perf_counter() - began)
    return round(factor, 2)
