"""What a family file may say: its fields and their types. See README.md for what they mean.

Decides the shape only: what the numbers are is drawn in ``drawing``, what they become in ``building``.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal, Union

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field


def _plain(value: Any) -> Any:
    if isinstance(value, bool) or not isinstance(value, (int, float, str, dict)):
        raise ValueError("must be a number or an expression")
    return value


Expression = Annotated[Union[float, str], BeforeValidator(_plain)]
"""A number or arithmetic over names, such as ``116.2 - 5 * speed_mps``."""


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True)


class Drawn(_Strict):
    """(``value`` + what is drawn) * ``times``: drawn uniformly, normally with that deviation, or one of a choice."""

    value: Expression = 0.0
    uniform: tuple[Expression, Expression] | None = None
    normal: Expression | None = None
    choice: list[Expression] | None = None
    times: Expression = 1.0


class Parameter(Drawn):
    """A number that the seed draws and the caller may set; outside of ``range`` it is refused."""

    unit: str = ""
    range: tuple[float, float] | None = None
    about: str = ""


def _drawn(value: Any) -> Any:
    return value if isinstance(value, dict) else {"value": value}


Quantity = Annotated[Drawn, BeforeValidator(_drawn)]
"""An expression, or a mapping that says what is drawn."""
FIXED_0, FIXED_1 = Drawn(), Drawn(value=1.0)
Point = tuple[Expression, Expression]


class RoadPiece(_Strict):
    """A straight or an arc (1/m; positive bends left)."""

    length: Expression
    curvature: Expression = 0.0


class RoadShape(_Strict):
    """A street's reference line and cross-section."""

    pieces: list[RoadPiece] = Field(min_length=1, max_length=200)
    lane_width: Expression = 3.5
    parking: Expression = 2.6
    pavement: Expression = 3.2
    limit: Expression = 13.9


class WayShape(_Strict):
    """A way through a map: over a junction in words, or ``through`` points (x, y) by the shortest route."""

    junction: str = "centre"
    from_: Literal["south", "west", "north", "east"] = Field("south", alias="from")
    turn: Literal["straight", "left", "right"] = "straight"
    before: float = Field(100.0, gt=0.0, le=5000.0)
    after: float = Field(120.0, gt=0.0, le=5000.0)
    lane: int = Field(0, ge=0, le=9)
    """Which of several lanes that allow the turn, counted from the right."""
    through: tuple[tuple[float, float], ...] = Field((), max_length=100)


class Start(_Strict):
    """Where the ego starts, and how far beside the lane's centre it may go."""

    s: Quantity = FIXED_0
    left: Expression = 1.5
    right: Expression = 1.0


class When(_Strict):
    """When a script starts: as soon as all that is said holds at once (``scenario.Trigger``)."""

    ego_within: Expression | None = None
    after: Expression | None = None
    ego_arrives_in: Expression | None = None
    arrival: Expression | None = None
    ego_station: Expression | None = None
    light: str = ""
    state: Literal["green", "amber", "red"] = "green"
    delay: Expression = 0.0


class Walking(_Strict):
    """Waits for the trigger, walks through ``path``; any kind may, also a car out of an alley."""

    path: list[Point] = Field(min_length=1, max_length=100)
    speed: Quantity = Drawn(value=1.4)
    pause: Quantity = FIXED_0
    accel: Quantity = Drawn(value=8.0)
    trigger: When = When()
    minds: bool = False
    loop: bool = False


class Changing(_Strict):
    """What a driver does once: from the trigger on another speed, another place across the road, or both."""

    trigger: When = When()
    speed: Expression | None = None
    accel: Expression | None = None
    d: Expression | None = None
    over: Expression = 3.0


class Driving(_Strict):
    """Follows its lane; see ``scenario.Drive`` for who obeys and minds what."""

    speed: Quantity
    trigger: When = When()
    changes: list[Changing] = []
    obeys: bool = True
    minds: bool = True
    changes_lanes: bool = False
    start: Expression | None = None
    headway: Expression | None = None
    at_end: Literal["leave", "stop"] = "leave"


class Standing(_Strict):
    """Does not move."""

    brake_lights: bool = False


class Entry(_Strict):
    """One road user, a row of them (``repeat``, ``each``) or a fill-in. Draws happen in the order of the fields."""

    fill: str | None = None
    with_: dict[str, Expression] = Field({}, alias="with")
    id: int | None = None
    repeat: Expression | None = None
    each: dict[str, list[Expression]] | None = None
    kind: Any = None
    s: Quantity = FIXED_0
    d: Quantity = FIXED_0
    heading: Quantity = FIXED_0
    on: str = ""
    scale: Quantity = FIXED_1
    colour: Any = None
    second_colour: Any = None
    stand: Standing | None = None
    walk: Walking | None = None
    drive: Driving | None = None


class Speeds(_Strict):
    """Speed that the family is made for, and the highest at which whoever brakes at once is safe."""

    default: float = 12.0
    top: float = 12.0


class Sun(_Strict):
    """Where the sun stands (rad)."""

    azimuth: Expression = 2.4
    elevation: Expression = 0.85


class Expected(_Strict):
    """What must come of it: of a car that never reacts, and of one that sees all and brakes at once."""

    never_brakes: Literal["collides", "passes", "any"] = "collides"
    brakes_at_once: Literal["avoids", "any"] = "avoids"
    stops_for: str | None = None


class LightShape(_Strict):
    """Programmes of all junctions on the ways: the group of the way ``first`` has green first, then the others."""

    first: str = "ego"
    green: Expression = 20.0
    others: Expression = 20.0
    amber: Expression = 3.0
    all_red: Expression = 2.0
    offset: Expression = 0.0


class Ride(_Strict):
    """A random route through a map, with traffic."""

    map: str
    length: Expression
    with_: dict[str, Expression] = Field({}, alias="with")


class FamilyFile(_Strict):
    """A whole file."""

    title: str
    source: str
    duration: Quantity
    salt: int | None = Field(None, ge=0)
    speed: Speeds = Speeds()
    road: RoadShape | None = None
    map: str | None = None
    ways: dict[str, WayShape] = {}
    lights: LightShape | None = None
    city: Ride | None = None
    parameters: dict[str, Annotated[Parameter, BeforeValidator(_drawn)]] = {}
    let: dict[str, Expression] = {}
    ego: Start = Start()
    end: Quantity = Drawn(value=300.0)
    scenery: tuple[Expression, Expression] | None = None
    sun: Sun = Sun()
    weather: dict[str, Union[bool, Expression]] = {}
    sight: Expression = 520.0
    exposure: Expression = 1.0
    friction: Expression = 1.0
    actors: dict[str, Entry] = {}
    checks: Expected = Expected()
