"""Workers as processes of this machine: they stay warm, and are replaced when they die, hang or have grown.

Does not know what a row means. Work whose worker is lost is given to ``lost``, which makes the row of it.
"""

from __future__ import annotations

import multiprocessing
import signal
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from multiprocessing.connection import Connection, wait
from typing import Any

from scenarios.sweeps import memory
from scenarios.sweeps.driving import Row
from scenarios.sweeps.schedule import Schedule
from scenarios.sweeps.suite import LimitSettings
from scenarios.sweeps.work import Clock, Work, Worker

Take = Callable[[Work, Row], None]
"""Called in the parent with every row as it comes."""
LOOK_S = 0.5
"""How often a worker's memory and time are looked at while it works."""


@dataclass
class _Process:
    number: int
    process: Any
    pipe: Connection
    work: Work | None = None
    since_ns: int = 0
    done: int = 0


def run_in_processes(todo: Sequence[Work], jobs: int, limits: LimitSettings, clock_ns: Clock, take: Take) -> None:
    """Do everything in ``jobs`` processes. KeyboardInterrupt ends them at once and goes on to the caller."""
    pool = _Pool(jobs, limits, clock_ns)
    try:
        pool.run(Schedule(todo), take)
    finally:
        pool.close()


class _Pool:
    def __init__(self, jobs: int, limits: LimitSettings, clock_ns: Clock) -> None:
        self._jobs, self._limits, self._clock_ns = jobs, limits, clock_ns
        self._context = multiprocessing.get_context("spawn")
        self._workers: list[_Process] = []
        self._count = 0

    def run(self, schedule: Schedule, take: Take) -> None:
        while len(schedule) or any(worker.work is not None for worker in self._workers):
            while len(self._workers) < self._jobs and len(schedule) > self._idle():
                self._workers.append(self._start())
            for worker in self._workers:
                if worker.work is None:
                    self._give(worker, schedule)
            self._listen(schedule, take)

    def close(self) -> None:
        for worker in self._workers:
            worker.process.kill()
        for worker in self._workers:
            worker.process.join()

    def _idle(self) -> int:
        return sum(worker.work is None for worker in self._workers)

    def _start(self) -> _Process:
        here, there = self._context.Pipe()
        self._count += 1
        name = f"process {self._count}"
        arguments = (there, self._limits.memory_mb, name, self._clock_ns)
        process = self._context.Process(target=_serve, args=arguments, name=f"skylane-{name}", daemon=True)
        # The worker inherits that Ctrl-C is ignored: the parent ends it.
        before = signal.signal(signal.SIGINT, signal.SIG_IGN)
        try:
            process.start()
        finally:
            signal.signal(signal.SIGINT, before)
        there.close()
        return _Process(self._count, process, here)

    def _give(self, worker: _Process, schedule: Schedule) -> None:
        work = schedule.next(worker.number)
        if work is None:
            return
        worker.work, worker.since_ns = work, self._clock_ns()
        with suppress(OSError):  # if it has died, its end of the pipe says so next
            worker.pipe.send(work)

    def _listen(self, schedule: Schedule, take: Take) -> None:
        by_pipe: dict[Any, _Process] = {worker.pipe: worker for worker in self._workers if worker.work is not None}
        for pipe in wait(list(by_pipe), timeout=LOOK_S):
            worker = by_pipe[pipe]
            work = worker.work
            assert work is not None
            try:
                row = worker.pipe.recv()
            except (EOFError, OSError):
                worker.process.join()
                self._dismiss(worker, schedule, take, f"its worker died ({_cause(worker.process.exitcode)})")
                continue
            worker.work, worker.done = None, worker.done + 1
            take(work, row)
            if worker.done >= self._limits.runs_per_worker or row["resident_mb"] > self._limits.memory_mb:
                self._dismiss(worker, schedule, take, "")
        for worker in list(self._workers):
            if worker.work is not None:
                self._look_at(worker, schedule, take)

    def _look_at(self, worker: _Process, schedule: Schedule, take: Take) -> None:
        spent_s = (self._clock_ns() - worker.since_ns) / 1e9
        if spent_s > self._limits.run / 1e9:
            self._dismiss(worker, schedule, take, f"stopped: it took more than {self._limits.run / 1e9:g} s")
        elif (resident := memory.resident_mb(worker.process.pid)) > 1.25 * self._limits.memory_mb:
            self._dismiss(worker, schedule, take, f"stopped: its worker had grown to {resident:.0f} MiB")

    def _dismiss(self, worker: _Process, schedule: Schedule, take: Take, error: str) -> None:
        """End a worker; ``error``: why what it was doing is lost. Another one takes its place when there is work."""
        worker.process.kill()
        worker.process.join()
        worker.pipe.close()
        self._workers.remove(worker)
        schedule.gone(worker.number)
        if worker.work is not None:
            spent_s = round((self._clock_ns() - worker.since_ns) / 1e9, 3)
            take(worker.work, lost(worker.work, error) | {"wall_s": spent_s, "worker": f"process {worker.number}"})


def lost(work: Work, error: str) -> Row:
    """The row of work that nobody finished."""
    return {**work.columns(), "error": error, "trace": ""}


def _cause(code: int | None) -> str:
    return signal.Signals(-code).name if code is not None and code < 0 else f"exit code {code}"


def _serve(pipe: Connection, memory_mb: float, name: str, clock_ns: Clock) -> None:
    """What a worker process does: work as it comes, until the parent closes the pipe or is gone."""
    worker = Worker(memory_mb, clock_ns, name)
    while True:
        try:
            work = pipe.recv()
        except (EOFError, OSError):
            return
        pipe.send(worker.do(work))
