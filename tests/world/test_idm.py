"""IDM and MOBIL against values that follow from their equations."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from scenarios.world.traffic.idm import CAR, HARDEST_MPS2, POLITENESS, THRESHOLD_MPS2, idm, mobil_gain
from tests.world.networks import aside, car, played, straight, touching, who

PARAMETERS = (CAR.headway_s, CAR.standstill_m, CAR.comfort_mps2, CAR.drive_mps2)


@given(speed=st.floats(0.5, 14.0), wanted=st.floats(14.5, 35.0))
def test_at_the_equilibrium_gap_nobody_accelerates(speed: float, wanted: float) -> None:
    gap = (CAR.standstill_m + speed * CAR.headway_s) / math.sqrt(1.0 - (speed / wanted) ** 4)
    assert idm(speed, wanted, gap, speed, *PARAMETERS) == pytest.approx(0.0, abs=1e-9)


def test_a_free_driver_starts_with_full_acceleration_and_keeps_the_wanted_speed() -> None:
    assert idm(0.0, 15.0, math.inf, 0.0, *PARAMETERS) == CAR.drive_mps2
    assert idm(15.0, 15.0, math.inf, 0.0, *PARAMETERS) == pytest.approx(0.0)
    assert idm(20.0, 10.0, math.inf, 0.0, *PARAMETERS) == -CAR.comfort_mps2


@given(speed=st.floats(0.0, 40.0), wanted=st.floats(0.1, 40.0), gap=st.floats(0.1, 200.0), lead=st.floats(0.0, 40.0))
def test_a_smaller_gap_or_a_slower_leader_never_means_more_acceleration(
    speed: float, wanted: float, gap: float, lead: float
) -> None:
    here = idm(speed, wanted, gap, lead, *PARAMETERS)
    assert HARDEST_MPS2 <= here <= CAR.drive_mps2
    assert idm(speed, wanted, 0.8 * gap, lead, *PARAMETERS) <= here
    assert idm(speed, wanted, gap, 0.8 * lead, *PARAMETERS) <= here


def test_the_gain_of_a_lane_change_is_that_of_the_paper() -> None:
    assert mobil_gain(-1.0, 1.0, 2.0) == pytest.approx(2.0 - POLITENESS * 2.0 - THRESHOLD_MPS2)
    assert mobil_gain(0.5, 0.5, 0.0) < 0.0


def test_a_platoon_keeps_the_equilibrium_gap() -> None:
    road = straight("road", (0.0, 0.0), (3000.0, 0.0), limit_mps=40.0)
    leader = car(1, "road", 200.0, 10.0, obeys=False)
    followers = [car(2 + k, "road", 170.0 - 25.0 * k, 20.0) for k in range(4)]
    world = aside(leader, *followers, paths=(road,))
    for _ in played(world, 120.0, 1.0):
        pass
    expected = (CAR.standstill_m + 10.0 * CAR.headway_s) / math.sqrt(1.0 - (10.0 / 20.0) ** 4)
    for number in (2, 3, 4, 5):
        ahead, behind = who(world, number - 1), who(world, number)
        assert behind.speed_mps == pytest.approx(10.0, abs=0.05)
        assert ahead.x_m - behind.x_m - 4.5 == pytest.approx(expected, abs=0.2)


def test_a_disturbance_does_not_grow_along_a_platoon() -> None:
    from scenarios.scenario import Change, Trigger

    road = straight("road", (0.0, 0.0), (4000.0, 0.0), limit_mps=40.0)
    brake = (Change(Trigger(after_s=40.0), 8.0, 2.0), Change(Trigger(after_s=46.0), 13.0, 1.0))
    leader = car(1, "road", 400.0, 13.0, obeys=False, changes=brake)
    world = aside(leader, *(car(2 + k, "road", 375.0 - 24.0 * k, 16.0) for k in range(12)), paths=(road,))
    slowest = np.full(14, np.inf)
    for t in played(world, 110.0, 0.25):
        if t > 38.0:
            for user in world._users.items:
                slowest[user.actor.id] = min(slowest[user.actor.id], user.speed_mps)
        assert not touching(world)
    assert slowest[1] == pytest.approx(8.0, abs=0.05)
    assert slowest[13] > slowest[2] - 0.1
    assert np.all(slowest[2:] > 6.5)


def test_a_faster_driver_moves_over_to_the_empty_lane_and_passes_a_truck() -> None:
    lanes = (
        straight("right", (0.0, 0.0), (2500.0, 0.0), limit_mps=30.0),
        straight("left", (0.0, 3.5), (2500.0, 3.5), limit_mps=30.0),
    )
    truck, fast = car(1, "right", 140.0, 15.0, kind="truck"), car(2, "right", 60.0, 25.0, changes_lanes=True)
    world = aside(truck, fast, paths=lanes)
    for _ in played(world, 40.0, 0.2):
        assert not touching(world)
    assert who(world, 2).y_m == pytest.approx(3.5, abs=0.01)
    assert who(world, 2).x_m > who(world, 1).x_m + 20.0


def test_nobody_moves_over_in_front_of_somebody_fast() -> None:
    lanes = (
        straight("right", (0.0, 0.0), (2500.0, 0.0), limit_mps=35.0),
        straight("left", (0.0, 3.5), (2500.0, 3.5), limit_mps=35.0),
    )
    truck, blocked = car(1, "right", 90.0, 15.0, kind="truck"), car(2, "right", 60.0, 20.0, changes_lanes=True)
    rushing = [car(3 + k, "left", 40.0 - 36.0 * k, 33.0, obeys=False) for k in range(1)]
    world = aside(truck, blocked, *rushing, paths=lanes)
    for t in played(world, 20.0, 0.1):
        assert not touching(world)
        if t < 1.5:
            assert who(world, 2).y_m == pytest.approx(0.0, abs=1e-6)
