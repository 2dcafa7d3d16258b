"""One process as its supervisor sees it."""

from __future__ import annotations

import subprocess
from collections import deque
from dataclasses import dataclass, field
from typing import Any

from pipeline.engines.processes.channel import Channel
from pipeline.engines.processes.plan import Supervision


@dataclass
class Supervised:
    """``state``: starting | ready | healthy | down | given_up | finished."""

    name: str
    """Empty: the standby."""
    row: int
    """In the status table."""
    restart: bool
    standby: bool
    """Somebody stands by for it."""
    state: str = "down"
    incarnation: int = 0
    popen: subprocess.Popen[bytes] | None = None
    ending: subprocess.Popen[bytes] | None = None
    """Its last incarnation, until the kernel is done with it."""
    pidfd: int = -1
    channel: Channel[Any] | None = None
    spawned_at: int = 0
    restart_at: int = 0
    down_since: int = 0
    """0: it is not."""
    restarts: int = 0
    watched: tuple[int, int] | None = None
    """Since when its heartbeat is late, and how long its threads had run by then."""
    lost_at: deque[int] = field(default_factory=deque)

    def backoff(self, now: int, supervision: Supervision) -> int | None:
        """It is lost again: how long to wait until it is restarted; None: never."""
        self.lost_at.append(now)
        while self.lost_at[0] < now - supervision.window:
            self.lost_at.popleft()
        recent = len(self.lost_at)
        if recent > supervision.crashes:
            return None
        self.restarts += 1
        wait = 0 if recent == 1 else supervision.backoff << (recent - 2)
        return int(min(wait, supervision.backoff_max))
