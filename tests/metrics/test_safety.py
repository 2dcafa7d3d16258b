"""Time to collision, encroachment, gaps and reactions: by hand, and against stepping through time."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scenarios.metrics.frames import Floats
from scenarios.metrics.outlines import CHUNK, gaps, times_to_touch
from scenarios.metrics.safety import (
    Motion,
    clearance,
    first_braking,
    first_visible,
    gap_ahead,
    post_encroachment_time,
    time_to_collision,
)

CAR = (4.0, 2.0)
SECOND = 10**9


def outline(x: float, y: float, yaw: float = 0.0, size: tuple[float, float] = CAR) -> list[float]:
    return [x, y, yaw, *size]


def motion(*rows: tuple[float, list[float], tuple[float, float], list[float], tuple[float, float]]) -> Motion:
    """(time s, ego, its velocity, the other, its velocity) per instant; the other has number 5."""
    return Motion(
        t_ns=np.array([round(row[0] * SECOND) for row in rows]),
        ego=np.array([row[1] for row in rows]),
        ego_mps=np.array([row[2] for row in rows]),
        row=np.arange(len(rows)),
        ids=np.full(len(rows), 5),
        others=np.array([row[3] for row in rows]),
        others_mps=np.array([row[4] for row in rows]),
    )


def ttc(first: list[float], v1: tuple[float, float], second: list[float], v2: tuple[float, float]) -> float:
    return float(times_to_touch(np.array(first), np.array(v1), np.array(second), np.array(v2)))


def test_closing_in_at_5_m_per_s_on_a_car_16_m_ahead_takes_3_2_s() -> None:
    assert ttc(outline(0, 0), (10, 0), outline(20, 0), (5, 0)) == pytest.approx(3.2)


def test_a_pedestrian_on_a_crossing_course_is_hit_when_the_last_axis_closes() -> None:
    person = outline(22.0, 6.0, -math.pi / 2, (0.5, 0.6))
    # Lengthways 22 - 2 - 0.3 = 19.7 m at 10 m/s; across 6 - 1 - 0.25 = 4.75 m at 2.5 m/s takes 1.9 s.
    assert ttc(outline(0, 0), (10, 0), person, (0, -2.5)) == pytest.approx(1.97)
    assert ttc(outline(0, 0), (10, 0), person, (0, -1.0)) == math.inf, "the car is past before she is there"


def test_who_touches_now_has_no_time_left_and_who_drifts_apart_all_of_it() -> None:
    assert ttc(outline(0, 0), (0, 0), outline(3, 0), (0, 0)) == 0.0
    assert ttc(outline(0, 0), (0, 0), outline(9, 0), (1, 0)) == math.inf
    assert ttc(outline(0, 0), (10, 0), outline(20, 2.1), (0, 0)) == math.inf, "passes by at 10 cm"


def test_gaps_between_parallel_and_turned_outlines() -> None:
    here = np.array(outline(0, 0))
    others = np.array([outline(10, 0), outline(0, 3.5), outline(5, 4), outline(0, 0, 1.0), outline(5, 0, math.pi / 4)])
    corner = 5 - 2 - 3 * math.sqrt(0.5)
    assert gaps(here, others) == pytest.approx([6.0, 1.5, math.hypot(1, 2), 0.0, corner])


def test_the_smallest_time_to_collision_says_when_and_with_whom() -> None:
    found = time_to_collision(
        motion(
            (0.0, outline(0, 0), (10, 0), outline(24, 0), (0, 0)),
            (1.0, outline(10, 0), (10, 0), outline(24, 0), (0, 0)),
            (2.0, outline(17, 0), (2, 0), outline(24, 0), (0, 0)),
        )
    )
    assert found == (pytest.approx(1.0), SECOND, 5)


def test_a_standing_ego_is_on_no_collision_course() -> None:
    assert time_to_collision(motion((0.0, outline(0, 0), (0, 0), outline(-9, 0), (5, 0)))).value == math.inf


def test_the_gap_ahead_leaves_out_who_is_beside_or_behind() -> None:
    def ahead(x: float, y: float) -> float:
        return gap_ahead(motion((0.0, outline(0, 0), (5, 0), outline(x, y), (0, 0)))).value

    assert ahead(10, 0) == pytest.approx(6.0)
    assert ahead(10, 2.2) == pytest.approx(math.hypot(6.0, 0.2))
    assert ahead(10, 2.4) == math.inf
    assert ahead(-10, 0) == math.inf
    assert clearance(motion((0.0, outline(0, 0), (5, 0), outline(-10, 0), (0, 0)))).value == pytest.approx(6.0)


def test_encroachment_is_the_time_between_leaving_a_spot_and_being_there() -> None:
    def crossing(delay_s: float) -> float:
        rows = []
        for k in range(100):
            t = k * 0.1
            person = outline(20.0, 8.0 - 2.0 * (t - delay_s), -math.pi / 2, (0.5, 0.5))
            rows.append((t, outline(10.0 * t - 20.0, 0), (10.0, 0.0), person, (0.0, -2.0)))
        return post_encroachment_time(motion(*rows)).value

    # The car leaves x = 20.25 with its tail at 4.225 s; the person reaches its side at 1.25 m, 3.375 s after her start.
    assert crossing(1.85) == pytest.approx(1.0, abs=0.11)
    assert crossing(3.35) == pytest.approx(2.5, abs=0.11)
    assert crossing(0.6) == 0.0, "they meet"
    assert crossing(60.0) == math.inf


def test_who_follows_in_the_same_direction_does_not_encroach() -> None:
    rows = [(k * 0.1, outline(k, 0), (10.0, 0.0), outline(k + 15.0, 0), (10.0, 0.0)) for k in range(50)]
    assert post_encroachment_time(motion(*rows)).value == math.inf


def test_somebody_comes_into_view_when_they_were_last_hidden_for_long() -> None:
    t = np.arange(10) * SECOND // 10
    share = np.array([0.9, 0.0, 0.0, 0.0, 0.0, 0.4, 0.1, 0.8, 1.0, 1.0])
    assert first_visible(t, share, int(t[-1])) == t[5], "hidden for .4 s before, for .2 s after"
    assert first_visible(t, share, int(t[0])) == t[0]
    assert first_visible(t, np.zeros(10), int(t[-1])) is None
    assert first_visible(t, share, int(t[5]) - 1) is None, "gone for almost .4 s"
    late = np.array([0, 1, 9]) * SECOND
    assert first_visible(late, np.ones(3), 9 * SECOND) == 0, "nobody looked in between"


def test_braking_starts_with_the_first_command_of_a_tenth_of_the_pedal() -> None:
    at = np.array([0, 10, 20, 30])
    assert first_braking(at, np.array([0.0, 0.05, 0.2, 0.9]), 5) == 20
    assert first_braking(at, np.array([0.0, 0.5, 0.0, 0.0]), 15) == 15, "it was pressed already"
    assert first_braking(at, np.array([0.5, 0.0, 0.0, 0.0]), 15) is None
    assert first_braking(at[:0], np.zeros(0), 5) is None


@settings(max_examples=40)
@given(st.integers(0, 10**6))
def test_the_time_to_touch_is_when_the_gap_closes(seed: int) -> None:
    rng = np.random.default_rng(seed)
    first, second = (np.array([*rng.uniform(-15, 15, 2), rng.uniform(-3, 3), *rng.uniform(0.5, 5, 2)]) for _ in "ab")
    v1, v2 = rng.uniform(-8, 8, 2), rng.uniform(-8, 8, 2)
    found = float(times_to_touch(first, v1, second, v2))
    t = np.linspace(0.0, 8.0, 1601)
    a, b = np.tile(first, (len(t), 1)), np.tile(second, (len(t), 1))
    a[:, :2] += t[:, None] * v1
    b[:, :2] += t[:, None] * v2
    gap = gaps(a, b)
    assert (gap[t < found - 1e-9] > 0.0).all()
    after = np.flatnonzero(t >= found)
    if len(after):
        # Between two instants the gap changes by the distance driven at most.
        assert gap[after[0]] <= 0.005 * np.hypot(*(v1 - v2)) + 1e-9


@given(st.integers(0, 10**6))
def test_gaps_and_times_are_the_same_from_both_sides(seed: int) -> None:
    rng = np.random.default_rng(seed)
    first, second = np.array([*rng.uniform(-9, 9, 2), rng.uniform(-3, 3), 4, 2]), np.array([0, 0, 0.3, 5, 2.0])
    v1, v2 = rng.uniform(-8, 8, 2), rng.uniform(-8, 8, 2)
    assert float(gaps(first, second)) == pytest.approx(float(gaps(second, first)))
    assert float(times_to_touch(first, v1, second, v2)) == pytest.approx(float(times_to_touch(second, v2, first, v1)))


def moved(scene: Motion, x: float, y: float, turn: float) -> Motion:
    """The same scene elsewhere, facing elsewhere."""
    rotation = np.array([(math.cos(turn), math.sin(turn)), (-math.sin(turn), math.cos(turn))])

    def outlines(rows: Floats) -> Floats:
        return np.column_stack([rows[:, :2] @ rotation + (x, y), rows[:, 2] + turn, rows[:, 3:]])

    return scene._replace(
        ego=outlines(scene.ego),
        others=outlines(scene.others),
        ego_mps=scene.ego_mps @ rotation,
        others_mps=scene.others_mps @ rotation,
    )


@settings(max_examples=40)
@given(st.integers(0, 10**6))
def test_where_on_the_map_a_scene_plays_and_which_way_it_faces_changes_nothing(seed: int) -> None:
    rng = np.random.default_rng(seed)
    rows = []
    for k in range(12):
        other = outline(*rng.uniform(-3, 18, 2), float(rng.uniform(-3, 3)))
        rows.append((0.1 * k, outline(0.5 * k, 0.0, 0.2), (5.0, 1.0), other, tuple(rng.uniform(-6, 6, 2))))
    here = motion(*rows)
    there = moved(here, 400.0, -90.0, float(rng.uniform(-3, 3)))
    for measure in (time_to_collision, gap_ahead, clearance, post_encroachment_time):
        assert measure(there).value == pytest.approx(measure(here).value, abs=1e-6)


def test_a_long_drive_is_measured_like_a_short_one() -> None:
    rng = np.random.default_rng(5)
    n = 45_000
    others = np.column_stack([rng.uniform(-60, 60, (n, 2)), rng.uniform(-3, 3, n), np.full((n, 2), 2.0)])
    ego = np.tile(outline(0, 0), (n, 1))
    drive = Motion(
        t_ns=np.arange(n) * SECOND, ego=ego, ego_mps=np.tile((8.0, 0.0), (n, 1)), row=np.arange(n), ids=np.arange(n),
        others=others, others_mps=rng.uniform(-5, 5, (n, 2)),
    )  # fmt: skip
    far = others[:, 0] ** 2 + others[:, 1] ** 2 > 25.0
    drive = drive._replace(row=drive.row[far], ids=drive.ids[far], others=others[far], others_mps=drive.others_mps[far])
    every = gaps(ego[far], others[far])
    assert len(every) > 2 * CHUNK
    assert clearance(drive) == (every.min(), drive.row[every.argmin()] * SECOND, drive.ids[every.argmin()])
    last = slice(len(every) - 7, None)
    assert every[last] == pytest.approx(gaps(ego[far][last], others[far][last]))
