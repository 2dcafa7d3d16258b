"""The standby: a process that is warm and idle, and answers for any other that is gone, by its operators' handlers."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field
from typing import Any

from pipeline.definition import Operator
from pipeline.engines import realtime
from pipeline.engines.part import FallbackEngine
from pipeline.engines.processes.channel import Channel, ChannelClosed
from pipeline.engines.processes.connect import Connected
from pipeline.engines.processes.greeting import Greeter, await_greeting
from pipeline.engines.processes.heart import Heart
from pipeline.engines.processes.plan import Assignment, Failed, Finished, Go, ProcessPlan, Ready, Rest, Stop
from pipeline.engines.processes.resume import answered
from pipeline.engines.processes.traffic import Arrivals, SharedExit
from pipeline.errors import described
from pipeline.graph import Graph
from pipeline.latency import LatencyModel
from pipeline.recipe import Recipe

ANSWERS_S = 0.05
"""How long whoever goes to rest may take for what has already come."""
PRIORITY = 30
"""SCHED_FIFO, above callbacks without a priority of their own and below the supervisor."""


@dataclass
class _Understudy:
    """Stands by for one process."""

    plan: ProcessPlan
    exits: dict[str, SharedExit]
    arrivals: Arrivals
    engine: FallbackEngine
    """Ready to be started."""
    on: threading.Event = field(default_factory=threading.Event)
    """Cleared: its engine is to stop."""
    thread: threading.Thread | None = None


def stand_by(channel: Channel[Any], assignment: Assignment) -> None:
    """Serve until told to stop."""
    _Standby(channel, assignment).serve()


class _Standby:
    def __init__(self, channel: Channel[Any], assignment: Assignment) -> None:
        self.channel, self.assignment, self.plan = channel, assignment, assignment.plan
        self.connected = Connected.to(assignment, f"standby.{assignment.incarnation}")
        self.understudies: dict[str, _Understudy] = {}

    def serve(self) -> None:
        """Build, say ready, and take over when told."""
        plan = self.plan
        try:
            self.graph, self.latency = _graph(plan.recipe, plan.processes)
            for process in plan.processes:
                if process.standby:
                    self.understudies[process.name] = self._understudy(process)
        except Exception as error:  # whatever it is, the supervisor must hear of it
            self.channel.send(Failed("", f"standby: {described(error)}"))
            return
        row, table = len(plan.processes), self.connected.table
        exits = [way_out for each in self.understudies.values() for way_out in each.exits.values()]
        greeter = Greeter(table, row, exits)

        def chores() -> None:
            self.connected.events.flush()
            greeter.look()

        heart = Heart(table, row, plan.supervision.heartbeat, chores)
        heart.start()
        if self.assignment.incarnation > 0:
            await_greeting(plan, table, self.understudies)
        realtime.nice(0)
        # What it starts from here on is short and urgent: answers for somebody who is gone.
        urgency = realtime.fifo(PRIORITY)
        realtime.freeze_garbage()
        self.channel.send(Ready((str(urgency),) if urgency.why else ()))
        try:
            self._obey()
        except ChannelClosed:
            pass
        finally:
            for understudy in self.understudies.values():
                self._rest(understudy)
                understudy.arrivals.close()
                for way_out in understudy.exits.values():
                    way_out.close()
            heart.stop()
            self.connected.close()

    def _obey(self) -> None:
        while True:
            told = self.channel.receive()
            if isinstance(told, Stop):
                return
            if isinstance(told, Go) and told.process in self.understudies:
                self._take_over(self.understudies[told.process], told)
            elif isinstance(told, Rest) and told.process in self.understudies:
                understudy = self.understudies[told.process]
                self._rest(understudy)
                understudy.engine = self._engine(understudy.plan, understudy.exits, understudy.on)

    def _understudy(self, process: ProcessPlan) -> _Understudy:
        exits = self.connected.exits(self.graph, process.name)
        arrivals = self.connected.arrivals(self.graph, process.name, self._lost, standby=True)
        on = threading.Event()
        return _Understudy(process, exits, arrivals, self._engine(process, exits, on), on)

    def _engine(self, process: ProcessPlan, exits: dict[str, SharedExit], on: threading.Event) -> FallbackEngine:
        local = frozenset(name for name in process.operators if self.graph.operators[name].inputs())
        return FallbackEngine(
            self.graph,
            self.latency,
            [self.connected.events] if self.plan.watched else [],
            local=local,
            exits={name: way_out for name, way_out in exits.items() if name.rpartition(".")[0] in local},
            stop=lambda: not on.is_set(),
        )

    def _take_over(self, understudy: _Understudy, go: Go) -> None:
        for way_out in understudy.exits.values():
            way_out.epoch = go.epoch
        if understudy.thread is not None:
            return  # it answers already
        for way_out in understudy.exits.values():
            # Of a timestamp that came while the process was just taking over and that it did not survive.
            way_out.catch_up()
        engine = understudy.engine
        engine.set_origin(go.origin)
        engine.resume_after(answered(self.connected, understudy.plan.operators))
        understudy.on.set()
        understudy.thread = threading.Thread(
            target=self._answer, args=(understudy, engine), name=f"skylane.for.{understudy.plan.name}", daemon=True
        )
        understudy.thread.start()
        understudy.arrivals.start(engine)

    def _answer(self, understudy: _Understudy, engine: FallbackEngine) -> None:
        ended = engine.run(self.plan.until)
        if understudy.on.is_set():
            self.channel.send(Finished(ended, process=understudy.plan.name))

    def _rest(self, understudy: _Understudy) -> None:
        if understudy.thread is None:
            return
        understudy.arrivals.stop()
        understudy.engine.await_answers(ANSWERS_S)
        understudy.on.clear()
        understudy.engine.wake()
        understudy.thread.join()
        understudy.thread = None

    def _lost(self, error: Exception) -> None:
        self.channel.send(Failed("", f"standby: {described(error)}"))


def _graph(recipe: Recipe, processes: tuple[ProcessPlan, ...]) -> tuple[Graph, LatencyModel]:
    """The graph with only those operators built that have an answer of their own to a miss."""
    blank = recipe.make(frozenset()).graph
    helped = [name for process in processes if process.standby for name in process.operators]
    answering = frozenset(n for n in helped if type(blank.operators[n]).on_miss is not Operator.on_miss)
    made = recipe.make(answering)
    for name in answering:
        made.graph.operators[name].warm_up()
    return made.graph, made.latency or LatencyModel(0)
