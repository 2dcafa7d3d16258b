"""The same graph on the ERDOS 0.4 runtime (CPython 3.10), with deadlines, which ERDOS's Python API lacks."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pipeline.engines.erdos.engine import ErdosEngine
    from pipeline.events import Observer
    from pipeline.execution import WallClock
    from pipeline.graph import Graph
    from pipeline.recipe import Recipe


@dataclass(frozen=True)
class OnErdos:
    """A graph that ERDOS runs, an operator per process; those in ``together`` share one."""

    recipe: Recipe
    together: frozenset[str] = frozenset()

    def homes(self, graph: Graph) -> dict[str, str]:
        """Operator → its process."""
        return {name: min(self.together) if name in self.together else name for name in graph.operators}

    def engine(
        self, graph: Graph, clock: WallClock, observers: Sequence[Observer], stop: Callable[[], bool] | None
    ) -> ErdosEngine:
        """The engine that runs it. Raises MissingExtra where ERDOS is not."""
        from pipeline.engines.erdos.engine import ErdosEngine
        from pipeline.latency import LatencyModel

        latency = clock.expected or LatencyModel(clock.seed)
        return ErdosEngine(self.recipe, graph, latency, observers, together=self.together, stop=stop)
