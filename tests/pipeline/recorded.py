"""Made-up events of every kind, and a log of them: what the tests of recording, reading and replaying share."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from pipeline import events as ev
from pipeline.messages import Message, readonly
from pipeline.recording import Recorder

MS = 1_000_000
LAUNCH = "name: made-up\n"


class Point(Message, frozen=True, kw_only=True):
    """A payload with a nested one."""

    x_m: float
    tags: tuple[str, ...] = ()
    next: Point | None = None


class Picture(Message, frozen=True, kw_only=True):
    """A payload with pixels."""

    rgb: NDArray[np.uint8]

    def __post_init__(self) -> None:
        readonly(self.rgb)


class Scan(Message, frozen=True, kw_only=True):
    """A payload with an array of any size."""

    ranges_m: NDArray[np.float64]

    def __post_init__(self) -> None:
        readonly(self.ranges_m)


def sent(
    value: object,
    *,
    stream: str = "a.out",
    at: int = 5 * MS,
    t: int = 0,
    quality: str = "final",
    winner: str = "local",
) -> ev.Sent:
    """One committed value."""
    return ev.Sent(at, stream.partition(".")[0], t, stream, t, quality, winner, value)


def every_event() -> list[ev.Event]:
    """One of each type, and values on three streams."""
    return [
        ev.BudgetSet(0, "policy", 0, "deadline", 80 * MS, "a person ahead"),
        ev.Armed(0, "a", 0, "deadline", 80 * MS),
        ev.Started(1 * MS, "a", 0, "local"),
        ev.Yielded(2 * MS, "a", 0, "local"),
        ev.Finished(5 * MS, "a", 0, "local", 1 * MS, "small", "done"),
        sent(Point(x_m=1.5, tags=("near", "wet"), next=Point(x_m=float("inf")))),
        sent(7, stream="b.number", at=6 * MS),
        sent(Scan(ranges_m=np.linspace(0.0, 1.0, 5)), stream="c.scan", at=7 * MS),
        ev.Finished(80 * MS, "a", 50 * MS, "cloud", 50 * MS, "", "failed", "refused"),
        ev.Missed(90 * MS, "a", 50 * MS, "deadline", 40 * MS, 40 * MS, ("local", "cloud"), "no answer"),
        ev.RolledBack(90 * MS, "a", 50 * MS, 0),
        ev.Handled(91 * MS, "a", 50 * MS, "answered"),
        sent(Point(x_m=2.5), at=91 * MS, t=50 * MS, quality="fallback", winner="handler"),
        ev.Late(95 * MS, "a", 50 * MS, "local", 5 * MS),
        ev.Dropped(95 * MS, "b", 50 * MS, "b.value", "overload"),
        ev.Refused(96 * MS, "b", 50 * MS, "after its watermark"),
        ev.Fault(96 * MS, "b", 50 * MS, "", "raised", "ZeroDivisionError: as told"),
        ev.Fault(96 * MS, "", 0, "planning", "killed", "by SIGKILL"),
        ev.Recovered(97 * MS, "", 0, "planning", 1 * MS, "started anew"),
        ev.Sealed(97 * MS, "b", 50 * MS, "missed", "silent"),
    ]


def write(path: Path, events: list[ev.Event] | None = None) -> Path:
    """A complete log of ``events`` (one of every kind) at ``path``."""
    with Recorder(path, launch=LAUNCH, seed=3) as recorder:
        for event in every_event() if events is None else events:
            recorder.on_event(event)
    return path
