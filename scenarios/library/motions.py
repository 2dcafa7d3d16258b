"""What a road user does, from the words of a family file: stand, walk, drive, and when it starts."""

from __future__ import annotations

from pipeline.located import FieldPath
from scenarios.library.drawing import Numbers
from scenarios.library.schema import Changing, Driving, Standing, Walking, When
from scenarios.scenario import Change, Drive, Motion, Stand, Trigger, Walk


def motion(said: Standing | Walking | Driving, numbers: Numbers, path: FieldPath) -> Motion:
    """The script; draws in the order in which its fields are written below."""
    if isinstance(said, Standing):
        return Stand(said.brake_lights)
    if isinstance(said, Walking):
        return Walk(
            path=tuple(
                (numbers.value(s, (*path, "path", k, 0)), numbers.value(d, (*path, "path", k, 1)))
                for k, (s, d) in enumerate(said.path)
            ),
            pause_s=numbers.draw(said.pause, (*path, "pause")),
            speed_mps=_positive(numbers, numbers.draw(said.speed, (*path, "speed")), (*path, "speed")),
            trigger=trigger(said.trigger, numbers, (*path, "trigger")),
            accel_mps2=_positive(numbers, numbers.draw(said.accel, (*path, "accel")), (*path, "accel")),
            minds=said.minds,
            loop=said.loop,
        )
    speed = numbers.draw(said.speed, (*path, "speed"))
    if speed < 0.0:
        raise numbers.wrong((*path, "speed"), f"{speed:g} m/s is negative", "turn round with heading: pi")
    return Drive(
        speed_mps=speed,
        trigger=trigger(said.trigger, numbers, (*path, "trigger")),
        changes=tuple(_change(change, numbers, (*path, "changes", k)) for k, change in enumerate(said.changes)),
        obeys=said.obeys,
        minds=said.minds,
        changes_lanes=said.changes_lanes,
        start_mps=_maybe(said.start, numbers, (*path, "start")),
        headway_s=_maybe(said.headway, numbers, (*path, "headway")),
        at_end=said.at_end,
    )


def trigger(said: When, numbers: Numbers, path: FieldPath) -> Trigger:
    """When it starts; from the beginning when nothing is said."""
    nothing = Trigger()
    within = _maybe(said.ego_within, numbers, (*path, "ego_within"))
    after = _maybe(said.after, numbers, (*path, "after"))
    arrives = _maybe(said.ego_arrives_in, numbers, (*path, "ego_arrives_in"))
    station = _maybe(said.ego_station, numbers, (*path, "ego_station"))
    return Trigger(
        ego_within_m=nothing.ego_within_m if within is None else _positive(numbers, within, (*path, "ego_within")),
        after_s=nothing.after_s if after is None else after,
        ego_arrives_in_s=nothing.ego_arrives_in_s if arrives is None else arrives,
        arrival_s_m=_maybe(said.arrival, numbers, (*path, "arrival")),
        ego_station_m=nothing.ego_station_m if station is None else station,
        light=said.light,
        light_state=said.state,
        delay_s=numbers.value(said.delay, (*path, "delay")),
    )


def _change(said: Changing, numbers: Numbers, path: FieldPath) -> Change:
    return Change(
        trigger=trigger(said.trigger, numbers, (*path, "trigger")),
        speed_mps=_maybe(said.speed, numbers, (*path, "speed")),
        accel_mps2=_maybe(said.accel, numbers, (*path, "accel")),
        d_m=_maybe(said.d, numbers, (*path, "d")),
        over_s=_positive(numbers, numbers.value(said.over, (*path, "over")), (*path, "over")),
    )


def _maybe(expression: str | float | None, numbers: Numbers, path: FieldPath) -> float | None:
    return None if expression is None else numbers.value(expression, path)


def _positive(numbers: Numbers, value: float, path: FieldPath) -> float:
    if value <= 0.0:
        raise numbers.wrong(path, f"{value:g} is not positive")
    return value
