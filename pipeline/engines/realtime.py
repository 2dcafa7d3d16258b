"""Real-time manners of a process and its threads: scheduler, cores, thread counts, garbage collection, memory.

Each request says what was asked, what is in force and why: a machine that refuses is told of, never a failure.
"""

from __future__ import annotations

import contextlib
import ctypes
import gc
import os
import platform
import resource
import signal
import struct
import sys
import threading
from collections.abc import Callable, Iterable, Iterator, MutableMapping
from functools import partial
from typing import Any, Protocol

import msgspec

from pipeline.engines.numeric_threads import LIBRARIES, numba_launched

PR_SET_PDEATHSIG, PR_SET_TIMERSLACK, PR_GET_TIMERSLACK = 1, 29, 30
MCL_CURRENT, MCL_FUTURE = 1, 2

FIFO_TIMERS, FIFO_HANDLERS = 52, 51
"""SCHED_FIFO priorities where the callbacks have none; else 2 and 1 above theirs."""
FAVOURED_NICE, FAVOURED_SLICE_NS = -20, 100_000
SWITCH_INTERVAL_S, UNPRIVILEGED_SWITCH_INTERVAL_S = 0.0001, 0.0005
"""A thread that computes in Python keeps the interpreter's lock this long when another one wants it.

Where threads that hold it can lose the processor to any other program, shorter turns only add to the crowd that waits.
"""
CROWDED_SWITCH_INTERVAL_S = 0.005
"""CPython's own."""
CROWDED_NS, PUNCTUAL_BEATS = 1_000_000, 20
CAP_SYS_NICE = 23
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
_SCHED_SETATTR = {"x86_64": 314, "aarch64": 274}
"""Its number among the system calls."""


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


def favour(slice_ns: int = FAVOURED_SLICE_NS) -> Granted:
    """Ask for the ordinary scheduler's best for the calling thread: nice -20, short slices that are soon its turn.

    Without the privilege for the first the second is asked for alone (Linux 6.12; ignored before).
    """
    asked = f"nice {FAVOURED_NICE}, slices of {slice_ns / 1e6:g} ms"
    why = _set_scheduler(os.SCHED_OTHER, FAVOURED_NICE, slice_ns)
    if why:
        _set_scheduler(os.SCHED_OTHER, max(0, os.getpriority(os.PRIO_PROCESS, 0)), slice_ns)
        why += "; needs root, CAP_SYS_NICE or a nice limit"
    return Granted("scheduler", asked, scheduler(), why)


class Urgency(msgspec.Struct, frozen=True):
    """How an engine's threads stand to the machine's other threads.

    The interpreter's lock knows no priorities: whoever holds it and must wait for a processor keeps the timers waiting.
    So those that work on messages come before other processes as well, and those that keep deadlines before them.
    SCHED_FIFO is no promise: where such threads fill a core for a second, Linux lets others have it for 50 ms.
    """

    callbacks: int = 0
    """SCHED_FIFO priority of callbacks, 3 to 97; 0: the ordinary scheduler, favoured."""
    asks: bool = True
    """False: ask for nothing, run as any other program."""

    def settle(self, role: str) -> tuple[Granted, ...]:
        """Called by a new thread. ``role``: timers | handlers | callbacks | observers."""
        if not self.asks:
            return ()
        if role in ("callbacks", "observers"):
            if not self.callbacks:
                return (favour(),)
            granted = fifo(self.callbacks - (role == "observers"))
        else:
            timer_slack()
            above = role == "timers"
            granted = fifo(self.callbacks + 1 + above if self.callbacks else (FIFO_TIMERS if above else FIFO_HANDLERS))
        return (granted, favour()) if granted.why else (granted,)

    @contextlib.contextmanager
    def watching(self) -> Iterator[None]:
        """Inside, the calling thread, which only waits for the engine, cannot lose the processor with the lock."""
        policy, parameters, level = os.sched_getscheduler(0), os.sched_getparam(0), os.getpriority(os.PRIO_PROCESS, 0)
        self.settle("observers")
        try:
            yield
        finally:
            if _tried(lambda: os.sched_setscheduler(0, policy, parameters)) == "" and policy == os.SCHED_OTHER:
                _set_scheduler(policy, level, 0)

    @property
    def switch_interval_s(self) -> float:
        """How long a thread may keep the interpreter's lock: short turns need threads that keep the processor."""
        return SWITCH_INTERVAL_S if self.asks and may_be_urgent() else UNPRIVILEGED_SWITCH_INTERVAL_S


ORDINARY = Urgency(asks=False)


def may_be_urgent() -> bool:
    """True if this process may use SCHED_FIFO."""
    if resource.getrlimit(resource.RLIMIT_RTPRIO)[0] >= FIFO_TIMERS:
        return True
    return bool(int(_status("CapEff", "0"), 16) >> CAP_SYS_NICE & 1)


def urgency_here() -> Urgency:
    """Callbacks like the calling thread, if it has a SCHED_FIFO priority."""
    priority = os.sched_getparam(0).sched_priority if os.sched_getscheduler(0) == os.SCHED_FIFO else 0
    return Urgency(min(max(priority, 3), 97) if priority else 0)


# -- the process -------------------------------------------------------------------------------------------------------


def limit_threads(count: int, environment: MutableMapping[str, str] = os.environ) -> tuple[Granted, ...]:
    """Let numeric libraries use ``count`` threads each.

    The environment speaks to those that are not loaded yet, and to child processes; the loaded ones are told by their
    own calls. Returns one entry for each loaded library.
    """
    for name in THREAD_VARIABLES:
        # numba reads its own again at every compilation, and then refuses another number than it has launched.
        if name != "NUMBA_NUM_THREADS" or not numba_launched(sys.modules):
            environment[name] = str(count)
    granted = []
    for name, (tell, ask) in LIBRARIES.items():
        if name in sys.modules:
            why = _tried(partial(tell, sys.modules, count))
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


@contextlib.contextmanager
def prompt_python(switch_interval_s: float = SWITCH_INTERVAL_S) -> Iterator[None]:
    """Inside, the interpreter changes threads at this interval and collects garbage seldom. Nested: the first wins."""
    with _prompt.lock:
        _prompt.inside += 1
        if _prompt.inside == 1:
            _prompt.before = sys.getswitchinterval(), gc.get_threshold(), gc.get_freeze_count()
            _prompt.wanted = switch_interval_s
            _prompt.apply()
            freeze_garbage()
    try:
        yield
    finally:
        with _prompt.lock:
            _prompt.inside -= 1
            if not _prompt.inside:
                interval, thresholds, frozen = _prompt.before
                sys.setswitchinterval(interval)
                gc.set_threshold(*thresholds)
                if not frozen:
                    gc.unfreeze()


class _Prompt:
    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.inside = 0
        self.before: tuple[float, tuple[int, int, int], int] = (0.005, (700, 10, 10), 0)
        self.wanted = SWITCH_INTERVAL_S
        self.crowded = False

    def apply(self) -> None:
        sys.setswitchinterval(max(self.wanted, CROWDED_SWITCH_INTERVAL_S) if self.crowded else self.wanted)


_prompt = _Prompt()
"""The interpreter's settings belong to the process: several engines may run in one."""


class Crowd:
    """Tells a crowded machine by how late a thread that should be punctual gets the interpreter's lock.

    Who waits for the lock wakes up after every switch interval to ask again. Where its holder has lost the processor to
    others, that takes the processor from the holder too; with many processes nobody gets anything done any more. So
    there turns are long, and deadlines are kept as well as the machine can.
    """

    def __init__(self) -> None:
        self._strikes = 0

    def late(self, by_ns: int) -> None:
        """A punctual thread was late by so much. Three times in short order is a crowd; it is over after a while."""
        before = self._strikes
        self._strikes = min(before + 8, PUNCTUAL_BEATS) if by_ns > CROWDED_NS else max(before - 1, 0)
        crowded = self._strikes == PUNCTUAL_BEATS or (_prompt.crowded and self._strikes > 0)
        if crowded != _prompt.crowded:
            with _prompt.lock:
                _prompt.crowded = crowded
                if _prompt.inside:
                    _prompt.apply()


def lock_memory() -> Granted:
    """Ask that no page of this process is ever swapped out, now or later."""
    library = ctypes.CDLL(None, use_errno=True)
    failed = library.mlockall(MCL_CURRENT | MCL_FUTURE)
    why = f"{os.strerror(ctypes.get_errno())}; needs CAP_IPC_LOCK or a memlock limit" if failed else ""
    return Granted("memory", "locked", f"{_locked_kb() / 1e3:.0f} MB locked", why)


def die_with_parent(how: int = signal.SIGKILL) -> None:
    """The kernel sends ``how`` to this process when its parent ends."""
    _prctl(PR_SET_PDEATHSIG, how)


# -- inside


def _tried(request: Callable[[], Any]) -> str:
    try:
        request()
    except (OSError, ValueError) as error:
        return getattr(error, "strerror", None) or str(error)
    return ""


def _set_scheduler(policy: int, level: int, slice_ns: int) -> str:
    """sched_setattr, which os does not have; os's own calls where the machine is an unknown one."""
    number = _SCHED_SETATTR.get(platform.machine())
    if number is None:
        return _tried(lambda: os.sched_setscheduler(0, policy, os.sched_param(0))) or nice(level).why
    attributes = ctypes.create_string_buffer(struct.pack("=IIQiIQQQ", 48, policy, 0, level, 0, slice_ns, 0, 0))
    library = ctypes.CDLL(None, use_errno=True)
    return os.strerror(ctypes.get_errno()) if library.syscall(number, 0, attributes, 0) else ""


def _prctl(option: int, value: int = 0) -> int:
    return int(ctypes.CDLL(None).prctl(option, ctypes.c_ulong(value), 0, 0, 0))


def _locked_kb() -> int:
    return int(_status("VmLck", "0 kB").split()[0])


def _status(field: str, missing: str) -> str:
    """One line of what the kernel says about this process."""
    with open("/proc/self/status", encoding="ascii", errors="replace") as status:
        return next((line.partition(":")[2].strip() for line in status if line.startswith(field + ":")), missing)


def _thread_counts() -> dict[str, int]:
    counts = {name: ask(sys.modules) for name, (_, ask) in LIBRARIES.items() if name in sys.modules}
    return {name: int(count) for name, count in counts.items() if count is not None}
