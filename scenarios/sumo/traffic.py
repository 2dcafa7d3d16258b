"""Traffic on a map with SUMO: it drives everybody who has no script, and minds those who have one.

Same interface as the built-in traffic. Deterministic for (scenario, seed). Decides when somebody is put in, and where.
"""

from __future__ import annotations

import math

import msgspec
import numpy as np
from numpy.typing import NDArray

from operators.messages import EgoSize
from pipeline.errors import UsageError
from scenarios.maps import shipped
from scenarios.scenario import KINDS, Drive, Path, Scenario, Stand
from scenarios.sumo.drivers import is_free
from scenarios.sumo.kinds import EGO, types_file
from scenarios.sumo.lights import Pushed
from scenarios.sumo.neighbours import Neighbours
from scenarios.sumo.network import network_of
from scenarios.sumo.poses import Poses
from scenarios.sumo.simulation import STEP_S as SUMO_STEP_S
from scenarios.sumo.simulation import Simulation
from scenarios.sumo.streets import streets_of
from scenarios.sumo.waiting import Waiting
from scenarios.world.dynamics import STEP_S
from scenarios.world.traffic.columns import BRAKING, LENGTH, PRESENT, SPEED, SPEED_X, SPEED_Y, YAW, S, X, Y
from scenarios.world.traffic.movement import follow_ego
from scenarios.world.traffic.signals import Signals
from scenarios.world.traffic.traffic import Traffic

Floats = NDArray[np.float64]

COLUMNS = np.array([X, Y, YAW, SPEED, SPEED_X, SPEED_Y])
STEPS = round(SUMO_STEP_S / STEP_S)
"""Steps of the world in one of SUMO's."""
WARM_UP_STEPS = 12
FILL_STEPS, LOOK_STEPS = 10, 40
"""Whether somebody is missing is asked twice a second, whether somebody needs a longer route every two."""
FIRST_M, NEAREST_M, FARTHEST_M, GONE_M = 25.0, 90.0, 260.0, 360.0
"""From the ego: at the start nobody is nearer than FIRST_M; later, people appear between NEAREST_M and FARTHEST_M, and
whoever is farther than GONE_M is put in again nearer by."""
ROOM_M = 9.0
"""Between bumpers, when somebody is put in."""
ROUTE_M, LEAST_EDGES = 900.0, 8
FREE_DRIVER_MPS = 70.0
STUCK_S, STUCK_AWAY_M = 180.0, 50.0


class SumoTraffic(Traffic):
    """All road users of a scenario on a map. The free drivers of the scenario are as many places that SUMO fills.

    Their paths do not matter: SUMO sends them through the map at random and keeps them around the ego. Raises
    UsageError for a scenario on a street, MissingExtra, ConversionFailed, SumoFailed.
    """

    def __init__(self, scenario: Scenario, ego: EgoSize, signals: Signals, *, seed: int = 0) -> None:
        if not (isinstance(scenario.road, Path) and scenario.map):
            raise UsageError(
                "traffic: sumo needs a map",
                where=f"scenario {scenario.name}",
                hint="this scenario is on a street: leave traffic out, or take a scenario on a map, as random_route",
            )
        self._rows = np.array([row for row, actor in enumerate(scenario.actors) if is_free(actor)], np.int64)
        super().__init__(_without(scenario, set(self._rows.tolist())), ego, signals)
        for row in self._rows:
            # Drawn with headlights on, as everybody who drives.
            self._users[row].actor = scenario.actors[row]
            self._hide(int(row))
        self._scripted = len(self._rows) < len(scenario.actors)
        self._moving, self._track = np.zeros(0, np.int64), np.zeros((STEPS, 0, 6))
        map_, network = shipped(scenario.map), network_of(scenario.map)
        self._streets = streets_of(network, map_)
        if len(self._rows) and not self._streets.lanes:
            raise UsageError(
                "SUMO finds no lane for cars on the map",
                where=f"scenario {scenario.name}, map {scenario.map}",
                hint="leave traffic out",
            )
        self._rng = np.random.default_rng([seed, scenario.scenery_seed, 6161])
        self.simulation = Simulation(network, types_file(ego), int(self._rng.integers(2**31)))
        self._edge = self._streets.lanes[0][0] if self._streets.lanes else ""
        self._lights = Pushed(self._streets, signals)
        self._neighbours = Neighbours(map_, scenario, self._rows)
        self._waiting = Waiting(self.flags)
        self._names = {int(row): "" for row in self._rows}
        self._row_of: dict[str, int] = {}
        self._made = self._sumo_steps = 0
        self._poses = Poses(len(scenario.actors), np.array([KINDS[actor.kind].length_m for actor in scenario.actors]))
        self._start()

    def advance(self, now_s: float, ego: Floats, ego_speed_mps: float) -> None:
        """One step; ``ego`` is its outline (x, y, yaw, length, width)."""
        within = self._steps % STEPS
        if within == 0:
            # Those who came in at the end of the last step are there from now on.
            self._show_end()
            # SUMO's step ends 50 ms on; ``ego`` is where it is at the end of this one of 5 ms.
            self._play(now_s, ego, ego_speed_mps, SUMO_STEP_S - STEP_S)
            self._moving, self._track = self._poses.rows, self._poses.track(STEPS)
            self._waiting.decide(self.numbers, self.flags, self._points, self._moving)
        rows, part = self._moving, self._track[within]
        self.numbers[rows[:, None], COLUMNS] = part
        self.numbers[rows, S] += part[:, 3] * STEP_S
        if self._scripted:
            super().advance(now_s, ego, ego_speed_mps)
            return
        own = self.numbers[-1]
        own[X], own[Y], own[YAW], own[SPEED] = ego[0], ego[1], ego[2], ego_speed_mps
        if within == 0:
            follow_ego(self.numbers, self.lines)
        self.outlines[rows, :3] = part[:, :3]
        self._steps += 1

    def remove(self, row: int) -> None:
        """Take somebody off the road; one of SUMO's comes back elsewhere."""
        if self._names.get(row):
            self._drop(row)
            keep = self._moving != row
            self._moving, self._track = self._moving[keep], self._track[:, keep]
        super().remove(row)

    def stuck(self, now_s: float) -> list[int]:
        """Also takes off the road whoever of SUMO's has stood for minutes, away from the ego; at most one a time."""
        found = super().stuck(now_s)
        if found or self._steps % 400 or not len(self._rows):
            return found
        own, numbers = self.numbers[-1], self.numbers[self._rows]
        away = np.hypot(numbers[:, X] - own[X], numbers[:, Y] - own[Y]) > STUCK_AWAY_M
        long = self._rows[away & (self._poses.standing_s[self._rows] > STUCK_S)]
        if not len(long):
            return []
        self.remove(int(long[0]))
        return [int(long[0])]

    def close(self) -> None:
        """End SUMO; the next world of this process does it too."""
        self.simulation.close()

    def _start(self) -> None:
        ego = self.numbers[-1]
        outline = np.array([ego[X], ego[Y], ego[YAW]])
        for _ in range(WARM_UP_STEPS):
            self._fill(outline, FIRST_M)
            self._play(0.0, outline, 0.0, 0.0)
        self._show_end()

    def _play(self, now_s: float, ego: Floats, ego_speed_mps: float, ahead_s: float) -> None:
        """One step of SUMO, with the ego where it will be at its end."""
        simulation, x, y, yaw = self.simulation, float(ego[0]), float(ego[1]), float(ego[2])
        far = ego_speed_mps * ahead_s + 0.5 * float(self.numbers[-1, LENGTH])
        simulation.move(EGO, EGO, self._edge, x + far * math.cos(yaw), y + far * math.sin(yaw), yaw, ego_speed_mps)
        for one in self._neighbours.around(x, y, self.numbers, self.flags, SUMO_STEP_S):
            if one.near:
                simulation.move(one.name, one.kind, self._edge, one.x_m, one.y_m, one.yaw_rad, one.speed_mps)
            else:
                simulation.release(one.name)
        self._lights.push(simulation, now_s)
        self._poses.take(simulation.step(), self._row_of)
        self._sumo_steps += 1
        self._forget_gone()
        if self._sumo_steps % FILL_STEPS == 0:
            self._call_back(x, y)
            self._fill(ego, NEAREST_M)
        if self._sumo_steps % LOOK_STEPS == 0:
            self._lengthen()

    def _show_end(self) -> None:
        """Who is on the road, and where, at the end of SUMO's step."""
        rows, now = self._poses.end()
        shown = self._rows[self.flags[self._rows, PRESENT] == 1]
        for row in shown[~self._poses.present[shown]]:
            self._hide(int(row))
        self.flags[rows, PRESENT] = 1
        self.numbers[rows[:, None], COLUMNS] = now[:, :6]
        self.flags[rows, BRAKING] = now[:, 6].astype(np.int64)
        self.outlines[rows, :3] = now[:, :3]

    def _hide(self, row: int) -> None:
        Traffic.remove(self, row)

    def _forget_gone(self) -> None:
        """Free the places of those that found no room or have arrived."""
        for name in [name for name, row in self._row_of.items() if not self._poses.present[row]]:
            self._names[self._row_of.pop(name)] = ""

    def _call_back(self, x: float, y: float) -> None:
        for row in self._rows:
            if self._names[int(row)] and self._poses.away(int(row), x, y) > GONE_M:
                self._drop(int(row))

    def _drop(self, row: int) -> None:
        """Out of SUMO; from the road with SUMO's next step."""
        name, self._names[row] = self._names[row], ""
        self._row_of.pop(name, None)
        self.simulation.remove(name)
        self._poses.drop(row)

    def _fill(self, ego: Floats, nearest_m: float) -> None:
        """Put in those who are missing, where there is room."""
        missing = [row for row, name in self._names.items() if not name]
        starts = self._streets.starts
        if not missing or not len(starts.s_m):
            return
        away = np.hypot(starts.x_m - ego[0], starts.y_m - ego[1])
        fits = (away > nearest_m) & (away < FARTHEST_M)
        if not fits.any():
            # A small map, or one whose streets are elsewhere: the nearest that are out of the way.
            fits = away > min(nearest_m, 0.6 * float(away.max()))
        present = np.flatnonzero(self.flags[:-1, PRESENT] == 1)
        taken = [self.numbers[present][:, [X, Y]], self._poses.places(), np.asarray(ego[:2])[None]]
        others = np.concatenate(taken)
        for row in missing:
            room = ROOM_M + self._poses.lengths[row]
            for _ in range(4):
                free = np.flatnonzero(fits)
                if not len(free):
                    return
                k = int(free[int(self._rng.integers(len(free)))])
                fits[np.hypot(starts.x_m - starts.x_m[k], starts.y_m - starts.y_m[k]) < room] = False
                apart = np.hypot(others[:, 0] - starts.x_m[k], others[:, 1] - starts.y_m[k])
                if len(apart) == 0 or float(apart.min()) > room:
                    self._add(row, k)
                    break

    def _add(self, row: int, k: int) -> None:
        edge, lane = self._streets.lanes[int(self._streets.starts.lane[k])]
        actor = self._users[row].actor
        assert isinstance(actor.motion, Drive)
        slow = actor.kind == "cyclist"
        self._made += 1
        name = f"{actor.id}.{self._made}"
        route = self._streets.route(edge, ROUTE_M, self._rng)
        most = max(1.0, actor.motion.speed_mps) if slow else FREE_DRIVER_MPS
        self._names[row], self._row_of[name] = name, row
        self.simulation.add(name, actor.kind, route, lane, float(self._streets.starts.s_m[k]), most)

    def _lengthen(self) -> None:
        for name in self._row_of:
            ending = self.simulation.extend(name, LEAST_EDGES)
            if ending is not None:
                onward = self._streets.route(ending[0], ROUTE_M, self._rng)[1:]
                if onward:
                    self.simulation.lengthen(name, onward)


def _without(scenario: Scenario, rows: set[int]) -> Scenario:
    """The scenario with nobody in those rows: they stand, and are taken off the road at once."""
    actors = tuple(
        msgspec.structs.replace(actor, on="", s_m=scenario.ego_s_m, d_m=0.0, motion=Stand()) if row in rows else actor
        for row, actor in enumerate(scenario.actors)
    )
    used = {actor.on for actor in actors}
    return msgspec.structs.replace(
        scenario, actors=actors, paths=tuple(path for path in scenario.paths if path.name in used)
    )
