"""Where a graph is cut: streams that leave a process or come into it. Decides nothing about how they travel."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from pipeline.deadlines import DeadlineSpec, EndToEndDeadline
from pipeline.graph import ExecutionModel, Graph
from pipeline.messages import Envelope
from pipeline.ports import Output, Queue

Starts = tuple[tuple[str, int, int], ...]
"""End-to-end deadlines that t is under: (name, when it started, budget), in nanoseconds of the run's clock."""


class Exit(Protocol):
    """A local stream's way out. All but ``prepare`` and ``loan`` are called under the engine's lock, in order."""

    throttled: bool
    """The queue of a reader elsewhere blocks."""

    def prepare(self, value: Any) -> None:
        """``value`` is about to be committed: do what takes long, such as copying it. Called outside the lock."""

    def loan(self, shape: tuple[int, ...], dtype: Any) -> NDArray[Any]:
        """A writable array which, sent as part of a value, need not be copied. Called outside the lock."""

    def send(self, message: Envelope | int, starts: Starts) -> None:
        """A committed value, or a watermark: nothing at or before it follows."""

    def full(self) -> bool:
        """True while a reader elsewhere whose queue blocks has no room. Asked only if it is ``throttled``."""

    def close(self) -> None:
        """Nothing follows; give back what is held."""


class NoExit:
    """What an Exit may leave out."""

    throttled = False

    def prepare(self, value: Any) -> None:
        """Nothing takes long."""

    def loan(self, shape: tuple[int, ...], dtype: Any) -> NDArray[Any]:
        return np.empty(shape, dtype)

    def full(self) -> bool:
        return False

    def close(self) -> None:
        """Nothing is held."""


@dataclass(frozen=True)
class Border:
    """Which operators run here, and how their streams get out."""

    local: frozenset[str]
    exits: Mapping[str, Exit] = field(default_factory=dict)
    """``operator.port`` → exit, for each local stream that somebody elsewhere reads."""


def readers(graph: Graph, stream: str) -> set[str]:
    """The operators that need ``operator.port``: its readers, and where a budget it sets is in force."""
    names = {e.target.owner.name for e in graph.edges if str(e.source) == stream and e.target.owner is not None}
    for spec in deadlines(graph):
        if isinstance(spec.within, Output) and str(spec.within) == stream:
            names.add(spec.since.rpartition(".")[0] if spec.since is not None else spec.operator)
    return names


def crossing(graph: Graph, local: frozenset[str]) -> dict[str, bool]:
    """The streams between ``local`` and the other operators: stream → True if it goes out, False if it comes in."""
    found: dict[str, bool] = {}
    for name, operator in graph.operators.items():
        for port in operator.outputs():
            inside = {reader in local for reader in readers(graph, str(port))}
            if (name not in local) in inside:
                found[str(port)] = name in local
    return found


def deadlines(graph: Graph) -> list[DeadlineSpec]:
    """The deadlines that hold under the graph's execution model."""
    return graph.deadlines if graph.execution in (ExecutionModel.STATIC, ExecutionModel.DYNAMIC) else []


def queue_of(graph: Graph, operator: str) -> Queue | None:
    """The queue rule of an operator, None for a source."""
    inputs = graph.operators[operator].inputs()
    return graph.queues.get(f"{operator}.{inputs[0].name}", inputs[0].queue) if inputs else None


def starts_of(end_to_end: list[EndToEndDeadline], t: int) -> Starts:
    """What the message for t must tell about its deadlines."""
    found = []
    for deadline in end_to_end:
        start, within = deadline.started.get(t, (None, None))
        if start is not None and within is not None:
            found.append((deadline.spec.name, start, within))
    return tuple(found)
