"""The locator as an operator: tracks, depth and the ego's pose in, obstacles on the road out."""

from __future__ import annotations

from operators.location.locating import LocatorSettings, locate
from operators.messages import DepthFrame, EgoState, Obstacles, Tracks
from pipeline.definition import Context, Operator
from pipeline.ports import Input, Output, keep_last


class ObstacleLocator(Operator):
    """Locates every track seen in this picture; unseen ones are left to the predictor, which knows their motion.

    Ports: ``tracks``, ``depth``, ``ego`` in (all at the same t), ``obstacles`` out, in map.
    """

    tracks = Input(Tracks, queue=keep_last(1))
    depth = Input(DepthFrame)
    ego = Input(EgoState)
    obstacles = Output(Obstacles)

    def __init__(self, *, quantile: float = 0.25, range_max_m: float = 120.0) -> None:
        self.settings = LocatorSettings(quantile=quantile, range_max_m=range_max_m)

    def on_watermark(self, ctx: Context) -> Obstacles:
        ctx.work("locate")
        depth, ego = ctx[self.depth], ctx[self.ego]
        seen = (track for track in ctx[self.tracks].items if track.missed == 0)
        found = (locate(track, depth, ego, self.settings) for track in seen)
        located = tuple(sorted((item for item in found if item is not None), key=lambda item: item.track_id))
        return Obstacles(items=located, frame_id=ego.frame_id)
