"""One operator at run time: arrivals → joined timestamps → races → commits → its streams. The same for every engine.

Decides order, queueing, arming and sealing. Does not know what time is or where callbacks execute: that is the Host.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from typing import Any

from pipeline import events as ev
from pipeline.deadlines import BudgetInForce, DeadlineSpec, EndToEndDeadline, RelativeDeadline
from pipeline.definition import END, CandidateFailed, DeadlineMissed, Operator, Source
from pipeline.engines.work import AT_CANDIDATE_DEADLINE, AT_DEADLINE, Host, OperatorContext, Run, Work
from pipeline.errors import OperatorFailed
from pipeline.graph import LOCAL, CandidateSpec
from pipeline.joining import Drop, Joined, Joiner, Sampler
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
from pipeline.timestamps import BOTTOM, TOP, Duration, Timestamp


class Stream:
    """An output at run time: who reads it and which deadlines it starts or sets."""

    __slots__ = ("budgets", "name", "port", "readers", "starts", "type_")

    def __init__(self, name: str, port: str, type_: type) -> None:
        self.name, self.port, self.type_ = name, port, type_
        self.readers: list[tuple[Stage, int]] = []
        self.starts: list[EndToEndDeadline] = []
        self.budgets: list[tuple[str, BudgetInForce]] = []


class Armed:
    """A deadline of this operator and the inputs whose message starts it."""

    __slots__ = ("deadline", "inputs", "spec")

    def __init__(self, spec: DeadlineSpec, deadline: RelativeDeadline | EndToEndDeadline, inputs: frozenset[int]) -> None:
        self.spec, self.deadline, self.inputs = spec, deadline, inputs


class Stage:
    """See the module. The engine calls ``receive``, ``on_*`` and ``tick``; everything else follows."""

    def __init__(self, host: Host, operator: Operator, number: int, queue: Queue, *, periodic: bool) -> None:
        self.host, self.operator, self.name, self.number = host, operator, operator.name, number
        inputs = operator.inputs()
        self.index = {port.name: i for i, port in enumerate(inputs)}
        self.input_names = [f"{self.name}.{port.name}" for port in inputs]
        self.is_source = isinstance(operator, Source)
        self.sampler = Sampler(inputs) if periodic and not self.is_source else None
        self.joiner = Joiner(inputs) if inputs and self.sampler is None else None
        self.queue = queue
        self.ready: deque[Joined] = deque()
        self.streams: list[Stream] = []
        self.states = {s.name: VersionedState(s.initial, s.copy) for s in operator.states()}
        self.specs: list[tuple[CandidateSpec, dict[str, VersionedState]]] = []
        self.armed: list[Armed] = []
        self.ends: list[EndToEndDeadline] = []
        self.frequency: DeadlineSpec | None = None
        self.policy = MissPolicy.ABORT
        self.handler_budget: int = 5_000_000
        self.has_handler = type(operator).on_miss is not Operator.on_miss
        self.runs: dict[int, Run] = {}
        self.open: Run | None = None
        """The run whose callback has begun and which is not fenced yet."""
        self.working = 0
        self.sealed: int = BOTTOM
        self.closed = False
        self._ticket = 0
        self._pumping = False

    # -- what arrives ------------------------------------------------------------------------------------------------

    def receive(self, index: int, message: Envelope | int) -> None:
        """A message, or a watermark (an int), on one input."""
        if self.sampler is not None:
            if not isinstance(message, int):
                self.sampler.on_message(index, message)
            return
        joiner = self.joiner
        assert joiner is not None
        if isinstance(message, int):
            ready = joiner.on_watermark(index, message)
        else:
            ready = joiner.on_message(index, message)
            if self.armed and message.t > self.sealed and message.t not in self.runs:
                self._arm(index, message)
        if joiner.dropped:
            self._account(joiner.dropped)
        for joined in ready:
            self._admit(joined)
        if not self.open:
            self._advance()

    def tick(self, t: int) -> None:
        """The source's clock, or the operator's own in the periodic model."""
        if self.closed or t <= self.sealed:
            return
        joined: Joined | None = Joined(t, ())
        if self.sampler is not None:
            if self._busy():
                return
            joined = self.sampler.sample(t)
            if self.sampler.dropped:
                self._account(self.sampler.dropped)
        elif self._busy() or self._blocked():
            self._emit_drop(self.name, t, "overload" if self._busy() else "blocked")
            return
        if joined is not None:
            self._begin(joined)

    def _arm(self, index: int, message: Envelope) -> None:
        """The start condition of this timestamp may hold: set the earliest of its deadlines."""
        t, now = message.t, self.host.now()
        expires, chosen = None, None
        for armed in self.armed:
            if index in armed.inputs:
                deadline = armed.deadline
                at = (
                    deadline.expiry(t, now)
                    if isinstance(deadline, RelativeDeadline)
                    else deadline.expiry(self.name, t, now)
                )
                if at is not None and (expires is None or at < expires):
                    expires, chosen = at, armed.spec
        if expires is None or chosen is None:
            return
        run = self._new_run(t, message.origin, now, expires, chosen)
        if self.host.observed:
            self.host.emit(ev.Armed(now, self.name, t, chosen.name, expires))
        self.host.call_at(max(expires, now), AT_DEADLINE, self, self._on_deadline, run)
        actions = run.race.start(now)
        if actions:
            self._perform(run, actions)

    def _admit(self, joined: Joined) -> None:
        if joined.t <= self.sealed:
            self._drop_joined(joined, "late")
        elif not self.ready and not self._busy() and not self._blocked():
            self._begin(joined)
        else:
            self._enqueue(joined)

    def _enqueue(self, joined: Joined) -> None:
        queue, ready = self.queue, self.ready
        if queue.rule == "drop_newest" and len(ready) >= queue.depth:
            self._overload(joined)
            return
        ready.append(joined)
        while queue.rule == "keep_last" and len(ready) > queue.depth:
            self._overload(ready.popleft())

    def _overload(self, joined: Joined) -> None:
        self._drop_joined(joined, "overload")
        self._withdraw(joined.t, "overload", Quality.SUPERSEDED)

    def _busy(self) -> bool:
        return not self.operator.reentrant and (self.working > 0 or self.open is not None)

    def _blocked(self) -> bool:
        return any(
            reader.queue.rule == "block" and len(reader.ready) >= reader.queue.depth
            for stream in self.streams
            for reader, index in stream.readers
            if index == 0
        )

    # -- runs --------------------------------------------------------------------------------------------------------

    def _new_run(self, t: int, origin: int, now: int, expires: int | None, spec: DeadlineSpec | None) -> Run:
        candidates = [Candidate(LOCAL)]
        for candidate, _ in self.specs:
            candidates.append(
                Candidate(candidate.name, candidate.rank, None, candidate.remote, waiting=candidate.after is not None)
            )
        race = Race(
            t,
            candidates,
            deadline=expires,
            has_handler=self.has_handler,
            policy=spec.policy if spec is not None else self.policy,
            budget=expires - now if expires is not None else 0,
            handler_budget=spec.handler_budget if spec is not None else self.handler_budget,
        )
        run = Run(self, t, race, origin, now, spec.name if spec is not None else "")
        self.runs[t] = run
        return run

    def _begin(self, joined: Joined) -> None:
        t = joined.t
        run = self.runs.get(t)
        values = joined.values
        origin = values[0].origin if values and values[0] is not None else t
        if run is None:
            run = self._new_run(t, origin, self.host.now(), None, None)
        elif run.race.fenced:
            self._drop_joined(joined, "late")
            return
        run.values, run.origin, run.begun = values, origin, True
        if not self.operator.reentrant:
            self.open = run
        if self.specs:
            # The remote ones first: they must have left before a local callback that takes no time settles the race.
            for spec, states in self.specs:
                if spec.after is None:
                    self._start_candidate(run, spec, states)
        self._start(Work(self, run, LOCAL, self.operator, self.states))

    def _start(self, work: Work) -> None:
        work.began = self.host.now()
        if work.candidate == LOCAL:
            self.working += 1
        work.run.works.append(work)
        if self.host.observed:
            self.host.emit(ev.Started(work.began, self.name, work.run.t, work.candidate))
        self.host.start(work)

    def _start_candidate(self, run: Run, spec: CandidateSpec, states: dict[str, VersionedState]) -> None:
        now = self.host.now()
        busy = any(w.alive and w.candidate == spec.name for r in self.runs.values() for w in r.works)
        if busy and not spec.operator.reentrant:
            self._perform(run, run.race.failed(spec.name, "busy", now))
            return
        run.race.begin(spec.name, now)
        if spec.within is not None:
            run.race._find(spec.name).deadline = now + spec.within
            self.host.call_at(
                now + spec.within, AT_CANDIDATE_DEADLINE, self, self._on_candidate_deadline, (run, spec.name)
            )
        self._start(Work(self, run, spec.name, spec.operator, states))

    def _start_followers(self, run: Run, finished: str) -> None:
        for spec, states in self.specs:
            if spec.after == finished and not run.race.fenced:
                self._start_candidate(run, spec, states)

    # -- what the works say ------------------------------------------------------------------------------------------

    def on_yield(self, work: Work, value: Any) -> None:
        """A usable value."""
        wrong = self._wrong_type(value)
        if wrong:
            self.on_failed(work, wrong, None)
            return
        work.value = value
        if self.host.observed:
            self.host.emit(ev.Yielded(self.host.now(), self.name, work.run.t, work.candidate))
        actions = work.run.race.yielded(work.candidate, value, self.host.now())
        if actions:
            self._perform(work.run, actions)

    def on_done(self, work: Work, value: Any) -> None:
        """The final value (None: nothing to say)."""
        if value is END and self.is_source:
            self.closed, value = True, None
        wrong = self._wrong_type(value) if value is not None else ""
        if wrong:
            self.on_failed(work, wrong, None)
            return
        work.value = value
        run = work.run
        self._finish(work, "done")
        self._perform(run, run.race.done(work.candidate, value, self.host.now()))
        if self.specs:
            self._start_followers(run, work.candidate)
        self._pump()

    def on_failed(self, work: Work, why: str, error: BaseException | None) -> None:
        """The work raised, or answered with something that is no answer."""
        run = work.run
        refused = isinstance(error, CandidateFailed)
        self._finish(work, "failed", why)
        if error is None and self.host.observed:
            self.host.emit(ev.Refused(self.host.now(), self.name, run.t, why))
        over = run.race.fenced
        self._perform(run, run.race.failed(work.candidate, why, self.host.now()))
        if self.specs:
            self._start_followers(run, work.candidate)
        unanswered = run.commit is not None and run.commit.value is None and not self.has_handler
        if not over and not refused and unanswered:
            failure = OperatorFailed(f"t={run.t}: {why}", where=str(work.operator), hint="it has no on_miss to answer instead")
            failure.__cause__ = error
            self.host.crash(failure)
        self._pump()

    def on_stopped(self, work: Work, why: str, value: Any = None) -> None:
        """An aborted work has really stopped; ``value``: what it answered all the same, too late."""
        self._finish(work, "cancelled", why)
        if value is not None:
            self._perform(work.run, work.run.race.done(work.candidate, value, self.host.now()))
        self._pump()

    def on_answer(self, run: Run, value: Any) -> None:
        """The deadline handler returned."""
        wrong = self._wrong_type(value) if value is not None else ""
        if wrong:
            self.on_handler_failed(run, wrong)
            return
        if self.host.observed:
            self.host.emit(ev.Handled(self.host.now(), self.name, run.t, "answered" if value is not None else "silent"))
        self._perform(run, run.race.answered(value, self.host.now()))
        self._pump()

    def on_handler_failed(self, run: Run, why: str, outcome: str = "raised") -> None:
        """The deadline handler raised or overran."""
        if self.host.observed:
            self.host.emit(ev.Handled(self.host.now(), self.name, run.t, outcome, why))
        now, race = self.host.now(), run.race
        if run.handler is not None:
            run.handler.alive = False
            self._roll_back(run)
        self._perform(run, race.handler_expired(now) if outcome == "overran" else race.handler_failed(why, now))
        self._pump()

    def _finish(self, work: Work, outcome: str, reason: str = "") -> None:
        work.alive = work.ctx.alive = False
        if work.candidate == LOCAL:
            self.working -= 1
        if self.host.observed:
            self.host.emit(
                ev.Finished(
                    self.host.now(), self.name, work.run.t, work.candidate, work.began, work.ctx.label, outcome, reason
                )
            )

    def _wrong_type(self, value: Any) -> str:
        streams = self.streams
        if len(streams) == 1:
            return "" if isinstance(value, streams[0].type_) else self._mismatch(value, streams[0])
        if not streams:
            return "" if value is None else f"answered {type(value).__name__} but has no output"
        for stream in streams:
            part = getattr(value, stream.port, self)
            if part is not None and not isinstance(part, stream.type_):
                return self._mismatch(None if part is self else part, stream)
        return ""

    def _mismatch(self, value: Any, stream: Stream) -> str:
        return f"answered {type(value).__name__} on {stream.name}, which carries {stream.type_.__name__}"

    # -- deadlines ---------------------------------------------------------------------------------------------------

    def _on_deadline(self, run: Run) -> None:
        if not run.race.fenced:
            self._perform(run, run.race.expire(self.host.now()))
            self._pump()

    def _on_candidate_deadline(self, argument: tuple[Run, str]) -> None:
        run, name = argument
        if not run.race.fenced:
            self._perform(run, run.race.expire_candidate(name, self.host.now()))
            self._start_followers(run, name)
            self._pump()

    def _on_frequency(self, argument: tuple[int, int]) -> None:
        ticket, expected = argument
        if ticket != self._ticket or self.closed or self.frequency is None:
            return
        now = self.host.now()
        due = [run for t, run in sorted(self.runs.items()) if t <= expected and not run.race.fenced]
        if due:
            due[0].deadline = self.frequency.name
            self._perform(due[0], due[0].race.expire(now))
        elif not self.has_handler:
            self.host.emit(ev.Missed(now, self.name, expected, self.frequency.name, now - self.sealed, 0, (), "frequency"))
            self._arm_frequency(expected)
        elif expected > self.sealed:
            race = Race(expected, [], has_handler=True, handler_budget=self.frequency.handler_budget)
            run = self.runs[expected] = Run(self, expected, race, expected, now, self.frequency.name)
            self._perform(run, race.expire(now))
        self._pump()

    def _arm_frequency(self, t: int) -> None:
        assert self.frequency is not None and isinstance(self.frequency.within, int)
        self._ticket += 1
        every = self.frequency.within
        self.host.call_at(
            self.host.now() + every, AT_DEADLINE, self, self._on_frequency, (self._ticket, t + every)
        )

    # -- carrying out the race's actions -----------------------------------------------------------------------------

    def _perform(self, run: Run, actions: Sequence[Action]) -> None:
        for action in actions:
            kind = type(action)
            if kind is Commit:
                self._commit(run, action)  # type: ignore[arg-type]
            elif kind is Cancel:
                for work in run.works:
                    if work.candidate == action.name and work.alive:  # type: ignore[union-attr]
                        work.ctx.alive = False
                        self.host.stop(work, action.why)  # type: ignore[union-attr]
            elif kind is CallHandler:
                self._call_handler(run, action.reason)  # type: ignore[union-attr]
            elif kind is Rollback:
                self._roll_back(run)
            elif kind is CommitState:
                self._commit_state(run, action.name)  # type: ignore[union-attr]
            else:
                self._late(run, action)  # type: ignore[arg-type]

    def _commit(self, run: Run, commit: Commit) -> None:
        run.commit = commit
        if self.open is run:
            self.open = None
        if commit.quality in (Quality.PARTIAL, Quality.MISSED) and not run.missed and not run.withdrawn:
            self._report_miss(run, commit.reason)
        if len(self.runs) == 1:
            self._seal(run)
            return
        if self.operator.newest:
            for t in [t for t in self.runs if t < run.t]:
                self._withdraw(t, "superseded", Quality.SUPERSEDED)
        # In order: an earlier timestamp that is still open keeps this one back; its own deadline bounds the wait.
        while self.runs:
            first = self.runs[min(self.runs)]
            if first.commit is None:
                break
            self._seal(first)

    def _seal(self, run: Run) -> None:
        commit, t, now = run.commit, run.t, self.host.now()
        assert commit is not None and t > self.sealed, f"{self.name}: t={t} sealed twice (watermark {self.sealed})"
        del self.runs[t]
        self.sealed = t
        for work in run.works:
            self._settle_states(run, work)
        if run.handler is not None and run.handler.wrote and run.handler.alive:
            for state in self.states.values():
                state.commit(t)
        for deadline in self.ends:
            deadline.finish(t)
        if commit.value is None:
            if self.host.observed:
                self.host.emit(ev.Sealed(now, self.name, t, commit.quality, commit.reason))
            for stream in self.streams:
                self._send_watermark(stream, t)
        elif len(self.streams) == 1:
            self._publish(self.streams[0], run, commit, commit.value, now)
        else:
            for stream in self.streams:
                part = getattr(commit.value, stream.port)
                if part is None:
                    self._send_watermark(stream, t)
                else:
                    self._publish(stream, run, commit, part, now)
        if self.closed:
            self._close_streams()
        if self.frequency is not None:
            self._arm_frequency(t)

    def _publish(self, stream: Stream, run: Run, commit: Commit, value: Any, now: int) -> None:
        host, t = self.host, run.t
        if host.observed:
            host.emit(
                ev.Sent(now, self.name, t, stream.name, run.origin, commit.quality, commit.winner, value)
            )
        for deadline in stream.starts:
            deadline.start(t, now)
        for name, budget in stream.budgets:
            budget.set(value.within_ns)
            if host.observed:
                host.emit(ev.BudgetSet(now, self.name, t, name, value.within_ns, value.reason))
        if stream.readers:
            envelope = Envelope(
                Timestamp(t), value, Timestamp(run.origin), commit.quality, commit.winner, Timestamp(now)
            )
            for reader, index in stream.readers:
                host.deliver(reader, index, envelope)

    def _settle_states(self, run: Run, work: Work) -> None:
        if not work.states or run.rolled_back:
            return
        candidate = run.race._find(work.candidate)
        if candidate.finished:
            for state in work.states.values():
                state.commit(run.t)
        elif not run.race.continues(work.candidate):
            for state in work.states.values():
                state.rollback(run.t)

    def _commit_state(self, run: Run, name: str) -> None:
        for work in run.works:
            if work.candidate == name:
                for state in work.states.values():
                    state.commit(run.t)

    def _roll_back(self, run: Run) -> None:
        run.rolled_back = True
        states = [state for work in run.works for state in work.states.values()]
        for state in states:
            state.rollback(run.t)
        if run.handler is not None:
            for state in self.states.values():
                state.rollback(run.t)
        if states and self.host.observed:
            committed = max(state.committed_at for state in states)
            self.host.emit(ev.RolledBack(self.host.now(), self.name, run.t, committed))

    def _call_handler(self, run: Run, reason: str) -> None:
        self._report_miss(run, reason)
        if self.open is run:
            self.open = None
        race, now = run.race, self.host.now()
        if not run.values and self.joiner is not None:
            run.values = self.joiner.peek(run.t)
        keeps = race.policy is MissPolicy.CONTINUE and any(race.continues(w.candidate) for w in run.works)
        run.handler = OperatorContext(self, run, self.operator, None if keeps else self.states)
        committed = max((s.committed_at for s in self.states.values()), default=self.sealed)
        miss = DeadlineMissed(
            Timestamp(run.t),
            budget=Duration(race.budget),
            elapsed=Duration(now - run.started_at),
            best=race.best.value if race.best is not None else None,
            finished=race.finished,
            committed=Timestamp(committed) if committed > BOTTOM else None,
            reason=reason,
        )
        self.host.handle(run, run.handler, miss)

    def _report_miss(self, run: Run, reason: str) -> None:
        run.missed = True
        if self.host.observed:
            now = self.host.now()
            self.host.emit(
                ev.Missed(
                    now,
                    self.name,
                    run.t,
                    run.deadline,
                    run.race.budget,
                    now - run.started_at,
                    run.race.finished,
                    reason,
                )
            )

    def _late(self, run: Run, late: Late) -> None:
        if self.host.observed:
            self.host.emit(ev.Late(self.host.now(), self.name, run.t, late.name, late.by))
        if late.value is not None and late.name != HANDLER:
            self.operator.on_late(Timestamp(run.t), late.value, Duration(late.by))

    # -- keeping going -----------------------------------------------------------------------------------------------

    def _pump(self) -> None:
        """Begin what waits, as far as nothing keeps it back, and let watermarks through."""
        if self._pumping:
            return
        self._pumping = True
        while self.ready and not self._busy() and not self._blocked():
            joined = self.ready.popleft()
            if joined.t <= self.sealed:
                self._drop_joined(joined, "late")
            else:
                self._begin(joined)
        self._pumping = False
        if self.open is None:
            self._advance()

    def _advance(self) -> None:
        """Pass the inputs' watermark on when nothing at or before it is under way."""
        if self.joiner is None:
            return
        low = self.joiner.watermark()
        if low <= self.sealed:
            return
        oldest = self.joiner.oldest
        if oldest is not None:
            low = min(low, oldest - 1)
        if self.ready:
            low = min(low, self.ready[0].t - 1)
        if self.runs:
            low = min(low, min(self.runs) - 1)
        if low > self.sealed:
            self.sealed = low
            for stream in self.streams:
                self._send_watermark(stream, low)
            self.closed = self.closed or low == TOP

    def _send_watermark(self, stream: Stream, t: int) -> None:
        for reader, index in stream.readers:
            self.host.deliver(reader, index, t)

    def _close_streams(self) -> None:
        self.sealed = TOP
        for stream in self.streams:
            self._send_watermark(stream, TOP)

    def shutdown(self) -> None:
        """The run is over: nothing is said any more, and everything that was under way is accounted for."""
        self.closed = True
        for t in sorted(self.runs):
            if t in self.runs:
                self._withdraw(t, "shutdown", Quality.MISSED)
        while self.ready:
            self._drop_joined(self.ready.popleft(), "closed")
        for joiner in (self.joiner, self.sampler):
            if joiner is not None:
                joiner.close()
                self._account(joiner.dropped)

    def _withdraw(self, t: int, reason: str, quality: str) -> None:
        run = self.runs.get(t)
        if run is not None and run.commit is None:
            run.withdrawn = True
            self._perform(run, run.race.withdraw(reason, self.host.now(), quality))

    def _account(self, drops: list[Drop]) -> None:
        taken = drops[:]
        drops.clear()
        for drop in taken:
            self._emit_drop(self.input_names[drop.index], drop.t, drop.reason)
            if drop.reason in ("no_partner", "stale", "join_window"):
                self._withdraw(drop.t, drop.reason, Quality.MISSED)

    def _drop_joined(self, joined: Joined, reason: str) -> None:
        for index, envelope in enumerate(joined.values):
            if envelope is not None and envelope.t == joined.t:
                self._emit_drop(self.input_names[index], joined.t, reason)

    def _emit_drop(self, stream: str, t: int, reason: str) -> None:
        if self.host.observed:
            self.host.emit(ev.Dropped(self.host.now(), self.name, t, stream, reason))
