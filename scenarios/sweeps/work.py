"""What a worker does with one task: build, drive, sum up. A run that fails is a row with its error.

The same function runs in local processes and on Ray, so that the place makes no difference to the result.
"""

from __future__ import annotations

import os
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Union

from pipeline.building import Built, build
from pipeline.errors import SkylaneError, described
from pipeline.execution import VirtualClock, run
from pipeline.launchfile import parse
from pipeline.running import limit_threads, outcome, response_stream
from pipeline.summary import Summary
from scenarios.sweeps import memory
from scenarios.sweeps.expansion import Scene, Task

Row = dict[str, Any]

KEPT = (
    "answers",
    "latency_ms_p50",
    "latency_ms_p99",
    "latency_ms_max",
    "deadline_misses",
    "without_answer",
)
"""What a row keeps of a run's summary; the rest is in the records of ``skylane run``."""


@dataclass(frozen=True)
class PictureTask:
    """One scenario to be shown in the report; made into ``path`` by whoever has time."""

    scene: Scene
    path: str


CACHES_MB = 160.0
"""How far the caches of a worker may grow."""

Work = Union[Task, PictureTask]
Clock = Callable[[], int]


@dataclass
class Worker:
    """Drives task after task in one process; imports, compiled code and models stay warm."""

    memory_mb: float
    clock_ns: Clock
    name: str = ""
    done: int = 0
    floor_mb: float = 0.0
    """What it holds with its caches empty, imports and models included."""

    def __post_init__(self) -> None:
        limit_threads()

    def do(self, work: Work) -> Row:
        """The row of a run; for a picture, one that says only whether it failed."""
        memory.begin_peak()
        began, spent = self.clock_ns(), _cpu_s()
        row = self._picture(work) if isinstance(work, PictureTask) else drive(work)
        row["wall_s"] = round((self.clock_ns() - began) / 1e9, 3)
        row["cpu_s"] = round(_cpu_s() - spent, 3)
        row["peak_mb"] = round(memory.peak_mb(), 1)
        row["worker"] = self.name
        self.done += 1
        row["resident_mb"] = round(self._resident_mb(), 1)
        return row

    def _resident_mb(self) -> float:
        """What it holds after a run; streets and meshes that it will hardly see again are given back."""
        resident = memory.resident_mb()
        if resident > min(self.floor_mb + CACHES_MB, 0.8 * self.memory_mb):
            memory.give_back()
            resident = self.floor_mb = memory.resident_mb()
        return resident

    def _picture(self, work: PictureTask) -> Row:
        from scenarios.sweeps.pictures import draw

        row: Row = {"picture": work.path, "scene": work.scene.name}
        try:
            draw(work.scene, Path(work.path))
        except Exception as error:
            row |= failure(error)
        return row


def _cpu_s() -> float:
    """Processor time of this process: what a run costs whatever else the machine does."""
    times = os.times()
    return times.user + times.system


def drive(task: Task) -> Row:
    """Run the task here. Whatever goes wrong inside is in the row: ``error`` in one line, ``trace`` for people."""
    row = task.columns()
    try:
        built = build(parse(task.text, Path(task.path), task.overrides))
        return row | figures(built)
    except Exception as error:
        return row | failure(error)


def figures(built: Built) -> Row:
    """Drive what was built and say how it went."""
    summary = Summary(response_stream(built))
    clock = VirtualClock(built.settings.seed, built.latency)
    result = run(built.graph, clock=clock, until=built.settings.duration, observers=[summary], keep=False)
    told = outcome(built.world)
    said = summary.figures()
    return {
        "error": "",
        **{name: value for name, value in told.items() if name != "outcome"},
        "duration_s": result.ended_at / 1e9,
        **{name: said[name] for name in KEPT},
        "unprofiled": list(built.unprofiled),
        "hash": result.hash,
        "output_hash": result.output_hash,
    }


def failure(error: BaseException) -> Row:
    """The columns of a run that failed."""
    where = "" if isinstance(error, SkylaneError) else "".join(traceback.format_exception(error))
    return {"error": described(error), "trace": where}
