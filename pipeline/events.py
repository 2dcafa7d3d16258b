"""What happens in a run, as typed values: the one source for logs, reports, traces, hashes and statistics.

``at`` is the run's clock, ``t`` the logical timestamp; all times are nanoseconds.
"""

from __future__ import annotations

from typing import Any, Protocol, Union

import msgspec


class _Event(msgspec.Struct, frozen=True, tag_field="event"):
    at: int
    operator: str
    t: int


class Sent(_Event, frozen=True, tag="sent"):
    """A value was committed on a stream; its timestamp is sealed by the same event."""

    stream: str
    """``operator.port``."""
    origin: int
    quality: str
    winner: str
    value: Any


class Sealed(_Event, frozen=True, tag="sealed"):
    """A timestamp was sealed without a value on any output: a watermark only."""

    quality: str
    reason: str


class Started(_Event, frozen=True, tag="started"):
    """A candidate began to work on t."""

    candidate: str


class Yielded(_Event, frozen=True, tag="yielded"):
    """A running candidate offered a usable value."""

    candidate: str


class Finished(_Event, frozen=True, tag="finished"):
    """A candidate stopped working on t. ``outcome``: done | failed | cancelled | expired."""

    candidate: str
    started: int
    work: str
    """What it called its work (``ctx.work``), empty if it did not."""
    outcome: str
    reason: str = ""


class Armed(_Event, frozen=True, tag="armed"):
    """A deadline was set for t: it expires at ``expires``."""

    deadline: str
    expires: int


class Missed(_Event, frozen=True, tag="missed"):
    """The deadline of t passed without a final answer."""

    deadline: str
    budget: int
    elapsed: int
    finished: tuple[str, ...]
    reason: str


class Handled(_Event, frozen=True, tag="handled"):
    """The deadline handler ran. ``outcome``: answered | silent | raised | overran."""

    outcome: str
    reason: str = ""


class Late(_Event, frozen=True, tag="late"):
    """Something came for a fenced timestamp and was not sent."""

    candidate: str
    late_by: int


class Dropped(_Event, frozen=True, tag="dropped"):
    """A message was not used. ``reason``: overload | no_partner | stale | join_window | blocked | gap | closed …"""

    stream: str
    """The input, ``operator.port``."""
    reason: str


class Refused(_Event, frozen=True, tag="refused"):
    """A send after the watermark, or a value of the wrong type, was refused at the sender."""

    reason: str


class BudgetSet(_Event, frozen=True, tag="budget"):
    """A policy set the budget of a dynamic deadline; ``operator`` is the policy."""

    deadline: str
    within: int
    reason: str


class RolledBack(_Event, frozen=True, tag="rolled_back"):
    """The writes of an aborted timestamp were undone; the state is that of ``committed``."""

    committed: int


class Fault(_Event, frozen=True, tag="fault"):
    """Something is wrong with an operator, or with a whole process: then ``operator`` is empty and t means nothing."""

    process: str
    """Empty where the whole run is one process."""
    kind: str
    """One of ``FAULTS``."""
    reason: str


class Recovered(_Event, frozen=True, tag="recovered"):
    """An operator, or a whole process, does its work again; ``operator`` and ``t`` as in ``Fault``."""

    process: str
    after: int
    """Nanoseconds since the fault."""
    reason: str = ""


FAULTS = {
    "killed": "its process was ended by a signal",
    "stopped": "its process was halted and does not run",
    "hung": "it gives no sign of life",
    "crashed": "its process ended by itself",
    "raised": "its callback raised",
    "wrong_type": "it answered with something that its stream does not carry",
    "not_finite": "it answered with NaN or infinity",
    "memory": "its process held more memory than it may",
    "crash_loop": "its process failed too often and is not started again",
    "slow_reader": "it does not keep up with what is written for it",
    "shm_full": "there is no shared memory left for what it sends",
    "clock_step": "the machine's clock jumped",
    "stale_segment": "shared memory was left behind by a run that is gone",
    "host_gone": "nothing is heard of its host",
    "note": "this machine does not allow what it was asked for; it goes on without",
}
"""The kinds of faults, and what they mean."""

Event = Union[
    Sent,
    Sealed,
    Started,
    Yielded,
    Finished,
    Armed,
    Missed,
    Handled,
    Late,
    Dropped,
    Refused,
    BudgetSet,
    RolledBack,
    Fault,
    Recovered,
]


class Observer(Protocol):
    """Follows a run. Called in the order in which things happen, on the engine's thread; must not block."""

    def on_event(self, event: Event) -> None:
        """One thing happened."""
