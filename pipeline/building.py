"""Launch file → graph, world and latencies, ready to run. Finds every mistake that needs the operators' classes.

Runs nothing: that is ``running``.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pipeline import registry
from pipeline.construction import BLANK, BROKEN, construct, takes
from pipeline.definition import Operator, Source
from pipeline.errors import InvalidLaunchFile, MissingExtra, SkylaneError, UnknownOperator
from pipeline.exclusive import Exclusive
from pipeline.graph import ExecutionModel, Graph
from pipeline.latency import MEASURED, Latency, LatencyModel, Profile
from pipeline.launchfile import LaunchFile, Problems, parse
from pipeline.located import FieldPath
from pipeline.ports import Input, Output
from pipeline.settings import CandidateSettings, DeadlineSettings, OperatorSettings, Settings, StreamName
from pipeline.suggestions import suggest


@dataclass
class Built:
    """One variant of a launch file, ready to run once: the world in it is not reusable."""

    variant: str
    settings: Settings
    graph: Graph
    latency: LatencyModel
    world: Any | None
    text: str
    """The launch file with every override applied."""
    unprofiled: tuple[str, ...] = ()
    """Operators whose work takes no time on the virtual clock, since neither the file nor the profile says."""
    worldly: frozenset[str] = frozenset()
    """Operators that need the world, and so share its process."""


def build(launch: LaunchFile, variant: str = "", *, local: frozenset[str] | None = None) -> Built:
    """Build one variant. ``local``: only these operators will run here; the others have their ports and no more.

    Raises the UsageError that names each mistake with its line.
    """
    if variant not in launch.variants:
        raise InvalidLaunchFile(
            f"there is no variant {variant!r}",
            where=str(launch.path),
            hint=suggest(variant, filter(None, launch.variants)),
        )
    settings = launch.variants[variant]
    builder = _Builder(settings, Problems(launch.located[variant]), local)
    return builder.build(variant, launch.text(variant))


def rebuild(text: str, path: str, local: frozenset[str] | None = None) -> Built:
    """Build in another process what ``Built.text`` says: the recipe of a launch file."""
    return build(parse(text, Path(path)), local=local)


@dataclass(frozen=True)
class _Noted:
    """Notes a SkylaneError raised inside as a mistake at ``path``, and goes on behind the block."""

    problems: Problems
    path: FieldPath

    def __enter__(self) -> None: ...

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> bool:
        if not isinstance(error, SkylaneError):
            return False
        noted = type(error) if isinstance(error, (UnknownOperator, MissingExtra)) else InvalidLaunchFile
        found = noted(error.what, where=self.problems.where(self.path), hint=error.hint)
        found.__cause__ = error
        self.problems.found.append(found)
        return True


@dataclass
class _Builder:
    settings: Settings
    problems: Problems
    local: frozenset[str] | None = None
    operators: dict[str, Operator] = field(default_factory=dict)
    world: Any | None = None
    rows: dict[str, Mapping[str, Latency]] = field(default_factory=dict)
    unprofiled: list[str] = field(default_factory=list)
    worldly: list[str] = field(default_factory=list)

    def build(self, variant: str, text: str) -> Built:
        self.graph = Graph(self.settings.name, ExecutionModel(self.settings.execution))
        self.profile = self._profile()
        self._build_world()
        for name, settings in self.settings.operators.items():
            self._build_operator(name, settings)
        for name, settings in self.settings.operators.items():
            self._wire(name, settings)
        for name, settings in self.settings.operators.items():
            self._time(name, settings)
        for i, deadline in enumerate(self.settings.deadlines):
            self._deadline(deadline, ("deadlines", i))
        self.problems.raise_any()
        with self._at(()):
            self.graph.validate()
        self.problems.raise_any()
        latency = LatencyModel(self.settings.seed, self.rows)
        return Built(
            variant,
            self.settings,
            self.graph,
            latency,
            self.world,
            text,
            tuple(self.unprofiled),
            frozenset(self.worldly),
        )

    def _at(self, path: FieldPath) -> _Noted:
        return _Noted(self.problems, path)

    # -- parts -------------------------------------------------------------------------------------------------------

    def _profile(self) -> Profile | None:
        name = self.settings.profile
        if name is None:
            return None
        with self._at(("profile",)):
            is_file = "/" in name or name.endswith((".yaml", ".yml"))
            load = registry.find(registry.PROFILES, "from_file" if is_file else name, "latency profile")
            profile: Profile = load(name)
            return profile
        return None

    def _build_world(self) -> None:
        settings = self.settings.world
        if settings is None:
            return
        with self._at(("world", "use")):
            factory = registry.find(registry.WORLDS, settings.use, "world")
            offered = {"seed": self.settings.seed}
            blank = not any(self._needs_world(name) for name in self.settings.operators if self._is_local(name))
            self.world = construct(factory, settings.args, offered, ("world",), self.problems, blank=blank)
            if blank and self.world is not None:
                self.world = BLANK
            if self.world not in (None, BLANK) and self.settings.engine != "virtual":
                self.world = Exclusive(self.world)

    def _is_local(self, name: str) -> bool:
        return self.local is None or name in self.local

    def _needs_world(self, name: str) -> bool:
        settings = self.settings.operators[name]
        uses = [settings.use, *(each.use for each in settings.candidates.values() if each.enabled)]
        try:
            return any(takes(registry.find(registry.OPERATORS, use, "operator"), "world") for use in uses)
        except SkylaneError:
            return False  # reported where it is built

    def _construct(
        self, settings: OperatorSettings | CandidateSettings, path: FieldPath, *, blank: bool
    ) -> Operator | None:
        with self._at((*path, "use")):
            cls = registry.find(registry.OPERATORS, settings.use, "operator")
            if not (isinstance(cls, type) and issubclass(cls, Operator)):
                raise InvalidLaunchFile(f"{settings.use!r} is not an operator", hint="name a subclass of Operator")
            offered = {"world": self.world, "seed": self.settings.seed, "profile": self.settings.profile}
            if self.settings.world is not None and self.world is None:
                offered["world"] = BROKEN  # its own mistake is noted already
            operator: Operator | None = construct(
                cls, settings.args, offered, (*path, "args"), self.problems, blank=blank
            )
            return operator
        return None

    def _build_operator(self, name: str, settings: OperatorSettings) -> None:
        path: FieldPath = ("operators", name)
        operator = self._construct(settings, path, blank=not self._is_local(name))
        if operator is None:
            return
        if self.settings.world is not None and self._needs_world(name):
            self.worldly.append(name)
        with self._at(path):
            self.graph.add(operator, name)
            self.operators[name] = operator
        if isinstance(operator, Source):
            operator.period = settings.period or operator.period
            operator.offset = operator.offset if settings.offset is None else settings.offset
        elif settings.period is not None:
            self.graph.period(operator, settings.period)
        if settings.offset is not None and not isinstance(operator, Source):
            self.problems.add((*path, "offset"), f"{name} is not a source", "only sources tick by themselves")

    # -- wiring ------------------------------------------------------------------------------------------------------

    def _wire(self, name: str, settings: OperatorSettings) -> None:
        operator = self.operators.get(name)
        if operator is None:
            return
        path: FieldPath = ("operators", name)
        inputs = {port.name: port for port in operator.inputs()}
        for section, used in (("inputs", settings.inputs), ("queue", settings.queue), ("feedback", settings.feedback)):
            for port in used:
                if port not in inputs:
                    hint = suggest(port, inputs) or f"{name} has no inputs"
                    inside = (*path, section, port) if section != "feedback" else (*path, section)
                    self.problems.add(inside, f"{name} has no input {port!r}", hint)
        for port, stream in settings.inputs.items():
            source = self._output(stream, (*path, "inputs", port))
            if source is not None and port in inputs:
                self._connect(source, inputs[port], port in settings.feedback, (*path, "inputs", port))
        for port, rule in settings.queue.items():
            self.graph.queues[f"{name}.{port}"] = rule
        missing = [p for p in inputs.values() if p.required and p.name not in settings.inputs]
        for unconnected in missing:
            what = f"the input {unconnected} reads {unconnected.type_.__name__} but nothing is connected to it"
            self.problems.add(path, what, f"inputs: {{{unconnected.name}: operator.port}}{self._writers(unconnected)}")

    def _writers(self, port: Input[Any]) -> str:
        fitting = [str(o) for op in self.operators.values() for o in op.outputs() if issubclass(o.type_, port.type_)]
        return f"; written by {', '.join(fitting)}" if fitting else ""

    def _connect(self, source: Output[Any], target: Input[Any], feedback: bool, path: FieldPath) -> None:
        if not issubclass(source.type_, target.type_):
            writer = self.problems.located.place(("operators", source.owner.name if source.owner else ""))
            what = f"{source} writes {source.type_.__name__} ({writer}), {target} reads {target.type_.__name__}"
            self.problems.add(path, what, "connect a stream of that type" + self._writers(target))
            return
        with self._at(path):
            self.graph.connect(source, target, feedback=feedback)

    def _output(self, stream: StreamName, path: FieldPath) -> Output[Any] | None:
        """The output called ``stream``; None if there is none, which is noted, or its operator could not be built."""
        operator = self.operators.get(stream.operator)
        if operator is None:
            if stream.operator not in self.settings.operators:
                what = f"{str(stream)!r}: there is no operator {stream.operator!r}"
                self.problems.add(path, what, suggest(stream.operator, self.settings.operators), UnknownOperator)
            return None
        outputs = {port.name: port for port in operator.outputs()}
        if stream.port not in outputs:
            hint = suggest(stream.port, outputs) or f"{stream.operator} has no outputs"
            self.problems.add(path, f"{stream.operator} has no output {stream.port!r}", hint)
            return None
        return outputs[stream.port]

    # -- time --------------------------------------------------------------------------------------------------------

    def _time(self, name: str, settings: OperatorSettings) -> None:
        operator = self.operators.get(name)
        if operator is None:
            return
        path: FieldPath = ("operators", name)
        self._charge(name, settings.latency, settings.stage or name, operator)
        for candidate, candidate_settings in settings.candidates.items():
            if candidate_settings.enabled:
                self._candidate(operator, candidate, candidate_settings, settings, (*path, "candidates", candidate))
        if settings.deadline is not None:
            self._own_deadline(operator, settings, (*path, "deadline"))

    def _candidate(
        self,
        operator: Operator,
        name: str,
        settings: CandidateSettings,
        helped: OperatorSettings,
        path: FieldPath,
    ) -> None:
        implementation = self._construct(settings, path, blank=not self._is_local(operator.name))
        if implementation is None:
            return
        with self._at(path):
            self.graph.candidate(
                operator,
                implementation,
                name=name,
                rank=settings.rank,
                within=settings.deadline,
                remote=settings.remote,
                after=settings.after,
            )
            stage = settings.stage or ("" if settings.remote else helped.stage or operator.name)
            self._charge(f"{operator.name}.{name}", settings.latency, stage, implementation)

    def _charge(self, name: str, own: Any | None, stage: str, operator: Operator) -> None:
        """Which latency this operator's work has: its own, else measured, else the profile's row ``stage``."""
        if own is not None:
            self.rows[name] = own
        elif operator.device or not stage:
            return
        elif self.settings.latency == MEASURED:
            self.rows[name] = {"": MEASURED}
        elif self.profile is not None and stage in self.profile.table:
            self.rows[name] = self.profile.table[stage]
        else:
            self.unprofiled.append(name)

    def _own_deadline(self, operator: Operator, settings: OperatorSettings, path: FieldPath) -> None:
        outputs = operator.outputs()
        if len(outputs) != 1:
            what = f"{operator.name} has {len(outputs)} outputs, so it is not clear which one has the deadline"
            self.problems.add(path, what, "write it under deadlines: {on: operator.port, within: …}")
            return
        within = settings.deadline
        if isinstance(within, StreamName):
            within = self._output(within, path)
        if within is not None:
            with self._at(path):
                self.graph.deadline(outputs[0], within=within, policy=settings.policy)

    def _deadline(self, settings: DeadlineSettings, path: FieldPath) -> None:
        on = self._output(settings.on, (*path, "on"))
        since = self._output(settings.since, (*path, "since")) if settings.since else None
        within: Any = settings.within
        if isinstance(within, StreamName):
            within = self._output(within, (*path, "within"))
        for name in settings.reserve:
            if name not in self.settings.operators:
                hint = suggest(name, self.settings.operators)
                self.problems.add((*path, "reserve", name), f"there is no operator {name!r}", hint, UnknownOperator)
        if on is None or (settings.since and since is None) or (settings.every is None and within is None):
            return
        budget = {"handler_budget": settings.handler_budget} if settings.handler_budget else {}
        with self._at(path):
            if settings.every is not None:
                self.graph.frequency(on, every=settings.every, name=settings.name, **budget)
            elif within is not None:
                self.graph.deadline(
                    on,
                    within=within,
                    since=since,
                    static=settings.static,
                    policy=settings.policy,
                    reserve=settings.reserve,
                    name=settings.name,
                    **budget,
                )
