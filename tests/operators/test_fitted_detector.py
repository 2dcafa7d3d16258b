"""The fitted detector behind the ports of the trained one, and the depth that goes with it."""

from __future__ import annotations

import math
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from operators.detection.cnn import CnnDetector
from operators.detection.fitted import FittedDetector, light_of
from operators.messages import Box, CameraModel, EgoState
from operators.models.accuracy import Light
from operators.models.errors import ModelFileError
from operators.sensors.camera import Camera
from operators.sensors.outline_depth import OutlineDepth, outline_depth
from pipeline import Graph, VirtualClock, ms, run
from pipeline.errors import UsageError


class Street:
    """A world without pixels: one car straight ahead, one person beside it."""

    pixels = False
    finished = False
    camera = CameraModel()

    def __init__(self, weather: Any = None) -> None:
        self.weather = weather
        self.now = 0

    def advance(self, to_ns: int) -> None:
        self.now = to_ns

    def ego(self) -> EgoState:
        return EgoState(x_m=0.0, y_m=0.0, yaw_rad=0.0, speed_mps=0.0)

    def truth(self) -> tuple[Any, ...]:
        return (car(1, 15.0), person(2, 10.0, -2.0))

    def outcome(self) -> dict[str, Any]:
        return {}


def car(number: int, x_m: float, y_m: float = 0.0) -> Any:
    near = x_m - 2.25 - 1.7
    box = Box(x0_px=320 - 290 / near, y0_px=180.0, x1_px=320 + 290 / near, y1_px=180 + 480 / near)
    size = {"length_m": 4.5, "width_m": 1.8, "height_m": 1.5, "yaw_rad": 0.0, "distance_m": x_m - 1.7}
    return SimpleNamespace(id=number, label="vehicle", box=box, visible=1.0, x_m=x_m, y_m=y_m, **size)


def person(number: int, x_m: float, y_m: float) -> Any:
    depth = x_m - 1.7
    u = 320 - 320 * y_m / depth
    box = Box(x0_px=u - 90 / depth, y0_px=180 - 80 / depth, x1_px=u + 90 / depth, y1_px=180 + 480 / depth)
    size = {"length_m": 0.5, "width_m": 0.6, "height_m": 1.75, "yaw_rad": 0.0, "distance_m": depth}
    return SimpleNamespace(id=number, label="pedestrian", box=box, visible=1.0, x_m=x_m, y_m=y_m, **size)


def answers(world: Street, sizes: list[str], seed: int = 1) -> list[Any]:
    graph = Graph("street")
    camera, detector = Camera(world=world), FittedDetector(world=world, sizes=sizes, seed=seed)
    graph.add(camera, "camera")
    graph.add(detector, "detect")
    graph.connect(camera.frame, detector.frame)
    result = run(graph, clock=VirtualClock(seed), until=ms(1000))
    return [value for _, value in result[detector.detections]]


def test_it_finds_what_is_near_and_says_which_size_answered() -> None:
    found = answers(Street(), ["large"])
    assert len(found) == 21
    assert {one.model for one in found} == {"large"}
    seen = [{item.label for item in one.items} for one in found]
    assert sum("vehicle" in labels for labels in seen) >= 16
    boxes = [item.box for one in found for item in one.items if item.label == "vehicle"]
    assert np.median([abs((box.x0_px + box.x1_px) / 2 - 320) for box in boxes]) < 12.0


def test_the_same_seed_gives_the_same_answers_and_another_one_others() -> None:
    assert answers(Street(), ["small"]) == answers(Street(), ["small"])
    assert answers(Street(), ["small"]) != answers(Street(), ["small"], seed=2)


def test_it_has_the_ports_of_the_trained_detector() -> None:
    detector = FittedDetector(world=Street(), sizes=["small", "large"])
    assert isinstance(detector, CnnDetector)
    assert detector.sizes == ("small", "large")
    assert [port.name for port in (*detector.inputs(), *detector.outputs())] == ["frame", "detections"]
    assert detector.measured["small"] < detector.measured["large"]


def test_night_and_weather_are_the_world_s_or_a_clear_day() -> None:
    assert light_of(Street()) == Light()
    assert light_of(Street(SimpleNamespace(night=1.0, rain=0.5, fog_m=80.0))) == Light(1.0, 0.5, 80.0)
    assert light_of(SimpleNamespace(scenario=SimpleNamespace(weather=SimpleNamespace(night=0.5)))) == Light(
        0.5, 0.0, 0.0
    )


def test_sizes_and_folders_that_do_not_exist_are_named(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no detector size 'huge'"):
        FittedDetector(world=Street(), sizes=["huge"])
    with pytest.raises(UsageError, match="no detector size is given"):
        FittedDetector(world=Street(), sizes=[])
    with pytest.raises(ModelFileError, match="cannot be read"):
        FittedDetector(world=Street(), sizes=["small"], accuracy=str(tmp_path))


def test_depth_is_road_below_the_horizon_facades_beside_and_boxes_on_it() -> None:
    world = Street()
    depth = outline_depth(world.truth(), world.ego(), world.camera)
    assert depth.shape == (360, 640)
    assert depth.dtype == np.float32
    assert depth[200, 320] == pytest.approx(15.0 - 2.25 - 1.7, abs=0.05), "the car's rear"
    assert depth[350, 320] == pytest.approx(1.5 * 320 / 170.5, rel=0.01), "the road"
    row = round(180 + 320 * 0.2 / (10.0 - 1.7))
    assert depth[row, round(320 + 320 * 2.0 / 8.3)] == pytest.approx(10.0 - 0.25 - 1.7, abs=0.1), "the person"
    assert depth[170, 20] == pytest.approx(10.0 / (299.5 / 320), rel=0.01), "a house"
    assert math.isinf(depth[0, 318])


def test_who_stands_behind_is_hidden_by_who_stands_before() -> None:
    world = Street()
    near, far = car(1, 12.0), car(2, 30.0)
    one = outline_depth((near, far), world.ego(), world.camera)
    assert (one == outline_depth((far, near), world.ego(), world.camera)).all()
    assert one[200, 320] == pytest.approx(12.0 - 2.25 - 1.7, abs=0.05)


def test_whoever_reaches_behind_the_camera_is_drawn_as_far_as_it_can_be() -> None:
    world = Street()
    depth = outline_depth((car(1, 3.0, 2.5), car(2, -20.0)), world.ego(), world.camera)
    assert not np.isnan(depth).any()
    assert (depth > 0.0).all()


def test_the_depth_source_sends_a_frame_at_every_tick() -> None:
    graph, source = Graph("street"), OutlineDepth(world=Street())
    graph.add(source, "depth")
    frames = run(graph, clock=VirtualClock(1), until=ms(200))[source.depth]
    assert [t for t, _ in frames] == [ms(50 * k) for k in range(5)]
    assert frames[0][1].depth_m.shape == (360, 640)
