"""Memory of a worker: how much it holds, its peak over one run, and how its caches are given back. Linux.

Does not decide when a worker is replaced: that is ``processes``.
"""

from __future__ import annotations

import ctypes
import gc
import sys
from contextlib import suppress
from pathlib import Path

CACHING_PACKAGES = ("scenarios.", "operators.")
"""Whose caches grow with the number of different scenes: streets, meshes, routes, maps."""
_MIB = 1 << 20


def resident_mb(pid: int | str = "self") -> float:
    """Resident memory of a process, MiB; 0 when there is none to ask."""
    return _status_mb(pid, "VmRSS:")


def peak_mb() -> float:
    """Most resident memory of this process since ``begin_peak``, MiB."""
    return _status_mb("self", "VmHWM:")


def begin_peak() -> None:
    """Count the peak from now on, where the kernel allows it; else it is that of the process."""
    with suppress(OSError):
        Path("/proc/self/clear_refs").write_text("5")


def give_back() -> None:
    """Empty the caches of the world and the operators and return what is free to the system."""
    for name, module in list(sys.modules.items()):
        if not name.startswith(CACHING_PACKAGES):
            continue
        for value in list(vars(module).values()):
            clear = getattr(value, "cache_clear", None)
            if callable(clear) and getattr(value, "__module__", "") == name:
                clear()
    gc.collect()
    with suppress(OSError, AttributeError):
        ctypes.CDLL("libc.so.6").malloc_trim(0)


def _status_mb(pid: int | str, field: str) -> float:
    with suppress(OSError, ValueError):
        for line in Path(f"/proc/{pid}/status").read_text(encoding="ascii").splitlines():
            if line.startswith(field):
                return int(line.split()[1]) * 1024 / _MIB
    return 0.0
