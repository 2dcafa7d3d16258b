"""Remote detection as a service: encoded request in, encoded answer out. Knows no network and no clock of its own.

A request that cannot be answered within its budget is refused at once, so that no work is wasted on it and the car
learns early. Source: Gujarati et al., Clockwork (OSDI'20): actions have a window and an expected duration, and are
rejected if they cannot fit.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple, Protocol

from cloud.encoding import InvalidPicture, decode_picture
from cloud.protocol import (
    ITEMS_MAX,
    DetectionAnswer,
    DetectionRequest,
    Found,
    ProtocolError,
    decode_request,
    encode_answer,
)
from operators.detection.base import InvalidFrame, PictureDetector
from operators.messages import Detection
from pipeline.errors import UsageError
from pipeline.latency import Profile, uniform
from pipeline.timestamps import Duration, format_duration


class Timing(Protocol):
    """How long a model runs on this server."""

    def expected(self, model: str) -> Duration:
        """What to plan with: the 99th percentile."""

    def spent(self, model: str, car_id: str, t: int) -> Duration:
        """What it takes for this picture."""


class ProfileTiming:
    """Times from a latency profile's ``detect`` stage; a pure function of seed, car, model and t."""

    def __init__(self, profile: Profile, *, seed: int = 0) -> None:
        if "detect" not in profile.table:
            raise UsageError(f"the profile {profile.name!r} has no stage detect", hint="choose another profile")
        self._profile, self._seed = profile, seed

    def expected(self, model: str) -> Duration:
        entry = self._profile.lookup("detect", model)
        return entry.p99 if entry is not None else Duration(0)

    def spent(self, model: str, car_id: str, t: int) -> Duration:
        entry = self._profile.lookup("detect", model)
        return entry.at(uniform(self._seed, "server", model, car_id, t)) if entry is not None else Duration(0)


class Reply(NamedTuple):
    """An encoded answer and when it leaves the server."""

    encoded: bytes
    ready_at_ns: int


class DetectionService:
    """Answers detection requests, first come first served, on ``workers`` machines.

    Args:
        detectors: by the model name that requests use; ``detect`` of each is given the decoded picture.
        timing: how long a model runs; charged, not measured, so that a run under the virtual clock is repeatable.
    """

    def __init__(self, detectors: Mapping[str, PictureDetector], timing: Timing, *, workers: int = 1) -> None:
        if workers < 1:
            raise UsageError(f"a service with {workers} workers", hint="give at least 1")
        self._detectors, self._timing = detectors, timing
        self._free_ns = [0] * workers

    def answer(self, encoded: bytes, *, now_ns: int) -> Reply:
        """Answer a request that arrived at ``now_ns``. Every request is answered, if only with a refusal; never raises
        for what came from the wire.
        """
        try:
            request = decode_request(encoded)
        except ProtocolError as error:
            refusal = DetectionAnswer(car_id="", t=0, model="", refused=f"malformed: {error}"[:200])
            return Reply(encode_answer(refusal), now_ns)
        if request.model not in self._detectors:
            return self._refuse(request, f"no model {request.model}", now_ns)
        worker = min(range(len(self._free_ns)), key=self._free_ns.__getitem__)
        start_ns = max(now_ns, self._free_ns[worker])
        needed = start_ns - now_ns + self._timing.expected(request.model)
        if needed > request.budget_ns:
            reason = f"no time: needs {format_duration(needed)}, has {format_duration(request.budget_ns)}"
            return self._refuse(request, reason, now_ns)
        return self._execute(request, worker, now_ns, start_ns)

    def _execute(self, request: DetectionRequest, worker: int, now_ns: int, start_ns: int) -> Reply:
        try:
            rgb = decode_picture(request.picture, request.width_px, request.height_px, request.encoding)
            items = self._detectors[request.model].detect(rgb)
        except (InvalidPicture, InvalidFrame) as error:
            return self._refuse(request, f"picture: {error.what}", now_ns)
        end_ns = start_ns + self._timing.spent(request.model, request.car_id, request.t)
        self._free_ns[worker] = end_ns
        answer = DetectionAnswer(
            car_id=request.car_id,
            t=request.t,
            model=request.model,
            items=tuple(_found(item) for item in items[:ITEMS_MAX]),
            queue_ns=start_ns - now_ns,
            execution_ns=end_ns - start_ns,
        )
        return Reply(encode_answer(answer), end_ns)

    def _refuse(self, request: DetectionRequest, reason: str, now_ns: int) -> Reply:
        answer = DetectionAnswer(car_id=request.car_id, t=request.t, model=request.model, refused=reason[:200])
        return Reply(encode_answer(answer), now_ns)


def _found(item: Detection) -> Found:
    box = item.box
    return Found(item.label, item.score, box.x0_px, box.y0_px, box.x1_px, box.y1_px)


__all__ = ["DetectionService", "ProfileTiming", "Reply", "Timing"]
