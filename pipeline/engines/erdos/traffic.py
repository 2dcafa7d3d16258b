"""A node's streams on ERDOS: a Source for each that leaves it, a Sink for each that comes in, and their order.

ERDOS takes no account of callbacks that have begun when it orders new ones, so messages close together may overtake
each other (seen: 3 in 6000). A watermark without a value therefore travels twice: as ERDOS' watermark, and as a
numbered message, and what comes in is put back in order by number.
"""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable
from typing import Any

import erdos
import erdos.internal
import erdos.operator
import msgspec

from pipeline.engines.border import NoExit, Starts
from pipeline.engines.erdos.gathering import InOrder
from pipeline.engines.erdos.plan import Plan, StreamPlan
from pipeline.engines.part import PartEngine
from pipeline.engines.processes import wire
from pipeline.errors import InvalidMessage
from pipeline.graph import Graph
from pipeline.messages import Envelope
from pipeline.timestamps import BOTTOM, TOP, Timestamp

UNKNOWN = wire.Head(t=0)
"""A value is packed before its head is known: the head travels beside it."""
PREPARED_MAX = 8
"""Answers that were encoded and not sent yet; one that loses its race is forgotten."""


def erdos_timestamp(t: int, where: str = "") -> Any:
    """ERDOS counts in unsigned integers: a time before 0 has no counterpart. Raises InvalidMessage for those."""
    if t == TOP:
        return erdos.Timestamp(is_top=True)
    if t < 0:
        what = f"t={t} cannot travel: ERDOS has no timestamp before 0"
        raise InvalidMessage(what, where=where, hint="begin at t=0")
    return erdos.Timestamp(coordinates=[t])


class Opening:
    """Counts the streams of this node that ERDOS has not opened yet."""

    def __init__(self, count: int) -> None:
        self._missing, self._guard = count, threading.Lock()
        self.done = threading.Event()
        if not count:
            self.done.set()

    def opened(self) -> None:
        """One more is open."""
        with self._guard:
            self._missing -= 1
            if not self._missing:
                self.done.set()


class Way:
    """A stream's write end, once ERDOS has opened it."""

    def __init__(self, name: str, opening: Opening) -> None:
        self.name, self._opening = name, opening
        self._stream: Any = None

    def open(self, write_stream: Any) -> None:
        """From ERDOS."""
        self._stream = write_stream
        self._opening.opened()

    def send(self, t: int, payload: Any) -> None:
        """The payload at t, and the watermark t."""
        at = erdos.Timestamp(coordinates=[TOP]) if t == TOP else erdos_timestamp(t, self.name)
        for message in (erdos.Message(at, payload), erdos.WatermarkMessage(erdos_timestamp(t, self.name))):
            # Not by ERDOS' own send: that formats every message for a log that nobody reads, 90 ms for a picture.
            self._stream._py_write_stream.send(message._to_py_message())


class ErdosExit(NoExit):
    """A stream's way to the readers on other nodes."""

    def __init__(self, way: Way, plan: StreamPlan) -> None:
        self._way = way
        self._depths = {throttle.operator: throttle.depth for throttle in plan.throttles}
        self.throttled = bool(self._depths)
        self._taken = dict.fromkeys(self._depths, int(BOTTOM))
        self._waiting: list[int] = []
        self._prepared: dict[int, tuple[Any, bytearray]] = {}
        self._number = 0

    def prepare(self, value: Any) -> None:
        while len(self._prepared) >= PREPARED_MAX:
            self._prepared.pop(next(iter(self._prepared)), None)
        self._prepared[id(value)] = value, wire.pack(UNKNOWN, value)

    def send(self, message: Envelope | int, starts: Starts) -> None:
        payload: bytearray | None = None
        head = wire.Head(t=int(message if isinstance(message, int) else message.t), empty=True, number=self._number)
        if not isinstance(message, int):
            _, prepared = self._prepared.pop(id(message.value), (None, None))
            payload = prepared if prepared is not None else wire.pack(UNKNOWN, message.value)
            head = msgspec.structs.replace(
                head,
                origin=message.origin,
                at=message.at,
                quality=message.quality,
                winner=message.winner,
                starts=starts,
            )
            if self.throttled:
                self._waiting.append(message.t)
        self._number += 1
        self._way.send(head.t, (wire.pack(head), payload))

    def full(self) -> bool:
        least = min(self._taken.values())
        self._waiting = [t for t in self._waiting if t > least]
        return any(sum(t > self._taken[name] for t in self._waiting) >= depth for name, depth in self._depths.items())

    def taken(self, operator: str, t: int) -> None:
        """The reader has room for what follows t."""
        self._taken[operator] = max(self._taken[operator], t)

    def close(self) -> None:
        self._prepared.clear()


class Leaving:
    """The ERDOS operator behind a stream that leaves the node: it only holds the stream open."""

    def __init__(self, way: Way) -> None:
        self._way = way

    def run(self, write_stream: Any) -> None:
        """Called by ERDOS once all nodes are connected; the stream ends with the process."""
        self._way.open(write_stream)
        threading.Event().wait()

    def destroy(self) -> None:
        """Called by ERDOS at the end of ``run``."""


class Coming:
    """The ERDOS operator behind a stream that comes in."""

    def __init__(self, opening: Opening, take: Callable[[Any], None]) -> None:
        self._opening, self._take = opening, take

    def run(self, read_stream: Any) -> None:
        """Called by ERDOS before the first message."""
        self._opening.opened()

    def on_data(self, context: Any, data: Any) -> None:
        """A message."""
        self._take(data)

    def on_watermark(self, context: Any) -> None:
        """It says nothing that its message has not said."""

    def destroy(self) -> None:
        """The stream is closed."""


class _Absent:
    """Stands for an operator of another node: ERDOS wants to know of it and never makes it."""


class Traffic:
    """All streams of one node. Connects the ERDOS graph, the same in every process."""

    def __init__(self, plan: Plan, node: int, graph: Graph, failed: Callable[[BaseException], None]) -> None:
        self.exits: dict[str, ErdosExit] = {}
        self._plan, self._node, self._graph, self._failed = plan, node, graph, failed
        self._engine: PartEngine | None = None
        self._running = threading.Event()
        self._tell: list[tuple[str, Way]] = []
        count = sum((s.writer == node) + (node in s.readers) for s in plan.streams)
        count += sum((s.writer == node) + (t.node == node) for s in plan.streams for t in s.throttles)
        self.opening = Opening(count)
        for stream in plan.streams:
            self._connect(stream)

    def _connect(self, stream: StreamPlan) -> None:
        way = Way(stream.name, self.opening)
        written = self._source(stream.name, stream.writer, way)
        if stream.writer == self._node:
            self.exits[stream.name] = ErdosExit(way, stream)
        for node in stream.readers:
            self._sink(f"{stream.name}>{node}", node, written, self._reader(stream.name))
        for throttle in stream.throttles:
            name = f"{throttle.operator}<{stream.name}"
            back = Way(name, self.opening)
            told = self._source(name, throttle.node, back)
            if throttle.node == self._node:
                self._tell.append((throttle.operator, back))
            self._sink(f"{name}>{stream.writer}", stream.writer, told, self._room(stream.name, throttle.operator))

    def _source(self, name: str, node: int, way: Way) -> Any:
        mine = node == self._node
        type_, arguments = (Leaving, (way,)) if mine else (_Absent, ())
        return erdos.internal.connect_source(type_, _config(name), arguments, {}, node)

    def _sink(self, name: str, node: int, stream: Any, take: Callable[[Any], None]) -> None:
        mine = node == self._node
        type_, arguments = (Coming, (self.opening, take)) if mine else (_Absent, ())
        erdos.internal.connect_sink(type_, _config(name), stream, arguments, {}, node)

    def _reader(self, stream: str) -> Callable[[Any], None]:
        operator, _, name = stream.rpartition(".")
        type_ = next(p.type_ for p in self._graph.operators[operator].outputs() if p.name == name)
        in_order = InOrder(lambda arrived: self._arrive(stream, *arrived))

        def take(data: tuple[bytearray, bytearray | None]) -> None:
            with self._failing():
                head, _ = wire.unpack(type_, data[0])
                value = None if data[1] is None else wire.unpack(type_, data[1])[1]
                in_order.take(head.number, (head, data[1] is None, value))

        return take

    def _arrive(self, stream: str, head: wire.Head, alone: bool, value: Any) -> None:
        self._running.wait()
        assert self._engine is not None
        if alone:
            self._engine.arrive(stream, head.t)
            return
        envelope = Envelope(
            Timestamp(head.t), value, Timestamp(head.origin), head.quality, head.winner, Timestamp(head.at)
        )
        self._engine.arrive(stream, envelope, head.starts)

    def _room(self, stream: str, operator: str) -> Callable[[Any], None]:
        def take(taken: int) -> None:
            with self._failing():
                self._running.wait()
                assert self._engine is not None
                self.exits[stream].taken(operator, taken)
                self._engine.room()

        return take

    @contextlib.contextmanager
    def _failing(self) -> Any:
        """ERDOS prints what a callback raises and goes on: we must not."""
        try:
            yield
        except BaseException as error:  # whatever it is: a message was lost
            self._failed(error)

    def start(self, engine: PartEngine) -> None:
        """From now on everything goes to ``engine``, first what has waited."""
        self._engine = engine
        self._running.set()

    def tellers(self) -> list[tuple[str, Callable[[int], None]]]:
        """Whose each blocking queue is that somebody elsewhere fills, and how to tell what it has taken."""
        return [(operator, _Counted(way)) for operator, way in self._tell]


class _Counted:
    """Sends numbers on a stream whose time is their count."""

    def __init__(self, way: Way) -> None:
        self._way, self._count = way, 0

    def __call__(self, number: int) -> None:
        self._way.send(self._count, number)
        self._count += 1


def _config(name: str) -> Any:
    return erdos.operator.OperatorConfig(name=name, flow_watermarks=False)
