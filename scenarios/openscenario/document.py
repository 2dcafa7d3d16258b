"""Reads an OpenSCENARIO document into nodes that remember which of their parts were understood.

Refuses what could explode (entities, document types, too much of anything). Knows no scenario.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from xml.parsers import expat

from pipeline.errors import UsageError
from pipeline.suggestions import suggest
from scenarios.library.expressions import BadExpression, evaluate

BYTES_MAX, ELEMENTS_MAX, DEPTH_MAX = 16 << 20, 200_000, 64


class OpenScenarioError(UsageError):
    """A document that is wrong, or says something that is not supported; names file, line and element."""


class Unsupported(OpenScenarioError):
    """Something legal that is not supported; whoever can go on without it leaves it out and says so."""

    @property
    def reason(self) -> str:
        """The element and what is wrong with it, for the list of what was left out."""
        return f"{self.where.rpartition('/')[2]} {self.what}"


@dataclass(eq=False)
class Node:
    """An element. Reading a child or an attribute marks it as understood; ``leftovers`` finds the others."""

    tag: str
    attributes: dict[str, str]
    line: int
    document: Document
    parent: Node | None
    children: list[Node] = field(default_factory=list)
    seen: bool = False
    reason: str = ""
    read: set[str] = field(default_factory=set)

    def all(self, *tags: str) -> list[Node]:
        """The children with one of these tags."""
        found = [child for child in self.children if child.tag in tags]
        for child in found:
            child.seen = True
        return found

    def one(self, tag: str) -> Node | None:
        """The first child with this tag."""
        found = [child for child in self.children if child.tag == tag][:1]
        for child in found:
            child.seen = True
        return found[0] if found else None

    def need(self, tag: str) -> Node:
        """The child with this tag. Raises OpenScenarioError without one."""
        found = self.one(tag)
        if found is None:
            raise self.wrong(f"has no {tag}")
        return found

    def only(self) -> Node:
        """The first child, whatever it is; a choice in the schema."""
        if not self.children:
            raise self.wrong("is empty")
        self.children[0].seen = True
        return self.children[0]

    def skip(self) -> None:
        """Mark all of it as understood."""
        self.seen = True
        self.read |= set(self.attributes)
        for child in self.children:
            child.skip()

    def refuse(self, reason: str = "") -> None:
        """Mark it as not understood after all."""
        self.seen, self.reason = False, reason or self.reason

    def text(self, name: str, default: str | None = None) -> str:
        """An attribute with its parameters put in. Raises OpenScenarioError when it is missing without a default."""
        self.read.add(name)
        value = self.attributes.get(name)
        if value is None:
            if default is None:
                raise self.wrong(f"has no {name}")
            return default
        return self.document.resolved(value.strip(), self)

    def number(self, name: str, default: float | None = None) -> float:
        """An attribute as a finite number."""
        text = self.text(name, None if default is None else repr(default))
        try:
            value = float(text)
        except ValueError:
            raise self.wrong(f"{name}={text[:60]!r} is no number") from None
        if not math.isfinite(value) or abs(value) > 1e9:
            raise self.wrong(f"{name}={text[:60]!r} is no usable number", "give a finite one")
        return value

    def path(self) -> str:
        """``/OpenSCENARIO/Storyboard/Story[cut in]/Act``."""
        name = self.attributes.get("name") or self.attributes.get("entityRef")
        own = f"{self.tag}[{name[:60]}]" if name else self.tag
        return f"{self.parent.path()}/{own}" if self.parent is not None else f"/{own}"

    def wrong(self, what: str, hint: str = "") -> OpenScenarioError:
        """The error to raise about this element."""
        return OpenScenarioError(what, where=f"{self.document.file}:{self.line}: {self.path()}", hint=hint)

    def unsupported(self, what: str, hint: str = "") -> Unsupported:
        """The error to raise when this element is legal but not supported."""
        return Unsupported(what, where=f"{self.document.file}:{self.line}: {self.path()}", hint=hint)

    def leftovers(self) -> Iterator[str]:
        """``file:line: path`` of every outermost element and attribute that nobody read."""
        if not self.seen:
            reason = f" ({self.reason})" if self.reason else ""
            yield f"{self.document.file}:{self.line}: {self.path()}{reason}"
            return
        for name in self.attributes:
            if name not in self.read and name != "name" and ":" not in name and not name.startswith("xmlns"):
                yield f"{self.document.file}:{self.line}: {self.path()}@{name}"
        for child in self.children:
            yield from child.leftovers()


class Document:
    """One file: its root, and the values of its parameters."""

    def __init__(self, path: Path, given: Mapping[str, str] | None = None) -> None:
        self.file, self.folder = str(path), path.parent
        self.parameters: dict[str, str] = {}
        self.notes: list[str] = []
        self.root = _parsed(path, self)
        self.root.seen = True
        self.declare(self.root, given or {})
        for name in given or {}:
            if name not in self.parameters:
                hint = suggest(name, self.parameters, "it declares")
                raise OpenScenarioError(f"declares no parameter {name!r}", where=self.file, hint=hint)

    def note(self, node: Node, what: str) -> None:
        """Something else that is left out."""
        self.notes.append(f"{self.file}:{node.line}: {node.path()}: {what}")

    def declare(self, holder: Node, given: Mapping[str, str] | None = None) -> None:
        """Add the parameters that an element declares; ``given`` values come before their own."""
        declared = holder.one("ParameterDeclarations")
        for parameter in declared.all("ParameterDeclaration") if declared is not None else []:
            self._declare(parameter, given or {})

    def _declare(self, node: Node, given: Mapping[str, str]) -> None:
        name, kind, value = node.text("name"), node.text("parameterType", "string"), node.text("value", "")
        value = given.get(name, value)
        if kind in ("double", "integer", "int", "unsignedInt", "unsignedShort"):
            try:
                usable = math.isfinite(float(value))
            except ValueError:
                usable = False
            if not usable:
                raise node.wrong(f"parameter {name!r} is {value!r}, which is no finite number")
        self.parameters[name] = value
        for group in node.all("ConstraintGroup"):
            group.skip()

    def resolved(self, text: str, node: Node) -> str:
        """``$name`` and ``${arithmetic}`` replaced by their values."""
        if "$" not in text:
            return text
        if text.startswith("${") and text.endswith("}"):
            names = {}
            for name, value in self.parameters.items():
                try:
                    names[name] = float(value)
                except ValueError:
                    continue
            try:
                return repr(evaluate(text[2:-1].replace("$", ""), names))
            except BadExpression as error:
                raise node.wrong(error.what, error.hint) from None

        def put(match: re.Match[str]) -> str:
            if match[1] not in self.parameters:
                hint = suggest(match[1], self.parameters, "declared are")
                raise node.wrong(f"unknown parameter ${match[1]}", hint)
            return self.parameters[match[1]]

        return re.sub(r"\$([A-Za-z_][\w.]*)", put, text)


def _parsed(path: Path, document: Document) -> Node:
    try:
        if path.stat().st_size > BYTES_MAX:
            raise OpenScenarioError(f"is larger than {BYTES_MAX >> 20} MiB", where=str(path))
        data = path.read_bytes()
    except OSError as error:
        raise OpenScenarioError(
            f"cannot be read: {error.strerror}", where=str(path), hint="give a .xosc file"
        ) from None
    return _Builder(document).read(data)


class _Builder:
    def __init__(self, document: Document) -> None:
        self.document, self.count = document, 0
        self.root: Node | None = None
        self.open: list[Node] = []
        self.parser = expat.ParserCreate()
        self.parser.StartElementHandler = self._start
        self.parser.EndElementHandler = lambda _: self.open.pop()
        self.parser.StartDoctypeDeclHandler = self._doctype

    def read(self, data: bytes) -> Node:
        try:
            self.parser.Parse(data, True)
        except (expat.ExpatError, ValueError, LookupError) as error:
            raise self._error(f"is no well-formed XML: {error}") from None
        if self.root is None or self.root.tag != "OpenSCENARIO":
            raise self._error("is no OpenSCENARIO document", "its root must be <OpenSCENARIO>")
        return self.root

    def _error(self, what: str, hint: str = "") -> OpenScenarioError:
        return OpenScenarioError(what, where=f"{self.document.file}:{self.parser.CurrentLineNumber}", hint=hint)

    def _doctype(self, *_: object) -> None:
        raise self._error("declares a document type or entities, which are not read", "remove <!DOCTYPE …>")

    def _start(self, tag: str, attributes: dict[str, str]) -> None:
        self.count += 1
        if self.count > ELEMENTS_MAX or len(self.open) >= DEPTH_MAX:
            raise self._error(f"has more than {ELEMENTS_MAX} elements or {DEPTH_MAX} levels")
        parent = self.open[-1] if self.open else None
        node = Node(tag, attributes, self.parser.CurrentLineNumber, self.document, parent)
        if parent is not None:
            parent.children.append(node)
        elif self.root is None:
            self.root = node
        self.open.append(node)
