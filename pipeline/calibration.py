"""Measures how long each operator's named work takes here. An adapter: it reads the machine's clock.

Times the callbacks from the outside, so that the same operators run as in any other run.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

import numpy as np

from pipeline.definition import Operator
from pipeline.graph import Graph
from pipeline.latency import Distribution
from pipeline.timestamps import Duration

SKIPPED = 3
"""First samples of each work that do not count: they pay for caches."""


class Stopwatch:
    """Times every callback of a graph's operators, by operator and by the name that ``ctx.work`` gave."""

    def __init__(self, graph: Graph) -> None:
        self._samples: dict[tuple[str, str], list[int]] = {}
        for name, operator in graph.operators.items():
            if not operator.device:
                self._attach(name, operator)
        for name, specs in graph.candidates.items():
            for spec in specs:
                if not spec.remote:
                    self._attach(name, spec.operator)

    def _attach(self, name: str, operator: Operator) -> None:
        original = operator.on_watermark

        def timed(ctx: Any) -> Any:
            began = time.perf_counter_ns()
            answer = original(ctx)
            if isinstance(answer, Iterator):
                return self._timed_steps(name, ctx, answer)
            self._note(name, ctx, began)
            return answer

        operator.on_watermark = timed  # type: ignore[method-assign]

    def _timed_steps(self, name: str, ctx: Any, steps: Iterator[Any]) -> Iterator[Any]:
        try:
            while True:
                began = time.perf_counter_ns()
                try:
                    value = next(steps)
                except StopIteration:
                    return
                self._note(name, ctx, began)
                yield value
        finally:
            close = getattr(steps, "close", None)
            if close is not None:
                close()

    def _note(self, name: str, ctx: Any, began: int) -> None:
        self._samples.setdefault((name, getattr(ctx, "label", "")), []).append(time.perf_counter_ns() - began)

    def table(self) -> dict[str, dict[str, Distribution]]:
        """Operator → work → median and 99th percentile, in whole microseconds; works seen too rarely are left out."""
        found: dict[str, dict[str, Distribution]] = {}
        for (name, work), samples in sorted(self._samples.items()):
            counted = samples[SKIPPED:]
            if counted:
                p50, p99 = (Duration(round(float(np.quantile(counted, q)) / 1000) * 1000) for q in (0.5, 0.99))
                found.setdefault(name, {})[work] = Distribution(p50, p99)
        return found

    def counts(self) -> dict[str, dict[str, int]]:
        """Operator → work → samples."""
        found: dict[str, dict[str, int]] = {}
        for (name, work), samples in sorted(self._samples.items()):
            found.setdefault(name, {})[work] = max(0, len(samples) - SKIPPED)
        return found
