"""A world for judges that is data: a straight road, an ego on rails, road users on given paths."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from types import SimpleNamespace
from typing import NamedTuple

import numpy as np

from operators.messages import Box, EgoSize, EgoState, Route
from scenarios.metrics.journal import Journal
from scenarios.world.records import Incident, Snapshot, TruthObject

SECOND = 10**9


class User(NamedTuple):
    """A road user: where it is at a time in s, its velocity, and how much of it is seen then."""

    id: int
    label: str
    place: Callable[[float], tuple[float, float]]
    speed: tuple[float, float] = (0.0, 0.0)
    share: Callable[[float], float] = lambda t: 1.0
    yaw_rad: float = 0.0
    size: tuple[float, float] = (4.0, 2.0)


class RailWorld:
    """Ego at (``station(t)``, ``beside(t)``) with ``speed(t)``; a route of 100 m from x = -20 to 120, ending at 100."""

    def __init__(
        self,
        station: Callable[[float], float],
        speed: Callable[[float], float],
        users: Sequence[User] = (),
        *,
        beside: Callable[[float], float] = lambda t: 0.0,
        found: Sequence[Incident] = (),
        limit_mps: float = 15.0,
        length_m: float = 100.0,
    ) -> None:
        self.station, self.speed, self.beside, self.users, self.found = station, speed, beside, users, found
        self.limit_mps, self.now_ns, self.size, self.journal = limit_mps, 0, EgoSize(), None
        self.scenario = SimpleNamespace(ego_s_m=0.0, end_s_m=length_m)

    @property
    def finished(self) -> bool:
        return self.station(self.now_ns / SECOND) >= self.scenario.end_s_m

    def advance(self, to_s: float) -> None:
        """Let time pass in steps of 10 ms."""
        while self.now_ns < round(to_s * SECOND):
            self.now_ns += 10_000_000
            if self.journal is not None:
                self.journal.note(self)

    def snapshot(self) -> Snapshot:
        t = self.now_ns / SECOND
        places = np.array([user.place(t) for user in self.users]).reshape(-1, 2)
        column = lambda values: np.array(values, np.float64)  # noqa: E731
        lead = 0.5 * self.size.length_m - self.size.rear_overhang_m
        return Snapshot(
            t_ns=self.now_ns,
            ego=EgoState(x_m=self.station(t) - lead, y_m=self.beside(t), yaw_rad=0.0, speed_mps=self.speed(t)),
            ego_s_m=self.station(t),
            ego_d_m=self.beside(t),
            ids=np.array([user.id for user in self.users], np.int64),
            labels=tuple(user.label for user in self.users),
            kinds=tuple(user.label for user in self.users),
            x_m=places[:, 0],
            y_m=places[:, 1],
            yaw_rad=column([user.yaw_rad for user in self.users]),
            speed_x_mps=column([user.speed[0] for user in self.users]),
            speed_y_mps=column([user.speed[1] for user in self.users]),
            length_m=column([user.size[0] for user in self.users]),
            width_m=column([user.size[1] for user in self.users]),
            height_m=column([1.5 for _ in self.users]),
        )

    def truth(self) -> tuple[TruthObject, ...]:
        t, ego = self.now_ns / SECOND, self.station(self.now_ns / SECOND)
        return tuple(
            TruthObject(
                user.id, user.label, *user.place(t), user.yaw_rad, *user.size, 1.5, *user.speed,
                box_at(user.place(t)[0] - ego, user.place(t)[1]), user.share(t), user.place(t)[0] - ego, user.label,
            )
            for user in self.users
        )  # fmt: skip

    def route(self) -> Route:
        x = np.arange(-20.0, self.scenario.end_s_m + 21.0)
        return Route(x_m=x, y_m=np.zeros(len(x)), width_left_m=1.5, width_right_m=1.0, speed_limit_mps=self.limit_mps)

    def incidents(self) -> tuple[Incident, ...]:
        return tuple(self.found)


def box_at(ahead_m: float, left_m: float) -> Box | None:
    """A made-up camera: nearer is bigger; None behind it."""
    if ahead_m < 1.0:
        return None
    size, middle = 1000.0 / ahead_m, 320.0 - 300.0 * left_m / ahead_m
    return Box(x0_px=middle - size / 2, y0_px=180.0 - size / 2, x1_px=middle + size / 2, y1_px=180.0 + size / 2)


def journal_of(world: RailWorld, until_s: float) -> Journal:
    """The journal of a drive of that length."""
    journal = Journal(size=world.size)
    journal.note(world)
    world.journal = journal
    world.advance(until_s)
    journal.finish(world)
    return journal


def contact(t_s: float, x_m: float, who: int, label: str, *, speed: float = 5.0, at_fault: str = "ego") -> Incident:
    """A collision."""
    return Incident(
        kind="collision", t_ns=round(t_s * SECOND), x_m=x_m, y_m=0.0, s_m=x_m, speed_mps=speed, with_id=who,
        with_kind=label, with_label=label, impact_speed_mps=speed, at_fault=at_fault,
    )  # fmt: skip
