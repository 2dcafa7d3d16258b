"""The waypoint planner: who is a conflict, and how hard it brakes."""

from __future__ import annotations

import math

import numpy as np
import pytest

from operators.geometry.frenet import ReferenceLine
from operators.messages import EgoState, Obstacle, Prediction, Predictions
from operators.planning.waypoints import plan

LINE = ReferenceLine.through(np.arange(0.0, 300.0, 2.0), np.zeros(150))


def ego(speed: float = 12.0, y: float = 0.0) -> EgoState:
    return EgoState(x_m=50.0, y_m=y, yaw_rad=0.0, speed_mps=speed)


def somebody(x: float, y: float, vx: float = 0.0, vy: float = 0.0, label: str = "pedestrian") -> Predictions:
    length, width = (0.5, 0.6) if label == "pedestrian" else (4.5, 1.9)
    seen = Obstacle(track_id=1, label=label, score=1.0, x_m=x, y_m=y, length_m=length, width_m=width)
    path = np.array((x, y)) + (np.arange(15) + 1.0)[:, None] * 0.2 * np.array((vx, vy))
    return Predictions(items=(Prediction(obstacle=seen, path_m=path),), step_s=0.2)


NOBODY = Predictions(items=(), step_s=0.2)


def decel(predictions: Predictions, speed: float = 12.0) -> float:
    trajectory = plan(ego(speed), LINE, predictions, 12.0)
    return float(trajectory.speed_mps[0] - trajectory.speed_mps[1]) / 0.1


def test_a_free_road_is_driven_at_the_target_speed() -> None:
    trajectory = plan(ego(6.0), LINE, NOBODY, 12.0)
    assert trajectory.speed_mps[-1] == pytest.approx(12.0)
    assert trajectory.reason == "follow"


def test_an_offset_is_given_back() -> None:
    trajectory = plan(ego(y=1.0), LINE, NOBODY, 12.0)
    assert trajectory.y_m[0] == pytest.approx(1.0)
    assert trajectory.y_m[-1] == pytest.approx(0.0, abs=1e-6)


@pytest.mark.parametrize(
    ("distance", "least", "most"), [(60, 0.0, 0.0), (35, 2.0, 4.0), (22, 4.5, 7.0), (14, 8.0, 8.0)]
)
def test_the_nearer_the_person_in_the_lane_the_harder_it_brakes(distance: float, least: float, most: float) -> None:
    assert least - 1e-6 <= decel(somebody(50.0 + distance, 0.0)) <= most + 1e-6


def test_braking_as_planned_stops_short_of_the_person() -> None:
    trajectory = plan(ego(), LINE, somebody(75.0, 0.0), 12.0)
    assert trajectory.speed_mps[-1] == 0.0
    assert 75.0 - 0.25 - (trajectory.x_m[-1] + 3.75) > 2.0


def test_a_person_walking_towards_the_lane_is_a_conflict_before_being_in_it() -> None:
    assert decel(somebody(75.0, 4.5)) == pytest.approx(0.0)
    assert decel(somebody(75.0, 4.5, vy=-2.0)) > 3.0


def test_a_person_walking_away_is_no_conflict() -> None:
    assert decel(somebody(75.0, 3.5, vy=2.0)) == pytest.approx(0.0)


def test_a_person_who_arrives_after_the_ego_has_passed_is_no_conflict() -> None:
    assert decel(somebody(60.0, 8.0, vy=-1.2)) == pytest.approx(0.0)


def test_a_standing_vehicle_in_the_lane_is_stopped_for() -> None:
    trajectory = plan(ego(), LINE, somebody(85.0, 0.0, label="vehicle"), 12.0)
    assert trajectory.reason in ("yield", "brake")
    assert trajectory.speed_mps[-1] == 0.0


def test_a_parked_vehicle_beside_the_lane_is_passed() -> None:
    assert decel(somebody(80.0, 3.0, label="vehicle")) == pytest.approx(0.0)


def test_a_slower_lead_vehicle_is_slowed_down_for_not_stopped_for() -> None:
    trajectory = plan(ego(), LINE, somebody(75.0, 0.0, vx=7.0, label="vehicle"), 12.0)
    assert trajectory.speed_mps[-1] == pytest.approx(7.0, abs=0.2)


def test_a_faster_lead_vehicle_does_not_slow_it_down() -> None:
    assert decel(somebody(66.0, 0.0, vx=14.0, label="vehicle")) == pytest.approx(0.0)


def test_it_stays_while_somebody_stands_before_the_bumper() -> None:
    trajectory = plan(ego(0.0), LINE, somebody(56.0, 0.0), 12.0)
    assert (trajectory.speed_mps == 0.0).all()


def test_it_starts_again_when_the_road_is_free() -> None:
    assert plan(ego(0.0), LINE, NOBODY, 12.0).speed_mps[-1] > 8.0


def test_an_ego_that_is_not_finite_gets_an_empty_trajectory() -> None:
    state = EgoState(x_m=0.0, y_m=0.0, yaw_rad=math.nan, speed_mps=1.0)
    assert len(plan(state, LINE, NOBODY, 12.0).time_s) == 0


@pytest.mark.parametrize(("label", "room"), [("vehicle", 0.2), ("pedestrian", 0.5)])
def test_a_standing_ego_creeps_past_somebody_who_stands_close_beside_its_way(label: str, room: float) -> None:
    """Else both would wait for each other for ever; fast it still keeps its distance."""
    half = (1.9 if label == "vehicle" else 0.6) / 2.0
    beside = somebody(50.0 + 3.75 + 2.5, -(1.9 / 2.0 + half + room), label=label)
    assert plan(ego(0.0), LINE, beside, 12.0).speed_mps[-1] > 0.5
    assert decel(beside, 4.0) > 0.0
    nearer = somebody(50.0 + 3.75 + 2.5, -(1.9 / 2.0 + half + 0.05), label=label)
    assert plan(ego(0.0), LINE, nearer, 12.0).speed_mps[-1] == 0.0
