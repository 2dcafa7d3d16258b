"""Real-time manners of a process and its threads: scheduler, cores, thread counts, garbage collection, memory.

Each request says what was asked, what is in force and why: a machine that refuses is told of, never a failure.
"""

from __future__ import annotations

import ctypes
import gc
import os
import signal
import sys
from collections.abc import Callable, Iterable, MutableMapping
from typing import Any, Protocol

import msgspec

PR_SET_PDEATHSIG, PR_SET_TIMERSLACK, PR_GET_TIMERSLACK = 1, 29, 30
MCL_CURRENT, MCL_FUTURE = 1, 2

TIMERS_ABOVE, HANDLERS_ABOVE = 2, 1
"""How far the threads that keep deadlines stand above the callbacks, in SCHED_FIFO priority."""
URGENT = 50
"""SCHED_FIFO priority of the timer thread where callbacks have none."""
TIMER_SLACK_NS = 1_000
GARBAGE_THRESHOLDS = (50_000, 50, 1_000)
"""Allocations that survive before the collector looks at each generation; CPython's own: 700, 10, 10."""

THREAD_VARIABLES = (
    "OMP_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "MKL_NUM_THREADS",
    "NUMEXPR_NUM_THREADS",
    "NUMBA_NUM_THREADS",
)
_OPENBLAS = ("scipy_openblas_set_num_threads64_", "scipy_openblas_set_num_threads", "openblas_set_num_threads")


class Granted(msgspec.Struct, frozen=True):
    """One request to the machine."""

    what: str
    asked: str
    in_force: str
    why: str = ""
    """Empty if the request was granted."""

    def __str__(self) -> str:
        return f"{self.what}: {self.asked}" + (f" refused, {self.in_force} in force ({self.why})" if self.why else "")


class Manners(msgspec.Struct, frozen=True):
    """What was in force while something ran, for logs and benchmarks."""

    switch_interval_ms: float
    scheduler: str
    """Of the calling thread, such as ``fifo 50`` or ``other, nice 0``."""
    cores: tuple[int, ...]
    timer_slack_us: float
    """0 under SCHED_FIFO, where the kernel ignores it."""
    memory_locked_mb: float
    garbage: str
    threads: dict[str, int]
    """Thread counts of the numeric libraries that are loaded."""
    requests: tuple[Granted, ...] = ()

    @property
    def refused(self) -> tuple[Granted, ...]:
        """What was asked for in vain."""
        return tuple(each for each in self.requests if each.why)


class Wishes(Protocol):
    """How a process wants to run; see ``pipeline.engines.processes.plan.RunOn``."""

    @property
    def threads(self) -> int: ...
    @property
    def cores(self) -> tuple[int, ...]: ...
    @property
    def priority(self) -> int: ...


def settle_process(wishes: Wishes) -> tuple[str, ...]:
    """Make this process behave as wished, after its operators have warmed up and before its threads start.

    Threads that start later inherit the calling thread's cores and scheduler. Returns what was refused, in words.
    """
    requests = [*limit_threads(wishes.threads)]
    if wishes.cores:
        requests.append(pin(wishes.cores))
    if wishes.priority:
        requests.append(fifo(wishes.priority))
    freeze_garbage()
    return tuple(str(each) for each in requests if each.why)


def manners(requests: Iterable[Granted] = ()) -> Manners:
    """What is in force now for the calling thread and its process."""
    frozen, thresholds = gc.get_freeze_count(), gc.get_threshold()
    return Manners(
        switch_interval_ms=round(sys.getswitchinterval() * 1e3, 3),
        scheduler=scheduler(),
        cores=tuple(sorted(os.sched_getaffinity(0))),
        timer_slack_us=_prctl(PR_GET_TIMERSLACK) / 1e3,
        memory_locked_mb=_locked_kb() / 1e3,
        garbage=f"{'on' if gc.isenabled() else 'off'}, thresholds {thresholds}, {frozen} objects frozen",
        threads=_thread_counts(),
        requests=tuple(requests),
    )


# -- the calling thread ------------------------------------------------------------------------------------------------


def scheduler(thread: int = 0) -> str:
    """The scheduler of a thread (its kernel id; 0: the calling one) in words."""
    policy = os.sched_getscheduler(thread)
    names = {os.SCHED_FIFO: "fifo", os.SCHED_RR: "rr", os.SCHED_BATCH: "batch", os.SCHED_IDLE: "idle"}
    if policy in (os.SCHED_FIFO, os.SCHED_RR):
        return f"{names[policy]} {os.sched_getparam(thread).sched_priority}"
    return f"{names.get(policy, 'other')}, nice {os.getpriority(os.PRIO_PROCESS, thread)}"


def fifo(priority: int, thread: int = 0) -> Granted:
    """Ask for SCHED_FIFO for a thread (its kernel id; 0: the calling one). ``priority``: 1 to 99."""
    asked = f"fifo {priority}"
    why = _tried(lambda: os.sched_setscheduler(thread, os.SCHED_FIFO, os.sched_param(priority)))
    if why:
        why += "; needs root, CAP_SYS_NICE or an rtprio limit"
    return Granted("scheduler", asked, scheduler(thread), why)


def nice(level: int, thread: int = 0) -> Granted:
    """Ask for a nice level for a thread (its kernel id; 0: the calling one)."""
    why = _tried(lambda: os.setpriority(os.PRIO_PROCESS, thread, level))
    return Granted("nice", str(level), str(os.getpriority(os.PRIO_PROCESS, thread)), why)


def pin(cores: Iterable[int], thread: int = 0) -> Granted:
    """Ask that a thread (its kernel id; 0: the calling one) runs on these cores only."""
    wanted = sorted(set(cores))
    why = _tried(lambda: os.sched_setaffinity(thread, wanted))
    in_force = sorted(os.sched_getaffinity(thread))
    if not why and in_force != wanted:
        why = "the machine has no other of these cores for this process"
    return Granted("cores", str(wanted), str(in_force), why)


def timer_slack(slack_ns: int = TIMER_SLACK_NS) -> Granted:
    """Ask that the calling thread's sleeps end at most ``slack_ns`` late; the kernel's own is 50 us."""
    _prctl(PR_SET_TIMERSLACK, slack_ns)
    in_force = _prctl(PR_GET_TIMERSLACK)
    # Under SCHED_FIFO there is no slack at all, and the kernel says 0.
    return Granted("timer slack", f"{slack_ns} ns", f"{in_force} ns", "" if 0 <= in_force <= slack_ns else "refused")


def urgent(above: int, callbacks: int | None = None) -> tuple[Granted, ...]:
    """Make the calling thread one that keeps deadlines: SCHED_FIFO ``above`` the callbacks' priority, exact sleeps."""
    if callbacks is None:
        callbacks = os.sched_getparam(0).sched_priority or URGENT - TIMERS_ABOVE
    return timer_slack(), fifo(min(callbacks + above, 99))


# -- the process -------------------------------------------------------------------------------------------------------


def limit_threads(count: int, environment: MutableMapping[str, str] = os.environ) -> tuple[Granted, ...]:
    """Let numeric libraries use ``count`` threads each.

    The environment speaks to those that are not loaded yet, and to child processes; the loaded ones are told by their
    own calls. Returns one entry for each loaded library.
    """
    for name in THREAD_VARIABLES:
        environment[name] = str(count)
    granted = []
    for name, (tell, ask) in _LIBRARIES.items():
        if name in sys.modules:
            why = _tried(lambda tell=tell: tell(sys.modules, count))  # type: ignore[misc]
            in_force = ask(sys.modules)
            if not why and in_force not in (count, None):
                why = f"{name} was loaded with fewer threads" if in_force < count else f"{name} keeps its own"
            granted.append(Granted(f"{name} threads", str(count), str(in_force), why))
    return tuple(granted)


def freeze_garbage() -> None:
    """After warm-up: no collection looks at what lives already, and young objects are looked at seldom."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(*GARBAGE_THRESHOLDS)


def lock_memory() -> Granted:
    """Ask that no page of this process is ever swapped out, now or later."""
    library = ctypes.CDLL(None, use_errno=True)
    failed = library.mlockall(MCL_CURRENT | MCL_FUTURE)
    why = f"{os.strerror(ctypes.get_errno())}; needs CAP_IPC_LOCK or a memlock limit" if failed else ""
    return Granted("memory", "locked", f"{_locked_kb() / 1e3:.0f} MB locked", why)


def die_with_parent(how: int = signal.SIGKILL) -> None:
    """The kernel sends ``how`` to this process when its parent ends."""
    _prctl(PR_SET_PDEATHSIG, how)


# -- inside ------------------------------------------------------------------------------------------------------------


def _tried(request: Callable[[], Any]) -> str:
    try:
        request()
    except (OSError, ValueError) as error:
        return getattr(error, "strerror", None) or str(error)
    return ""


def _prctl(option: int, value: int = 0) -> int:
    return int(ctypes.CDLL(None).prctl(option, ctypes.c_ulong(value), 0, 0, 0))


def _locked_kb() -> int:
    with open("/proc/self/status", encoding="ascii", errors="replace") as status:
        return next((int(line.split()[1]) for line in status if line.startswith("VmLck")), 0)


def _thread_counts() -> dict[str, int]:
    counts = {name: ask(sys.modules) for name, (_, ask) in _LIBRARIES.items() if name in sys.modules}
    return {name: int(count) for name, count in counts.items() if count is not None}


def _set_openblas(count: int) -> None:
    """numpy has no call for it; the library that it carries does."""
    for library in _openblas():
        for name in _OPENBLAS:
            if hasattr(library, name):
                getattr(library, name)(count)


def _count_openblas() -> int | None:
    for library in _openblas():
        for name in _OPENBLAS:
            asking = name.replace("set", "get", 1)
            if hasattr(library, asking):
                return int(getattr(library, asking)())
    return None


def _openblas() -> list[ctypes.CDLL]:
    with open("/proc/self/maps", encoding="utf-8", errors="replace") as maps:
        paths = {line.split(maxsplit=5)[5].strip() for line in maps if "openblas" in line}
    return [ctypes.CDLL(path) for path in sorted(paths)]


def _set_numba(modules: Any, count: int) -> None:
    numba = modules["numba"]
    numba.set_num_threads(min(count, numba.config.NUMBA_NUM_THREADS))


_LIBRARIES: dict[str, tuple[Callable[[Any, int], Any], Callable[[Any], Any]]] = {
    "numpy": (lambda modules, count: _set_openblas(count), lambda modules: _count_openblas()),
    "torch": (lambda modules, n: modules["torch"].set_num_threads(n), lambda m: m["torch"].get_num_threads()),
    "cv2": (lambda modules, count: modules["cv2"].setNumThreads(count), lambda m: m["cv2"].getNumThreads()),
    "numba": (_set_numba, lambda modules: modules["numba"].get_num_threads()),
}
