"""The execution models are settings of one graph; the operators do not change."""

from __future__ import annotations

import pytest

from pipeline import ExecutionModel, Graph, ms, seconds
from pipeline.events import Sent, Started
from pipeline.latency import constant
from tests.oracle.blocks import Budgets, Collects, Handled, Planned, Samples, Ticks, chain, checked, engines, of


def driving(model: ExecutionModel) -> tuple[Graph, Handled, Collects]:
    perception, planner, sink = Planned({}), Handled(dict.fromkeys(range(2, 20, 4), [("wait", ms(80))])), Collects()
    graph = chain(perception, planner, sink, source=Ticks(10))
    budgets = Budgets([ms(90)] * 4 + [ms(40)] * 6)
    graph.add(budgets, "policy")
    graph.deadline(planner.out, within=budgets.out, static=ms(60), name="d")
    graph.execution = model
    graph.period(perception, ms(50))
    graph.period(planner, ms(100))
    graph.period(sink, ms(20))
    return graph, planner, sink


@pytest.mark.parametrize(
    "model, missed",
    [
        (ExecutionModel.DATA_DRIVEN, []),
        (ExecutionModel.STATIC, [200, 600]),
        (ExecutionModel.DYNAMIC, [600]),
    ],
)
def test_who_misses_depends_on_the_model_alone(model: ExecutionModel, missed: list[int]) -> None:
    graph, planner, sink = driving(model)
    checked(graph)
    assert [miss.t // ms(1) for miss in planner.misses] == missed
    assert [envelope.t for envelope in sink.got] == [ms(100 * i) for i in range(10)]


def test_periodic_operators_poll_at_their_own_rate_and_carry_the_sensors_time() -> None:
    graph, planner, sink = driving(ExecutionModel.PERIODIC)
    _, checker = checked(graph)
    assert planner.misses == []
    begun = [event.t for event in of(checker, Started, "b")]
    steps = {later - earlier for earlier, later in zip(begun, begun[1:], strict=False)}
    assert steps <= {ms(100), ms(200)}
    for envelope in sink.got:
        assert envelope.origin <= envelope.t
        assert envelope.origin % ms(100) == 0


def test_periodic_operators_see_the_newest_and_what_they_skip_is_counted() -> None:
    sink = Collects()
    graph = chain(sink, source=Ticks(40, ms(10)))
    graph.execution = ExecutionModel.PERIODIC
    graph.period(sink, ms(35))
    _, checker = checked(graph)
    newest = [envelope.value for envelope in sink.got]
    assert newest == sorted(set(newest))
    skipped = {t // ms(10) for t in checker.dropped["a.inp"]}
    assert skipped | set(newest) == set(range(40))
    assert not skipped & set(newest)


def test_nothing_new_means_nothing_to_do() -> None:
    sink = Collects()
    graph = chain(sink, source=Ticks(3))
    graph.execution = ExecutionModel.PERIODIC
    graph.period(sink, ms(10))
    checked(graph)
    assert [envelope.value for envelope in sink.got] == [0, 1, 2]


@engines
def test_a_latest_input_takes_what_has_arrived_and_does_not_wait(engine: str) -> None:
    samples, other = Samples(), Planned(dict.fromkeys(range(4), [("wait", ms(50))]))
    graph = Graph("latest")
    source = graph.add(Ticks(4), "source")
    graph.add(samples, "samples")
    graph.connect(source.out, samples.inp)  # type: ignore[attr-defined]
    graph.connect(source.out, other.inp)  # type: ignore[attr-defined]
    graph.connect(other.out, samples.other)
    result, _ = checked(graph, engine)
    assert [value for _, value in result[samples.out]] == [[0, None], [1, 0], [2, 1], [3, 2]]


@engines
def test_a_fed_back_input_is_seen_one_timestamp_later(engine: str) -> None:
    samples = Samples()
    graph = Graph("feedback")
    source = graph.add(Ticks(3), "source")
    graph.connect(source.out, samples.inp)  # type: ignore[attr-defined]
    graph.connect(samples.out, samples.other, feedback=True)
    result, _ = checked(graph, engine)
    assert [value for _, value in result[samples.out]] == [[0, None], [1, [0, None]], [2, [1, [0, None]]]]


def test_origin_is_the_sensors_time_all_along_the_chain() -> None:
    a, b, sink = Planned(), Planned(), Collects()
    checked(chain(a, b, sink, source=Ticks(3)), latency={"a": {"": constant(ms(30))}})
    assert [envelope.origin for envelope in sink.got] == [0, ms(100), ms(200)]
    assert [envelope.at for envelope in sink.got] == [ms(30), ms(130), ms(230)]


def test_until_ends_a_run_whose_sources_do_not() -> None:
    a = Planned()
    result, checker = checked(chain(a, source=Ticks(10**6)), until=seconds(1))
    assert len(of(checker, Sent, "a")) == 11
    assert result.ended_at == seconds(1)
