"""Reads a run's log back, also one that was cut off: messages per stream, pictures, events, in order."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
from mcap.records import Attachment, Channel, DataEnd, Message, Metadata
from mcap.stream_reader import StreamReader

from pipeline.errors import InvalidRecord
from pipeline.events import Event
from pipeline.recording import EVENTS, LAUNCH, METADATA

_EVENT = msgspec.json.Decoder(Event)


class LoggedMessage(NamedTuple):
    """A value on a stream as it was logged; ``value`` as builtins, large arrays as ``{shape, dtype, digest}``."""

    t: int
    at: int
    origin: int
    quality: str
    winner: str
    digest: str
    value: Any


class RunLog:
    """A run's ``log.mcap``, by its folder or file. ``complete`` is False for a run that was killed.

    Raises InvalidRecord for a missing, foreign or damaged file.
    """

    def __init__(self, path: Path | str) -> None:
        path = Path(path)
        self.path = path / "log.mcap" if path.is_dir() else path
        self.launch = ""
        """The resolved launch file of the run."""
        self.metadata: dict[str, str] = {}
        self.complete = False
        self._topics: dict[int, str] = {}
        self._messages: list[tuple[str, bytes]] = []
        self._ended = False
        self._read()

    def topics(self) -> list[str]:
        """``/operator/port`` of every stream that carried something."""
        return sorted({topic for topic, _ in self._messages if topic != EVENTS})

    def messages(self, topic: str) -> Iterator[LoggedMessage]:
        """Everything on a stream (``/operator/port`` or ``operator.port``), in order."""
        for record in self._of(topic):
            yield LoggedMessage(**{name: record[name] for name in LoggedMessage._fields})

    def images(self, topic: str) -> Iterator[tuple[int, int, bytes]]:
        """(t, at, JPEG) of every picture on a stream."""
        for record in self._of(topic):
            if "data" in record:
                yield record["t"], record["at"], base64.b64decode(record["data"])

    def events(self) -> Iterator[Event]:
        """Every event but the sent values, in order."""
        for topic, data in self._messages:
            if topic == EVENTS:
                yield _EVENT.decode(data)

    def records(self) -> Iterator[dict[str, Any]]:
        """Everything as builtins, in the order in which it happened; sent values carry ``stream``."""
        for _, data in self._messages:
            yield msgspec.json.decode(data)

    def _of(self, topic: str) -> Iterator[dict[str, Any]]:
        wanted = topic if topic.startswith("/") else "/" + topic.replace(".", "/")
        for name, data in self._messages:
            if name == wanted:
                yield msgspec.json.decode(data)

    def _read(self) -> None:
        try:
            with self.path.open("rb") as file:
                try:
                    for record in StreamReader(file, validate_crcs=True).records:
                        self._take(record)
                    self.complete = METADATA_HASH in self.metadata
                except Exception as error:  # a cut-off file ends in whatever its last record breaks
                    if not self._messages:
                        raise InvalidRecord(f"is not a run's log: {error}", where=str(self.path)) from error
                    if "crc" in str(error).lower():
                        raise InvalidRecord(f"is damaged: {error}", where=str(self.path)) from error
        except OSError as error:
            hint = "name a run's folder, for example runs/demo/dynamic"
            raise InvalidRecord(f"cannot be read: {error.strerror}", where=str(self.path), hint=hint) from error
        if EVENTS not in self._topics.values():
            raise InvalidRecord("is an MCAP file, but not a run's log", where=str(self.path))

    def _take(self, record: Any) -> None:
        if self._ended and isinstance(record, (Message, Metadata, Attachment)):
            raise ValueError("data after the end of the data")
        self._ended = self._ended or isinstance(record, DataEnd)
        if isinstance(record, Channel):
            self._topics[record.id] = record.topic
        elif isinstance(record, Message):
            self._messages.append((self._topics[record.channel_id], record.data))
        elif isinstance(record, Attachment) and record.name == LAUNCH:
            self.launch = record.data.decode()
        elif isinstance(record, Metadata) and record.name == METADATA:
            self.metadata = dict(record.metadata)


METADATA_HASH = "hash"
