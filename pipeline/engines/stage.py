"""One operator at run time: arrivals → joined timestamps → races → commits → its streams. The same for every engine.

Decides order, queueing and sealing. Does not know what time is or where callbacks execute: that is the Host.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from pipeline import events as ev
from pipeline.deadlines import DeadlineSpec
from pipeline.definition import END, CandidateFailed, Operator, Source
from pipeline.engines import versions
from pipeline.engines.guard import Guard
from pipeline.engines.intake import Intake
from pipeline.engines.rivals import Rivals
from pipeline.engines.streams import Stream
from pipeline.engines.watch import DeadlineWatch
from pipeline.engines.work import AT_DEADLINE, Host, OperatorContext, Run, Work, miss_of, missed_event
from pipeline.errors import OperatorFailed
from pipeline.graph import LOCAL
from pipeline.joining import Joined
from pipeline.messages import Envelope, Quality
from pipeline.ports import Queue
from pipeline.race import (
    HANDLER,
    Action,
    CallHandler,
    Cancel,
    Candidate,
    Commit,
    CommitState,
    Late,
    MissPolicy,
    Race,
    Rollback,
)
from pipeline.state import VersionedState
from pipeline.timestamps import BOTTOM, TOP, Duration, Timestamp, ms

HANDLER_BUDGET = ms(5)


class Stage:
    """See the module. The engine calls ``receive``, ``on_*`` and ``tick``; everything else follows."""

    def __init__(self, host: Host, operator: Operator, number: int, queue: Queue, *, periodic: bool) -> None:
        self.host, self.operator, self.name, self.number = host, operator, operator.name, number
        self.index = {port.name: i for i, port in enumerate(operator.inputs())}
        self.is_source = isinstance(operator, Source)
        self.streams: list[Stream] = []
        self.throttles: list[Stream] = []
        """Those of its streams that a reader with a blocking queue reads."""
        self.states = {s.name: VersionedState(s.initial, s.copy) for s in operator.states()}
        self.rivals = Rivals(self)
        self.has_handler = type(operator).on_miss is not Operator.on_miss
        self.runs: dict[int, Run] = {}
        """Timestamps that were armed or have begun, and are not sealed."""
        self.open: Run | None = None
        """The run whose callback has begun and which is not fenced yet."""
        self.working = 0
        """Callbacks of the operator itself that have not stopped."""
        self.beside: list[Work] = []
        """Works that go on although their timestamp is sealed."""
        self.sealed: int = BOTTOM
        """The output watermark."""
        self.closed = False
        """Its output is closed: nothing follows."""
        self.ended = False
        """A source has said END; its output closes when that tick is sealed."""
        self.watch = DeadlineWatch(self)
        self.guard = Guard(self)
        self.intake = Intake(self, queue, periodic=periodic)
        self.receive = self.intake.receive
        self.pump = self.intake.pump

    def tick(self, t: int) -> None:
        """The source's clock, or the operator's own in the periodic model."""
        if self.closed or (self.is_source and t <= self.sealed):
            return
        if not self.is_source:
            joined = None if self.busy() else self.intake.poll()
            if joined is not None:
                self.begin(joined)
        elif self.busy() or self.blocked():
            self.emit_drop(self.name, t, "overload" if self.busy() else "blocked")
        else:
            self.begin(Joined(t, ()))

    def arm(self, index: int, message: Envelope) -> None:
        """The start condition of this timestamp may hold: set the earliest of its deadlines."""
        t, now = message.t, self.host.now()
        earliest = self.watch.earliest(index, t, now)
        if earliest is None:
            return
        expires, spec = earliest
        run = self.runs.get(t)
        if run is None:
            run = self._new_run(t, message.origin, now, expires, spec)
        elif run.race.fenced or (run.race.deadline is not None and run.race.deadline <= expires):
            return
        else:
            run.tighten(expires, spec, now)
        if self.host.observed:
            self.host.emit(ev.Armed(now, self.name, t, spec.name, expires))
        self.host.call_at(max(expires, now), AT_DEADLINE, self, self._on_deadline, run)
        actions = run.race.start(now)
        if actions:
            self.perform(run, actions)

    def busy(self) -> bool:
        """True while the operator cannot take another timestamp."""
        return not self.operator.reentrant and (self.working > 0 or self.open is not None)

    def blocked(self) -> bool:
        """True while a reader with a blocking queue has no room."""
        return bool(self.throttles) and any(stream.full() for stream in self.throttles)

    def _new_run(self, t: int, origin: int, now: int, expires: int | None, spec: DeadlineSpec | None) -> Run:
        candidates = [Candidate(LOCAL), *self.rivals.entries()] if self.rivals else [Candidate(LOCAL)]
        race = Race(
            t,
            candidates,
            deadline=expires,
            has_handler=self.has_handler,
            policy=spec.policy if spec is not None else MissPolicy.ABORT,
            budget=expires - now if expires is not None else 0,
            handler_budget=spec.handler_budget if spec is not None else HANDLER_BUDGET,
        )
        run = Run(self, t, race, origin, now, spec.name if spec is not None else "")
        self.runs[t] = run
        return run

    def begin(self, joined: Joined) -> None:
        """Start every candidate on a joined timestamp."""
        t = joined.t
        run = self.runs.get(t)
        values = joined.values
        origin = values[0].origin if values and values[0] is not None else t
        if run is None:
            run = self._new_run(t, origin, self.host.now(), None, None)
        elif run.race.fenced:
            self.intake.drop(joined, "late")
            return
        run.values, run.origin, run.begun, run.starting = values, origin, True, True
        if not self.operator.reentrant:
            self.open = run
        if self.rivals:
            # Before the local callback: the remote ones must have left when one that takes no time settles the race.
            self.rivals.start(run)
        if run.race.wants(LOCAL):
            self.start(Work(self, run, LOCAL, self.operator, self.states))
        run.starting = False
        self._let_go(run)

    def start(self, work: Work) -> None:
        """Set a candidate to work."""
        work.began = self.host.now()
        if work.candidate == LOCAL:
            self.working += 1
        work.run.works.append(work)
        if self.host.observed:
            self.host.emit(ev.Started(work.began, self.name, work.run.t, work.candidate))
        self.host.start(work)

    def on_yield(self, work: Work, value: Any) -> None:
        """A usable value."""
        wrong = self.guard.wrong(value)
        if wrong is not None:
            self.on_failed(work, str(wrong), wrong)
            return
        self.watch.judge(work.run)
        work.value = value
        if self.host.observed:
            self.host.emit(ev.Yielded(self.host.now(), self.name, work.run.t, work.candidate))
        actions = work.run.race.yielded(work.candidate, value, self.host.now())
        if actions:
            self.perform(work.run, actions)

    def on_done(self, work: Work, value: Any) -> None:
        """The final value (None: nothing to say)."""
        if value is END and self.is_source:
            self.ended, value = True, None
        wrong = self.guard.wrong(value) if value is not None and value is not work.value else None
        if wrong is not None:
            self.on_failed(work, str(wrong), wrong)
            return
        run = work.run
        self.watch.judge(run)
        if work.candidate != LOCAL and value is not None and not run.race.fenced:
            local = run.race.value_of(LOCAL)
            value = value if local is None else work.operator.merge(value, local)
        work.value = value
        self._finish(work, "done")
        if self.guard.failing_since is not None and work.candidate == LOCAL:
            self.guard.recovered(run.t)
        self.perform(run, run.race.done(work.candidate, value, self.host.now()))
        self.rivals.follow(run, work.candidate)
        self._let_go(run)
        self.pump()

    def on_failed(self, work: Work, why: str, error: BaseException | None) -> None:
        """The work raised, or answered with something that is no answer."""
        run = work.run
        refused = isinstance(error, CandidateFailed)
        self._finish(work, "failed", why)
        self.guard.failed(run.t, work.candidate, why, error)
        over = run.race.fenced
        self.perform(run, run.race.failed(work.candidate, why, self.host.now()))
        self.rivals.follow(run, work.candidate)
        unanswered = run.commit is not None and run.commit.value is None and not self.has_handler
        if not over and not refused and unanswered:
            failure = OperatorFailed(
                f"t={run.t}: {why}", where=str(work.operator), hint="it has no on_miss to answer instead"
            )
            failure.__cause__ = error
            self.host.crash(failure)
        self._let_go(run)
        self.pump()

    def on_stopped(self, work: Work, why: str, value: Any = None) -> None:
        """An aborted work has really stopped; ``value``: what it answered all the same, too late."""
        self._finish(work, "cancelled", why)
        versions.stopped(work)
        if value is not None:
            self.perform(work.run, work.run.race.done(work.candidate, value, self.host.now()))
        self._let_go(work.run)
        self.pump()

    def on_answer(self, run: Run, value: Any) -> None:
        """The deadline handler returned."""
        wrong = self.guard.wrong(value) if value is not None else None
        if wrong is not None:
            self.on_handler_failed(run, str(wrong), error=wrong)
            return
        if self.host.observed:
            self.host.emit(ev.Handled(self.host.now(), self.name, run.t, "answered" if value is not None else "silent"))
        self.perform(run, run.race.answered(value, self.host.now()))
        self._let_go(run)
        self.pump()

    def on_handler_failed(self, run: Run, why: str, outcome: str = "raised", error: Exception | None = None) -> None:
        """The deadline handler raised, overran or answered with something that is no answer (``error``)."""
        if self.host.observed:
            self.host.emit(ev.Handled(self.host.now(), self.name, run.t, outcome, why))
        if outcome == "raised":
            self.guard.failed(run.t, HANDLER, why, error)
        now, race = self.host.now(), run.race
        if run.handler is not None:
            run.handler.alive = False
            self._roll_back(run)
        self.perform(run, race.handler_expired(now) if outcome == "overran" else race.handler_failed(why, now))
        self.pump()

    def _finish(self, work: Work, outcome: str, reason: str = "") -> None:
        work.alive = work.ctx.alive = False
        if self.beside and work in self.beside:
            self.beside.remove(work)
        if work.candidate == LOCAL:
            self.working -= 1
        if self.host.observed:
            self.host.emit(
                ev.Finished(
                    self.host.now(), self.name, work.run.t, work.candidate, work.began, work.ctx.label, outcome, reason
                )
            )

    def _on_deadline(self, run: Run) -> None:
        actions = run.race.expire(self.host.now())
        if actions:
            self.perform(run, actions)
            self.pump()

    def perform(self, run: Run, actions: Sequence[Action]) -> None:
        """Do what the race says."""
        for action in actions:
            if isinstance(action, Commit):
                self._commit(run, action)
            elif isinstance(action, Cancel):
                for work in run.works:
                    if work.candidate == action.name and work.alive:
                        work.ctx.alive = False
                        self.host.stop(work, action.why)
            elif isinstance(action, CallHandler):
                self._call_handler(run, action.reason)
            elif isinstance(action, Rollback):
                self._roll_back(run)
            elif isinstance(action, CommitState):
                versions.commit_finished(run, action.name)
            else:
                self._late(run, action)

    def _commit(self, run: Run, commit: Commit) -> None:
        run.commit = commit
        self._close(run)
        if commit.quality in (Quality.PARTIAL, Quality.MISSED) and not run.missed and not run.withdrawn:
            self._report_miss(run, commit.reason)
        if len(self.runs) == 1:
            self._seal(run)
            return
        if self.operator.newest:
            for t in [t for t in self.runs if t < run.t]:
                self.withdraw(t, "superseded", Quality.SUPERSEDED)
        # In order: an earlier timestamp that is still open keeps this one back; its own deadline bounds the wait.
        while self.runs:
            first = self.runs[min(self.runs)]
            if first.commit is None:
                break
            self._seal(first)

    def _close(self, run: Run) -> None:
        """No answer that comes now counts: the next timestamp may have its turn."""
        if self.open is run:
            self.open = None
        elif not run.begun:
            self.intake.discard(run.t)

    def _seal(self, run: Run) -> None:
        commit, t, now = run.commit, run.t, self.host.now()
        assert commit is not None and t > self.sealed, f"{self.name}: t={t} sealed twice (watermark {self.sealed})"
        del self.runs[t]
        self.sealed = t
        self.beside += [work for work in run.works if work.alive]
        versions.settle(run, self.states)
        if commit.value is None:
            if self.host.observed:
                self.host.emit(ev.Sealed(now, self.name, t, commit.quality, commit.reason))
            for stream in self.streams:
                stream.pass_watermark(t)
        elif len(self.streams) == 1:
            self.streams[0].publish(run, commit, commit.value, now)
        else:
            for stream in self.streams:
                part = getattr(commit.value, stream.port)
                if part is None:
                    stream.pass_watermark(t)
                else:
                    stream.publish(run, commit, part, now)
        if self.ended and not self.runs:
            self.sealed, self.closed = TOP, True
            for stream in self.streams:
                stream.pass_watermark(TOP)
        self.watch.sealed(t)

    def _let_go(self, run: Run) -> None:
        if self.runs.get(run.t) is not run:
            run.release()

    def _roll_back(self, run: Run) -> None:
        back_at = versions.undo(run, self.states)
        if back_at is not None and self.host.observed:
            self.host.emit(ev.RolledBack(self.host.now(), self.name, run.t, back_at))

    def _call_handler(self, run: Run, reason: str) -> None:
        self._report_miss(run, reason)
        race, now = run.race, self.host.now()
        if not run.values:
            run.values = self.intake.peek(run.t)
        self._close(run)
        keeps = race.policy is MissPolicy.CONTINUE and any(race.continues(w.candidate) for w in run.works)
        run.handler = OperatorContext(self, run, self.operator, None if keeps else self.states)
        committed = max((s.committed_at for s in self.states.values()), default=self.sealed)
        self.host.handle(run, run.handler, miss_of(run, reason, now, committed))

    def _report_miss(self, run: Run, reason: str) -> None:
        run.missed = True
        if self.host.observed:
            self.host.emit(missed_event(run, reason, self.host.now()))

    def _late(self, run: Run, late: Late) -> None:
        if self.host.observed:
            self.host.emit(ev.Late(self.host.now(), self.name, run.t, late.name, late.by))
        if late.value is not None and late.name != HANDLER:
            try:
                self.operator.on_late(Timestamp(run.t), late.value, Duration(late.by))
            except Exception as error:  # the timestamp is over anyway: report it and go on
                self.host.emit(ev.Refused(self.host.now(), self.name, run.t, f"on_late raised {error!r}"))

    def shutdown(self) -> None:
        """The run is over: nothing is said any more, and everything that was under way is accounted for."""
        for t in sorted(self.runs):
            self.withdraw(t, "shutdown", Quality.MISSED)
        for work in list(self.beside):
            self.host.stop(work, "shutdown")
        self.intake.close()
        self.closed = True

    def withdraw(self, t: int, reason: str, quality: str) -> None:
        """Nothing will be said for t."""
        run = self.runs.get(t)
        if run is not None and run.commit is None:
            run.withdrawn = True
            self.perform(run, run.race.withdraw(reason, self.host.now(), quality))

    def emit_drop(self, stream: str, t: int, reason: str) -> None:
        """A message was not used."""
        if self.host.observed:
            self.host.emit(ev.Dropped(self.host.now(), self.name, t, stream, reason))
