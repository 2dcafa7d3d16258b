"""Reads a run's log back, also one that was cut off: messages per stream, pictures, events, in order."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
from mcap.records import Attachment, Channel, DataEnd, Header, Message, Metadata
from mcap.stream_reader import StreamReader

from pipeline.errors import InvalidRecord
from pipeline.events import Event
from pipeline.recording import EVENTS, LAUNCH, LIBRARY, METADATA

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
        self._ended = self._is_ours = False
        self._read()

    @property
    def config(self) -> dict[str, Any]:
        """The resolved launch file as plain values; empty if the log holds none."""
        import yaml

        return yaml.safe_load(self.launch) or {}

    def topics(self) -> list[str]:
        """``/operator/port`` of every stream that carried something."""
        return sorted({topic for topic, _ in self._messages if topic != EVENTS})

    def messages(self, topic: str) -> Iterator[LoggedMessage]:
        """Everything on a stream (``/operator/port`` or ``operator.port``), in order."""
        for record in self._of(topic):
            missing = [name for name in LoggedMessage._fields if name not in record]
            if missing:
                raise self._other_version(f"no {missing[0]!r} in a message on {topic}")
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
                try:
                    yield _EVENT.decode(data)
                except msgspec.ValidationError as error:
                    raise self._other_version(str(error)) from error

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
                    refusal = self._refusal(error, at_end=not file.read(1))
                    if refusal is not None:
                        raise refusal from error
        except OSError as error:
            hint = "name a run's folder, for example runs/demo/dynamic"
            raise InvalidRecord(f"cannot be read: {error.strerror}", where=str(self.path), hint=hint) from error
        if EVENTS not in self._topics.values():
            raise InvalidRecord("is an MCAP file, but not a run's log", where=str(self.path))

    def _refusal(self, error: Exception, *, at_end: bool) -> InvalidRecord | None:
        """Why the log cannot be used; None if it was merely cut off (``at_end`` of the file) or lost its index."""
        if not self._messages and not (self._is_ours and at_end):
            return InvalidRecord(f"is not a run's log: {error}", where=str(self.path))
        if "crc" in str(error).lower() or not (at_end or self._ended):
            return InvalidRecord(f"is damaged: {error}", where=str(self.path))
        if not self._messages:
            return InvalidRecord("holds nothing: the run was killed before anything was written", where=str(self.path))
        return None

    def _other_version(self, what: str) -> InvalidRecord:
        hint = f"it was written by {self.metadata.get('skylane', 'another version')} of skylane"
        return InvalidRecord(f"cannot be understood: {what}", where=str(self.path), hint=hint)

    def _take(self, record: Any) -> None:
        if self._ended and isinstance(record, (Message, Metadata, Attachment)):
            raise ValueError("data after the end of the data")
        self._ended = self._ended or isinstance(record, DataEnd)
        if isinstance(record, Header):
            self._is_ours = record.library == LIBRARY
        elif isinstance(record, Channel):
            self._topics[record.id] = record.topic
        elif isinstance(record, Message):
            self._messages.append((self._topics[record.channel_id], record.data))
        elif isinstance(record, Attachment) and record.name == LAUNCH:
            self.launch = record.data.decode()
        elif isinstance(record, Metadata) and record.name == METADATA:
            self.metadata = dict(record.metadata)


METADATA_HASH = "hash"
