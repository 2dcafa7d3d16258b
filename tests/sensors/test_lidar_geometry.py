"""The LiDAR against geometry that can be computed by hand: planes, boxes, moving boxes; and its noise and losses."""

from __future__ import annotations

import math
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any
from unittest import mock

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from operators.messages import EgoState, Mount, PointCloud
from operators.sensors.lidar import deskewed
from operators.sensors.models import LidarModel, beam_table
from pipeline.errors import MissingExtra, UsageError
from pipeline.messages import canonical
from scenarios.scenario import KINDS, Actor
from scenarios.sensors import casting, ground, solids
from scenarios.sensors.solids import Solids
from scenarios.world.drawing.meshes import MATTE, PRIMARY, Builder
from scenarios.world.traffic.agents import RoadUser

lidar = pytest.importorskip("scenarios.sensors.lidar")
pytest.importorskip("embreex", reason="the ray caster embreex has no wheel here")

PERFECT = LidarModel(range_std_m=0.0, dropout=0.0, rolling=False, range_10pct_m=1e5, truth=True)
HERE = EgoState(x_m=0.0, y_m=0.0, yaw_rad=0.0, speed_mps=0.0)
CUBE_M = 2.0


def plane(centre: tuple[float, float], reach_m: float) -> Solids:
    return ground.plain(centre, reach_m)


def walled(distance_m: float) -> Callable[[tuple[float, float], float], Solids]:
    """A wall across the x axis, 60 m wide and high."""

    def standing(centre: tuple[float, float], reach_m: float) -> Solids:
        wall = np.array([[(distance_m, y, z) for y, z in ((-30, -30), (30, -30), (30, 30), (-30, 30))]], float)
        wall[..., :2] -= centre
        return solids.flat(solids.quads(wall), 0.5)

    return standing


def nothing(centre: tuple[float, float], reach_m: float) -> Solids:
    return solids.joined([])


def scan(
    standing: Any, model: LidarModel = PERFECT, ego: EgoState = HERE, users: Any = (), seed: int = 0
) -> PointCloud:
    scanner = lidar.Scanner(standing, lambda user: 0.0)
    cloud: PointCloud = scanner.scan(model, ego, users, np.random.default_rng(seed), captured_ns=0)
    return cloud


def cube_at(x_m: float, y_m: float, yaw_rad: float = 0.0, speed_x_mps: float = 0.0, number: int = 5) -> RoadUser:
    kind = KINDS["car"]._replace(length_m=CUBE_M, width_m=CUBE_M, height_m=CUBE_M)
    actor = Actor(id=number, kind="car", s_m=0.0, d_m=0.0)
    user = RoadUser(actor, kind, 0.0, 0.0)
    user.x_m, user.y_m, user.yaw_rad, user.speed_x_mps = x_m, y_m, yaw_rad, speed_x_mps
    return user


@pytest.fixture
def cubes(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every road user is a cube of two metres, standing on the ground."""
    builder = Builder()
    builder.box((-1.0, -1.0, 0.0), (1.0, 1.0, 2.0), PRIMARY, MATTE)
    mesh = builder.mesh()
    monkeypatch.setattr(solids, "mesh_of", lambda *name: mesh)
    lidar.body.cache_clear()
    monkeypatch.setattr(lidar.solids, "mesh_of", lambda *name: mesh)


@pytest.fixture(autouse=True)
def _own_bodies() -> Any:
    yield
    lidar.body.cache_clear()


def in_map(cloud: PointCloud, ego: EgoState) -> NDArray[np.float64]:
    """Points of a sweep that was fired at once, in map coordinates."""
    own = deskewed(cloud, 0.0, 0.0).astype(np.float64)
    cos, sin = math.cos(ego.yaw_rad), math.sin(ego.yaw_rad)
    out = own.copy()
    out[:, 0] = ego.x_m + own[:, 0] * cos - own[:, 1] * sin
    out[:, 1] = ego.y_m + own[:, 0] * sin + own[:, 1] * cos
    return out


def box_range(origin: NDArray[np.float64], ray: NDArray[np.float64], low: Any, high: Any) -> NDArray[np.float64]:
    """Distance at which rays, (n, 3), from one origin enter a box; inf where they miss it."""
    with np.errstate(divide="ignore", invalid="ignore"):
        first, second = (np.asarray(low) - origin) / ray, (np.asarray(high) - origin) / ray
    enter, leave = np.minimum(first, second).max(axis=1), np.maximum(first, second).min(axis=1)
    return np.where((enter <= leave) & (enter > 0.0), enter, np.inf)


def test_every_point_on_level_ground_lies_on_it_to_a_centimetre() -> None:
    ego = EgoState(x_m=412.3, y_m=-57.9, yaw_rad=0.7, speed_mps=0.0)
    model = LidarModel(
        range_std_m=0.0,
        dropout=0.0,
        rolling=False,
        range_10pct_m=1e5,
        mount=Mount(x_m=1.1, y_m=-0.3, z_m=1.9, yaw_rad=0.4),
    )
    cloud = scan(plane, model, ego)
    below = sum(e < -math.asin(1.9 / model.range_max_m) for e in model.elevations_rad)
    assert len(cloud.points_m) == below * model.columns
    assert np.abs(in_map(cloud, ego)[:, 2]).max() < 0.01


def test_ranges_to_a_wall_are_those_of_a_plane_to_a_centimetre() -> None:
    cloud = scan(walled(25.0))
    points = in_map(cloud, HERE)
    assert len(points) > 5000
    assert np.abs(points[:, 0] - 25.0).max() < 0.01
    assert np.abs(points[:, 1]).max() <= 30.01


def test_a_pitched_and_turned_mount_sees_the_same_wall() -> None:
    mount = Mount(x_m=2.0, y_m=0.5, z_m=1.5, yaw_rad=0.3, pitch_rad=0.1)
    cloud = scan(walled(25.0), LidarModel(range_std_m=0.0, dropout=0.0, rolling=False, range_10pct_m=1e5, mount=mount))
    assert len(cloud.points_m) > 5000
    assert np.abs(in_map(cloud, HERE)[:, 0] - 25.0).max() < 0.01


@pytest.mark.usefixtures("cubes")
@pytest.mark.parametrize(("x", "y", "yaw"), [(12.0, 3.0, 0.0), (-9.0, -14.0, 0.0), (3.4, 0.0, 0.0), (80.0, -20.0, 0.0)])
def test_ranges_to_a_box_are_those_of_ray_and_box_to_a_centimetre(x: float, y: float, yaw: float) -> None:
    cloud = scan(plane, users=[cube_at(x, y, yaw)])
    eye = np.array([PERFECT.mount.x_m, 0.0, PERFECT.mount.z_m])
    azimuth = math.pi - (np.arange(PERFECT.columns) + 0.5) * 2.0 * math.pi / PERFECT.columns
    a, e = np.meshgrid(azimuth, PERFECT.elevations_rad, indexing="ij")
    rays = np.stack([np.cos(a) * np.cos(e), np.sin(a) * np.cos(e), np.sin(e)], -1).reshape(-1, 3)
    expected = box_range(eye, rays, (x - 1.0, y - 1.0, 0.0), (x + 1.0, y + 1.0, 2.0))
    struck = np.isfinite(expected)
    found = cloud.instance == 5
    # A shot along an edge may fall on either side of it.
    assert abs(int(found.sum()) - int(struck.sum())) <= 3 + 0.02 * struck.sum()
    direction = cloud.points_m[found] / np.linalg.norm(cloud.points_m[found], axis=1, keepdims=True)
    again = box_range(eye, direction.astype(np.float64), (x - 1.001, y - 1.001, -0.001), (x + 1.001, y + 1.001, 2.001))
    assert np.abs(np.linalg.norm(cloud.points_m[found], axis=1) - again).max() < 0.01
    assert found.sum() >= 5


@pytest.mark.usefixtures("cubes")
def test_a_turned_box_shows_its_turned_faces() -> None:
    cloud = scan(nothing, users=[cube_at(15.0, 4.0, math.pi / 4.0)])
    x, y = in_map(cloud, HERE)[:, 0] - 15.0, in_map(cloud, HERE)[:, 1] - 4.0
    along, across = (x + y) / math.sqrt(2.0), (y - x) / math.sqrt(2.0)
    assert np.abs(np.maximum(np.abs(along), np.abs(across)) - 1.0).max() < 0.01


@pytest.mark.usefixtures("cubes")
def test_the_nearer_of_two_boxes_hides_the_farther() -> None:
    cloud = scan(nothing, users=[cube_at(30.0, 0.0, number=8), cube_at(12.0, 0.0, number=3)])
    assert cloud.instance is not None
    assert set(cloud.instance.tolist()) == {3}


@pytest.mark.usefixtures("cubes")
def test_a_box_just_left_of_straight_back_is_seen_on_both_sides_of_the_seam() -> None:
    cloud = scan(nothing, users=[cube_at(-8.0, 0.0)])
    assert {int(np.sign(y)) for y in cloud.points_m[:, 1]} == {-1, 1}
    assert np.ptp(cloud.points_m[:, 1]) > 1.8


@pytest.mark.usefixtures("cubes")
@pytest.mark.parametrize(("x", "y"), [(1.2, 0.0), (1.2, 1.05), (0.4, -0.2)])
def test_a_road_user_around_the_sensor_does_no_harm(x: float, y: float) -> None:
    cloud = scan(plane, users=[cube_at(x, y)])
    assert np.isfinite(cloud.points_m).all()


@settings(max_examples=25, deadline=None)
@given(
    st.lists(
        st.tuples(
            st.floats(-40.0, 40.0), st.floats(-40.0, 40.0), st.floats(-3.0, 3.0), st.floats(-20.0, 20.0),
            st.sampled_from(["car", "truck", "pedestrian", "mini"]),
        ),
        min_size=1,
        max_size=4,
    ),
    st.floats(0.0, 25.0),
    st.floats(-0.6, 0.6),
    st.sampled_from([0.0, 0.15]),
)  # fmt: skip
def test_no_shot_that_could_meet_a_road_user_is_left_out(
    placed: list[tuple[float, float, float, float, str]], speed: float, turn: float, pitch: float
) -> None:
    users = []
    for number, (x, y, yaw, going, kind) in enumerate(placed, 1):
        user = RoadUser(Actor(id=number, kind=kind, s_m=0.0, d_m=0.0), KINDS[kind], 0.0, 0.0)
        user.x_m, user.y_m, user.yaw_rad, user.speed_x_mps = x, y, yaw, going
        users.append(user)
    table = beam_table(-0.4, 0.15, 16)
    model = LidarModel(
        elevations_rad=table, columns=256, range_std_m=0.0, dropout=0.0, range_10pct_m=1e5, truth=True,
        mount=Mount(x_m=1.2, z_m=1.9, yaw_rad=0.2, pitch_rad=pitch),
    )  # fmt: skip
    ego = EgoState(x_m=3.0, y_m=-2.0, yaw_rad=0.8, speed_mps=speed, yaw_rate_radps=turn)
    quick = canonical(scan(plane, model, ego, users))
    with mock.patch.object(lidar, "possible", lambda *_: np.arange(256 * 16)):
        assert canonical(scan(plane, model, ego, users)) == quick


def test_points_come_in_the_order_of_the_sweep_and_its_end_is_the_capture() -> None:
    model = LidarModel(range_std_m=0.0, dropout=0.0, sweep_s=0.1)
    cloud = scan(plane, model)
    assert (np.diff(cloud.offset_s) >= 0.0).all()
    assert cloud.offset_s[-1] == 0.0
    assert -0.1 < cloud.offset_s[0] < -0.099
    turned = np.unwrap(np.arctan2(cloud.points_m[:, 1], cloud.points_m[:, 0]))
    assert turned[0] > turned[-1] + 6.0, "clockwise seen from above"


def test_a_moving_cars_sweep_is_skewed_and_deskewing_makes_the_wall_straight_again() -> None:
    ego = EgoState(x_m=0.0, y_m=0.0, yaw_rad=0.0, speed_mps=15.0, yaw_rate_radps=0.3)
    model = LidarModel(range_std_m=0.0, dropout=0.0, range_10pct_m=1e5)
    cloud = scan(walled(25.0), model, ego)
    x = cloud.points_m[:, 0].astype(np.float64) + model.mount.x_m
    assert np.ptp(x) > 0.3
    assert np.abs(deskewed(cloud, 15.0, 0.3)[:, 0] - 25.0).max() < 0.01


@pytest.mark.usefixtures("cubes")
def test_a_moving_box_is_met_where_it_was_when_the_shot_was_fired() -> None:
    speed, model = 20.0, LidarModel(range_std_m=0.0, dropout=0.0, range_10pct_m=1e5, truth=True)
    cloud = scan(nothing, model, users=[cube_at(0.0, 12.0, speed_x_mps=speed)])
    x = cloud.points_m[:, 0] + model.mount.x_m - speed * cloud.offset_s
    front = np.abs(cloud.points_m[:, 1] - 11.0) < 0.01
    assert front.sum() > 100
    assert np.abs(x[front]).max() < 1.01
    assert np.abs(x[front]).max() > 0.9


def test_range_noise_has_the_mean_and_deviation_that_were_asked_for() -> None:
    noisy = LidarModel(range_std_m=0.05, dropout=0.0, rolling=False, range_10pct_m=1e5)
    exact = LidarModel(range_std_m=0.0, dropout=0.0, rolling=False, range_10pct_m=1e5)
    error = np.linalg.norm(scan(plane, noisy).points_m, axis=1) - np.linalg.norm(scan(plane, exact).points_m, axis=1)
    assert len(error) > 40_000
    assert abs(float(error.mean())) < 0.001
    assert abs(float(error.std()) - 0.05) < 0.001


def test_the_same_seed_gives_the_same_bytes_and_another_one_others() -> None:
    first, again, other = (canonical(scan(plane, LidarModel(), seed=seed)) for seed in (1, 1, 2))
    assert first == again != other


def test_dropout_loses_the_share_of_shots_that_was_asked_for() -> None:
    full, part = scan(plane), scan(plane, LidarModel(range_std_m=0.0, dropout=0.3, rolling=False, range_10pct_m=1e5))
    assert abs(len(part.points_m) / len(full.points_m) - 0.7) < 0.01


def test_half_of_the_shots_at_a_dark_wall_come_back_from_the_stated_range() -> None:
    def dark(centre: tuple[float, float], reach_m: float) -> Solids:
        wall = walled(60.0)(centre, reach_m)
        return wall._replace(reflectivity=np.full_like(wall.reflectivity, 0.1))

    table = beam_table(-0.01, 0.01, 64)
    model = LidarModel(elevations_rad=table, dropout=0.0, range_10pct_m=60.0, mount=Mount(x_m=0.0, z_m=0.0))
    azimuth = math.pi - (np.arange(model.columns) + 0.5) * 2.0 * math.pi / model.columns
    ahead = int((np.abs(azimuth) < 0.05).sum()) * 64
    cloud = scan(dark, model)
    near = np.abs(np.arctan2(cloud.points_m[:, 1], cloud.points_m[:, 0])) < 0.05
    assert 0.4 < near.sum() / ahead < 0.6


@pytest.mark.parametrize("worse", [{"rain_mmph": 50.0}, {"fog_m": 60.0}])
def test_rain_and_fog_shorten_the_sight(worse: dict[str, float]) -> None:
    def far(cloud: PointCloud) -> int:
        return int((np.linalg.norm(cloud.points_m, axis=1) > 30.0).sum())

    assert far(scan(plane, LidarModel(**worse))) < 0.75 * far(scan(plane, LidarModel()))


def test_rain_leaves_echoes_of_drops_near_the_sensor() -> None:
    clear, rain = scan(nothing, LidarModel()), scan(nothing, LidarModel(rain_mmph=50.0))
    assert len(clear.points_m) == 0
    assert 100 < len(rain.points_m) < 2000
    assert np.linalg.norm(rain.points_m, axis=1).max() < 10.0


def test_intensity_falls_with_the_angle_and_with_darkness() -> None:
    cloud = scan(plane)
    steep, shallow = cloud.ring == 0, cloud.ring == 20
    assert float(cloud.intensity[steep].mean()) > 2.0 * float(cloud.intensity[shallow].mean())
    assert cloud.intensity.min() >= 0.0 and cloud.intensity.max() <= 1.0


def test_the_surroundings_follow_the_car_and_do_not_depend_on_where_it_was() -> None:
    scanner, there = lidar.Scanner(plane, lambda user: 0.0), EgoState(x_m=900.0, y_m=5.0, yaw_rad=0.1, speed_mps=3.0)
    model = LidarModel()
    for x in (0.0, 300.0, 600.0):
        scanner.scan(
            model, EgoState(x_m=x, y_m=0.0, yaw_rad=0.0, speed_mps=0.0), (), np.random.default_rng(1), captured_ns=0
        )
    late = scanner.scan(model, there, (), np.random.default_rng(1), captured_ns=0)
    fresh = lidar.Scanner(plane, lambda user: 0.0).scan(model, there, (), np.random.default_rng(1), captured_ns=0)
    assert canonical(late) == canonical(fresh)


def test_without_the_ray_caster_one_error_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(name: str) -> SimpleNamespace:
        raise ModuleNotFoundError(name)

    monkeypatch.setattr(casting, "import_module", missing)
    with pytest.raises(MissingExtra, match=r"skylane\[lidar\]"):
        scan(plane)


@pytest.mark.parametrize(
    "wrong",
    [
        {"columns": 0}, {"elevations_rad": ()}, {"sweep_s": 0.0}, {"range_max_m": 0.5}, {"dropout": 1.5},
        {"range_std_m": -1.0}, {"fog_m": 0.0}, {"rain_mmph": -1.0}, {"range_10pct_m": float("nan")},
    ],
)  # fmt: skip
def test_a_device_that_cannot_be_is_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(UsageError):
        LidarModel(**wrong)
