"""The actuators: commands act on the vehicle the moment they arrive, whatever timestamp they rest on."""

from __future__ import annotations

from operators.messages import ControlCommand
from operators.sensors.base import Vehicle
from pipeline.definition import Context, Operator
from pipeline.ports import Input, keep_last


class VehicleActuator(Operator):
    """Applies every command at the time of its arrival; it holds until the next one.

    Ports: ``command`` in.
    """

    device = True
    command = Input(ControlCommand, queue=keep_last(1))

    def __init__(self, *, world: Vehicle) -> None:
        self._world = world

    def on_watermark(self, ctx: Context) -> None:
        self._world.advance(ctx.now())
        self._world.apply(ctx[self.command])
