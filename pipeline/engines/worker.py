"""A thread that runs one callback after another. Each can be interrupted in the middle, on whatever thread it runs."""

from __future__ import annotations

import contextlib
import ctypes
import queue
import threading
from collections.abc import Callable
from typing import Any

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
        self._inside = False
        """True while an exception may be sent."""
        self._ident = 0
        """The thread that it must be sent to."""
        self._interrupted: queue.SimpleQueue[None] = queue.SimpleQueue()
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

    def perform(self, work: Work, callback: Callable[[], Any]) -> tuple[bool, Any, Exception | None]:
        """Run the work's callback on this thread: (did it begin, its value, what it raised). Aborted ends it, no more.

        All in one frame: an exception that comes just as the callback ends must neither be lost nor take the job along.
        """
        began, value = False, None
        failure: Exception | None = None
        try:
            began = self._enter(work)
            if began:
                value = callback()
        except Aborted:
            pass
        except Exception as error:  # whatever an operator raises is its answer for t
            failure = error
        self._inside = False
        while True:
            try:
                self._leave()
                return began, value, failure
            except Aborted:  # it was on its way already; no second one follows
                pass

    def _enter(self, work: Work) -> bool:
        with self._guard:
            if not work.ctx.alive:
                return False
            self._interrupted = queue.SimpleQueue()
            self._current, self._inside, self._ident = work, True, threading.get_ident()
            return True

    def _leave(self) -> None:
        with self._guard:
            self._current = None
            if self._injected:
                ctypes.pythonapi.PyThreadState_SetAsyncExc(ctypes.c_ulong(threading.get_ident()), None)
                self._injected = False

    def abort(self, work: Work) -> None:
        """Raise Aborted inside the callback, if it is this work's."""
        with self._guard:
            if self._current is work:
                self._inject()

    def wait(self, work: Work, duration: int) -> None:
        """Let time pass inside a callback; ends at once when it is aborted."""
        with contextlib.suppress(queue.Empty):
            self._interrupted.get(timeout=min(max(0, duration) / 1e9, threading.TIMEOUT_MAX))
            raise Aborted(f"t={work.run.t} is over")

    def _inject(self) -> None:
        if self._inside:
            self._injected = True
            self._interrupted.put(None)
            ctypes.pythonapi.PyThreadState_SetAsyncExc(ctypes.c_ulong(self._ident), ctypes.py_object(Aborted))

    def _loop(self) -> None:
        self._settle()
        while True:
            job = self._jobs.get()
            if job is None:
                return
            job()
