"""What an event does to its actor: speed, lateral and trajectory actions as plain numbers."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field

from scenarios.openscenario.document import Node
from scenarios.openscenario.places import Place, Places

STEP_MPS2 = 100.0
"""Acceleration that stands for a step."""
LANE_M = 3.5


@dataclass
class Done:
    """One event's effect: a new speed at a rate, a lateral move over a time, or a trajectory with its timing."""

    speed_mps: float | None = None
    accel_mps2: float = STEP_MPS2
    shift_m: float | None = None
    """To the left of where the actor is then."""
    lanes: int = 0
    over_s: float = 3.0
    trajectory: list[Place] = field(default_factory=list)
    times_s: list[float] = field(default_factory=list)
    route: list[Place] = field(default_factory=list)

    def length_m(self, start: Place) -> float:
        """Of the trajectory, from where the actor is."""
        whole, last = 0.0, start
        for place in self.trajectory:
            whole += math.hypot(place.x_m - last.x_m, place.y_m - last.y_m)
            last = place
        return whole


def read_action(
    action: Node, done: Done, speed_now: float, places: Places, speed_of: Callable[[str, Node], float]
) -> None:
    """Add a ``<PrivateAction>`` to ``done``. What is not supported stays unread."""
    what = action.only()
    if what.tag == "LongitudinalAction":
        longitudinal = what.only()
        if longitudinal.tag == "SpeedAction":
            _speed(longitudinal, done, speed_now, speed_of)
        else:
            longitudinal.refuse()
    elif what.tag == "LateralAction":
        lateral = what.only()
        if lateral.tag == "LaneChangeAction":
            _lane_change(lateral, done, speed_now)
        elif lateral.tag == "LaneOffsetAction":
            _lane_offset(lateral, done)
        else:
            lateral.refuse()
    elif what.tag == "RoutingAction":
        routing = what.only()
        if routing.tag == "FollowTrajectoryAction":
            _trajectory(routing, done, places)
        elif routing.tag == "AssignRouteAction":
            route = routing.one("Route")
            if route is None:
                raise routing.unsupported("a route from a catalogue")
            route.text("closed", "false")
            for waypoint in route.all("Waypoint"):
                waypoint.text("routeStrategy", "shortest")
                done.route.append(places.place(waypoint.need("Position")))
        elif routing.tag == "AcquirePositionAction":
            done.route.append(places.place(routing.need("Position")))
        else:
            routing.refuse()
    else:
        what.refuse()


def _speed(node: Node, done: Done, speed_now: float, speed_of: Callable[[str, Node], float]) -> None:
    target = node.need("SpeedActionTarget").only()
    if target.tag == "AbsoluteTargetSpeed":
        done.speed_mps = target.number("value")
    elif target.tag == "RelativeTargetSpeed":
        base, value = speed_of(target.text("entityRef"), target), target.number("value")
        kind = target.text("speedTargetValueType", "delta")
        target.text("continuous", "false")
        done.speed_mps = base * value if kind == "factor" else base + value
    else:
        target.refuse()
        return
    if done.speed_mps < 0.0:
        raise target.unsupported(f"a speed of {done.speed_mps:g} m/s", "reversing is not supported")
    dynamics = node.need("SpeedActionDynamics")
    done.accel_mps2 = _rate(dynamics, abs(done.speed_mps - speed_now), 0.5 * (done.speed_mps + speed_now))


def _rate(dynamics: Node, change: float, mean_mps: float) -> float:
    shape = dynamics.text("dynamicsShape", "step")
    dynamics.text("followingMode", "position")
    value, dimension = dynamics.number("value", 0.0), dynamics.text("dynamicsDimension", "time")
    if shape == "step" or change == 0.0:
        return STEP_MPS2
    if value <= 0.0:
        return STEP_MPS2
    if dimension == "rate":
        return value
    seconds = value if dimension == "time" else value / max(0.1, mean_mps)
    return max(0.01, change / seconds)


def _seconds(dynamics: Node, distance_m: float, speed_mps: float) -> float:
    shape = dynamics.text("dynamicsShape", "sinusoidal")
    dynamics.text("followingMode", "position")
    value, dimension = dynamics.number("value", 0.0), dynamics.text("dynamicsDimension", "time")
    if shape == "step" or value <= 0.0:
        return 0.05
    if dimension == "time":
        return value
    return value / max(0.5, speed_mps) if dimension == "distance" else abs(distance_m) / value


def _lane_change(node: Node, done: Done, speed_now: float) -> None:
    target = node.need("LaneChangeTarget").only()
    if target.tag != "RelativeTargetLane":
        target.refuse()
        return
    # Which entity the lanes are counted from matters only if it drives in another lane: the actor itself is meant.
    target.text("entityRef")
    done.lanes = int(target.number("value"))
    done.shift_m = done.lanes * LANE_M + node.number("targetLaneOffset", 0.0)
    done.over_s = _seconds(node.need("LaneChangeActionDynamics"), done.shift_m, speed_now)


def _lane_offset(node: Node, done: Done) -> None:
    node.text("continuous", "false")
    target = node.need("LaneOffsetTarget").only()
    if target.tag != "AbsoluteTargetLaneOffset":
        target.refuse()
        return
    done.shift_m = target.number("value")
    dynamics = node.one("LaneOffsetActionDynamics")
    if dynamics is not None:
        dynamics.text("dynamicsShape", "sinusoidal")
        # Half a sine over T across a distance D peaks at pi² D / (2 T²).
        peak = dynamics.number("maxLateralAcc", 1.0)
        done.over_s = max(0.5, math.pi * math.sqrt(abs(done.shift_m) / (2.0 * max(0.05, peak))))


def _trajectory(node: Node, done: Done, places: Places) -> None:
    holder = node.one("TrajectoryRef") or node
    trajectory = holder.one("Trajectory")
    if trajectory is None:
        raise holder.unsupported("a trajectory from a catalogue")
    trajectory.text("closed", "false")
    shape = trajectory.need("Shape").only()
    if shape.tag != "Polyline":
        shape.refuse()
        return
    timed = []
    for vertex in shape.all("Vertex"):
        done.trajectory.append(places.place(vertex.need("Position")))
        timed.append(vertex.number("time", -1.0))
    mode = node.one("TrajectoryFollowingMode")
    if mode is not None:
        mode.text("followingMode", "position")
    reference = node.one("TimeReference")
    if reference is None or reference.only().tag == "None":
        return
    timing = reference.only()
    timing.text("domainAbsoluteRelative", "relative")
    scale, offset = timing.number("scale", 1.0), timing.number("offset", 0.0)
    if any(late < early for early, late in zip(timed[:-1], timed[1:], strict=True)) or timed[0] < 0.0:
        raise shape.unsupported("the times of the vertices do not increase")
    done.times_s = [offset + scale * t for t in timed]
