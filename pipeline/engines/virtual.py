"""The virtual clock: a seeded discrete-event schedule on one thread. Bit for bit repeatable, faster than real time.

A callback computes in no virtual time and its answer becomes visible after the latency that the model charges for
its work.
Events are totally ordered by (time, kind, stage, sequence).
"""

from __future__ import annotations

import heapq
import time
from collections import deque
from collections.abc import Callable, Sequence
from types import GeneratorType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipeline.definition import Aborted, CandidateFailed, Source, Wait
from pipeline.engines.assembly import assemble
from pipeline.engines.stage import Stage
from pipeline.engines.work import AT_DEADLINE, AT_DONE, AT_FAIL, AT_TICK, AT_YIELD, OperatorContext, Run, Work
from pipeline.errors import described
from pipeline.events import Event, Observer
from pipeline.graph import ExecutionModel, Graph
from pipeline.latency import LatencyModel, uniform
from pipeline.messages import Envelope

YIELDS_PER_INSTANT = 10_000
"""A callback that yields more often without letting time pass would never end."""

HANDLER_WORK = "on_miss"
"""The latency table's entry for deadline handlers."""


class VirtualEngine:
    """Runs a graph on virtual time. The Host of its stages."""

    def __init__(
        self,
        graph: Graph,
        latency: LatencyModel,
        observers: Sequence[Observer],
        *,
        stop: Callable[[], bool] | None = None,
    ) -> None:
        self.graph, self.latency, self.observers = graph, latency, observers
        self.observed = bool(observers)
        self.checks_finite = self.names_faults = graph.check_finite is True
        self._stop = stop
        self._now = 0
        self._heap: list[tuple[int, int, int, int, Callable[[Any], None], Any]] = []
        self._sequence = 0
        self._inbox: deque[tuple[Stage, int, Envelope | int]] = deque()
        self._error: Exception | None = None
        self.stages = assemble(graph, self)

    # -- Host --------------------------------------------------------------------------------------------------------

    def now(self) -> int:
        return self._now

    def call_at(self, at: int, order: int, stage: Stage, action: Callable[[Any], None], argument: Any) -> None:
        self._sequence += 1
        heapq.heappush(self._heap, (at, order, stage.number, self._sequence, action, argument))

    def deliver(self, stage: Stage, index: int, message: Envelope | int) -> None:
        self._inbox.append((stage, index, message))

    def loan(self, stream: str, shape: tuple[int, ...], dtype: Any) -> NDArray[Any]:
        return np.empty(shape, dtype)

    def emit(self, event: Event) -> None:
        for observer in self.observers:
            observer.on_event(event)

    def crash(self, error: Exception) -> None:
        self._error = self._error or error

    def start(self, work: Work) -> None:
        began = time.perf_counter_ns()
        try:
            result = work.operator.on_watermark(work.ctx)
        except (Exception, Aborted) as error:  # whatever an operator raises is its answer for t
            self._later(work, began, AT_FAIL, _Failure(error))
            return
        if type(result) is GeneratorType:
            work.generator = result
            self._step(work)
            return
        charge = self._charge(work, began, work.ctx.label)
        if charge == 0:
            work.stage.on_done(work, result)
        else:
            work.data = result
            self.call_at(self._now + charge, AT_DONE, work.stage, self._done, work)

    def stop(self, work: Work, why: str) -> None:
        if work.generator is not None:
            why = _abort(work.generator, why)
        work.stage.on_stopped(work, why)

    def handle(self, run: Run, ctx: OperatorContext, miss: Any) -> None:
        stage = run.stage
        began = time.perf_counter_ns()
        try:
            answer = stage.operator.on_miss(ctx, miss)
        except (Exception, Aborted) as error:  # a handler's error must not outlive its timestamp
            stage.on_handler_failed(run, described(error))
            return
        charge = self.latency.draw(f"{stage.name}", HANDLER_WORK, ctx.t) if self._has_handler_latency(stage) else 0
        if charge is None:
            charge = time.perf_counter_ns() - began
        if charge == 0:
            stage.on_answer(run, answer)
        elif charge > run.race.handler_budget:
            self.call_at(self._now + run.race.handler_budget, AT_DEADLINE, stage, self._handler_overran, run)
        else:
            self.call_at(self._now + charge, AT_DONE, stage, self._handler_done, (run, answer))

    # -- executing callbacks -----------------------------------------------------------------------------------------

    def _step(self, work: Work) -> None:
        """Resume a generator until it lets time pass, ends, or is stopped."""
        stage, generator, ctx = work.stage, work.generator, work.ctx
        for _ in range(YIELDS_PER_INSTANT):
            ctx.label = ""
            began = time.perf_counter_ns()
            try:
                value = next(generator)
            except StopIteration:
                # Only work that was named is charged behind the last yield: most callbacks just return there.
                charge = self._charge(work, began, ctx.label) if ctx.label or work.value is None else 0
                work.data = work.value
                self._pass(work, charge, AT_DONE, self._done)
                return
            except (Exception, Aborted) as error:
                self._later(work, began, AT_FAIL, _Failure(error))
                return
            if type(value) is Wait:
                # Waiting is not work: only what was named before it is charged on top.
                charge = self._charge(work, began, ctx.label) if ctx.label else 0
                self.call_at(self._now + charge + max(0, value.duration), AT_YIELD, stage, self._resume, work)
                return
            charge = self._charge(work, began, ctx.label)
            if charge > 0:
                work.data = value
                self.call_at(self._now + charge, AT_YIELD, stage, self._yielded, work)
                return
            stage.on_yield(work, value)
            if not work.alive:
                return
        stage.on_failed(work, f"yielded {YIELDS_PER_INSTANT} values without letting time pass", None)

    def _pass(self, work: Work, charge: int, order: int, action: Callable[[Any], None]) -> None:
        if charge == 0:
            action(work)
        else:
            self.call_at(self._now + charge, order, work.stage, action, work)

    def _later(self, work: Work, began: int, order: int, failure: _Failure) -> None:
        work.data = failure
        self._pass(work, self._charge(work, began, work.ctx.label), order, self._failed)

    def _charge(self, work: Work, began: int, label: str) -> int:
        charge = self.latency.draw(work.operator.name, label, work.ctx.t)
        return time.perf_counter_ns() - began if charge is None else charge

    def _done(self, work: Work) -> None:
        if work.alive:
            work.stage.on_done(work, work.data)

    def _yielded(self, work: Work) -> None:
        if work.alive:
            work.stage.on_yield(work, work.data)
            if work.alive:
                self._step(work)

    def _resume(self, work: Work) -> None:
        if work.alive:
            self._step(work)

    def _failed(self, work: Work) -> None:
        if work.alive:
            error = work.data.error
            reason = error.reason if isinstance(error, CandidateFailed) else described(error)
            work.stage.on_failed(work, reason, error)

    def _handler_done(self, argument: tuple[Run, Any]) -> None:
        run, answer = argument
        if run.race.handling:
            run.stage.on_answer(run, answer)

    def _handler_overran(self, run: Run) -> None:
        if run.race.handling:
            run.stage.on_handler_failed(run, "used up its own budget", "overran")

    def _has_handler_latency(self, stage: Stage) -> bool:
        row = self.latency.by_operator.get(stage.name)
        return row is not None and HANDLER_WORK in row

    # -- the schedule ------------------------------------------------------------------------------------------------

    def _schedule_ticks(self) -> None:
        periodic = self.graph.execution is ExecutionModel.PERIODIC
        for name, stage in self.stages.items():
            operator = stage.operator
            if isinstance(operator, Source):
                self.call_at(operator.offset, AT_TICK, stage, self._tick, (stage, operator.period))
            elif periodic:
                period = self.graph.periods.get(name, self.graph.default_period)
                # Timers of independent components are not in step: each gets its own phase, drawn from the seed.
                phase = int(uniform(self.latency.seed, "phase", name) * period) // 1000 * 1000
                self.call_at(phase, AT_TICK, stage, self._tick, (stage, period))

    def _tick(self, argument: tuple[Stage, int]) -> None:
        stage, period = argument
        if stage.closed or stage.ended:
            return
        self.call_at(self._now + period, AT_TICK, stage, self._tick, argument)
        stage.tick(self._now)

    def run(self, until: int) -> int:
        """Process every event up to and including ``until``; return the time of the last one."""
        self._schedule_ticks()
        heap, inbox, pop = self._heap, self._inbox, heapq.heappop
        try:
            while heap and heap[0][0] <= until and self._error is None:
                self._now, _, _, _, action, argument = pop(heap)
                action(argument)
                while inbox:
                    stage, index, message = inbox.popleft()
                    stage.receive(index, message)
                if self._stop is not None and self._stop():
                    break
        finally:
            self._shutdown()
        if self._error is not None:
            raise self._error
        return self._now

    def _shutdown(self) -> None:
        self._inbox.clear()
        for stage in self.stages.values():
            stage.shutdown()
        self._inbox.clear()


def _abort(generator: Any, why: str) -> str:
    """Raise Aborted where the generator waits; returns why it stopped, with whatever it did instead of stopping."""
    try:
        generator.throw(Aborted(why))
    except (Aborted, StopIteration):
        pass
    except Exception as error:
        return f"{why}; then {described(error)} while cleaning up"
    try:
        generator.close()
    except RuntimeError:
        return f"{why}; it ignores being aborted"
    return why


class _Failure:
    """An exception on its way to the stage."""

    __slots__ = ("error",)

    def __init__(self, error: BaseException) -> None:
        self.error = error
