"""Exactly one commit per operator and timestamp, watermarks that only rise, and an answer whatever happens upstream."""

from __future__ import annotations

from pipeline import Graph, ms
from pipeline.errors import OperatorFailed
from pipeline.events import Missed, Sealed, Sent
from tests.oracle.blocks import Collects, Handled, Pairs, Planned, Skips, Ticks, chain, checked, engines, of, said

SLOW = [("wait", ms(70))]


@engines
def test_every_timestamp_is_answered_once_with_or_without_a_miss(engine: str) -> None:
    a, b = Handled({1: SLOW, 3: SLOW}), Planned()
    graph = chain(a, b, source=Ticks(5))
    graph.deadline(a.out, within=ms(40))
    _, checker = checked(graph, engine)
    assert said(checker, "a") == [
        (0, 0, "final"),
        (100, "fallback", "fallback"),
        (200, 2, "final"),
        (300, "fallback", "fallback"),
        (400, 4, "final"),
    ]
    assert [t for t, _, _ in said(checker, "b")] == [0, 100, 200, 300, 400]
    checker.account("b", "inp", [event.t for event in of(checker, Sent, "a")])


@engines
def test_a_missed_timestamp_without_a_value_passes_on_as_a_watermark_and_stalls_nobody(engine: str) -> None:
    left, right, pairs = Planned({1: SLOW, 2: SLOW}), Planned(), Pairs()
    graph = Graph("join")
    graph.add(Ticks(4), "source")
    source = graph.operators["source"]
    for name, operator, port in (("left", left, pairs.left), ("right", right, pairs.right)):
        graph.add(operator, name)
        graph.connect(source.out, operator.inp)  # type: ignore[attr-defined]
        graph.connect(operator.out, port)
    graph.deadline(left.out, within=ms(40))
    _, checker = checked(graph, engine)
    assert [(event.t // ms(1), event.quality) for event in of(checker, Sealed, "left")] == [
        (100, "missed"),
        (200, "missed"),
    ]
    assert [t for t, _, _ in said(checker, "pairs")] == [0, 300]
    checker.account("pairs", "right", [event.t for event in of(checker, Sent, "right")])


@engines
def test_a_source_that_skips_a_tick_does_not_stall_its_partner(engine: str) -> None:
    left, right, pairs = Skips(5, [1, 3]), Ticks(5), Pairs()
    graph = Graph("join")
    graph.connect(left.out, pairs.left)
    graph.connect(right.out, pairs.right)
    _, checker = checked(graph, engine)
    assert [t for t, _, _ in said(checker, "pairs")] == [0, 200, 400]
    assert set(checker.dropped["pairs.right"]) == {ms(100), ms(300)}


@engines
def test_a_consumer_sees_quality_and_winner_of_what_it_reads(engine: str) -> None:
    a, sink = Handled({1: [("yield", "coarse"), *SLOW], 2: SLOW}, lambda miss: miss.best or "fallback"), Collects()
    graph = chain(a, sink, source=Ticks(3))
    graph.deadline(a.out, within=ms(40))
    checked(graph, engine)
    assert [(e.t // ms(1), e.value, e.quality, e.winner) for e in sink.got] == [
        (0, 0, "final", "local"),
        (100, "coarse", "partial", "local"),
        (200, "fallback", "fallback", "handler"),
    ]


@engines
def test_a_deadline_longer_than_the_period_still_protects_every_timestamp(engine: str) -> None:
    """ERDOS keeps one timer per deadline, so every other frame runs unprotected there."""
    hang = [("wait", ms(10_000))]
    a = Handled(dict.fromkeys(range(6), hang))
    graph = chain(a, source=Ticks(6, ms(50)))
    graph.deadline(a.out, within=ms(120))
    _, checker = checked(graph, engine)
    assert [(t, quality) for t, _, quality in said(checker, "a")] == [(50 * i, "fallback") for i in range(6)]
    if engine == "virtual":
        assert [event.at - event.t for event in of(checker, Missed, "a")] == [ms(120)] * 6


@engines
def test_an_operator_that_answers_nothing_seals_without_a_value(engine: str) -> None:
    class Silent(Planned):
        def on_watermark(self, ctx):  # type: ignore[no-untyped-def]
            return None

    a, b = Silent(), Collects()
    _, checker = checked(chain(a, b, source=Ticks(3)), engine)
    assert b.got == []
    assert len(of(checker, Sealed, "a")) == 3


@engines
def test_an_operator_that_fails_with_nobody_to_answer_ends_the_run_with_one_error(engine: str) -> None:
    a = Planned({1: [("raise", ZeroDivisionError("on purpose"))]})
    try:
        checked(chain(a, source=Ticks(3)), engine)
    except OperatorFailed as error:
        assert "a" in str(error)
        assert "on purpose" in str(error)
        assert isinstance(error.__cause__, ZeroDivisionError) or engine not in ("virtual", "threads")
    else:
        raise AssertionError("the failure was lost")


@engines
def test_an_operator_that_fails_with_a_handler_is_answered_for_at_once(engine: str) -> None:
    a = Handled({1: [("raise", ZeroDivisionError("on purpose"))]})
    graph = chain(a, source=Ticks(3))
    graph.deadline(a.out, within=ms(80))
    _, checker = checked(graph, engine)
    assert said(checker, "a")[1] == (100, "fallback", "fallback")
    assert a.misses[0].reason
    if engine == "virtual":
        assert of(checker, Missed, "a")[0].at == ms(100)
