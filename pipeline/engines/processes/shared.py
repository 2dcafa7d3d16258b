"""Streams between the processes of one host through shared memory: a message is written once, and read in place.

Decides when a message's memory may be used again: when the last view of it has died. Does not decide what is sent, and
wakes nobody up. Writers never wait for readers: one that does not keep up loses its oldest messages and sees the gap.
"""

from __future__ import annotations

import contextlib
import ctypes
import math
import os
import threading
import weakref
from typing import Any

import iceoryx2
import numpy as np
from numpy.typing import NDArray

from pipeline.engines.processes import wire
from pipeline.engines.processes.leftovers import MEMORY, RunFiles
from pipeline.engines.processes.wire import Head
from pipeline.errors import SkylaneError

DEPTH_MAX = 32
"""Messages that may wait for one reader."""
BORROWED_MAX = 16
"""Messages that one reader holds in place; what comes on top of them is copied out."""
LOANS_MAX = 24
"""Messages that one writer is writing or has prepared."""
_LOANS_KEPT_FREE = 4
"""For what is sent while all other loans are in use."""
_WRITERS_MAX = 4
_NODES_MAX = 64
_LINE = 64
_TAIL_BYTES = 2048
"""Room for what goes with a loaned array, unless the stream has shown that it needs more."""
_HEAD_BYTES = 512
_MADV_REMOVE, _MADV_POPULATE_WRITE = 9, 23
_PAGE = os.sysconf("SC_PAGESIZE")


class _Line(ctypes.Structure):
    """The unit of shared memory: what lies in it is aligned without each byte being."""

    _fields_ = [("bytes", ctypes.c_uint8 * _LINE)]


_libc = ctypes.CDLL(None, use_errno=True)
_libc.madvise.argtypes = [ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int]
iceoryx2.set_log_level_from_env_or(iceoryx2.LogLevel.Fatal)


class SharedMemoryFull(SkylaneError):
    """There is no shared memory left for a message; the writer can go on with smaller ones, or later."""


class SharedMemoryFailed(SkylaneError):
    """A stream in shared memory cannot be opened or used."""


class SharedNode:
    """A process's access to the streams of a run. Leaves nothing behind when the last process of the run closes."""

    def __init__(self, run: str, name: str) -> None:
        self.run, self.name = run, name
        self._files = RunFiles(run)
        self._files.hold()
        self._ports: weakref.WeakSet[StreamWriter | StreamReader] = weakref.WeakSet()
        config = iceoryx2.config.default()
        config.global_cfg.prefix = iceoryx2.FileName.new(self._files.prefix)
        config.global_cfg.root_path = iceoryx2.Path.new(str(self._files.folder))
        try:
            builder = iceoryx2.NodeBuilder.new().name(iceoryx2.NodeName.new(name[:64])).config(config)
            builder = builder.signal_handling_mode(iceoryx2.SignalHandlingMode.Disabled)
            self._node: Any = builder.create(iceoryx2.ServiceType.Ipc)
        except Exception as error:
            self._files.release()
            raise _failed(f"process {name} cannot take part in run {run}", error) from error

    def writer(self, stream: str, type_: Any = object, *, depth: int = 16, readers: int = 4) -> StreamWriter:
        """One of the at most four writers of a stream. ``readers``: how many there may be, the same for all ports."""
        service = self._service(stream, depth, readers)
        port = StreamWriter(service, stream)
        self._ports.add(port)
        return port

    def reader(self, stream: str, type_: Any, *, depth: int = 16, readers: int = 4) -> StreamReader:
        """A reader of a stream of ``type_`` for whom up to ``depth`` messages wait."""
        port = StreamReader(self._service(stream, depth, readers), stream, type_, depth)
        self._ports.add(port)
        return port

    def _service(self, stream: str, depth: int, readers: int) -> Any:
        if not 1 <= depth <= DEPTH_MAX:
            raise SharedMemoryFailed(f"a reader's depth is 1 to {DEPTH_MAX}, not {depth}", where=stream)
        try:
            return (
                self._node.service_builder(iceoryx2.ServiceName.new(f"skylane/{self.run}/{stream}"))
                .publish_subscribe(iceoryx2.Slice[_Line])
                .payload_alignment(iceoryx2.Alignment.new(_LINE))
                .enable_safe_overflow(True)
                .history_size(1)
                .subscriber_max_buffer_size(DEPTH_MAX)
                .subscriber_max_borrowed_samples(BORROWED_MAX + 1)
                .max_publishers(_WRITERS_MAX)
                .max_subscribers(readers + _WRITERS_MAX + 2)
                .max_nodes(_NODES_MAX)
                .open_or_create()
            )
        except Exception as error:
            raise _failed(f"stream {stream} cannot be opened", error) from error

    def remove_dead(self) -> None:
        """Give back what processes of this run held that have died; writers and readers take their places again."""
        self._node.try_cleanup_dead_nodes()

    def close(self) -> None:
        """Close every port. Views that are still alive stay valid."""
        for port in list(self._ports):
            port.close()
        self._node = None
        self._files.release()


class _Loan:
    """A piece of shared memory that is being filled, and what pins it once it was sent."""

    __slots__ = ("__weakref__", "address", "claim", "open", "pin", "sample", "size")

    def __init__(self, sample: Any, address: int, size: int, open_: dict[int, None]) -> None:
        self.sample, self.address, self.size = sample, address, size
        """``sample`` is None once it was sent."""
        self.open = open_
        open_[address] = None
        self.claim: weakref.ref[Prepared] | None = None
        """The one prepared message that lies in it."""
        self.pin: Any = None
        """Keeps the memory of the sent message from being used again while somebody here still looks at it."""

    def __del__(self) -> None:
        if self.sample is not None:
            self.open.pop(self.address, None)


class Prepared:
    """A value that waits in shared memory to be sent. Dropping it gives the memory back."""

    __slots__ = ("__weakref__", "checksum", "encoded", "loan", "memory", "where")

    def __init__(
        self, encoded: wire.Encoded, where: wire.Layout, loan: _Loan | None, memory: memoryview, checksum: int
    ) -> None:
        self.encoded, self.where, self.loan = encoded, where, loan
        """``loan`` is None for ordinary memory: there were no loans left."""
        self.memory, self.checksum = memory, checksum


class StreamWriter:
    """Writes one stream. Every method may be called from any thread."""

    def __init__(self, service: Any, stream: str) -> None:
        self.stream = stream
        self._lock = threading.Lock()
        self._open: dict[int, None] = {}
        """Addresses of what is loaned and not sent yet."""
        self._roots: weakref.WeakValueDictionary[int, _Loan] = weakref.WeakValueDictionary()
        """Loans that an array of ours lies in, by address."""
        self._populated: dict[int, int] = {}
        self._largest = 0
        self._beside = _TAIL_BYTES
        try:
            builder = service.publisher_builder().max_loaned_samples(LOANS_MAX)
            builder = builder.initial_max_slice_len(64).allocation_strategy(iceoryx2.AllocationStrategy.PowerOfTwo)
            self._port: Any = builder.backpressure_strategy(iceoryx2.BackpressureStrategy.DiscardData).create()
            self._service: Any = service
            self._keeper: Any = None
        except Exception as error:
            raise _failed(f"no further writer for {stream}", error) from error
        self._id = self._port.id
        self._pins: weakref.WeakSet[Any] = weakref.WeakSet()

    def loan(self, shape: tuple[int, ...], dtype: Any = np.uint8) -> NDArray[Any]:
        """A writable array in shared memory. A value that holds it, or a view of it, is sent without a copy.

        It goes back when the array dies unsent. Raises SharedMemoryFull.
        """
        dtype = np.dtype(dtype)
        size = wire.aligned(math.prod(shape) * dtype.itemsize)
        loan = self._take(wire.ALIGNMENT + size + self._beside + _HEAD_BYTES, spare=_LOANS_KEPT_FREE)
        if loan is None:
            return np.empty(shape, dtype)
        owner = (ctypes.c_uint8 * loan.size).from_address(loan.address)
        owner._loan = loan  # type: ignore[attr-defined]  # views keep the owner alive, the owner the loan
        with self._lock:
            self._roots[loan.address] = loan
            if self._keeper is None:
                self._keeper = self._service.subscriber_builder().buffer_size(2).history_request(0).create()
        return np.ndarray(shape, dtype, owner, wire.ALIGNMENT)  # type: ignore[arg-type]

    def prepare(self, value: Any) -> Prepared:
        """Write a value into shared memory; arrays that lie in a loan of this writer stay where they are.

        Raises InvalidMessage and SharedMemoryFull.
        """
        encoded = wire.encode(value)
        if encoded.arrays:
            prepared = self._in_place(encoded)
            if prepared is not None:
                return prepared
        where = wire.layout(encoded)
        loan = self._take(where.end + _HEAD_BYTES, spare=_LOANS_KEPT_FREE // 2)
        memory = memoryview(bytearray(where.end + _HEAD_BYTES)) if loan is None else _memory(loan)
        return Prepared(encoded, where, loan, memory, wire.write(memory, encoded, where))

    def _in_place(self, encoded: wire.Encoded) -> Prepared | None:
        """The value prepared in the largest of its arrays that was loaned, None if there is none or no room in it."""
        found: _Loan | None = None
        placed: dict[int, int] = {}
        for index, array in sorted(enumerate(encoded.arrays), key=lambda pair: -pair[1].nbytes):
            loan = self._loan_of(array) if found is None else found
            if loan is None:
                continue
            offset = array.__array_interface__["data"][0] - loan.address
            inside = offset >= wire.ALIGNMENT and offset + array.nbytes <= loan.size
            if inside and array.flags.c_contiguous and offset % wire.ALIGNMENT == 0 and array.nbytes:
                found = loan
                placed[index] = offset
        if found is None:
            return None
        start = wire.aligned(max(offset + encoded.arrays[i].nbytes for i, offset in placed.items()))
        where = wire.layout(encoded, start, placed)
        if where.end + _HEAD_BYTES > found.size:
            self._beside = max(self._beside, wire.aligned(where.end - start) + _TAIL_BYTES)
            return None
        prepared = Prepared(encoded, where, found, _memory(found), 0)
        with self._lock:
            taken = found.claim is not None and found.claim() is not None
            if taken or found.sample is None:
                return None
            found.claim = weakref.ref(prepared)
        prepared.checksum = wire.write(prepared.memory, encoded, where, placed)
        return prepared

    def _loan_of(self, array: NDArray[Any]) -> _Loan | None:
        root: Any = array
        while isinstance(root, np.ndarray):
            root = root.base
        if isinstance(root, memoryview):
            root = root.obj
        loan = getattr(root, "_loan", None)
        return loan if isinstance(loan, _Loan) and self._roots.get(loan.address) is loan else None

    def send(self, head: Head, prepared: Prepared | None = None) -> None:
        """Send a prepared value once, or a head alone. Never waits for a reader. Raises SharedMemoryFull."""
        last = wire.encode_head(head)
        if prepared is None:
            prepared = Prepared(wire.NOTHING, wire.layout(wire.NOTHING), None, memoryview(b""), 0)
        size = prepared.where.end + len(last)
        loan = prepared.loan
        if loan is None or loan.sample is None or len(prepared.memory) < size or not self._may_pin(loan):
            loan = self._take(size, spare=0)
            if loan is None:
                raise SharedMemoryFailed(f"all {LOANS_MAX} loans are in use", where=self.stream)
            memory = _memory(loan)
            if prepared.memory:
                memory[: prepared.where.end] = prepared.memory[: prepared.where.end]
        else:
            memory = prepared.memory
        wire.seal(memory, last, prepared.encoded, prepared.where, prepared.checksum)
        with self._lock:
            sample, loan.sample = loan.sample, None
            self._open.pop(loan.address, None)
            try:
                sample.assume_init().send()
                if loan.address in self._roots:
                    del self._roots[loan.address]
                    loan.pin = self._own()
            except Exception as error:
                raise _failed("a message cannot be sent", error, where=self.stream) from error

    def _may_pin(self, loan: _Loan) -> bool:
        return loan.address not in self._roots or len(self._pins) < BORROWED_MAX

    def _own(self) -> Any:
        """The message that was sent just now, as this process sees it."""
        while True:
            sample = self._keeper.receive()
            if sample is None:
                return None
            if sample.header.publisher_id == self._id:
                pin = _Pin(sample)
                self._pins.add(pin)
                return pin

    def greet(self) -> None:
        """Let readers who have come since the last message see that one."""
        with self._lock:
            self._port.update_connections()

    def _take(self, size: int, *, spare: int) -> _Loan | None:
        """A piece of shared memory; None if too many are in use."""
        with self._lock:
            if self._port is None:
                raise SharedMemoryFailed("the stream is closed", where=self.stream)
            if len(self._open) >= LOANS_MAX - spare:
                return None
            lines = -(-size // _LINE)
            if lines > self._largest:
                if size > _free_bytes():
                    raise self._full(size)
                self._largest = lines
                self._populated.clear()  # larger pieces lie elsewhere
            try:
                sample = self._port.loan_slice_uninit(lines)
            except Exception as error:
                raise self._full(size) from error
            address = sample.payload_ptr
            if self._populated.get(address, 0) < size:
                if not _populate(address, size):
                    raise self._full(size)
                self._populated[address] = size
            return _Loan(sample, address, lines * _LINE, self._open)

    def _full(self, size: int) -> SharedMemoryFull:
        return SharedMemoryFull(
            f"no shared memory for a message of {size} bytes ({_free_bytes()} bytes are free in {MEMORY})",
            where=self.stream,
            hint="send less, let readers keep less, or make it larger",
        )

    def close(self) -> None:
        """Close the port. What was sent stays valid."""
        with self._lock:
            self._port = self._keeper = self._service = None


class _Pin:
    __slots__ = ("__weakref__", "sample")

    def __init__(self, sample: Any) -> None:
        self.sample = sample


class StreamReader:
    """Reads one stream, on one thread at a time."""

    def __init__(self, service: Any, stream: str, type_: Any, depth: int) -> None:
        self.stream, self.type_ = stream, type_
        self._lock = threading.Lock()
        self._borrowed: weakref.WeakSet[Any] = weakref.WeakSet()
        self.copied = 0
        """Messages that were copied out since too many were held in place."""
        try:
            self._port: Any = service.subscriber_builder().buffer_size(depth).create()
        except Exception as error:
            raise _failed(f"no further reader of {stream}", error) from error

    def take(self) -> tuple[Head, Any] | None:
        """The next message, its arrays in place; None if there is none. Raises UnreadableMessage for that message.

        The message's memory goes back to the writer when the last of its arrays dies.
        """
        with self._lock:
            if self._port is None:
                return None
            try:
                sample = self._port.receive()
            except Exception as error:
                raise _failed("messages cannot be received", error, where=self.stream) from error
            if sample is None:
                return None
            address, size = sample.payload_ptr, sample.payload().len() * _LINE
            owner = (ctypes.c_uint8 * size).from_address(address)
            if len(self._borrowed) >= BORROWED_MAX:
                self.copied += 1
                memory = np.frombuffer(bytes(owner), np.uint8)
                del owner, sample
            else:
                pin = owner._pin = _Pin(sample)  # type: ignore[attr-defined]
                self._borrowed.add(pin)
                memory = np.ndarray((size,), np.uint8, owner)  # type: ignore[arg-type]
                memory.flags.writeable = False
        return wire.unpack(self.type_, memory)

    @property
    def borrowed(self) -> int:
        """Messages whose arrays are alive in place."""
        return len(self._borrowed)

    def close(self) -> None:
        """Close the port. Views stay valid."""
        with self._lock:
            self._port = None


def _memory(loan: _Loan) -> memoryview:
    return memoryview(_bytes_at(loan.address, loan.size))


def _bytes_at(address: int, size: int) -> NDArray[np.uint8]:
    """Memory as an array, without owning it."""
    return np.ndarray((size,), np.uint8, (ctypes.c_uint8 * size).from_address(address))  # type: ignore[arg-type]


def _free_bytes() -> int:
    status = os.statvfs(MEMORY)
    return status.f_bavail * status.f_frsize


def _populate(address: int, size: int) -> bool:
    """Make sure that the memory is there: writing to what is not there would end the process."""
    begin = address // _PAGE * _PAGE
    length = address + size - begin
    if _libc.madvise(begin, length, _MADV_POPULATE_WRITE) == 0:
        return True
    if ctypes.get_errno() == 22:  # a kernel before 5.14
        return _free_bytes() > size
    _libc.madvise(begin, length, _MADV_REMOVE)
    return False


def _failed(what: str, error: Exception, where: str = "") -> SharedMemoryFailed:
    with contextlib.suppress(Exception):
        what = f"{what}: {error}"
    return SharedMemoryFailed(what, where=where)
