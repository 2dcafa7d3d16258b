"""OpenSCENARIO in and out: the common subset is played, the rest is named, nothing explodes."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest

from pipeline.errors import UsageError
from scenarios.library.loading import load
from scenarios.openscenario.document import OpenScenarioError
from scenarios.openscenario.exporting import write_openscenario
from scenarios.openscenario.importing import read_openscenario
from scenarios.scenario import Drive, Scenario, Stand, Walk
from scenarios.world.world import World

EGO = """<Private entityRef="Ego">
<PrivateAction><TeleportAction><Position><LanePosition roadId="1" laneId="-1" s="100"/></Position></TeleportAction>
</PrivateAction>
<PrivateAction><LongitudinalAction><SpeedAction>
<SpeedActionDynamics dynamicsShape="step" value="0" dynamicsDimension="time"/>
<SpeedActionTarget><AbsoluteTargetSpeed value="$speed"/></SpeedActionTarget></SpeedAction></LongitudinalAction>
</PrivateAction></Private>"""
OTHER = """<Private entityRef="Other">
<PrivateAction><TeleportAction><Position>POSITION</Position></TeleportAction></PrivateAction>
<PrivateAction><LongitudinalAction><SpeedAction>
<SpeedActionDynamics dynamicsShape="step" value="0" dynamicsDimension="time"/>
<SpeedActionTarget><RelativeTargetSpeed entityRef="Ego" value="-4" speedTargetValueType="delta" continuous="false"/>
</SpeedActionTarget></SpeedAction></LongitudinalAction></PrivateAction></Private>"""
AHEAD = '<RelativeLanePosition entityRef="Ego" dLane="0" ds="40" offset="0"/>'
TIME = '<ByValueCondition><SimulationTimeCondition value="2" rule="greaterThan"/></ByValueCondition>'
BRAKE = """<PrivateAction><LongitudinalAction><SpeedAction>
<SpeedActionDynamics dynamicsShape="linear" value="6" dynamicsDimension="rate"/>
<SpeedActionTarget><AbsoluteTargetSpeed value="0"/></SpeedActionTarget></SpeedAction></LongitudinalAction>
</PrivateAction>"""
LANE_CHANGE = """<PrivateAction><LateralAction><LaneChangeAction>
<LaneChangeActionDynamics dynamicsShape="sinusoidal" value="2.5" dynamicsDimension="time"/>
<LaneChangeTarget><RelativeTargetLane entityRef="Other" value="-1"/></LaneChangeTarget></LaneChangeAction>
</LateralAction></PrivateAction>"""
VEHICLE = """<Vehicle name="car" vehicleCategory="car"><BoundingBox><Center x="0" y="0" z="0.7"/>
<Dimensions width="1.8" length="4.5" height="1.5"/></BoundingBox>
<Performance maxSpeed="50" maxDeceleration="9" maxAcceleration="5"/><Axles/><Properties/></Vehicle>"""
WALKER = """<Pedestrian name="person" mass="75" pedestrianCategory="pedestrian">
<BoundingBox><Center x="0" y="0" z="0.9"/><Dimensions width="0.6" length="0.5" height="1.8"/></BoundingBox>
<Properties/></Pedestrian>"""


def event(name: str, actions: str, condition: str) -> str:
    """One event with one condition."""
    return f"""<Event name="{name}" priority="overwrite"><Action name="{name} action">{actions}</Action>
<StartTrigger><ConditionGroup><Condition name="c" delay="0" conditionEdge="rising">{condition}</Condition>
</ConditionGroup></StartTrigger></Event>"""


def by_ego(condition: str) -> str:
    """A condition on the ego."""
    return f"""<ByEntityCondition><TriggeringEntities triggeringEntitiesRule="any"><EntityRef entityRef="Ego"/>
</TriggeringEntities><EntityCondition>{condition}</EntityCondition></ByEntityCondition>"""


def document(events: str = "", *, position: str = AHEAD, thing: str = VEHICLE, extra: str = "", head: str = "") -> str:
    """A document with an ego and one other on the shipped straight road."""
    return f"""<?xml version="1.0"?>{head}
<OpenSCENARIO><FileHeader revMajor="1" revMinor="1" date="2024-01-01T00:00:00" description="A test" author="us"/>
<ParameterDeclarations><ParameterDeclaration name="speed" parameterType="double" value="12"/></ParameterDeclarations>
<CatalogLocations/><RoadNetwork><LogicFile filepath="straight"/></RoadNetwork>
<Entities><ScenarioObject name="Ego">{VEHICLE}</ScenarioObject><ScenarioObject name="Other">{thing}</ScenarioObject>
</Entities>
<Storyboard><Init><Actions>{EGO}{OTHER.replace("POSITION", position)}</Actions></Init>
<Story name="story"><Act name="act"><ManeuverGroup maximumExecutionCount="1" name="group">
<Actors selectTriggeringEntities="false"><EntityRef entityRef="Other"/></Actors>
<Maneuver name="m">{events}</Maneuver></ManeuverGroup>{extra}
<StartTrigger><ConditionGroup><Condition name="s" delay="0" conditionEdge="none"><ByValueCondition>
<SimulationTimeCondition value="0" rule="greaterThan"/></ByValueCondition></Condition></ConditionGroup></StartTrigger>
</Act></Story>
<StopTrigger><ConditionGroup><Condition name="e" delay="0" conditionEdge="none"><ByValueCondition>
<SimulationTimeCondition value="30" rule="greaterThan"/></ByValueCondition></Condition></ConditionGroup></StopTrigger>
</Storyboard></OpenSCENARIO>"""


def read(text: str, folder: Path, parameters: dict[str, str] | None = None) -> Scenario:
    """The scenario in ``text``."""
    path = folder / "test.xosc"
    path.write_text(text, encoding="utf-8")
    return read_openscenario(path, parameters=parameters).scenario


def places(world: World) -> np.ndarray:
    """x and y of everybody."""
    return np.array([(float(row["x_m"]), float(row["y_m"])) for row in world.top_view()])


def test_a_lead_that_brakes_is_read_with_its_place_speed_and_event(tmp_path: Path) -> None:
    scenario = read(document(event("brake", BRAKE, TIME)), tmp_path)
    (other,) = scenario.actors
    assert isinstance(other.motion, Drive)
    assert (scenario.title, scenario.duration_s, scenario.speed_mps, other.kind) == ("A test", 30.0, 12.0, "car")
    assert (other.motion.speed_mps, other.motion.minds, other.motion.obeys) == (8.0, False, False)
    (change,) = other.motion.changes
    assert (change.trigger.after_s, change.speed_mps, change.accel_mps2) == (2.0, 0.0, 6.0)
    world = World(scenario, seed=0, pixels=False)
    ego, lead = places(world)
    # Ours is the outline's centre, OpenSCENARIO's the rear axle: the ego's is 1.4 m ahead of it.
    assert lead[0] - ego[0] == pytest.approx(40.0, abs=2.0) and lead[1] == pytest.approx(ego[1], abs=0.01)
    world.advance(1_000_000_000)
    assert places(world)[1, 0] - lead[0] == pytest.approx(8.0, abs=0.1)


def test_a_parameter_can_be_set_and_expressions_are_worked_out(tmp_path: Path) -> None:
    text = document().replace('value="$speed"', 'value="${$speed / 2 + 1}"')
    assert read(text, tmp_path).speed_mps == 7.0
    assert read(text, tmp_path, parameters={"speed": "20"}).speed_mps == 11.0
    with pytest.raises(OpenScenarioError, match="did you mean 'speed'"):
        read(text, tmp_path, parameters={"sped": "20"})
    with pytest.raises(OpenScenarioError, match="speed"):
        read(text, tmp_path, parameters={"speed": "nan"})


def test_a_lane_change_moves_the_actor_into_the_lane_beside(tmp_path: Path) -> None:
    scenario = read(document(event("change", LANE_CHANGE, TIME)), tmp_path)
    world = World(scenario, seed=0, pixels=False)
    start = places(world)[1]
    world.advance(5_500_000_000)
    assert places(world)[1, 1] - start[1] == pytest.approx(-3.5, abs=0.05)


NEAR = 'freespace="false" rule="lessThan"'
CONDITIONS = [
    (
        f'<RelativeDistanceCondition entityRef="Other" relativeDistanceType="euclidianDistance" {NEAR} value="25"/>',
        "ego_within_m",
        25.0,
    ),
    (f'<TimeHeadwayCondition entityRef="Other" {NEAR} value="2"/>', "ego_arrives_in_s", 2.0),
    (
        f'<TimeToCollisionCondition {NEAR} value="3"><TimeToCollisionConditionTarget><EntityRef entityRef="Other"/>'
        "</TimeToCollisionConditionTarget></TimeToCollisionCondition>",
        "ego_arrives_in_s",
        3.0,
    ),
    ('<TraveledDistanceCondition value="15"/>', "ego_station_m", None),
    (
        '<ReachPositionCondition tolerance="1"><Position><LanePosition roadId="1" laneId="-1" s="116"/></Position>'
        "</ReachPositionCondition>",
        "ego_station_m",
        None,
    ),
]


@pytest.mark.parametrize(("condition", "name", "value"), CONDITIONS)
def test_conditions_on_the_ego_become_triggers(tmp_path: Path, condition: str, name: str, value: float | None) -> None:
    scenario = read(document(event("brake", BRAKE, by_ego(condition))), tmp_path)
    motion = scenario.actors[0].motion
    assert isinstance(motion, Drive)
    found = getattr(motion.changes[0].trigger, name)
    assert found == pytest.approx(value if value is not None else scenario.ego_s_m + 15.0, abs=0.01)


def test_an_event_may_wait_for_another_to_be_over(tmp_path: Path) -> None:
    after = """<ByValueCondition><StoryboardElementStateCondition storyboardElementType="event"
storyboardElementRef="brake" state="completeState"/></ByValueCondition>"""
    scenario = read(document(event("brake", BRAKE, TIME) + event("change", LANE_CHANGE, after)), tmp_path)
    motion = scenario.actors[0].motion
    assert isinstance(motion, Drive)
    # 8 m/s at 6 m/s2 take 1.33 s.
    assert motion.changes[1].trigger.after_s == 2.0
    assert motion.changes[1].trigger.delay_s == pytest.approx(8.0 / 6.0)


def test_a_pedestrian_follows_its_polyline(tmp_path: Path) -> None:
    vertices = "".join(
        f'<Vertex time="{t}"><Position><WorldPosition x="150" y="{y}"/></Position></Vertex>'
        for t, y in ((0.0, -9.0), (2.0, -6.0), (3.5, -6.0), (6.0, -2.25))
    )
    walk = f"""<PrivateAction><RoutingAction><FollowTrajectoryAction><TrajectoryRef><Trajectory name="t" closed="false">
<Shape><Polyline>{vertices}</Polyline></Shape></Trajectory></TrajectoryRef>
<TimeReference><Timing domainAbsoluteRelative="relative" scale="1" offset="0"/></TimeReference>
<TrajectoryFollowingMode followingMode="position"/></FollowTrajectoryAction></RoutingAction></PrivateAction>"""
    text = document(event("walk", walk, TIME), position='<WorldPosition x="150" y="-9"/>', thing=WALKER)
    motion = read(text, tmp_path).actors[0].motion
    assert isinstance(motion, Walk)
    assert motion.speed_mps == pytest.approx(1.5) and motion.pause_s == pytest.approx(1.5)
    assert len(motion.path) == 2 and motion.trigger.after_s == 2.0


def test_somebody_without_speed_and_events_stands(tmp_path: Path) -> None:
    text = document().replace('value="-4"', 'value="-12"')
    assert isinstance(read(text, tmp_path).actors[0].motion, Stand)


def test_vehicles_come_from_catalogues(tmp_path: Path) -> None:
    (tmp_path / "cars").mkdir()
    bus = VEHICLE.replace('name="car" vehicleCategory="car"', 'name="big" vehicleCategory="bus"')
    catalogue = f'<OpenSCENARIO><FileHeader/><Catalog name="ours">{bus}</Catalog></OpenSCENARIO>'
    (tmp_path / "cars" / "ours.xosc").write_text(catalogue, encoding="utf-8")
    locations = '<CatalogLocations><VehicleCatalog><Directory path="cars"/></VehicleCatalog></CatalogLocations>'
    text = document(thing='<CatalogReference catalogName="ours" entryName="big"/>')
    text = text.replace("<CatalogLocations/>", locations)
    assert read(text, tmp_path).actors[0].kind == "bus"
    with pytest.raises(OpenScenarioError, match="did you mean 'big'"):
        read(text.replace('entryName="big"', 'entryName="bgi"'), tmp_path)


def test_weather_and_friction_are_read(tmp_path: Path) -> None:
    environment = """<GlobalAction><EnvironmentAction><Environment name="e">
<TimeOfDay animation="false" dateTime="2024-06-01T23:30:00"/>
<Weather cloudState="overcast"><Fog visualRange="120"/>
<Precipitation precipitationType="rain" precipitationIntensity="25"/></Weather>
<RoadCondition frictionScaleFactor="0.6"/></Environment></EnvironmentAction></GlobalAction>"""
    scenario = read(document().replace("<Init><Actions>", f"<Init><Actions>{environment}"), tmp_path)
    assert (scenario.weather.night, scenario.weather.fog_m, scenario.weather.rain) == (1.0, 120.0, 0.5)
    assert scenario.friction == 0.6 and scenario.weather.clouds == 0.9


UNSUPPORTED = """<PrivateAction><LongitudinalAction><LongitudinalDistanceAction entityRef="Ego" distance="10"
freespace="true" continuous="true"/></LongitudinalAction></PrivateAction>"""


def test_what_is_not_supported_is_named_with_file_line_and_element(tmp_path: Path) -> None:
    with pytest.raises(OpenScenarioError) as caught:
        read(document(event("keep away", UNSUPPORTED, TIME)), tmp_path)
    told = str(caught.value)
    assert "LongitudinalDistanceAction" in told and "Event[keep away]" in told and "test.xosc:" in told
    assert "--allow-unsupported" in told


def test_on_demand_the_import_goes_on_and_lists_what_it_left_out(tmp_path: Path) -> None:
    ego_group = """<ManeuverGroup maximumExecutionCount="1" name="own"><Actors selectTriggeringEntities="false">
<EntityRef entityRef="Ego"/></Actors><Maneuver name="swerve"/></ManeuverGroup>"""
    path = tmp_path / "test.xosc"
    path.write_text(document(event("keep away", UNSUPPORTED, TIME), extra=ego_group), encoding="utf-8")
    found = read_openscenario(path, allow_unsupported=True)
    assert len(found.left_out) == 2 and len(found.scenario.actors) == 1
    assert any("Maneuver[swerve]" in line for line in found.left_out)


@pytest.mark.parametrize(
    ("before", "after", "told"),
    [
        ("<Storyboard>", "<Storyboard><Surprise/>", "Surprise"),
        ('ds="40"', 'ds="40" dsWrong="1"', "@dsWrong"),
        ('entityRef="Ego" dLane="0"', 'entityRef="Nobody" dLane="0"', "Nobody"),
        ('dLane="0"', 'dLane="7"', "no lane"),
        ('ds="40"', 'ds="forty"', "ds='forty' is no number"),
        ('ds="40"', 'ds="inf"', "usable"),
        ('roadId="1"', 'roadId="99"', "road 99"),
        ('vehicleCategory="car"', 'vehicleCategory="tram"', "tram"),
        ('filepath="straight"', 'filepath="nowhere.xodr"', "nowhere"),
        ('value="$speed"', 'value="$sped"', "did you mean 'speed'"),
        ('name="Ego"', 'name="Someone"', "Ego|Someone"),
        ("</Storyboard>", "", "XML"),
        ("OpenSCENARIO>", "OpenDRIVE>", "OpenSCENARIO|XML"),
        ('rule="greaterThan"', 'rule="equalTo"', "equalTo"),
        ("<RelativeLanePosition", "<GeoPosition", "GeoPosition"),
    ],
)
def test_a_wrong_document_is_refused_and_the_place_is_told(tmp_path: Path, before: str, after: str, told: str) -> None:
    text = document(event("brake", BRAKE, TIME))
    assert before in text
    with pytest.raises(UsageError, match=told):
        read(text.replace(before, after), tmp_path)


def test_entities_that_would_explode_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    bomb = '<!DOCTYPE x [<!ENTITY a "aaaa"><!ENTITY b "&a;&a;&a;">]>'
    with pytest.raises(OpenScenarioError, match="document type"):
        read(document(head=bomb), tmp_path)
    with pytest.raises(OpenScenarioError, match="levels"):
        read("<OpenSCENARIO>" + "<a>" * 200 + "</a>" * 200 + "</OpenSCENARIO>", tmp_path)
    monkeypatch.setattr("scenarios.openscenario.document.ELEMENTS_MAX", 1000)
    with pytest.raises(OpenScenarioError, match="elements"):
        read("<OpenSCENARIO>" + "<a/>" * 1001 + "</OpenSCENARIO>", tmp_path)
    with pytest.raises(OpenScenarioError, match="XML"):
        read("PK\x03\x04", tmp_path)
    with pytest.raises(OpenScenarioError, match="cannot be read"):
        read_openscenario(tmp_path / "none.xosc")


def test_a_launch_file_may_name_an_openscenario_file(tmp_path: Path) -> None:
    read(document(event("brake", BRAKE, TIME)), tmp_path)
    assert load(str(tmp_path / "test.xosc"), 0.0, 0).speed_mps == 12.0
    assert load(str(tmp_path / "test.xosc"), 0.0, 0, speed=9.0).speed_mps == 9.0
    assert load(str(tmp_path / "test.xosc"), 15.0, 0).speed_mps == 15.0


TRIPS = [
    ("person_behind_truck", 12.0, 0.05),
    ("behind_parked_car", 11.0, 0.05),
    ("car_behind_truck", 12.0, 0.05),
    ("cyclist_overtaking", 11.0, 0.05),
    ("debris", 12.0, 0.1),
    ("hard_braking_lead", 12.0, 0.05),
    ("traffic_jam", 10.0, 0.6),
    ("construction", 11.0, 0.05),
    ("cut_in", 22.0, 0.2),
    ("car_running_red_light", 12.0, 0.2),
    ("roundabout_entry", 9.0, 0.2),
    ("unprotected_left_turn", 9.0, 0.2),
    ("merge", 18.0, 0.3),
]


@pytest.mark.parametrize(("name", "speed", "within_m"), TRIPS)
def test_an_exported_scenario_comes_back_with_the_same_motions(
    tmp_path: Path, name: str, speed: float, within_m: float
) -> None:
    ours = load(name, speed, 1)
    written = write_openscenario(ours, tmp_path / f"{name}.xosc")
    back = read_openscenario(written.scenario).scenario
    assert back.duration_s == ours.duration_s and back.speed_mps == ours.speed_mps
    assert back.end_s_m - back.ego_s_m == pytest.approx(ours.end_s_m - ours.ego_s_m, abs=3.0)
    assert [actor.kind for actor in back.actors] == [actor.kind for actor in ours.actors]
    one, other = (World(scenario, seed=1, pixels=False) for scenario in (ours, back))
    assert np.abs(places(one) - places(other)).max() < 0.05
    for t in range(1, 16):
        one.advance(t * 500_000_000)
        other.advance(t * 500_000_000)
        if one.finished or other.finished:
            break
        assert np.hypot(*(places(one) - places(other)).T).max() < within_m


def test_what_openscenario_cannot_say_is_told_on_export(tmp_path: Path) -> None:
    written = write_openscenario(load("traffic_jam", 10.0, 1), tmp_path / "jam.xosc")
    assert any("sets off" in line for line in written.left_out)
    with pytest.raises(UsageError, match=r"\.xosc"):
        write_openscenario(load("debris", 10.0, 1), tmp_path / "debris.txt")


def test_lights_and_weather_survive_the_trip(tmp_path: Path) -> None:
    ours = load("car_running_red_light", 12.0, 1)
    back = read_openscenario(write_openscenario(ours, tmp_path / "light.xosc").scenario).scenario
    assert back.lights == ours.lights
    night = load("night_pedestrian", 11.0, 1)
    assert read_openscenario(write_openscenario(night, tmp_path / "n.xosc").scenario).scenario.weather.night == 1.0
    assert math.isclose(back.sun_elevation_rad, ours.sun_elevation_rad)
