"""Runs one built variant into its folder: clock, observers, recording, result.json, and a clean end on Ctrl-C.

An adapter: it may touch signals and the machine. What happens in a run is the engines' business.
"""

from __future__ import annotations

import dataclasses
import math
import os
import shutil
import signal
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from pathlib import Path
from types import FrameType
from typing import Any

import msgspec

from pipeline import registry
from pipeline.building import Built
from pipeline.errors import RecordingFailed
from pipeline.events import Event, Observer
from pipeline.execution import VirtualClock, WallClock, run
from pipeline.recording import Recorder, write_result
from pipeline.settings import Settings
from pipeline.summary import Summary

RECORDS = (
    "log.mcap",
    "result.json",
    "launch.yaml",
    "graph.svg",
    "trace.perfetto-trace",
    "report.html",
    "video.mp4",
)
"""What a run's folder may hold; a new run in the same folder replaces these and nothing else."""


class Progress:
    """Tells ``tell`` the run's time, a hundred times in a run at most."""

    def __init__(self, duration_ns: int, tell: Callable[[int], None]) -> None:
        self._step, self._tell, self._next = max(1, duration_ns // 100), tell, 0

    def on_event(self, event: Event) -> None:
        if event.at >= self._next:
            self._next = event.at + self._step
            self._tell(event.at)


def run_variant(
    built: Built,
    folder: Path,
    observers: Sequence[Observer] = (),
    *,
    record: bool = True,
    stop: Callable[[], bool] | None = None,
) -> dict[str, Any]:
    """Drive the variant, write its records into ``folder`` and return what stands in its result.json.

    ``stop`` (default: Ctrl-C) ends the run early with everything recorded so far; the result then says ``interrupted``.
    Raises RecordingFailed when the folder cannot be written, OperatorFailed when an operator fails: the log is kept.
    """
    prepare(folder)
    settings = built.settings
    summary = Summary(response_stream(built))
    about: dict[str, str] = {"engine": settings.engine}
    recorder = Recorder(folder / "log.mcap", launch=built.text, seed=settings.seed, about=about) if record else None
    judges = judges_of(built)
    followers: list[Observer] = [summary, *([recorder] if recorder is not None else []), *judges, *observers]
    began, clock = time.monotonic(), _clock(built)
    with stopping() if stop is None else nullcontext(stop) as stopped:
        try:
            with watched(clock, built, followers) as told:
                result = run(
                    built.graph, clock=clock, until=settings.duration, observers=told, keep=False, stop=stopped
                )
        finally:
            if recorder is not None:
                recorder.close(interrupted=stopped())
    figures = {
        "name": built.variant or settings.name,
        "title": settings.title,
        "engine": settings.engine,
        "execution": settings.execution,
        "seed": settings.seed,
        "duration_s": result.ended_at / 1e9,
        "wall_s": round(time.monotonic() - began, 3),
        "interrupted": stopped(),
        **(result.outcome or outcome(built.world)),
        **summary.figures(),
        **{key: value for judge in judges for key, value in judge.figures().items()},
        "hash": result.hash,
        "output_hash": result.output_hash,
        "unprofiled": list(built.unprofiled) if settings.engine == "virtual" else [],
    }
    write_result(folder, figures)
    return figures


def judges_of(built: Built) -> list[Any]:
    """Observers that say at the end what the run was worth: of each installed judge that finds something to judge."""
    found = (registry.find(registry.JUDGES, name, "judge")(built) for name in registry.installed(registry.JUDGES))
    return [judge for judge in found if judge is not None]


@contextmanager
def watched(clock: VirtualClock | WallClock, built: Built, followers: Sequence[Observer]) -> Iterator[list[Observer]]:
    """The observers to hand to the run: on the wall clock somebody stands before them who reports on its health."""
    if isinstance(clock, VirtualClock):
        yield list(followers)
        return
    from pipeline.engines.monitoring import Watch

    here = dict.fromkeys(built.graph.operators, "")
    processes = here if clock.elsewhere is None else clock.elsewhere.homes(built.graph)
    with Watch(followers, processes) as watch:
        yield [watch]


def response_stream(built: Built) -> str:
    """The stream on which the graph answers: the first end-to-end deadline's, else what its last sink reads."""
    for spec in built.graph.deadlines:
        if spec.since is not None:
            return spec.output
    for operator in reversed(list(built.graph.operators.values())):
        if not operator.outputs():
            return next((str(source) for _, source in built.graph.writers(operator)), "")
    return ""


def outcome(world: Any) -> dict[str, Any]:
    """What the world has to say about the drive, as plain values; nothing if it is not asked or has none."""
    tell = getattr(world, "outcome", None)
    if tell is None:
        return {}
    told = tell()
    if isinstance(told, Mapping):
        values = dict(told)
    elif isinstance(told, msgspec.Struct):
        values = {name: getattr(told, name) for name in told.__struct_fields__}
    else:
        values = dataclasses.asdict(told)
    plain = {key: None if isinstance(v, float) and not math.isfinite(v) else v for key, v in values.items()}
    return {"outcome": plain, **{k: v for k, v in plain.items() if k != "duration_s"}}


def prepare(folder: Path) -> None:
    """Make the folder and remove an earlier run's records from it. Raises RecordingFailed."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name in RECORDS:
            (folder / name).unlink(missing_ok=True)
    except OSError as error:
        what = f"cannot be written: {error.strerror or error}"
        raise RecordingFailed(what, where=str(folder), hint="choose another folder with -o output=FOLDER") from error


def remove_variants(folder: Path) -> None:
    """Remove the variants' folders that an earlier run left in ``folder``: those with a result.json of ours."""
    for result in folder.glob("*/result.json"):
        shutil.rmtree(result.parent, ignore_errors=True)


@contextmanager
def stopping() -> Iterator[Callable[[], bool]]:
    """Inside, the first Ctrl-C only makes the yielded predicate true; the second one kills as usual."""
    pressed: list[int] = []

    def note(signum: int, frame: FrameType | None) -> None:
        pressed.append(signum)
        signal.signal(signal.SIGINT, signal.default_int_handler)

    try:
        before = signal.signal(signal.SIGINT, note)
    except ValueError:  # not in the main thread: whoever owns it handles the signal
        yield lambda: False
        return
    try:
        yield lambda: bool(pressed)
    finally:
        signal.signal(signal.SIGINT, before)


def limit_threads(environment: Any = os.environ) -> None:
    """Let numeric libraries use one thread, so that variants side by side do not disturb each other."""
    for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS"):
        environment.setdefault(name, "1")


def _clock(built: Built) -> VirtualClock | WallClock:
    settings: Settings = built.settings
    if settings.engine == "virtual":
        return VirtualClock(settings.seed, built.latency)
    if settings.hosts:
        from pipeline.placement import on_hosts

        return WallClock(settings.seed, built.latency, on_hosts(built, settings.name))
    if settings.engine == "processes":
        from pipeline.placement import placed

        return WallClock(settings.seed, built.latency, placed(built, settings.name))
    if settings.engine == "erdos":
        from pipeline.placement import on_erdos

        return WallClock(settings.seed, built.latency, on_erdos(built, settings.name))
    return WallClock(settings.seed, built.latency)
