"""``skylane calibrate``: drive a launch file once with measured latencies and write them down as a profile."""

from __future__ import annotations

import json
import platform
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from pipeline.building import build
from pipeline.calibration import Stopwatch
from pipeline.commands.bench import cpu, machine
from pipeline.errors import SkylaneError
from pipeline.execution import VirtualClock, run
from pipeline.latency import Profile
from pipeline.launchfile import resolve
from pipeline.registry import PROFILES, find
from pipeline.running import stopping
from pipeline.timestamps import Duration


def calibrate_launch_file(path: str, overrides: Sequence[str], out: Path, seconds: float, *, as_json: bool) -> None:
    """Measure the first variant for ``seconds`` of its own time and write the profile to ``out``.

    Only work that this drive does is measured: for an operator that chooses, force the choice with ``-o``.
    """
    launch = resolve(path, [*overrides, "engine=virtual", "latency=measured"])
    built = build(launch, next(iter(launch.variants)))
    watch = Stopwatch(built.graph)
    until = min(built.settings.duration, Duration(round(seconds * 1e9)))
    with stopping() as stopped:
        result = run(
            built.graph, clock=VirtualClock(built.settings.seed, built.latency), until=until, keep=False, stop=stopped
        )
    table, counts = watch.table(), watch.counts()
    if not table:
        raise SkylaneError("nothing was measured", where=path, hint="drive longer: --seconds 30")
    drive = f"skylane calibrate {Path(path).name}, {result.ended_at / 1e9:.1f} s"
    source = f"{drive}, on {cpu()}, Python {platform.python_version()}"
    write = find(PROFILES, "to_file", "writer of profiles")
    write(Profile(out.stem.replace("-", "_"), table, source), out)
    rows: dict[str, Any] = {
        name: {
            work or "default": {"p50_ms": d.p50 / 1e6, "p99_ms": d.p99 / 1e6, "samples": counts[name][work]}
            for work, d in row.items()
        }
        for name, row in table.items()
    }
    if as_json:
        print(json.dumps({"profile": str(out), "latencies": rows, **machine()}, indent=2))
        return
    for name, row in rows.items():
        for work, d in row.items():
            print(
                f"{name:<16} {work:<12} p50 {d['p50_ms']:9.3f} ms   p99 {d['p99_ms']:9.3f} ms   {d['samples']} samples"
            )
    print(out)
