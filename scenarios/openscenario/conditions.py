"""When events start: OpenSCENARIO's conditions as our triggers.

All conditions of one group must hold at once; a second group (an "or") is not supported, nor is a falling edge.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import msgspec

from scenarios.openscenario.document import Node
from scenarios.openscenario.entities import Entity
from scenarios.openscenario.places import Place, Places
from scenarios.scenario import KINDS, Trigger

EGO_LENGTH_M = 4.5


class Conditions:
    """Turns start triggers into ``Trigger``; ``station`` gives a place's station on the ego's path.

    ``finish``: (element type, name, state) → the trigger and the delay after it at which that element is there.
    """

    def __init__(
        self,
        places: Places,
        entities: dict[str, Entity],
        ego: str,
        station: Callable[[Place], float],
        finish: Callable[[Node], tuple[Trigger, float]],
    ) -> None:
        self.places, self.entities, self.ego = places, entities, ego
        self.station, self.finish = station, finish

    def trigger(self, node: Node | None, actor: str) -> Trigger:
        """The trigger of a ``<StartTrigger>``; from the beginning without one."""
        found = Trigger()
        if node is None:
            return found
        groups = node.all("ConditionGroup")
        if len(groups) > 1:
            raise groups[1].unsupported("a second group of conditions (an or)")
        for condition in groups[0].all("Condition") if groups else []:
            found = both(found, self._one(condition, actor), condition)
        return found

    def _one(self, node: Node, actor: str) -> Trigger:
        delay, edge = node.number("delay", 0.0), node.text("conditionEdge", "none")
        if edge not in ("none", "rising", "risingOrFalling"):
            raise node.unsupported(f"the edge {edge!r} is not supported", "use rising or none")
        by_value = node.one("ByValueCondition")
        found = self._by_value(by_value) if by_value is not None else self._by_entity(node, actor)
        return msgspec.structs.replace(found, delay_s=found.delay_s + delay)

    def _by_value(self, node: Node) -> Trigger:
        what = node.only()
        if what.tag == "SimulationTimeCondition":
            _rule(what, "greaterThan", "greaterOrEqual")
            return Trigger(after_s=max(0.0, what.number("value")))
        if what.tag == "StoryboardElementStateCondition":
            trigger, delay = self.finish(what)
            return msgspec.structs.replace(trigger, delay_s=trigger.delay_s + delay)
        if what.tag == "TrafficSignalCondition":
            return Trigger(light=what.text("name"), light_state=what.text("state"))
        raise what.unsupported("this condition is not supported")

    def _by_entity(self, node: Node, actor: str) -> Trigger:
        by_entity = node.need("ByEntityCondition")
        triggering = by_entity.need("TriggeringEntities")
        triggering.text("triggeringEntitiesRule", "any")
        names = [one.text("entityRef") for one in triggering.all("EntityRef")]
        if len(names) != 1:
            raise triggering.unsupported(f"{len(names)} triggering entities", "name one")
        what = by_entity.need("EntityCondition").only()
        reader = getattr(self, f"_{what.tag}", None)
        if reader is None:
            raise what.unsupported("this condition is not supported")
        found: Trigger = reader(what, names[0], actor)
        return found

    def _RelativeDistanceCondition(self, node: Node, who: str, actor: str) -> Trigger:  # noqa: N802
        _rule(node, "lessThan", "lessOrEqual")
        self._pair(node, who, node.text("entityRef"), actor)
        node.text("relativeDistanceType", "euclidianDistance")
        node.text("coordinateSystem", "entity")
        free = node.text("freespace", "false") == "true"
        extra = 0.5 * (EGO_LENGTH_M + KINDS[self.entities[actor].kind].length_m) if free else 0.0
        return Trigger(ego_within_m=node.number("value") + extra)

    def _DistanceCondition(self, node: Node, who: str, actor: str) -> Trigger:  # noqa: N802
        _rule(node, "lessThan", "lessOrEqual")
        self._ego_only(node, who)
        for name in ("freespace", "alongRoute", "coordinateSystem", "relativeDistanceType"):
            node.text(name, "")
        place = self.places.place(node.need("Position"))
        return Trigger(ego_station_m=self.station(place) - node.number("value"))

    def _TimeHeadwayCondition(self, node: Node, who: str, actor: str) -> Trigger:  # noqa: N802
        _rule(node, "lessThan", "lessOrEqual")
        self._ego_only(node, who)
        self._pair(node, who, node.text("entityRef"), actor)
        for name in ("freespace", "alongRoute", "coordinateSystem", "relativeDistanceType"):
            node.text(name, "")
        return Trigger(ego_arrives_in_s=node.number("value"))

    def _TimeToCollisionCondition(self, node: Node, who: str, actor: str) -> Trigger:  # noqa: N802
        _rule(node, "lessThan", "lessOrEqual")
        for name in ("freespace", "alongRoute", "coordinateSystem", "relativeDistanceType"):
            node.text(name, "")
        target = node.need("TimeToCollisionConditionTarget").only()
        if target.tag == "EntityRef":
            self._ego_only(node, who)
            self._pair(node, who, target.text("entityRef"), actor)
            return Trigger(ego_arrives_in_s=node.number("value"))
        self._ego_only(node, who)
        place = self.places.place(target)
        return Trigger(ego_arrives_in_s=node.number("value"), arrival_s_m=self.station(place))

    def _ReachPositionCondition(self, node: Node, who: str, actor: str) -> Trigger:  # noqa: N802
        self._ego_only(node, who)
        place = self.places.place(node.need("Position"))
        return Trigger(ego_station_m=self.station(place) - node.number("tolerance", 0.0))

    def _TraveledDistanceCondition(self, node: Node, who: str, actor: str) -> Trigger:  # noqa: N802
        self._ego_only(node, who)
        return Trigger(ego_station_m=self.station(self.places.of[self.ego]) + node.number("value"))

    def _pair(self, node: Node, one: str, other: str, actor: str) -> None:
        if {one, other} != {self.ego, actor}:
            raise node.unsupported(
                f"a condition between {one!r} and {other!r}", f"supported is the ego and the actor itself ({actor!r})"
            )

    def _ego_only(self, node: Node, who: str) -> None:
        if who != self.ego:
            raise node.unsupported(f"a condition on {who!r}", f"supported is the ego ({self.ego!r})")


def both(one: Trigger, other: Trigger, node: Node) -> Trigger:
    """The trigger that waits for both."""
    if one.light and other.light and (one.light, one.light_state) != (other.light, other.light_state):
        raise node.unsupported("two traffic lights in one trigger")
    if other.ego_arrives_in_s < math.inf and one.ego_arrives_in_s < math.inf and one.arrival_s_m != other.arrival_s_m:
        raise node.unsupported("two arrivals in one trigger")
    lit = other if other.light else one
    arrival = other if other.ego_arrives_in_s < math.inf else one
    return Trigger(
        ego_within_m=min(one.ego_within_m, other.ego_within_m),
        after_s=max(one.after_s, other.after_s),
        ego_arrives_in_s=min(one.ego_arrives_in_s, other.ego_arrives_in_s),
        arrival_s_m=arrival.arrival_s_m,
        ego_station_m=max(one.ego_station_m, other.ego_station_m),
        light=lit.light,
        light_state=lit.light_state,
        delay_s=max(one.delay_s, other.delay_s),
    )


def _rule(node: Node, *supported: str) -> None:
    rule = node.text("rule")
    if rule not in supported:
        raise node.unsupported(f"the rule {rule!r} is not supported", f"use {supported[0]}")
