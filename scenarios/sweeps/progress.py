"""Shows people how a sweep goes: a bar with the time that is left, and failures as they come. On standard error."""

from __future__ import annotations

from types import TracebackType

from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from scenarios.sweeps.driving import Row
from scenarios.sweeps.expansion import Task
from scenarios.sweeps.work import Work

FAILURES_MAX = 20
ETA_OVER_S = 180.0
"""Past seconds from which the speed is taken: pictures and truth take different times."""


class Bar:
    """Follows a sweep while it runs; quiet about progress where nobody sees it move."""

    def __init__(self, console: Console | None = None) -> None:
        self._console = console or Console(stderr=True)
        self._progress = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("{task.fields[state]}"),
            TimeElapsedColumn(),
            TextColumn("left"),
            TimeRemainingColumn(),
            console=self._console,
            speed_estimate_period=ETA_OVER_S,
            disable=not self._console.is_terminal,
        )
        self._bar = self._progress.add_task("runs", total=None, state="")
        self._failed = self._collided = 0

    def __enter__(self) -> Bar:
        self._progress.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._progress.stop()

    def begun(self, total: int, kept: int) -> None:
        self._progress.reset(self._bar, total=total, completed=kept)
        if kept:
            self._console.print(f"{kept} of {total} are there already", highlight=False)

    def done(self, work: Work, row: Row) -> None:
        if row.get("error"):
            self._failed += 1
            if self._failed <= FAILURES_MAX:
                what = _name(work)
                self._console.print(f"[red]failed[/red] {escape(what)}: {escape(row['error'])}", highlight=False)
            elif self._failed == FAILURES_MAX + 1:
                self._console.print("[red]failed[/red] and more: see the report", highlight=False)
        self._collided += bool(row.get("collided"))
        state = f"{self._collided} collided" + (f", {self._failed} failed" if self._failed else "")
        self._progress.update(self._bar, advance=1, state=state)


def _name(work: Work) -> str:
    columns = work.columns()
    place = f"{columns['scene']} at {columns['speed_mps']:g} m/s, seed {columns['seed']}"
    return f"{columns['label']}, {place}" if isinstance(work, Task) else f"picture of {place}"
