"""From a family file to a scenario: who stands where, and what each does when.

Decides nothing that the file does not say; the order of draws is the order of the file (``drawing``).
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path as FilePath
from typing import Any

import msgspec
import numpy as np

from pipeline.errors import UsageError
from pipeline.located import FieldPath, Located
from pipeline.suggestions import suggest
from scenarios.library import background
from scenarios.library.drawing import Numbers, parameters
from scenarios.library.motions import motion
from scenarios.library.schema import Entry, FamilyFile, Ride
from scenarios.library.ways import Found, find, lit
from scenarios.scenario import KINDS, Actor, Lights, Path, Scenario, Weather
from scenarios.world.roads import Road, Segment

ROW_MAX = 400
FILL_MAX_M = 5000.0
CITY_COUNTS = ("cars", "trucks", "buses", "motorcycles", "cyclists", "pedestrians", "crossings")


@dataclass(frozen=True)
class Family:
    """One family file, read and checked."""

    name: str
    file: FamilyFile
    located: Located
    folder: FilePath | None = None
    """Where a user's file lies; maps are looked for beside it."""

    def scenario(self, speed_mps: float, seed: int, given: Mapping[str, float]) -> Scenario:
        """The scenario at that speed, jittered by ``seed``; ``given`` parameters replace what would be drawn."""
        if isinstance(speed_mps, bool) or not (math.isfinite(speed_mps) and 0.0 <= speed_mps <= 70.0):
            raise UsageError(f"speed {speed_mps} m/s", where=f"scenario {self.name}", hint="give 0 to 70")
        if seed < 0:
            raise UsageError(f"seed {seed}", where=f"scenario {self.name}", hint="give 0, 1, 2 …")
        salt = self.file.salt if self.file.salt is not None else sum(self.name.encode()) + 1000
        numbers = Numbers(self.located, np.random.default_rng([seed, salt]), {"speed_mps": float(speed_mps)})
        return _Builder(self, numbers, float(speed_mps), seed).build(given)


class _Builder:
    def __init__(self, family: Family, numbers: Numbers, speed_mps: float, seed: int) -> None:
        self.family, self.file, self.numbers = family, family.file, numbers
        self.speed_mps, self.seed = speed_mps, seed

    def build(self, given: Mapping[str, float]) -> Scenario:
        file, numbers = self.file, self.numbers
        if file.city is not None:
            return self._city(file.city, given)
        found = self._ways()
        numbers.names.update(found.names if found is not None else {})
        values = parameters(file.parameters, numbers, given, self.family.name)
        road = found.paths["ego"] if found is not None else self._road()
        numbers.names.update(_road_names(road))
        for name, expression in file.let.items():
            if name in numbers.names:
                raise numbers.wrong(("let", name), f"the name {name!r} is taken", "choose another")
            numbers.names[name] = numbers.value(expression, ("let", name))
        start, end = numbers.draw(file.ego.s, ("ego", "s")), numbers.draw(file.end, ("end",))
        if end <= start:
            raise numbers.wrong(("end",), f"{end:g} m lies behind the start at {start:g} m", "an ego needs a way to go")
        duration = numbers.draw(file.duration, ("duration",))
        actors, lights = self._actors(road, found), self._lights(found)
        return Scenario(
            name=self.family.name,
            title=file.title,
            duration_s=duration,
            speed_mps=self.speed_mps,
            road=lit(road, lights) if isinstance(road, Path) else road,
            map=self._map_name() if found is not None else "",
            paths=tuple(lit(path, lights) for name, path in found.paths.items() if name != "ego") if found else (),
            lights=lights,
            ego_s_m=start,
            end_s_m=end,
            actors=actors,
            width_left_m=numbers.value(file.ego.left, ("ego", "left")),
            width_right_m=numbers.value(file.ego.right, ("ego", "right")),
            scenery_seed=int(numbers.rng.integers(1 << 30)),
            scenery_s_m=self._scenery(),
            sun_azimuth_rad=numbers.value(file.sun.azimuth, ("sun", "azimuth")),
            sun_elevation_rad=numbers.value(file.sun.elevation, ("sun", "elevation")),
            sight_m=numbers.value(file.sight, ("sight",)),
            exposure=numbers.value(file.exposure, ("exposure",)),
            friction=numbers.value(file.friction, ("friction",)),
            weather=self._weather(),
            parameters=values,
        )

    def _map_name(self) -> str:
        """The map; a file beside the family's own is meant first."""
        name = self.file.map or ""
        beside = self.family.folder / name if self.family.folder is not None and name.endswith(".xodr") else None
        return str(beside) if beside is not None and beside.is_file() else name

    def _ways(self) -> Found | None:
        if self.file.map is None:
            if self.file.ways or self.file.lights is not None:
                raise self.numbers.wrong(("ways",), "ways without a map", "write map: grid")
            return None
        if self.file.road is not None:
            raise self.numbers.wrong(("map",), "a family has a map or a road, not both")
        if "ego" not in self.file.ways:
            raise self.numbers.wrong(("ways",), "there is no way named ego", "write ways: {ego: {…}}")
        try:
            return find(self._map_name(), tuple(self.file.ways.items()))
        except UsageError as error:
            raise self.numbers.wrong(("ways",), str(error)) from None

    def _lights(self, found: Found | None) -> tuple[Lights, ...]:
        shape = self.file.lights
        if shape is None or found is None:
            return ()
        seconds = {
            name: self.numbers.value(getattr(shape, name), ("lights", name))
            for name in ("green", "others", "amber", "all_red", "offset")
        }
        return found.programmes(
            shape.first,
            green_s=seconds["green"],
            others_s=seconds["others"],
            amber_s=seconds["amber"],
            all_red_s=seconds["all_red"],
            offset_s=seconds["offset"],
        )

    def _city(self, ride: Ride, given: Mapping[str, float]) -> Scenario:
        from scenarios.city import city

        values = parameters(self.file.parameters, self.numbers, given, self.family.name)
        length = self.numbers.value(ride.length, ("city", "length"))
        options: dict[str, Any] = {}
        for name, value in ride.with_.items():
            path: FieldPath = ("city", "with", name)
            if name not in CITY_COUNTS and name != "hidden_share":
                raise self.numbers.wrong(path, "is no option of a city", suggest(name, CITY_COUNTS, "use one of"))
            number = self.numbers.value(value, path)
            options[name] = number if name == "hidden_share" else round(number)
        made: Scenario = city(
            ride.map,
            seed=self.seed,
            length_m=length,
            speed_mps=self.speed_mps,
            duration_s=self.numbers.draw(self.file.duration, ("duration",)),
            weather=self._weather(),
            **options,
        )
        return msgspec.structs.replace(made, name=self.family.name, title=self.file.title, parameters=values)

    def _road(self) -> Road:
        shape, value = self.file.road, self.numbers.value
        if shape is None:
            raise self.numbers.wrong((), "the family has no road", "write road: {pieces: [{length: 300}]}")
        pieces = []
        for k, piece in enumerate(shape.pieces):
            path: FieldPath = ("road", "pieces", k)
            length, curvature = value(piece.length, (*path, "length")), value(piece.curvature, (*path, "curvature"))
            if not 0.0 < length <= 1e5:
                raise self.numbers.wrong((*path, "length"), f"{length:g} m is no length of a piece of road")
            pieces.append(Segment(length, curvature))
        return Road(
            segments=tuple(pieces),
            lane_width_m=value(shape.lane_width, ("road", "lane_width")),
            parking_m=value(shape.parking, ("road", "parking")),
            pavement_m=value(shape.pavement, ("road", "pavement")),
            speed_limit_mps=value(shape.limit, ("road", "limit")),
        )

    def _scenery(self) -> tuple[float, float] | None:
        span = self.file.scenery
        if span is None:
            return None
        return self.numbers.value(span[0], ("scenery", 0)), self.numbers.value(span[1], ("scenery", 1))

    def _weather(self) -> Weather:
        known = {field.name: field.type for field in msgspec.structs.fields(Weather)}
        values: dict[str, Any] = {}
        for name, value in self.file.weather.items():
            if name not in known:
                raise self.numbers.wrong(("weather", name), "is not part of the weather", suggest(name, known))
            values[name] = value if isinstance(value, bool) else self.numbers.value(value, ("weather", name))
        try:
            return msgspec.convert(values, Weather)
        except msgspec.ValidationError as error:
            raise self.numbers.wrong(("weather",), str(error)) from None

    def _actors(self, road: Road | Path, found: Found | None) -> tuple[Actor, ...]:
        scene = background.Scene(road, self.speed_mps, self.numbers.rng)
        for name, entry in self.file.actors.items():
            path: FieldPath = ("actors", name)
            if entry.fill is not None:
                scene.actors += self._filled(scene, entry, path)
            elif entry.on and (found is None or entry.on not in found.paths):
                known = found.paths if found is not None else ()
                raise self.numbers.wrong((*path, "on"), f"there is no way {entry.on!r}", suggest(entry.on, known))
            else:
                scene.actors += self._row(scene, entry, path)
        return tuple(scene.actors)

    def _filled(self, scene: background.Scene, entry: Entry, path: FieldPath) -> list[Actor]:
        assert entry.fill is not None
        if entry.fill not in background.FILLS:
            hint = suggest(entry.fill, background.FILLS)
            raise self.numbers.wrong((*path, "fill"), f"unknown fill-in {entry.fill!r}", hint)
        if not isinstance(scene.road, Road):
            raise self.numbers.wrong(
                (*path, "fill"), f"{entry.fill} needs a street", "on a map, place road users on ways"
            )
        fill, defaults = background.FILLS[entry.fill]
        options = dict(defaults)
        for name, value in entry.with_.items():
            if name not in defaults:
                hint = suggest(name, defaults)
                raise self.numbers.wrong((*path, "with", name), f"is no option of {entry.fill}", hint)
            options[name] = self.numbers.value(value, (*path, "with", name))
        if max(options.get(name, 0.0) for name in ("count", "cars", "people")) > ROW_MAX:
            raise self.numbers.wrong((*path, "with"), f"more than {ROW_MAX} road users")
        if options.get("to", 0.0) - options.get("from", 0.0) > FILL_MAX_M:
            raise self.numbers.wrong((*path, "with"), f"a row longer than {FILL_MAX_M:g} m")
        return fill(scene, options)

    def _row(self, scene: background.Scene, entry: Entry, path: FieldPath) -> list[Actor]:
        columns = entry.each or {}
        lengths = {len(column) for column in columns.values()}
        if len(lengths) > 1:
            raise self.numbers.wrong((*path, "each"), "the columns have different lengths")
        count = lengths.pop() if lengths else 1
        if entry.repeat is not None:
            count = int(self.numbers.value(entry.repeat, (*path, "repeat")))
        if not 0 <= count <= ROW_MAX:
            raise self.numbers.wrong(path, f"{count} road users in a row", f"at most {ROW_MAX}")
        first = entry.id if entry.id is not None else scene.next_id()
        rows = []
        for k in range(count):
            row = {name: self.numbers.value(cells[k], (*path, "each", name, k)) for name, cells in columns.items()}
            rows.append(self._actor(entry, first + k, k, self.numbers.inside({"k": float(k), **row}), path))
        return rows

    def _actor(self, entry: Entry, number: int, row: int, numbers: Numbers, path: FieldPath) -> Actor:
        """Fields in the order of the file, since each may draw; ``s`` and ``d`` are names for those after them."""
        found: dict[str, Any] = {}
        for name in _at(self.family.located.value, path):
            inside: FieldPath = (*path, name)
            if name in ("s", "d", "heading", "scale"):
                value = numbers.draw(getattr(entry, name), inside)
                found[_FIELDS[name]] = numbers.names[name] = value
            elif name == "kind":
                found["kind"] = self._kind(entry.kind, inside, row)
            elif name in ("colour", "second_colour"):
                found[name] = numbers.colour(getattr(entry, name), inside, row)
            elif name in ("stand", "walk", "drive"):
                if "motion" in found:
                    raise numbers.wrong(inside, "is a second motion", "choose one of stand, walk, drive")
                found["motion"] = motion(getattr(entry, name), numbers, inside)
        if "kind" not in found:
            raise numbers.wrong(path, "has no kind", f"use one of {', '.join(sorted(KINDS))}")
        found.setdefault("s_m", 0.0)
        found.setdefault("d_m", 0.0)
        return Actor(id=number, on="" if entry.on == "ego" else entry.on, **found)

    def _kind(self, value: Any, path: FieldPath, row: int) -> str:
        if isinstance(value, dict) and set(value) == {"choice"} and isinstance(value["choice"], list):
            value = self.numbers.one_of(value["choice"], (*path, "choice"))
        elif isinstance(value, list) and value:
            value = value[row % len(value)]
        if not isinstance(value, str) or value not in KINDS:
            raise self.numbers.wrong(
                path, f"unknown kind of road user {value!r}", suggest(str(value), KINDS, "use one of")
            )
        return value


_FIELDS = {"s": "s_m", "d": "d_m", "heading": "heading_rad", "scale": "scale"}


def _at(value: Any, path: FieldPath) -> Any:
    for part in path:
        value = value[part]
    return value


def _road_names(road: Road | Path) -> dict[str, float]:
    if isinstance(road, Path):
        return {}
    return {
        "lane_m": road.lane_width_m,
        "own_lane_m": road.own_lane_m,
        "kerb_m": road.kerb_m,
        "parking_m": road.parking_m,
        "pavement_m": road.pavement_m,
        "road_m": road.length_m,
    }
