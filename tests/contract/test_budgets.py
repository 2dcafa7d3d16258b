"""Static, dynamic and end-to-end budgets: which one holds for a timestamp, and where left-over time goes."""

from __future__ import annotations

from pipeline import Duration, ExecutionModel, Graph, ms
from pipeline.events import Armed, BudgetSet, Missed, Sent
from pipeline.latency import constant
from tests.oracle.blocks import Budgets, Handled, Planned, Ticks, chain, checked, engines, of, said

HANG = [("wait", ms(10_000))]


def dynamic(
    a: Handled,
    budgets: Budgets,
    *,
    count: int = 6,
    static: Duration | None = None,
    model: ExecutionModel = ExecutionModel.DYNAMIC,
) -> Graph:
    graph = chain(a, source=Ticks(count))
    graph.execution = model
    graph.add(budgets, "policy")
    graph.deadline(a.out, within=budgets.out, static=static, name="d")
    return graph


def expiries(checker, operator: str = "a") -> list[int]:  # type: ignore[no-untyped-def]
    return [(event.expires - event.t) // ms(1) for event in of(checker, Armed, operator)]


def test_a_budget_takes_effect_for_timestamps_that_start_after_it() -> None:
    a = Handled(dict.fromkeys(range(6), HANG))
    budgets = Budgets([ms(90), ms(40), ms(70)], ms(200), offset=ms(20))
    _, checker = checked(dynamic(a, budgets, static=ms(50)))
    assert expiries(checker) == [50, 90, 90, 40, 40, 70]
    assert [event.at - event.t for event in of(checker, Missed, "a")] == [ms(x) for x in (50, 90, 90, 40, 40, 70)]
    assert [event.within // ms(1) for event in of(checker, BudgetSet, "policy")] == [90, 40, 70]


def test_tightening_or_relaxing_does_not_touch_a_timestamp_that_runs() -> None:
    for budget in (ms(5), ms(500)):
        a = Handled({0: HANG})
        _, checker = checked(dynamic(a, Budgets([budget], offset=ms(20)), count=1, static=ms(60)))
        assert [event.at for event in of(checker, Missed, "a")] == [ms(60)]
        assert a.misses[0].budget == ms(60)


def test_the_static_model_ignores_what_the_policy_writes() -> None:
    a = Handled(dict.fromkeys(range(6), HANG))
    budgets = Budgets([ms(90), ms(40)], ms(200), offset=ms(20))
    _, checker = checked(dynamic(a, budgets, static=ms(50), model=ExecutionModel.STATIC))
    assert expiries(checker) == [50] * 6


def test_without_a_static_budget_nothing_expires_before_the_first_budget() -> None:
    a = Handled({0: [("wait", ms(90))], 1: [("wait", ms(90))]})
    _, checker = checked(dynamic(a, Budgets([ms(30)], offset=ms(120)), count=3))
    assert [(t, q) for t, _, q in said(checker, "a")] == [(0, "final"), (100, "final"), (200, "final")]
    assert expiries(checker) == [30]


def test_a_budget_of_nothing_is_a_miss_at_once_unless_the_answer_takes_no_time() -> None:
    a = Handled({1: [("wait", ms(1))]})
    _, checker = checked(dynamic(a, Budgets([ms(0)], offset=ms(0)), count=3, static=ms(50)))
    assert [(t, q) for t, _, q in said(checker, "a")][1:] == [(100, "fallback"), (200, "final")]


@engines
def test_a_data_driven_run_has_no_deadlines(engine: str) -> None:
    a = Handled({1: [("wait", ms(80))]})
    graph = chain(a, source=Ticks(3))
    graph.execution = ExecutionModel.DATA_DRIVEN
    graph.deadline(a.out, within=ms(30))
    _, checker = checked(graph, engine)
    assert a.misses == []
    assert of(checker, Armed, "a") == []
    assert [value for _, value, _ in said(checker, "a")] == [0, 1, 2]


# -- end to end -------------------------------------------------------------------------------------------------------


def end_to_end(plans: list[dict], *, within: Duration, reserve: list[int]) -> tuple[Graph, list[Handled]]:  # type: ignore[type-arg]
    operators = [Handled(plan) for plan in plans]
    graph = chain(*operators, source=Ticks(1, ms(1000)))
    source = graph.operators["source"]
    minimum = {name: ms(own) for name, own in zip("abcdefgh", reserve, strict=False)}
    graph.deadline(operators[-1].out, within=within, since=source.out, reserve=minimum, name="e2e")  # type: ignore[attr-defined]
    return graph, operators


def test_what_an_early_finisher_leaves_over_moves_to_the_next() -> None:
    graph, _ = end_to_end([{0: [("wait", ms(5))]}, {0: [("wait", ms(65))]}, {}], within=ms(100), reserve=[30, 30, 30])
    _, checker = checked(graph)
    assert checker.missed == {}
    assert expiries(checker, "a") == [40]
    assert expiries(checker, "b") == [70]
    assert expiries(checker, "c") == [100]


def test_one_that_is_missed_leaves_its_successors_their_minimum() -> None:
    always: dict = {0: HANG, "fallback": HANG}  # type: ignore[type-arg]
    graph, _ = end_to_end([always, always, always], within=ms(100), reserve=[30, 30, 30])
    _, checker = checked(graph)
    assert [event.at // ms(1) for event in checker.missed.values()] == [40, 70, 100]
    assert [event.quality for event in of(checker, Sent, "c")] == ["fallback"]


def test_the_whole_path_answers_in_time_whoever_is_slow() -> None:
    for slow in range(3):
        plans: list[dict] = [{}, {}, {}]  # type: ignore[type-arg]
        plans[slow] = {0: HANG}
        graph, _ = end_to_end(plans, within=ms(100), reserve=[30, 30, 30])
        _, checker = checked(graph)
        (answer,) = of(checker, Sent, "c")
        assert answer.at <= ms(100)


def test_the_start_is_when_the_first_stream_speaks_so_that_its_own_time_is_not_charged() -> None:
    graph, _ = end_to_end([{}, {0: HANG}], within=ms(50), reserve=[10, 10])
    _, checker = checked(graph, latency={"source": {"": constant(ms(20))}})
    assert [event.at // ms(1) for event in of(checker, Missed, "b")] == [70]


def test_profiled_latencies_are_the_reserve_where_none_is_given() -> None:
    graph, _ = end_to_end([{0: HANG}, {}], within=ms(100), reserve=[])
    _, checker = checked(graph, latency={"b": {"": constant(ms(35))}})
    assert [event.at // ms(1) for event in of(checker, Missed, "a")] == [65]


@engines
def test_an_end_to_end_deadline_goes_with_the_messages_and_leaves_the_last_one_its_share(engine: str) -> None:
    a, b = Handled({1: HANG}), Handled({2: HANG})
    graph = chain(a, b, source=Ticks(4))
    reserve = {"a": ms(20), "b": ms(40)}
    graph.deadline(b.out, within=ms(90), since=graph.operators["source"].out, reserve=reserve)  # type: ignore[attr-defined]
    _, checker = checked(graph, engine)
    assert [event.t // ms(100) for event in of(checker, Missed, "a")] == [1]
    assert [event.t // ms(100) for event in of(checker, Missed, "b")] == [2]
    late = 0 if engine == "virtual" else 15
    assert all(50 <= expiry <= 50 + late for expiry in expiries(checker, "a"))
    assert all(90 <= expiry <= 90 + late for expiry in expiries(checker, "b"))


@engines
def test_a_budget_reaches_the_operator_wherever_its_policy_is(engine: str) -> None:
    a = Handled(dict.fromkeys(range(4), HANG))
    _, checker = checked(dynamic(a, Budgets([ms(30), ms(60)], ms(200), offset=ms(50)), count=4, static=ms(80)), engine)
    assert [miss.budget // ms(1) for miss in a.misses] == [80, 30, 30, 60]


# -- frequency --------------------------------------------------------------------------------------------------------


def test_a_frequency_handler_answers_for_the_expected_timestamp() -> None:
    a = Handled({})
    graph = chain(Planned({2: [("wait", ms(250))]}), a, source=Ticks(6))
    graph.frequency(a.out, every=ms(130))
    _, checker = checked(graph)
    sent = of(checker, Sent, "b")
    gaps = [later.at - earlier.at for earlier, later in zip(sent, sent[1:], strict=False)]
    assert max(gaps) <= ms(130)
    synthesised = [event for event in sent if event.quality == "fallback"]
    assert [event.t // ms(1) for event in synthesised][:1] == [230]
    assert {miss.reason for miss in a.misses} <= {"deadline", "frequency"}


def test_a_stream_that_keeps_its_frequency_is_left_alone() -> None:
    a = Handled({})
    graph = chain(a, source=Ticks(6))
    graph.frequency(a.out, every=ms(100))
    _, checker = checked(graph)
    assert a.misses == []
    assert len(of(checker, Sent, "a")) == 6


def test_frequency_misses_without_a_handler_are_reported_and_seal_nothing() -> None:
    a = Planned({})
    graph = chain(Planned({2: [("wait", ms(250))]}), a, source=Ticks(6))
    graph.frequency(a.out, every=ms(130))
    result, checker = checked_loosely(graph)
    assert result.misses
    assert [value for _, value, _ in said(checker, "b")][:3] == [0, 1, 2]


def checked_loosely(graph: Graph):  # type: ignore[no-untyped-def]
    """A frequency miss that nobody can answer is never sealed: the checks at the end do not apply."""
    from pipeline import LatencyModel, VirtualClock, run, seconds
    from tests.oracle.checks import Checker

    checker = Checker()
    return run(graph, clock=VirtualClock(7, LatencyModel(7)), until=seconds(2), observers=[checker]), checker
