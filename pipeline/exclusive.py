"""Lets one thread at a time into a world. An adapter: on the wall clock every sensor and actuator is a thread."""

from __future__ import annotations

import threading
from typing import Any


class Exclusive:
    """Stands for ``world``: every method call and every attribute read happens alone."""

    def __init__(self, world: Any) -> None:
        self._world, self._lock = world, threading.RLock()

    def __getattr__(self, name: str) -> Any:
        with self._lock:
            value = getattr(self._world, name)
        if not callable(value):
            return value

        def alone(*arguments: Any, **more: Any) -> Any:
            with self._lock:
                return value(*arguments, **more)

        return alone
