"""Feeds a known schedule to the real race, as an engine would: in the order that the rules fix, handler included."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

from pipeline.race import CallHandler, Candidate, Commit, Late, MissPolicy, Race
from pipeline.testing.strategies import RaceSchedule
from tests.oracle.race_model import ORDER, Event, events_of

FALLBACK = "fallback"


class Act(NamedTuple):
    """One action, with the event that led to it."""

    time: int
    event: str
    name: str
    action: Any


class Played(NamedTuple):
    race: Race
    acts: list[Act]

    def of(self, kind: type) -> list[Act]:
        """The actions of one kind."""
        return [act for act in self.acts if isinstance(act.action, kind)]

    @property
    def commits(self) -> list[Act]:
        return self.of(Commit)

    @property
    def handler_calls(self) -> list[Act]:
        return self.of(CallHandler)

    @property
    def lates(self) -> list[Act]:
        return self.of(Late)


def race_of(schedule: RaceSchedule) -> Race:
    """The race at its start."""
    return Race(
        schedule.start,
        [Candidate(c.name, c.rank, c.deadline, c.remote, c.begins is not None) for c in schedule.candidates],
        deadline=schedule.deadline,
        has_handler=schedule.handler != "absent",
        policy=MissPolicy.ABORT if schedule.abort else MissPolicy.CONTINUE,
        handler_budget=schedule.handler_budget,
    )


def play(schedule: RaceSchedule, *, spurious_timers: bool = False) -> Played:
    """Run the schedule to its end. ``spurious_timers``: candidates' timers fire although the race is over."""
    race = race_of(schedule)
    played = Played(race, [])
    pending = list(events_of(schedule))
    _carry_out(schedule, played, pending, Event(schedule.start, "start", "", ""), race.start(schedule.start))
    while pending:
        event = pending.pop(0)
        # The race's deadline stays armed: it also ends local work that runs on beside a remote winner.
        if event.kind == "expire" and race.fenced and not spurious_timers:
            continue
        _carry_out(schedule, played, pending, event, _feed(race, event))
    return played


def _feed(race: Race, event: Event) -> Sequence[Any]:
    time, kind, name, value = event
    if kind == "begin":
        return race.begin(name, time)
    if kind == "yield":
        return race.yielded(name, value, time)
    if kind == "done":
        return race.done(name, value, time)
    if kind == "fail":
        return race.failed(name, value, time)
    if kind == "expire":
        return race.expire_candidate(name, time)
    if kind == "deadline":
        return race.expire(time)
    if kind == "withdraw":
        return race.withdraw("shutdown", time)
    if kind == "handler raises":
        return race.handler_failed("broken", time)
    if kind == "handler expires":
        return race.handler_expired(time)
    assert kind == "handler answers", kind
    best = race.best.value if race.best is not None else None
    return race.answered({"value": FALLBACK, "best": best, "nothing": None}[value], time)


def _carry_out(
    schedule: RaceSchedule, played: Played, pending: list[Event], event: Event, actions: Sequence[Any]
) -> None:
    for action in actions:
        played.acts.append(Act(event.time, event.kind, event.name, action))
        if isinstance(action, CallHandler):
            assert schedule.handler != "absent"
            _schedule_handler(schedule, pending, event.time)


def _schedule_handler(schedule: RaceSchedule, pending: list[Event], now: int) -> None:
    kind = "handler raises" if schedule.handler == "raises" else "handler answers"
    events = [Event(now + schedule.handler_takes, kind, "", schedule.handler)]
    if schedule.handler_takes > schedule.handler_budget:
        events.append(Event(now + schedule.handler_budget, "handler expires", "", ""))
    pending.extend(events)
    pending.sort(key=lambda e: (e.time, ORDER.get(e.kind, ORDER["done"])))
