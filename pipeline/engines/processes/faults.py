"""How a supervisor tells that a process is gone, and what the machine says about it."""

from __future__ import annotations

import contextlib
import os
import signal
from collections.abc import Sequence
from pathlib import Path

from pipeline.engines import realtime
from pipeline.engines.processes.plan import Status, Supervision
from pipeline.engines.processes.supervised import Supervised
from pipeline.engines.processes.table import HEARTBEAT, OVERDUE_AT, StatusTable
from pipeline.timestamps import FOREVER

PF_EXITING = 0x4
"""Linux, include/linux/sched.h: the process is being torn down."""
PAGE = os.sysconf("SC_PAGE_SIZE")
STARVED_SHARE, STARVED_MAX = 0.5, 10
"""A process that wants to run and gets less of a core than this share is waited for, this many times as long."""
PATIENCE_NS = 2_000_000_000
"""With a process that cannot be restarted: to be wrong about it would end the run."""
PRIORITY = 60
"""Above all operators: who watches must not wait for whom he watches."""


def be_quick() -> None:
    """Run before everything else where that is allowed. What this process starts does not inherit it."""
    realtime.timer_slack()
    with contextlib.suppress(OSError):
        os.sched_setscheduler(0, os.SCHED_FIFO | os.SCHED_RESET_ON_FORK, os.sched_param(PRIORITY))


def environment(path: Sequence[str], threads: int) -> dict[str, str]:
    """A child's environment: where to import from, and how many threads its libraries may start."""
    found = dict(os.environ)
    found["PYTHONPATH"] = os.pathsep.join([*path, *filter(None, [found.get("PYTHONPATH")])])
    for name in realtime.THREAD_VARIABLES:
        found[name] = str(threads)
    return found


def look_at(process: Supervised, table: StatusTable, supervision: Supervision, now: int) -> tuple[str, str] | None:
    """(kind, reason) if the process no longer answers for itself."""
    age = now - table.get(process.row, HEARTBEAT)
    overdue = now - table.get(process.row, OVERDUE_AT) if table.get(process.row, OVERDUE_AT) != FOREVER else 0
    late = max(supervision.grace, 2 * supervision.heartbeat)
    if not process.restart and age <= PATIENCE_NS:
        return None
    if age <= late:
        process.watched = None
        return None
    if process.popen is not None and _is_ending(process.popen.pid):
        # To end a large process takes the kernel a while; nobody needs to wait for that.
        return "killed", "it is ending"
    starved = _starved(process, now)
    if age <= supervision.alive and not overdue > supervision.grace:
        return None
    if starved and age <= STARVED_MAX * supervision.alive:
        return None
    doing = state(process.popen.pid) if process.popen is not None else ""
    since = f"no heartbeat for {age / 1e6:.0f} ms"
    if overdue > supervision.grace:
        since += f", its deadline handler overdue by {overdue / 1e6:.0f} ms"
    if doing == "T":
        return "stopped", f"{since}: it was stopped"
    return "hung", f"{since}: it computes without letting go of the interpreter" if doing == "R" else since


def _is_ending(pid: int) -> bool:
    try:
        fields = Path(f"/proc/{pid}/stat").read_text(encoding="ascii", errors="replace").rpartition(") ")[2].split()
        return fields[0] in "ZX" or bool(int(fields[6]) & PF_EXITING)
    except (OSError, IndexError, ValueError):
        return False


def _starved(process: Supervised, now: int) -> bool:
    """It wants to run and the machine does not let it: that is not its fault, and a restart would make it worse."""
    assert process.popen is not None
    used, wants = _processor_time(process.popen.pid)
    if process.watched is None:
        process.watched = now, used
    since, before = process.watched
    return wants and (used - before) < STARVED_SHARE * (now - since)


def _processor_time(pid: int) -> tuple[int, bool]:
    """Nanoseconds that its threads have run, and whether one of them runs or would like to."""
    total, wants = 0, False
    for thread in Path(f"/proc/{pid}/task").glob("*"):
        try:
            total += int((thread / "schedstat").read_text(encoding="ascii").split()[0])
            wants = wants or (thread / "stat").read_text(errors="replace").rpartition(") ")[2][:1] == "R"
        except (OSError, ValueError, IndexError):
            continue
    return total, wants


def state(pid: int) -> str:
    """The kernel's letter for what a process does: R runs, S sleeps, T is stopped …"""
    try:
        return Path(f"/proc/{pid}/stat").read_text(encoding="ascii", errors="replace").rpartition(") ")[2][:1]
    except OSError:
        return ""


def rss_bytes(pid: int) -> int:
    """Resident memory of a process; 0 when it is gone."""
    try:
        return int(Path(f"/proc/{pid}/statm").read_text(encoding="ascii").split()[1]) * PAGE
    except (OSError, IndexError):
        return 0


def cause(code: int) -> tuple[str, str]:
    """(kind, reason) from how a process ended."""
    if code < 0:
        name = signal.Signals(-code).name
        crashed = name in ("SIGSEGV", "SIGBUS", "SIGABRT", "SIGFPE", "SIGILL")
        return ("crashed" if crashed else "killed"), f"ended by {name}"
    return "crashed", f"ended with exit code {code}"


def too_big(process: Supervised, supervision: Supervision) -> bool:
    """It holds more memory than it may."""
    limit = supervision.memory_mb << 20
    return (
        limit > 0 and process.state == "healthy" and process.popen is not None and rss_bytes(process.popen.pid) > limit
    )


def status(process: Supervised, table: StatusTable, operators: Sequence[str], at: int, now: int) -> Status:
    """For the launcher."""
    pid = process.popen.pid if process.popen is not None else 0
    age = max(0, now - table.get(process.row, HEARTBEAT))
    queued = {name: table.queued(name) for name in operators}
    return Status(at, process.name or "standby", pid, process.state, rss_bytes(pid), age, process.restarts, queued)


def clean_up() -> None:
    """Remove what runs that are over have left in shared memory: this one too, if its launcher was killed."""
    from pipeline.engines.processes import leftovers

    leftovers.remove_leftovers()
