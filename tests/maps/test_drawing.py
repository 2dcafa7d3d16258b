"""What is drawn: surfaces by material, SVG and PNG, and the commands ``skylane map``."""

from __future__ import annotations

import json
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest

from operators.maps import RoadMap
from operators.maps.drawing import COLOURS, picture, sheet, svg
from operators.maps.surfaces import MATERIALS, Surface
from pipeline.cli import main
from scenarios.maps import NAMES, shipped
from scenarios.maps.cli import summary
from tests.maps.documents import document, one_lane, road


def area(surface: Surface) -> float:
    x, y = surface.outline.T
    return 0.5 * float(np.abs(np.dot(x, np.roll(y, -1)) - np.dot(y, np.roll(x, -1))))


@pytest.mark.parametrize("name", NAMES)
def test_surfaces_are_finite_strips_lowest_first(name: str) -> None:
    found = shipped(name).surfaces()
    assert [MATERIALS.index(one.material) for one in found] == sorted(MATERIALS.index(one.material) for one in found)
    for one in found:
        assert one.left.shape == one.right.shape and one.left.shape[1] == 3 and len(one.left) >= 2
        assert np.isfinite(one.left).all() and np.isfinite(one.right).all()


def test_surfaces_cover_the_lanes_that_they_show() -> None:
    by_material: dict[str, float] = dict.fromkeys(MATERIALS, 0.0)
    for one in shipped("straight").surfaces():
        by_material[one.material] += area(one)
    assert by_material["asphalt"] == pytest.approx(1000.0 * 14.0)
    assert by_material["pavement"] == pytest.approx(1000.0 * 5.0)
    assert by_material["kerb"] == pytest.approx(1000.0 * 0.3)
    # Two edges and a double line are solid; of the two broken lines a third is painted.
    assert by_material["white"] == pytest.approx(0.12 * (1000.0 * 4.0 + 2000.0 / 3.0), rel=0.01)


def test_simplified_edges_are_few_and_stay_within_five_centimetres_of_the_lane() -> None:
    map_ = shipped("curve")
    lane = map_.lanes[map_.keys[0]]
    strip = max((one for one in map_.surfaces() if one.material == "asphalt"), key=area)
    middle = 0.5 * (strip.left + strip.right)
    assert len(middle) < len(lane.x_m) / 2
    dense = np.concatenate([np.linspace(a, b, 20) for a, b in zip(middle[:-1, :2], middle[1:, :2], strict=True)])
    assert np.abs(map_.nearest_many(dense).d_m).max() < 0.05


def test_paint_ends_where_one_waits() -> None:
    grid = shipped("grid")
    crosswalk = grid.crosswalks[0].corners
    low, high = crosswalk.min(axis=0) + 0.3, crosswalk.max(axis=0) - 0.3
    for one in grid.surfaces():
        if one.material == "white":
            inside = (one.outline > low) & (one.outline < high)
            assert not inside.all(axis=1).any()


def test_yellow_double_and_raised_ground() -> None:
    marks = '<roadMark sOffset="0" type="solid broken" color="yellow" width="0.15"/>'
    lanes = one_lane(more=marks)
    found = RoadMap.parse(document(road(lanes=lanes))).surfaces()
    yellow = [one for one in found if one.material == "yellow"]
    assert len(yellow) == 1 + 11
    assert max(float(one.left[:, 2].max()) for one in shipped("straight").surfaces()) == pytest.approx(0.12)


@pytest.mark.parametrize("name", NAMES)
def test_the_svg_is_well_formed_and_shows_every_material(name: str) -> None:
    map_ = shipped(name)
    text = svg(map_)
    drawn = ElementTree.fromstring(text)
    fills = {path.get("fill") for path in drawn.iter("{http://www.w3.org/2000/svg}path")}
    assert {COLOURS[one.material] for one in map_.surfaces()} <= fills
    assert len(text) < 1_000_000


def test_a_name_cannot_break_the_svg() -> None:
    text = svg(RoadMap.parse(document(road()), 'a<b>&"\x00.xodr'))
    assert ElementTree.fromstring(text).findtext("{http://www.w3.org/2000/svg}title") == 'a<b>&".xodr'


def test_the_picture_shows_asphalt_on_the_road_and_ground_beside_it() -> None:
    import cv2

    map_ = RoadMap.parse(document(road()))
    image = cv2.imdecode(np.frombuffer(picture(map_, 800), np.uint8), cv2.IMREAD_COLOR)
    drawn = sheet(map_)
    scale = 800.0 / max(drawn.width_m, drawn.height_m)

    def colour(x: float, y: float) -> str:
        column, row = int((x - drawn.x_m) * scale), int((drawn.y_m + drawn.height_m - y) * scale)
        blue, green, red = (int(value) for value in image[row, column])
        return f"#{red:02x}{green:02x}{blue:02x}"

    assert max(image.shape) == 800
    assert colour(30.0, -2.0) == COLOURS["asphalt"]
    assert colour(30.0, 7.0) == COLOURS["grass"]


def test_info_prints_json_and_words(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["map", "info", "grid", "--json"])
    assert not ended.value.code
    found = json.loads(capsys.readouterr().out)
    assert (found["roads"], found["junctions"], found["crosswalks"]) == (224, 21, 48)
    assert found["signal_kinds"] == {"light": 48, "yield": 8} and found["signals"] == 56
    assert found["length_km"] == pytest.approx(8.803)
    assert found == summary(shipped("grid"))
    with pytest.raises(SystemExit):
        main(["map", "info", "roundabout"])
    words = capsys.readouterr().out
    assert "signal_kinds   4 yield" in words and "left_hand" in words


def test_draw_writes_svg_and_png(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "one.xodr"
    file.write_text(document(road()), encoding="utf-8")
    for out in (tmp_path / "one.svg", tmp_path / "one.png"):
        with pytest.raises(SystemExit) as ended:
            main(["map", "draw", str(file), "-o", str(out)])
        assert not ended.value.code
        assert capsys.readouterr().out.strip() == str(out)
    assert (tmp_path / "one.svg").read_text("utf-8").startswith("<?xml")
    assert (tmp_path / "one.png").read_bytes().startswith(b"\x89PNG")


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["info", "gird"], "did you mean 'grid'"),
        (["info", "none.xodr"], "none.xodr: the map does not exist"),
        (["draw", "straight", "-o", "map.jpg"], "neither .svg nor .png"),
        (["draw", "straight", "-o", "no/such/folder/map.svg"], "cannot be written"),
    ],
)
def test_a_mistake_is_one_line_and_exit_code_2(
    arguments: list[str],
    expected: str,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SystemExit) as ended:
        main(["map", *arguments])
    assert ended.value.code == 2
    complaint = capsys.readouterr().err
    assert expected in complaint and len(complaint.splitlines()) == 1
