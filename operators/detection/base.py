"""What a picture detector promises, and which pictures it accepts. Knows no network and no stream."""

from __future__ import annotations

from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from operators.messages import Detection
from pipeline.errors import InvalidMessage

SMALLEST_SIDE_PX = 32
"""Below this the coarsest feature map would have no cell."""


class InvalidFrame(InvalidMessage):
    """A picture no detector can use: not an array, not uint8 RGB, empty or too small."""


class PictureDetector(Protocol):
    """Finds road users in one RGB picture."""

    @property
    def name(self) -> str:
        """Goes into ``Detections.model``."""

    def detect(self, rgb: NDArray[np.uint8]) -> tuple[Detection, ...]:
        """Detections in pixels of ``rgb`` (height, width, 3), best score first. Raises InvalidFrame."""

    def warm_up(self) -> None:
        """Spends what only the first call costs."""


def checked_frame(rgb: object, *, where: str = "") -> NDArray[np.uint8]:
    """``rgb`` itself, if it is (height, width, 3) uint8 and at least 32 x 32 pixels; else raises InvalidFrame."""
    hint = "give (height, width, 3) uint8 RGB"
    if not isinstance(rgb, np.ndarray):
        raise InvalidFrame(f"the picture is a {type(rgb).__name__}, not an array", where=where, hint=hint)
    if rgb.ndim != 3 or rgb.shape[2] != 3:
        raise InvalidFrame(f"the picture has shape {rgb.shape}, not (height, width, 3)", where=where, hint=hint)
    height, width = rgb.shape[:2]
    if height == 0 or width == 0:
        raise InvalidFrame(
            f"the picture has no pixels: {width} x {height}",
            where=where,
            hint="run the world with pixels, or use a detector that reads the world's truth",
        )
    if min(height, width) < SMALLEST_SIDE_PX:
        raise InvalidFrame(
            f"the picture is too small: {width} x {height} pixels, at least {SMALLEST_SIDE_PX} on each side needed",
            where=where,
            hint=hint,
        )
    if rgb.dtype != np.uint8:
        broken = np.issubdtype(rgb.dtype, np.floating) and not bool(np.isfinite(rgb).all())
        detail = ", with values that are not finite" if broken else ""
        raise InvalidFrame(f"the picture's values are {rgb.dtype}{detail}, not uint8", where=where, hint=hint)
    return rgb
