"""The race against its brute-force model, and each of its invariants on its own."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.race import CallHandler, Cancel, Candidate, Commit, CommitState, MissPolicy, Race, Rollback
from pipeline.testing.strategies import CandidateScript, RaceSchedule, race_schedules
from tests.oracle.profiles import ci
from tests.oracle.race_driver import FALLBACK, play
from tests.oracle.race_model import events_of, late, outcome, standing, states_kept

schedules = race_schedules()


# -- against the model ------------------------------------------------------------------------------------------------


@ci
@given(schedules)
def test_commits_what_the_rules_say_when_they_say(schedule: RaceSchedule) -> None:
    expected, played = outcome(schedule), play(schedule)
    if expected is None:
        assert played.commits == []
        return
    (committed,) = played.commits
    assert committed.time == expected.commit_time
    assert committed.action.value == expected.value
    assert committed.action.quality == expected.quality
    if expected.value is not None:
        assert committed.action.winner == expected.winner


@ci
@given(schedules)
def test_calls_the_handler_exactly_when_the_rules_say(schedule: RaceSchedule) -> None:
    expected, played = outcome(schedule), play(schedule)
    times = [] if expected is None or expected.handler_time is None else [expected.handler_time]
    assert [act.time for act in played.handler_calls] == times


@ci
@given(schedules)
def test_counts_exactly_the_late_events_with_their_lateness(schedule: RaceSchedule) -> None:
    expected, played = outcome(schedule), play(schedule)
    if expected is None:
        return
    from_candidates = [act for act in played.lates if act.event in ("yield", "done", "fail")]
    assert [(a.time, a.event, a.name) for a in from_candidates] == [
        (e.time, e.kind, e.name) for e in late(schedule, expected)
    ]
    for act in from_candidates:
        assert act.action.by >= 0
        if events_of(schedule).index(next(e for e in events_of(schedule) if e[:3] == act[:3])) >= expected.fence_index:
            assert act.action.by == act.time - expected.fence_time


@ci
@given(schedules)
def test_keeps_the_state_of_late_local_work_only_where_it_may_go_on(schedule: RaceSchedule) -> None:
    expected, played = outcome(schedule), play(schedule)
    if expected is None:
        return
    assert [(act.time, act.action.name) for act in played.of(CommitState)] == states_kept(schedule, expected)


@ci
@given(schedules)
def test_an_abort_rolls_back_once_and_before_the_handler_answers(schedule: RaceSchedule) -> None:
    expected, played = outcome(schedule), play(schedule)
    aborted = expected is not None and expected.missed and schedule.abort
    rollbacks = [i for i, act in enumerate(played.acts) if isinstance(act.action, Rollback)]
    assert len(rollbacks) == (1 if aborted else 0)
    if aborted:
        assert rollbacks[0] < next(i for i, act in enumerate(played.acts) if isinstance(act.action, Commit))


@ci
@given(schedules)
def test_cancels_exactly_what_still_runs_and_may_not_go_on(schedule: RaceSchedule) -> None:
    expected, played = outcome(schedule), play(schedule)
    if expected is None:
        return
    cancelled = [act.action.name for act in played.of(Cancel) if act.action.why != "own deadline"]
    assert len(set(cancelled)) == len(cancelled), "cancelled twice"
    local = {c.name for c in schedule.candidates if not c.remote}
    remote_won = any(c.remote and c.name == expected.winner for c in schedule.candidates) and not expected.missed
    goes_on = local if remote_won or (expected.missed and not schedule.abort) else set()
    at_fence = [act.action.name for act in played.of(Cancel) if act.time == expected.fence_time]
    assert set(expected.open_at_fence) - goes_on <= set(at_fence)
    if schedule.withdraw is None:
        # Beside a remote winner the local one is stopped at the deadline, as it would be without a cloud.
        assert set(cancelled) - set(at_fence) <= (local if remote_won and schedule.abort else set())
        for act in played.of(Cancel):
            if act.time != expected.fence_time and act.action.why != "own deadline":
                assert act.time == schedule.deadline


# -- the invariants ---------------------------------------------------------------------------------------------------


@ci
@given(schedules, st.booleans())
def test_there_is_never_more_than_one_commit_and_always_one_with_a_deadline(
    schedule: RaceSchedule, spurious: bool
) -> None:
    commits = play(schedule, spurious_timers=spurious).commits
    assert len(commits) <= 1
    if schedule.deadline is not None:
        assert len(commits) == 1


@ci
@given(schedules, st.booleans())
def test_no_commit_is_later_than_the_deadline_plus_the_handlers_budget(schedule: RaceSchedule, spurious: bool) -> None:
    for act in play(schedule, spurious_timers=spurious).commits:
        if schedule.deadline is not None:
            assert act.time <= max(schedule.deadline, schedule.start) + schedule.handler_budget


@ci
@given(schedules)
def test_without_a_miss_nothing_waits_beyond_the_best_local_one_and_the_remotes_own_deadlines(
    schedule: RaceSchedule,
) -> None:
    played = play(schedule)
    best = max((c for c in schedule.candidates if not c.remote), key=lambda c: c.rank)
    ends = [time for time, kind, _ in best.steps if kind == "done" and (best.deadline is None or time <= best.deadline)]
    bounds = [c.deadline for c in schedule.candidates if c.remote]
    special = schedule.withdraw is not None or any(c.begins is not None for c in schedule.candidates)
    if special or played.handler_calls or not played.commits or not ends or None in bounds:
        return
    (committed,) = played.commits
    assert committed.time <= max([ends[0], schedule.start, *(b for b in bounds if b is not None)])


@ci
@given(schedules)
def test_never_commits_a_value_below_a_final_one_at_hand(schedule: RaceSchedule) -> None:
    played = play(schedule)
    rank = {c.name: c.rank for c in schedule.candidates}
    for act in played.commits:
        if act.action.winner not in rank:
            continue
        fence = min(a.time for a in [*played.handler_calls, act])
        history = [e for e in events_of(schedule) if e.time < fence]
        final = [c.rank for c in schedule.candidates if standing(c, history).status == "final"]
        assert rank[act.action.winner] >= max(final, default=-1)


@ci
@given(schedules, st.booleans())
def test_never_commits_a_value_from_after_the_fence(schedule: RaceSchedule, spurious: bool) -> None:
    played = play(schedule, spurious_timers=spurious)
    fence = min((act.time for act in [*played.handler_calls, *played.commits]), default=0)
    for act in played.commits:
        if act.action.value not in (None, FALLBACK):
            assert int(act.action.value.split("@")[1]) <= fence


@ci
@given(schedules, st.booleans())
def test_the_handler_runs_at_most_once_and_never_without_a_miss(schedule: RaceSchedule, spurious: bool) -> None:
    played = play(schedule, spurious_timers=spurious)
    assert len(played.handler_calls) <= 1
    if schedule.handler == "absent":
        assert played.handler_calls == []
    if any(act.action.quality == "final" for act in played.commits):
        assert played.handler_calls == []


@ci
@given(schedules)
def test_every_event_is_used_or_late_with_no_third_way(schedule: RaceSchedule) -> None:
    played, expected = play(schedule), outcome(schedule)
    events = events_of(schedule)
    answers = [e for e in events if e.kind in ("yield", "done", "fail")]
    reported = [(act.time, act.event, act.name) for act in played.lates]
    assert len(set(reported)) == len(reported), "counted twice"
    for event in answers:
        history = events[: events.index(event)]
        owner = next(c for c in schedule.candidates if c.name == event.name)
        before_fence = expected is None or len(history) < expected.fence_index
        used = before_fence and standing(owner, history).status == "open"
        assert used != (event[:3] in reported)


@ci
@given(schedules)
def test_without_deadlines_and_with_one_candidate_its_answer_is_the_commit(schedule: RaceSchedule) -> None:
    (done,) = [step for step in (*schedule.candidates[0].steps, (99, "done", "v")) if step[1] == "done"][:1]
    race = Race(0, [Candidate("only", 0)])
    assert list(race.start(0)) == []
    (commit,) = race.done("only", done[2], done[0])
    assert commit == Commit(done[2], "only", "final", commit.reason)
    assert race.fenced
    assert race.committed == commit


@ci
@given(schedules)
def test_a_cloud_that_says_nothing_useful_causes_no_miss_and_no_delay_beyond_its_own_deadline(
    schedule: RaceSchedule,
) -> None:
    """Twin run: the same race with its remote candidates answering never, and without them."""
    if schedule.withdraw is not None or all(c.remote for c in schedule.candidates):
        return
    silent = tuple(_silenced(c) if c.remote else c for c in schedule.candidates)
    alone = tuple(c for c in schedule.candidates if not c.remote)
    with_cloud, twin = (play(replace(schedule, candidates=candidates)) for candidates in (silent, alone))
    assert len(with_cloud.handler_calls) <= len(twin.handler_calls)
    if not twin.commits:
        return
    (committed,), (expected,) = with_cloud.commits or [None], twin.commits
    if committed is None:
        assert any(c.deadline is None for c in silent if c.remote)
        return
    assert committed.action.value == expected.action.value
    assert committed.action.quality == expected.action.quality
    own = [c.deadline for c in silent if c.remote]
    if None not in own:
        # The miss of the twin, too, may come as late as the remote's own deadline; the handler's time comes on top.
        handling = schedule.handler_budget if twin.handler_calls else 0
        assert committed.time <= max([expected.time, schedule.start, *(d for d in own if d is not None)]) + handling


@ci
@given(schedules)
def test_a_link_known_to_be_down_delays_nothing(schedule: RaceSchedule) -> None:
    if schedule.withdraw is not None or all(c.remote for c in schedule.candidates):
        return
    down = tuple(_refused(c) if c.remote else c for c in schedule.candidates)
    alone = tuple(c for c in schedule.candidates if not c.remote)
    with_cloud, twin = (play(replace(schedule, candidates=candidates)) for candidates in (down, alone))
    assert [(a.time, a.action[:3]) for a in with_cloud.commits] == [(a.time, a.action[:3]) for a in twin.commits]
    assert len(with_cloud.handler_calls) == len(twin.handler_calls)


def _silenced(candidate: CandidateScript) -> CandidateScript:
    return replace(candidate, begins=None, steps=())


def _refused(candidate: CandidateScript) -> CandidateScript:
    return replace(candidate, begins=None, steps=((0, "fail", "link down"),))


# -- single cases -----------------------------------------------------------------------------------------------------


def race(*candidates: Candidate, deadline: int | None = 10, handler: bool = True, abort: bool = True) -> Race:
    policy = MissPolicy.ABORT if abort else MissPolicy.CONTINUE
    made = Race(0, candidates, deadline=deadline, has_handler=handler, policy=policy, budget=10, handler_budget=5)
    assert list(made.start(0)) == []
    return made


def commit_of(actions) -> Commit:  # type: ignore[no-untyped-def]
    (found,) = [a for a in actions if isinstance(a, Commit)]
    return found


def test_equal_ranks_are_refused() -> None:
    with pytest.raises(ValueError, match="rank"):
        Race(0, [Candidate("a", 1), Candidate("b", 1)], deadline=None, has_handler=False, policy=MissPolicy.ABORT)


def test_a_result_exactly_at_the_deadline_counts() -> None:
    r = race(Candidate("a", 0))
    assert commit_of(r.done("a", "v", 10)).quality == "final"
    assert list(r.expire(10)) == []


def test_a_yield_exactly_at_the_deadline_is_the_best_of_the_miss() -> None:
    r = race(Candidate("a", 0), handler=False)
    r.yielded("a", "v", 10)
    assert commit_of(r.expire(10))[:3] == ("v", "a", "partial")


def test_the_better_final_value_at_the_same_time_wins_when_fed_in_rank_order() -> None:
    r = race(Candidate("low", 0), Candidate("high", 1))
    assert commit_of(r.done("high", "h", 4)).winner == "high"
    assert not any(isinstance(a, Commit) for a in r.done("low", "l", 4))


def test_a_deadline_that_has_passed_at_the_start_is_a_miss_at_once() -> None:
    late_start = Race(0, [Candidate("a", 0)], deadline=9, has_handler=True, policy=MissPolicy.ABORT)
    assert any(isinstance(a, CallHandler) for a in late_start.start(10))


def test_a_deadline_exactly_at_the_start_still_lets_an_instant_answer_count() -> None:
    instant = Race(0, [Candidate("a", 0)], deadline=10, has_handler=True, policy=MissPolicy.ABORT)
    assert list(instant.start(10)) == []
    assert commit_of(instant.done("a", "v", 10)).quality == "final"


def test_everyone_out_is_a_miss_at_once_without_waiting_for_the_deadline() -> None:
    r = race(Candidate("a", 0), Candidate("b", 1, remote=True))
    assert list(r.failed("b", "link down", 1)) == []
    actions = r.failed("a", "broken", 2)
    assert any(isinstance(a, CallHandler) for a in actions)


def test_a_remote_one_out_of_time_is_no_miss_when_a_local_one_has_answered() -> None:
    r = race(Candidate("local", 0), Candidate("cloud", 1, remote=True))
    assert list(r.done("local", "l", 3)) == []
    assert commit_of(r.expire(10))[:3] == ("l", "local", "final")


def test_a_finished_local_result_is_held_for_a_better_remote_one_only_until_its_own_deadline() -> None:
    r = race(Candidate("local", 0), Candidate("cloud", 1, deadline=6, remote=True))
    assert list(r.done("local", "l", 3)) == []
    assert commit_of(r.expire_candidate("cloud", 6))[:3] == ("l", "local", "final")


def test_the_local_one_goes_on_beside_a_remote_winner_and_keeps_its_state() -> None:
    r = race(Candidate("local", 0), Candidate("cloud", 1, remote=True))
    actions = r.done("cloud", "c", 3)
    assert commit_of(actions).winner == "cloud"
    assert not any(isinstance(a, Cancel) for a in actions)
    later = r.done("local", "l", 5)
    assert CommitState("local") in later
    assert any(type(a).__name__ == "Late" and a.by == 2 for a in later)


def test_the_local_one_beside_a_remote_winner_is_stopped_at_the_deadline_as_without_a_cloud() -> None:
    for abort, stopped in ((True, [Cancel("local", "deadline")]), (False, [])):
        r = race(Candidate("local", 0), Candidate("cloud", 1, remote=True), abort=abort)
        r.done("cloud", "c", 3)
        assert list(r.expire(10)) == stopped
        assert (CommitState("local") in r.done("local", "l", 12)) is not abort


def test_the_local_one_is_stopped_when_the_deadline_itself_commits_a_remote_winner() -> None:
    r = race(Candidate("local", 0), Candidate("edge", 1, remote=True), Candidate("cloud", 2, remote=True))
    assert list(r.done("edge", "e", 3)) == []
    actions = r.expire(10)
    assert commit_of(actions).winner == "edge"
    assert Cancel("local", "deadline") in actions


def test_a_waiting_candidate_that_ranks_higher_is_waited_for() -> None:
    r = race(Candidate("small", 0), Candidate("big", 1, waiting=True))
    assert list(r.done("small", "s", 3)) == []
    assert list(r.begin("big", 3)) == []
    assert commit_of(r.done("big", "b", 7))[:3] == ("b", "big", "final")


def test_an_answer_equal_to_the_best_but_another_object_is_a_fallback() -> None:
    best, twin = ["v"], ["v"]
    for answer, quality in ((best, "partial"), (twin, "fallback")):
        r = race(Candidate("a", 0))
        r.yielded("a", best, 2)
        r.expire(10)
        assert commit_of(r.answered(answer, 11)).quality == quality


@pytest.mark.parametrize("abort", [True, False])
def test_a_handlers_silence_seals_without_a_value(abort: bool) -> None:
    r = race(Candidate("a", 0), abort=abort)
    r.yielded("a", "v", 2)
    r.expire(10)
    assert commit_of(r.answered(None, 11))[::2][:2] == (None, "missed")


def test_a_handler_that_overruns_leaves_the_best_and_its_answer_comes_late() -> None:
    r = race(Candidate("a", 0))
    r.yielded("a", "v", 2)
    r.expire(10)
    assert commit_of(r.handler_expired(15))[:3] == ("v", "a", "partial")
    (too_late,) = r.answered("w", 20)
    assert type(too_late).__name__ == "Late"
    assert too_late.name == "handler"


def test_a_value_that_comes_while_the_handler_runs_is_late() -> None:
    r = race(Candidate("a", 0))
    r.expire(10)
    (too_late,) = r.done("a", "v", 12)
    assert type(too_late).__name__ == "Late"
    assert too_late.by == 2
    assert commit_of(r.handler_failed("broken", 13)).quality == "missed"


def test_a_shutdown_commits_nothing_even_with_a_value_at_hand() -> None:
    r = race(Candidate("a", 0))
    r.yielded("a", "v", 2)
    actions = r.withdraw("shutdown", 3)
    assert commit_of(actions) == Commit(None, "", "missed", "shutdown")
    assert Cancel("a", "shutdown") in actions
    assert list(r.expire(10)) == []


def test_a_newer_timestamp_supersedes() -> None:
    r = race(Candidate("a", 0))
    assert commit_of(r.withdraw("superseded", 3, quality="superseded")).quality == "superseded"
