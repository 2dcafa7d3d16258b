"""Do the machine's clocks agree with each other? Finds a wall clock that was set, and a machine that slept.

The engines measure with CLOCK_MONOTONIC alone, so neither starts or ends a deadline; logs and other hosts may care.
"""

from __future__ import annotations

import time

import msgspec

from pipeline.timestamps import Duration, format_duration, ms

TOLERANCE = ms(5)
SLEW_MAX = 1_000
"""One part in so many: a time service may speed a clock up or slow it down by half of that without a step."""


class ClockReading(msgspec.Struct, frozen=True):
    """All three clocks at about the same moment, in nanoseconds."""

    monotonic: int
    wall: int
    """CLOCK_REALTIME: people's time, may be set."""
    boot: int
    """CLOCK_BOOTTIME: monotonic, and counts while the machine sleeps."""


class ClockFinding(msgspec.Struct, frozen=True):
    """Something happened to a clock between two readings."""

    at: int
    """CLOCK_MONOTONIC of the later reading."""
    kind: str
    """``wall_stepped`` or ``suspended``."""
    by: int
    """Nanoseconds: forwards positive."""

    def __str__(self) -> str:
        if self.kind == "suspended":
            return f"the machine slept for {format_duration(self.by)}"
        way = "forwards" if self.by > 0 else "back"
        return f"the wall clock was set {way} by {format_duration(abs(self.by))}"


def read_clocks() -> ClockReading:
    """One reading. Of a few attempts the one that took least, so that losing the processor in between is no step."""
    best: tuple[int, ClockReading] | None = None
    for _ in range(3):
        began = time.clock_gettime_ns(time.CLOCK_MONOTONIC)
        wall, boot = time.clock_gettime_ns(time.CLOCK_REALTIME), time.clock_gettime_ns(time.CLOCK_BOOTTIME)
        took = time.clock_gettime_ns(time.CLOCK_MONOTONIC) - began
        if best is None or took < best[0]:
            best = took, ClockReading(began + took // 2, wall, boot)
    assert best is not None
    return best[1]


def clock_check(before: ClockReading, now: ClockReading, tolerance: Duration = TOLERANCE) -> tuple[ClockFinding, ...]:
    """What happened to the clocks between two readings. Sleeping moves the wall clock too: that is no step."""
    elapsed = now.monotonic - before.monotonic
    slept = now.boot - before.boot - elapsed
    stepped = now.wall - before.wall - elapsed - (slept if slept > tolerance else 0)
    found = []
    if slept > tolerance:
        found.append(ClockFinding(now.monotonic, "suspended", slept))
    if abs(stepped) > tolerance + max(0, elapsed) // SLEW_MAX:
        found.append(ClockFinding(now.monotonic, "wall_stepped", stepped))
    return tuple(found)
