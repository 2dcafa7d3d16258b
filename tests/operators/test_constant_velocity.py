"""Predicted velocity: right on clean data, soon usable, unmoved by outliers."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from operators.messages import Obstacle, Obstacles, Predictions
from operators.prediction.constant_velocity import Histories, PredictorSettings, observe, predict

SETTINGS = PredictorSettings()


def at(x: float, y: float, *, label: str = "pedestrian", track_id: int = 1, std: float = 0.15) -> Obstacles:
    item = Obstacle(
        track_id=track_id, label=label, score=0.9, x_m=x, y_m=y, length_m=0.5, width_m=0.6, position_std_m=std
    )
    return Obstacles(items=(item,))


def followed(path: list[tuple[float, float, float]], **kind: object) -> tuple[Histories, Predictions]:
    histories: Histories = ()
    for t, x, y in path:
        histories = observe(histories, at(x, y, **kind), t, SETTINGS)  # type: ignore[arg-type]
    return histories, predict(histories, path[-1][0], SETTINGS)


@given(st.floats(-6, 6), st.floats(-6, 6), st.floats(-100, 100))
def test_a_straight_walk_is_continued(vx: float, vy: float, x: float) -> None:
    speed = np.hypot(vx, vy)
    if speed > 6.5:
        vx, vy = vx / speed * 6.5, vy / speed * 6.5
    path = [(k * 0.1, x + vx * k * 0.1, vy * k * 0.1) for k in range(10)]
    _, predictions = followed(path, std=0.02)
    end = predictions.items[0].path_m[-1]
    assert end == pytest.approx((path[-1][1] + 3 * vx, path[-1][2] + 3 * vy), abs=0.25)


def test_the_path_has_the_declared_steps() -> None:
    _, predictions = followed([(0.0, 1.0, 2.0)])
    assert predictions.items[0].path_m.shape == (15, 2)
    assert predictions.step_s == 0.2


@pytest.mark.parametrize(("sightings", "least"), [(2, 0.4), (3, 0.65), (5, 0.85)])
def test_a_few_sightings_give_a_usable_velocity(sightings: int, least: float) -> None:
    _, predictions = followed([(k * 0.1, 20.0, 4.0 - 0.275 * k) for k in range(sightings)], std=0.12)
    speed = predictions.items[0].obstacle.speed_y_mps
    assert -2.76 <= speed <= -2.75 * least


def test_a_step_aside_is_known_before_a_step_closer() -> None:
    histories: Histories = ()
    for k in range(3):
        seen = Obstacle(
            track_id=1, label="pedestrian", score=0.9, x_m=20.0 - 0.2 * k, y_m=4.0 - 0.2 * k, length_m=0.5, width_m=0.6,
            position_std_m=1.0, cross_std_m=0.1, sight_rad=0.0,
        )  # fmt: skip
        histories = observe(histories, Obstacles(items=(seen,)), 0.1 * k, SETTINGS)
    obstacle = predict(histories, 0.2, SETTINGS).items[0].obstacle
    assert obstacle.speed_y_mps < -1.4
    assert abs(obstacle.speed_x_mps) < 0.5


def test_doubt_about_the_speed_fades_with_every_sighting() -> None:
    doubts = []
    for count in (1, 2, 4, 8):
        _, predictions = followed([(k * 0.1, 20.0, 4.0) for k in range(count)])
        doubts.append(predictions.items[0].obstacle.speed_std_mps)
    assert doubts == sorted(doubts, reverse=True)
    assert doubts[0] == pytest.approx(SETTINGS.person_speed_std_mps)
    assert doubts[-1] < 0.5


def test_one_sighting_stands_still() -> None:
    _, predictions = followed([(0.0, 20.0, 4.0)])
    assert predictions.items[0].path_m[-1] == pytest.approx((20.0, 4.0))


def test_one_wild_position_hardly_matters() -> None:
    path = [(k * 0.1, 20.0, 4.0 - 0.2 * k) for k in range(8)]
    path[4] = (0.4, 24.0, 7.0)
    _, predictions = followed(path)
    obstacle = predictions.items[0].obstacle
    assert (obstacle.speed_x_mps, obstacle.speed_y_mps) == pytest.approx((0.0, -2.0), abs=0.4)


def test_two_in_a_row_elsewhere_are_another_object() -> None:
    path = [(k * 0.1, 20.0, 4.0) for k in range(6)] + [(0.6, 60.0, -9.0), (0.7, 60.0, -9.0)]
    histories, predictions = followed(path)
    assert len(histories[0].sightings) == 2
    assert predictions.items[0].path_m[-1] == pytest.approx((60.0, -9.0), abs=0.1)


def test_a_parked_vehicle_stays_parked_under_noise() -> None:
    rng = np.random.default_rng(3)
    path = [(k * 0.1, 30.0 + rng.normal(0, 0.15), 4.0 + rng.normal(0, 0.15)) for k in range(12)]
    _, predictions = followed(path, label="vehicle", std=0.2)
    assert predictions.items[0].obstacle.speed_y_mps == 0.0
    assert np.ptp(predictions.items[0].path_m, axis=0) == pytest.approx((0.0, 0.0))


def test_an_obstacle_lost_from_sight_moves_on_and_is_then_forgotten() -> None:
    histories, _ = followed([(k * 0.1, 20.0, 4.0 - 0.2 * k) for k in range(6)])
    nothing = Obstacles(items=())
    soon = predict(observe(histories, nothing, 0.9, SETTINGS), 0.9, SETTINGS)
    assert soon.items[0].obstacle.y_m == pytest.approx(4.0 - 2.0 * 0.9, abs=0.2)
    assert observe(histories, nothing, 1.2, SETTINGS) == ()


def test_observing_leaves_the_old_histories_as_they_were() -> None:
    histories, _ = followed([(0.0, 20.0, 4.0), (0.1, 20.0, 3.8)])
    observe(histories, at(20.0, 3.6), 0.2, SETTINGS)
    assert len(histories[0].sightings) == 2


def test_no_person_is_predicted_faster_than_a_person_runs() -> None:
    _, predictions = followed([(k * 0.1, 2.0 * k, 0.0) for k in range(6)], std=0.5)
    obstacle = predictions.items[0].obstacle
    assert np.hypot(obstacle.speed_x_mps, obstacle.speed_y_mps) <= SETTINGS.person_speed_max_mps + 1e-9
