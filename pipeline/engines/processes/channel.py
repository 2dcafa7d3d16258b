"""A two-way channel of typed messages between two processes of one host: a seqpacket socket and msgspec, no pickle."""

from __future__ import annotations

import select
import socket
from typing import Any, Generic, TypeVar

import msgspec

T = TypeVar("T")

MESSAGE_BYTES_MAX = 1 << 20


class ChannelClosed(Exception):
    """The other side is gone."""


class Channel(Generic[T]):
    """Sends and receives ``type_``, a union of tagged Structs. One thread sends, one receives."""

    def __init__(self, sock: socket.socket, type_: Any) -> None:
        self._socket = sock
        for option in (socket.SO_SNDBUF, socket.SO_RCVBUF):
            sock.setsockopt(socket.SOL_SOCKET, option, MESSAGE_BYTES_MAX)
        self._poll = select.poll()
        self._poll.register(sock, select.POLLIN)
        self._encoder = msgspec.msgpack.Encoder()
        self._decoder = msgspec.msgpack.Decoder(type_)

    @classmethod
    def pair(cls, type_: Any) -> tuple[Channel[T], socket.socket]:
        """One end, and the socket of the other to be inherited."""
        mine, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        return cls(mine, type_), theirs

    @classmethod
    def inherited(cls, fd: int, type_: Any) -> Channel[T]:
        """The end that this process was started with."""
        return cls(socket.socket(fileno=fd), type_)

    def fileno(self) -> int:
        """For selectors."""
        return self._socket.fileno()

    def send(self, message: T, *, wait: bool = True) -> bool:
        """Send; with ``wait=False`` answer False instead of waiting for room. Raises ChannelClosed."""
        try:
            self._socket.send(self._encoder.encode(message), 0 if wait else socket.MSG_DONTWAIT)
            return True
        except BlockingIOError:
            return False
        except OSError as error:
            raise ChannelClosed(str(error)) from error

    def receive(self, timeout_s: float | None = None) -> T | None:
        """The next message; None when none came in time. Raises ChannelClosed."""
        if timeout_s is not None and not self._poll.poll(timeout_s * 1000):
            return None
        try:
            data = self._socket.recv(MESSAGE_BYTES_MAX)
        except OSError as error:
            raise ChannelClosed(str(error)) from error
        if not data:
            raise ChannelClosed("the other side is gone")
        message: T = self._decoder.decode(data)
        return message

    def close(self) -> None:
        """Close this end."""
        self._socket.close()
