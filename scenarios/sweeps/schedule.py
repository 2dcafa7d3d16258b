"""Who does what next: workers get the variants of one scene one after the other, since its street is then built once.

Pure: knows neither processes nor clusters.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Hashable, Sequence

from scenarios.sweeps.work import Work


class Schedule:
    """What is left to do, by scene, in the order given."""

    def __init__(self, todo: Sequence[Work]) -> None:
        self._scenes: OrderedDict[Hashable, list[Work]] = OrderedDict()
        for work in todo:
            self._scenes.setdefault(work.scene, []).append(work)
        self._last: dict[Hashable, Hashable] = {}

    def __len__(self) -> int:
        return sum(len(waiting) for waiting in self._scenes.values())

    def next(self, worker: Hashable) -> Work | None:
        """The next work for this worker: its own scene's, else a scene nobody has begun, else whatever there is."""
        if not self._scenes:
            return None
        own = self._last.get(worker)
        if own not in self._scenes:
            taken = {scene for other, scene in self._last.items() if other != worker}
            own = next((scene for scene in self._scenes if scene not in taken), next(iter(self._scenes)))
        waiting = self._scenes[own]
        work = waiting.pop(0)
        if not waiting:
            del self._scenes[own]
        self._last[worker] = own
        return work

    def gone(self, worker: Hashable) -> None:
        """This worker does nothing any more: its scene is anybody's."""
        self._last.pop(worker, None)
