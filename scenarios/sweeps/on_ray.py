"""Workers as Ray actors, on this machine or all over a cluster. The same tasks, the same rows. Extra ``ray``.

Every machine of a cluster needs skylane installed, and the files of the user's own that a launch file names.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any

from pipeline.errors import MissingExtra, SkylaneError
from pipeline.running import limit_threads
from scenarios.sweeps.processes import Take, lost
from scenarios.sweeps.schedule import Schedule
from scenarios.sweeps.suite import LimitSettings
from scenarios.sweeps.work import Clock, Work, Worker

LOOK_S = 1.0


class ClusterFailed(SkylaneError):
    """The Ray cluster cannot be reached or has gone."""


def run_on_ray(
    todo: Sequence[Work], jobs: int, limits: LimitSettings, clock_ns: Clock, take: Take, *, address: str = ""
) -> None:
    """Do everything in ``jobs`` actors; ``address``: an existing cluster (``auto`` finds one), empty: started here.

    Raises MissingExtra without Ray, ClusterFailed when the cluster cannot be reached.
    """
    ray = _ray()
    limit_threads()
    started = not ray.is_initialized()
    if started:
        _join(ray, jobs, address)
    pool = _Actors(ray, jobs, limits, clock_ns)
    try:
        pool.run(Schedule(todo), take)
    finally:
        pool.close()
        if started:
            ray.shutdown()


def _ray() -> Any:
    try:
        import ray
    except ModuleNotFoundError as error:
        raise MissingExtra(
            f"--on ray needs {error.name}, which is not installed", hint="pip install 'skylane[ray]'"
        ) from None
    return ray


def _join(ray: Any, jobs: int, address: str) -> None:
    os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")
    plain: dict[str, Any] = {"logging_level": "ERROR", "log_to_driver": False, "configure_logging": False}
    try:
        if address:
            ray.init(address=address, **plain)
        else:
            ray.init(address="local", num_cpus=jobs, include_dashboard=False, **plain)
    except Exception as error:
        where = f"ray {address}" if address else "ray"
        raise ClusterFailed(
            f"cannot be reached or started: {str(error).splitlines()[0] if str(error) else type(error).__name__}",
            where=where,
            hint="is `ray start` running there, with the same versions of ray and python as here?",
        ) from error


class _Actors:
    def __init__(self, ray: Any, jobs: int, limits: LimitSettings, clock_ns: Clock) -> None:
        self._ray, self._jobs, self._limits, self._clock_ns = ray, jobs, limits, clock_ns
        self._class = ray.remote(num_cpus=1, max_restarts=0)(Worker)
        self._actors: dict[str, Any] = {}
        self._busy: dict[Any, tuple[str, Work, int]] = {}
        self._done: dict[str, int] = {}
        self._count = 0

    def run(self, schedule: Schedule, take: Take) -> None:
        while len(schedule) or self._busy:
            while len(self._actors) < self._jobs and len(schedule) > len(self._actors) - len(self._busy):
                self._start()
            working = {name for name, _, _ in self._busy.values()}
            for name in [name for name in self._actors if name not in working]:
                self._give(name, schedule)
            ready, _ = self._ray.wait(list(self._busy), num_returns=1, timeout=LOOK_S)
            for reference in ready:
                self._take(reference, schedule, take)
            for reference, (name, work, since_ns) in list(self._busy.items()):
                if self._clock_ns() - since_ns > self._limits.run:
                    del self._busy[reference]
                    self._dismiss(name, schedule)
                    take(work, lost(work, f"stopped: it took more than {self._limits.run / 1e9:g} s"))

    def close(self) -> None:
        for actor in self._actors.values():
            self._ray.kill(actor)

    def _start(self) -> None:
        self._count += 1
        name = f"ray {self._count}"
        self._actors[name] = self._class.remote(self._limits.memory_mb, self._clock_ns, name)
        self._done[name] = 0

    def _give(self, name: str, schedule: Schedule) -> None:
        work = schedule.next(name)
        if work is not None:
            self._busy[self._actors[name].do.remote(work)] = (name, work, self._clock_ns())

    def _take(self, reference: Any, schedule: Schedule, take: Take) -> None:
        name, work, _ = self._busy.pop(reference)
        try:
            row = self._ray.get(reference)
        except self._ray.exceptions.RayError as error:
            self._dismiss(name, schedule)
            take(work, lost(work, f"its worker died ({type(error).__name__})"))
            return
        self._done[name] += 1
        take(work, row)
        if self._done[name] >= self._limits.runs_per_worker or row["resident_mb"] > self._limits.memory_mb:
            self._dismiss(name, schedule)

    def _dismiss(self, name: str, schedule: Schedule) -> None:
        self._ray.kill(self._actors.pop(name))
        schedule.gone(name)
