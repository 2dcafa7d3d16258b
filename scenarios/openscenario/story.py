"""The storyboard: where everybody starts, and the events of each actor as one motion."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field

import msgspec

from scenarios.openscenario.actions import STEP_MPS2, Done, read_action
from scenarios.openscenario.conditions import Conditions, both
from scenarios.openscenario.document import Document, Node, Unsupported
from scenarios.openscenario.entities import Entity
from scenarios.openscenario.places import Place, Places
from scenarios.scenario import Change, Drive, Motion, Stand, Trigger, Walk

WALK_ACCEL_MPS2 = 8.0
SAME_M, SAME_SHARE = 0.05, 0.08
"""Vertices closer than this are one place; leg speeds that differ by less are one speed."""


@dataclass
class Event:
    """One event of one actor."""

    node: Node
    actor: str
    start: list[Node]
    """The start triggers that apply: the act's and its own."""
    actions: list[str] = field(default_factory=list)
    done: Done = field(default_factory=Done)


class Story:
    """Reads Init and the stories. ``speeds``: of each entity at the start."""

    def __init__(self, document: Document, entities: dict[str, Entity], places: Places, ego: str) -> None:
        self.document, self.entities, self.places, self.ego = document, entities, places, ego
        self.board = document.root.need("Storyboard")
        self.speeds = dict.fromkeys(entities, 0.0)
        self.routes: dict[str, list[Place]] = {}
        self.events: list[Event] = []
        self._busy: set[int] = set()
        self._gone: set[str] = set()
        self._init()

    def _init(self) -> None:
        actions = self.board.need("Init").need("Actions")
        for private in actions.all("Private"):
            name = private.text("entityRef")
            if name not in self.entities:
                raise private.wrong(f"there is no entity {name!r}")
            for action in private.all("PrivateAction"):
                try:
                    self._private(action, name)
                except Unsupported as error:
                    action.refuse(error.reason)
        for name in [name for name in self.entities if name not in self.places.of]:
            if name == self.ego:
                raise actions.wrong(f"{name!r} has no position that is supported", "give it a TeleportAction")
            # Nobody knows where it is.
            self.entities.pop(name)
            self._gone.add(name)
            actions.document.note(actions, f"{name!r} has no position that is supported")

    def _private(self, action: Node, name: str) -> None:
        what = action.children[0] if action.children else action
        if what.tag == "TeleportAction":
            what.seen = True
            self.places.of[name] = self.places.place(what.need("Position"))
            return
        if what.tag in ("ControllerAction", "ActivateControllerAction") and name == self.ego:
            # The ego's driver is ours.
            what.skip()
            return
        done = Done()
        read_action(action, done, 0.0, self.places, self._speed_of)
        if done.speed_mps is not None:
            self.speeds[name] = done.speed_mps
        if done.route:
            self.routes[name] = done.route
        if done.shift_m is not None or done.trajectory:
            what.refuse()

    def _speed_of(self, name: str, node: Node) -> float:
        if name not in self.speeds:
            raise node.wrong(f"there is no entity {name!r}")
        return self.speeds[name]

    def read(self) -> None:
        """All events, in the order of the document; the ego's own are left unread."""
        for story in self.board.all("Story"):
            self.document.declare(story)
            for act in story.all("Act"):
                start, before = act.one("StartTrigger"), len(self.events)
                for group in act.all("ManeuverGroup"):
                    try:
                        self._group(group, [start] if start is not None else [])
                    except Unsupported as error:
                        group.refuse(error.reason)
                if start is not None and len(self.events) == before:
                    # Nothing waits for it.
                    start.skip()

    def _group(self, group: Node, start: list[Node]) -> None:
        if group.text("maximumExecutionCount", "1") != "1":
            raise group.unsupported("is executed more than once", "write maximumExecutionCount=1")
        actors = group.need("Actors")
        actors.text("selectTriggeringEntities", "false")
        names = [one.text("entityRef") for one in actors.all("EntityRef")]
        for name in names:
            if name in self._gone:
                raise group.unsupported(f"{name!r} has no position that is supported")
            if name not in self.entities:
                raise actors.wrong(f"there is no entity {name!r}")
        for maneuver in group.all("Maneuver"):
            if self.ego in names:
                maneuver.refuse("the ego is driven by the system under test")
                continue
            self.document.declare(maneuver)
            for node in maneuver.all("Event"):
                for name in names:
                    try:
                        self._event(node, name, start)
                    except Unsupported as error:
                        node.refuse(error.reason)

    def _event(self, node: Node, name: str, start: list[Node]) -> None:
        node.text("priority", "overwrite")
        if node.text("maximumExecutionCount", "1") != "1":
            raise node.unsupported("is executed more than once", "write maximumExecutionCount=1")
        own = node.one("StartTrigger")
        event = Event(node, name, [*start, *([own] if own is not None else [])])
        before = [other.done.speed_mps for other in self.events if other.actor == name]
        speed = next((one for one in reversed(before) if one is not None), self.speeds[name])
        for action in node.all("Action"):
            event.actions.append(action.text("name", ""))
            what = action.only()
            if what.tag != "PrivateAction":
                what.refuse()
                continue
            read_action(what, event.done, speed, self.places, self._speed_of)
        self.events.append(event)

    def finish(self, node: Node) -> tuple[Trigger, float]:
        """When another event starts or is over: its trigger, and how long it takes. For ``Conditions``."""
        kind, name, state = (node.text(one) for one in ("storyboardElementType", "storyboardElementRef", "state"))
        for k, event in enumerate(self.events):
            if (kind == "event" and event.node.attributes.get("name") == name) or (
                kind == "action" and name in event.actions
            ):
                if k in self._busy:
                    raise node.unsupported(f"{name!r} waits for itself")
                self._busy.add(k)
                trigger = self.trigger(event)
                self._busy.discard(k)
                over = state in ("completeState", "endTransition", "stopTransition", "skipTransition")
                return trigger, self._takes_s(event) if over else 0.0
        raise node.unsupported(f"there is no {kind} {name!r} to wait for", "supported are events and actions")

    def bind(self, conditions: Conditions) -> None:
        """Give the reader of conditions, which needs ``finish``."""
        self._conditions = conditions

    def trigger(self, event: Event) -> Trigger:
        """When an event starts."""
        found = Trigger()
        for node in event.start:
            found = both(found, self._conditions.trigger(node, event.actor), node)
        return found

    def _takes_s(self, event: Event) -> float:
        done, longest = event.done, 0.0
        speed = self.speeds[event.actor]
        if done.speed_mps is not None and done.accel_mps2 < STEP_MPS2:
            longest = abs(done.speed_mps - speed) / done.accel_mps2
        if done.shift_m is not None:
            longest = max(longest, done.over_s)
        if done.times_s:
            longest = max(longest, done.times_s[-1])
        elif done.trajectory:
            pace, accel = done.speed_mps or speed, min(done.accel_mps2, STEP_MPS2)
            length = done.length_m(self.places.of[event.actor])
            longest = max(longest, length / max(0.1, pace) + pace / (2.0 * accel))
        return longest

    def motion(self, name: str, d_m: float, coordinates: Callable[[Place], tuple[float, float]]) -> Motion:
        """All that the entity does, in (s, d) of its path; ``d_m``: where it starts."""
        events = []
        for event in (event for event in self.events if event.actor == name):
            if _moves(event.done):
                try:
                    self.trigger(event)
                    events.append(event)
                except Unsupported as error:
                    self._left_out(event, error.reason)
            else:
                # What it does is not supported and named as such: when it would begin says nothing more.
                for node in event.start:
                    node.skip()
        if any(event.done.trajectory for event in events):
            try:
                return self._walk(name, events, coordinates)
            except Unsupported as error:
                for event in events:
                    self._left_out(event, error.reason)
                return Stand()
        speed, entity = self.speeds[name], self.entities[name]
        if not events and speed == 0.0:
            return Stand()
        changes, lateral = [], d_m
        for event in events:
            if event.done.shift_m is not None:
                # A lane offset counts from the lane's centre, a lane change from where the actor is.
                lateral = lateral + event.done.shift_m if event.done.lanes else event.done.shift_m
            changes.append(
                Change(
                    trigger=self.trigger(event),
                    speed_mps=event.done.speed_mps,
                    accel_mps2=event.done.accel_mps2 if event.done.speed_mps is not None else None,
                    d_m=lateral if event.done.shift_m is not None else None,
                    over_s=event.done.over_s,
                )
            )
        start = None if speed > 0.0 else 0.0
        return Drive(
            speed_mps=speed,
            changes=tuple(changes),
            obeys=entity.obeys,
            minds=entity.minds,
            start_mps=start,
            headway_s=entity.headway_s,
        )

    def _left_out(self, event: Event, reason: str) -> None:
        for node in event.start:
            node.skip()
        event.node.refuse(reason)

    def _walk(self, name: str, events: list[Event], coordinates: Callable[[Place], tuple[float, float]]) -> Walk:
        first, speed, pause = events[0], self.speeds[name], 0.0
        last, points = self.places.of[name], list[tuple[float, float]]()
        accel = STEP_MPS2 if speed > 0.0 else WALK_ACCEL_MPS2
        for k, event in enumerate(events):
            if not event.done.trajectory:
                raise event.node.unsupported(
                    "mixes a trajectory with other actions of the same actor", "use one or the other"
                )
            if event.done.speed_mps is not None:
                speed, accel = event.done.speed_mps, event.done.accel_mps2
            if event.done.times_s:
                speed, pause = self._timed(event, last, pause)
            if k == 1:
                trigger, start = self.trigger(event), self.trigger(first)
                same = msgspec.structs.replace(trigger, delay_s=0.0) == msgspec.structs.replace(start, delay_s=0.0)
                if not same or len(points) != 1:
                    raise event.node.unsupported("a second trajectory must follow on the first by its completeState")
                pause = max(0.0, trigger.delay_s - start.delay_s - self._takes_s(first))
            elif k > 1:
                raise event.node.unsupported("more than two trajectories of one actor")
            for place in event.done.trajectory:
                if math.hypot(place.x_m - last.x_m, place.y_m - last.y_m) > SAME_M:
                    points.append(coordinates(place))
                last = place
        if speed <= 0.0:
            raise first.node.unsupported("a trajectory at a speed of 0", "give a SpeedAction or times")
        return Walk(path=tuple(points), speed_mps=speed, trigger=self.trigger(first), accel_mps2=accel, pause_s=pause)

    def _timed(self, event: Event, start: Place, pause: float) -> tuple[float, float]:
        """The one speed of a timed trajectory, and the time spent at its first point."""
        done, last, before = event.done, start, 0.0
        speeds, visited = [], 0
        for place, t in zip(done.trajectory, done.times_s, strict=True):
            length, span = math.hypot(place.x_m - last.x_m, place.y_m - last.y_m), t - before
            if length > SAME_M:
                visited += 1
                if span <= 0.0:
                    raise event.node.unsupported("a trajectory gets somewhere in no time")
                speeds.append((length, length / span))
            elif span > 0.0 and visited == 1:
                pause += span
            elif span > 0.0 and visited > 1:
                raise event.node.unsupported(
                    "a trajectory pauses after its first leg", "supported is a pause at the first point"
                )
            last, before = place, t
        if not speeds:
            raise event.node.unsupported("a trajectory that leads nowhere")
        mean = sum(length for length, _ in speeds) / sum(length / pace for length, pace in speeds)
        # The first leg may be slower: walkers speed up.
        if any(abs(pace - mean) > SAME_SHARE * mean for _, pace in speeds[1:]):
            raise event.node.unsupported("a trajectory changes its speed on the way", "supported is one speed")
        return mean, pause


def _moves(done: Done) -> bool:
    return done.speed_mps is not None or done.shift_m is not None or bool(done.trajectory)
