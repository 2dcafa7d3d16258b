"""Versioned state of one operator: what is committed, what a running timestamp has written, and the way back.

Pure. One ``VersionedState`` per declared State; the stage calls it when timestamps are sealed or aborted.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from pipeline.timestamps import BOTTOM

_NOTHING = object()


class VersionedState:
    """A value with its committed version and the uncommitted one of the timestamp at work.

    ``read``/``write`` belong to the running timestamp; ``commit`` makes its version the committed one,
    ``rollback`` drops it.
    """

    __slots__ = ("committed_at", "copy", "dirty_t", "value", "working")

    def __init__(self, initial: Callable[[], Any], copy: Callable[[Any], Any] | None = None) -> None:
        self.value = initial()
        """The committed version."""
        self.copy = copy
        self.working: Any = _NOTHING
        self.dirty_t: int = BOTTOM
        self.committed_at: int = BOTTOM
        """The timestamp of the committed version; BOTTOM before the first."""

    def read(self, t: int) -> Any:
        """What timestamp t sees: its own write, or the committed version (a working copy if the state has ``copy``)."""
        if self.working is not _NOTHING and self.dirty_t == t:
            return self.working
        if self.copy is None:
            return self.value
        self.write(t, self.copy(self.value))
        return self.working

    def write(self, t: int, value: Any) -> None:
        """Write for t. Visible to t only, until it commits. Refuses to go back before the committed timestamp."""
        if t <= self.committed_at:
            raise ValueError(f"state of t={t} cannot be written: t={self.committed_at} is committed")
        self.working, self.dirty_t = value, t

    def commit(self, t: int) -> None:
        """t is sealed: what it wrote holds from now on. Without a write the version stays and only its time moves."""
        if t <= self.committed_at:
            raise ValueError(f"state of t={t} cannot be committed after t={self.committed_at}")
        if self.working is not _NOTHING and self.dirty_t == t:
            self.value, self.working = self.working, _NOTHING
        self.committed_at = t

    def rollback(self, t: int) -> None:
        """t is aborted: what it wrote is gone."""
        if self.dirty_t == t:
            self.working = _NOTHING
