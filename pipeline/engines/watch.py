"""A stage's deadlines at run time: which of them a message starts, when t expires, when an answer is overdue."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pipeline import events as ev
from pipeline.deadlines import DeadlineSpec, EndToEndDeadline, RelativeDeadline
from pipeline.engines.work import AT_DEADLINE, Awaited, Run
from pipeline.race import Race

if TYPE_CHECKING:
    from pipeline.engines.stage import Stage


class ArmedBy:
    """A deadline and the inputs whose message starts it."""

    __slots__ = ("deadline", "inputs", "spec")

    def __init__(
        self, spec: DeadlineSpec, deadline: RelativeDeadline | EndToEndDeadline, inputs: frozenset[int]
    ) -> None:
        self.spec, self.deadline, self.inputs = spec, deadline, inputs


class _NextAnswer(Awaited):
    """An answer that a frequency deadline waits for."""

    __slots__ = ("t",)

    def __init__(self, t: int) -> None:
        self.t, self.over = t, False


class DeadlineWatch:
    """All deadlines of one stage."""

    __slots__ = ("_expected", "ends", "frequency", "stage", "starting")

    def __init__(self, stage: Stage) -> None:
        self.stage = stage
        self.starting: list[ArmedBy] = []
        self.ends: list[EndToEndDeadline] = []
        """End-to-end deadlines that this stage's seal of t ends."""
        self.frequency: DeadlineSpec | None = None
        self._expected: _NextAnswer | None = None

    def earliest(self, index: int, t: int, now: int) -> tuple[int, DeadlineSpec] | None:
        """The first expiry among the deadlines of t that a message on input ``index`` starts."""
        found: tuple[int, DeadlineSpec] | None = None
        for armed in self.starting:
            if index in armed.inputs:
                deadline = armed.deadline
                if isinstance(deadline, RelativeDeadline):
                    at = deadline.expiry(t, now)
                else:
                    at = deadline.expiry(self.stage.name, t, now)
                if at is not None and (found is None or at < found[0]):
                    found = at, armed.spec
        return found

    def judge(self, run: Run) -> None:
        """An answer is there: had its deadline passed, though no timer has said so yet? Then it is late."""
        deadline = run.race.deadline
        if deadline is not None and not run.race.fenced and self.stage.host.now() > deadline:
            self.stage.perform(run, run.race.expire(self.stage.host.now()))

    def sealed(self, t: int) -> None:
        """The stage has answered t."""
        for deadline in self.ends:
            deadline.finish(t)
        if self.frequency is not None:
            self._expect_next(t)

    def _expect_next(self, t: int) -> None:
        assert self.frequency is not None and isinstance(self.frequency.within, int)
        if self._expected is not None:
            self._expected.over = True
        every, host = self.frequency.within, self.stage.host
        self._expected = _NextAnswer(t + every)
        host.call_at(host.now() + every, AT_DEADLINE, self.stage, self._overdue, self._expected)

    def _overdue(self, awaited: _NextAnswer) -> None:
        """No answer within the period. The handler may answer for the expected timestamp."""
        stage, spec, expected = self.stage, self.frequency, awaited.t
        if awaited.over or stage.closed or spec is None:
            return
        now = stage.host.now()
        due = [run for t, run in sorted(stage.runs.items()) if t <= expected and not run.race.fenced]
        if due:
            due[0].deadline = spec.name
            stage.perform(due[0], due[0].race.expire(now))
        elif not stage.has_handler:
            # Nobody can answer: report it and keep watching; sealing the timestamp would refuse the real one.
            stage.host.emit(ev.Missed(now, stage.name, expected, spec.name, now - expected, 0, (), "frequency"))
            self._expect_next(expected)
        elif expected > stage.sealed:
            race = Race(expected, [], has_handler=True, handler_budget=spec.handler_budget)
            run = stage.runs[expected] = Run(stage, expected, race, expected, now, spec.name)
            stage.perform(run, race.expire(now))
        else:
            # Sealed by a watermark alone: nothing was said, and the next answer is due a period later.
            self._expect_next(expected)
        stage.pump()
