"""The sensor of traffic lights: what is ahead, at its rate, until the world ends."""

from __future__ import annotations

import pytest

from operators.messages import LightState, TrafficLights
from operators.sensors.lights import LightSensor
from pipeline.errors import UsageError
from pipeline.execution import VirtualClock, run
from pipeline.graph import Graph
from pipeline.timestamps import ms, seconds


class Junction:
    """A world with one light ahead that turns green after half a second."""

    def __init__(self) -> None:
        self.t = 0
        self.ranges: list[float] = []

    @property
    def finished(self) -> bool:
        return self.t >= seconds(1)

    def advance(self, to_ns: int) -> None:
        self.t = max(self.t, to_ns)

    def lights(self, ahead_m: float) -> TrafficLights:
        self.ranges.append(ahead_m)
        return TrafficLights(items=(LightState(light="a", state="green" if self.t >= ms(500) else "red"),))


def test_every_tick_tells_the_lights_in_range_until_the_world_ends() -> None:
    world, graph = Junction(), Graph("g")
    sensor = LightSensor(world=world, range_m=80.0)
    graph.add(sensor)
    told = {t: message.items[0].state for t, message in run(graph, clock=VirtualClock())[sensor.lights]}
    assert list(told) == [ms(100) * k for k in range(10)]
    assert told[ms(400)] == "red" and told[ms(500)] == "green"
    assert set(world.ranges) == {80.0}


@pytest.mark.parametrize("range_m", [0.0, -5.0, float("nan"), float("inf")])
def test_a_range_that_is_none_is_refused(range_m: float) -> None:
    with pytest.raises(UsageError, match="no range"):
        LightSensor(world=Junction(), range_m=range_m)


def test_a_world_without_lights_is_refused() -> None:
    with pytest.raises(UsageError, match="lights"):
        LightSensor(world=object())  # type: ignore[arg-type]
