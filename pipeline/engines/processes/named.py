"""Payloads whose annotations do not tell their classes: every object travels with the name of its class.

Only what holds plain data is made again, and only classes that are imported already; nothing is ever imported or called
by a name that came over the wire.
"""

from __future__ import annotations

import dataclasses
import sys
from collections.abc import Callable, Iterator
from enum import Enum
from typing import Any

import msgspec
import numpy as np

from pipeline.errors import InvalidMessage

SCALAR, TUPLE, DICT, OBJECT, SET, FROZENSET = range(2, 8)
"""Extension codes; 1 is an array."""

_PLAIN = (type(None), bool, int, float, str, bytes, bytearray, tuple, list, dict, set, frozenset)
_BUILTINS: dict[str, type] = {f"builtins:{c.__name__}": c for c in _PLAIN}
_BUILTINS["numpy:ndarray"] = np.ndarray
_NATIVE = frozenset({type(None), bool, int, float, str, bytes, bytearray, np.ndarray})
_SCALAR_KINDS = "biufcmM"


class UnknownClass(Exception):
    """A name that no imported class of plain data has."""


def name_of(cls: type) -> str:
    """What a class is called on the wire."""
    return f"{cls.__module__}:{cls.__qualname__}"


def holds_data(cls: type) -> bool:
    """True for classes that are nothing but fields."""
    return (
        issubclass(cls, (msgspec.Struct, Enum))
        or dataclasses.is_dataclass(cls)
        or (issubclass(cls, tuple) and hasattr(cls, "_fields"))
    )


def find_class(name: str, declared: type | None = None) -> type:
    """The imported class of plain data with this name; raises UnknownClass."""
    builtin = _BUILTINS.get(name)
    if builtin is not None:
        return builtin
    module, _, path = name.partition(":")
    found: Any = sys.modules.get(module)
    for part in path.split("."):
        # Only what is there: asking a module by getattr may make it import something.
        found = getattr(found, "__dict__", {}).get(part)
    if isinstance(found, type) and name_of(found) == name and holds_data(found):
        return found
    roots = [msgspec.Struct, tuple, Enum] + ([declared] if declared not in (None, object) else [])
    for root in roots:
        for cls in _below(root):
            if name_of(cls) == name and holds_data(cls):
                return cls
    raise UnknownClass(f"{name!r} is not a class of plain data that is imported here")


def _below(root: Any) -> Iterator[type]:
    seen: set[type] = set()
    waiting: list[type] = [root] if isinstance(root, type) else list(getattr(root, "__args__", ()))
    while waiting:
        cls = waiting.pop()
        if cls not in seen:
            seen.add(cls)
            yield cls
            waiting += type.__subclasses__(cls)


def tree(value: Any, pack: Callable[[Any], bytes]) -> Any:
    """``value`` as what msgspec can write; arrays stay as they are. ``pack`` writes a part of it."""
    cls = type(value)
    if cls in _NATIVE:
        return value
    if cls is list:
        return [tree(item, pack) for item in value]

    def ext(code: int, items: list[Any]) -> msgspec.msgpack.Ext:
        return msgspec.msgpack.Ext(code, pack(items))

    if isinstance(value, np.generic) and value.dtype.kind in _SCALAR_KINDS:
        return ext(SCALAR, [value.dtype.str, value.tobytes()])
    if cls is dict:
        return ext(DICT, [[tree(k, pack), tree(v, pack)] for k, v in value.items()])
    for code, plain in ((TUPLE, tuple), (SET, set), (FROZENSET, frozenset)):
        if cls is plain:
            return ext(code, [tree(item, pack) for item in value])
    if holds_data(cls):
        return ext(OBJECT, [name_of(cls), *(tree(part, pack) for part in _parts(value))])
    raise InvalidMessage(
        f"{cls.__name__} cannot travel between processes",
        hint="send Messages, dataclasses, NamedTuples, numbers, text, tuples, lists, dicts and arrays",
    )


def _parts(value: Any) -> list[Any]:
    if isinstance(value, Enum):
        return [value.name]
    return [getattr(value, name) for name in _fields(type(value))]


def _fields(cls: Any) -> tuple[str, ...]:
    if issubclass(cls, msgspec.Struct):
        return tuple(cls.__struct_fields__)
    if dataclasses.is_dataclass(cls):
        return tuple(f.name for f in dataclasses.fields(cls))
    return tuple(cls._fields)


def revive(code: int, items: Any) -> Any:
    """What ``tree`` wrote under an extension code. Raises ValueError or UnknownClass."""
    if not isinstance(items, list):
        raise ValueError("a part of a value is damaged")
    if code == SCALAR:
        dtype = np.dtype(items[0])
        if dtype.kind not in _SCALAR_KINDS or len(items[1]) != dtype.itemsize:
            raise ValueError("a number is damaged")
        return np.frombuffer(items[1], dtype)[0]
    if code == DICT:
        return {k: v for k, v in items}
    if code in (TUPLE, SET, FROZENSET):
        return {TUPLE: tuple, SET: set, FROZENSET: frozenset}[code](items)
    if code == OBJECT:
        return _make(find_class(items[0]), items[1:])
    raise ValueError(f"unknown part {code}")


def _make(cls: Any, parts: list[Any]) -> Any:
    if issubclass(cls, Enum):
        return cls[parts[0]]
    if not holds_data(cls):
        raise ValueError(f"{cls.__name__} has no fields")
    named = dict(zip(_fields(cls), parts, strict=True))
    make: Callable[..., Any] = cls
    if not dataclasses.is_dataclass(cls):
        return make(**named)
    given = {f.name for f in dataclasses.fields(cls) if f.init}
    made = make(**{k: v for k, v in named.items() if k in given})
    for name in named.keys() - given:
        object.__setattr__(made, name, named[name])
    return made
