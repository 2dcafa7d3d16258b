"""Predictions along the road: who drives along it follows its bends, who crosses it does not."""

from __future__ import annotations

import math

import numpy as np
import pytest

from operators.geometry.frenet import ReferenceLine
from operators.messages import EgoState, Obstacle, Obstacles, Prediction, Predictions, Route
from operators.prediction.lane_following import LanePredictor, along_road
from pipeline.testing import drive
from pipeline.timestamps import ms

RADIUS_M = 40.0
ANGLE = np.linspace(0.0, math.pi, 130)
CIRCLE = ReferenceLine.through(RADIUS_M * np.sin(ANGLE), RADIUS_M * (1.0 - np.cos(ANGLE)))


def moving(s: float, d: float, along: float, across: float = 0.0, label: str = "vehicle") -> Predictions:
    x, y = CIRCLE.to_map(s, d)
    yaw = CIRCLE.pose(s)[2]
    vx, vy = along * math.cos(yaw) - across * math.sin(yaw), along * math.sin(yaw) + across * math.cos(yaw)
    seen = Obstacle(
        track_id=1, label=label, score=1.0, x_m=x, y_m=y, length_m=4.5, width_m=1.8, speed_x_mps=vx, speed_y_mps=vy
    )
    path = np.array((x, y)) + (np.arange(15) + 1.0)[:, None] * 0.2 * np.array((vx, vy))
    return Predictions(items=(Prediction(obstacle=seen, path_m=path),), step_s=0.2)


def offsets(predictions: Predictions) -> np.ndarray:
    return CIRCLE.to_road_many(predictions.items[0].path_m)[:, 1]


@pytest.mark.parametrize(("d", "along"), [(0.0, 8.0), (3.5, -8.0)])
def test_who_drives_along_the_road_stays_beside_its_line_in_a_bend(d: float, along: float) -> None:
    straight = moving(40.0, d, along)
    assert np.abs(offsets(straight) - d).max() > 4.0, "a straight line leaves the bend"
    bent = along_road(straight, CIRCLE)
    assert np.abs(offsets(bent) - d).max() < 0.05
    travelled = np.hypot(*np.diff(bent.items[0].path_m, axis=0).T).sum()
    assert travelled == pytest.approx(14 * 0.2 * 8.0, rel=0.02)


@pytest.mark.parametrize(
    "predictions",
    [moving(40.0, -15.0, 1.0, 8.0), moving(40.0, 0.0, 0.5), moving(40.0, 2.0, 1.4, label="pedestrian")],
    ids=["crossing", "standing", "walking"],
)
def test_everybody_else_keeps_the_straight_line(predictions: Predictions) -> None:
    assert along_road(predictions, CIRCLE).items == predictions.items


def test_the_operator_needs_no_route_and_uses_one_it_gets() -> None:
    seen = []
    for k in range(8):
        x, y = CIRCLE.to_map(40.0 + 0.8 * k, 0.0)
        item = Obstacle(
            track_id=1, label="vehicle", score=1.0, x_m=x, y_m=y, length_m=4.5, width_m=1.8, position_std_m=0.05
        )
        seen.append((k * ms(100), Obstacles(items=(item,))))
    route = Route(
        x_m=CIRCLE.x_m, y_m=CIRCLE.y_m, width_left_m=1.0, width_right_m=1.0, speed_limit_mps=12.0
    )  # fmt: skip
    ego = EgoState(x_m=float(CIRCLE.x_m[10]), y_m=float(CIRCLE.y_m[10]), yaw_rad=0.1, speed_mps=8.0)
    without = drive(LanePredictor(), {"obstacles": seen}).values[-1][1]
    inputs = {"obstacles": seen, "ego": [(0, ego)], "route": [(0, route)]}
    with_ = drive(LanePredictor(), inputs).values[-1][1]
    assert abs(offsets(without)[-1]) > 3.0
    assert abs(offsets(with_)[-1]) < 1.0
