"""Who wakes whom: alarms, rings, the agenda, the crew, the heart. What is over wakes nobody."""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Callable, Iterator

import pytest

from pipeline import Context, DeadlineMissed, Graph, Input, Operator, Output, WallClock, ms, run
from pipeline.engines import realtime
from pipeline.engines.agenda import Agenda
from pipeline.engines.alarm import Alarm
from pipeline.engines.crew import Crew
from pipeline.engines.processes.heart import BEATS, Heart
from pipeline.engines.processes.plan import Plan, Supervision, place
from pipeline.engines.processes.table import HEARTBEAT, StatusTable
from pipeline.engines.processes.wakeup import Wakeup
from pipeline.engines.realtime import CROWDED_NS, CROWDED_SWITCH_INTERVAL_S, PUNCTUAL_BEATS, Crowd
from pipeline.engines.work import Awaited
from pipeline.recipe import Recipe
from pipeline.timestamps import FOREVER, seconds
from tests.pipeline.toys import Counter

LATE_S = 5.0
"""A thread that should have woken by now never will."""


def later(seconds_: float, action: Callable[[], object]) -> None:
    timer = threading.Timer(seconds_, action)
    timer.daemon = True
    timer.start()


# -- the alarm ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("at", [-1, 0, 1], ids=["before time began", "at zero", "long ago"])
def test_an_alarm_whose_time_has_passed_goes_off_at_once(at: int) -> None:
    alarm = Alarm()
    alarm.set(at)
    alarm.wait()
    alarm.close()


@pytest.mark.parametrize("first", [FOREVER, 0], ids=["to an earlier time", "to a later one"])
def test_an_alarm_can_be_moved_while_somebody_waits_for_it(first: int) -> None:
    alarm, woke = Alarm(), threading.Event()
    due = time.monotonic_ns() + ms(30)
    alarm.set(first or time.monotonic_ns() + ms(2))
    if not first:
        alarm.set(due)

    def wait() -> None:
        alarm.wait()
        woke.set()

    waiting = threading.Thread(target=wait, daemon=True)
    waiting.start()
    alarm.set(due)
    assert woke.wait(LATE_S)
    assert time.monotonic_ns() >= due
    waiting.join()
    alarm.close()


# -- the agenda --------------------------------------------------------------------------------------------------------


def test_what_is_over_is_nobody_s_next_appointment() -> None:
    agenda, done = Agenda(), Awaited()
    done.over = False
    agenda.add(10, 0, 0, print, done)
    agenda.add(20, 0, 0, print, "later")
    assert agenda.next() == 10
    done.over = True
    assert agenda.next() == 20
    assert agenda.due(19) is None
    assert agenda.due(20) == (print, "later")
    assert agenda.next() == FOREVER


def test_appointments_at_the_same_time_are_kept_by_kind_then_stage_then_in_turn() -> None:
    agenda = Agenda()
    for order, stage, name in ((1, 0, "d"), (0, 1, "b"), (0, 1, "c"), (0, 0, "a")):
        agenda.add(5, order, stage, print, name)
    assert "".join(due[1] for due in iter(lambda: agenda.due(5), None)) == "abcd"


class Twice(Operator):
    value = Input(int)
    double = Output(int)

    def on_watermark(self, ctx: Context) -> int:
        return 2 * ctx[self.value]

    def on_miss(self, ctx: Context, miss: DeadlineMissed) -> int:
        return 0


def test_deadlines_that_are_met_wake_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    woken: list[int] = []

    class Counting(Alarm):
        def wait(self) -> None:
            super().wait()
            woken.append(1)

    monkeypatch.setattr("pipeline.engines.threads.Alarm", Counting)
    graph = Graph("punctual")
    source, twice = Counter(upto=40), Twice()
    graph.connect(source.count, twice.value)
    graph.deadline(twice.double, within=ms(500))
    result = run(graph, clock=WallClock(), until=seconds(20))
    assert len(result[twice.double]) == 40
    # Each tick wakes the timers, and the end does.
    assert len(woken) <= 40 + 5


# -- the crew ----------------------------------------------------------------------------------------------------------


def test_a_crew_has_as_many_threads_as_there_are_jobs_at_once_and_no_more() -> None:
    crew, gate = Crew("test", lambda: None), threading.Barrier(4)
    before = threading.active_count()

    def meet() -> None:
        gate.wait(LATE_S)

    for _ in range(50):
        for _ in range(3):
            crew.submit(meet)
        gate.wait(LATE_S)
        while sum(crew._ended) < crew._submitted:
            time.sleep(0.0001)
    assert threading.active_count() - before == 3
    crew.close()
    assert threading.active_count() == before


def test_with_a_limit_further_jobs_wait_for_their_turn() -> None:
    crew, order, over = Crew("test", lambda: None, most=1), list[int](), threading.Event()

    def first() -> None:
        time.sleep(0.02)
        order.append(1)

    crew.submit(first)
    crew.submit(lambda: order.append(2))
    crew.submit(over.set)
    assert over.wait(LATE_S)
    assert order == [1, 2]
    crew.close()


class Overlapping(Counter):
    reentrant = True

    def on_tick(self, ctx: Context) -> object:
        threads.add(threading.get_ident())
        most[0] = max(most[0], threading.active_count())
        return super().on_tick(ctx)


threads: set[int] = set()
most = [0]


def test_a_reentrant_source_takes_no_further_thread_for_each_timestamp() -> None:
    threads.clear()
    most[0] = 0
    before = threading.active_count()
    graph = Graph("long")
    source, twice = Overlapping(upto=100), Twice()
    graph.connect(source.count, twice.value)
    run(graph, clock=WallClock(), until=seconds(30))
    assert most[0] - before < 12


class Where(Operator):
    """Notes on which thread it was called."""

    value = Input(int)
    same = Output(int)

    def on_watermark(self, ctx: Context) -> int:
        self.__dict__.setdefault("threads", []).append(threading.get_ident())
        return ctx[self.value]


def test_who_ends_a_callback_goes_on_with_the_one_that_follows_from_it() -> None:
    graph = Graph("chain")
    source, first, second, third, aside = Counter(upto=20), Where(), Where(), Where(), Where()
    for name, operator in (("first", first), ("second", second), ("third", third), ("aside", aside)):
        graph.add(operator, name)
    graph.connect(source.count, first.value)
    graph.connect(first.same, second.value)
    graph.connect(second.same, third.value)
    graph.connect(second.same, aside.value)
    run(graph, clock=WallClock(), until=seconds(20))
    calls = [vars(operator)["threads"] for operator in (first, second, third, aside)]
    assert calls[0] == calls[1]
    # The other reader of ``second`` is for whoever has nothing to do.
    assert all(b in (c, d) for b, c, d in zip(*calls[1:], strict=True))


# -- rings -------------------------------------------------------------------------------------------------------------


def test_a_ring_wakes_one_of_those_who_wait_and_another_ring_another() -> None:
    wakeup, woke, go_home = Wakeup.create(), list[int](), threading.Event()

    def sleeper(number: int) -> None:
        while not wakeup.wait(LATE_S):
            pass
        woke.append(number)
        go_home.wait(LATE_S)

    sleepers = [threading.Thread(target=sleeper, args=(i,), daemon=True) for i in range(3)]
    for thread in sleepers:
        thread.start()
    time.sleep(0.05)
    for rung in range(1, 4):
        wakeup.ring()
        until = time.monotonic() + LATE_S
        while len(woke) < rung and time.monotonic() < until:
            time.sleep(0.001)
        time.sleep(0.02)
        assert len(woke) == rung
    assert sorted(woke) == [0, 1, 2]
    go_home.set()
    for thread in sleepers:
        thread.join(LATE_S)
    wakeup.close()


# -- the heart, and a crowd --------------------------------------------------------------------------------------------


def test_a_heart_beats_and_does_its_chores_less_often() -> None:
    graph = Graph("one")
    graph.add(Counter(upto=1), "source")
    placed = place(graph, Recipe("x:y", {}))
    plan = Plan("test", placed.recipe, placed.processes, placed.streams, Supervision(), 0, 0, False)
    table, beats, enough = StatusTable.create(plan), list[int](), threading.Event()

    def chores() -> None:
        beats.append(table.get(0, HEARTBEAT))
        if len(beats) == 4:
            enough.set()

    heart = Heart(table, 0, ms(4), chores)
    heart.start()
    assert enough.wait(LATE_S)
    heart.stop()
    assert all(b - a >= (BEATS - 2) * ms(4) for a, b in zip(beats, beats[1:], strict=False))
    assert not heart.thread.is_alive()
    table.close()


@pytest.fixture
def inside() -> Iterator[None]:
    with realtime.prompt_python(0.0002):
        yield
    realtime._prompt.crowded = False


@pytest.mark.usefixtures("inside")
def test_turns_are_long_while_the_machine_is_crowded_and_short_again_after_it() -> None:
    crowd = Crowd()
    for late in (0, 2 * CROWDED_NS, 0, 2 * CROWDED_NS):
        crowd.late(late)
        assert sys.getswitchinterval() == pytest.approx(0.0002)
    crowd.late(2 * CROWDED_NS)
    assert sys.getswitchinterval() == pytest.approx(CROWDED_SWITCH_INTERVAL_S)
    for _ in range(PUNCTUAL_BEATS - 1):
        crowd.late(0)
        assert sys.getswitchinterval() == pytest.approx(CROWDED_SWITCH_INTERVAL_S)
    crowd.late(0)
    assert sys.getswitchinterval() == pytest.approx(0.0002)
