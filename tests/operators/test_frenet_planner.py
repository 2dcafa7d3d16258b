"""The Frenet planner: free road, walls, crossings, refinement, and answers that are always finite."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from operators.geometry.boxes import Outline, ego_outline, outline_gap_m
from operators.geometry.frenet import ReferenceLine
from operators.messages import EgoSize, EgoState, Obstacle, Prediction, Predictions, Route, Trajectory
from operators.planning.frenet import plan
from operators.planning.frenet_benchmark import benchmark, street
from operators.planning.frenet_candidates import FrenetSettings, grid
from operators.planning.scene import Clearance, aligned, braking, is_clear, moved_to_now, with_hesitation

SIZE = EgoSize()
X = np.arange(0.0, 300.0, 2.0)


def road(left: float = 1.0, right: float = 1.0, limit: float = 12.0) -> Route:
    return Route(x_m=X.copy(), y_m=np.zeros(len(X)), width_left_m=left, width_right_m=right, speed_limit_mps=limit)


def ego(x: float = 50.0, y: float = 0.0, speed: float = 12.0, **motion: float) -> EgoState:
    return EgoState(x_m=x, y_m=y, yaw_rad=motion.pop("yaw_rad", 0.0), speed_mps=speed, **motion)


def others(*items: tuple[float, float, float, float, float, float, str]) -> Predictions:
    """Each: x, y, speed_x, speed_y, length, width, label."""
    ahead = (np.arange(15) + 1.0)[:, None] * 0.2
    found = []
    for number, (x, y, vx, vy, length, width, label) in enumerate(items):
        seen = Obstacle(
            track_id=number, label=label, score=1.0, x_m=x, y_m=y, length_m=length, width_m=width,
            speed_x_mps=vx, speed_y_mps=vy,
        )  # fmt: skip
        found.append(Prediction(obstacle=seen, path_m=np.array((x, y)) + ahead * (vx, vy)))
    return Predictions(items=tuple(found), step_s=0.2)


def wall(x: float) -> Predictions:
    return others((x, 0.0, 0.0, 0.0, 1.0, 14.0, "vehicle"))


def best(*args: object, **options: object) -> Trajectory:
    *_, last = plan(*args, **options)  # type: ignore[arg-type]
    return last.trajectory


def closest_m(trajectory: Trajectory, predictions: Predictions) -> float:
    """Smallest outline gap to obstacles that move as predicted, at matching times."""
    gaps = [math.inf]
    for k, t in enumerate(trajectory.time_s):
        here = ego_outline(trajectory.x_m[k], trajectory.y_m[k], trajectory.yaw_rad[k], SIZE)
        for item in predictions.items:
            o = item.obstacle
            x, y = o.x_m + o.speed_x_mps * t, o.y_m + o.speed_y_mps * t
            gaps.append(outline_gap_m(here, Outline(x, y, o.yaw_rad, o.length_m, o.width_m)))
    return min(gaps)


def test_a_free_road_is_driven_at_the_limit_on_the_line() -> None:
    trajectory = best(ego(), road(), others())
    assert trajectory.reason == "follow"
    assert trajectory.speed_mps == pytest.approx(12.0, abs=0.3)
    assert trajectory.y_m == pytest.approx(0.0, abs=1e-6)
    assert trajectory.time_s[0] == 0.0 and (np.diff(trajectory.time_s) > 0).all()


def test_an_offset_is_given_back_without_a_jump() -> None:
    trajectory = best(ego(y=0.8), road(), others())
    assert (trajectory.x_m[0], trajectory.y_m[0]) == pytest.approx((50.0, 0.8), abs=1e-6)
    assert abs(trajectory.y_m[-1]) < 0.15
    assert np.abs(np.diff(trajectory.yaw_rad)).max() < 0.1


def test_a_standing_car_starts() -> None:
    assert best(ego(speed=0.0), road(), others()).speed_mps[-1] > 4.0


@pytest.mark.parametrize("ahead", [30.0, 40.0, 60.0])
@pytest.mark.parametrize("speed", [6.0, 12.0])
def test_it_stops_before_a_wall(ahead: float, speed: float) -> None:
    here, barrier = ego(speed=speed), wall(50.0 + ahead)
    for _ in range(55):  # Replan every 0.3 s and follow exactly.
        trajectory = best(here, road(limit=speed), barrier)
        assert closest_m(trajectory, barrier) > 0.0
        now = moved_to_now(trajectory, 0.3)
        assert now is not None
        accel = float(now.speed_mps[1] - now.speed_mps[0]) / float(now.time_s[1])
        here = ego(float(now.x_m[0]), float(now.y_m[0]), float(now.speed_mps[0]), accel_mps2=accel)
    assert here.speed_mps == pytest.approx(0.0, abs=0.1)
    nose = here.x_m + SIZE.length_m - SIZE.rear_overhang_m
    assert 1.0 < 50.0 + ahead - 0.5 - nose < 9.0


def test_a_wall_too_near_means_full_braking() -> None:
    trajectory = best(ego(), road(), wall(61.0))
    assert trajectory.reason == "brake"
    assert trajectory.speed_mps[10] == pytest.approx(12.0 - 8.0)


def test_a_lead_vehicle_is_followed_without_touching_it() -> None:
    lead = others((70.0, 0.0, 7.0, 0.0, 4.5, 1.9, "vehicle"))
    trajectory = best(ego(), road(), lead)
    assert closest_m(trajectory, lead) > 0.5
    assert trajectory.speed_mps[-1] < 10.0


def test_it_gives_way_to_a_person_who_will_cross() -> None:
    crossing = others((80.0, 5.0, 0.0, -2.0, 0.5, 0.6, "pedestrian"))
    trajectory = best(ego(), road(left=0.0, right=0.0), crossing)
    assert trajectory.reason != "follow"
    assert closest_m(trajectory, crossing) > 0.5


def test_a_person_who_crosses_long_before_is_no_obstacle_once_clear() -> None:
    gone = others((80.0, -3.5, 0.0, -1.5, 0.5, 0.6, "pedestrian"))
    assert best(ego(), road(), gone).reason == "follow"


def test_times_are_matched_not_mixed() -> None:
    # It crosses 40 m ahead within the next 1.5 s; the ego gets there after 3 s. All positions at once would be a wall.
    crossing = others((95.0, 8.0, 0.0, -12.0, 4.0, 2.0, "vehicle"))
    trajectory = best(ego(), road(), crossing)
    assert trajectory.speed_mps[-1] > 11.0


def test_a_parked_vehicle_beside_the_lane_is_passed() -> None:
    parked = others((80.0, 3.2, 0.0, 0.0, 8.0, 2.5, "vehicle"))
    trajectory = best(ego(), road(), parked)
    assert trajectory.speed_mps[-1] > 11.0
    assert closest_m(trajectory, parked) > 0.4


def test_a_box_that_encloses_the_car_is_a_collision() -> None:
    assert best(ego(), road(), others((52.0, 0.0, 0.0, 0.0, 40.0, 20.0, "vehicle"))).reason == "brake"


def test_a_turned_road_is_no_jump_of_heading() -> None:
    angle = np.arange(0.0, 3.0, 0.05)
    circle = Route(
        x_m=-40.0 * np.sin(angle), y_m=-40.0 * (1 - np.cos(angle)), width_left_m=1.0, width_right_m=1.0,
        speed_limit_mps=8.0,
    )  # fmt: skip
    # The heading passes from π to -π right at the start.
    start = EgoState(x_m=-2.0, y_m=-0.05, yaw_rad=-math.pi + 0.05, speed_mps=8.0, yaw_rate_radps=0.2)
    trajectory = best(start, circle, others())
    assert trajectory.reason == "follow"
    assert trajectory.speed_mps.min() > 7.0


def test_refinement_never_makes_it_worse() -> None:
    rng = np.random.default_rng(5)
    for _ in range(8):
        costs = [p.cost for p in plan(*street(rng, 6))]
        assert len(costs) == 3
        assert costs == sorted(costs, reverse=True)


def test_the_passes_cover_the_grid_once() -> None:
    table = grid(FrenetSettings())
    pairs = set(zip(table.lon_of.tolist(), table.lat_of.tolist(), strict=True))
    assert len(pairs) == len(table.lon_of)
    assert set(table.first_pass.tolist()) == {0, 1, 2}


def test_planning_is_a_function_of_its_inputs() -> None:
    case = street(np.random.default_rng(9), 8)
    first, second = best(*case), best(*case)
    assert first.x_m.tobytes() == second.x_m.tobytes()
    assert first.speed_mps.tobytes() == second.speed_mps.tobytes()


numbers = st.one_of(st.floats(-300, 300), st.sampled_from([math.nan, math.inf, -math.inf, 1e12]))


@settings(max_examples=25, deadline=None)
@given(
    st.tuples(st.floats(-50, 400), st.floats(-30, 30), st.floats(-4, 4), st.floats(-3, 40), st.floats(-10, 6)),
    st.floats(-2, 2),
    st.lists(st.tuples(numbers, numbers, numbers, numbers), max_size=4),
)
def test_whatever_comes_in_the_trajectory_is_finite(
    motion: tuple[float, float, float, float, float],
    yaw_rate: float,
    items: list[tuple[float, float, float, float]],
) -> None:
    x, y, yaw, speed, accel = motion
    state = EgoState(x_m=x, y_m=y, yaw_rad=yaw, speed_mps=speed, accel_mps2=accel, yaw_rate_radps=yaw_rate)
    with np.errstate(all="ignore"):
        around = others(*[(a, b, c, d, 4.0, 2.0, "vehicle") for a, b, c, d in items])
    for answer in plan(state, road(), around):
        trajectory = answer.trajectory
        assert len(trajectory.time_s) > 1
        for values in (trajectory.x_m, trajectory.y_m, trajectory.yaw_rad, trajectory.speed_mps):
            assert np.isfinite(values).all()
        assert (trajectory.speed_mps >= 0.0).all()


@pytest.mark.parametrize("broken", [{"x_m": math.nan}, {"speed_mps": math.inf}, {"yaw_rate_radps": math.nan}])
def test_an_ego_that_is_not_finite_stops_in_its_lane(broken: dict[str, float]) -> None:
    state = EgoState(**{"x_m": 0.0, "y_m": 0.0, "yaw_rad": 0.0, "speed_mps": 5.0, **broken})
    answers = list(plan(state, road(), others()))
    assert [len(a.trajectory.time_s) for a in answers] == [0]
    assert answers[0].trajectory.reason.startswith("safe_stop")


def test_the_rest_of_a_trajectory_starts_now() -> None:
    trajectory = best(ego(), road(), others())
    rest = moved_to_now(trajectory, 0.55)
    assert rest is not None
    assert rest.time_s[0] == 0.0
    assert rest.x_m[0] == pytest.approx(50.0 + 12.0 * 0.55, abs=0.1)
    assert moved_to_now(trajectory, float(trajectory.time_s[-1]) - 0.2) is None


def test_a_trajectory_through_somebody_is_not_clear() -> None:
    trajectory = best(ego(), road(), others())
    assert is_clear(trajectory, ego(), others(), SIZE, Clearance())
    assert not is_clear(trajectory, ego(), wall(80.0), SIZE, Clearance())


@pytest.mark.parametrize("rate", [0.0, 0.3])
def test_a_braking_trajectory_keeps_its_arc_and_stops_in_time(rate: float) -> None:
    trajectory = braking(ego(yaw_rate_radps=rate), 8.0)
    travelled = np.hypot(np.diff(trajectory.x_m), np.diff(trajectory.y_m)).sum()
    assert travelled == pytest.approx(12.0**2 / 16.0, rel=0.01)
    assert trajectory.speed_mps[-1] == 0.0
    assert trajectory.yaw_rad[-1] == pytest.approx(rate / 12.0 * 9.0, abs=1e-6)


def test_a_walking_person_may_also_stop_in_the_middle() -> None:
    walking = others((80.0, 3.0, 0.0, -2.0, 0.5, 0.6, "pedestrian"))
    both = with_hesitation(walking, ReferenceLine.along(road()))
    assert len(both.items) == 2
    assert both.items[1].path_m[-1] == pytest.approx((80.0, 0.0), abs=0.21)


def test_a_person_seen_for_the_first_time_may_be_about_to_step_out() -> None:
    def beside(doubt: float) -> Predictions:
        seen = Obstacle(
            track_id=1, label="pedestrian", score=1.0, x_m=67.0, y_m=-2.5, length_m=0.5, width_m=0.6,
            speed_std_mps=doubt,
        )  # fmt: skip
        path = np.tile(np.array((67.0, -2.5)), (15, 1))
        return Predictions(items=(Prediction(obstacle=seen, path_m=path),), step_s=0.2)

    assert best(ego(), road(), beside(0.2)).speed_mps.min() > 11.0
    assert best(ego(), road(), beside(2.5)).speed_mps.min() < 10.0


def test_a_vehicle_parked_in_a_bend_is_turned_along_the_road_about_its_near_end() -> None:
    angle = np.arange(0.0, 1.5, 0.05)
    line = ReferenceLine.through(40.0 * np.sin(angle), 40.0 * (1 - np.cos(angle)))
    x, y, yaw, _ = line.pose(20.0)
    seen = others((x, y, 0.0, 0.0, 8.0, 2.5, "vehicle"))  # Heading 0, as the ego's was.
    (item,) = aligned(seen, line).items
    assert item.obstacle.yaw_rad == pytest.approx(yaw, abs=0.1)
    assert (item.obstacle.x_m - 4 * math.cos(item.obstacle.yaw_rad)) == pytest.approx(x - 4.0, abs=1e-6)
    assert item.path_m[-1] == pytest.approx((item.obstacle.x_m, item.obstacle.y_m))


def test_a_vehicle_across_the_road_is_left_across() -> None:
    seen = others((80.0, 0.0, 0.0, 0.0, 4.5, 1.9, "vehicle"))
    across = replace(seen.items[0].obstacle, yaw_rad=math.pi / 2)
    kept = Predictions(items=(Prediction(obstacle=across, path_m=seen.items[0].path_m),), step_s=0.2)
    assert aligned(kept, ReferenceLine.along(road())).items[0].obstacle.yaw_rad == math.pi / 2


def test_the_benchmark_measures_with_the_callers_clock() -> None:
    ticks = iter(range(0, 10**9, 1_000_000))
    found = benchmark(lambda: next(ticks), scenes=3, obstacles=2)
    assert found["frenet_ms_mean"] == found["frenet_ms_max"] == 1.0
