"""Reads XML into elements that know their line. Refuses what could explode (DTDs, archives, too much of anything).

Knows nothing of roads. One child of the document's root is held at a time.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from xml.parsers import expat

from operators.maps.errors import MapError

BYTES_MAX = 64 * 1024 * 1024
ELEMENTS_MAX = 2_000_000
LANES_MAX = 100_000
"""Centre lanes included."""
DEPTH_MAX = 32
_CHUNK = 1 << 22
_ARCHIVES = {b"PK": "zip", b"\x1f\x8b": "gzip", b"BZh": "bzip2", b"\xfd7zXZ": "xz", b"(\xb5/\xfd": "zstandard"}


@dataclass(slots=True, eq=False)
class Element:
    """One XML element: its attributes as text, its children in order, and where it stands."""

    tag: str
    attributes: dict[str, str]
    line: int
    file: str
    parent: Element | None = None
    children: list[Element] = field(default_factory=list)
    text: str = ""

    def all(self, *tags: str) -> Iterator[Element]:
        """The children with one of these tags."""
        return (child for child in self.children if child.tag in tags)

    def first(self, tag: str) -> Element | None:
        """The first child with this tag."""
        return next(self.all(tag), None)

    def within(self, *path: str) -> Iterator[Element]:
        """What is reached through these tags: ``within("lanes", "laneSection")``."""
        head, *rest = path
        for child in self.all(head):
            if rest:
                yield from child.within(*rest)
            else:
                yield child

    def error(self, what: str, hint: str = "") -> MapError:
        """A MapError that says where this element stands."""
        return MapError(what, where=self.where(), hint=hint)

    def where(self) -> str:
        """``file:line, road 5, laneSection s=0, lane -1``."""
        names: list[str] = []
        element: Element | None = self
        while element is not None and element.tag != "OpenDRIVE":
            label = element.attributes.get("id")
            station = element.attributes.get("s")
            # Grouping elements such as <lanes> say nothing that their children do not.
            if label is not None:
                names.append(f"{element.tag} {label[:60]}")
            elif station is not None or element is self:
                names.append(f"{element.tag} s={station[:30]}" if station is not None else element.tag)
            element = element.parent
        return ", ".join([f"{self.file}:{self.line}", *reversed(names)])

    def words(self, name: str, default: str | None = None) -> str:
        """The attribute's text. Raises MapError if it is missing and there is no default."""
        value = self.attributes.get(name)
        if value is None:
            if default is None:
                raise self.error(f"the attribute {name!r} is missing")
            return default
        return value.strip()

    def number(self, name: str, default: float | None = None) -> float:
        """The attribute as a finite number. Raises MapError."""
        text = self.attributes.get(name)
        if text is None and default is not None:
            return default
        text = self.words(name)
        try:
            value = float(text) if "_" not in text else math.nan
        except ValueError:
            raise self.error(f"{name}={text[:40]!r} is no number") from None
        if not math.isfinite(value) or abs(value) > 1e12:
            raise self.error(f"{name}={text[:40]!r} is no usable number")
        return value

    def length(self, name: str, default: float | None = None) -> float:
        """The attribute as a number that is not negative. Raises MapError."""
        value = self.number(name, default)
        if value < 0.0:
            raise self.error(f"{name}={value:g} is negative")
        return value

    def integer(self, name: str) -> int:
        """The attribute as a whole number. Raises MapError."""
        text = self.words(name)
        try:
            value = int(text)
        except ValueError:
            raise self.error(f"{name}={text[:40]!r} is no whole number") from None
        if abs(value) > 1_000_000:
            raise self.error(f"{name}={text[:40]!r} is out of range")
        return value


def bytes_of(path: Path) -> bytes:
    """The file's content. Raises MapError for what is no plain file of at most 64 MiB, or an archive."""
    try:
        if not path.is_file():
            what = "is a folder, or no plain file" if path.exists() else "does not exist"
            raise MapError(f"the map {what}", where=str(path), hint="name an OpenDRIVE file (.xodr)")
        with path.open("rb") as stream:
            data = stream.read(BYTES_MAX + 1)
    except OSError as error:
        raise MapError(f"the map cannot be read: {error.strerror}", where=str(path)) from None
    return data


def parse(data: bytes, name: str, take: Callable[[Element], None]) -> None:
    """Hands every child of the root ``<OpenDRIVE>`` to ``take`` as soon as it is complete.

    Raises MapError for anything that is not such a document, is too large or declares entities.
    """
    for magic, kind in _ARCHIVES.items():
        if data.startswith(magic):
            raise MapError(f"this is a {kind} archive, not a map", where=name, hint="unpack it first")
    if len(data) > BYTES_MAX:
        raise MapError(
            f"the map has more than {BYTES_MAX >> 20} MiB", where=name, hint="cut it into parts, or drop <userData>"
        )
    if not data.strip():
        raise MapError("the file is empty", where=name, hint="name an OpenDRIVE file (.xodr)")
    _Reader(name, take).read(data)


class _Reader:
    def __init__(self, name: str, take: Callable[[Element], None]) -> None:
        self.name, self.take = name, take
        self.open: list[Element] = []
        self.elements = self.lanes = 0
        parser = self.parser = expat.ParserCreate()
        parser.StartElementHandler = self._start
        parser.EndElementHandler = self._end
        parser.CharacterDataHandler = self._text
        parser.StartDoctypeDeclHandler = self._doctype
        parser.buffer_text = True

    def read(self, data: bytes) -> None:
        try:
            for start in range(0, len(data), _CHUNK):
                self.parser.Parse(data[start : start + _CHUNK], False)
            self.parser.Parse(b"", True)
        except (expat.ExpatError, ValueError, LookupError) as error:
            line = self.parser.CurrentLineNumber
            why = str(error).partition(":")[0]
            raise MapError(
                f"this is no well-formed XML: {why}", where=f"{self.name}:{line}", hint="is it an OpenDRIVE file?"
            ) from None

    def _doctype(self, *_: object) -> None:
        raise MapError(
            "document types and entities are not read",
            where=f"{self.name}:{self.parser.CurrentLineNumber}",
            hint="remove the <!DOCTYPE …>",
        )

    def _start(self, tag: str, attributes: dict[str, str]) -> None:
        line = self.parser.CurrentLineNumber
        tag = tag.rpartition(":")[2]
        parent = self.open[-1] if self.open else None
        if parent is None and tag != "OpenDRIVE":
            raise MapError(
                f"the document is a <{tag[:40]}>, not an <OpenDRIVE>",
                where=f"{self.name}:{line}",
                hint="give a .xodr file",
            )
        element = Element(tag, attributes, line, self.name, parent)
        self.elements += 1
        self.lanes += tag == "lane"
        self._bound(element)
        if parent is not None and len(self.open) > 1:
            parent.children.append(element)
        self.open.append(element)

    def _bound(self, element: Element) -> None:
        for count, most, what in (
            (self.elements, ELEMENTS_MAX, "elements"),
            (self.lanes, LANES_MAX, "lanes"),
            (len(self.open), DEPTH_MAX, "levels"),
        ):
            if count > most:
                raise element.error(f"the map has more than {most} {what}", "cut it into parts")

    def _end(self, _: str) -> None:
        element = self.open.pop()
        if len(self.open) == 1:
            self.take(element)

    def _text(self, text: str) -> None:
        element = self.open[-1]
        if element.tag == "geoReference" and len(element.text) < 4096:
            element.text += text
