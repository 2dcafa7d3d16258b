"""What happens in a run while it goes on: a table per operator on a terminal, a plain line of progress elsewhere.

Counts and draws; it never waits, and the run is the same with and without it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from pipeline import events as ev
from pipeline.events import Event, Observer
from pipeline.timestamps import Duration

if TYPE_CHECKING:
    from rich.console import Console, Group

RECENT = 256
"""Answers over which rate and latency are taken."""
REFRESH_HZ = 4.0
STEPS = 20
"""Lines of progress that a run writes where there is no terminal."""
ORDINARY = ("superseded", "closed", "no_partner")
"""Drops that are a join's business; the others mean that an operator fell behind."""


class _Row:
    """One operator's counts. Written by the engine's thread, read by the drawing one: replaced, never resized."""

    def __init__(self) -> None:
        self.answers = 0
        self.at = [0] * RECENT
        self.took = [0] * RECENT
        self.timed = 0
        self.winners: dict[str, int] = {}
        self.misses = 0
        self.drops = 0
        self.started: dict[int, int] = {}

    def answered(self, at: int, took: int | None, winner: str) -> None:
        self.at[self.answers % RECENT] = at
        self.answers += 1
        self.winners = {**self.winners, winner: self.winners.get(winner, 0) + 1}
        if took is not None:
            self.took[self.timed % RECENT] = took
            self.timed += 1

    def rate_hz(self) -> float | None:
        """Answers per second of the run, over the recent ones; None before the second."""
        count = min(self.answers, RECENT)
        recent = self.at[:count]
        span = max(recent, default=0) - min(recent, default=0)
        return (count - 1) * 1e9 / span if span > 0 else None

    def took_ms(self, share: float) -> float | None:
        """The quantile of the time from a timestamp's first candidate to its answer, over the recent ones."""
        recent = sorted(self.took[: min(self.timed, RECENT)])
        return recent[min(len(recent) - 1, int(share * len(recent)))] / 1e6 if recent else None


class LiveView:
    """An observer that knows, at any time, how every operator is doing. ``duration``: of the whole run."""

    def __init__(self, title: str, duration: Duration) -> None:
        self.title, self.duration, self.now = title, duration, 0
        self._rows: dict[str, _Row] = {}
        self._answered: tuple[str, int] | None = None

    def on_event(self, event: Event) -> None:
        """Count one event."""
        self.now = max(self.now, event.at)
        if not event.operator:  # a whole process's
            return
        row = self._rows.get(event.operator)
        if row is None:
            row = _Row()
            self._rows = {**self._rows, event.operator: row}
        if isinstance(event, ev.Started):
            row.started.setdefault(event.t, event.at)
        elif isinstance(event, ev.Sent):
            # Several outputs of one answer are one answer.
            if self._answered != (event.operator, event.t):
                begun = row.started.pop(event.t, None)
                row.answered(event.at, None if begun is None else event.at - begun, event.winner)
                self._answered = (event.operator, event.t)
        elif isinstance(event, ev.Sealed):
            row.started.pop(event.t, None)
        elif isinstance(event, ev.Missed):
            row.misses += 1
        elif isinstance(event, ev.Dropped) and event.reason not in ORDINARY:
            row.drops += 1

    def cells(self) -> list[tuple[str, ...]]:
        """operator, rate, p50, p99, misses, who answered, drops: as they stand in the table."""
        return [
            (
                name,
                _figure(row.rate_hz(), "/s"),
                _figure(row.took_ms(0.5), " ms"),
                _figure(row.took_ms(0.99), " ms"),
                str(row.misses) if row.misses else "",
                _shares(row.winners),
                str(row.drops) if row.drops else "",
            )
            for name, row in self._rows.items()
        ]

    def render(self) -> Group:
        """The header with the run's time and the table."""
        from rich.console import Group
        from rich.progress_bar import ProgressBar
        from rich.table import Table
        from rich.text import Text

        header = Table.grid(padding=(0, 2))
        share = f"{self.now / 1e9:.1f} of {self.duration / 1e9:.1f} s"
        bar = ProgressBar(total=max(1, self.duration), completed=min(self.now, self.duration), width=32)
        header.add_row(Text(self.title, style="bold"), bar, share)
        body = Table(box=None, padding=(0, 2, 0, 0), header_style="dim")
        for name in ("operator", "rate", "p50", "p99", "misses", "answered by", "dropped"):
            left = name in ("operator", "answered by")
            body.add_column(name, justify="left" if left else "right", no_wrap=not left, overflow="fold")
        for cells in self.cells():
            texts = [Text(cell) for cell in cells]
            texts[4].stylize("bold red")
            texts[6].stylize("yellow")
            body.add_row(*texts)
        return Group(header, Text(), body)


class ProgressLines:
    """An observer that tells the run's time in ``STEPS`` lines, for logs and pipes."""

    def __init__(self, title: str, duration: Duration, write: Callable[[str], object]) -> None:
        self._title, self._duration, self._write = title, max(1, duration), write
        self._told = 0

    def on_event(self, event: Event) -> None:
        """Write a line when the next part of the run is over."""
        step = min(STEPS, event.at * STEPS // self._duration)
        if step > self._told:
            self._told = step
            share = 100 * step // STEPS
            self._write(f"{self._title}: {share} % ({event.at / 1e9:.1f} of {self._duration / 1e9:.1f} s)\n")


@contextmanager
def following(title: str, duration: Duration, console: Console) -> Iterator[Observer]:
    """An observer to hand to the run, drawn on ``console``: live on a terminal, lines elsewhere. Gone afterwards."""
    if not console.is_terminal:
        yield ProgressLines(title, duration, lambda line: console.print(line, end="", highlight=False, markup=False))
        return
    from rich.live import Live

    view = LiveView(title, duration)
    with Live(get_renderable=view.render, console=console, refresh_per_second=REFRESH_HZ, transient=True):
        yield view


def _figure(value: float | None, unit: str) -> str:
    return "" if value is None else f"{value:.1f}{unit}" if value < 10 else f"{value:.0f}{unit}"


def _shares(winners: dict[str, int]) -> str:
    """Who answered how often; empty for an operator that always answers by itself."""
    if set(winners) <= {"local", ""}:
        return ""
    total = sum(winners.values())
    ranked = sorted(winners.items(), key=lambda item: (-item[1], item[0]))
    return ", ".join(f"{name or 'local'} {100 * count / total:.0f} %" for name, count in ranked)
