"""What the launcher and its nodes say to each other besides the streams. Plain values; never code, never pickle."""

from __future__ import annotations

from typing import Any

import msgspec

from pipeline.engines.hosts.session import HostUnreachable
from pipeline.errors import SkylaneError

LAUNCHERS = "skylane/launcher"
NODES = "skylane/hosts"
CLOCK = "skylane/clock"
CONTROL_BYTES_MAX = 4 << 20


class HostFailed(SkylaneError):
    """A host cannot run its part, or has given up."""


class Description(msgspec.Struct, frozen=True):
    """A host's part of a run."""

    run: str
    name: str
    """For people: the variant, or the launch file's name."""
    host: str
    text: str
    """The launch file with every override applied."""
    path: str
    """What mistakes in it are reported in."""
    operators: tuple[str, ...]
    exits: dict[str, tuple[str, ...]]
    """``operator.port`` → the hosts that read it."""
    entries: tuple[str, ...]
    until: int
    seed: int = 0
    epoch: int = 0
    """How often this host has come back; a reader refuses what an earlier incarnation has sent."""
    watched: bool = True
    """Send all events to the launcher."""


class _Said(msgspec.Struct, frozen=True, tag_field="say"):
    pass


class Prepare(_Said, frozen=True, tag="prepare"):
    """To a node: build your part and be ready."""

    description: Description


class Begin(_Said, frozen=True, tag="begin"):
    """To a node: the run's clock is 0 when the launcher's monotonic clock shows ``origin``."""

    run: str
    origin: int
    answered: dict[str, int] = {}
    """Operator → how far the launcher has heard it, where an earlier incarnation has answered."""


class End(_Said, frozen=True, tag="end"):
    """To a node: end the run, or do not join at all. ``final``: no other run follows."""

    run: str
    reason: str
    final: bool = True
    failed: bool = False


Command = Prepare | Begin | End


class Answer(msgspec.Struct, frozen=True):
    """From a node, to each command."""

    what: str = ""
    """Why not; empty: done."""
    where: str = ""
    hint: str = ""
    uncertainty: int = 0
    """How well the launcher's clock is known there, in nanoseconds."""


class Ended(msgspec.Struct, frozen=True):
    """From a node: its part is over."""

    host: str
    epoch: int
    what: str = ""
    """Why it failed; empty: it did not."""
    where: str = ""
    hint: str = ""
    counters: dict[str, dict[str, int]] = {}
    """Of each stream that crosses the border there."""
    notes: tuple[str, ...] = ()
    outcome: dict[str, Any] = {}


def events_key(run: str, host: str) -> str:
    """Where a node tells what happens on it."""
    return f"skylane/run/{run}/events/{host}"


def ended_key(run: str) -> str:
    """Where a node tells that its part is over."""
    return f"skylane/run/{run}/ended"


def control_key(host: str, incarnation: str) -> str:
    """Where one incarnation of a node takes commands; the same key shows that it is alive."""
    return f"{NODES}/{host}/{incarnation}"


def decoded(data: bytes, type_: Any) -> Any:
    """A decoded message; None for what is none, or too large."""
    if len(data) > CONTROL_BYTES_MAX:
        return None
    try:
        return msgspec.msgpack.decode(data, type=type_)
    except msgspec.MsgspecError:
        return None


def silent(host: str) -> HostUnreachable:
    """The error for a host that does not answer a command."""
    return HostUnreachable("does not answer", where=f"host {host}", hint="is its network up?")
