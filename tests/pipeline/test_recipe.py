"""Recipes: how another process makes the same graph."""

from __future__ import annotations

import pytest

from pipeline import Graph, UsageError
from pipeline.errors import UnknownOperator
from pipeline.recipe import Recipe

HERE = __name__


class Holder:
    def __init__(self, graph: object) -> None:
        self.graph, self.latency, self.world = graph, None, "the world"


def small(name: str = "small") -> Graph:
    return Graph(name)


def held(local: frozenset[str] | None) -> Holder:
    return Holder(Graph(" ".join(sorted(local)) if local is not None else "all"))


def nothing() -> None:
    return None


NOT_CALLABLE = 7


def recipe(name: str, /, **args: object) -> Recipe:
    return Recipe(f"{HERE}:{name}", args)


@pytest.fixture(autouse=True)
def _importable(monkeypatch: pytest.MonkeyPatch) -> None:
    import sys

    monkeypatch.setitem(sys.modules, HERE, sys.modules[small.__module__])


def test_a_function_is_called_with_the_arguments() -> None:
    assert recipe("small", name="other").build().name == "other"


def test_a_function_that_asks_is_told_who_runs_here() -> None:
    made = recipe("held").make(frozenset({"b", "a"}))
    assert (made.graph.name, made.world) == ("a b", "the world")
    assert recipe("held").build().name == "all"


@pytest.mark.parametrize(
    ("name", "args", "says"),
    [
        ("nothing", {}, "returned NoneType, not a Graph"),
        ("NOT_CALLABLE", {}, "7 is not a function"),
        ("small", {"colour": "red"}, "cannot be called with {'colour': 'red'}"),
    ],
)
def test_a_recipe_that_makes_no_graph_says_so(name: str, args: dict[str, object], says: str) -> None:
    with pytest.raises(UsageError) as caught:
        recipe(name, **args).build()
    assert says in caught.value.what
    assert name in caught.value.where


@pytest.mark.parametrize("use", ["no_such_module:graph", "no_colon"])
def test_a_recipe_that_cannot_be_found_says_so(use: str) -> None:
    with pytest.raises(UnknownOperator, match="recipe"):
        Recipe(use).build()


@pytest.mark.parametrize("argument", [object(), (1, 2), {3: 4}])
def test_arguments_that_change_on_the_way_are_refused(argument: object) -> None:
    with pytest.raises(UsageError, match="argument"):
        recipe("small", name=argument).check_sendable()


def test_plain_arguments_may_be_sent() -> None:
    recipe("small", name="x", more=[1, 2.5, None, {"a": True}]).check_sendable()
