"""Wakes a thread of another process: one eventfd per sleeping process, inherited by all who may ring it."""

from __future__ import annotations

import contextlib
import os
import select
import threading


class Wakeup:
    """Rings that nobody has waited for yet count as one. Anybody may ring; each ring wakes one of those who wait.

    The descriptor lives as long as one process has it open, so it outlasts a process that is restarted.
    """

    def __init__(self, fd: int) -> None:
        self._fd = fd
        self._sleepers = threading.local()

    @classmethod
    def create(cls) -> Wakeup:
        """A new one; pass its ``fileno()`` on to the processes that ring it or wait for it."""
        return cls(os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC))

    def ring(self) -> None:
        """Wake whoever waits, or will wait next. Never blocks, not even for a sleeper that is gone."""
        with contextlib.suppress(BlockingIOError):  # it has been rung 2**64 times already
            os.eventfd_write(self._fd, 1)

    def wait(self, timeout_s: float | None = None) -> bool:
        """True once it has been rung since the last wait; False when nobody did for ``timeout_s`` (None: no limit)."""
        try:
            epoll = self._sleepers.epoll
        except AttributeError:
            epoll = self._sleep_here()
        if not epoll.poll(timeout_s):
            return False
        try:
            os.eventfd_read(self._fd)
        except BlockingIOError:
            return False
        return True

    def _sleep_here(self) -> select.epoll:
        epoll = self._sleepers.epoll = select.epoll()
        # Of those who wait exclusively the kernel wakes the first that sleeps; the others do not notice.
        epoll.register(self._fd, select.EPOLLIN | select.EPOLLEXCLUSIVE)
        return epoll

    def fileno(self) -> int:
        """For selectors and for children."""
        return self._fd

    def close(self) -> None:
        """Close this process's descriptor."""
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1
