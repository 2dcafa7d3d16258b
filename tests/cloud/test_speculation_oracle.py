"""The selection rules of IROS'23 §V, written down literally, against the runtime's race with the deadlines chosen here.

The paper's rules are those of one timestamp: what is forwarded, and when. They leave open what an error does (here: the
request is resolved at once) and what happens at equal times (here: an answer that arrives with its timer counts).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

from hypothesis import given, settings
from hypothesis import strategies as st

from cloud.speculation import Endpoint, Offer, Situation, Speculation, ordered
from pipeline.race import Candidate, Commit, MissPolicy, Race
from pipeline.timestamps import FOREVER, Duration

ARRIVES, FAILS, TIMER = 0, 1, 2
"""Order at equal times."""


@dataclass(frozen=True)
class Cloud:
    """One request: its priority, its timer and what comes back."""

    priority: int
    hold: int
    comes_at: int | None
    fails: bool = False


class Outcome(NamedTuple):
    """What was forwarded."""

    at: int
    priority: int


def papers_rules(local_at: int | None, clouds: list[Cloud]) -> Outcome | None:
    """§V-C, step by step. Priority 0 is the local result."""
    pending, fired, cached = {c.priority for c in clouds}, set(), set()
    forwarded: Outcome | None = None
    events = [(c.hold, TIMER, c.priority) for c in clouds]
    events += [(c.comes_at, FAILS if c.fails else ARRIVES, c.priority) for c in clouds if c.comes_at is not None]
    events += [(local_at, ARRIVES, 0)] if local_at is not None else []
    for now, kind, p in sorted(events, key=lambda e: (e[0], e[1], -e[2])):
        if forwarded is not None:
            break
        if kind == ARRIVES and p == 0:
            if pending:
                cached.add(0)
            else:
                forwarded = Outcome(now, 0)
        elif kind == ARRIVES and p not in fired:
            pending.discard(p)
            if any(other > p for other in pending):
                cached.add(p)
            else:
                forwarded = Outcome(now, p)
        elif kind == FAILS and p not in fired:
            pending.discard(p)
            if cached and not any(other > max(cached) for other in pending):
                forwarded = Outcome(now, max(cached))
        elif kind == TIMER:
            fired.add(p)
            pending.discard(p)
            if cached:
                forwarded = Outcome(now, max(cached))
    return forwarded


def races_rules(local_at: int | None, clouds: list[Cloud], deadline: int | None = None) -> Outcome | None:
    """The same events, fed to the runtime's race, whose candidates and deadlines come from this package's rules."""
    order = ordered("local", [Endpoint(f"c{c.priority}", c.priority) for c in clouds])
    remaining = FOREVER if deadline is None else Duration(deadline)
    holds: dict[str, int] = {}
    for cloud in clouds:
        decision = Speculation(hold=Duration(cloud.hold)).decide(Situation(0, remaining, 0, False))
        assert isinstance(decision, Offer)
        holds[f"c{cloud.priority}"] = decision.hold
    candidates = [Candidate(e.name, e.priority, holds.get(e.name), remote=e.name != "local") for e in order]
    race = Race(0, candidates, deadline=deadline, policy=MissPolicy.CONTINUE)
    events = [(hold, TIMER, name) for name, hold in holds.items()]
    events += [(c.comes_at, FAILS if c.fails else ARRIVES, f"c{c.priority}") for c in clouds if c.comes_at is not None]
    events += [(local_at, ARRIVES, "local")] if local_at is not None else []
    events += [(deadline, TIMER + 1, "")] if deadline is not None else []
    rank = {e.name: e.priority for e in order}
    race.start(0)
    for now, kind, name in sorted(events, key=lambda e: (e[0], e[1], -rank.get(e[2], 0))):
        if kind == ARRIVES:
            actions = race.done(name, name, now)
        elif kind == FAILS:
            actions = race.failed(name, "link down", now)
        elif kind == TIMER:
            actions = race.expire_candidate(name, now)
        else:
            actions = race.expire(now)
        for action in actions:
            if isinstance(action, Commit) and action.value is not None:
                return Outcome(now, rank[action.winner])
    return None


times = st.integers(0, 12)
maybe = st.one_of(st.none(), times)


def requests(hold: st.SearchStrategy[int], most: int) -> st.SearchStrategy[list[Cloud]]:
    one = st.tuples(hold, maybe, st.booleans())
    return st.lists(one, max_size=most).map(lambda r: [Cloud(k + 1, *fields) for k, fields in enumerate(r)])


@settings(max_examples=400)
@given(maybe, requests(st.integers(1, 10), 1))
def test_with_one_cloud_the_race_forwards_what_and_when_the_paper_does(
    local_at: int | None, clouds: list[Cloud]
) -> None:
    assert races_rules(local_at, clouds) == papers_rules(local_at, clouds)


@settings(max_examples=600)
@given(maybe, st.integers(1, 10).flatmap(lambda hold: requests(st.just(hold), 3)))
def test_with_several_clouds_and_one_deadline_it_does_so_too(local_at: int | None, clouds: list[Cloud]) -> None:
    assert races_rules(local_at, clouds) == papers_rules(local_at, clouds)


@settings(max_examples=600)
@given(maybe, requests(st.integers(1, 10), 3))
def test_with_different_deadlines_the_race_waits_for_the_better_answer_and_never_settles_for_less(
    local_at: int | None, clouds: list[Cloud]
) -> None:
    """In the paper the first timer forwards what is at hand although a better request is still within its own time."""
    paper, race = papers_rules(local_at, clouds), races_rules(local_at, clouds)
    assert (paper is None) == (race is None)
    if paper is not None and race is not None:
        assert race.priority >= paper.priority
        assert race.at <= max([paper.at, *(c.hold for c in clouds)])


@settings(max_examples=400)
@given(times, requests(st.integers(1, 10), 3))
def test_the_local_answer_is_held_no_longer_than_the_latest_remote_deadline(local_at: int, clouds: list[Cloud]) -> None:
    outcome = races_rules(local_at, clouds)
    assert outcome is not None
    assert outcome.at <= max([local_at, *(c.hold for c in clouds)])


@settings(max_examples=400)
@given(times, requests(st.integers(1, 20), 3), st.integers(1, 12))
def test_with_a_deadline_a_finished_local_answer_always_makes_it(
    local_at: int, clouds: list[Cloud], deadline: int
) -> None:
    outcome = races_rules(local_at, clouds, deadline)
    if local_at <= deadline:
        assert outcome is not None
        assert outcome.at <= deadline


@settings(max_examples=400)
@given(times, requests(st.integers(1, 10), 3))
def test_clouds_that_fail_at_once_change_nothing(local_at: int, clouds: list[Cloud]) -> None:
    dead = [Cloud(c.priority, c.hold, 0, fails=True) for c in clouds]
    assert races_rules(local_at, dead) == Outcome(local_at, 0)
