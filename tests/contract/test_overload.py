"""What happens to timestamps that become ready while the operator is busy: the queue's rule, and every drop counted."""

from __future__ import annotations

import pytest

from pipeline import END, Duration, Graph, Input, Wait, block, drop_newest, keep_last, ms
from pipeline.events import Dropped, Sent
from pipeline.ports import Queue
from tests.oracle.blocks import Collects, Handled, Planned, Ticks, chain, checked, engines, of, said

SLOW = [("wait", ms(250))]


def slow(queue: Queue, plan: dict | None = None) -> Planned:  # type: ignore[type-arg]
    class Slow(Planned):
        inp = Input(object, queue=queue)

    return Slow({0: SLOW} if plan is None else plan)


@engines
@pytest.mark.parametrize(
    "queue, answered, dropped",
    [
        (keep_last(1), [0, 2, 3, 4], [1]),
        (keep_last(2), [0, 1, 2, 3, 4], []),
        (drop_newest(1), [0, 1, 3, 4], [2]),
        (drop_newest(2), [0, 1, 2, 3, 4], []),
    ],
    ids=lambda x: f"{x.rule}-{x.depth}" if isinstance(x, Queue) else "",
)
def test_the_queue_rule_decides_and_every_drop_is_counted(
    engine: str, queue: Queue, answered: list[int], dropped: list[int]
) -> None:
    a, sink = slow(queue), Collects()
    _, checker = checked(chain(a, sink, source=Ticks(5)), engine)
    assert [value for _, value, _ in said(checker, "a")] == answered
    drops = of(checker, Dropped, "a")
    assert [(event.t // ms(100), event.stream, event.reason) for event in drops] == [
        (n, "a.inp", "overload") for n in dropped
    ]
    checker.account("a", "inp", [event.t for event in of(checker, Sent, "source")])
    assert [e.value for e in sink.got] == answered


@engines
def test_block_drops_nothing_of_what_was_written_and_holds_the_writer_back(engine: str) -> None:
    a = slow(block(1))
    _, checker = checked(chain(a, source=Ticks(6)), engine)
    sent = [event.value for event in of(checker, Sent, "source")]
    assert [value for _, value, _ in said(checker, "a")] == sent
    assert len(sent) < 6
    skipped = of(checker, Dropped, "source")
    assert len(sent) + len(skipped) == 6
    assert {event.reason for event in skipped} <= {"blocked", "overload"}


@engines
def test_a_writer_that_was_held_back_goes_on_as_soon_as_there_is_room(engine: str) -> None:
    """source (50 ms) → fast → slow with block(1): what fast has waiting must not be forgotten."""
    a, b = Planned(), slow(block(1), dict.fromkeys(range(8), [("wait", ms(80))]))
    _, checker = checked(chain(a, b, source=Ticks(6, ms(50))), engine)
    assert [value for _, value, _ in said(checker, "b")] == [0, 1, 2, 3, 4, 5]


@engines
def test_a_dropped_timestamp_with_a_deadline_is_sealed_and_not_missed(engine: str) -> None:
    a = slow(keep_last(1))
    graph = chain(a, source=Ticks(5))
    graph.deadline(a.out, within=ms(800))
    _, checker = checked(graph, engine)
    assert [value for _, value, _ in said(checker, "a")] == [0, 2, 3, 4]
    assert checker.missed == {}
    assert [event.t // ms(1) for event in checker.events if getattr(event, "quality", "") == "superseded"] == [100]


@engines
def test_a_drop_does_not_stall_a_join_further_down(engine: str) -> None:
    from tests.oracle.blocks import Pairs

    a, fast, pairs = slow(keep_last(1)), Planned(), Pairs()
    graph = Graph("join")
    source = graph.add(Ticks(5), "source")
    for name, operator, port in (("a", a, pairs.left), ("fast", fast, pairs.right)):
        graph.add(operator, name)
        graph.connect(source.out, operator.inp)  # type: ignore[attr-defined]
        graph.connect(operator.out, port)
    _, checker = checked(graph, engine)
    assert [t for t, _, _ in said(checker, "pairs")] == [0, 200, 300, 400]
    checker.account("pairs", "right", [event.t for event in of(checker, Sent, "fast")])


class Busy(Ticks):
    """Says each number one and a half periods late."""

    def on_tick(self, ctx):  # type: ignore[no-untyped-def]
        number = ctx.t // self.period
        return END if number >= self.count else self._after(number)

    def _after(self, number):  # type: ignore[no-untyped-def]
        yield Wait(ms(150))
        yield number


def test_a_reentrant_source_ends_when_what_was_under_way_has_been_said() -> None:
    class Overlapping(Busy):
        reentrant = True

    a = Planned()
    _, checker = checked(chain(a, source=Overlapping(4)))
    assert said(checker, "a") == [(0, 0, "final"), (100, 1, "final"), (200, 2, "final"), (300, 3, "final")]


def test_a_source_that_is_still_busy_skips_its_tick_and_says_so() -> None:
    a = Planned()
    _, checker = checked(chain(a, source=Busy(4)))
    assert [value for _, value, _ in said(checker, "a")] == [0, 2]
    assert [event.t // ms(100) for event in of(checker, Dropped, "source")][:2] == [1, 3]


@engines
def test_timestamps_overlap_only_in_a_reentrant_operator_and_are_committed_in_order(engine: str) -> None:
    from pipeline import Context, Operator, Output, Wait

    class Overlaps(Operator):
        inp = Input(int)
        out = Output(int)
        reentrant = True
        scale = 1

        def on_watermark(self, ctx: Context):  # type: ignore[no-untyped-def]
            yield Wait(Duration(self.scale * (ms(170) if ctx[self.inp] == 0 else ms(10))))
            yield ctx[self.inp]

    a = Overlaps()
    _, checker = checked(chain(a, source=Ticks(3)), engine)
    sent = of(checker, Sent, "a")
    assert [event.value for event in sent] == [0, 1, 2]
    if engine == "virtual":
        assert [event.at // ms(1) for event in sent] == [170, 170, 210]


@engines
def test_newest_first_commits_an_older_timestamp_as_superseded_at_once(engine: str) -> None:
    from pipeline import Context, Operator, Output, Wait

    class Newest(Operator):
        inp = Input(int)
        out = Output(int)
        reentrant = True
        scale = 1
        newest = True

        def on_watermark(self, ctx: Context):  # type: ignore[no-untyped-def]
            yield Wait(Duration(self.scale * (ms(250) if ctx[self.inp] == 0 else ms(10))))
            yield ctx[self.inp]

    a = Newest()
    _, checker = checked(chain(a, source=Ticks(3)), engine)
    assert [event.value for event in of(checker, Sent, "a")] == [1, 2]
    (superseded,) = [event for event in checker.events if getattr(event, "quality", "") == "superseded"]
    assert superseded.t == 0
    if engine == "virtual":
        assert superseded.at == ms(110)


def test_handlers_keep_a_busy_operator_on_time() -> None:
    a = Handled(dict.fromkeys(range(10), [("wait", ms(95))]))
    graph = chain(a, source=Ticks(10, ms(50)))
    graph.deadline(a.out, within=ms(60))
    _, checker = checked(graph)
    for event in of(checker, Sent, "a"):
        assert event.at - event.t <= ms(60)
