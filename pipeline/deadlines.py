"""When a timestamp must have been answered: relative, frequency and end-to-end deadlines, static or set by a stream.

Pure. Answers "when does t expire for this operator"; what happens then is the race's business.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Union

from pipeline.messages import Budget
from pipeline.ports import Output
from pipeline.race import MissPolicy
from pipeline.timestamps import Duration, ms

Within = Union[Duration, Output[Budget]]
STARTED_MAX = 1000
"""Timestamps under way from another process; the oldest is forgotten when nobody here ever answers them."""


@dataclass(frozen=True)
class DeadlineSpec:
    """One declared deadline on the operator that writes ``output``."""

    name: str
    output: str
    """``operator.port`` whose watermark ends it."""
    operator: str
    within: Within
    static: Duration | None = None
    """Holds in the static model, and in the dynamic one until the first budget arrives."""
    since: str | None = None
    """``operator.port`` whose message starts it (end to end); None: the first input of t (relative)."""
    every: bool = False
    """A frequency deadline: the longest gap between two answers."""
    policy: MissPolicy = MissPolicy.ABORT
    handler_budget: Duration = ms(5)
    reserve: Mapping[str, Duration] = field(default_factory=dict)
    """End to end: what each operator on the path needs at least; missing ones take their profiled 99th percentile."""


class BudgetInForce:
    """The budget of one deadline over time. A change applies to timestamps that start after it."""

    __slots__ = ("dynamic", "within")

    def __init__(self, spec: DeadlineSpec, dynamic: bool) -> None:
        self.dynamic = dynamic and isinstance(spec.within, Output)
        self.within: int | None = spec.static if isinstance(spec.within, Output) else spec.within

    def set(self, within: int) -> None:
        """A policy wrote a new budget."""
        if self.dynamic:
            self.within = max(0, within)


class RelativeDeadline:
    """From the start condition of t at one operator to its answer."""

    __slots__ = ("budget", "spec")

    def __init__(self, spec: DeadlineSpec, budget: BudgetInForce) -> None:
        self.spec, self.budget = spec, budget

    def expiry(self, t: int, now: int) -> int | None:
        """When t, whose start condition holds now, expires."""
        return None if self.budget.within is None else now + self.budget.within


class EndToEndDeadline:
    """From one stream to another across the graph.

    The operator at position i must answer by start + budget − (what those behind it need at least), so the time that an
    operator leaves over moves to those behind it, and one that was missed leaves them their minimum.
    Source: D3 (EuroSys'22), sections 2 and 4; the split by latest cut-off is ours.
    """

    __slots__ = ("behind", "budget", "own", "spec", "started")

    def __init__(
        self, spec: DeadlineSpec, budget: BudgetInForce, behind: Mapping[str, int], own: Mapping[str, int]
    ) -> None:
        self.spec, self.budget = spec, budget
        self.behind = behind
        """operator → longest sum of reserves on a path behind it."""
        self.own = own
        """operator → its own reserve."""
        self.started: dict[int, tuple[int, int | None]] = {}

    def start(self, t: int, now: int) -> None:
        """The first stream carried t: the budget in force now is the one of t, for every operator on the path."""
        self.started[t] = (now, self.budget.within)

    def start_elsewhere(self, t: int, now: int, within: int) -> None:
        """The first stream, written in another process, carried t at ``now``."""
        self.started.setdefault(t, (now, within))
        if len(self.started) > STARTED_MAX:
            del self.started[min(self.started)]

    def finish(self, t: int) -> None:
        """The last operator sealed t: nothing at or before it is of interest any more."""
        for old in [s for s in self.started if s <= t]:
            del self.started[old]

    def expiry(self, operator: str, t: int, now: int) -> int | None:
        """When t expires at ``operator``; never so early that its minimum share is gone before it begins."""
        start, within = self.started.get(t, (None, None))
        if start is None or within is None:
            return None
        behind = self.behind[operator]
        total = behind + self.own[operator]
        if total > within > 0:
            # Too small a budget for everyone's minimum: everybody gets the same fraction of it.
            behind = behind * within // total
        return max(start + within - behind, min(now + self.own[operator], start + within))


def reserves_behind(
    path: Mapping[str, Sequence[str]], order: Sequence[str], reserve: Mapping[str, int]
) -> dict[str, int]:
    """Longest sum of reserves strictly behind each operator; ``path``: operator → its successors on the path."""
    behind: dict[str, int] = {}
    for name in reversed(order):
        behind[name] = max((reserve[s] + behind[s] for s in path[name]), default=0)
    return behind
