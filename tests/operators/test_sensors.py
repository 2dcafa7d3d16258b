"""Sensors and actuators over a scripted world: what they capture, when they end, what they share."""

from __future__ import annotations

from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from operators.messages import Box, CameraModel, ControlCommand, EgoState, Route
from operators.sensors.base import HISTORY, captures
from operators.sensors.camera import Camera, DepthCamera
from operators.sensors.ego import EgoSensor
from operators.sensors.route import RouteSource
from operators.sensors.truth import TruthDetector, TruthTracker
from operators.sensors.vehicle import VehicleActuator
from pipeline import (
    Distribution,
    Graph,
    Input,
    LatencyModel,
    Operator,
    Output,
    UsageError,
    VirtualClock,
    ms,
    run,
    seconds,
)


class Command(Operator):
    """Answers every ego state with a command that says when it was made."""

    state = Input(EgoState)
    command = Output(ControlCommand)

    def on_watermark(self, ctx: Any) -> ControlCommand:
        return ControlCommand(throttle=ctx.t / 1e9, brake=0.0, steer_rad=0.0)


@dataclass(eq=False)
class ScriptedWorld:
    """Moves a person by 10 px a tick of 50 ms; records what is asked of it."""

    duration_ns: int = 400_000_000
    pixels: bool = True
    now_ns: int = 0
    renders: int = 0
    truths: int = 0
    applied: list[tuple[int, ControlCommand]] = field(default_factory=list)
    camera: CameraModel = CameraModel()

    @property
    def finished(self) -> bool:
        return self.now_ns >= self.duration_ns

    def advance(self, to_ns: int) -> None:
        self.now_ns = max(self.now_ns, to_ns)

    def ego(self) -> EgoState:
        return EgoState(x_m=self.now_ns / 1e9, y_m=0.0, yaw_rad=0.0, speed_mps=1.0)

    def apply(self, command: ControlCommand) -> None:
        self.applied.append((self.now_ns, command))

    def route(self) -> Route:
        return Route(x_m=np.zeros(2), y_m=np.ones(2), width_left_m=1.0, width_right_m=1.0, speed_limit_mps=9.0)

    def render(self) -> Any:
        self.renders += 1
        rgb = np.full((36, 64, 3), self.now_ns // 50_000_000, np.uint8)
        return SimpleNamespace(rgb=rgb, depth_m=np.full((36, 64), np.inf, np.float32))

    def truth(self) -> tuple[Any, ...]:
        self.truths += 1
        x = 100.0 + self.now_ns / 5e6
        box = Box(x0_px=x, y0_px=50.0, x1_px=x + 20.0, y1_px=100.0)
        person = SimpleNamespace(id=7, label="pedestrian", box=box, visible=0.9)
        hidden = SimpleNamespace(id=3, label="vehicle", box=box, visible=0.1)
        outside = SimpleNamespace(id=4, label="vehicle", box=None, visible=1.0)
        return (hidden, outside, person)


@pytest.fixture
def world() -> ScriptedWorld:
    return ScriptedWorld()


def test_camera_and_depth_camera_share_one_rendering_per_time(world: ScriptedWorld) -> None:
    graph, camera, depth = Graph("g"), Camera(world=world), DepthCamera(world=world)
    graph.add(camera)
    graph.add(depth)
    result = run(graph, clock=VirtualClock())
    assert [t for t, _ in result[camera.frame]] == [ms(50) * i for i in range(8)]
    assert [t for t, _ in result[depth.depth]] == [ms(50) * i for i in range(8)]
    warm_up = 1
    assert world.renders == warm_up + 8


def test_a_frame_is_stamped_with_its_capture_and_shows_it(world: ScriptedWorld) -> None:
    graph, camera = Graph("g"), Camera(world=world)
    graph.add(camera)
    for t, frame in run(graph, clock=VirtualClock())[camera.frame]:
        assert frame.captured_ns == t
        assert frame.rgb[0, 0, 0] == t // ms(50)
        assert not frame.rgb.flags.writeable


def test_without_pixels_nothing_is_rendered_and_the_frames_are_empty() -> None:
    world = ScriptedWorld(pixels=False)
    graph, camera, depth = Graph("g"), Camera(world=world), DepthCamera(world=world)
    graph.add(camera)
    graph.add(depth)
    result = run(graph, clock=VirtualClock())
    assert {frame.rgb.shape for _, frame in result[camera.frame]} == {(0, 0, 3)}
    assert {frame.depth_m.shape for _, frame in result[depth.depth]} == {(0, 0)}
    assert world.renders == 0


def test_every_source_ends_with_the_world(world: ScriptedWorld) -> None:
    graph, ego, route = Graph("g"), EgoSensor(world=world), RouteSource(world=world)
    graph.add(ego)
    graph.add(route)
    result = run(graph, clock=VirtualClock(), until=seconds(60))
    assert result[ego.state][-1][0] == ms(390)
    assert len(result[route.route]) == 1


def test_an_exact_ego_sensor_reports_the_state_of_its_tick(world: ScriptedWorld) -> None:
    graph, ego = Graph("g"), EgoSensor(world=world)
    graph.add(ego)
    assert all(state.x_m == t / 1e9 for t, state in run(graph, clock=VirtualClock())[ego.state])


def test_noise_has_the_given_size_and_repeats_with_the_seed() -> None:
    def errors(seed: int) -> list[float]:
        world = ScriptedWorld(duration_ns=seconds(5))
        graph, ego = Graph("g"), EgoSensor(world=world, position_std_m=0.5)
        graph.add(ego)
        return [state.x_m - t / 1e9 for t, state in run(graph, clock=VirtualClock(seed=seed))[ego.state]]

    first = errors(1)
    assert first == errors(1) != errors(2)
    assert 0.4 < float(np.std(first)) < 0.6


def test_a_negative_deviation_is_refused(world: ScriptedWorld) -> None:
    with pytest.raises(UsageError, match="negative"):
        EgoSensor(world=world, speed_std_mps=-1.0)


def test_a_command_acts_when_it_arrives_and_not_at_its_timestamp(world: ScriptedWorld) -> None:
    graph, ego, command, vehicle = Graph("g"), EgoSensor(world=world), Command(), VehicleActuator(world=world)
    ego.period = ms(100)
    graph.connect(ego.state, command.state)
    graph.connect(command.command, vehicle.command)
    latency = LatencyModel(by_operator={"command": {"": Distribution(ms(30), ms(30))}})
    run(graph, clock=VirtualClock(latency=latency))
    assert [(at, round(c.throttle * 1e9)) for at, c in world.applied] == [
        (ms(100) * i + ms(30), ms(100) * i) for i in range(4)
    ]


def test_the_truth_detector_sees_the_capture_even_when_it_answers_later(world: ScriptedWorld) -> None:
    graph, camera, detect, ego = Graph("g"), Camera(world=world), TruthDetector(world=world), EgoSensor(world=world)
    graph.add(ego)
    graph.connect(camera.frame, detect.frame)
    latency = LatencyModel(by_operator={"truth_detector": {"small": Distribution(ms(120), ms(120))}})
    result = run(graph, clock=VirtualClock(latency=latency))
    answers = result[detect.detections]
    assert len(answers) >= 2
    for t, detections in answers:
        assert [d.label for d in detections.items] == ["pedestrian"], "neither the hidden nor the one outside"
        assert detections.items[0].box.x0_px == 100.0 + t / 5e6
        assert detections.model == "truth"


def test_truth_is_computed_only_when_somebody_wants_it(world: ScriptedWorld) -> None:
    graph, camera = Graph("g"), Camera(world=world)
    graph.add(camera)
    run(graph, clock=VirtualClock())
    assert world.truths == 0


def test_the_truth_history_is_bounded(world: ScriptedWorld) -> None:
    kept = captures(world)
    kept.keep_truth()
    for t in range(HISTORY + 10):
        kept.note_truth(world, t)
    assert kept.truth_at(9) == ()
    assert len(kept.truth_at(10)) == 3
    assert kept.truth_at(10**6) == kept.truth_at(HISTORY + 9)


def test_the_truth_tracker_names_each_detection_after_its_road_user(world: ScriptedWorld) -> None:
    graph, camera = Graph("g"), Camera(world=world)
    detect, track = TruthDetector(world=world, visible_min=0.5), TruthTracker(world=world)
    graph.connect(camera.frame, detect.frame)
    graph.connect(detect.detections, track.detections)
    answers = run(graph, clock=VirtualClock())[track.tracks]
    assert [[(i.track_id, i.hits, i.missed) for i in tracks.items] for _, tracks in answers] == [
        [(7, n, 0)] for n in range(1, 9)
    ]


@pytest.mark.parametrize("share", [-0.1, 1.1])
def test_a_visible_share_outside_0_to_1_is_refused(world: ScriptedWorld, share: float) -> None:
    with pytest.raises(UsageError, match="share"):
        TruthDetector(world=world, visible_min=share)


def test_the_embedded_world_fits_the_sensors_protocols() -> None:
    worlds = pytest.importorskip("scenarios.world.world")
    for name in ("advance", "apply", "ego", "finished", "now_ns", "render", "route", "truth"):
        assert hasattr(worlds.World, name), name
