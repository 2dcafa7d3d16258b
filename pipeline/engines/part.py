"""A part of a graph on the wall clock: the operators of one process, with the rest of the graph elsewhere.

Decides what enters and what leaves. How it travels is the exits' business, who runs which part the engines' above.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from numpy.typing import NDArray

from pipeline.definition import CandidateFailed
from pipeline.engines.assembly import Assembled, assemble_part
from pipeline.engines.border import Border, Exit, Starts
from pipeline.engines.stage import Stage
from pipeline.engines.threads import ThreadEngine
from pipeline.engines.work import AT_FAIL, Work
from pipeline.events import Dropped, Observer
from pipeline.graph import Graph
from pipeline.latency import LatencyModel
from pipeline.messages import Envelope
from pipeline.timestamps import BOTTOM


class PartEngine(ThreadEngine):
    """Runs the operators in ``local``; ends when all of them are closed and idle, at ``until``, or when told."""

    def __init__(
        self,
        graph: Graph,
        latency: LatencyModel,
        observers: Sequence[Observer],
        *,
        local: frozenset[str],
        exits: Mapping[str, Exit] | None = None,
        origin: int | None = None,
        stop: Callable[[], bool] | None = None,
    ) -> None:
        self.border = Border(local, exits or {})
        self.part = Assembled()
        super().__init__(graph, latency, observers, stop=stop)
        self._origin = origin or 0
        self._kept_back = [s for s in self.stages.values() if s.throttles and not s.is_source]
        """Stages that a full queue may keep from beginning."""
        self._preparing = {
            name: [self.border.exits[s.name] for s in stage.streams if s.name in self.border.exits]
            for name, stage in self.stages.items()
        }

    def _assemble(self) -> dict[str, Stage]:
        self.part = assemble_part(self.graph, self, self.border)
        return self.part.stages

    # -- from elsewhere ----------------------------------------------------------------------------------------------

    def arrive(self, stream: str, message: Envelope | int, starts: Starts = ()) -> None:
        """A message, or a watermark, on a stream whose writer is elsewhere. From any thread."""
        self._locked(self._arrive, stream, message, starts)

    def _arrive(self, stream: str, message: Envelope | int, starts: Starts) -> None:
        if not isinstance(message, int):
            for name, started, within in starts:
                deadline = self.part.end_to_end.get(name)
                if deadline is not None:
                    deadline.start_elsewhere(message.t, started, within)
            for budget in self.part.budgets.get(stream, ()):
                budget.set(message.value.within_ns)
        for reader, index in self.part.entries.get(stream, ()):
            self.deliver(reader, index, message)

    def lost(self, stream: str, t: int, count: int) -> None:
        """``count`` messages before t were overwritten before anybody here took them."""
        self._locked(self._lost, stream, t, count)

    def _lost(self, stream: str, t: int, count: int) -> None:
        for reader, index in self.part.entries.get(stream, ()):
            port = reader.operator.inputs()[index].name
            for _ in range(count):
                self.emit(Dropped(self.now(), reader.name, t, f"{reader.name}.{port}", "gap"))

    def room(self) -> None:
        """A reader elsewhere may have room again: begin what its queue kept back."""
        if self._kept_back:
            self._locked(self._room)

    def _room(self) -> None:
        for stage in self._kept_back:
            stage.pump()

    def set_origin(self, origin: int) -> None:
        """CLOCK_MONOTONIC nanoseconds at which the run's clock is 0. Before ``run``."""
        self._origin = origin

    def wake(self) -> None:
        """Look at once whether to stop."""
        self._locked(self._room)

    def resume_after(self, answered: Mapping[str, int]) -> None:
        """Take over from somebody who has answered up to ``answered`` (operator → t): nothing is said again.

        Before ``run``.
        """
        for name, t in answered.items():
            if name in self.stages and t > BOTTOM:
                self.stages[name].sealed = t
                self.joins_late = True

    # -- to elsewhere ------------------------------------------------------------------------------------------------

    def loan(self, stream: str, shape: tuple[int, ...], dtype: Any) -> NDArray[Any]:
        way_out = self.border.exits.get(stream)
        return super().loan(stream, shape, dtype) if way_out is None else way_out.loan(shape, dtype)

    def _prepare(self, work: Work, value: Any) -> None:
        exits = self._preparing[work.stage.name]
        streams = work.stage.streams
        if len(streams) == 1 and exits:
            exits[0].prepare(value)
        elif exits:
            for stream in streams:
                part = getattr(value, stream.port, None)
                if part is not None and stream.exit is not None:
                    stream.exit.prepare(part)

    # -- the end -----------------------------------------------------------------------------------------------------

    def _idle(self) -> bool:
        return all(
            stage.closed and not stage.runs and not stage.intake.ready and stage.working == 0
            for stage in self.stages.values()
        )


class FallbackEngine(PartEngine):
    """Answers for operators whose process is gone: nobody works on t, so that ``on_miss`` answers at once.

    An operator without a handler says nothing for t, and the timestamp is sealed, so that nobody waits for it.
    """

    def start(self, work: Work) -> None:
        self.call_at(self.now(), AT_FAIL, work.stage, self._refuse, work)

    def stop(self, work: Work, why: str) -> None:
        """There is nothing to stop."""

    def await_answers(self, patience_s: float) -> None:
        """Return when everything that has come is answered, or after ``patience_s``."""
        until = time.monotonic() + patience_s
        while any(stage.runs for stage in self.stages.values()) and time.monotonic() < until:
            time.sleep(0.001)

    def _refuse(self, work: Work) -> None:
        if work.alive:
            work.stage.on_failed(work, "its process is down", CandidateFailed("its process is down"))
