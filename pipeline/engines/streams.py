"""An output at run time: who reads it, and which deadlines it starts or sets. Decides nothing about what is sent."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pipeline import events as ev
from pipeline.deadlines import BudgetInForce, EndToEndDeadline
from pipeline.engines.border import Exit, starts_of
from pipeline.engines.work import Host, Run
from pipeline.messages import Envelope
from pipeline.race import Commit
from pipeline.timestamps import Timestamp

if TYPE_CHECKING:
    from pipeline.engines.stage import Stage


class Stream:
    """One output port of a stage."""

    __slots__ = ("budgets", "exit", "host", "name", "port", "readers", "starts", "type_", "under")

    def __init__(self, host: Host, name: str, port: str, type_: type) -> None:
        self.host, self.name, self.port, self.type_ = host, name, port, type_
        self.readers: list[tuple[Stage, int]] = []
        self.starts: list[EndToEndDeadline] = []
        """End-to-end deadlines whose clock starts when this stream carries t."""
        self.budgets: list[tuple[str, BudgetInForce]] = []
        """Dynamic deadlines whose budget this stream sets."""
        self.exit: Exit | None = None
        """Its way to readers in other processes."""
        self.under: list[EndToEndDeadline] = []
        """End-to-end deadlines that go on where the exit leads."""

    def publish(self, run: Run, commit: Commit, value: Any, now: int) -> None:
        """Send the committed value for t to every reader."""
        host, t = self.host, run.t
        if host.observed:
            operator = run.stage.name
            host.emit(ev.Sent(now, operator, t, self.name, run.origin, commit.quality, commit.winner, value))
        for deadline in self.starts:
            deadline.start(t, now)
        for name, budget in self.budgets:
            budget.set(value.within_ns)
            if host.observed:
                host.emit(ev.BudgetSet(now, run.stage.name, t, name, value.within_ns, value.reason))
        if self.readers or self.exit is not None:
            envelope = Envelope(
                Timestamp(t), value, Timestamp(run.origin), commit.quality, commit.winner, Timestamp(now)
            )
            for reader, index in self.readers:
                host.deliver(reader, index, envelope)
            if self.exit is not None:
                self.exit.send(envelope, starts_of(self.under, t))

    def pass_watermark(self, t: int) -> None:
        """Tell every reader that nothing at or before t follows."""
        for reader, index in self.readers:
            self.host.deliver(reader, index, t)
        if self.exit is not None:
            self.exit.send(t, ())

    def full(self) -> bool:
        """True while a reader with a blocking queue has no room."""
        return any(
            index == 0 and reader.intake.queue.rule == "block" and len(reader.intake.ready) >= reader.intake.queue.depth
            for reader, index in self.readers
        ) or (self.exit is not None and self.exit.throttled and self.exit.full())

    def mismatch(self, value: Any) -> str:
        """What is wrong with the type of a value for this stream."""
        return f"answered {type(value).__name__} on {self.name}, which carries {self.type_.__name__}"


def wrong_type(streams: list[Stream], value: Any) -> str:
    """Empty if ``value`` is an answer for these outputs, else what is wrong with it."""
    if len(streams) == 1:
        return "" if isinstance(value, streams[0].type_) else streams[0].mismatch(value)
    if not streams:
        return "" if value is None else f"answered {type(value).__name__} but has no output"
    missing = object()
    for stream in streams:
        part = getattr(value, stream.port, missing)
        if part is missing:
            return f"answered {type(value).__name__}, which has no field {stream.port!r} for {stream.name}"
        if part is not None and not isinstance(part, stream.type_):
            return stream.mismatch(part)
    return ""
