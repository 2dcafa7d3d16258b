"""Faults put into the core by hand: each must be caught by the tests named beside it, or those tests prove nothing.

A mutant is a copy of the package with one text replaced. If its text is gone, look for what it meant.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

import pytest

ROOT = Path(__file__).resolve().parents[2]
PACKAGES = ("pipeline", "tests/oracle", "tests/pipeline", "tests/contract")
EXAMPLES = "60"
IN_PARALLEL = 2
LIMIT_S = 100

RACE = "tests/pipeline/test_race.py::"
JOIN = "tests/pipeline/test_joining.py::"
STATE = "tests/pipeline/test_state.py::"
DEADLINES = "tests/pipeline/test_deadlines.py::"
CONTRACT = "tests/contract/"
MISSED_STATE = CONTRACT + "test_state_of_missed_timestamps.py::test_"


class Mutant(NamedTuple):
    fault: str
    file: str
    old: str
    new: str
    killers: tuple[str, ...]


MUTANTS = (
    Mutant(
        "a deadline exactly at the start counts as passed",
        "race.py",
        "self.deadline < now",
        "self.deadline <= now",
        (RACE + "test_a_deadline_exactly_at_the_start_still_lets_an_instant_answer_count",),
    ),
    Mutant(
        "no fence at a miss",
        "race.py",
        "self.fenced, self.fenced_at = True, now\n        usable",
        "self.fenced_at = now\n        usable",
        (RACE + "test_the_handler_runs_at_most_once_and_never_without_a_miss",),
    ),
    Mutant(
        "the worst candidate wins",
        "race.py",
        "candidate.rank > best.rank",
        "candidate.rank < best.rank",
        (
            RACE + "test_commits_what_the_rules_say_when_they_say",
            RACE + "test_never_commits_a_value_below_a_final_one_at_hand",
        ),
    ),
    Mutant(
        "a better candidate that still runs is not waited for",
        "race.py",
        "if pending_rank is not None and pending_rank > best.rank:",
        "if False:",
        (RACE + "test_commits_what_the_rules_say_when_they_say",),
    ),
    Mutant(
        "an abort does not roll back",
        "race.py",
        "actions.append(Rollback())",
        "pass",
        (
            RACE + "test_an_abort_rolls_back_once_and_before_the_handler_answers",
            MISSED_STATE + "an_abort_rolls_back_to_the_last_committed_timestamp[virtual]",
        ),
    ),
    Mutant(
        "a remote one out of time is a miss",
        "race.py",
        "if any(c.finished for c in self.candidates):",
        "if False:",
        (RACE + "test_a_remote_one_out_of_time_is_no_miss_when_a_local_one_has_answered",),
    ),
    Mutant(
        "everyone out waits for the deadline",
        "race.py",
        'return () if pending_rank is not None else self._miss(now, why or "no candidate left")',
        "return ()",
        (RACE + "test_everyone_out_is_a_miss_at_once_without_waiting_for_the_deadline",),
    ),
    Mutant(
        "a remote winner stops the local candidate",
        "race.py",
        "beside = winner.remote and not candidate.remote",
        "beside = False",
        (MISSED_STATE + "the_local_state_goes_on_beside_a_remote_winner[virtual]",),
    ),
    Mutant(
        "the local candidate is not stopped at the deadline when a remote one has won",
        "race.py",
        'actions.append(Cancel(candidate.name, "deadline"))',
        "pass",
        (RACE + "test_the_local_one_beside_a_remote_winner_is_stopped_at_the_deadline_as_without_a_cloud",),
    ),
    Mutant(
        "the last value at the own deadline is thrown away",
        "race.py",
        "_DONE if candidate.state == _USABLE else _OUT",
        "_OUT",
        (RACE + "test_commits_what_the_rules_say_when_they_say",),
    ),
    Mutant(
        "a failing handler loses the best value",
        "race.py",
        "if self.best is None or self.best.value is None:",
        "if True:",
        (RACE + "test_a_handler_that_overruns_leaves_the_best_and_its_answer_comes_late",),
    ),
    Mutant(
        "latest ignores its age bound",
        "joining.py",
        "(self.age is None or t - before.t <= self.age)",
        "True",
        (JOIN + "test_latest_respects_its_age_bound_to_the_nanosecond",),
    ),
    Mutant(
        "nearest prefers the later one on a tie",
        "joining.py",
        "t - before.t <= after.t - t",
        "t - before.t < after.t - t",
        (JOIN + "test_nearest_takes_the_later_one_only_if_it_is_strictly_closer",),
    ),
    Mutant(
        "nearest waits for a tie that it would not take",
        "joining.py",
        "t - before.t - 1 if",
        "t - before.t if",
        (
            JOIN + "test_joins_what_the_model_joins_at_the_same_arrival",
            JOIN + "test_nearest_waits_until_none_closer_can_come",
        ),
    ),
    Mutant(
        "keep_last drops the newest",
        "engines/intake.py",
        "self._overload(ready.popleft())",
        "self._overload(ready.pop())",
        (CONTRACT + "test_overload.py::test_the_queue_rule_decides_and_every_drop_is_counted",),
    ),
    Mutant(
        "a budget that changes later touches what runs",
        "deadlines.py",
        "start, within = self.started.get(t, (None, None))",
        "start, within = self.started.get(t, (None, None))\n        within = self.budget.within",
        (DEADLINES + "test_a_budget_that_changes_later_does_not_touch_a_timestamp_that_has_started",),
    ),
    Mutant(
        "nobody leaves time to those behind",
        "deadlines.py",
        "max(start + within - behind,",
        "max(start + within,",
        (CONTRACT + "test_budgets.py::test_one_that_is_missed_leaves_its_successors_their_minimum",),
    ),
    Mutant(
        "a rolled-back write stays",
        "state.py",
        "        if self.dirty_t == t:\n            self.working = _NOTHING",
        "        pass",
        (STATE + "test_reads_writes_commits_and_rolls_back_like_a_dict_of_versions",),
    ),
    Mutant(
        "the state may go back",
        "state.py",
        'if t <= self.committed_at:\n            raise ValueError(f"state of t={t} cannot be committed',
        'if t < self.committed_at:\n            raise ValueError(f"state of t={t} cannot be committed',
        (STATE + "test_never_goes_back_before_what_is_committed",),
    ),
    Mutant(
        "late work under continue loses its state",
        "engines/versions.py",
        "elif not run.race.continues(work.candidate):",
        "else:",
        (MISSED_STATE + "under_continue_the_late_work_still_updates_state_but_is_not_sent[virtual]",),
    ),
    Mutant(
        "the watermark overtakes its data",
        "engines/stage.py",
        "self.streams[0].publish(run, commit, commit.value, now)",
        "self.streams[0].pass_watermark(t)\n            self.streams[0].publish(run, commit, commit.value, now)",
        (
            CONTRACT
            + "test_one_commit_per_timestamp.py::test_every_timestamp_is_answered_once_with_or_without_a_miss[virtual]",
        ),
    ),
    Mutant(
        "a result exactly at the deadline comes too late",
        "engines/virtual.py",
        "self.call_at(self._now + charge + max(0, value.duration), AT_YIELD, stage, self._resume, work)",
        "self.call_at(self._now + charge + max(0, value.duration), AT_DEADLINE, stage, self._resume, work)",
        (CONTRACT + "test_handlers.py::test_without_a_miss_the_handler_is_not_called_even_at_the_very_deadline",),
    ),
    Mutant(
        "a handler that takes just its budget has overrun",
        "engines/virtual.py",
        "elif charge > run.race.handler_budget:",
        "elif charge >= run.race.handler_budget:",
        (CONTRACT + "test_handlers.py::test_a_handler_has_a_budget_of_its_own_and_beyond_it_the_best_stands",),
    ),
)


def _make(folder: Path, mutant: Mutant | None) -> None:
    for package in PACKAGES:
        shutil.copytree(ROOT / package, folder / package, ignore=shutil.ignore_patterns("__pycache__"))
    if mutant is not None:
        path = folder / "pipeline" / mutant.file
        path.write_text(path.read_text().replace(mutant.old, mutant.new))


def _run(folder: Path, tests: tuple[str, ...]) -> subprocess.CompletedProcess[str]:
    command = [
        sys.executable,
        "-m",
        "pytest",
        "-x",
        "-q",
        "--import-mode=importlib",
        "-c",
        os.devnull,
        "--rootdir",
        ".",
    ]
    plugins = ["-p", "no:randomly", "-p", "no:cacheprovider", "-p", "no:xdist", "-m", "not real"]
    environment = {**os.environ, "SKYLANE_EXAMPLES": EXAMPLES, "PYTHONDONTWRITEBYTECODE": "1"}
    environment.pop("PYTEST_ADDOPTS", None)
    return subprocess.run(
        [*command, *plugins, *tests],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        timeout=LIMIT_S,
        check=False,
    )


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.fault)
def test_the_text_that_a_mutant_replaces_stands_in_the_code_once(mutant: Mutant) -> None:
    assert (ROOT / "pipeline" / mutant.file).read_text().count(mutant.old) == 1


@pytest.mark.slow
def test_every_mutant_is_caught_by_its_tests_and_the_real_thing_is_not(tmp_path: Path) -> None:
    def verdict(numbered: tuple[int, Mutant]) -> str:
        number, mutant = numbered
        folder = tmp_path / str(number)
        _make(folder, mutant)
        done = _run(folder, mutant.killers)
        shutil.rmtree(folder)
        if done.returncode == 1:
            return ""
        outcome = "survived" if done.returncode == 0 else f"could not be tried ({done.returncode})"
        return f"{mutant.fault}: {outcome}\n{done.stdout[-600:]}"

    original = tmp_path / "original"
    _make(original, None)
    killers = tuple(dict.fromkeys(killer for mutant in MUTANTS for killer in mutant.killers))
    with ThreadPoolExecutor(IN_PARALLEL) as pool:
        real = pool.submit(_run, original, killers)
        wrong = [found for found in pool.map(verdict, enumerate(MUTANTS)) if found]
    assert real.result().returncode == 0, real.result().stdout[-3000:]
    assert not wrong, "\n".join(wrong)
