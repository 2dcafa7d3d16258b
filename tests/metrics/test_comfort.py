"""Acceleration, jerk and ISO 2631-1: against motion known in closed form and the standard's printed factors."""

from __future__ import annotations

import math

import numpy as np
import pytest

from scenarios.metrics.comfort import WD, WK, Weighting, comfort, reaction, response, slope, vibration, weighted

# Weighting factors times 1000 at nominal one-third-octave centres. Source: ISO 2631-1:1997, table 3
CENTRES_HZ = (
    0.1, 0.125, 0.16, 0.2, 0.25, 0.315, 0.4, 0.5, 0.63, 0.8, 1.0, 1.25, 1.6, 2.0, 2.5, 3.15, 4.0, 5.0, 6.3, 8.0, 10.0,
    12.5, 16.0, 20.0, 25.0, 31.5, 40.0, 50.0, 63.0, 80.0, 100.0, 125.0, 160.0,
)  # fmt: skip
WK_PRINTED = (
    31.2, 48.6, 79.0, 121, 182, 263, 352, 418, 459, 477, 482, 484, 494, 531, 631, 804, 967, 1039, 1054, 1036, 988, 902,
    768, 636, 513, 405, 314, 246, 186, 132, 88.7, 54.0, 28.5,
)  # fmt: skip
WD_PRINTED = (
    62.4, 97.3, 158, 243, 365, 530, 713, 853, 944, 992, 1011, 1008, 968, 890, 776, 642, 512, 409, 323, 253, 212, 161,
    125, 100, 80.0, 63.2, 49.4, 38.8, 29.5, 21.1, 14.1, 8.63, 4.55,
)  # fmt: skip


def tolerance_db(frequency_hz: float) -> float:
    """What the standard grants: 1 dB inside its band, 2 dB within a third of an octave of its ends and beyond."""
    return 1.0 if 0.63 <= frequency_hz <= 63.0 else 2.0


@pytest.mark.parametrize(("weighting", "printed"), [(WK, WK_PRINTED), (WD, WD_PRINTED)], ids=["Wk", "Wd"])
def test_the_weightings_are_the_printed_ones(weighting: Weighting, printed: tuple[float, ...]) -> None:
    gains = np.abs(response(weighting, np.array(CENTRES_HZ)))
    off_db = 20.0 * np.log10(gains / (np.array(printed) / 1000.0))
    assert all(abs(off) <= tolerance_db(f) for f, off in zip(CENTRES_HZ, off_db, strict=True))
    # The standard's is the gain at exact centres; where nominal ones are exact it agrees to the printed digits,
    # but for one figure in the table of Wd (212 at 10 Hz, where its own formula says 202).
    exact = np.array([f in (0.1, 1.0, 10.0, 100.0) and not (weighting is WD and f == 10.0) for f in CENTRES_HZ])
    assert gains[exact] == pytest.approx(np.array(printed)[exact] / 1000.0, rel=4e-3)


@pytest.mark.parametrize(("weighting", "printed"), [(WK, WK_PRINTED), (WD, WD_PRINTED)], ids=["Wk", "Wd"])
@pytest.mark.parametrize("rate_hz", [50.0, 500.0])
def test_the_filters_weigh_a_steady_vibration_as_printed(
    weighting: Weighting, printed: tuple[float, ...], rate_hz: float
) -> None:
    for frequency, factor in zip(CENTRES_HZ, printed, strict=True):
        if not 0.5 <= frequency <= 0.4 * rate_hz:
            continue
        t = np.arange(0.0, 40.0, 1.0 / rate_hz)
        steady = weighted(np.sin(2.0 * math.pi * frequency * t), 1.0 / rate_hz, weighting)[len(t) // 2 :]
        off_db = 20.0 * math.log10(math.sqrt(2.0 * float(np.mean(steady**2))) / (factor / 1000.0))
        assert abs(off_db) <= tolerance_db(frequency), f"{frequency} Hz"


def test_a_filter_answers_after_what_it_answers_to() -> None:
    kick = np.zeros(400)
    kick[200] = 1.0
    for weighting in (WK, WD):
        answer = weighted(kick, 0.005, weighting)
        assert np.abs(answer[:199]).max() < 0.02 * np.abs(answer).max()


def test_a_constant_acceleration_shakes_nobody_for_long() -> None:
    assert abs(weighted(np.ones(4000), 0.01, WD)[-1]) < 1e-3


def test_one_metre_per_square_second_at_one_hertz_is_0_715_weighted() -> None:
    t = np.arange(0.0, 60.0, 0.01)
    shake = np.sin(2.0 * math.pi * t)
    # 1/sqrt(2) times the factor 1.011; two such axes are sqrt(2) times as much.
    assert vibration(shake[None], 0.01, (WD,)) == pytest.approx(0.715, rel=0.01)
    assert vibration(np.stack([shake, shake]), 0.01, (WD, WD)) == pytest.approx(1.011, rel=0.01)


@pytest.mark.parametrize(
    ("value", "words"),
    [
        (0.0, "not"),
        (0.314, "not"),
        (0.315, "a little"),
        (0.5, "fairly"),
        (0.8, "uncomf"),
        (1.25, "very"),
        (9, "extremely"),
    ],
)
def test_the_words_are_the_standards(value: float, words: str) -> None:
    assert reaction(value).startswith(words)


def test_a_slope_is_later_minus_earlier_and_exact_for_a_parabola() -> None:
    t = np.arange(0.0, 3.0, 0.05)
    assert slope(2.0 + 3.0 * t - 1.5 * t**2, 0.05) == pytest.approx(3.0 - 3.0 * t)


@pytest.mark.parametrize("n", [1, 2, 3, 4, 7])
def test_a_short_drive_has_slopes_too(n: int) -> None:
    assert slope(2.0 * np.arange(n), 1.0) == pytest.approx(np.zeros(n) if n == 1 else np.full(n, 2.0))


def test_braking_is_a_negative_acceleration_and_its_onset_a_negative_jerk() -> None:
    dt = 0.01
    decel = np.concatenate([np.zeros(100), np.linspace(0.0, 4.0, 200), np.full(300, 4.0)])
    speed = 30.0 - np.concatenate([[0.0], np.cumsum(0.5 * (decel[1:] + decel[:-1])) * dt])
    assert slope(slope(speed, dt), dt)[200] == pytest.approx(-2.0, abs=0.02), "4 m/s² in 2 s"
    found = comfort(speed, np.zeros(len(speed)), dt)
    assert found.decel_max_mps2 == pytest.approx(4.0, abs=0.02)
    assert found.accel_max_mps2 < 0.02
    assert found.longitudinal_jerk_max_mps3 == pytest.approx(2.0, abs=0.1)
    assert found.within_limits


def test_a_bend_is_felt_as_speed_times_yaw_rate() -> None:
    t = np.arange(0.0, 10.0, 0.05)
    found = comfort(np.full(len(t), 10.0), 0.3 * t - 3.1, 0.05)
    assert found.lateral_max_mps2 == pytest.approx(3.0)
    assert found.jerk_max_mps3 == pytest.approx(0.0, abs=1e-6), "a heading that wraps around is no jerk"
    assert found.within_limits
    assert not comfort(np.full(len(t), 20.0), 0.3 * t, 0.05).within_limits, "6 m/s² across is over 4.89"


def test_an_emergency_stop_is_outside_the_limits_and_standing_still_is_not() -> None:
    t = np.arange(0.0, 4.0, 0.05)
    stop = comfort(np.maximum(0.0, 20.0 - 8.0 * t), np.zeros(len(t)), 0.05)
    assert not stop.within_limits
    assert stop.weighted_mps2 > comfort(20.0 - 1.0 * t, np.zeros(len(t)), 0.05).weighted_mps2
    still = comfort(np.zeros(80), np.zeros(80), 0.05)
    assert (still.weighted_mps2, still.reaction, still.within_limits) == (0.0, "not uncomfortable", True)
    assert comfort(np.zeros(1), np.zeros(1), 0.05).within_limits
