"""Everybody of a scenario as OpenSCENARIO entities with their places; what cannot be said is collected."""

from __future__ import annotations

import math

from operators.messages import EgoSize
from scenarios.maps.writing import tag
from scenarios.openscenario.entities import IDM
from scenarios.scenario import KINDS, Actor, Drive, Scenario, Walk
from scenarios.world.roads import Road
from scenarios.world.ways import PathWay, way_of

EGO = "Ego"
CATEGORY = {
    "car": "car", "estate": "car", "mini": "car", "suv": "car", "van": "van", "truck": "truck", "bus": "bus",
    "trailer": "semitrailer", "motorcycle": "motorbike", "cyclist": "bicycle",
}  # fmt: skip
WAYPOINT_M = 25.0


class Cast:
    """Names, ways and places of a scenario's road users."""

    def __init__(self, scenario: Scenario) -> None:
        self.scenario = scenario
        self.road = way_of(scenario.road)
        self.ways = {path.name: way_of(path) for path in scenario.paths}
        self.left_out: list[str] = []
        self.names = {actor.id: f"{actor.kind}_{actor.id}" for actor in scenario.actors}

    def pose(self, actor: Actor, s_m: float, d_m: float) -> tuple[float, float, float]:
        """A place in the coordinates of an actor's path, in the map's axes."""
        return (self.ways[actor.on] if actor.on else self.road).pose(s_m, d_m)

    def lane_m(self, actor: Actor) -> float:
        """Lateral position of the centre of the lane in which an actor drives, in its path's coordinates."""
        if actor.on or not isinstance(self.scenario.road, Road):
            return 0.0
        return self.road.own_lane_m if math.cos(actor.heading_rad) > 0.0 else -self.road.own_lane_m

    def position(self, x: float, y: float, yaw: float) -> str:
        """A ``<Position>``."""
        heading = math.remainder(yaw, math.tau)
        return tag("Position", tag("WorldPosition", x=float(x), y=float(y), z=0.0, h=heading))

    def at_station(self, s_m: float) -> str:
        """A ``<Position>`` on the ego's lane."""
        return self.position(*self.road.pose(s_m, self.road.own_lane_m))

    def triggering_ego(self) -> str:
        """The ego as the one whose condition counts."""
        return tag("TriggeringEntities", tag("EntityRef", entityRef=EGO), triggeringEntitiesRule="any")

    def entities(self) -> list[str]:
        """``<ScenarioObject>`` of everybody, the ego first."""
        size = EgoSize()
        axle_m = size.middle_m
        found = [tag("ScenarioObject", _vehicle("car", "ego", axle_m), name=EGO)]
        for actor in self.scenario.actors:
            inner = [_described(actor.kind, self.names[actor.id], actor.scale)]
            motion = actor.motion
            if isinstance(motion, Drive) and (motion.minds or motion.obeys or motion.headway_s is not None):
                properties = [tag("Property", name="model", value=IDM)] if motion.minds else []
                properties += [tag("Property", name="obeys", value="true")] if motion.obeys else []
                if motion.headway_s is not None:
                    properties.append(tag("Property", name="headway_s", value=float(motion.headway_s)))
                controller = tag("Controller", tag("Properties", *properties), name="driver")
                inner.append(tag("ObjectController", controller))
            found.append(tag("ScenarioObject", *inner, name=self.names[actor.id]))
        return found

    def init(self) -> list[str]:
        """``<Private>`` of everybody: place, speed, route."""
        scenario = self.scenario
        start = self.position(*self.road.pose(scenario.ego_s_m, self.road.own_lane_m))
        route = [] if isinstance(scenario.road, Road) else [self._route(self.road, scenario.ego_s_m, scenario.end_s_m)]
        found = [_private(EGO, _teleport(start), speed_action(scenario.speed_mps), *route)]
        for actor in scenario.actors:
            x, y, yaw = self.pose(actor, actor.s_m, actor.d_m)
            actions = [_teleport(self.position(x, y, yaw + actor.heading_rad))]
            motion = actor.motion
            if isinstance(motion, Drive):
                actions.append(speed_action(start_speed(motion)))
                if actor.on or not isinstance(scenario.road, Road):
                    actions.append(self._route(self.ways[actor.on] if actor.on else self.road, actor.s_m, None))
            found.append(_private(self.names[actor.id], *actions))
        return found

    def _route(self, way: object, start_m: float, end_m: float | None) -> str:
        assert isinstance(way, PathWay)
        last = way.length_m - 0.5 if end_m is None else min(way.length_m - 0.5, end_m + 40.0)
        if way.line().closed:
            self.left_out.append(f"path {way.path.name}: a circuit, driven once")
        count = max(2, math.ceil((last - start_m) / WAYPOINT_M) + 1)
        waypoints = [
            tag(
                "Waypoint",
                self.position(*way.pose(start_m + (last - start_m) * k / (count - 1))),
                routeStrategy="shortest",
            )
            for k in range(count)
        ]
        route = tag("Route", *waypoints, name="route", closed="false")
        return tag("PrivateAction", tag("RoutingAction", tag("AssignRouteAction", route)))


def start_speed(motion: Drive) -> float:
    """Speed of a driver before anything happens."""
    if motion.start_mps is not None:
        return motion.start_mps
    return motion.speed_mps if motion.trigger == type(motion.trigger)() else 0.0


def speed_action(speed_mps: float, accel_mps2: float | None = None) -> str:
    """A ``<PrivateAction>`` to a speed, at once or at that rate."""
    if accel_mps2 is None:
        dynamics = tag("SpeedActionDynamics", dynamicsShape="step", value=0.0, dynamicsDimension="time")
    else:
        dynamics = tag("SpeedActionDynamics", dynamicsShape="linear", value=float(accel_mps2), dynamicsDimension="rate")
    target = tag("SpeedActionTarget", tag("AbsoluteTargetSpeed", value=float(speed_mps)))
    return tag("PrivateAction", tag("LongitudinalAction", tag("SpeedAction", dynamics, target)))


def moves(actor: Actor) -> bool:
    """Whether the actor has a script."""
    return isinstance(actor.motion, (Walk, Drive))


def _private(name: str, *actions: str) -> str:
    return tag("Private", *actions, entityRef=name) + "\n"


def _teleport(position: str) -> str:
    return tag("PrivateAction", tag("TeleportAction", position))


def _described(kind: str, name: str, scale: float) -> str:
    size = KINDS[kind]
    if size.label == "pedestrian":
        box = _box(size.length_m, size.width_m, size.height_m * scale)
        return tag(
            "Pedestrian", box, tag("Properties"), name=name, mass="75", model=kind, pedestrianCategory="pedestrian"
        )
    if size.label == "object":
        box = _box(size.length_m, size.width_m, size.height_m)
        category = "barrier" if kind == "barrier" else "obstacle"
        return tag(
            "MiscObject", box, tag("Properties"), name=name, mass="20", miscObjectCategory=category, model3d=kind
        )
    return _vehicle(kind, name)


def _vehicle(kind: str, name: str, centre_m: float = 0.0) -> str:
    size = KINDS[kind]
    axle = {"maxSteering": 0.61, "wheelDiameter": 0.65, "trackWidth": 0.85 * size.width_m, "positionZ": 0.325}
    return tag(
        "Vehicle",
        _box(size.length_m, size.width_m, size.height_m, centre_m),
        tag("Performance", maxSpeed=70.0, maxDeceleration=9.0, maxAcceleration=5.0),
        tag(
            "Axles",
            tag("FrontAxle", positionX=0.6 * size.length_m, **axle),
            tag("RearAxle", positionX=0.0, **{**axle, "maxSteering": 0.0}),
        ),
        tag("Properties"),
        name=name,
        vehicleCategory=CATEGORY[kind],
        model3d=kind,
    )


def _box(length: float, width: float, height: float, centre_m: float = 0.0) -> str:
    return tag(
        "BoundingBox",
        tag("Center", x=centre_m, y=0.0, z=0.5 * height),
        tag("Dimensions", width=float(width), length=float(length), height=float(height)),
    )
