"""The panels that the car adds to a report: which ones there are for which runs, and what stands in them."""

from __future__ import annotations

import base64
import re
from pathlib import Path
from xml.etree import ElementTree

import msgspec
import pytest

from operators.models import cards
from operators.models.cards import ARCHITECTURES, ClassFigures, Latency, ModelCard, Recipe
from pipeline.errors import MissingExtra
from pipeline.recording import Recorder
from pipeline.report.panels import Panel, load_runs
from scenarios.report import panels as module
from scenarios.report.panels import panels
from tests.scenarios.recordings import IMPACT_MPS, MS, record, sent

pytest.importorskip("cv2")
pytest.importorskip("av")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("runs")
    record(folder / "hits", collided=True, length_ms=1200)
    record(folder / "stops", misses=(1000 * MS,))
    return folder


@pytest.fixture(scope="module")
def made(folder: Path) -> list[Panel | Path]:
    return panels(load_runs(folder), folder)


def titles(made: list[Panel | Path]) -> list[str]:
    return [part.title for part in made if isinstance(part, Panel)]


def html(made: list[Panel | Path], title: str) -> str:
    return next(part.html for part in made if isinstance(part, Panel) and part.title == title)


def test_a_drive_with_pictures_has_everything_between_headline_and_timeline(
    made: list[Panel | Path], folder: Path
) -> None:
    assert titles(made) == ["Video", "The drive", "Decisive moments", "Seen from above", "Detectors"]
    assert [part for part in made if isinstance(part, Path)] == [folder / "video.mp4"]
    assert (folder / "video.mp4").stat().st_size > 1000
    assert all(5 <= part.order <= 29 for part in made if isinstance(part, Panel))


def test_the_video_is_a_relative_link(made: list[Panel | Path]) -> None:
    assert 'src="video.mp4"' in html(made, "Video")


def test_the_drive_says_how_each_variant_ended(made: list[Panel | Path]) -> None:
    text = html(made, "The drive")
    assert f"hits the person at {IMPACT_MPS:.1f} m/s" in text
    assert re.search(r"stops \d\.\d+ m before the person", text)
    marks = re.findall(r"<title>(\w+): (\w+), ([\d.]+) s</title>", text)
    assert (
        ("hits", "hit", "1.20") in marks and ("stops", "seen", "0.50") in marks and ("stops", "brakes", "0.60") in marks
    )
    assert not [mark for mark in marks if mark[:2] == ("stops", "hit")]


def test_the_drawings_are_well_formed_and_take_their_colours_from_the_page(made: list[Panel | Path]) -> None:
    for title in ("The drive", "Seen from above"):
        drawings = re.findall(r"<svg.*?</svg>", html(made, title), re.DOTALL)
        assert len(drawings) >= 2
        for drawing in drawings:
            ElementTree.fromstring(drawing)
        assert "var(--" in "".join(drawings)


def test_the_view_from_above_shows_the_person_and_the_gap(made: list[Panel | Path]) -> None:
    text = html(made, "Seen from above")
    assert text.count("<circle") == 2 and text.count("<figure>") == 2
    assert re.search(r">\d+\.\d m</text>", text)


def test_film_pictures_are_small_jpegs_inside_the_page(made: list[Panel | Path]) -> None:
    pictures = re.findall(r'src="data:image/jpeg;base64,([^"]+)"', html(made, "Decisive moments"))
    assert 6 <= len(pictures) <= 12
    decoded = [base64.b64decode(picture) for picture in pictures]
    assert all(data[:2] == b"\xff\xd8" and len(data) <= module.PICTURE_BYTES_MAX for data in decoded)


def test_a_detailed_picture_is_coded_smaller_to_keep_the_limit() -> None:
    import numpy as np

    noise = np.random.default_rng(1).integers(0, 255, (120, 160, 3), np.uint8)
    assert len(module._jpeg(noise, 12_000)) <= 12_000 < len(module._jpeg(noise, 10**6))


def test_runs_without_pixels_have_curves_but_no_pictures(tmp_path: Path) -> None:
    record(tmp_path / "blind", pixels=False, length_ms=900)
    made = panels(load_runs(tmp_path), tmp_path)
    assert titles(made) == ["The drive", "Seen from above", "Detectors"]
    assert not [part for part in made if isinstance(part, Path)]


class Reading(msgspec.Struct, frozen=True):
    """Something that no car sends."""

    celsius: float


@pytest.mark.parametrize("stream", ["sensor.value", "ego.state", "x.detections"])
def test_graphs_without_a_car_get_nothing(tmp_path: Path, stream: str) -> None:
    (tmp_path / "run").mkdir()
    with Recorder(tmp_path / "run" / "log.mcap") as recorder:
        recorder.on_event(sent(stream, 0, 0, Reading(20.0)))
        recorder.on_event(sent("gate.command_out", 0, 0, Reading(20.0)))
    assert panels(load_runs(tmp_path), tmp_path) == []


def test_a_run_that_was_killed_at_once_still_has_a_report(tmp_path: Path) -> None:
    record(tmp_path / "short", length_ms=0)
    (tmp_path / "short" / "result.json").unlink()
    assert "The drive" in titles(panels(load_runs(tmp_path), tmp_path))


def test_without_an_encoder_the_report_says_so_and_goes_on(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise MissingExtra("a video needs av", hint="pip install 'skylane[world]'")

    monkeypatch.setattr("scenarios.report.video.record_video", refuse)
    made = panels(load_runs(folder), tmp_path)
    assert "a video needs av" in html(made, "Video") and "The drive" in titles(made)


def card(name: str) -> ModelCard:
    figures = ClassFigures(
        threshold=0.4,
        average_precision=0.876,
        precision=0.9,
        recall_all=0.8,
        recall=(0.99, 0.9, 0.8, 0.5, 0.0),
        counted=(9, 9, 9, 9, 0),
        bottom_error_px_p50=0.5,
        centre_error_px_p50=0.5,
    )
    recipe = Recipe(
        pictures=1, steps=1, batch=1, seed=1, held_out_pictures=1, held_out_seed=2, data="synthetic", torch="2"
    )
    return ModelCard(
        name=name,
        file=f"{name}.safetensors",
        size_bytes=1,
        blake2b="",
        parameters=1,
        architecture=ARCHITECTURES[name],
        figures={"pedestrian": figures, "vehicle": figures},
        latency=Latency(p50_ms=12.0, p99_ms=20.0, runs=9, threads=1, cpu="a processor"),
        recipe=recipe,
    )


def test_the_detectors_accuracy_comes_from_their_cards(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "WEIGHTS_DIR", tmp_path)
    runs = [run for run in load_runs(folder) if run.name == "stops"]
    assert "Detectors" not in titles(panels(runs, tmp_path))
    cards.write_card(card("medium"), tmp_path)
    text = html(panels(runs, tmp_path), "Detectors")
    assert "0.876" in text and "0.99" in text and "a processor" in text and "12 ms" in text
    assert "<td class=num>–" in text
