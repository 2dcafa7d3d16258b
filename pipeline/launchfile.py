"""Launch files: YAML plus overrides plus variants → checked settings. Reports all mistakes at once, each with its line.

Does not import what the file names and builds nothing: that is ``building``.
"""

from __future__ import annotations

import copy
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ValidationError

from pipeline.errors import InvalidDuration, InvalidLaunchFile, UnknownOperator, UsageError
from pipeline.located import FieldPath, Located, dotted, read, read_value, write
from pipeline.settings import CandidateSettings, DeadlineSettings, OperatorSettings, Settings
from pipeline.suggestions import nearest, suggest

VARIANT_NAME = r"[\w.+-]+"


@dataclass
class Problems:
    """Collects mistakes, so that all of them can be reported together."""

    located: Located
    found: list[UsageError] = field(default_factory=list)

    def add(self, path: FieldPath, what: str, hint: str = "", kind: type[UsageError] = InvalidLaunchFile) -> None:
        """Note a mistake in the value at ``path``."""
        self.found.append(kind(what, where=self.where(path), hint=hint))

    def where(self, path: FieldPath) -> str:
        """``launch/demo.yaml:17: operators.detect.deadline``."""
        place = self.located.place(path)
        return f"{place}: {dotted(path)}" if path else place

    def raise_any(self) -> None:
        """Raise what was found: the mistake itself if there is one, a list of them if there are several."""
        unique = {str(error): error for error in self.found}
        errors = list(unique.values())
        if len(errors) == 1:
            raise errors[0]
        if errors:
            kinds = {type(error) for error in errors}
            kind = kinds.pop() if len(kinds) == 1 else InvalidLaunchFile
            raise kind("\n".join([f"{len(errors)} mistakes:", *(f"  {text}" for text in unique)]))


@dataclass
class LaunchFile:
    """A launch file with its overrides applied. ``variants`` has one entry ``""`` when the file has none."""

    path: Path
    variants: dict[str, Settings]
    located: dict[str, Located]
    """Per variant: the resolved values and where each was written."""

    @property
    def settings(self) -> Settings:
        """The first variant's settings: what all variants share is read here."""
        return next(iter(self.variants.values()))

    def text(self, variant: str = "") -> str:
        """The variant as a launch file of its own, every override applied."""
        return write(self.located[variant].value)


def resolve(path: str | Path, overrides: Sequence[str] = ()) -> LaunchFile:
    """Read a launch file, apply ``key=value`` overrides (after each variant's own) and check the shape.

    Raises InvalidLaunchFile, InvalidDuration or UnknownOperator; the text has one line per mistake.
    """
    path = find(path)
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise InvalidLaunchFile(f"cannot be read: {error}", where=str(path)) from error
    return parse(text, path, overrides)


def parse(text: str, path: Path, overrides: Sequence[str] = ()) -> LaunchFile:
    """``resolve`` for a text that is at hand; ``path`` is what mistakes are reported in."""
    base = read(text, str(path))
    if not isinstance(base.value, dict):
        raise InvalidLaunchFile("is empty" if base.value is None else "must be a mapping of fields", where=str(path))
    problems = Problems(base, list(base.problems))
    variants = base.value.pop("variants", None) or {}
    launch = LaunchFile(path, {}, {})
    for name, changes in _variants(variants, problems).items():
        one = Located(copy.deepcopy(base.value), dict(base.places))
        inside = Problems(one)
        for key, value in changes.items():
            _apply(one, key, value, _place(base, name, key), inside)
        for override in overrides:
            key, value = _split(override)
            _apply(one, key, value, f"-o {override}", inside)
        settings = _check(one, inside)
        problems.found += inside.found
        if settings is not None:
            launch.variants[name], launch.located[name] = settings, one
    problems.raise_any()
    return launch


def find(path: str | Path) -> Path:
    """A launch file by path, or by its bare name among those in ``launch/`` and those that came with the package."""
    direct = Path(path)
    if direct.is_file():
        return direct
    if direct.name == str(path):
        folders = (Path("launch"), Path(__file__).parent / "launch", Path(__file__).parent.parent / "launch")
        for candidate in (folder / f"{direct.stem}.yaml" for folder in folders):
            if candidate.is_file():
                return candidate
    near = sorted(p.name for p in direct.parent.glob("*.yaml")) if direct.parent.is_dir() else []
    raise InvalidLaunchFile("no such launch file", where=str(path), hint=suggest(direct.name, near))


# -- overrides and variants ------------------------------------------------------------------------------------------


def _variants(variants: Any, problems: Problems) -> dict[str, dict[str, Any]]:
    if not isinstance(variants, dict):
        problems.add(("variants",), "must be a mapping of names to overrides")
        return {"": {}}
    found: dict[str, dict[str, Any]] = {}
    for name, changes in variants.items():
        if not re.fullmatch(VARIANT_NAME, name):
            problems.add(("variants", name), f"{name!r} cannot name a folder", "use letters, digits and . _ + -")
        if changes is not None and not isinstance(changes, dict):
            problems.add(("variants", name), "must be a mapping of overrides", "for example {execution: static}")
            changes = None
        found[name] = changes or {}
    return found or {"": {}}


def _place(base: Located, variant: str, key: str) -> str:
    return f"{base.place(('variants', variant, key))}: variants.{variant}"


def _split(override: str) -> tuple[str, Any]:
    key, equals, text = override.partition("=")
    if not equals or not key.strip() or not text.strip():
        raise InvalidLaunchFile("is not key=value", where=f"-o {override}", hint="for example -o detect.deadline=80ms")
    try:
        return key.strip(), read_value(text)
    except InvalidLaunchFile as error:
        raise InvalidLaunchFile(error.what, where=f"-o {override}") from error


def _apply(one: Located, key: str, value: Any, place: str, problems: Problems) -> None:
    """Write ``value`` to the dotted ``key``: mappings are merged, everything else is replaced."""
    path = _target(one.value, key, place, problems)
    if path is None:
        return
    parent: Any = one.value
    for part in path[:-1]:
        if isinstance(parent, dict) and parent.get(part) is None:
            parent[part] = {}
        parent = parent[part]
    _merge(parent, path[-1], value)
    _mark(one, path, value, place)


def _merge(parent: Any, key: str | int, value: Any) -> None:
    old = parent.get(key) if isinstance(parent, dict) else parent[key]
    if isinstance(old, dict) and isinstance(value, dict):
        for inner, item in value.items():
            _merge(old, inner, item)
    else:
        parent[key] = copy.deepcopy(value)


def _mark(one: Located, path: FieldPath, value: Any, place: str) -> None:
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    if not isinstance(value, dict):
        for old in [p for p in one.places if p[: len(path)] == path]:
            del one.places[old]
    if not isinstance(value, dict) or path not in one.places:
        one.places[path] = place
    for inner, item in items:
        _mark(one, (*path, inner), item, place)


def _target(data: dict[str, Any], key: str, place: str, problems: Problems) -> FieldPath | None:
    """The path that ``key`` means: an operator's or a deadline's name may stand for its place."""
    parts: list[str | int] = [*key.split(".")]
    operators = data.get("operators")
    operators = operators if isinstance(operators, dict) else {}
    if parts[0] not in Settings.model_fields:
        if parts[0] not in operators:
            known = [*operators, *Settings.model_fields]
            what = f"there is no operator and no field {parts[0]!r}"
            problems.found.append(UnknownOperator(what, where=place, hint=suggest(str(parts[0]), known)))
            return None
        parts.insert(0, "operators")
    if parts[0] == "deadlines" and len(parts) > 1 and not data.get("deadlines"):
        problems.found.append(InvalidLaunchFile(f"there is no deadline {parts[1]!r}, the file has none", where=place))
        return None
    node: Any = data
    for depth, part in enumerate(parts):
        if isinstance(node, list):
            index = _position(node, str(part))
            if index is None:
                names = [str(item["name"]) for item in node if isinstance(item, dict) and "name" in item]
                problems.found.append(
                    InvalidLaunchFile(f"there is no {part!r}", where=place, hint=suggest(str(part), names))
                )
                return None
            parts[depth] = part = index
        elif not isinstance(node, dict) and node is not None:
            what = f"{dotted(tuple(parts[:depth]))} is {node!r}, it has no {part!r}"
            problems.found.append(InvalidLaunchFile(what, where=place))
            return None
        node = (node or {}).get(part) if not isinstance(node, list) else node[int(part)]
        if node is None and depth == 1 and parts[0] == "operators" and len(parts) > 2:
            what = f"there is no operator {part!r}"
            problems.found.append(UnknownOperator(what, where=place, hint=suggest(str(part), operators)))
            return None
    return tuple(parts)


def _position(items: list[Any], part: str) -> int | None:
    if part.isdigit():
        return int(part) if int(part) < len(items) else None
    return next((i for i, item in enumerate(items) if isinstance(item, dict) and item.get("name") == part), None)


# -- checking --------------------------------------------------------------------------------------------------------

_TYPES = {
    "string_type": "must be text",
    "int_type": "must be a whole number",
    "float_type": "must be a number",
    "bool_type": "must be true or false",
    "dict_type": "must be a mapping",
    "list_type": "must be a list",
    "model_type": "must be a mapping",
    "model_attributes_type": "must be a mapping",
    "string_too_short": "must not be empty",
}


def _check(one: Located, problems: Problems) -> Settings | None:
    try:
        settings = Settings.model_validate(one.value)
    except ValidationError as invalid:
        errors = invalid.errors()
        extra = [error["loc"] for error in errors if error["type"] == "extra_forbidden"]
        for error in errors:
            loc = error["loc"]
            beside = [str(other[-1]) for other in extra if other[:-1] == loc[:-1]]
            # A misspelt field is one mistake, not an unknown field and a missing one.
            if error["type"] != "missing" or not nearest(str(loc[-1]), beside):
                _translate(error, problems)  # type: ignore[arg-type]
        return None
    return settings


def _translate(error: dict[str, Any], problems: Problems) -> None:
    path: FieldPath = tuple(error["loc"])
    kind, value, context = error["type"], error.get("input"), error.get("ctx", {})
    if kind == "extra_forbidden":
        problems.add(path, "is not a field of a launch file here", _unknown_field(path))
    elif kind == "missing":
        problems.add(path[:-1], f"has no {path[-1]!r}" if path[:-1] else f"the field {path[-1]!r} is missing")
    elif "what" in context:
        wrong = InvalidDuration if kind == "duration" else InvalidLaunchFile
        problems.add(path, context["what"], context["hint"], wrong)
    elif kind == "literal_error":
        problems.add(path, f"{value!r} is none of {context['expected']}")
    elif kind == "string_pattern_mismatch":
        problems.add(path, f"{value!r} cannot name a folder", "use letters, digits and . _ + -")
    elif kind in _TYPES:
        problems.add(path, f"{value!r} {_TYPES[kind]}" if value is not None else f"has no value, it {_TYPES[kind]}")
    else:
        problems.add(path, f"{value!r}: {error['msg']}")


def _unknown_field(path: FieldPath) -> str:
    model: type[BaseModel] = Settings
    if path[0] == "deadlines":
        model = DeadlineSettings
    elif path[0] == "operators":
        model = CandidateSettings if len(path) > 4 else OperatorSettings
    near = suggest(str(path[-1]), model.model_fields, "fields are")
    own = "arguments of the operator's own go under args; " if model is not Settings and "mean" not in near else ""
    return own + near
