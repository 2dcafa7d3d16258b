"""From arrivals and watermarks to timestamps that are ready, in increasing order; every unused message with its reason.

Pure. Does not decide what happens to a ready timestamp while the operator is busy: that is the stage's queue rule.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from typing import Any, NamedTuple

from pipeline.messages import Envelope
from pipeline.ports import Input, JoinKind
from pipeline.timestamps import BOTTOM, TOP

WINDOW = 64
"""How many incomplete timestamps, or remembered messages of a sampled input, an operator holds."""

_WAIT = object()
_STALE = object()


class Joined(NamedTuple):
    """A timestamp with one message per input, in the order of declaration; None where an input has none for it."""

    t: int
    values: tuple[Envelope | None, ...]


class Drop(NamedTuple):
    """A message that no callback will see, and why."""

    port: int
    """Number of the input."""
    t: int
    reason: str


class _Sampled:
    """The remembered messages of a latest or nearest input."""

    __slots__ = ("age", "index", "kind", "messages", "required", "used")

    def __init__(self, index: int, port: Input[Any]) -> None:
        self.index, self.kind, self.required = index, port.join.kind, port.required
        self.age = port.join.within
        self.messages: deque[Envelope] = deque()
        self.used: set[int] = set()
        """Timestamps of those remembered messages that a callback has seen."""

    def pick(self, t: int, watermark: int) -> Any:
        """The message for t, None, _WAIT or _STALE."""
        before = after = None
        for message in self.messages:
            if message.t <= t:
                before = message
            else:
                after = message
                break
        if self.kind is JoinKind.LATEST:
            if before is not None and (self.age is None or t - before.t <= self.age):
                return before
            # A younger one may still arrive for t unless the stream has passed it.
            undecided = self.required and watermark < t
        else:
            assert self.age is not None
            if before is not None and t - before.t > self.age:
                before = None
            if after is not None and after.t - t > self.age:
                after = None
            best = before if after is None or (before is not None and t - before.t <= after.t - t) else after
            horizon = t + (t - before.t - 1 if before is not None else self.age)
            if best is not None and (best is after or best.t == t or watermark >= horizon):
                return best
            undecided = watermark < horizon
        if undecided:
            return _WAIT
        return _STALE if self.required else None

    def forget(self, t: int, drops: list[Drop]) -> None:
        """Drop what no later timestamp can choose: everything before the newest message at or before t."""
        while len(self.messages) > 1 and self.messages[1].t <= t:
            self._drop_first(drops)

    def add(self, message: Envelope, window: int, drops: list[Drop]) -> None:
        self.messages.append(message)
        if len(self.messages) > window:
            self._drop_first(drops)

    def close(self, drops: list[Drop]) -> None:
        """The run is over: account for what nobody used."""
        while self.messages:
            self._drop_first(drops, "closed")

    def _drop_first(self, drops: list[Drop], reason: str = "superseded") -> None:
        first = self.messages.popleft()
        if first.t in self.used:
            self.used.remove(first.t)
        else:
            drops.append(Drop(self.index, first.t, reason))


class Joiner:
    """Joins an operator's inputs. The caller passes every message and watermark in the order of arrival."""

    __slots__ = ("_complete", "_exact", "_simple", "_watermarks", "_waiting", "_sampled", "_size", "_window", "dropped")

    def __init__(self, inputs: Sequence[Input[Any]], window: int = WINDOW) -> None:
        self._size, self._window = len(inputs), window
        self._exact = [i for i, port in enumerate(inputs) if port.join.kind is JoinKind.EXACT]
        self._sampled = {i: _Sampled(i, p) for i, p in enumerate(inputs) if p.join.kind is not JoinKind.EXACT}
        self._simple = self._size == 1 and not self._sampled
        self._watermarks: list[int] = [BOTTOM] * self._size
        self._waiting: dict[int, list[Envelope | None]] = {}
        self._complete: deque[tuple[int, list[Envelope | None]]] = deque()
        self.dropped: list[Drop] = []
        """Drops since the caller last cleared the list."""

    def watermark(self) -> int:
        """Nothing at or before this will become ready any more (apart from what is waiting for a sampled input)."""
        if self._simple:
            return self._watermarks[0]
        return min([self._watermarks[i] for i in self._exact])

    @property
    def oldest(self) -> int | None:
        """The earliest timestamp that is complete but waits for a sampled input."""
        return self._complete[0][0] if self._complete else None

    def peek(self, t: int) -> tuple[Envelope | None, ...]:
        """What has arrived for t so far; () when nothing has."""
        row = self._waiting.get(t)
        if row is None:
            row = next((values for complete, values in self._complete if complete == t), None)
        if row is None:
            return ()
        # The sampled inputs of an incomplete timestamp: the newest that would serve it now.
        for index, sampled in self._sampled.items():
            found = sampled.pick(t, TOP)
            row[index] = None if found is _STALE else found
        return tuple(row)

    def on_message(self, index: int, envelope: Envelope) -> Sequence[Joined]:
        """A message arrived; it is also the watermark of its timestamp."""
        t = envelope.t
        self._watermarks[index] = t
        if self._simple:
            return (Joined(t, (envelope,)),)
        sampled = self._sampled.get(index)
        if sampled is not None:
            sampled.add(envelope, self._window, self.dropped)
            return self._release() if self._complete else ()
        row = self._waiting.get(t)
        if row is None:
            row = self._waiting[t] = [None] * self._size
        row[index] = envelope
        self._drop_incomplete(index, t)
        for i in self._exact:
            if row[i] is None:
                if self._watermarks[i] >= t:
                    self._drop_row(t, self._waiting.pop(t), "no_partner")
                while len(self._waiting) > self._window:
                    # It may be this one, if its stream is that far behind the others.
                    oldest = min(self._waiting)
                    self._drop_row(oldest, self._waiting.pop(oldest), "join_window")
                return ()
        del self._waiting[t]
        self._complete.append((t, row))
        ready = self._release()
        while len(self._complete) > self._window:
            self._drop_row(*self._complete.popleft(), "join_window")
        return ready

    def on_watermark(self, index: int, t: int) -> Sequence[Joined]:
        """Nothing at or before ``t`` will come on this input any more."""
        if t <= self._watermarks[index]:
            return ()
        self._watermarks[index] = t
        if self._simple:
            return ()
        if index not in self._sampled:
            self._drop_incomplete(index, t + 1)
        return self._release() if self._complete else ()

    def close(self) -> None:
        """The run is over: whatever still waits is accounted for."""
        for t, row in [*self._complete, *sorted(self._waiting.items())]:
            self._drop_row(t, row, "closed")
        self._complete.clear()
        self._waiting.clear()
        for sampled in self._sampled.values():
            sampled.close(self.dropped)

    def _drop_incomplete(self, index: int, before: int) -> None:
        """Timestamps below ``before`` that lack this input can never be complete."""
        if len(self._waiting) <= 1 and before in self._waiting:
            return
        for t in sorted(t for t, row in self._waiting.items() if t < before and row[index] is None):
            self._drop_row(t, self._waiting.pop(t), "no_partner")

    def _drop_row(self, t: int, row: Sequence[Envelope | None], reason: str) -> None:
        self.dropped.extend(Drop(i, t, reason) for i in self._exact if row[i] is not None)

    def _release(self) -> Sequence[Joined]:
        ready: list[Joined] = []
        while self._complete:
            t, row = self._complete[0]
            verdict = self._fill(t, row)
            if verdict is _WAIT:
                break
            self._complete.popleft()
            if verdict is _STALE:
                self._drop_row(t, row, "stale")
            else:
                ready.append(Joined(t, tuple(row)))
            for sampled in self._sampled.values():
                sampled.forget(t, self.dropped)
        return ready

    def _fill(self, t: int, row: list[Envelope | None]) -> Any:
        picked: list[tuple[_Sampled, Envelope]] = []
        for index, sampled in self._sampled.items():
            found = sampled.pick(t, self._watermarks[index])
            if found is _WAIT or found is _STALE:
                return found
            row[index] = found
            if found is not None:
                picked.append((sampled, found))
        for sampled, found in picked:
            sampled.used.add(found.t)
        return None
