"""Errors that wander: a Gauss–Markov process whose value at any time is a function of (seed, key, t) alone.

No state, so that runs which sample at other times, or begin in the middle, see the same wandering.
Source: Shinozuka, Deodatis 1991 (Gaussian processes by superposition of cosines), with the frequencies drawn from the
spectrum of exp(-|lag| / correlation time).
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from pipeline.latency import uniform

TERMS = 96
FASTEST = 200.0
"""Highest frequency, in turns of phase per correlation time."""


class Drift:
    """``axes`` independent processes of standard deviation ``std`` and autocorrelation exp(-|lag| / correlation)."""

    def __init__(self, seed: int, *key: object, axes: int, std: float, correlation_s: float) -> None:
        rng = np.random.Generator(np.random.Philox(int(uniform(seed, "drift", *key) * 2**63)))
        # Stratified over the spectrum (a Cauchy distribution), so that few terms cover it.
        place = (np.arange(TERMS) + rng.uniform(size=(axes, TERMS))) / TERMS
        self._rate = np.minimum(np.tan(0.5 * math.pi * place), FASTEST) / correlation_s
        self._phase = rng.uniform(0.0, 2.0 * math.pi, (axes, TERMS))
        self._scale = std * math.sqrt(2.0 / TERMS)

    def at(self, t: int) -> NDArray[np.float64]:
        """The errors at ``t`` (ns), (axes,)."""
        return self._scale * np.asarray(np.cos(self._rate * (t / 1e9) + self._phase).sum(axis=1))
