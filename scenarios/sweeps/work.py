"""What a worker does: one piece of work after the other, and what each has cost.

The same code runs in local processes and on Ray, so that the place makes no difference to the result.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Hashable
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from pipeline.running import limit_threads
from scenarios.sweeps import memory
from scenarios.sweeps.driving import Row, failure
from scenarios.sweeps.expansion import Scene


class Work(Protocol):
    """Something to be done elsewhere; it travels there by pickle."""

    @property
    def scene(self) -> Hashable:
        """A worker gets all work of one scene as far as possible: it builds the street once."""

    def columns(self) -> Row:
        """What says which work it is; also the row of work whose worker is lost, but for its ``error``."""

    def perform(self) -> Row:
        """Do it here. Whatever goes wrong is in the row: ``error``, empty if nothing did."""


@dataclass(frozen=True)
class PictureTask:
    """One scenario to be shown in the report; made into ``path`` by whoever has time."""

    scene: Scene
    path: str

    def columns(self) -> Row:
        """Where it will be, and what it shows."""
        scene = self.scene
        return {"picture": self.path, "scene": scene.name, "speed_mps": scene.speed_mps, "seed": scene.seed}

    def perform(self) -> Row:
        """Draw it."""
        from scenarios.sweeps.pictures import draw

        try:
            draw(self.scene, Path(self.path))
        except Exception as error:
            return self.columns() | failure(error)
        return self.columns()


CACHES_MB = 160.0
"""How far the caches of a worker may grow."""

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
        """The work's row, and what it cost."""
        memory.begin_peak()
        began, spent = self.clock_ns(), _cpu_s()
        row = work.perform()
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


def _cpu_s() -> float:
    """Processor time of this process: what a run costs whatever else the machine does."""
    times = os.times()
    return times.user + times.system
