"""A thread that runs one callback after another and can be interrupted in the middle of one."""

from __future__ import annotations

import contextlib
import ctypes
import queue
import threading
from collections.abc import Callable

from pipeline.definition import Aborted
from pipeline.engines.work import Work

SHUTDOWN_S = 2.0


class Worker:
    """See the module. ``settle`` is called first, on the new thread."""

    def __init__(self, name: str, settle: Callable[[], object]) -> None:
        self._settle = settle
        self._jobs: queue.SimpleQueue[Callable[[], None] | None] = queue.SimpleQueue()
        self._guard = threading.Lock()
        self._current: Work | None = None
        self._injected = False
        self._interrupted = threading.Event()
        self._thread = threading.Thread(target=self._loop, name=f"skylane.{name}", daemon=True)
        self._thread.start()

    def submit(self, job: Callable[[], None]) -> None:
        """Run ``job`` after those that wait already."""
        self._jobs.put(job)

    def close(self) -> None:
        """Abort the current callback and stop; one that is stuck in C stays behind with its daemon thread."""
        with self._guard:
            if self._current is not None:
                self._inject()
        self._jobs.put(None)
        self._thread.join(SHUTDOWN_S)

    def enter(self, work: Work) -> bool:
        """The callback is about to begin; False if it was stopped before."""
        with self._guard:
            if not work.ctx.alive:
                return False
            self._current = work
            self._interrupted.clear()
            return True

    def leave(self) -> None:
        """The callback has ended; take back an exception that was on its way."""
        while True:
            try:
                with self._guard:
                    self._current = None
                    if self._injected:
                        ctypes.pythonapi.PyThreadState_SetAsyncExc(ctypes.c_ulong(threading.get_ident()), None)
                        self._injected = False
                return
            except Aborted:
                continue

    def abort(self, work: Work) -> None:
        """Raise Aborted inside the callback, if it is this work's."""
        with self._guard:
            if self._current is work:
                self._inject()

    def wait(self, work: Work, duration: int) -> None:
        """Let time pass inside a callback; ends at once when it is aborted."""
        if self._interrupted.wait(max(0, duration) / 1e9):
            raise Aborted(f"t={work.run.t} is over")

    def _inject(self) -> None:
        self._injected = True
        self._interrupted.set()
        ident = self._thread.ident
        if ident is not None:
            ctypes.pythonapi.PyThreadState_SetAsyncExc(ctypes.c_ulong(ident), ctypes.py_object(Aborted))

    def _loop(self) -> None:
        self._settle()
        while True:
            with contextlib.suppress(Aborted):
                job = self._jobs.get()
                if job is None:
                    return
                job()
