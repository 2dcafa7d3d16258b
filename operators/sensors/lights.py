"""The twin's traffic lights: what those ahead on the ego's road show, as somebody with good eyes would read them."""

from __future__ import annotations

from typing import Any, Protocol

from operators.messages import TrafficLights
from operators.sensors.base import Clocked, over, required
from pipeline.definition import END, Context, Source
from pipeline.errors import UsageError
from pipeline.ports import Output
from pipeline.timestamps import ms


class LightsProvider(Clocked, Protocol):
    """Knows what the traffic lights show."""

    def lights(self, ahead_m: float) -> TrafficLights:
        """Those on the ego's road whose lines are within ``ahead_m`` ahead, now."""


class LightSensor(Source):
    """Tells the state of the lights within ``range_m`` ahead every ``period``; an empty message where there are none.

    Ports: ``lights`` out. Ends with the world.
    """

    lights = Output(TrafficLights)
    period = ms(100)

    def __init__(self, *, world: LightsProvider, range_m: float = 120.0) -> None:
        if not 0.0 < range_m < 10_000.0:
            raise UsageError(f"range_m={range_m} is no range", hint="give a distance in metres, such as 120")
        required(world, "light sensor", "lights")
        self._world, self.range_m = world, range_m

    def on_tick(self, ctx: Context) -> Any:
        return END if over(self._world, ctx.t) else self._world.lights(self.range_m)
