"""What the embedded world tells sensors other than cameras: a mixin of ``World``, so that the world stays small.

Decides how a scenario's surroundings and weather reach the physics in this package.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable
from typing import TYPE_CHECKING, Protocol

import numpy as np

from operators.messages import EgoState, PointCloud, RadarReturns
from operators.sensors.models import LidarModel, RadarModel
from scenarios.scenario import Scenario
from scenarios.world.roads import Road

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from scenarios.sensors.lidar import GroundHeight, Scanner, Standing
    from scenarios.sensors.solids import Solids
    from scenarios.world.traffic.agents import RoadUser

DOWNPOUR_MMPH = 50.0
"""What ``Weather.rain`` = 1 means."""


class Users(Protocol):
    """The road users that are on the road now."""

    @property
    def items(self) -> list[RoadUser]: ...


class Hiding(Protocol):
    """Outlines, (n, 5), and heights, (n,), of the houses around a place."""

    def near(self, x_m: float, y_m: float) -> tuple[NDArray[np.float64], NDArray[np.float64]]: ...


class Sensed(Protocol):
    """What ``Sensing`` needs of the class that it is mixed into."""

    @property
    def scenario(self) -> Scenario: ...
    @property
    def _users(self) -> Users: ...
    @property
    def _houses(self) -> Hiding: ...
    @property
    def now_ns(self) -> int: ...
    def ego(self) -> EgoState: ...


class Sensing:
    """Adds ``scan``, ``echoes`` and ``blocked_sky`` to a world that plays a scenario."""

    _scanner: Scanner | None = None

    def scan(self: Sensed, model: LidarModel, rng: np.random.Generator) -> PointCloud:
        """The sweep of a LiDAR that ends now; the scenario's weather is in it."""
        rain_mmph, visibility_m = weather_of(self.scenario)
        return scanner_of(self).scan(
            model,
            self.ego(),
            self._users.items,
            rng,
            captured_ns=self.now_ns,
            rain_mmph=rain_mmph,
            visibility_m=visibility_m,
        )

    def echoes(self: Sensed, model: RadarModel, rng: np.random.Generator) -> RadarReturns:
        """What one cycle of a radar finds now."""
        from scenarios.sensors.radar import cycle

        return cycle(
            model,
            self.ego(),
            self._users.items,
            self._houses.near(self.ego().x_m, self.ego().y_m),
            rng,
            captured_ns=self.now_ns,
        )

    def blocked_sky(self: Sensed, x_m: float, y_m: float, z_m: float) -> float:
        """Share of the sky that houses hide from a point of the map, in [0, 1]."""
        from scenarios.sensors.sky import blocked

        return float(blocked(np.array([x_m, y_m, z_m]), *self._houses.near(x_m, y_m)))


def scanner_of(world: Sensed) -> Scanner:
    """The world's scanner, made when the first LiDAR asks."""
    from scenarios.sensors.lidar import Scanner

    known = vars(world)
    if known.get("_scanner") is None:
        known["_scanner"] = Scanner(standing_of(world.scenario), ground_of(world.scenario))
    scanner: Scanner = known["_scanner"]
    return scanner


def weather_of(scenario: Scenario) -> tuple[float, float]:
    """Rain (mm/h) and visibility (m, inf for clear air) of a scenario."""
    weather = scenario.weather
    return DOWNPOUR_MMPH * weather.rain, weather.fog_m or math.inf


def standing_of(scenario: Scenario) -> Standing:
    """A function that builds what stands still around a place."""
    from scenarios.sensors import ground, solids
    from scenarios.world.drawing.scenes import scenery_of

    things = scenery_of(scenario).things
    places = np.array([thing.pose[:2] for thing in things], np.float64).reshape(-1, 2)
    road = scenario.road
    surface: Standing = ground.plain
    if isinstance(road, Road):
        surface = functools.partial(ground.street_ground, road)
    elif scenario.map:
        from scenarios.maps import shipped

        surface = functools.partial(ground.map_ground, shipped(scenario.map))

    def standing(centre: tuple[float, float], reach_m: float) -> Solids:
        near = np.flatnonzero(np.hypot(*(places - centre).T) <= reach_m)
        upright = solids.scenery([things[k] for k in near], centre)
        return solids.joined([surface(centre, reach_m), upright])

    return standing


def ground_of(scenario: Scenario) -> GroundHeight:
    """A function that knows how high the ground is under a road user: pedestrians may stand on the pavement."""
    from scenarios.sensors.ground import KERB_M

    raised = _raised(scenario)
    return lambda user: KERB_M if user.actor.kind == "pedestrian" and raised(user.x_m, user.y_m) else 0.0


def _raised(scenario: Scenario) -> Callable[[float, float], bool]:
    road = scenario.road
    if isinstance(road, Road):
        return lambda x_m, y_m: abs(road.locate(x_m, y_m)[1]) > road.kerb_m
    if not scenario.map:
        return lambda x_m, y_m: False
    from scenarios.maps import shipped

    map_ = shipped(scenario.map)

    def on_pavement(x_m: float, y_m: float) -> bool:
        place = map_.nearest(x_m, y_m, kinds=("sidewalk",))
        return place is not None and abs(place.d_m) <= 0.5 * float(map_.lanes[place.key].width_m.max())

    return on_pavement
