"""Events of several processes in one order. They come on different ways, so each is held back for a moment."""

from __future__ import annotations

import heapq
import threading
from collections.abc import Sequence

from pipeline.events import Event, Observer
from pipeline.timestamps import FOREVER

HELD_NS = 100_000_000


class Merger:
    """Hands events to the observers in the order of their times, ``HELD_NS`` after they happened."""

    def __init__(self, observers: Sequence[Observer]) -> None:
        self.observers = observers
        self._heap: list[tuple[int, int, Event]] = []
        self._sequence = 0
        self._guard = threading.Lock()

    def add(self, events: Sequence[Event]) -> None:
        """From any thread."""
        with self._guard:
            for event in events:
                self._sequence += 1
                heapq.heappush(self._heap, (event.at, self._sequence, event))

    def release(self, now: int = FOREVER) -> None:
        """Hand over what happened long enough before ``now``. From one thread."""
        while True:
            with self._guard:
                if not self._heap or self._heap[0][0] > now - HELD_NS:
                    return
                event = heapq.heappop(self._heap)[2]
            for observer in self.observers:
                observer.on_event(event)
