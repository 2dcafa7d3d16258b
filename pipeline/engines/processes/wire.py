"""How a message lies in memory that leaves its process: the same bytes in shared memory and on the network.

Arrays lie out of band, aligned, and come back as read-only views onto the memory that was received. Decides nothing
about where the memory comes from. Bytes from elsewhere are never trusted: they make an UnreadableMessage or a value.

Layout, little-endian: prefix (64 bytes) | arrays, each at a multiple of 64 | offsets of the arrays, class name, value,
head. The prefix says where the last four begin and how long they are, and carries their CRC-32.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Sequence
from typing import Any, NamedTuple

import msgspec
import numpy as np
from numpy.typing import NDArray

from pipeline.engines.border import Starts
from pipeline.engines.processes import named
from pipeline.errors import InvalidMessage, SkylaneError

ALIGNMENT = 64
MAGIC = b"SKYL"
VERSION = 1
ARRAY = 1
"""Extension code of an array: its index, shape and dtype."""

_PREFIX = struct.Struct("<4sBBHIIIIQQ")
"""magic, version, form, length of the class name, arrays, length of the value, of the head, CRC, start of the tail,
total.
"""
_OFFSET = struct.Struct("<Q")
_NOTHING, _PLAIN, _NAMED = range(3)
"""Forms: a watermark; decoded by its class's annotations; every object in it has its name."""
_KINDS_OF_ARRAY = "biufcmMSU"
_KNOWN_MAX = 1024


class UnreadableMessage(SkylaneError):
    """Bytes that are no message of this stream: cut off, damaged, of another version or of another type."""


class Head(msgspec.Struct, frozen=True, array_like=True):
    """What is known of a message besides its value; see ``pipeline.messages.Envelope``."""

    t: int
    origin: int = 0
    at: int = 0
    quality: str = ""
    winner: str = ""
    empty: bool = False
    """A watermark alone."""
    number: int = 0
    """Counts what the writer has sent: a reader sees gaps."""
    epoch: int = 0
    """Incarnation of the writer: a reader refuses older ones."""
    starts: Starts = ()


class Encoded(NamedTuple):
    """A value as bytes, and the arrays that it refers to."""

    data: bytes
    arrays: list[NDArray[Any]]
    name: bytes
    """Of the value's class."""
    form: int


class Layout(NamedTuple):
    """Where the parts of a message lie."""

    offsets: list[int]
    tail: int
    """Where the arrays have ended."""
    end: int
    """Where the value ends and the head begins."""


def encode(value: Any) -> Encoded:
    """A value as bytes with its arrays out of band, not copied.

    Raises InvalidMessage for what cannot travel, such as arrays of objects or integers beyond 64 bits.
    """
    arrays: list[NDArray[Any]] = []

    def hook(part: Any) -> Any:
        if isinstance(part, np.ndarray):
            arrays.append(part)
            return _reference(part, len(arrays) - 1)
        if isinstance(part, np.generic):
            return part.item()
        raise InvalidMessage(f"{type(part).__name__} cannot travel between processes")

    cls = type(value)
    kind = _kinds.get(cls) or _kind(cls)
    try:
        if kind.plain():
            return Encoded(msgspec.msgpack.encode(value, enc_hook=hook), arrays, kind.name, _PLAIN)
        pack = msgspec.msgpack.Encoder(enc_hook=hook).encode
        return Encoded(pack(named.tree(value, pack)), arrays, kind.name, _NAMED)
    except (TypeError, ValueError, OverflowError, RecursionError) as error:
        raise InvalidMessage(f"{cls.__name__} cannot travel between processes: {error}") from error


def layout(encoded: Encoded, start: int = ALIGNMENT, placed: dict[int, int] | None = None) -> Layout:
    """Where everything goes; ``placed``: index → offset of the arrays that lie there already, all before ``start``."""
    offsets = []
    for index, array in enumerate(encoded.arrays):
        there = placed.get(index) if placed else None
        if there is None:
            offsets.append(start)
            start = aligned(start + array.nbytes)
        else:
            offsets.append(there)
    return Layout(offsets, start, start + 8 * len(offsets) + len(encoded.name) + len(encoded.data))


def aligned(size: int) -> int:
    """The next multiple of the alignment."""
    return -(-size // ALIGNMENT) * ALIGNMENT


def tail_of(encoded: Encoded, where: Layout) -> bytes:
    """What lies behind the arrays, but for the head."""
    offsets = where.offsets
    table = _OFFSET.pack(offsets[0]) if len(offsets) == 1 else struct.pack(f"<{len(offsets)}Q", *offsets)
    return table + encoded.name + encoded.data


def prefix_of(encoded: Encoded, where: Layout, rest: bytes, head: bytes) -> bytes:
    """What lies at the beginning; ``rest``: the tail and the head."""
    sizes = len(encoded.name), len(encoded.arrays), len(encoded.data), len(head)
    total = where.tail + len(rest)
    return _PREFIX.pack(MAGIC, VERSION, encoded.form, *sizes, zlib.crc32(rest), where.tail, total)


NOTHING = Encoded(b"", [], b"", _NOTHING)
"""What a watermark carries."""


def encode_head(head: Head) -> bytes:
    """The last part of a message."""
    return _HEAD_ENCODER.encode(head)


def pack(head: Head, value: Any = None) -> bytearray:
    """A whole message in memory of its own; the value is left out if ``head.empty``."""
    encoded = NOTHING if head.empty else encode(value)
    where = layout(encoded)
    last = encode_head(head)
    rest = tail_of(encoded, where) + last
    data = bytearray(where.tail + len(rest))
    for array, offset in zip(encoded.arrays, where.offsets, strict=True):
        np.ndarray(array.shape, array.dtype, data, offset)[...] = array
    data[: _PREFIX.size] = prefix_of(encoded, where, rest, last)
    data[where.tail :] = rest
    return data


def unpack(type_: Any, buffer: Any) -> tuple[Head, Any]:
    """The message in ``buffer``; arrays are read-only views onto it and keep it alive. Raises UnreadableMessage."""
    memory = memoryview(buffer).toreadonly()
    if memory.itemsize != 1 or memory.ndim != 1:
        memory = memory.cast("B")
    try:
        magic, version, form, *sizes, crc, tail, total = _PREFIX.unpack_from(memory)
    except struct.error as error:
        raise UnreadableMessage(f"{len(memory)} bytes are too few for a message") from error
    if magic != MAGIC or version != VERSION:
        hint = f"the sender must run version {VERSION} of the format" if magic == MAGIC else ""
        raise UnreadableMessage("this is no message of ours", hint=hint)
    n_name, count, n_data, n_head = sizes
    if not ALIGNMENT <= tail <= total <= len(memory) or tail + 8 * count + n_name + n_data + n_head != total:
        raise UnreadableMessage(f"a message of {total} bytes is cut off or damaged: {len(memory)} bytes are there")
    # A copy: nobody may change it between the check and the use.
    rest = bytes(memory[tail:total])
    if zlib.crc32(rest) != crc:
        raise UnreadableMessage("a message is damaged: its checksum is wrong")
    begin = 8 * count
    head_at = begin + n_name + n_data
    try:
        head = _HEAD_DECODER.decode(rest[head_at:])
    except (msgspec.DecodeError, ValueError) as error:
        raise UnreadableMessage(f"the head of a message cannot be read: {error}") from error
    if form == _NOTHING or head.empty:
        return head, None
    offsets = _OFFSET.unpack_from(rest) if count == 1 else struct.unpack_from(f"<{count}Q", rest)
    name, data = rest[begin : begin + n_name], rest[begin + n_name : head_at]
    try:
        decoders = _decoders.get((type_, name, form)) or _expected(type_, name, form)
        return head, decoders.decode(data, memory, offsets)
    except UnreadableMessage:
        raise
    except named.UnknownClass as error:
        hint = "its module must be imported in every process that reads it"
        raise UnreadableMessage(f"a message cannot be read: {error}", hint=hint) from error
    except Exception as error:  # also what the payload's own __post_init__ raises
        raise UnreadableMessage(
            f"a message of {name.decode(errors='replace')} cannot be read: {error}",
            hint="its fields must hold what their annotations say",
        ) from error


_HEAD_ENCODER = msgspec.msgpack.Encoder()
_HEAD_DECODER = msgspec.msgpack.Decoder(Head)


_references: dict[tuple[Any, ...], msgspec.msgpack.Ext] = {}
_places: dict[bytes, tuple[int, tuple[int, ...], np.dtype[Any]]] = {}
"""They repeat from message to message."""


def _reference(array: NDArray[Any], index: int) -> msgspec.msgpack.Ext:
    """What stands for an array within a value: its index, shape and dtype."""
    key = index, array.shape, array.dtype, type(array)
    found = _references.get(key)
    if found is None:
        if array.dtype.kind not in _KINDS_OF_ARRAY or type(array) not in (np.ndarray, np.memmap):
            raise InvalidMessage(
                f"an array of {array.dtype} ({type(array).__name__}) cannot travel between processes",
                hint="send plain arrays of numbers; put the parts of a record into fields of their own",
            )
        data = struct.pack(f"<IB{array.ndim}Q", index, array.ndim, *array.shape) + array.dtype.str.encode()
        found = msgspec.msgpack.Ext(ARRAY, data)
        _keep(_references, key, found)
    return found


def _place(reference: bytes) -> tuple[int, tuple[int, ...], np.dtype[Any]]:
    """Index, shape and dtype again. Raises ValueError, TypeError or struct.error."""
    index, ndim = struct.unpack_from("<IB", reference)
    dtype = np.dtype(reference[5 + 8 * ndim :].decode("ascii"))
    if dtype.kind not in _KINDS_OF_ARRAY:
        raise ValueError(f"an array of {dtype} cannot travel")
    found = index, struct.unpack_from(f"<{ndim}Q", reference, 5), dtype
    _keep(_places, reference, found)
    return found


def _keep(known: dict[Any, Any], key: Any, value: Any) -> None:
    if len(known) >= _KNOWN_MAX:
        known.clear()
    known[key] = value


class _Decoding:
    """A decoder and the memory that it reads at the moment; for one thread at a time."""

    def __init__(self, type_: Any) -> None:
        self.decode = msgspec.msgpack.Decoder(type_, ext_hook=self._ext).decode
        self.memory: Any = None
        self.offsets: Sequence[int] = ()

    def _ext(self, code: int, data: memoryview) -> Any:
        if code != ARRAY:
            return named.revive(code, self.decode(data))
        reference = data.tobytes()
        index, shape, dtype = _places.get(reference) or _place(reference)
        offset = self.offsets[index]
        if offset % ALIGNMENT or offset < ALIGNMENT:
            raise ValueError("an array lies where none can be")
        return np.ndarray(shape, dtype, self.memory, offset)


class _Decoders:
    """Decoders of one class, one for each thread that decodes just now."""

    def __init__(self, type_: Any, cls: type) -> None:
        self._type, self._class = type_, cls
        self._free = [_Decoding(type_)]

    def decode(self, data: bytes, memory: memoryview, offsets: Sequence[int]) -> Any:
        try:
            decoding = self._free.pop()
        except IndexError:
            decoding = _Decoding(self._type)
        decoding.memory, decoding.offsets = memory, offsets
        try:
            value = decoding.decode(data)
        finally:
            decoding.memory = None
            self._free.append(decoding)
        if type(value) is not self._class:
            raise ValueError(f"it holds a {type(value).__name__} instead of a {self._class.__name__}")
        return value


class _Kind:
    """What is known about a class of values: whether its annotations tell everything that is in it."""

    def __init__(self, cls: type) -> None:
        self.name = named.name_of(cls).encode()
        self._faithful = False
        self._within: tuple[type, ...] = ()
        within: set[type] = set()
        try:
            if cls not in (tuple, list, dict) and _faithful(msgspec.inspect.type_info(cls), within, set()):
                msgspec.msgpack.Decoder(cls)
                self._faithful, self._within = True, tuple(within)
        except (TypeError, NameError, RecursionError):
            pass  # annotations that msgspec does not know: by name then

    def plain(self) -> bool:
        """True while no field can hold a subclass of what it declares."""
        return self._faithful and not any(map(type.__subclasses__, self._within))


_kinds: dict[type, _Kind] = {}
_decoders: dict[tuple[Any, bytes, int], _Decoders] = {}


def _kind(cls: type) -> _Kind:
    return _kinds.setdefault(cls, _Kind(cls))


def _expected(type_: Any, name: bytes, form: int) -> _Decoders:
    """What decodes values of the class of this name, if it may stand for ``type_``. Raises UnreadableMessage."""
    cls = _class_of(type_, name)
    if not _stands_for(cls, type_):
        wanted = getattr(type_, "__name__", str(type_))
        raise UnreadableMessage(f"a message of {cls.__name__} came on a stream of {wanted}")
    return _decoders.setdefault((type_, name, form), _Decoders(Any if form == _NAMED else cls, cls))


def _class_of(type_: Any, name: bytes) -> type:
    text = name.decode()
    if text.startswith("numpy:") and text != "numpy:ndarray":
        return np.dtype(text.removeprefix("numpy:")).type
    try:
        return named.find_class(text, type_)
    except named.UnknownClass:
        # The module that a process was started with has another name there.
        if isinstance(type_, type) and text.partition(":")[2] == type_.__qualname__ and named.holds_data(type_):
            return type_
        raise


def _stands_for(cls: type, type_: Any) -> bool:
    try:
        return issubclass(cls, type_)
    except TypeError:  # a generic alias: what holds at run time is its origin
        return issubclass(cls, getattr(type_, "__origin__", object))


def _faithful(info: Any, within: set[type], seen: set[int]) -> bool:
    """True if decoding by this annotation brings back what was encoded; ``within``: the classes that fields hold."""
    if id(info) in seen:
        return True
    seen.add(id(info))
    i = msgspec.inspect
    if isinstance(info, i.CustomType):
        return info.cls is np.ndarray
    if isinstance(info, (i.StructType, i.DataclassType, i.NamedTupleType)):
        return all(_faithful_field(f.type, within, seen) for f in info.fields)
    if isinstance(info, (i.VarTupleType, i.ListType, i.SetType, i.FrozenSetType)):
        return _faithful_field(info.item_type, within, seen)
    if isinstance(info, i.TupleType):
        return all(_faithful_field(t, within, seen) for t in info.item_types)
    if isinstance(info, i.DictType):
        return all(_faithful_field(t, within, seen) for t in (info.key_type, info.value_type))
    if isinstance(info, i.UnionType):
        return all(_faithful_field(t, within, seen) for t in info.types)
    plain = (i.NoneType, i.BoolType, i.IntType, i.FloatType, i.StrType, i.BytesType, i.EnumType, i.LiteralType)
    return isinstance(info, plain)


def _faithful_field(info: Any, within: set[type], seen: set[int]) -> bool:
    if isinstance(info, (msgspec.inspect.StructType, msgspec.inspect.DataclassType, msgspec.inspect.NamedTupleType)):
        within.add(info.cls)
    return _faithful(info, within, seen)
