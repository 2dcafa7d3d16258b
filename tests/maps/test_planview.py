"""Reference lines against closed forms, and the joints between their pieces."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.special import fresnel

from operators.maps.planview import Piece, along, evaluate

LENGTHS = st.floats(1.0, 500.0)
CURVATURES = st.floats(-0.05, 0.05)


def test_an_arc_runs_on_its_circle() -> None:
    ds = np.linspace(0.0, 30.0, 50)
    x, y, yaw, curvature = along(Piece("arc", 0.0, 5.0, -2.0, 0.3, 30.0, (0.1,)), ds)
    centre = 5.0 - 10.0 * math.sin(0.3), -2.0 + 10.0 * math.cos(0.3)
    assert np.allclose(np.hypot(x - centre[0], y - centre[1]), 10.0)
    assert np.allclose(yaw, 0.3 + 0.1 * ds)
    assert np.allclose(curvature, 0.1)


def test_an_arc_of_hardly_any_curvature_is_no_noise() -> None:
    x, y, _, _ = along(Piece("arc", 0.0, 0.0, 0.0, 0.0, 1000.0, (1e-9,)), np.array([1000.0]))
    assert x[0] == pytest.approx(1000.0, abs=1e-9)
    assert y[0] == pytest.approx(0.5e-3, rel=1e-6)


@given(length=LENGTHS, end=st.floats(1e-4, 0.1))
def test_a_spiral_from_straight_is_fresnels(length: float, end: float) -> None:
    ds = np.linspace(0.0, length, 20)
    x, y, yaw, _ = along(Piece("spiral", 0.0, 0.0, 0.0, 0.0, length, (0.0, end)), ds)
    scale = math.sqrt(math.pi * length / end)
    sine, cosine = fresnel(ds / scale)
    assert np.allclose(x, scale * cosine, atol=1e-9 * length)
    assert np.allclose(y, scale * sine, atol=1e-9 * length)
    assert np.allclose(yaw, 0.5 * end / length * ds**2)


@given(length=LENGTHS, curvature=st.floats(0.001, 0.05))
def test_a_spiral_that_keeps_its_curvature_is_an_arc(length: float, curvature: float) -> None:
    ds = np.linspace(0.0, length, 9)
    spiral = along(Piece("spiral", 0.0, 1.0, 2.0, 0.5, length, (curvature, curvature)), ds)
    arc = along(Piece("arc", 0.0, 1.0, 2.0, 0.5, length, (curvature,)), ds)
    assert np.allclose(spiral, arc, atol=1e-8)


def test_a_poly3_is_measured_by_its_length() -> None:
    # v = 0.01 u² has a closed arc length: u/2 sqrt(1 + (0.02 u)²) + asinh(0.02 u) / 0.04.
    u = 40.0
    length = 0.5 * u * math.sqrt(1.0 + (0.02 * u) ** 2) + math.asinh(0.02 * u) / 0.04
    x, y, yaw, curvature = along(Piece("poly3", 0.0, 0.0, 0.0, 0.0, length, (0.0, 0.0, 0.01, 0.0)), np.array([length]))
    assert x[0] == pytest.approx(u, abs=1e-3)
    assert y[0] == pytest.approx(0.01 * u**2, abs=1e-3)
    assert yaw[0] == pytest.approx(math.atan(0.02 * u), abs=1e-4)
    assert curvature[0] == pytest.approx(0.02 / (1.0 + (0.02 * u) ** 2) ** 1.5, rel=1e-3)


@pytest.mark.parametrize(("last", "scale"), [(1.0, 50.0), (50.0, 1.0)], ids=["normalized", "arcLength"])
def test_a_param_poly3_with_a_straight_course_is_a_line(last: float, scale: float) -> None:
    numbers = (0.0, 0.8 * scale, 0.0, 0.0, 0.0, 0.6 * scale, 0.0, 0.0, last)
    x, y, yaw, _ = along(Piece("paramPoly3", 0.0, 0.0, 0.0, 0.0, 50.0, numbers), np.array([0.0, 10.0, 50.0]))
    assert np.allclose(x, [0.0, 8.0, 40.0])
    assert np.allclose(y, [0.0, 6.0, 30.0])
    assert np.allclose(yaw, math.atan2(0.6, 0.8))


def test_a_param_poly3_goes_at_an_even_pace_whatever_its_parameter_does() -> None:
    # u = p³ runs through the same line, slowly at first.
    numbers = (0.0, 0.0, 0.0, 60.0, 0.0, 0.0, 0.0, 0.0, 1.0)
    x, _, _, _ = along(Piece("paramPoly3", 0.0, 0.0, 0.0, 0.0, 60.0, numbers), np.array([15.0, 30.0, 45.0]))
    assert np.allclose(x, [15.0, 30.0, 45.0], atol=0.05)


@given(
    data=st.lists(st.tuples(LENGTHS, CURVATURES, CURVATURES), min_size=1, max_size=6),
    start=st.tuples(st.floats(-1e3, 1e3), st.floats(-1e3, 1e3), st.floats(-3.0, 3.0)),
)
def test_pieces_that_are_laid_end_to_end_join(
    data: list[tuple[float, float, float]], start: tuple[float, float, float]
) -> None:
    pieces: list[Piece] = []
    s, (x, y, yaw) = 0.0, start
    for length, first, last in data:
        piece = Piece("spiral", s, x, y, yaw, length, (first, last))
        pieces.append(piece)
        x, y, yaw = (float(one[0]) for one in along(piece, np.array([length]))[:3])
        s += length
    joints = np.array([piece.s_m for piece in pieces[1:]])
    before, after = evaluate(pieces, joints - 1e-6), evaluate(pieces, joints + 1e-6)
    assert np.allclose(before[0], after[0], atol=1e-5)
    assert np.allclose(before[1], after[1], atol=1e-5)
    assert np.allclose(np.cos(before[2] - after[2]), 1.0)


@given(length=LENGTHS, first=CURVATURES, last=CURVATURES)
def test_stations_are_lengths(length: float, first: float, last: float) -> None:
    ds = np.linspace(0.0, length, 2001)
    x, y, yaw, curvature = along(Piece("spiral", 0.0, 0.0, 0.0, 0.0, length, (first, last)), ds)
    assert np.hypot(np.diff(x), np.diff(y)).sum() == pytest.approx(length, rel=1e-5)
    assert np.allclose(np.diff(yaw), 0.5 * (curvature[1:] + curvature[:-1]) * np.diff(ds), atol=1e-9)
