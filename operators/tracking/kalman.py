"""Constant-velocity Kalman filter on a picture box: seven states, time steps of any length.

State: centre u, v, size (square root of the area), aspect ratio (width over height), and the rates of the first three.
The size instead of SORT's area keeps the state linear in the distance change and the noise in pixels.
Source: SORT (Bewley et al., ICIP 2016) §3.1.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from operators.messages import Box
from pipeline.messages import readonly

Floats = NDArray[np.float64]

MEASUREMENT_SHARE = 0.05
"""One standard deviation of a detected box's centre and size, as a share of its size, on top of 1 px."""
RATE_SHARE_PER_S = 1.0
"""How fast a box may turn out to move at its first sighting: sizes per second."""
JERK_SHARE = 1.5
"""Change of rate: sizes per second in one second."""


class BoxState(NamedTuple):
    """Mean (7,) and covariance (7, 7), both read-only."""

    mean: Floats
    covariance: Floats


def initial(box: Box) -> BoxState:
    """A box seen once: its rates are zero, and hardly known."""
    mean = np.concatenate([_measured(box), np.zeros(3)])
    position = _noise_px(mean[2])
    rate = 30.0 + RATE_SHARE_PER_S * mean[2] * 2.0
    deviation = np.array([position, position, position, 0.2, rate, rate, 0.5 * rate])
    return BoxState(readonly(mean), readonly(np.diag(deviation**2)))


def predicted(state: BoxState, dt_s: float) -> BoxState:
    """The state ``dt_s`` later."""
    step = np.eye(7)
    step[0, 4] = step[1, 5] = step[2, 6] = dt_s
    rate = (20.0 + JERK_SHARE * state.mean[2]) * math.sqrt(max(dt_s, 1e-3))
    drift = rate * dt_s * 0.5
    process = np.diag(np.array([drift, drift, 0.5 * drift, 0.05 * math.sqrt(dt_s), rate, rate, 0.5 * rate]) ** 2)
    mean = step @ state.mean
    if mean[2] < 1.0:  # A shrinking box must not turn inside out.
        mean[2], mean[6] = 1.0, 0.0
    mean[3] = min(max(mean[3], 0.05), 20.0)
    return BoxState(readonly(mean), readonly(step @ state.covariance @ step.T + process))


def corrected(state: BoxState, box: Box) -> BoxState:
    """The state after ``box`` was detected at the same instant."""
    noise = _noise_px(state.mean[2])
    measurement = np.diag(np.array([noise, noise, noise, 0.1]) ** 2)
    innovation = state.covariance[:4, :4] + measurement
    gain = np.linalg.solve(innovation, state.covariance[:4, :]).T
    mean = state.mean + gain @ (_measured(box) - state.mean[:4])
    mean[2], mean[3] = max(mean[2], 1.0), min(max(mean[3], 0.05), 20.0)
    covariance = state.covariance - gain @ innovation @ gain.T
    return BoxState(readonly(mean), readonly(0.5 * (covariance + covariance.T)))


def box_of(state: BoxState) -> Box:
    """The box that the mean stands for."""
    u, v, size, ratio = (float(value) for value in state.mean[:4])
    half_width, half_height = size * math.sqrt(ratio) / 2.0, size / math.sqrt(ratio) / 2.0
    return Box(x0_px=u - half_width, y0_px=v - half_height, x1_px=u + half_width, y1_px=v + half_height)


def _measured(box: Box) -> Floats:
    width, height = max(box.x1_px - box.x0_px, 1.0), max(box.y1_px - box.y0_px, 1.0)
    centre = ((box.x0_px + box.x1_px) / 2.0, (box.y0_px + box.y1_px) / 2.0)
    return np.array([*centre, math.sqrt(width * height), min(max(width / height, 0.05), 20.0)])


def _noise_px(size_px: float) -> float:
    return 1.0 + MEASUREMENT_SHARE * float(size_px)
