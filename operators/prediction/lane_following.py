"""Vehicles that drive along the ego's road follow its bends: straight-line motion says they leave it.

Decides the path only; place and velocity are ``constant_velocity``'s. Who crosses the road, or stands, or walks, keeps
the straight line.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from operators.geometry.frenet import ReferenceLine
from operators.geometry.windows import RouteLine
from operators.messages import EgoState, Obstacles, Prediction, Predictions, Route
from operators.prediction.constant_velocity import LinearPredictor, observe, predict
from pipeline.definition import Context
from pipeline.ports import Input, State, latest
from pipeline.timestamps import seconds

Floats = NDArray[np.float64]

TOLERANCE_M = 1e-2


@dataclass(frozen=True)
class LaneSettings:
    """Who counts as driving along the road."""

    beside_m: float = 9.0
    """As far as this from the route's line there may be lanes of its road, either way."""
    turn_max_rad: float = 0.45
    speed_min_mps: float = 1.0
    settle_m: float = 30.0
    """Over this distance the heading's error to the lane is given up."""


class Motion(NamedTuple):
    """Along and across the road, m and m/s."""

    s_m: float
    d_m: float
    along_mps: float
    across_mps: float


def along_road(predictions: Predictions, line: ReferenceLine, settings: LaneSettings | None = None) -> Predictions:
    """The predictions with the paths of vehicles that drive along ``line``, either way, bent as it bends."""
    chosen = settings or LaneSettings()
    if not predictions.items:
        return predictions
    starts = np.array([(item.obstacle.x_m, item.obstacle.y_m) for item in predictions.items])
    road = line.to_road_many(starts, TOLERANCE_M)
    yaws = line.poses(road[:, 0])[2]
    items = tuple(
        _bent(item, _motion(item, s, d, yaw, line, chosen), predictions.step_s, line, chosen)
        for item, (s, d), yaw in zip(predictions.items, road, yaws, strict=True)
    )
    return Predictions(items=items, step_s=predictions.step_s, frame_id=predictions.frame_id)


def _motion(
    item: Prediction, s_m: float, d_m: float, yaw_rad: float, line: ReferenceLine, settings: LaneSettings
) -> Motion | None:
    seen = item.obstacle
    speed = math.hypot(seen.speed_x_mps, seen.speed_y_mps)
    if seen.label != "vehicle" or speed < settings.speed_min_mps or abs(d_m) > settings.beside_m:
        return None
    if not 0.0 < s_m < line.length_m or not len(item.path_m):
        return None
    turn = math.remainder(math.atan2(seen.speed_y_mps, seen.speed_x_mps) - yaw_rad, math.tau)
    if min(abs(turn), math.pi - abs(turn)) > settings.turn_max_rad:
        return None
    return Motion(float(s_m), float(d_m), speed * math.cos(turn), speed * math.sin(turn))


def _bent(
    item: Prediction, motion: Motion | None, step_s: float, line: ReferenceLine, settings: LaneSettings
) -> Prediction:
    if motion is None:
        return item
    times = (np.arange(len(item.path_m)) + 1.0) * step_s
    curvature = line.pose(motion.s_m)[3]
    travel = motion.along_mps * times
    s: Floats = np.asarray(motion.s_m + travel / max(1.0 - curvature * motion.d_m, 0.3), np.float64)
    # Drifting aside fades: who keeps to a lane comes back to its direction.
    drift_s = settings.settle_m / max(abs(motion.along_mps), 1.0) / 2.0
    d = motion.d_m + motion.across_mps * drift_s * (1.0 - np.exp(-times / drift_s))
    x, y, yaw, _ = line.poses(s)
    path = np.stack([x - d * np.sin(yaw), y + d * np.cos(yaw)], axis=1)
    return Prediction(obstacle=item.obstacle, path_m=path, probability=item.probability)


class LanePredictor(LinearPredictor):
    """Constant velocity, along the road for vehicles that drive along it.

    Ports: ``obstacles``, ``ego`` and ``route`` (latest, not required) in; ``predictions`` out, in map.
    """

    ego = Input(EgoState, join=latest(max_age=seconds(1)), required=False)
    route = Input(Route, join=latest(max_age=seconds(60)), required=False)
    progress: State[float | None] = State(lambda: None)

    def __init__(self, *, horizon_s: float = 3.0, step_s: float = 0.2, samples: int = 10, coast_s: float = 0.6) -> None:
        super().__init__(horizon_s=horizon_s, step_s=step_s, samples=samples, coast_s=coast_s)
        self._line: RouteLine | None = None

    def on_watermark(self, ctx: Context) -> Predictions:
        ctx.work("predict")
        envelope = ctx.envelope(self.obstacles)
        located_s = (ctx.t if envelope is None else envelope.origin) * 1e-9
        obstacles: Obstacles = ctx[self.obstacles]
        histories = observe(ctx[self.histories], obstacles, located_s, self.settings)
        ctx[self.histories] = histories
        straight = predict(histories, ctx.t * 1e-9, self.settings, obstacles.frame_id)
        ego, route = ctx.get(self.ego), ctx.get(self.route)
        if ego is None or route is None:
            return straight
        if self._line is None or not self._line.is_of(route):
            self._line = RouteLine(route)
        window, s_m = self._line.around(ego.x_m, ego.y_m, ego.yaw_rad, ctx[self.progress])
        ctx[self.progress] = s_m
        return along_road(straight, window.line)
