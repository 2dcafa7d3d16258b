"""libsumo with one network and one ego: the only place that calls it. One world at a time in a process.

Decides nothing: puts vehicles in, moves those that are moved from outside, steps, and reads where everybody is.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import ModuleType
from typing import Any, ClassVar

from pipeline.errors import SkylaneError, UsageError
from scenarios.sumo.tools import libsumo

STEP_S = 0.05
POSITION, ANGLE, SPEED, SIGNALS = 0x42, 0x43, 0x40, 0x4D
"""SUMO's numbers of what is read of every vehicle in every step."""
BRAKE_LIGHT = 8
FREE_PLACE = 2
"""``keepRoute`` of moveToXY: anywhere, also off the road."""
MATCH_M = 6.0
"""Lanes further away than this are not considered; fewer of them cost less."""
NOWHERE = -1e8
OPTIONS = (
    "--no-step-log", "--no-warnings", "--duration-log.disable", "--xml-validation", "never", "--xml-validation.net",
    "never", "--collision.action", "none", "--time-to-teleport", "-1", "--lanechange.duration", "2.5",
    "--max-depart-delay", "0", "--default.speeddev", "0.1",
)  # fmt: skip


class SumoFailed(SkylaneError):
    """SUMO refused a network or a step."""


class Simulation:
    """SUMO from time 0 on. Whoever makes a second one in the same process takes SUMO over from the first."""

    _owner: ClassVar[Simulation | None] = None

    def __init__(self, network: Path, types: Path, seed: int) -> None:
        self._sumo: ModuleType = libsumo()
        if self._sumo.simulation.isLoaded():
            self._sumo.close()
        Simulation._owner = self
        self._moved: set[str] = set()
        self._asked: set[str] = set()
        self._routes = 0
        # SUMO's seed is a 32-bit integer.
        arguments = ["sumo", "-n", str(network), "-a", str(types), "--step-length", str(STEP_S)]
        try:
            self._sumo.start([*arguments, "--seed", str(seed % 2**31), *OPTIONS])
        except self._errors() as error:
            raise SumoFailed(f"SUMO does not start: {error}", where=str(network), hint="delete that file") from None

    @property
    def version(self) -> str:
        """SUMO's."""
        return str(self._sumo.simulation.getVersion()[1])

    def close(self) -> None:
        """End it, unless another has taken SUMO over."""
        if Simulation._owner is self:
            Simulation._owner = None
            self._sumo.close()

    def add(self, name: str, kind: str, route: Sequence[str], lane: int, s_m: float, most_mps: float) -> None:
        """A vehicle at a station of its first edge's lane, from the next step on, if there is room for it."""
        self._check()
        vehicle = self._sumo.vehicle
        self._routes += 1
        route_name = f"way {self._routes}"
        try:
            self._sumo.route.add(route_name, list(route))
            vehicle.add(
                name, route_name, typeID=kind, departLane=str(lane), departPos=f"{s_m:.2f}", departSpeed="max",
                arrivalPos="max",
            )  # fmt: skip
            vehicle.setMaxSpeed(name, most_mps)
            self._asked.add(name)
        except self._errors():
            # No room, or no way for this kind there: it is not among the poses then, and somebody else will be tried.
            return

    def remove(self, name: str) -> None:
        """Take a vehicle out."""
        self._check()
        try:
            # SUMO fails to read what is subscribed and gone.
            self._sumo.vehicle.unsubscribe(name)
            self._sumo.vehicle.remove(name)
        except self._errors():
            return

    def move(self, name: str, kind: str, edge: str, x_m: float, y_m: float, yaw_rad: float, speed_mps: float) -> None:
        """Put a vehicle that is moved from outside with its front at a place. ``edge``: any, to begin on."""
        self._check()
        for _ in range(2):
            try:
                if name not in self._moved:
                    self._routes += 1
                    self._sumo.route.add(f"way {self._routes}", [edge])
                    self._sumo.vehicle.add(name, f"way {self._routes}", typeID=kind)
                    # Neither lights nor others slow it down: its speed is given.
                    self._sumo.vehicle.setSpeedMode(name, 0)
                    self._moved.add(name)
                self._sumo.vehicle.moveToXY(name, "", -1, x_m, y_m, compass(yaw_rad), FREE_PLACE, MATCH_M)
                self._sumo.vehicle.setSpeed(name, max(0.0, speed_mps))
                return
            except self._errors():
                # At the end of its edge SUMO may take it for arrived: then it is put in once more.
                self._moved.discard(name)

    def release(self, name: str) -> None:
        """Take out a vehicle that was moved from outside."""
        if name in self._moved:
            self._moved.discard(name)
            self.remove(name)

    def extend(self, name: str, least: int) -> tuple[str, int] | None:
        """The last edge of a vehicle's route, if fewer than ``least`` lie ahead, and how many do."""
        vehicle = self._sumo.vehicle
        route, index = vehicle.getRoute(name), vehicle.getRouteIndex(name)
        left = len(route) - 1 - index
        return (route[-1], left) if index >= 0 and left < least else None

    def lengthen(self, name: str, onward: Sequence[str]) -> None:
        """Give a vehicle more edges after its last one."""
        vehicle = self._sumo.vehicle
        route, index = vehicle.getRoute(name), vehicle.getRouteIndex(name)
        try:
            vehicle.setRoute(name, [*route[index:], *onward])
        except self._errors():
            return

    def show(self, junction: str, states: str) -> None:
        """What the lights of a junction show: a letter for each link."""
        self._check()
        self._sumo.trafficlight.setRedYellowGreenState(junction, states)

    def step(self) -> Mapping[str, Mapping[int, Any]]:
        """One step of ``STEP_S``; what is read of every vehicle that ``add`` put in, by name."""
        self._check()
        try:
            self._sumo.simulationStep()
            for name in self._sumo.simulation.getDepartedIDList():
                if name in self._asked:
                    self._sumo.vehicle.subscribe(name, [POSITION, ANGLE, SPEED, SIGNALS])
            self._asked.clear()
        except self._errors() as error:
            raise SumoFailed(f"SUMO stopped: {error}", where="traffic: sumo", hint="use the built-in traffic") from None
        found: Mapping[str, Mapping[int, Any]] = self._sumo.vehicle.getAllSubscriptionResults()
        return found

    def _errors(self) -> tuple[type[Exception], ...]:
        return (self._sumo.TraCIException, self._sumo.FatalTraCIError)

    def _check(self) -> None:
        if Simulation._owner is not self:
            raise UsageError(
                "another world of this process has taken SUMO over",
                where="world, traffic: sumo",
                hint="SUMO plays one world at a time: end one before the next, or give each its own process",
            )


def compass(yaw_rad: float) -> float:
    """SUMO's heading: degrees clockwise from north."""
    return (90.0 - math.degrees(yaw_rad)) % 360.0
