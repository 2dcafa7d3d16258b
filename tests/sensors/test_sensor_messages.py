"""The sensors' messages: read-only, and equal exactly when they say the same, also after a journey."""

from __future__ import annotations

from typing import Any

import msgspec
import numpy as np
import pytest

from operators import messages
from operators.messages import (
    CameraModel,
    GeoReference,
    GnssFix,
    ImuSample,
    Mount,
    PointCloud,
    RadarReturns,
    SemanticFrame,
    WheelSpeeds,
)
from pipeline import Message
from pipeline.engines.processes.wire import Head, pack, unpack
from pipeline.messages import canonical

N = 6


def cloud(**changes: Any) -> PointCloud:
    row = np.arange(N, dtype=np.float32)
    fields: dict[str, Any] = {
        "points_m": np.arange(3 * N, dtype=np.float32).reshape(N, 3), "intensity": row.copy(), "offset_s": -row,
        "ring": np.arange(N, dtype=np.uint8), "instance": np.arange(N, dtype=np.uint16), "mount": Mount(z_m=1.9),
        "captured_ns": 7,
    }  # fmt: skip
    return PointCloud(**{**fields, **changes})


def returns(**changes: Any) -> RadarReturns:
    names = ("range_m", "azimuth_rad", "elevation_rad", "radial_speed_mps", "rcs_dbsm")
    fields: dict[str, Any] = {name: np.full(N, k, np.float32) for k, name in enumerate(names)}
    return RadarReturns(**{**fields, "mount": Mount(), "captured_ns": 7, **changes})


def examples() -> list[Message]:
    place = GeoReference(latitude_deg=1.0, longitude_deg=2.0)
    return [
        cloud(),
        cloud(instance=None),
        returns(),
        returns(instance=np.arange(N, dtype=np.uint16)),
        GnssFix(
            latitude_deg=1.0, longitude_deg=2.0, altitude_m=3.0, covariance_m2=np.eye(3), reference=place, captured_ns=7
        ),
        ImuSample(specific_force_mps2=np.zeros(3), angular_rate_radps=np.ones(3), captured_ns=7),
        ImuSample(
            specific_force_mps2=np.zeros(3), angular_rate_radps=np.ones(3), orientation=np.eye(4)[3], captured_ns=7
        ),
        WheelSpeeds(rates_radps=np.arange(4.0), radius_m=0.3, captured_ns=7),
        SemanticFrame(
            classes=np.ones((2, 3), np.uint8), instances=np.ones((2, 3), np.uint16), camera=CameraModel(), captured_ns=7
        ),
    ]


def names(message: Message) -> str:
    return type(message).__name__


def arrays(message: Message) -> dict[str, np.ndarray[Any, Any]]:
    values = {name: getattr(message, name) for name in message.__struct_fields__}
    return {name: value for name, value in values.items() if isinstance(value, np.ndarray)}


@pytest.mark.parametrize("message", examples(), ids=names)
def test_arrays_cannot_be_written_through_a_message(message: Message) -> None:
    assert arrays(message)
    for array in arrays(message).values():
        with pytest.raises(ValueError, match="read-only"):
            array[...] = 0


@pytest.mark.parametrize("message", examples(), ids=names)
def test_the_canonical_bytes_change_with_every_field(message: Message) -> None:
    whole = canonical(message)
    assert canonical(msgspec.structs.replace(message)) == whole
    for name, array in arrays(message).items():
        other = array.copy()
        other.flat[0] += 1
        assert canonical(msgspec.structs.replace(message, **{name: other})) != whole, name
    assert canonical(msgspec.structs.replace(message, captured_ns=8)) != whole
    if hasattr(message, "frame_id"):
        assert canonical(msgspec.structs.replace(message, frame_id="elsewhere")) != whole


@pytest.mark.parametrize("message", examples(), ids=names)
def test_a_message_that_went_to_another_process_has_the_same_bytes(message: Message) -> None:
    _, got = unpack(type(message), pack(Head(t=7), message))
    assert canonical(got) == canonical(message)
    assert not any(array.flags.writeable for array in arrays(got).values())


def test_the_classes_are_those_that_the_world_draws() -> None:
    classes = pytest.importorskip("scenarios.world.drawing.classes")
    assert messages.SEMANTIC_CLASSES == classes.NAMES


def test_every_sensor_message_is_a_public_name() -> None:
    assert {names(message) for message in examples()} <= set(messages.__all__)
