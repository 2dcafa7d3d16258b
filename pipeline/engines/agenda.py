"""What is to happen when, on the wall clock: ticks, deadlines, budgets of handlers."""

from __future__ import annotations

import heapq
from collections.abc import Callable
from typing import Any

from pipeline.engines.work import Awaited
from pipeline.timestamps import FOREVER


class Agenda:
    """In the order of the times, at equal times by ``order``, then by stage, then first come."""

    def __init__(self) -> None:
        self._heap: list[tuple[int, int, int, int, Callable[[Any], None], Any]] = []
        self._sequence = 0

    def add(self, at: int, order: int, stage: int, action: Callable[[Any], None], argument: Any) -> None:
        """``action(argument)`` at time ``at``; left out if ``argument`` is something awaited that is over by then."""
        self._sequence += 1
        heapq.heappush(self._heap, (at, order, stage, self._sequence, action, argument))

    def due(self, now: int) -> tuple[Callable[[Any], None], Any] | None:
        """Take out the first entry whose time has come."""
        if self.next() > now:
            return None
        *_, action, argument = heapq.heappop(self._heap)
        return action, argument

    def next(self) -> int:
        """When somebody must wake up; FOREVER if there is nothing to do."""
        heap = self._heap
        while heap:
            awaited = heap[0][5]
            if not isinstance(awaited, Awaited) or not awaited.over:
                return heap[0][0]
            heapq.heappop(heap)
        return FOREVER
