"""A stage's other candidates at run time: when each of them starts, and its own deadline."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from pipeline.engines.work import AT_CANDIDATE_DEADLINE, Run, Work
from pipeline.graph import CandidateSpec
from pipeline.race import Candidate
from pipeline.state import VersionedState

if TYPE_CHECKING:
    from pipeline.engines.stage import Stage


class Rivals:
    """Everything that races against the operator itself."""

    __slots__ = ("_specs", "_stage")

    def __init__(self, stage: Stage) -> None:
        self._stage = stage
        self._specs: list[tuple[CandidateSpec, dict[str, VersionedState]]] = []

    def add(self, spec: CandidateSpec) -> None:
        """One more candidate, with states of its own."""
        states = {s.name: VersionedState(s.initial, s.copy) for s in spec.operator.states()}
        self._specs.append((spec, states))

    def __bool__(self) -> bool:
        return bool(self._specs)

    def entries(self) -> Iterable[Candidate]:
        """Their places in a new race."""
        for spec, _ in self._specs:
            yield Candidate(spec.name, spec.rank, None, spec.remote, waiting=spec.after is not None)

    def start(self, run: Run) -> None:
        """t begins: start those that wait for nobody."""
        for spec, states in self._specs:
            if spec.after is None and not run.race.fenced:
                self._start(run, spec, states)

    def follow(self, run: Run, finished: str) -> None:
        """A candidate has finished or is out: start those that waited for it."""
        for spec, states in self._specs:
            if spec.after == finished and not run.race.fenced:
                self._start(run, spec, states)

    def _start(self, run: Run, spec: CandidateSpec, states: dict[str, VersionedState]) -> None:
        stage, now = self._stage, self._stage.host.now()
        works = [*stage.beside, *(work for other in stage.runs.values() for work in other.works)]
        if not spec.operator.reentrant and any(work.alive and work.candidate == spec.name for work in works):
            stage.perform(run, run.race.failed(spec.name, "busy", now))
            self.follow(run, spec.name)
            return
        run.race.begin(spec.name, now)
        if spec.within is not None:
            run.race.set_deadline(spec.name, now + spec.within)
            stage.host.call_at(now + spec.within, AT_CANDIDATE_DEADLINE, stage, self._on_deadline, (run, spec.name))
        stage.start(Work(stage, run, spec.name, spec.operator, states))

    def _on_deadline(self, argument: tuple[Run, str]) -> None:
        run, name = argument
        if not run.race.fenced:
            self._stage.perform(run, run.race.expire_candidate(name, self._stage.host.now()))
            self.follow(run, name)
            self._stage.pump()
