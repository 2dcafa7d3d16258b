"""Which pictures a detector on one processor gets to see, and when its answers are out: the streaming sequencer.

For judging a menu of detectors by their runtimes alone, without a graph; a run's own answers come from its streams.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Sequence
from typing import NamedTuple

POLICIES = ("eager", "wait", "tail_aware", "unlimited")


class Slot(NamedTuple):
    """The picture taken at ``t`` was worked on; the answer was out at ``at``."""

    t: int
    at: int


def sequence(frames_ns: Sequence[int], runtime_ns: Callable[[int], int], policy: str = "tail_aware") -> list[Slot]:
    """What is worked on when; ``runtime_ns``: of the picture at that time.

    Whoever is done takes the newest picture if it has not been seen yet (``eager``), or the next one (``wait``), or
    the next one if the newest would only be answered after more frames than that (``tail_aware``). ``unlimited``: a
    processor for every picture.
    Sources: Li, Wang, Ramanan: Towards Streaming Perception (ECCV 2020) §3.3; Gog et al.: Octopus (ECCV 2022)
    """
    assert policy in POLICIES, f"{policy} is none of {POLICIES}"
    if policy == "unlimited":
        return [Slot(t, t + runtime_ns(t)) for t in frames_ns]
    slots: list[Slot] = []
    now = frames_ns[0] if frames_ns else 0
    while True:
        newest = bisect_right(frames_ns, now) - 1
        unseen = newest >= 0 and (not slots or frames_ns[newest] > slots[-1].t)
        if unseen and not (now > frames_ns[newest] and _waits(frames_ns, newest, now, runtime_ns, policy)):
            slots.append(Slot(frames_ns[newest], now + runtime_ns(frames_ns[newest])))
            now = slots[-1].at
        elif newest + 1 < len(frames_ns):
            now = frames_ns[newest + 1]
        else:
            return slots


def _waits(frames_ns: Sequence[int], newest: int, now: int, runtime_ns: Callable[[int], int], policy: str) -> bool:
    """Whether to leave out a picture that is already old."""
    if policy != "tail_aware" or newest + 1 >= len(frames_ns):
        return policy == "wait"
    gap = frames_ns[newest + 1] - frames_ns[newest]
    late = now - frames_ns[newest]
    return (late + runtime_ns(frames_ns[newest])) % gap < late
