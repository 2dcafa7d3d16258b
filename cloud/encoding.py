"""Pictures as JPEG and back. What is lost here is lost for the remote model, so compression costs accuracy for real."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipeline.errors import MissingExtra, SkylaneError, UsageError
from pipeline.messages import readonly

QUALITY = 75
_START_OF_FRAME = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
_WITHOUT_LENGTH = frozenset({0x01, *range(0xD0, 0xD9)})


class InvalidPicture(SkylaneError):
    """Bytes that are no JPEG picture of the announced size."""


def encode_picture(rgb: NDArray[np.uint8], quality: int = QUALITY) -> bytes:
    """JPEG bytes of ``rgb`` (height, width, 3); empty for a picture without pixels. ``quality`` from 1 to 100."""
    if not 1 <= quality <= 100:
        raise UsageError(f"JPEG quality {quality}", hint="give 1 (smallest) to 100 (best)")
    if rgb.size == 0:
        return b""
    cv2 = _cv2()
    done, data = cv2.imencode(".jpg", np.ascontiguousarray(rgb[..., ::-1]), [cv2.IMWRITE_JPEG_QUALITY, quality])
    assert done, "a uint8 picture can be encoded"
    return bytes(data.data)


def decode_picture(data: bytes, width_px: int, height_px: int, encoding: str = "jpeg") -> NDArray[np.uint8]:
    """The picture in ``data``, (height, width, 3) uint8 RGB; (0, 0, 3) for encoding ``none``. Raises InvalidPicture.

    The file's size in pixels is compared with the announced one before any is decoded: a small file can hold a huge
    picture.
    """
    if encoding == "none":
        if data:
            raise InvalidPicture("a picture without pixels has no bytes")
        return readonly(np.zeros((0, 0, 3), dtype=np.uint8))
    size = jpeg_size_px(data)
    if size is None:
        raise InvalidPicture("the picture is not JPEG")
    if size != (width_px, height_px):
        raise InvalidPicture(f"the picture has {size[0]} x {size[1]} pixels, {width_px} x {height_px} were announced")
    cv2 = _cv2()
    try:
        bgr = cv2.imdecode(np.frombuffer(data, dtype=np.uint8), cv2.IMREAD_COLOR)
    except cv2.error as error:
        raise InvalidPicture("the picture cannot be decoded") from error
    if bgr is None or bgr.shape != (height_px, width_px, 3):
        raise InvalidPicture("the picture cannot be decoded")
    rgb: NDArray[np.uint8] = np.ascontiguousarray(bgr[..., ::-1])
    return readonly(rgb)


def jpeg_size_px(data: bytes) -> tuple[int, int] | None:
    """(width, height) from the header of a JPEG file, None if there is none."""
    if data[:2] != b"\xff\xd8":
        return None
    at = 2
    while at + 9 <= len(data) and data[at] == 0xFF:
        marker = data[at + 1]
        if marker in _START_OF_FRAME:
            return int.from_bytes(data[at + 7 : at + 9], "big"), int.from_bytes(data[at + 5 : at + 7], "big")
        if marker in _WITHOUT_LENGTH or marker == 0xFF:
            at += 1 if marker == 0xFF else 2
            continue
        at += 2 + max(2, int.from_bytes(data[at + 2 : at + 4], "big"))
    return None


def _cv2() -> Any:
    try:
        import cv2
    except ImportError as error:
        raise MissingExtra("sending pictures needs OpenCV", hint="install skylane[models]") from error
    return cv2
