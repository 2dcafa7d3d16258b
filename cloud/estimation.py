"""How long the cloud takes to answer, learned from what was acknowledged. Knows only the car's own clock."""

from __future__ import annotations

from collections import deque
from typing import NamedTuple

from pipeline.errors import UsageError
from pipeline.timestamps import Duration, seconds


class _Sample(NamedTuple):
    at_ns: int
    network_ns: int
    server_ns: int


class ResponseTimes:
    """Quantile of the last answers' times. Older ones than ``fresh`` say nothing, so that a bad spell is probed again.

    Args:
        window: answers that are remembered.
        quantile: of them, the one to plan with.
    """

    def __init__(self, *, window: int = 10, quantile: float = 0.5, fresh: Duration = seconds(1)) -> None:
        if window < 1 or not 0.0 <= quantile <= 1.0 or fresh <= 0:
            raise UsageError(f"window={window}, quantile={quantile}, fresh={fresh} ns is no estimator")
        self._samples: deque[_Sample] = deque(maxlen=window)
        self._quantile, self._fresh = quantile, fresh

    def answered(self, *, at_ns: int, sent_ns: int, server_ns: int) -> None:
        """An answer came; the server says that ``server_ns`` of the time was its own."""
        server_ns = min(max(server_ns, 0), at_ns - sent_ns)
        self._samples.append(_Sample(at_ns, at_ns - sent_ns - server_ns, server_ns))

    def unanswered(self, *, at_ns: int, sent_ns: int) -> None:
        """No answer came in time: it takes longer than this."""
        self._samples.append(_Sample(at_ns, at_ns - sent_ns + 1, 0))

    def network(self, now_ns: int) -> Duration:
        """Both ways without the server; 0 when unknown."""
        return self._of([s.network_ns for s in self._samples if s.at_ns >= now_ns - self._fresh])

    def response(self, now_ns: int) -> Duration:
        """From sending to the answer; 0 when unknown."""
        return self._of([s.network_ns + s.server_ns for s in self._samples if s.at_ns >= now_ns - self._fresh])

    def _of(self, times: list[int]) -> Duration:
        if not times:
            return Duration(0)
        times.sort()
        return Duration(times[min(len(times) - 1, int(self._quantile * len(times)))])
