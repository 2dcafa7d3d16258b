"""Real-time manners: what is asked, what is in force and why not; clocks that are set; no rest on people's time."""

from __future__ import annotations

import ast
import gc
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

import pipeline.engines
from pipeline import Context, DeadlineMissed, Graph, Input, Operator, Output, WallClock, ms, run
from pipeline.engines import realtime
from pipeline.engines.clock_watch import ClockReading, clock_check, read_clocks
from pipeline.engines.processes.plan import RunOn
from pipeline.engines.realtime import ORDINARY, Urgency
from pipeline.timestamps import seconds
from tests.pipeline.toys import Counter

HOUR = seconds(3600)


def on_a_thread(action: Callable[[], object]) -> object:
    """What is asked for one thread ends with it."""
    answers: list[object] = []
    thread = threading.Thread(target=lambda: answers.append(action()))
    thread.start()
    thread.join()
    assert answers, "it raised"
    return answers[0]


@pytest.fixture
def refusing(monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine that grants nothing."""

    def refuse(*arguments: object) -> None:
        raise PermissionError(1, "Operation not permitted")

    for name in ("sched_setscheduler", "sched_setaffinity", "setpriority"):
        monkeypatch.setattr(os, name, refuse)
    monkeypatch.setattr(realtime, "_SCHED_SETATTR", {})


# -- asking ------------------------------------------------------------------------------------------------------------


def test_what_is_granted_is_in_force_and_what_is_not_says_why() -> None:
    granted = on_a_thread(lambda: realtime.fifo(7))
    assert isinstance(granted, realtime.Granted)
    assert granted.asked == "fifo 7"
    assert (granted.in_force == "fifo 7") is (granted.why == "")


@pytest.mark.usefixtures("refusing")
def test_a_machine_that_refuses_is_told_of_and_nothing_fails() -> None:
    before = realtime.scheduler()
    for granted in (realtime.fifo(7), realtime.nice(-20), realtime.favour()):
        assert "Operation not permitted" in granted.why
        assert realtime.scheduler() == before
        assert "refused" in str(granted)
    assert "Operation not permitted" in realtime.pin([0]).why


@pytest.mark.usefixtures("refusing")
def test_a_thread_that_keeps_deadlines_asks_for_second_best_when_the_best_is_refused() -> None:
    granted = on_a_thread(lambda: Urgency().settle("timers"))
    assert isinstance(granted, tuple)
    assert [each.asked.split()[0] for each in granted] == ["fifo", "nice"]


def test_threads_that_keep_deadlines_stand_above_callbacks_and_those_above_observers(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    asked: list[int] = []

    def note(priority: int, thread: int = 0) -> realtime.Granted:
        asked.append(priority)
        return realtime.Granted("scheduler", "", "")

    monkeypatch.setattr(realtime, "fifo", note)
    for role in ("timers", "handlers", "callbacks", "observers"):
        Urgency(30).settle(role)
    assert asked == sorted(set(asked), reverse=True)
    assert asked[2] == 30


def test_who_asks_for_nothing_gets_what_every_program_gets() -> None:
    for role in ("timers", "handlers", "callbacks", "observers"):
        assert ORDINARY.settle(role) == ()


def test_callbacks_run_like_the_thread_that_makes_the_engine() -> None:
    def made() -> tuple[realtime.Granted, Urgency]:
        return realtime.fifo(40), realtime.urgency_here()

    answer = on_a_thread(made)
    assert isinstance(answer, tuple)
    granted, urgency = answer
    assert urgency == Urgency(0 if granted.why else 40)
    assert realtime.urgency_here() == Urgency(0)


@pytest.mark.parametrize("urgency", [Urgency(), Urgency(20), ORDINARY])
def test_the_thread_that_waits_for_an_engine_is_as_before_when_it_has_ended(urgency: Urgency) -> None:
    before = realtime.scheduler()
    with urgency.watching():
        inside = realtime.scheduler()
    assert realtime.scheduler() == before
    granted = on_a_thread(lambda: urgency.settle("observers"))
    assert isinstance(granted, tuple)
    assert inside == (granted[-1].in_force if granted else before)


def test_a_thread_can_be_pinned_and_cores_that_are_not_there_are_refused() -> None:
    core = min(os.sched_getaffinity(0))
    granted = on_a_thread(lambda: (realtime.pin([core]), os.sched_getaffinity(0)))
    assert granted == (realtime.Granted("cores", f"[{core}]", f"[{core}]"), {core})
    assert realtime.pin([100_000]).why


def test_sleeps_can_be_made_exact() -> None:
    granted = on_a_thread(realtime.timer_slack)
    assert isinstance(granted, realtime.Granted)
    assert not granted.why


# -- the process -------------------------------------------------------------------------------------------------------


def in_a_process(code: str) -> str:
    environment = {**os.environ, "PYTHONPATH": str(Path(pipeline.engines.__file__).parents[2])}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=environment, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def test_thread_counts_speak_to_libraries_that_are_not_loaded_yet() -> None:
    environment: dict[str, str] = {}
    realtime.limit_threads(3, environment)
    assert environment == dict.fromkeys(realtime.THREAD_VARIABLES, "3")


def test_thread_counts_reach_libraries_that_are_loaded_already() -> None:
    code = """
import numpy, cv2
from pipeline.engines import realtime
print([(g.what, g.in_force, g.why) for g in realtime.limit_threads(1)], realtime.manners().threads)
"""
    pytest.importorskip("cv2")
    told = in_a_process(code)
    assert "('cv2 threads', '1', '')" in told
    assert "'cv2': 1" in told
    assert "('numpy threads', '1', '')" in told or "('numpy threads', 'None', '')" in told


def test_a_process_settles_as_wished_and_says_what_was_refused() -> None:
    code = """
from pipeline.engines import realtime
from pipeline.engines.processes.plan import RunOn
import os, gc
notes = realtime.settle_process(RunOn("p", threads=2, cores=(100000,)))
print(len(notes), "cores" in notes[0], os.environ["OMP_NUM_THREADS"], gc.get_freeze_count() > 0)
"""
    assert in_a_process(code) == "1 True 2 True"


def test_wishes_are_what_a_plan_says() -> None:
    wishes: realtime.Wishes = RunOn("p")
    assert (wishes.threads, wishes.cores, wishes.priority) == (1, (), 0)


def test_the_interpreter_is_as_before_when_the_last_of_several_engines_has_ended() -> None:
    before = sys.getswitchinterval(), gc.get_threshold(), gc.get_freeze_count()
    with realtime.prompt_python():
        with realtime.prompt_python():
            assert sys.getswitchinterval() == pytest.approx(realtime.SWITCH_INTERVAL_S)
        assert sys.getswitchinterval() == pytest.approx(realtime.SWITCH_INTERVAL_S)
        assert gc.get_threshold() == realtime.GARBAGE_THRESHOLDS
        assert gc.get_freeze_count() > 0
    assert (sys.getswitchinterval(), gc.get_threshold(), gc.get_freeze_count()) == before


def test_manners_say_what_is_in_force() -> None:
    refused = realtime.Granted("cores", "[9]", "[0]", "there is no such core")
    told = realtime.manners([refused, realtime.Granted("memory", "locked", "locked")])
    assert told.refused == (refused,)
    assert told.cores == tuple(sorted(os.sched_getaffinity(0)))
    assert told.switch_interval_ms == pytest.approx(sys.getswitchinterval() * 1e3)
    assert told.scheduler == realtime.scheduler()


# -- clocks ------------------------------------------------------------------------------------------------------------

START = ClockReading(monotonic=seconds(100), wall=seconds(1_700_000_000), boot=seconds(100))


def later(*, by: int = seconds(1), stepped: int = 0, slept: int = 0) -> ClockReading:
    return ClockReading(START.monotonic + by, START.wall + by + stepped + slept, START.boot + by + slept)


@pytest.mark.parametrize("step", [HOUR, -HOUR, ms(6), -ms(6)])
def test_a_wall_clock_that_was_set_is_found_with_its_size_and_time(step: int) -> None:
    (found,) = clock_check(START, later(by=ms(100), stepped=step))
    assert (found.kind, found.by, found.at) == ("wall_stepped", step, START.monotonic + ms(100))
    assert ("forwards" if step > 0 else "back") in str(found)


def test_a_machine_that_slept_is_no_step_of_the_wall_clock() -> None:
    (found,) = clock_check(START, later(slept=HOUR))
    assert (found.kind, found.by) == ("suspended", HOUR)
    assert "slept" in str(found)


def test_both_at_once_are_told_apart() -> None:
    assert [f.kind for f in clock_check(START, later(slept=HOUR, stepped=-ms(500)))] == ["suspended", "wall_stepped"]


def test_a_clock_that_a_time_service_slows_down_has_not_been_set() -> None:
    assert not clock_check(START, later(by=HOUR, stepped=-HOUR // 2_000))


def test_this_machine_s_clocks_agree_over_a_moment() -> None:
    assert not clock_check(read_clocks(), read_clocks())


# -- nothing rests on people's time ------------------------------------------------------------------------------------


class Same(Operator):
    """Answers at once, or says that it was too late."""

    value = Input(int)
    same = Output(int)

    def on_watermark(self, ctx: Context) -> int:
        return ctx[self.value]

    def on_miss(self, ctx: Context, miss: DeadlineMissed) -> int:
        return -1


@pytest.mark.parametrize("step_s", [3600.0, -3600.0])
def test_a_wall_clock_that_jumps_by_an_hour_ends_no_deadline_and_starts_none(
    monkeypatch: pytest.MonkeyPatch, step_s: float
) -> None:
    reads: list[float] = []
    true_time, true_ns = time.time, time.time_ns

    def jumping() -> float:
        reads.append(step_s)
        return true_time() + step_s * len(reads)

    monkeypatch.setattr(time, "time", jumping)
    monkeypatch.setattr(time, "time_ns", lambda: true_ns() + int(step_s * 1e9) * (1 + len(reads)))
    graph = Graph("jump")
    source, same = Counter(upto=5), Same()
    graph.connect(source.count, same.value)
    graph.deadline(same.same, within=seconds(60))
    result = run(graph, clock=WallClock(), until=seconds(50))
    assert [value for _, value in result[same.same]] == [0, 1, 2, 3, 4]
    assert not result.misses
    assert not reads, "somebody asked for people's time"


PEOPLES_TIME = {"time.time", "time.time_ns", "time.localtime", "time.gmtime", "time.CLOCK_REALTIME"}
PEOPLES_TIME |= {"datetime.now", "datetime.utcnow"}
MAY_KNOW_IT = {"clock_watch.py", "monitoring.py"}
"""The one compares the clocks, the other tells dashboards what time it is: nobody who keeps deadlines asks them."""


def test_no_engine_reads_people_s_time() -> None:
    found = []
    for path in sorted(Path(pipeline.engines.__file__).parent.rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            name = ast.unparse(node) if isinstance(node, ast.Attribute) else ""
            if name in PEOPLES_TIME and path.name not in MAY_KNOW_IT:
                found.append(f"{path.name} {name}")
    assert not found


@pytest.mark.skipif(sys.version_info < (3, 11), reason="before 3.11 locks waited on the clock that people set")
def test_a_timed_wait_uses_the_monotonic_clock() -> None:
    # sem_clockwait, which takes the clock as an argument, is what CPython 3.11 looks for in the C library.
    assert hasattr(__import__("ctypes").CDLL(None), "sem_clockwait")
