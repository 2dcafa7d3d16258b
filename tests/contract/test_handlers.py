"""A miss is an exception: the handler runs once, with all there is to answer with, within a budget of its own."""

from __future__ import annotations

import pytest

from pipeline import Graph, ms
from pipeline.events import Armed, Finished, Missed, Sent
from pipeline.events import Handled as HandledEvent
from pipeline.latency import constant
from tests.oracle.blocks import Handled, Pairs, Planned, Ticks, chain, checked, engines, of, said

HANG = [("wait", ms(10_000))]


@engines
def test_the_handler_is_told_budget_elapsed_best_finished_and_committed(engine: str) -> None:
    a = Handled({2: [("yield", "coarse"), *HANG]}, lambda miss: miss.best)
    graph = chain(a, source=Ticks(4))
    graph.deadline(a.out, within=ms(30))
    _, checker = checked(graph, engine)
    (miss,) = a.misses
    assert (miss.t, miss.budget, miss.best, miss.finished) == (ms(200), ms(30), "coarse", ())
    assert miss.committed == ms(100)
    assert miss.elapsed == ms(30) if engine == "virtual" else miss.elapsed >= ms(30)
    assert said(checker, "a")[2] == (200, "coarse", "partial")


@engines
def test_the_handler_runs_once_however_late_the_work_is(engine: str) -> None:
    a = Handled({1: [("wait", ms(150))]})
    graph = chain(a, source=Ticks(4))
    graph.deadline(a.out, within=ms(30), policy="continue")
    graph.frequency(a.out, every=ms(1000))
    _, checker = checked(graph, engine)
    assert len(of(checker, HandledEvent, "a")) == len(of(checker, Missed, "a")) == len(a.misses)
    assert len({miss.t for miss in a.misses}) == len(a.misses)


def test_without_a_miss_the_handler_is_not_called_even_at_the_very_deadline() -> None:
    a = Handled({1: [("wait", ms(30))]})
    graph = chain(a, source=Ticks(3))
    graph.deadline(a.out, within=ms(30))
    _, checker = checked(graph)
    assert a.misses == []
    assert [(event.at - event.t) // ms(1) for event in of(checker, Sent, "a")] == [0, 30, 0]


def test_one_nanosecond_after_the_deadline_is_a_miss() -> None:
    a = Handled({1: [("wait", ms(30) + 1)]})
    graph = chain(a, source=Ticks(3))
    graph.deadline(a.out, within=ms(30))
    _, checker = checked(graph)
    assert said(checker, "a")[1] == (100, "fallback", "fallback")
    assert of(checker, Missed, "a")[0].at == ms(130)


@pytest.mark.parametrize("takes, quality", [(3, "fallback"), (4, "fallback"), (5, "partial")])
def test_a_handler_has_a_budget_of_its_own_and_beyond_it_the_best_stands(takes: int, quality: str) -> None:
    a = Handled({1: [("yield", "coarse"), *HANG]})
    graph = chain(a, source=Ticks(3))
    graph.deadline(a.out, within=ms(30), handler_budget=ms(4))
    _, checker = checked(graph, latency={"a": {"on_miss": constant(ms(takes)), "": constant(ms(0))}})
    assert said(checker, "a")[1] == (100, {"partial": "coarse", "fallback": "fallback"}[quality], quality)
    (sent,) = [event for event in of(checker, Sent, "a") if event.t == ms(100)]
    assert sent.at == ms(130 + min(takes, 4))
    (handled,) = of(checker, HandledEvent, "a")
    assert handled.outcome == ("overran" if takes > 4 else "answered")


@engines
def test_a_handler_that_raises_leaves_the_best(engine: str) -> None:
    def fails(miss: object) -> None:
        raise ZeroDivisionError("on purpose")

    a = Handled({1: [("yield", "coarse"), *HANG]}, fails)
    graph = chain(a, source=Ticks(3))
    graph.deadline(a.out, within=ms(30))
    _, checker = checked(graph, engine)
    assert said(checker, "a")[1] == (100, "coarse", "partial")


@engines
def test_aborted_work_is_stopped_before_the_next_timestamp_begins(engine: str) -> None:
    a = Handled(dict.fromkeys(range(4), HANG))
    graph = chain(a, source=Ticks(4))
    graph.deadline(a.out, within=ms(30))
    _, checker = checked(graph, engine)
    assert a.calls == [ms(0), ms(100), ms(200), ms(300)]
    assert [event.outcome for event in of(checker, Finished, "a")] == ["cancelled"] * 4


@engines
def test_a_deadline_runs_from_the_first_input_even_if_the_others_never_come(engine: str) -> None:
    class PairsOrHalf(Pairs):
        def on_miss(self, ctx, miss):  # type: ignore[no-untyped-def]
            return [ctx.get(self.left), ctx.get(self.right)]

    left, right, pairs = Ticks(2), Planned({1: HANG}), PairsOrHalf()
    graph = Graph("half")
    graph.add(left, "source")
    graph.add(pairs, "pairs")
    graph.connect(left.out, right.inp)
    graph.connect(left.out, pairs.left)
    graph.connect(right.out, pairs.right)
    graph.deadline(pairs.out, within=ms(30))
    _, checker = checked(graph, engine, until=ms(500))
    assert said(checker, "pairs") == [(0, [0, 0], "final"), (100, [1, None], "fallback")]


def test_several_deadlines_on_one_operator_are_one_race_and_the_earliest_expiry_wins() -> None:
    for budgets in ((30, 60), (60, 30)):
        a = Handled({1: HANG})
        graph = chain(a, source=Ticks(3))
        graph.deadline(a.out, within=ms(budgets[0]), name="first")
        graph.deadline(a.out, within=ms(budgets[1]), since=graph.operators["source"].out, name="second")  # type: ignore[attr-defined]
        _, checker = checked(graph)
        (missed,) = of(checker, Missed, "a")
        assert missed.at == ms(130)
        assert missed.deadline == ("first" if budgets[0] == 30 else "second")


def test_a_deadline_that_starts_later_but_ends_earlier_wins_too() -> None:
    """Left arrives first and starts a long deadline; right starts a short one."""

    class Answers(Pairs):
        def on_miss(self, ctx, miss):  # type: ignore[no-untyped-def]
            return "fallback"

        def on_watermark(self, ctx):  # type: ignore[no-untyped-def]
            from pipeline import Wait

            yield Wait(ms(10_000))

    source, slow, pairs = Ticks(1), Planned({0: [("wait", ms(10))]}), Answers()
    graph = Graph("two")
    graph.add(source, "source")
    graph.add(pairs, "pairs")
    graph.connect(source.out, slow.inp)
    graph.connect(source.out, pairs.left)
    graph.connect(slow.out, pairs.right)
    graph.deadline(pairs.out, within=ms(90), name="long")
    graph.deadline(pairs.out, within=ms(20), since=slow.out, name="short")
    _, checker = checked(graph)
    (missed,) = of(checker, Missed, "pairs")
    assert missed.at == ms(30), [event.deadline for event in of(checker, Armed, "pairs")]
