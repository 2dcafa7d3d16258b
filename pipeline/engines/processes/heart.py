"""What a process tells its supervisor without a message: that it is alive, and until when its handlers are due."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

from pipeline.engines import realtime
from pipeline.engines.processes.table import HEARTBEAT, StatusTable


class Heart:
    """Writes the time into the status table every ``every`` nanoseconds, as long as this process runs Python."""

    def __init__(self, table: StatusTable, row: int, every: int, then: Callable[[], None]) -> None:
        self._table, self._row, self._every_s, self._then = table, row, every / 1e9, then
        self._over = threading.Event()
        self.thread = threading.Thread(target=self._loop, name="skylane.heart", daemon=True)

    def start(self) -> None:
        """The first beat is there when this returns."""
        self._table.set(self._row, HEARTBEAT, time.monotonic_ns())
        self.thread.start()

    def stop(self) -> None:
        """No more beats."""
        self._over.set()
        self.thread.join()

    def _loop(self) -> None:
        # One that is alive must not look dead because others keep the cores busy.
        realtime.urgency_here().settle("handlers")
        while not self._over.wait(self._every_s):
            self._table.set(self._row, HEARTBEAT, time.monotonic_ns())
            self._then()
