"""What really happened in a drive, at a fixed step: everybody's motion, what the camera could have seen, incidents.

Only collects, as plain arrays; ``drive`` judges. A world that has it as its ``journal`` feeds it after every step.
"""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Sequence
from typing import Any, NamedTuple, Protocol

import numpy as np

from operators.messages import LABELS, EgoSize, Route
from scenarios.metrics.frames import Bools, Floats, Ints, Objects, objects
from scenarios.metrics.safety import Motion
from scenarios.metrics.streaming import Truth
from scenarios.world.records import Incident, Snapshot, TruthObject

STEP_NS = 50_000_000
NEVER = 1 << 62
NEAR_M = 100.0
"""Road users farther away are of no consequence for any metric but the traffic's speed."""
MOVED_MPS = 0.5
SEEN_MIN, SEEN_HEIGHT_PX = 0.3, 8.0
"""Of whom less can be seen, or who is smaller in the picture, need not be found."""
T, X, Y, YAW, SPEED, S, D, TRAFFIC = range(8)
"""Columns of the ego's rows; x and y are of its outline's centre, traffic is the mean speed of all other vehicles."""
ID, OTHER_X, OTHER_Y, OTHER_YAW, LENGTH, WIDTH, SPEED_X, SPEED_Y, LABEL = range(9)
"""Columns of the other road users' rows."""
COLUMNS = ("t_ns", "x_m", "y_m", "yaw_rad", "speed_mps", "s_m", "d_m", "traffic_mps")


class Watched(Protocol):
    """A world that can be journalled."""

    @property
    def now_ns(self) -> int: ...
    @property
    def finished(self) -> bool: ...
    def snapshot(self) -> Snapshot: ...
    def truth(self) -> Sequence[TruthObject]: ...
    def route(self) -> Route: ...
    def incidents(self) -> Sequence[Incident]: ...


class Sight(NamedTuple):
    """What the ego's camera could see of road users in view, and how much of each (n,)."""

    seen: Objects
    share: Floats


class Path(NamedTuple):
    """Where one road user was, (n,) each."""

    label: str
    t_ns: Ints
    x_m: Floats
    y_m: Floats


class Journal:
    """The truth about one drive. ``sights``: also keep what the camera could see, which perception is judged by."""

    def __init__(self, *, step_ns: int = STEP_NS, sights: bool = True, size: EgoSize | None = None) -> None:
        self.step_ns, self.keeps_sights = step_ns, sights
        self.size = size or EgoSize()
        self.route: Route | None = None
        self.length_m: float | None = None
        """How far the drive should have gone; None: to the end of the route."""
        self.incidents: tuple[Incident, ...] = ()
        self._next = 0
        self._moved: set[int] = set()
        self._ego: list[tuple[float, ...]] = []
        self._others: list[Floats] = []
        self._times: list[int] = []
        self._sights: list[tuple[int, Sight]] = []

    def note(self, world: Watched) -> None:
        """Write down how the world stands, once a step, until the drive is over; in between it costs a comparison."""
        now = world.now_ns
        if now < self._next:
            return
        self._next = (now // self.step_ns + 1) * self.step_ns if not world.finished else NEVER
        if self.route is None:
            self.route = world.route()
        self.take(world.snapshot())
        if self.keeps_sights:
            self.see(now, world.truth())

    def take(self, snapshot: Snapshot) -> None:
        """Write down a snapshot."""
        ego, lead = snapshot.ego, self.size.middle_m
        x, y = ego.x_m + lead * math.cos(ego.yaw_rad), ego.y_m + lead * math.sin(ego.yaw_rad)
        labels = np.array([LABELS.index(name) if name in LABELS else -1 for name in snapshot.labels], np.float64)
        traffic = self._traffic(snapshot, labels == LABELS.index("vehicle"))
        self._times.append(snapshot.t_ns)
        self._ego.append((snapshot.t_ns, x, y, ego.yaw_rad, ego.speed_mps, snapshot.ego_s_m, snapshot.ego_d_m, traffic))
        near = np.hypot(snapshot.x_m - x, snapshot.y_m - y) <= NEAR_M
        rows = (
            snapshot.ids, snapshot.x_m, snapshot.y_m, snapshot.yaw_rad, snapshot.length_m, snapshot.width_m,
            snapshot.speed_x_mps, snapshot.speed_y_mps, labels,
        )  # fmt: skip
        self._others.append(np.stack([np.asarray(row, np.float64)[near] for row in rows], axis=1))

    def _traffic(self, snapshot: Snapshot, driven: Bools) -> float:
        """Mean speed of all vehicles that have ever moved: parked ones are no traffic."""
        speeds = np.hypot(snapshot.speed_x_mps[driven], snapshot.speed_y_mps[driven])
        who = snapshot.ids[driven]
        self._moved.update(who[speeds > MOVED_MPS].tolist())
        speeds = speeds[[one in self._moved for one in who.tolist()]]
        return float(speeds.mean()) if len(speeds) else math.nan

    def see(self, t_ns: int, truth: Sequence[TruthObject]) -> None:
        """Write down what the camera could see."""
        self._sights.append((t_ns, sight(truth)))

    def finish(self, world: Watched) -> None:
        """Write down what the world has to say about the whole drive, and its last moment if that stands nowhere."""
        if not self._times or (self._next < NEVER and world.now_ns > self._times[-1]):
            self._next = 0
            self.note(world)
        self.incidents = tuple(world.incidents())
        scenario = getattr(world, "scenario", None)
        if scenario is not None:
            self.length_m = float(scenario.end_s_m - scenario.ego_s_m)

    def __len__(self) -> int:
        return len(self._times)

    @property
    def t_ns(self) -> Ints:
        """(n,) when each line was written."""
        return np.array(self._times, np.int64)

    @property
    def ego(self) -> Floats:
        """(n, 8), columns ``T`` … ``TRAFFIC``."""
        return np.array(self._ego, np.float64).reshape(-1, len(COLUMNS))

    def motion(self) -> Motion:
        """Everybody near, line by line."""
        ego = self.ego
        size = np.tile((self.size.length_m, self.size.width_m), (len(ego), 1))
        outline = np.concatenate([ego[:, [X, Y, YAW]], size], axis=1)
        speed = ego[:, [SPEED]] * np.stack([np.cos(ego[:, YAW]), np.sin(ego[:, YAW])], axis=1)
        others = np.concatenate([np.zeros((0, 9)), *self._others])
        row = np.repeat(np.arange(len(self._others)), [len(rows) for rows in self._others])
        return Motion(
            self.t_ns, outline, speed, row, others[:, ID].astype(np.int64),
            others[:, OTHER_X : WIDTH + 1], others[:, SPEED_X : SPEED_Y + 1],
        )  # fmt: skip

    def paths(self) -> dict[int, Path]:
        """Where every road user went while it was near, by identity."""
        others = np.concatenate([np.zeros((0, 9)), *self._others])
        t = np.repeat(self.t_ns, [len(rows) for rows in self._others])
        order = np.argsort(others[:, ID], kind="stable")
        others, t = others[order], t[order]
        cuts = np.flatnonzero(np.diff(others[:, ID])) + 1
        found = {}
        for mine, at in zip(np.split(others, cuts), np.split(t, cuts), strict=True):
            if len(mine):
                label = int(mine[0, LABEL])
                name = LABELS[label] if label >= 0 else ""
                found[int(mine[0, ID])] = Path(name, at, mine[:, OTHER_X], mine[:, OTHER_Y])
        return found

    def sights(self) -> list[Truth[Objects]]:
        """What was to be found in the camera's pictures."""
        return [Truth(t, seen.seen) for t, seen in self._sights]

    def shares(self, who: int) -> tuple[Ints, Floats]:
        """(n,) times and (n,) how much of one road user could be seen then."""
        times = np.array([t for t, _ in self._sights], np.int64)
        share = [float(s.share[s.seen.ids == who].max(initial=0.0)) for _, s in self._sights]
        return times, np.array(share, np.float64)

    def at(self, t_ns: int) -> int:
        """Number of the newest line at ``t_ns``; the first before the first."""
        return max(0, bisect_right(self._times, t_ns) - 1)


def sight(truth: Sequence[TruthObject]) -> Sight:
    """Everybody in view of a class that detectors know; those who can hardly be seen need not be found."""
    rows: list[tuple[Any, ...]] = []
    for user in truth:
        if user.box is None or user.label not in LABELS:
            continue
        box = (user.box.x0_px, user.box.y0_px, user.box.x1_px, user.box.y1_px)
        hardly = user.visible < SEEN_MIN or box[3] - box[1] < SEEN_HEIGHT_PX
        rows.append((box, LABELS.index(user.label), user.id, hardly, user.visible))
    columns = list(zip(*rows, strict=True)) or [(), (), (), (), ()]
    seen = objects(columns[0], labels=columns[1], ids=columns[2], ignored=columns[3])
    return Sight(seen, np.array(columns[4], np.float64))
