"""The driving score and the results file: by hand, and against what the leaderboard's own evaluator wrote."""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.errors import UsageError
from scenarios.metrics import rules
from scenarios.metrics.course import Course
from scenarios.metrics.leaderboard import KEYS, RouteRun, driving_score, penalty, results, status
from scenarios.metrics.leaderboard_check import validate
from scenarios.metrics.rules import Contact, Infraction

SECOND = 10**9
REFERENCE: dict[str, Any] = json.loads(Path(__file__).with_name("leaderboard_reference.json").read_text("utf-8"))
ROUTES = msgspec.convert(REFERENCE["routes"], list[RouteRun])


def broken(kind: str, percentage: float | None = None) -> Infraction:
    return Infraction(kind=kind, t_ns=0, message=f"1 2 3 4 5 6 7 8 9.0 {kind}", percentage=percentage)


def course(s_m: Any, *, d_m: float = 0.0, length_m: float = 1000.0) -> Course:
    s = np.asarray(s_m, np.float64)
    return Course(s, np.full(len(s), d_m), np.zeros(len(s)), length_m)


def test_version_2_0_multiplies_a_factor_per_infraction() -> None:
    found = [broken(rules.PEDESTRIAN), broken(rules.RED_LIGHT), broken(rules.RED_LIGHT)]
    assert penalty(found, "2.0") == pytest.approx(0.5 * 0.7 * 0.7)
    others = [broken(rules.VEHICLE), broken(rules.LAYOUT), broken(rules.STOP_SIGN)]
    assert penalty(others, "2.0") == pytest.approx(0.6 * 0.65 * 0.8)


def test_version_2_1_divides_by_one_and_the_weights() -> None:
    found = [broken(rules.PEDESTRIAN), broken(rules.RED_LIGHT), broken(rules.RED_LIGHT)]
    assert penalty(found, "2.1") == pytest.approx(1 / 2.8)
    assert penalty([broken(rules.VEHICLE), broken(rules.LAYOUT), broken(rules.STOP_SIGN)]) == pytest.approx(1 / 2.55)


def test_who_drives_at_half_the_traffics_speed_pays_half_the_penalty() -> None:
    assert penalty([broken(rules.MIN_SPEED, 50.0)], "2.0") == pytest.approx(1 - 0.3 * 0.5)
    assert penalty([broken(rules.MIN_SPEED, 50.0)], "2.1") == pytest.approx(1 / 1.2)


def test_what_is_driven_outside_the_lanes_does_not_count() -> None:
    outside = [broken(rules.OUTSIDE_LANES, 25.0)]
    assert penalty(outside, "2.0") == penalty(outside, "2.1") == 0.75
    assert penalty([*outside, broken(rules.PEDESTRIAN)], "2.1") == pytest.approx(0.75 / 2)


def test_what_stops_a_route_costs_no_more_than_the_rest_of_it() -> None:
    run = RouteRun(
        route_id="RouteScenario_1_rep0",
        length_m=100.0,
        completion_pct=40.0,
        duration_s=200.0,
        infractions=(broken(rules.BLOCKED),),
    )
    assert driving_score(run, "2.0") == driving_score(run, "2.1") == 40.0
    assert status(run) == "Failed - Agent got blocked"


def test_an_unknown_version_is_refused() -> None:
    with pytest.raises(UsageError, match=r"2\.2"):
        penalty([], "2.2")


@pytest.mark.parametrize("version", ["2.0", "2.1"])
def test_the_leaderboards_own_evaluator_writes_the_same(version: str) -> None:
    ours = json.loads(json.dumps(results(ROUTES, version, sensors=["carla_camera"])))
    assert ours.keys() == REFERENCE[version].keys()
    assert list(ours["_checkpoint"]["records"][0]["infractions"]) == list(
        REFERENCE[version]["_checkpoint"]["records"][0]["infractions"]
    )
    assert ours == REFERENCE[version]


@pytest.mark.parametrize("version", ["2.0", "2.1"])
def test_its_files_and_ours_are_valid(version: str) -> None:
    assert validate(REFERENCE[version]) == []
    assert validate(results(ROUTES, version)) == []
    assert validate(results(ROUTES[:1], version)) == []
    assert validate(results([], version)) == []


def leaves(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Paths of everything in a JSON value."""
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [p for key, item in inner for p in [(*path, key), *leaves(item, (*path, key))]]


FILE = json.loads(json.dumps(results(ROUTES[:4])))
FIELDS = [path for path in leaves(FILE) if not ("infractions" in path and isinstance(path[-1], int))]


@pytest.mark.parametrize("path", FIELDS, ids=lambda path: ".".join(map(str, path)))
def test_every_field_is_looked_at(path: tuple[Any, ...]) -> None:
    def changed(how: Any) -> list[str]:
        spoiled = copy.deepcopy(FILE)
        at = spoiled
        for key in path[:-1]:
            at = at[key]
        how(at)
        return validate(spoiled)

    assert changed(lambda at: at.__setitem__(path[-1], {"wrong": None})), "of another type"
    if isinstance(path[-1], str):
        found = changed(lambda at: at.pop(path[-1]))
        assert any(path[-1] in line for line in found), "missing"


def test_wrong_figures_are_named() -> None:
    spoiled = copy.deepcopy(FILE)
    spoiled["_checkpoint"]["global_record"]["scores_mean"]["score_composed"] += 1.0
    spoiled["_checkpoint"]["records"][0]["status"] = "Completed"
    spoiled["eligible"] = False
    found = "\n".join(validate(spoiled))
    assert "scores_mean.score_composed" in found
    assert "records[0].status" in found
    assert "eligible" in found
    assert validate([]) == ["file: is no object"]


@given(st.lists(st.sampled_from(KEYS), max_size=8), st.floats(0.0, 100.0), st.sampled_from(["2.0", "2.1"]))
def test_another_infraction_never_helps_and_their_order_does_not_matter(
    kinds: list[str], percentage: float, version: str
) -> None:
    found = [broken(kind, percentage if kind in (rules.MIN_SPEED, rules.OUTSIDE_LANES) else None) for kind in kinds]
    assert 0.0 <= penalty(found, version) <= 1.0
    assert penalty(found[::-1], version) == pytest.approx(penalty(found, version))
    assert penalty(found[1:], version) >= penalty(found, version) - 1e-12


def contact(t_s: float, x: float, who: int, *, speed: float = 5.0, label: str = "vehicle") -> Contact:
    return Contact(t_ns=round(t_s * SECOND), x_m=x, y_m=0.0, speed_mps=speed, id=who, label=label, kind="van")


def test_one_contact_is_one_collision_however_long_it_lasts() -> None:
    assert len(rules.collisions([contact(1.0, 0.0, 4), contact(1.05, 0.2, 4), contact(1.1, 0.4, 4)])) == 1
    assert len(rules.collisions([contact(1.0, 0.0, 4), contact(3.0, 9.0, 4)])) == 1, "the same one within 5 s"
    assert len(rules.collisions([contact(1.0, 0.0, 4), contact(7.0, 9.0, 4)])) == 2
    assert len(rules.collisions([contact(1.0, 0.0, 4), contact(7.0, 3.0, 8)])) == 1, "within 5 m"
    assert len(rules.collisions([contact(1.0, 0.0, 4), contact(3.0, 9.0, 8)])) == 2
    assert len(rules.collisions([contact(1.0, 90.0, 4), contact(7.0, 93.0, 8)])) == 1, "wherever that is"


def test_who_is_hit_while_standing_is_not_at_fault() -> None:
    assert rules.collisions([contact(1.0, 0.0, 4, speed=0.05)]) == []


def test_collisions_are_told_apart_by_what_was_hit() -> None:
    hits = [contact(10.0 * i, 20.0 * i, i, label=label) for i, label in enumerate(("pedestrian", "vehicle", "debris"))]
    found = rules.collisions(hits)
    assert [one.kind for one in found] == [rules.PEDESTRIAN, rules.VEHICLE, rules.LAYOUT]
    assert found[0].message == "Agent collided against object with type=van and id=0 at (x=0.0, y=0.0, z=0.0)"


def test_the_way_outside_the_lanes_is_a_share_of_the_way_driven() -> None:
    t, way = np.arange(6) * SECOND, course([0, 10, 20, 30, 40, 50])
    (found,) = rules.outside_lanes(t, way, np.array([False, False, True, True, False, False]))
    assert (found.percentage, found.distance_m) == (pytest.approx(40.0), pytest.approx(20.0))
    assert float(found.message.split(" ")[8]) == 20.0, "where the leaderboard looks for the metres"
    assert rules.outside_lanes(t, way, np.zeros(6, np.bool_)) == []


def test_every_quarter_of_the_route_that_is_too_slow_is_an_infraction() -> None:
    s = np.arange(0.0, 1000.0)
    t = np.arange(len(s)) * SECOND
    speed = np.where(s < 502.0, 5.0, 20.0)
    found = rules.too_slow(t, course(s), speed, np.full(len(s), 10.0))
    assert [one.percentage for one in found] == [50.0, 50.0]
    assert rules.too_slow(t, course(s), speed, np.full(len(s), np.nan)) == [], "no traffic to compare with"
    always = rules.too_slow(t, course(s), np.full(len(s), 5.0), np.full(len(s), 10.0))
    assert len(always) == 4, "the last one at the route's end"


def test_a_car_that_stands_for_three_minutes_is_blocked() -> None:
    t = np.arange(0, 400) * SECOND
    places = np.zeros((400, 2))
    found = rules.blocked(t, np.where((t >= 100 * SECOND) & (t < 300 * SECOND), 0.0, 5.0), places)
    assert found is not None and found.t_ns == 281 * SECOND
    assert rules.blocked(t, np.where((t >= 100 * SECOND) & (t <= 280 * SECOND), 0.0, 5.0), places) is None
    assert rules.blocked(t, np.where(t % (170 * SECOND) == 0, 5.0, 0.0), places) is None, "it moved in between"


def test_thirty_metres_away_or_a_third_of_the_route_beside_it_is_a_deviation() -> None:
    t, s = np.arange(40) * SECOND, np.arange(0.0, 400.0, 10.0)
    places = np.zeros((40, 2))
    assert rules.deviated(t, course(s, d_m=14.5), places) is None
    lost = rules.deviated(t, course(s, d_m=-15.5), places)
    assert lost is not None and lost.t_ns == 31 * SECOND, "310 m of 1000"
    gone = rules.deviated(t, course(s, d_m=31.0), places)
    assert gone is not None and gone.t_ns == 0


def test_the_time_for_a_route_is_five_minutes_and_what_a_tenth_of_the_limit_takes() -> None:
    t = np.arange(0, 500) * SECOND
    moving = course(np.full(500, 100.0) * (t > 0), length_m=1000.0)
    # 100 m at a tenth of 10 m/s are granted 100 s more.
    late = rules.timed_out(t, moving, np.full(500, 10.0))
    assert late is not None and late.t_ns == 401 * SECOND
    assert rules.timed_out(t[:400], course(moving.s_m[:400]), np.full(400, 10.0)) is None


def test_a_route_is_complete_at_99_percent_and_within_ten_metres() -> None:
    assert rules.completed_pct(99.1, 9.0) == 100.0
    assert rules.completed_pct(99.0, 9.0) == 99.0
    assert rules.completed_pct(99.1, 10.0) == 99.1
    assert rules.completed_pct(99.1, 11.0) == 99.1
    assert rules.completed_pct(98.765, 1.0) == 98.77
