"""One node of an ERDOS run: builds its part of the graph, connects it to ERDOS, runs when told, ends when told."""

from __future__ import annotations

import ctypes
import os
import signal
import socket
import sys
import threading
import traceback
from typing import Any

import erdos.internal
import msgspec

from pipeline.definition import Operator
from pipeline.engines.erdos.link import Assignment, Batch, Ended, Failed, Go, Leave, Link, LinkClosed, Ready, Stop
from pipeline.engines.erdos.plan import fits, worlds
from pipeline.engines.erdos.traffic import Traffic
from pipeline.engines.part import PartEngine
from pipeline.engines.processes import wire
from pipeline.errors import SkylaneError, UsageError, described
from pipeline.events import Event, Sent

PR_SET_PDEATHSIG = 1
BEAT_S = 0.02
"""How often a node tells what has happened."""
BATCH = 64
LARGE_BYTES = 100_000
"""An event of this size is told at once."""


def main() -> None:
    """``python -m pipeline.engines.erdos.node LINK STDOUT``: file descriptors of the link and of the real output."""
    # Ctrl-C reaches the whole terminal; who started the run decides what it means.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    # ERDOS writes its log to standard output: that is a file of the launcher, what operators print is not.
    sys.stdout = os.fdopen(int(sys.argv[2]), "w", buffering=1)
    link = Link(socket.socket(fileno=int(sys.argv[1])))
    try:
        heard: list[Any] = []
        while not heard:
            heard = link.receive()
        _Node(link, heard[0]).run()
    except LinkClosed:
        os._exit(1)
    sys.stdout.flush()
    # ERDOS' own threads have no other end.
    os._exit(0)


class _Beat(msgspec.Struct, frozen=True):
    """Goes the way of the events: all before it have been told."""

    at: int


class _Engine(PartEngine):
    """Also tells how far its blocking queues have been emptied."""

    tellers: list[tuple[Any, Any, int]]

    def _settled(self) -> None:
        for i, (intake, tell, last) in enumerate(self.tellers):
            taken = intake.taken()
            if taken > last:
                self.tellers[i] = (intake, tell, taken)
                tell(taken)

    def beat(self) -> None:
        """Let the observer know the time."""
        with self._lock:
            beat: Any = _Beat(self.now())
            self.emit(beat)


class _Teller:
    """An observer that sends everything to the launcher, values in wire format."""

    def __init__(self, link: Link) -> None:
        self._link = link
        self._events: list[Event] = []
        self._progress = -(1 << 62)

    def on_event(self, event: Event) -> None:
        """Called on the engine's observer thread."""
        if isinstance(event, _Beat):
            self._progress = event.at
            self.flush()
            return
        large = False
        if type(event) is Sent:
            packed = wire.pack(wire.Head(event.t), event.value)
            large = len(packed) > LARGE_BYTES
            event = msgspec.structs.replace(event, value=packed)
        self._events.append(event)
        if large or len(self._events) >= BATCH:
            self.flush()

    def flush(self) -> None:
        """Send what there is."""
        events, self._events = self._events, []
        self._link.send(Batch(self._progress, events))


class _Node:
    def __init__(self, link: Link, assignment: Assignment) -> None:
        self.link, self.assignment = link, assignment
        self.origin = 0
        self.going, self.stopped, self.leaving = threading.Event(), threading.Event(), threading.Event()
        self.engine: _Engine | None = None
        self.told: BaseException | None = None

    def run(self) -> None:
        threading.Thread(target=self._listen, name="skylane.link", daemon=True).start()
        try:
            self._run()
        except LinkClosed:
            raise
        except SkylaneError as error:
            trace = "".join(traceback.format_exception(type(error), error, error.__traceback__))
            self.link.send(Failed(type(error).__name__, error.what, error.where, error.hint, trace))
        except Exception as error:
            self.link.send(Failed("", described(error), ", ".join(self.local), "", traceback.format_exc()))
        self.leaving.wait()

    @property
    def local(self) -> tuple[str, ...]:
        """The operators of this node."""
        return self.assignment.plan.nodes[self.assignment.node]

    def _run(self) -> None:
        a, local = self.assignment, self.local
        made = a.recipe.make(frozenset(local))
        graph = made.graph
        if not fits(a.plan, graph):
            raise UsageError(
                "makes another graph in another process",
                where=f"recipe {a.recipe.use}",
                hint="it must depend on nothing but its arguments",
            )
        operators: list[Operator] = [graph.operators[name] for name in local]
        operators += [spec.operator for name in local for spec in graph.candidates.get(name, [])]
        for operator in operators:
            operator.warm_up()
        traffic = Traffic(a.plan, a.node, graph, self._failed)
        threading.Thread(target=self._run_erdos, name="skylane.erdos", daemon=True).start()
        while not traffic.opening.done.wait(0.1):
            self._check()
        self.link.send(Ready())
        self.going.wait()
        teller = _Teller(self.link)
        self.engine = engine = _Engine(
            graph,
            a.latency,
            [teller] if a.watched else [],
            local=frozenset(local),
            exits=traffic.exits,
            origin=self.origin,
            stop=self.stopped.is_set,
        )
        engine.tellers = [(engine.stages[name].intake, tell, -1) for name, tell in traffic.tellers()]
        traffic.start(engine)
        if self.stopped.is_set():
            self._stop()
        threading.Thread(target=self._beat, name="skylane.beat", daemon=True).start()
        try:
            ended = engine.run(a.until)
        finally:
            for operator in operators:
                operator.close()
            if a.watched:
                teller.flush()
        self._check()
        # The world of the others is only a place-holder.
        holds = made.world is not None and any(id(made.world) in worlds(operator) for operator in operators)
        self.link.send(Ended(ended, made.outcome() if holds else {}))

    def _check(self) -> None:
        if self.told is not None:
            raise SkylaneError(described(self.told), where=", ".join(self.local)) from self.told

    def _run_erdos(self) -> None:
        a = self.assignment
        try:
            erdos.internal.run(a.node, list(a.data), list(a.control), None)
        except BaseException as error:  # a panic of ERDOS is no Exception
            self._failed(error)

    def _failed(self, error: BaseException) -> None:
        self.told = self.told or error
        self._stop()

    def _stop(self) -> None:
        self.stopped.set()
        if self.engine is not None:
            self.engine.wake()  # a call into the engine: it looks whether it is to stop

    def _beat(self) -> None:
        while not self.leaving.wait(BEAT_S) and self.engine is not None:
            self.engine.beat()

    def _listen(self) -> None:
        try:
            while True:
                for said in self.link.receive():
                    if isinstance(said, Go):
                        self.origin = said.origin
                        self.going.set()
                    elif isinstance(said, Stop):
                        self._stop()
                        self.going.set()
                    elif isinstance(said, Leave):
                        self.leaving.set()
        except LinkClosed:
            os._exit(1)


if __name__ == "__main__":
    main()
