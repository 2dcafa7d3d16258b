"""Engine ``processes``, the launcher's side: starts the supervisor, gathers what happens, leaves nothing behind."""

from __future__ import annotations

import contextlib
import socket
import subprocess
import sys
import threading
import time
import uuid
from collections.abc import Callable, Sequence
from typing import Any

from pipeline import errors
from pipeline import events as ev
from pipeline.engines.border import Starts
from pipeline.engines.processes import faults, leftovers, notices
from pipeline.engines.processes.channel import Channel, ChannelClosed
from pipeline.engines.processes.connect import DEPTH, port_type
from pipeline.engines.processes.merging import Merger
from pipeline.engines.processes.plan import (
    OBSERVER,
    Assignment,
    Ended,
    Failed,
    Fault,
    Placed,
    Plan,
    Recovered,
    Said,
    Started,
    Status,
    Stop,
)
from pipeline.engines.processes.shared import SharedNode
from pipeline.engines.processes.table import StatusTable
from pipeline.engines.processes.traffic import Arrivals
from pipeline.engines.processes.wakeup import Wakeup
from pipeline.errors import OperatorFailed, SkylaneError
from pipeline.events import Event, Observer
from pipeline.graph import Graph
from pipeline.health import ProcessStatus
from pipeline.messages import Envelope
from pipeline.timestamps import FOREVER

LISTEN_S = 0.02
END_S = 10.0


class ProcessEngine:
    """Runs a placed graph. ``graph`` tells names and types; the operators that work are made in their processes."""

    def __init__(
        self,
        graph: Graph,
        placed: Placed,
        observers: Sequence[Observer],
        *,
        seed: int = 0,
        stop: Callable[[], bool] | None = None,
    ) -> None:
        self.graph, self.placed = graph, placed
        self.merger = Merger(observers)
        self._status = [each.on_process for each in observers if hasattr(each, "on_process")]
        self._seed, self._stop = seed, stop or (lambda: False)
        self.outcome: dict[str, Any] = {}
        """What the worlds in the processes had to say at the end."""
        self.run_id = uuid.uuid4().hex[:12]
        self.origin = 0

    def run(self, until: int) -> int:
        """Run until everybody has finished, ``until`` has passed or ``stop()``; return the time of the end."""
        for line in leftovers.remove_leftovers():
            self.merger.add([ev.Fault(0, "", 0, "", "stale_segment", line)])
        plan = Plan(
            self.run_id,
            self.placed.recipe,
            self.placed.processes,
            self.placed.streams,
            self.placed.supervision,
            min(until, FOREVER),
            self._seed,
            watched=bool(self.merger.observers),
        )
        with contextlib.ExitStack() as held:
            ended = self._run(plan, held)
        leftovers.remove_leftovers()
        self.merger.release()
        if ended.failure is not None:
            raise _error(ended.failure)
        self.outcome = ended.outcome
        return ended.at

    def _run(self, plan: Plan, held: contextlib.ExitStack) -> Ended:
        table = StatusTable.create(plan)
        held.callback(table.close)
        wakeups = [Wakeup.create() for _ in range(2 * len(plan.processes) + 1)]
        for wakeup in wakeups:
            held.callback(wakeup.close)
        events, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        events.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 22)
        held.enter_context(events)
        held.enter_context(theirs)
        node = SharedNode(plan.run, OBSERVER)
        held.callback(node.close)
        taps = self._taps(plan, node, wakeups[len(plan.processes)])
        held.callback(taps.close)
        channel, process = self._spawn(plan, table, wakeups, theirs)
        held.callback(channel.close)
        held.callback(_reap, process)
        listener = threading.Thread(target=self._listen, args=(events,), name="skylane.events", daemon=True)
        listener.start()
        taps.start(_Tap(self.merger))
        try:
            return self._follow(channel)
        finally:
            events.shutdown(socket.SHUT_RDWR)
            listener.join()
            taps.drain(_Tap(self.merger))

    def _spawn(
        self, plan: Plan, table: StatusTable, wakeups: list[Wakeup], events: socket.socket
    ) -> tuple[Channel[Any], subprocess.Popen[bytes]]:
        channel: Channel[Any]
        channel, theirs = Channel.pair(Said)
        fds = [wakeup.fileno() for wakeup in wakeups]
        process = subprocess.Popen(
            [sys.executable, "-m", "pipeline.engines.processes.supervisor", str(theirs.fileno())],
            pass_fds=(theirs.fileno(), table.fd, events.fileno(), *fds),
            stdin=subprocess.DEVNULL,
            env=faults.environment(plan.recipe.path, 1),
        )
        theirs.close()
        channel.send(Assignment(plan, "", 0, table.fd, tuple(fds), events.fileno()))
        return channel, process

    def _taps(self, plan: Plan, node: SharedNode, wakeup: Wakeup) -> Arrivals:
        readers = [
            (s.name, node.reader(s.name, port_type(self.graph, s.name), depth=DEPTH, readers=2 * len(s.readers)))
            for s in plan.streams
            if OBSERVER in s.readers
        ]
        return Arrivals(readers, wakeup, lambda error: None)

    # -- following the run -------------------------------------------------------------------------------------------

    def _follow(self, channel: Channel[Any]) -> Ended:
        told_to_stop = False
        while True:
            try:
                said = channel.receive(LISTEN_S)
            except ChannelClosed:
                failure = Failed("OperatorFailed", "the supervisor died", "engine processes", "see its output above")
                return Ended(self._now(), failure)
            if isinstance(said, Ended):
                return said
            self._take(said)
            if self.origin:
                self.merger.release(self._now())
            if not told_to_stop and self._stop():
                told_to_stop = True
                channel.send(Stop())

    def _take(self, said: Any) -> None:
        if isinstance(said, Started):
            self.origin = said.origin
        elif isinstance(said, Fault):
            self.merger.add([ev.Fault(said.at, "", said.at, said.process, said.kind, said.reason)])
        elif isinstance(said, Recovered):
            self.merger.add([ev.Recovered(said.at, "", said.at, said.process, said.after)])
        elif isinstance(said, Status):
            status = ProcessStatus(
                process=said.process,
                pid=said.pid,
                state=said.state,
                rss_bytes=said.rss_bytes,
                heartbeat_age_ns=said.heartbeat_age,
                restarts=said.restarts,
                queued=said.queued,
                at=said.at,
            )
            for tell in self._status:
                tell(status)

    def _listen(self, events: socket.socket) -> None:
        decoder = notices.decoder()
        while True:
            try:
                data = events.recv(1 << 20)
            except OSError:
                return
            if not data:
                return
            self.merger.add(decoder.decode(data))

    def _now(self) -> int:
        return time.monotonic_ns() - self.origin


class _Tap:
    """Sees every stream and tells what was sent."""

    def __init__(self, merger: Merger) -> None:
        self._merger = merger

    def keep(self) -> None:
        """It runs nothing."""

    def kept(self) -> None:
        """It runs nothing."""

    def arrive(self, stream: str, message: Envelope | int, starts: Starts) -> None:
        if not isinstance(message, int):
            operator = stream.rpartition(".")[0]
            event: Event = ev.Sent(
                message.at,
                operator,
                message.t,
                stream,
                message.origin,
                message.quality,
                message.winner,
                message.value,
            )
            self._merger.add([event])

    def lost(self, stream: str, t: int, count: int) -> None:
        """The launcher was too slow to see them; the car has lost nothing."""
        self._merger.add([ev.Dropped(t, OBSERVER, t, stream, f"gap of {count}")])

    def room(self) -> None:
        """Nothing waits here."""


def _reap(process: subprocess.Popen[bytes]) -> None:
    try:
        process.wait(END_S)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def _error(failure: Failed) -> SkylaneError:
    kind = getattr(errors, failure.kind, OperatorFailed)
    error: SkylaneError = kind(failure.what, where=failure.where, hint=failure.hint)
    return error
