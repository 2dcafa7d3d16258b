"""The JSON schemas of a log's channels, so that viewers know the fields they may plot.

Says only what every viewer can read: Lichtblick refuses a channel whose schema has an object without ``properties``,
an array of arrays or a choice of types. Fields of such types are left out here; their data is in the log all the same.
"""

from __future__ import annotations

from typing import Any, get_args

import numpy as np
from msgspec import inspect

from pipeline.events import Event, Sent

_PLAIN: dict[Any, str] = {
    inspect.BoolType: "boolean",
    inspect.IntType: "integer",
    inspect.FloatType: "number",
    inspect.StrType: "string",
}
_DEPTH_MAX = 6
"""Of nested objects; a type may contain itself."""


def _object(properties: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {"type": "object", **more, "properties": properties}


_ENVELOPE = {name: {"type": "integer"} for name in ("n", "at", "t", "origin")} | {
    name: {"type": "string"} for name in ("operator", "stream", "quality", "winner", "digest")
}
_PICTURE = {
    "timestamp": _object({"sec": {"type": "integer"}, "nsec": {"type": "integer"}}),
    "frame_id": {"type": "string"},
    "format": {"type": "string"},
    "data": {"type": "string", "contentEncoding": "base64"},
}
_DEPTH = {"depth": _object({"min_m": {"type": "number"}, "median_m": {"type": "number"}})}


def stream_schema(value: Any, *, is_picture: bool, inline: int) -> tuple[str, dict[str, Any]]:
    """Name and schema of a stream's channel, from its first value; arrays up to ``inline`` elements are written out."""
    title = type(value).__name__
    name = "foxglove.CompressedImage" if is_picture else f"skylane.{title}"
    properties: dict[str, Any] = dict(_ENVELOPE)
    if is_picture:
        properties |= _PICTURE
    if hasattr(value, "depth_m"):
        properties |= _DEPTH
    try:
        found = _schema(inspect.type_info(type(value)), value, inline, 0)
    except (TypeError, NameError):  # types that msgspec cannot look into, names that only a type checker sees
        found = None
    if found is not None:
        properties["value"] = found | ({"title": title} if found["type"] == "object" else {})
    return name, _object(properties, title=name)


def _schema(info: Any, value: Any, inline: int, depth: int) -> dict[str, Any] | None:
    """The schema of a type, None if viewers cannot read it; ``value`` tells how an array is written out."""
    if type(info) in _PLAIN:
        return {"type": _PLAIN[type(info)]}
    if isinstance(info, inspect.StructType) and not info.array_like and depth < _DEPTH_MAX:
        fields = {f.encode_name: _schema(f.type, getattr(value, f.name, None), inline, depth + 1) for f in info.fields}
        return _object({key: each for key, each in fields.items() if each is not None})
    if isinstance(info, inspect.UnionType):
        some = [each for each in info.types if not isinstance(each, inspect.NoneType)]
        return _schema(some[0], value, inline, depth) if len(some) == 1 else None
    if isinstance(info, (inspect.ListType, inspect.VarTupleType)):
        return _array(_schema(info.item_type, None, inline, depth + 1))
    if isinstance(info, inspect.TupleType):
        items = [_schema(each, None, inline, depth + 1) for each in info.item_types]
        return _array(items[0]) if items and all(each == items[0] for each in items) else None
    if isinstance(info, inspect.CustomType) and isinstance(value, np.ndarray):
        numbers = value.ndim == 1 and value.size <= inline and value.dtype.kind in "iuf"
        return _array({"type": "number"}) if numbers else None
    return None


def _array(items: dict[str, Any] | None) -> dict[str, Any] | None:
    return None if items is None or items["type"] == "array" else {"type": "array", "items": items}


def _event_schema() -> dict[str, Any]:
    properties: dict[str, Any] = {"n": {"type": "integer"}, "event": {"type": "string"}}
    for kind in get_args(Event):
        if kind is not Sent:
            found = _schema(inspect.type_info(kind), None, 0, 0)
            assert found is not None
            properties |= found["properties"]
    return _object(properties, title="skylane.Event")


EVENT_SCHEMA = _event_schema()
"""Of the channel with everything but the sent values: the fields of all kinds of events."""

__all__ = ["EVENT_SCHEMA", "stream_schema"]
