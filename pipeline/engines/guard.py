"""What may not leave an operator, and how its failures are named. What follows from them is the stage's business.

Values of the wrong type never pass. NaN and infinity do not either where the host says so: on the wall clock, unless
the graph has ``check_finite = False``; on the virtual clock, where it has ``check_finite = True``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pipeline import events as ev
from pipeline.definition import CandidateFailed
from pipeline.engines.streams import wrong_type
from pipeline.graph import LOCAL
from pipeline.messages import first_non_finite
from pipeline.race import HANDLER

if TYPE_CHECKING:
    from pipeline.engines.stage import Stage

ELEMENTS_MAX = 4096
"""Larger arrays (pixels, sweeps) are not looked through: it would take longer than the callback's other costs."""


class WrongAnswer(TypeError):
    """An answer that its stream does not carry."""

    fault = "wrong_type"


class NotFinite(CandidateFailed):
    """An answer with NaN or infinity in it. Its timestamp goes without; the run goes on."""

    fault = "not_finite"


class Guard:
    """Of one stage. ``wrong(value)``: what is wrong with an answer, None if it may leave."""

    __slots__ = ("_stage", "failing_since", "wrong")

    def __init__(self, stage: Stage) -> None:
        self._stage = stage
        self.failing_since: int | None = None
        """When its own callback failed; None once it has answered again."""
        self.wrong = self._wrong if stage.host.checks_finite else self._wrong_type

    def _wrong_type(self, value: Any) -> Exception | None:
        streams = self._stage.streams
        if len(streams) == 1 and isinstance(value, streams[0].type_):
            return None
        wrong = wrong_type(streams, value)
        return WrongAnswer(wrong) if wrong else None

    def _wrong(self, value: Any) -> Exception | None:
        wrong = self._wrong_type(value)
        if wrong is not None:
            return wrong
        where = first_non_finite(value, elements_max=ELEMENTS_MAX)
        return NotFinite(f"answered with a number that is not finite: {where}") if where is not None else None

    def failed(self, t: int, candidate: str, why: str, error: BaseException | None) -> None:
        """A candidate's work on t, or the handler's, failed: say so, and name the fault if it is one."""
        host, stage = self._stage.host, self._stage
        if host.observed and candidate != HANDLER and (error is None or isinstance(error, (WrongAnswer, NotFinite))):
            host.emit(ev.Refused(host.now(), stage.name, t, why))
        if not host.names_faults or (isinstance(error, CandidateFailed) and not isinstance(error, NotFinite)):
            return
        kind: str = getattr(error, "fault", "raised")
        now = host.now()
        if candidate == LOCAL and self.failing_since is None:
            self.failing_since = now
        if host.observed:
            reason = why if candidate == LOCAL else f"{candidate}: {why}"
            host.emit(ev.Fault(now, stage.name, t, "", kind, reason))

    def recovered(self, t: int) -> None:
        """Its own callback has answered again."""
        since, host = self.failing_since, self._stage.host
        self.failing_since = None
        if since is not None and host.observed:
            host.emit(ev.Recovered(host.now(), self._stage.name, t, "", host.now() - since, "answers again"))
