"""Remote detection as a candidate in the detector's race: offer, send, wait, judge.

When to offer is in ``speculation``, what to believe in ``gate``, when a message arrives in the transport; who wins is
the race's.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Generator, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Union

from cloud.encoding import QUALITY, encode_picture
from cloud.estimation import ResponseTimes
from cloud.gate import TrustGate, detections, merge
from cloud.link_classes import Connection, connect
from cloud.protocol import DetectionRequest, ProtocolError, decode_answer, encode_request
from cloud.speculation import Situation, Skip, Speculation
from cloud.transports.base import NO_ANSWER, Transport
from operators import profiles
from operators.detection.base import PictureDetector
from operators.messages import CameraFrame, Detections
from pipeline.definition import Aborted, CandidateFailed, Context, Operator, Wait
from pipeline.errors import MissingExtra, UsageError
from pipeline.ports import Input, Output, keep_last
from pipeline.timestamps import Duration, Timestamp, format_duration, ms

ENCODE, DECODE = "encode", "decode"
"""Names of the work on the car, for the latency model."""


@dataclass
class Usage:
    """What became of the frames of a run: every one is counted once in ``outcomes``."""

    frames: int = 0
    sent_bits: int = 0
    wasted_bits: int = 0
    """Of those, sent for an answer that never came or was refused."""
    outcomes: Counter[str] = field(default_factory=Counter)
    """``answered``, ``abandoned`` (the race was over first), or the first words of the reason it failed."""


class RemoteDetector(Operator):
    """Detects road users with a large model in the cloud; fails at once when it can know that no answer will come.

    In: ``frame``. Out: ``detections`` with ``model="cloud.<size>"``.

    Args:
        size: model that the server runs, and the key of its time in the profile's ``detect`` stage.
        server: latency profile of the server's computer.
        link: class of the radio link, see ``link_classes.yaml``.
        seed: of link and server; a launch file gives the run's.
        quality: JPEG quality of what is sent, 1 to 100.
        hold: how long an answer may take at most. ``follows``: what has to happen on the path within the deadline
        afterwards.
        queue_max: outgoing messages beyond which a frame is not offered. ``every``: only each n-th frame is.
        outages: further ones, ``[["5s", "8s"], …]`` from the start of the run.
        uplink_trace: Mahimahi trace of the uplink's capacity, in place of the class's rate; ``downlink_trace``
        likewise.
        assumed_bytes: size on the air of a frame without pixels.
        detector: what the server runs; None loads the shipped model ``size``.
        transport: another way to a server; then ``server``, ``link``, outages, traces and ``detector`` do not matter.
    """

    device = True
    frame = Input(CameraFrame, queue=keep_last(1))
    detections = Output(Detections)

    def __init__(
        self,
        *,
        size: str = "large",
        server: str = "h100",
        link: str = "typical",
        seed: int = 0,
        quality: int = QUALITY,
        hold: Duration = ms(150),
        follows: Duration = Duration(0),
        queue_max: int = 2,
        every: int = 1,
        outages: Sequence[tuple[Duration, Duration]] = (),
        uplink_trace: str | None = None,
        downlink_trace: str | None = None,
        assumed_bytes: int = 33_300,
        car_id: str = "ego",
        detector: PictureDetector | None = None,
        transport: Transport | None = None,
    ) -> None:
        if not 1 <= quality <= 100:
            raise UsageError(f"JPEG quality {quality}", hint="give 1 (smallest) to 100 (best)")
        if assumed_bytes < 1:
            raise UsageError(f"assumed_bytes={assumed_bytes}", hint="must be positive")
        self.size, self.link, self.seed, self.quality = size, link, seed, quality
        self.assumed_bytes, self.car_id = assumed_bytes, car_id
        self.rules = Speculation(hold=hold, follows=follows, queue_max=queue_max, every=every)
        self.gate = TrustGate()
        self.usage = Usage()
        self._profile = profiles.load(server)
        self._outages = tuple((outage[0], outage[1]) for outage in outages)
        self._traces = tuple(Path(trace) if trace else None for trace in (uplink_trace, downlink_trace))
        self._detector, self._given = detector, transport
        self._transport = transport
        self._times = ResponseTimes()
        # A mistake in the link's name or a trace is told now, not in the middle of a drive.
        self._connect()

    def warm_up(self) -> None:
        """Load the server's model and forget what an earlier run left behind."""
        if self._given is None and self._detector is None:
            self._detector = _shipped(self.size)
        if self._detector is not None:
            self._detector.warm_up()
        self._transport = self._given
        self._times = ResponseTimes()
        self.usage = Usage()

    def merge(self, value: Detections, local: Detections) -> Detections:
        """The cloud advises: what the local side saw in the same picture stays, refined and added to."""
        return merge(local, value)

    def on_watermark(self, ctx: Context) -> Iterator[Union[Detections, Wait]]:
        """Offer the frame of t, wait for the answer, yield it if the gate lets it pass. Raises CandidateFailed."""
        sent_bits, outcome = self.usage.sent_bits, "abandoned"
        sequence, self.usage.frames = self.usage.frames, self.usage.frames + 1
        try:
            answer = yield from self._ask(ctx, sequence)
            outcome = "answered"
            yield answer
        except CandidateFailed as failed:
            outcome = failed.reason.partition(":")[0]
            raise
        finally:
            self.usage.outcomes[outcome] += 1
            if outcome != "answered":
                self.usage.wasted_bits += self.usage.sent_bits - sent_bits

    def _ask(self, ctx: Context, sequence: int) -> Generator[Wait, None, Detections]:
        transport = self._reached()
        now = ctx.now()
        situation = Situation(
            sequence, ctx.remaining(), transport.queued(now), transport.is_down(now), self._times.response(now)
        )
        decision = self.rules.decide(situation)
        if isinstance(decision, Skip):
            raise CandidateFailed(decision.reason)
        give_up = Timestamp(now + decision.hold)
        frame = ctx[self.frame]
        picture = encode_picture(frame.rgb, self.quality)
        ctx.work(ENCODE)
        yield Wait(Duration(0))
        sent = ctx.now()
        # What the answer takes on its way back is not the server's to spend.
        budget = give_up - sent - self._times.network(sent)
        if budget <= 0:
            left = format_duration(give_up - sent)
            raise CandidateFailed(f"no time: {left} left after encoding, the network alone takes that")
        request = self._request(frame, picture, ctx.t, budget)
        encoded = encode_request(request)
        size_bits = 8 * len(encoded) + (0 if picture else 8 * self.assumed_bytes)
        self.usage.sent_bits += size_bits
        try:
            raw = yield from transport.exchange(encoded, clock=ctx.now, give_up=give_up, size_bits=size_bits)
        except CandidateFailed as failed:
            if failed.reason == NO_ANSWER:
                self._times.unanswered(at_ns=ctx.now(), sent_ns=sent)
            raise
        except (Aborted, GeneratorExit):
            # The race was over before the hold was. A short wait says nothing about how long the answer would take.
            if ctx.now() - sent > self._times.response(sent):
                self._times.unanswered(at_ns=ctx.now(), sent_ns=sent)
            raise
        answer = self._judged(raw, request, frame, ctx.now(), sent)
        ctx.work(DECODE)
        return answer

    def _request(self, frame: CameraFrame, picture: bytes, t: Timestamp, budget: int) -> DetectionRequest:
        width_px, height_px = _size_px(frame)
        return DetectionRequest(
            car_id=self.car_id,
            t=t,
            model=self.size,
            budget_ns=budget,
            encoding="jpeg" if picture else "none",
            width_px=width_px,
            height_px=height_px,
            picture=picture,
        )

    def _judged(
        self, raw: bytes, request: DetectionRequest, frame: CameraFrame, now: Timestamp, sent: Timestamp
    ) -> Detections:
        """The answer as a message. Raises CandidateFailed for what the gate, the protocol or the server refuses."""
        try:
            answer = decode_answer(raw)
        except ProtocolError as error:
            raise CandidateFailed(f"refused: {error.what}") from error
        self._times.answered(at_ns=now, sent_ns=sent, server_ns=answer.queue_ns + answer.execution_ns)
        width_px, height_px = _size_px(frame)
        reason = answer.refused or self.gate.refuse(answer, request, width_px=width_px, height_px=height_px)
        if reason:
            raise CandidateFailed(f"refused: {reason}")
        return detections(
            answer,
            model=f"cloud.{self.size}",
            frame_id=frame.camera.frame_id,
            width_px=width_px,
            height_px=height_px,
        )

    def _reached(self) -> Transport:
        if self._transport is None:
            from cloud.transports.loopback import loopback

            assert self._detector is not None, "warm_up comes before the first frame"
            self._transport = loopback(
                self._connect(), self._detector, model=self.size, profile=self._profile, seed=self.seed
            )
        return self._transport

    def _connect(self) -> Connection:
        up, down = self._traces
        return connect(self.link, seed=self.seed, outages=self._outages, uplink_trace=up, downlink_trace=down)


def _shipped(size: str) -> PictureDetector:
    try:
        from operators.detection.torch_detector import TorchDetector
    except ImportError as error:
        raise MissingExtra("the modelled server runs a trained detector", hint="install skylane[models]") from error
    return TorchDetector(size)


def _size_px(frame: CameraFrame) -> tuple[int, int]:
    if frame.rgb.size:
        return frame.rgb.shape[1], frame.rgb.shape[0]
    return frame.camera.width_px, frame.camera.height_px


__all__ = ["RemoteDetector", "Usage"]
