"""The wall clock in one process: callbacks on several threads, one for the timers, deadlines that interrupt callbacks.

All stage logic runs under one lock and is short; callbacks and handlers run outside it. An aborted callback gets
``Aborted`` raised inside it; whatever it still returns is fenced by the race.
"""

from __future__ import annotations

import contextlib
import queue
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from types import GeneratorType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipeline.definition import END, Aborted, CandidateFailed, Source, Wait
from pipeline.engines import realtime
from pipeline.engines.agenda import Agenda
from pipeline.engines.alarm import Alarm
from pipeline.engines.assembly import assemble
from pipeline.engines.crew import SHUTDOWN_S, Crew
from pipeline.engines.stage import Stage
from pipeline.engines.work import AT_DEADLINE, AT_TICK, OperatorContext, Run, Work
from pipeline.engines.worker import Worker
from pipeline.errors import described
from pipeline.events import Event, Observer
from pipeline.graph import ExecutionModel, Graph
from pipeline.latency import LatencyModel, MeasuredLatency, uniform
from pipeline.messages import Envelope
from pipeline.timestamps import FOREVER

REPEAT_ABORT_NS = 10_000_000


class _Own(threading.local):
    """What a thread that runs callbacks has to do next."""

    free = False
    """It has nothing to do, and takes the next callback that it starts."""
    work: Work | None = None


class ThreadEngine:
    """Runs a graph on the wall clock. The Host of its stages."""

    joins_late = False
    """The run is under way: sources do not make up for the ticks that have passed."""
    urgency: realtime.Urgency | None = None
    """How its threads stand to the machine's other threads; None: by the scheduler of the thread that makes it."""

    def __init__(
        self,
        graph: Graph,
        latency: LatencyModel,
        observers: Sequence[Observer],
        *,
        stop: Callable[[], bool] | None = None,
    ) -> None:
        self.graph, self.observers = graph, observers
        self._measured = MeasuredLatency(latency)
        self.latency: LatencyModel = self._measured
        self.observed = bool(observers)
        self.checks_finite, self.names_faults = graph.check_finite is not False, True
        self._stop = stop
        self._lock = threading.RLock()
        self._alarm: Alarm | None = None
        self._alarm_at: int = FOREVER
        self._until: int = FOREVER
        self._agenda = Agenda()
        self._inbox: deque[tuple[Stage, int, Envelope | int]] = deque()
        self._draining = False
        self._finished = False
        self._error: Exception | None = None
        self._origin = 0
        self._events: queue.SimpleQueue[Event | None] = queue.SimpleQueue()
        self._workers: dict[tuple[int, str], Worker] = {}
        self._crew = Crew("callbacks", lambda: self._settle("callbacks"))
        self._own = _Own()
        self.urgency = self.urgency or realtime.urgency_here()
        self.granted: dict[str, tuple[realtime.Granted, ...]] = {}
        """What each kind of thread has asked of the machine, and what it got."""
        self._handlers = Crew("handlers", lambda: self._settle("handlers"), most=1)
        self.stages = self._assemble()

    def _assemble(self) -> dict[str, Stage]:
        return assemble(self.graph, self)

    # -- Host (called under the lock) --------------------------------------------------------------------------------

    def now(self) -> int:
        return time.monotonic_ns() - self._origin

    def call_at(self, at: int, order: int, stage: Stage, action: Callable[[Any], None], argument: Any) -> None:
        self._agenda.add(at, order, stage.number, action, argument)

    def deliver(self, stage: Stage, index: int, message: Envelope | int) -> None:
        self._inbox.append((stage, index, message))

    def emit(self, event: Event) -> None:
        self._events.put(event)

    def loan(self, stream: str, shape: tuple[int, ...], dtype: Any) -> NDArray[Any]:
        return np.empty(shape, dtype)

    def crash(self, error: Exception) -> None:
        self._error = self._error or error
        self._finish()

    def start(self, work: Work) -> None:
        work.data = self._worker_of(work)
        own = self._own
        if own.free:
            own.free, own.work = False, work
        else:
            self._crew.submit(lambda: self._carry(work))

    def _worker_of(self, work: Work) -> Worker:
        if work.operator.reentrant:
            # Each of its timestamps may run beside the others.
            return Worker()
        key = (work.stage.number, work.candidate)
        worker = self._workers.get(key)
        if worker is None:
            worker = self._workers[key] = Worker()
        return worker

    def stop(self, work: Work, why: str) -> None:
        worker: Worker = work.data
        worker.abort(work)
        self.call_at(self.now() + REPEAT_ABORT_NS, AT_DEADLINE, work.stage, self._abort_again, (work, why))

    def _abort_again(self, argument: tuple[Work, str]) -> None:
        # A callback may swallow the exception; it gets no peace until it ends.
        work, why = argument
        if work.alive:
            self.stop(work, why)

    def handle(self, run: Run, ctx: OperatorContext, miss: Any) -> None:
        self.call_at(self.now() + run.race.handler_budget, AT_DEADLINE, run.stage, self._handler_overran, run)
        self._handlers.submit(lambda: self._handle(run, ctx, miss))

    # -- executing callbacks (outside the lock) ----------------------------------------------------------------------

    def keep(self) -> None:
        """What the calling thread starts first from now on is not given to another one: ``kept`` returns it."""
        self._own.free = True

    def kept(self) -> Callable[[], None] | None:
        """The callback that the calling thread has kept, for it to run at once."""
        own = self._own
        own.free = False
        work, own.work = own.work, None
        return None if work is None else lambda: self._carry(work)

    def _carry(self, work: Work | None) -> None:
        """Run a callback, then the one that has begun by it, and so on."""
        own = self._own
        while work is not None:
            self._execute(work)
            own.free = False
            work, own.work = own.work, None

    def _execute(self, work: Work) -> None:
        worker: Worker = work.data
        began, value, failure = worker.perform(work, lambda: self._call(work, worker))
        if not began:
            self._locked(work.stage.on_stopped, work, "stopped before it began")
            return
        if work.generator is not None:
            with contextlib.suppress(Aborted):
                work.generator.close()
        if failure is None and value is not None and value is not END and work.ctx.alive:
            try:
                self._prepare(work, value)
            except Exception as error:  # it cannot travel, or there is no room for it
                failure = error
        self.keep()
        self._locked(self._report, work, value, failure)

    def _prepare(self, work: Work, value: Any) -> None:
        """``value`` is about to be offered as the answer; for engines that must copy it."""

    def _report(self, work: Work, value: Any, failure: Exception | None) -> None:
        stage = work.stage
        if not work.ctx.alive:
            stage.on_stopped(work, "aborted", value)
        elif failure is None:
            stage.on_done(work, value)
        else:
            reason = failure.reason if isinstance(failure, CandidateFailed) else described(failure)
            stage.on_failed(work, reason, failure)

    def _call(self, work: Work, worker: Worker) -> Any:
        began = time.monotonic_ns()
        result = work.operator.on_watermark(work.ctx)
        if type(result) is not GeneratorType:
            self._measure(work, began)
            return result
        work.generator = result
        while True:
            began = time.monotonic_ns()
            work.ctx.label = ""
            try:
                value = next(result)
            except StopIteration:
                return work.value
            self._measure(work, began)
            if type(value) is Wait:
                worker.wait(work, value.duration)
            elif not self._offer(work, value):
                return None

    def _offer(self, work: Work, value: Any) -> bool:
        if not work.ctx.alive:
            return False
        self._locked(self._yield, work, value)
        return work.ctx.alive

    def _yield(self, work: Work, value: Any) -> None:
        if work.ctx.alive:
            work.stage.on_yield(work, value)

    def _measure(self, work: Work, began: int) -> None:
        self._measured.record(work.operator.name, work.ctx.label, time.monotonic_ns() - began)

    def _handle(self, run: Run, ctx: OperatorContext, miss: Any) -> None:
        try:
            answer, why = run.stage.operator.on_miss(ctx, miss), ""
        except Exception as error:  # a handler's error must not outlive its timestamp
            answer, why = None, described(error)
        self._locked(self._handled, run, answer, why)

    def _handled(self, run: Run, answer: Any, why: str) -> None:
        if not run.race.handling:
            run.stage.perform(run, run.race.answered(answer, self.now()))
        elif why:
            run.stage.on_handler_failed(run, why)
        else:
            run.stage.on_answer(run, answer)

    def _handler_overran(self, run: Run) -> None:
        if run.race.handling:
            run.stage.on_handler_failed(run, "used up its own budget", "overran")

    # -- the clock ---------------------------------------------------------------------------------------------------

    def _locked(self, action: Callable[..., None], *arguments: Any) -> None:
        with self._lock:
            if self._finished:
                return
            try:
                action(*arguments)
                while self._inbox:
                    stage, index, message = self._inbox.popleft()
                    stage.receive(index, message)
                self._settled()
                self._set_alarm()
                if self._idle() or (self._stop is not None and self._stop()):
                    self._finish()
            except Exception as error:  # our own bug: end the run and say so, do not hang
                self.crash(error)

    def _settled(self) -> None:
        """Everything that follows from an action has been done; for engines that tell somebody."""

    def _idle(self) -> bool:
        return all(
            (stage.closed or not stage.is_source) and not stage.runs and not stage.intake.ready and stage.working == 0
            for stage in self.stages.values()
        ) and any(stage.is_source for stage in self.stages.values())

    def _finish(self) -> None:
        self._finished = True
        if self._alarm is not None:
            self._alarm.set(0)

    def _set_alarm(self) -> None:
        """Wake the timers when the next thing is due. What is over is forgotten, so that nobody wakes up for it."""
        at = min(self._agenda.next(), self._until)
        if at != self._alarm_at and self._alarm is not None:
            self._alarm_at = at
            self._alarm.set(at + self._origin)

    def _settle(self, role: str) -> None:
        assert self.urgency is not None
        self.granted[role] = self.urgency.settle(role)

    def _timers(self, alarm: Alarm) -> None:
        self._settle("timers")
        while True:
            with self._lock:
                while not self._finished:
                    now = self.now()
                    if now >= self._until:
                        self._finish()
                        break
                    due = self._agenda.due(now)
                    if due is None:
                        self._set_alarm()
                        break
                    self._locked(*due)
                if self._finished:
                    return
            alarm.wait()

    def _schedule_ticks(self) -> None:
        periodic = self.graph.execution is ExecutionModel.PERIODIC
        for name, stage in self.stages.items():
            operator = stage.operator
            if isinstance(operator, Source):
                passed = max(0, (self.now() - operator.offset) // operator.period) if self.joins_late else 0
                first = operator.offset + passed * operator.period
                self.call_at(first, AT_TICK, stage, self._tick, (stage, first, operator.period))
            elif periodic:
                period = self.graph.periods.get(name, self.graph.default_period)
                phase = int(uniform(self.latency.seed, "phase", name) * period)
                self.call_at(phase, AT_TICK, stage, self._tick, (stage, phase, period))

    def _tick(self, argument: tuple[Stage, int, int]) -> None:
        stage, at, period = argument
        if stage.closed or stage.ended:
            return
        self.call_at(at + period, AT_TICK, stage, self._tick, (stage, at + period, period))
        stage.tick(at)

    def run(self, until: int) -> int:
        """Run until the sources end, ``until`` has passed or an operator fails; return the time of the end."""
        assert self.urgency is not None
        with realtime.prompt_python(self.urgency.switch_interval_s), self.urgency.watching():
            return self._run(until)

    def _run(self, until: int) -> int:
        writer = threading.Thread(target=self._observe, name="skylane.observers", daemon=True)
        writer.start()
        alarm = Alarm()
        timers = threading.Thread(target=self._timers, args=(alarm,), name="skylane.timers", daemon=True)
        try:
            with self._lock:
                self._origin = self._origin or time.monotonic_ns()
                self._until, self._alarm = min(until, FOREVER), alarm
                self._schedule_ticks()
                self._crew.ready(sum(stage.is_source for stage in self.stages.values()))
                self._handlers.ready(1)
            timers.start()
            # Short joins: a signal such as Ctrl-C is handled between them.
            while timers.is_alive():
                timers.join(0.1)
        finally:
            ended = self._shutdown()
            self._events.put(None)
            writer.join()
            if timers.ident is not None:
                timers.join(SHUTDOWN_S)
            if not timers.is_alive():
                alarm.close()
        if self._error is not None:
            raise self._error
        return ended

    def _shutdown(self) -> int:
        with self._lock:
            self._finish()
            for stage in self.stages.values():
                stage.shutdown()
            self._inbox.clear()
            self._alarm = None
            ended = self.now()
        for worker in self._workers.values():
            worker.close()
        self._crew.close()
        self._handlers.close()
        return ended

    def _observe(self) -> None:
        self._settle("observers")
        while True:
            event = self._events.get()
            if event is None:
                return
            try:
                for observer in self.observers:
                    observer.on_event(event)
            except Exception as error:  # a full disk must end the run with its reason, not silently
                with self._lock:
                    self.crash(error)
                return
