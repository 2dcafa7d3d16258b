"""Variants side by side, each in a process of its own, with progress; one that dies does not take others along."""

from __future__ import annotations

import multiprocessing
import signal
import traceback
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from multiprocessing.connection import Connection, wait
from pathlib import Path
from typing import Any

from pipeline.building import build
from pipeline.errors import SkylaneError
from pipeline.events import Observer
from pipeline.launchfile import resolve
from pipeline.running import Progress, limit_threads, run_variant
from pipeline.timestamps import Duration


@dataclass(frozen=True)
class Job:
    """One variant of a launch file and where its records go."""

    path: str
    overrides: tuple[str, ...]
    variant: str
    folder: str


@dataclass
class Finished:
    """How a job ended: with ``result``, or with an ``error`` text (and where it happened, for people who debug)."""

    job: Job
    result: dict[str, Any] | None = None
    error: str = ""
    trace: str = ""


@dataclass
class _Running:
    job: Job
    process: Any
    reader: Connection
    finished: Finished | None = None


Tell = Callable[[Job, int], None]
Watch = Callable[[Job, Duration], AbstractContextManager[Observer]]
"""Opens a view on a run in this process. Several at once, in processes of their own, only tell their time."""


def run_here(job: Job, tell: Tell, stop: Callable[[], bool] | None = None, watch: Watch | None = None) -> Finished:
    """Run the job in this process; ``watch`` brings an observer that draws what happens."""
    try:
        launch = resolve(job.path, job.overrides)
        # Over several processes each makes its own operators; this one only looks on.
        settings = launch.settings
        elsewhere = settings.engine in ("processes", "erdos") and not settings.hosts
        built = build(launch, job.variant, local=frozenset() if elsewhere else None)
        progress = Progress(built.settings.duration, lambda at: tell(job, at))
        with nullcontext() if watch is None else watch(job, built.settings.duration) as view:
            observers = [progress] if view is None else [progress, view]
            return Finished(job, run_variant(built, Path(job.folder), observers, stop=stop))
    except SkylaneError as error:
        return Finished(job, error=str(error), trace=traceback.format_exc())
    except Exception as error:
        return Finished(job, error=f"{type(error).__name__}: {error}", trace=traceback.format_exc())


def run_all(jobs: Sequence[Job], at_once: int, tell: Tell, watch: Watch | None = None) -> list[Finished]:
    """Run all jobs, ``at_once`` of them side by side, and answer in the order given.

    Ctrl-C lets those that run end with what they have and starts no other; a second one kills them.
    """
    limit_threads()
    if at_once == 1 or len(jobs) == 1:
        return _one_by_one(jobs, tell, watch)
    context = multiprocessing.get_context("spawn")
    halt = context.Event()
    waiting = list(jobs)
    running: list[_Running] = []
    finished: dict[str, Finished] = {}
    try:
        while running or (waiting and not halt.is_set()):
            while waiting and not halt.is_set() and len(running) < at_once:
                running.append(_start(context, waiting.pop(0), halt))
            try:
                _listen(running, tell)
            except KeyboardInterrupt:
                if halt.is_set():
                    break
                halt.set()
            for one in [r for r in running if r.finished is not None]:
                running.remove(one)
                one.process.join()
                finished[one.job.variant] = one.finished or Finished(one.job)
    finally:
        for one in running:
            one.process.kill()
    return [finished[job.variant] for job in jobs if job.variant in finished]


def _one_by_one(jobs: Sequence[Job], tell: Tell, watch: Watch | None) -> list[Finished]:
    finished: list[Finished] = []
    for job in jobs:
        finished.append(run_here(job, tell, watch=watch))
        result = finished[-1].result
        if result is not None and result["interrupted"]:
            break
    return finished


def _start(context: Any, job: Job, halt: Any) -> _Running:
    reader, writer = context.Pipe(duplex=False)
    process = context.Process(target=_work, args=(job, writer, halt), name=f"skylane-{job.variant}", daemon=True)
    # The worker inherits that Ctrl-C is ignored: it is told by ``halt``, at a time when it can end well.
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        process.start()
    finally:
        signal.signal(signal.SIGINT, before)
    writer.close()
    return _Running(job, process, reader)


def _listen(running: Sequence[_Running], tell: Tell) -> None:
    """Take in what the workers say, for a second at most."""
    by_reader = {one.reader: one for one in running}
    for reader in wait(list(by_reader), timeout=1.0):
        one = by_reader[reader]  # type: ignore[index]
        try:
            said = one.reader.recv()
        except EOFError:
            one.process.join()
            one.finished = Finished(one.job, error=f"its process died ({_cause(one.process.exitcode)})")
            continue
        if isinstance(said, int):
            tell(one.job, said)
        else:
            one.finished = said


def _cause(code: int | None) -> str:
    return signal.Signals(-code).name if code is not None and code < 0 else f"exit code {code}"


def _work(job: Job, writer: Connection, halt: Any) -> None:
    writer.send(run_here(job, lambda _, at: writer.send(at), halt.is_set))
    writer.close()
