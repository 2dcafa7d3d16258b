"""The streaming sequencer by hand, and what streaming does to the ranking of detectors."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from scenarios.metrics.detection import average_precision
from scenarios.metrics.frames import Objects, answered, objects
from scenarios.metrics.sequencing import POLICIES, Slot, sequence
from scenarios.metrics.streaming import Answer, Truth, sync, timely

FRAMES = list(range(0, 100, 10))


def test_a_detector_faster_than_the_camera_sees_every_picture_under_every_policy() -> None:
    for policy in POLICIES:
        assert sequence(FRAMES, lambda t: 7, policy) == [Slot(t, t + 7) for t in FRAMES]


def test_eager_takes_the_newest_picture_at_once_and_wait_the_next_one() -> None:
    assert sequence(FRAMES, lambda t: 15, "eager")[:3] == [Slot(0, 15), Slot(10, 30), Slot(30, 45)]
    assert sequence(FRAMES, lambda t: 15, "wait")[:3] == [Slot(0, 15), Slot(20, 35), Slot(40, 55)]


def test_tail_aware_waits_only_where_that_shrinks_the_tail() -> None:
    # Done at 15, 5 after a frame; working at once would end at 30, nearer to a frame than now: better to wait.
    assert sequence(FRAMES, lambda t: 15, "tail_aware")[:2] == [Slot(0, 15), Slot(20, 35)]
    # Done at 12, 2 after a frame; working at once would end 4 after one.
    assert sequence(FRAMES, lambda t: 12, "tail_aware")[:3] == [Slot(0, 12), Slot(10, 24), Slot(20, 36)]


def test_with_unlimited_processors_every_picture_is_answered() -> None:
    assert sequence(FRAMES, lambda t: 95, "unlimited")[-1] == Slot(90, 185)
    assert sequence([], lambda t: 1, "eager") == []


@given(st.integers(1, 80), st.sampled_from(["eager", "wait", "tail_aware"]))
def test_one_processor_works_on_one_picture_at_a_time_each_newer_than_the_last(runtime: int, policy: str) -> None:
    slots = sequence(FRAMES, lambda t: runtime, policy)
    assert slots[0] == Slot(0, runtime)
    for before, after in zip(slots, slots[1:], strict=False):
        assert after.at - runtime >= before.at
        assert after.t > before.t
        assert after.at - runtime >= after.t


MENU = ((5, 0.40), (20, 0.75), (40, 0.9), (120, 0.98))
"""Runtime in ms and share of objects found: the slower, the better."""


def scored(runtime_ms: int, share: float) -> tuple[float, float]:
    """Offline and streaming AP of a detector on boxes that cross the picture, 20 pictures a second."""
    rng = np.random.default_rng(3)
    pace, start = rng.uniform(0.1, 0.6, 12), rng.uniform(0.0, 400.0, (12, 2))

    def at(t: int) -> Objects:
        corner = start + np.stack([pace * t, np.zeros(12)], axis=1)
        return objects(np.hstack([corner, corner + 80.0]))

    frames = list(range(0, 2000, 50))
    truths = [Truth(t, at(t)) for t in frames]
    answers = []
    for slot in sequence(frames, lambda t: runtime_ms, "eager"):
        answers.append(Answer(slot.t, slot.at, at(slot.t).chosen(rng.random(12) < share)))
    return average_precision(answered(sync(answers, truths))), average_precision(answered(timely(answers, truths)))


def test_streaming_ranks_detectors_otherwise_and_prefers_one_in_the_middle() -> None:
    offline, streaming = np.array([scored(*detector) for detector in MENU]).T
    assert (np.diff(offline) > 0.0).all(), "offline the slowest is the best"
    assert int(np.argmax(streaming)) in (1, 2)
    assert streaming[-1] < 0.3 * offline[-1], "the best offline loses most of what it has"


def test_streaming_without_latency_is_offline() -> None:
    offline, streaming = scored(0, 0.8)
    assert streaming == pytest.approx(offline)
