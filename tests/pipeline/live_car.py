"""A small car in several processes: sensor → controller → gate → vehicle, and somebody who makes trouble in it.

Everything that a test asks for is in the operators' arguments, so that each process can make the same graph.
"""

from __future__ import annotations

import ctypes
import os
import signal
import threading
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from pipeline import (
    END,
    Context,
    DeadlineMissed,
    Duration,
    Graph,
    Input,
    Operator,
    Output,
    Recipe,
    Source,
    ms,
    run,
    seconds,
)
from pipeline.engines.processes.plan import RunOn, Supervision, place
from pipeline.events import Event, Fault, Recovered, Sent
from pipeline.execution import WallClock
from pipeline.health import ProcessStatus

ROOT = Path(__file__).resolve().parent.parent.parent
PERIOD = ms(50)


class Sensor(Source):
    """Speaks every control period, for a while."""

    out = Output(int)
    period = PERIOD

    def __init__(self, count: int) -> None:
        self.count = count

    def on_tick(self, ctx: Context) -> Any:
        number = ctx.t // self.period
        return number if number < self.count else END


class Controller(Operator):
    """Answers 100 + the number; its handler answers 200 + the number, and −1 without one.

    ``trouble`` says what goes wrong at which number: raises | nan | type | spins | sleeps | hoards | huge | exits.
    """

    inp = Input(int)
    out = Output(float)

    def __init__(self, trouble: dict[str, str] | None = None) -> None:
        self.trouble = {int(number): what for number, what in (trouble or {}).items()}
        self.hoard: list[Any] = []

    def on_watermark(self, ctx: Context) -> Any:
        what = self.trouble.get(ctx[self.inp])
        if what == "raises":
            raise ZeroDivisionError("on purpose")
        if what == "nan":
            return float("nan")
        if what == "type":
            return "seven"
        if what == "spins":
            # A foreign function that keeps the interpreter's lock.
            ctypes.PyDLL(None).usleep(3_000_000)
        if what == "sleeps":
            time.sleep(3.0)
        if what == "hoards":
            self.hoard.append(np.ones(40_000_000))
        if what == "huge":
            ctx.loan(self.out, (1 << 46,))
        if what == "exits":
            os._exit(3)
        return 100.0 + ctx[self.inp]

    def on_miss(self, ctx: Context, miss: DeadlineMissed) -> float:
        number = ctx.get(self.inp)
        return -1.0 if number is None else 200.0 + number


class Gate(Controller):
    """Passes the command on; its handler brakes."""

    inp = Input(float)
    out = Output(float)

    def on_watermark(self, ctx: Context) -> Any:
        return ctx[self.inp]

    def on_miss(self, ctx: Context, miss: DeadlineMissed) -> float:
        return -2.0


class Vehicle(Operator):
    """Notes when a command arrives."""

    device = True
    inp = Input(float)
    applied = Output(int)

    def on_watermark(self, ctx: Context) -> int:
        return int(ctx.now())


def car(count: int, trouble: dict[str, str] | None = None, deadline_ms: int = 20) -> Graph:
    """The graph. Deadlines of less than half a control period on controller and gate."""
    graph = Graph("car")
    sensor, controller, gate, vehicle = Sensor(count), Controller(trouble), Gate(), Vehicle()
    for name, operator in (("sensor", sensor), ("controller", controller), ("gate", gate), ("vehicle", vehicle)):
        graph.add(operator, name)
    graph.connect(sensor.out, controller.inp)
    graph.connect(controller.out, gate.inp)
    graph.connect(gate.out, vehicle.inp)
    graph.deadline(controller.out, within=ms(deadline_ms))
    graph.deadline(gate.out, within=ms(deadline_ms))
    return graph


@dataclass
class Drive:
    """What happened in a run of the car."""

    period: int = PERIOD
    applied: list[tuple[int, int]] = field(default_factory=list)
    """(t, when the vehicle had the command for t)."""
    commands: dict[int, float] = field(default_factory=dict)
    faults: list[Fault] = field(default_factory=list)
    recovered: list[Recovered] = field(default_factory=list)
    events: list[Event] = field(default_factory=list)
    statuses: dict[str, ProcessStatus] = field(default_factory=dict)
    origin: int = 0
    gone: set[int] = field(default_factory=set)
    """Processes that have got their signal."""

    def on_event(self, event: Event) -> None:
        """The run tells."""
        if isinstance(event, Sent) and event.stream == "vehicle.applied":
            self.applied.append((event.t, event.value))
        elif isinstance(event, Sent) and event.stream == "gate.out":
            self.commands[event.t] = event.value
        elif isinstance(event, Fault):
            self.faults.append(event)
        elif isinstance(event, Recovered):
            self.recovered.append(event)
        if not isinstance(event, (Sent, Fault, Recovered)):
            self.events.append(event)

    def on_process(self, status: ProcessStatus) -> None:
        """The supervisor tells."""
        self.statuses[status.process] = status

    def gaps(self) -> list[float]:
        """Control periods between one command and the next, as the vehicle saw them."""
        times = [at for _, at in self.applied]
        return [(later - earlier) / self.period for earlier, later in zip(times, times[1:], strict=False)]

    def story(self) -> str:
        """What happened around the longest gap, for whoever has to explain it."""
        gaps = self.gaps()
        before = self.applied[gaps.index(max(gaps))][1]
        told = [*self.events, *self.faults, *self.recovered]
        near = [each for each in told if 0 <= each.at - before + self.period <= 3 * self.period]
        return "\n".join(str(each) for each in sorted(near, key=lambda each: each.at))


def drive(
    length_s: float,
    *,
    trouble: dict[str, str] | None = None,
    meddle: Callable[[Drive, threading.Event], None] | None = None,
    supervision: Supervision | None = None,
    alone: Iterable[str] = ("controller", "gate"),
) -> Drive:
    """Run the car while ``meddle`` makes trouble from a thread of its own."""
    count = int(length_s * 1e9) // PERIOD
    recipe = Recipe("tests.pipeline.live_car:car", {"count": count, "trouble": trouble or {}}, path=(str(ROOT),))
    graph = car(count)
    home = {name: RunOn("world", priority=10) for name in graph.operators if name not in alone}
    run_on = home | {name: RunOn(name, priority=10) for name in alone}
    placed = place(graph, recipe, run_on, fragile=frozenset(home), supervision=supervision)
    seen, over = Drive(), threading.Event()
    thread = threading.Thread(target=meddle, args=(seen, over), daemon=True) if meddle is not None else None
    if thread is not None:
        thread.start()
    try:
        until = seconds(length_s + 20)
        result = run(graph, clock=WallClock(1, elsewhere=placed), until=until, observers=[seen], keep=False)
        seen.origin = result.origin
    finally:
        over.set()
        if thread is not None:
            thread.join(10)
    return seen


def kill(seen: Drive, process: str, sig: int = signal.SIGKILL) -> int:
    """Send a signal to a process of the run; answers when, on the machine's clock."""
    pid = seen.statuses[process].pid
    at = time.monotonic_ns()
    os.kill(pid, sig)
    seen.gone.add(pid)
    return at


def healthy(seen: Drive, process: str, over: threading.Event, patience_s: float = 30.0) -> bool:
    """Wait until the process answers for itself."""
    until = time.monotonic() + patience_s
    while time.monotonic() < until and not over.is_set():
        status = seen.statuses.get(process)
        if status is not None and status.state == "healthy" and status.pid not in seen.gone:
            return True
        over.wait(0.005)
    return False


__all__ = ["Duration", "Drive", "car", "drive", "healthy", "kill"]
