"""One host's part of a run: builds its operators, connects their streams to the network, runs and observes them."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import asdict
from typing import Any

import msgspec

from pipeline.building import rebuild
from pipeline.definition import Operator
from pipeline.engines.hosts.clocks import RunClock
from pipeline.engines.hosts.link import ZenohEntry, ZenohExit
from pipeline.engines.hosts.protocol import Begin, Description, Ended, events_key
from pipeline.engines.hosts.session import Sessions, library
from pipeline.engines.part import PartEngine
from pipeline.errors import SkylaneError, described
from pipeline.events import Event, Fault, Sent
from pipeline.graph import Graph
from pipeline.running import outcome

EVENTS_WAITING = 20_000
FLUSH_S = 0.05
STOP_S = 5.0


def port_type(graph: Graph, stream: str) -> type:
    """The type that ``operator.port`` carries."""
    operator, _, port = stream.rpartition(".")
    return next(p.type_ for p in graph.operators[operator].outputs() if p.name == port)


class EventTeller:
    """An observer that sends everything but values, which travel on their streams, to the launcher; never waits."""

    def __init__(self, session: Any, run: str, host: str) -> None:
        zenoh = library()
        self._session, self._key = session, events_key(run, host)
        self._publisher = session.declare_publisher(
            self._key, congestion_control=zenoh.CongestionControl.BLOCK, priority=zenoh.Priority.BACKGROUND
        )
        self.clock: RunClock | None = None
        self.lost = 0
        self._guard = threading.Lock()
        self._batch: list[Event] = []
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._loop, name="skylane.events", daemon=True)
        self._thread.start()

    def on_event(self, event: Event) -> None:
        """Called on the engine's observer thread."""
        if type(event) is Sent:
            return
        with self._guard:
            if len(self._batch) < EVENTS_WAITING:
                self._batch.append(event)
            else:
                self.lost += 1

    def close(self) -> None:
        """Send what there is."""
        self._over.set()
        self._thread.join(STOP_S)

    def _loop(self) -> None:
        zenoh = library()
        over = False
        while not over:
            over = self._over.wait(FLUSH_S)
            with self._guard:
                batch, self._batch = self._batch, []
            if batch:
                try:
                    self._publisher.put(msgspec.msgpack.encode([self._converted(event) for event in batch]))
                except zenoh.ZError:
                    self.lost += len(batch)

    def _converted(self, event: Event) -> Event:
        clock = self.clock
        if clock is None or not clock.correction:
            return event
        times = {name: getattr(event, name) for name in ("at", "expires", "started") if hasattr(event, name)}
        return msgspec.structs.replace(event, **{name: clock.leaving(at) for name, at in times.items()})


class Part:
    """A host's part, from the description to the end. Raises the SkylaneError that says why it cannot be built."""

    def __init__(
        self, sessions: Sessions, description: Description, *, bytes_max: int, report: Callable[[str, str], None]
    ) -> None:
        self.description, self._report = description, report
        run, host = description.run, description.host
        local = frozenset(description.operators)
        self.built = rebuild(description.text, description.path, local)
        graph = self.built.graph
        self._operators = working(graph, local)
        for operator in self._operators:
            operator.warm_up()
        self.exits = {
            stream: ZenohExit(sessions, run, stream, readers=readers, epoch=description.epoch)
            for stream, readers in description.exits.items()
        }
        self.entries = [
            ZenohEntry(
                sessions,
                run,
                stream,
                port_type(graph, stream),
                here=host,
                from_start=description.epoch == 0,
                bytes_max=bytes_max,
            )
            for stream in description.entries
        ]
        self._events = EventTeller(sessions.bulk, run, host) if description.watched else None
        self._engine: PartEngine | None = None
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._run, name="skylane.part", daemon=True)
        self.error: Exception | None = None

    def begin(self, begin: Begin, clock: RunClock) -> None:
        """Run; ``clock`` says when the run's clock is 0 here."""
        graph, description = self.built.graph, self.description
        observers = [self._events] if self._events is not None else []
        if self._events is not None:
            self._events.clock = clock
        local = frozenset(description.operators)
        engine = self._engine = PartEngine(
            graph,
            self.built.latency,
            observers,
            local=local,
            exits=self.exits,
            origin=clock.origin,
            stop=self._stopped.is_set,
        )
        engine.resume_after(begin.answered)
        for way_out in self.exits.values():
            way_out.clock, way_out.report = clock, self._report
        for way_in in self.entries:
            way_in.open(engine, clock=clock, report=self._report)
        self._thread.start()

    @property
    def over(self) -> bool:
        """Whether all operators here have ended."""
        return self._thread.ident is not None and not self._thread.is_alive()

    def stop(self) -> None:
        """End what runs; wait for it."""
        self._stopped.set()
        if self._engine is not None:
            self._engine.wake()  # it looks at ``stop`` when something happens
            self._thread.join(STOP_S)

    def close(self) -> None:
        """Stop, and let go of everything."""
        self.stop()
        for way_in in self.entries:
            way_in.close()
        for way_out in self.exits.values():
            way_out.close()
        if self._events is not None:
            self._events.close()
        for operator in self._operators:
            operator.close()

    def note(self, kind: str, what: str) -> None:
        """Something is wrong on this host: it is to stand in the record."""
        if self._events is not None and self._engine is not None:
            at = self._engine.now()
            self._events.on_event(Fault(at, "", at, f"host {self.description.host}", kind, what))

    def readers_are_back(self) -> None:
        """The network has been away: tell how far every stream is."""
        for way_out in self.exits.values():
            for reader in way_out.readers:
                way_out.reader_is_back(reader)

    def ended(self) -> Ended:
        """What is to be said about it at the end."""
        description, error = self.description, self.error
        what, where, hint = "", "", ""
        if isinstance(error, SkylaneError):
            what, where, hint = error.what, error.where, error.hint
        elif error is not None:
            what = described(error)
        ends: list[ZenohEntry | ZenohExit] = [*self.entries, *self.exits.values()]
        lost = self._events.lost if self._events is not None else 0
        return Ended(
            description.host,
            description.epoch,
            what,
            where,
            hint,
            {end.stream: asdict(end.counters) for end in ends},
            (f"{lost} events were not told",) if lost else (),
            outcome(self.built.world).get("outcome", {}),
        )

    def _run(self) -> None:
        assert self._engine is not None
        try:
            self._engine.run(self.description.until)
        except Exception as error:  # whatever ended it is said to the launcher
            self.error = error


def working(graph: Graph, local: frozenset[str]) -> list[Operator]:
    """The operators that work here, their candidates included."""
    found = [operator for name, operator in graph.operators.items() if name in local]
    return found + [spec.operator for name, specs in graph.candidates.items() if name in local for spec in specs]
