"""What the embedded world tells its sensors: agreement with its own pictures and truth, on a street and on a map."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest

from operators.messages import CameraModel, Mount
from operators.sensors.gnss import Gnss
from operators.sensors.imu import GRAVITY_MPS2, Imu
from operators.sensors.lidar import Lidar, deskewed
from operators.sensors.models import LidarModel, RadarModel
from operators.sensors.radar import Radar
from operators.sensors.semantic import SemanticCamera
from operators.sensors.wheels import WheelEncoders
from pipeline import Graph, UsageError, VirtualClock, ms, run, seconds
from pipeline.building import build
from pipeline.errors import MissingExtra
from pipeline.launchfile import resolve
from pipeline.messages import canonical
from scenarios.library.loading import load
from scenarios.scenario import Actor, Drive, Scenario, Weather
from scenarios.world.roads import Road, Segment

worlds = pytest.importorskip("scenarios.world.world")
views = pytest.importorskip("scenarios.sensors.views")

STILL = LidarModel(range_std_m=0.0, dropout=0.0, rolling=False, range_10pct_m=1e5, truth=True)


def embree() -> None:
    pytest.importorskip("embreex", reason="the ray caster embreex has no wheel here")


def scene(**changes: Any) -> Scenario:
    """A parked van ahead on the left, a car driving away ahead, a person on the pavement."""
    actors = (
        Actor(id=1, kind="van", s_m=26.0, d_m=4.6),
        Actor(id=2, kind="car", s_m=34.0, d_m=-1.75, motion=Drive(speed_mps=12.0)),
        Actor(id=3, kind="pedestrian", s_m=20.0, d_m=-7.5),
    )
    fields: dict[str, Any] = {
        "name": "three", "title": "Three road users", "duration_s": 20.0, "speed_mps": 8.0, "actors": actors,
        "road": Road(segments=(Segment(200.0),)), "end_s_m": 150.0,
    }  # fmt: skip
    return Scenario(**{**fields, **changes})


def world_at(scenario: Scenario, t: int = ms(500), **more: Any) -> Any:
    world = worlds.World(scenario, seed=1, **{"pixels": False, **more})
    world.advance(t)
    return world


def test_the_scan_agrees_with_the_depth_and_the_instances_of_the_picture() -> None:
    embree()
    camera = CameraModel(width_px=640, height_px=360)
    world = world_at(scene(), pixels=True, camera=camera)
    # A LiDAR in the camera's place sees what the camera sees.
    mount = Mount(x_m=camera.x_m, y_m=camera.y_m, z_m=camera.z_m)
    cloud = world.scan(msgspec.structs.replace(STILL, mount=mount), np.random.default_rng(0))
    own, picture = deskewed(cloud, 0.0, 0.0).astype(np.float64), world.render()
    places, seen = views.projected(own, camera)
    column, row = places[seen].astype(int).T
    depth, measured = picture.depth_m[row, column], own[seen, 0] - camera.x_m
    assert seen.sum() > 5000
    agree = np.abs(depth - measured) < 0.03 * measured + 0.05
    assert agree.mean() > 0.93, "all but outlines and foliage"
    same = picture.instance[row, column] == cloud.instance[seen]
    assert same.mean() > 0.98
    assert set(cloud.instance[seen].tolist()) == {0, 1, 2, 3}


def test_every_near_road_user_is_in_the_scan_where_the_truth_says() -> None:
    embree()
    world = world_at(scene())
    cloud = world.scan(STILL, np.random.default_rng(0))
    ego, own = world.ego(), deskewed(cloud, 0.0, 0.0)
    for user in world.truth():
        mine = own[cloud.instance == user.id]
        reach = 0.5 * np.hypot(user.length_m, user.width_m) + 0.1
        assert len(mine) > 20
        assert (np.hypot(mine[:, 0] + ego.x_m - user.x_m, mine[:, 1] + ego.y_m - user.y_m) < reach).all()
        assert mine[:, 2].max() < user.height_m + 0.2


def test_the_weather_of_the_scenario_is_in_the_scan() -> None:
    embree()
    clear = world_at(scene()).scan(LidarModel(), np.random.default_rng(0))
    foggy = world_at(scene(weather=Weather(fog_m=40.0))).scan(LidarModel(), np.random.default_rng(0))
    assert len(foggy.points_m) < len(clear.points_m)
    assert np.linalg.norm(foggy.points_m, axis=1).max() < np.linalg.norm(clear.points_m, axis=1).max()


def test_two_runs_scan_the_same_bytes() -> None:
    embree()

    def told() -> list[bytes]:
        world, rng = world_at(scene()), np.random.default_rng(3)
        out = []
        for k in range(3):
            world.advance(ms(600 + 100 * k))
            out.append(canonical(world.scan(LidarModel(), rng)))
        return out

    assert told() == told()


def test_the_car_that_drives_away_is_the_one_with_the_positive_radial_speed() -> None:
    quiet = RadarModel(false_rate=0.0, speed_std_mps=0.0, truth=True)
    world = world_at(scene())
    found = world.echoes(quiet, np.random.default_rng(0))
    by_user = {int(i): float(s) for i, s in zip(found.instance, found.radial_speed_mps, strict=True)}
    assert set(by_user) == {1, 2, 3}
    leaving = {user.id: user for user in world.truth()}[2].speed_x_mps
    assert by_user[2] == pytest.approx(leaving - world.ego().speed_mps, abs=0.3)
    assert by_user[1] < -6.0
    assert by_user[3] < -4.0


def test_between_houses_part_of_the_sky_is_blocked() -> None:
    world = world_at(scene())
    ego = world.ego()
    assert 0.2 < world.blocked_sky(ego.x_m, ego.y_m, 1.5) < 0.8
    assert world.blocked_sky(ego.x_m, ego.y_m + 500.0, 1.5) < 0.1


def test_on_a_map_the_ground_is_level_kerbs_are_raised_and_paint_is_bright() -> None:
    embree()
    maps = pytest.importorskip("scenarios.maps")
    world = world_at(load("unprotected_left_turn", 10.0, 1))
    cloud = world.scan(STILL, np.random.default_rng(0))
    own, ego = deskewed(cloud, 0.0, 0.0), world.ego()
    near = (np.abs(own[:, 1]) < 1.0) & (own[:, 0] > 4.0) & (own[:, 0] < 15.0) & (cloud.instance == 0)
    assert near.sum() > 200
    assert np.abs(own[near, 2]).max() < 0.01
    raised = (np.abs(own[:, 2] - 0.12) < 0.006) & (np.hypot(own[:, 0], own[:, 1]) < 25.0)
    assert raised.sum() > 200
    map_ = maps.shipped(world.scenario.map)
    assert map_.nearest(ego.x_m, ego.y_m) is not None
    ground = np.abs(own[:, 2]) < 0.02
    bright = cloud.intensity[ground] / np.maximum(0.02, -np.sin(np.array(STILL.elevations_rad))[cloud.ring[ground]])
    assert 0.002 < float((bright > 0.5).mean()) < 0.3


def test_a_whole_car_of_sensors_runs_in_one_graph_and_repeats() -> None:
    embree()

    def told() -> tuple[str, dict[str, int]]:
        world = worlds.World(scene(), seed=1, camera=CameraModel(width_px=64, height_px=36))
        sensors = [
            Lidar(world=world, beams=8, columns=128, seed=1), Radar(world=world, seed=1), Gnss(world=world, seed=1),
            Imu(world=world, seed=1), WheelEncoders(world=world, seed=1), SemanticCamera(world=world, seed=1),
        ]  # fmt: skip
        graph = Graph("car")
        for sensor in sensors:
            graph.add(sensor)
        result = run(graph, clock=VirtualClock(seed=1), until=seconds(1))
        force = np.array([sample.specific_force_mps2[2] for _, sample in result[sensors[3].sample]])
        assert float(force.mean()) == pytest.approx(GRAVITY_MPS2, abs=0.1)
        return result.output_hash, {sensor.name: len(result[sensor.outputs()[0]]) for sensor in sensors}

    first = told()
    assert first == told()
    assert set(first[1].values()) == {11, 21, 101, 51}


LAUNCH = """
name: sensors
duration: 400ms
seed: 3
profile: orin
world: {use: street, scenario: person_behind_truck, speed_mps: 10.0, pixels: false}
operators:
  camera: {use: camera, period: 50ms, args: {latency: 30ms, faults: [{kind: black, from: 100ms, until: 200ms}]}}
  depth: {use: depth_camera, period: 50ms}
  labels: {use: semantic_camera, period: 50ms}
  lidar: {use: lidar, period: 100ms, args: {beams: 8, columns: 64, truth: true, latency: 40ms}}
  radar: {use: radar, args: {faults: [{kind: stamp_shift, by: -20ms}]}}
  gnss: {use: gnss, args: {multipath_m: 2.0}}
  imu: {use: imu, args: {orientation: true}}
  wheels: {use: wheels, args: {driven: rear}}
"""


def build_from(text: str, folder: Path) -> Any:
    path = folder / "sensors.yaml"
    path.write_text(text, encoding="utf-8")
    return build(resolve(str(path), []))


def test_a_launch_file_has_all_sensors_by_name_with_latency_and_faults(tmp_path: Path) -> None:
    embree()
    built = build_from(LAUNCH, tmp_path)
    clock = VirtualClock(built.settings.seed, built.latency)
    result = run(built.graph, clock=clock, until=built.settings.duration)
    sent = {name: result[operator.outputs()[0]] for name, operator in built.graph.operators.items()}
    assert {name: len(values) for name, values in sent.items()} == {
        "camera": 8, "depth": 9, "labels": 9, "lidar": 4, "radar": 9, "gnss": 5, "imu": 41, "wheels": 21,
    }  # fmt: skip
    assert all(message.captured_ns == max(0, t - ms(20)) for t, message in sent["radar"])
    assert sent["lidar"][0][1].instance is not None


def test_a_launch_file_with_a_wrong_fault_names_its_line(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="fault 1: there is no fault 'blak'") as error:
        build_from(LAUNCH.replace("kind: black", "kind: blak"), tmp_path)
    assert "sensors.yaml:8" in str(error.value)


def test_a_run_without_the_ray_caster_ends_with_one_error_that_names_the_extra(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from scenarios.sensors import casting

    def missing(name: str) -> None:
        raise ModuleNotFoundError(name)

    monkeypatch.setattr(casting, "import_module", missing)
    built = build_from(LAUNCH, tmp_path)
    with pytest.raises(MissingExtra, match=r"skylane\[lidar\]"):
        run(built.graph, clock=VirtualClock(built.settings.seed, built.latency), until=ms(100))
