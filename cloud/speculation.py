"""Which messages are offered to the cloud, and until when an answer is worth a wait. Pure; the race is the runtime's.

Source: Schafhalter et al., Leveraging Cloud Computing to Make Autonomous Vehicles Safer (IROS'23) §V. There the
handler of a message answers None (not this one) or a deadline, and the length of the outgoing queue decides whether
it is sent.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import NamedTuple, Union

from pipeline.errors import UsageError
from pipeline.timestamps import FOREVER, Duration, format_duration, ms

LINK_DOWN = "link down"
NOT_THIS_ONE = "not this one"
QUEUE_FULL = "queue full"
NO_TIME = "no time"
TOO_SLOW = "too slow"


class Endpoint(NamedTuple):
    """A place where an answer can come from; a higher ``priority`` wins."""

    name: str
    priority: int


def ordered(local: str, remote: Iterable[Endpoint]) -> tuple[Endpoint, ...]:
    """Total order of all answers, best first; the local one comes last, at rank 0. Raises UsageError.

    The priorities are the ranks of the race's candidates.
    """
    endpoints = sorted(remote, key=lambda e: -e.priority)
    names = [local, *(e.name for e in endpoints)]
    if len(set(names)) < len(names):
        raise UsageError(f"two answers have the same name among {', '.join(names)}")
    for endpoint in endpoints:
        if endpoint.priority <= 0:
            raise UsageError(
                f"{endpoint.name}: priority {endpoint.priority}", hint="0 is the local answer's; give more"
            )
    for a, b in zip(endpoints, endpoints[1:], strict=False):
        if a.priority == b.priority:
            raise UsageError(f"{a.name} and {b.name} have the same priority {a.priority}", hint="give a total order")
    return (*endpoints, Endpoint(local, 0))


class Situation(NamedTuple):
    """What is known when a message could be offered."""

    sequence: int
    """Messages seen so far, this one excluded: IROS'23's logical timestamp."""
    remaining: Duration
    """Until the deadline of the race; FOREVER without one."""
    queued: int
    """Messages in the outgoing queue."""
    link_down: bool
    expected: Duration = Duration(0)
    """From sending to the answer, as last seen; 0 when unknown."""


class Offer(NamedTuple):
    """Send it, and wait for the answer no longer than ``hold`` from now."""

    hold: Duration


class Skip(NamedTuple):
    """Do not offload this one."""

    reason: str


@dataclass(frozen=True)
class Speculation:
    """When to offer a message and how long a finished local answer may be held back for a better remote one.

    ``hold`` bounds the wait however late the deadline is: by default the 150 ms of the object detection service level
    in "Managing Bandwidth" (2024). ``follows``: what still has to happen on the path, within the deadline, after the
    answer came.
    """

    hold: Duration = ms(150)
    follows: Duration = Duration(0)
    queue_max: int = 2
    every: int = 1
    """Offer every n-th message only."""

    def __post_init__(self) -> None:
        if not 0 < self.hold < FOREVER:
            raise UsageError(f"hold={format_duration(self.hold)}", hint="a wait must be positive and bounded")
        if self.follows < 0:
            raise UsageError(f"follows={format_duration(self.follows)}", hint="must not be negative")
        if self.queue_max < 1 or self.every < 1:
            raise UsageError(f"queue_max={self.queue_max}, every={self.every}", hint="both must be at least 1")

    def decide(self, situation: Situation) -> Union[Offer, Skip]:
        """Offer the message or not. An answer at exactly the end of the hold counts."""
        if situation.link_down:
            return Skip(LINK_DOWN)
        if situation.sequence % self.every != 0:
            return Skip(NOT_THIS_ONE)
        if situation.queued >= self.queue_max:
            return Skip(f"{QUEUE_FULL}: {situation.queued} messages")
        hold = self.deadline(situation.remaining)
        if hold <= 0:
            return Skip(f"{NO_TIME}: {format_duration(situation.remaining)} left")
        if situation.expected > hold:
            return Skip(f"{TOO_SLOW}: takes {format_duration(situation.expected)}, has {format_duration(hold)}")
        return Offer(hold)

    def deadline(self, remaining: Duration) -> Duration:
        """The remote answer's own deadline, from now: what follows on the path still meets the race's deadline."""
        return Duration(min(self.hold, remaining - self.follows))
