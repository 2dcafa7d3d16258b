"""An operator process: builds its part of the graph, says that it is ready, runs when told, ends when told."""

from __future__ import annotations

import functools
import os
import signal
import sys
import threading
from typing import Any

from pipeline.engines import realtime
from pipeline.engines.part import PartEngine
from pipeline.engines.processes.channel import Channel, ChannelClosed
from pipeline.engines.processes.connect import Connected, Throttling
from pipeline.engines.processes.greeting import Greeter, await_greeting
from pipeline.engines.processes.heart import Heart
from pipeline.engines.processes.plan import Assignment, Failed, Finished, Go, Ready, Said, Stop
from pipeline.engines.processes.resume import answered
from pipeline.engines.processes.table import OVERDUE_AT
from pipeline.engines.processes.traffic import SharedExit
from pipeline.errors import SkylaneError, described
from pipeline.events import Fault
from pipeline.latency import LatencyModel
from pipeline.recipe import Made
from pipeline.timestamps import FOREVER

NICE_WHILE_STARTING = 10
RESTORES_NICE = os.geteuid() == 0
"""Who may not go back to where he was had better stay there."""


def main() -> None:
    """``python -m pipeline.engines.processes.child FD NAME``: FD is the channel to the supervisor."""
    # Ctrl-C and a request to end reach the whole group; the supervisor decides what they mean.
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    realtime.die_with_parent()
    if RESTORES_NICE:
        # Importing is heavy; while one process comes back, the others drive.
        realtime.nice(NICE_WHILE_STARTING)
    channel: Channel[Any] = Channel.inherited(int(sys.argv[1]), Said)
    assignment = channel.receive()
    if not isinstance(assignment, Assignment):
        raise SystemExit("the supervisor said nothing")
    if not assignment.process:
        from pipeline.engines.processes.standby import stand_by

        stand_by(channel, assignment)
        return
    try:
        _Child(channel, assignment).run()
    except ChannelClosed:
        os._exit(1)


class _Engine(PartEngine):
    """Tells the status table what the supervisor must know if this process can no longer speak for itself."""

    tell: Any = None
    overdue: Any = None

    def _settled(self) -> None:
        if self.tell is not None:
            self.tell()
        if self.overdue is not None:
            earliest: int = FOREVER
            for stage in self.stages.values():
                for run in stage.runs.values():
                    race = run.race
                    if race.deadline is not None and not race.fenced:
                        earliest = min(earliest, race.deadline + race.handler_budget)
            self.overdue(earliest)


class _Child:
    def __init__(self, channel: Channel[Any], assignment: Assignment) -> None:
        self.channel, self.assignment = channel, assignment
        self.plan, self.name = assignment.plan, assignment.process
        self.row = self.plan.row(self.name)
        self.process = self.plan.processes[self.row]
        self.connected = Connected.to(assignment, f"{self.name}.{assignment.incarnation}")
        self.exits: dict[str, SharedExit] = {}
        self.made: Made | None = None
        self.stopped = threading.Event()
        self.engine: PartEngine | None = None
        self.told: Exception | None = None
        self._greeter: Greeter | None = None

    def run(self) -> None:
        try:
            self._run()
        except ChannelClosed:
            raise
        except SkylaneError as error:
            self.channel.send(Failed(type(error).__name__, error.what, error.where, error.hint))
            self._await_stop()
        except Exception as error:
            self.channel.send(Failed("", f"process {self.name}: {described(error)}"))
            self._await_stop()

    def _run(self) -> None:
        plan, process = self.plan, self.process
        local = frozenset(process.operators)
        self.made = made = plan.recipe.make(local)
        graph = made.graph
        operators = [*(graph.operators[n] for n in process.operators)]
        operators += [s.operator for n in process.operators for s in graph.candidates.get(n, [])]
        for operator in operators:
            operator.warm_up()
        if RESTORES_NICE:
            realtime.nice(0)
        notes = realtime.settle_process(process.run_on)
        self.exits = self.connected.exits(graph, self.name)
        arrivals = self.connected.arrivals(graph, self.name, self._lost)
        self._greeter = Greeter(self.connected.table, self.row, self.exits.values())
        heart = Heart(self.connected.table, self.row, plan.supervision.heartbeat, self._chores)
        heart.start()
        if self.assignment.incarnation > 0:
            await_greeting(plan, self.connected.table, [self.name])
        self.channel.send(Ready(tuple(notes)))
        go = self.channel.receive()
        if not isinstance(go, Go):
            return
        self.engine = engine = self._engine(made, go)
        listener = threading.Thread(target=self._listen, name="skylane.supervised", daemon=True)
        listener.start()
        arrivals.start(engine, callbacks=len(process.operators))
        try:
            ended = engine.run(plan.until)
        finally:
            self.connected.table.set(self.row, OVERDUE_AT, FOREVER)
            arrivals.stop()
            for operator in operators:
                operator.close()
            self.connected.events.flush()
        if self.told is not None:
            raise self.told
        self.channel.send(Finished(ended, made.outcome()))
        self.stopped.wait()
        heart.stop()
        arrivals.close()
        for way_out in self.exits.values():
            way_out.close()
        self.connected.close()

    def _chores(self) -> None:
        if self.engine is not None:
            for name, stage in self.engine.stages.items():
                self.connected.table.set_queued(name, len(stage.intake.ready))
        self.connected.events.flush()
        if self._greeter is not None:
            self._greeter.look()

    def _engine(self, made: Made, go: Go) -> PartEngine:
        table, plan, process = self.connected.table, self.plan, self.process
        observers = [self.connected.events] if plan.watched else []
        engine = _Engine(
            made.graph,
            made.latency or LatencyModel(plan.seed),
            observers,
            local=frozenset(process.operators),
            exits=self.exits,
            origin=go.origin,
            stop=self.stopped.is_set,
        )
        throttling = Throttling(self.connected, engine)
        if throttling:
            engine.tell = throttling.tell
        if any(stage.watch.starting for stage in engine.stages.values()):
            engine.overdue = lambda at: table.set(self.row, OVERDUE_AT, at if at == FOREVER else go.origin + at)
        engine.joins_late = self.assignment.incarnation > 0
        engine.resume_after(answered(self.connected, process.operators))
        for name, way_out in self.exits.items():
            way_out.epoch = go.epoch
            way_out.failed = functools.partial(self._not_sent, name.rpartition(".")[0])
        return engine

    def _not_sent(self, operator: str, why: str) -> None:
        engine = self.engine
        if engine is not None and engine.observed:
            engine.emit(Fault(engine.now(), operator, 0, self.name, "shm_full", why))

    def _listen(self) -> None:
        try:
            while not isinstance(self.channel.receive(), Stop):
                pass
        except ChannelClosed:
            os._exit(1)
        self._stop()

    def _stop(self) -> None:
        self.stopped.set()
        if self.engine is not None:
            self.engine.wake()

    def _lost(self, error: Exception) -> None:
        self.told = self.told or error
        self._stop()

    def _await_stop(self) -> None:
        self.connected.events.flush()
        while not self.stopped.is_set() and not isinstance(self.channel.receive(), Stop):
            pass


if __name__ == "__main__":
    main()
