"""A process's streams in shared memory: what leaves it and what comes into it."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Sequence
from typing import Any, Protocol

from numpy.typing import NDArray

from pipeline.engines import realtime
from pipeline.engines.border import NoExit, Starts
from pipeline.engines.processes.plan import StreamPlan
from pipeline.engines.processes.shared import StreamReader, StreamWriter
from pipeline.engines.processes.table import EPOCH, StatusTable
from pipeline.engines.processes.wakeup import Wakeup
from pipeline.engines.processes.wire import Head, UnreadableMessage
from pipeline.errors import SkylaneError
from pipeline.messages import Envelope
from pipeline.timestamps import TOP, Timestamp

PREPARED_MAX = 8
"""Answers that were copied and not sent yet; one that loses its race is forgotten."""
WITHHELD_MAX = 4
"""Answers of a fenced process that are kept: what comes between the end of its epoch and its rest."""
IDLE_S = 0.5
SHUTDOWN_S = 2.0


class SharedExit(NoExit):
    """A stream's way to the readers in other processes of this host."""

    def __init__(
        self,
        writer: StreamWriter,
        plan: StreamPlan,
        table: StatusTable,
        cell: int,
        throttles: Sequence[tuple[int, int]],
        process: int,
        wakeups: Sequence[Wakeup],
    ) -> None:
        self._writer, self.plan, self._table, self._cell = writer, plan, table, cell
        self._process, self._wakeups = process, wakeups
        self.throttled = bool(throttles)
        self._throttles = throttles
        """(cell of the status table, depth) of every blocking reader."""
        self._waiting: deque[int] = deque()
        self._prepared: dict[int, tuple[Any, Any]] = {}
        self._withheld: deque[tuple[Envelope | int, Starts]] = deque(maxlen=WITHHELD_MAX)
        self._number = 0
        self.epoch = -1
        """What this process may answer under; none yet."""
        self.failed: Callable[[str], None] = lambda why: None
        """Told when a value could not be sent."""
        self.fenced = 0
        """Answers that were not sent since somebody else answers now."""

    def prepare(self, value: Any) -> None:
        while len(self._prepared) >= PREPARED_MAX:
            self._prepared.pop(next(iter(self._prepared)), None)
        self._prepared[id(value)] = value, self._writer.prepare(value)

    def loan(self, shape: tuple[int, ...], dtype: Any) -> NDArray[Any]:
        return self._writer.loan(shape, dtype)

    def send(self, message: Envelope | int, starts: Starts) -> None:
        if self._table.get(self._process, EPOCH) != self.epoch:
            self.fenced += 1
            self._withheld.append((message, starts))
            return
        t = message if isinstance(message, int) else message.t
        prepared = None if isinstance(message, int) else self._ready(message.value)
        if isinstance(message, int) or prepared is None:
            head = Head(t=t, empty=True, number=self._number, epoch=self.epoch)
        else:
            head = Head(
                t=t,
                origin=message.origin,
                at=message.at,
                quality=message.quality,
                winner=message.winner,
                number=self._number,
                epoch=self.epoch,
                starts=starts,
            )
        self._number += 1
        self._writer.send(head, prepared)
        # After the send: who takes over answers t once more rather than not at all.
        self._table.set_answered(self._cell, t)
        if self.throttled and t != TOP and prepared is not None:
            self._waiting.append(t)
        for wakeup in self._wakeups:
            wakeup.ring()

    def catch_up(self) -> None:
        """Answer again for others: say what was withheld, as far as whoever answered meanwhile did not come to it."""
        while self._withheld:
            message, starts = self._withheld.popleft()
            t = message if isinstance(message, int) else message.t
            if self._table.answered(self._cell) < t < TOP:
                self.send(message, starts)

    def _ready(self, value: Any) -> Any | None:
        """The value in shared memory; None if there is no room: then its timestamp is sealed without it."""
        _, prepared = self._prepared.pop(id(value), (None, None))
        if prepared is None:
            try:
                prepared = self._writer.prepare(value)
            except SkylaneError as error:
                self.failed(str(error))
        return prepared

    def greet(self) -> None:
        """Let readers who have come anew see the last message."""
        self._writer.greet()

    def full(self) -> bool:
        taken = min(self._table.taken(cell) for cell, _ in self._throttles)
        while self._waiting and self._waiting[0] <= taken:
            self._waiting.popleft()
        return any(sum(t > self._table.taken(cell) for t in self._waiting) >= depth for cell, depth in self._throttles)

    def close(self) -> None:
        self._prepared.clear()
        self._writer.close()


class Sink(Protocol):
    """Who takes what comes in: a PartEngine, or somebody who only looks."""

    def arrive(self, stream: str, message: Envelope | int, starts: Starts) -> None:
        """A message or a watermark."""

    def keep(self) -> None:
        """The first callback that what comes now starts is for the calling thread, which asks for it by ``kept``."""

    def kept(self) -> Callable[[], None] | None:
        """That callback, to be run by the caller."""

    def lost(self, stream: str, t: int, count: int) -> None:
        """``count`` messages before t are gone."""

    def room(self) -> None:
        """A blocking reader elsewhere may have room again."""


class Arrivals:
    """Takes in what comes for a process.

    Whoever was woken by a message runs the callback that it has started, on the spot; meanwhile another thread is
    woken by the next one. There is one more of them than callbacks that can run at once.
    Before they are started the shared queues keep the newest messages, at no cost to anybody: so a standby waits.
    """

    def __init__(
        self, readers: Sequence[tuple[str, StreamReader]], wakeup: Wakeup, failed: Callable[[Exception], None]
    ) -> None:
        self._readers, self._wakeup, self._failed = readers, wakeup, failed
        self._numbers: dict[str, tuple[int, int]] = {}
        self._over = False
        self._turn = threading.Lock()
        self._threads: list[threading.Thread] = []

    def start(self, sink: Sink, callbacks: int = 0) -> None:
        """From now on everything goes to ``sink``, first what has waited; ``callbacks`` may run at once."""
        assert not self._threads
        self._over = False
        self._threads = [
            threading.Thread(target=self._loop, args=(sink,), name=f"skylane.arrivals.{i}", daemon=True)
            for i in range(callbacks + 1)
        ]
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        """Take in nothing more."""
        self._over = True
        self._wakeup.ring()
        for thread in self._threads:
            thread.join(SHUTDOWN_S)
        self._threads = []

    def close(self) -> None:
        """Stop, and give back what nobody took."""
        self.stop()
        for _, reader in self._readers:
            reader.close()

    def _loop(self, sink: Sink) -> None:
        realtime.urgency_here().settle("callbacks")
        while not self._over:
            self.drain(sink)
            self._wakeup.wait(IDLE_S)
        self._wakeup.ring()  # one ring wakes one thread: the others are to go home too

    def drain(self, sink: Sink) -> None:
        """Hand over everything there is, and what comes meanwhile."""
        while (job := self._take_in(sink)) is not None:
            job()

    def _take_in(self, sink: Sink) -> Callable[[], None] | None:
        """Hand over everything there is; return a callback that it has started, for the calling thread to run."""
        try:
            with self._turn:
                sink.keep()
                for stream, reader in self._readers:
                    while (taken := _taken(sink, reader)) is not None:
                        self._hand_over(sink, stream, *taken)
                sink.room()
                return sink.kept()
        except Exception as error:  # whatever it is: a process that takes nothing in must say so
            self._over = True
            self._failed(error)
            return None

    def _hand_over(self, sink: Sink, stream: str, head: Head, value: Any) -> None:
        epoch, number = self._numbers.get(stream, (-1, -1))
        if head.epoch < epoch:
            return
        missing = head.number - number - 1 if head.epoch == epoch else 0
        self._numbers[stream] = head.epoch, head.number
        if missing > 0:
            sink.lost(stream, head.t, missing)
        if head.empty:
            sink.arrive(stream, head.t, ())
            return
        envelope = Envelope(
            Timestamp(head.t), value, Timestamp(head.origin), head.quality, head.winner, Timestamp(head.at)
        )
        sink.arrive(stream, envelope, head.starts)


def _taken(sink: Sink, reader: StreamReader) -> tuple[Head, Any] | None:
    """The next message that can be read; those that cannot are counted as lost."""
    while True:
        try:
            return reader.take()
        except UnreadableMessage:
            sink.lost(reader.stream, 0, 1)
