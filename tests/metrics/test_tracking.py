"""CLEAR, identity and HOTA: by hand, by property, and against TrackEval."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scenarios.metrics.frames import NOTHING, objects
from scenarios.metrics.tracking import Instant, clear, hota, identity, similarities
from tests.metrics.oracles import drives, reference, trackeval

BOX = (0.0, 0.0, 100.0, 100.0)
FAR = (500.0, 500.0, 600.0, 600.0)


def alone(*tracks: int | None, similarity: float = 1.0) -> list[Instant]:
    """One road user, number 7, seen in every instant by the track of that number; None: by nobody."""
    return [
        Instant(
            np.array([7]), np.array([] if k is None else [k], np.int64), np.full((1, 0 if k is None else 1), similarity)
        )
        for k in tracks
    ]


def test_a_perfect_tracker_gets_one_everywhere() -> None:
    found = alone(3, 3, 3, 3)
    assert clear(found)[:6] == (1.0, 1.0, 4, 0, 0, 0)
    assert identity(found) == (1.0, 1.0, 1.0)
    assert hota(found) == pytest.approx([1.0] * 8)


def test_an_identity_switch_costs_one_error() -> None:
    found = clear(alone(3, 3, 4, 4))
    assert (found.switches, found.false_positives, found.false_negatives) == (1, 0, 0)
    assert found.mota == pytest.approx(1 - 1 / 4)
    assert found.fragmentations == 0, "it was followed without a break"


def test_an_identity_switch_half_way_halves_what_association_is_worth() -> None:
    found = alone(3, 3, 4, 4)
    assert identity(found).idf1 == pytest.approx(0.5)
    scores = hota(found)
    # Each of the four matches shares 2 of 4 instants: TPA 2, FNA 2, FPA 0.
    assert (scores.det_a, scores.ass_a) == pytest.approx((1.0, 0.5))
    assert scores.hota == pytest.approx(math.sqrt(0.5))


def test_misses_and_false_tracks_are_subtracted_from_one() -> None:
    ghosts = Instant(np.array([7]), np.array([3, 9]), np.array([[1.0, 0.0]]))
    found = clear([*alone(3, None), ghosts, *alone(3)])
    assert (found.false_negatives, found.false_positives, found.switches) == (1, 1, 0)
    assert found.mota == pytest.approx(1 - 2 / 4)


def test_mota_falls_below_zero_when_most_tracks_are_false() -> None:
    crowd = Instant(np.array([7]), np.arange(5), np.zeros((1, 5)))
    assert clear([crowd]).mota == -5.0


def test_a_break_while_others_are_tracked_is_a_fragmentation() -> None:
    both = Instant(np.array([7, 8]), np.array([3, 4]), np.eye(2))
    one = Instant(np.array([7, 8]), np.array([4]), np.array([[0.0], [1.0]]))
    found = clear([both, one, both])
    assert (found.fragmentations, found.switches, found.false_negatives) == (1, 0, 1)


def test_who_is_followed_over_80_percent_of_the_time_is_mostly_tracked_and_under_20_mostly_lost() -> None:
    def followed(share: int) -> tuple[int, int, int]:
        return clear(alone(*[3] * share, *[None] * (10 - share)))[6:9]

    assert followed(9) == (1, 0, 0)
    assert followed(8) == (0, 1, 0)
    assert followed(2) == (0, 1, 0)
    assert followed(1) == (0, 0, 1)


def test_a_match_is_kept_while_it_holds_even_if_another_fits_better() -> None:
    first = Instant(np.array([7]), np.array([3]), np.array([[0.9]]))
    rival = Instant(np.array([7]), np.array([3, 4]), np.array([[0.6, 0.9]]))
    assert clear([first, rival]).switches == 0
    assert clear([first, rival]).motp == pytest.approx((0.9 + 0.6) / 2)


def test_location_is_the_mean_overlap_of_what_is_matched_at_each_demand() -> None:
    scores = hota(alone(3, 3, similarity=0.5))
    # Matched at alpha .05 … .50, that is 10 of 19; beyond, nothing is matched and location says nothing (1).
    assert scores.det_a == pytest.approx(10 / 19)
    assert scores.loc_a == pytest.approx((10 * 0.5 + 9) / 19)


def test_nobody_there_and_nobody_tracked_has_no_score() -> None:
    nobody = Instant(np.zeros(0, np.int64), np.zeros(0, np.int64), np.zeros((0, 0)))
    assert math.isnan(clear([nobody]).mota)
    assert math.isnan(hota([nobody]).hota)
    assert math.isnan(identity([]).idf1)


def test_nobody_tracked_scores_nothing() -> None:
    assert clear(alone(None, None))[:2] == (0.0, pytest.approx(math.nan, nan_ok=True))
    assert hota(alone(None, None)).hota == 0.0
    assert identity(alone(None, None)).idf1 == 0.0


def test_boxes_of_another_class_are_not_similar_and_those_of_ignored_road_users_are_left_out() -> None:
    truth = objects([BOX, FAR], labels=[0, 1], ids=[5, 6], ignored=[False, True])
    tracks = objects([BOX, FAR, FAR], labels=[0, 1, 0], ids=[1, 2, 3])
    (instant,) = similarities([(truth, tracks)])
    assert instant.true.tolist() == [5]
    assert instant.tracked.tolist() == [1, 3], "track 2 follows the ignored road user; 3 is of the wrong class"
    assert instant.similarity.tolist() == [[1.0, 0.0]]
    (empty,) = similarities([(truth, NOTHING)])
    assert empty.similarity.shape == (1, 0)


@settings(deadline=None, max_examples=25)
@given(st.integers(0, 10**6))
def test_names_of_tracks_and_the_order_of_rows_change_nothing(seed: int) -> None:
    rng = np.random.default_rng(seed)
    names = rng.permutation(1000)
    before, after = drives(seed), []
    for true, said, similarity in before:
        rows, columns = rng.permutation(len(true)), rng.permutation(len(said))
        after.append(Instant(true[rows], names[said[columns]], similarity[rows][:, columns]))
    assert clear(before) == pytest.approx(clear(after))
    assert identity(before) == pytest.approx(identity(after))
    assert hota(before) == pytest.approx(hota(after))


@settings(deadline=None, max_examples=25)
@given(st.integers(0, 10**6))
def test_every_true_and_tracked_instant_is_counted_once(seed: int) -> None:
    made = drives(seed)
    found = clear(made)
    assert found.true_positives + found.false_negatives == sum(len(i.true) for i in made)
    assert found.true_positives + found.false_positives == sum(len(i.tracked) for i in made)


def agrees(made: list[Instant], said: dict[str, float]) -> None:
    names = ("MOTA", "MOTP", "CLR_TP", "CLR_FP", "CLR_FN", "IDSW", "MT", "PT", "ML", "Frag")
    assert clear(made) == pytest.approx([said[name] for name in names], abs=1e-6)
    assert identity(made) == pytest.approx([said[name] for name in ("IDF1", "IDP", "IDR")], abs=1e-6)
    names = ("HOTA", "DetA", "AssA", "LocA", "DetRe", "DetPr", "AssRe", "AssPr")
    assert hota(made) == pytest.approx([said[name] for name in names], abs=1e-6)


@pytest.mark.parametrize("case", range(4))
def test_trackeval_said_the_same(case: int) -> None:
    agrees(*reference()[case])


@pytest.mark.parametrize("empty", [0.0, 0.25])
@pytest.mark.parametrize("seed", range(8))
def test_trackeval_says_the_same(seed: int, empty: float) -> None:
    made = drives(seed, empty=empty)
    agrees(made, trackeval(made))
