"""What travels on a stream: frozen payloads, the envelope around them, and their canonical bytes.

Decides how a payload becomes bytes (for hashing and recording). Does not decide where the bytes go.
"""

from __future__ import annotations

import math
import sys
from typing import Any, NamedTuple

import msgspec
import numpy as np
from numpy.typing import NDArray

from pipeline.timestamps import Timestamp


class Message(msgspec.Struct, frozen=True, kw_only=True):
    """Base of every payload: immutable; SI units in the field names; arrays are read-only numpy views."""


def readonly(array: NDArray[Any]) -> NDArray[Any]:
    """Forbid writing through ``array`` (in place, no copy) and return it."""
    array.flags.writeable = False
    return array


class Budget(Message, frozen=True, kw_only=True):
    """How long an answer may take; the payload of a deadline stream."""

    within_ns: int
    reason: str = ""


class Quality:
    """How good the answer for a timestamp is. Plain strings, so that they read well in logs."""

    FINAL = "final"
    """The best candidate's finished value."""
    PARTIAL = "partial"
    """A usable value that was still being improved."""
    FALLBACK = "fallback"
    """The deadline handler's answer."""
    MISSED = "missed"
    """No value: a watermark only."""
    SUPERSEDED = "superseded"
    """No value: a newer timestamp overtook this one."""


class Envelope(NamedTuple):
    """A value on a stream.

    Delivering it also seals its timestamp: nothing at or before ``t`` follows on that stream.
    """

    t: Timestamp
    value: Any
    origin: Timestamp
    """Sensor time of the oldest-in-line data the value rests on (the trigger's origin)."""
    quality: str
    winner: str
    """Which candidate (or ``handler``) answered."""
    at: Timestamp
    """When it was committed, on the run's clock."""


def canonical(value: Any) -> bytes:
    """Bytes that are equal exactly when two payloads are equal (NaN equals itself; arrays by type, shape and
    content).
    """
    return _ENCODER.encode(value)


def _encode_array(value: Any) -> Any:
    if isinstance(value, np.ndarray):
        return (value.dtype.str, value.shape, np.ascontiguousarray(value).data)
    if isinstance(value, np.generic):
        return value.item()
    raise NotImplementedError(f"{type(value).__name__} cannot travel on a stream")


_ENCODER = msgspec.msgpack.Encoder(enc_hook=_encode_array)


def first_non_finite(value: Any, *, elements_max: int | None = None) -> str | None:
    """Path of the first NaN or infinite float in a payload, or None if all are finite.

    ``elements_max``: arrays with more elements are left out, and after this many values the search ends.
    """
    most = sys.maxsize if elements_max is None else elements_max
    found = _first_non_finite(value, most, [most])
    return None if found is None else found.lstrip(".") or "value"


def _first_non_finite(value: Any, most: int, left: list[int]) -> str | None:
    left[0] -= 1
    kind = type(value)
    if kind in _NO_FLOATS or left[0] < 0:
        return None
    if kind is float or isinstance(value, (float, np.floating)):
        return None if math.isfinite(value) else ""
    if isinstance(value, np.ndarray):
        if value.dtype.kind not in "fc" or value.size > most:
            return None
        return None if bool(np.isfinite(value).all()) else ""
    if isinstance(value, msgspec.Struct):
        items = ((f".{name}", getattr(value, name)) for name in value.__struct_fields__)
    elif isinstance(value, (tuple, list)):
        items = ((f"[{i}]", item) for i, item in enumerate(value))
    elif isinstance(value, dict):
        items = ((f"[{key!r}]", item) for key, item in value.items())
    else:
        return None
    for name, item in items:
        found = _first_non_finite(item, most, left)
        if found is not None:
            return name + found
    return None


_NO_FLOATS = frozenset({int, str, bool, bytes, type(None)})
