"""OpenSCENARIO to a scenario: the map, ways for everybody on it, their motions, weather, lights.

What is not understood is named, file, line and element, and refused unless the caller allows it.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path as FilePath
from typing import TYPE_CHECKING

import numpy as np

from scenarios.library.ways import backwards, lit, onwards, path_of
from scenarios.openscenario.conditions import Conditions
from scenarios.openscenario.document import Document, Node, OpenScenarioError
from scenarios.openscenario.entities import COLOURS, PAINTS, Entity, entities
from scenarios.openscenario.places import Place, Places
from scenarios.openscenario.story import Story
from scenarios.openscenario.surroundings import lights, weather
from scenarios.scenario import KINDS, Actor, Drive, Path, Scenario, Stand
from scenarios.world.ways import PathWay

if TYPE_CHECKING:
    from operators.maps import LanePlace, RoadMap, Way

EGO_NAMES = ("ego", "hero", "egovehicle", "ego_vehicle", "host")
BEHIND_M, AHEAD_M = 60.0, 700.0
"""How far ways reach beyond the start when nothing is said."""
DURATION_S = 60.0
BESIDE_M = 40.0
"""Whoever stands within this of the ego's way is placed on it."""


@dataclass(frozen=True)
class Imported:
    """A scenario, and one line for each thing in the file that it does not have."""

    scenario: Scenario
    left_out: tuple[str, ...] = ()


def read_openscenario(
    file: str | FilePath,
    *,
    ego: str = "",
    parameters: Mapping[str, str] | None = None,
    allow_unsupported: bool = False,
    end_m: float | None = None,
) -> Imported:
    """The scenario in an OpenSCENARIO 1.x file. ``ego``: which entity it is; by default the one that is called so.

    Raises OpenScenarioError for what is wrong, and for what is not supported unless ``allow_unsupported``.
    """
    document = Document(FilePath(file), parameters)
    for tag in ("FileHeader", "CatalogLocations"):
        node = document.root.one(tag)
        if node is not None:
            node.skip()
    return _Import(document, ego, allow_unsupported, end_m).imported()


class _Import:
    def __init__(self, document: Document, ego: str, allow: bool, end_m: float | None) -> None:
        self.document, self.allow, self.end_m = document, allow, end_m
        self.entities = entities(document)
        self.ego = _ego(self.entities, ego, document)
        self.map_file, self.map = _map(document)
        self.places = Places(self.map)
        self.story = Story(document, self.entities, self.places, self.ego)
        self.ways: dict[str, PathWay] = {}
        self.paths: dict[str, Path] = {}

    def imported(self) -> Imported:
        ego_way = self._way(self.ego)
        start = self._coordinates(self.ego, self.places.of[self.ego])[0]
        self.story.read()
        self.story.bind(
            Conditions(
                self.places, self.entities, self.ego, lambda place: ego_way.locate(place.x_m, place.y_m)[0],
                self.story.finish,
            )
        )  # fmt: skip
        duration, stop_station = self._stop()
        self._acts_end_later(duration)
        actors = [self._actor(k, name) for k, name in enumerate((n for n in self.entities if n != self.ego), 1)]
        length = ego_way.length_m
        routed = self.ego in self.story.routes
        end = self.end_m or stop_station or (length - 1.0 if routed else min(length - 1.0, start + 400.0))
        surroundings, programmes = weather(self.document), lights(self.document)
        left_out = (*self.document.notes, *self.document.root.leftovers())
        if left_out and not self.allow:
            shown = "; ".join(left_out[:12]) + (f"; and {len(left_out) - 12} more" if len(left_out) > 12 else "")
            raise OpenScenarioError(
                f"{len(left_out)} things are not supported: {shown}",
                where=self.document.file,
                hint="--allow-unsupported goes on without them",
            )
        if end <= start:
            raise OpenScenarioError("the ego's way ends where it starts", where=self.document.file)
        header = self.document.root.one("FileHeader")
        scenario = Scenario(
            name=FilePath(self.document.file).stem,
            title=(header.text("description", "") if header is not None else "") or FilePath(self.document.file).stem,
            duration_s=duration,
            speed_mps=self.story.speeds[self.ego],
            actors=tuple(actors),
            road=lit(self.paths.pop(self.ego), programmes),
            map=self.map_file,
            paths=tuple(lit(path, programmes) for path in self.paths.values()),
            lights=programmes,
            ego_s_m=start,
            end_s_m=end,
            **surroundings,
        )
        return Imported(scenario, left_out)

    def _way(self, name: str) -> PathWay:
        """The way of an entity: its route, or its lane and those that follow, as straight as possible."""
        if name not in self.ways:
            place = self.places.of[name]
            found = self.map.nearest(place.x_m, place.y_m, place.yaw_rad)
            if found is None:
                raise OpenScenarioError(f"{name!r} is on no lane of the map", where=self.document.file)
            goals = self.story.routes.get(name, [])
            way = _routed(self.map, found, goals) if goals else _straight(self.map, found)
            self.paths[name] = path_of(name, way)
            self.ways[name] = PathWay(self.paths[name])
        return self.ways[name]

    def _coordinates(self, name: str, place: Place) -> tuple[float, float]:
        return self._way(name).locate(place.x_m, place.y_m)

    def _actor(self, number: int, name: str) -> Actor:
        entity = self.entities[name]
        place = self.places.of[name].ahead(entity.centre_m)
        ego_s, ego_d = self._coordinates(self.ego, place)
        drives = self.story.speeds[name] > 0.0 or any(
            event.actor == name and not event.done.trajectory for event in self.story.events
        )
        inside = 1.0 < ego_s < self._way(self.ego).length_m - 1.0
        on = name if drives or abs(ego_d) > BESIDE_M or not inside else self.ego
        s, d = self._coordinates(on, place)
        motion = self.story.motion(name, d, lambda there: self._coordinates(on, there))
        heading = math.remainder(place.yaw_rad - self._way(on).pose(s)[2], math.tau)
        if isinstance(motion, Drive) or abs(heading) < 1e-6:
            heading = 0.0
        person = KINDS[entity.kind].label == "pedestrian"
        colour = COLOURS["person"] if person else PAINTS[number % len(PAINTS)]
        if KINDS[entity.kind].label == "object":
            colour = COLOURS["thing"]
        if isinstance(motion, Stand) and KINDS[entity.kind].label == "vehicle" and abs(d) < 1.0 and on == self.ego:
            motion = Stand(brake_lights=True)
        return Actor(
            id=number, kind=entity.kind, s_m=s, d_m=d, heading_rad=heading, motion=motion, colour=colour,
            on="" if on == self.ego else on,
        )  # fmt: skip

    def _stop(self) -> tuple[float, float | None]:
        """Duration and the station at which the drive is over, from the storyboard's stop trigger."""
        node = self.story.board.one("StopTrigger")
        duration, station = DURATION_S, None
        if node is None or not node.children:
            return duration, station
        for group in node.all("ConditionGroup"):
            for condition in group.all("Condition"):
                for name in ("delay", "conditionEdge"):
                    condition.text(name, "")
                by_value = condition.one("ByValueCondition")
                time = by_value.one("SimulationTimeCondition") if by_value is not None else None
                if time is not None:
                    time.text("rule")
                    duration = max(0.1, time.number("value"))
                    continue
                reached = _descend(condition, "ByEntityCondition", "EntityCondition", "ReachPositionCondition")
                if reached is not None:
                    self._triggering(condition)
                    tolerance = reached.number("tolerance", 0.0)
                    place = self.places.place(reached.need("Position"))
                    station = self._coordinates(self.ego, place)[0] - tolerance
                    continue
                condition.refuse()
        return duration, station

    def _acts_end_later(self, duration_s: float) -> None:
        """An act's own stop trigger says nothing where it is empty or comes no earlier than the end of the drive."""
        for story in self.story.board.all("Story"):
            for act in story.all("Act"):
                for stop in (child for child in act.children if child.tag == "StopTrigger"):
                    conditions = [condition for group in stop.children for condition in group.children]
                    times = [_descend(one, "ByValueCondition", "SimulationTimeCondition") for one in conditions]
                    if all(time is not None and time.number("value") >= duration_s for time in times):
                        stop.skip()

    def _triggering(self, condition: Node) -> None:
        triggering = condition.need("ByEntityCondition").need("TriggeringEntities")
        triggering.text("triggeringEntitiesRule", "any")
        for one in triggering.all("EntityRef"):
            if one.text("entityRef") != self.ego:
                one.refuse()


def _descend(node: Node, *tags: str) -> Node | None:
    """The node that is reached through these tags, marked as understood only if all are there."""
    found = node
    for tag in tags:
        inner = next((child for child in found.children if child.tag == tag), None)
        if inner is None:
            return None
        found = inner
    for tag in tags:
        node = node.need(tag)
    return node


def _ego(found: dict[str, Entity], wanted: str, document: Document) -> str:
    if wanted:
        if wanted not in found:
            known = ", ".join(found)
            raise OpenScenarioError(f"there is no entity {wanted!r}", where=document.file, hint=f"it has {known}")
        return wanted
    for name in found:
        if name.lower() in EGO_NAMES:
            return name
    raise OpenScenarioError(
        "no entity is called Ego or hero", where=document.file, hint=f"name one with --ego: {', '.join(found)}"
    )


def _map(document: Document) -> tuple[str, RoadMap]:
    from scenarios.maps import shipped

    network = document.root.need("RoadNetwork")
    file = network.need("LogicFile").text("filepath")
    graph = network.one("SceneGraphFile")
    if graph is not None:
        graph.skip()
    beside = document.folder / file
    name = str(beside) if beside.is_file() or file.endswith(".xodr") else file
    return name, shipped(name)


def _straight(map_: RoadMap, place: LanePlace) -> Way:
    before, start = backwards(map_, place.key, BEHIND_M + map_.lanes[place.key].length_m - place.s_m)
    after, end = onwards(map_, place.key, place.s_m + AHEAD_M, "")
    keys = [*before, *after[1:]]
    return map_.way(keys, start, end)


def _routed(map_: RoadMap, place: LanePlace, goals: list[Place]) -> Way:
    before, start = backwards(map_, place.key, BEHIND_M + map_.lanes[place.key].length_m - place.s_m)
    keys, here = list(before), place
    for goal in goals:
        there = map_.nearest(goal.x_m, goal.y_m, goal.yaw_rad if math.isfinite(goal.yaw_rad) else None)
        if there is None or (there.key == here.key and there.s_m <= here.s_m):
            continue
        part = map_.search(here, there)
        keys += [key for k, key in enumerate(part) if k > 0 or key != keys[-1]]
        here = there
    return map_.way(keys, start, float(np.clip(here.s_m, 0.6, map_.lanes[here.key].length_m)))
