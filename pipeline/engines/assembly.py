"""From a validated graph to wired stages, the same for every engine."""

from __future__ import annotations

from dataclasses import dataclass, field

from pipeline.deadlines import (
    BudgetInForce,
    DeadlineSpec,
    EndToEndDeadline,
    RelativeDeadline,
    reserves_behind,
)
from pipeline.engines.border import Border, deadlines, queue_of
from pipeline.engines.stage import Stage
from pipeline.engines.streams import Stream
from pipeline.engines.watch import ArmedBy
from pipeline.engines.work import Host
from pipeline.graph import ExecutionModel, Graph
from pipeline.ports import JoinKind, Output, keep_last


@dataclass
class Assembled:
    """The stages that run here, in topological order, and what comes in from elsewhere."""

    stages: dict[str, Stage] = field(default_factory=dict)
    entries: dict[str, list[tuple[Stage, int]]] = field(default_factory=dict)
    """Streams written elsewhere → their readers here."""
    budgets: dict[str, list[BudgetInForce]] = field(default_factory=dict)
    """Streams written elsewhere → the budgets that they set here."""
    end_to_end: dict[str, EndToEndDeadline] = field(default_factory=dict)


def assemble(graph: Graph, host: Host) -> dict[str, Stage]:
    """The stages of a whole graph, wired, in topological order and numbered in that order."""
    return assemble_part(graph, host, Border(frozenset(graph.operators))).stages


def assemble_part(graph: Graph, host: Host, border: Border) -> Assembled:
    """The local stages of a graph, with streams, candidates and deadlines in place. Raises InvalidGraph."""
    graph.validate()
    periodic = graph.execution is ExecutionModel.PERIODIC
    here = Assembled()
    for number, name in enumerate(graph.order()):
        if name in border.local:
            queue = queue_of(graph, name) or keep_last(1)
            here.stages[name] = Stage(host, graph.operators[name], number, queue, periodic=periodic)
    for name, stage in here.stages.items():
        for port in stage.operator.outputs():
            stage.streams.append(_outgoing(graph, here, host, stage, port, border))
        for spec in graph.candidates.get(name, []):
            stage.rivals.add(spec)
    for edge in graph.edges:
        reader = here.stages.get(edge.target.owner.name) if edge.target.owner is not None else None
        if reader is not None and edge.source.owner is not None and edge.source.owner.name not in border.local:
            here.entries.setdefault(str(edge.source), []).append((reader, reader.index[edge.target.name]))
    for deadline in deadlines(graph):
        _attach(graph, here, host, deadline)
    return here


def _outgoing(graph: Graph, here: Assembled, host: Host, stage: Stage, port: Output[object], border: Border) -> Stream:
    stream = Stream(host, f"{stage.name}.{port.name}", port.name, port.type_)
    stream.exit = border.exits.get(stream.name)
    for edge in graph.edges:
        reader = here.stages.get(edge.target.owner.name) if edge.target.owner is not None else None
        if edge.source is port and reader is not None:
            stream.readers.append((reader, reader.index[edge.target.name]))
    throttling = [r for r, index in stream.readers if index == 0 and r.intake.queue.rule == "block"]
    if throttling or (stream.exit is not None and stream.exit.throttled):
        stage.throttles.append(stream)
    for reader in throttling:
        reader.intake.writers.append(stage)
    return stream


def _attach(graph: Graph, here: Assembled, host: Host, spec: DeadlineSpec) -> None:
    stages = here.stages
    if spec.every:
        if spec.operator in stages:
            stages[spec.operator].watch.frequency = spec
        return
    budget = BudgetInForce(spec, dynamic=graph.execution is ExecutionModel.DYNAMIC)
    if isinstance(spec.within, Output):
        policy = _stream(stages, str(spec.within))
        if policy is not None:
            policy.budgets.append((spec.name, budget))
        else:
            here.budgets.setdefault(str(spec.within), []).append(budget)
    if spec.since is not None:
        _attach_path(graph, here, host, spec, budget)
    elif spec.operator in stages:
        stage = stages[spec.operator]
        exact = frozenset(i for i, p in enumerate(stage.operator.inputs()) if p.join.kind is JoinKind.EXACT)
        stage.watch.starting.append(ArmedBy(spec, RelativeDeadline(spec, budget), exact))


def _attach_path(graph: Graph, here: Assembled, host: Host, spec: DeadlineSpec, budget: BudgetInForce) -> None:
    assert spec.since is not None
    stages = here.stages
    path = graph.path(spec.since, spec.operator)
    order = [name for name in graph.order() if name in path]
    reserve = {name: int(spec.reserve.get(name, host.latency.least(name))) for name in order}
    end_to_end = EndToEndDeadline(spec, budget, reserves_behind(path, order, reserve), reserve)
    here.end_to_end[spec.name] = end_to_end
    start = _stream(stages, spec.since)
    if start is not None:
        start.starts.append(end_to_end)
    local = [name for name in order if name in stages]
    if local:
        stages[local[-1]].watch.ends.append(end_to_end)
    first = spec.since.rpartition(".")[0]
    for name in local:
        stage = stages[name]
        for stream in stage.streams:
            stream.under.append(end_to_end)
        if name == first:
            continue
        inputs = frozenset(
            stage.index[edge.target.name]
            for edge in graph.edges
            if edge.target.owner is stage.operator and _on_path(edge.source, spec.since, first, path)
        )
        stage.watch.starting.append(ArmedBy(spec, end_to_end, inputs))


def _on_path(source: Output[object], since: str, first: str, path: dict[str, list[str]]) -> bool:
    writer = source.owner.name if source.owner is not None else ""
    return str(source) == since if writer == first else writer in path


def _stream(stages: dict[str, Stage], path: str) -> Stream | None:
    """The stream called ``operator.port`` if it is written here."""
    name, _, port = path.rpartition(".")
    stage = stages.get(name)
    return next((stream for stream in stage.streams if stream.port == port), None) if stage is not None else None
