"""Events of one process on their way to the launcher: batched, never waiting, what does not fit is counted."""

from __future__ import annotations

import socket
import threading
from typing import Any

import msgspec

from pipeline.events import Dropped, Event, Sent

BATCH = 64


class EventSender:
    """An observer that sends everything but the values: those travel on their streams."""

    def __init__(self, sock: socket.socket) -> None:
        self._socket = sock
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 1 << 20)
        self._encoder = msgspec.msgpack.Encoder()
        self._guard = threading.Lock()
        self._batch: list[Event] = []
        self.lost = 0

    def on_event(self, event: Event) -> None:
        """Called on the engine's observer thread."""
        if type(event) is Sent:
            return
        with self._guard:
            self._batch.append(event)
            full = len(self._batch) >= BATCH
        if full:
            self.flush()

    def flush(self) -> None:
        """Send what there is. From any thread."""
        with self._guard:
            batch, self._batch = self._batch, []
            if not batch:
                return
            if self.lost:
                batch.append(Dropped(batch[-1].at, batch[-1].operator, batch[-1].t, "events", f"{self.lost} lost"))
            try:
                self._socket.send(self._encoder.encode(batch), socket.MSG_DONTWAIT)
                self.lost = 0
            except (BlockingIOError, ConnectionError):
                # A launcher that does not listen must not hold a car up.
                self.lost += len(batch)


def decoder() -> msgspec.msgpack.Decoder[list[Any]]:
    """Reads what an EventSender has sent."""
    return msgspec.msgpack.Decoder(list[Event])
