"""Pictures on the wire: size and loss follow the quality; what is no picture of the announced size is refused."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from cloud.encoding import InvalidPicture, decode_picture, encode_picture, jpeg_size_px
from pipeline.errors import UsageError


def picture(width_px: int = 64, height_px: int = 48) -> NDArray[np.uint8]:
    rows, columns = np.mgrid[0:height_px, 0:width_px]
    planes = [128 + 100 * np.sin(columns / 7), 128 + 100 * np.cos(rows / 5), 255 * (columns > width_px // 2)]
    return np.stack(planes, axis=-1).astype(np.uint8)


def test_colours_keep_their_order_and_compression_costs_detail() -> None:
    rgb = picture()
    errors, sizes = [], []
    for quality in (20, 75, 95):
        data = encode_picture(rgb, quality)
        decoded = decode_picture(data, 64, 48)
        assert decoded.shape == rgb.shape
        assert decoded.dtype == np.uint8
        assert not decoded.flags.writeable
        errors.append(float(np.abs(decoded.astype(int) - rgb).mean()))
        sizes.append(len(data))
    assert errors == sorted(errors, reverse=True)
    assert sizes == sorted(sizes)
    assert 0 < errors[2] < 4


def test_the_same_picture_gives_the_same_bytes() -> None:
    assert encode_picture(picture()) == encode_picture(picture())


def test_a_picture_without_pixels_has_no_bytes() -> None:
    assert encode_picture(np.zeros((0, 0, 3), dtype=np.uint8)) == b""
    assert decode_picture(b"", 640, 360, "none").shape == (0, 0, 3)
    with pytest.raises(InvalidPicture):
        decode_picture(b"x", 640, 360, "none")


@pytest.mark.parametrize(("width_px", "height_px"), [(64, 48), (1, 1), (7, 300)])
def test_the_size_is_read_from_the_header(width_px: int, height_px: int) -> None:
    assert jpeg_size_px(encode_picture(picture(width_px, height_px))) == (width_px, height_px)


def test_a_picture_of_another_size_is_refused_before_it_is_decoded() -> None:
    """A header that announces 60000 x 60000 pixels would otherwise take 10 GB."""
    data = bytearray(encode_picture(picture()))
    with pytest.raises(InvalidPicture, match="64 x 48 pixels, 65 x 48 were announced"):
        decode_picture(bytes(data), 65, 48)
    frame = data.index(b"\xff\xc0")
    data[frame + 5 : frame + 9] = (60000).to_bytes(2, "big") * 2
    with pytest.raises(InvalidPicture, match="60000 x 60000"):
        decode_picture(bytes(data), 64, 48)


@settings(max_examples=200)
@given(st.binary(max_size=200))
def test_arbitrary_bytes_are_no_picture(data: bytes) -> None:
    with pytest.raises(InvalidPicture):
        decode_picture(data, 64, 48)


@settings(max_examples=50, deadline=None)
@given(st.integers(0, 1500))
def test_a_cut_off_picture_is_refused_or_has_the_announced_size(length: int) -> None:
    try:
        decoded = decode_picture(encode_picture(picture())[:length], 64, 48)
    except InvalidPicture:
        return
    assert decoded.shape == (48, 64, 3)


@pytest.mark.parametrize("quality", [0, 101])
def test_a_quality_that_is_none_is_refused(quality: int) -> None:
    with pytest.raises(UsageError, match="quality"):
        encode_picture(picture(), quality)
