"""What a measurement on the wall clock needs around it: other work that takes the processors, and percentiles."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from pipeline.engines import realtime
from pipeline.engines.threads import ThreadEngine

BUSY = "import os\nparent = os.getppid()\nwhile os.getppid() == parent:\n    for _ in range(1_000_000):\n        pass\n"
"""A program that computes and ends when its parent does."""


@contextlib.contextmanager
def oversubscribed(times: float) -> Iterator[int]:
    """Inside, ``times`` as many busy processes run as there are processors; 0: none. Yields how many."""
    count = round(times * len(os.sched_getaffinity(0)))
    processes = [subprocess.Popen([sys.executable, "-S", "-E", "-c", BUSY]) for _ in range(count)]
    try:
        if processes:
            time.sleep(0.5)  # until they have started
        yield count
    finally:
        for process in processes:
            process.kill()
        for process in processes:
            process.wait()


def urgent_engine(urgency: realtime.Urgency | None) -> type[ThreadEngine]:
    """A thread engine whose threads stand to the machine's other threads as told; None: as its own default is."""
    return type("UrgentEngine", (ThreadEngine,), {"urgency": urgency})


def in_force(engine: ThreadEngine) -> dict[str, Any]:
    """What the machine granted to an engine that has run: the scheduler of each kind of thread, cores, interval."""
    roles = ("timers", "handlers", "callbacks", "observers")
    granted = {role: engine.granted.get(role, ()) for role in roles}
    return {
        "switch_interval_ms": (engine.urgency or realtime.ORDINARY).switch_interval_s * 1e3,
        **{role: each[-1].in_force if each else "as any other program" for role, each in granted.items()},
        "refused": [str(one) for each in granted.values() for one in each if one.why],
        "cores": sorted(os.sched_getaffinity(0)),
        "wakeups": "within one process",
    }


def load_average() -> float:
    """Processes that ran or wanted to, over the last minute."""
    return round(os.getloadavg()[0], 2)


def percentiles(prefix: str, values: Sequence[float] | Any) -> dict[str, float]:
    """``prefix_p50``, ``_p99``, ``_p999`` and ``_max``, rounded to four digits; NaN without values."""
    if not len(values):
        return {f"{prefix}_{name}": float("nan") for name in ("p50", "p99", "p999", "max")}
    points = np.percentile(np.asarray(values, dtype=float), (50, 99, 99.9, 100))
    return {
        f"{prefix}_{name}": round(float(p), 4) for name, p in zip(("p50", "p99", "p999", "max"), points, strict=True)
    }
