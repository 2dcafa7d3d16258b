"""A world and operators that cost nothing, for sweeps: named in launch files as ``sweep_toys:Lane``."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from pipeline import Context, Input, Operator, Output, Source, ms
from scenarios.sweeps.campaign import Place, sweep
from scenarios.sweeps.driving import Row
from scenarios.sweeps.suite import SuiteFile, read_suite
from scenarios.sweeps.work import Work, Worker

LAUNCH = """
name: toy
duration: 50ms
world: {use: "sweep_toys:Lane", scenario: none, speed_mps: 1.0}
operators:
  tick: {use: "sweep_toys:Tick"}
  echo: {use: "sweep_toys:Echo", args: {target_speed_mps: 1.0}, inputs: {value: tick.value}}
variants:
  calm: {}
  bold: {world.bold: true}
"""
SUITE = """
name: toy
launch: toy.yaml
families: [person_behind_truck, traffic_jam]
speeds_mps: [10, 12]
seeds: 1-3
pictures: false
quick: {seeds: [1], speeds_mps: [10]}
"""


class Lane:
    """A world that knows at once how the drive ends: who is bold and fast hits somebody."""

    def __init__(
        self,
        *,
        scenario: str,
        speed_mps: float,
        seed: int,
        bold: bool = False,
        parameters: dict[str, float] | None = None,
    ) -> None:
        self.scenario, self.speed_mps, self.seed, self.bold = scenario, speed_mps, seed, bold
        self.parameters = parameters or {}

    def outcome(self) -> dict[str, Any]:
        hit = self.bold and self.speed_mps > 11.0
        impact = self.speed_mps / 2.0 + self.seed if hit else 0.0
        gap = 0.0 if hit else 20.0 - self.speed_mps
        return {"collided": hit, "impact_speed_mps": impact, "min_gap_m": gap, "distance_m": 100.0}


class Tick(Source):
    """Counts."""

    value = Output(int)
    period = ms(10)

    def on_tick(self, ctx: Context) -> int:
        return ctx.t // self.period


class Echo(Operator):
    """Says what it hears; ``trouble`` on the seed ``on``: raise, die, hang or grow."""

    value = Input(int)
    same = Output(float)

    def __init__(self, *, target_speed_mps: float, trouble: str = "", on: int = -1, world: Lane) -> None:
        self.speed_mps, self.trouble, self.seed, self.on = target_speed_mps, trouble, world.seed, on
        self.held: list[bytearray] = []

    def on_watermark(self, ctx: Context) -> float:
        if self.seed == self.on:
            if self.trouble == "raise":
                raise RuntimeError("as told")
            if self.trouble == "die":
                os.kill(os.getpid(), signal.SIGKILL)
            while self.trouble in ("hang", "grow"):
                if self.trouble == "grow":
                    self.held.append(bytearray(b"x" * (8 << 20)))
        return self.speed_mps + ctx[self.value]


class Heard:
    """Follows a sweep; ``then`` is called after so many rows."""

    def __init__(self, after: int = -1, then: Callable[[], None] = lambda: None) -> None:
        self.total = self.kept = 0
        self.rows: list[tuple[Work, Row]] = []
        self._after, self._then = after, then

    def begun(self, total: int, kept: int) -> None:
        self.total, self.kept = total, kept

    def done(self, work: Work, row: Row) -> None:
        self.rows.append((work, row))
        if len(self.rows) == self._after:
            self._then()


def press_ctrl_c() -> None:
    """What Ctrl-C does."""
    raise KeyboardInterrupt


def written(folder: Path, suite: str = SUITE, launch: str = LAUNCH) -> Path:
    """The suite file in ``folder``, with the toy launch file beside it."""
    (folder / "toy.yaml").write_text(launch)
    path = folder / "suite.yaml"
    path.write_text(suite)
    return path


def read_toy(folder: Path, *changes: str, quick: bool = False, suite: str = SUITE, launch: str = LAUNCH) -> SuiteFile:
    """The toy suite as it is read."""
    return read_suite(written(folder, suite, launch), changes, quick=quick)


def here(todo: Sequence[Work], jobs: int, limits: Any, clock_ns: Any, take: Any, **more: Any) -> None:
    """Does everything in this process, in place of workers."""
    worker = Worker(limits.memory_mb, clock_ns, "here")
    for work in todo:
        take(work, worker.do(work))


def run_toy(
    file: SuiteFile, folder: Path, heard: Heard | None = None, *, jobs: int = 1, retry: bool = False, on: str = "local"
) -> dict[str, Any]:
    """Sweep the suite; the clock stands still."""
    return sweep(file, folder, Place(jobs, on), clock_ns=_stand_still, follow=heard or Heard(), retry=retry)


def _stand_still() -> int:
    return 0
