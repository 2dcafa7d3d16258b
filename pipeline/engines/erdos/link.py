"""What the launcher and a node of an ERDOS run tell each other, and the socket that carries it. msgspec, no pickle."""

from __future__ import annotations

import socket
import threading
from typing import Any

import msgspec

from pipeline.engines.erdos.plan import Plan
from pipeline.events import Event
from pipeline.latency import LatencyModel
from pipeline.recipe import Recipe

_LENGTH = 8
_READ_BYTES = 1 << 20


class LinkClosed(Exception):
    """The other side is gone."""


class _Said(msgspec.Struct, frozen=True, tag_field="say"):
    pass


class Assignment(_Said, frozen=True, tag="assignment"):
    """To a new node: what it is."""

    recipe: Recipe
    plan: Plan
    node: int
    data: tuple[str, ...]
    """Address of every node's data port, and of its control port."""
    control: tuple[str, ...]
    latency: LatencyModel
    until: int
    watched: bool
    """Somebody wants to see the events."""


class Ready(_Said, frozen=True, tag="ready"):
    """From a node: its streams are connected, its operators warm; it waits for ``Go``."""


class Go(_Said, frozen=True, tag="go"):
    """To a node: begin; the run's clock is 0 at ``origin``."""

    origin: int


class Batch(_Said, frozen=True, tag="batch"):
    """From a node: what happened, in order; everything before ``progress`` has been told. Values are in wire format."""

    progress: int
    events: list[Event]


class Stop(_Said, frozen=True, tag="stop"):
    """To a node: end the run now."""


class Ended(_Said, frozen=True, tag="ended"):
    """From a node: its operators are closed, ``until`` has passed, or it was stopped."""

    at: int
    outcome: dict[str, Any] = {}


class Failed(_Said, frozen=True, tag="failed"):
    """From a node: it cannot go on."""

    kind: str
    what: str
    where: str = ""
    hint: str = ""
    trace: str = ""


class Leave(_Said, frozen=True, tag="leave"):
    """To a node: nobody needs its streams any more."""


Said = Assignment | Ready | Go | Batch | Stop | Ended | Failed | Leave


class Link:
    """One end of a stream socket on which messages follow one another, each behind its length."""

    def __init__(self, sock: socket.socket) -> None:
        self._socket = sock
        self._guard = threading.Lock()
        self._received = bytearray()
        self._encoder = msgspec.msgpack.Encoder()
        self._decoder: msgspec.msgpack.Decoder[Any] = msgspec.msgpack.Decoder(Said)

    def fileno(self) -> int:
        """For selectors."""
        return self._socket.fileno()

    def send(self, message: Any) -> None:
        """From any thread. Raises LinkClosed."""
        encoded = self._encoder.encode(message)
        with self._guard:
            try:
                self._socket.sendall(len(encoded).to_bytes(_LENGTH, "little"))
                self._socket.sendall(encoded)
            except OSError as error:
                raise LinkClosed(str(error)) from error

    def receive(self) -> list[Any]:
        """Wait for something, and return the messages that are complete (perhaps none). Raises LinkClosed."""
        try:
            data = self._socket.recv(_READ_BYTES)
        except OSError as error:
            raise LinkClosed(str(error)) from error
        if not data:
            raise LinkClosed("the other side has ended")
        self._received += data
        messages, at = [], 0
        while len(self._received) - at >= _LENGTH:
            end = at + _LENGTH + int.from_bytes(self._received[at : at + _LENGTH], "little")
            if len(self._received) < end:
                break
            messages.append(self._decoder.decode(self._received[at + _LENGTH : end]))
            at = end
        del self._received[:at]
        return messages

    def close(self) -> None:
        """Hang up."""
        self._socket.close()
