"""A message comes back as what it was, or as one clear error; its arrays lie where they were received."""

from __future__ import annotations

import contextlib
import dataclasses
import enum
from typing import Any, NamedTuple, Union

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from numpy.typing import NDArray

from operators.messages import CameraFrame, CameraModel, Detection, Detections, Obstacle, Prediction, Predictions
from operators.messages.objects import Box
from pipeline.engines.processes import wire
from pipeline.engines.processes.wire import Head, UnreadableMessage, encode, pack, unpack
from pipeline.errors import InvalidMessage
from pipeline.messages import Message, canonical

HEAD = Head(t=7, origin=5, at=9, quality="final", winner="fast", number=3, epoch=2, starts=(("brake", 1, 2),))


class Sweep(Message, frozen=True, kw_only=True):
    ranges_m: NDArray[np.float64]
    mask: NDArray[np.bool_] | None = None
    within: tuple[NDArray[np.uint8], ...] = ()


class Base(Message, frozen=True, kw_only=True):
    number: int = 0


class Derived(Base, frozen=True, kw_only=True):
    more: tuple[int, ...] = ()


class Holder(Message, frozen=True, kw_only=True):
    held: Base
    anything: Any = None
    either: Union[Base, Sweep, None] = None


class Pair(NamedTuple):
    count: int
    values: NDArray[np.int16]


@dataclasses.dataclass(frozen=True)
class Point:
    x_m: float
    along: NDArray[np.float32]
    name: str = dataclasses.field(init=False, default="p")


class Colour(enum.Enum):
    RED = 1
    BLUE = (2, 3)


class Grumbles(Message, frozen=True, kw_only=True):
    number: int

    def __post_init__(self) -> None:
        if self.number == 13:
            raise RuntimeError("not thirteen")


def equal(a: Any, b: Any) -> bool:
    """Same types all the way down, and the same content."""
    if type(a) is not type(b):
        return False
    if isinstance(a, np.ndarray):
        return a.dtype == b.dtype and a.shape == b.shape and a.tobytes() == b.tobytes()
    if isinstance(a, msgspec.Struct):
        return all(equal(getattr(a, n), getattr(b, n)) for n in a.__struct_fields__)
    if dataclasses.is_dataclass(a):
        return all(equal(getattr(a, f.name), getattr(b, f.name)) for f in dataclasses.fields(a))
    if isinstance(a, (list, tuple)):
        return len(a) == len(b) and all(map(equal, a, b))
    if isinstance(a, dict):
        return list(a) == list(b) and all(map(equal, a.values(), b.values()))
    return bool(a == b or (a != a and b != b))


DTYPES = (
    hnp.boolean_dtypes() | hnp.integer_dtypes(endianness="?") | hnp.floating_dtypes(endianness="?", sizes=(16, 32, 64))
)
DTYPES = DTYPES | hnp.complex_number_dtypes() | hnp.datetime64_dtypes(max_period="D", min_period="ms")
ARRAYS = hnp.arrays(DTYPES, hnp.array_shapes(min_dims=0, max_dims=4, min_side=0, max_side=5))


@st.composite
def views(draw: Any) -> NDArray[Any]:
    """Arrays that do not lie in one piece, too."""
    array = draw(ARRAYS)
    if array.ndim and draw(st.booleans()):
        array = array[:: draw(st.sampled_from([2, -1]))]
    return array.T if draw(st.booleans()) else array


PLAIN = (
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**64 - 1)
    | st.floats()
    | st.text(max_size=8)
    | st.binary(max_size=8)
    | views()
    | st.sampled_from([np.float32(0.1), np.int16(-3), np.bool_(True), Colour.RED, Colour.BLUE])
)
VALUES = st.recursive(
    PLAIN,
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.lists(inner, max_size=3).map(tuple)
        | st.dictionaries(st.text(max_size=3) | st.integers(0, 9), inner, max_size=3)
        | st.builds(Holder, held=st.just(Derived(number=1, more=(2,))), anything=inner)
    ),
    max_leaves=6,
)


@given(VALUES)
def test_every_payload_comes_back_as_what_it_was(value: Any) -> None:
    head, got = unpack(object, pack(HEAD, value))
    assert head == HEAD
    assert equal(got, value)


@given(ARRAYS, st.none() | hnp.arrays(np.bool_, 3), st.lists(ARRAYS, max_size=3))
def test_arrays_anywhere_in_a_message_come_back_with_their_dtype_and_shape(
    first: NDArray[Any], second: NDArray[Any] | None, more: list[NDArray[Any]]
) -> None:
    sweep = Sweep(ranges_m=first, mask=second, within=tuple(more))
    assert equal(unpack(Sweep, pack(HEAD, sweep))[1], sweep)


@pytest.mark.parametrize(
    "value",
    [
        Pair(1, np.arange(3, dtype=np.int16)),
        Point(1.5, np.ones(2, np.float32)),
        Colour.BLUE,
        Holder(held=Base(number=2), either=Derived(number=3)),
        Holder(held=Derived(number=2, more=(1, 2)), anything=Sweep(ranges_m=np.arange(2.0)), either=None),
        [Pair(1, np.zeros(0, np.int16)), {"a": (Point(1.0, np.ones(1, np.float32)), None)}],
        {(1, 2): frozenset({3}), None: {4}},
        np.float32(0.1),
        True,
        None,
        (),
    ],
    ids=lambda value: type(value).__name__,
)
def test_subclasses_dataclasses_and_named_tuples_are_what_they_were(value: Any) -> None:
    assert equal(unpack(object, pack(HEAD, value))[1], value)


def test_a_subclass_may_come_on_a_stream_of_its_base() -> None:
    assert unpack(Base, pack(HEAD, Derived(number=1, more=(2,))))[1] == Derived(number=1, more=(2,))


def test_real_messages_keep_their_canonical_bytes() -> None:
    box = Box(x0_px=1.0, y0_px=2.0, x1_px=3.0, y1_px=4.0)
    obstacle = Obstacle(track_id=1, label="vehicle", score=0.5, x_m=1.0, y_m=2.0, length_m=4.0, width_m=2.0)
    prediction = Prediction(obstacle=obstacle, path_m=np.ones((5, 2)))
    for value in (
        CameraFrame(rgb=np.arange(24, dtype=np.uint8).reshape(2, 4, 3), camera=CameraModel(), captured_ns=1),
        Detections(items=(Detection(label="vehicle", score=0.5, box=box),), model="small"),
        Predictions(items=(prediction, prediction), step_s=0.1),
    ):
        assert canonical(unpack(type(value), pack(HEAD, value))[1]) == canonical(value)


def test_arrays_are_read_only_views_of_what_was_received() -> None:
    data = pack(HEAD, Sweep(ranges_m=np.arange(3.0), within=(np.ones(70, np.uint8),)))
    got = unpack(Sweep, data)[1]
    for array in (got.ranges_m, got.within[0]):
        assert np.shares_memory(array, np.frombuffer(data, np.uint8))
        with pytest.raises(ValueError):
            array[0] = 1


def test_arrays_are_aligned_to_cache_lines() -> None:
    data = np.frombuffer(pack(HEAD, (np.ones(3, np.uint8), np.ones(1, bool), np.ones(2))), np.uint8)
    for array in unpack(object, data)[1]:
        assert (array.ctypes.data - data.ctypes.data) % wire.ALIGNMENT == 0


def test_encoding_copies_no_array() -> None:
    rgb = np.zeros((4, 4, 3), np.uint8)
    encoded = encode(CameraFrame(rgb=rgb, camera=CameraModel(), captured_ns=1))
    assert encoded.arrays[0] is rgb
    assert len(encoded.data) < 300


def test_a_watermark_carries_no_value() -> None:
    assert unpack(CameraFrame, pack(Head(t=3, empty=True))) == (Head(t=3, empty=True), None)


@pytest.mark.parametrize(
    "value",
    [
        np.zeros(2, dtype=[("x", "f4"), ("y", "i2")]),
        np.array([object()]),
        np.ma.masked_array([1, 2], mask=[0, 1]),
        2**64,
        object(),
        (lambda: None,),
        {"a": [object()]},
        Sweep(ranges_m=np.array([None])),
    ],
    ids=["records", "objects", "masked", "huge integer", "object", "function", "nested object", "objects in a field"],
)
def test_what_cannot_travel_is_refused_at_the_sender(value: Any) -> None:
    with pytest.raises(InvalidMessage):
        pack(HEAD, value)


def test_a_value_that_holds_itself_is_refused() -> None:
    loop: list[Any] = []
    loop.append(loop)
    with pytest.raises(InvalidMessage):
        pack(HEAD, loop)


SAMPLE = bytes(pack(HEAD, Sweep(ranges_m=np.arange(4.0), within=(np.ones(9, np.uint8),))))
NESTED = bytes(pack(HEAD, Holder(held=Derived(more=(1,)), anything={"a": (np.float32(1), np.ones(2))})))


@pytest.mark.parametrize("data", [SAMPLE, NESTED], ids=["plain", "named"])
def test_a_message_cut_off_anywhere_is_unreadable(data: bytes) -> None:
    for size in range(len(data)):
        with pytest.raises(UnreadableMessage):
            unpack(object, data[:size])


@given(st.sampled_from([SAMPLE, NESTED]), st.data())
def test_damaged_bytes_make_an_error_or_a_value_never_a_crash(data: bytes, draw: st.DataObject) -> None:
    damaged = bytearray(data)
    for _ in range(draw.draw(st.integers(1, 4))):
        damaged[draw.draw(st.integers(0, len(damaged) - 1))] = draw.draw(st.integers(0, 255))
    with contextlib.suppress(UnreadableMessage):
        unpack(object, bytes(damaged))


@given(st.sampled_from([SAMPLE, NESTED]), st.data())
def test_bytes_made_up_on_purpose_make_an_error_or_a_value_never_a_crash(data: bytes, draw: st.DataObject) -> None:
    """As damaged ones, but with a checksum that is right."""
    fields = list(wire._PREFIX.unpack_from(data))
    rest = bytearray(data[fields[8] :])
    for _ in range(draw.draw(st.integers(1, 4))):
        rest[draw.draw(st.integers(0, len(rest) - 1))] = draw.draw(st.integers(0, 255))
    fields[7] = wire.zlib.crc32(rest)
    made = wire._PREFIX.pack(*fields) + data[wire._PREFIX.size : fields[8]] + rest
    with contextlib.suppress(UnreadableMessage):
        unpack(object, made)


@given(st.binary(max_size=300))
def test_foreign_bytes_are_unreadable(data: bytes) -> None:
    with pytest.raises(UnreadableMessage):
        unpack(object, data)
    with pytest.raises(UnreadableMessage):
        unpack(object, wire.MAGIC + data)


def forged(value: Any, offsets: list[int], arrays: int = 1) -> bytes:
    """A message whose arrays lie at ``offsets``."""
    encoded = encode(value)
    where = wire.Layout(offsets, 128, 0)
    last = wire.encode_head(HEAD)
    rest = wire.tail_of(encoded, where) + last
    return wire.prefix_of(encoded, where, rest, last).ljust(128, b"\0") + rest


@pytest.mark.parametrize("offset", [0, 1, 72, 2**20, 2**63, 2**64 - 64])
def test_an_array_outside_the_message_is_unreadable(offset: int) -> None:
    assert unpack(object, forged(np.ones(8), [64]))[1].shape == (8,)
    with pytest.raises(UnreadableMessage):
        unpack(object, forged(np.ones(8), [offset]))


@pytest.mark.parametrize(("name", "shape"), [("<f8", (2**61,)), ("<f8", (2**40, 2**40)), ("|O", (1,)), ("|V8", (1,))])
def test_an_array_that_claims_too_much_or_holds_objects_is_unreadable(name: str, shape: tuple[int, ...]) -> None:
    description = wire.struct.pack(f"<IB{len(shape)}Q", 0, len(shape), *shape) + name.encode()
    data = msgspec.msgpack.encode(msgspec.msgpack.Ext(wire.ARRAY, description))
    encoded = wire.Encoded(data, [np.ones(1)], b"numpy:ndarray", 1)
    where = wire.layout(encoded)
    last = wire.encode_head(HEAD)
    rest = wire.tail_of(encoded, where) + last
    with pytest.raises(UnreadableMessage):
        unpack(object, wire.prefix_of(encoded, where, rest, last).ljust(128, b"\0") + rest)


@pytest.mark.parametrize(
    ("type_", "value"), [(Sweep, Base()), (int, 2.5), (str, 1), (Derived, Base()), (Union[int, str], 2.5)]
)
def test_a_value_of_another_type_than_the_stream_carries_is_unreadable(type_: Any, value: Any) -> None:
    with pytest.raises(UnreadableMessage, match="came on a stream of"):
        unpack(type_, pack(HEAD, value))


def test_a_field_that_does_not_hold_what_it_declares_is_named() -> None:
    with pytest.raises(UnreadableMessage, match=r"number"):
        unpack(Base, pack(HEAD, Base(number="seven")))  # type: ignore[arg-type]


def test_what_the_payload_itself_refuses_is_unreadable() -> None:
    data = pack(HEAD, Grumbles(number=12)).replace(b"\xa6number\x0c", b"\xa6number\x0d")
    fields = list(wire._PREFIX.unpack_from(data))
    fields[7] = wire.zlib.crc32(data[fields[8] :])
    wire._PREFIX.pack_into(data, 0, *fields)
    with pytest.raises(UnreadableMessage, match="not thirteen"):
        unpack(Grumbles, data)


@pytest.mark.parametrize(
    "name", [b"os:system", b"antigravity:x", b"builtins:eval", b"no.such:Class", b"subprocess:Popen"]
)
def test_only_imported_classes_of_plain_data_are_made(name: bytes) -> None:
    import sys

    encoded = encode(Base())._replace(name=name)
    where = wire.layout(encoded)
    last = wire.encode_head(HEAD)
    rest = wire.tail_of(encoded, where) + last
    with pytest.raises(UnreadableMessage):
        unpack(object, wire.prefix_of(encoded, where, rest, last).ljust(64, b"\0") + rest)
    assert "antigravity" not in sys.modules


def test_a_class_whose_module_goes_by_another_name_is_the_one_that_the_stream_declares() -> None:
    encoded = encode(Base(number=4))._replace(name=b"__main__:Base")
    where = wire.layout(encoded)
    last = wire.encode_head(HEAD)
    rest = wire.tail_of(encoded, where) + last
    data = wire.prefix_of(encoded, where, rest, last).ljust(64, b"\0") + rest
    assert unpack(Base, data)[1] == Base(number=4)
    with pytest.raises(UnreadableMessage, match="imported"):
        unpack(Sweep, data)


def test_another_version_says_so() -> None:
    data = bytearray(SAMPLE)
    data[4] += 1
    with pytest.raises(UnreadableMessage, match="version"):
        unpack(Sweep, data)
