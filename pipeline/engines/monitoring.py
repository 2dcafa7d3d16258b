"""Watches a run on the wall clock while it goes on: a report of everybody's health per period, and faults by name.

Stands between the engine and the run's other observers. Reads the machine's clocks; judges nothing itself.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any

import msgspec

from pipeline.engines.clock_watch import clock_check, read_clocks
from pipeline.events import Event, Fault, Observer, Recovered
from pipeline.health import PERIOD, WHOLE_RUN, HealthFollower, HealthMonitor, ProcessStatus
from pipeline.timestamps import ms

STALL_NS = 2_000_000_000
"""Reports that come this much too late mean that the whole run stood still."""
STEP = ms(100)
"""A time service that corrects a clock by less between two looks is no fault."""
PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")


class Watch:
    """An observer that hands everything on to ``followers``, one at a time, and their health reports between.

    ``processes``: operator → its process; empty when the run is one process. Use it as a context: its thread ends
    with it. What a follower raises on that thread is raised by the next event.
    """

    def __init__(self, followers: Sequence[Observer], processes: Mapping[str, str], *, period_ns: int = PERIOD) -> None:
        self.monitor = HealthMonitor(processes)
        self._followers = list(followers)
        self._reported = [follower for follower in followers if isinstance(follower, HealthFollower)]
        self._asked = [each.on_process for each in followers if hasattr(each, "on_process")]
        self._processes, self._period_ns = processes, period_ns
        self._alone = not any(processes.values())
        self._guard = threading.Lock()
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._loop, name="skylane.health", daemon=True)
        self._stages: Mapping[str, Any] = {}
        self._origin: int | None = None
        self._looked_at, self._clocks = time.monotonic_ns(), read_clocks()
        self._error: Exception | None = None

    # -- the run's side ----------------------------------------------------------------------------------------------

    def on_event(self, event: Event) -> None:
        """Hand one event on."""
        with self._guard:
            self._raise()
            # An event is told a little after it happened: the earliest of these guesses is the best one.
            origin = time.monotonic_ns() - event.at
            self._origin = origin if self._origin is None else min(self._origin, origin)
            self._tell(event)

    def on_process(self, status: ProcessStatus) -> None:
        """A supervisor's word on one of its processes."""
        with self._guard:
            self._take(status)

    def on_engine(self, engine: Any) -> None:
        """The engine that will run: its queues can be looked into."""
        self._stages = getattr(engine, "stages", {})

    def __enter__(self) -> Watch:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._over.set()
        self._thread.join()
        if error is None:
            self._look()
            self._raise()

    # -- reporting ---------------------------------------------------------------------------------------------------

    def _loop(self) -> None:
        while not self._over.wait(self._period_ns / 1e9):
            self._look()

    def _look(self) -> None:
        with self._guard:
            if self._origin is None or self._error is not None:
                self._looked_at, self._clocks = time.monotonic_ns(), read_clocks()
                return
            try:
                self._report(time.monotonic_ns() - self._origin)
            except Exception as error:  # a full disk must end the run with its reason
                self._error = error

    def _report(self, now: int) -> None:
        self._look_at_clocks(now)
        if self._alone:
            queued = {name: len(stage.intake.ready) for name, stage in self._stages.items()}
            status = ProcessStatus(process=WHOLE_RUN, pid=os.getpid(), rss_bytes=_rss_bytes(), at=now, queued=queued)
            self._take(status)
        for event in self.monitor.named(now):
            self._tell(event)
        if self._reported:
            report = self.monitor.report(now)
            for follower in self._reported:
                follower.on_health(report)

    def _look_at_clocks(self, now: int) -> None:
        looked_at, self._looked_at = self._looked_at, time.monotonic_ns()
        stood_still = self._looked_at - looked_at - self._period_ns
        if stood_still > STALL_NS:
            self._passing(now, "stopped", f"the run stood still for {stood_still / 1e9:.1f} s", stood_still)
        before, self._clocks = self._clocks, read_clocks()
        for finding in clock_check(before, self._clocks, STEP):
            self._passing(now, "clock_step", f"{finding}; the run's clock was not", 0)

    def _passing(self, now: int, kind: str, reason: str, after: int) -> None:
        """A fault that was over before it could be named."""
        self._tell(Fault(now, "", 0, "" if self._alone else WHOLE_RUN, kind, reason))
        self._tell(Recovered(now, "", 0, "" if self._alone else WHOLE_RUN, after))

    def _take(self, status: ProcessStatus) -> None:
        self.monitor.on_process(status)
        for tell in self._asked:
            tell(status)

    def _tell(self, event: Event) -> None:
        if isinstance(event, (Fault, Recovered)) and event.operator and not event.process:
            process = self._processes.get(event.operator, "")
            event = msgspec.structs.replace(event, process=process) if process else event
        self.monitor.on_event(event)
        for follower in self._followers:
            follower.on_event(event)

    def _raise(self) -> None:
        error, self._error = self._error, None
        if error is not None:
            raise error


def _rss_bytes() -> int:
    """Resident memory of this process."""
    return int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1]) * PAGE_BYTES
