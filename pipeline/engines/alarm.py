"""Wakes one thread at a time that others may move at any moment, without waking it to tell it so.

A thread that waits for a condition with a time limit must be woken when the limit changes, and then competes for the
interpreter's lock with whoever has changed it. Here the kernel's timer is moved (timerfd, Linux).
"""

from __future__ import annotations

import ctypes
import os
import time

_ABSOLUTE = 1
_NEVER = 0
_NS = 1_000_000_000

# Without giving up the interpreter's lock: these calls never wait.
_libc = ctypes.PyDLL(None, use_errno=True)


class Alarm:
    """Anybody may set it, one thread waits. Times are nanoseconds of CLOCK_MONOTONIC."""

    def __init__(self) -> None:
        self._fd = _libc.timerfd_create(time.CLOCK_MONOTONIC, os.O_CLOEXEC)
        if self._fd < 0:
            error = ctypes.get_errno()
            raise OSError(error, os.strerror(error))
        self._setting = (ctypes.c_int64 * 4)()
        """struct itimerspec: interval and time, each in seconds and nanoseconds."""
        self._where = ctypes.byref(self._setting)

    def set(self, at: int) -> None:
        """Go off at ``at`` instead of whenever it was set to; at once if that has passed."""
        self._setting[2], self._setting[3] = divmod(max(1, at), _NS)
        _libc.timerfd_settime(self._fd, _ABSOLUTE, self._where, None)

    def wait(self) -> None:
        """Return when it goes off; once for each time it was set."""
        os.read(self._fd, 8)

    def close(self) -> None:
        """Nobody waits any more."""
        os.close(self._fd)
