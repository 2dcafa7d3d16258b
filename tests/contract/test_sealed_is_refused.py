"""What comes for a sealed timestamp is counted, handed to on_late, and never sent."""

from __future__ import annotations

from pipeline import CandidateFailed, Graph, ms
from pipeline.events import Late, Sent
from tests.oracle.blocks import Collects, Handled, Planned, Ticks, chain, checked, engines, of, said


@engines
def test_a_result_that_comes_after_the_miss_is_late_and_not_sent(engine: str) -> None:
    a = Handled({1: [("wait", ms(60)), ("yield", "too late")]})
    sink = Collects()
    graph = chain(a, sink, source=Ticks(4))
    graph.deadline(a.out, within=ms(30), policy="continue")
    _, checker = checked(graph, engine)
    assert [e.value for e in sink.got] == [0, "fallback", 2, 3]
    assert of(checker, Late, "a")
    assert [(t // ms(1), value) for t, value, _ in a.late] and all(value == "too late" for _, value, _ in a.late)
    if engine == "virtual":
        assert {by for _, _, by in a.late} == {ms(30)}


@engines
def test_nothing_is_sent_from_aborted_work(engine: str) -> None:
    a = Handled({1: [("wait", ms(60)), ("yield", "too late")]})
    graph = chain(a, source=Ticks(3))
    graph.deadline(a.out, within=ms(30))
    _, checker = checked(graph, engine)
    assert [value for _, value, _ in said(checker, "a")] == [0, "fallback", 2]


def test_the_real_timestamp_is_late_when_the_frequency_handler_has_answered_for_it() -> None:
    a = Handled()
    graph = Graph("late")
    source = graph.add(Ticks(6, ms(50)), "source")
    slow = graph.add(Planned({2: [("wait", ms(40))], 3: [("wait", ms(1))]}), "slow")
    graph.add(a, "a")
    graph.connect(source.out, slow.inp)  # type: ignore[attr-defined]
    graph.connect(slow.out, a.inp)  # type: ignore[attr-defined]
    graph.frequency(a.out, every=ms(60))
    _, checker = checked(graph)
    stamps = [event.t for event in of(checker, Sent, "a")]
    assert stamps == sorted(set(stamps))
    synthesised = [event.t for event in of(checker, Sent, "a") if event.quality == "fallback"]
    assert synthesised
    real = [event.t for event in of(checker, Sent, "slow")]
    for t in real:
        assert t in stamps or checker.dropped["a.inp"][t], f"t={t} is lost"


@engines
def test_a_refused_candidate_is_out_at_once_and_its_reason_is_kept(engine: str) -> None:
    a, cloud = Planned({}), Planned({1: [("raise", CandidateFailed("refused: stale"))]})
    graph = chain(a, source=Ticks(2))
    graph.candidate(a, cloud, name="cloud", rank=1, within=ms(50), remote=True)
    _, checker = checked(graph, engine)
    failed = [event for event in checker.events if getattr(event, "outcome", "") == "failed"]
    assert [event.reason for event in failed] == ["refused: stale"]
    assert [(t, q) for t, _, q in said(checker, "a")] == [(0, "final"), (100, "final")]
