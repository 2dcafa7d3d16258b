"""Our scenarios as OpenSCENARIO 1.1, with the street as OpenDRIVE beside it (a map's own file is copied).

What OpenSCENARIO cannot say is named in ``Exported.left_out``, never dropped silently.
"""

from __future__ import annotations

import math
import shutil
from dataclasses import dataclass
from pathlib import Path as FilePath

from pipeline.errors import UsageError
from scenarios.maps.writing import tag
from scenarios.openscenario.cast import Cast
from scenarios.openscenario.streets import street_map
from scenarios.openscenario.telling import story
from scenarios.scenario import Lights, Scenario
from scenarios.world.roads import Road

DATE = "2024-01-01T00:00:00"
TOLERANCE_M = 2.0
CLOUD_STATES = ((0.3, "free"), (0.7, "cloudy"), (2.0, "overcast"))
DOWNPOUR_MMPH = 50.0


@dataclass(frozen=True)
class Exported:
    """The files, and one line for each thing that OpenSCENARIO cannot say."""

    scenario: FilePath
    map: FilePath
    left_out: tuple[str, ...] = ()


def write_openscenario(scenario: Scenario, file: str | FilePath) -> Exported:
    """Write ``file`` (.xosc) and its map (.xodr) into the same folder. Raises UsageError where that cannot be done."""
    target = FilePath(file)
    if target.suffix != ".xosc":
        raise UsageError(f"{target.name!r} is no .xosc file", where="export", hint="write -o NAME.xosc")
    map_file = target.with_suffix(".xodr")
    cast = Cast(scenario)
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        if isinstance(scenario.road, Road):
            map_file.write_text(street_map(scenario.road, scenario.name), encoding="utf-8")
        else:
            shutil.copyfile(_map_path(scenario.map), map_file)
        target.write_text(_document(scenario, cast, map_file.name), encoding="utf-8")
    except OSError as error:
        raise UsageError(
            f"cannot be written: {error.strerror}", where=str(target), hint="choose another folder"
        ) from None
    return Exported(target, map_file, tuple(cast.left_out))


def _map_path(name: str) -> FilePath:
    from scenarios import maps

    folder = FilePath(str(maps.__file__)).parent
    return folder / f"{name}.xodr" if name in maps.NAMES else FilePath(name)


def _document(scenario: Scenario, cast: Cast, map_name: str) -> str:
    network = tag("RoadNetwork", tag("LogicFile", filepath=map_name), *_signals(scenario))
    header = tag("FileHeader", revMajor="1", revMinor="1", date=DATE, description=scenario.title, author="skylane")
    actions = tag("Actions", *_environment(scenario), *cast.init())
    board = tag("Storyboard", tag("Init", actions), story(scenario, cast), _stop(scenario, cast))
    body = [
        header, tag("ParameterDeclarations"), tag("CatalogLocations"), network,
        tag("Entities", *(one + "\n" for one in cast.entities())), board,
    ]  # fmt: skip
    head = '<?xml version="1.0" encoding="UTF-8"?>'
    return "\n".join([head, tag("OpenSCENARIO", *(one + "\n" for one in body)), ""])


def _stop(scenario: Scenario, cast: Cast) -> str:
    time = tag("SimulationTimeCondition", rule="greaterThan", value=scenario.duration_s)
    over = tag("Condition", tag("ByValueCondition", time), name="over", delay="0", conditionEdge="none")
    end = tag("ReachPositionCondition", cast.at_station(scenario.end_s_m + TOLERANCE_M), tolerance=TOLERANCE_M)
    entity = tag("ByEntityCondition", cast.triggering_ego(), tag("EntityCondition", end))
    there = tag("Condition", entity, name="there", delay="0", conditionEdge="none")
    return tag("StopTrigger", tag("ConditionGroup", over), tag("ConditionGroup", there))


def _signals(scenario: Scenario) -> list[str]:
    if not scenario.lights:
        return []
    controllers = [_controller(k, lights) for k, lights in enumerate(scenario.lights)]
    return [tag("TrafficSignals", *controllers)]


def _controller(number: int, lights: Lights) -> str:
    every = sorted({name for phase in lights.phases for name in phase.green})
    phases = []
    for k, phase in enumerate(lights.phases):
        for what, seconds in (("green", phase.length_s), ("amber", phase.amber_s), ("red", phase.all_red_s)):
            if seconds > 0.0:
                states = [
                    tag("TrafficSignalState", trafficSignalId=name, state=what if name in phase.green else "red")
                    for name in every
                ]
                phases.append(tag("Phase", *states, name=f"{what} {k}", duration=float(seconds)))
    offset = {} if lights.offset_s == 0.0 else {"delay": -float(lights.offset_s)}
    return tag("TrafficSignalController", *phases, name=f"junction {number}", **offset)


def _environment(scenario: Scenario) -> list[str]:
    weather = scenario.weather
    hour = "T01:00:00" if weather.night > 0.7 else "T21:00:00" if weather.night > 0.2 else "T12:00:00"
    clouds = next(name for most, name in CLOUD_STATES if weather.clouds < most)
    azimuth = (0.5 * math.pi - scenario.sun_azimuth_rad) % (2.0 * math.pi)
    sky = tag(
        "Weather",
        tag("Sun", azimuth=azimuth, elevation=float(scenario.sun_elevation_rad), intensity=1.0 - weather.clouds),
        tag("Fog", visualRange=float(weather.fog_m) if weather.fog_m > 0.0 else 100000.0),
        tag(
            "Precipitation",
            precipitationType="rain" if weather.rain > 0.0 else "dry",
            precipitationIntensity=weather.rain * DOWNPOUR_MMPH,
        ),
        cloudState=clouds,
    )
    time = tag("TimeOfDay", animation="false", dateTime=f"2024-06-01{hour}")
    road = tag("RoadCondition", frictionScaleFactor=float(scenario.friction))
    environment = tag("Environment", time, sky, road, name="environment")
    return [tag("GlobalAction", tag("EnvironmentAction", environment))]
