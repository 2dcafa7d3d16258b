"""How the operators and processes of a run are doing: from its events and status updates to a report per period.

Counts, names and judges, in bounded memory. Reads no clock, asks no process, and changes nothing in the run.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Protocol, runtime_checkable

from pipeline import events as ev
from pipeline.events import Event
from pipeline.graph import LOCAL
from pipeline.messages import Message, Quality
from pipeline.timestamps import ms, seconds

PERIOD = ms(500)
"""Between two reports."""
RECENT = 256
"""Callbacks and answers over which latency and period are taken."""
HUNG_AFTER = ms(400)
"""A callback that takes longer, and much longer than those before it, hangs. With ``PERIOD`` less than a second."""
HUNG_TIMES = 5
FIRST_HUNG_AFTER = seconds(5)
"""The same for an operator's first callback, which may load and compile."""
QUIET = seconds(1)
"""Who has lost nothing, or answered without a further fault, for this long is well again."""
REASONS_MAX = 32
"""Kinds of drops that are counted apart for one operator."""
OTHER = "other"

STARTING, HEALTHY, SUSPECT, DOWN = "starting", "healthy", "suspect", "down"
STANDBY, RESTARTING, GIVEN_UP = "standby", "restarting", "given_up"
ALIVE = (STARTING, "ready", HEALTHY, SUSPECT)
FATAL = dict.fromkeys(("killed", "crashed", "hung", "stopped", "memory", "host_gone"), DOWN) | {"crash_loop": GIVEN_UP}
"""Faults of a process and the state they leave it in until its supervisor says otherwise."""
WHOLE_RUN = "main"
"""The process of a run that is only one."""


class ProcessStatus(Message, frozen=True, kw_only=True):
    """What its supervisor knows about a process."""

    process: str
    pid: int = 0
    state: str = HEALTHY
    """starting | ready | healthy | suspect | down | standby | restarting | given_up | finished"""
    rss_bytes: int = 0
    heartbeat_age_ns: int = 0
    restarts: int = 0
    fault: str = ""
    """The kind of what is wrong with it now."""
    at: int = 0
    queued: Mapping[str, int] = {}
    """Operator → timestamps that are joined and wait for their turn."""


class Health(Message, frozen=True, kw_only=True):
    """One operator at the time of a report. What was never seen is 0 or None; counts are since the run began."""

    name: str
    process: str
    alive: bool
    state: str
    period_ns: int = 0
    """Mean time between the recent answers."""
    latency_ms_p50: float | None = None
    latency_ms_p99: float | None = None
    latency_ms_max: float | None = None
    """Of its own recent callbacks, stopped ones included."""
    answers: int = 0
    misses: int = 0
    handled: int = 0
    """Times that its deadline handler answered."""
    faults: int = 0
    dropped: int = 0
    queued: int = 0
    rss_bytes: int = 0
    """Of its process."""
    restarts: int = 0
    """Of its process."""
    fault: str = ""
    """The kind of its last fault, or of its process's."""
    fault_reason: str = ""
    fault_at: int = 0
    drops: dict[str, int] = {}


class HealthReport(Message, frozen=True, kw_only=True):
    """Everybody's health at a time of the run's clock."""

    at: int
    operators: tuple[Health, ...] = ()
    processes: tuple[ProcessStatus, ...] = ()


@runtime_checkable
class HealthFollower(Protocol):
    """An observer that also wants the reports. Called like ``on_event``, between two events."""

    def on_health(self, report: HealthReport) -> None:
        """A period is over."""


class Recent:
    """The last values of a series and their quantiles. Constant memory; O(1) to add."""

    def __init__(self, size: int = RECENT) -> None:
        self._size, self._values, self._next = size, [0] * 0, 0

    def add(self, value: int) -> None:
        """The newest value replaces the oldest."""
        if len(self._values) < self._size:
            self._values.append(value)
            return
        self._values[self._next] = value
        self._next = (self._next + 1) % self._size

    def quantiles(self, *percents: int) -> tuple[int, ...]:
        """For each the smallest value that ``percent`` of the values do not exceed; nothing for no values."""
        ordered = sorted(self._values)
        return tuple(ordered[-(-percent * (len(ordered) - 1) // 100)] for percent in percents) if ordered else ()

    def mean_step(self) -> int:
        """Mean difference of neighbours in an ascending series; 0 before the second value."""
        values = self._values
        if len(values) < 2:
            return 0
        newest = values[self._next - 1] if len(values) == self._size else values[-1]
        return (newest - values[self._next]) // (len(values) - 1)


class _Row:
    """What was seen of one operator."""

    __slots__ = (
        "answered",
        "answered_at",
        "answers",
        "at",
        "behind_since",
        "drops",
        "ended_at",
        "failing",
        "fault",
        "faults",
        "handled",
        "hung_since",
        "latencies",
        "lost_at",
        "missing",
        "misses",
        "process",
        "seen",
        "working",
    )

    def __init__(self, process: str) -> None:
        self.process = process
        self.latencies, self.at = Recent(), Recent()
        self.answers = self.misses = self.handled = self.faults = 0
        self.drops: dict[str, int] = {}
        self.answered = -1
        self.answered_at = 0
        """When it last answered by itself."""
        self.seen = self.missing = self.failing = False
        """``missing``: its last timestamp was missed; ``failing``: its last fault is not over."""
        self.fault: ev.Fault | None = None
        self.working: tuple[int, int] | None = None
        """(t, since) of the callback under way."""
        self.hung_since: int | None = None
        self.ended_at = 0
        """When its last callback ended."""
        self.behind_since: int | None = None
        """Since when messages are lost because it does not take them in time."""
        self.lost_at = 0

    def answer(self, event: ev.Sent | ev.Sealed) -> None:
        if event.t != self.answered:  # several outputs of one answer are one answer
            self.answered = event.t
            self.answers += 1
            self.at.add(event.at)
        if event.quality in (Quality.FINAL, Quality.PARTIAL):
            self.missing, self.answered_at = False, event.at

    def drop(self, reason: str) -> None:
        if reason not in self.drops and len(self.drops) >= REASONS_MAX:
            reason = OTHER
        self.drops[reason] = self.drops.get(reason, 0) + 1

    def hangs(self, now: int) -> int | None:
        """Since when the callback under way should have been over; None if it may go on."""
        if self.working is None:
            return None
        longest = self.latencies.quantiles(100)
        allowed = max(HUNG_AFTER, HUNG_TIMES * longest[0]) if longest else FIRST_HUNG_AFTER
        return self.working[1] if now - self.working[1] > allowed else None


class HealthMonitor:
    """An observer that answers, at any time, how everybody is. ``operators``: name → process, empty for only one."""

    def __init__(self, operators: Mapping[str, str] | None = None) -> None:
        self._rows = {name: _Row(process) for name, process in (operators or {}).items()}
        self._processes: dict[str, ProcessStatus] = {}
        self._faults: dict[str, ev.Fault] = {}
        """Process → what is wrong with it."""
        self._named: list[Event] = []
        self._notes: dict[type, Callable[[Any], None]] = {
            ev.Sent: self._answered,
            ev.Sealed: self._answered,
            ev.Started: self._started,
            ev.Finished: self._finished,
            ev.Missed: self._missed,
            ev.Handled: self._handled,
            ev.Dropped: self._dropped,
            ev.Fault: self._fault,
            ev.Recovered: self._recovered,
        }

    def on_event(self, event: Event) -> None:
        """Take one event into account."""
        note = self._notes.get(type(event))
        if note is not None:
            note(event)

    def on_process(self, status: ProcessStatus) -> None:
        """A supervisor's newest word on a process."""
        self._processes[status.process] = status

    def named(self, now: int) -> list[Event]:
        """Faults and recoveries that follow from the events and that nobody else names, since the last call."""
        for name, row in self._rows.items():
            self._watch_callback(name, row, now)
            if row.behind_since is not None and now - row.lost_at > QUIET:
                after = row.lost_at - row.behind_since
                self._named.append(ev.Recovered(now, name, 0, row.process, after, "it keeps up again"))
                row.behind_since = None
            if row.failing and row.fault is not None and row.answered_at - row.fault.at > QUIET:
                after = row.answered_at - row.fault.at
                self._named.append(ev.Recovered(now, name, 0, row.fault.process, after, "answers again"))
                row.failing = False
        found, self._named = self._named, []
        return found

    def report(self, now: int) -> HealthReport:
        """How everybody is at ``now``."""
        return HealthReport(
            at=now,
            operators=tuple(self._health(name, row) for name, row in self._rows.items()),
            processes=tuple(self._processes.values()),
        )

    # -- what happens ------------------------------------------------------------------------------------------------

    def _row(self, name: str) -> _Row:
        row = self._rows.get(name)
        if row is None:
            row = self._rows[name] = _Row("")
        row.seen = True
        return row

    def _answered(self, event: ev.Sent | ev.Sealed) -> None:
        self._row(event.operator).answer(event)

    def _started(self, event: ev.Started) -> None:
        if event.candidate == LOCAL:
            self._row(event.operator).working = (event.t, event.at)

    def _finished(self, event: ev.Finished) -> None:
        if event.candidate == LOCAL:
            row = self._row(event.operator)
            row.latencies.add(event.at - event.started)
            if row.working is not None and row.working[0] == event.t:
                row.working, row.ended_at = None, event.at

    def _missed(self, event: ev.Missed) -> None:
        row = self._row(event.operator)
        row.misses += 1
        row.missing = True

    def _handled(self, event: ev.Handled) -> None:
        self._row(event.operator).handled += event.outcome == "answered"

    def _dropped(self, event: ev.Dropped) -> None:
        row = self._row(event.operator)
        row.drop(event.reason)
        if event.reason != "gap":
            return
        row.lost_at = event.at
        if row.behind_since is None:
            row.behind_since = event.at
            why = f"messages on {event.stream} were overwritten before it took them"
            self._named.append(ev.Fault(event.at, event.operator, event.t, row.process, "slow_reader", why))

    def _fault(self, event: ev.Fault) -> None:
        if not event.operator:
            if event.kind != "note":
                self._faults[event.process] = event
            return
        row = self._row(event.operator)
        row.faults += 1
        row.fault, row.failing = event, True

    def _recovered(self, event: ev.Recovered) -> None:
        if event.operator:
            self._row(event.operator).failing = False
            return
        self._faults.pop(event.process, None)
        for row in self._rows.values():
            if row.process == event.process:
                row.working, row.hung_since = None, None  # its process began anew

    def _watch_callback(self, name: str, row: _Row, now: int) -> None:
        if row.process:
            return  # its supervisor watches it
        since = row.hangs(now)
        if row.hung_since is not None and since != row.hung_since:
            after = max(0, row.ended_at - row.hung_since)
            self._named.append(ev.Recovered(now, name, 0, row.process, after, "its callback has ended"))
            row.hung_since = None
        if since is not None and row.hung_since is None:
            row.hung_since = since
            assert row.working is not None
            why = f"its callback has been running for {(now - since) / 1e6:.0f} ms"
            self._named.append(ev.Fault(now, name, row.working[0], row.process, "hung", why))

    # -- judging -----------------------------------------------------------------------------------------------------

    def _health(self, name: str, row: _Row) -> Health:
        status = self._processes.get(row.process or WHOLE_RUN)
        trouble = self._faults.get(row.process)
        state = self._state(row, status, trouble)
        fault = max((f for f in (row.fault, trouble) if f is not None), key=lambda f: f.at, default=None)
        p50, p99, longest = row.latencies.quantiles(50, 99, 100) or (None, None, None)
        return Health(
            name=name,
            process=row.process,
            alive=state in ALIVE,
            state=state,
            period_ns=row.at.mean_step(),
            latency_ms_p50=_milliseconds(p50),
            latency_ms_p99=_milliseconds(p99),
            latency_ms_max=_milliseconds(longest),
            answers=row.answers,
            misses=row.misses,
            handled=row.handled,
            faults=row.faults,
            dropped=sum(row.drops.values()),
            queued=status.queued.get(name, 0) if status is not None else 0,
            rss_bytes=status.rss_bytes if status is not None else 0,
            restarts=status.restarts if status is not None else 0,
            fault=fault.kind if fault is not None else "",
            fault_reason=fault.reason if fault is not None else "",
            fault_at=fault.at if fault is not None else 0,
            drops=dict(row.drops),
        )

    def _state(self, row: _Row, status: ProcessStatus | None, trouble: ev.Fault | None) -> str:
        if status is not None and status.state != HEALTHY:
            return status.state
        if trouble is not None and trouble.kind in FATAL:
            return FATAL[trouble.kind]
        if not row.seen:
            return STARTING
        doubtful = row.missing or row.failing or row.hung_since is not None or row.behind_since is not None
        return SUSPECT if doubtful or trouble is not None else HEALTHY


def _milliseconds(nanoseconds: int | None) -> float | None:
    return None if nanoseconds is None else nanoseconds / 1e6
