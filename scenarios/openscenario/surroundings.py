"""Weather and traffic signals of an OpenSCENARIO document."""

from __future__ import annotations

import math
from typing import Any

from scenarios.openscenario.document import Document, Node
from scenarios.scenario import Lights, Phase, Weather

CLOUDS = {"free": 0.0, "cloudy": 0.5, "overcast": 0.9, "rainy": 1.0, "zeroOktas": 0.0, "eightOktas": 1.0}
DOWNPOUR_MMPH = 50.0
CLEAR_M = 20_000.0


def weather(document: Document) -> dict[str, Any]:
    """Fields of ``Scenario`` that the environment action of Init says."""
    found: dict[str, Any] = {}
    actions = document.root.need("Storyboard").need("Init").need("Actions")
    for action in actions.all("GlobalAction"):
        what = action.only()
        environment = what.one("Environment") if what.tag == "EnvironmentAction" else None
        if environment is None:
            what.refuse()
            continue
        surface = environment.one("RoadCondition")
        if surface is not None:
            found["friction"] = min(1.2, max(0.05, surface.number("frictionScaleFactor")))
        _sky(environment, found)
    return found


def _sky(environment: Node, found: dict[str, Any]) -> None:
    said: dict[str, Any] = {}
    time = environment.one("TimeOfDay")
    if time is not None:
        time.text("animation", "false")
        hour = int(time.text("dateTime", "2020-06-01T12:00:00")[11:13] or 12)
        said["night"] = 1.0 if hour < 5 or hour >= 22 else 0.5 if hour in (5, 21) else 0.0
    sky = environment.one("Weather")
    if sky is not None:
        said["clouds"] = CLOUDS.get(sky.text("cloudState", sky.text("fractionalCloudCover", "free")), 0.5)
        sun, fog, rain = sky.one("Sun"), sky.one("Fog"), sky.one("Precipitation")
        if sun is not None:
            for name in ("intensity", "illuminance"):
                sun.number(name, 1.0)
            # OpenSCENARIO counts the azimuth from north clockwise, we from x (east) counter-clockwise.
            found["sun_azimuth_rad"] = 0.5 * math.pi - sun.number("azimuth", 0.0)
            found["sun_elevation_rad"] = min(1.5, max(0.05, sun.number("elevation", 0.85)))
        if fog is not None:
            visible = fog.number("visualRange", CLEAR_M)
            said["fog_m"] = visible if visible < CLEAR_M else 0.0
        if rain is not None:
            kind = rain.text("precipitationType", "rain")
            amount = rain.number("precipitationIntensity", rain.number("intensity", 0.0) * DOWNPOUR_MMPH)
            said["rain"] = min(1.0, amount / DOWNPOUR_MMPH) if kind == "rain" else 0.0
            if kind not in ("rain", "dry"):
                rain.refuse()
    found["weather"] = Weather(**said)


def lights(document: Document) -> tuple[Lights, ...]:
    """Programmes of the traffic signal controllers; amber and all-red phases belong to the green one before them."""
    signals = document.root.need("RoadNetwork").one("TrafficSignals")
    found = []
    for controller in signals.all("TrafficSignalController") if signals is not None else []:
        offset = controller.number("delay", 0.0)
        phases: list[Phase] = []
        for node in controller.all("Phase"):
            seconds = node.number("duration")
            states = {one.text("trafficSignalId"): one.text("state") for one in node.all("TrafficSignalState")}
            green = tuple(name for name, state in states.items() if state.lower() in ("green", "go"))
            amber = any(state.lower() in ("amber", "yellow", "attention") for state in states.values())
            if green or not phases:
                phases.append(Phase(seconds, green, 0.0))
            elif amber:
                last = phases[-1]
                phases[-1] = Phase(last.length_s, last.green, last.amber_s + seconds, last.all_red_s)
            else:
                last = phases[-1]
                phases[-1] = Phase(last.length_s, last.green, last.amber_s, last.all_red_s + seconds)
        if phases:
            found.append(Lights(tuple(phases), -offset if offset else 0.0))
    return tuple(found)
