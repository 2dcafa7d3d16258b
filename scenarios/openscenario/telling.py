"""The scripts of a scenario's road users as an OpenSCENARIO story: one act, one group of events for each actor."""

from __future__ import annotations

import math

from scenarios.maps.writing import tag
from scenarios.openscenario.cast import Cast, moves, speed_action, start_speed
from scenarios.scenario import Actor, Change, Drive, Scenario, Trigger, Walk

TOLERANCE_M = 2.0
DRIVE_MPS2 = 1.6
"""Acceleration of a driver who sets off, about as the intelligent driver model has it."""


def story(scenario: Scenario, cast: Cast) -> str:
    """The ``<Story>`` with everybody who has a script."""
    groups = []
    for actor in scenario.actors:
        if not moves(actor):
            continue
        name = cast.names[actor.id]
        events = _walking(actor, cast) if isinstance(actor.motion, Walk) else _driving(actor, cast)
        if events:
            actors = tag("Actors", tag("EntityRef", entityRef=name), selectTriggeringEntities="false")
            maneuver = tag("Maneuver", *events, name=f"{name} script")
            groups.append(tag("ManeuverGroup", actors, maneuver, maximumExecutionCount="1", name=name) + "\n")
    if not groups:
        actors = tag("Actors", selectTriggeringEntities="false")
        groups = [tag("ManeuverGroup", actors, maximumExecutionCount="1", name="nobody")]
    return tag("Story", tag("Act", *groups, _start(None), name="act"), name="story")


def _walking(actor: Actor, cast: Cast) -> list[str]:
    motion, name = actor.motion, cast.names[actor.id]
    assert isinstance(motion, Walk)
    for said, what in ((motion.loop, "walks round and round"), (motion.minds, "looks before each leg")):
        if said:
            cast.left_out.append(f"{name}: {what}")
    points = [cast.pose(actor, s, d)[:2] for s, d in motion.path]
    here = cast.pose(actor, actor.s_m, actor.d_m)[:2]
    parts = [points[:1], points[1:]] if motion.pause_s > 0.0 and len(points) > 1 else [points]
    events, before = [], ""
    for k, part in enumerate(parts):
        title = f"{name} {k + 1}"
        trigger = _triggered(motion.trigger, actor, cast) if not before else _after(before, motion.pause_s)
        actions = [
            _action(f"{title} speed", speed_action(motion.speed_mps, motion.accel_mps2)),
            _action(f"{title} way", _trajectory(title, here, part, cast)),
        ]
        # The pace is there from the first event on.
        events.append(_event(title, actions if k == 0 else actions[1:], trigger))
        before, here = title, part[-1]
    return events


def _trajectory(title: str, here: tuple[float, float], points: list[tuple[float, float]], cast: Cast) -> str:
    vertices: list[str] = []
    last = here
    for x, y in points:
        yaw = math.atan2(y - last[1], x - last[0])
        if not vertices:
            vertices.append(tag("Vertex", cast.position(*last, yaw), time=0.0))
        vertices.append(tag("Vertex", cast.position(x, y, yaw), time=0.0))
        last = (x, y)
    shape = tag("Shape", tag("Polyline", *vertices))
    trajectory = tag("Trajectory", shape, name=title, closed="false")
    return tag(
        "PrivateAction",
        tag(
            "RoutingAction",
            tag(
                "FollowTrajectoryAction",
                tag("TrajectoryRef", trajectory),
                tag("TimeReference", tag("None")),
                tag("TrajectoryFollowingMode", followingMode="position"),
            ),
        ),
    )


def _driving(actor: Actor, cast: Cast) -> list[str]:
    motion, name = actor.motion, cast.names[actor.id]
    assert isinstance(motion, Drive)
    if motion.changes_lanes:
        cast.left_out.append(f"{name}: changes lanes where that is faster")
    events, before = [], ""
    if start_speed(motion) != motion.speed_mps:
        before = f"{name} sets off"
        action = _action(before, speed_action(motion.speed_mps, DRIVE_MPS2))
        events.append(_event(before, [action], _triggered(motion.trigger, actor, cast)))
        if motion.minds:
            cast.left_out.append(f"{name}: sets off as the intelligent driver model does; written as {DRIVE_MPS2} m/s2")
    for k, change in enumerate(motion.changes):
        title = f"{name} {k + 1}"
        actions = _changed(change, title, actor, cast)
        nothing = change.trigger == Trigger() and before
        trigger = _after(before, 0.0) if nothing else _triggered(change.trigger, actor, cast)
        if actions:
            events.append(_event(title, actions, trigger))
            before = title
    return events


def _changed(change: Change, title: str, actor: Actor, cast: Cast) -> list[str]:
    actions = []
    if change.speed_mps is not None:
        actions.append(_action(f"{title} speed", speed_action(change.speed_mps, change.accel_mps2 or DRIVE_MPS2)))
    if change.d_m is not None:
        side = 1.0 if math.cos(actor.heading_rad) > 0.0 else -1.0
        offset = side * (change.d_m - cast.lane_m(actor))
        dynamics = tag(
            "LaneChangeActionDynamics",
            dynamicsShape="sinusoidal",
            value=float(change.over_s),
            dynamicsDimension="time",
        )
        target = tag("LaneChangeTarget", tag("RelativeTargetLane", entityRef=cast.names[actor.id], value="0"))
        lane = tag("LaneChangeAction", dynamics, target, targetLaneOffset=offset)
        actions.append(_action(f"{title} aside", tag("PrivateAction", tag("LateralAction", lane))))
    return actions


def _action(name: str, private: str) -> str:
    return tag("Action", private, name=name)


def _event(name: str, actions: list[str], trigger: str) -> str:
    return tag("Event", *actions, trigger, name=name, priority="parallel", maximumExecutionCount="1") + "\n"


def _start(condition: str | None) -> str:
    time = tag("ByValueCondition", tag("SimulationTimeCondition", rule="greaterOrEqual", value=0.0))
    return tag("StartTrigger", tag("ConditionGroup", condition or _condition("start", time, 0.0)))


def _condition(name: str, inner: str, delay_s: float) -> str:
    return tag("Condition", inner, name=name, delay=float(delay_s), conditionEdge="none")


def _after(event: str, delay_s: float) -> str:
    over = tag(
        "StoryboardElementStateCondition",
        storyboardElementType="event",
        storyboardElementRef=event,
        state="completeState",
    )
    return _start(_condition(f"after {event}", tag("ByValueCondition", over), delay_s))


def _triggered(trigger: Trigger, actor: Actor, cast: Cast) -> str:
    said = []
    if trigger.after_s > 0.0:
        time = tag("SimulationTimeCondition", rule="greaterThan", value=float(trigger.after_s))
        said.append(tag("ByValueCondition", time))
    if trigger.light:
        signal = tag("TrafficSignalCondition", name=trigger.light, state=trigger.light_state)
        said.append(tag("ByValueCondition", signal))
    said += [
        tag("ByEntityCondition", cast.triggering_ego(), tag("EntityCondition", one))
        for one in _about_ego(trigger, cast.names[actor.id], cast)
    ]
    if not said:
        return _start(None)
    return _start("".join(_condition(f"when {k}", one, trigger.delay_s) for k, one in enumerate(said)))


def _about_ego(trigger: Trigger, name: str, cast: Cast) -> list[str]:
    found = []
    if trigger.ego_within_m < math.inf:
        found.append(
            tag(
                "RelativeDistanceCondition",
                entityRef=name,
                freespace="false",
                relativeDistanceType="euclidianDistance",
                rule="lessThan",
                value=float(trigger.ego_within_m),
            )
        )
    if trigger.ego_arrives_in_s < math.inf and trigger.arrival_s_m is None:
        found.append(
            tag(
                "TimeHeadwayCondition",
                entityRef=name,
                freespace="false",
                rule="lessThan",
                value=float(trigger.ego_arrives_in_s),
            )
        )
    elif trigger.ego_arrives_in_s < math.inf and trigger.arrival_s_m is not None:
        target = tag("TimeToCollisionConditionTarget", cast.at_station(trigger.arrival_s_m))
        found.append(
            tag(
                "TimeToCollisionCondition",
                target,
                freespace="false",
                rule="lessThan",
                value=float(trigger.ego_arrives_in_s),
            )
        )
    if trigger.ego_station_m > -math.inf:
        place = cast.at_station(trigger.ego_station_m + TOLERANCE_M)
        found.append(tag("ReachPositionCondition", place, tolerance=TOLERANCE_M))
    return found
