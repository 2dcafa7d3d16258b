"""What a process tells its supervisor without a message: that it is alive, and until when its handlers are due."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

from pipeline.engines import realtime
from pipeline.engines.alarm import Alarm
from pipeline.engines.processes.table import HEARTBEAT, StatusTable

BEATS = 5
"""From one round of chores to the next."""


class Heart:
    """Writes the time into the status table every ``every`` nanoseconds, as long as this process runs Python.

    A beat is all that such a process wakes up for while nothing comes, so it does little; ``chores``, what needs no
    hurry, is called every ``BEATS``.
    """

    def __init__(self, table: StatusTable, row: int, every: int, chores: Callable[[], None]) -> None:
        self._table, self._row, self._every, self._chores = table, row, every, chores
        self._over = False
        self._alarm = Alarm()
        self._crowd = realtime.Crowd()
        self.thread = threading.Thread(target=self._loop, name="skylane.heart", daemon=True)

    def start(self) -> None:
        """The first beat is there when this returns."""
        self._table.set(self._row, HEARTBEAT, time.monotonic_ns())
        self.thread.start()

    def stop(self) -> None:
        """No more beats."""
        self._over = True
        self._alarm.set(0)
        self.thread.join()
        self._alarm.close()

    def _loop(self) -> None:
        # One that is alive must not look dead because others keep the cores busy.
        realtime.urgency_here().settle("handlers")
        due, beats = time.monotonic_ns(), 0
        while True:
            due += self._every
            self._alarm.set(due)
            self._alarm.wait()
            if self._over:
                return
            now = time.monotonic_ns()
            self._table.set(self._row, HEARTBEAT, now)
            self._crowd.late(now - due)
            due = max(due, now - self._every)
            beats += 1
            if beats % BEATS == 0:
                self._chores()
