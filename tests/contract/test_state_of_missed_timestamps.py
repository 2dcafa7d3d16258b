"""After t the state is either t's commit or exactly the last committed one."""

from __future__ import annotations

import time
from typing import Any

import pytest

from pipeline import Context, DeadlineMissed, ms
from pipeline.events import Finished, RolledBack
from pipeline.events import Handled as HandledEvent
from tests.oracle.blocks import Handled, HandledWithState, Planned, Ticks, chain, checked, engines, of, said

ADD = ("add", 1)
MISS = [ADD, ("wait", ms(60)), ADD]


@engines
def test_writes_of_an_answered_timestamp_hold(engine: str) -> None:
    a = Planned(dict.fromkeys(range(4), [ADD]))
    checked(chain(a, source=Ticks(4)), engine)
    assert list(a.totals.values()) == [0, 1, 2, 3]


@engines
def test_an_abort_rolls_back_to_the_last_committed_timestamp(engine: str) -> None:
    a = Handled({0: [ADD], 1: MISS, 2: [ADD], 3: []})
    graph = chain(a, source=Ticks(4))
    graph.deadline(a.out, within=ms(30), policy="abort")
    _, checker = checked(graph, engine)
    assert list(a.totals.values()) == [0, 1, 1, 2]
    assert [(event.t, event.committed) for event in of(checker, RolledBack, "a")] == [(ms(100), ms(0))]


@engines
def test_a_handler_that_writes_state_commits_that_instead(engine: str) -> None:
    a = HandledWithState({0: [ADD], 1: MISS, 2: [ADD], 3: []})
    graph = chain(a, source=Ticks(4))
    graph.deadline(a.out, within=ms(30), policy="abort")
    checked(graph, engine)
    assert list(a.totals.values()) == [0, 1, 1001, 1002]


class Thoughtful(HandledWithState):
    """Its handler takes longer than the callback takes to stop."""

    def on_miss(self, ctx: Context, miss: DeadlineMissed) -> Any:
        answer = super().on_miss(ctx, miss)
        time.sleep(0.03)
        return answer


def test_what_the_handler_has_written_outlives_the_end_of_the_callback_that_it_answers_for() -> None:
    a = Thoughtful({0: [ADD], 1: MISS, 2: [ADD], 3: []})
    graph = chain(a, source=Ticks(4))
    graph.deadline(a.out, within=ms(30), policy="abort", handler_budget=ms(500))
    _, checker = checked(graph, "threads")
    (stopped,) = [event.at for event in of(checker, Finished, "a") if event.outcome == "cancelled"]
    assert stopped < of(checker, HandledEvent, "a")[0].at
    assert list(a.totals.values()) == [0, 1, 1001, 1002]


@engines
def test_under_continue_the_late_work_still_updates_state_but_is_not_sent(engine: str) -> None:
    a = Handled({0: [ADD], 1: MISS, 2: [ADD], 3: []})
    graph = chain(a, source=Ticks(4))
    graph.deadline(a.out, within=ms(30), policy="continue")
    _, checker = checked(graph, engine)
    assert list(a.totals.values()) == [0, 1, 3, 4]
    assert [value for _, value, _ in said(checker, "a")] == [0, "fallback", 2, 3]


@engines
@pytest.mark.parametrize("policy", ["abort", "continue"])
def test_work_that_fails_leaves_no_trace_in_the_state_under_either_policy(engine: str, policy: str) -> None:
    a = Handled({0: [ADD], 1: [ADD, ("raise", ZeroDivisionError("on purpose"))], 2: [ADD], 3: []})
    graph = chain(a, source=Ticks(4))
    graph.deadline(a.out, within=ms(80), policy=policy)
    checked(graph, engine)
    assert list(a.totals.values()) == [0, 1, 1, 2]


@engines
def test_late_work_that_fails_under_continue_leaves_no_trace_either(engine: str) -> None:
    fails_late = [ADD, ("wait", ms(50)), ADD, ("raise", ZeroDivisionError("on purpose"))]
    a = Handled({0: [ADD], 1: fails_late, 2: [ADD], 3: []})
    graph = chain(a, source=Ticks(4))
    graph.deadline(a.out, within=ms(30), policy="continue")
    checked(graph, engine)
    assert list(a.totals.values()) == [0, 1, 1, 2]


@engines
def test_a_handler_that_raises_after_writing_leaves_no_trace(engine: str) -> None:
    def fails(miss: object) -> None:
        raise ZeroDivisionError("on purpose")

    a = HandledWithState({0: [ADD], 1: MISS, 2: [ADD], 3: []}, fails)
    graph = chain(a, source=Ticks(4))
    graph.deadline(a.out, within=ms(30), policy="abort")
    checked(graph, engine)
    assert list(a.totals.values()) == [0, 1, 1, 2]


@engines
def test_the_local_state_goes_on_beside_a_remote_winner(engine: str) -> None:
    """As if there were no cloud: the tracker has seen every frame, whoever answered."""
    a, cloud = (
        Planned(dict.fromkeys(range(4), [("wait", ms(40)), ADD])),
        Planned(dict.fromkeys(range(4), [("wait", ms(10)), ("yield", "cloud")])),
    )
    graph = chain(a, source=Ticks(4))
    graph.candidate(a, cloud, name="cloud", rank=1, within=ms(60), remote=True)
    _, checker = checked(graph, engine)
    assert [value for _, value, _ in said(checker, "a")] == ["cloud"] * 4
    assert list(a.totals.values()) == [0, 1, 2, 3]


def test_the_committed_timestamp_of_a_miss_is_that_of_the_state() -> None:
    a = Handled({0: [ADD], 1: MISS, 2: MISS, 3: []})
    graph = chain(a, source=Ticks(4))
    graph.deadline(a.out, within=ms(30))
    checked(graph)
    assert [miss.committed for miss in a.misses] == [ms(0), ms(0)]


@engines
def test_local_work_that_is_stopped_beside_a_remote_winner_leaves_no_trace(engine: str) -> None:
    a = Planned({0: [ADD], 1: [ADD, ("wait", ms(10_000))], 2: [ADD], 3: []})
    cloud = Planned({1: [("wait", ms(20)), ("yield", "cloud")]})
    graph = chain(a, source=Ticks(4))
    graph.deadline(a.out, within=ms(60))
    graph.candidate(a, cloud, name="cloud", rank=1, within=ms(50), remote=True)
    _, checker = checked(graph, engine)
    assert said(checker, "a")[1] == (100, "cloud", "final")
    assert list(a.totals.values()) == [0, 1, 1, 2]
