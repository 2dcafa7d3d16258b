"""Our deadline policy: what counts as a hazard along the route, and how the budget follows."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from operators.budget.anticipating import AnticipatingPolicy
from operators.budget.anticipation import (
    AnticipationSettings,
    AnticipationState,
    Hazard,
    anticipated,
    hazards,
    slack_s,
)
from operators.budget.policy import UnknownVariant
from operators.geometry.windows import RouteLine, RouteWindow
from operators.messages import EgoState, Obstacle, Prediction, Predictions, Route, StopLine
from pipeline.testing import drive
from pipeline.timestamps import ms

SETTINGS = AnticipationSettings()


def route(*stops: StopLine, bend: float = 0.0) -> Route:
    yaw = bend * np.arange(0.0, 300.0)
    return Route(
        x_m=np.cumsum(np.cos(yaw)),
        y_m=np.cumsum(np.sin(yaw)),
        width_left_m=1.0,
        width_right_m=1.0,
        speed_limit_mps=14.0,
        stops=stops,
    )


def window(*stops: StopLine, bend: float = 0.0) -> RouteWindow:
    return RouteLine(route(*stops, bend=bend)).whole


def ego(speed: float = 12.0, x: float = 20.0) -> EgoState:
    return EgoState(x_m=x, y_m=0.0, yaw_rad=0.0, speed_mps=speed)


def seen(x: float, y: float, vx: float = 0.0, vy: float = 0.0, label: str = "pedestrian") -> Prediction:
    length, width = (0.5, 0.6) if label == "pedestrian" else (4.5, 1.9)
    item = Obstacle(
        track_id=1, label=label, score=1.0, x_m=x, y_m=y, length_m=length, width_m=width, speed_x_mps=vx, speed_y_mps=vy
    )
    return Prediction(
        obstacle=item, path_m=np.array((x, y)) + (np.arange(15) + 1.0)[:, None] * 0.2 * np.array((vx, vy))
    )


def found(*items: Prediction, speed: float = 12.0, where: RouteWindow | None = None) -> list[Hazard]:
    return hazards(Predictions(items=items, step_s=0.2), ego(speed), where or window(), SETTINGS)


def fresh_budget_ms(*items: Prediction, speed: float = 12.0, where: RouteWindow | None = None) -> float:
    return anticipated(AnticipationState(), found(*items, speed=speed, where=where), speed, 0.1)[1]


def test_a_clear_road_gets_the_long_budget_and_somebody_in_the_way_the_short_one() -> None:
    assert fresh_budget_ms() == SETTINGS.longest_ms
    assert fresh_budget_ms(seen(42.0, 0.0)) == SETTINGS.shortest_ms


def test_a_person_who_walks_towards_the_lane_counts_before_entering_it() -> None:
    assert fresh_budget_ms(seen(50.0, 7.0)) == SETTINGS.longest_ms
    assert fresh_budget_ms(seen(50.0, 7.0, vy=-2.0)) < 300.0


def test_a_standing_vehicle_at_the_roadside_may_hide_somebody_at_its_far_end() -> None:
    (hazard,) = found(seen(45.0, -3.5, label="vehicle"))
    assert hazard.reason == "vehicle may hide somebody"
    assert hazard.gap_m == pytest.approx(45.0 + 2.25 - 20.0 - 3.75, abs=1.1)
    assert found(seen(45.0, -8.0, label="vehicle")) == []
    assert found(seen(45.0, -3.5, vx=9.0, label="vehicle")) == []


def test_a_parked_vehicle_that_begins_to_move_may_pull_out() -> None:
    assert [each.reason for each in found(seen(45.0, -3.5, vx=2.0, label="vehicle"))] == ["vehicle may pull out"]


def test_a_junction_is_a_hazard_until_it_is_behind() -> None:
    line = StopLine(s_m=60.0, kind="light", light="a", clear_m=12.0)
    assert [hazard.reason for hazard in found(where=window(line))] == ["junction"]
    behind = StopLine(s_m=2.0, kind="light", light="a", clear_m=5.0)
    assert found(where=window(behind)) == []


def test_the_corridor_follows_the_route_and_not_the_ego_s_arc() -> None:
    bent = window(bend=0.02)
    x, y = bent.line.to_map(60.0, 0.0)
    on_the_route, straight_ahead = seen(x, y), seen(61.0, 0.0)
    assert [hazard.reason for hazard in found(on_the_route, where=bent)] == ["pedestrian in the way"]
    assert "pedestrian in the way" not in [hazard.reason for hazard in found(straight_ahead, where=bent)]


def test_what_is_behind_is_no_hazard() -> None:
    assert found(seen(5.0, 0.0), seen(2.0, -3.0, label="vehicle")) == []


def test_a_leader_at_our_speed_leaves_more_time_than_one_who_stands() -> None:
    assert slack_s(25.0, 12.0, 12.0, SETTINGS) > slack_s(25.0, 12.0, 0.0, SETTINGS)


@given(st.floats(0.0, 120.0), st.floats(0.0, 50.0), st.floats(0.6, 25.0), st.floats(0.0, 25.0))
def test_nearer_is_never_given_more_time(gap: float, further: float, speed: float, other: float) -> None:
    near = anticipated(AnticipationState(), [Hazard(gap, other, "")], speed, 0.1)[1]
    far = anticipated(AnticipationState(), [Hazard(gap + further, other, "")], speed, 0.1)[1]
    assert SETTINGS.shortest_ms <= near <= far <= SETTINGS.longest_ms


@given(st.floats(0.0, 120.0), st.floats(0.6, 25.0), st.floats(0.0, 10.0))
def test_faster_is_never_given_more_time(gap: float, speed: float, more: float) -> None:
    slow = anticipated(AnticipationState(), [Hazard(gap, 0.0, "")], speed, 0.1)[1]
    fast = anticipated(AnticipationState(), [Hazard(gap, 0.0, "")], speed + more, 0.1)[1]
    assert fast <= slow + 1e-9


@given(st.lists(st.tuples(st.floats(0.0, 100.0), st.floats(0.01, 0.5)), min_size=1, max_size=40), st.floats(1.0, 20.0))
def test_it_tightens_at_once_and_relaxes_only_slowly(course: list[tuple[float, float]], speed: float) -> None:
    state, last = AnticipationState(), math.inf
    for gap, dt_s in course:
        wanted = anticipated(AnticipationState(), [Hazard(gap, 0.0, "")], speed, dt_s)[1]
        state, budget, _ = anticipated(state, [Hazard(gap, 0.0, "")], speed, dt_s)
        assert budget <= wanted + 1e-9
        assert budget <= last + SETTINGS.relax_ms_per_s * dt_s + 1e-9
        last = budget


def test_for_what_is_hidden_a_fast_car_looks_far_and_for_what_is_seen_it_is_quick() -> None:
    def budget(speed: float, hidden: bool) -> float:
        return anticipated(AnticipationState(), [Hazard(5.0, 0.0, "", hidden)], speed, 0.1)[1]

    assert budget(14.0, False) == SETTINGS.shortest_ms
    assert budget(14.0, True) > budget(11.0, True) > budget(8.0, True) == SETTINGS.shortest_ms


def test_who_waits_at_a_junction_looks_far_enough_to_see_who_comes() -> None:
    line = StopLine(s_m=25.0, kind="light", light="a", clear_m=12.0)
    assert fresh_budget_ms(speed=2.0, where=window(line)) == SETTINGS.waiting_ms
    assert fresh_budget_ms(speed=8.0, where=window(line)) == SETTINGS.shortest_ms
    assert fresh_budget_ms(seen(27.0, 0.0), speed=5.0, where=window(line)) == SETTINGS.shortest_ms


def test_after_a_pause_it_comes_back_to_the_long_budget() -> None:
    state, budget, _ = anticipated(AnticipationState(), [Hazard(5.0, 0.0, "")], 12.0, 0.1)
    budgets = []
    for _ in range(40):
        state, budget, _ = anticipated(state, [], 12.0, 0.1)
        budgets.append(budget)
    assert budgets[:5] == [SETTINGS.shortest_ms] * 5
    assert budgets == sorted(budgets)
    assert budgets[-1] == SETTINGS.longest_ms


def test_a_standing_car_has_all_the_time_and_an_unknown_speed_none() -> None:
    assert anticipated(AnticipationState(), [Hazard(1.0, 0.0, "")], 0.0, 0.1)[1] == SETTINGS.longest_ms
    assert anticipated(AnticipationState(), [], math.nan, 0.1)[1] == SETTINGS.shortest_ms


def test_the_operator_writes_budgets_for_each_of_its_variants() -> None:
    frames = [(k * ms(100), Predictions(items=(seen(42.0, 0.0),), step_s=0.2)) for k in range(3)]
    inputs = {"predictions": frames, "ego": [(k * ms(100), ego()) for k in range(3)], "route": [(0, route())]}
    budgets = {
        variant: [value.within_ns for _, value in drive(AnticipatingPolicy(variant=variant), inputs).values]
        for variant in ("ours", "fixed", "as_shipped")
    }
    assert budgets["ours"] == [ms(160)] * 3
    assert set(budgets["as_shipped"]) == {ms(219)}
    assert len({tuple(row) for row in budgets.values()}) >= 2


def test_a_variant_that_does_not_exist_is_refused() -> None:
    with pytest.raises(UnknownVariant, match="as_shipped"):
        AnticipatingPolicy(variant="theirs")
