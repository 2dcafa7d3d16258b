"""``skylane doctor``: is this installation whole, and is this machine fit to measure on? Changes nothing."""

from __future__ import annotations

import importlib
import importlib.util
import json
import os
import platform
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Literal

PACKAGES = ("pipeline", "operators", "cloud", "scenarios")
EXTRAS = {
    "world": ("numba", "scipy", "cv2", "av"),
    "models": ("torch", "safetensors"),
    "live": ("iceoryx2",),
    "hosts": ("zenoh",),
    "health": ("prometheus_client",),
    "cloud": ("grpc",),
    "carla": ("carla",),
    "erdos": ("erdos",),
    "ray": ("ray",),
    "vehicle": ("can",),
    "viewers": ("rerun",),
}
NEEDED = ("world", "models")
"""Extras that the demo uses; the others are for other ways to drive."""


@dataclass(frozen=True)
class Finding:
    """One line of the examination."""

    check: str
    state: Literal["ok", "warn", "fail"]
    found: str
    advice: str = ""


def examine(*, as_json: bool = False) -> int:
    """Print every finding; 1 if one of them fails."""
    findings = [finding for check in CHECKS for finding in check()]
    if as_json:
        print(json.dumps([asdict(finding) for finding in findings], indent=2, ensure_ascii=False))
    else:
        for finding in findings:
            advice = f"  → {finding.advice}" if finding.advice else ""
            print(f"{finding.state:<5} {finding.check:<18} {finding.found}{advice}")
    return int(any(finding.state == "fail" for finding in findings))


def left_over(*, clean: bool = False, as_json: bool = False) -> int:
    """List, or remove, what runs that are over have left: shared memory and processes. 1 if something stays behind."""
    from pipeline.engines.processes.leftovers import leftovers, remove_leftovers
    from pipeline.engines.processes.orphans import orphans

    found = [*orphans(kill=clean), *(remove_leftovers() if clean else leftovers())]
    if as_json:
        print(json.dumps({"leftovers": found, "removed": clean}, indent=2))
    else:
        for line in found:
            print(f"{'removed: ' if clean else ''}{line}")
        if not found:
            print("none")
        elif not clean:
            print("remove it with: skylane doctor --leftovers --clean")
    return int(bool(found) and not clean)


def _python() -> Iterator[Finding]:
    found = f"{platform.python_version()} on {platform.system()} {platform.machine()}"
    if sys.version_info < (3, 11):
        yield Finding("python", "warn", found, "the trained detectors need Python 3.11")
    else:
        yield Finding("python", "ok", found)


def _installation() -> Iterator[Finding]:
    try:
        yield Finding("skylane", "ok", version("skylane"))
    except PackageNotFoundError:
        yield Finding(
            "skylane", "fail", "not installed: nothing is found by name", "run make setup, or pip install -e ."
        )
    folders: dict[str, str] = {}
    for name in PACKAGES:
        spec = importlib.util.find_spec(name)
        if spec is None or spec.origin is None:
            yield Finding("packages", "fail", f"{name} is not importable", "reinstall skylane")
        else:
            folders[name] = str(Path(spec.origin).parent.parent)
    odd = {name: folder for name, folder in folders.items() if folder != folders.get("pipeline")}
    if odd:
        where = ", ".join(f"{name} from {folder}" for name, folder in odd.items())
        yield Finding("packages", "fail", where, "another package of that name is in the way: check PYTHONPATH")
    elif len(folders) == len(PACKAGES):
        yield Finding("packages", "ok", f"all four from {folders['pipeline']}")


def _extras() -> Iterator[Finding]:
    for extra, modules in EXTRAS.items():
        missing = [name for name in modules if importlib.util.find_spec(name) is None]
        if not missing:
            yield Finding(f"extra {extra}", "ok", ", ".join(modules))
        elif extra in NEEDED:
            yield Finding(f"extra {extra}", "warn", f"no {', '.join(missing)}", f"pip install 'skylane[{extra}]'")
        else:
            yield Finding(f"extra {extra}", "ok", "not installed (optional)")


def _writing() -> Iterator[Finding]:
    folder = Path("runs") if Path("runs").is_dir() else Path()
    try:
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        advice = "go to another folder, or use -o output=FOLDER"
        yield Finding("write access", "fail", f"{folder.resolve()}: {error.strerror}", advice)
        return
    stat = os.statvfs(folder)
    free_gib = stat.f_bavail * stat.f_frsize / 2**30
    state: Literal["ok", "warn"] = "ok" if free_gib > 1.0 else "warn"
    yield Finding(
        "write access", state, f"{folder.resolve()}, {free_gib:.0f} GiB free", "" if state == "ok" else "make room"
    )


def _compiled_code() -> Iterator[Finding]:
    if importlib.util.find_spec("numba") is None:
        return
    spec = importlib.util.find_spec("scenarios")
    cache = os.environ.get("NUMBA_CACHE_DIR") or (str(Path(spec.origin).parent) if spec and spec.origin else ".")
    if os.access(cache, os.W_OK):
        yield Finding("compiled code", "ok", f"kept in {cache}")
    else:
        advice = "set NUMBA_CACHE_DIR to a folder of yours"
        yield Finding("compiled code", "warn", f"{cache} is read-only: every run compiles anew", advice)


def _clock() -> Iterator[Finding]:
    pairs = [(time.monotonic_ns(), time.monotonic_ns()) for _ in range(200)]
    steps = sorted(b - a for a, b in pairs if b > a)
    resolution_ns = steps[len(steps) // 2] if steps else round(time.get_clock_info("monotonic").resolution * 1e9)
    if resolution_ns < 10_000:
        yield Finding("clock", "ok", f"monotonic, {resolution_ns} ns")
    else:
        yield Finding("clock", "warn", f"monotonic, {resolution_ns} ns", "too coarse for measured latencies")


def _real_time() -> Iterator[Finding]:
    from pipeline.engines import realtime

    with ThreadPoolExecutor(1) as pool:  # the thread that asks is gone afterwards
        granted = pool.submit(realtime.fifo, 1).result()
    if granted.why:
        advice = "deadlines hold less tightly beside other work: run as root or raise the rtprio limit"
        yield Finding("real time", "warn", f"no SCHED_FIFO: {granted.why}", advice)
    else:
        yield Finding("real time", "ok", "SCHED_FIFO is allowed")


def _processors() -> Iterator[Finding]:
    cpus, load = len(os.sched_getaffinity(0)), os.getloadavg()[0]
    if cpus < 2:
        yield Finding("processors", "warn", str(cpus), "live runs need two or more")
    else:
        yield Finding("processors", "ok", str(cpus))
    if load > 0.5 * cpus:
        yield Finding("load", "warn", f"{load:.1f}", "other work is going on: measured figures will be too high")
    else:
        yield Finding("load", "ok", f"{load:.1f}")


CHECKS: tuple[Callable[[], Iterator[Finding]], ...] = (
    _python,
    _installation,
    _extras,
    _writing,
    _compiled_code,
    _clock,
    _real_time,
    _processors,
)
