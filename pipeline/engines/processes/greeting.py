"""Readers who come anew while messages fly: writers look for them now and then, and they wait until they are known.

A message that is sent before its writer knows a reader reaches it with the next look, and rings no bell. Who takes over
before that would overlook it, while whoever has answered so far is fenced off already.
"""

from __future__ import annotations

import time
from collections.abc import Iterable

from pipeline.engines.processes.heart import BEATS
from pipeline.engines.processes.plan import Plan
from pipeline.engines.processes.table import GREETED, StatusTable
from pipeline.engines.processes.traffic import SharedExit

PATIENCE = 6
"""Looks that fit into the longest wait; a writer that is down makes itself known to everybody when it comes back."""


class Greeter:
    """Looks for new readers of a process's streams: they get each stream's last message."""

    def __init__(self, table: StatusTable, row: int, exits: Iterable[SharedExit]) -> None:
        self._table, self._row, self._exits = table, row, list(exits)

    def look(self) -> None:
        """Once every ``BEATS`` heartbeats."""
        for way_out in self._exits:
            way_out.greet()
        self._table.set(self._row, GREETED, self._table.get(self._row, GREETED) + 1)


def await_greeting(plan: Plan, table: StatusTable, processes: Iterable[str]) -> None:
    """Wait until everybody who may write to these processes has begun and ended a look."""
    readers = set(processes)
    rows = {plan.row(stream.writer) for stream in plan.streams if readers & set(stream.readers)}
    standby = len(plan.processes)
    if any(plan.processes[row].standby for row in rows):
        rows.add(standby)
    seen = {row: table.get(row, GREETED) for row in rows}
    every_s = BEATS * plan.supervision.heartbeat / 1e9
    until = time.monotonic() + PATIENCE * every_s
    # The look under way when we came may have missed us: the second one has not.
    while any(table.get(row, GREETED) < seen[row] + 2 for row in rows) and time.monotonic() < until:
        time.sleep(every_s / 5)
