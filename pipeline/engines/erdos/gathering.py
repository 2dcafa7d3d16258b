"""What comes in any order, put in order: a stream's messages by number, the events of several nodes by time."""

from __future__ import annotations

import heapq
import threading
from collections.abc import Callable, Sequence
from typing import Any

import msgspec

from pipeline.engines.erdos.link import Batch
from pipeline.engines.processes import wire
from pipeline.events import Event, Observer, Sent
from pipeline.graph import Graph
from pipeline.timestamps import FOREVER


class InOrder:
    """Hands numbered things on in the order of their numbers."""

    def __init__(self, hand_on: Callable[[Any], None]) -> None:
        self._hand_on, self._next = hand_on, 0
        self._early: dict[int, Any] = {}
        self._guard = threading.Lock()

    def take(self, number: int, thing: Any) -> None:
        """From any thread."""
        with self._guard:
            self._early[number] = thing
            while self._next in self._early:
                self._hand_on(self._early.pop(self._next))
                self._next += 1


class Gatherer:
    """Hands events on to the observers once every node has told what happened until then.

    Values come back from the wire as what they were.
    """

    def __init__(self, graph: Graph, nodes: int, observers: Sequence[Observer]) -> None:
        self.observers = observers
        self._types = {str(port): port.type_ for each in graph.operators.values() for port in each.outputs()}
        self._progress = [-FOREVER] * nodes
        self._latest = [-FOREVER] * nodes
        self._heap: list[tuple[int, int, int, Event]] = []
        self._count = 0

    def add(self, node: int, batch: Batch) -> None:
        """What a node says happened there."""
        for event in batch.events:
            self._count += 1
            # A node's own order stands, also where an event was stamped before another that it told first.
            self._latest[node] = max(self._latest[node], event.at)
            heapq.heappush(self._heap, (self._latest[node], node, self._count, event))
        self._progress[node] = batch.progress

    def ended(self, node: int) -> None:
        """Nothing more comes from this node."""
        self._progress[node] = FOREVER

    def release(self, *, to_the_end: bool = False) -> None:
        """Hand on what nothing can come before any more."""
        until = FOREVER if to_the_end else min(self._progress)
        while self._heap and self._heap[0][0] < until:
            event = heapq.heappop(self._heap)[3]
            if type(event) is Sent:
                _, value = wire.unpack(self._types[event.stream], event.value)
                event = msgspec.structs.replace(event, value=value)
            for observer in self.observers:
                observer.on_event(event)
