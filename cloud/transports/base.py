"""What the car asks of a way to the server, whether modelled or real. Decides nothing about when to use it."""

from __future__ import annotations

from collections.abc import Callable, Generator
from typing import Protocol

from pipeline.definition import CandidateFailed, Wait
from pipeline.timestamps import Duration, Timestamp

NO_ANSWER = "no answer in time"

Exchange = Generator[Wait, None, bytes]
"""Waits on the run's clock and returns the encoded answer. Closing it abandons the request."""


class Transport(Protocol):
    """One connection to one server."""

    def is_down(self, now: Timestamp) -> bool:
        """Whether the car knows by now that nothing gets through."""

    def queued(self, now: Timestamp) -> int:
        """Messages in the outgoing queue."""

    def exchange(
        self, encoded: bytes, *, clock: Callable[[], Timestamp], give_up: Timestamp, size_bits: int
    ) -> Exchange:
        """Send ``encoded``, ``size_bits`` on the air, and wait for the answer until ``give_up`` at the latest.

        Raises CandidateFailed: at once where it is known that no answer will come, else when that becomes known.
        """


def wait_until(at: int, clock: Callable[[], Timestamp], give_up: Timestamp) -> Generator[Wait, None, None]:
    """Let time pass until ``at``; if that is after ``give_up``, only until then, and raise CandidateFailed."""
    now = clock()
    until = min(at, give_up)
    if until > now:
        yield Wait(Duration(until - now))
    if at > give_up:
        raise CandidateFailed(NO_ANSWER)
