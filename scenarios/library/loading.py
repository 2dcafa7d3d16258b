"""Where families come from: the files shipped beside this module, or a YAML file of the user's.

``load`` is the library's entrance. Decides how a file's mistakes are told; the scenario is made in ``building``.
"""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path
from typing import Any

import msgspec
from pydantic import ValidationError

from pipeline.errors import UsageError
from pipeline.located import FieldPath, dotted, read
from pipeline.suggestions import suggest
from scenarios.library.building import Family
from scenarios.library.errors import InvalidFamily
from scenarios.library.schema import FamilyFile
from scenarios.scenario import Scenario

FOLDER = Path(__file__).resolve().parent / "families"
SIZE_MAX = 1 << 20


NAMES: tuple[str, ...] = tuple(sorted(path.stem for path in FOLDER.glob("*.yaml")))
"""The families that are shipped."""


def load(name: str, speed_mps: float, seed: int, **parameters: float) -> Scenario:
    """The scenario of the family ``name``, or of the family file at that path, jittered by ``seed``.

    ``parameters`` replace what the seed would draw. An OpenSCENARIO file (.xosc) has no jitter; with a speed of 0 the
    ego starts as the file says, and ``parameters`` are those that it declares. Raises UsageError (InvalidFamily for a
    file that is wrong).
    """
    if name.endswith(".xosc"):
        return _imported(name, speed_mps, parameters)
    return family(name).scenario(speed_mps, seed, parameters)


def _imported(file: str, speed_mps: float, parameters: dict[str, float]) -> Scenario:
    from scenarios.openscenario.importing import read_openscenario

    scenario = read_openscenario(file, parameters={name: repr(value) for name, value in parameters.items()}).scenario
    return msgspec.structs.replace(scenario, speed_mps=speed_mps) if speed_mps else scenario


def family(name: str) -> Family:
    """The family of that name, or the one in the YAML file at that path."""
    if name in NAMES:
        return _shipped(name)
    if not name.endswith((".yaml", ".yml")):
        hint = f"{suggest(name, NAMES, 'use one of')} or give the path of a YAML file"
        raise UsageError(f"unknown scenario {name!r}", where="scenario library", hint=hint)
    path = Path(name)
    try:
        if path.stat().st_size > SIZE_MAX:
            raise InvalidFamily("is larger than 1 MiB", where=name, hint="a family is a few dozen lines")
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise InvalidFamily(f"cannot be read: {error}", where=name, hint="give the path of a family file") from None
    return _parsed(path.stem, text, name, path.parent)


@lru_cache(maxsize=64)
def _shipped(name: str) -> Family:
    return parse(name, (FOLDER / f"{name}.yaml").read_text(encoding="utf-8"), f"{name}.yaml")


def parse(name: str, text: str, source: str, folder: Path | None = None) -> Family:
    """The family in ``text``; ``source`` is what errors call the file. Raises InvalidFamily."""
    located = read(text, source)
    if located.problems:
        raise InvalidFamily(located.problems[0].what, where=located.problems[0].where, hint=located.problems[0].hint)
    if not isinstance(located.value, dict):
        raise InvalidFamily("is no family", where=source, hint="write title, source, duration, road, actors")
    try:
        return Family(name, FamilyFile.model_validate(located.value), located, folder)
    except ValidationError as invalid:
        # A misspelt field is the cause of the one that is missing.
        error: Any = min(invalid.errors(), key=lambda one: one["type"] != "extra_forbidden")
        path: FieldPath = tuple(error["loc"])
        what, hint = _explained(error, path)
        place = located.place(path) or source
        raise InvalidFamily(what, where=f"{place}: {dotted(path)}".rstrip(": "), hint=hint) from None


_parsed = lru_cache(maxsize=32)(parse)


def _explained(error: dict[str, Any], path: FieldPath) -> tuple[str, str]:
    kind = error["type"]
    if path and not str(path[-1]).isidentifier() and not isinstance(path[-1], int):
        return "is not a field of a family here", "inside { } put quotes around an expression with a comma"
    if kind == "extra_forbidden":
        return "is not a field of a family here", suggest(str(path[-1]), _fields_at(path[:-1]))
    if kind == "missing":
        return "is missing", ""
    if kind == "literal_error":
        return f"{error['input']!r} is none of {error['ctx']['expected']}", ""
    return f"{error['input']!r}: {error['msg'].removeprefix('Value error, ')}"[:300], ""


def _fields_at(path: FieldPath) -> list[str]:
    """Names of the fields that stand at ``path``, as the file spells them."""
    schema: Any = FamilyFile.model_json_schema()
    node: Any = schema
    for part in path:
        node = _resolved(node, schema)
        if isinstance(part, str) and part in node.get("properties", {}):
            node = node["properties"][part]
        else:
            node = node.get("additionalProperties") or node.get("items") or {}
    return sorted(_resolved(node, schema).get("properties", {}))


def _resolved(node: Any, schema: Any) -> Any:
    for option in [node, *node.get("anyOf", [])]:
        if "$ref" in option:
            return schema["$defs"][option["$ref"].rpartition("/")[2]]
    return node
