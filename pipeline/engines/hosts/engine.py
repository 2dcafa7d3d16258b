"""One graph over several hosts, the launcher's side: its own operators run in this process, the others' on their hosts.

Decides which streams cross and when the run is over. How a host runs its part is the node's business.
"""

from __future__ import annotations

import dataclasses
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pipeline import events as ev
from pipeline.building import Built
from pipeline.engines.border import Starts, readers
from pipeline.engines.hosts.launcher import Hosts
from pipeline.engines.hosts.link import Sink
from pipeline.engines.hosts.part import port_type, working
from pipeline.engines.hosts.protocol import Description, Ended
from pipeline.engines.hosts.session import SessionSettings
from pipeline.engines.part import PartEngine
from pipeline.engines.processes.merging import Merger
from pipeline.errors import OperatorFailed
from pipeline.events import Event, Observer
from pipeline.graph import Graph
from pipeline.messages import Envelope
from pipeline.timestamps import FOREVER, ms

if TYPE_CHECKING:
    from pipeline.execution import WallClock

AHEAD = ms(200)
"""The run's clock is 0 so long after everybody is ready: the news must reach every host before."""
JOIN_S = 60.0
STEP_S = 0.05


@dataclass(frozen=True)
class Hosted:
    """Which operator runs on which host, and how the hosts find each other."""

    here: str
    """The launcher's host."""
    session: SessionSettings
    host_of: Mapping[str, str]
    """Operator → host; those that are not in it run here."""
    join_s: float = JOIN_S
    final: bool = True
    """The nodes end with this run; else they wait a while for the next one."""

    def parts(self, graph: Graph) -> dict[str, tuple[str, ...]]:
        """Host → its operators, in the graph's order."""
        found: dict[str, list[str]] = {}
        for name in graph.order():
            found.setdefault(self.host_of.get(name, self.here), []).append(name)
        return {host: tuple(names) for host, names in found.items()}

    def crossings(self, graph: Graph, *, observed: bool) -> dict[str, tuple[str, frozenset[str]]]:
        """Stream → the host that writes it and the other hosts that read it; the launcher reads all if ``observed``."""
        found = {}
        for name, operator in graph.operators.items():
            writer = self.host_of.get(name, self.here)
            for port in operator.outputs():
                others = {self.host_of.get(reader, self.here) for reader in readers(graph, str(port))}
                others |= {self.here} if observed else set()
                if others - {writer}:
                    found[str(port)] = writer, frozenset(others - {writer})
        return found


@dataclass(frozen=True)
class OnHosts:
    """A built launch file that several hosts run together."""

    built: Built
    hosted: Hosted
    path: str

    def homes(self, graph: Graph) -> dict[str, str]:
        """Operator → its host, where that is another one."""
        here = self.hosted.here
        hosts = {name: self.hosted.host_of.get(name, here) for name in graph.operators}
        return {name: "" if host == here else host for name, host in hosts.items()}

    def engine(
        self, graph: Graph, clock: WallClock, observers: Sequence[Observer], stop: Callable[[], bool] | None
    ) -> HostEngine:
        """The engine that runs it. What it waits for is told on stderr."""
        return HostEngine(self.built, self.hosted, observers, path=self.path, stop=stop, tell=_tell)


def _tell(line: str) -> None:
    print(f"skylane: {line}", file=sys.stderr)


class HostEngine:
    """Runs a built launch file over several hosts. Blocking queues hold nobody back across hosts: there they drop."""

    def __init__(
        self,
        built: Built,
        hosted: Hosted,
        observers: Sequence[Observer],
        *,
        path: str = "",
        stop: Callable[[], bool] | None = None,
        tell: Callable[[str], None] = lambda line: None,
    ) -> None:
        self.built, self.hosted, self._path, self._tell = built, hosted, path, tell
        self._stop = stop or (lambda: False)
        self.merger = Merger(observers)
        self.observed = bool(observers)
        self._finished = threading.Event()
        self._failed: Ended | None = None
        self.ended: dict[str, Ended] = {}
        """What each host had to say at the end."""
        self.outcome: dict[str, Any] = {}
        self._gone_at: dict[str, int] = {}
        self.origin = 0
        self._parts = hosted.parts(built.graph)
        if hosted.here not in self._parts:
            self._parts[hosted.here] = ()

    def run(self, until: int) -> int:
        """Run until all parts have ended, ``until`` has passed or ``stop()``; return the time of the end.

        Raises HostUnreachable where a host does not join, HostFailed where it cannot, OperatorFailed as elsewhere.
        """
        hosted = self.hosted
        others = {name: operators for name, operators in self._parts.items() if name != hosted.here}
        session = hosted.session
        if not session.names:
            session = dataclasses.replace(session, names=tuple(others))
        with Hosts(
            session,
            hosted.here,
            on_host=self._on_host,
            on_events=self.merger.add,
            on_ended=self._on_ended,
            report=lambda where, what: self._tell(f"{where}: {what}"),
        ) as hosts:
            self._tell(f"waiting for {', '.join(others)} at {hosted.session.listen}")
            if not hosts.await_nodes(others, hosted.join_s, self._stop):
                return 0
            operators = working(self.built.graph, frozenset(self._parts[hosted.here]))
            try:
                for operator in operators:
                    operator.warm_up()
                ended = self._run(hosts, others, min(until, FOREVER))
            except BaseException:
                hosts.end("the run has failed", final=hosted.final, failed=True)
                raise
            finally:
                for operator in operators:
                    operator.close()
            self.ended = hosts.ended
        self.merger.release()
        for told in self.ended.values():
            self.outcome |= told.outcome
        return ended

    def _run(self, hosts: Hosts, others: Mapping[str, tuple[str, ...]], until: int) -> int:
        graph, here = self.built.graph, self.hosted.here
        crossings = self.hosted.crossings(graph, observed=self.observed)
        exits = {s: hosts.exit(s, readers) for s, (writer, readers) in crossings.items() if writer == here}
        entries = {s: hosts.entry(s, port_type(graph, s)) for s, (w, readers) in crossings.items() if here in readers}
        hosts.prepare(
            {
                host: Description(
                    run=hosts.run,
                    name=self.built.variant or self.built.settings.name,
                    host=host,
                    text=self.built.text,
                    path=self._path or self.built.settings.name,
                    operators=operators,
                    exits={s: tuple(sorted(r)) for s, (writer, r) in crossings.items() if writer == host},
                    entries=tuple(s for s, (_, r) in crossings.items() if host in r),
                    until=until,
                    seed=self.built.settings.seed,
                    watched=self.observed,
                )
                for host, operators in others.items()
            }
        )
        self.origin = time.monotonic_ns() + AHEAD
        engine = PartEngine(
            graph,
            self.built.latency,
            [_Observing(self.merger)] if self.observed else [],
            local=frozenset(self._parts[here]),
            exits=exits,
            origin=self.origin,
            stop=lambda: self._finished.is_set(),
        )
        for stream, entry in entries.items():
            needed = any(name in self._parts[here] for name in readers(graph, stream))
            entry.open(_Tap(self.merger if self.observed else None, engine if needed else None))
        hosts.begin(self.origin)
        ended = self._drive(engine, hosts, until)
        hosts.end(final=self.hosted.final)
        if self._failed is not None:
            failed = self._failed
            where = f"host {failed.host}" + (f": {failed.where}" if failed.where else "")
            raise OperatorFailed(failed.what, where=where, hint=failed.hint)
        return ended

    def _drive(self, engine: PartEngine, hosts: Hosts, until: int) -> int:
        """Run the local part beside this thread, which hands events on and watches for the end of all parts."""
        done: list[int] = []
        errors: list[Exception] = []

        def run() -> None:
            try:
                done.append(engine.run(until))
            except Exception as error:  # raised again below, in the thread of the caller
                errors.append(error)

        thread = threading.Thread(target=run, name="skylane.here", daemon=True)
        thread.start()
        try:
            while thread.is_alive() or (not errors and not hosts.all_ended() and self._now() < until):
                if self._stop() or self._failed is not None:
                    break
                thread.join(STEP_S) if thread.is_alive() else time.sleep(STEP_S)
                self.merger.release(self._now())
        finally:
            self._finished.set()
            engine.wake()  # it looks at ``stop`` when something happens
            thread.join()
        if errors:
            raise errors[0]
        return max(done[0], min(self._now(), until))

    def _now(self) -> int:
        return time.monotonic_ns() - self.origin

    # -- on the network's threads ------------------------------------------------------------------------------------

    def _on_host(self, name: str, up: bool) -> None:
        now = max(0, self._now())
        self._tell(f"host {name}: {'is back' if up else 'is gone'}")
        event: Event = ev.Recovered(now, "", now, f"host {name}", now - self._gone_at.pop(name, now))
        if not up:
            self._gone_at[name] = now
            event = ev.Fault(now, "", now, f"host {name}", "host_gone", "nothing is heard of it")
        self.merger.add([event])

    def _on_ended(self, ended: Ended) -> None:
        if ended.what:
            self._failed = ended


class _Observing:
    """Hands what happens here to the merger, one by one: the others' events come between."""

    def __init__(self, merger: Merger) -> None:
        self._merger = merger

    def on_event(self, event: Event) -> None:
        self._merger.add([event])


class _Tap:
    """Takes a stream that another host writes: for the record, and for the operators here that read it."""

    def __init__(self, merger: Merger | None, sink: Sink | None) -> None:
        self._merger, self._sink = merger, sink

    def arrive(self, stream: str, message: Envelope | int, starts: Starts) -> None:
        if self._merger is not None and not isinstance(message, int):
            m, operator = message, stream.rpartition(".")[0]
            self._merger.add([ev.Sent(m.at, operator, m.t, stream, m.origin, m.quality, m.winner, m.value)])
        if self._sink is not None:
            self._sink.arrive(stream, message, starts)

    def lost(self, stream: str, t: int, count: int) -> None:
        if self._sink is not None:
            self._sink.lost(stream, t, count)
        elif self._merger is not None:
            self._merger.add([ev.Dropped(t, "observer", t, stream, f"gap of {count}")])
