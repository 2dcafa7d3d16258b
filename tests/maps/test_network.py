"""How lanes find each other: joints, junctions of every kind, marks that forbid, signals that are only referred to."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from operators.maps import LaneKey, LanePlace, MapError, RoadMap
from scenarios.maps.writing import LaneText, RoadText, constant, eased
from scenarios.maps.writing import document as written
from tests.maps.documents import document, geometry, one_lane, road

KEY = LaneKey("1", 0, -1)

pieces = st.one_of(
    st.tuples(st.just("line"), st.floats(5.0, 60.0)),
    st.tuples(st.just("arc"), st.floats(12.0, 300.0), st.floats(-1.5, 1.5).filter(lambda turn: abs(turn) > 0.05)),
    st.tuples(st.just("spiral"), st.floats(20.0, 80.0), st.floats(-0.03, 0.03), st.floats(-0.03, 0.03)),
)
chains = st.lists(st.tuples(st.lists(pieces, min_size=1, max_size=3), st.floats(0.5, 5.0)), min_size=2, max_size=4)


@given(chain=chains, offset=st.floats(-2.0, 2.0), rise=st.floats(-0.05, 0.05))
def test_roads_laid_end_to_end_join_within_a_centimetre(
    chain: list[tuple[list[tuple[object, ...]], float]], offset: float, rise: float
) -> None:
    roads: list[RoadText] = []
    pose, width, height = (3.0, -7.0, 0.4), 3.0, 2.0
    for i, (shapes, target) in enumerate(chain):
        made = RoadText(i + 1, pose=pose)
        for kind, *numbers in shapes:
            getattr(made, str(kind))(*numbers)
        made.offset = constant(offset)
        made.elevation = [(0.0, height, rise, 0.0, 0.0)]
        change = eased(width, (0.0, made.length_m, target))[:1]
        links = (-1 if i else None, -1 if i + 1 < len(chain) else None)
        back = (1 if i else None, 1 if i + 1 < len(chain) else None)
        made.sections = [(0.0, [LaneText(-1, "driving", change, links), LaneText(1, "driving", change, back)])]
        made.predecessor = ("road", i, "end") if i else None
        made.successor = ("road", i + 2, "start") if i + 1 < len(chain) else None
        pose, width, height = made.pose, target, height + rise * made.length_m
        roads.append(made)
    map_ = RoadMap.parse(written("chain", roads))
    joints = [(lane, map_.lanes[key]) for lane in map_.lanes.values() for key in lane.next]
    assert len(joints) == 2 * (len(chain) - 1)
    for one, other in joints:
        assert math.hypot(one.x_m[-1] - other.x_m[0], one.y_m[-1] - other.y_m[0]) < 0.01
        assert one.z_m[-1] == pytest.approx(other.z_m[0], abs=0.01)
        assert one.width_m[-1] == pytest.approx(other.width_m[0], abs=0.01)
        assert other.previous == (one.key,)
    for lane in map_.lanes.values():
        assert np.hypot(np.diff(lane.x_m), np.diff(lane.y_m)).max() <= 2.0


CONNECTION = '<connection id="0" incomingRoad="1" connectingRoad="2" contactPoint="start"><laneLink from="-1" to="-1"/>'
JUNCTION = '<predecessor elementType="road" elementId="1" contactPoint="end"/>'


def fork(kind: str = "") -> str:
    """Road 1 ends at junction 5, whose road 2 goes on."""
    return document(
        road(link='<successor elementType="junction" elementId="5"/>', lanes=one_lane()),
        road("2", plan=geometry("<line/>", 100.0, x=100.0), lanes=one_lane(), link=JUNCTION, junction="5"),
        f'<junction id="5" name="fork" {kind}>{CONNECTION}</connection></junction>',
    )


def test_a_connection_leads_into_the_junction() -> None:
    map_ = RoadMap.parse(fork())
    assert map_.lanes[KEY].next == (LaneKey("2", 0, -1),)
    assert (map_.lanes[KEY].junction, map_.lanes[LaneKey("2", 0, -1)].junction) == ("", "5")
    junction = map_.junctions["5"]
    assert (junction.name, junction.incoming, junction.lanes) == ("fork", ("1",), (LaneKey("2", 0, -1),))


def test_a_direct_junction_links_roads_without_a_road_between() -> None:
    text = fork('type="direct"').replace("connectingRoad", "linkedRoad").replace('junction="5"', 'junction="-1"')
    assert RoadMap.parse(text).lanes[KEY].next == (LaneKey("2", 0, -1),)


def test_a_virtual_junction_is_noted_and_not_followed() -> None:
    map_ = RoadMap.parse(fork('type="virtual"'))
    assert map_.lanes[KEY].next == ()
    assert len(map_.notes) == 1 and "junction 5: a virtual junction" in map_.notes[0]


def test_a_connection_whose_road_ends_elsewhere_is_an_error() -> None:
    text = fork().replace('<successor elementType="junction" elementId="5"/>', "").replace(JUNCTION, "")
    with pytest.raises(MapError, match="junction 5, connection 0: road 1 does not end at junction 5"):
        RoadMap.parse(text)


@pytest.mark.parametrize(
    ("mark", "inner", "outer"),
    [
        ('type="broken"', True, True),
        ('type="solid"', False, False),
        ('type="solid" laneChange="both"', True, True),
        ('type="broken" laneChange="none"', False, False),
        ('type="solid broken" laneChange="increase"', False, True),
        ('type="solid broken" laneChange="decrease"', True, False),
    ],
)
def test_marks_say_who_may_change_lanes(mark: str, inner: bool, outer: bool) -> None:
    width = '<width sOffset="0" a="4" b="0" c="0" d="0"/>'
    lanes = one_lane(more=f"<roadMark sOffset='0' {mark}/>").replace(
        "</right>", f'<lane id="-2" type="driving">{width}</lane></right>'
    )
    map_ = RoadMap.parse(document(road(lanes=lanes)))
    assert map_.lanes[KEY].crossable[1] == inner, "from lane -1 outwards"
    assert map_.lanes[LaneKey("1", 0, -2)].crossable[0] == outer, "from lane -2 inwards"
    assert map_.lanes[KEY].crossable[0]


def test_a_detour_is_shorter_than_a_solid_line() -> None:
    start, goal = LanePlace(KEY, 10.0, 0.0, 0.0), LanePlace(LaneKey("1", 0, -2), 90.0, 0.0, 0.0)
    width = '<width sOffset="0" a="4" b="0" c="0" d="0"/>'
    lanes = one_lane(more='<roadMark sOffset="0" type="solid"/>').replace(
        "</right>", f'<lane id="-2" type="driving">{width}</lane></right>'
    )
    map_ = RoadMap.parse(document(road(lanes=lanes)))
    assert map_.search(start, goal) == (KEY, goal.key), "but where there is no detour, the line is crossed"


def test_on_a_one_way_road_a_signal_of_the_wrong_orientation_still_counts() -> None:
    signals = '<signals><signal id="7" s="90" t="-5" type="206" orientation="-"/></signals>'
    assert RoadMap.parse(document(road(lanes=one_lane(), extra=signals))).signals[0].lanes == (KEY,)
    assert RoadMap.parse(document(road(extra=signals))).signals[0].lanes == (LaneKey("1", 0, 1),)


def test_a_signal_may_stand_where_its_inertial_position_says() -> None:
    where = '<positionInertial x="12" y="34" z="5" hdg="1.5"/>'
    signals = f'<signals><signal id="7" s="90" t="0" type="1000001" orientation="+">{where}</signal></signals>'
    signal = RoadMap.parse(document(road(extra=signals))).signals[0]
    assert (signal.x_m, signal.y_m, signal.z_m, signal.yaw_rad) == (12.0, 34.0, 5.0, 1.5)
    assert signal.stops == ((KEY, 90.0),)


def test_inside_a_junction_one_waits_where_one_enters() -> None:
    signals = '<signals><signal id="7" s="60" t="0" type="1000001" orientation="+"/></signals>'
    text = fork().replace("</lanes>\n</road>\n<junction", f"</lanes>\n{signals}</road>\n<junction")
    map_ = RoadMap.parse(text)
    assert map_.signals[0].stops == ((LaneKey("2", 0, -1), 0.0),)
    way = map_.way([KEY, LaneKey("2", 0, -1)])
    assert [(stop.kind, round(stop.s_m), round(stop.clear_m)) for stop in way.stops] == [("light", 100, 100)]


def test_a_light_decides_over_a_sign_at_the_same_line() -> None:
    signals = (
        '<signals><signal id="1" s="90" t="0" type="205" orientation="+"/>'
        '<signal id="2" s="90.4" t="0" type="1000001" orientation="+"/></signals>'
    )
    stops = RoadMap.parse(document(road(extra=signals))).way([KEY]).stops
    assert [(stop.kind, stop.signal) for stop in stops] == [("light", "2")]


def test_signals_of_one_id_are_all_kept_under_names_of_their_own_and_noted() -> None:
    sign = '<signal id="7" s="{s}" t="-5" type="206" orientation="-"/>'
    signals = f"<signals>{sign.format(s=30)}{sign.format(s=60)}{sign.format(s=90)}</signals>"
    map_ = RoadMap.parse(document(road(extra=signals)))
    assert [(one.id, one.stops[0][1]) for one in map_.signals] == [("7", 70.0), ("7@1", 40.0), ("7@2", 10.0)]
    assert sum("stands twice" in note for note in map_.notes) == 2
