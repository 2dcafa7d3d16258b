"""A modelled radio link: rate, delay, loss and silences decide when, or whether, a message arrives.

A pure function of seed, time and what was sent before: no clock, no threads. Link classes by name are in
``link_classes``.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Sequence
from typing import NamedTuple, Protocol, Union

from cloud.silences import Silence, Silences
from cloud.traces import OPPORTUNITY_BYTES, Trace
from pipeline.errors import UsageError
from pipeline.latency import uniform
from pipeline.timestamps import FOREVER, Duration, ms

LINK_DOWN = "link down"
QUEUE_FULL = "queue full"
LOST = "lost"


class Delivered(NamedTuple):
    """The last bit of a message is at the receiver."""

    at_ns: int


class Lost(NamedTuple):
    """A message never arrives; the sender knows at ``known_at_ns``, which is the sending time if it was refused."""

    known_at_ns: int
    reason: str


Transfer = Union[Delivered, Lost]


class Quantiles:
    """A distribution by its quantiles: ``(probability, value)`` from probability 0 to 1, linear between them."""

    def __init__(self, points: Sequence[tuple[float, float]]) -> None:
        ordered = all(a[0] < b[0] and a[1] <= b[1] for a, b in zip(points, points[1:], strict=False))
        if len(points) < 2 or points[0][0] != 0.0 or points[-1][0] != 1.0 or not ordered:
            raise UsageError(
                f"{list(points)} are not quantiles", hint="give (0, lowest) … (1, highest), both never decreasing"
            )
        if not all(math.isfinite(value) and value >= 0.0 for _, value in points):
            raise UsageError(f"{list(points)} has a quantile that is negative or not finite")
        self.points = tuple((float(u), float(value)) for u, value in points)

    def at(self, u: float) -> float:
        """The ``u`` quantile."""
        for (u0, low), (u1, high) in zip(self.points, self.points[1:], strict=False):
            if u <= u1:
                return low + (high - low) * (u - u0) / (u1 - u0)
        return self.points[-1][1]


def always(value: float) -> Quantiles:
    """The distribution of a constant."""
    return Quantiles([(0.0, value), (1.0, value)])


class Rate(Protocol):
    """Sends one message after the other; remembers until when it is busy."""

    def send(self, ready_ns: int, bits: int, until_ns: int) -> tuple[int | None, int]:
        """Send ``bits`` from ``ready_ns`` or when free: (time the last leaves, 0), or (None, left at ``until_ns``)."""


class SteppedRate:
    """A nominal rate times a factor drawn anew every ``period``: the link's capacity while driving."""

    def __init__(
        self,
        rate_bps: int,
        *,
        factor: Quantiles | None = None,
        period: Duration = ms(500),
        seed: int = 0,
        name: str = "rate",
    ) -> None:
        if rate_bps < 1000:
            raise UsageError(f"a link of {rate_bps} bit/s", hint="give at least 1000; for no link use an outage")
        if period <= 0:
            raise UsageError(f"a rate that changes every {period} ns", hint="give a positive period")
        self.nominal_bps, self._factor, self._period = rate_bps, factor, period
        self._seed, self._name = seed, name
        self._free_ns = 0

    def rate_bps(self, ns: int) -> int:
        """Capacity at ``ns``; at least 1000 bit/s."""
        if self._factor is None:
            return self.nominal_bps
        return max(
            1000, round(self.nominal_bps * self._factor.at(uniform(self._seed, self._name, "rate", ns // self._period)))
        )

    def send(self, ready_ns: int, bits: int, until_ns: int) -> tuple[int | None, int]:
        # Bits times nanoseconds per second: exact integers, so that no message ever gets more than the rate.
        work, at_ns = bits * 1_000_000_000, max(ready_ns, self._free_ns)
        while at_ns < until_ns:
            rate = self.rate_bps(at_ns)
            period_end = FOREVER if self._factor is None else (at_ns // self._period + 1) * self._period
            done_ns = at_ns - (-work // rate)
            stop_ns = min(period_end, until_ns)
            if done_ns <= stop_ns:
                self._free_ns = done_ns
                return done_ns, 0
            work -= rate * (stop_ns - at_ns)
            at_ns = stop_ns
        self._free_ns = at_ns
        return None, -(-work // 1_000_000_000)


class TraceRate:
    """Delivery opportunities of a Mahimahi trace; what nobody waits for is lost, what a message leaves over is not."""

    def __init__(self, trace: Trace) -> None:
        self.trace = trace
        self._next = 0
        """The first opportunity nobody has used."""
        self._left_bytes = 0
        """What is left in the one before it."""

    def send(self, ready_ns: int, bits: int, until_ns: int) -> tuple[int | None, int]:
        size = -(-bits // 8)
        if self._left_bytes > 0 and self.trace.time_ns(self._next - 1) > ready_ns:
            if size <= self._left_bytes:
                self._left_bytes -= size
                return self.trace.time_ns(self._next - 1), 0
            size -= self._left_bytes
        self._left_bytes = 0
        first = max(self._next, self.trace.first_after(ready_ns))
        # An opportunity at the very start of a silence is not one.
        end = max(first, self.trace.first_after(until_ns - 1)) if until_ns < FOREVER else FOREVER
        needed = -(-size // OPPORTUNITY_BYTES)
        if needed <= end - first:
            self._next = first + needed
            self._left_bytes = needed * OPPORTUNITY_BYTES - size
            return self.trace.time_ns(self._next - 1), 0
        self._next = max(self._next, end)
        return None, (size - (end - first) * OPPORTUNITY_BYTES) * 8


class Link:
    """One direction of a link: messages leave in order, one at a time, and arrive in order.

    Args:
        rate: how fast bits leave.
        delay_ns: one-way delay after the last bit has left, drawn per message.
        loss: share of messages that the transport gives up on.
        silences: short ones pause the link; one of ``notice`` or longer loses what is under way.
        notice: after how long a silence the sender knows that the link is down, and everything is refused at once.
        queue_max: messages in the sender's queue, the one on the air included, beyond which a message is refused.
    """

    def __init__(
        self,
        rate: Rate,
        *,
        delay_ns: Quantiles,
        loss: float = 0.0,
        silences: Silences | None = None,
        notice: Duration = ms(300),
        queue_max: int = 30,
        seed: int = 0,
        name: str = "link",
    ) -> None:
        if not 0.0 <= loss <= 1.0:
            raise UsageError(f"{name}: a loss of {loss}", hint="give a share from 0 to 1")
        if queue_max < 1 or notice <= 0:
            raise UsageError(f"{name}: queue_max={queue_max}, notice={notice} ns", hint="both must be positive")
        self._rate, self._delay, self._loss = rate, delay_ns, loss
        self._silences = silences or Silences()
        self._notice, self.queue_max, self._seed, self.name = notice, queue_max, seed, name
        self._leaving: deque[int] = deque()
        self._now_ns = 0
        self._same_time = 0
        self._last_arrival_ns = 0

    def is_down(self, now_ns: int) -> bool:
        """Whether the sender knows by now that nothing gets through."""
        silence = self._silences.next(now_ns)
        return silence is not None and self._is_outage(silence) and silence.start_ns + self._notice <= now_ns

    def is_silent(self, ns: int) -> bool:
        """Whether nothing gets through at ``ns``, known to the sender or not."""
        return self._silences.covers(ns)

    def queued(self, now_ns: int) -> int:
        """Messages that have not left the sender yet."""
        while self._leaving and self._leaving[0] <= now_ns:
            self._leaving.popleft()
        return len(self._leaving)

    def transfer(self, now_ns: int, bits: int) -> Transfer:
        """Offer a message of ``bits`` at ``now_ns``, which never goes back; says what becomes of it."""
        assert now_ns >= self._now_ns, f"{self.name}: sent at {now_ns} after {self._now_ns}"
        assert bits > 0, f"{self.name}: a message of {bits} bits"
        self._same_time = self._same_time + 1 if now_ns == self._now_ns else 0
        self._now_ns = now_ns
        if self.is_down(now_ns):
            return Lost(now_ns, LINK_DOWN)
        if self.queued(now_ns) >= self.queue_max:
            return Lost(now_ns, QUEUE_FULL)
        left = self._leave(now_ns, bits)
        if isinstance(left, Silence):
            known_at_ns = self._noticed(left, now_ns)
            self._leaving.append(known_at_ns)
            return Lost(known_at_ns, LINK_DOWN)
        self._leaving.append(left)
        arrival = self._arrive(left)
        if isinstance(arrival, Silence):
            return Lost(self._noticed(arrival, now_ns), LINK_DOWN)
        self._last_arrival_ns = arrival
        if self._draw("loss") < self._loss:
            # The sender waits twice as long for the acknowledgement as the message took.
            return Lost(arrival + 2 * (arrival - left), LOST)
        return Delivered(arrival)

    def _leave(self, ready_ns: int, bits: int) -> int | Silence:
        """When the last bit leaves, or the outage that prevents it."""
        position_ns = ready_ns
        while True:
            silence = self._silences.next(position_ns)
            if silence is None or silence.start_ns > position_ns:
                left_ns, bits = self._rate.send(position_ns, bits, silence.start_ns if silence else FOREVER)
                if left_ns is not None:
                    return left_ns
            assert silence is not None, "without a silence everything leaves"
            if self._is_outage(silence):
                return silence
            position_ns = silence.end_ns

    def _arrive(self, left_ns: int) -> int | Silence:
        """When the message arrives, or the outage that prevents it."""
        arrival_ns = max(left_ns + round(self._delay.at(self._draw("delay"))), self._last_arrival_ns)
        silence = self._silences.next(left_ns)
        while silence is not None and silence.start_ns <= arrival_ns:
            if self._is_outage(silence):
                return silence
            arrival_ns = max(arrival_ns, silence.end_ns)
            silence = self._silences.next(silence.end_ns)
        return arrival_ns

    def _noticed(self, outage: Silence, now_ns: int) -> int:
        return max(now_ns, outage.start_ns + self._notice)

    def _is_outage(self, silence: Silence) -> bool:
        return silence.length_ns >= self._notice

    def _draw(self, what: str) -> float:
        return uniform(self._seed, self.name, what, self._now_ns, self._same_time)
