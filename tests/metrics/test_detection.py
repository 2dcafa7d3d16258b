"""Average precision: by hand, by property, and against faster-coco-eval."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scenarios.metrics.detection import average_precision, mean_precision, precision
from scenarios.metrics.frames import NOTHING, Objects, objects, overlaps
from tests.metrics.oracles import coco

BOX = (0.0, 0.0, 100.0, 100.0)
FAR = (500.0, 500.0, 600.0, 600.0)


def scenes(seed: int, *, pictures: int = 12, crowds: bool = True) -> list[tuple[Objects, Objects]]:
    """Random truth of all sizes with what an imperfect detector makes of it, in three classes."""
    rng = np.random.default_rng(seed)
    made = []
    for _ in range(pictures):
        n = int(rng.integers(0, 9))
        corner, size = rng.uniform(0, 700, (n, 2)), np.exp(rng.uniform(np.log(8), np.log(250), (n, 2)))
        boxes, labels = np.hstack([corner, corner + size]), rng.integers(0, 3, n)
        truth = objects(boxes, labels=labels, crowd=rng.random(n) < (0.15 if crowds else 0.0))
        kept = np.flatnonzero(rng.random(n) < 0.8)
        moved = boxes[kept] + rng.normal(0, 0.08, (len(kept), 4)) * np.tile(size[kept], 2)
        extra = int(rng.integers(0, 4))
        corner, more = rng.uniform(0, 700, (extra, 2)), rng.uniform(10, 200, (extra, 2))
        every = np.vstack([moved, moved + 3.0, np.hstack([corner, corner + more])])
        every[:, 2:] = np.maximum(every[:, 2:], every[:, :2] + 1.0)
        kinds = np.concatenate([labels[kept], labels[kept], rng.integers(0, 3, extra)])
        made.append((truth, objects(every, labels=kinds, scores=rng.random(len(every)))))
    return made


def test_overlap_of_half_a_box_is_a_third() -> None:
    assert overlaps(np.array([BOX]), np.array([(50.0, 0.0, 150.0, 100.0)]))[0, 0] == pytest.approx(1 / 3)


def test_overlap_with_a_crowd_is_the_share_of_the_found_box_that_lies_in_it() -> None:
    inside = np.array([(0.0, 0.0, 10.0, 10.0)])
    assert overlaps(inside, np.array([BOX]), np.array([True]))[0, 0] == 1.0


def test_a_perfect_detector_gets_one_everywhere() -> None:
    truth = objects([BOX, FAR])
    found = precision([(truth, truth)])
    assert (found.ap, found.ap_50, found.ap_large, found.ar_100) == (1.0, 1.0, 1.0, 1.0)
    assert found.ar_1 == 0.5, "one detection a picture finds one of two"
    assert math.isnan(found.ap_small), "there was nothing small"


def test_one_of_two_objects_found_gives_the_recalls_up_to_a_half() -> None:
    # Precision 1 at recall 0, .01 … .50: 51 of 101 points.
    assert average_precision([(objects([BOX, FAR]), objects([BOX]))]) == pytest.approx(51 / 101)


def test_a_false_detection_before_the_true_one_halves_the_precision() -> None:
    found = objects([FAR, BOX], scores=[0.9, 0.8])
    assert average_precision([(objects([BOX]), found)]) == pytest.approx(0.5)


def test_a_false_detection_behind_the_true_one_costs_nothing() -> None:
    found = objects([FAR, BOX], scores=[0.7, 0.8])
    assert average_precision([(objects([BOX]), found)]) == 1.0


def test_the_second_detection_of_one_object_is_false() -> None:
    truth, found = objects([BOX, FAR]), objects([BOX, BOX, FAR], scores=[0.9, 0.8, 0.7])
    # Recall .5 at precision 1, recall 1 at precision 2/3.
    assert average_precision([(truth, found)]) == pytest.approx((51 + 50 * 2 / 3) / 101)


def test_an_overlap_of_0_8_counts_up_to_the_threshold_of_0_8() -> None:
    found = objects([(0.0, 0.0, 80.0, 100.0)])
    assert precision([(objects([BOX]), found)]).ap == pytest.approx(0.7), ".50, .55 … .80 are 7 of 10"


def test_what_lies_in_a_crowd_or_on_an_ignored_object_is_neither_found_nor_false() -> None:
    found = objects([BOX, BOX, FAR], scores=[0.9, 0.8, 0.7])
    crowd = objects([BOX, FAR], crowd=[True, False])
    assert average_precision([(crowd, found)]) == 1.0
    ignored = objects([BOX, FAR], ignored=[True, False])
    # One of the two lies on the ignored object, the other is false and stands before the true one.
    assert average_precision([(ignored, found)]) == pytest.approx(0.5)


def test_classes_do_not_find_one_another() -> None:
    scene = [(objects([BOX], labels=[0]), objects([BOX], labels=[1]))]
    assert average_precision(scene, 0) == 0.0
    assert math.isnan(average_precision(scene, 1))
    assert mean_precision([precision(scene, 0), precision(scene, 1)]).ap == 0.0


def test_nothing_to_find_has_no_precision_and_no_answer_has_none_to_show() -> None:
    assert math.isnan(average_precision([(NOTHING, objects([BOX]))]))
    assert average_precision([(objects([BOX]), NOTHING)]) == 0.0


@settings(deadline=None, max_examples=15)
@given(st.integers(0, 10**6))
def test_the_order_of_pictures_and_of_detections_changes_nothing(seed: int) -> None:
    made = scenes(seed, pictures=5)
    rng = np.random.default_rng(seed)
    mixed = [(t.chosen(rng.permutation(len(t))), f.chosen(rng.permutation(len(f)))) for t, f in made]
    mixed = [mixed[i] for i in rng.permutation(len(mixed))]
    assert np.allclose(precision(made), precision(mixed), atol=1e-12, equal_nan=True)


@settings(deadline=None, max_examples=10)
@given(st.integers(0, 10**6))
def test_more_false_detections_never_help(seed: int) -> None:
    made = scenes(seed, pictures=4, crowds=False)
    rng = np.random.default_rng(seed)
    worse = []
    for truth, found in made:
        spoiled = objects(
            np.vstack([found.boxes, [(2000.0, 0.0, 2050.0, 50.0)]]),
            labels=np.append(found.labels, 0),
            scores=np.append(found.scores, rng.random()),
        )
        worse.append((truth, spoiled))
    before, after = average_precision(made), average_precision(worse)
    assert math.isnan(before) or after <= before + 1e-12


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("label", [0, 1, 2])
def test_faster_coco_eval_says_the_same(seed: int, label: int) -> None:
    made = scenes(seed)
    said = np.array(coco(made, label))
    ours = np.nan_to_num(np.array(precision(made, label)), nan=-1.0)
    assert ours == pytest.approx(said, abs=1e-6)
