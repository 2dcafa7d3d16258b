"""Rolling hash of a run."""

from __future__ import annotations

import hashlib

from pipeline.events import Event, Sent
from pipeline.messages import canonical


class RunDigest:
    """Follows a run and hashes every event."""

    def __init__(self) -> None:
        self._all = hashlib.blake2b(digest_size=16)
        self._outputs = hashlib.blake2b(digest_size=16)

    def on_event(self, event: Event) -> None:
        data = canonical(event)
        self._all.update(data)
        if type(event) is Sent:
            self._outputs.update(canonical((event.t, event.stream, event.value, event.quality, event.winner)))

    def hexdigest(self) -> str:
        return self._all.hexdigest()

    def outputs_hexdigest(self) -> str:
        return self._outputs.hexdigest()
