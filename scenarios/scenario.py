"""What a scenario is: data. A road, the ego's start, the road users with their scripts, and the seed of the scenery.

Decides nothing at run time: ``world.World`` plays it.
"""

from __future__ import annotations

import math
from typing import NamedTuple, Union

import msgspec

from pipeline.errors import UsageError
from scenarios.world.roads import Road

Colour = tuple[int, int, int]


class Kind(NamedTuple):
    """A kind of road user: its detector label and its outline (m)."""

    label: str
    length_m: float
    width_m: float
    height_m: float


KINDS: dict[str, Kind] = {
    "car": Kind("vehicle", 4.5, 1.82, 1.45),
    "estate": Kind("vehicle", 4.75, 1.84, 1.5),
    "mini": Kind("vehicle", 3.7, 1.66, 1.42),
    "suv": Kind("vehicle", 4.6, 1.9, 1.72),
    "van": Kind("vehicle", 5.1, 1.95, 2.15),
    "truck": Kind("vehicle", 8.6, 2.5, 3.5),
    "motorcycle": Kind("vehicle", 2.1, 0.75, 1.6),
    "pedestrian": Kind("pedestrian", 0.5, 0.6, 1.75),
    "cyclist": Kind("vehicle", 1.8, 0.65, 1.75),
    "bus": Kind("vehicle", 12.0, 2.55, 3.2),
    "trailer": Kind("vehicle", 16.0, 2.55, 4.0),
    "debris": Kind("object", 0.9, 0.8, 0.6),
    "tyre": Kind("object", 0.7, 0.7, 0.22),
    "cone": Kind("object", 0.36, 0.36, 0.75),
    "barrier": Kind("object", 0.5, 2.4, 1.05),
}
"""Every kind that the world can draw. A pedestrian's height is multiplied by ``Actor.scale``."""


class Trigger(msgspec.Struct, frozen=True):
    """When a script starts: as soon as all of this holds at once. ``Trigger()`` starts at once."""

    ego_within_m: float = math.inf
    """The ego's centre is within this of the actor's."""
    after_s: float = 0.0
    """So much time has passed."""
    ego_arrives_in_s: float = math.inf
    """At its present speed the ego reaches station ``arrival_s_m`` of its road within this time."""
    arrival_s_m: float | None = None
    """None: where the actor stands, projected onto the ego's road."""
    ego_station_m: float = -math.inf
    """The ego's centre has passed this station of its road."""
    light: str = ""
    light_state: str = "green"
    """The light of this name shows this state."""
    delay_s: float = 0.0
    """From when all held for the first time to the start of the script."""


class Stand(msgspec.Struct, frozen=True, tag="stand"):
    """Does not move. ``brake_lights`` for a car that waits in a queue."""

    brake_lights: bool = False


class Walk(msgspec.Struct, frozen=True, tag="walk"):
    """Waits for the trigger, then walks through ``path`` (points s, d on the road) and stops at its end.

    ``pause_s`` is spent at the path's first point: somebody who freezes in front of a car.
    """

    path: tuple[tuple[float, float], ...]
    speed_mps: float = 1.4
    trigger: Trigger = Trigger()
    accel_mps2: float = 8.0
    pause_s: float = 0.0
    minds: bool = False
    """Looks before every leg of the path, and steps onto it when no vehicle gets there meanwhile."""
    loop: bool = False
    """From the last point back to the first, over and over."""


class Change(msgspec.Struct, frozen=True):
    """A step of a driver's script: from the trigger on another speed, another place across the road, or both."""

    trigger: Trigger = Trigger()
    speed_mps: float | None = None
    accel_mps2: float | None = None
    """Rate at which the speed changes; None: as the driver would."""
    d_m: float | None = None
    """New distance to the left of the actor's path (``Actor.d_m`` is the first)."""
    over_s: float = 3.0
    """How long moving across takes."""


class Drive(msgspec.Struct, frozen=True, tag="drive"):
    """Follows its lane at ``speed_mps`` behind whoever is ahead (intelligent driver model), from the trigger on.

    On a path it also keeps to the limits, slows down for bends, waits at lights, stop and yield lines, gives way where
    paths cross and merge, and keeps junctions clear.
    """

    speed_mps: float
    trigger: Trigger = Trigger()
    changes: tuple[Change, ...] = ()
    """What the driver does later, one after the other."""
    obeys: bool = True
    """Limits, lights, stop and yield lines and the right of way; False: drives through."""
    minds: bool = True
    """Keeps its distance to whoever is ahead; False: drives into them."""
    changes_lanes: bool = False
    """To a parallel path, when that is faster and safe (MOBIL)."""
    start_mps: float | None = None
    """Speed before the trigger fires; None: ``speed_mps`` with ``Trigger()``, standing otherwise."""
    headway_s: float | None = None
    """Time gap to whoever is ahead; None: as its kind drives."""
    at_end: str = "leave"
    """At the end of an open path: ``leave`` the road, or ``stop``. A path that ends where it begins is a circuit."""


Motion = Union[Stand, Walk, Drive]


class PathStop(msgspec.Struct, frozen=True):
    """A line on a path: kind ``light``, ``stop`` or ``yield``; ``clear_m``: how far beyond it the junction ends."""

    s_m: float
    kind: str
    light: str = ""
    clear_m: float = 0.0


class Path(msgspec.Struct, frozen=True, kw_only=True):
    """A way through a map, such as a lane and those that follow it: ``points_m`` (x, y), at most 2 m apart."""

    name: str
    points_m: tuple[tuple[float, float], ...]
    limits: tuple[tuple[float, float], ...] = ((0.0, 13.9),)
    """(from this station on, limit in m/s), ascending."""
    stops: tuple[PathStop, ...] = ()


class Phase(msgspec.Struct, frozen=True):
    """A part of a light programme: for ``length_s`` these lights are green, then amber; all others are red.

    ``all_red_s``: how long all are red after that.
    """

    length_s: float
    green: tuple[str, ...]
    amber_s: float = 3.0
    all_red_s: float = 0.0


class Lights(msgspec.Struct, frozen=True):
    """The programme of one junction: its phases over and over, begun ``offset_s`` before the start."""

    phases: tuple[Phase, ...]
    offset_s: float = 0.0


class Weather(msgspec.Struct, frozen=True, kw_only=True):
    """Light and weather as the camera has them; the defaults are a clear day. Shares lie in [0, 1]."""

    night: float = 0.0
    """0 by day, 0.5 at dusk, 1 at night; from 0.3 on headlights, street lamps and windows are lit."""
    clouds: float = 0.0
    """Share of the sun that clouds keep back."""
    rain: float = 0.0
    """From none to a downpour. Rain wets the ground and greys the sky."""
    wetness: float = 0.0
    """How wet the ground is, if it is wetter than the rain makes it."""
    fog_m: float = 0.0
    """Visibility: where 5 % of the contrast is left (Koschmieder); 0 for no fog."""
    blur_s: float = 0.0
    """Exposure time: what moves against the camera smears over it."""
    auto_exposure: bool = False
    """Whether the camera brings the picture's mean to mid-grey; it multiplies ``Scenario.exposure``."""
    grain: float = 0.0
    """Standard deviation of sensor noise, in display values at mid-grey."""
    shadow_map: bool = False
    """Whether shadows fall on walls, trees and road users too, and not on the ground alone."""

    def __post_init__(self) -> None:
        shares = {name: getattr(self, name) for name in ("night", "clouds", "rain", "wetness")}
        sizes = {name: getattr(self, name) for name in ("fog_m", "blur_s", "grain")}
        for name, value in (*shares.items(), *sizes.items()):
            if not 0.0 <= value <= (1.0 if name in shares else 1e6):
                raise UsageError(
                    f"{name} is {value}",
                    where="weather of a scenario",
                    hint="give a share from 0 to 1" if name in shares else "give a finite number, 0 for none",
                )


class Actor(msgspec.Struct, frozen=True, kw_only=True):
    """One scripted road user at (s, d) on the road; ``heading_rad`` is relative to it (pi: oncoming)."""

    id: int
    kind: str
    s_m: float
    d_m: float
    heading_rad: float = 0.0
    motion: Motion = Stand()
    on: str = ""
    """The path that s and d are on; empty: the ego's road."""
    scale: float = 1.0
    colour: Colour = (150, 150, 155)
    """Paint, or a pedestrian's coat."""
    second_colour: Colour = (50, 55, 75)
    """A truck's cab, or a pedestrian's trousers."""


class Scenario(msgspec.Struct, frozen=True, kw_only=True):
    """Everything that ``World`` needs besides the run's seed. Stations are on the road's reference line."""

    name: str
    title: str
    duration_s: float
    speed_mps: float
    """The ego's speed at the start."""
    actors: tuple[Actor, ...]
    road: Road | Path = Road()
    """What the ego follows: a street with everything beside it, or a way through ``map``."""
    map: str = ""
    """Name of a shipped map, or an OpenDRIVE file; empty for a street."""
    paths: tuple[Path, ...] = ()
    """Ways of the other road users through the map."""
    lights: tuple[Lights, ...] = ()
    ego_s_m: float = 0.0
    end_s_m: float = 300.0
    """The drive is complete when the ego passes this station."""
    width_left_m: float = 1.5
    width_right_m: float = 1.0
    scenery_seed: int = 0
    scenery_s_m: tuple[float, float] | None = None
    """From where to where houses and trees stand; None: from behind the ego to beyond the end station."""
    sun_azimuth_rad: float = 2.4
    """Where the sun stands, counter-clockwise from the road's x axis."""
    sun_elevation_rad: float = 0.85
    sight_m: float = 520.0
    """Distance at which haze and object are half and half."""
    exposure: float = 1.0
    weather: Weather = Weather()
    ego_model: str = "dynamic"
    """How the ego moves: ``dynamic`` (bicycle with tyres) or ``kinematic`` (without slip; cheap)."""
    friction: float = 1.0
    """Factor on the friction of dry asphalt; the weather's wetness comes on top."""
    stop_on_collision: bool = True
    """A contact ends the drive; False: the other is taken off the road and the drive goes on."""
    parameters: dict[str, float] = {}
    """What the seed drew, by name: for tables and reports."""

    def grip(self) -> float:
        """Factor on the friction of dry asphalt: a wet road has six tenths of it (ETRMA, Wet grip grading)."""
        return self.friction * (1.0 - 0.4 * max(self.weather.wetness, self.weather.rain))

    def scenery_span(self) -> tuple[float, float]:
        """First and last station of houses and trees."""
        return self.scenery_s_m or (self.ego_s_m - 30.0, self.end_s_m + 260.0)

    def __post_init__(self) -> None:
        seen: set[int] = set()
        for actor in self.actors:
            if actor.kind not in KINDS:
                raise UsageError(
                    f"unknown kind of road user {actor.kind!r}",
                    where=f"scenario {self.name}, actor {actor.id}",
                    hint=f"use one of {', '.join(sorted(KINDS))}",
                )
            if actor.id in seen or not 0 < actor.id < 1000:
                raise UsageError(
                    f"actor id {actor.id} is out of range or used twice",
                    where=f"scenario {self.name}",
                    hint="number the actors 1, 2, 3 … (below 1000)",
                )
            seen.add(actor.id)
        if not (self.duration_s > 0.0 and self.speed_mps >= 0.0):
            raise UsageError(
                f"duration {self.duration_s} s and speed {self.speed_mps} m/s make no scenario",
                where=f"scenario {self.name}",
                hint="duration must be positive, speed not negative",
            )
