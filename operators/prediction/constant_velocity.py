"""Straight-line motion in map, fitted to each obstacle's recent positions.

Decides velocity and future; assumes nothing about lanes. Two sightings give a cautious velocity, later ones a sure one,
because the fit weighs the positions' uncertainty against what such a road user usually does.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import NamedTuple

import msgspec
import numpy as np
from numpy.typing import NDArray

from operators.messages import Obstacle, Obstacles, Prediction, Predictions
from pipeline.definition import Context, Operator
from pipeline.ports import Input, Output, State, keep_last

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class PredictorSettings:
    """Memory, horizon and expectations."""

    samples: int = 10
    memory_s: float = 1.2
    coast_s: float = 0.6
    """An obstacle is still predicted this long after it was last located."""
    horizon_s: float = 3.0
    step_s: float = 0.2
    person_speed_std_mps: float = 2.5
    vehicle_speed_std_mps: float = 10.0
    person_speed_max_mps: float = 7.0
    vehicle_speed_max_mps: float = 45.0
    still_mps: float = 0.5
    """A vehicle slower than this, or than twice its speed's uncertainty, stands still."""
    outlier_stds: float = 3.0


class Sighting(NamedTuple):
    """One located position, and how uncertain it is along and across the line of sight."""

    t_s: float
    x_m: float
    y_m: float
    std_m: float
    cross_std_m: float
    sight_rad: float


class History(NamedTuple):
    """An obstacle's sightings, oldest first, and its last located state."""

    obstacle: Obstacle
    sightings: tuple[Sighting, ...]


Histories = tuple[History, ...]
"""Lowest track id first; a value: replaced, never changed."""


class Motion(NamedTuple):
    """Fitted position and velocity at one instant, and how uncertain the velocity is along and across the sight."""

    x_m: float
    y_m: float
    speed_x_mps: float
    speed_y_mps: float
    along_std_mps: float
    cross_std_mps: float


def observe(histories: Histories, obstacles: Obstacles, t_s: float, settings: PredictorSettings) -> Histories:
    """Add what was located at ``t_s``; forget obstacles not seen for ``coast_s`` and sightings beyond the memory."""
    by_id = {history.obstacle.track_id: history for history in histories}
    for item in obstacles.items:
        old = by_id.get(item.track_id)
        kept = old.sightings if old is not None and old.obstacle.label == item.label else ()
        std = item.position_std_m if item.position_std_m > 0.0 else 0.5
        seen = Sighting(t_s, item.x_m, item.y_m, std, item.cross_std_m or std, item.sight_rad)
        recent = tuple(s for s in kept if 0.0 < t_s - s.t_s <= settings.memory_s)
        by_id[item.track_id] = History(item, (*_without_jump(recent, seen, item.label, settings), seen))
    alive = (h for h in by_id.values() if t_s - h.sightings[-1].t_s <= settings.coast_s)
    trimmed = (h._replace(sightings=h.sightings[-settings.samples :]) for h in alive)
    return tuple(sorted(trimmed, key=lambda h: h.obstacle.track_id))


def _without_jump(
    recent: tuple[Sighting, ...], seen: Sighting, label: str, settings: PredictorSettings
) -> tuple[Sighting, ...]:
    """The old sightings, unless two in a row lie where nobody could have got to: then it is another object."""
    if not recent:
        return ()
    limit = _speed_max(label, settings)

    def reachable(a: Sighting, b: Sighting) -> bool:
        slack = settings.outlier_stds * math.hypot(a.std_m, b.std_m)
        return math.hypot(b.x_m - a.x_m, b.y_m - a.y_m) <= limit * abs(b.t_s - a.t_s) + slack

    if reachable(recent[-1], seen):
        return recent
    if len(recent) >= 2 and reachable(recent[-2], seen):  # The one in between was the outlier.
        return recent[:-1]
    return ()


def fit(history: History, t_s: float, settings: PredictorSettings) -> Motion:
    """Position and velocity at ``t_s``: least squares with a zero-speed prior; outliers weigh less (Huber).

    Along and across the line of sight are fitted apart, since a camera sees a step aside long before a step closer.
    Source: Bayesian linear regression; the prior's spread is how fast this kind of road user usually moves.
    """
    rows = np.array(history.sightings)
    label, sight = history.obstacle.label, history.sightings[-1].sight_rad
    axes = np.array([(math.cos(sight), -math.sin(sight)), (math.sin(sight), math.cos(sight))])
    age, position, stds = rows[:, 0] - t_s, rows[:, 1:3] @ axes, rows[:, 3:5]
    prior = settings.vehicle_speed_std_mps if label == "vehicle" else settings.person_speed_std_mps
    huber = np.ones(len(rows))
    for _ in range(3):
        fitted, speed_std = _line(age, position, huber[:, None] / stds**2, prior)
        residual = np.hypot(*((position - fitted[0] - age[:, None] * fitted[1]) / stds).T)
        if len(rows) >= 4:  # Of three points no one is the outlier.
            huber = np.minimum(1.0, 1.5 / np.maximum(residual, 1e-9))
    std = float(speed_std.max())
    velocity = fitted[1] * _speed_scale(float(np.hypot(*fitted[1])), std, label, settings)
    start = fitted[0] if velocity.any() else np.average(position, axis=0, weights=huber[:, None] / stds**2)
    (x, y), (speed_x, speed_y) = axes @ start, axes @ velocity
    return Motion(float(x), float(y), float(speed_x), float(speed_y), float(speed_std[0]), float(speed_std[1]))


def _line(age: Floats, position: Floats, weight: Floats, prior_std: float) -> tuple[Floats, Floats]:
    """Intercept and slope (2, axes) of each column of ``position``, and the slopes' standard deviations (axes,)."""
    total, first = weight.sum(0), (weight * age[:, None]).sum(0)
    second = (weight * age[:, None] ** 2).sum(0) + prior_std**-2
    right, moment = (weight * position).sum(0), (weight * age[:, None] * position).sum(0)
    determinant = total * second - first**2
    slope = (total * moment - first * right) / determinant
    intercept = (second * right - first * moment) / determinant
    return np.stack([intercept, slope]), np.sqrt(total / determinant)


def _speed_scale(speed_mps: float, std_mps: float, label: str, settings: PredictorSettings) -> float:
    """Nobody is faster than their kind; a vehicle whose speed is not clearly above nothing stands."""
    if label == "vehicle" and speed_mps < max(settings.still_mps, 2.0 * std_mps):
        return 0.0
    limit = _speed_max(label, settings)
    return limit / speed_mps if speed_mps > limit else 1.0


def _speed_max(label: str, settings: PredictorSettings) -> float:
    return settings.vehicle_speed_max_mps if label == "vehicle" else settings.person_speed_max_mps


def predict(histories: Histories, t_s: float, settings: PredictorSettings, frame_id: str = "map") -> Predictions:
    """Every remembered obstacle's path from ``t_s`` on, lowest track id first."""
    steps = round(settings.horizon_s / settings.step_s)
    ahead = (np.arange(steps) + 1.0) * settings.step_s
    items = []
    for history in histories:
        motion = fit(history, t_s, settings)
        velocity = np.array((motion.speed_x_mps, motion.speed_y_mps))
        path = np.array((motion.x_m, motion.y_m)) + ahead[:, None] * velocity
        items.append(Prediction(obstacle=_moving(history.obstacle, motion), path_m=path))
    return Predictions(items=tuple(items), step_s=settings.step_s, frame_id=frame_id)


def _moving(obstacle: Obstacle, motion: Motion) -> Obstacle:
    """The obstacle at its fitted place and speed; one that clearly moves points where it goes."""
    speed = math.hypot(motion.speed_x_mps, motion.speed_y_mps)
    clear = speed > max(1.0, 2.0 * max(motion.along_std_mps, motion.cross_std_mps))
    yaw = math.atan2(motion.speed_y_mps, motion.speed_x_mps) if clear else obstacle.yaw_rad
    return msgspec.structs.replace(
        obstacle,
        x_m=motion.x_m,
        y_m=motion.y_m,
        speed_x_mps=motion.speed_x_mps,
        speed_y_mps=motion.speed_y_mps,
        speed_std_mps=motion.cross_std_mps,
        yaw_rad=yaw,
    )


class LinearPredictor(Operator):
    """Constant velocity for every obstacle. Ports: ``obstacles`` in, ``predictions`` out, in map."""

    obstacles = Input(Obstacles, queue=keep_last(1))
    predictions = Output(Predictions)
    histories: State[Histories] = State(tuple)

    def __init__(self, *, horizon_s: float = 3.0, step_s: float = 0.2, samples: int = 10, coast_s: float = 0.6) -> None:
        self.settings = replace(
            PredictorSettings(), horizon_s=horizon_s, step_s=step_s, samples=samples, coast_s=coast_s
        )

    def on_watermark(self, ctx: Context) -> Predictions:
        ctx.work("predict")
        envelope = ctx.envelope(self.obstacles)
        located_s = (ctx.t if envelope is None else envelope.origin) * 1e-9
        obstacles = ctx[self.obstacles]
        histories = observe(ctx[self.histories], obstacles, located_s, self.settings)
        ctx[self.histories] = histories
        return predict(histories, ctx.t * 1e-9, self.settings, obstacles.frame_id)
