"""The hop, and the pipeline of a car, with ERDOS 0.4 in Python, as its users write them. Needs CPython 3.10 or older.

A payload is (number, when it was ready, data); data is what ERDOS carries fastest at that size: see ``filled``.
"""

from __future__ import annotations

import json
import os
import platform
import resource
import socket
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import erdos
import numpy as np

START_S = 1.0
SMALL = 100_000
"""Bytes up to here, arrays above."""
CAMERA, LIDAR, LOCATION = 921_600, 600_000, 1_000


def filled(picture: Any) -> Any:
    """What a message carries: of 1 kB, bytes arrive several times sooner than an array; of 1 MB, it is the reverse."""
    return picture.tobytes() if picture.size <= SMALL else picture.copy()


def cpu_ns() -> int:
    """Processor time of this process."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    return round((used.ru_utime + used.ru_stime) * 1e9)


def write(folder: str, name: str, told: Any) -> None:
    """Leave samples for the process that waits for them."""
    path = Path(folder) / f"{name}.json"
    path.with_suffix(".part").write_text(json.dumps(told))
    path.with_suffix(".part").rename(path)


def send(stream: Any, t: Any, data: Any) -> None:
    """A message, and the watermark behind it."""
    stream.send(erdos.Message(t, data))
    stream.send(erdos.WatermarkMessage(t))


class Source(erdos.operator.Source):  # type: ignore[misc]
    """Fills a payload and sends it, at ``hz`` or as fast as it can."""

    def __init__(self, hop: dict[str, Any], folder: str, name: str) -> None:
        self.hop, self.folder, self.name = hop, folder, name

    def run(self, write_stream: Any) -> None:
        hop = self.hop
        time.sleep(START_S)
        picture = np.random.default_rng(0).integers(0, 255, hop["size"], np.uint8)
        data = filled(picture)
        period = 1e9 / hop["hz"] if hop["hz"] else 0.0
        began = time.monotonic_ns()
        filling = used = 0
        for number in range(hop["warm_up"] + hop["count"]):
            if number == hop["warm_up"]:
                filling, used = 0, cpu_ns()
            wait = began + number * period - time.monotonic_ns()
            if wait > 0 and period:
                time.sleep(wait / 1e9)
            fills = time.thread_time_ns()
            if isinstance(data, bytes):
                data = filled(picture)
            else:
                np.copyto(data, picture)
            filling += time.thread_time_ns() - fills
            send(write_stream, erdos.Timestamp(coordinates=[number]), (number, time.monotonic_ns(), data))
        write(self.folder, self.name, {"cpu_ns": cpu_ns() - used - filling})
        time.sleep(3600)  # whoever started it ends it


class Reader(erdos.operator.Sink):  # type: ignore[misc]
    """Notes how old every message is when the callback starts."""

    def __init__(self, hop: dict[str, Any], folder: str, name: str) -> None:
        self.hop, self.folder, self.name = hop, folder, name
        self.delays: list[tuple[int, int]] = []
        self.arrivals: list[int] = []
        self.used = 0

    def on_data(self, context: Any, data: Any) -> None:
        now = time.monotonic_ns()
        number, sent, _ = data
        if number >= self.hop["warm_up"]:
            self.used = self.used or cpu_ns()
            self.delays.append((number, now - sent))
            self.arrivals.append(now)
        if number == self.hop["warm_up"] + self.hop["count"] - 1:
            told = {"delays": self.delays, "arrivals": self.arrivals[:: max(1, len(self.arrivals) - 1)]}
            write(self.folder, self.name, {**told, "cpu_ns": cpu_ns() - self.used})


class Stage(erdos.operator.OneInOneOut):  # type: ignore[misc]
    """Answers with ``size`` bytes under the number and the time of its input."""

    def __init__(self, size: int) -> None:
        self.data = filled(np.zeros(size, np.uint8))

    def on_data(self, context: Any, data: Any) -> None:
        send(context.write_stream, context.timestamp, (*data[:2], self.data))


class Join(erdos.operator.TwoInOneOut):  # type: ignore[misc]
    """Answers on the watermark of both inputs with ``size`` bytes under the older time."""

    def __init__(self, size: int) -> None:
        self.data = filled(np.zeros(size, np.uint8))
        self.sent: dict[int, int] = {}

    def on_left_data(self, context: Any, data: Any) -> None:
        number, sent, _ = data
        self.sent[number] = min(sent, self.sent.get(number, sent))

    on_right_data = on_left_data

    def on_watermark(self, context: Any) -> None:
        if context.timestamp.is_top:
            return
        number = context.timestamp.coordinates[0]
        send(context.write_stream, context.timestamp, (number, self.sent.pop(number), self.data))


def config(name: str) -> Any:
    """An operator that says itself when a timestamp is over."""
    return erdos.operator.OperatorConfig(name=name, flow_watermarks=False)


def one(name: str, source: Any, size: int) -> Any:
    """An operator with one input."""
    return erdos.connect_one_in_one_out(Stage, config(name), source, size)


def two(name: str, left: Any, right: Any, size: int) -> Any:
    """An operator that joins two streams."""
    return erdos.connect_two_in_one_out(Join, config(name), left, right, size)


def connect_hop(hop: dict[str, Any], folder: str) -> None:
    """One source and its readers."""
    source = erdos.connect_source(Source, config("source"), hop, folder, "source")
    for index in range(hop["readers"]):
        erdos.connect_sink(Reader, config(f"reader{index}"), source, hop, folder, f"reader{index}")


def connect_car(hop: dict[str, Any], folder: str) -> None:
    """``readers`` copies of the synthetic pipeline; each ends in one reader."""
    for copy in range(hop["readers"]):
        name = f"source{copy}" if copy else "source"
        source = erdos.connect_source(Source, config(name), {**hop, "size": 8}, folder, name)
        camera_1, camera_2 = one(f"camera_1.{copy}", source, CAMERA), one(f"camera_2.{copy}", source, CAMERA)
        lidar, location = one(f"lidar.{copy}", source, LIDAR), one(f"location.{copy}", source, LOCATION)
        one(f"segmentation.{copy}", camera_1, CAMERA)
        detection = one(f"detection.{copy}", camera_1, 4_433)
        lights, lanes = one(f"lights.{copy}", camera_2, 246), one(f"lanes.{copy}", camera_2, 358)
        tracker = two(f"tracker.{copy}", camera_1, detection, 123)
        located_lights = two(f"located_lights.{copy}", lidar, lights, 246)
        located = two(f"located.{copy}", tracker, lidar, 10_000)
        fusion = two(f"fusion.{copy}", located, location, 10_000)
        prediction = two(f"prediction.{copy}", fusion, location, 600)
        on_lanes = two(f"on_lanes.{copy}", prediction, lanes, 958)
        planning = two(f"planning.{copy}", on_lanes, located_lights, 13_099)
        control = two(f"control.{copy}", planning, location, 140)
        erdos.connect_sink(Reader, config(f"reader{copy}"), control, hop, folder, f"reader{copy}")


def free_ports(count: int) -> int:
    """The first of ``count`` ports that nobody uses."""
    for first in range(20_000 + os.getpid() % 5_000, 60_000 - count, count):
        held = []
        try:
            for port in range(first, first + count):
                held.append(socket.socket())
                held[-1].bind(("127.0.0.1", port))
            return first
        except OSError:
            continue
        finally:
            for each in held:
                each.close()
    raise SystemExit("no free ports")


def main() -> None:
    """One argument: the hop as JSON, with ``what``: hop or car."""
    hop = json.loads(sys.argv[1])
    with tempfile.TemporaryDirectory() as folder:
        {"hop": connect_hop, "car": connect_car}[hop.pop("what", "hop")](hop, folder)
        handle = erdos.run_async(start_port=free_ports(2 * (erdos._num_py_operators + 1)))
        wanted = [Path(folder) / f"{name}.json" for name in ("source", *(f"reader{i}" for i in range(hop["readers"])))]
        limit = time.monotonic() + hop["limit_s"]
        while time.monotonic() < limit and not all(path.exists() for path in wanted):
            time.sleep(0.05)
        told = [json.loads(path.read_text()) if path.exists() else {} for path in wanted]
        for process in handle.processes:
            process.kill()
        for process in handle.processes:
            process.join()
        readers = told[1:]
        result = {
            "delays": [each.get("delays", []) for each in readers],
            "arrivals": [(a[0], a[-1]) for a in (each.get("arrivals", []) for each in readers) if a],
            "cpu_ns": sum(each.get("cpu_ns", 0) for each in told),
            "version": "0.4.0",
            "python": platform.python_version(),
        }
    print(json.dumps(result), flush=True)
    os._exit(0)  # ERDOS's own node has no other end once its operators are gone


if __name__ == "__main__":
    main()
