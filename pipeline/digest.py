"""The rolling hash of a run: BLAKE2b over everything that happened, in order. Two equal runs have equal hashes."""

from __future__ import annotations

import hashlib
from typing import Any

from pipeline.events import Event, Sent
from pipeline.messages import canonical

_BATCH = 256


class _Newest:
    """The digests of the values sent last: several observers want the same one, and pictures are large."""

    def __init__(self, size: int = 8) -> None:
        self._size = size
        self._known: dict[int, tuple[Any, bytes]] = {}

    def __call__(self, value: Any) -> bytes:
        known = self._known.get(id(value))
        if known is not None and known[0] is value:
            return known[1]
        digest = hashlib.blake2b(canonical(value), digest_size=16).digest()
        while len(self._known) >= self._size:
            del self._known[next(iter(self._known))]
        self._known[id(value)] = (value, digest)
        return digest


value_digest = _Newest()
"""16 bytes that identify a payload with all its pixels."""


class RunDigest:
    """Follows a run. Sent values count by their own digest, all other events by their fields."""

    def __init__(self) -> None:
        self._all = hashlib.blake2b(digest_size=16)
        self._outputs = hashlib.blake2b(digest_size=16)
        self._waiting: list[bytes] = []

    def on_event(self, event: Event) -> None:
        """Take one event into the hash."""
        if type(event) is Sent:
            digest = value_digest(event.value)
            said = canonical((event.stream, event.t, event.quality, event.winner)) + digest
            self._outputs.update(said)
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
        return self._outputs.hexdigest()

    def _flush(self) -> None:
        self._all.update(b"".join(self._waiting))
        self._waiting.clear()
