"""The race: candidates in, exactly one commit out. Decides what an operator says for one timestamp.

Pure: no clock, threads or I/O. The engine feeds events with their times, in the order done, yield, fail,
expire(candidate),
expire(deadline) where times are equal, and carries out the actions it gets back. Rules: ARCHITECTURE.md, "The race".
"""

from __future__ import annotations

from collections.abc import Sequence
from enum import Enum
from typing import Any, NamedTuple, Union

from pipeline.messages import Quality


class MissPolicy(Enum):
    """What becomes of the work on a missed timestamp."""

    ABORT = "abort"
    """Stop it and roll the state back."""
    CONTINUE = "continue"
    """Let it finish for its state; its outputs are late."""


class Commit(NamedTuple):
    """The one answer for t. ``value`` is None when t is sealed without data."""

    value: Any
    winner: str
    quality: str
    reason: str = ""


class Cancel(NamedTuple):
    """Stop the work of a candidate."""

    name: str
    why: str


class CallHandler(NamedTuple):
    """Run the deadline handler, once."""

    reason: str


class Rollback(NamedTuple):
    """Undo the state writes of t."""


class CommitState(NamedTuple):
    """A candidate finished after the fence; its state, but not its value, counts for later timestamps."""

    name: str


class Late(NamedTuple):
    """An event for a fenced race; ``by`` nanoseconds after the fence."""

    name: str
    by: int
    value: Any


Action = Union[Commit, Cancel, CallHandler, Rollback, CommitState, Late]

_WAITING, _RUNNING, _USABLE, _DONE, _FAILED, _OUT, _CANCELLED, _BESIDE = range(8)
"""BESIDE: fenced, but running on for the sake of its state."""

HANDLER = "handler"
"""The winner's name when the deadline handler answered."""


class Candidate:
    """One way to answer: ``rank`` (higher is better), own ``deadline`` (absolute, or None), ``remote`` or local.

    ``waiting``: it has not begun yet; ``Race.begin`` says when it does.
    """

    __slots__ = ("deadline", "name", "rank", "remote", "state", "value")

    def __init__(
        self, name: str, rank: int = 0, deadline: int | None = None, remote: bool = False, waiting: bool = False
    ) -> None:
        self.name, self.rank, self.deadline, self.remote = name, rank, deadline, remote
        self.state = _WAITING if waiting else _RUNNING
        self.value: Any = None

    @property
    def runs(self) -> bool:
        """True while it may still improve its answer."""
        return self.state in (_RUNNING, _USABLE)

    @property
    def finished(self) -> bool:
        """True once its value is final."""
        return self.state == _DONE


class Race:
    """One timestamp of one operator. Every method takes the time of its event and returns the actions that follow."""

    __slots__ = (
        "best",
        "budget",
        "candidates",
        "committed",
        "deadline",
        "fenced",
        "fenced_at",
        "handler_budget",
        "handling",
        "has_handler",
        "policy",
        "t",
    )

    def __init__(
        self,
        t: int,
        candidates: Sequence[Candidate],
        *,
        deadline: int | None = None,
        has_handler: bool = False,
        policy: MissPolicy = MissPolicy.ABORT,
        budget: int = 0,
        handler_budget: int = 5_000_000,
    ) -> None:
        if len(candidates) > 1 and len({c.rank for c in candidates}) < len(candidates):
            raise ValueError(f"equal ranks in one race: {[(c.name, c.rank) for c in candidates]}")
        self.t, self.candidates, self.deadline = t, candidates, deadline
        self.has_handler, self.policy, self.budget, self.handler_budget = has_handler, policy, budget, handler_budget
        self.committed: Commit | None = None
        self.fenced = False
        """True from the commit or the miss on: no value that comes now can be the answer."""
        self.fenced_at = 0
        self.handling = False
        self.best: Candidate | None = None
        """At a miss: the highest-ranking candidate that had a value."""

    # -- events ------------------------------------------------------------------------------------------------------

    def start(self, now: int) -> Sequence[Action]:
        """The race is on. A deadline that has passed already is a miss at once."""
        if self.deadline is not None and self.deadline < now:
            return self._miss(now, "deadline passed before the start")
        return ()

    def begin(self, name: str, now: int) -> Sequence[Action]:
        """A waiting candidate starts to work."""
        candidate = self._find(name)
        if candidate.state == _WAITING:
            candidate.state = _RUNNING
        return ()

    def yielded(self, name: str, value: Any, now: int) -> Sequence[Action]:
        """A usable value that may still improve."""
        candidate = self._find(name)
        if self.fenced or not candidate.runs:
            return (Late(name, self._late_by(candidate, now), value),)
        candidate.value, candidate.state = value, _USABLE
        return ()

    def done(self, name: str, value: Any, now: int) -> Sequence[Action]:
        """A candidate's final value."""
        candidate = self._find(name)
        if self.fenced or not candidate.runs:
            late = Late(name, self._late_by(candidate, now), value)
            if candidate.state == _BESIDE:
                candidate.state = _DONE
                return (late, CommitState(name))
            return (late,)
        candidate.value, candidate.state = value, _DONE
        return self._settle(now)

    def failed(self, name: str, why: str, now: int) -> Sequence[Action]:
        """A candidate is out at once: an error, a dead link, a refused admission."""
        candidate = self._find(name)
        if self.fenced or not (candidate.runs or candidate.state == _WAITING):
            if candidate.state == _BESIDE:
                candidate.state = _FAILED
            return (Late(name, self._late_by(candidate, now), None),)
        candidate.state = _FAILED
        return self._settle(now, why)

    def expire_candidate(self, name: str, now: int) -> Sequence[Action]:
        """A candidate's own deadline: its last value stands as final, or it is out."""
        candidate = self._find(name)
        if self.fenced or not (candidate.runs or candidate.state == _WAITING):
            return ()
        return (*self._stop_at_own_deadline(candidate), *self._settle(now, "own deadline"))

    def expire(self, now: int) -> Sequence[Action]:
        """The race's deadline. A remote candidate that ran out of time is no miss while another has answered.

        A local one that runs on because a remote one has won ends here too, as it would have without a cloud.
        """
        if self.fenced:
            return self._stop_beside() if self.policy is MissPolicy.ABORT else ()
        actions: list[Action] = []
        if any(c.finished for c in self.candidates):
            for candidate in self.candidates:
                if candidate.remote and (candidate.runs or candidate.state == _WAITING):
                    actions += self._stop_at_own_deadline(candidate)
            actions += self._settle(now)
            if self.committed is not None:
                return [*actions, *self._stop_beside()] if self.policy is MissPolicy.ABORT else actions
        actions += self._miss(now, "deadline")
        return actions

    def answered(self, value: Any, now: int) -> Sequence[Action]:
        """The deadline handler returned."""
        if not self.handling:
            return (Late(HANDLER, now - self.fenced_at, value),)
        if value is None:
            return self._commit(now, Commit(None, HANDLER, Quality.MISSED, "handler had no answer"))
        if self.best is not None and value is self.best.value:
            return self._commit(now, Commit(value, self.best.name, Quality.PARTIAL, "deadline"))
        return self._commit(now, Commit(value, HANDLER, Quality.FALLBACK, "deadline"))

    def handler_failed(self, why: str, now: int) -> Sequence[Action]:
        """The deadline handler raised: the best value stands, or nothing."""
        return self._commit_best(now, f"handler failed: {why}") if self.handling else ()

    def handler_expired(self, now: int) -> Sequence[Action]:
        """The deadline handler used up its own budget: the best value stands, or nothing."""
        return self._commit_best(now, "handler overran") if self.handling else ()

    def withdraw(self, reason: str, now: int, quality: str = Quality.MISSED) -> Sequence[Action]:
        """Shutdown or overload: nothing is said for t, nothing runs on."""
        if self.committed is not None:
            return ()
        cancels = [Cancel(c.name, reason) for c in self.candidates if c.runs or c.state == _BESIDE]
        for candidate in self.candidates:
            if candidate.state in (_WAITING, _RUNNING, _USABLE, _BESIDE):
                candidate.state = _CANCELLED
        return [*self._commit(now, Commit(None, "", quality, reason)), *cancels]

    # -- questions ---------------------------------------------------------------------------------------------------

    @property
    def finished(self) -> tuple[str, ...]:
        """Names of the candidates with a final value."""
        return tuple(c.name for c in self.candidates if c.state == _DONE)

    def has_finished(self, name: str) -> bool:
        """True if the candidate's value is final."""
        return self._find(name).state == _DONE

    def value_of(self, name: str) -> Any:
        """The candidate's value so far, final or not; None without one."""
        return self._find(name).value

    def wants(self, name: str) -> bool:
        """True while the candidate's work is of use: for its value, or for its state beside a fenced race."""
        candidate = self._find(name)
        return candidate.runs or candidate.state == _BESIDE

    def set_deadline(self, name: str, deadline: int) -> None:
        """The candidate's own deadline, known only when it begins."""
        self._find(name).deadline = deadline

    def continues(self, name: str) -> bool:
        """True if the candidate runs on after the fence, for its state."""
        return self._find(name).state == _BESIDE

    # -- rules -------------------------------------------------------------------------------------------------------

    def _find(self, name: str) -> Candidate:
        for candidate in self.candidates:
            if candidate.name == name:
                return candidate
        raise KeyError(f"no candidate {name!r} in the race for t={self.t}")

    def _late_by(self, candidate: Candidate, now: int) -> int:
        if self.fenced:
            return now - self.fenced_at
        return now - candidate.deadline if candidate.deadline is not None else 0

    def _stop_at_own_deadline(self, candidate: Candidate) -> list[Action]:
        worked = candidate.runs
        candidate.state = _DONE if candidate.state == _USABLE else _OUT
        return [Cancel(candidate.name, "own deadline")] if worked else []

    def _settle(self, now: int, why: str = "") -> Sequence[Action]:
        best: Candidate | None = None
        pending_rank: int | None = None
        for candidate in self.candidates:
            if candidate.state == _DONE:
                if best is None or candidate.rank > best.rank:
                    best = candidate
            elif candidate.state <= _USABLE and (pending_rank is None or candidate.rank > pending_rank):
                pending_rank = candidate.rank
        if best is None:
            return () if pending_rank is not None else self._miss(now, why or "no candidate left")
        if pending_rank is not None and pending_rank > best.rank:
            return ()
        commit = Commit(best.value, best.name, Quality.FINAL)
        if pending_rank is None:
            return self._commit(now, commit)
        return [*self._commit(now, commit), *self._stop_the_others(best)]

    def _stop_the_others(self, winner: Candidate) -> list[Action]:
        actions: list[Action] = []
        for candidate in self.candidates:
            if candidate.state == _WAITING:
                candidate.state = _CANCELLED
            elif candidate.runs:
                # A remote winner never takes the local candidate's turn away: the car keeps
                # working as if it had no cloud.
                beside = winner.remote and not candidate.remote
                candidate.state = _BESIDE if beside else _CANCELLED
                if not beside:
                    actions.append(Cancel(candidate.name, "outranked"))
        return actions

    def _stop_beside(self) -> Sequence[Action]:
        actions: list[Action] = []
        for candidate in self.candidates:
            if candidate.state == _BESIDE:
                candidate.state = _CANCELLED
                actions.append(Cancel(candidate.name, "deadline"))
        return actions

    def _miss(self, now: int, reason: str) -> Sequence[Action]:
        self.fenced, self.fenced_at = True, now
        usable = [c for c in self.candidates if c.state in (_USABLE, _DONE)]
        self.best = max(usable, key=lambda c: c.rank, default=None)
        actions: list[Action] = []
        for candidate in self.candidates:
            if candidate.state == _WAITING:
                candidate.state = _CANCELLED
            elif candidate.runs:
                on = self.policy is MissPolicy.CONTINUE and not candidate.remote
                candidate.state = _BESIDE if on else _CANCELLED
                if not on:
                    actions.append(Cancel(candidate.name, reason))
        if self.policy is MissPolicy.ABORT:
            actions.append(Rollback())
        if self.has_handler:
            self.handling = True
            actions.append(CallHandler(reason))
        else:
            actions += self._commit_best(now, reason)
        return actions

    def _commit_best(self, now: int, reason: str) -> Sequence[Action]:
        if self.best is None or self.best.value is None:
            return self._commit(now, Commit(None, "", Quality.MISSED, reason))
        return self._commit(now, Commit(self.best.value, self.best.name, Quality.PARTIAL, reason))

    def _commit(self, now: int, commit: Commit) -> Sequence[Action]:
        assert self.committed is None, "a race commits once"
        self.committed = commit
        self.handling = False
        if not self.fenced:
            self.fenced, self.fenced_at = True, now
        return (commit,)
