"""How a graph becomes an ERDOS graph: which operators share a node, which streams go between nodes.

ERDOS' Python API has operators of at most two inputs and two outputs, reports watermarks of several inputs only as
their minimum, and wants every process to connect the same operators in the same order. So each group of operators is
one node, with an ERDOS Source for every stream that leaves it and a Sink for every stream that comes in.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any

import msgspec

from pipeline.definition import Operator
from pipeline.engines.border import queue_of, readers
from pipeline.graph import Graph


class Throttle(msgspec.Struct, frozen=True):
    """A reader elsewhere whose blocking queue holds the writer back."""

    operator: str
    node: int
    depth: int


class StreamPlan(msgspec.Struct, frozen=True):
    """One stream between nodes."""

    name: str
    writer: int
    readers: tuple[int, ...]
    throttles: tuple[Throttle, ...] = ()


class Plan(msgspec.Struct, frozen=True):
    """Which operators each node runs, and the streams between nodes, in the order in which ERDOS connects them."""

    nodes: tuple[tuple[str, ...], ...]
    streams: tuple[StreamPlan, ...]


def plan(graph: Graph, together: Collection[str] = ()) -> Plan:
    """One node per operator; operators that hold the same world, and those in ``together``, share one."""
    nodes: list[list[str]] = []
    holders: dict[Any, list[str]] = {}
    for name in graph.order():
        rivals = [spec.operator for spec in graph.candidates.get(name, [])]
        held: list[Any] = [world for each in (graph.operators[name], *rivals) for world in worlds(each)]
        held += ["together"] if name in together else []
        group = next((holders[each] for each in held if each in holders), None)
        if group is None:
            group = []
            nodes.append(group)
        group.append(name)
        for each in held:
            holders[each] = group
    return Plan(tuple(tuple(group) for group in nodes), tuple(_streams(graph, _node_of(nodes))))


def fits(planned: Plan, graph: Graph) -> bool:
    """True if ``graph``, made in another process, is the one that was planned for."""
    node_of = _node_of(planned.nodes)
    return set(node_of) == set(graph.operators) and tuple(_streams(graph, node_of)) == planned.streams


def _node_of(nodes: Sequence[Sequence[str]]) -> dict[str, int]:
    return {name: i for i, group in enumerate(nodes) for name in group}


def worlds(operator: Operator) -> list[int]:
    """Identities of the worlds that an operator holds."""
    held = [getattr(operator, name, None) for name in ("world", "_world")]
    return [id(world) for world in held if world is not None]


def _streams(graph: Graph, node_of: dict[str, int]) -> list[StreamPlan]:
    found = []
    for name in graph.order():
        for port in graph.operators[name].outputs():
            stream = str(port)
            outside = [r for r in sorted(readers(graph, stream)) if node_of[r] != node_of[name]]
            if outside:
                elsewhere = tuple(sorted({node_of[reader] for reader in outside}))
                throttles = _throttles(graph, stream, outside, node_of)
                found.append(StreamPlan(stream, node_of[name], elsewhere, tuple(throttles)))
    return found


def _throttles(graph: Graph, stream: str, outside: list[str], node_of: dict[str, int]) -> list[Throttle]:
    found = []
    for edge in graph.edges:
        reader = edge.target.owner
        if str(edge.source) != stream or reader is None or reader.name not in outside:
            continue
        queue = queue_of(graph, reader.name)
        if queue is not None and queue.rule == "block" and reader.inputs()[0].name == edge.target.name:
            found.append(Throttle(reader.name, node_of[reader.name], queue.depth))
    return found
