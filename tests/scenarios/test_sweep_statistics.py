"""Intervals against published values and scipy's, and their promises for any numbers."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from scenarios.sweeps.statistics import bootstrap_mean, paired_difference, wilson


@pytest.mark.parametrize(
    ("hits", "n", "low", "high"),
    [
        # Newcombe, Two-sided confidence intervals for the single proportion (1998), table I, method 3.
        (81, 263, 0.2553, 0.3662),
        (15, 148, 0.0624, 0.1605),
        (0, 20, 0.0000, 0.1611),
        (1, 29, 0.0061, 0.1718),
    ],
)
def test_wilson_gives_the_published_intervals(hits: int, n: int, low: float, high: float) -> None:
    found = wilson(hits, n)
    assert (round(found.low, 4), round(found.high, 4)) == (low, high)
    assert found.value == hits / n


@given(
    st.integers(1, 400).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))), st.sampled_from([0.8, 0.95, 0.99])
)
def test_wilson_agrees_with_scipy(counts: tuple[int, int], confidence: float) -> None:
    hits, n = counts
    expected = stats.binomtest(hits, n).proportion_ci(confidence, method="wilson")
    found = wilson(hits, n, confidence)
    assert found.low == pytest.approx(expected.low, abs=1e-9)
    assert found.high == pytest.approx(expected.high, abs=1e-9)


def test_wilson_of_nothing_says_nothing_and_impossible_counts_are_refused() -> None:
    assert math.isnan(wilson(0, 0).value)
    assert math.isnan(wilson(0, 0).low)
    for hits, n in ((3, 2), (-1, 2)):
        with pytest.raises(ValueError, match=f"{hits} of {n}"):
            wilson(hits, n)


def test_the_bootstrap_agrees_with_scipy_where_every_cluster_is_one_value() -> None:
    values = np.random.default_rng(3).normal(1.0, 2.0, 40)
    expected = stats.bootstrap((values,), np.mean, method="percentile", rng=np.random.default_rng(1), n_resamples=9999)
    found = bootstrap_mean(list(values), range(40))
    assert found.value == pytest.approx(values.mean())
    assert found.low == pytest.approx(expected.confidence_interval.low, abs=0.03)
    assert found.high == pytest.approx(expected.confidence_interval.high, abs=0.03)
    assert found.n == 40


def test_runs_of_one_seed_count_as_one_observation() -> None:
    values = list(np.random.default_rng(5).normal(0.0, 1.0, 12))
    alone = bootstrap_mean(values, range(12))
    tenfold = bootstrap_mean(values * 10, list(range(12)) * 10)
    assert (tenfold.low, tenfold.high) == pytest.approx((alone.low, alone.high))
    apart = bootstrap_mean(values * 10, range(120))
    assert apart.high - apart.low < 0.5 * (tenfold.high - tenfold.low), "or ten copies would pass for ten observations"


def test_one_seed_gives_a_mean_without_an_interval() -> None:
    found = bootstrap_mean([1.0, 3.0], ["a", "a"])
    assert (found.value, found.n) == (2.0, 1)
    assert math.isnan(found.low)
    assert not found.excludes_zero


def test_pairing_sees_what_independent_samples_would_not() -> None:
    rng = np.random.default_rng(8)
    scene = rng.normal(0.0, 10.0, 30)
    theirs, ours = scene, scene - 1.0 + rng.normal(0.0, 0.2, 30)
    found = paired_difference(list(ours), list(theirs), range(30))
    assert found.excludes_zero
    assert found.low < -1.0 < found.high
    assert found.high - found.low < 0.3
    assert not bootstrap_mean(list(ours), range(30)).excludes_zero


def test_the_interval_covers_the_truth_about_as_often_as_it_says() -> None:
    rng = np.random.default_rng(11)
    covered = 0
    for trial in range(200):
        found = bootstrap_mean(list(rng.exponential(1.0, 40)), range(40), resamples=799, seed=trial)
        covered += found.low <= 1.0 <= found.high
    assert 0.88 <= covered / 200 <= 0.98


@given(st.lists(st.tuples(st.floats(-1e6, 1e6), st.integers(0, 5)), min_size=1, max_size=30))
def test_the_interval_lies_around_the_mean_and_repeats(rows: list[tuple[float, int]]) -> None:
    values, seeds = [value for value, _ in rows], [seed for _, seed in rows]
    found = bootstrap_mean(values, seeds, resamples=200)
    assert found == bootstrap_mean(values, seeds, resamples=200) or math.isnan(found.low)
    assert found.value == pytest.approx(np.mean(values), abs=1e-6)
    if len(set(seeds)) > 1:
        assert min(values) - 1e-6 <= found.low <= found.high <= max(values) + 1e-6


def test_values_that_are_no_pairs_are_refused() -> None:
    with pytest.raises(ValueError, match="no pairs"):
        paired_difference([1.0], [1.0, 2.0], [1])
    with pytest.raises(ValueError, match="2 values, 1 clusters"):
        bootstrap_mean([1.0, 2.0], [1])
    assert math.isnan(bootstrap_mean([], []).value)
