"""Candidates race; a cloud can make an answer better, never later than its own deadline, and never cause a miss."""

from __future__ import annotations

from typing import Any

import pytest

from pipeline import CandidateFailed, Duration, Graph, ms
from pipeline.events import Missed, Sent, Started
from tests.oracle.blocks import Handled, Planned, Ticks, chain, checked, engines, of, said
from tests.oracle.checks import Checker

LOCAL = {i: [("wait", ms(40 if i % 3 else 20)), ("yield", f"local {i}")] for i in range(6)}
LOCAL[4] = [("wait", ms(200)), ("yield", "local 4")]
ANSWERS = ("wait", ms(30))


def with_cloud(
    plan: dict[int, Any] | None, within: Duration = ms(60), deadline: Duration = ms(80)
) -> tuple[Handled, Checker]:
    a = Handled(LOCAL)
    graph = chain(a, source=Ticks(6))
    graph.deadline(a.out, within=deadline)
    if plan is not None:
        graph.candidate(a, Planned(plan), name="cloud", rank=10, within=within, remote=True)
    _, checker = checked(graph)
    return a, checker


CLOUDS: dict[str, list[Any]] = {
    "never answers": [("wait", ms(10_000))],
    "answers garbage": [("raise", ValueError("garbage"))],
    "answers late": [("wait", ms(70)), ("yield", "cloud")],
    "answers very late": [("wait", ms(150)), ("yield", "cloud")],
    "is refused": [("raise", CandidateFailed("refused: stale"))],
    "fails after a while": [("wait", ms(30)), ("raise", CandidateFailed("link down"))],
    "fails just at its deadline": [("wait", ms(60)), ("raise", CandidateFailed("link down"))],
}


@pytest.mark.parametrize("cloud", CLOUDS.values(), ids=CLOUDS.keys())
def test_a_useless_cloud_causes_no_miss_and_no_delay_beyond_its_own_deadline(cloud: list[Any]) -> None:
    """Twin run: the same car without a cloud."""
    _, alone = with_cloud(None)
    a, checker = with_cloud(dict.fromkeys(range(6), cloud))
    assert [miss.t for miss in a.misses] == [event.t for event in of(alone, Missed, "a")]
    assert [x[:3] for x in said(checker, "a")] == [x[:3] for x in said(alone, "a")]
    for ours, twin in zip(of(checker, Sent, "a"), of(alone, Sent, "a"), strict=True):
        assert ours.at <= max(twin.at, ours.t + ms(60))


@pytest.mark.parametrize("cloud", ["answers garbage", "is refused"])
def test_a_link_known_to_be_down_delays_nothing(cloud: str) -> None:
    _, alone = with_cloud(None)
    _, checker = with_cloud(dict.fromkeys(range(6), CLOUDS[cloud]))
    assert [event.at for event in of(checker, Sent, "a")] == [event.at for event in of(alone, Sent, "a")]


@pytest.mark.parametrize("cloud", CLOUDS.values(), ids=CLOUDS.keys())
def test_the_local_one_starts_and_works_as_if_there_were_no_cloud(cloud: list[Any]) -> None:
    _, alone = with_cloud(None)
    _, checker = with_cloud(dict.fromkeys(range(6), cloud))
    begun, twin = ([(e.t, e.at) for e in of(c, Started, "a") if e.candidate == "local"] for c in (checker, alone))
    assert begun == twin


def test_a_good_cloud_causes_no_miss_that_the_car_alone_would_not_have() -> None:
    """The local one is slow at tick 4: stopped at the deadline, it is free for tick 5. A cloud must not change that."""
    alone, _ = with_cloud(None)
    a, checker = with_cloud(dict.fromkeys(range(6), [("wait", ms(30)), ("yield", "cloud")]))
    assert {miss.t for miss in a.misses} <= {miss.t for miss in alone.misses}
    assert [value for _, value, _ in said(checker, "a")] == ["cloud"] * 6
    assert a.totals.keys() == alone.totals.keys()


@engines
def test_a_better_answer_in_time_wins_and_a_local_one_waits_for_it_only_until_its_deadline(engine: str) -> None:
    a = Planned(dict.fromkeys(range(3), [("wait", ms(10)), ("yield", "local")]))
    cloud = Planned({0: [("wait", ms(30)), ("yield", "cloud")], 1: [("wait", ms(10_000))], 2: [("yield", "cloud")]})
    graph = chain(a, source=Ticks(3))
    graph.candidate(a, cloud, name="cloud", rank=1, within=ms(60), remote=True)
    _, checker = checked(graph, engine)
    assert [value for _, value, _ in said(checker, "a")] == ["cloud", "local", "cloud"]
    assert [event.winner for event in of(checker, Sent, "a")] == ["cloud", "local", "cloud"]
    if engine == "virtual":
        assert [event.at // ms(1) for event in of(checker, Sent, "a")] == [30, 160, 200]


@engines
def test_the_cloud_saves_a_timestamp_that_the_car_alone_would_miss(engine: str) -> None:
    a = Handled({1: [("wait", ms(10_000))]})
    cloud = Planned({0: [("wait", ms(10_000))], 1: [("wait", ms(20)), ("yield", "cloud")], 2: [("wait", ms(10_000))]})
    graph = chain(a, source=Ticks(3))
    graph.deadline(a.out, within=ms(70))
    graph.candidate(a, cloud, name="cloud", rank=1, within=ms(40), remote=True)
    _, checker = checked(graph, engine, until=ms(600))
    assert [(value, quality) for _, value, quality in said(checker, "a")][:2] == [(0, "final"), ("cloud", "final")]


def test_an_answer_exactly_at_the_candidates_own_deadline_counts() -> None:
    for late_ns, winner in ((0, "cloud"), (1, "local")):
        a = Planned({0: [("wait", ms(10)), ("yield", "local")]})
        cloud = Planned({0: [("wait", ms(60) + late_ns), ("yield", "cloud")]})
        graph = chain(a, source=Ticks(1))
        graph.candidate(a, cloud, name="cloud", rank=1, within=ms(60), remote=True)
        _, checker = checked(graph)
        (sent,) = of(checker, Sent, "a")
        assert (sent.winner, sent.at) == (winner, ms(60))


def test_a_better_local_model_that_runs_after_the_quick_one_improves_the_answer_in_time() -> None:
    quick, better = (
        Handled({}, lambda miss: miss.best),
        Planned({0: [("wait", ms(30)), ("yield", "better")], 1: [("wait", ms(90)), ("yield", "better")]}),
    )
    graph = chain(quick, source=Ticks(2))
    graph.deadline(quick.out, within=ms(50))
    graph.candidate(quick, better, name="better", rank=1, after="local")
    _, checker = checked(graph)
    assert said(checker, "a") == [(0, "better", "final"), (100, 1, "partial")]
    assert quick.misses[0].finished == ("local",)


def test_a_worse_candidate_that_still_runs_is_cancelled_when_a_better_one_has_answered() -> None:
    better, worse = Planned({0: [("wait", ms(10)), ("yield", "better")]}), Planned({0: [("wait", ms(10_000))]})
    graph = chain(better, source=Ticks(1))
    graph.candidate(better, worse, name="worse", rank=-1)
    _, checker = checked(graph)
    outcomes = {e.candidate: e.outcome for e in checker.events if type(e).__name__ == "Finished" and e.operator == "a"}
    assert outcomes == {"local": "done", "worse": "cancelled"}
    assert [event.at for event in of(checker, Sent, "a")] == [ms(10)]


def test_a_candidate_that_is_still_busy_with_an_older_timestamp_is_out_at_once() -> None:
    a = Planned({})
    cloud = Planned(
        {0: [("wait", ms(150)), ("yield", "cloud 0")], 1: [("yield", "cloud 1")], 2: [("yield", "cloud 2")]}
    )
    graph: Graph = chain(a, source=Ticks(3))
    graph.candidate(a, cloud, name="cloud", rank=1, within=ms(190), remote=True)
    _, checker = checked(graph)
    assert [event.winner for event in of(checker, Sent, "a")][0] == "cloud"


def test_a_candidate_that_follows_one_which_is_out_for_being_busy_starts_all_the_same() -> None:
    a = Planned({})
    first = Planned(dict.fromkeys(range(3), [("wait", ms(150)), ("yield", "first")]))
    second = Planned(dict.fromkeys(range(3), [("yield", "second")]))
    graph = chain(a, source=Ticks(3))
    graph.deadline(a.out, within=ms(95), policy="continue")
    graph.candidate(a, first, name="first", rank=1)
    graph.candidate(a, second, name="second", rank=2, after="first")
    _, checker = checked(graph)
    assert [(t, value) for t, value, _ in said(checker, "a")][1:2] == [(100, "second")]
