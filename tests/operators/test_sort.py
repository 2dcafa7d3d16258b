"""SORT keeps identities through speed, gaps and crossings; its state is a value."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from operators.messages import Box, Detection, Detections, Tracks
from operators.tracking.sort import SortSettings, SortState, step


def seen(*boxes: tuple[float, float, float, float], label: str = "pedestrian", score: float = 0.9) -> Detections:
    items = tuple(
        Detection(
            label=label,
            score=score,
            box=Box(x0_px=u - w / 2, y0_px=v - h / 2, x1_px=u + w / 2, y1_px=v + h / 2),
        )
        for u, v, w, h in boxes
    )
    return Detections(items=items, model="test")


def centre(tracks: Tracks, track_id: int) -> float:
    box = next(t.box for t in tracks.items if t.track_id == track_id)
    return (box.x0_px + box.x1_px) / 2.0


@pytest.mark.parametrize("dt_s", [0.05, 0.1, 0.2, 0.3])
def test_a_fast_small_box_keeps_its_identity(dt_s: float) -> None:
    state = SortState()
    for k in range(8):  # 100 px/s with a 12 px wide box: no overlap from picture to picture beyond 0.12 s.
        state, tracks = step(state, seen((100 + 100 * dt_s * k, 180, 12, 30)), dt_s)
        assert [t.track_id for t in tracks.items] == [1]
    assert centre(tracks, 1) == pytest.approx(100 + 700 * dt_s, abs=4)


def test_two_people_who_cross_keep_their_identities() -> None:
    state = SortState()
    for k in range(21):
        left, right = 100.0 + 10 * k, 300.0 - 10 * k
        state, tracks = step(state, seen((left, 180, 20, 50), (right, 186, 20, 50)), 0.1)
    assert {t.track_id for t in tracks.items} == {1, 2}
    assert centre(tracks, 1) == pytest.approx(300, abs=6)
    assert centre(tracks, 2) == pytest.approx(100, abs=6)


def test_irregular_pictures_are_bridged_by_their_time_step() -> None:
    state, at = SortState(), 0.0
    for dt_s in (0.05, 0.05, 0.05, 0.3, 0.05, 0.25, 0.1):
        at += dt_s
        state, tracks = step(state, seen((100 + 80 * at, 180, 16, 40)), dt_s)
    assert [t.track_id for t in tracks.items] == [1]


def test_an_unmatched_track_is_reported_as_missed_and_then_ends() -> None:
    state = SortState()
    for _ in range(3):
        state, _ = step(state, seen((100, 180, 20, 50)), 0.1)
    missed = []
    for _ in range(5):
        state, tracks = step(state, seen(), 0.1)
        missed.append([t.missed for t in tracks.items])
    assert missed == [[1], [2], [3], [], []]


def test_a_doubtful_detection_needs_a_second_sighting() -> None:
    state, first = step(SortState(), seen((100, 180, 20, 50), score=0.5), 0.1)
    _, second = step(state, seen((101, 180, 20, 50), score=0.5), 0.1)
    assert (len(first.items), len(second.items)) == (0, 1)


def test_a_sure_detection_is_reported_at_once() -> None:
    assert len(step(SortState(), seen((100, 180, 20, 50), score=0.9), 0.1)[1].items) == 1


def test_a_pedestrian_never_continues_as_a_vehicle() -> None:
    state, _ = step(SortState(), seen((100, 180, 20, 50)), 0.1)
    _, tracks = step(state, seen((100, 180, 20, 50), label="vehicle"), 0.1)
    assert {(t.track_id, t.label) for t in tracks.items} == {(1, "pedestrian"), (2, "vehicle")}


def test_a_distant_detection_starts_a_new_track() -> None:
    state, _ = step(SortState(), seen((100, 180, 20, 50)), 0.1)
    _, tracks = step(state, seen((400, 180, 20, 50)), 0.1)
    assert {t.track_id: t.missed for t in tracks.items} == {1: 1, 2: 0}


def test_a_step_repeated_from_the_same_state_gives_the_same_answer() -> None:
    state, _ = step(SortState(), seen((100, 180, 20, 50), (200, 180, 20, 50)), 0.1)
    first = step(state, seen((104, 180, 20, 50)), 0.1)
    step(state, seen((300, 180, 20, 50)), 0.2)
    again = step(state, seen((104, 180, 20, 50)), 0.1)
    assert first[1] == again[1]
    with pytest.raises(ValueError):
        state.tracks[0].box.mean[0] = 0.0


pixels = st.floats(-50, 700)
sizes = st.floats(0.0, 300)


@given(st.lists(st.lists(st.tuples(pixels, pixels, sizes, sizes), max_size=5), max_size=6), st.floats(0.0, 2.0))
def test_whatever_is_detected_identities_are_unique_and_boxes_finite(
    pictures: list[list[tuple[float, float, float, float]]], dt_s: float
) -> None:
    state = SortState()
    for boxes in pictures:
        state, tracks = step(state, seen(*boxes), dt_s, SortSettings(min_hits=1))
        ids = [t.track_id for t in tracks.items]
        assert ids == sorted(set(ids))
        values = [(t.box.x0_px, t.box.y0_px, t.box.x1_px, t.box.y1_px) for t in tracks.items]
        assert np.isfinite(np.array(values)).all()
        assert all(x0 <= x1 and y0 <= y1 for x0, y0, x1, y1 in values)
