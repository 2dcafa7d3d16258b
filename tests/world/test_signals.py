"""Light programmes: green, amber, all red, round and round."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.errors import UsageError
from scenarios.scenario import Lights, Phase
from scenarios.world.traffic.signals import Signals
from tests.world.networks import TWO_PHASES


def test_phases_follow_one_another_with_amber_and_all_red_between() -> None:
    signals = Signals(TWO_PHASES)
    seen = [
        (signals.state("w", t), signals.state("s", t)) for t in (0.0, 9.9, 10.1, 12.9, 13.1, 14.9, 15.1, 25.1, 29.0)
    ]
    red = "red"
    assert seen == [
        ("green", red), ("green", red), ("amber", red), ("amber", red), (red, red), (red, red), (red, "green"),
        (red, "amber"), (red, red),
    ]  # fmt: skip


@given(t=st.floats(0.0, 500.0), offset=st.floats(0.0, 60.0))
def test_never_two_groups_at_once_and_the_same_again_after_a_cycle(t: float, offset: float) -> None:
    signals = Signals((Lights(TWO_PHASES[0].phases, offset),))
    assert "red" in (signals.state("w", t), signals.state("s", t))
    later = Signals((Lights(TWO_PHASES[0].phases, offset + 30.0),))
    near_a_change = min((t + offset) % 1.0, 1.0 - (t + offset) % 1.0) < 1e-6
    assert near_a_change or later.state("w", t) == signals.state("w", t)


def test_a_light_that_stays_green_in_the_next_phase_shows_no_amber() -> None:
    signals = Signals((Lights((Phase(5.0, ("a", "b")), Phase(5.0, ("b",)), Phase(5.0, ("c",)))),))
    assert signals.state("b", 6.0) == "green" and signals.state("a", 6.0) == "amber"
    assert signals.state("b", 14.0) == "amber" and signals.state("b", 17.0) == "red"


def test_the_message_names_every_light_and_an_unknown_one_is_off() -> None:
    message = Signals(TWO_PHASES).message(1.0)
    assert [(item.light, item.state) for item in message.items] == [("s", "red"), ("w", "green")]
    assert Signals(()).state("x", 0.0) == "off"


def test_a_light_in_two_programmes_and_one_without_length_are_refused() -> None:
    with pytest.raises(UsageError, match="two programmes"):
        Signals(TWO_PHASES * 2)
    with pytest.raises(UsageError, match="no phase"):
        Signals((Lights((Phase(0.0, ("a",), 0.0),)),))
