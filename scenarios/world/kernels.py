"""How the world's inner loops are compiled: strict floating point, cached, and without reference counting."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

from numba import njit
from numpy.typing import NDArray

from operators.geometry.kernels import compiled

Array = NDArray[Any]
Function = TypeVar("Function", bound=Callable[..., Any])


def kernel(function: Function) -> Function:
    """Compile on first use and cache on disk. Kernels never allocate, so arrays need no reference counts: their
    bookkeeping would cost more than the pixels. No fast-math: equal input must give equal bytes."""
    return compiled(function, error_model="numpy", _nrt=False)


def allocating(function: Function) -> Function:
    """Like ``kernel`` for functions that create arrays."""
    return compiled(function, error_model="numpy")


def inlined(function: Function) -> Function:
    """Like ``kernel``, but merged into its callers: for what runs once or more a pixel."""
    merged: Function = njit(error_model="numpy", _nrt=False, inline="always")(function)
    return merged
