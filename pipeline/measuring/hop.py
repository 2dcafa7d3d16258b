"""One hop through shared memory: a source and its readers, each in a process of its own, with nothing left out.

Typed messages, timestamps, watermarks and an armed deadline on every reader. Decides nothing about peers and ratios.
"""

from __future__ import annotations

import importlib.util
import json
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipeline.definition import END, Context, DeadlineMissed, Operator, Source
from pipeline.engines.processes.plan import RunOn, Supervision, place
from pipeline.errors import MissingExtra
from pipeline.execution import WallClock, run
from pipeline.graph import Graph
from pipeline.measuring.sampling import Hop, Measured
from pipeline.messages import Message
from pipeline.ports import Input, Output, block, keep_last
from pipeline.recipe import Recipe
from pipeline.timestamps import Duration, ms, seconds, us

FRAME_BYTES = 1920 * 1080 * 3
ROOT = Path(__file__).resolve().parents[2]
DEADLINE = ms(100)
"""For every reader: armed for each timestamp, far enough away not to be missed."""
FAST = us(500)
"""The period of a source that is only slowed down by its readers."""


class Frame(Message, frozen=True, kw_only=True):
    """A picture, and when it was finished."""

    number: int
    sent_ns: int
    """CLOCK_MONOTONIC."""
    pixels: NDArray[np.uint8]


class Frames(Source):
    """Fills a picture and sends it. Writes what processor time it took to ``folder`` when the run is over."""

    frame = Output(Frame)

    def __init__(self, *, size: int, form: str, count: int, warm_up: int, period: Duration, folder: str) -> None:
        self.form, self.count, self.skipped, self.period = form, count, warm_up, period
        self.picture = np.random.default_rng(0).integers(0, 255, size, np.uint8)
        self.folder = folder
        self.number = 0
        self.filling_ns = self.cpu_ns = 0

    def on_tick(self, ctx: Context) -> Any:
        number = self.number
        if number == self.skipped:
            self.filling_ns, self.cpu_ns = 0, time.process_time_ns()
        if number == self.skipped + self.count:
            self.cpu_ns = time.process_time_ns() - self.cpu_ns - self.filling_ns
            return END
        self.number += 1
        began = time.thread_time_ns()
        if self.form == "loan":
            pixels = ctx.loan(self.frame, self.picture.shape, np.uint8)
        else:
            pixels = np.empty(self.picture.shape, np.uint8)
        lent = time.thread_time_ns()
        np.copyto(pixels, self.picture)
        pixels[-1] = number % 256
        # A loan is part of the hop, an ordinary array and what is written into either is the camera's business.
        self.filling_ns += time.thread_time_ns() - (lent if self.form == "loan" else began)
        return Frame(number=number, pixels=pixels, sent_ns=time.monotonic_ns())

    def close(self) -> None:
        _write(self.folder, "source", {"cpu_ns": self.cpu_ns})


class Reader(Operator):
    """Notes how old every picture is when the callback starts."""

    frame = Input(Frame, queue=keep_last(8))
    seen = Output(int)

    def __init__(self, *, warm_up: int, folder: str, file: str) -> None:
        self.skipped, self.folder, self.file = warm_up, folder, file
        self.delays: list[tuple[int, int]] = []
        self.arrivals: list[int] = []
        self.cpu_ns = self.last_cpu_ns = self.missed = self.spoilt = 0

    def on_watermark(self, ctx: Context) -> int:
        now = time.monotonic_ns()
        frame = ctx[self.frame]
        if frame.number >= self.skipped:
            self.cpu_ns = self.cpu_ns or time.process_time_ns()
            self.delays.append((frame.number, now - frame.sent_ns))
            self.arrivals.append(now)
            self.spoilt += int(frame.pixels[-1]) != frame.number % 256
            self.last_cpu_ns = time.process_time_ns()
        return frame.number

    def on_miss(self, ctx: Context, miss: DeadlineMissed) -> int:
        self.missed += 1
        return -1

    def close(self) -> None:
        told = {
            "delays": self.delays,
            "arrivals": [self.arrivals[0], self.arrivals[-1]] if self.arrivals else [],
            "cpu_ns": self.last_cpu_ns - self.cpu_ns,
            "missed": self.missed,
            "spoilt": self.spoilt,
        }
        _write(self.folder, self.file, told)


class EveryReader(Reader):
    """A reader for whom the source waits: for throughput."""

    frame = Input(Frame, queue=block(4))


def graph(*, size: int, form: str, readers: int, count: int, warm_up: int, hz: float, folder: str) -> Graph:
    """``readers`` readers of one source; ``hz`` 0: as fast as they can."""
    built = Graph("bench_ipc")
    period = Duration(round(1e9 / hz)) if hz else FAST
    source = Frames(size=size, form=form, count=count, warm_up=warm_up, period=period, folder=folder)
    built.add(source, "source")
    for index in range(readers):
        reader = (Reader if hz else EveryReader)(warm_up=warm_up, folder=folder, file=f"reader{index}")
        built.add(reader, f"reader{index}")
        built.connect(source.frame, reader.frame)
        built.deadline(reader.seen, within=DEADLINE)
    return built


def alone(built: Graph, function: str, arguments: dict[str, Any]) -> WallClock:
    """A clock for ``built`` with every operator in a process of its own, which calls ``function`` to make it again.

    Raises MissingExtra without iceoryx2.
    """
    if importlib.util.find_spec("iceoryx2") is None:
        what = "streams between processes need iceoryx2, which is not installed"
        raise MissingExtra(what, where="bench", hint="pip install 'skylane[live]'")
    here = tuple(each for each in sys.path if each and Path(each).is_dir() and "site-packages" not in each)
    recipe = Recipe(function, arguments, path=(*here, str(ROOT)))
    # Many processes that start at once on a small machine are slow, not hung.
    patient = Supervision(heartbeat=ms(200), alive=seconds(2), grace=seconds(2), start=seconds(300))
    run_on = {name: RunOn(name) for name in built.operators}
    return WallClock(elsewhere=place(built, recipe, run_on, observed=False, supervision=patient))


def measure(hop: Hop, form: str, *, processes: bool = True) -> Measured:
    """Run the hop with ``form`` loan or copy. ``processes`` False: on engine threads, all in this process."""
    with tempfile.TemporaryDirectory(prefix="skylane-bench-") as folder:
        arguments: dict[str, Any] = {
            "size": hop.size,
            "form": form,
            "readers": hop.readers,
            "count": hop.count,
            "warm_up": hop.warm_up,
            "hz": hop.hz,
            "folder": folder,
        }
        built = graph(**arguments)
        clock = alone(built, f"{__name__}:graph", arguments) if processes else WallClock()
        run(built, clock=clock, until=seconds(hop.limit_s), keep=False, watch=False)
        return _measured(hop, Path(folder))


def _measured(hop: Hop, folder: Path) -> Measured:
    source = json.loads((folder / "source.json").read_text())
    readers = [json.loads((folder / f"reader{i}.json").read_text()) for i in range(hop.readers)]
    return Measured(
        delays=[[(n, d) for n, d in reader["delays"]] for reader in readers],
        cpu_ns=source["cpu_ns"] + sum(reader["cpu_ns"] for reader in readers),
        arrivals=[(a[0], a[-1]) for a in (reader["arrivals"] for reader in readers) if a],
        spoilt=sum(reader["spoilt"] for reader in readers),
        missed=sum(reader["missed"] for reader in readers),
    )


def _write(folder: str, name: str, told: dict[str, Any]) -> None:
    path = Path(folder)
    if path.is_dir():
        (path / f"{name}.json").write_text(json.dumps(told), encoding="utf-8")
