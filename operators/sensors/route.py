"""Where to drive: the route, repeated at a low rate so that late joiners and recordings have it."""

from __future__ import annotations

from typing import Any

from operators.messages import Route
from operators.sensors.base import RouteProvider, over
from pipeline.definition import END, Context, Source
from pipeline.ports import Output
from pipeline.timestamps import seconds


class RouteSource(Source):
    """Sends the lane to follow every ``period``.

    Ports: ``route`` out. Ends with the world.
    """

    route = Output(Route)
    period = seconds(1)

    def __init__(self, *, world: RouteProvider) -> None:
        self._world = world

    def on_tick(self, ctx: Context) -> Any:
        return END if over(self._world, ctx.t) else self._world.route()
