"""What is measured of a hop, whoever carries it: its parameters, its samples, and the figures they come to."""

from __future__ import annotations

from typing import Any

import msgspec
import numpy as np


class Hop(msgspec.Struct, frozen=True):
    """One source, some readers, messages of one size; all but the newest ``count`` messages are warm-up."""

    size: int
    """Bytes."""
    readers: int = 1
    hz: float = 30.0
    """0: as fast as it goes."""
    count: int = 60
    warm_up: int = 10

    @property
    def limit_s(self) -> float:
        """A measurement that takes longer than this has failed."""
        return 30.0 + 4 * (self.count + self.warm_up) / (self.hz or 30.0)


class Measured(msgspec.Struct):
    """The samples of one measurement."""

    delays: list[list[tuple[int, int]]]
    """By reader: (message number, nanoseconds from the message being ready to the callback)."""
    cpu_ns: int
    """Processor time of all processes over the counted messages, without filling them."""
    arrivals: list[tuple[int, int]] = []
    """By reader: when the first and the last counted message came (CLOCK_MONOTONIC, ns)."""
    spoilt: int = 0
    """Messages with another content than was sent."""
    missed: int = 0
    """Deadlines missed; ours only."""
    version: str = ""
    python: str = ""

    def last_reader_ms(self) -> list[float]:
        """Per message that all readers got: milliseconds until the last of them had it."""
        if not self.delays:
            return []
        by_reader = [dict(delays) for delays in self.delays]
        everybody = set(by_reader[0]).intersection(*by_reader[1:])
        return [max(each[number] for each in by_reader) / 1e6 for number in sorted(everybody)]

    def lost(self, hop: Hop) -> int:
        """Messages that some reader did not get."""
        return hop.count - len(self.last_reader_ms())

    def per_s(self) -> float:
        """Messages a second at the slowest reader; NaN below two messages."""
        rates = [
            (len(delays) - 1) / (last - first) * 1e9
            for delays, (first, last) in zip(self.delays, self.arrivals, strict=True)
            if len(delays) > 1 and last > first
        ]
        return min(rates) if rates else float("nan")

    def cpu_ms(self) -> float:
        """Processor time per message, in all processes together."""
        got = max((len(delays) for delays in self.delays), default=0)
        return self.cpu_ns / 1e6 / got if got else float("nan")


def figures(hop: Hop, rounds: list[Measured]) -> dict[str, Any]:
    """The figures of several measurements of the same hop, samples pooled."""
    delays = np.array([delay for each in rounds for delay in each.last_reader_ms()])
    told: dict[str, Any] = {"messages": len(delays), "lost": sum(each.lost(hop) for each in rounds)}
    if hop.hz and len(delays):
        told["p50_ms"], told["p99_ms"] = (rounded(p) for p in np.percentile(delays, (50, 99)))
    if not hop.hz:
        told["per_s"] = rounded(np.median([each.per_s() for each in rounds]))
    told["cpu_ms"] = rounded(np.median([each.cpu_ms() for each in rounds])) if rounds else float("nan")
    spoilt = sum(each.spoilt for each in rounds)
    if spoilt:
        told["spoilt"] = spoilt
    missed = sum(each.missed for each in rounds)
    if missed:
        told["missed_deadlines"] = missed
    return told


def median_ms(measured: Measured) -> float:
    """The median delay of one measurement; NaN without samples."""
    delays = measured.last_reader_ms()
    return float(np.median(delays)) if delays else float("nan")


def rounded(value: Any) -> float:
    """Four significant digits."""
    return float(f"{float(value):.4g}")
