"""What becomes of the state that a timestamp's works have written: committed, rolled back, or kept for later."""

from __future__ import annotations

from collections.abc import Iterable

from pipeline.engines.work import Run, Work
from pipeline.graph import LOCAL
from pipeline.state import VersionedState


def settle(run: Run, states: dict[str, VersionedState]) -> None:
    """t is sealed: finished candidates commit, those that run on keep theirs, all others roll back."""
    for work in run.works:
        if not work.states or run.rolled_back:
            continue
        if run.race.has_finished(work.candidate):
            commit(run.t, work.states.values())
        elif not run.race.continues(work.candidate):
            roll_back(run.t, work.states.values())
    handler = run.handler
    if handler is not None and handler.wrote and handler.alive:
        commit(run.t, states.values())


def undo(run: Run, states: dict[str, VersionedState]) -> int | None:
    """t is aborted: undo every write of it. Returns the timestamp that the state is back at, None without state."""
    run.rolled_back = True
    written = [*states.values(), *(s for work in run.works for s in work.states.values())]
    roll_back(run.t, written)
    return max((state.committed_at for state in written), default=None)


def stopped(work: Work) -> None:
    """An aborted work has really stopped: what it wrote at the last moment is undone.

    The handler writes into the same state, and may have done so by then: that stays.
    """
    handler = work.run.handler
    if work.candidate != LOCAL or handler is None or not (handler.wrote and handler.alive):
        roll_back(work.run.t, work.states.values())


def commit_finished(run: Run, name: str) -> None:
    """A candidate that ran on after the fence has finished: its state counts from now on."""
    for work in run.works:
        if work.candidate == name:
            commit(run.t, work.states.values())


def commit(t: int, states: Iterable[VersionedState]) -> None:
    """Make what t wrote the committed version.

    A later timestamp may have committed already: then it is too late for t.
    """
    for state in states:
        if t > state.committed_at:
            state.commit(t)
        else:
            state.rollback(t)


def roll_back(t: int, states: Iterable[VersionedState]) -> None:
    """Undo what t wrote."""
    for state in states:
        state.rollback(t)
