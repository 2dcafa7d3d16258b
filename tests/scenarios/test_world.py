"""The world as a whole: time, commands, truth, occlusion, outcome, and that equal runs are equal."""

from __future__ import annotations

import math

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from operators.messages import CameraModel, ControlCommand
from pipeline.errors import UsageError
from pipeline.messages import canonical
from scenarios.scenario import Actor, Drive, Scenario
from scenarios.world.world import World

SMALL = CameraModel(width_px=160, height_px=90, fx_px=80.0, fy_px=80.0, cx_px=80.0, cy_px=45.0)
BRAKE = ControlCommand(throttle=0.0, brake=1.0, steer_rad=0.0)


def scenario(*actors: Actor, speed_mps: float = 10.0, duration_s: float = 6.0, end_s_m: float = 200.0) -> Scenario:
    return Scenario(
        name="test", title="", duration_s=duration_s, speed_mps=speed_mps, actors=actors, end_s_m=end_s_m,
        scenery_s_m=(-10.0, 60.0),
    )  # fmt: skip


def world(*actors: Actor, pixels: bool = False, **settings: float) -> World:
    return World(scenario(*actors, **settings), seed=0, camera=SMALL, pixels=pixels)


@settings(max_examples=25, deadline=None)
@given(times=st.lists(st.integers(0, 400_000_000), min_size=1, max_size=6))
def test_time_never_passes_the_goal_and_cutting_a_span_into_pieces_changes_nothing(times: list[int]) -> None:
    pieces, whole = world(), world()
    for t in times:
        pieces.advance(t)
        assert pieces.now_ns <= max(times)
        assert pieces.now_ns % 5_000_000 == 0
    whole.advance(max(times))
    assert pieces.now_ns == whole.now_ns == max(times) // 5_000_000 * 5_000_000
    assert pieces.ego() == whole.ego()


def test_a_command_holds_until_it_is_replaced() -> None:
    car = world()
    car.apply(BRAKE)
    car.advance(500_000_000)
    slow = car.ego().speed_mps
    assert slow < 7.0
    car.apply(ControlCommand(throttle=0.5, brake=0.0, steer_rad=0.0))
    car.advance(2_000_000_000)
    assert car.ego().speed_mps > slow


def test_a_command_with_a_value_that_is_no_number_is_refused_with_its_place() -> None:
    with pytest.raises(UsageError, match="finite"):
        world().apply(ControlCommand(throttle=0.0, brake=math.nan, steer_rad=0.0))


def test_hitting_a_standing_car_is_latched_with_the_speed_at_contact() -> None:
    car = world(Actor(id=1, kind="car", s_m=40.0, d_m=-1.75))
    car.advance(6_000_000_000)
    outcome = car.outcome()
    assert car.finished and outcome.collided and outcome.collided_with == "vehicle"
    assert outcome.impact_speed_mps == pytest.approx(10.0, abs=0.1)
    assert outcome.min_gap_m == 0.0
    assert car.ego().x_m + 3.75 == pytest.approx(40.0 - 2.25, abs=0.1)


def test_the_impact_speed_is_relative_to_the_other_car() -> None:
    car = world(Actor(id=1, kind="car", s_m=20.0, d_m=-1.75, motion=Drive(speed_mps=6.0)))
    car.advance(6_000_000_000)
    assert car.outcome().impact_speed_mps == pytest.approx(4.0, abs=0.1)


def test_stopping_behind_a_car_reports_the_gap_and_the_time_of_standing() -> None:
    car = world(Actor(id=1, kind="van", s_m=30.0, d_m=-1.75))
    car.apply(BRAKE)
    car.advance(5_000_000_000)
    outcome = car.outcome()
    expected = 30.0 - 2.55 - (car.ego().x_m + 3.75)
    assert not outcome.collided and outcome.stopped_gap_m == pytest.approx(expected, abs=1e-6)
    assert outcome.min_gap_m == pytest.approx(expected, abs=1e-6)
    assert 3.0 < outcome.standing_s < 4.0
    assert 8.0 < outcome.max_decel_mps2 < 9.2


def test_a_parked_car_beside_the_lane_is_no_gap() -> None:
    car = world(Actor(id=1, kind="car", s_m=30.0, d_m=-4.8), duration_s=4.0)
    car.advance(4_000_000_000)
    outcome = car.outcome()
    assert math.isinf(outcome.min_gap_m) and not outcome.collided and car.finished


def test_progress_and_the_end_station_finish_a_drive() -> None:
    car = world(end_s_m=30.0)
    assert car.outcome().progress == 0.0
    car.advance(2_000_000_000)
    assert car.outcome().progress == pytest.approx(20.0 / 30.0, abs=0.02) and not car.finished
    car.advance(3_500_000_000)
    assert car.outcome().progress == 1.0 and car.finished


def test_a_person_behind_a_truck_is_invisible_and_one_beside_it_is_not() -> None:
    car = world(
        Actor(id=1, kind="pedestrian", s_m=50.0, d_m=-1.75),
        Actor(id=2, kind="truck", s_m=40.0, d_m=-1.75),
        Actor(id=3, kind="pedestrian", s_m=50.0, d_m=3.0),
        Actor(id=4, kind="pedestrian", s_m=-20.0, d_m=0.0),
    )
    hidden, truck, beside, behind = car.truth()
    assert hidden.visible == 0.0 and hidden.box is not None
    assert truck.visible == 1.0 and beside.visible == 1.0
    assert behind.visible == 0.0 and behind.box is None
    assert beside.distance_m == pytest.approx(50.0 - 1.7)
    assert truck.label == "vehicle" and hidden.label == "pedestrian"


def test_a_low_car_hides_the_legs_of_a_person_and_not_the_head() -> None:
    person = Actor(id=1, kind="pedestrian", s_m=26.0, d_m=-1.75)
    car = Actor(id=2, kind="mini", s_m=22.0, d_m=-1.75)
    share = world(person, car).truth()[0].visible
    assert 0.05 < share < 0.6


def test_the_geometric_share_agrees_with_the_share_of_pixels() -> None:
    person = Actor(id=1, kind="pedestrian", s_m=24.0, d_m=-2.6)
    car = Actor(id=2, kind="van", s_m=19.0, d_m=-3.35)
    full = (world(person, pixels=True).render().instance == 1).sum()
    both = world(person, car, pixels=True)
    seen = (both.render().instance == 1).sum()
    assert 0 < seen < full
    assert both.truth()[0].visible == pytest.approx(seen / full, abs=0.25)


def test_the_route_starts_behind_the_ego_and_allows_a_small_swerve() -> None:
    route = world().route()
    assert route.x_m[0] < 0.0 < route.x_m[-1]
    assert np.allclose(route.y_m, -1.75)
    assert (route.width_left_m, route.width_right_m) == (1.5, 1.0)


def test_a_world_without_pixels_refuses_to_render() -> None:
    with pytest.raises(UsageError, match="no pixels"):
        world().render()


def test_equal_runs_have_equal_states_truths_and_pictures() -> None:
    def run() -> list[bytes]:
        car = world(
            Actor(id=1, kind="car", s_m=40.0, d_m=1.75, heading_rad=math.pi, motion=Drive(speed_mps=6.0)), pixels=True
        )
        out = []
        for k in range(1, 5):
            car.apply(ControlCommand(throttle=0.1 * k, brake=0.0, steer_rad=0.01 * k))
            car.advance(k * 200_000_000)
            out += [canonical(car.ego()), msgspec.msgpack.encode(car.truth()), car.render().rgb.tobytes()]
        return out

    assert run() == run()


def test_the_top_view_begins_with_the_ego() -> None:
    ego, other = world(Actor(id=7, kind="car", s_m=40.0, d_m=1.75)).top_view()
    assert ego["label"] == "ego" and ego["x_m"] == pytest.approx(1.4)
    assert other["id"] == 7 and other["length_m"] == 4.5


def test_the_benchmark_counts_pictures_at_any_size() -> None:
    from scenarios.benchmark_world import fps

    assert fps(96, 54, 0.02) > 1.0
