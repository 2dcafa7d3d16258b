"""Streams between hosts: an exit sends on a thread of its own and prefers the newest, an entry counts what is missing.

Everything that comes in is untrusted: too large, unreadable or outdated messages are counted and reported, never more.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, Protocol

from pipeline.engines.border import NoExit, Starts
from pipeline.engines.hosts.clocks import RunClock
from pipeline.engines.hosts.session import MESSAGE_BYTES_MAX, Sessions, library
from pipeline.engines.processes.wire import Head, pack, unpack
from pipeline.errors import SkylaneError, described
from pipeline.messages import Envelope
from pipeline.timestamps import BOTTOM, TOP, Timestamp

LARGE_BYTES = 64 << 10
"""A message above this is cut in pieces on its way: it goes behind the small ones, and only the newest waits."""
SMALL_WAITING = 64
"""Small messages of a stream that may wait to be sent, and messages of any size that may wait to be taken in."""
LARGE_WAITING = 1
ARRIVED_WAITING = 16
ASK_S = 0.3
"""How often the readers are asked whether they know that a stream is closed, until they do."""
ASKED_MAX = 5
"""Asked this often, a reader to whom the end itself has not come takes the question for it."""
JOIN_S = 2.0


class Sink(Protocol):
    """Who takes what comes in, such as a PartEngine. Called from the entries' threads."""

    def arrive(self, stream: str, message: Envelope | int, starts: Starts) -> None:
        """A message, or a watermark."""

    def lost(self, stream: str, t: int, count: int) -> None:
        """``count`` messages before t did not come."""


@dataclass
class Counters:
    """What became of a stream's messages at one end of a link."""

    sent: int = 0
    overtaken: int = 0
    """Not sent: a newer one came while they waited for the network."""
    received: int = 0
    missing: int = 0
    """Sent, or overtaken, there, and never received here."""
    late: int = 0
    """At or before the watermark here."""
    outdated: int = 0
    """From an earlier incarnation of the writer."""
    unreadable: int = 0
    """Too large, or not what the stream carries; at an exit: what cannot travel."""
    bytes: int = 0


Report = Callable[[str, str], None]
"""Takes a stream and what is wrong with it; the first time for each kind."""


def _unheard(stream: str, what: str) -> None:
    """Nobody has asked to be told."""


def key(run: str, stream: str, *, large: bool = False) -> str:
    """Where a run's stream is found, as long as its messages are small, and afterwards."""
    return f"skylane/run/{run}/{stream}" + ("/large" if large else "")


class ZenohExit(NoExit):
    """A local stream's way to other hosts. ``send`` only notes; a thread packs and sends.

    While the network takes a large message, only the newest of those that follow waits, and small ones of other
    streams pass it. A closed stream stays closed for readers that come later: they are asked until they know.
    """

    def __init__(self, sessions: Sessions, run: str, stream: str, *, readers: Iterable[str], epoch: int = 0) -> None:
        self._zenoh, self._sessions = library(), sessions
        self._run_id, self.stream, self._epoch = run, stream, epoch
        self.counters = Counters()
        self.clock: RunClock | None = None
        """Set before the run begins where the clock here is not the launcher's."""
        self.report: Report = _unheard
        self.readers = frozenset(readers)
        self._told: set[str] = set()
        """Readers that know that the stream is closed."""
        self._changed = threading.Condition()
        self._waiting: deque[tuple[Envelope | int, Starts, int]] = deque()
        self._number, self._last, self._large, self._over = 0, int(BOTTOM), False, False
        self._publisher = self._publish(large=False)
        self._thread = threading.Thread(target=self._loop, name=f"skylane.exit.{stream}", daemon=True)
        self._thread.start()

    def send(self, message: Envelope | int, starts: Starts) -> None:
        with self._changed:
            waiting = self._waiting
            if isinstance(message, int):
                if waiting and isinstance(waiting[-1][0], int):
                    waiting.pop()
                self._last = message
            else:
                self._number += 1
                self._last = message.t
                self._make_room()
            waiting.append((message, starts, self._number))
            self._changed.notify()

    def reader_is_back(self, reader: str) -> None:
        """A reader has begun anew, or has missed something: tell it how far the stream is."""
        with self._changed:
            self._told.discard(reader)
            if reader in self.readers and self._last > BOTTOM and not self._waiting:
                self._waiting.append((self._last, (), self._number))
            self._changed.notify()

    def close(self) -> None:
        """Send what waits, unless the network takes nothing, and end."""
        with self._changed:
            self._over = True
            self._changed.notify()
        self._thread.join(JOIN_S)

    @property
    def reached(self) -> bool:
        """Whether somebody elsewhere listens."""
        return bool(self._publisher.matching_status.matching)

    def _make_room(self) -> None:
        waiting = self._waiting
        room = LARGE_WAITING if self._large else SMALL_WAITING
        while sum(not isinstance(message, int) for message, _, _ in waiting) >= room:
            while waiting and isinstance(waiting.popleft()[0], int):
                pass
            self.counters.overtaken += 1

    def _publish(self, *, large: bool) -> Any:
        zenoh = self._zenoh
        session = self._sessions.bulk if large else self._sessions.urgent
        return session.declare_publisher(
            key(self._run_id, self.stream, large=large),
            congestion_control=zenoh.CongestionControl.BLOCK,
            priority=zenoh.Priority.DATA_LOW if large else zenoh.Priority.INTERACTIVE_HIGH,
            express=not large,
        )

    def _loop(self) -> None:
        while True:
            with self._changed:
                while not self._waiting and not self._over:
                    self._changed.wait(ASK_S)
                    if self._last == TOP and not self._waiting and self._told < self.readers:
                        break
                waiting = self._waiting.popleft() if self._waiting else None
                if waiting is None and self._over:
                    return
            try:
                if waiting is not None:
                    self._put(*waiting)
                else:
                    self._ask()
            except self._zenoh.ZError:
                if self._sessions.urgent.is_closed():
                    return
                self.counters.overtaken += 1

    def _put(self, message: Envelope | int, starts: Starts, number: int) -> None:
        try:
            data = pack(self._head(message, starts, number), None if isinstance(message, int) else message.value)
        except SkylaneError as error:
            self._refuse(described(error))
            return
        if len(data) > LARGE_BYTES and not self._large:
            # Only ever downwards: what was sent before on the quicker way is not overtaken.
            self._large = True
            self._publisher = self._publish(large=True)
        self._publisher.put(data)
        self.counters.sent += not isinstance(message, int)
        self.counters.bytes += len(data)

    def _refuse(self, what: str) -> None:
        if not self.counters.unreadable:
            self.report(self.stream, what)
        self.counters.unreadable += 1

    def _head(self, message: Envelope | int, starts: Starts, number: int) -> Head:
        if isinstance(message, int):
            return Head(t=message, empty=True, number=number, epoch=self._epoch)
        clock, at = self.clock, int(message.at)
        if clock is not None:
            at = clock.leaving(at)
            starts = tuple((name, clock.leaving(started), budget) for name, started, budget in starts)
        return Head(
            t=message.t,
            origin=message.origin,
            at=at,
            quality=message.quality,
            winner=message.winner,
            number=number,
            epoch=self._epoch,
            starts=starts,
        )

    def _ask(self) -> None:
        for reader in self.readers - self._told:
            data = bytes(pack(self._head(TOP, (), self._number)))
            where = f"{key(self._run_id, self.stream)}/closed/{reader}"
            if ask(self._sessions.urgent, where, data, timeout_s=ASK_S) == b"yes":
                self._told.add(reader)


class ZenohEntry:
    """A stream that another host writes. What came before ``open`` waits, the newest few at least."""

    def __init__(
        self,
        sessions: Sessions,
        run: str,
        stream: str,
        type_: type,
        *,
        here: str,
        from_start: bool = True,
        bytes_max: int = MESSAGE_BYTES_MAX,
    ) -> None:
        """``from_start``: what was sent before the first message that comes is missing too."""
        zenoh = library()
        self.stream, self._type, self._bytes_max = stream, type_, bytes_max
        self.counters = Counters()
        self._arrived = threading.Condition()
        self._waiting: deque[Any] = deque()
        self._over, self._asked, self._last = False, 0, int(BOTTOM)
        self._epoch, self._number, self._from_start = -1, 0, from_start
        self._sink: Sink | None = None
        self._clock: RunClock | None = None
        self._report: Report = _unheard
        self._reported: set[str] = set()
        self._thread = threading.Thread(target=self._loop, name=f"skylane.entry.{stream}", daemon=True)
        # On the network's own thread: it must only note what came, and never wait.
        note = zenoh.handlers.Callback(self._note, indirect=False)
        answer = zenoh.handlers.Callback(self._answer, indirect=False)
        self._declared = [
            sessions.urgent.declare_subscriber(key(run, stream), note),
            sessions.bulk.declare_subscriber(key(run, stream, large=True), note),
            sessions.urgent.declare_queryable(f"{key(run, stream)}/closed/{here}", answer),
        ]

    def open(self, sink: Sink, *, clock: RunClock | None = None, report: Report | None = None) -> None:
        """From now on everything goes to ``sink``, first what has waited."""
        self._sink, self._clock, self._report = sink, clock, report or self._report
        self._thread.start()

    @property
    def waiting(self) -> int:
        """Messages that have come and were not taken in yet."""
        return len(self._waiting)

    @property
    def watermark(self) -> int:
        """How far the stream has been heard here."""
        return self._last

    def close(self) -> None:
        """Take in nothing more."""
        with self._arrived:
            self._over = True
            self._arrived.notify()
        for declared in self._declared:
            declared.undeclare()
        if self._thread.ident is not None:
            self._thread.join(JOIN_S)

    def _note(self, sample: Any) -> None:
        with self._arrived:
            if len(self._waiting) >= ARRIVED_WAITING:
                # What is pushed out shows as a gap in the numbers.
                self._waiting.popleft()
            self._waiting.append(sample.payload)
            self._arrived.notify()

    def _answer(self, query: Any) -> None:
        known = self._last == TOP
        self._asked += 1
        if not known and self._asked > ASKED_MAX and query.payload is not None:
            self._note(query)
        query.reply(query.key_expr, b"yes" if known else b"no")

    def _loop(self) -> None:
        while True:
            with self._arrived:
                while not self._waiting and not self._over:
                    self._arrived.wait()
                if self._over:
                    return
                payload = self._waiting.popleft()
            self._take(payload)

    def _take(self, payload: Any) -> None:
        if len(payload) > self._bytes_max:
            self._refuse(f"a message of {len(payload) >> 10} KiB was refused")
            return
        try:
            head, value = unpack(self._type, payload.to_bytes())
            if not BOTTOM < head.t <= TOP or (head.t == TOP and not head.empty):
                raise ValueError(f"the timestamp {head.t}")
        except Exception as error:  # whatever bytes of a stranger do to the decoder, the run goes on
            self._refuse(f"a message cannot be read: {described(error)[:200]}")
            return
        self.counters.bytes += len(payload)
        self._hand_over(head, value)

    def _hand_over(self, head: Head, value: Any) -> None:
        sink, clock = self._sink, self._clock
        assert sink is not None
        if head.epoch < self._epoch:
            self.counters.outdated += 1
            return
        self._count(sink, head)
        if head.t <= self._last:
            self.counters.late += not head.empty
            return
        self._last = head.t
        if head.empty:
            sink.arrive(self.stream, head.t, ())
            return
        at, starts = head.at, head.starts
        if clock is not None:
            at = clock.entering(at)
            starts = tuple((name, clock.entering(started), budget) for name, started, budget in starts)
        self.counters.received += 1
        origin = Timestamp(head.origin)
        envelope = Envelope(Timestamp(head.t), value, origin, head.quality, head.winner, Timestamp(at))
        sink.arrive(self.stream, envelope, starts)

    def _count(self, sink: Sink, head: Head) -> None:
        if head.epoch > self._epoch:
            whole = self._epoch < 0 and self._from_start
            self._epoch, self._number = head.epoch, 0 if whole else head.number - (not head.empty)
        # Watermarks have no number of their own, since a later one stands for them.
        missing = head.number - self._number - (not head.empty)
        self._number = max(self._number, head.number)
        if missing > 0:
            self.counters.missing += missing
            sink.lost(self.stream, head.t, missing)

    def _refuse(self, what: str) -> None:
        self.counters.unreadable += 1
        kind = what.partition(":")[0]
        if kind not in self._reported:
            self._reported.add(kind)
            self._report(self.stream, what)


class Presence:
    """Which hosts are there: ``on_change(name, incarnation, up)`` for each that comes or goes."""

    def __init__(self, session: Any, pattern: str, on_change: Callable[[str, str, bool], None]) -> None:
        zenoh = library()
        self._put = zenoh.SampleKind.PUT

        def note(sample: Any) -> None:
            name, incarnation = str(sample.key_expr).split("/")[-2:]
            on_change(name, incarnation, sample.kind == self._put)

        self._subscriber = session.liveliness().declare_subscriber(pattern, note, history=True)

    def close(self) -> None:
        """Watch no longer."""
        self._subscriber.undeclare()


def ask(session: Any, where: str, data: bytes, *, timeout_s: float) -> bytes | None:
    """The first answer to a question, None where nobody answers in time."""
    zenoh = library()
    if session.is_closed():
        return None
    replies = session.get(
        where, payload=data, timeout=timeout_s, priority=zenoh.Priority.INTERACTIVE_HIGH, express=True
    )
    for reply in replies:
        if reply.ok is not None:
            return bytes(reply.ok.payload.to_bytes())
    return None
