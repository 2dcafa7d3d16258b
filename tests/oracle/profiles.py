"""How many examples the property tests try: ``ci`` by default, fewer where SKYLANE_EXAMPLES says so (mutation runs)."""

from __future__ import annotations

import os

from hypothesis import HealthCheck, settings

EXAMPLES = int(os.environ.get("SKYLANE_EXAMPLES", "1000"))
settings.register_profile(
    "ci", max_examples=EXAMPLES, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow]
)
ci = settings(settings.get_profile("ci"))
"""Decorator: at least 1,000 examples, the same ones on every machine."""


def few(share: float) -> settings:
    """A share of the examples, for properties that run whole graphs."""
    return settings(settings.get_profile("ci"), max_examples=max(5, int(EXAMPLES * share)))
