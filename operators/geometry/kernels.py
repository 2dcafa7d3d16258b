"""Compiles numeric functions; the only place that knows the compiler.

Strict floating point, so that the same input gives the same bits. Compiled code is kept on disk until the function,
anything that it calls or a constant that it uses is another one; the compiler by itself looks at the function's own
file alone and would go on with callees that have changed since.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from functools import cached_property
from types import CodeType, FunctionType, ModuleType
from typing import Any, TypeVar, cast

import numpy as np
from numba import njit
from numba.core.caching import IndexDataCacheFile

F = TypeVar("F", bound=Callable[..., Any])


def kernel(function: F) -> F:
    """``function`` compiled at its first call; arguments are scalars and arrays."""
    return compiled(function, nogil=True)


def compiled(function: F, **options: Any) -> F:
    """``function`` compiled at its first call and kept on disk; ``options`` are ``numba.njit``'s."""
    dispatcher: Any = njit(cache=True, **options)(function)
    cache = getattr(dispatcher, "_cache", None)
    if cache is not None:  # None: the compiler is switched off
        cache._cache_file = _Index(cache._cache_path, cache._impl.filename_base, dispatcher)
    return cast(F, dispatcher)


def stamp_of(function: Any) -> bytes:
    """Digest of a function's instructions, of those of all that it calls, and of the constants that they use."""
    digest = hashlib.blake2b(digest_size=16)
    waiting, seen = [_plain(function)], set[Any]()
    while waiting:
        each = waiting.pop()
        if each in seen:
            continue
        seen.add(each)
        for code in _codes(each.__code__):
            digest.update(code.co_code)
            digest.update(repr([c for c in code.co_consts if not isinstance(c, CodeType)]).encode())
            for name in code.co_names:
                value = _plain(each.__globals__.get(name))
                digest.update(name.encode())
                if isinstance(value, FunctionType):
                    waiting.append(value)
                elif isinstance(value, np.ndarray):
                    digest.update(f"{value.dtype}{value.shape}".encode() + value.tobytes())
                elif not isinstance(value, (ModuleType, type)):
                    digest.update(repr(value).encode())
    return digest.digest()


class _Index(IndexDataCacheFile):  # type: ignore[misc]
    """What is kept of one function. The stamp is made late: callees may stand further down in the file."""

    def __init__(self, folder: str, name: str, dispatcher: Any) -> None:
        self._dispatcher = dispatcher
        super().__init__(folder, name, source_stamp=None)

    @cached_property
    def _stamp(self) -> bytes:
        return stamp_of(self._dispatcher)

    @property
    def _source_stamp(self) -> bytes:
        return self._stamp

    @_source_stamp.setter
    def _source_stamp(self, value: object) -> None:
        """The compiler's own is left out."""


def _plain(value: Any) -> Any:
    return getattr(value, "py_func", value)


def _codes(code: CodeType) -> Iterator[CodeType]:
    yield code
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield from _codes(constant)
