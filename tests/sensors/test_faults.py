"""Faults and latency of sensors: every kind has its effect on the captures inside its interval and on no other."""

from __future__ import annotations

from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from operators.messages import Box, CameraModel, EgoState, Mount, PointCloud, RadarReturns
from operators.sensors.camera import Camera, DepthCamera
from operators.sensors.faults import KINDS, Faults
from operators.sensors.gnss import Gnss
from operators.sensors.imu import Imu
from operators.sensors.lidar import Lidar
from operators.sensors.models import LidarModel, RadarModel
from operators.sensors.radar import Radar
from operators.sensors.semantic import SemanticCamera
from operators.sensors.sensor import Sensor
from operators.sensors.truth import TruthDetector
from operators.sensors.wheels import WheelEncoders
from pipeline import Graph, Input, Message, Operator, UsageError, VirtualClock, ms, run, seconds
from pipeline.events import Event, Sealed, Sent
from pipeline.messages import canonical

FROM, UNTIL = ms(200), ms(400)
INTERVAL = {"from": "200ms", "until": "400ms"}


@dataclass(eq=False)
class Scripted:
    """Everything it measures tells the time: pictures by their brightness, sweeps by their range."""

    pixels: bool = True
    now_ns: int = 0
    camera: CameraModel = field(default_factory=lambda: CameraModel(width_px=8, height_px=10))

    @property
    def finished(self) -> bool:
        return self.now_ns >= ms(600)

    @property
    def tick(self) -> int:
        return self.now_ns // ms(50) + 1

    def advance(self, to_ns: int) -> None:
        self.now_ns = max(self.now_ns, to_ns)

    def ego(self) -> EgoState:
        return EgoState(x_m=float(self.tick), y_m=0.0, yaw_rad=0.0, speed_mps=10.0)

    def render(self) -> Any:
        shape = (10, 8)
        return SimpleNamespace(
            rgb=np.full((*shape, 3), self.tick, np.uint8),
            depth_m=np.full(shape, self.tick, np.float32),
            semantic=np.full(shape, self.tick, np.uint8),
            instance=np.full(shape, self.tick, np.uint16),
        )

    def truth(self) -> tuple[Any, ...]:
        high, low = Box(x0_px=0, y0_px=0, x1_px=4, y1_px=5), Box(x0_px=0, y0_px=4, x1_px=4, y1_px=10)
        one = SimpleNamespace(id=1, label="vehicle", box=high, visible=1.0)
        return (one, SimpleNamespace(id=2, label="vehicle", box=low, visible=1.0))

    def scan(self, model: LidarModel, rng: np.random.Generator) -> PointCloud:
        azimuth = np.linspace(-3.1, 3.1, 40)
        points = self.tick * np.stack([np.cos(azimuth), np.sin(azimuth), np.zeros(40)], 1).astype(np.float32)
        row = np.ones(40, np.float32)
        return PointCloud(
            points_m=points,
            intensity=row,
            offset_s=-row,
            ring=np.zeros(40, np.uint8),
            mount=Mount(),
            captured_ns=self.now_ns,
        )

    def echoes(self, model: RadarModel, rng: np.random.Generator) -> RadarReturns:
        azimuth = np.linspace(-1.0, 1.0, 21).astype(np.float32)
        row = np.full(21, self.tick, np.float32)
        return RadarReturns(
            range_m=row, azimuth_rad=azimuth, elevation_rad=0 * row, radial_speed_mps=row, rcs_dbsm=row,
            mount=Mount(), captured_ns=self.now_ns,
        )  # fmt: skip


SENSORS: dict[str, tuple[type[Any], str]] = {
    "camera": (Camera, "frame"),
    "depth": (DepthCamera, "depth"),
    "semantic": (SemanticCamera, "labels"),
    "lidar": (Lidar, "points"),
    "radar": (Radar, "returns"),
    "gnss": (Gnss, "fix"),
    "imu": (Imu, "sample"),
    "wheels": (WheelEncoders, "speeds"),
}
WITH_FIELD = ("camera", "depth", "semantic", "lidar", "radar")


def drive(name: str, *faults: dict[str, Any], **more: Any) -> dict[int, Any]:
    """What a sensor sends in 600 ms at 20 Hz, by tick."""
    kind, port = SENSORS[name]
    graph, sensor = Graph("g"), kind(world=Scripted(), faults=list(faults), **more)
    sensor.period = ms(50)
    graph.add(sensor, name)
    return dict(run(graph, clock=VirtualClock())[getattr(sensor, port)])


def differing(clean: dict[int, Any], faulty: dict[int, Any]) -> set[int]:
    return {t for t in clean if t not in faulty or canonical(clean[t]) != canonical(faulty[t])}


def inside(t: int) -> bool:
    return FROM <= t < UNTIL


def shown(name: str, message: Any) -> Any:
    """How much of a message tells something, in [0, 1]."""
    arrays = {"camera": "rgb", "semantic": "classes", "imu": "specific_force_mps2", "wheels": "rates_radps"}
    if name in arrays:
        return float(np.mean(getattr(message, arrays[name]) != 0))
    if name == "depth":
        return float(np.mean(np.isfinite(message.depth_m)))
    if name == "gnss":
        return float(message.valid)
    return len(message.points_m) / 40 if name == "lidar" else len(message.range_m) / 21


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", SENSORS)
def test_a_fault_acts_exactly_inside_its_interval(name: str, kind: str) -> None:
    if kind == "partial" and name not in WITH_FIELD:
        pytest.skip("it has no field of view")
    fault = {"kind": kind, **INTERVAL} | ({"by": "-7ms"} if kind == "stamp_shift" else {})
    clean = drive(name)
    assert len(clean) == 12
    assert differing(clean, drive(name, fault)) == {t for t in clean if inside(t)}


@pytest.mark.parametrize("name", SENSORS)
def test_frozen_it_repeats_the_last_message_before_the_fault_stamp_and_all(name: str) -> None:
    clean, faulty = drive(name), drive(name, {"kind": "freeze", **INTERVAL})
    last = canonical(clean[FROM - ms(50)])
    assert all(canonical(faulty[t]) == last for t in faulty if inside(t))


@pytest.mark.parametrize("name", SENSORS)
def test_frozen_from_the_start_it_repeats_the_first_message(name: str) -> None:
    clean, faulty = drive(name), drive(name, {"kind": "freeze"})
    assert {canonical(message) for message in faulty.values()} == {canonical(clean[0])}


@pytest.mark.parametrize("name", SENSORS)
def test_black_messages_come_on_time_and_show_nothing(name: str) -> None:
    faulty = drive(name, {"kind": "black", **INTERVAL})
    assert len(faulty) == 12
    for t, message in faulty.items():
        assert message.captured_ns == t
        assert (shown(name, message) == 0.0) == inside(t)


@pytest.mark.parametrize("share", [0.2, 0.5, 1.0])
@pytest.mark.parametrize("name", WITH_FIELD)
def test_a_partial_fault_leaves_the_rest_of_the_field_of_view(name: str, share: float) -> None:
    clean, faulty = drive(name), drive(name, {"kind": "partial", "share": share, **INTERVAL})
    for t, message in faulty.items():
        left = shown(name, message) / shown(name, clean[t])
        assert left == pytest.approx(1.0 - share if inside(t) else 1.0, abs=0.11 if name == "radar" else 0.05)


def test_the_lower_rows_of_a_partial_picture_are_the_missing_ones() -> None:
    frame = drive("camera", {"kind": "partial", "share": 0.3, **INTERVAL})[FROM]
    assert (frame.rgb[:7] == 5).all()
    assert (frame.rgb[7:] == 0).all()


@pytest.mark.parametrize("name", SENSORS)
def test_a_dropout_sends_nothing_inside_and_everything_outside(name: str) -> None:
    assert set(drive(name, {"kind": "dropout", **INTERVAL})) == {t for t in drive(name) if not inside(t)}


def test_a_dropout_of_a_share_loses_about_that_share_and_the_same_ones_again() -> None:
    faults, sensor = Faults([{"kind": "dropout", "share": 0.3}], seed=4), "lidar"
    fault = faults.items[0]
    lost = [faults.drops(fault, sensor, ms(50) * k) for k in range(2000)]
    assert 0.26 < float(np.mean(lost)) < 0.34
    assert lost == [faults.drops(fault, sensor, ms(50) * k) for k in range(2000)]
    other = Faults([{"kind": "dropout", "share": 0.3}], seed=5)
    assert lost != [other.drops(other.items[0], sensor, ms(50) * k) for k in range(2000)]


@pytest.mark.parametrize("by", [-40, 25])
@pytest.mark.parametrize("name", SENSORS)
def test_shifted_stamps_are_wrong_by_so_much_and_nothing_else_is(name: str, by: int) -> None:
    clean, faulty = drive(name), drive(name, {"kind": "stamp_shift", "by": f"{by}ms", **INTERVAL})
    for t, message in faulty.items():
        assert message.captured_ns == t + (ms(by) if inside(t) else 0)
        content = canonical(type(message)(**{**fields_of(message), "captured_ns": t}))
        assert content == canonical(clean[t])


def fields_of(message: Message) -> dict[str, Any]:
    return {name: getattr(message, name) for name in message.__struct_fields__}


def test_faults_add_up_in_the_order_given() -> None:
    both = drive("camera", {"kind": "freeze", **INTERVAL}, {"kind": "stamp_shift", "by": "-30ms", **INTERVAL})
    assert both[FROM].captured_ns == FROM - ms(50) - ms(30)
    assert (both[FROM].rgb == 4).all()


class Listener(Operator):
    """Keeps what it saw, and when."""

    frame = Input(object)

    def on_watermark(self, ctx: Any) -> None:
        return None


class Log:
    """Streams' events by time."""

    def __init__(self) -> None:
        self.sent: list[Sent] = []
        self.sealed: list[Sealed] = []

    def on_event(self, event: Event) -> None:
        if isinstance(event, Sent):
            self.sent.append(event)
        elif isinstance(event, Sealed):
            self.sealed.append(event)


@pytest.mark.parametrize("latency", [ms(0), ms(20), ms(130)])
@pytest.mark.parametrize("name", SENSORS)
def test_a_capture_is_sent_its_latency_later_and_says_when_it_was_made(name: str, latency: Any) -> None:
    kind, _ = SENSORS[name]
    graph, sensor, log = Graph("g"), kind(world=Scripted(), latency=latency), Log()
    sensor.period = ms(50)
    graph.add(sensor, name)
    run(graph, clock=VirtualClock(), observers=[log])
    assert [event.t for event in log.sent] == [ms(50) * k for k in range(12)], "none lost, also when they overlap"
    for event in log.sent:
        assert event.at == event.t + latency
        assert event.origin == event.t == event.value.captured_ns


def test_waiting_for_what_is_under_way_does_not_drive_the_world_on() -> None:
    world, graph = Scripted(), Graph("g")
    sensor = Imu(world=world, latency=ms(400))
    sensor.period = ms(50)
    graph.add(sensor, "imu")
    run(graph, clock=VirtualClock())
    assert world.now_ns == ms(600)


def test_a_lost_message_is_sealed_so_that_nobody_waits_for_it() -> None:
    graph, log = Graph("g"), Log()
    sensor = Imu(world=Scripted(), faults=[{"kind": "dropout", **INTERVAL}])
    sensor.period = ms(50)
    graph.add(sensor, "imu")
    run(graph, clock=VirtualClock(), observers=[log])
    assert [event.t for event in log.sealed if event.t >= 0][:4] == [FROM, ms(250), ms(300), ms(350)]


@pytest.mark.parametrize(("kind", "seen"), [("black", set()), ("partial", {1})])
def test_what_a_fault_hides_the_truth_detector_does_not_see_without_pixels_either(kind: str, seen: set[int]) -> None:
    world = Scripted(pixels=False)
    camera = Camera(world=world, faults=[{"kind": kind, **INTERVAL}])
    graph, detect = Graph("g"), TruthDetector(world=world, visible_min=0.5, height_min_px=2.0)
    graph.connect(camera.frame, detect.frame)
    for t, detections in run(graph, clock=VirtualClock())[detect.detections]:
        found = {1 if item.box.y0_px == 0 else 2 for item in detections.items}
        assert found == (seen if inside(t) else {1, 2})


def test_a_frozen_camera_shows_the_truth_detector_the_past() -> None:
    world = Scripted(pixels=False)
    camera = Camera(world=world, faults=[{"kind": "freeze", **INTERVAL}])
    graph = Graph("g")
    graph.add(camera, "camera")
    stamps = {t: frame.captured_ns for t, frame in run(graph, clock=VirtualClock())[camera.frame]}
    assert all(stamp == (FROM - ms(50) if inside(t) else t) for t, stamp in stamps.items())


@pytest.mark.parametrize(
    ("fault", "says"),
    [
        ({"kind": "fog"}, "no fault 'fog'"),
        ({}, "no fault None"),
        ({"kind": "black", "form": "1s"}, "no field 'form'"),
        ({"kind": "black", "from": 2}, "`from` is 2, no time"),
        ({"kind": "black", "until": "3"}, "no unit"),
        ({"kind": "black", "from": "3s", "until": "2s"}, "no time lies"),
        ({"kind": "black", "from": "-1s"}, "no time lies"),
        ({"kind": "partial", "share": 0.0}, "no share"),
        ({"kind": "dropout", "share": 1.2}, "no share"),
        ({"kind": "dropout", "share": float("nan")}, "no share"),
        ({"kind": "dropout", "share": True}, "no share"),
        ({"kind": "dropout", "share": "half"}, "no share"),
        ({"kind": "black", "share": 0.5}, "has no share"),
        ({"kind": "stamp_shift"}, "by"),
        ({"kind": "freeze", "by": "1ms"}, "by"),
        ("black", "no fault"),
    ],
)
def test_a_fault_that_makes_no_sense_is_one_error_that_says_which(fault: Any, says: str) -> None:
    with pytest.raises(UsageError, match=says) as error:
        Camera(world=Scripted(), faults=[{"kind": "black"}, fault])
    assert "fault 2" in str(error.value)


def test_what_has_no_field_of_view_cannot_lose_a_part_of_it() -> None:
    with pytest.raises(UsageError, match="cannot have a 'partial' fault"):
        Imu(world=Scripted(), faults=[{"kind": "partial"}])


def test_a_negative_latency_is_refused() -> None:
    with pytest.raises(UsageError, match="negative"):
        Camera(world=Scripted(), latency=ms(-1))


@pytest.mark.parametrize("name", ["lidar", "radar", "semantic", "gnss", "imu", "wheels"])
def test_a_world_that_cannot_do_it_is_refused_by_name(name: str) -> None:
    with pytest.raises(UsageError, match=r"this world \(SimpleNamespace\) has nothing for a"):
        SENSORS[name][0](world=SimpleNamespace())


def test_pictures_without_labels_are_refused() -> None:
    world = Scripted()
    world.render = lambda: SimpleNamespace(rgb=None, depth_m=None)  # type: ignore[method-assign]
    sensor = SemanticCamera(world=world)
    with pytest.raises(UsageError, match="no labels"):
        sensor.measure(SimpleNamespace(t=0))  # type: ignore[arg-type]


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 10**4), st.integers(1, 10**4), st.integers(0, 3 * 10**4))
def test_an_interval_holds_its_first_instant_and_not_its_last(start: int, length: int, t: int) -> None:
    faults = Faults([{"kind": "black", "from": f"{start}ms", "until": f"{start + length}ms"}])
    assert bool(faults.active(ms(t))) == (start <= t < start + length)


def test_a_fault_without_end_lasts_for_ever() -> None:
    assert Faults([{"kind": "black", "from": "1s"}]).active(seconds(10**6))


def test_every_sensor_knows_every_fault_it_can_have() -> None:
    for kind, _ in SENSORS.values():
        assert issubclass(kind, Sensor)
        assert set(kind.fault_kinds) <= set(KINDS)
