"""What car and server say to each other about one picture: a fixed header and a bounded msgpack body. Never code.

Decides the bytes and their limits. Who may send is decided by the transport, what an answer may change by ``gate``.
"""

from __future__ import annotations

import struct
from typing import Annotated, Literal, TypeVar

import msgspec
from msgspec import Meta

from pipeline.errors import SkylaneError

VERSION = 1
MAGIC = b"SKYL"
_HEADER = struct.Struct("<4sHHI")
"""magic, version, kind, body length in bytes."""
HEADER_BYTES = _HEADER.size

PICTURE_BYTES_MAX = 4 * 1024 * 1024
REQUEST_BYTES_MAX = PICTURE_BYTES_MAX + 4096
ANSWER_BYTES_MAX = 64 * 1024
ITEMS_MAX = 256
SIDE_PX_MAX = 8192
_TIME_MAX = (1 << 63) - 1

Name = Annotated[str, Meta(min_length=1, max_length=64)]
Nanoseconds = Annotated[int, Meta(ge=0, le=_TIME_MAX)]
SidePx = Annotated[int, Meta(ge=0, le=SIDE_PX_MAX)]


class ProtocolError(SkylaneError):
    """Bytes that are not a message of this protocol: cut off, too long, of another version or with wrong fields."""


class DetectionRequest(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Find road users in ``picture``. ``budget_ns`` counts from receipt, since the two clocks differ."""

    car_id: Name
    t: Nanoseconds
    """The picture's logical timestamp; the answer repeats it."""
    model: Name
    budget_ns: Nanoseconds
    """Within this time after receipt the answer must leave the server."""
    encoding: Literal["jpeg", "none"]
    """``none``: a run without pixels."""
    width_px: SidePx
    height_px: SidePx
    picture: Annotated[bytes, Meta(max_length=PICTURE_BYTES_MAX)]


class Found(msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """One road user: label, score and box in pixels of the picture that was sent."""

    label: Annotated[str, Meta(max_length=32)]
    score: float
    x0_px: float
    y0_px: float
    x1_px: float
    y1_px: float


class DetectionAnswer(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What the server found, or why it did not look; with the time it spent, for the car to plan with."""

    car_id: Annotated[str, Meta(max_length=64)]
    t: Nanoseconds
    model: Annotated[str, Meta(max_length=64)]
    refused: Annotated[str, Meta(max_length=200)] = ""
    """Empty: it looked."""
    items: Annotated[tuple[Found, ...], Meta(max_length=ITEMS_MAX)] = ()
    queue_ns: Nanoseconds = 0
    execution_ns: Nanoseconds = 0


_REQUEST, _ANSWER = 1, 2
_ENCODER = msgspec.msgpack.Encoder()
_REQUEST_DECODER = msgspec.msgpack.Decoder(DetectionRequest)
_ANSWER_DECODER = msgspec.msgpack.Decoder(DetectionAnswer)
_Body = TypeVar("_Body")


def encode_request(request: DetectionRequest) -> bytes:
    """Bytes of a request. Raises ProtocolError if it exceeds a limit, before the other side would."""
    return _encode(request, _REQUEST, _REQUEST_DECODER, REQUEST_BYTES_MAX)


def decode_request(data: bytes) -> DetectionRequest:
    """The request in ``data``. Raises ProtocolError, and nothing else, for any other bytes."""
    return _decode(data, _REQUEST, _REQUEST_DECODER, REQUEST_BYTES_MAX)


def encode_answer(answer: DetectionAnswer) -> bytes:
    """Bytes of an answer. Raises ProtocolError if it exceeds a limit."""
    return _encode(answer, _ANSWER, _ANSWER_DECODER, ANSWER_BYTES_MAX)


def decode_answer(data: bytes) -> DetectionAnswer:
    """The answer in ``data``. Raises ProtocolError, and nothing else, for any other bytes."""
    return _decode(data, _ANSWER, _ANSWER_DECODER, ANSWER_BYTES_MAX)


def _encode(message: msgspec.Struct, kind: int, decoder: msgspec.msgpack.Decoder[_Body], bytes_max: int) -> bytes:
    try:
        body = _ENCODER.encode(message)
        # The constructor checks no limits; the decoder does.
        decoder.decode(body)
    except (msgspec.MsgspecError, OverflowError, TypeError, UnicodeError) as error:
        raise ProtocolError(f"this cannot be sent: {error}", where=type(message).__name__) from error
    if HEADER_BYTES + len(body) > bytes_max:
        raise ProtocolError(f"{HEADER_BYTES + len(body)} bytes, at most {bytes_max}", where=type(message).__name__)
    return _HEADER.pack(MAGIC, VERSION, kind, len(body)) + body


def _decode(data: bytes, kind: int, decoder: msgspec.msgpack.Decoder[_Body], bytes_max: int) -> _Body:
    if len(data) > bytes_max:
        raise ProtocolError(f"{len(data)} bytes, at most {bytes_max}")
    if len(data) < HEADER_BYTES:
        raise ProtocolError(f"{len(data)} bytes, the header alone has {HEADER_BYTES}")
    magic, version, found_kind, length = _HEADER.unpack_from(data)
    if magic != MAGIC:
        raise ProtocolError("this is not a skylane message")
    if version != VERSION:
        raise ProtocolError(
            f"protocol version {version}", hint=f"this side speaks version {VERSION}; update the older one"
        )
    if found_kind != kind:
        raise ProtocolError(f"a message of kind {found_kind} where kind {kind} is expected")
    if length != len(data) - HEADER_BYTES:
        raise ProtocolError(f"the header announces {length} bytes, {len(data) - HEADER_BYTES} follow")
    try:
        return decoder.decode(memoryview(data)[HEADER_BYTES:])
    except (msgspec.MsgspecError, ValueError, RecursionError) as error:
        raise ProtocolError(f"the body is wrong: {error}") from error
