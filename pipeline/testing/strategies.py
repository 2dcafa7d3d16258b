"""Hypothesis strategies for what a runtime must survive: race schedules, arrivals at a join, latencies, chains.

Plain frozen values come out, so a failing example prints as something one can read. Needs ``hypothesis``.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, TypeVar

from hypothesis import strategies as st

T = TypeVar("T")

Step = tuple[int, str, str]
"""(time, ``yield`` | ``done`` | ``fail``, value or reason)."""


@dataclass(frozen=True)
class CandidateScript:
    """What one candidate of a race does, with the times at which it does it."""

    name: str
    rank: int
    deadline: int | None
    """Its own, absolute."""
    remote: bool
    begins: int | None
    """It waits until then; None: it runs from the start of the race."""
    steps: tuple[Step, ...]
    """In strictly increasing time; nothing follows a ``done`` or a ``fail``."""


@dataclass(frozen=True)
class RaceSchedule:
    """Everything that will happen to one race, known beforehand."""

    start: int
    deadline: int | None
    candidates: tuple[CandidateScript, ...]
    handler: Literal["absent", "value", "best", "nothing", "raises"]
    handler_takes: int
    """How long the handler would run; beyond ``handler_budget`` it overruns."""
    handler_budget: int
    abort: bool
    withdraw: int | None
    """The run ends then."""


class _Dice:
    """Choices read off a string of bytes: one draw per example is many times quicker than one per choice."""

    def __init__(self, throws: bytes) -> None:
        self._throws = iter(throws)

    def below(self, n: int) -> int:
        return next(self._throws) % n

    def one(self, options: Sequence[T]) -> T:
        return options[self.below(len(options))]

    def maybe(self, low: int, high: int, *, chance: int) -> int | None:
        """None unless one of ``chance`` faces shows; then a number from low to high."""
        number = low + self.below(high - low + 1)
        return number if self.below(4) < chance else None


def _script(dice: _Dice, index: int, rank: int) -> CandidateScript:
    times = sorted({dice.below(15) for _ in range(dice.below(5))})
    begins = dice.maybe(0, 6, chance=1)
    end = dice.one(["done", "done", "done", "fail", "never"])
    times = [time for time in times if begins is None or time >= begins]
    steps: list[Step] = [(time, "yield", f"c{index}@{time}") for time in times]
    if steps and end != "never":
        time = steps[-1][0]
        steps[-1] = (time, end, f"c{index}@{time}" if end == "done" else "broken")
    deadline = dice.maybe(0, 14, chance=2)
    remote = index > 0 and dice.below(2) == 1
    return CandidateScript(f"c{index}", rank, deadline, remote, begins, tuple(steps))


def _race(throws: bytes) -> RaceSchedule:
    dice = _Dice(throws)
    count = 1 + dice.below(4)
    ranks = list(range(count))
    ranks = [ranks.pop(dice.below(len(ranks))) for _ in range(count)]
    return RaceSchedule(
        start=0,
        deadline=dice.maybe(-1, 12, chance=3),
        candidates=tuple(_script(dice, index, ranks[index]) for index in range(count)),
        handler=dice.one(["absent", "value", "best", "nothing", "raises"]),
        handler_takes=dice.below(5),
        handler_budget=1 + dice.below(3),
        abort=dice.below(2) == 0,
        withdraw=dice.maybe(0, 14, chance=1),
    )


def race_schedules() -> st.SearchStrategy[RaceSchedule]:
    """Races of up to four candidates on so small a time scale that events often coincide. The first one is local."""
    return st.binary(min_size=72, max_size=72).map(_race)


def arrivals_at(inputs: int) -> st.SearchStrategy[list[tuple[int, str, int]]]:
    """(input, ``message`` | ``watermark``, t) in the order of arrival; each stream's timestamps strictly increase."""

    def build(throws: bytes) -> list[tuple[int, str, int]]:
        dice = _Dice(throws)
        last = [-1] * inputs
        arrivals = []
        for _ in range(dice.below(24)):
            index, ahead = dice.below(inputs), 1 + dice.one([0, 0, 0, 1, 2, 4])
            last[index] += ahead
            arrivals.append((index, "watermark" if dice.below(5) == 4 else "message", last[index]))
        return arrivals

    return st.binary(min_size=76, max_size=76).map(build)


@dataclass(frozen=True)
class ChainStage:
    """One stage of a random chain; times in nanoseconds."""

    latencies: tuple[int, ...]
    """By number of the source's tick."""
    deadline: int | None
    queue: Literal["keep_last", "drop_newest"]
    depth: int
    abort: bool


@dataclass(frozen=True)
class RandomChain:
    """source → stage → stage …; the source ticks every ``period``."""

    period: int
    count: int
    stages: tuple[ChainStage, ...]


def chains(*, ticks: int = 12, unit: int = 1_000_000) -> st.SearchStrategy[RandomChain]:
    """Up to three overloaded stages.

    Each stage's times carry a remainder of their own, so that no two stages act at the same instant; within a stage,
    work often ends exactly at its deadline.
    """

    def stage(dice: _Dice, number: int) -> ChainStage:
        remainder = 1 << (8 * number)
        often = dice.below(25)
        durations = [often if dice.below(3) == 0 else dice.below(30) for _ in range(ticks)]
        limit = dice.one([None, often, often, 5 + dice.below(20)])
        return ChainStage(
            latencies=tuple(unit * d + remainder for d in durations),
            deadline=None if limit is None else unit * limit + remainder,
            queue=dice.one(["keep_last", "drop_newest"]),
            depth=1 + dice.below(3),
            abort=dice.below(2) == 0,
        )

    def build(throws: bytes) -> RandomChain:
        dice = _Dice(throws)
        return RandomChain(10 * unit, ticks, tuple(stage(dice, i) for i in range(1 + dice.below(3))))

    return st.binary(min_size=128, max_size=128).map(build)
