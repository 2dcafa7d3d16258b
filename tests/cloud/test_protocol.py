"""The wire: what goes in comes out, limits hold on both sides, and no bytes do more than raise ProtocolError."""

from __future__ import annotations

import struct

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cloud.protocol import (
    ANSWER_BYTES_MAX,
    HEADER_BYTES,
    ITEMS_MAX,
    PICTURE_BYTES_MAX,
    VERSION,
    DetectionAnswer,
    DetectionRequest,
    Found,
    ProtocolError,
    decode_answer,
    decode_request,
    encode_answer,
    encode_request,
)

REQUEST = DetectionRequest(
    car_id="ego", t=5, model="large", budget_ns=10, encoding="jpeg", width_px=640, height_px=360, picture=b"\xff\xd8"
)
ANSWER = DetectionAnswer(
    car_id="ego", t=5, model="large", items=(Found("vehicle", 0.5, 1.0, 2.0, 3.0, 4.0),), queue_ns=1, execution_ns=2
)

floats = st.floats(allow_nan=False)
founds = st.builds(Found, st.text(max_size=32), floats, floats, floats, floats, floats)
names = st.text(min_size=1, max_size=64)
times = st.integers(0, (1 << 63) - 1)


@given(
    st.builds(
        DetectionRequest,
        car_id=names,
        t=times,
        model=names,
        budget_ns=times,
        encoding=st.sampled_from(["jpeg", "none"]),
        width_px=st.integers(0, 8192),
        height_px=st.integers(0, 8192),
        picture=st.binary(max_size=200),
    )
)
def test_a_request_is_read_as_it_was_written(request: DetectionRequest) -> None:
    assert decode_request(encode_request(request)) == request


@given(
    st.builds(
        DetectionAnswer,
        car_id=st.text(max_size=64),
        t=times,
        model=st.text(max_size=64),
        refused=st.text(max_size=200),
        items=st.lists(founds, max_size=5).map(tuple),
        queue_ns=times,
        execution_ns=times,
    )
)
def test_an_answer_is_read_as_it_was_written(answer: DetectionAnswer) -> None:
    assert decode_answer(encode_answer(answer)) == answer


@given(st.binary(max_size=300))
def test_arbitrary_bytes_raise_a_protocol_error_and_nothing_else(data: bytes) -> None:
    for decode in (decode_request, decode_answer):
        with pytest.raises(ProtocolError):
            decode(data)


@given(st.data())
def test_a_damaged_message_is_refused_or_is_a_valid_one(data: st.DataObject) -> None:
    encoded = bytearray(encode_answer(ANSWER))
    for _ in range(data.draw(st.integers(1, 4))):
        encoded[data.draw(st.integers(0, len(encoded) - 1))] = data.draw(st.integers(0, 255))
    try:
        answer = decode_answer(bytes(encoded))
    except ProtocolError:
        return
    assert isinstance(answer, DetectionAnswer)
    assert answer.t >= 0


@given(st.integers(0, 200))
def test_a_message_that_is_cut_off_is_refused(length: int) -> None:
    encoded = encode_request(REQUEST)
    with pytest.raises(ProtocolError):
        decode_request(encoded[: min(length, len(encoded) - 1)])


def test_a_message_with_something_behind_it_is_refused() -> None:
    with pytest.raises(ProtocolError, match="announces"):
        decode_request(encode_request(REQUEST) + b"x")


def test_another_version_says_which_side_to_update() -> None:
    encoded = encode_request(REQUEST)
    other = encoded[:4] + struct.pack("<H", VERSION + 1) + encoded[6:]
    with pytest.raises(ProtocolError, match=f"version {VERSION + 1}.*update"):
        decode_request(other)


def test_an_answer_is_no_request() -> None:
    with pytest.raises(ProtocolError, match="kind"):
        decode_request(encode_answer(ANSWER))


def test_what_is_not_ours_is_refused() -> None:
    with pytest.raises(ProtocolError, match="not a skylane message"):
        decode_answer(b"GET / HTTP/1.1\r\n\r\n")


@pytest.mark.parametrize(
    "change",
    [
        {"t": -1},
        {"t": 1 << 63},
        {"budget_ns": -1},
        {"car_id": ""},
        {"car_id": "x" * 65},
        {"model": ""},
        {"encoding": "pickle"},
        {"width_px": 8193},
        {"picture": bytes(PICTURE_BYTES_MAX + 1)},
    ],
)
def test_a_request_beyond_a_limit_is_not_sent(change: dict[str, object]) -> None:
    with pytest.raises(ProtocolError):
        encode_request(msgspec.structs.replace(REQUEST, **change))


def test_the_largest_picture_and_the_longest_answer_can_be_sent() -> None:
    largest = msgspec.structs.replace(REQUEST, picture=bytes(PICTURE_BYTES_MAX))
    assert len(decode_request(encode_request(largest)).picture) == PICTURE_BYTES_MAX
    longest = msgspec.structs.replace(ANSWER, items=ANSWER.items * ITEMS_MAX)
    assert len(encode_answer(longest)) <= ANSWER_BYTES_MAX


def test_an_answer_with_too_many_items_is_refused_on_both_sides() -> None:
    items = ANSWER.items * (ITEMS_MAX + 1)
    with pytest.raises(ProtocolError):
        encode_answer(msgspec.structs.replace(ANSWER, items=items))
    body = msgspec.msgpack.encode(msgspec.structs.replace(ANSWER, items=items))
    with pytest.raises(ProtocolError, match="body"):
        decode_answer(struct.pack("<4sHHI", b"SKYL", VERSION, 2, len(body)) + body)


def test_an_oversized_message_is_refused_before_it_is_read() -> None:
    with pytest.raises(ProtocolError, match="at most"):
        decode_answer(bytes(ANSWER_BYTES_MAX + 1))


def test_deeply_nested_bytes_are_refused() -> None:
    body = b"\x91" * 50_000
    with pytest.raises(ProtocolError):
        decode_answer(struct.pack("<4sHHI", b"SKYL", VERSION, 2, len(body)) + body)


def test_the_header_is_12_bytes() -> None:
    assert HEADER_BYTES == 12
    assert encode_request(REQUEST).startswith(b"SKYL\x01\x00\x01\x00")
