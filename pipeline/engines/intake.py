"""A stage's inputs at run time: joining or sampling, the queue of ready timestamps, drops with their reason,
watermarks.

Decides which timestamp begins next. What beginning means is the stage's business.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from typing import TYPE_CHECKING

from pipeline.joining import Drop, Joined, Joiner
from pipeline.messages import Envelope, Quality
from pipeline.ports import Queue
from pipeline.timestamps import BOTTOM, TOP

if TYPE_CHECKING:
    from pipeline.engines.stage import Stage


class Intake:
    """What has arrived at a stage and not begun yet."""

    __slots__ = ("_names", "_pumping", "_seen", "_stage", "joiner", "periodic", "queue", "ready", "writers")

    def __init__(self, stage: Stage, queue: Queue, *, periodic: bool) -> None:
        inputs = stage.operator.inputs()
        self._stage, self.queue = stage, queue
        self._names = [f"{stage.name}.{port.name}" for port in inputs]
        self._pumping = False
        self._seen: int = BOTTOM
        self.periodic = periodic
        self.joiner = Joiner(inputs) if inputs else None
        self.ready: deque[Joined] = deque()
        self.writers: list[Stage] = []
        """Whoever a blocking queue holds back while it is full."""

    def receive(self, index: int, message: Envelope | int) -> None:
        """A message, or a watermark (an int), on one input."""
        joiner, stage = self.joiner, self._stage
        assert joiner is not None
        if isinstance(message, int):
            ready = joiner.on_watermark(index, message)
        else:
            if index == 0:
                self._seen = message.t
            ready = joiner.on_message(index, message)
            if stage.watch.starting and message.t > stage.sealed:
                stage.arm(index, message)
        if joiner.dropped:
            self._account(joiner.dropped)
        if ready:
            for joined in ready:
                self._admit(joined)
        elif stage.open is None:
            self._advance()

    def taken(self) -> int:
        """Everything on the trigger up to here has left the queue."""
        return self.ready[0].t - 1 if self.ready else self._seen

    def poll(self) -> Joined | None:
        """Periodic model: the newest joined timestamp since the last tick, None when there is none."""
        return self.ready.popleft() if self.ready else None

    def peek(self, t: int) -> tuple[Envelope | None, ...]:
        """What has arrived for t so far."""
        for joined in self.ready:
            if joined.t == t:
                return joined.values
        return self.joiner.peek(t) if self.joiner is not None else ()

    def pump(self) -> None:
        """Begin what waits, as far as nothing keeps it back, and let watermarks through."""
        if self._pumping:
            return
        stage, ready = self._stage, self.ready
        self._pumping = True
        while ready and not self.periodic and not stage.busy() and not stage.blocked():
            joined = ready.popleft()
            if joined.t <= stage.sealed:
                self.drop(joined, "late")
            else:
                stage.begin(joined)
            for writer in self.writers:
                writer.pump()
        self._pumping = False
        if stage.open is None:
            self._advance()

    def drop(self, joined: Joined, reason: str) -> None:
        """A joined timestamp will not be worked on: account for the messages that carried it."""
        for index, envelope in enumerate(joined.values):
            if envelope is not None and envelope.t == joined.t:
                self._stage.emit_drop(self._names[index], joined.t, reason)

    def discard(self, t: int) -> None:
        """t has been answered while it waited for its turn: it must not take up room."""
        for joined in self.ready:
            if joined.t == t:
                self.ready.remove(joined)
                self.drop(joined, "late")
                return

    def close(self) -> None:
        """The run is over: everything that still waits is accounted for."""
        while self.ready:
            self.drop(self.ready.popleft(), "closed")
        if self.joiner is not None:
            self.joiner.close()
            self._account(self.joiner.dropped)

    def _admit(self, joined: Joined) -> None:
        stage = self._stage
        run = stage.runs.get(joined.t)
        if joined.t <= stage.sealed or (run is not None and run.race.fenced):
            self.drop(joined, "late")
        elif self.periodic:
            if self.ready:
                self.drop(self.ready.pop(), "superseded")
            self.ready.append(joined)
        elif not self.ready and not stage.busy() and not stage.blocked():
            stage.begin(joined)
        else:
            self._enqueue(joined)

    def _enqueue(self, joined: Joined) -> None:
        queue, ready = self.queue, self.ready
        if queue.rule == "drop_newest" and len(ready) >= queue.depth:
            self._overload(joined)
            return
        ready.append(joined)
        while queue.rule == "keep_last" and len(ready) > queue.depth:
            self._overload(ready.popleft())

    def _overload(self, joined: Joined) -> None:
        self.drop(joined, "overload")
        self._stage.withdraw(joined.t, "overload", Quality.SUPERSEDED)

    def _advance(self) -> None:
        """Pass the inputs' watermark on when nothing at or before it is under way."""
        stage = self._stage
        if self.joiner is None:
            return
        low = self.joiner.watermark()
        if low <= stage.sealed:
            return
        under_way: list[Iterable[int]] = [stage.runs, (self.ready[0].t,) if self.ready else ()]
        if self.joiner.oldest is not None:
            under_way.append((self.joiner.oldest,))
        low = min([low, *(t - 1 for group in under_way for t in group)])
        if low > stage.sealed:
            stage.sealed = low
            stage.closed = stage.closed or low == TOP
            for stream in stage.streams:
                stream.pass_watermark(low)

    def _account(self, drops: list[Drop]) -> None:
        taken = drops[:]
        drops.clear()
        for drop in taken:
            self._stage.emit_drop(self._names[drop.port], drop.t, drop.reason)
            if drop.reason in ("no_partner", "stale", "join_window"):
                self._stage.withdraw(drop.t, drop.reason, Quality.MISSED)
