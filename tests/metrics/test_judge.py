"""The judge that follows a run: it changes nothing, hears the right streams and needs a world that can be watched."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import msgspec
import pytest

from operators.messages import ControlCommand
from pipeline.building import build
from pipeline.events import Sent
from pipeline.execution import VirtualClock, run
from pipeline.launchfile import resolve
from scenarios.metrics.judge import DriveJudge, follow_drive, streams
from scenarios.metrics.leaderboard import RouteRun, results
from scenarios.metrics.leaderboard_check import validate
from scenarios.metrics.perception import Said
from tests.metrics.worlds import RailWorld, User


def driven(root: Path, *, judged: bool) -> tuple[str, dict[str, Any]]:
    """Hash and figures of two seconds of the shipped twin."""
    built = build(resolve(str(root / "launch" / "twin.yaml"), ["duration=2s"]), "dynamic")
    judge = follow_drive(built)
    assert judge is not None
    if not judged:
        built.world.journal = None
    clock = VirtualClock(built.settings.seed, built.latency)
    observers = [judge] if judged else []
    result = run(built.graph, clock=clock, until=built.settings.duration, observers=observers, keep=False)
    return result.hash, judge.figures() if judged else {}


def test_a_run_that_is_judged_is_the_run_that_is_not(root: Path) -> None:
    hash_, figures = driven(root, judged=True)
    assert driven(root, judged=False)[0] == hash_
    metrics = figures["metrics"]
    assert metrics["duration_s"] == pytest.approx(2.0, abs=0.051)
    assert metrics["distance_m"] == pytest.approx(24.0, abs=0.5)
    assert metrics["detection"]["sync"]["ap_50"] > 0.9, "ground truth is right about its own instant"
    assert metrics["detection"]["timely"]["ap"] < metrics["detection"]["sync"]["ap"]
    assert metrics["tracking"]["timely"]["hota"] < metrics["tracking"]["sync"]["hota"]
    assert metrics["prediction"]["timely"]["predictions"] > 0
    assert msgspec.json.decode(msgspec.json.encode(figures)) == figures
    assert validate(results([msgspec.convert(metrics["route"], RouteRun)])) == []


def command(brake: float) -> ControlCommand:
    return ControlCommand(throttle=0.0, brake=brake, steer_rad=0.0)


def test_of_several_streams_of_one_kind_the_usual_one_counts() -> None:
    first, last = [Said(0, 0, 0, command(0.1))], [Said(0, 0, 0, command(0.2))]
    assert streams({"gate.command_out": last, "control.command": first})["commands"] is last
    assert streams({"control.command": first, "limiter.command": last})["commands"] is last
    assert streams({"other.stream": [Said(0, 0, 0, "text")]}) == {}


def test_the_judge_hears_what_is_sent_and_sees_what_the_world_shows() -> None:
    ahead = User(4, "vehicle", lambda t: (60.0, 0.0))
    world = RailWorld(lambda t: 10.0 * t, lambda t: 10.0, [ahead])
    judge = DriveJudge(world)
    world.advance(3.0)
    judge.on_event(Sent(2 * 10**9, "gate", 2 * 10**9, "gate.command_out", 0, "final", "local", command(0.5)))
    found = judge.metrics()
    assert found.duration_s == 3.0
    assert found.reaction is not None
    assert found.reaction.braking_s == 2.0


def test_without_perception_only_the_drive_is_judged() -> None:
    world = RailWorld(lambda t: 10.0 * t, lambda t: 10.0, [User(4, "vehicle", lambda t: (60.0, 0.0))])
    judge = DriveJudge(world, perception=False)
    world.advance(3.0)
    found = judge.metrics()
    assert (found.detection, found.tracking, found.prediction) == (None, None, None)
    assert found.closeness.ttc_min_s is not None


def test_where_there_is_no_world_to_watch_there_is_no_judge() -> None:
    settings = SimpleNamespace(engine="virtual", duration=9 * 10**9)
    assert follow_drive(SimpleNamespace(world=None, settings=settings)) is None
    assert follow_drive(SimpleNamespace(world=object(), settings=settings)) is None
    world = RailWorld(lambda t: t, lambda t: 1.0)
    assert follow_drive(SimpleNamespace(world=world, settings=SimpleNamespace(engine="threads"))) is None
    assert follow_drive(SimpleNamespace(world=world, settings=settings)) is not None


def test_perception_is_judged_in_drives_of_up_to_two_minutes() -> None:
    def kept(seconds: int) -> bool:
        built = SimpleNamespace(
            world=RailWorld(lambda t: t, lambda t: 1.0),
            settings=SimpleNamespace(engine="virtual", duration=seconds * 10**9),
        )
        judge = follow_drive(built)
        assert judge is not None
        return judge.journal.keeps_sights

    assert kept(120)
    assert not kept(121)
