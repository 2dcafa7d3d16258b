"""Mahimahi packet-delivery traces: when a link may deliver 1500 bytes. Decides nothing about queues or delays.

One integer per line is the millisecond of one opportunity; equal lines are several in that millisecond. The trace
repeats from its last timestamp on. Source: Netravali et al., Mahimahi (ATC'15) §3.2; behaviour of its link shell.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from pipeline.errors import UsageError
from pipeline.messages import readonly

OPPORTUNITY_BYTES = 1500
FILE_BYTES_MAX = 64 * 1024 * 1024
TIMESTAMP_MS_MAX = 10**12
_MS = 1_000_000


class InvalidTrace(UsageError):
    """A trace file that cannot be read or is not in Mahimahi's format; names file and line."""


class Trace:
    """Delivery opportunities, numbered from 0 through all repetitions.

    Args:
        opportunities_ms: (n,) non-decreasing integers; the last one is positive and the length of one repetition.
    """

    def __init__(self, opportunities_ms: NDArray[np.int64], name: str = "trace") -> None:
        if len(opportunities_ms) == 0 or opportunities_ms[-1] <= 0 or opportunities_ms[0] < 0:
            raise InvalidTrace("a trace needs opportunities and a positive length", where=name)
        if bool((np.diff(opportunities_ms) < 0).any()):
            raise InvalidTrace("timestamps must not decrease", where=name)
        self.name = name
        self.opportunities_ms = readonly(np.array(opportunities_ms, dtype=np.int64))
        self.length_ms = int(opportunities_ms[-1])

    def __len__(self) -> int:
        return len(self.opportunities_ms)

    @property
    def mean_rate_bps(self) -> float:
        """Bits per second if every opportunity is used."""
        return len(self) * OPPORTUNITY_BYTES * 8 * 1000 / self.length_ms

    def time_ns(self, number: int) -> int:
        """When opportunity ``number`` comes, counted from the start of the link."""
        repetition, index = divmod(number, len(self))
        return (repetition * self.length_ms + int(self.opportunities_ms[index])) * _MS

    def first_after(self, ns: int) -> int:
        """Number of the first opportunity strictly after ``ns``; what arrives together with one misses it."""
        repetition, rest_ms = divmod(ns // _MS, self.length_ms)
        return repetition * len(self) + int(np.searchsorted(self.opportunities_ms, rest_ms, side="right"))


def load(path: Path) -> Trace:
    """Read a trace file. Raises InvalidTrace with file and line for anything that is not the format."""
    try:
        if path.stat().st_size > FILE_BYTES_MAX:
            raise InvalidTrace(f"the trace is larger than {FILE_BYTES_MAX >> 20} MiB", where=str(path))
        text = path.read_text(encoding="ascii")
    except OSError as error:
        raise InvalidTrace(f"cannot read the trace: {error.strerror}", where=str(path)) from error
    except UnicodeDecodeError as error:
        raise InvalidTrace("the trace is not a text of numbers", where=str(path)) from error
    times_ms: list[int] = []
    for number, line in enumerate(text.splitlines(), start=1):
        times_ms.append(_timestamp(line, f"{path}:{number}"))
        if len(times_ms) > 1 and times_ms[-1] < times_ms[-2]:
            raise InvalidTrace(
                f"timestamp {times_ms[-1]} follows {times_ms[-2]}",
                where=f"{path}:{number}",
                hint="timestamps must not decrease",
            )
    if not times_ms:
        raise InvalidTrace("the trace is empty", where=str(path), hint="one millisecond timestamp per line")
    if times_ms[-1] == 0:
        raise InvalidTrace(
            "the trace lasts 0 ms", where=f"{path}:{len(times_ms)}", hint="the last timestamp is its length"
        )
    return Trace(np.array(times_ms, dtype=np.int64), path.name)


def _timestamp(line: str, where: str) -> int:
    digits = line.strip()
    if not digits:
        raise InvalidTrace("empty line", where=where, hint="one millisecond timestamp per line")
    if not digits.isdecimal():
        raise InvalidTrace(f"{digits[:40]!r} is not a whole number of milliseconds", where=where)
    if len(digits) > 13 or int(digits) > TIMESTAMP_MS_MAX:
        raise InvalidTrace(f"timestamp {digits[:20]} is beyond {TIMESTAMP_MS_MAX} ms", where=where)
    return int(digits)
