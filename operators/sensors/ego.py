"""The ego's own state as its odometry reports it, exact or with noise."""

from __future__ import annotations

from typing import Any

import msgspec

from operators.messages import EgoState
from operators.sensors.base import Vehicle, over
from pipeline.definition import END, Context, Source
from pipeline.errors import UsageError
from pipeline.ports import Output
from pipeline.timestamps import ms


class EgoSensor(Source):
    """Reports pose and motion every ``period``, with Gaussian noise of the given standard deviations.

    Ports: ``state`` out. Ends with the world.
    """

    state = Output(EgoState)
    period = ms(10)

    def __init__(self, *, world: Vehicle, position_std_m: float = 0.0, speed_std_mps: float = 0.0) -> None:
        if position_std_m < 0.0 or speed_std_mps < 0.0:
            raise UsageError("a standard deviation is negative", hint="give 0 for none")
        self._world = world
        self.position_std_m, self.speed_std_mps = position_std_m, speed_std_mps

    def on_tick(self, ctx: Context) -> Any:
        if over(self._world, ctx.t):
            return END
        state = self._world.ego()
        if self.position_std_m == 0.0 and self.speed_std_mps == 0.0:
            return state
        x_m, y_m, speed_mps = ctx.rng.normal(
            (state.x_m, state.y_m, state.speed_mps), (self.position_std_m, self.position_std_m, self.speed_std_mps)
        )
        return msgspec.structs.replace(state, x_m=float(x_m), y_m=float(y_m), speed_mps=float(speed_mps))
