"""Viewers know the fields of every channel, and no schema is one that a viewer refuses."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest
from mcap.reader import make_reader

from operators.messages import (
    Box,
    CameraFrame,
    CameraModel,
    DepthFrame,
    Detection,
    Detections,
    EgoState,
    Predictions,
    Trajectory,
)
from pipeline.logschema import EVENT_SCHEMA, stream_schema
from pipeline.messages import Message
from tests.pipeline.recorded import Picture, Point, Scan, every_event, sent, write


class Odd(Message, frozen=True, kw_only=True):
    """Every type that a viewer cannot read."""

    anything: Any = None
    grid: tuple[tuple[float, ...], ...] = ()
    pair: tuple[int, str] = (0, "")
    point_m: tuple[float, float] = (0.0, 0.0)
    either: int | str = 0
    table: dict[str, int] = {}
    maybe_mps: float | None = None


class Both(NamedTuple):
    """A value that is no struct."""

    a: int
    b: str


def refused(schema: dict[str, Any], path: str = "") -> Iterator[str]:
    """What Lichtblick's reader of JSON schemas throws at."""
    if schema.get("type") != "object" or "properties" not in schema:
        yield f"{path}: no object with properties"
        return
    for name, field in schema["properties"].items():
        kind, at = field.get("type"), f"{path}.{name}"
        if kind == "array":
            kind, field = field["items"].get("type"), field["items"]
            if kind == "array":
                yield f"{at}: array of arrays"
        if kind == "object":
            yield from refused(field, at)
        elif kind not in {"boolean", "string", "number", "integer"}:
            yield f"{at}: {kind}"


def frame(shape: tuple[int, ...]) -> CameraFrame:
    return CameraFrame(rgb=np.zeros(shape, np.uint8), camera=CameraModel(), captured_ns=0)


BOX = Box(x0_px=0.0, y0_px=0.0, x1_px=1.0, y1_px=1.0)
LINE = np.zeros(3)
VALUES = [
    1,
    2.5,
    "text",
    True,
    None,
    [1, "a"],
    {"a": 1},
    Both(1, "b"),
    np.zeros(3),
    Odd(),
    Point(x_m=1.0),
    Scan(ranges_m=np.zeros((2, 2))),
    EgoState(x_m=0.0, y_m=0.0, yaw_rad=0.0, speed_mps=0.0),
    Detections(items=(Detection(label="car", score=1.0, box=BOX),), model="small"),
    Predictions(items=(), step_s=0.1),
    DepthFrame(depth_m=np.zeros((0, 0), np.float32), camera=CameraModel(), captured_ns=0),
    Trajectory(time_s=LINE, x_m=LINE, y_m=LINE, yaw_rad=LINE, speed_mps=LINE),
]


@pytest.mark.parametrize("value", VALUES, ids=lambda value: type(value).__name__)
@pytest.mark.parametrize("is_picture", [False, True])
def test_no_schema_is_refused_by_a_viewer(value: object, is_picture: bool) -> None:
    _, schema = stream_schema(value, is_picture=is_picture, inline=4096)
    assert not list(refused(schema))
    assert {"at", "t", "origin", "quality", "winner", "digest"} <= set(schema["properties"])


def test_the_schema_of_the_events_names_all_their_fields() -> None:
    assert not list(refused(EVENT_SCHEMA))
    for event in every_event():
        if event.__struct_config__.tag != "sent":
            assert set(event.__struct_fields__) <= set(EVENT_SCHEMA["properties"])


def value_schema(value: object) -> Any:
    return stream_schema(value, is_picture=False, inline=4096)[1]["properties"].get("value")


def test_numbers_can_be_plotted_by_name() -> None:
    assert value_schema(EgoState(x_m=0.0, y_m=0.0, yaw_rad=0.0, speed_mps=0.0))["properties"]["speed_mps"] == {
        "type": "number"
    }
    assert value_schema(3) == {"type": "integer"}
    items = value_schema(Detections(items=(), model="small"))["properties"]["items"]["items"]
    assert items["properties"]["box"]["properties"]["x0_px"] == {"type": "number"}


def test_a_line_of_numbers_is_an_array_and_anything_larger_is_left_out() -> None:
    assert value_schema(Scan(ranges_m=np.zeros(4096)))["properties"] == {
        "ranges_m": {"type": "array", "items": {"type": "number"}}
    }
    assert value_schema(Scan(ranges_m=np.zeros(4097)))["properties"] == {}
    assert value_schema(Scan(ranges_m=np.zeros((2, 2))))["properties"] == {}


def test_what_a_viewer_cannot_read_is_left_out_and_the_rest_stays() -> None:
    properties = value_schema(Odd())["properties"]
    assert properties == {
        "point_m": {"type": "array", "items": {"type": "number"}},
        "maybe_mps": {"type": "number"},
    }


def test_a_type_that_contains_itself_ends_somewhere() -> None:
    depth, schema = 0, value_schema(Point(x_m=0.0))
    while "next" in schema["properties"]:
        depth, schema = depth + 1, schema["properties"]["next"]
    assert 1 <= depth < 10


def test_every_channel_of_a_log_carries_such_a_schema(tmp_path: Path) -> None:
    pytest.importorskip("cv2")
    events = [
        *every_event(),
        sent(frame((36, 64, 3)), stream="camera.frame"),
        sent(Picture(rgb=np.zeros((0, 0, 3), np.uint8)), stream="other.frame"),
        sent(Odd(), stream="odd.out"),
    ]
    with write(tmp_path / "log.mcap", events).open("rb") as file:
        summary = make_reader(file).get_summary()
    assert summary is not None
    named = {channel.topic: summary.schemas[channel.schema_id] for channel in summary.channels.values()}
    assert named["/camera/frame"].name == "foxglove.CompressedImage"
    assert named["/other/frame"].name == "skylane.Picture"
    for topic, schema in named.items():
        assert schema.encoding == "jsonschema"
        assert not list(refused(json.loads(schema.data))), topic
