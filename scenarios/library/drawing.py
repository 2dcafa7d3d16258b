"""The numbers of one scenario: parameters drawn from the seed, and whatever is computed from them by name.

One generator for the whole file: draws happen in the order in which they are written.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np

from pipeline.errors import UsageError
from pipeline.located import FieldPath, Located, dotted
from pipeline.suggestions import suggest
from scenarios.library.errors import InvalidFamily
from scenarios.library.expressions import BadExpression, evaluate
from scenarios.library.schema import Drawn, Parameter
from scenarios.scenario import Colour


class Numbers:
    """Names with their values, and the generator; every error names file, line and field."""

    def __init__(self, located: Located, rng: np.random.Generator, names: Mapping[str, float]) -> None:
        self.located, self.rng = located, rng
        self.names: dict[str, float] = {"pi": math.pi, **names}

    def inside(self, names: Mapping[str, float]) -> Numbers:
        """The same generator with further names, such as a row's columns."""
        return Numbers(self.located, self.rng, {**self.names, **names})

    def wrong(self, path: FieldPath, what: str, hint: str = "") -> InvalidFamily:
        """The error to raise about the field at ``path``."""
        place = self.located.place(path)
        return InvalidFamily(what, where=f"{place}: {dotted(path)}" if place else dotted(path), hint=hint)

    def value(self, expression: str | float, path: FieldPath) -> float:
        """What an expression is worth."""
        try:
            return evaluate(expression, self.names)
        except BadExpression as error:
            raise self.wrong(path, error.what, error.hint) from None

    def draw(self, quantity: Drawn, path: FieldPath) -> float:
        """(value + what is drawn) * times; draws even where the caller overrides, so that later draws stay the same."""
        value = self.value(quantity.value, (*path, "value"))
        if quantity.uniform is not None:
            low, high = (self.value(part, (*path, "uniform", k)) for k, part in enumerate(quantity.uniform))
            if low > high:
                raise self.wrong((*path, "uniform"), f"from {low:g} to {high:g} is upside down")
            value = value + float(self.rng.uniform(low, high))
        if quantity.normal is not None:
            deviation = self.value(quantity.normal, (*path, "normal"))
            if deviation < 0.0:
                raise self.wrong((*path, "normal"), f"a deviation of {deviation:g} is negative")
            value = value + float(self.rng.normal(0.0, deviation))
        if quantity.choice is not None:
            value = value + self.value(self.one_of(quantity.choice, (*path, "choice")), (*path, "choice"))
        times = self.value(quantity.times, (*path, "times"))
        return value if times == 1.0 else value * times

    def one_of(self, choice: list[Any], path: FieldPath) -> Any:
        """One entry, each as likely."""
        if not choice:
            raise self.wrong(path, "has nothing to choose from")
        return choice[int(self.rng.integers(len(choice)))]

    def colour(self, value: Any, path: FieldPath, row: int) -> Colour:
        """``[r, g, b]``, a list of those (the row's), ``{choice: …}`` or ``{integers: [low, high]}``."""
        if isinstance(value, dict) and set(value) == {"choice"} and isinstance(value["choice"], list):
            value = self.one_of(value["choice"], (*path, "choice"))
        elif isinstance(value, dict) and set(value) == {"integers"}:
            low, high = self._bytes(value["integers"], 2, path, 256)
            drawn = self.rng.integers(low, max(high, low + 1), 3)
            return int(drawn[0]), int(drawn[1]), int(drawn[2])
        elif isinstance(value, list) and value and all(isinstance(part, list) for part in value):
            value = value[row % len(value)]
        red, green, blue = self._bytes(value, 3, path, 255)
        return red, green, blue

    def _bytes(self, value: Any, count: int, path: FieldPath, most: int) -> tuple[int, ...]:
        right = isinstance(value, list) and len(value) == count and all(type(part) is int for part in value)
        if not right or not all(0 <= part <= most for part in value):
            hint = "write [r, g, b], {choice: [[r, g, b], …]} or {integers: [low, high]}"
            raise self.wrong(path, f"{value!r} is no colour", hint)
        return tuple(value)


def parameters(
    declared: Mapping[str, Parameter], numbers: Numbers, given: Mapping[str, float], family: str
) -> dict[str, float]:
    """Draw every parameter in order, replace those that are ``given``, add all to ``numbers.names``."""
    for name in given:
        if name not in declared:
            hint = suggest(name, declared, "use one of")
            raise UsageError(f"unknown parameter {name!r}", where=f"scenario {family}", hint=hint)
    values: dict[str, float] = {}
    for name, parameter in declared.items():
        path: FieldPath = ("parameters", name)
        if name in numbers.names:
            raise numbers.wrong(path, f"the name {name!r} is taken", "choose another")
        drawn = numbers.draw(parameter, path)
        if name in given:
            drawn = _checked(given[name], name, parameter, family)
        elif parameter.range is not None:
            drawn = min(max(drawn, parameter.range[0]), parameter.range[1])
        values[name] = numbers.names[name] = drawn
    return values


def _checked(value: object, name: str, parameter: Parameter, family: str) -> float:
    where = f"scenario {family}, parameter {name}"
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not math.isfinite(value):
        raise UsageError(
            f"{value!r} is no finite number", where=where, hint=f"give a number in {parameter.unit or '1'}"
        )
    if parameter.range is not None and not parameter.range[0] <= value <= parameter.range[1]:
        low, high = parameter.range
        raise UsageError(
            f"{value:g} is out of range", where=where, hint=f"{low:g} to {high:g} {parameter.unit}".strip()
        )
    return float(value)
