"""From a plan to one process's ports: its exits, its arrivals, its way of telling that a queue has room."""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from pipeline.engines.part import PartEngine
from pipeline.engines.processes.notices import EventSender
from pipeline.engines.processes.plan import OBSERVER, Assignment, Plan, StreamPlan
from pipeline.engines.processes.shared import SharedNode
from pipeline.engines.processes.table import StatusTable
from pipeline.engines.processes.traffic import Arrivals, SharedExit
from pipeline.engines.processes.wakeup import Wakeup
from pipeline.graph import Graph

DEPTH = 16
"""Messages that may wait in shared memory for one reader."""
DEPTH_STANDBY = 2
"""For a standby only the newest timestamps matter."""


@dataclass
class Connected:
    """What connects a process to the rest of its run."""

    plan: Plan
    table: StatusTable
    wakeups: list[Wakeup]
    events: EventSender
    node: SharedNode

    @classmethod
    def to(cls, assignment: Assignment, name: str) -> Connected:
        """Use what the process has inherited."""
        plan = assignment.plan
        table = StatusTable(assignment.table, plan)
        wakeups = [Wakeup(fd) for fd in assignment.wakeups]
        events = EventSender(socket.socket(fileno=assignment.events))
        return cls(plan, table, wakeups, events, SharedNode(plan.run, name))

    def wakeup(self, process: str) -> Wakeup:
        """Of a process, or of the launcher."""
        plan = self.plan
        return self.wakeups[len(plan.processes) if process == OBSERVER else plan.row(process)]

    def standby_wakeup(self, process: str) -> Wakeup:
        """Of whoever stands by for the process."""
        return self.wakeups[len(self.plan.processes) + 1 + self.plan.row(process)]

    def exits(self, graph: Graph, process: str) -> dict[str, SharedExit]:
        """The ways out of the process's operators."""
        found = {}
        for cell, stream in enumerate(self.plan.streams):
            if stream.writer == process:
                port = port_type(graph, stream.name)
                writer = self.node.writer(stream.name, port, depth=DEPTH, readers=self._readers_of(stream))
                throttles = [
                    (i, depth) for i, (name, _, depth) in enumerate(self.plan.throttles()) if name == stream.name
                ]
                row = self.plan.row(process)
                found[stream.name] = SharedExit(
                    writer, stream, self.table, cell, throttles, row, list(self._ringing(stream))
                )
        return found

    def arrivals(
        self, graph: Graph, process: str, failed: Callable[[Exception], None], *, standby: bool = False
    ) -> Arrivals:
        """What comes in for the process, or for whoever stands by for it."""
        depth = DEPTH_STANDBY if standby else DEPTH
        readers = [
            (s.name, self.node.reader(s.name, port_type(graph, s.name), depth=depth, readers=self._readers_of(s)))
            for s in self.plan.streams
            if process in s.readers
        ]
        return Arrivals(readers, self.standby_wakeup(process) if standby else self.wakeup(process), failed)

    def _ringing(self, stream: StreamPlan) -> Iterable[Wakeup]:
        for reader in stream.readers:
            yield self.wakeup(reader)
            if reader != OBSERVER and self.plan.processes[self.plan.row(reader)].standby:
                yield self.standby_wakeup(reader)

    def _readers_of(self, stream: StreamPlan) -> int:
        return 2 * len(stream.readers)

    def close(self) -> None:
        """Let go of everything."""
        self.events.flush()
        self.node.close()
        self.table.close()


class Throttling:
    """Tells writers elsewhere how far the blocking queues of a process have been emptied."""

    def __init__(self, connected: Connected, engine: PartEngine) -> None:
        self._table = connected.table
        self._cells = []
        for cell, (stream, operator, _) in enumerate(connected.plan.throttles()):
            if operator in engine.stages:
                writer = next(s.writer for s in connected.plan.streams if s.name == stream)
                self._cells.append((cell, engine.stages[operator].intake, connected.wakeup(writer)))

    def __bool__(self) -> bool:
        return bool(self._cells)

    def tell(self) -> None:
        """After each thing that has happened in the process."""
        for cell, intake, wakeup in self._cells:
            taken = intake.taken()
            if taken > self._table.taken(cell):
                self._table.set_taken(cell, taken)
                wakeup.ring()


def port_type(graph: Graph, stream: str) -> type:
    """The type that a stream carries."""
    operator, _, port = stream.rpartition(".")
    return next(p.type_ for p in graph.operators[operator].outputs() if p.name == port)
