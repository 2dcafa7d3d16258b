"""How another process makes the same graph: a function's name and plain arguments. Nothing is pickled.

Finds and calls the function. Does not decide which operators of the graph run where.
"""

from __future__ import annotations

import inspect
from dataclasses import dataclass
from typing import Any

import msgspec

from pipeline import registry
from pipeline.errors import UsageError
from pipeline.graph import Graph
from pipeline.latency import LatencyModel

RECIPES = "skylane.recipes"


@dataclass(frozen=True)
class Made:
    """What a recipe has made."""

    graph: Graph
    latency: LatencyModel | None = None
    world: Any = None

    def outcome(self) -> dict[str, Any]:
        """What the world has to say about the drive, as plain values."""
        from pipeline.running import outcome

        return outcome(self.world)


class Recipe(msgspec.Struct, frozen=True):
    """``module:function`` that returns a Graph (or something with a ``graph``), and its arguments: JSON values only."""

    use: str
    args: dict[str, Any] = {}
    path: tuple[str, ...] = ()
    """Folders in which the other process finds modules besides those that are installed."""

    def build(self) -> Graph:
        """The graph. Raises UsageError when the function cannot be found or called, or returns something else."""
        return self.make().graph

    def make(self, local: frozenset[str] | None = None) -> Made:
        """The graph with its latencies and its world, where the function returns those as well.

        ``local``: the operators that will run here, for a function that asks for it by a parameter of that name.
        Raises UsageError as ``build``; what the function itself raises goes through.
        """
        function = registry.find(RECIPES, self.use, "recipe")
        where = f"recipe {self.use}"
        if not callable(function):
            raise UsageError(
                f"{function!r} is not a function", where=where, hint="name a function that returns a Graph"
            )
        arguments = dict(self.args)
        try:
            signature = inspect.signature(function)
            if "local" in signature.parameters and "local" not in arguments:
                arguments["local"] = local
            signature.bind(**arguments)
        except (TypeError, ValueError) as error:
            raise UsageError(f"cannot be called with {self.args!r}: {error}", where=where) from error
        result = function(**arguments)
        if isinstance(result, Graph):
            return Made(result)
        graph = getattr(result, "graph", None)
        if not isinstance(graph, Graph):
            raise UsageError(
                f"returned {type(result).__name__}, not a Graph",
                where=where,
                hint="end the function with `return graph`",
            )
        return Made(graph, getattr(result, "latency", None), getattr(result, "world", None))

    def check_sendable(self) -> None:
        """Raises UsageError when the arguments are not plain JSON values that come back as they were."""
        try:
            back = msgspec.json.decode(msgspec.json.encode(self.args))
        except (TypeError, msgspec.MsgspecError, NotImplementedError) as error:
            raise UsageError(f"arguments cannot be sent: {error}", where=f"recipe {self.use}") from error
        if back != self.args:
            raise UsageError(
                "arguments do not survive as JSON",
                where=f"recipe {self.use}",
                hint="use strings, numbers, booleans, lists and mappings with string keys",
            )
