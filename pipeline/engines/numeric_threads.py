"""How many threads the numeric libraries use that are loaded: how to tell each of them, and how to ask. Loads none."""

from __future__ import annotations

import ctypes
from collections.abc import Callable
from typing import Any

_OPENBLAS = ("scipy_openblas_set_num_threads64_", "scipy_openblas_set_num_threads", "openblas_set_num_threads")


def _set_openblas(count: int) -> None:
    """numpy has no call for it; the library that it carries does."""
    for library in _openblas():
        for name in _OPENBLAS:
            if hasattr(library, name):
                getattr(library, name)(count)


def _count_openblas() -> int | None:
    for library in _openblas():
        for name in _OPENBLAS:
            asking = name.replace("set", "get", 1)
            if hasattr(library, asking):
                return int(getattr(library, asking)())
    return None


def _openblas() -> list[ctypes.CDLL]:
    with open("/proc/self/maps", encoding="utf-8", errors="replace") as maps:
        paths = {line.split(maxsplit=5)[5].strip() for line in maps if "openblas" in line}
    return [ctypes.CDLL(path) for path in sorted(paths)]


def numba_launched(modules: Any) -> bool:
    """To ask numba how many threads it uses would launch them."""
    return bool(getattr(modules.get("numba.np.ufunc.parallel"), "_is_initialized", False))


def _set_numba(modules: Any, count: int) -> None:
    numba = modules["numba"]
    if numba_launched(modules):
        numba.set_num_threads(min(count, numba.config.NUMBA_NUM_THREADS))
    else:
        numba.config.NUMBA_NUM_THREADS = count


def _count_numba(modules: Any) -> int:
    numba = modules["numba"]
    return int(numba.get_num_threads() if numba_launched(modules) else numba.config.NUMBA_NUM_THREADS)


LIBRARIES: dict[str, tuple[Callable[[Any, int], Any], Callable[[Any], Any]]] = {
    "numpy": (lambda modules, count: _set_openblas(count), lambda modules: _count_openblas()),
    "torch": (lambda modules, n: modules["torch"].set_num_threads(n), lambda m: m["torch"].get_num_threads()),
    "cv2": (lambda modules, count: modules["cv2"].setNumThreads(count), lambda m: m["cv2"].getNumThreads()),
    "numba": (_set_numba, _count_numba),
}
"""Name → how to tell it, among the loaded modules, how many threads to use, and how to ask."""
