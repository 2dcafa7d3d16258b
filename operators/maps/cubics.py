"""Cubic pieces along a road: widths, offsets, heights. Pure numbers."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]


class Cubics:
    """a + b ds + c ds² + d ds³, ds counted from the start of each piece.

    ``pieces``: (start, a, b, c, d) each, ascending in start. Before the first piece the value is 0.
    """

    __slots__ = ("coefficients", "starts")

    def __init__(self, pieces: Sequence[tuple[float, float, float, float, float]] = ()) -> None:
        table = np.array(pieces, dtype=np.float64).reshape(-1, 5)
        self.starts: Array = np.ascontiguousarray(table[:, 0])
        self.coefficients: Array = np.ascontiguousarray(table[:, 1:])

    def __len__(self) -> int:
        return len(self.starts)

    def value(self, s: Array) -> Array:
        """(n,) stations → (n,) values."""
        if not len(self):
            return np.zeros_like(s)
        ds, k = self._pieces(s)
        return np.where(s < self.starts[0] - 1e-9, 0.0, k[:, 0] + ds * (k[:, 1] + ds * (k[:, 2] + ds * k[:, 3])))

    def slope(self, s: Array) -> Array:
        """(n,) stations → (n,) first derivatives."""
        if not len(self):
            return np.zeros_like(s)
        ds, k = self._pieces(s)
        return np.where(s < self.starts[0] - 1e-9, 0.0, k[:, 1] + ds * (2.0 * k[:, 2] + ds * 3.0 * k[:, 3]))

    def bend(self, knots: Array) -> Array:
        """(n,) ascending stations → (n - 1,) largest |second derivative| between neighbours within one piece."""
        if not self.coefficients[:, 2:].any():
            return np.zeros(len(knots) - 1)
        ds, k = self._pieces(knots[:-1])
        first = 2.0 * k[:, 2] + 6.0 * k[:, 3] * ds
        return np.maximum(np.abs(first), np.abs(first + 6.0 * k[:, 3] * np.diff(knots)))

    def _pieces(self, s: Array) -> tuple[Array, Array]:
        index = np.clip(np.searchsorted(self.starts, s + 1e-9, side="right") - 1, 0, None)
        return s - self.starts[index], self.coefficients[index]
