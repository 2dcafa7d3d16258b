"""YAML that remembers where each value was written, so that an error can name file, line and field.

Reads the YAML 1.2 core scalars (``on``, ``yes`` and ``1:30`` are plain text) and refuses duplicate keys.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any, Union

import yaml

from pipeline.errors import InvalidLaunchFile

FieldPath = tuple[Union[str, int], ...]
"""Keys and list positions from the top of the file to a value."""


_DEPTH_MAX = 16


def dotted(path: FieldPath) -> str:
    """``operators.detect.deadline``."""
    return ".".join(str(part) for part in path)


class _Loader(yaml.SafeLoader):
    """SafeLoader with the scalars of YAML 1.2 and no others."""

    yaml_implicit_resolvers: dict[str, list[tuple[str, re.Pattern[str]]]] = {}


class _Dumper(yaml.SafeDumper):
    """SafeDumper that also quotes text which our loader would read as a number."""


_INT = r"[-+]?[0-9]+|0o[0-7]+|0x[0-9a-fA-F]+"
_FLOAT = r"[-+]?(?:\.[0-9]+|[0-9]+\.[0-9]*|[0-9]+(?=[eE]))(?:[eE][-+]?[0-9]+)?|[-+]?\.inf|\.nan"
for _tag, _pattern, _first in (
    ("bool", "true|false", "tf"),
    ("null", "null|~|", "n~"),
    ("int", _INT, "-+0123456789"),
    ("float", _FLOAT, "-+.0123456789"),
):
    _Loader.add_implicit_resolver(f"tag:yaml.org,2002:{_tag}", re.compile(f"^(?:{_pattern})$"), [*_first])
_Loader.add_implicit_resolver("tag:yaml.org,2002:null", re.compile("^$"), [""])
_Dumper.add_implicit_resolver("tag:yaml.org,2002:float", re.compile(f"^(?:{_FLOAT})$"), [*"-+.0123456789"])
_Loader.add_constructor("tag:yaml.org,2002:float", lambda loader, node: _number(node.value))
_Loader.add_constructor("tag:yaml.org,2002:int", lambda loader, node: _integer(node.value))


def _number(text: str) -> float:
    return float(text.lower().replace(".inf", "inf").replace(".nan", "nan"))


def _integer(text: str) -> int:
    return int(text, 0) if text[:2] in ("0x", "0o") else int(text)


def _text(dumper: _Dumper, text: str) -> yaml.Node:
    # Outside of double quotes these would be read back as line breaks.
    style = '"' if re.search("[\x85\u2028\u2029]", text) else None
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style)


_Dumper.add_representer(str, _text)


@dataclass
class Located:
    """Plain values plus, per path, the place they came from (``launch/demo.yaml:17`` or ``-o seed=3``)."""

    value: Any
    places: dict[FieldPath, str] = field(default_factory=dict)
    problems: list[InvalidLaunchFile] = field(default_factory=list)
    """Duplicate and non-text keys."""

    def place(self, path: FieldPath) -> str:
        """Where the value at ``path``, or the nearest one around it, was written."""
        for end in range(len(path), -1, -1):
            if path[:end] in self.places:
                return self.places[path[:end]]
        return ""


def read(text: str, source: str) -> Located:
    """Parse one YAML document. Raises InvalidLaunchFile when it is not YAML at all."""
    try:
        loader = _Loader(text)
        node = loader.get_single_node()
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line = f":{mark.line + 1}" if mark is not None else ""
        raise InvalidLaunchFile(f"not YAML: {error.problem or error.context}", where=f"{source}{line}") from error
    except yaml.YAMLError as error:
        raise InvalidLaunchFile(f"not YAML: {error}", where=source) from error
    located = Located(None)
    located.value = _plain(node, (), source, loader, located) if node is not None else None
    return located


def read_value(text: str) -> Any:
    """One YAML value without places, as in ``-o key=value``. Raises InvalidLaunchFile."""
    located = read(text, text)
    if located.problems:
        raise located.problems[0]
    return located.value


def _plain(node: yaml.Node, path: FieldPath, source: str, loader: _Loader, into: Located) -> Any:
    into.places[path] = f"{source}:{node.start_mark.line + 1}"
    if len(path) > _DEPTH_MAX:
        raise InvalidLaunchFile(f"more than {_DEPTH_MAX} levels deep", where=into.places[path])
    if isinstance(node, yaml.MappingNode):
        return _mapping(node, path, source, loader, into)
    if isinstance(node, yaml.SequenceNode):
        return [_plain(item, (*path, i), source, loader, into) for i, item in enumerate(node.value)]
    try:
        return loader.construct_object(node)
    except (yaml.YAMLError, ValueError) as error:
        raise InvalidLaunchFile(f"cannot read {node.value!r}: {error}", where=into.places[path]) from error


def _mapping(node: yaml.MappingNode, path: FieldPath, source: str, loader: _Loader, into: Located) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for key_node, value_node in node.value:
        line = f"{source}:{key_node.start_mark.line + 1}"
        if not isinstance(key_node, yaml.ScalarNode):
            into.problems.append(InvalidLaunchFile("a key must be plain text", where=line))
            continue
        key = str(key_node.value)
        inside = (*path, key)
        if key in found:
            what = f"stands twice, first at {into.places[inside]}"
            into.problems.append(InvalidLaunchFile(what, where=f"{line}: {dotted(inside)}", hint="remove one"))
            continue
        found[key] = _plain(value_node, inside, source, loader, into)
        into.places[inside] = line
    return found


def write(value: Any) -> str:
    """Block-style YAML that ``read`` reads back to the same values."""
    return yaml.dump(value, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=120)
