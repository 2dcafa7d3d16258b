"""An observer that checks, event by event, what must hold in every run of every graph on every engine."""

from __future__ import annotations

from collections import Counter, defaultdict

from msgspec.structs import replace

from pipeline.events import (
    Armed,
    Dropped,
    Event,
    Finished,
    Handled,
    Late,
    Missed,
    RolledBack,
    Sealed,
    Sent,
    Started,
    Yielded,
)


class Checker:
    """Fails at the first event that breaks a rule. ``finish`` checks what can only be known at the end."""

    def __init__(self, *, exact_time: bool = True, handler_budget: int = 5_000_000, scale: int = 1) -> None:
        self.exact_time, self.handler_budget, self.scale = exact_time, handler_budget, scale
        self.events: list[Event] = []
        self.now = 0
        self.sealed: dict[str, tuple[int, int, set[str]]] = {}
        """operator → (last sealed t, when, streams it was sent on)."""
        self.seals: Counter[tuple[str, int]] = Counter()
        self.handled: Counter[tuple[str, int]] = Counter()
        self.missed: dict[tuple[str, int], Missed] = {}
        self.armed: dict[tuple[str, int], Armed] = {}
        self.started: dict[tuple[str, int, str], Started] = {}
        self.finished: set[tuple[str, int, str]] = set()
        self.dropped: defaultdict[str, Counter[int]] = defaultdict(Counter)

    def on_event(self, event: Event) -> None:
        if self.scale != 1:
            times = {name for name in ("t", "at", "expires", "committed", "late_by") if hasattr(event, name)}
            event = replace(event, **{name: getattr(event, name) // self.scale for name in times})
        self.events.append(event)
        assert event.at >= self.now or not self.exact_time, f"time runs backwards: {event}"
        self.now = event.at
        key = (event.operator, event.t)
        if isinstance(event, (Sent, Sealed)):
            self._seal(event)
        elif isinstance(event, Armed):
            assert key not in self.armed or event.expires <= self.armed[key].expires, f"armed again, later: {event}"
            self.armed[key] = event
        elif isinstance(event, Missed):
            assert key not in self.missed, f"missed twice: {event}"
            assert not self.seals[key], f"missed after the seal: {event}"
            self.missed[key] = event
        elif isinstance(event, Handled):
            self._handle(event)
        elif isinstance(event, Started):
            candidate = (*key, event.candidate)
            assert candidate not in self.started, f"started twice: {event}"
            # A local candidate may begin beside a remote one that has answered in the same instant.
            same_instant = self.sealed.get(event.operator, (-1, -1, set()))[:2] == (event.t, event.at)
            assert not self.seals[key] or same_instant or not self.exact_time, f"started after the seal: {event}"
            self.started[candidate] = event
        elif isinstance(event, Finished):
            candidate = (*key, event.candidate)
            assert candidate in self.started, f"finished what never started: {event}"
            assert candidate not in self.finished, f"finished twice: {event}"
            self.finished.add(candidate)
        elif isinstance(event, Late):
            assert event.late_by >= 0, event
        elif isinstance(event, Yielded):
            assert (*key, event.candidate) in self.started, event
        elif isinstance(event, Dropped):
            assert event.reason, "a drop without a reason"
            self.dropped[event.stream][event.t] += 1
            assert self.dropped[event.stream][event.t] == 1, f"counted twice: {event}"
        elif isinstance(event, RolledBack):
            assert event.committed < event.t, f"rolled back to what was not committed: {event}"

    def _seal(self, event: Sent | Sealed) -> None:
        last, when, streams = self.sealed.get(event.operator, (-1, -1, set()))
        stream = event.stream if isinstance(event, Sent) else ""
        if event.t == last and isinstance(event, Sent) and stream not in streams and "" not in streams:
            assert event.at == when, f"the outputs of one commit at different times: {event}"
            streams.add(stream)
            return
        assert event.t > last, f"sealed t={last}, then {event}"
        self.sealed[event.operator] = (event.t, event.at, {stream})
        self.seals[event.operator, event.t] += 1
        armed = self.armed.get((event.operator, event.t))
        missed = self.missed.get((event.operator, event.t))
        if isinstance(event, Sent):
            assert event.value is not None
            assert event.winner
            if event.quality == "fallback":
                assert missed is not None, f"a fallback without a miss: {event}"
            if event.quality == "final":
                assert missed is None, f"final after a miss: {event}"
        if armed is not None and self.exact_time:
            assert event.at <= max(armed.expires, armed.at) + self.handler_budget, f"too late by all rules: {event}"

    def _handle(self, event: Handled) -> None:
        key = (event.operator, event.t)
        self.handled[key] += 1
        assert self.handled[key] == 1, f"handled twice: {event}"
        assert key in self.missed, f"handled without a miss: {event}"
        if self.exact_time:
            assert event.at - self.missed[key].at <= self.handler_budget, f"the handler took too long: {event}"

    def finish(self) -> None:
        """Everything that was started has come to an end, and whatever was armed or missed was sealed."""
        # On the wall clock a run may end before a stopped callback has really come back.
        at_work = set(self.started) - self.finished
        assert not at_work or not self.exact_time, f"still at work: {at_work}"
        for key in [*self.armed, *self.missed]:
            operator, t = key
            assert self.seals[key] == 1 or self.sealed[operator][0] > t, f"never sealed: {key}"

    def account(self, reader: str, port: str, sent: list[int]) -> None:
        """Every message that ``reader`` was sent on an exact input was begun with, or dropped with a reason."""
        for t in sent:
            used = (reader, t, "local") in self.started
            dropped = self.dropped[f"{reader}.{port}"][t]
            assert used or dropped, f"{reader}.{port} t={t} is lost"
