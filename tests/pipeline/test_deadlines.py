"""When timestamps expire: budgets in force, relative deadlines, and how an end-to-end budget is shared along a path."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from pipeline.deadlines import BudgetInForce, DeadlineSpec, EndToEndDeadline, RelativeDeadline, reserves_behind
from pipeline.messages import Budget
from pipeline.ports import Output
from pipeline.timestamps import Duration
from tests.oracle.profiles import ci

reserves = st.lists(st.integers(0, 40), min_size=1, max_size=5)
times = st.integers(0, 300)


def spec(within: int | Output[Budget], static: int | None = None) -> DeadlineSpec:
    limit = within if isinstance(within, Output) else Duration(within)
    return DeadlineSpec("d", "op.out", "op", limit, None if static is None else Duration(static))


def chain(own: list[int], within: int) -> tuple[EndToEndDeadline, BudgetInForce]:
    """An end-to-end deadline over operators "0", "1", … in a row."""
    names = [str(i) for i in range(len(own))]
    path = {name: names[i + 1 : i + 2] for i, name in enumerate(names)}
    reserve = dict(zip(names, own, strict=True))
    budget = BudgetInForce(spec(Output(Budget), within), dynamic=True)
    return EndToEndDeadline(spec(within), budget, reserves_behind(path, names, reserve), reserve), budget


@ci
@given(st.lists(st.integers(0, 500), max_size=4), times, st.booleans())
def test_a_dynamic_budget_is_the_last_one_set_and_a_static_one_never_changes(
    written: list[int], now: int, dynamic: bool
) -> None:
    budget = BudgetInForce(spec(Output(Budget), 100), dynamic=dynamic)
    deadline = RelativeDeadline(spec(100), budget)
    for within in written:
        budget.set(within)
    assert deadline.expiry(7, now) == now + (written[-1] if written and dynamic else 100)


def test_a_fixed_budget_is_not_changed_by_a_stream() -> None:
    budget = BudgetInForce(spec(100), dynamic=True)
    budget.set(5)
    assert budget.within == 100


def test_without_a_static_budget_there_is_no_deadline_before_the_first_one_is_set() -> None:
    budget = BudgetInForce(spec(Output(Budget)), dynamic=True)
    deadline = RelativeDeadline(spec(1), budget)
    assert deadline.expiry(0, 10) is None
    budget.set(5)
    assert deadline.expiry(0, 10) == 15


def test_a_negative_budget_is_no_time_at_all() -> None:
    budget = BudgetInForce(spec(Output(Budget), 10), dynamic=True)
    budget.set(-3)
    assert RelativeDeadline(spec(1), budget).expiry(0, 10) == 10


@ci
@given(reserves, times, st.integers(1, 300), st.lists(times, min_size=5, max_size=5))
def test_no_operator_on_the_path_expires_after_the_end_to_end_deadline(
    own: list[int], start: int, within: int, delays: list[int]
) -> None:
    deadline, _ = chain(own, within)
    deadline.start(1, start)
    for i in range(len(own)):
        expiry = deadline.expiry(str(i), 1, start + delays[i])
        assert expiry is not None
        assert expiry <= start + within
    assert deadline.expiry(str(len(own) - 1), 1, start) == start + within


@ci
@given(reserves, st.integers(0, 100))
def test_time_left_over_moves_to_those_behind(own: list[int], spare: int) -> None:
    """Everybody answers at once: each has all that is left but the minimum of those behind it."""
    within = sum(own) + spare + 1
    deadline, _ = chain(own, within)
    deadline.start(1, 0)
    for i in range(len(own)):
        assert deadline.expiry(str(i), 1, 0) == within - sum(own[i + 1 :])


@ci
@given(reserves, st.integers(0, 100))
def test_an_operator_that_uses_all_it_may_leaves_its_successors_their_minimum(own: list[int], spare: int) -> None:
    within = sum(own) + spare + 1
    deadline, _ = chain(own, within)
    deadline.start(1, 0)
    now = 0
    for i in range(len(own)):
        expiry = deadline.expiry(str(i), 1, now)
        assert expiry is not None
        assert expiry - now >= own[i]
        now = expiry
    assert now == within


@ci
@given(st.lists(st.integers(1, 40), min_size=1, max_size=5), st.integers(1, 300))
def test_too_small_a_budget_is_shared_in_proportion(own: list[int], within: int) -> None:
    if within >= sum(own):
        return
    deadline, _ = chain(own, within)
    deadline.start(1, 0)
    behind = sum(own[1:]) * within // sum(own)
    expected = max(within - behind, min(own[0], within))
    assert deadline.expiry("0", 1, 0) == expected


@ci
@given(reserves, times, st.integers(1, 300), st.integers(0, 300))
def test_a_budget_that_changes_later_does_not_touch_a_timestamp_that_has_started(
    own: list[int], start: int, within: int, changed: int
) -> None:
    deadline, budget = chain(own, within)
    last = str(len(own) - 1)
    deadline.start(1, start)
    budget.set(changed)
    deadline.start(2, start)
    assert deadline.expiry(last, 1, start) == start + within
    assert deadline.expiry(last, 2, start) == start + changed


def test_a_timestamp_that_never_started_has_no_end_to_end_deadline() -> None:
    deadline, _ = chain([1, 1], 10)
    assert deadline.expiry("0", 1, 0) is None


@ci
@given(st.sets(st.integers(0, 20)), st.integers(0, 20))
def test_a_sealed_timestamp_is_forgotten_with_all_before_it(started: set[int], sealed: int) -> None:
    deadline, _ = chain([1], 10)
    for t in sorted(started):
        deadline.start(t, t)
    deadline.finish(sealed)
    assert set(deadline.started) == {t for t in started if t > sealed}


@ci
@given(st.lists(st.tuples(st.integers(0, 30), st.lists(st.integers(1, 5), max_size=3)), min_size=1, max_size=6))
def test_what_lies_behind_an_operator_is_the_longest_way_to_the_end(nodes: list[tuple[int, list[int]]]) -> None:
    names = [str(i) for i in range(len(nodes))]
    reserve = {name: own for name, (own, _) in zip(names, nodes, strict=True)}
    path = {str(i): [str(i + jump) for jump in jumps if i + jump < len(nodes)] for i, (_, jumps) in enumerate(nodes)}

    def ways(name: str) -> list[int]:
        return [reserve[s] + way for s in path[name] for way in ways(s)] or [0]

    assert reserves_behind(path, names, reserve) == {name: max(ways(name)) for name in names}
