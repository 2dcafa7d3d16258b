"""Deadline policies: the published one with and without its unit error, and ours."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from operators.budget.stopping_distance import (
    ShippedState,
    StoppingSettings,
    StoppingState,
    hazards,
    shipped,
    slack_s,
    stopping,
)
from operators.messages import EgoState, Obstacle, Obstacles

SETTINGS = StoppingSettings()


def ego(speed: float = 12.0, yaw: float = 0.0) -> EgoState:
    return EgoState(x_m=0.0, y_m=0.0, yaw_rad=yaw, speed_mps=speed)


def somebody(x: float, y: float = 0.0, *, vy: float = 0.0, track_id: int = 1) -> Obstacle:
    return Obstacle(
        track_id=track_id, label="pedestrian", score=1.0, x_m=x, y_m=y, length_m=0.5, width_m=0.6, speed_y_mps=vy
    )


def truck(x: float, y: float = 4.0) -> Obstacle:
    return Obstacle(track_id=9, label="vehicle", score=1.0, x_m=x, y_m=y, length_m=7.0, width_m=2.5)


def seen(*items: Obstacle) -> Obstacles:
    return Obstacles(items=items)


def fresh_budget_ms(*items: Obstacle, speed: float = 12.0) -> float:
    return stopping(StoppingState(), seen(*items), ego(speed), 0.1)[1]


def test_as_shipped_anything_new_forces_the_shortest_budget_however_far() -> None:
    _, budget = shipped(ShippedState(), seen(somebody(100.0)), ego(), unit_error=True)
    assert budget == 60.0 + 159.0


def test_as_shipped_the_eighth_reading_later_it_relaxes() -> None:
    state, budgets = ShippedState(), []
    for _ in range(10):
        state, budget = shipped(state, seen(somebody(100.0)), ego(), unit_error=True)
        budgets.append(budget)
    assert budgets == [219.0] * 8 + [433.0] * 2


@pytest.mark.parametrize(("distance", "budget"), [(60.0, 433.0), (24.0, 269.0), (17.0, 219.0)])
def test_fixed_the_published_policy_has_its_three_levels(distance: float, budget: float) -> None:
    # Reaction 0.05 + 0.433 s at 12 m/s is 5.8 m, braking 10.66 m.
    assert shipped(ShippedState(), seen(somebody(distance)), ego(), unit_error=False)[1] == budget


def test_a_clear_road_gets_the_long_budget() -> None:
    assert fresh_budget_ms() == SETTINGS.longest_ms


def test_a_person_in_the_way_gets_the_short_one() -> None:
    assert fresh_budget_ms(somebody(18.0)) == SETTINGS.shortest_ms


def test_in_between_the_budget_follows_the_slack_without_steps() -> None:
    budgets = [fresh_budget_ms(somebody(20.0 + 0.25 * k)) for k in range(120)]
    assert budgets == sorted(budgets)
    assert max(b - a for a, b in zip(budgets, budgets[1:], strict=False)) < 15.0
    assert len({round(b) for b in budgets}) > 20


def test_a_person_approaching_the_lane_counts_before_entering_it() -> None:
    assert fresh_budget_ms(somebody(24.0, 6.0)) == SETTINGS.longest_ms
    assert fresh_budget_ms(somebody(24.0, 6.0, vy=-2.0)) < 250.0


def test_a_parked_truck_tightens_the_budget_before_anybody_is_visible() -> None:
    far, near = fresh_budget_ms(truck(60.0)), fresh_budget_ms(truck(18.0))
    assert far == SETTINGS.longest_ms
    assert near < 200.0


def test_a_truck_far_beside_the_lane_hides_nobody_who_matters() -> None:
    assert fresh_budget_ms(truck(20.0, 12.0)) == SETTINGS.longest_ms


def test_what_is_behind_is_no_hazard() -> None:
    assert hazards(seen(somebody(-5.0), truck(-12.0)), ego(), SETTINGS) == []


def test_the_corridor_turns_with_the_ego() -> None:
    turning = EgoState(x_m=0.0, y_m=0.0, yaw_rad=0.0, speed_mps=10.0, yaw_rate_radps=0.25)
    inside_the_bend = seen(somebody(25.0, 0.025 * 25.0**2 / 2))
    assert hazards(inside_the_bend, ego(10.0), SETTINGS) == []
    assert len(hazards(inside_the_bend, turning, SETTINGS)) == 1


def test_it_tightens_at_once_and_relaxes_late_and_slowly() -> None:
    state, budget, _ = stopping(StoppingState(), seen(somebody(18.0)), ego(), 0.1)
    assert budget == SETTINGS.shortest_ms
    budgets = []
    for _ in range(30):
        state, budget, _ = stopping(state, seen(), ego(), 0.1)
        budgets.append(budget)
    assert budgets[:5] == [SETTINGS.shortest_ms] * 5
    assert budgets == sorted(budgets)
    assert max(b - a for a, b in zip(budgets, budgets[1:], strict=False)) <= SETTINGS.relax_ms_per_s * 0.1 + 1e-9
    assert budgets[-1] == SETTINGS.longest_ms


def test_a_standing_car_has_all_the_time() -> None:
    assert fresh_budget_ms(somebody(8.0), speed=0.0) == SETTINGS.longest_ms


def test_an_unknown_speed_gets_the_short_budget() -> None:
    assert stopping(StoppingState(), seen(), ego(math.nan), 0.1)[1] == SETTINGS.shortest_ms


def test_slack_is_the_time_until_braking_must_begin() -> None:
    gap = 2.0 + 12.0**2 / (2 * 6.5) + 12.0 * (0.15 + 0.5)
    assert slack_s(gap, ego(), 0.0, SETTINGS) == pytest.approx(0.5)


@given(
    st.lists(st.tuples(st.floats(-50, 150), st.floats(-20, 20), st.floats(-5, 5)), max_size=5),
    st.floats(0, 40),
    st.floats(0, 1),
)
def test_every_budget_lies_in_its_range(items: list[tuple[float, float, float]], speed: float, dt_s: float) -> None:
    state = StoppingState()
    for count in range(len(items) + 1):
        road = seen(*[somebody(x, y, vy=vy, track_id=k) for k, (x, y, vy) in enumerate(items[:count])])
        state, budget, _ = stopping(state, road, ego(speed), dt_s)
        assert SETTINGS.shortest_ms <= budget <= SETTINGS.longest_ms
