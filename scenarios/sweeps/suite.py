"""The shape of a suite file and how it is read: YAML → checked fields. Every mistake names file, line and field.

Does not decide which runs follow from it: that is ``expansion``.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError
from pydantic_core import PydanticCustomError

from pipeline.errors import InvalidLaunchFile, UsageError
from pipeline.launchfile import VARIANT_NAME, Problems
from pipeline.located import FieldPath, Located, read, read_value
from pipeline.settings import Positive, Word
from pipeline.suggestions import suggest
from pipeline.timestamps import seconds

ALL = "all"
SEEDS_MAX = 100_000


class InvalidSuite(UsageError):
    """A suite file that cannot be read or does not say what it must; names file, line and field."""


def seeds_of(value: Any) -> list[int]:
    """``"1-3,7"``, ``4`` or a list of seeds → [1, 2, 3, 7]. Raises ValueError."""
    if isinstance(value, list):
        found = [seed for part in value for seed in seeds_of(part)]
    elif isinstance(value, int) and not isinstance(value, bool):
        found = [value]
    elif isinstance(value, str):
        found = [seed for part in value.split(",") for seed in _span(part.strip())]
    else:
        raise ValueError(f"{value!r} is no list of seeds")
    if not found or min(found) < 0 or len(set(found)) != len(found):
        raise ValueError(f"{value!r} has no seed, a negative one, or one twice")
    return found


def _span(part: str) -> range:
    match = re.fullmatch(r"(\d+)(?:-(\d+))?", part)
    if match is None or int(match[2] or match[1]) < int(match[1]):
        raise ValueError(f"{part!r} is no list of seeds")
    first, last = int(match[1]), int(match[2] or match[1])
    if last - first >= SEEDS_MAX:
        raise ValueError(f"{part!r} is more than {SEEDS_MAX} seeds")
    return range(first, last + 1)


def _refuse(what: str, hint: str) -> PydanticCustomError:
    return PydanticCustomError("suite", "{what}", {"what": what, "hint": hint})


def _seeds(value: Any) -> list[int]:
    try:
        return seeds_of(value)
    except ValueError as error:
        raise _refuse(str(error), "write for example 1-20 or [1, 2, 5]") from None


def _speeds(value: Any) -> list[float]:
    speeds = value if isinstance(value, list) else [value]
    for speed in speeds:
        if isinstance(speed, bool) or not isinstance(speed, (int, float)) or not 0.0 < speed < 100.0:
            raise _refuse(
                f"{speed!r} is no speed in m/s", "write numbers above 0 and below 100, for example [10, 12.5]"
            )
    if not speeds or len(set(speeds)) != len(speeds):
        raise _refuse("has no speed, or one twice", "write for example [10, 12.5]")
    return [float(speed) for speed in speeds]


def _families(value: Any) -> Any:
    """``all``, a name, a list of names, or a mapping of names to what is special about each."""
    if isinstance(value, str):
        return {value: {}}
    if isinstance(value, list):
        if not all(isinstance(name, str) for name in value) or len(set(value)) != len(value):
            raise _refuse(f"{value!r} is no list of different names", "write all, or for example [traffic_jam]")
        return {name: {} for name in value}
    return {name: one or {} for name, one in value.items()} if isinstance(value, dict) else value


def _launches(value: Any) -> Any:
    """A launch file, or a mapping of names to launch files."""
    if isinstance(value, str):
        return {Path(value).stem: {"file": value}}
    if isinstance(value, dict):
        return {name: {"file": one} if isinstance(one, str) else one for name, one in value.items()}
    return value


def _variants(value: Any) -> Any:
    return None if value == ALL else [value] if isinstance(value, str) else value


def _grid(value: Any) -> Any:
    """Parameter → values: a list means one scenario for each."""
    if not isinstance(value, dict):
        return value
    for name, given in value.items():
        for one in given if isinstance(given, list) else [given]:
            if isinstance(one, bool) or not isinstance(one, (int, float, str)):
                raise _refuse(f"{name}: {one!r} is neither a number nor text", "write a value or a list of values")
            if isinstance(one, float) and one != one:
                raise _refuse(f"{name}: is not a number", "write a value or a list of values")
    return {name: given if isinstance(given, list) else [given] for name, given in value.items()}


Seeds = Annotated[list[int], BeforeValidator(_seeds)]
Speeds = Annotated[list[float], BeforeValidator(_speeds)]
Grid = Annotated[dict[str, list[Any]], BeforeValidator(_grid)]
Label = Annotated[str, Field(pattern=rf"^{VARIANT_NAME}$")]


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)


class LaunchSettings(_Section):
    """One launch file of a suite."""

    file: Word
    """A path (from here or from the suite's folder), or the bare name of one in ``launch/``."""
    variants: Annotated[list[Word] | None, BeforeValidator(_variants)] = None
    """Which of its variants; all without it."""
    set: dict[str, Any] = {}
    """Overrides, as with ``skylane run -o``."""


class FamilySettings(_Section):
    """What is special about one family of scenarios; the suite's own values hold for the rest."""

    parameters: Grid = {}
    speeds_mps: Speeds | None = None
    seeds: Seeds | None = None
    duration: Positive | None = None


Families = Annotated[dict[str, FamilySettings], BeforeValidator(_families)]


class LimitSettings(_Section):
    """What a run and a worker may cost."""

    run: Positive = seconds(900)
    """Wall time after which a run has failed."""
    memory_mb: Annotated[int, Field(ge=100)] = 2500
    """Of one worker. It gives back its caches when it comes near, and is replaced when that does not help."""
    runs_per_worker: Annotated[int, Field(ge=1)] = 100


class QuickSettings(_Section):
    """What ``--quick`` replaces."""

    families: Families | None = None
    speeds_mps: Speeds | None = None
    seeds: Seeds | None = None
    duration: Positive | None = None
    set: dict[str, Any] = {}


class Suite(_Section):
    """A whole sweep."""

    name: Label
    title: str = ""
    launch: Annotated[dict[Label, LaunchSettings], Field(min_length=1), BeforeValidator(_launches)]
    families: Annotated[Families, Field(min_length=1)]
    speeds_mps: Speeds
    seeds: Seeds
    settings: dict[Label, dict[str, Any]] = {}
    """Name → overrides: one more axis."""
    duration: Positive | None = None
    """Of a run; the launch file's own without it. A scenario may end earlier."""
    baseline: Word | None = None
    """The variant that the others are compared with; the first without it."""
    limits: LimitSettings = LimitSettings()
    pictures: bool = True
    """Whether the report shows every scenario."""
    quick: QuickSettings | None = None


@dataclass(frozen=True)
class SuiteFile:
    """A suite as it was read. ``overrides``: what ``--set`` says of the launch files rather than of the suite."""

    path: Path
    suite: Suite
    located: Located
    overrides: tuple[str, ...] = ()

    def problems(self) -> Problems:
        """Collects mistakes in this file that are found later."""
        return Problems(self.located)


def read_suite(path: str | Path, changes: Sequence[str] = (), *, quick: bool = False) -> SuiteFile:
    """Read a suite file, apply ``key=value`` changes and, with ``quick``, its own short form.

    A change whose first word is a field of the suite changes the suite, any other one every launch file in it.
    Raises InvalidSuite; the text has one line per mistake.
    """
    path = find(path)
    try:
        text = path.read_text(encoding="utf-8")
        located = read(text, str(path))
    except (OSError, UnicodeDecodeError) as error:
        raise InvalidSuite(f"cannot be read: {error}", where=str(path)) from error
    except InvalidLaunchFile as error:
        raise InvalidSuite(error.what, where=error.where, hint=error.hint) from error
    if not isinstance(located.value, dict):
        what = "is empty" if located.value is None else "must be a mapping of fields"
        raise InvalidSuite(what, where=str(path))
    problems = Problems(located, [InvalidSuite(p.what, where=p.where, hint=p.hint) for p in located.problems])
    overrides = [change for change in changes if not _change(located, change)]
    if quick:
        overrides = _shorten(located, problems, overrides)
    suite = _check(located, problems)
    problems.raise_any()
    assert suite is not None
    return SuiteFile(path, suite, located, tuple(overrides))


def find(path: str | Path) -> Path:
    """A suite by path, or by its bare name among those in ``launch/suites``, here or in the package."""
    import pipeline

    direct = Path(path)
    if direct.is_file():
        return direct
    package = Path(pipeline.__file__).parent
    folders = [folder / "suites" for folder in (Path("launch"), package / "launch", package.parent / "launch")]
    bare = direct.name == str(path)
    if bare:
        for candidate in (folder / f"{direct.stem}.yaml" for folder in folders):
            if candidate.is_file():
                return candidate
    places = folders if bare else [direct.parent]
    near = {p.stem if bare else p.name for place in places if place.is_dir() for p in place.glob("*.yaml")}
    raise InvalidSuite("no such suite file", where=str(path), hint=suggest(direct.name, near))


def _change(located: Located, change: str) -> bool:
    """Apply a ``--set`` to the suite; False when it is not about the suite's own fields."""
    key, equals, text = change.partition("=")
    if not equals or not key.strip() or not text.strip():
        raise InvalidSuite("is not key=value", where=f"--set {change}", hint="for example --set seeds=1-3")
    parts = key.strip().split(".")
    if parts[0] not in Suite.model_fields:
        return False
    try:
        value = read_value(text)
    except InvalidLaunchFile as error:
        raise InvalidSuite(error.what, where=f"--set {change}") from error
    parent: Any = located.value
    for part in parts[:-1]:
        if not isinstance(parent.get(part), dict):
            parent[part] = {}
        parent = parent[part]
    parent[parts[-1]] = value
    path = tuple(parts)
    for old in [place for place in located.places if place[: len(path)] == path]:
        del located.places[old]
    located.places[path] = f"--set {change}"
    return True


def _shorten(located: Located, problems: Problems, overrides: list[str]) -> list[str]:
    """Put the values of ``quick`` in their places; its ``set`` goes before the ``--set`` of the command line."""
    quick = located.value.get("quick")
    if quick is None:
        problems.found.append(InvalidSuite("has no quick form", where=located.place(()), hint="add a field quick"))
        return overrides
    if not isinstance(quick, dict):
        return overrides  # reported with the other mistakes
    for name in set(quick) & (set(QuickSettings.model_fields) - {"set"}):
        if not located.places.get((name,), "").startswith("--set"):
            located.value[name] = quick[name]
            located.places[name,] = located.place(("quick", name))
    more = quick.get("set") or {}
    return [*(f"{key}={flow(value)}" for key, value in more.items()), *overrides] if isinstance(more, dict) else []


def flow(value: Any) -> str:
    """A value on one line, as ``-o`` reads it: JSON is YAML."""
    return json.dumps(value, ensure_ascii=False)


_SHAPES = {
    "string_type": "must be text",
    "int_type": "must be a whole number",
    "bool_type": "must be true or false",
    "dict_type": "must be a mapping",
    "list_type": "must be a list",
    "model_type": "must be a mapping",
    "string_too_short": "must not be empty",
    "too_short": "must not be empty",
}


def _check(located: Located, problems: Problems) -> Suite | None:
    try:
        return Suite.model_validate(located.value)
    except ValidationError as invalid:
        for error in invalid.errors():
            path: FieldPath = tuple(part for part in error["loc"] if part != "[key]")
            kind, value, context = error["type"], error.get("input"), error.get("ctx", {})
            if kind == "extra_forbidden":
                what, hint = "is not a field of a suite here", suggest(str(path[-1]), _fields(path), "fields are")
            elif kind == "missing":
                what, hint = f"has no {path[-1]!r}", ""
                path = path[:-1]
            elif "what" in context:
                what, hint = context["what"], context["hint"]
            elif kind == "string_pattern_mismatch":
                what, hint = f"{value!r} cannot name a folder", "use letters, digits and . _ + -"
            else:
                what, hint = f"{value!r} {_SHAPES.get(kind, error['msg'])}", ""
            problems.add(path, what, hint, InvalidSuite)
        return None


def _fields(path: FieldPath) -> list[str]:
    models: dict[str, type[BaseModel]] = {
        "launch": LaunchSettings,
        "families": FamilySettings,
        "limits": LimitSettings,
        "quick": QuickSettings,
    }
    return [*(models.get(str(path[0]), Suite) if len(path) > 1 else Suite).model_fields]
