"""When a radio link is silent: scheduled outages, random ones, handovers. A pure function of seed and time.

Decides when nothing gets through. What that means for a message is decided by ``links``.
"""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Sequence
from typing import NamedTuple

from pipeline.errors import UsageError
from pipeline.latency import uniform
from pipeline.timestamps import Duration, format_duration


class Silence(NamedTuple):
    """Nothing is sent or delivered in ``[start_ns, end_ns)``."""

    start_ns: int
    end_ns: int

    @property
    def length_ns(self) -> int:
        """How long it lasts."""
        return self.end_ns - self.start_ns


class Scheduled:
    """Silences at given times, in any order; overlapping ones count as one."""

    def __init__(self, intervals: Sequence[tuple[int, int]]) -> None:
        for start_ns, end_ns in intervals:
            if not start_ns < end_ns:
                raise UsageError(
                    f"outage from {format_duration(start_ns)} to {format_duration(end_ns)} is no interval",
                    hint="give a start and a later end",
                )
        self._intervals = sorted(intervals)

    def next(self, ns: int) -> Silence | None:
        """The silence that ends last of those under way at ``ns``, else the first one to come."""
        under_way = [end_ns for start_ns, end_ns in self._intervals if start_ns <= ns < end_ns]
        if under_way:
            end_ns = max(under_way)
            return Silence(min(s for s, e in self._intervals if s <= ns < e), end_ns)
        ahead = [interval for interval in self._intervals if interval[0] > ns]
        return Silence(*ahead[0]) if ahead else None


class Recurring:
    """Silences at random: ``every`` (shortest, longest) pause between them, uniform; ``lasting`` (…), log-uniform."""

    def __init__(
        self, every: tuple[Duration, Duration], lasting: tuple[Duration, Duration], *, seed: int, name: str
    ) -> None:
        for what, (low, high) in (("every", every), ("lasting", lasting)):
            if not 0 < low <= high:
                raise UsageError(
                    f"{name}: {what} from {format_duration(low)} to {format_duration(high)} is no range of times",
                    hint="give two positive times, the shorter first",
                )
        self._every, self._lasting = every, lasting
        self._seed, self._name = seed, name
        self._starts: list[int] = []
        self._ends: list[int] = []

    def next(self, ns: int) -> Silence:
        """The silence under way at ``ns``, else the first one to come."""
        while not self._ends or self._ends[-1] <= ns:
            self._append()
        index = bisect_right(self._ends, ns)
        return Silence(self._starts[index], self._ends[index])

    def _append(self) -> None:
        k = len(self._ends)
        low, high = self._every
        pause = low + (high - low) * uniform(self._seed, self._name, "pause", k)
        if k == 0:
            # The drive does not begin right after a silence.
            pause *= uniform(self._seed, self._name, "phase")
        low, high = self._lasting
        length = low * math.pow(high / low, uniform(self._seed, self._name, "length", k))
        start = (self._ends[-1] if self._ends else 0) + _whole_us(pause)
        self._starts.append(start)
        self._ends.append(start + max(1000, _whole_us(length)))


class Silences:
    """Several kinds of silence on one link; where they touch or overlap they are one."""

    def __init__(self, *kinds: Scheduled | Recurring) -> None:
        self._kinds = kinds
        self._merged: list[Silence] = []
        self._ends: list[int] = []
        self._exhausted = False

    def next(self, ns: int) -> Silence | None:
        """The silence under way at ``ns``, else the first one to come; None if none ever comes."""
        while not self._exhausted and not (self._ends and self._ends[-1] > ns):
            self._append()
        index = bisect_right(self._ends, ns)
        return self._merged[index] if index < len(self._merged) else None

    def covers(self, ns: int) -> bool:
        """Whether the link is silent at ``ns``."""
        silence = self.next(ns)
        return silence is not None and silence.start_ns <= ns

    def _append(self) -> None:
        after_ns = self._ends[-1] if self._ends else 0
        found = [silence for kind in self._kinds if (silence := kind.next(after_ns)) is not None]
        if not found:
            self._exhausted = True
            return
        start_ns, end_ns = min(found)
        grown = True
        while grown:
            grown = False
            for kind in self._kinds:
                other = kind.next(end_ns)
                if other is not None and other.start_ns <= end_ns:
                    end_ns, grown = other.end_ns, True
        self._merged.append(Silence(start_ns, end_ns))
        self._ends.append(end_ns)


def _whole_us(nanoseconds: float) -> int:
    # The last bits of pow() differ between C libraries; a run's hash must not.
    return round(nanoseconds / 1000) * 1000
