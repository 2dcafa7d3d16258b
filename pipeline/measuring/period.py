"""``skylane bench period``: do sources tick at their rate? Idle and beside other work, at 20 Hz and at 100 Hz.

What is measured is when ``on_tick`` begins: timer, hand-over and the interpreter's lock included.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

import numpy as np

from pipeline.definition import Context, Source
from pipeline.engines.realtime import ORDINARY, Urgency
from pipeline.graph import Graph
from pipeline.latency import LatencyModel
from pipeline.measuring.deadlines import OVERSUBSCRIBED
from pipeline.measuring.load import in_force, load_average, oversubscribed, urgent_engine
from pipeline.ports import Output
from pipeline.timestamps import Duration, ms, seconds

RATES_HZ = (20, 100)
CLAIMED = {"mean_error": 0.01, "rel_std_idle": 0.10, "rel_std_loaded": 0.20}
"""The most that is promised, as fractions of the period."""


class Metronome(Source):
    """Notes when it is called."""

    tick = Output(int)

    def __init__(self, period: Duration) -> None:
        self.period = period
        self.called: list[int] = []

    def on_tick(self, ctx: Context) -> int:
        self.called.append(ctx.now())
        return ctx.t


def period(*, quick: bool = False, minutes: float = 10.0, priority: int = 50) -> dict[str, Any]:
    """Mean, spread and worst of the periods of two sources, idle and beside busy processes.

    ``minutes`` in each condition; ``quick``: five seconds. ``priority``: SCHED_FIFO of the callbacks; 0: ordinary
    scheduler, favoured; -1: like any other program.
    """
    urgency = ORDINARY if priority < 0 else Urgency(priority)
    duration = seconds(5 if quick else 60 * minutes)
    began = time.monotonic()
    idle = measured(duration, urgency)
    with oversubscribed(OVERSUBSCRIBED) as processes:
        loaded = measured(duration, urgency)
    figures: dict[str, Any] = {"busy_processes": processes, "total_s": round(time.monotonic() - began, 1)}
    kept = True
    for rate in RATES_HZ:
        a, b = idle[f"hz_{rate}"], loaded[f"hz_{rate}"]
        row = {
            "mean_error_idle": a["mean_error"],
            "mean_error_loaded": b["mean_error"],
            "rel_std_idle": a["rel_std"],
            "rel_std_loaded": b["rel_std"],
            "max_over_ms_idle": a["max_over_ms"],
            "max_over_ms_loaded": b["max_over_ms"],
            "ticks": a["ticks"] + b["ticks"],
        }
        row["kept"] = _kept(row)
        kept = kept and row["kept"]
        figures[f"hz_{rate}"] = row
    return {**figures, "claimed": CLAIMED, "kept": kept, "idle": idle, "loaded": loaded}


def _kept(row: Mapping[str, Any]) -> bool:
    error = max(abs(row["mean_error_idle"]), abs(row["mean_error_loaded"]))
    spread = all(row[name] <= CLAIMED[name] for name in ("rel_std_idle", "rel_std_loaded"))
    return bool(error <= CLAIMED["mean_error"] and spread)


def measured(duration: Duration, urgency: Urgency | None = None) -> dict[str, Any]:
    """Run one source at each rate for ``duration`` and describe their periods."""
    graph = Graph("bench_period")
    sources = {rate: Metronome(ms(1_000 / rate)) for rate in RATES_HZ}
    for rate, source in sources.items():
        graph.add(source, f"hz_{rate}")
    before = load_average()
    engine = urgent_engine(urgency)(graph, LatencyModel(), [])
    engine.run(duration)
    return {
        **{f"hz_{rate}": periods(source.called, source.period) for rate, source in sources.items()},
        "load_average_before": before,
        "load_average_after": load_average(),
        "in_force": in_force(engine),
    }


def periods(called: list[int], wanted: int) -> dict[str, float]:
    """Mean error, standard deviation (both relative to the wanted period) and the longest excess of one."""
    gaps = np.diff(np.asarray(called, dtype=np.int64)).astype(float)
    if len(gaps) == 0:
        return {"ticks": float(len(called)), "mean_error": 0.0, "rel_std": 0.0, "max_over_ms": 0.0}
    return {
        "ticks": len(called),
        "mean_error": round(float(gaps.mean() / wanted - 1.0), 6),
        "rel_std": round(float(gaps.std() / wanted), 5),
        "max_over_ms": round(float((gaps.max() - wanted) / 1e6), 4),
    }
