"""The reference line of a road: lines, arcs, spirals and cubics in the plane, evaluated at many stations at once."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

_NODES, _WEIGHTS = np.polynomial.legendre.leggauss(12)


@dataclass(frozen=True, slots=True)
class Piece:
    """One geometry of a plan view. ``numbers``:

    line (); arc (curvature,); spiral (curvature at start, at end); poly3 (a, b, c, d);
    paramPoly3 (aU, bU, cU, dU, aV, bV, cV, dV, p at the end). SI units, radians.
    """

    kind: str
    s_m: float
    x_m: float
    y_m: float
    yaw_rad: float
    length_m: float
    numbers: tuple[float, ...] = ()

    def curvature_max(self) -> float:
        """The largest |curvature| (1/m); for cubics as seen at 65 points."""
        if self.kind in ("line", "arc", "spiral"):
            return max((abs(number) for number in self.numbers), default=0.0)
        return float(np.abs(along(self, np.linspace(0.0, self.length_m, 65))[3]).max())


def evaluate(pieces: Sequence[Piece], s: Array) -> tuple[Array, Array, Array, Array]:
    """x, y (m), yaw (rad) and curvature (1/m, left positive) at the stations ``s`` (n,); pieces in order of s."""
    found = np.empty((4, len(s)))
    starts = np.array([piece.s_m for piece in pieces])
    index = np.clip(np.searchsorted(starts, s + 1e-9, side="right") - 1, 0, None)
    for which in np.unique(index):
        chosen = index == which
        found[:, chosen] = along(pieces[which], s[chosen] - pieces[which].s_m)
    return found[0], found[1], found[2], found[3]


def along(piece: Piece, ds: Array) -> tuple[Array, Array, Array, Array]:
    """Like ``evaluate`` for one piece, ``ds`` counted from its start."""
    u, v, turn, curvature = _SHAPES[piece.kind](piece, ds)
    cosine, sine = math.cos(piece.yaw_rad), math.sin(piece.yaw_rad)
    return piece.x_m + cosine * u - sine * v, piece.y_m + sine * u + cosine * v, piece.yaw_rad + turn, curvature


def _line(_: Piece, ds: Array) -> tuple[Array, Array, Array, Array]:
    zero = np.zeros_like(ds)
    return ds, zero, zero, zero


def _arc(piece: Piece, ds: Array) -> tuple[Array, Array, Array, Array]:
    (curvature,) = piece.numbers
    if abs(curvature) < 1e-12:
        return _line(piece, ds)
    turn = curvature * ds
    # 1 - cos loses digits for slight turns; 2 sin² of the half angle does not.
    return (
        np.sin(turn) / curvature,
        2.0 * np.sin(0.5 * turn) ** 2 / curvature,
        turn,
        np.full_like(ds, curvature),
    )


def _spiral(piece: Piece, ds: Array) -> tuple[Array, Array, Array, Array]:
    """The clothoid's two Fresnel integrals by Gauss-Legendre quadrature, exact to rounding."""
    start, end = piece.numbers
    rate = (end - start) / piece.length_m
    turning = max(abs(start), abs(end)) * piece.length_m
    panels = int(turning / 1.5) + 1
    edges = (np.arange(panels)[:, None] + 0.5 * (_NODES + 1.0)) / panels
    share, weight = edges.ravel(), np.tile(_WEIGHTS * (0.5 / panels), panels)
    u, v = np.empty_like(ds), np.empty_like(ds)
    block = max(1, 2_000_000 // len(share))
    for first in range(0, len(ds), block):
        at = ds[first : first + block, None] * share
        angle = at * (start + 0.5 * rate * at)
        u[first : first + block] = (np.cos(angle) @ weight) * ds[first : first + block]
        v[first : first + block] = (np.sin(angle) @ weight) * ds[first : first + block]
    return u, v, ds * (start + 0.5 * rate * ds), start + rate * ds


def _poly3(piece: Piece, ds: Array) -> tuple[Array, Array, Array, Array]:
    return _cubic((0.0, 1.0, 0.0, 0.0), piece.numbers, _parameter(piece, ds))


def _param_poly3(piece: Piece, ds: Array) -> tuple[Array, Array, Array, Array]:
    return _cubic(piece.numbers[:4], piece.numbers[4:8], _parameter(piece, ds))


def _cubic(along_u: Sequence[float], along_v: Sequence[float], p: Array) -> tuple[Array, Array, Array, Array]:
    a, b, c, d = along_u
    e, f, g, h = along_v
    u, v = a + p * (b + p * (c + p * d)), e + p * (f + p * (g + p * h))
    du, dv = b + p * (2 * c + 3 * d * p), f + p * (2 * g + 3 * h * p)
    speed = np.maximum(np.hypot(du, dv), 1e-9)
    curvature = (du * (2 * g + 6 * h * p) - dv * (2 * c + 6 * d * p)) / speed**3
    return u, v, np.unwrap(np.arctan2(dv, du)) if len(p) else p, curvature


def _parameter(piece: Piece, ds: Array) -> Array:
    """The cubic's parameter at arc lengths ``ds``: stations are lengths, whatever the parameter's own pace."""
    steps = int(np.clip(piece.length_m / 0.25, 64, 4096))
    straight = piece.kind == "poly3"
    last = piece.length_m if straight else piece.numbers[8]
    _, b, c, d = (0.0, 1.0, 0.0, 0.0) if straight else piece.numbers[:4]
    _, f, g, h = piece.numbers if straight else piece.numbers[4:8]
    p = np.linspace(0.0, last, steps + 1)
    inner = (p[:-1, None] + p[1:, None] + (p[1] - p[0]) * _NODES) * 0.5
    pace = np.hypot(b + inner * (2 * c + 3 * d * inner), f + inner * (2 * g + 3 * h * inner))
    lengths = np.concatenate(([0.0], np.cumsum(pace @ _WEIGHTS * 0.5 * (p[1] - p[0]))))
    if not straight and lengths[-1] > 0.0:
        lengths *= piece.length_m / lengths[-1]
    return np.interp(ds, lengths, p)


_SHAPES = {"line": _line, "arc": _arc, "spiral": _spiral, "poly3": _poly3, "paramPoly3": _param_poly3}
