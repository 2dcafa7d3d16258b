"""One drive judged by everything: what each figure says of drives on rails, where all of it is known."""

from __future__ import annotations

import math

import msgspec
import numpy as np
import pytest

from operators.messages import ControlCommand, Detection, Detections, Obstacle, Prediction, Predictions, Track, Tracks
from scenarios.metrics import rules
from scenarios.metrics.drive import judge
from scenarios.metrics.journal import Journal
from scenarios.metrics.judge import plain
from scenarios.metrics.perception import Said
from scenarios.world.records import Incident
from tests.metrics.worlds import SECOND, RailWorld, User, box_at, contact, journal_of


def cruise(speed: float = 10.0, **more: object) -> RailWorld:
    return RailWorld(lambda t: speed * t, lambda t: speed, **more)  # type: ignore[arg-type]


def pressed(*rows: tuple[float, float]) -> list[Said]:
    """Brake commands at times in s."""
    return [
        Said(round(t * SECOND), round(t * SECOND), 0, ControlCommand(throttle=0.0, brake=brake, steer_rad=0.0))
        for t, brake in rows
    ]


def test_an_undisturbed_drive_to_the_end_is_perfect() -> None:
    found = judge(journal_of(cruise(), 12.0), {})
    assert found.distance_m == pytest.approx(100.0)
    assert found.duration_s == 10.0, "nothing is written down once the drive is over"
    assert (found.collisions.count, found.collisions.impact_speed_mps) == (0, None)
    assert found.scores == type(found.scores)(100.0, 100.0, 100.0, "Perfect")
    assert found.closeness == type(found.closeness)(None, None, None, None)
    assert (found.reaction, found.detection, found.tracking, found.prediction) == (None, None, None, None)
    assert found.comfort.within_limits
    assert found.keeping is not None
    assert (found.keeping.lateral_error_max_m, found.keeping.speeding_count) == (0.0, 0)


def test_a_collision_costs_completion_and_penalty() -> None:
    person = User(4, "pedestrian", lambda t: (52.5, 0.0), size=(0.5, 0.6))
    found = judge(journal_of(cruise(users=[person], found=[contact(5.0, 50.0, 4, "pedestrian")]), 5.0), {})
    assert (found.collisions.count, found.collisions.at_fault, found.collisions.label) == (1, 1, "pedestrian")
    assert found.collisions.impact_speed_mps == 5.0
    assert found.scores.route_completion_pct == 50.0
    assert (found.scores.driving_score_2_0, found.scores.driving_score_2_1) == (25.0, 25.0)
    assert found.closeness.clearance_min_m == found.closeness.pet_min_s == 0.0
    assert found.route.infractions[0].kind == rules.PEDESTRIAN


def test_lights_and_stop_lines_are_infractions_and_are_counted() -> None:
    ran = [
        Incident(kind=kind, t_ns=SECOND, x_m=10.0, y_m=0.0, s_m=10.0, detail=detail)
        for kind, detail in (("red_light", "light north was red"), ("stop_line", "rolled"), ("lane_left", ""))
    ]
    found = judge(journal_of(cruise(found=ran), 12.0), {})
    assert found.keeping is not None
    assert (found.keeping.red_lights, found.keeping.stop_lines, found.keeping.lanes_left) == (1, 1, 1)
    assert found.scores.driving_score_2_0 == pytest.approx(100 * 0.7 * 0.8)
    assert found.scores.driving_score_2_1 == pytest.approx(100 / 1.65)
    assert found.scores.status == "Completed"
    assert found.route.infractions[0].message.startswith("Agent ran a red light north at (x=10.0")


def test_a_lane_that_is_left_for_a_fifth_of_the_way_costs_a_fifth() -> None:
    world = cruise(beside=lambda t: 3.0 if 4.0 < t <= 6.0 else 0.5)
    found = judge(journal_of(world, 12.0), {})
    assert found.scores.driving_score_2_1 == pytest.approx(80.0, abs=1.0)
    assert found.keeping is not None
    assert found.keeping.lateral_error_max_m == pytest.approx(3.0)
    assert found.keeping.lateral_error_mean_m == pytest.approx(1.0, abs=0.02)


def test_speed_above_the_limit_is_a_violation() -> None:
    found = judge(journal_of(cruise(limit_mps=9.0), 12.0), {})
    assert found.keeping is not None
    assert (found.keeping.speeding_count, found.keeping.speeding_max_mps) == (1, pytest.approx(1.0))
    assert found.keeping.speeding_s == pytest.approx(10.0, abs=0.1)


def test_who_is_slower_than_the_traffic_is_told_so() -> None:
    fast = User(4, "vehicle", lambda t: (500.0, 9.0), speed=(20.0, 0.0))
    parked = User(5, "vehicle", lambda t: (50.0, 5.0))
    found = judge(journal_of(cruise(users=[fast, parked]), 12.0), {})
    assert [one.kind for one in found.route.infractions] == [rules.MIN_SPEED] * 4
    assert found.route.infractions[0].percentage == 50.0, "the traffic counts however far away it is"


def test_the_response_runs_from_the_sight_of_the_hazard_to_the_brake() -> None:
    # At 10 m/s towards somebody at 60 m who comes into view at 2 s; less than 4 s away from 1.74 s on.
    hidden = User(4, "pedestrian", lambda t: (60.0, 0.0), size=(0.5, 0.6), share=lambda t: float(t >= 2.0))
    world = cruise(users=[hidden], found=[contact(5.0, 50.0, 4, "pedestrian")])
    found = judge(journal_of(world, 5.0), {"commands": pressed((0.5, 0.0), (2.2, 0.05), (2.45, 0.3), (3.0, 0.9))})
    assert found.reaction is not None
    assert (found.reaction.id, found.reaction.visible_s, found.reaction.conflict_s) == (4, 2.0, 2.0)
    assert found.reaction.braking_s == 2.45
    assert found.reaction.response_s == found.reaction.response_to_conflict_s == pytest.approx(0.45)


def test_without_a_collision_the_hazard_is_who_was_the_nearest_in_time() -> None:
    ahead = User(4, "vehicle", lambda t: (90.0, 0.0))
    beside = User(5, "vehicle", lambda t: (20.0, 3.0))
    found = judge(journal_of(cruise(users=[ahead, beside]), 7.0), {"commands": pressed((0.0, 0.0), (6.5, 1.0))})
    assert found.closeness.ttc_min_s == pytest.approx((90.0 - 70.0 - 2.0 - 2.35) / 10.0)
    assert found.closeness.gap_ahead_min_m == pytest.approx(15.65)
    assert found.closeness.clearance_min_m == pytest.approx(3.0 - 1.0 - 0.95)
    assert found.reaction is not None
    assert (found.reaction.id, found.reaction.visible_s) == (4, 0.0)
    assert found.reaction.conflict_s == pytest.approx(4.6, abs=0.051), "45.65 m before touching"
    assert found.reaction.response_s == 6.5
    assert found.reaction.response_to_conflict_s == pytest.approx(1.9, abs=0.051)


def test_who_never_brakes_has_no_response() -> None:
    ahead = User(4, "vehicle", lambda t: (60.0, 0.0))
    found = judge(journal_of(cruise(users=[ahead]), 4.0), {})
    assert found.reaction is not None
    assert (found.reaction.braking_s, found.reaction.response_s) == (None, None)


WALKER = User(7, "pedestrian", lambda t: (60.0, 8.0 - 2.0 * t), speed=(0.0, -2.0), size=(0.5, 0.6))


def seen(t: float) -> tuple[float, float]:
    """Where the walker is relative to the ego at 10 m/s."""
    return 60.0 - 10.0 * t, 8.0 - 2.0 * t


def perceived(latency_s: float) -> dict[str, list[Said]]:
    """A perfect pipeline at 10 Hz with a latency, and a prediction that knows what will happen."""
    rows: dict[str, list[Said]] = {"detections": [], "tracks": [], "predictions": []}
    for k in range(40):
        t = 0.1 * k
        box = box_at(*seen(t))
        assert box is not None
        times = (k * SECOND // 10, round((t + latency_s) * SECOND), k * SECOND // 10)
        found = Detection(label="pedestrian", score=1.0, box=box)
        track = Track(track_id=3, label="pedestrian", score=1.0, box=box, hits=5, missed=0)
        obstacle = Obstacle(
            track_id=3, label="pedestrian", score=1.0, x_m=60.0, y_m=8.0 - 2.0 * t, length_m=0.5, width_m=0.6
        )
        path = np.stack([np.full(5, 60.0), 8.0 - 2.0 * (t + 0.2 * np.arange(1, 6))], axis=1)
        guess = Predictions(items=(Prediction(obstacle=obstacle, path_m=path),), step_s=0.2)
        rows["detections"].append(Said(*times, Detections(items=(found,), model="truth")))
        rows["tracks"].append(Said(*times, Tracks(items=(track,))))
        rows["predictions"].append(Said(*times, guess))
    return rows


def test_perfect_perception_without_latency_is_perfect_in_every_form() -> None:
    found = judge(journal_of(cruise(users=[WALKER]), 4.0), perceived(0.0))
    assert found.detection is not None and found.tracking is not None and found.prediction is not None
    assert (found.detection.sync.ap, found.detection.decay.ap) == (1.0, 1.0)
    assert found.detection.sync.by_class["pedestrian"] == 1.0
    assert math.isnan(found.detection.sync.by_class["vehicle"])
    assert (found.tracking.sync.mota, found.tracking.sync.hota, found.tracking.sync.idf1) == (1.0, 1.0, 1.0)
    assert found.prediction.sync.ade_m == pytest.approx(0.0, abs=1e-9)
    assert found.prediction.timely.fde_m == pytest.approx(0.0, abs=1e-9)
    assert found.prediction.sync.miss_rate == 0.0


def test_latency_costs_timely_accuracy_and_nothing_in_sync() -> None:
    journal = journal_of(cruise(users=[WALKER]), 4.0)
    prompt, slow = judge(journal, perceived(0.05)), judge(journal, perceived(0.4))
    assert prompt.detection is not None and slow.detection is not None
    assert prompt.tracking is not None and slow.tracking is not None
    assert slow.detection.sync.ap == 1.0
    assert slow.detection.timely.ap < prompt.detection.timely.ap < 1.0
    assert slow.tracking.timely.mota < prompt.tracking.timely.mota < 1.0
    assert (slow.detection.latency_ms, prompt.detection.latency_ms) == (400.0, 50.0)
    assert slow.detection.decay.ap < prompt.detection.decay.ap
    assert slow.prediction is not None
    assert slow.prediction.timely.fde_m == pytest.approx(0.0, abs=1e-9), "she walks on as predicted"


def test_an_obstacle_that_is_nobody_is_no_prediction() -> None:
    journal = journal_of(cruise(users=[WALKER]), 4.0)
    said = perceived(0.0)["predictions"]
    elsewhere = []
    for one in said:
        (guess,) = one.value.items
        moved = msgspec.structs.replace(guess, obstacle=msgspec.structs.replace(guess.obstacle, x_m=90.0))
        elsewhere.append(one._replace(value=Predictions(items=(moved,), step_s=0.2)))
    found = judge(journal, {"predictions": elsewhere}).prediction
    assert found is not None
    assert found.sync.predictions == 0
    assert math.isnan(found.sync.ade_m)


def test_a_long_pause_between_two_lines_is_no_jolt() -> None:
    world = cruise()
    journal = Journal(size=world.size)
    for t in (*np.arange(0.0, 3.0, 0.05), 4.0):
        world.now_ns = round(float(t) * SECOND)
        journal.take(world.snapshot())
    assert judge(journal, {}).comfort.jerk_max_mps3 == pytest.approx(0.0, abs=1e-9)


def test_without_a_route_there_is_no_course_to_keep() -> None:
    world = cruise()
    journal = Journal(size=world.size)
    journal.take(world.snapshot())
    found = judge(journal, {})
    assert found.keeping is None
    assert found.scores.route_completion_pct == 0.0


def test_plain_values_are_json_and_say_none_for_what_is_unknown() -> None:
    found = plain(judge(journal_of(cruise(users=[WALKER]), 4.0), perceived(0.1)))
    assert msgspec.json.decode(msgspec.json.encode(found)) == found
    assert found["detection"]["sync"]["by_class"]["vehicle"] is None
    assert found["route"]["infractions"] == []


def test_a_journal_keeps_who_is_near_and_what_can_be_seen() -> None:
    users = [
        User(1, "vehicle", lambda t: (60.0, 0.0)),
        User(2, "vehicle", lambda t: (250.0, 0.0)),
        User(3, "pedestrian", lambda t: (60.0, 5.0), share=lambda t: 0.1),
        User(4, "debris", lambda t: (40.0, 0.0)),
    ]
    journal = journal_of(cruise(users=users), 1.0)
    assert set(journal.paths()) == {1, 3, 4}
    assert len(journal) == 21, "every 50 ms and the first moment"
    first = journal.sights()[0].value
    assert first.ids.tolist() == [1, 2, 3], "detectors know no debris"
    assert first.ignored.tolist() == [False, True, True], "too small, hardly visible"
    assert journal.shares(3)[1][0] == pytest.approx(0.1)
    assert len(journal.motion().row) == 3 * 21
