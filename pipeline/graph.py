"""The dataflow graph: operators, typed edges, deadlines, candidates. Everything that can be wrong is found here.

Decides whether a graph can run. Does not run it: engines do.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from enum import Enum
from typing import Any, TypeVar

from pipeline.deadlines import DeadlineSpec, Within
from pipeline.definition import Operator, Source
from pipeline.errors import InvalidDeadline, InvalidGraph, TwoWriters, UndeclaredCycle, WrongType
from pipeline.messages import Budget
from pipeline.ports import Input, JoinKind, Output, Port, Queue
from pipeline.race import MissPolicy
from pipeline.timestamps import Duration, format_duration, ms

T = TypeVar("T")

LOCAL = "local"
"""The candidate that the operator itself is."""


class ExecutionModel(Enum):
    """How a graph's operators are driven; the same operators under each."""

    PERIODIC = "periodic"
    """Each operator polls at its own rate and works on the newest joined inputs; no deadlines."""
    DATA_DRIVEN = "data-driven"
    """Operators run on arrival; no deadlines."""
    STATIC = "static"
    """Deadlines with their static budget."""
    DYNAMIC = "dynamic"
    """Deadlines whose budget a policy sets while driving."""


@dataclass(frozen=True)
class Edge:
    """A stream's way from its writer to one reader."""

    source: Output[Any]
    target: Input[Any]
    feedback: bool = False


@dataclass(frozen=True)
class CandidateSpec:
    """Another way to answer for an operator."""

    name: str
    operator: Operator
    rank: int
    within: Duration | None
    remote: bool
    after: str | None


@dataclass
class Graph:
    """Builds a dataflow.

    ``connect``, ``deadline`` and ``candidate`` refuse what can be seen at once, ``validate`` the rest.
    """

    name: str
    execution: ExecutionModel = ExecutionModel.DYNAMIC
    operators: dict[str, Operator] = field(default_factory=dict)
    edges: list[Edge] = field(default_factory=list)
    deadlines: list[DeadlineSpec] = field(default_factory=list)
    candidates: dict[str, list[CandidateSpec]] = field(default_factory=dict)
    periods: dict[str, Duration] = field(default_factory=dict)
    """Periodic model: each operator's period; missing ones take ``default_period``."""
    queues: dict[str, Queue] = field(default_factory=dict)
    """Queue rules that differ from the operator's own: ``operator.port`` → rule."""
    default_period: Duration = ms(50)
    check_finite: bool | None = None
    """Refuse answers with NaN or infinity in them: True, False, or None for the wall clock's engines alone."""

    # -- building ----------------------------------------------------------------------------------------------------

    def add(self, operator: Operator, name: str | None = None) -> Operator:
        """Give an operator its name in the graph (default: its class in snake_case, numbered when taken)."""
        if operator.name and self.operators.get(operator.name) is operator:
            if name is None or name == operator.name:
                return operator
            raise TwoWriters(
                f"{operator.name} is in the graph already", where=self.name, hint="an operator has one name"
            )
        if name is None:
            base = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", type(operator).__name__).lower()
            name, n = base, 2
            while name in self.operators:
                name, n = f"{base}_{n}", n + 1
        if name in self.operators:
            raise TwoWriters(f"two operators are called {name!r}", where=self.name, hint="give one another name")
        if not re.fullmatch(r"[A-Za-z_][\w-]*(/[A-Za-z_][\w-]*)*", name):
            raise InvalidGraph(f"{name!r} is not a name", where=self.name, hint="use letters, digits, _ and -")
        operator.name = name
        self.operators[name] = operator
        return operator

    def connect(self, source: Output[T], target: Input[T], *, feedback: bool = False) -> None:
        """Let ``target`` read what ``source`` writes. ``feedback``: this edge closes a cycle; the reader samples it."""
        writer, reader = self._owner(source), self._owner(target)
        if not issubclass(source.type_, target.type_):
            raise WrongType(
                f"{source} writes {source.type_.__name__}, {target} reads {target.type_.__name__}", where=self.name
            )
        for edge in self.edges:
            if edge.target is target:
                raise TwoWriters(f"{target} is written by {edge.source} and {source}", where=self.name)
        if feedback and target.join.kind is not JoinKind.LATEST:
            raise UndeclaredCycle(
                f"{target} is fed back but joined {target.join.kind.value}",
                where=self.name,
                hint="a fed-back input must be joined latest(): its message for t cannot exist before t is answered",
            )
        self.add(writer)
        self.add(reader)
        self.edges.append(Edge(source, target, feedback))

    def deadline(
        self,
        output: Output[Any],
        *,
        within: Within,
        since: Output[Any] | None = None,
        static: Duration | None = None,
        policy: MissPolicy | str = MissPolicy.ABORT,
        handler_budget: Duration = ms(5),
        reserve: Mapping[str, Duration] | None = None,
        name: str | None = None,
    ) -> None:
        """``output`` must be sealed ``within`` a budget: from the operator's first input of t, or ``since`` a stream.

        ``within`` is a Duration or the output of a policy that writes Budgets; ``static`` is what holds in the static
        model and before the first Budget.
        """
        operator = self.add(self._owner(output))
        if isinstance(within, Output):
            if within.type_ is not Budget:
                raise WrongType(f"{within} writes {within.type_.__name__}, a budget must be a Budget", where=self.name)
            self.add(self._owner(within))
        for value, label in ((within, "within"), (static, "static"), (handler_budget, "handler_budget")):
            if isinstance(value, int) and value <= 0:
                raise InvalidDeadline(
                    f"deadline on {output}: {label} is {format_duration(value)}",
                    where=self.name,
                    hint="must be positive",
                )
        if since is not None:
            self.add(self._owner(since))
        self._add_deadline(
            DeadlineSpec(
                name=name or str(output),
                output=str(output),
                operator=operator.name,
                within=within,
                static=static,
                since=str(since) if since is not None else None,
                policy=MissPolicy(policy),
                handler_budget=handler_budget,
                reserve=dict(reserve or {}),
            )
        )

    def frequency(
        self, output: Output[Any], *, every: Duration, handler_budget: Duration = ms(5), name: str | None = None
    ) -> None:
        """At most ``every`` between two answers on ``output``; else the handler may answer for the expected
        timestamp.
        """
        operator = self.add(self._owner(output))
        if every <= 0:
            raise InvalidDeadline(f"frequency deadline on {output}: {format_duration(every)}", hint="must be positive")
        self._add_deadline(
            DeadlineSpec(
                name=name or f"{output}.frequency",
                output=str(output),
                operator=operator.name,
                within=every,
                every=True,
                handler_budget=handler_budget,
            )
        )

    def candidate(
        self,
        operator: Operator,
        implementation: Operator,
        *,
        name: str,
        rank: int,
        within: Duration | None = None,
        remote: bool = False,
        after: str | None = None,
    ) -> None:
        """Let ``implementation`` race against ``operator`` (itself the candidate "local", rank 0) for every timestamp.

        ``within``: its own deadline, counted from its start. ``after``: it starts when that candidate has finished.
        """
        self.add(operator)
        specs = self.candidates.setdefault(operator.name, [])
        where = f"{self.name}: candidate {name!r} of {operator.name}"
        if name in (LOCAL, *(s.name for s in specs)):
            raise InvalidGraph("the name is taken", where=where)
        if rank in (0, *(s.rank for s in specs)):
            raise InvalidGraph(
                f"rank {rank} is taken", where=where, hint="no two candidates of a race rank equal; local is 0"
            )
        if within is not None and within <= 0:
            raise InvalidDeadline(f"its deadline is {format_duration(within)}", where=where, hint="must be positive")
        if after is not None and after not in (LOCAL, *(s.name for s in specs)):
            raise InvalidGraph(f"it starts after {after!r}, which is no candidate declared before it", where=where)
        mine = {port.name: port for port in operator.inputs()}
        for port in implementation.inputs():
            if port.name not in mine or not issubclass(mine[port.name].type_, port.type_):
                raise WrongType(f"its input {port.name} is not one of {operator.name}'s", where=where)
        if [(p.name, p.type_) for p in implementation.outputs()] != [(p.name, p.type_) for p in operator.outputs()]:
            raise WrongType(f"its outputs are not those of {operator.name}", where=where)
        implementation.name = f"{operator.name}.{name}"
        specs.append(CandidateSpec(name, implementation, rank, within, remote, after))

    def include(self, other: Graph, prefix: str | None = None) -> None:
        """Take over another graph's operators, edges, deadlines and candidates under ``prefix/``; connect them by
        their ports.
        """
        stem = f"{prefix}/" if prefix else ""
        renamed = {name: stem + name for name in other.operators}
        for old, operator in other.operators.items():
            operator.name = ""
            self.add(operator, renamed[old])
        for old, specs in other.candidates.items():
            for spec in specs:
                spec.operator.name = f"{renamed[old]}.{spec.name}"
            self.candidates[renamed[old]] = list(specs)
        self.edges += other.edges

        def port(path: str) -> str:
            operator, _, name = path.rpartition(".")
            return f"{renamed[operator]}.{name}"

        for spec_ in other.deadlines:
            self._add_deadline(
                replace(
                    spec_,
                    name=stem + spec_.name,
                    output=port(spec_.output),
                    operator=renamed[spec_.operator],
                    since=port(spec_.since) if spec_.since else None,
                    reserve={renamed[k]: v for k, v in spec_.reserve.items()},
                )
            )
        self.periods.update({renamed[k]: v for k, v in other.periods.items()})
        self.queues.update({port(k): v for k, v in other.queues.items()})

    def period(self, operator: Operator, period: Duration) -> None:
        """How often the operator runs in the periodic model."""
        if period <= 0:
            raise InvalidGraph(f"period of {operator}: {format_duration(period)}", hint="must be positive")
        self.periods[self.add(operator).name] = period

    # -- reading -----------------------------------------------------------------------------------------------------

    def writers(self, operator: Operator) -> Iterator[tuple[Input[Any], Output[Any]]]:
        """The operator's connected inputs with their writers."""
        for edge in self.edges:
            if edge.target.owner is operator:
                yield edge.target, edge.source

    def order(self) -> list[str]:
        """Names in topological order (feedback edges left out), ties in order of addition. Raises UndeclaredCycle."""
        names = list(self.operators)
        ahead: dict[str, set[str]] = {name: set() for name in names}
        for edge in self.edges:
            if not edge.feedback:
                ahead[self._owner(edge.target).name].add(self._owner(edge.source).name)
        ordered: list[str] = []
        done: set[str] = set()
        while len(ordered) < len(names):
            free = [n for n in names if n not in done and ahead[n] <= done]
            if not free:
                cycle = " → ".join(n for n in names if n not in done)
                raise UndeclaredCycle(
                    f"cycle among {cycle}",
                    where=self.name,
                    hint="declare the edge that closes it: connect(…, feedback=True)",
                )
            ordered += free
            done.update(free)
        return ordered

    def path(self, since: str, to: str) -> dict[str, list[str]]:
        """The operators on any way from the writer of ``since`` to the operator ``to``, each with its successors
        there.
        """
        first = since.rpartition(".")[0]
        successors: dict[str, list[str]] = {name: [] for name in self.operators}
        for edge in self.edges:
            source, target = self._owner(edge.source).name, self._owner(edge.target).name
            starts_elsewhere = source == first and str(edge.source) != since
            if not edge.feedback and not starts_elsewhere and target not in successors[source]:
                successors[source].append(target)
        reaches = {to}
        for name in reversed(self.order()):
            if any(s in reaches for s in successors[name]):
                reaches.add(name)
        on_path: dict[str, list[str]] = {}
        frontier = [first]
        while frontier:
            name = frontier.pop()
            if name in reaches and name not in on_path:
                on_path[name] = [] if name == to else [s for s in successors[name] if s in reaches]
                frontier += on_path[name]
        return on_path if to in on_path else {}

    def validate(self) -> None:
        """Raise the InvalidGraph that says what keeps this graph from running."""
        from pipeline.validation import validate

        validate(self)

    # -- inside ------------------------------------------------------------------------------------------------------

    def _owner(self, port: Port[Any]) -> Operator:
        if port.owner is None:
            raise InvalidGraph(
                f"{port.name} belongs to a class, not to an operator", hint="use the port of an instance"
            )
        return port.owner

    def _add_deadline(self, spec: DeadlineSpec) -> None:
        if any(d.name == spec.name for d in self.deadlines):
            raise InvalidDeadline(
                f"two deadlines are called {spec.name!r}", where=self.name, hint="give one another name"
            )
        self.deadlines.append(spec)


def sources(graph: Graph) -> list[Source]:
    """The graph's sources in order of addition."""
    return [operator for operator in graph.operators.values() if isinstance(operator, Source)]
