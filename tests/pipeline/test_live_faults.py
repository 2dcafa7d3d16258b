"""A car in several processes: whatever goes wrong in one of them, commands keep coming and the fault has a name."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import numpy as np
import pytest

from pipeline import ms, seconds
from pipeline.engines.processes.leftovers import leftovers
from pipeline.engines.processes.orphans import orphans
from pipeline.engines.processes.plan import Supervision
from pipeline.events import Missed
from tests.pipeline.live_car import PERIOD, ROOT, Drive, drive, healthy, kill

pytestmark = [pytest.mark.real, pytest.mark.alone, pytest.mark.timeout(1200)]

KILLS = int(os.environ.get("SKYLANE_KILLS", "200"))
HANGS = int(os.environ.get("SKYLANE_HANGS", "100"))
TIRELESS = Supervision(crashes=10**6, backoff=ms(1), backoff_max=ms(1))
"""Restarts at once, as often as it takes."""
GAP_MAX = 1.5
"""Control periods between two commands."""


def nothing_is_left() -> bool:
    """No process and no memory of a run that is over."""
    return not leftovers() and not orphans()


def test_commands_keep_coming_while_processes_are_killed_at_random() -> None:
    rng = np.random.default_rng(3)
    killed: list[tuple[str, int]] = []

    def meddle(seen: Drive, over: threading.Event) -> None:
        while len(killed) < KILLS and not over.is_set():
            for process in ("controller", "gate"):
                if healthy(seen, process, over):
                    over.wait(0.05 + 0.1 * rng.random())
                    at = kill(seen, process)
                    killed.append((process, at))

    seen = drive(KILLS * 0.45 + 5.0, meddle=meddle, supervision=TIRELESS)
    assert len(killed) >= KILLS
    assert max(seen.gaps()) <= GAP_MAX, seen.story()
    found = [_detected(seen, process, at) for process, at in killed]
    assert np.quantile(found, 0.99) <= 15.0, f"detection took {sorted(found)[-5:]} ms"
    assert len([fault for fault in seen.faults if fault.kind == "killed"]) == len(killed)
    assert len(seen.recovered) == len(killed)
    assert np.quantile([each.after for each in seen.recovered], 0.99) <= seconds(2)
    assert nothing_is_left()


def test_a_stopped_process_and_one_that_keeps_the_interpreter_to_itself_are_found_within_two_periods() -> None:
    spinning = {str(20 + 18 * number): "spins" for number in range(HANGS)}
    stopped: list[int] = []

    def meddle(seen: Drive, over: threading.Event) -> None:
        while len(stopped) < HANGS and not over.is_set():
            if healthy(seen, "gate", over):
                over.wait(0.1)
                stopped.append(kill(seen, "gate", signal.SIGSTOP))
                seen.statuses.pop("gate")

    seen = drive((20 + 18 * HANGS) * 0.05 + 1.0, trouble=spinning, meddle=meddle, supervision=TIRELESS)
    assert len(stopped) == HANGS
    late = [at for at in stopped if _detected(seen, "gate", at) > 2 * PERIOD / 1e6]
    assert late == [], f"{len(late)} of {HANGS} stopped processes were found too late"
    hung = [fault.at for fault in seen.faults if fault.process == "controller" and fault.kind == "hung"]
    back = [each.at for each in seen.recovered if each.process == "controller"]
    # One that comes back slowly is still away when the next number comes, and the standby answers for that.
    away = list(zip(hung, [*back, 10**12], strict=False))
    begun = [int(number) * PERIOD for number in spinning]
    begun = [t for t in begun if not any(lost < t < again + PERIOD for lost, again in away)]
    found = [min((at - t for at in hung if at > t), default=10**12) for t in begun]
    assert len(begun) >= 0.9 * HANGS
    assert [took for took in found if took > 2 * PERIOD] == []
    assert max(seen.gaps()) <= 2 + GAP_MAX
    assert nothing_is_left()


def _detected(seen: Drive, process: str, at: int) -> float:
    """Milliseconds from the signal to the fault."""
    after = [f.at + seen.origin - at for f in seen.faults if f.process == process and f.at + seen.origin > at]
    return min(after, default=10**12) / 1e6


@pytest.mark.parametrize(
    "trouble, kind",
    [("raises", "raised"), ("nan", "not_finite"), ("type", "wrong_type"), ("huge", "shm_full"), ("exits", "crashed")],
)
def test_what_goes_wrong_in_a_callback_has_a_name_and_the_handler_answers(trouble: str, kind: str) -> None:
    seen = drive(2.0, trouble={"20": trouble}, supervision=TIRELESS)
    (fault,) = [each for each in seen.faults if "controller" in (each.operator, each.process)]
    assert fault.kind == kind
    assert 20 * PERIOD <= fault.at <= 20 * PERIOD + seconds(1)
    assert seen.commands[20 * PERIOD] == 220.0
    assert max(seen.gaps()) <= GAP_MAX
    assert nothing_is_left()


def test_a_callback_that_sleeps_through_its_deadline_is_answered_for_in_its_own_process() -> None:
    seen = drive(2.0, trouble={"20": "sleeps"}, supervision=TIRELESS)
    assert [event.operator for event in seen.events if isinstance(event, Missed) and event.t == 20 * PERIOD] == [
        "controller"
    ]
    assert seen.commands[20 * PERIOD] == 220.0
    assert max(seen.gaps()) <= GAP_MAX


def test_a_process_that_takes_more_memory_than_it_may_is_replaced() -> None:
    careful = Supervision(crashes=10**6, backoff=ms(1), backoff_max=ms(1), memory_mb=200)
    seen = drive(4.0, trouble={"20": "hoards"}, supervision=careful)
    assert [fault.kind for fault in seen.faults] == ["memory"]
    assert seen.faults[0].at <= 20 * PERIOD + seconds(1.5)
    assert [each.process for each in seen.recovered] == ["controller"]


def test_one_that_crashes_again_and_again_is_given_up_and_the_standby_goes_on() -> None:
    impatient = Supervision(crashes=3, backoff=ms(20), backoff_max=ms(40))
    seen = drive(5.0, trouble={str(number): "exits" for number in range(100)}, supervision=impatient)
    kinds = [fault.kind for fault in seen.faults if fault.process == "controller"]
    assert kinds[:4] == ["crashed"] * 4 and kinds[4:] == ["crash_loop"]
    answered = [t for t, command in seen.commands.items() if command >= 200.0]
    assert len(answered) >= 90
    assert max(seen.gaps()) <= GAP_MAX


def test_a_frozen_reader_holds_nobody_up() -> None:
    def meddle(seen: Drive, over: threading.Event) -> None:
        if healthy(seen, "gate", over):
            over.wait(0.5)
            kill(seen, "gate", signal.SIGSTOP)

    patient = Supervision(alive=seconds(60), grace=seconds(60))
    seen = drive(3.0, meddle=meddle, supervision=patient)
    # Nothing is repaired here: the controller before it must go on all the same.
    said = {event.t for event in seen.events if event.operator == "controller" and type(event).__name__ == "Finished"}
    assert len(said) == 60


def test_two_runs_at_once_do_not_disturb_each_other() -> None:
    runs: list[Drive] = []
    threads = [threading.Thread(target=lambda: runs.append(drive(2.0))) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [len(seen.commands) for seen in runs] == [40, 40]
    assert [seen.faults for seen in runs] == [[], []]
    assert nothing_is_left()


ONE_RUN = """
import sys
sys.path.insert(0, {root!r})
from tests.pipeline.live_car import drive
drive(60.0)
"""


def test_a_killed_launcher_takes_its_run_with_it_and_the_next_one_cleans_up() -> None:
    launcher = subprocess.Popen([sys.executable, "-c", ONE_RUN.format(root=str(ROOT))])
    time.sleep(2.5)
    family = _family(launcher.pid)
    assert len(family) == 5, "a supervisor, three processes and a standby"
    launcher.kill()
    launcher.wait()
    until = time.monotonic() + 10.0
    while any(Path(f"/proc/{pid}").exists() for pid in family) and time.monotonic() < until:
        time.sleep(0.05)
    assert not [pid for pid in family if Path(f"/proc/{pid}").exists()]
    drive(0.5)
    assert nothing_is_left()


def test_a_run_that_is_killed_whole_is_a_leftover_until_the_next_one() -> None:
    launcher = subprocess.Popen([sys.executable, "-c", ONE_RUN.format(root=str(ROOT))])
    time.sleep(2.5)
    for pid in [launcher.pid, *_family(launcher.pid)]:
        os.kill(pid, signal.SIGKILL)
    launcher.wait()
    time.sleep(0.2)
    assert leftovers(), "nothing was there to be cleaned"
    done = subprocess.run(
        [sys.executable, "-m", "pipeline.cli", "doctor", "--leftovers", "--clean"], cwd=ROOT, capture_output=True
    )
    assert done.returncode == 0 and b"removed" in done.stdout
    assert nothing_is_left()


def _family(pid: int) -> list[int]:
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return [found for child in map(int, children) for found in (child, *_family(child))]
