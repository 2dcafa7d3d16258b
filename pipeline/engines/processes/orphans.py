"""Processes that runs which are over have left running. There should never be any: who made them dies with them."""

from __future__ import annotations

import contextlib
import os
import signal
from pathlib import Path

CHILD, SUPERVISOR = b"pipeline.engines.processes.child", b"pipeline.engines.processes.supervisor"


def orphans(*, kill: bool = False) -> list[str]:
    """One line for each operator process of this user without its supervisor; ``kill`` ends them."""
    found = []
    for folder in Path("/proc").iterdir():
        if folder.name.isdigit() and CHILD in _command(folder) and _owner(folder) == os.getuid():
            if SUPERVISOR in _command(Path(f"/proc/{_parent(folder)}")):
                continue
            found.append(f"process {folder.name} (an operator process whose supervisor is gone)")
            if kill:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(int(folder.name), signal.SIGKILL)
    return sorted(found)


def _command(folder: Path) -> bytes:
    with contextlib.suppress(OSError):
        return (folder / "cmdline").read_bytes()
    return b""


def _owner(folder: Path) -> int:
    with contextlib.suppress(OSError):
        return folder.stat().st_uid
    return -1


def _parent(folder: Path) -> int:
    with contextlib.suppress(OSError, IndexError, ValueError):
        return int((folder / "stat").read_text(encoding="ascii", errors="replace").rpartition(") ")[2].split()[1])
    return 0
