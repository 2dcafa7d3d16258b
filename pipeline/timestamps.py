"""Logical time and durations: integers of nanoseconds, built and read with their unit.

Decides how times are written; a bare number is never a time. Does not read any clock.
"""

from __future__ import annotations

import re
from typing import NewType

from pipeline.errors import InvalidDuration

Timestamp = NewType("Timestamp", int)
"""Logical time: nanoseconds of sensor time, not negative. Orders everything that happens on a stream."""

Duration = NewType("Duration", int)
"""A length of time in nanoseconds."""

BOTTOM = Timestamp(-1)
"""Before every timestamp: the watermark of a stream on which nothing was sealed yet."""
TOP = Timestamp((1 << 63) - 1)
"""After every timestamp: the watermark of a closed stream."""
FOREVER = Duration((1 << 63) - 1)
"""Longer than any run: what remains without a deadline."""

_UNITS = {"ns": 1, "us": 1_000, "µs": 1_000, "ms": 1_000_000, "s": 1_000_000_000, "min": 60_000_000_000}
_DURATION = re.compile(r"\s*([+-]?(?:\d+\.?\d*|\.\d+)(?:e[+-]?\d+)?)\s*([a-zµ]*)\s*", re.IGNORECASE)


def us(n: float) -> Duration:
    """``n`` microseconds."""
    return Duration(round(n * 1e3))


def ms(n: float) -> Duration:
    """``n`` milliseconds."""
    return Duration(round(n * 1e6))


def seconds(n: float) -> Duration:
    """``n`` seconds."""
    return Duration(round(n * 1e9))


def parse_duration(text: str) -> Duration:
    """Read ``"80ms"``, ``"0.5 s"``, ``"20 us"``, ``"2 min"``. Raises InvalidDuration for a missing or unknown unit."""
    match = _DURATION.fullmatch(text)
    if match is None:
        raise InvalidDuration(f"{text!r} is not a duration", hint="write a number and a unit, for example 80ms or 0.5s")
    number, unit = match.groups()
    if unit not in _UNITS:
        wrong = f"{text!r} has no unit" if not unit else f"{text!r} has the unknown unit {unit!r}"
        raise InvalidDuration(wrong, hint=f"use one of {', '.join(u for u in _UNITS if u != 'µs')}, for example 80ms")
    nanoseconds = float(number) * _UNITS[unit]
    if not -TOP < nanoseconds < TOP:
        raise InvalidDuration(f"{text!r} does not fit in 63 bits of nanoseconds (292 years)")
    return Duration(round(nanoseconds))


def format_duration(duration: int) -> str:
    """Shortest exact-enough text with a unit: ``80 ms``, ``1.25 s``, ``∞``."""
    if duration >= FOREVER:
        return "∞"
    magnitude = abs(duration)
    for unit, scale in (("s", 1_000_000_000), ("ms", 1_000_000), ("us", 1_000)):
        if magnitude >= scale:
            return f"{duration / scale:.6g} {unit}"
    return f"{duration} ns"
