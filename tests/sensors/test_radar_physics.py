"""The radar and the blocked sky: signs, fields of view, hiding, resolution, false returns."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

from operators.messages import EgoState, Mount, RadarReturns
from operators.sensors.models import RadarModel
from pipeline.errors import UsageError
from pipeline.messages import canonical
from scenarios.scenario import KINDS, Actor
from scenarios.world.traffic.agents import RoadUser

radar = pytest.importorskip("scenarios.sensors.radar")
sky = pytest.importorskip("scenarios.sensors.sky")

QUIET = RadarModel(
    false_rate=0.0, range_std_m=0.0, speed_std_mps=0.0, azimuth_std_rad=0.0, elevation_std_rad=0.0, truth=True,
    mount=Mount(x_m=3.7, z_m=0.6),
)  # fmt: skip
NO_WALLS = (np.zeros((0, 5)), np.zeros(0))


def user(kind: str, x: float, y: float, speed: tuple[float, float] = (0.0, 0.0), number: int = 1) -> RoadUser:
    found = RoadUser(Actor(id=number, kind=kind, s_m=0.0, d_m=0.0), KINDS[kind], 0.0, 0.0)
    found.x_m, found.y_m, found.speed_x_mps, found.speed_y_mps = x, y, *speed
    return found


def cycle(
    users: list[RoadUser],
    *,
    model: RadarModel = QUIET,
    speed: float = 0.0,
    yaw: float = 0.0,
    walls: Any = NO_WALLS,
    seed: int = 0,
    turn: float = 0.0,
) -> RadarReturns:
    ego = EgoState(x_m=0.0, y_m=0.0, yaw_rad=yaw, speed_mps=speed, yaw_rate_radps=turn)
    found: RadarReturns = radar.cycle(model, ego, users, walls, np.random.default_rng(seed), captured_ns=0)
    return found


def test_what_drives_away_has_a_positive_and_what_comes_a_negative_radial_speed() -> None:
    assert (cycle([user("car", 40.0, 0.0, (8.0, 0.0))]).radial_speed_mps > 7.9).all()
    assert (cycle([user("car", 40.0, 0.0, (-8.0, 0.0))]).radial_speed_mps < -7.9).all()
    assert len(cycle([user("car", 40.0, 0.0, (8.0, 0.0))]).range_m) >= 1


def test_a_standing_car_comes_at_the_egos_own_speed() -> None:
    assert cycle([user("car", 40.0, 0.0)], speed=12.0).radial_speed_mps == pytest.approx(-12.0, abs=0.05)


def test_only_the_part_of_the_speed_along_the_sight_counts() -> None:
    crossing = cycle([user("pedestrian", 3.7 + 20.0, 20.0, (0.0, 2.0))])
    assert crossing.radial_speed_mps == pytest.approx(2.0 * math.sin(math.pi / 4.0), abs=0.05)


def test_a_turning_ego_moves_its_antenna_sideways() -> None:
    assert cycle([user("car", 3.7, 30.0)], model=_wide(), turn=1.0).radial_speed_mps == pytest.approx(-3.7, abs=0.3)


def _wide() -> RadarModel:
    return RadarModel(false_rate=0.0, speed_std_mps=0.0, mount=Mount(x_m=3.7, z_m=0.6, yaw_rad=1.2), truth=True)


def test_range_and_azimuth_are_of_the_near_side_and_left_is_positive() -> None:
    found = cycle([user("car", 53.7, 0.0)])
    assert float(found.range_m.min()) == pytest.approx(50.0 - 0.5 * KINDS["car"].length_m, abs=0.01)
    assert (cycle([user("car", 30.0, 8.0)]).azimuth_rad > 0.1).all()
    turned = cycle([user("car", 0.0, 33.7)], yaw=0.5 * math.pi)
    assert turned.azimuth_rad == pytest.approx(0.0, abs=0.1)


@pytest.mark.parametrize(("x", "y"), [(-30.0, 0.0), (10.0, 40.0), (400.0, 0.0)])
def test_outside_the_field_of_view_nothing_is_found(x: float, y: float) -> None:
    assert len(cycle([user("truck", x, y)]).range_m) == 0


def test_what_stands_behind_a_truck_or_a_house_is_not_found() -> None:
    behind = user("pedestrian", 45.0, 0.0, number=7)
    assert 7 in cycle([behind]).instance.tolist()
    hidden = cycle([behind, user("truck", 25.0, 0.0, number=2)])
    assert set(hidden.instance.tolist()) == {2}
    wall = (np.array([[25.0, 0.0, 0.0, 2.0, 10.0]]), np.array([8.0]))
    assert len(cycle([behind], walls=wall).range_m) == 0


def found_share(kind: str, x: float) -> float:
    return float(np.mean([len(cycle([user(kind, x, 0.0)], seed=seed).range_m) > 0 for seed in range(80)]))


def test_a_car_is_found_in_about_half_of_the_cycles_from_the_stated_range() -> None:
    # Its rear sends the whole echo back.
    assert 0.35 < found_share("car", 3.7 + 150.0 + 2.25) < 0.65
    assert found_share("car", 60.0) == 1.0


def test_people_are_lost_before_cars_and_cars_before_trucks() -> None:
    assert found_share("pedestrian", 120.0) < found_share("car", 120.0) <= found_share("truck", 120.0)
    assert found_share("pedestrian", 30.0) > 0.95


def test_two_things_in_one_cell_are_one_return_and_two_cells_are_two() -> None:
    near = cycle([user("cone", 30.0, 0.0, number=1), user("cone", 30.05, 0.0, number=2)])
    assert len(near.range_m) == 1
    moving = cycle([user("pedestrian", 30.0, -0.2, number=1), user("pedestrian", 30.0, 0.2, (3.0, 0.0), number=2)])
    assert set(moving.instance.tolist()) == {1, 2}, "their speeds tell them apart"


def test_false_returns_come_at_the_stated_rate_and_lie_in_the_field_of_view() -> None:
    model = RadarModel(false_rate=2.5, azimuth_std_rad=0.0, truth=True)
    cycles = [cycle([], model=model, seed=seed) for seed in range(400)]
    counts = [len(each.range_m) for each in cycles]
    assert float(np.mean(counts)) == pytest.approx(2.5, abs=0.25)
    azimuth = np.concatenate([each.azimuth_rad for each in cycles])
    assert np.abs(azimuth).max() <= 0.5 * model.field_rad + 1e-6
    assert all((each.instance == 0).all() for each in cycles)


def test_noise_has_the_stated_size() -> None:
    model = RadarModel(false_rate=0.0, range_std_m=0.3, speed_std_mps=0.2)
    cycles = [cycle([user("pedestrian", 23.7, 0.0)], model=model, seed=seed) for seed in range(500)]
    assert float(np.std([each.range_m[0] for each in cycles])) == pytest.approx(0.3, rel=0.1)
    assert float(np.std([each.radial_speed_mps[0] for each in cycles])) == pytest.approx(0.2, rel=0.1)


def test_returns_are_sorted_by_range_and_repeat_with_the_seed() -> None:
    users = [user("car", 20.0 + 9.0 * k, (-1.0) ** k * 3.0, (k, 0.0), number=k + 1) for k in range(8)]
    model = RadarModel()
    first, again, other = (canonical(cycle(users, model=model, seed=seed)) for seed in (1, 1, 2))
    assert first == again != other
    assert (np.diff(cycle(users, model=model).range_m) >= 0.0).all()


@pytest.mark.parametrize(
    "wrong", [{"field_rad": 4.0}, {"range_max_m": 0.1}, {"false_rate": -1.0}, {"range_std_m": math.nan}]
)
def test_a_device_that_cannot_be_is_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(UsageError):
        RadarModel(**wrong)


def test_an_open_place_sees_all_of_the_sky_and_a_well_sees_almost_none() -> None:
    point = np.array([0.0, 0.0, 1.5])
    assert sky.blocked(point, *NO_WALLS) == 0.0
    ring = np.array([[6.0, 0, 0, 2, 30], [-6.0, 0, 0, 2, 30], [0, 6.0, 0, 30, 2], [0, -6.0, 0, 30, 2]], float)
    assert sky.blocked(point, ring, np.full(4, 40.0)) > 0.95
    one = sky.blocked(point, ring[:1], np.full(1, 40.0))
    assert 0.25 < one < 0.5
    assert sky.blocked(point, ring, np.full(4, 1.0)) == 0.0, "lower than the antenna"
