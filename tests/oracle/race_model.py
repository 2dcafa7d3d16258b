"""A slow and obvious model of one race, written from the rules alone: every question is answered from the full history.

Shares no code and no structure with ``pipeline.race``: it keeps no state, it re-reads all events for every decision.
"""

from __future__ import annotations

from typing import NamedTuple

from pipeline.testing.strategies import CandidateScript, RaceSchedule

ORDER = {"begin": 0, "done": 1, "yield": 2, "fail": 3, "expire": 4, "deadline": 5, "withdraw": 6}
"""Who comes first when several things happen at the same time."""


class Event(NamedTuple):
    time: int
    kind: str
    name: str
    value: str


class Standing(NamedTuple):
    """How a candidate stands: ``open`` (may still improve), ``final`` or ``out``, and its last value."""

    status: str
    value: str | None


class Outcome(NamedTuple):
    commit_time: int
    value: object
    winner: str
    quality: str
    fence_time: int
    """When the answer was settled, or missed: nothing that comes later can be the answer."""
    fence_index: int
    """Number of events that were before the fence."""
    handler_time: int | None
    missed: bool
    best: tuple[str, str] | None
    """At a miss: (candidate, value) of the highest-ranking value at hand."""
    open_at_fence: tuple[str, ...]
    """Candidates that had begun and were still at work when the race was fenced."""
    withdrawn: bool = False
    """The run ended before the race did."""


def events_of(schedule: RaceSchedule) -> list[Event]:
    """All that happens, timers included, in the order in which it counts."""
    events: list[Event] = []
    ranks = {c.name: c.rank for c in schedule.candidates}
    for c in schedule.candidates:
        if c.begins is not None:
            events.append(Event(max(c.begins, schedule.start), "begin", c.name, ""))
        if c.deadline is not None:
            events.append(Event(max(c.deadline, schedule.start), "expire", c.name, ""))
        events.extend(Event(time, kind, c.name, value) for time, kind, value in c.steps)
    if schedule.deadline is not None:
        events.append(Event(max(schedule.deadline, schedule.start), "deadline", "", ""))
    if schedule.withdraw is not None:
        events.append(Event(schedule.withdraw, "withdraw", "", ""))
    return sorted(events, key=lambda e: (e.time, ORDER[e.kind], -ranks.get(e.name, 0)))


def standing(candidate: CandidateScript, history: list[Event], others: tuple[CandidateScript, ...] = ()) -> Standing:
    """Reads the history of one candidate (known to ``others``) from its beginning."""
    value: str | None = None
    for index, event in enumerate(history):
        at_the_end = event.kind == "deadline" and candidate.remote and answered(others, history[:index])
        if event.name != candidate.name and not at_the_end:
            continue
        if event.kind == "yield":
            value = event.value
        elif event.kind == "done":
            return Standing("final", event.value)
        elif event.kind == "fail":
            return Standing("out", None)
        elif event.kind == "expire" or at_the_end:
            return Standing("out", None) if value is None else Standing("final", value)
    return Standing("open", value)


def answered(candidates: tuple[CandidateScript, ...], history: list[Event]) -> bool:
    """A remote candidate that ran out of time at D is no miss as long as another one has answered by then."""
    return any(standing(c, history).status == "final" for c in candidates)


def settled(schedule: RaceSchedule, history: list[Event]) -> CandidateScript | None:
    """The best candidate with a final value, if nobody above it may still improve."""
    final = [c for c in schedule.candidates if standing(c, history, schedule.candidates).status == "final"]
    if not final:
        return None
    best = max(final, key=lambda c: c.rank)
    above = [c for c in schedule.candidates if c.rank > best.rank]
    return None if any(standing(c, history, schedule.candidates).status == "open" for c in above) else best


def everyone_is_out(schedule: RaceSchedule, history: list[Event]) -> bool:
    return all(standing(c, history, schedule.candidates).status == "out" for c in schedule.candidates)


def best_usable(schedule: RaceSchedule, history: list[Event]) -> tuple[str, str] | None:
    usable = [(c.rank, c.name, standing(c, history, schedule.candidates).value) for c in schedule.candidates]
    with_value = [(rank, name, value) for rank, name, value in usable if value is not None]
    return max(with_value)[1:] if with_value else None  # type: ignore[return-value]


def outcome(schedule: RaceSchedule) -> Outcome | None:
    """What must be committed, when and as what; None if it is never decided (no deadline, somebody at work)."""
    events = events_of(schedule)
    if schedule.deadline is not None and schedule.deadline < schedule.start:
        return _missed(schedule, schedule.start, [], events)
    for index, event in enumerate(events):
        history = events[: index + 1]
        if event.kind == "withdraw":
            running = _open(schedule, history)
            return Outcome(event.time, None, "", "missed", event.time, index + 1, None, False, None, running, True)
        if event.kind in ("done", "fail", "expire", "deadline"):
            winner = settled(schedule, history)
            if winner is not None:
                value = standing(winner, history, schedule.candidates).value
                running = _open(schedule, history)
                return Outcome(
                    event.time, value, winner.name, "final", event.time, index + 1, None, False, None, running
                )
            if event.kind == "deadline" or everyone_is_out(schedule, history):
                return _missed(schedule, event.time, history, events)
    return None


def _open(schedule: RaceSchedule, history: list[Event]) -> tuple[str, ...]:
    begun = {c.name for c in schedule.candidates if c.begins is None}
    begun |= {e.name for e in history if e.kind == "begin"}
    return tuple(
        c.name
        for c in schedule.candidates
        if c.name in begun and standing(c, history, schedule.candidates).status == "open"
    )


def _missed(schedule: RaceSchedule, at: int, history: list[Event], events: list[Event]) -> Outcome:
    best = best_usable(schedule, history)
    rest = (at, len(history), None if schedule.handler == "absent" else at, True, best, _open(schedule, history))
    best_answer = ("partial", *best) if best else ("missed", "", None)
    if schedule.handler == "absent":
        quality, winner, value = best_answer
        return Outcome(at, value, winner, quality, *rest)
    over = at + min(schedule.handler_takes, schedule.handler_budget)
    withdrawn = [e.time for e in events[len(history) :] if e.kind == "withdraw" and e.time <= over]
    if withdrawn and (withdrawn[0] < over):
        return Outcome(max(withdrawn[0], at), None, "", "missed", *rest, True)
    if schedule.handler_takes > schedule.handler_budget or schedule.handler == "raises":
        quality, winner, value = best_answer
    elif schedule.handler == "nothing":
        quality, winner, value = "missed", "", None
    elif schedule.handler == "best":
        quality, winner, value = best_answer
    else:
        quality, winner, value = "fallback", "handler", "fallback"
    return Outcome(over, value, winner, quality, *rest)


def late(schedule: RaceSchedule, decided: Outcome) -> list[Event]:
    """Answers that can no longer count: behind the fence, or from a candidate that is finished or out already."""
    events = events_of(schedule)
    found = []
    for index, event in enumerate(events):
        if event.kind not in ("yield", "done", "fail"):
            continue
        owner = next(c for c in schedule.candidates if c.name == event.name)
        if index >= decided.fence_index or standing(owner, events[:index]).status != "open":
            found.append(event)
    return found


def states_kept(schedule: RaceSchedule, decided: Outcome) -> list[tuple[int, str]]:
    """(time, candidate) of the local work that ends behind the fence and whose state counts for later timestamps."""
    winner = next((c for c in schedule.candidates if c.name == decided.winner), None)
    goes_on = (decided.missed and not schedule.abort) or (not decided.missed and winner is not None and winner.remote)
    if not goes_on:
        return []
    events = events_of(schedule)[decided.fence_index :]
    local = {c.name for c in schedule.candidates if not c.remote} & set(decided.open_at_fence)
    kept = [(e.time, e.name) for e in events if e.kind == "done" and e.name in local]
    # Beside a remote winner the local work has as long as it would have had without a cloud.
    bounded = not decided.missed and schedule.abort and schedule.deadline is not None
    ends = [schedule.deadline] if bounded and schedule.deadline is not None else []
    ends += [decided.commit_time] if decided.withdrawn else []
    return [end for end in kept if end[0] <= min(ends, default=end[0])]
