"""What the processes of a run tell each other without a message: heartbeats, who answers, how far every stream is.

An anonymous shared mapping of 64-bit integers, inherited by every process; it vanishes with the last of them. Each cell
has one writer at a time and is written in one store, so that nobody ever waits for anybody.
"""

from __future__ import annotations

import mmap
import os

from pipeline.engines.processes.plan import Plan
from pipeline.timestamps import BOTTOM, FOREVER

HEARTBEAT, EPOCH, OVERDUE_AT, GREETED = range(4)
CELLS = 8


class StatusTable:
    """See the module. A row for each process, the standby's last; a cell for each stream, throttle and operator."""

    def __init__(self, fd: int, plan: Plan) -> None:
        self.fd = fd
        self._streams = (len(plan.processes) + 1) * CELLS
        self._throttles = self._streams + len(plan.streams)
        self._queues = self._throttles + len(plan.throttles())
        self._operators = {name: i for i, name in enumerate(n for p in plan.processes for n in p.operators)}
        self._count = self._queues + len(self._operators)
        self._map = mmap.mmap(fd, max(1, self._count) * 8)
        self._cells = memoryview(self._map).cast("q")

    @classmethod
    def create(cls, plan: Plan) -> StatusTable:
        """A new table. Its ``fd`` is to be inherited."""
        fd = os.memfd_create("skylane.status", os.MFD_CLOEXEC)
        cells = (len(plan.processes) + 1) * CELLS + len(plan.streams) + len(plan.throttles())
        os.ftruncate(fd, (cells + sum(len(process.operators) for process in plan.processes)) * 8)
        table = cls(fd, plan)
        for row in range(len(plan.processes) + 1):
            table.set(row, OVERDUE_AT, FOREVER)
        for cell in range(table._streams, table._queues):
            table._cells[cell] = BOTTOM
        return table

    def get(self, process: int, cell: int) -> int:
        """A process's HEARTBEAT, EPOCH, OVERDUE_AT …"""
        return self._cells[process * CELLS + cell]

    def set(self, process: int, cell: int, value: int) -> None:
        """Write a process's cell."""
        self._cells[process * CELLS + cell] = value

    def answered(self, stream: int) -> int:
        """The last timestamp that was said, or sealed, on a stream."""
        return self._cells[self._streams + stream]

    def set_answered(self, stream: int, t: int) -> None:
        """t has been said on the stream."""
        self._cells[self._streams + stream] = t

    def taken(self, throttle: int) -> int:
        """The last timestamp that a blocking reader has taken out of its queue."""
        return self._cells[self._throttles + throttle]

    def set_taken(self, throttle: int, t: int) -> None:
        """A blocking reader has room for what follows t."""
        self._cells[self._throttles + throttle] = t

    def queued(self, operator: str) -> int:
        """How many timestamps wait for their turn at an operator."""
        return self._cells[self._queues + self._operators[operator]]

    def set_queued(self, operator: str, count: int) -> None:
        """``count`` timestamps wait at the operator."""
        self._cells[self._queues + self._operators[operator]] = count

    def close(self) -> None:
        """Let go of the mapping."""
        self._cells.release()
        self._map.close()
        os.close(self.fd)
