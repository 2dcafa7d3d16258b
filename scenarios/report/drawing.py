"""Drawing on BGR pictures: colours, text with an alpha mask, translucent plates and bars. Knows nothing of cars."""

from __future__ import annotations

from functools import lru_cache

import cv2
import numpy as np
from numpy.typing import NDArray

Picture = NDArray[np.uint8]
Colour = tuple[int, int, int]


def bgr(hex_colour: str) -> Colour:
    """``#rrggbb`` in the order in which OpenCV keeps pictures."""
    value = int(hex_colour.lstrip("#"), 16)
    return value & 255, value >> 8 & 255, value >> 16


WHITE, DIM = bgr("#ffffff"), bgr("#a9b4bd")
RED, GREEN, AMBER = bgr("#ff4438"), bgr("#3ecf6e"), bgr("#f5c33b")
DARK = bgr("#12161a")


@lru_cache(maxsize=4096)
def _mask(text: str, size_px: int, bold: bool) -> tuple[NDArray[np.float32], int]:
    """Coverage (rows, columns, 1) of a text in [0, 1], and the row of its base line."""
    face = cv2.FONT_HERSHEY_DUPLEX if bold else cv2.FONT_HERSHEY_SIMPLEX
    scale = size_px / 30.0
    (width, height), below = cv2.getTextSize(text, face, scale, 1)
    mask = np.zeros((height + below + 4, width + 4), np.uint8)
    cv2.putText(mask, text, (1, height + 1), face, scale, 255, 1, cv2.LINE_AA)
    return (mask.astype(np.float32) / 255.0)[:, :, None], height + 1


def text_width(text: str, size_px: int, *, bold: bool = False) -> int:
    """Columns that ``write`` will need."""
    return int(_mask(text, size_px, bold)[0].shape[1])


def write(
    picture: Picture, text: str, x: int, y: int, size_px: int = 15, colour: Colour = WHITE, *, bold: bool = False
) -> None:
    """Put ASCII ``text`` with its base line at row y, its left edge at column x; what is outside is cut off."""
    mask, base = _mask(text, size_px, bold)
    top, left = y - base, x - 1
    up, aside = max(0, -top), max(0, -left)
    area = picture[max(0, top) : top + mask.shape[0], max(0, left) : left + mask.shape[1]]
    cover = mask[up : up + area.shape[0], aside : aside + area.shape[1]]
    if area.size:
        area[:] = area + (np.array(colour, np.float32) - area) * cover


def write_centred(
    picture: Picture, text: str, x: int, y: int, size_px: int = 15, colour: Colour = WHITE, *, bold: bool = False
) -> None:
    """``write`` with the middle of the text at column x."""
    write(picture, text, x - text_width(text, size_px, bold=bold) // 2, y, size_px, colour, bold=bold)


def plate(picture: Picture, x0: int, y0: int, x1: int, y1: int, colour: Colour = DARK, cover: float = 0.7) -> None:
    """Mix an upright rectangle, half-open, with ``colour``."""
    area = picture[max(0, y0) : max(0, y1), max(0, x0) : max(0, x1)]
    if area.size:
        cv2.addWeighted(area, 1.0 - cover, np.full_like(area, colour), cover, 0.0, dst=area)


def bar(picture: Picture, x0: int, y0: int, width: int, height: int, share: float, colour: Colour) -> None:
    """A bar that is filled from the left."""
    plate(picture, x0, y0, x0 + width, y0 + height, WHITE, 0.18)
    filled = round(min(1.0, max(0.0, share)) * width)
    if filled:
        cv2.rectangle(picture, (x0, y0), (x0 + filled - 1, y0 + height - 1), colour, cv2.FILLED)
