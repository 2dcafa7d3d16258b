"""A graph whose streams depend on nothing but their inputs, in every shape that ERDOS does not know by itself.

As a program, in an environment with ERDOS: runs it, or a launch file, on an engine and prints what was said.
"""

from __future__ import annotations

import hashlib
import json
import os
import signal
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from pipeline import (
    END,
    FOREVER,
    Budget,
    Context,
    DeadlineMissed,
    Graph,
    Input,
    LatencyModel,
    Message,
    Operator,
    Output,
    SkylaneError,
    Source,
    State,
    Wait,
    WallClock,
    block,
    keep_last,
    latest,
    ms,
    readonly,
    run,
    seconds,
)
from pipeline.building import build
from pipeline.engines.erdos.engine import ErdosEngine
from pipeline.events import Event, Missed, Sent
from pipeline.launchfile import resolve
from pipeline.messages import canonical
from pipeline.recipe import Recipe

PERIOD = ms(250)
PATIENT = keep_last(64)
HERE = str(Path(__file__).resolve().parent)


class Frame(Message, frozen=True, kw_only=True):
    """A picture."""

    pixels: NDArray[np.uint8]
    number: int


class Shot(NamedTuple):
    frame: Frame
    beat: int | None


class Camera(Source):
    """Every second frame goes without a beat."""

    frame = Output(Frame)
    beat = Output(int)
    period = PERIOD

    def __init__(self, frames: int, width: int) -> None:
        self.frames, self.width = frames, width

    def on_tick(self, ctx: Context) -> Any:
        number = ctx.t // self.period
        if number >= self.frames:
            return END
        pixels = (np.arange(self.width * 4, dtype=np.uint32) * (number + 1) % 251).astype(np.uint8).reshape(4, -1)
        return Shot(Frame(pixels=readonly(pixels), number=number), None if number % 2 else number)


class Figures(NamedTuple):
    mean: float
    most: int
    label: str


class Measure(Operator):
    """Three outputs."""

    frame = Input(Frame, queue=PATIENT)
    mean = Output(float)
    most = Output(int)
    label = Output(str)

    def on_watermark(self, ctx: Context) -> Figures:
        frame = ctx[self.frame]
        return Figures(float(frame.pixels.mean()), int(frame.pixels.max()), f"frame {frame.number}")


class Gather(Operator):
    """Five inputs, one of them from behind."""

    frame = Input(Frame, queue=PATIENT)
    mean = Input(float)
    most = Input(int)
    label = Input(str)
    hint = Input(float, join=latest(), required=False)
    line = Output(tuple)

    def on_watermark(self, ctx: Context) -> tuple[Any, ...]:
        frame = ctx[self.frame]
        return (ctx[self.label], ctx[self.mean], ctx[self.most], int(frame.pixels[:, 1].sum()), None)


class Add(Operator):
    """Keeps a state."""

    line = Input(tuple, queue=PATIENT)
    total = Output(float)
    sum: State[float] = State(float)

    def on_watermark(self, ctx: Context) -> float:
        ctx[self.sum] = ctx[self.sum] + ctx[self.line][1]
        return ctx[self.sum]


class Halve(Operator):
    """Its input has a message at every second timestamp only; its queue holds its writer back."""

    beat = Input(int, queue=block(1))
    half = Output(float)

    def on_watermark(self, ctx: Context) -> float:
        return ctx[self.beat] / 2


class Allow(Operator):
    """A budget policy."""

    frame = Input(Frame, queue=PATIENT)
    budget = Output(Budget)

    def on_watermark(self, ctx: Context) -> Budget:
        return Budget(within_ns=ms(150))


class Risky(Operator):
    """Hangs at every third frame."""

    frame = Input(Frame, queue=PATIENT)
    number = Output(int)

    def on_watermark(self, ctx: Context) -> Iterator[int | Wait]:
        if ctx[self.frame].number % 3 == 2:
            yield Wait(seconds(3600))
        yield ctx[self.frame].number

    def on_miss(self, ctx: Context, miss: DeadlineMissed) -> int:
        return -1


class Mute(Operator):
    """Hangs at every fourth frame, and has nothing to say about it."""

    number = Input(int, queue=PATIENT)
    same = Output(int)

    def on_watermark(self, ctx: Context) -> Iterator[int | Wait]:
        if ctx.t // PERIOD % 4 == 3:
            yield Wait(seconds(3600))
        yield ctx[self.number]


class Break(Operator):
    """Misbehaves as told at the third frame."""

    number = Input(int, queue=PATIENT)
    same = Output(int)

    def __init__(self, how: str) -> None:
        self.how = how

    def on_watermark(self, ctx: Context) -> int:
        if ctx.t >= 2 * PERIOD:
            if self.how == "raise":
                raise ZeroDivisionError("on purpose")
            if self.how == "die":
                os.kill(os.getpid(), signal.SIGKILL)
            while self.how == "spin":
                pass
        return ctx[self.number]


def graph(frames: int = 6, width: int = 640, how: str = "") -> Graph:
    """Everything connected."""
    made = Graph("shapes")
    camera, measure, gather, add = Camera(frames, width), Measure(), Gather(), Add()
    halve, allow, risky, mute = Halve(), Allow(), Risky(), Mute()
    for reader in (measure.frame, gather.frame, allow.frame, risky.frame):
        made.connect(camera.frame, reader)
    made.connect(measure.mean, gather.mean)
    made.connect(measure.most, gather.most)
    made.connect(measure.label, gather.label)
    made.connect(gather.line, add.line)
    made.connect(add.total, gather.hint, feedback=True)
    made.connect(camera.beat, halve.beat)
    made.connect(risky.number, mute.number)
    made.deadline(risky.number, within=allow.budget, static=ms(170), name="risky")
    made.deadline(mute.same, within=ms(230), since=camera.frame, reserve={"risky": ms(1)}, name="end to end")
    if how:
        broken = Break(how)
        made.connect(risky.number, broken.number)
    return made


class _Notes:
    """What was said: stream → [t, canonical bytes]; and which deadlines were missed."""

    def __init__(self, end: int) -> None:
        self._end = end
        self.said: dict[str, list[list[Any]]] = {}
        self.missed: set[tuple[str, int, str]] = set()
        self.at: list[int] = []

    def on_event(self, event: Event) -> None:
        self.at.append(event.at)
        if isinstance(event, Sent):
            digest = hashlib.sha256(canonical(event.value)).hexdigest()
            self.said.setdefault(event.stream, []).append([event.t, event.quality, digest])
            if self._end and event.stream == "camera.frame" and event.t == 3 * PERIOD:
                os.kill(os.getpid(), self._end)
        elif isinstance(event, Missed):
            self.missed.add((event.operator, event.t, event.deadline))


def main(engine: str, args: dict[str, Any], launch: str, end: int) -> dict[str, Any]:
    """Run the graph, or the launch file, on an engine; ``end``: the signal that it sends itself at the fourth frame."""
    notes = _Notes(end)
    outcome: dict[str, Any] = {}
    problem = ""
    stop = threading.Event()
    signal.signal(signal.SIGINT, lambda *_: stop.set())
    if launch:
        built = build(resolve(launch))
        made, latency, together = built.graph, built.latency, built.worldly
        recipe = Recipe("pipeline.building:rebuild", {"text": built.text, "path": launch})
    else:
        made, latency, together = graph(**args), LatencyModel(0), frozenset()
        recipe = Recipe("erdos_toys:graph", args, path=(HERE,))
    try:
        if engine == "threads":
            run(made, clock=WallClock(0, latency), observers=[notes], stop=stop.is_set)
            outcome = built.world.outcome() if launch else {}
        else:
            erdos = ErdosEngine(recipe, made, latency, [notes], together=together, stop=stop.is_set)
            erdos.run(FOREVER)
            outcome = erdos.outcome
    except SkylaneError as error:
        problem = f"{type(error).__name__}: {error} | {error.__cause__}"
    return {
        "said": notes.said,
        "missed": sorted(notes.missed),
        "in_order": notes.at == sorted(notes.at),
        "outcome": {key: outcome[key] for key in outcome if key == "heard"},
        "problem": problem,
    }


if __name__ == "__main__":
    sys.path.insert(0, HERE)
    # The classes must have the names under which the other processes import them.
    from erdos_toys import main as main_

    print(json.dumps(main_(sys.argv[1], json.loads(sys.argv[2]), sys.argv[3], int(sys.argv[4]))))
