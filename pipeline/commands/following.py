"""What follows runs while they go on, as the command line asks: live view, log, metrics. Decides nothing in a run."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any

from pipeline.events import Event, Observer
from pipeline.health import HealthFollower, HealthReport, ProcessStatus
from pipeline.logs import RunLogger, logging_to
from pipeline.timestamps import Duration
from pipeline.workers import Job


@dataclass(frozen=True)
class Wishes:
    """What the user wants to see while runs go on."""

    metrics: int | None = None
    """Port of the Prometheus endpoint; 0 for any free one."""
    log_json: str | None = None
    """File, or ``-`` for stderr."""
    quiet: bool = False

    @property
    def one_by_one(self) -> bool:
        """Only a run in this process can be followed closely."""
        return self.metrics is not None or self.log_json is not None


class Several:
    """Observers as one."""

    def __init__(self, observers: Sequence[Observer]) -> None:
        self._events = [each.on_event for each in observers]
        self._health = [each.on_health for each in observers if isinstance(each, HealthFollower)]
        self._processes = [each.on_process for each in observers if hasattr(each, "on_process")]

    def on_event(self, event: Event) -> None:
        """Tell everybody."""
        for tell in self._events:
            tell(event)

    def on_health(self, report: HealthReport) -> None:
        """Tell those who want to know."""
        for tell in self._health:
            tell(report)

    def on_process(self, status: ProcessStatus) -> None:
        """Tell those who want to know."""
        for tell in self._processes:
            tell(status)


class Following:
    """Opens what one run after the other is followed with; a Watch of ``workers``."""

    def __init__(self, name: str, wishes: Wishes, logger: RunLogger, metrics: Any | None) -> None:
        self._name, self._wishes, self._logger, self._metrics = name, wishes, logger, metrics

    @contextmanager
    def __call__(self, job: Job, duration: Duration) -> Iterator[Observer]:
        """An observer for this job."""
        observers: list[Observer] = []
        self._logger.run = job.variant or self._name
        if not self._wishes.quiet or self._wishes.log_json is not None:
            observers.append(self._logger)
        if self._metrics is not None:
            self._metrics.clear()
            observers.append(self._metrics)
        with ExitStack() as held:
            if not self._wishes.quiet and sys.stderr.isatty():
                from rich.console import Console

                from pipeline.report.live import following

                observers.append(held.enter_context(following(self._logger.run, duration, Console(stderr=True))))
            try:
                yield Several(observers)
            finally:
                self._logger.close()


@contextmanager
def following(name: str, wishes: Wishes, tell: Callable[[str], None]) -> Iterator[Following]:
    """Everything that stays open over several runs. ``tell``: prints a line for people.

    Raises RecordingFailed, MissingExtra or UsageError for what cannot be opened.
    """
    with ExitStack() as held:
        logger = held.enter_context(logging_to(wishes.log_json))
        metrics = None
        if wishes.metrics is not None:
            from pipeline.metrics import serving

            metrics, where = held.enter_context(serving(wishes.metrics))
            tell(f"metrics at {where}")
        yield Following(name, wishes, logger, metrics)
