"""How long work takes: constants, distributions, profiles. Draws are a pure function of (seed, operator, work, t).

Used by the virtual clock to charge time, and by ``ctx.expected`` and the end-to-end deadlines to plan with.
"""

from __future__ import annotations

import hashlib
import math
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from statistics import NormalDist
from typing import Literal, Union

from pipeline.errors import UsageError
from pipeline.timestamps import Duration, Timestamp, format_duration

_NORMAL = NormalDist()
_Z99 = _NORMAL.inv_cdf(0.99)


@dataclass(frozen=True)
class Distribution:
    """A log-normal latency given by its median and 99th percentile (equal: a constant)."""

    p50: Duration
    p99: Duration

    def __post_init__(self) -> None:
        if not 0 <= self.p50 <= self.p99:
            raise UsageError(
                f"latency p50={format_duration(self.p50)}, p99={format_duration(self.p99)} is not a distribution",
                hint="need 0 <= p50 <= p99",
            )

    def at(self, u: float) -> Duration:
        """The ``u`` quantile, 0 < u < 1."""
        if self.p50 == self.p99 or self.p50 == 0:
            return self.p50
        sigma = math.log(self.p99 / self.p50) / _Z99
        # Whole microseconds: the last bits of exp() differ between C libraries, a run's hash must not.
        return Duration(round(self.p50 * math.exp(sigma * _NORMAL.inv_cdf(u)) / 1000) * 1000)


def constant(duration: Duration) -> Distribution:
    """Always ``duration``."""
    return Distribution(duration, duration)


MEASURED: Literal["measured"] = "measured"
"""Charge what the callback really took on this machine; such a run is recorded, not repeatable."""

Latency = Union[Distribution, Literal["measured"]]


@dataclass(frozen=True)
class Profile:
    """Latencies of named work on one computer: ``table[operator kind][work]``; work ``""`` is the default entry."""

    name: str
    table: Mapping[str, Mapping[str, Distribution]]
    source: str = ""

    def lookup(self, kind: str, work: str) -> Distribution | None:
        """The entry for this work, else the operator's default, else None."""
        row = self.table.get(kind)
        if row is None:
            return None
        return row.get(work) or row.get("")


@dataclass
class LatencyModel:
    """Which latency each operator's work has in a run. Missing entries take no time."""

    seed: int = 0
    by_operator: dict[str, Mapping[str, Latency]] = field(default_factory=dict)
    """operator name → work → latency; work ``""`` is the default entry."""

    def latency(self, operator: str, work: str) -> Latency | None:
        """The latency of ``work`` of the operator with this name in the graph."""
        row = self.by_operator.get(operator)
        if row is None:
            return None
        found = row.get(work)
        return found if found is not None else row.get("")

    def draw(self, operator: str, work: str, t: Timestamp) -> Duration | None:
        """Time charged for ``work`` at t, None for MEASURED.

        The same (seed, operator, work, t) always gives the same.
        """
        latency = self.latency(operator, work)
        if latency is None:
            return Duration(0)
        if isinstance(latency, str):
            return None
        if latency.p50 == latency.p99:
            return latency.p50
        return latency.at(uniform(self.seed, operator, work, t))

    def expected(self, operator: str, work: str) -> Duration:
        """99th percentile of ``work``, 0 when unknown."""
        latency = self.latency(operator, work)
        return latency.p99 if isinstance(latency, Distribution) else Duration(0)

    def least(self, operator: str) -> Duration:
        """What the operator needs at least: its default entry, else that of its quickest work; 0 when unknown."""
        known = [each.p99 for each in self.by_operator.get(operator, {}).values() if isinstance(each, Distribution)]
        return self.expected(operator, "") or min(known, default=Duration(0))


class MeasuredLatency(LatencyModel):
    """What work took in this run, with a profile to start from."""

    def __init__(self, profile: LatencyModel) -> None:
        super().__init__(profile.seed, profile.by_operator)
        self._seen: dict[tuple[str, str], deque[int]] = {}

    def record(self, operator: str, work: str, took: int) -> None:
        """``work`` took ``took`` nanoseconds."""
        self._seen.setdefault((operator, work), deque(maxlen=100)).append(took)

    def expected(self, operator: str, work: str) -> Duration:
        seen = self._seen.get((operator, work))
        if seen is None or len(seen) < 5:
            return super().expected(operator, work)
        return Duration(max(seen))


def uniform(seed: int, *key: object) -> float:
    """A number in (0, 1) that depends on nothing but its arguments: the same on every machine and in every order."""
    digest = hashlib.blake2b(repr((seed, *key)).encode(), digest_size=8).digest()
    return (int.from_bytes(digest, "little") + 0.5) / 2.0**64
