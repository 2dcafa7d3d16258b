"""Displacement errors: by hand and by property."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from scenarios.metrics.prediction import aged, displacement


def test_errors_are_euclidean_and_not_summed_over_the_axes() -> None:
    found = displacement(np.array([[[3.0, 4.0], [6.0, 8.0]]]), np.zeros((1, 2, 2)))
    assert (found.ade_m, found.fde_m) == pytest.approx((7.5, 10.0))
    assert (found.min_ade_m, found.min_fde_m, found.miss_rate, found.road_users) == (7.5, 10.0, 1.0, 1)


def test_the_best_of_several_paths_counts_for_the_min_figures_and_the_most_probable_for_the_others() -> None:
    paths = np.array([[[[5.0, 0.0]], [[1.0, 0.0]], [[0.0, 0.0]]]])
    found = displacement(paths, np.zeros((1, 1, 2)), probability=np.array([[0.2, 0.7, 0.1]]))
    assert (found.ade_m, found.min_ade_m) == (1.0, 0.0)
    two = displacement(paths, np.zeros((1, 1, 2)), probability=np.array([[0.2, 0.7, 0.1]]), best_of=2)
    assert two.min_fde_m == 1.0, "the third is not among the two most probable"


def test_who_ends_more_than_two_metres_away_is_missed() -> None:
    ends = np.array([[[2.0, 0.0]], [[2.1, 0.0]], [[0.0, 1.0]], [[0.0, -9.0]]])
    assert displacement(ends, np.zeros((4, 1, 2))).miss_rate == 0.5


def test_steps_of_which_the_truth_is_unknown_do_not_count() -> None:
    path = np.array([[[1.0, 0.0], [3.0, 0.0], [99.0, 0.0]], [[7.0, 0.0]] * 3])
    found = displacement(path, np.zeros((2, 3, 2)), known=np.array([[True, True, False], [False] * 3]))
    assert (found.ade_m, found.fde_m, found.road_users) == (2.0, 3.0, 1)


def test_nobody_predicted_has_no_error() -> None:
    found = displacement(np.zeros((0, 5, 2)), np.zeros((0, 5, 2)))
    assert math.isnan(found.ade_m)
    assert found.road_users == 0


def test_a_path_is_as_good_as_when_it_was_made_if_everybody_keeps_to_it() -> None:
    line = np.arange(1, 6)[:, None] * np.array([1.0, 0.5])
    assert aged(line, np.zeros(2), 0.5, 0.0) == pytest.approx(line)
    later = aged(line, np.zeros(2), 0.5, 0.75)
    assert later == pytest.approx(line + 1.5 * np.array([1.0, 0.5])), "beyond its end it goes on"


def test_an_aged_path_follows_its_bend() -> None:
    bend = np.array([[1.0, 0.0], [1.0, 1.0], [1.0, 2.0]])
    assert aged(bend, np.zeros(2), 1.0, 0.5) == pytest.approx(np.array([[1.0, 0.5], [1.0, 1.5], [1.0, 2.5]]))


@given(st.integers(0, 10**6))
def test_road_users_may_be_given_in_any_order(seed: int) -> None:
    rng = np.random.default_rng(seed)
    paths, true = rng.normal(size=(5, 3, 4, 2)), rng.normal(size=(5, 4, 2))
    weight, known, order = rng.random((5, 3)), rng.random((5, 4)) < 0.8, rng.permutation(5)
    before = displacement(paths, true, probability=weight, known=known)
    after = displacement(paths[order], true[order], probability=weight[order], known=known[order])
    assert before == pytest.approx(after, nan_ok=True)


@given(st.integers(0, 10**6))
def test_the_best_path_is_never_worse_than_the_most_probable(seed: int) -> None:
    rng = np.random.default_rng(seed)
    found = displacement(rng.normal(size=(4, 6, 5, 2)), rng.normal(size=(4, 5, 2)), probability=rng.random((4, 6)))
    assert found.min_ade_m <= found.ade_m
    assert found.min_fde_m <= found.fde_m
