"""Our OpenSCENARIO files and those of an independent package mean the same to both (development only)."""

from __future__ import annotations

import contextlib
import io
from pathlib import Path

import pytest

from operators.messages import EgoSize
from scenarios.library.loading import family, load
from scenarios.openscenario.exporting import write_openscenario
from scenarios.openscenario.importing import read_openscenario
from scenarios.scenario import Drive
from scenarios.world.world import World

xosc = pytest.importorskip("scenariogeneration.xosc")

NAMES = ["person_behind_truck", "traffic_jam", "debris", "car_running_red_light", "merge", "night_pedestrian"]


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", NAMES)
def test_an_independent_reader_accepts_what_we_write(tmp_path: Path, name: str) -> None:
    ours = load(name, family(name).file.speed.default, 0)
    written = write_openscenario(ours, tmp_path / f"{name}.xosc")
    with contextlib.redirect_stdout(io.StringIO()):
        theirs = xosc.ParseOpenScenario(str(written.scenario))
    assert len(theirs.entities.scenario_objects) == len(ours.actors) + 1
    assert Path(theirs.roadnetwork.road_file).name == f"{name}.xodr"


@pytest.mark.filterwarnings("ignore")
def test_we_read_what_an_independent_writer_writes(tmp_path: Path) -> None:
    box = xosc.BoundingBox(1.8, 4.5, 1.5, 1.3, 0.0, 0.75)
    axles = (xosc.Axle(0.5, 0.6, 1.6, 2.8, 0.3), xosc.Axle(0.0, 0.6, 1.6, 0.0, 0.3))
    car = xosc.Vehicle("car", xosc.VehicleCategory.car, box, *axles, 60, 9, 5)
    entities = xosc.Entities()
    init, step = xosc.Init(), xosc.TransitionDynamics(xosc.DynamicsShapes.step, xosc.DynamicsDimension.time, 0)
    for name, s, speed in (("Ego", 50.0, 15.0), ("Lead", 90.0, 13.0)):
        entities.add_scenario_object(name, car)
        init.add_init_action(name, xosc.TeleportAction(xosc.LanePosition(s, 0.0, -1, 1)))
        init.add_init_action(name, xosc.AbsoluteSpeedAction(speed, step))
    brake = xosc.TransitionDynamics(xosc.DynamicsShapes.linear, xosc.DynamicsDimension.rate, 5)
    when = xosc.EntityTrigger(
        "close", 0.5, xosc.ConditionEdge.rising,
        xosc.RelativeDistanceCondition(30.0, xosc.Rule.lessThan, xosc.RelativeDistanceType.euclidianDistance, "Lead",
                                       freespace=False),
        "Ego",
    )  # fmt: skip
    event = xosc.Event("brake", xosc.Priority.override)
    event.add_trigger(when)
    event.add_action("brake", xosc.AbsoluteSpeedAction(0, brake))
    maneuver = xosc.Maneuver("maneuver")
    maneuver.add_event(event)
    storyboard = xosc.StoryBoard(
        init,
        xosc.ValueTrigger(
            "end", 0, xosc.ConditionEdge.none, xosc.SimulationTimeCondition(20, xosc.Rule.greaterThan), "stop"
        ),
    )
    storyboard.add_maneuver(maneuver, "Lead")
    theirs = xosc.Scenario(
        "theirs", "them", xosc.ParameterDeclarations(), entities, storyboard, xosc.RoadNetwork("straight"),
        xosc.Catalog(), osc_minor_version=2,
    )  # fmt: skip
    theirs.write_xml(str(tmp_path / "theirs.xosc"))
    scenario = read_openscenario(tmp_path / "theirs.xosc").scenario
    (lead,) = scenario.actors
    assert isinstance(lead.motion, Drive)
    assert scenario.duration_s == 20.0 and scenario.speed_mps == 15.0
    # A vehicle's reference point is its rear axle; the box's centre lies 1.3 m ahead of it, and that of the ego 1.4 m.
    rows = World(scenario, seed=0, pixels=False).top_view()
    size = EgoSize()
    ahead_m = 40.0 + 1.3 - (0.5 * size.length_m - size.rear_overhang_m)
    assert float(rows[1]["x_m"]) - float(rows[0]["x_m"]) == pytest.approx(ahead_m, abs=0.05)
    (change,) = lead.motion.changes
    assert (change.trigger.ego_within_m, change.trigger.delay_s) == (30.0, 0.5)
    assert (change.speed_mps, change.accel_mps2) == (0.0, 5.0)
