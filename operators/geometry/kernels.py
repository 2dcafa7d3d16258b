"""Compiles a numeric function; the only place that knows the compiler.

Strict floating point, so that the same input gives the same bits; compiled code is kept on disk.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar, cast

from numba import njit

F = TypeVar("F", bound=Callable[..., Any])


def kernel(function: F) -> F:
    """``function`` compiled at its first call; arguments are scalars and arrays."""
    return cast(F, njit(cache=True, nogil=True)(function))
