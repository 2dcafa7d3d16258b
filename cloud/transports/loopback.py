"""The modelled way: a server in this process behind a modelled link, all on the run's clock."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from cloud.link_classes import Connection
from cloud.links import Delivered, Link
from cloud.server.service import DetectionService, ProfileTiming, Reply
from cloud.transports.base import Exchange, wait_until
from operators.detection.base import PictureDetector
from pipeline.definition import CandidateFailed
from pipeline.latency import Profile
from pipeline.timestamps import Timestamp


class Service(Protocol):
    """Anything that answers encoded requests."""

    def answer(self, encoded: bytes, *, now_ns: int) -> Reply:
        """The encoded answer, and when it leaves the server."""


class Loopback:
    """A transport over a modelled ``connection`` to a ``service`` in this process."""

    def __init__(self, connection: Connection, service: Service) -> None:
        self._connection, self._service = connection, service

    def is_down(self, now: Timestamp) -> bool:
        return self._connection.up.is_down(now) or self._connection.down.is_down(now)

    def queued(self, now: Timestamp) -> int:
        return self._connection.up.queued(now)

    def exchange(
        self, encoded: bytes, *, clock: Callable[[], Timestamp], give_up: Timestamp, size_bits: int
    ) -> Exchange:
        yield from _carry(self._connection.up, size_bits, clock, give_up)
        reply = self._service.answer(encoded, now_ns=clock())
        yield from wait_until(reply.ready_at_ns, clock, give_up)
        yield from _carry(self._connection.down, 8 * len(reply.encoded), clock, give_up)
        return reply.encoded


def _carry(link: Link, bits: int, clock: Callable[[], Timestamp], give_up: Timestamp) -> Exchange:
    transfer = link.transfer(clock(), bits)
    if isinstance(transfer, Delivered):
        yield from wait_until(transfer.at_ns, clock, give_up)
        return b""
    # A loss is not known before it could be; what the link refuses is known at once.
    yield from wait_until(transfer.known_at_ns, clock, give_up)
    raise CandidateFailed(transfer.reason)


def loopback(
    connection: Connection, detector: PictureDetector, *, model: str, profile: Profile, seed: int, workers: int = 1
) -> Loopback:
    """A server with one model, as fast as ``profile`` says, behind ``connection``."""
    service = DetectionService({model: detector}, ProfileTiming(profile, seed=seed), workers=workers)
    return Loopback(connection, service)
