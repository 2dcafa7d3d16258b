"""Where whoever answers for a process must go on."""

from __future__ import annotations

from collections.abc import Iterable

from pipeline.engines.processes.connect import Connected


def answered(connected: Connected, operators: Iterable[str]) -> dict[str, int]:
    """Operator → the last timestamp that was said, or sealed, on all its streams that leave the process."""
    names = set(operators)
    found: dict[str, int] = {}
    for cell, stream in enumerate(connected.plan.streams):
        name = stream.name.rpartition(".")[0]
        if name in names:
            t = connected.table.answered(cell)
            found[name] = min(found.get(name, t), t)
    return found
