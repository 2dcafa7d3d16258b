"""The rolling hash of a run: BLAKE2b over everything that happened, in order. Two equal runs have equal hashes.

Decides what identifies a value; large arrays are hashed once, however many observers ask.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from typing import Any

import msgspec
import numpy as np

from pipeline.events import Event, Sent
from pipeline.messages import canonical

LARGE_BYTES = 4096
"""Arrays above this count by their own digest, so that a picture is neither copied nor hashed twice."""

_BATCH = 256
_EMPTY = hashlib.blake2b(digest_size=16)
"""Copied for every digest: half the time of making one."""


class _Newest:
    """Remembers the digests of the values seen last: several observers want the same one, and pictures are large."""

    def __init__(self, digest: Callable[[Any], bytes], size: int = 16) -> None:
        self._digest, self._size = digest, size
        self._known: dict[int, tuple[Any, bytes]] = {}

    def __call__(self, value: Any) -> bytes:
        # Only what nobody can change behind our back may be known by its identity.
        if isinstance(value, np.ndarray) and value.nbytes > LARGE_BYTES:
            if value.flags.writeable:
                return _of_array(value)
        elif not isinstance(value, msgspec.Struct):
            return self._digest(value)
        known = self._known.get(id(value))
        if known is not None and known[0] is value:
            return known[1]
        digest = _of_array(value) if isinstance(value, np.ndarray) else self._digest(value)
        while len(self._known) >= self._size:
            del self._known[next(iter(self._known))]
        self._known[id(value)] = (value, digest)
        return digest


def _of_array(array: Any) -> bytes:
    digest = _EMPTY.copy()
    digest.update(canonical((array.dtype.str, array.shape)))
    digest.update(np.ascontiguousarray(array).data)
    return digest.digest()


def _short(value: Any) -> Any:
    if isinstance(value, np.ndarray) and value.nbytes > LARGE_BYTES:
        return (value.dtype.str, value.shape, value_digest(value))
    return msgspec.Raw(canonical(value))


# Sets have no order that survives PYTHONHASHSEED, and equal dictionaries may differ in theirs.
_ORDERED = msgspec.msgpack.Encoder(enc_hook=_short, order="deterministic")
_AS_IT_IS = msgspec.msgpack.Encoder(enc_hook=_short)


def _of_value(value: Any) -> bytes:
    try:
        data = _ORDERED.encode(value)
    except TypeError:  # only dictionaries whose keys are all strings can be ordered
        data = _AS_IT_IS.encode(value)
    digest = _EMPTY.copy()
    digest.update(data)
    return digest.digest()


value_digest = _Newest(_of_value)
"""16 bytes that identify a payload with all its pixels."""


class RunDigest:
    """Follows a run. Sent values count by their own digest, all other events by their fields."""

    def __init__(self) -> None:
        self._all, self._outputs = _EMPTY.copy(), _EMPTY.copy()
        self._waiting: list[bytes] = []
        self._said: list[bytes] = []

    def on_event(self, event: Event) -> None:
        """Take one event into the hash."""
        if type(event) is Sent:
            said = canonical((event.stream, event.t, event.quality, event.winner)) + value_digest(event.value)
            self._said.append(said)
            self._waiting += (canonical((event.at, event.origin)), said)
        else:
            self._waiting.append(canonical(event))
        if len(self._waiting) > _BATCH:
            self._flush()

    def hexdigest(self) -> str:
        """Over every event so far: outputs, seals, deadlines, drops, with their times."""
        self._flush()
        return self._all.hexdigest()

    def outputs_hexdigest(self) -> str:
        """Over what was said alone: stream, timestamp, quality, winner, value."""
        self._flush()
        return self._outputs.hexdigest()

    def _flush(self) -> None:
        self._all.update(b"".join(self._waiting))
        self._outputs.update(b"".join(self._said))
        self._waiting.clear()
        self._said.clear()
