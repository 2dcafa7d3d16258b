"""Which answer is held against which truth: the sync, timely, arrival and decay form of every perception metric.

Only pairs; the ordinary metrics count what it pairs. An answer about t is out at ``at``; both are nanoseconds.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

from scenarios.metrics.frames import Pair

T = TypeVar("T")
A = TypeVar("A")


@dataclass(frozen=True)
class Answer(Generic[A]):
    """What somebody said about ``t``, and when it could first be used."""

    t: int
    at: int
    value: A


@dataclass(frozen=True)
class Truth(Generic[T]):
    """What was true at ``t``."""

    t: int
    value: T


Forecast = Callable[[A, int], A]
"""(what was said, how old it is in ns) → what it means now."""


def timely(
    answers: Iterable[Answer[A]], truths: Sequence[Truth[T]], *, forecast: Forecast[A] | None = None
) -> list[Pair[T, A]]:
    """At every truth instant the newest answer that was out by then; None before the first.

    Newest is the one about the latest t: an old answer that comes after a newer one changes nothing.
    Source: Li, Wang, Ramanan: Towards Streaming Perception (ECCV 2020) §3.1
    """
    newest: list[Answer[A]] = []
    for answer in sorted(answers, key=lambda answer: (answer.at, answer.t)):
        if not newest or answer.t >= newest[-1].t:
            newest.append(answer)
    out = [answer.at for answer in newest]
    pairs: list[Pair[T, A]] = []
    for truth in truths:
        i = bisect_right(out, truth.t)
        if i == 0:
            pairs.append(Pair(truth.t, truth.value, None))
            continue
        answer = newest[i - 1]
        value = answer.value if forecast is None else forecast(answer.value, truth.t - answer.t)
        pairs.append(Pair(truth.t, truth.value, value))
    return pairs


def sync(answers: Iterable[Answer[A]], truths: Sequence[Truth[T]], *, tolerance_ns: int = 0) -> list[Pair[T, A]]:
    """Every answer against the truth at its own t, as if it had taken no time: what an offline benchmark measures.

    Answers about an instant of which no truth is known (nearest within ``tolerance_ns``) are left out; of two answers
    about one instant the later counts.
    """
    said = {answer.t: answer.value for answer in sorted(answers, key=lambda answer: answer.at)}
    found = ((_nearest(truths, t, tolerance_ns), value) for t, value in sorted(said.items()))
    return [Pair(truth.t, truth.value, value) for truth, value in found if truth is not None]


def arrival(answers: Iterable[Answer[A]], truths: Sequence[Truth[T]]) -> list[Pair[T, A]]:
    """Every answer against the first truth from the time on at which it was out; none after the last truth."""
    times = [truth.t for truth in truths]
    pairs: list[Pair[T, A]] = []
    for answer in sorted(answers, key=lambda answer: (answer.at, answer.t)):
        i = bisect_left(times, answer.at)
        if i < len(times):
            pairs.append(Pair(times[i], truths[i].value, answer.value))
    return pairs


def decay(truths: Sequence[Truth[T]], latency_ns: int) -> list[Pair[T, T]]:
    """The truth of ``latency_ns`` ago against the truth now: how a perfect answer ages.

    The timely form of answers that are true and come late. The first instants, of which there is no past, are left out.
    """
    late = (Answer(truth.t, truth.t + latency_ns, truth.value) for truth in truths)
    return [pair for pair in timely(late, truths) if pair.answer is not None]


def _nearest(truths: Sequence[Truth[T]], t: int, tolerance_ns: int) -> Truth[T] | None:
    i = bisect_left(truths, t, key=lambda truth: truth.t)
    near = min(truths[max(0, i - 1) : i + 1], key=lambda truth: abs(truth.t - t), default=None)
    return near if near is not None and abs(near.t - t) <= tolerance_ns else None
