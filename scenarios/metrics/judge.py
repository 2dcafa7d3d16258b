"""Follows a run: as an observer what was said, as its world's journal what was true; at the end, what it was worth.

Changes nothing in the run: it only looks. Where the world is in another process it has nothing to say.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import msgspec

from operators.messages import ControlCommand, Detections, EgoSize, Predictions, Tracks
from pipeline.events import Event, Sent
from scenarios.metrics.drive import DriveMetrics, Streams, judge
from scenarios.metrics.journal import STEP_NS, Journal
from scenarios.metrics.perception import Said

HEARD: Mapping[str, tuple[type, str]] = {
    "detections": (Detections, "detect.detections"),
    "tracks": (Tracks, "track.tracks"),
    "predictions": (Predictions, "predict.predictions"),
    "commands": (ControlCommand, "gate.command_out"),
}
"""What a drive is judged by: the messages, and the stream that usually carries them."""
COARSE_STEP_NS = 2 * STEP_NS
"""Without perception: fine enough for motion, and half the memory on long drives."""
PERCEPTION_NS = 120 * 10**9
DIGITS = 6


class DriveJudge:
    """An observer of a run in ``world``. ``perception``: also judge what was detected, tracked and predicted."""

    def __init__(self, world: Any, *, perception: bool = True, route_id: str = "RouteScenario_0_rep0") -> None:
        size = getattr(world, "size", None)
        self.journal = Journal(
            sights=perception,
            step_ns=STEP_NS if perception else COARSE_STEP_NS,
            size=size if isinstance(size, EgoSize) else None,
        )
        self._world, self._perception, self._route_id = world, perception, route_id
        self.journal.note(world)
        world.journal = self.journal
        self._heard: dict[str, list[Said]] = {}

    def on_event(self, event: Event) -> None:
        """Note what was said."""
        if type(event) is not Sent:
            return
        if isinstance(event.value, (Detections, Tracks, Predictions, ControlCommand)) and (
            self._perception or isinstance(event.value, ControlCommand)
        ):
            said = Said(event.t, event.at, event.origin, event.value)
            self._heard.setdefault(event.stream, []).append(said)

    def metrics(self) -> DriveMetrics:
        """What the drive was worth up to now."""
        self.journal.finish(self._world)
        return judge(self.journal, streams(self._heard), route_id=self._route_id)

    def figures(self) -> dict[str, Any]:
        """``metrics`` as plain values, for result.json."""
        return {"metrics": plain(self.metrics())}


def streams(heard: Mapping[str, list[Said]]) -> Streams:
    """Of each kind the usual stream; without it the one that began last, which is the nearest to the wheels."""
    found: dict[str, list[Said]] = {}
    for name, (kind, usual) in HEARD.items():
        fitting = [stream for stream, said in heard.items() if said and isinstance(said[0].value, kind)]
        if fitting:
            found[name] = heard[usual if usual in fitting else fitting[-1]]
    return found


def plain(value: Any) -> Any:
    """Builtins as JSON has them: rounded, None for what is not finite."""
    if isinstance(value, float):
        return round(value, DIGITS) if math.isfinite(value) else None
    if isinstance(value, dict):
        return {key: plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(item) for item in value]
    return plain(msgspec.to_builtins(value)) if isinstance(value, msgspec.Struct) else value


def follow_drive(built: Any) -> DriveJudge | None:
    """The judge of a built run; None if there is nothing to judge: no world here, or one that keeps no record.

    On the wall clock the world belongs to its sensors' threads, and whoever looked into it would hold them up.
    Perception is judged in drives of up to ``PERCEPTION_NS``: what can be seen takes as long to work out as to drive.
    """
    world = getattr(built, "world", None)
    if built.settings.engine != "virtual":
        return None
    judged = all(hasattr(world, name) for name in ("snapshot", "truth", "incidents", "journal"))
    return DriveJudge(world, perception=built.settings.duration <= PERCEPTION_NS) if judged else None
