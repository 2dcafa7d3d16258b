"""Legal files load whatever they use; anything else is one error that names file, line and element."""

from __future__ import annotations

import gzip
import math
import re
import zipfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from operators.maps import LaneKey, MapError, RoadMap
from operators.maps import elements as limits
from tests.maps.documents import LANES, document, geometry, one_lane, road

LINK = '<{0} elementType="road" elementId="{1}" contactPoint="{2}"/>'


def mistake(text: str | bytes) -> MapError:
    with pytest.raises(MapError) as raised:
        RoadMap.parse(text, "town.xodr")
    return raised.value


def test_lanes_lie_beside_the_reference_line_in_driving_direction() -> None:
    map_ = RoadMap.parse(document(road()))
    right, left = map_.lanes[LaneKey("1", 0, -1)], map_.lanes[LaneKey("1", 0, 1)]
    assert np.allclose(right.y_m, -2.0) and np.allclose(left.y_m, 1.5)
    assert right.x_m[0] == 0.0 and right.x_m[-1] == 100.0
    assert left.x_m[0] == 100.0 and left.x_m[-1] == 0.0
    assert np.allclose(np.cos(right.yaw_rad), 1.0) and np.allclose(np.cos(left.yaw_rad), -1.0)
    assert np.allclose(right.width_m, 4.0) and np.diff(right.s_m).max() <= 2.0
    assert right.opposite == left.key and left.opposite == right.key
    assert right.left is None and right.right is None


def test_left_hand_traffic_drives_the_other_way() -> None:
    map_ = RoadMap.parse(document(road(rule="LHT")))
    assert np.allclose(np.cos(map_.lanes[LaneKey("1", 0, -1)].yaw_rad), -1.0)
    assert np.allclose(np.cos(map_.lanes[LaneKey("1", 0, 1)].yaw_rad), 1.0)


def test_neighbours_keep_the_driving_direction() -> None:
    two = LANES.replace(
        "</right>", '<lane id="-2" type="driving"><width sOffset="0" a="4" b="0" c="0" d="0"/></lane></right>'
    )
    for rule, (inner, outer) in (("RHT", ("left", "right")), ("LHT", ("right", "left"))):
        map_ = RoadMap.parse(document(road(lanes=two, rule=rule)))
        assert getattr(map_.lanes[LaneKey("1", 0, -2)], inner) == LaneKey("1", 0, -1)
        assert getattr(map_.lanes[LaneKey("1", 0, -1)], outer) == LaneKey("1", 0, -2)
        assert getattr(map_.lanes[LaneKey("1", 0, -1)], inner) is None


def test_borders_do_what_widths_do() -> None:
    border = one_lane('<border sOffset="0" a="-4" b="0" c="0" d="0"/>')
    one, other = (RoadMap.parse(document(road(lanes=lanes))) for lanes in (border, one_lane()))
    key = LaneKey("1", 0, -1)
    assert np.allclose(one.lanes[key].y_m, other.lanes[key].y_m)
    assert np.allclose(one.lanes[key].width_m, 4.0)


def test_offset_width_elevation_and_superelevation_move_the_lane() -> None:
    lanes = one_lane('<width sOffset="0" a="2" b="0.02" c="0" d="0"/>').replace(
        "<lanes>", '<lanes><laneOffset s="0" a="1" b="0" c="0" d="0"/>'
    )
    extra = (
        '<elevationProfile><elevation s="0" a="5" b="0.01" c="0" d="0"/></elevationProfile>'
        '<lateralProfile><superelevation s="0" a="0.1" b="0" c="0" d="0"/></lateralProfile>'
    )
    lane = RoadMap.parse(document(road(lanes=lanes, extra=extra))).lanes[LaneKey("1", 0, -1)]
    t = 1.0 - 0.5 * lane.width_m
    assert np.allclose(lane.width_m, 2.0 + 0.02 * lane.station_m)
    assert np.allclose(lane.y_m, t * math.cos(0.1))
    assert np.allclose(lane.z_m, 5.0 + 0.01 * lane.station_m + t * math.sin(0.1))
    assert np.allclose(lane.yaw_rad, np.arctan(-0.01), atol=1e-9)


@pytest.mark.parametrize(
    ("speed", "mps"),
    [
        ('<speed max="36" unit="km/h"/>', 10.0),
        ('<speed max="10" unit="mph"/>', 4.4704),
        ('<speed max="7"/>', 7.0),
        ('<speed max="7" unit="m/s"/>', 7.0),
        ('<speed max="no limit"/>', 130.0 / 3.6),
        ("", 130.0 / 3.6),
    ],
)
def test_speed_limits_come_in_three_units(speed: str, mps: float) -> None:
    kind = f'<type s="0" type="motorway">{speed}</type>'
    lane = RoadMap.parse(document(road(lanes=kind + one_lane()))).lanes[LaneKey("1", 0, -1)]
    assert lane.limit_mps == pytest.approx(mps)


def test_a_lanes_own_limit_stands_over_its_roads_from_where_it_begins() -> None:
    kind = '<type s="0" type="town"><speed max="50" unit="km/h"/></type>'
    lanes = one_lane(more='<speed sOffset="50" max="30" unit="km/h"/>')
    lane = RoadMap.parse(document(road(lanes=kind + lanes))).lanes[LaneKey("1", 0, -1)]
    assert np.allclose(lane.limits_mps, np.where(lane.s_m >= 50.0, 30.0, 50.0) / 3.6)


@pytest.mark.parametrize(("mine", "theirs"), [("successor", "start"), ("successor", "end")])
def test_roads_join_at_either_end(mine: str, theirs: str) -> None:
    other = -1 if theirs == "start" else 1
    lanes = LANES.replace('type="driving">\n<width', f'type="driving"><link><{mine} id="{other}"/></link><width')
    first = road(link=LINK.format(mine, "2", theirs), lanes=lanes)
    plan = (
        geometry("<line/>", 100.0, x=100.0) if theirs == "start" else geometry("<line/>", 100.0, x=200.0, hdg=math.pi)
    )
    map_ = RoadMap.parse(document(first, road("2", plan=plan)))
    assert map_.lanes[LaneKey("1", 0, -1)].next == (LaneKey("2", 0, other),)
    assert map_.lanes[LaneKey("2", 0, other)].previous == (LaneKey("1", 0, -1),)


def test_signals_govern_the_lanes_of_their_direction_or_those_they_name() -> None:
    signals = (
        '<signals><signal id="7" s="90" t="-5" type="1000001" dynamic="yes" orientation="+" zOffset="3"/>'
        '<signal id="8" s="10" t="5" type="274" value="30" unit="km/h" orientation="-"/>'
        '<signal id="9" s="20" t="0" type="206" orientation="none">'
        '<validity fromLane="1" toLane="1"/></signal></signals>'
    )
    by_id = {signal.id: signal for signal in RoadMap.parse(document(road(extra=signals))).signals}
    light, speed, stop = by_id["7"], by_id["8"], by_id["9"]
    assert (light.kind, light.lanes, light.x_m, light.y_m, light.z_m) == (
        "light",
        (LaneKey("1", 0, -1),),
        90.0,
        -5.0,
        3.0,
    )
    assert light.stops == ((LaneKey("1", 0, -1), 90.0),)
    assert (speed.kind, speed.lanes, speed.stops) == ("speed", (LaneKey("1", 0, 1),), ())
    assert speed.value == pytest.approx(30.0 / 3.6)
    assert math.cos(speed.yaw_rad) == pytest.approx(-1.0)
    assert stop.stops == ((LaneKey("1", 0, 1), 80.0),)


def test_a_reference_adds_lanes_of_another_road() -> None:
    signals = '<signals><signal id="7" s="90" t="-5" type="206" orientation="+"/></signals>'
    reference = '<signals><signalReference id="7" s="5" t="0" orientation="-"/></signals>'
    map_ = RoadMap.parse(document(road(extra=signals), road("2", extra=reference)))
    assert map_.signals[0].lanes == (LaneKey("1", 0, -1), LaneKey("2", 0, 1))


CROSSWALKS = {
    "local": '<outlines><outline><cornerLocal u="2" v="4"/><cornerLocal u="-2" v="4"/>'
    '<cornerLocal u="-2" v="-4"/><cornerLocal u="2" v="-4"/></outline></outlines>',
    "road": '<outline><cornerRoad s="52" t="4"/><cornerRoad s="48" t="4"/>'
    '<cornerRoad s="48" t="-4"/><cornerRoad s="52" t="-4"/></outline>',
    "size": "",
}


@pytest.mark.parametrize("form", CROSSWALKS)
def test_a_crosswalk_has_an_outline_or_a_size(form: str) -> None:
    sizes = 'length="4" width="8"' if form == "size" else ""
    extra = f'<objects><object id="3" type="crosswalk" s="50" t="0" {sizes}>{CROSSWALKS[form]}</object></objects>'
    crosswalk = RoadMap.parse(document(road(extra=extra))).crosswalks[0]
    assert crosswalk.id == "3"
    assert {tuple(corner) for corner in crosswalk.corners.round(9)} == {(52, 4), (48, 4), (48, -4), (52, -4)}


BAD = {
    "no XML": ("no map at all", r"no well-formed XML.*town\.xodr:1|town\.xodr:1: this is no well-formed XML"),
    "cut off": (document(road())[:-40], "no well-formed XML"),
    "another document": ("<html></html>", "<html>, not an <OpenDRIVE>"),
    "empty": ("  \n", "empty"),
    "no roads": (document(), "no roads"),
    "an entity bomb": (
        '<!DOCTYPE b [<!ENTITY a "aaaa"><!ENTITY b "&a;&a;&a;">]>' + document(road(label="&b;")),
        "entities are not read",
    ),
    "NaN": (document(road().replace('a="3"', 'a="nan"')), r"road 1, .*lane 1, width: a='nan' is no usable number"),
    "infinite": (document(road().replace('x="0.0"', 'x="1e999"')), "geometry s=0.0: x='1e999' is no usable number"),
    "no number": (document(road().replace('hdg="0.0"', 'hdg="north"')), "hdg='north' is no number"),
    "underscores": (document(road().replace('a="3"', 'a="1_0"')), "a='1_0' is no usable number"),
    "negative road": (document(road().replace('length="100.0" junction', 'length="-1" junction')), "road 1.*negative"),
    "no length": (document(road().replace('length="100.0" junction', 'length="0" junction')), "no length of a road"),
    "empty geometry": (document(road(plan=geometry("<line/>", 0.0))), "geometry has no length"),
    "unknown geometry": (document(road(plan=geometry("<hairpin/>", 100.0))), "no line, arc, spiral"),
    "one point": (
        document(road(plan=geometry('<paramPoly3 aU="0" bU="0" cU="0" dU="0" aV="0" bV="0" cV="0" dV="0"/>', 100.0))),
        "all of its points are the same",
    ),
    "a coil": (document(road(plan=geometry('<arc curvature="1e6"/>', 100.0))), "winds too often"),
    "a gap": (
        document(road(plan=geometry("<line/>", 40.0) + geometry("<line/>", 40.0, s=60.0))),
        "geometry s=60.0: .*end at 40 m",
    ),
    "too short": (document(road(plan=geometry("<line/>", 60.0))), "geometries end at 60 m"),
    "two of one id": (document(road(), road()), "id '1' stands twice"),
    "two lanes of one id": (document(road(lanes=LANES.replace('id="1"', 'id="-1"'))), "stands under <left>"),
    "a lane missing": (document(road(lanes=LANES.replace('id="-1"', 'id="-2"'))), "lane -2 stands outside lane -1"),
    "no width": (document(road(lanes=one_lane(""))), "neither <width> nor <border>"),
    "no plan": (document(road(plan="<!-- -->")), "no <planView>"),
    "no lanes": (document(road(lanes="")), "no <lanes>"),
    "a road to nowhere": (document(road(link=LINK.format("successor", "99", "start"))), r"successor: the road '99'"),
    "no such junction": (document(road(junction="5")), "its junction '5' does not exist"),
    "no such lane": (
        document(
            road(link=LINK.format("successor", "2", "start"), lanes=one_lane(link='<successor id="-4"/>')),
            road("2", plan=geometry("<line/>", 100.0, x=100.0)),
        ),
        "lane -4 of road 2, which does not exist",
    ),
    "a connection from nowhere": (
        document(road(), '<junction id="5"><connection id="0" incomingRoad="9" connectingRoad="1"/></junction>'),
        "junction 5, connection 0: the road '9' does not exist",
    ),
    "no such signal": (
        document(road(extra='<signals><signalReference id="4" s="1" t="0"/></signals>')),
        "signal '4' does not exist",
    ),
    "a signal beyond the road": (
        document(road(extra='<signals><signal id="4" s="900" t="0" type="206"/></signals>')),
        "signal 4: s=900 m lies outside the road",
    ),
    "a crosswalk without corners": (
        document(road(extra='<objects><object id="4" type="crosswalk" s="9" t="0"/></objects>')),
        "crosswalk with 0 corners",
    ),
    "an unknown unit": (
        document(road(lanes='<type s="0" type="town"><speed max="3" unit="knots"/></type>' + one_lane())),
        "unit='knots' is no unit of speed",
    ),
    "sections out of order": (
        document(
            road(lanes=LANES.replace("</lanes>", "") + LANES.replace("<lanes>", "").replace('s="0"', 's="0.0"', 1))
        ),
        "has no length",
    ),
    "one-sided sections": (
        document(road(lanes=LANES.replace('<laneSection s="0"', '<laneSection s="0" singleSide="true"'))),
        "one side only",
    ),
}


@pytest.mark.parametrize("name", BAD)
def test_a_bad_file_is_one_error_that_says_where(name: str) -> None:
    text, expected = BAD[name]
    error = mistake(text)
    assert re.search(expected, str(error)), str(error)
    assert error.where.startswith("town.xodr")


def test_the_error_names_the_line() -> None:
    text = document(road(), road("2").replace('a="4"', 'a="wide"'))
    line = next(number for number, row in enumerate(text.splitlines(), 1) if "wide" in row)
    assert mistake(text).where.startswith(f"town.xodr:{line}, road 2, ")


def test_archives_are_refused_before_they_are_opened(tmp_path: Path) -> None:
    packed = gzip.compress(document(road()).encode())
    assert "gzip archive" in str(mistake(packed))
    with zipfile.ZipFile(tmp_path / "map.xodr", "w") as archive:
        archive.writestr("map.xodr", document(road()))
    with pytest.raises(MapError, match="zip archive"):
        RoadMap.read(tmp_path / "map.xodr")


def test_a_missing_file_and_a_folder_are_errors(tmp_path: Path) -> None:
    with pytest.raises(MapError, match="does not exist"):
        RoadMap.read(tmp_path / "none.xodr")
    with pytest.raises(MapError, match="is a folder"):
        RoadMap.read(tmp_path)


def test_a_file_of_a_million_lanes_is_refused_while_it_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    assert limits.LANES_MAX <= 100_000
    monkeypatch.setattr(limits, "LANES_MAX", 5_000)
    lane = '<lane id="1" type="driving"><width sOffset="0" a="3" b="0" c="0" d="0"/></lane>'
    head = document("@").partition("@")[0]
    # It never ends: the reader must not wait for the end of a document that is too long.
    text = head + '<road id="1"><lanes><laneSection><left>' + lane * (limits.LANES_MAX + 1)
    assert f"more than {limits.LANES_MAX} lanes" in str(mistake(text))


def test_depth_bytes_and_points_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    assert "levels" in str(mistake("<OpenDRIVE>" + "<a>" * 100))
    assert "points" in str(mistake(_long()))
    monkeypatch.setattr(limits, "BYTES_MAX", 100)
    assert "MiB" in str(mistake(document(road())))


def _long() -> str:
    return document(*(road(str(i), length=1e6, plan=geometry("<line/>", 1e6)) for i in range(4)))


TEXT = document(
    road(
        link=LINK.format("successor", "2", "start"),
        lanes=one_lane(link='<successor id="-1"/>'),
        extra='<signals><signal id="7" s="90" t="-5" type="206" orientation="+"/></signals>'
        f'<objects><object id="3" type="crosswalk" s="50" t="0">{CROSSWALKS["local"]}</object></objects>',
    ),
    road("2", plan=geometry('<spiral curvStart="0" curvEnd="0.01"/>', 100.0, x=100.0), lanes=one_lane()),
)
VALUES = [match.span(1) for match in re.finditer(r'="([^"]*)"', TEXT)]


@given(
    which=st.integers(0, len(VALUES) - 1),
    value=st.one_of(
        st.sampled_from(["", "nan", "-inf", "1e308", "-1", "0", "1e-300", "99999999999999999999", "x", "-0", "1e7"]),
        st.floats(allow_nan=True).map(repr),
        st.integers(-5, 5).map(str),
    ),
)
def test_whatever_stands_in_an_attribute_the_map_loads_or_says_what_is_wrong(which: int, value: str) -> None:
    start, end = VALUES[which]
    try:
        map_ = RoadMap.parse(TEXT[:start] + value + TEXT[end:], "town.xodr")
    except MapError as error:
        assert error.where.startswith("town.xodr")
    else:
        assert all(np.isfinite(lane.x_m).all() and np.isfinite(lane.yaw_rad).all() for lane in map_.lanes.values())


@given(which=st.integers(0, TEXT.count("<") - 1), span=st.integers(1, 200))
def test_whatever_is_cut_out_the_map_loads_or_says_what_is_wrong(which: int, span: int) -> None:
    start = [match.start() for match in re.finditer("<", TEXT)][which]
    try:
        RoadMap.parse(TEXT[:start] + TEXT[start + span :], "town.xodr")
    except MapError as error:
        assert error.where.startswith("town.xodr")
