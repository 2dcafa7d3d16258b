"""The shape of a launch file: which fields there are, of which types. Says nothing about whether the graph can run."""

from __future__ import annotations

import re
from typing import Annotated, Any, Literal, NamedTuple, Union

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, model_validator
from pydantic_core import PydanticCustomError

from pipeline.errors import InvalidDuration
from pipeline.latency import MEASURED, Distribution, Latency
from pipeline.ports import Queue, block, drop_newest, keep_last
from pipeline.timestamps import Duration, parse_duration

Engine = Literal["virtual", "threads", "processes", "erdos"]
Execution = Literal["periodic", "data-driven", "static", "dynamic"]
Policy = Literal["abort", "continue"]


class StreamName(NamedTuple):
    """One end of a connection as a launch file writes it: ``operator.port``."""

    operator: str
    port: str

    def __str__(self) -> str:
        return f"{self.operator}.{self.port}"


def _refuse(kind: str, what: str, hint: str = "") -> PydanticCustomError:
    return PydanticCustomError(kind, "{what}", {"what": what, "hint": hint})


def duration_of(value: Any) -> Duration:
    """A Duration from ``"80ms"``; numbers have no unit and are refused. Raises InvalidDuration."""
    if isinstance(value, bool) or not isinstance(value, (str, int, float)):
        raise InvalidDuration(f"{value!r} is not a duration", hint="write a number and a unit, for example 80ms")
    return parse_duration(str(value))


def _duration(value: Any) -> Duration:
    try:
        return duration_of(value)
    except InvalidDuration as error:
        raise _refuse("duration", error.what, error.hint) from error


def _positive(value: Any) -> Duration:
    duration = _duration(value)
    if duration <= 0:
        raise _refuse("duration", f"{value!r} must be positive", "write for example 80ms")
    return duration


def _not_negative(value: Any) -> Duration:
    duration = _duration(value)
    if duration < 0:
        raise _refuse("duration", f"{value!r} must not be negative", "write for example 0ms")
    return duration


def _stream(value: Any) -> StreamName:
    operator, dot, port = str(value).rpartition(".")
    if not isinstance(value, str) or not dot or not operator or not port:
        raise _refuse("stream", f"{value!r} is not a stream", "write operator.port, for example camera.frame")
    return StreamName(operator, port)


def _within(value: Any) -> Union[Duration, StreamName]:
    if isinstance(value, str) and re.match(r"[A-Za-z_]", value) and "." in value:
        return _stream(value)
    return _positive(value)


_QUEUES = {"keep_last": keep_last, "drop_newest": drop_newest, "block": block}


def _queue(value: Any) -> Queue:
    match = re.fullmatch(r"(\w+)\((\d+)\)", value.strip()) if isinstance(value, str) else None
    if match is None or match[1] not in _QUEUES or int(match[2]) < 1:
        rules = ", ".join(f"{name}(n)" for name in _QUEUES)
        raise _refuse("queue", f"{value!r} is not a queue rule", f"use one of {rules} with n >= 1")
    return _QUEUES[match[1]](int(match[2]))


def _one_latency(value: Any) -> Latency:
    if value == MEASURED:
        return MEASURED
    if isinstance(value, dict):
        if set(value) != {"p50", "p99"}:
            raise _refuse("latency", "a distribution has exactly p50 and p99", "write {p50: 8ms, p99: 12ms}")
        p50, p99 = _not_negative(value["p50"]), _not_negative(value["p99"])
        if p50 > p99:
            raise _refuse("latency", f"p50 {value['p50']} is above p99 {value['p99']}")
        return Distribution(p50, p99)
    duration = _not_negative(value)
    return Distribution(duration, duration)


def latencies_of(value: Any) -> dict[str, Latency]:
    """``20ms``, ``{p50, p99}`` or ``measured`` for all work, or a mapping of work to one of those."""
    if isinstance(value, dict) and not {"p50", "p99"} & set(value):
        return {str(work): _one_latency(one) for work, one in value.items()}
    return {"": _one_latency(value)}


Positive = Annotated[Duration, BeforeValidator(_positive)]
NotNegative = Annotated[Duration, BeforeValidator(_not_negative)]
Stream = Annotated[StreamName, BeforeValidator(_stream)]
Within = Annotated[Any, BeforeValidator(_within)]
"""A Duration, or the StreamName of a policy's budget."""
QueueRule = Annotated[Any, BeforeValidator(_queue)]
Latencies = Annotated[Any, BeforeValidator(latencies_of)]
Word = Annotated[str, Field(min_length=1)]


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)


class RunOnSettings(_Section):
    """Where an operator runs (engine ``processes``), and how."""

    process: Word | None = None
    """Operators with the same name share a process; without one an operator has its own."""
    host: Word | None = None
    """One of ``hosts``; without it the one that is started."""
    threads: Annotated[int, Field(ge=1, le=256)] = 1
    cores: tuple[Annotated[int, Field(ge=0)], ...] = ()
    priority: Annotated[int, Field(ge=0, le=95)] = 0
    """SCHED_FIFO priority of its callbacks; 0: the ordinary scheduler."""


class TlsSettings(_Section):
    """Files (PEM) by which hosts prove who they are to each other; a host's certificate is signed by ``authority``."""

    certificate: Word
    key: Word
    authority: Word


class HostSettings(_Section):
    """A machine that runs a part of the graph. The one that listens is the one on which the run is started."""

    listen: Word | None = None
    """``tcp/127.0.0.1:7447`` or ``tls/0.0.0.0:7447``."""
    tls: TlsSettings | None = None
    insecure: bool = False
    """Accept that anybody on the network can read and write: plain tcp on an address that is not loopback."""


class SupervisionSettings(_Section):
    """When a process counts as gone, and what is done about it (engine ``processes``)."""

    heartbeat: Positive | None = None
    alive: Positive | None = None
    grace: Positive | None = None
    backoff: Positive | None = None
    backoff_max: Positive | None = None
    crashes: Annotated[int, Field(ge=0)] | None = None
    window: Positive | None = None
    start: Positive | None = None
    memory_mb: Annotated[int, Field(ge=0)] | None = None


class CandidateSettings(_Section):
    """Another way to answer for an operator."""

    use: Word
    rank: int
    args: dict[str, Any] = {}
    deadline: Positive | None = None
    remote: bool = False
    after: Word | None = None
    enabled: bool = True
    latency: Latencies | None = None
    stage: Word | None = None
    """Its row in the profile; without it that of the operator it helps, for a remote one none."""


class OperatorSettings(_Section):
    """One operator: what it is, its arguments, its inputs."""

    use: Word
    args: dict[str, Any] = {}
    inputs: dict[str, Stream] = {}
    feedback: list[Word] = []
    """Inputs whose edge closes a cycle."""
    queue: dict[str, QueueRule] = {}
    deadline: Within | None = None
    policy: Policy = "abort"
    period: Positive | None = None
    """A source's tick; for others the rate in the periodic model."""
    offset: NotNegative | None = None
    """A source's first tick."""
    latency: Latencies | None = None
    """How long its work takes; without it the profile says."""
    stage: Word | None = None
    """Its row in the profile; without it its own name."""
    candidates: dict[str, CandidateSettings] = {}
    run_on: RunOnSettings | None = None


class DeadlineSettings(_Section):
    """A deadline between two streams (``since``), on one operator, or on the gap between two answers (``every``)."""

    on: Stream
    name: Word | None = None
    within: Within | None = None
    every: Positive | None = None
    since: Stream | None = None
    static: Positive | None = None
    policy: Policy = "abort"
    handler_budget: Positive | None = None
    reserve: dict[str, NotNegative] = {}

    @model_validator(mode="after")
    def _one_kind(self) -> DeadlineSettings:
        if (self.within is None) == (self.every is None):
            raise _refuse("deadline", "needs either within or every", "within: 300ms or within: budget.budget")
        if self.every is not None and (self.since or self.static):
            raise _refuse("deadline", "every goes with neither since nor static")
        return self


class WorldSettings(BaseModel):
    """The world to drive in: ``use``, and the factory's arguments beside it."""

    model_config = ConfigDict(extra="allow", strict=True, frozen=True)
    use: Word

    @property
    def args(self) -> dict[str, Any]:
        """Everything but ``use``."""
        return dict(self.model_extra or {})


class Settings(_Section):
    """A whole run."""

    name: Annotated[str, Field(pattern=r"^[\w.+-]+$")]
    operators: dict[str, OperatorSettings]
    title: str = ""
    duration: Positive
    seed: Annotated[int, Field(ge=0, lt=2**63)] = 0
    engine: Engine = "virtual"
    execution: Execution = "dynamic"
    profile: Word | None = None
    latency: Literal["measured"] | None = None
    world: WorldSettings | None = None
    supervision: SupervisionSettings = SupervisionSettings()
    hosts: dict[str, HostSettings] = {}
    """Name → machine. Empty: everything runs on this one."""
    deadlines: list[DeadlineSettings] = []
    output: Word | None = None
    """Folder for the run's records; ``runs/<name>`` without it."""

    @property
    def folder(self) -> str:
        """Where the records go."""
        return self.output or f"runs/{self.name}"
