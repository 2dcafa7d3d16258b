"""The video and its pictures: what is shown at which time, and the file that comes out."""

from __future__ import annotations

import dataclasses
import sys
from collections.abc import Iterator
from importlib.machinery import ModuleSpec
from pathlib import Path

import pytest

from pipeline.errors import MissingExtra, RecordingFailed
from pipeline.report.panels import RunData, load_runs
from scenarios.report import video
from scenarios.report.drive import Drive, read_drive
from scenarios.report.milestones import film, milestones
from scenarios.report.video import frames, write_video
from tests.scenarios.recordings import BRAKE_NS, BUDGET_NS, KNOWN_NS, MS, PERSON_X_M, SEEN_NS, record

np = pytest.importorskip("numpy")
cv2 = pytest.importorskip("cv2")


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Iterator[list[RunData]]:
    folder = tmp_path_factory.mktemp("runs")
    record(folder / "hits", collided=True, length_ms=1200)
    record(folder / "stops", misses=(1000 * MS,))
    yield load_runs(folder)


@pytest.fixture(scope="module")
def hits(runs: list[RunData]) -> Drive:
    return drive_of(runs, "hits")


@pytest.fixture(scope="module")
def stops(runs: list[RunData]) -> Drive:
    return drive_of(runs, "stops")


def drive_of(runs: list[RunData], name: str) -> Drive:
    drive = next(read_drive(run) for run in runs if run.name == name)
    assert drive is not None
    return drive


def test_nothing_is_known_before_it_is_committed(stops: Drive) -> None:
    assert stops.gap(KNOWN_NS - 1) is None
    gap = stops.gap(KNOWN_NS)
    assert gap is not None and gap.who.track_id == 7


def test_the_gap_is_from_bumper_to_outline(stops: Drive) -> None:
    gap = stops.gap(KNOWN_NS)
    bumper_m = stops.ego(KNOWN_NS).x_m + 4.7 - 0.95
    assert gap is not None and gap.distance_m == pytest.approx(PERSON_X_M - 0.25 - bumper_m, abs=1e-6)


def test_the_time_used_grows_until_the_answer_and_has_the_planners_budget(stops: Drive) -> None:
    assert stops.response(1_060 * MS) == (160 * MS - 100 * MS, BUDGET_NS)
    assert stops.response(1_139 * MS) == (139 * MS, BUDGET_NS)


def test_a_miss_is_shown_for_a_moment_only(stops: Drive) -> None:
    shown = [stops.missed(at * MS) for at in (999, 1000, 1199, 1200)]
    assert shown == [False, True, True, False]


@pytest.mark.parametrize(("measured", "shown"), [(None, 4.1), (3.6, 3.6), (0.2, 4.1)])
def test_a_standstill_shows_the_worlds_measure_unless_it_is_of_another_time(
    stops: Drive, measured: float | None, shown: float
) -> None:
    gap = stops.gap(stops.end_ns)
    assert gap is not None
    outcome = {} if measured is None else {"min_gap_m": measured}
    drive = dataclasses.replace(stops, outcome=outcome)
    assert drive.standing_gap_m(gap._replace(distance_m=4.1)) == shown


def test_milestones_come_in_their_order(stops: Drive, hits: Drive) -> None:
    stopping, hitting = milestones(stops), milestones(hits)
    assert (stopping.seen_ns, stopping.braking_ns) == (SEEN_NS, BRAKE_NS)
    assert stopping.stopped_ns == pytest.approx(BRAKE_NS + 1250 * MS, abs=10 * MS)
    assert stopping.missed_ns == 1000 * MS
    assert hitting.nearest_ns == hits.end_ns and hitting.stopped_ns is None
    assert hitting.who == "person"


def test_the_film_has_few_pictures_in_order_and_ends_with_the_contact(hits: Drive) -> None:
    moments = film(hits, milestones(hits))
    times = [at for at, _ in moments]
    assert times == sorted(set(times)) and 3 <= len(times) <= 6
    assert moments[-1] == (hits.end_ns, "hits the person")


def test_the_boxes_wear_the_colour_of_the_model_that_answered(stops: Drive) -> None:
    from scenarios.report.overlay import MODEL_COLOURS, draw, model_colour

    before, after = draw(stops, SEEN_NS - 1), draw(stops, SEEN_NS)
    assert tuple(after[200, 300]) == MODEL_COLOURS["medium"]
    assert tuple(before[200, 300]) != MODEL_COLOURS["medium"]
    assert model_colour("cloud.large") == MODEL_COLOURS["cloud"]


def test_a_contact_makes_a_red_frame_and_a_stop_a_green_one(hits: Drive, stops: Drive) -> None:
    from scenarios.report.drawing import GREEN, RED
    from scenarios.report.overlay import draw

    edge = (200, 4)
    assert tuple(draw(hits, hits.end_ns)[edge]) == RED
    assert tuple(draw(hits, hits.end_ns - 1)[edge]) != RED
    assert tuple(draw(stops, stops.end_ns)[edge]) == GREEN


def test_the_trajectory_lies_on_the_road_before_the_car(stops: Drive) -> None:
    from scenarios.report.overlay import draw

    picture = draw(stops, 200 * MS)
    grey = np.array((90, 90, 90))
    assert np.abs(picture[300, 320].astype(int) - grey).max() > 20
    assert np.abs(picture[300, 40].astype(int) - grey).max() < 5
    assert np.abs(picture[120, 320].astype(int) - grey).max() < 5


def test_text_that_leaves_the_picture_is_cut_off() -> None:
    from scenarios.report.drawing import WHITE, write

    picture = np.zeros((20, 30, 3), np.uint8)
    for x, y in ((-40, 10), (25, 10), (5, -3), (5, 40)):
        write(picture, "abcdefgh", x, y, 15, WHITE)
    assert picture[:, 25:].max() > 0


def test_who_has_arrived_stands_still_and_the_last_second_is_held(hits: Drive, stops: Drive) -> None:
    shown = [picture.copy() for picture in frames([hits, stops], 10)]
    assert len(shown) == (2000 + 1000) // 100
    assert shown[0].shape == (360 + 36, 1280, 3)
    left = [picture[36:, :638] for picture in shown]
    assert all((picture == left[12]).all() for picture in left[12:])
    assert (left[11] != left[12]).any()
    assert all((picture == shown[20]).all() for picture in shown[20:])


def test_the_file_is_h264_with_its_index_first(runs: list[RunData], tmp_path: Path) -> None:
    av = pytest.importorskip("av")
    path = write_video(runs, tmp_path / "video.mp4", fps=5)
    assert path is not None
    data = path.read_bytes()
    assert 0 < data.index(b"moov") < data.index(b"mdat")
    with av.open(str(path)) as file:
        stream = file.streams.video[0]
        assert (stream.codec_context.name, stream.codec_context.pix_fmt) == ("h264", "yuv420p")
        assert (stream.width, stream.height) == (1280, 396)
        assert sum(1 for _ in file.decode(stream)) == 15


def test_runs_without_pixels_have_no_video(tmp_path: Path) -> None:
    record(tmp_path / "blind", pixels=False, length_ms=200)
    assert write_video(load_runs(tmp_path), tmp_path / "video.mp4") is None
    assert not (tmp_path / "video.mp4").exists()


def test_a_missing_encoder_is_named_with_its_extra(
    runs: list[RunData], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def without_av(name: str) -> ModuleSpec | None:
        return None if name == "av" else ModuleSpec(name, None)

    monkeypatch.setattr(video, "find_spec", without_av)
    with pytest.raises(MissingExtra, match=r"needs av.*skylane\[world\]"):
        write_video(runs, tmp_path / "video.mp4")


def test_a_folder_that_cannot_be_written_is_named(runs: list[RunData], tmp_path: Path) -> None:
    pytest.importorskip("av")
    with pytest.raises(RecordingFailed, match="nowhere"):
        write_video(runs, tmp_path / "nowhere" / "video.mp4", fps=5)


def test_reading_a_drive_needs_no_pictures_library() -> None:
    import subprocess

    code = "import sys, scenarios.report.drive, scenarios.report.panels, scenarios.report.video; "
    code += "sys.exit('cv2' in sys.modules or 'av' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
