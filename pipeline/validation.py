"""What a graph must fulfil before it runs. Each rule raises the InvalidGraph that names the place and the remedy."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pipeline.definition import Operator, Source
from pipeline.errors import InvalidDeadline, InvalidGraph, UnconnectedInput
from pipeline.ports import JoinKind

if TYPE_CHECKING:
    from pipeline.graph import Graph


def validate(graph: Graph) -> None:
    """Check every operator, candidate and deadline, and that the graph has no undeclared cycle."""
    if not any(isinstance(operator, Source) for operator in graph.operators.values()):
        raise InvalidGraph("no source: nothing would ever happen", where=graph.name)
    connected = {id(edge.target) for edge in graph.edges}
    for operator in graph.operators.values():
        _check_operator(graph, operator)
        for port in operator.inputs():
            if id(port) not in connected and port.required:
                raise UnconnectedInput(
                    f"{port} reads {port.type_.__name__} but nothing writes to it", where=graph.name, hint="connect it"
                )
    graph.order()
    for spec in graph.deadlines:
        if spec.since is not None and not graph.path(spec.since, spec.operator):
            raise InvalidDeadline(
                f"deadline {spec.name!r}: no path from {spec.since} to {spec.output}", where=graph.name
            )
        unknown = [name for name in spec.reserve if name not in graph.operators]
        if unknown:
            raise InvalidDeadline(
                f"deadline {spec.name!r}: reserve for unknown operator {unknown[0]!r}", where=graph.name
            )
    _check_candidates(graph)


def _check_operator(graph: Graph, operator: Operator) -> None:
    inputs, outputs = operator.inputs(), operator.outputs()
    if isinstance(operator, Source):
        if inputs:
            raise InvalidGraph(f"source {operator} has inputs", where=graph.name, hint="make it an Operator")
        if operator.period <= 0:
            raise InvalidGraph(
                f"source {operator} has no period", where=graph.name, hint="set period, for example ms(50)"
            )
    elif not inputs:
        raise InvalidGraph(f"{operator} has no inputs: it would never run", where=graph.name, hint="make it a Source")
    elif inputs[0].join.kind is not JoinKind.EXACT:
        raise InvalidGraph(
            f"{inputs[0]} is the trigger but joined {inputs[0].join.kind.value}",
            where=graph.name,
            hint="the first input sets the timestamps: join it exact()",
        )
    for port in inputs:
        if port.join.kind is JoinKind.EXACT and not port.required:
            raise InvalidGraph(f"{port} is joined exact but not required", where=graph.name, hint="use latest(…)")
    if operator.reentrant and operator.states():
        raise InvalidGraph(f"{operator} is re-entrant but has state {operator.states()[0].name}", where=graph.name)
    if operator.newest and not operator.reentrant:
        raise InvalidGraph(f"{operator} commits newest first but is not re-entrant", where=graph.name)
    if not outputs and any(spec.operator == operator.name for spec in graph.deadlines):
        raise InvalidDeadline(f"{operator} has a deadline but no output", where=graph.name)


def _check_candidates(graph: Graph) -> None:
    bounded = {
        name for spec in graph.deadlines if not spec.every for name in _bounded_by(graph, spec.since, spec.operator)
    }
    for name, specs in graph.candidates.items():
        for spec in specs:
            if spec.remote and spec.within is None and name not in bounded:
                raise InvalidDeadline(
                    f"remote candidate {spec.name!r} of {name} has no deadline of its own, and neither has {name}",
                    where=graph.name,
                    hint="a dead link would be waited for without end; set within=…",
                )


def _bounded_by(graph: Graph, since: str | None, operator: str) -> list[str]:
    return [operator] if since is None else list(graph.path(since, operator))
