"""An operator's ends of streams: typed inputs with their join and queue rules, typed outputs, versioned state.

Declares; the joining itself is in ``joining``, the versions in ``state``.
"""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING, Any, Generic, Literal, TypeVar, overload

from pipeline.errors import InvalidGraph
from pipeline.timestamps import Duration

if TYPE_CHECKING:
    from pipeline.definition import Operator

T = TypeVar("T")
PortT = TypeVar("PortT", bound="Port[Any]")


class JoinKind(Enum):
    """How an input finds its message for a timestamp."""

    EXACT = "exact"
    LATEST = "latest"
    NEAREST = "nearest"


@dataclass(frozen=True)
class Join:
    """Which message of an input belongs to timestamp t; ``within`` is the age bound or the tolerance."""

    kind: JoinKind
    within: Duration | None = None


def exact() -> Join:
    """The message at exactly t. Inputs joined like this trigger the callback."""
    return Join(JoinKind.EXACT)


def latest(*, max_age: Duration | None = None) -> Join:
    """The newest message at or before t that has arrived, not older than ``max_age``; never waits for a newer one.

    A required input without any such message waits for one until its stream has passed t; then t is dropped as stale.
    """
    if max_age is not None and max_age <= 0:
        raise InvalidGraph(f"latest(max_age={max_age}) must be positive", hint="for the same timestamp use exact()")
    return Join(JoinKind.LATEST, max_age)


def nearest(*, within: Duration) -> Join:
    """The message closest to t, at most ``within`` away; waits until none closer can come. On a tie the earlier one."""
    if within < 0:
        raise InvalidGraph(f"nearest(within={within}) must not be negative")
    return Join(JoinKind.NEAREST, within)


@dataclass(frozen=True)
class Queue:
    """What happens to timestamps that are ready while the operator is busy."""

    rule: Literal["keep_last", "drop_newest", "block"]
    depth: int


def _queue(rule: Literal["keep_last", "drop_newest", "block"], depth: int) -> Queue:
    if depth < 1:
        raise InvalidGraph(f"{rule}({depth}): a queue holds at least one message")
    return Queue(rule, depth)


def keep_last(depth: int) -> Queue:
    """Newest wins: the oldest waiting timestamp is dropped, and counted, when ``depth`` are waiting."""
    return _queue("keep_last", depth)


def drop_newest(depth: int) -> Queue:
    """Oldest wins: an arriving timestamp is dropped, and counted, when ``depth`` are waiting."""
    return _queue("drop_newest", depth)


def block(depth: int) -> Queue:
    """Nothing is dropped: the writer does not start its next timestamp while ``depth`` are waiting here."""
    return _queue("block", depth)


class Port(Generic[T]):
    """One end of a stream. Class attribute of an operator; each instance gets a bound copy of its own."""

    name: str = ""
    owner: Operator | None = None

    def __init__(self, type_: type[T]) -> None:
        self.type_ = type_

    def __set_name__(self, cls: type, name: str) -> None:
        self.name = name

    def _bind(self: PortT, instance: Operator) -> PortT:
        bound = instance.__dict__.get(self.name)
        if bound is None:
            bound = copy.copy(self)
            bound.owner = instance
            instance.__dict__[self.name] = bound
        return bound

    def __str__(self) -> str:
        owner = self.owner.name or type(self.owner).__name__ if self.owner is not None else "?"
        return f"{owner}.{self.name}"

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self} of {self.type_.__name__}>"


class Input(Port[T]):
    """Reads one stream of ``type_``. The first declared input is the trigger: its queue rule holds for the operator.

    ``required=False``: the callback runs without it (``ctx.get`` answers None); only for latest and nearest joins.
    """

    def __init__(
        self, type_: type[T], *, join: Join | None = None, queue: Queue | None = None, required: bool = True
    ) -> None:
        super().__init__(type_)
        self.join = join or exact()
        self.queue = queue or keep_last(8)
        self.required = required

    @overload
    def __get__(self, instance: None, cls: type) -> Input[T]: ...
    @overload
    def __get__(self, instance: Operator, cls: type) -> Input[T]: ...
    def __get__(self, instance: Operator | None, cls: type) -> Input[T]:
        return self if instance is None else self._bind(instance)


class Output(Port[T]):
    """Writes one stream of ``type_``."""

    @overload
    def __get__(self, instance: None, cls: type) -> Output[T]: ...
    @overload
    def __get__(self, instance: Operator, cls: type) -> Output[T]: ...
    def __get__(self, instance: Operator | None, cls: type) -> Output[T]:
        return self if instance is None else self._bind(instance)


class State(Generic[T]):
    """A value the operator keeps from one timestamp to the next: ``ctx[self.x]`` reads, ``ctx[self.x] = v`` writes.

    Writes of t commit when t is sealed and vanish when t is aborted. Store immutable values and replace them; a value
    that is changed in place needs ``copy``, which makes the working copy for each timestamp.
    """

    name: str = ""
    owner: Operator | None = None

    def __init__(self, initial: Callable[[], T], *, copy: Callable[[T], T] | None = None) -> None:
        self.initial = initial
        self.copy = copy

    def __set_name__(self, cls: type, name: str) -> None:
        self.name = name
