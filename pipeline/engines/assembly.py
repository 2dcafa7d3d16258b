"""From a validated graph to wired stages, the same for every engine."""

from __future__ import annotations

from pipeline.deadlines import (
    BudgetInForce,
    DeadlineSpec,
    EndToEndDeadline,
    RelativeDeadline,
    reserves_behind,
)
from pipeline.engines.stage import Stage
from pipeline.engines.streams import Stream
from pipeline.engines.watch import ArmedBy
from pipeline.engines.work import Host
from pipeline.graph import ExecutionModel, Graph
from pipeline.ports import JoinKind, Output, keep_last


def assemble(graph: Graph, host: Host) -> dict[str, Stage]:
    """Stages in topological order, numbered in that order, with streams, candidates and deadlines in place."""
    graph.validate()
    periodic = graph.execution is ExecutionModel.PERIODIC
    stages: dict[str, Stage] = {}
    for number, name in enumerate(graph.order()):
        operator = graph.operators[name]
        inputs = operator.inputs()
        default = inputs[0].queue if inputs else keep_last(1)
        queue = graph.queues.get(f"{name}.{inputs[0].name}", default) if inputs else default
        stages[name] = Stage(host, operator, number, queue, periodic=periodic)
    for name, stage in stages.items():
        for port in stage.operator.outputs():
            stream = Stream(host, f"{name}.{port.name}", port.name, port.type_)
            stage.streams.append(stream)
            for edge in graph.edges:
                if edge.source is port and edge.target.owner is not None:
                    reader = stages[edge.target.owner.name]
                    stream.readers.append((reader, reader.index[edge.target.name]))
            throttling = [r for r, index in stream.readers if index == 0 and r.intake.queue.rule == "block"]
            if throttling:
                stage.throttles.append(stream)
            for reader in throttling:
                reader.intake.writers.append(stage)
        for spec in graph.candidates.get(name, []):
            stage.rivals.add(spec)
    if graph.execution in (ExecutionModel.STATIC, ExecutionModel.DYNAMIC):
        for deadline in graph.deadlines:
            _attach(graph, stages, host, deadline)
    return stages


def _attach(graph: Graph, stages: dict[str, Stage], host: Host, spec: DeadlineSpec) -> None:
    if spec.every:
        stages[spec.operator].watch.frequency = spec
        return
    budget = BudgetInForce(spec, dynamic=graph.execution is ExecutionModel.DYNAMIC)
    if isinstance(spec.within, Output):
        _stream(stages, str(spec.within)).budgets.append((spec.name, budget))
    if spec.since is None:
        stage = stages[spec.operator]
        exact = frozenset(i for i, p in enumerate(stage.operator.inputs()) if p.join.kind is JoinKind.EXACT)
        stage.watch.starting.append(ArmedBy(spec, RelativeDeadline(spec, budget), exact))
        return
    path = graph.path(spec.since, spec.operator)
    order = [name for name in stages if name in path]
    reserve = {name: int(spec.reserve.get(name, host.latency.expected(name, ""))) for name in order}
    end_to_end = EndToEndDeadline(spec, budget, reserves_behind(path, order, reserve), reserve)
    _stream(stages, spec.since).starts.append(end_to_end)
    stages[spec.operator].watch.ends.append(end_to_end)
    first = spec.since.rpartition(".")[0]
    for name in order:
        if name == first:
            continue
        stage = stages[name]
        inputs = frozenset(
            stage.index[edge.target.name]
            for edge in graph.edges
            if edge.target.owner is stage.operator and _on_path(edge.source, spec.since, first, path)
        )
        stage.watch.starting.append(ArmedBy(spec, end_to_end, inputs))


def _on_path(source: Output[object], since: str, first: str, path: dict[str, list[str]]) -> bool:
    writer = source.owner.name if source.owner is not None else ""
    return str(source) == since if writer == first else writer in path


def _stream(stages: dict[str, Stage], path: str) -> Stream:
    name, _, port = path.rpartition(".")
    return next(stream for stream in stages[name].streams if stream.port == port)
