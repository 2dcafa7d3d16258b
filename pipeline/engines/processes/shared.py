"""Streams between the processes of one host through shared memory: a message is written once, and read in place.

Decides when a message's memory may be used again: when the last view of it has died. Does not decide what is sent, and
wakes nobody up. Writers never wait for readers: one that does not keep up loses its oldest messages and sees the gap.
"""

from __future__ import annotations

import math
import threading
import weakref
from typing import Any

import iceoryx2
import numpy as np
from numpy.typing import NDArray

from pipeline.engines.processes import wire
from pipeline.engines.processes.leftovers import RunFiles
from pipeline.engines.processes.segments import (
    LINE_BYTES,
    Held,
    Line,
    Loan,
    SharedMemoryFailed,
    SharedMemoryFull,
    copy_in,
    free_bytes,
    loan_of,
    offset_in,
    populate,
    view_of,
    write_in,
)
from pipeline.engines.processes.wire import Head

DEPTH_MAX = 32
"""Messages that may wait for one reader."""
BORROWED_MAX = 16
"""Messages that one reader holds in place; what comes on top of them is copied out."""
LOANS_MAX = 24
"""Messages that one writer is writing or has prepared."""
_FREE_FOR_PREPARING, _FREE_FOR_SENDING = 4, 2
"""Loans that are kept for what is more urgent."""
_ATTEMPTS = 8
"""Pieces that are tried when memory is short."""
_WRITERS_MAX = 4
_NODES_MAX = 64
_TAIL_BYTES = 2048
"""Room for what goes with a loaned array, unless the stream has shown that it needs more."""
_HEAD_BYTES = 512

iceoryx2.set_log_level_from_env_or(iceoryx2.LogLevel.Fatal)

# Without the checks of types that are the same for every message.
_borrow: Any = getattr(iceoryx2.Publisher, "__loan_slice_uninit", iceoryx2.Publisher.loan_slice_uninit)
_filled: Any = getattr(iceoryx2.SampleMutUninit, "__assume_init", iceoryx2.SampleMutUninit.assume_init)


class SharedNode:
    """A process's access to the streams of a run. Leaves nothing behind when the last process of the run closes."""

    def __init__(self, run: str, name: str) -> None:
        self.run, self.name = run, name
        self._files = RunFiles(run)
        try:
            self._files.hold()
        except OSError as error:
            raise SharedMemoryFailed(f"{error.strerror}: {error.filename}", where=f"process {name}") from error
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
            raise SharedMemoryFailed(f"process {name} cannot take part in run {run}: {error}") from error

    def writer(self, stream: str, type_: Any = object, *, depth: int = 16, readers: int = 4) -> StreamWriter:
        """One of the at most four writers of a stream. ``readers``: how many there may be, the same for all ports."""
        port = StreamWriter(self._service(stream, depth, readers), stream)
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
                .publish_subscribe(iceoryx2.Slice[Line])
                .payload_alignment(iceoryx2.Alignment.new(LINE_BYTES))
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
            raise SharedMemoryFailed(f"the stream cannot be opened: {error}", where=stream) from error

    def remove_dead(self) -> None:
        """Give back what processes of this run held that have died; their places can be taken again."""
        self._node.try_cleanup_dead_nodes()

    def close(self) -> None:
        """Close every port. Views that are still alive stay valid."""
        for port in list(self._ports):
            port.close()
        self._node = None
        self._files.release()


class Prepared:
    """A value that waits to be sent, its arrays in shared memory. Dropping it gives the memory back."""

    __slots__ = ("__weakref__", "encoded", "loan", "tail", "where")

    def __init__(self, encoded: wire.Encoded, where: wire.Layout, loan: Loan | None) -> None:
        self.encoded, self.where, self.loan = encoded, where, loan
        """``loan`` is None if there is none yet: the arrays are copied when it is sent."""
        self.tail = wire.tail_of(encoded, where)


class StreamWriter:
    """Writes one stream. Every method may be called from any thread."""

    def __init__(self, service: Any, stream: str) -> None:
        self.stream = stream
        self._lock = threading.Lock()
        self._in_use: dict[int, None] = {}
        """Addresses of what is loaned and not sent yet."""
        self._populated: dict[int, int] = {}
        self._largest = 0
        self._beside = _TAIL_BYTES
        self._pins: set[weakref.ref[Any]] = set()
        """Sent messages that somebody here still looks at."""
        try:
            builder = service.publisher_builder().max_loaned_samples(LOANS_MAX + _ATTEMPTS)
            builder = builder.initial_max_slice_len(64).allocation_strategy(iceoryx2.AllocationStrategy.PowerOfTwo)
            self._port: Any = builder.backpressure_strategy(iceoryx2.BackpressureStrategy.DiscardData).create()
        except Exception as error:
            raise SharedMemoryFailed(f"it has no room for a further writer: {error}", where=stream) from error
        self._id = self._port.id
        self._service: Any = service
        self._own: Any = None
        """Reads what this writer sends: what waits for it or is held by it is not written to again."""
        self._unpinned: weakref.ref[Loan] | None = None
        """Of the message sent last, if arrays of ours lie in it."""

    def loan(self, shape: tuple[int, ...], dtype: Any = np.uint8) -> NDArray[Any]:
        """A writable array in shared memory. A value that holds it, or a view of it, is sent without a copy.

        It goes back when the array dies unsent. Once it was sent it must not be written to. Raises SharedMemoryFull.
        """
        dtype = np.dtype(dtype)
        size = wire.aligned(math.prod(shape) * dtype.itemsize)
        loan = self._take(LINE_BYTES + size + self._beside + _HEAD_BYTES, _FREE_FOR_PREPARING)
        if loan is None:
            return np.empty(shape, dtype)
        loan.lender = self._port
        if self._own is None:
            self._read_own()
        array = np.ndarray(shape, dtype, view_of(loan.address, loan.size, loan), LINE_BYTES)
        loan.array = weakref.ref(array)
        return array

    def _read_own(self) -> None:
        with self._lock:
            if self._own is None:
                # One: it is the newest that counts, and this process would not look at the others.
                self._own = self._service.subscriber_builder().buffer_size(1).history_request(0).create()

    def prepare(self, value: Any) -> Prepared:
        """Bring a value into shared memory; arrays that lie in a loan of this writer stay where they are.

        Raises InvalidMessage and SharedMemoryFull.
        """
        encoded = wire.encode(value)
        prepared = self._in_place(encoded) if encoded.arrays else None
        if prepared is None:
            where = wire.layout(encoded)
            loan = self._take(where.end + _HEAD_BYTES, _FREE_FOR_SENDING)
            prepared = Prepared(encoded, where, loan)
            if loan is not None:
                for array, offset in zip(encoded.arrays, where.offsets, strict=True):
                    copy_in(loan, offset, array)
        return prepared

    def _in_place(self, encoded: wire.Encoded) -> Prepared | None:
        """The value prepared in a loan that holds one of its arrays; None if there is none, or no room in it."""
        loan = None
        placed: dict[int, int] = {}
        start = 0
        for index, array in enumerate(encoded.arrays):
            held = loan_of(array)
            if held is None or held.in_use is not self._in_use or (loan is not None and held is not loan):
                continue
            offset = offset_in(held, array)
            if offset is not None:
                loan, placed[index] = held, offset
                start = max(start, wire.aligned(offset + array.nbytes))
        if loan is None:
            return None
        where = wire.layout(encoded, start, placed)
        if where.end + _HEAD_BYTES > loan.size:
            self._beside = max(self._beside, wire.aligned(where.end - start) + _TAIL_BYTES)
            return None
        prepared = Prepared(encoded, where, loan)
        with self._lock:
            if loan.sample is None or (loan.claim is not None and loan.claim() is not None):
                return None
            loan.claim = weakref.ref(prepared)
        for index, array in enumerate(encoded.arrays):
            if index not in placed:
                copy_in(loan, where.offsets[index], array)
        return prepared

    def send(self, head: Head, prepared: Prepared | None = None) -> None:
        """Send a prepared value once, or a head alone. Never waits for a reader. Raises SharedMemoryFull."""
        last = wire.encode_head(head)
        message = _NOTHING if prepared is None else prepared
        encoded, where, loan = message.encoded, message.where, message.loan
        rest = message.tail + last
        fits = loan is not None and loan.sample is not None and loan.size >= where.tail + len(rest)
        if loan is None or not fits or (loan.lender is not None and len(self._pins) >= BORROWED_MAX):
            loan = self._take(wire.layout(encoded).end + len(last), 0)
            if loan is None:
                raise SharedMemoryFailed(f"all {LOANS_MAX} messages on loan are in use", where=self.stream)
            where = wire.layout(encoded)
            rest = wire.tail_of(encoded, where) + last
            for array, offset in zip(encoded.arrays, where.offsets, strict=True):
                copy_in(loan, offset, array)
        write_in(loan, where.tail, rest)
        write_in(loan, 0, wire.prefix_of(encoded, where, rest, last))
        with self._lock:
            sample, loan.sample = loan.sample, None
            self._in_use.pop(loan.address, None)
            try:
                if self._unpinned is not None:
                    self._pin(self._unpinned())
                _filled(sample).send()
                self._unpinned = None if loan.lender is None else weakref.ref(loan)
            except Exception as error:
                raise SharedMemoryFailed(f"a message cannot be sent: {error}", where=self.stream) from error

    def _pin(self, loan: Loan | None) -> None:
        """Keep the message that was sent last from being overwritten as long as its arrays live here."""
        while loan is not None:
            sample = self._own.receive()
            if sample is None:
                return
            if sample.header.publisher_id == self._id:
                loan.pin = Held(sample, self._pins)

    def greet(self) -> None:
        """Let readers who have come since the last message see that one."""
        with self._lock:
            if self._port is not None:
                self._port.update_connections()

    def _take(self, size: int, kept_free: int) -> Loan | None:
        """A piece of shared memory; None if too many are in use."""
        with self._lock:
            if self._port is None:
                raise SharedMemoryFailed("the stream is closed", where=self.stream)
            if len(self._in_use) >= LOANS_MAX - kept_free:
                return None
            lines = -(-size // LINE_BYTES)
            if lines > self._largest:
                if size > free_bytes():
                    raise SharedMemoryFull(self.stream, size)
                self._largest = lines
                self._populated.clear()  # larger pieces lie elsewhere
            not_there: list[Any] = []
            while len(not_there) < _ATTEMPTS:
                try:
                    sample = _borrow(self._port, lines)
                except Exception as error:
                    raise SharedMemoryFull(self.stream, size) from error
                address = sample.payload_ptr
                if self._populated.get(address, 0) >= size or populate(address, size):
                    self._populated[address] = max(size, self._populated.get(address, 0))
                    return Loan(sample, address, lines * LINE_BYTES, self._in_use)
                not_there.append(sample)  # held, so that the next one is another one, maybe used before
            raise SharedMemoryFull(self.stream, size)

    def close(self) -> None:
        """Close the port. What was sent stays valid."""
        with self._lock:
            self._port = self._own = self._service = None


_NOTHING = Prepared(wire.NOTHING, wire.layout(wire.NOTHING), None)


class StreamReader:
    """Reads one stream, on one thread at a time."""

    def __init__(self, service: Any, stream: str, type_: Any, depth: int) -> None:
        self.stream, self.type_ = stream, type_
        self._borrowed: set[weakref.ref[Any]] = set()
        self.copied = 0
        """Messages that were copied out since too many were held in place."""
        try:
            self._port: Any = service.subscriber_builder().buffer_size(depth).create()
        except Exception as error:
            raise SharedMemoryFailed(f"it has no room for a further reader: {error}", where=stream) from error

    def take(self) -> tuple[Head, Any] | None:
        """The next message, its arrays in place; None if there is none. Raises UnreadableMessage for that message.

        The message's memory goes back to the writer when the last of its arrays dies.
        """
        port = self._port
        if port is None:
            return None
        try:
            sample = port.receive()
        except Exception as error:
            raise SharedMemoryFailed(f"messages cannot be received: {error}", where=self.stream) from error
        if sample is None:
            return None
        copy = len(self._borrowed) >= BORROWED_MAX
        held = Held(sample, self._borrowed)
        memory: Any = view_of(sample.payload_ptr, sample.header.number_of_elements * LINE_BYTES, held)
        if copy:
            self.copied += 1
            memory = memory.tobytes()
        return wire.unpack(self.type_, memory)

    @property
    def borrowed(self) -> int:
        """Messages whose arrays are alive in place."""
        return len(self._borrowed)

    def close(self) -> None:
        """Close the port. Views stay valid."""
        self._port = None
