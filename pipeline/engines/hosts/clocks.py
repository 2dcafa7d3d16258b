"""What another machine's monotonic clock shows: offset and uncertainty from ping exchanges, and jumps of either clock.

Pure: it is told the times of each exchange. Sending pings is the node's business.
"""

from __future__ import annotations

from collections import deque
from typing import NamedTuple

from pipeline.errors import SkylaneError
from pipeline.timestamps import format_duration, ms

DRIFT_PPM = 100
"""How much two clocks may run apart; crystals stay below 50 each. What was measured gets less certain at this rate."""
WINDOW = 64
"""Exchanges that are remembered."""
UNCERTAINTY_MAX_NS = int(ms(5))
"""Above this a deadline that started elsewhere would be off by more than what an abort takes."""


class ClockUncertain(SkylaneError):
    """The offset to another machine's clock is not known well enough for deadlines."""


class Ping(NamedTuple):
    """One exchange: a question left here, arrived there, the answer left there, arrived here. Nanoseconds."""

    sent: int
    """On the clock here, as is ``returned``."""
    received: int
    """On the clock there, as is ``answered``."""
    answered: int
    returned: int

    @property
    def round_trip(self) -> int:
        """Time on the way, there and back."""
        return (self.returned - self.sent) - (self.answered - self.received)


class Offset(NamedTuple):
    """``there = here + value``, wrong by ``uncertainty`` at most. Nanoseconds."""

    value: int
    uncertainty: int


class OffsetEstimate:
    """The offset to another clock, bounded by every exchange at once.

    A message is never received before it was sent, so each exchange bounds the offset from both sides, however
    unequal its two ways were: the bounds are ``round_trip`` apart. With time a bound loosens by the drift. The
    estimate is the middle of what all bounds leave, so the error is at most half the shortest round trip, plus the
    drift since. Where nothing is left, one of the clocks has jumped: only the newest exchange counts then.

    Source: Cristian, "Probabilistic clock synchronization", 1989, §4; Marzullo and Owicki, PODC 1983 (intersection).
    """

    def __init__(self, *, drift_ppm: int = DRIFT_PPM, window: int = WINDOW) -> None:
        self._drift_ppm = drift_ppm
        self._pings: deque[Ping] = deque(maxlen=window)
        self.jumps = 0
        """How often a clock has jumped since the first exchange."""
        self.refused = 0
        """Exchanges that are impossible: an answer before its question."""

    def add(self, ping: Ping) -> bool:
        """Take an exchange into account; False if it shows that a clock has jumped, or is impossible itself."""
        if ping.returned < ping.sent or ping.answered < ping.received or ping.round_trip < 0:
            self.refused += 1
            return False
        self._pings.append(ping)
        low, high = self._bounds(ping.returned)
        if low <= high:
            return True
        self._pings.clear()
        self._pings.append(ping)
        self.jumps += 1
        return False

    @property
    def known(self) -> bool:
        """False before the first exchange."""
        return bool(self._pings)

    def at(self, now: int) -> Offset:
        """The offset when the clock here shows ``now``. Raises ClockUncertain before the first exchange."""
        if not self._pings:
            raise ClockUncertain("the other clock was never asked", hint="is the other host reachable?")
        low, high = self._bounds(now)
        return Offset((low + high) // 2, (high - low + 1) // 2)

    def check(self, now: int, *, bound: int = UNCERTAINTY_MAX_NS, where: str = "") -> Offset:
        """The offset at ``now``. Raises ClockUncertain if it may be wrong by more than ``bound``."""
        offset = self.at(now)
        if offset.uncertainty > bound:
            known, wanted = format_duration(offset.uncertainty), format_duration(bound)
            raise ClockUncertain(
                f"the offset of the clocks is known to ±{known} only, ±{wanted} is needed",
                where=where,
                hint="the network is too slow or too busy for deadlines across it",
            )
        return offset

    def _bounds(self, now: int) -> tuple[int, int]:
        lows, highs = [], []
        for ping in self._pings:
            # Between its two readings the clocks have drifted too, hence the age from the farther one.
            lows.append(ping.answered - ping.returned - self._drift(now, ping.returned))
            highs.append(ping.received - ping.sent + self._drift(now, ping.sent))
        return max(lows), min(highs)

    def _drift(self, now: int, then: int) -> int:
        age = abs(now - then)
        return -(-age * self._drift_ppm // 1_000_000)


class RunClock:
    """Converts between the run's clock as it is kept here and as the launcher keeps it; both are nanoseconds.

    The clock here starts with the offset as it was known then. What the offset has changed since, by drift or by
    better knowledge, is added to times that leave and taken from times that come in.
    """

    def __init__(self, estimate: OffsetEstimate, *, launcher_origin: int, now: int) -> None:
        """``launcher_origin``: the launcher's monotonic clock when the run's clock is 0. Raises ClockUncertain."""
        self._estimate = estimate
        self._started_with = estimate.at(now).value
        self.origin = launcher_origin - self._started_with
        """The monotonic clock here when the run's clock is 0."""
        self.correction = 0
        """What is added to times that leave."""

    def follow(self, now: int) -> int:
        """Take the newest exchanges into account; how much times that leave are corrected by."""
        if self._estimate.known:
            self.correction = self._estimate.at(now).value - self._started_with
        return self.correction

    def leaving(self, at: int) -> int:
        """A time of the clock here, for the launcher."""
        return at + self.correction

    def entering(self, at: int) -> int:
        """A time of the launcher, on the clock here."""
        return at - self.correction
