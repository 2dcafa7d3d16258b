"""Arithmetic in family files: numbers, names, ``+ - * / **``, ``min``, ``max``, ``abs``, ``clamp``; nothing else.

Decides what an expression is worth. Does not know where names come from nor which file they stand in.
"""

from __future__ import annotations

import ast
import math
from collections.abc import Callable, Mapping
from functools import lru_cache

from pipeline.suggestions import suggest

LENGTH_MAX, NODES_MAX, EXPONENT_MAX = 240, 80, 8.0

_BINARY: dict[type[ast.operator], Callable[[float, float], float]] = {
    ast.Add: lambda a, b: a + b,
    ast.Sub: lambda a, b: a - b,
    ast.Mult: lambda a, b: a * b,
    ast.Div: lambda a, b: a / b,
}
_UNARY: dict[type[ast.unaryop], Callable[[float], float]] = {ast.USub: lambda a: -a, ast.UAdd: lambda a: a}
_CALLS: dict[str, tuple[int, int]] = {"min": (1, 16), "max": (1, 16), "abs": (1, 1), "clamp": (3, 3)}
"""Functions and how many arguments they take."""


class BadExpression(Exception):
    """Why an expression has no value (``what``), and what to do (``hint``); the caller says where it stands."""

    def __init__(self, what: str, hint: str = "") -> None:
        self.what, self.hint = what, hint
        super().__init__(what)


def evaluate(expression: str | float, names: Mapping[str, float]) -> float:
    """The finite value of ``expression`` with ``names``. Raises BadExpression, never anything else."""
    if isinstance(expression, (int, float)):
        return _finite(float(expression), repr(expression))
    tree = _parsed(expression)
    try:
        value = _value(tree, names, expression)
    except ZeroDivisionError:
        raise BadExpression(f"{expression!r} divides by zero") from None
    except OverflowError:
        raise BadExpression(f"{expression!r} is too large") from None
    return _finite(value, repr(expression))


def _finite(value: float, text: str) -> float:
    if not math.isfinite(value):
        raise BadExpression(f"{text} is no finite number")
    return value


@lru_cache(maxsize=4096)
def _parsed(text: str) -> ast.expr:
    if len(text) > LENGTH_MAX:
        raise BadExpression(f"an expression of {len(text)} characters", f"write at most {LENGTH_MAX}")
    try:
        tree = ast.parse(text.strip(), mode="eval").body
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        raise BadExpression(
            f"{text!r} is no arithmetic", "write for example 26 + 1.9 * max(0, speed_mps - 12)"
        ) from None
    if sum(1 for _ in ast.walk(tree)) > NODES_MAX:
        raise BadExpression(f"{text!r} has too many parts", "split it with let:")
    return tree


def _value(node: ast.expr, names: Mapping[str, float], text: str) -> float:
    if isinstance(node, ast.Constant) and isinstance(node.value, (int, float)) and not isinstance(node.value, bool):
        return float(node.value)
    if isinstance(node, ast.Name):
        if node.id not in names:
            raise BadExpression(f"unknown name {node.id!r} in {text!r}", suggest(node.id, names, "known are"))
        return names[node.id]
    if isinstance(node, ast.UnaryOp) and type(node.op) in _UNARY:
        return _UNARY[type(node.op)](_value(node.operand, names, text))
    if isinstance(node, ast.BinOp):
        left, right = _value(node.left, names, text), _value(node.right, names, text)
        if type(node.op) in _BINARY:
            return _BINARY[type(node.op)](left, right)
        if isinstance(node.op, ast.Pow):
            return _power(left, right, text)
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and not node.keywords:
        return _call(node.func.id, [_value(part, names, text) for part in node.args], text)
    raise BadExpression(
        f"{ast.unparse(node)!r} is not allowed in {text!r}",
        "use numbers, names, + - * / ** and min, max, abs, clamp",
    )


def _power(base: float, exponent: float, text: str) -> float:
    if abs(exponent) > EXPONENT_MAX:
        raise BadExpression(f"{text!r} has an exponent of {exponent:g}", f"use at most {EXPONENT_MAX:g}")
    value = base**exponent
    if isinstance(value, complex):
        raise BadExpression(f"{text!r} is the root of a negative number")
    return float(value)


def _call(name: str, values: list[float], text: str) -> float:
    if name not in _CALLS:
        raise BadExpression(f"unknown function {name!r} in {text!r}", suggest(name, _CALLS, "there is"))
    least, most = _CALLS[name]
    if not least <= len(values) <= most:
        raise BadExpression(f"{name} in {text!r} has {len(values)} arguments", f"it takes {least} to {most}")
    if name == "clamp":
        return min(max(values[0], values[1]), values[2])
    if name == "abs":
        return abs(values[0])
    return min(values) if name == "min" else max(values)
