"""Canonical bytes are equal exactly for equal payloads; payloads cannot be written to; NaN is found by its path."""

from __future__ import annotations

import math
from typing import Any

import msgspec
import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from numpy.typing import NDArray

from pipeline.messages import Message, canonical, first_non_finite, readonly
from tests.pipeline.recorded import Picture, Point, Scan

DTYPES = ("<f4", "<f8", "<i2", "<i8", "|u1", "|b1")
leaves = (
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**63 - 1)
    | st.floats(allow_nan=False)
    | st.just(math.nan)
    | st.text(max_size=4)
)


@st.composite
def arrays(draw: st.DrawFn) -> NDArray[Any]:
    """Few contents in several types and shapes, so that they often meet."""
    shape = draw(st.sampled_from([(0,), (0, 3), (4,), (2, 2), (4, 1), (1, 4)]))
    content = draw(st.sampled_from([0, 1, 2]))
    return np.full(shape, content).astype(draw(st.sampled_from(DTYPES)))


payloads = st.recursive(leaves | arrays(), lambda inner: st.lists(inner, max_size=3).map(tuple), max_leaves=6)


def same(a: Any, b: Any) -> bool:
    """Equality as the contract has it, said plainly: type and content; NaN equals itself; -0.0 is not 0.0."""
    if type(a) is not type(b):
        return False
    if isinstance(a, tuple):
        return len(a) == len(b) and all(same(x, y) for x, y in zip(a, b, strict=True))
    if isinstance(a, np.ndarray):
        return bool(a.dtype == b.dtype and a.shape == b.shape and a.tobytes() == b.tobytes())
    if isinstance(a, float):
        return (math.isnan(a) and math.isnan(b)) or (a == b and math.copysign(1, a) == math.copysign(1, b))
    return bool(a == b)


@given(payloads, payloads)
def test_canonical_bytes_are_equal_exactly_when_payloads_are(a: Any, b: Any) -> None:
    assert (canonical(a) == canonical(b)) == same(a, b)


@given(arrays(), arrays())
def test_arrays_count_by_type_shape_and_content(a: NDArray[Any], b: NDArray[Any]) -> None:
    assert (canonical(a) == canonical(b)) == same(a, b)


@given(payloads)
def test_a_copy_is_the_same(value: Any) -> None:
    import copy

    assert canonical(copy.deepcopy(value)) == canonical(value)


@given(st.floats(allow_nan=True), st.floats(allow_nan=True))
def test_messages_with_other_numbers_have_other_bytes(a: float, b: float) -> None:
    assume(not (math.isnan(a) and math.isnan(b)))
    assert (canonical(Point(x_m=a)) == canonical(Point(x_m=b))) == same(a, b)


def test_nan_equals_itself_in_floats_and_arrays() -> None:
    assert canonical(Point(x_m=math.nan)) == canonical(Point(x_m=math.nan))
    assert canonical(np.array([1.0, math.nan])) == canonical(np.array([1.0, math.nan]))
    assert canonical(math.nan) != canonical(math.inf)


def test_how_an_array_lies_in_memory_does_not_count() -> None:
    rows = np.arange(12.0).reshape(3, 4)
    assert canonical(rows) == canonical(np.asfortranarray(rows)) == canonical(np.repeat(rows, 2, axis=1)[:, ::2])
    assert canonical(rows) != canonical(rows.T)


def test_numbers_of_numpy_count_as_python_s() -> None:
    assert canonical((np.int64(3), np.float64(0.5))) == canonical((3, 0.5))


def test_what_has_no_canonical_bytes_is_refused_by_name() -> None:
    with pytest.raises(NotImplementedError, match="object cannot travel on a stream"):
        canonical((1, object()))


def test_a_read_only_array_is_the_same_one_and_refuses_writing() -> None:
    array = np.zeros(3)
    assert readonly(array) is array
    with pytest.raises(ValueError, match="read-only"):
        array[0] = 1.0
    with pytest.raises(ValueError, match="read-only"):
        array[1:][0] = 1.0


def test_messages_cannot_be_changed() -> None:
    point = Point(x_m=1.0)
    with pytest.raises(AttributeError):
        point.x_m = 2.0  # type: ignore[misc]
    with pytest.raises(ValueError, match="read-only"):
        Picture(rgb=np.zeros((2, 2, 3), np.uint8)).rgb[0, 0, 0] = 1
    with pytest.raises(TypeError):
        Point(1.0)  # type: ignore[call-arg]
    assert issubclass(Message, msgspec.Struct)


class Path(Message, frozen=True, kw_only=True):
    points: tuple[Point, ...]
    scan: Scan


@pytest.mark.parametrize(
    ("value", "path"),
    [
        (math.nan, "value"),
        (-math.inf, "value"),
        (np.array([1.0, math.inf]), "value"),
        (np.array([1.0, math.nan], np.float32), "value"),
        (Point(x_m=math.nan), "x_m"),
        (Point(x_m=1.0, next=Point(x_m=math.nan)), "next.x_m"),
        (Path(points=(Point(x_m=1.0), Point(x_m=math.inf)), scan=Scan(ranges_m=np.zeros(2))), "points[1].x_m"),
        (Path(points=(), scan=Scan(ranges_m=np.array([math.nan]))), "scan.ranges_m"),
        ((1.0, [2.0, math.nan]), "[1][1]"),
    ],
)
def test_the_first_number_that_is_not_finite_is_found_by_its_path(value: Any, path: str) -> None:
    assert first_non_finite(value) == path


@pytest.mark.parametrize("value", [1.5, 3, "nan", None, np.array([1, 2]), np.zeros(0), (1.0, Point(x_m=0.0)), True])
def test_finite_payloads_have_no_such_path(value: Any) -> None:
    assert first_non_finite(value) is None
