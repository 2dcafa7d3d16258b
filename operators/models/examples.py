"""One labelled picture, as training and evaluation read it. Where pictures come from is decided elsewhere."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class Example:
    """A picture and the n road users in it.

    Attributes:
        rgb: (height, width, 3) uint8.
        labels: (n,) int64, index into ``LABELS``.
        boxes: (n, 4) float32, x0, y0, x1, y1 in pixels, half-open, tight around what is visible.
        visible: (n,) float32, share of the object that nothing hides, [0, 1].
        distance_m: (n,) float32 along the optical axis.
    """

    rgb: NDArray[np.uint8]
    labels: NDArray[np.int64]
    boxes: NDArray[np.float32]
    visible: NDArray[np.float32]
    distance_m: NDArray[np.float32]


Examples = Sequence[Example]
