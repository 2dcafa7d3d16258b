"""The threads that run an engine's callbacks. Any of them runs any callback; which ones begin is the stages' business.

A callback that begins because another one has ended, or because a message has come, is run by the thread that brought
this about: to wake another one takes longer than most of what lies between two callbacks. Only what begins besides
comes here.
"""

from __future__ import annotations

import queue
import sys
import threading
import time
from collections.abc import Callable

Job = Callable[[], None]
SHUTDOWN_S = 2.0


class Crew:
    """As many threads as there have been jobs at once. ``ready`` and ``submit`` are called by one thread at a time."""

    def __init__(self, name: str, settle: Callable[[], object], most: int = sys.maxsize) -> None:
        """``settle`` is called first on every new thread. ``most``: with as many threads, further jobs wait."""
        self._name, self._settle, self._most = name, settle, most
        self._jobs: queue.SimpleQueue[Job | None] = queue.SimpleQueue()
        self._threads: list[threading.Thread] = []
        self._submitted = 0
        self._ended: list[int] = []
        """Jobs that each thread has ended; it alone writes its number."""

    def ready(self, count: int) -> None:
        """Have this many threads at once."""
        while len(self._threads) < count:
            self._hire()

    def submit(self, job: Job) -> None:
        """Run ``job`` beside those that run already, or when one of them has ended."""
        self._submitted += 1
        under_way = self._submitted - sum(self._ended)
        self.ready(min(under_way, self._most))
        self._jobs.put(job)

    def close(self) -> None:
        """End when the jobs have ended; a thread that is stuck in C stays behind as a daemon."""
        for _ in self._threads:
            self._jobs.put(None)
        until = time.monotonic() + SHUTDOWN_S
        for thread in self._threads:
            thread.join(max(0.0, until - time.monotonic()))

    def _hire(self) -> None:
        number = len(self._threads)
        name = f"skylane.{self._name}.{number}"
        thread = threading.Thread(target=self._loop, args=(number,), name=name, daemon=True)
        self._ended.append(0)
        self._threads.append(thread)
        thread.start()

    def _loop(self, number: int) -> None:
        self._settle()
        while True:
            job = self._jobs.get()
            if job is None:
                return
            job()
            self._ended[number] += 1
