"""The server: answers what it can in time, refuses the rest at once, and survives whatever the wire brings."""

from __future__ import annotations

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from cloud.encoding import encode_picture
from cloud.protocol import DetectionAnswer, DetectionRequest, decode_answer, encode_request
from cloud.server.service import DetectionService, ProfileTiming
from operators.messages import Box, Detection
from operators.profiles import load
from pipeline.errors import UsageError
from pipeline.latency import Distribution, Profile
from pipeline.timestamps import Duration, ms

MS = 1_000_000
RGB = np.full((48, 64, 3), 90, dtype=np.uint8)
PEDESTRIAN = Detection(label="pedestrian", score=0.9, box=Box(x0_px=1, y0_px=2, x1_px=11, y1_px=32))


class Doubled:
    """A detector that remembers what it saw."""

    name = "double"

    def __init__(self, *items: Detection) -> None:
        self.items = items
        self.seen: list[NDArray[np.uint8]] = []

    def detect(self, rgb: NDArray[np.uint8]) -> tuple[Detection, ...]:
        self.seen.append(rgb)
        return self.items

    def warm_up(self) -> None:
        """Nothing to load."""


class Fixed:
    """Every model takes 60 ms and is expected to take 70."""

    def expected(self, model: str) -> Duration:
        return ms(70)

    def spent(self, model: str, car_id: str, t: int) -> Duration:
        return ms(60)


REQUEST = DetectionRequest(
    car_id="ego",
    t=7,
    model="large",
    budget_ns=100 * MS,
    encoding="jpeg",
    width_px=64,
    height_px=48,
    picture=encode_picture(RGB),
)


def served(service: DetectionService, now_ns: int = 0, **change: object) -> tuple[DetectionAnswer, int]:
    reply = service.answer(encode_request(msgspec.structs.replace(REQUEST, **change)), now_ns=now_ns)
    return decode_answer(reply.encoded), reply.ready_at_ns


def test_it_answers_from_the_decoded_picture_after_the_time_it_takes() -> None:
    detector = Doubled(PEDESTRIAN)
    answer, ready_at_ns = served(DetectionService({"large": detector}, Fixed()), 5 * MS)
    assert (answer.t, answer.car_id, answer.model, answer.refused) == (7, "ego", "large", "")
    assert [(i.label, i.score, i.x0_px, i.y1_px) for i in answer.items] == [("pedestrian", 0.9, 1, 32)]
    assert ready_at_ns == 65 * MS
    assert (answer.queue_ns, answer.execution_ns) == (0, 60 * MS)
    assert detector.seen[0].shape == RGB.shape


def test_compression_reaches_the_detector() -> None:
    rng = np.random.default_rng(1)
    noise = rng.integers(0, 256, (48, 64, 3)).astype(np.uint8)
    detector = Doubled()
    served(DetectionService({"large": detector}, Fixed()), picture=encode_picture(noise, 10))
    assert np.abs(detector.seen[0].astype(int) - noise).mean() > 10


def test_requests_wait_for_each_other() -> None:
    service = DetectionService({"large": Doubled()}, Fixed())
    assert served(service, 0)[1] == 60 * MS
    answer, ready_at_ns = served(service, 40 * MS)
    assert ready_at_ns == 120 * MS
    assert answer.queue_ns == 20 * MS


def test_a_second_worker_takes_the_second_request() -> None:
    service = DetectionService({"large": Doubled()}, Fixed(), workers=2)
    assert [served(service, 0)[1] for _ in range(2)] == [60 * MS, 60 * MS]


def test_what_cannot_be_finished_in_time_is_refused_at_once_and_takes_no_time() -> None:
    detector = Doubled(PEDESTRIAN)
    service = DetectionService({"large": detector}, Fixed())
    answer, ready_at_ns = served(service, 0, budget_ns=70 * MS - 1)
    assert answer.refused.startswith("no time: needs 70 ms")
    assert ready_at_ns == 0
    assert not answer.items
    assert not detector.seen
    assert served(service, 0, budget_ns=70 * MS)[0].refused == ""


def test_the_time_in_the_queue_counts() -> None:
    service = DetectionService({"large": Doubled()}, Fixed())
    served(service, 0)
    assert served(service, 10 * MS)[0].refused.startswith("no time: needs 120 ms, has 100 ms")
    assert served(service, 30 * MS)[0].refused == ""


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"model": "huge"}, "no model huge"),
        ({"picture": b"not a picture"}, "picture: the picture is not JPEG"),
        ({"width_px": 65}, "picture: the picture has 64 x 48"),
    ],
)
def test_what_it_cannot_do_is_refused_with_the_reason(change: dict[str, object], reason: str) -> None:
    service = DetectionService({"large": Doubled()}, Fixed())
    answer, ready_at_ns = served(service, 0, **change)
    assert answer.refused.startswith(reason)
    assert answer.t == 7
    assert ready_at_ns == 0
    assert served(service, 0)[1] == 60 * MS


@given(st.binary(max_size=200))
def test_arbitrary_bytes_are_answered_with_a_refusal(data: bytes) -> None:
    reply = DetectionService({"large": Doubled()}, Fixed()).answer(data, now_ns=3)
    assert decode_answer(reply.encoded).refused.startswith("malformed")
    assert reply.ready_at_ns == 3


def test_an_answer_never_exceeds_its_limit() -> None:
    answer, _ = served(DetectionService({"large": Doubled(*[PEDESTRIAN] * 1000)}, Fixed()))
    assert len(answer.items) == 256


@given(st.lists(st.tuples(st.integers(0, 50 * MS), st.integers(0, 300 * MS)), max_size=12), st.integers(1, 3))
def test_every_accepted_request_is_answered_within_its_budget(requests: list[tuple[int, int]], workers: int) -> None:
    service, now_ns, accepted = DetectionService({"large": Doubled()}, Fixed(), workers=workers), 0, []
    for pause, budget_ns in requests:
        now_ns += pause
        answer, ready_at_ns = served(service, now_ns, budget_ns=budget_ns)
        if not answer.refused:
            assert ready_at_ns <= now_ns + budget_ns
            accepted.append((ready_at_ns - 60 * MS, ready_at_ns))
    for start, _ in accepted:
        assert sum(a <= start < b for a, b in accepted) <= workers


def test_a_profiles_times_are_drawn_for_each_picture_and_repeat() -> None:
    timing = ProfileTiming(load("h100"), seed=3)
    drawn = [timing.spent("large", "ego", t) for t in range(500)]
    assert drawn == [ProfileTiming(load("h100"), seed=3).spent("large", "ego", t) for t in range(500)]
    assert len(set(drawn)) > 400
    assert sorted(drawn)[250] / MS == pytest.approx(65, rel=0.03)
    assert timing.expected("large") == ms(74.8)


def test_two_cars_do_not_share_their_luck() -> None:
    timing = ProfileTiming(load("h100"), seed=3)
    assert timing.spent("large", "ego", 1) != timing.spent("large", "other", 1)


def test_a_profile_without_detection_is_refused() -> None:
    with pytest.raises(UsageError, match="no stage detect"):
        ProfileTiming(Profile("mine", {"track": {"": Distribution(ms(1), ms(2))}}))


def test_a_service_without_workers_is_refused() -> None:
    with pytest.raises(UsageError, match="0 workers"):
        DetectionService({}, Fixed(), workers=0)
