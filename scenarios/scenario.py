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
}
"""Every kind that the world can draw. A pedestrian's height is multiplied by ``Actor.scale``."""


class Trigger(msgspec.Struct, frozen=True):
    """When a script starts: after ``after_s``, once the ego's centre is within ``ego_within_m`` of the actor's."""

    ego_within_m: float = math.inf
    after_s: float = 0.0


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


class Drive(msgspec.Struct, frozen=True, tag="drive"):
    """Follows its lane at ``speed_mps`` behind whoever is ahead (intelligent driver model), from the trigger on."""

    speed_mps: float
    trigger: Trigger = Trigger()


Motion = Union[Stand, Walk, Drive]


class Actor(msgspec.Struct, frozen=True, kw_only=True):
    """One scripted road user at (s, d) on the road; ``heading_rad`` is relative to it (pi: oncoming)."""

    id: int
    kind: str
    s_m: float
    d_m: float
    heading_rad: float = 0.0
    motion: Motion = Stand()
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
    road: Road = Road()
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
    parameters: dict[str, float] = {}
    """What the seed drew, by name: for tables and reports."""

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
