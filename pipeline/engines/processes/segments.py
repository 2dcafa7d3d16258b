"""Pieces of shared memory that a writer has on loan: that they are really there, and when they go back."""

from __future__ import annotations

import ctypes
import os
import weakref
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipeline.engines.processes.leftovers import MEMORY
from pipeline.errors import SkylaneError

LINE_BYTES = 64
_MADV_REMOVE, _MADV_POPULATE_WRITE = 9, 23
_EINVAL = 22
_PAGE_BYTES = os.sysconf("SC_PAGESIZE")

_libc = ctypes.CDLL(None, use_errno=True)
_libc.madvise.argtypes = [ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int]


class Line(ctypes.Structure):
    """The unit of shared memory, so that what lies in it is aligned."""

    _fields_ = [("bytes", ctypes.c_uint8 * LINE_BYTES)]


class SharedMemoryFull(SkylaneError):
    """There is no shared memory left for a message; the writer can go on with smaller ones, or later."""

    fault = "shm_full"
    """Its kind in the run's health."""

    def __init__(self, stream: str, size: int) -> None:
        super().__init__(
            f"no shared memory for a message of {size} bytes ({free_bytes()} bytes are free in {MEMORY})",
            where=stream,
            hint="send less, let readers keep less, or make it larger",
        )


class SharedMemoryFailed(SkylaneError):
    """A stream in shared memory cannot be opened or used."""


class Loan:
    """A piece of shared memory that is being filled, and what pins it once it was sent."""

    __slots__ = ("__weakref__", "address", "array", "claim", "in_use", "lender", "pin", "sample", "size")

    def __init__(self, sample: Any, address: int, size: int, in_use: dict[int, None]) -> None:
        self.sample, self.address, self.size, self.in_use = sample, address, size, in_use
        """``sample`` is None once it was sent."""
        in_use[address] = None
        self.claim: weakref.ref[Any] | None = None
        """The one prepared message that lies in it."""
        self.array: weakref.ref[Any] | None = None
        """All of it as an array, if it was asked for as one."""
        self.lender: Any = None
        """The port whose memory it is, if arrays of ours lie in it that somebody may look at after it was sent."""
        self.pin: Any = None
        """The message that was sent, as a reader holds it: its memory is not used again."""

    def __del__(self) -> None:
        if self.sample is not None:
            self.in_use.pop(self.address, None)


class Held:
    """A received message; lives as long as any view of it."""

    __slots__ = ("__weakref__", "sample")

    def __init__(self, sample: Any, all_held: set[weakref.ref[Any]]) -> None:
        self.sample = sample
        all_held.add(weakref.ref(self, all_held.discard))


class _Memory(ctypes.c_uint8 * (1 << 46)):  # type: ignore[misc]
    """Memory from an address on. One type for all sizes: to make a type takes longer than all else."""

    held: Any


def view_of(address: int, size: int, held: Any) -> memoryview:
    """Memory as a buffer; ``held`` lives as long as any view of it."""
    memory = _Memory.from_address(address)
    memory.held = held
    return memoryview(memory)[:size]


def loan_of(array: NDArray[Any]) -> Loan | None:
    """The loan in which an array lies."""
    root: Any = array.base
    while isinstance(root, np.ndarray):
        root = root.base
    if isinstance(root, memoryview):
        root = root.obj
    held = getattr(root, "held", None)
    return held if isinstance(held, Loan) else None


def offset_in(loan: Loan, array: NDArray[Any]) -> int | None:
    """Where in the loan an array lies in one piece; None if it does not."""
    if loan.array is not None and loan.array() is array and array.size:
        return LINE_BYTES
    if not array.flags.c_contiguous or not array.size:
        return None
    offset: int = array.__array_interface__["data"][0] - loan.address
    return offset if offset >= LINE_BYTES and offset % LINE_BYTES == 0 else None


def copy_in(loan: Loan, offset: int, array: NDArray[Any]) -> None:
    """Copy an array into a loan."""
    there = view_of(loan.address, loan.size, None)
    np.ndarray(array.shape, array.dtype, there, offset)[...] = array


def write_in(loan: Loan, offset: int, data: bytes) -> None:
    """Copy bytes into a loan."""
    ctypes.memmove(loan.address + offset, data, len(data))


def free_bytes() -> int:
    """How much shared memory is left on this host."""
    status = os.statvfs(MEMORY)
    return status.f_bavail * status.f_frsize


def populate(address: int, size: int) -> bool:
    """Make sure that memory is there, False if there is none left: writing to it would end the process."""
    begin = address // _PAGE_BYTES * _PAGE_BYTES
    length = address + size - begin
    if _libc.madvise(begin, length, _MADV_POPULATE_WRITE) == 0:
        return True
    if ctypes.get_errno() == _EINVAL:  # a kernel before 5.14
        return free_bytes() > size
    _libc.madvise(begin, length, _MADV_REMOVE)
    return False
