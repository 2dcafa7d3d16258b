"""Hypothesis strategies for what a runtime must survive: race schedules, arrivals at a join, latencies, chains.

Plain frozen values come out, so a failing example prints as something one can read. Needs ``hypothesis``.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from hypothesis import strategies as st

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


@st.composite
def _script(draw: st.DrawFn, index: int, rank: int) -> CandidateScript:
    times = draw(st.lists(st.integers(0, 14), max_size=4, unique=True).map(sorted))
    begins = draw(st.sampled_from([None, None, None, 0, 3, 6]))
    end = draw(st.sampled_from(["done", "done", "done", "fail", "never"]))
    times = [time for time in times if begins is None or time >= begins]
    steps: list[Step] = [(time, "yield", f"c{index}@{time}") for time in times]
    if steps and end != "never":
        time = steps[-1][0]
        steps[-1] = (time, end, f"c{index}@{time}" if end == "done" else "broken")
    deadline = draw(st.one_of(st.none(), st.integers(0, 14)))
    remote = index > 0 and draw(st.booleans())
    return CandidateScript(f"c{index}", rank, deadline, remote, begins, tuple(steps))


@st.composite
def race_schedules(draw: st.DrawFn, *, candidates: int = 4) -> RaceSchedule:
    """Races of up to ``candidates`` on so small a time scale that events often coincide. The first one is local."""
    count = draw(st.integers(1, candidates))
    ranks = draw(st.permutations(range(count)))
    return RaceSchedule(
        start=0,
        deadline=draw(st.one_of(st.none(), st.integers(-1, 12))),
        candidates=tuple(draw(_script(index, ranks[index])) for index in range(count)),
        handler=draw(st.sampled_from(["absent", "value", "best", "nothing", "raises"])),
        handler_takes=draw(st.integers(0, 4)),
        handler_budget=draw(st.sampled_from([1, 2, 3])),
        abort=draw(st.booleans()),
        withdraw=draw(st.one_of(st.none(), st.none(), st.none(), st.integers(0, 14))),
    )
