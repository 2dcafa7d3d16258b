"""Where a run's shared memory lies, who holds it, and what to do about runs that are gone.

Every process of a run holds a shared lock on the run's file. The kernel lets go of it however the process ends, so a
run whose lock is free is over, and all that has its prefix can go. Touches nothing but skylane's own files.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import os
import re
import shutil
from collections.abc import Iterator
from pathlib import Path

MEMORY = Path("/dev/shm")
_PREFIX = "skylane_"
_SEGMENT = re.compile(_PREFIX + "([0-9a-f]{12})_")


def _root() -> Path:
    return MEMORY / f"skylane-{os.getuid()}"


class RunFiles:
    """What the processes of one run share on disk. Processes of different users never share."""

    def __init__(self, run: str) -> None:
        self.run = run
        key = hashlib.blake2b(f"{os.getuid()}:{run}".encode(), digest_size=6).hexdigest()
        self._set(key)
        self._fd = -1

    def _set(self, key: str) -> None:
        self.prefix = f"{_PREFIX}{key}_"
        """Of every segment in shared memory."""
        self.folder = _root() / key
        """For the files about nodes and services."""
        self._lock = _root() / f"{key}.run"

    @classmethod
    def _found(cls, key: str) -> RunFiles:
        files = cls(key)
        files._set(key)
        try:
            files.run = files._lock.read_text() or key
        except OSError:
            files.run = key
        return files

    def hold(self) -> None:
        """Make the run alive for as long as this process lives, or until ``release``."""
        while True:
            _root().mkdir(mode=0o700, exist_ok=True)
            try:
                fd = os.open(self._lock, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
            except FileNotFoundError:
                continue  # whoever cleaned up was faster
            fcntl.flock(fd, fcntl.LOCK_SH)
            if self._is(fd):
                break
            os.close(fd)
        os.pwrite(fd, self.run.encode(), 0)
        self.folder.mkdir(mode=0o700, exist_ok=True)
        self._fd = fd

    def release(self) -> None:
        """Let go; the last one removes everything."""
        if self._fd >= 0:
            fd, self._fd = self._fd, -1
            self._remove_if_last(fd)

    def _is(self, fd: int) -> bool:
        try:
            return os.path.samestat(os.fstat(fd), os.stat(self._lock))
        except FileNotFoundError:
            return False

    def _remove_if_last(self, fd: int, *, look_only: bool = False) -> list[str] | None:
        """The files of the run, removed unless ``look_only``; None if somebody holds it. Closes ``fd``."""
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return None
        else:
            if not self._is(fd):
                return None
            found = self._segments()
            if not look_only:
                for path in found:
                    path.unlink(missing_ok=True)
                shutil.rmtree(self.folder, ignore_errors=True)
                self._lock.unlink(missing_ok=True)  # last: it is what says that something is left
                with contextlib.suppress(OSError):
                    _root().rmdir()
            return [*(path.name for path in found), self._lock.name]
        finally:
            os.close(fd)

    def leftover(self, *, remove: bool = False) -> str:
        """What a run that is over has left, or what was removed; empty for a living run or when nothing is left."""
        size = sum(path.stat().st_blocks * 512 for path in self._segments())
        try:
            fd = os.open(self._lock, os.O_RDWR | os.O_CLOEXEC | (os.O_CREAT if remove else 0), 0o600)
        except FileNotFoundError:
            count = len(self._segments())
        else:
            found = self._remove_if_last(fd, look_only=not remove)
            if found is None:
                return ""
            count = len(found)
        return f"run {self.run}: {count} files, {size / 1e6:.1f} MB of shared memory" if count else ""

    def _segments(self) -> list[Path]:
        found = sorted(MEMORY.glob(f"{self.prefix}*"))
        return [path for path in found if path.exists() and path.stat().st_uid == os.getuid()]


def _all_runs() -> Iterator[RunFiles]:
    # The segments first: a run's lock is made before its first segment and removed after its last.
    segments = [_SEGMENT.match(path.name) for path in MEMORY.iterdir()]
    keys = {match[1] for match in segments if match} | {path.stem for path in _root().glob("*.run")}
    for key in sorted(keys):
        yield RunFiles._found(key)


def leftovers() -> list[str]:
    """What runs that are over have left in shared memory, one line per run. Changes nothing."""
    return [line for files in _all_runs() if (line := files.leftover())]


def remove_leftovers() -> list[str]:
    """Remove what runs that are over have left; answers what it removed. Living runs are not touched."""
    _root().mkdir(mode=0o700, exist_ok=True)
    return [line for files in _all_runs() if (line := files.leftover(remove=True))]
