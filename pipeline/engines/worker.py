"""Runs one callback after another, each of which can be interrupted in the middle."""

from __future__ import annotations

import contextlib
import ctypes
import logging
import queue
import sys
import threading
from collections.abc import Callable
from typing import Any

from pipeline.definition import Aborted
from pipeline.engines.work import Work

DELICATE_FILES = {"<frozen importlib._bootstrap>", logging.__file__}
DELICATE_NAMES = {"__enter__", "__exit__", "acquire", "release", "_acquire_restore", "_release_save"}
"""Code that takes and gives back locks in Python, the names in ``threading``: not written to be interrupted there."""


class Worker:
    """One callback at a time, on whatever thread ``perform`` is called."""

    def __init__(self) -> None:
        self._guard = threading.Lock()
        self._current: Work | None = None
        self._injected = False
        self._inside = False
        """True while an exception may be sent."""
        self._ident = 0
        """The thread that it must be sent to."""
        self._interrupted: queue.SimpleQueue[None] = queue.SimpleQueue()

    def close(self) -> None:
        """Abort the current callback."""
        with self._guard:
            if self._current is not None:
                self._inject()

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
            self._current, self._inside, self._ident = work, True, threading.get_ident()
            return True

    def _leave(self) -> None:
        with self._guard:
            self._current = None
            if self._injected:
                ctypes.pythonapi.PyThreadState_SetAsyncExc(ctypes.c_ulong(threading.get_ident()), None)
                self._injected = False
                self._interrupted = queue.SimpleQueue()

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
        if self._inside and not self._delicate():
            self._injected = True
            self._interrupted.put(None)
            ctypes.pythonapi.PyThreadState_SetAsyncExc(ctypes.c_ulong(self._ident), ctypes.py_object(Aborted))

    def _delicate(self) -> bool:
        """True while an exception would leave a lock of Python's own held for ever. Whoever aborts asks again soon."""
        frame = sys._current_frames().get(self._ident)
        while frame is not None:
            code = frame.f_code
            name, file = code.co_name, code.co_filename
            if file in DELICATE_FILES or (name in DELICATE_NAMES and file == threading.__file__):
                return True
            frame = frame.f_back if code is not _PERFORM else None
        return False


_PERFORM = Worker.perform.__code__
