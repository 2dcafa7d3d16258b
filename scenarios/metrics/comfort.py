"""How a drive felt: acceleration, jerk and the weighted vibration of ISO 2631-1, from the ego's motion alone.

Decides no limits of its own: they are those of the standard's annex C and of nuPlan's comfort metric.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import msgspec
import numpy as np
from numpy.typing import NDArray

from scenarios.metrics.frames import Floats

Complexes = NDArray[np.complex128]

WINDOW_S = 0.5
"""Accelerations and jerks are slopes of a parabola fitted to this much of the drive around each instant."""


class Weighting(NamedTuple):
    """A frequency weighting: corner frequencies (Hz) and quality factors of its transition and upward step."""

    band_hz: tuple[float, float]
    transition_hz: tuple[float, float]
    transition_q: float
    step_hz: tuple[float, float] | None
    step_q: tuple[float, float] | None


WK = Weighting((0.4, 100.0), (12.5, 12.5), 0.63, (2.37, 3.35), (0.91, 0.91))
"""Vertical, seated. Source: ISO 2631-1:1997, annex A, table A.1"""
WD = Weighting((0.4, 100.0), (2.0, 2.0), 0.63, None, None)
"""Horizontal, seated. Source: ISO 2631-1:1997, annex A, table A.1"""

REACTIONS: tuple[tuple[float, str], ...] = (
    (2.0, "extremely uncomfortable"),
    (1.25, "very uncomfortable"),
    (0.8, "uncomfortable"),
    (0.5, "fairly uncomfortable"),
    (0.315, "a little uncomfortable"),
    (0.0, "not uncomfortable"),
)
"""From this weighted acceleration (m/s²) on. Source: ISO 2631-1:1997, annex C.2.3, lower ends of its ranges"""

ACCEL_RANGE_MPS2 = (-4.05, 2.40)
LATERAL_MAX_MPS2 = 4.89
JERK_MAX_MPS3 = 8.37
LONGITUDINAL_JERK_MAX_MPS3 = 4.13
YAW_RATE_MAX_RADPS = 0.95
YAW_ACCEL_MAX_RADPS2 = 1.93
"""Limits of human driving. Source: Karnchanachari et al., nuPlan (2024), comfort metric"""


class Comfort(msgspec.Struct, frozen=True):
    """Of one drive; extremes are of the smoothed motion."""

    accel_max_mps2: float
    decel_max_mps2: float
    """Positive: how hard it braked."""
    lateral_max_mps2: float
    jerk_max_mps3: float
    """Of the whole acceleration vector."""
    longitudinal_jerk_max_mps3: float
    weighted_mps2: float
    """ISO 2631-1 weighted root mean square of both horizontal axes."""
    reaction: str
    """What the standard expects people to say."""
    within_limits: bool
    """Whether nuPlan would call every moment of it comfortable."""


def comfort(speed_mps: Floats, yaw_rad: Floats, dt_s: float) -> Comfort:
    """Judge a drive given by speed and heading (n,) at a fixed step; a drive too short to feel anything is perfect."""
    if len(speed_mps) < 3:
        return Comfort(0.0, 0.0, 0.0, 0.0, 0.0, 0.0, REACTIONS[-1][1], True)
    turn = np.unwrap(yaw_rad)
    along, yaw_rate = slope(speed_mps, dt_s), slope(turn, dt_s)
    across = speed_mps * yaw_rate
    along_jerk, across_jerk = slope(along, dt_s), slope(across, dt_s)
    jerk = np.hypot(along_jerk, across_jerk)
    felt = vibration(np.stack([along, across]), dt_s, (WD, WD))
    return Comfort(
        accel_max_mps2=max(0.0, float(along.max())),
        decel_max_mps2=max(0.0, -float(along.min())),
        lateral_max_mps2=float(np.abs(across).max()),
        jerk_max_mps3=float(jerk.max()),
        longitudinal_jerk_max_mps3=float(np.abs(along_jerk).max()),
        weighted_mps2=felt,
        reaction=reaction(felt),
        within_limits=bool(
            ACCEL_RANGE_MPS2[0] <= along.min()
            and along.max() <= ACCEL_RANGE_MPS2[1]
            and np.abs(across).max() <= LATERAL_MAX_MPS2
            and jerk.max() <= JERK_MAX_MPS3
            and np.abs(along_jerk).max() <= LONGITUDINAL_JERK_MAX_MPS3
            and np.abs(yaw_rate).max() <= YAW_RATE_MAX_RADPS
            and np.abs(slope(yaw_rate, dt_s)).max() <= YAW_ACCEL_MAX_RADPS2
        ),
    )


def slope(values: Floats, dt_s: float, window_s: float = WINDOW_S) -> Floats:
    """Time derivative (n,) of ``values`` (n,): later minus earlier, smoothed over ``window_s``.

    At every instant the slope of the parabola that fits the window best; at the ends the window is the first or last
    one. Source: Savitzky, Golay: Smoothing and Differentiation of Data (1964)
    """
    n = len(values)
    half = max(1, round(0.5 * window_s / dt_s))
    width = min(2 * half + 1, n if n % 2 else n - 1)
    if width < 3:
        return np.gradient(values, dt_s) if n > 1 else np.zeros(n)
    half = width // 2
    steps = np.arange(-half, half + 1)
    windows = np.lib.stride_tricks.sliding_window_view(values, width)
    inner = windows @ (steps / (dt_s * float((steps**2).sum())))
    fit = np.linalg.pinv(np.stack([np.ones(width), steps, steps**2], axis=1))
    first, last = fit @ values[:width], fit @ values[-width:]
    head = (first[1] + 2.0 * first[2] * np.arange(-half, 0)) / dt_s
    tail = (last[1] + 2.0 * last[2] * np.arange(1, half + 1)) / dt_s
    return np.concatenate([head, inner, tail])


def response(weighting: Weighting, frequency_hz: Floats) -> Complexes:
    """Complex gain of a weighting at each frequency: band limits, transition, upward step."""
    p = 2j * math.pi * np.asarray(frequency_hz, np.float64)
    safe = np.where(p == 0.0, 1.0, p)
    low, high, f3, f4 = (2.0 * math.pi * f for f in (*weighting.band_hz, *weighting.transition_hz))
    gain = safe**2 / (safe**2 + math.sqrt(2.0) * low * safe + low**2)
    gain /= 1.0 + math.sqrt(2.0) * safe / high + (safe / high) ** 2
    gain *= (1.0 + safe / f3) / (1.0 + safe / (weighting.transition_q * f4) + (safe / f4) ** 2)
    if weighting.step_hz is not None and weighting.step_q is not None:
        (f5, f6), (q5, q6) = (2.0 * math.pi * f for f in weighting.step_hz), weighting.step_q
        gain *= (1.0 + safe / (q5 * f5) + (safe / f5) ** 2) / (1.0 + safe / (q6 * f6) + (safe / f6) ** 2)
        gain *= (f5 / f6) ** 2
    return np.where(p == 0.0, 0.0, gain)


def weighted(accel_mps2: Floats, dt_s: float, weighting: Weighting) -> Floats:
    """``accel_mps2`` (n,) at a fixed step behind the weighting filter: (n,), causal, exact up to half the rate.

    Filtered by its transform, faded out for long enough that nothing of the end comes back at the beginning.
    """
    n = len(accel_mps2)
    silence = math.ceil(8.0 / (weighting.band_hz[0] * dt_s))
    faded = np.concatenate([accel_mps2, accel_mps2[-1:] * np.linspace(1.0, 0.0, silence)])
    size = 1 << (len(faded) - 1).bit_length()
    gain = response(weighting, np.asarray(np.fft.rfftfreq(size, dt_s), np.float64))
    return np.asarray(np.fft.irfft(np.fft.rfft(faded, size) * gain, size)[:n])


def vibration(accel_mps2: Floats, dt_s: float, weightings: tuple[Weighting, ...]) -> float:
    """Root mean square of the weighted acceleration of all axes (axes, n) together, each counted once (comfort)."""
    filtered = [weighted(axis, dt_s, w) for axis, w in zip(accel_mps2, weightings, strict=True)]
    return math.sqrt(sum(float(np.mean(axis**2)) for axis in filtered))


def reaction(weighted_mps2: float) -> str:
    """The standard's words for a weighted acceleration."""
    return next(words for least, words in REACTIONS if weighted_mps2 >= least)
