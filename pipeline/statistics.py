"""Statistics of a run."""

from __future__ import annotations

from pipeline.events import Event, Missed


class RunStatistics:
    """Follows a run and counts."""

    def __init__(self) -> None:
        self.misses: list[Missed] = []

    def on_event(self, event: Event) -> None:
        if type(event) is Missed:
            self.misses.append(event)
