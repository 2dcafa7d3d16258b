"""The synthetic pipeline of a car: sixteen operators a copy that compute nothing and send what a car would send.

Source: D3, EuroSys'22, Fig. 8c, its graph and its message sizes. Decides the graph, not where it runs.
"""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipeline.definition import END, Context, Operator, Source
from pipeline.graph import Graph
from pipeline.messages import Message, readonly
from pipeline.ports import Input, Output
from pipeline.timestamps import Duration

CAMERA, LIDAR, LOCATION = 921_600, 600_000, 1_000
OPERATORS_A_COPY = 18
"""With the source and the reader at the end."""


class Sent(Message, frozen=True, kw_only=True):
    """So many bytes, and when the oldest of what they rest on was sent (CLOCK_MONOTONIC)."""

    number: int
    sent_ns: int
    data: NDArray[np.uint8]


class Tick(Source):
    """Starts a copy at its rate; writes 8 bytes."""

    out = Output(Sent)

    def __init__(self, *, period: Duration, offset: Duration, count: int) -> None:
        self.period, self.offset, self.count = period, offset, count
        self.data = readonly(np.zeros(8, np.uint8))
        self.number = 0

    def on_tick(self, ctx: Context) -> Any:
        number, self.number = self.number, self.number + 1
        return END if number == self.count else Sent(number=number, sent_ns=time.monotonic_ns(), data=self.data)


class Step(Operator):
    """Answers with ``size`` bytes."""

    value = Input(Sent)
    out = Output(Sent)

    def __init__(self, size: int) -> None:
        self.data = readonly(np.zeros(size, np.uint8))

    def on_watermark(self, ctx: Context) -> Sent:
        value = ctx[self.value]
        return Sent(number=value.number, sent_ns=value.sent_ns, data=self.data)


class Join(Step):
    """Answers with ``size`` bytes once both its inputs have spoken for t."""

    other = Input(Sent)

    def on_watermark(self, ctx: Context) -> Sent:
        value, other = ctx[self.value], ctx[self.other]
        return Sent(number=value.number, sent_ns=min(value.sent_ns, other.sent_ns), data=self.data)


class Sample(Operator):
    """Notes how long each timestamp took through the whole copy; writes it to ``folder`` when the run is over."""

    value = Input(Sent)

    def __init__(self, *, warm_up: int, folder: str, file: str) -> None:
        self.first, self.folder, self.file = warm_up, folder, file
        self.delays: list[tuple[int, int]] = []

    def on_watermark(self, ctx: Context) -> None:
        now = time.monotonic_ns()
        value = ctx[self.value]
        if value.number >= self.first:
            self.delays.append((value.number, now - value.sent_ns))

    def close(self) -> None:
        if Path(self.folder).is_dir():
            (Path(self.folder) / f"{self.file}.json").write_text(json.dumps(self.delays), encoding="utf-8")


def car(*, copies: int, hz: float, count: int, warm_up: int, folder: str, apart: bool = False) -> Graph:
    """``copies`` independent pipelines, each from its source to its sample.

    Their sources tick at the same instants, or, if ``apart``, evenly spread over the period.
    """
    graph = Graph("synthetic_car")
    period = Duration(round(1e9 / hz))
    for copy in range(copies):
        offset = Duration(copy * period // copies if apart else 0)
        tick = Tick(period=period, offset=offset, count=warm_up + count)
        sample = Sample(warm_up=warm_up, folder=folder, file=f"sample_{copy}")
        _copy(graph, copy, tick, sample)
    return graph


def _copy(graph: Graph, copy: int, tick: Tick, sample: Sample) -> None:
    def one(name: str, source: Output[Sent], size: int) -> Output[Sent]:
        step = Step(size)
        graph.add(step, f"{name}_{copy}")
        graph.connect(source, step.value)
        return step.out

    def two(name: str, left: Output[Sent], right: Output[Sent], size: int) -> Output[Sent]:
        join = Join(size)
        graph.add(join, f"{name}_{copy}")
        graph.connect(left, join.value)
        graph.connect(right, join.other)
        return join.out

    graph.add(tick, f"source_{copy}")
    source = tick.out
    camera_1, camera_2 = one("camera_1", source, CAMERA), one("camera_2", source, CAMERA)
    lidar, location = one("lidar", source, LIDAR), one("location", source, LOCATION)
    one("segmentation", camera_1, CAMERA)
    detection = one("detection", camera_1, 4_433)
    lights, lanes = one("lights", camera_2, 246), one("lanes", camera_2, 358)
    tracker = two("tracker", camera_1, detection, 123)
    located_lights = two("located_lights", lidar, lights, 246)
    located = two("located", tracker, lidar, 10_000)
    fusion = two("fusion", located, location, 10_000)
    prediction = two("prediction", fusion, location, 600)
    on_lanes = two("on_lanes", prediction, lanes, 958)
    planning = two("planning", on_lanes, located_lights, 13_099)
    control = two("control", planning, location, 140)
    graph.add(sample, f"sample_{copy}")
    graph.connect(control, sample.value)
