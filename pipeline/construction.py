"""Builds one operator or world from the plain values of a launch file, by reading its constructor's signature.

Decides which arguments fit and what is injected (``world``, ``seed``, ``profile``); knows nothing about the graph.
"""

from __future__ import annotations

import inspect
import json
import re
import typing
from collections.abc import Callable, Mapping
from typing import Any

from pydantic import PydanticUserError, TypeAdapter, ValidationError

from pipeline.errors import InvalidDuration, InvalidLaunchFile, SkylaneError, UsageError
from pipeline.launchfile import Problems
from pipeline.located import FieldPath
from pipeline.settings import duration_of
from pipeline.suggestions import nearest, suggest

BLANK = object()
"""Stands for what somebody else will make: a world in another process."""
BROKEN = object()
"""Offered in place of what could not be built itself: whoever needs it cannot be built either, without another word."""


def construct(
    factory: Callable[..., Any],
    args: Mapping[str, Any],
    offered: Mapping[str, Any],
    path: FieldPath,
    problems: Problems,
    *,
    blank: bool = False,
) -> Any | None:
    """``factory(**args)``, plus those of ``offered`` that it declares. Notes every mistake and answers None then.

    ``blank``: check the arguments but do not call; an instance of a class then has its ports and nothing else.
    """
    parameters = _parameters(factory)
    takes_any = any(p.kind is p.VAR_KEYWORD for p in parameters.values())
    named = {n: p for n, p in parameters.items() if p.kind not in (p.VAR_KEYWORD, p.VAR_POSITIONAL)}
    hints = _hints(factory)
    before = len(problems.found)
    ready: dict[str, Any] = {}
    meant: set[str] = set()
    """Arguments that a misspelt one was probably meant to be: not missed as well."""
    for name, value in args.items():
        inside = (*path, name)
        if name not in named and not takes_any:
            meant.update(nearest(name, named))
            problems.add(
                inside,
                f"{_called(factory)} takes no argument {name!r}",
                suggest(name, [n for n in named if n != "world"], "it takes"),
            )
        elif name == "world" and name in offered:
            problems.add(inside, "the world is given to the operator by the run", "remove it")
        else:
            annotation = hints.get(name, named[name].annotation if name in named else Any)
            ready[name] = _fitting(value, annotation, inside, problems)
    absent = {name: named[name] for name in named if name not in ready and name not in args and name not in meant}
    whole = _offer(factory, absent, offered, ready, path, problems)
    if not whole or len(problems.found) > before:
        return None
    if blank:
        return object.__new__(factory) if isinstance(factory, type) else BLANK
    return _call(factory, ready, path, problems)


def _offer(
    factory: Callable[..., Any],
    absent: Mapping[str, inspect.Parameter],
    offered: Mapping[str, Any],
    ready: dict[str, Any],
    path: FieldPath,
    problems: Problems,
) -> bool:
    """Fill in what the run offers; False if something it should offer is broken."""
    for name, parameter in absent.items():
        if offered.get(name) is BROKEN:
            return False
        if offered.get(name) is not None:
            ready[name] = offered[name]
        elif parameter.default is parameter.empty:
            what = "needs a world" if name == "world" else f"needs the argument {name!r}"
            hint = "add a world: section" if name == "world" else _example(name, parameter)
            problems.add(path[:-1] if path[-1:] == ("args",) else path, f"{_called(factory)} {what}", hint)
    return True


def takes(factory: Callable[..., Any], name: str) -> bool:
    """Does ``factory`` declare a parameter of this name?"""
    return name in _parameters(factory)


def _call(factory: Callable[..., Any], ready: dict[str, Any], path: FieldPath, problems: Problems) -> Any | None:
    try:
        return factory(**ready)
    except SkylaneError as error:
        kind = type(error) if isinstance(error, UsageError) else InvalidLaunchFile
        where = problems.where(path)
        added = kind(f"{error.where}: {error.what}" if error.where else error.what, where=where, hint=error.hint)
        added.__cause__ = error
        problems.found.append(added)
    except (ValueError, TypeError, KeyError, OSError) as error:
        text = str(error) or type(error).__name__
        refused = InvalidLaunchFile(f"{_called(factory)} refuses its arguments: {text}", where=problems.where(path))
        refused.__cause__ = error
        problems.found.append(refused)
    return None


def _parameters(factory: Callable[..., Any]) -> Mapping[str, inspect.Parameter]:
    return inspect.signature(factory).parameters


def _hints(factory: Callable[..., Any]) -> dict[str, Any]:
    """Annotations as types; those that cannot be evaluated here are left out."""
    function: Any = inspect.getattr_static(factory, "__init__") if isinstance(factory, type) else factory
    try:
        return typing.get_type_hints(function, include_extras=True)
    except (NameError, TypeError, AttributeError):
        return {}


def _fitting(value: Any, annotation: Any, path: FieldPath, problems: Problems) -> Any:
    """``value`` as the annotated type: durations from ``"80ms"``, tuples from lists; noted when it does not fit."""
    text = annotation if isinstance(annotation, str) else getattr(annotation, "__name__", "") + str(annotation)
    if re.search(r"\bDuration\b", text):
        return _durations(value, path, problems)
    if isinstance(annotation, str) or annotation in (inspect.Parameter.empty, Any):
        return value
    try:
        return TypeAdapter(annotation).validate_json(json.dumps(value), strict=True)
    except ValidationError as invalid:
        first = invalid.errors()[0]
        place = (*path, *(part for part in first["loc"] if isinstance(part, int)))
        problems.add(place, f"{first['input']!r}: {first['msg'].lower()}")
    except (PydanticUserError, TypeError):
        pass  # no type that plain values can be checked against
    return value


def _durations(value: Any, path: FieldPath, problems: Problems) -> Any:
    if value is None:
        return None
    if isinstance(value, list):
        return [_durations(item, (*path, i), problems) for i, item in enumerate(value)]
    if isinstance(value, dict):
        return {key: _durations(item, (*path, key), problems) for key, item in value.items()}
    try:
        return duration_of(value)
    except InvalidDuration as error:
        problems.add(path, error.what, error.hint, InvalidDuration)
        return value


def _called(factory: Callable[..., Any]) -> str:
    return getattr(factory, "__name__", str(factory))


def _example(name: str, parameter: inspect.Parameter) -> str:
    annotation = parameter.annotation
    kind = annotation if isinstance(annotation, str) else getattr(annotation, "__name__", "")
    return f"args: {{{name}: <{kind}>}}" if kind and kind != "_empty" else f"args: {{{name}: …}}"
