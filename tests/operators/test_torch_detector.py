"""Pictures in, boxes out: what is accepted, how outputs are read, which model runs in the time left."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("torch")
import torch

from operators.detection.base import InvalidFrame
from operators.detection.cnn import CnnDetector
from operators.detection.torch_detector import TorchDetector, decoded
from operators.messages import CameraFrame, CameraModel
from operators.models import cards, evaluation
from operators.models.cards import ARCHITECTURES
from operators.models.errors import ModelFileError
from operators.models.loading import save_weights
from operators.models.network import folded_network
from pipeline.errors import UsageError
from pipeline.timestamps import Duration, ms


def write_model(folder: Path, size: str, p99_ms: float) -> None:
    """Weights that see one pedestrian in the middle of every cell: no heat but what the bias gives."""
    torch.manual_seed(0)
    network = folded_network(ARCHITECTURES[size])
    path = folder / f"{size}.safetensors"
    digest = save_weights(network, path)
    figures = evaluation.judged([], [], network.architecture.labels)
    card = cards.ModelCard(
        name=size,
        file=path.name,
        size_bytes=path.stat().st_size,
        blake2b=digest,
        parameters=0,
        architecture=network.architecture,
        figures=figures,
        latency=cards.Latency(p50_ms=p99_ms, p99_ms=p99_ms, runs=1, threads=1, cpu="test"),
        recipe=cards.Recipe(
            pictures=1, steps=1, batch=1, seed=0, held_out_pictures=1, held_out_seed=1, data="none", torch="any"
        ),
    )
    cards.write_card(card, folder)


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("models")
    for size, p99_ms in (("small", 8.0), ("medium", 22.0), ("large", 60.0)):
        write_model(folder, size, p99_ms)
    return folder


@pytest.fixture(scope="module")
def small(models: Path) -> TorchDetector:
    return TorchDetector("small", weights=models / "small.safetensors", score_min=0.0)


PICTURE = np.random.default_rng(0).integers(0, 255, (360, 640, 3)).astype(np.uint8)


@pytest.mark.parametrize(
    ("rgb", "message"),
    [
        (PICTURE.tolist(), "a list, not an array"),
        (PICTURE[:, :, 0], r"shape \(360, 640\)"),
        (PICTURE.transpose(2, 0, 1), r"shape \(3, 360, 640\)"),
        (np.zeros((0, 0, 3), np.uint8), "no pixels: 0 x 0"),
        (np.zeros((0, 640, 3), np.uint8), "no pixels: 640 x 0"),
        (PICTURE[:20], "too small: 640 x 20"),
        (PICTURE.astype(np.float32), "values are float32, not uint8"),
        (np.full((360, 640, 3), np.nan), "float64, with values that are not finite, not uint8"),
        (PICTURE.astype(np.int16), "int16, not uint8"),
    ],
)
def test_a_picture_that_is_not_uint8_rgb_is_refused_with_what_is_wrong(
    small: TorchDetector, rgb: Any, message: str
) -> None:
    with pytest.raises(InvalidFrame, match=message):
        small.detect(rgb)


def test_a_read_only_mirrored_picture_is_accepted_and_left_alone(small: TorchDetector) -> None:
    picture = PICTURE[:, ::-1].copy()
    before = picture.copy()
    picture.flags.writeable = False
    assert small.detect(picture[:, ::-1]) == small.detect(PICTURE)
    assert (picture == before).all()


def test_boxes_lie_in_the_picture_and_scores_fall(small: TorchDetector) -> None:
    found = small.detect(PICTURE)
    scores = [item.score for item in found]
    assert found and scores == sorted(scores, reverse=True)
    for item in found:
        assert 0 <= item.box.x0_px <= item.box.x1_px <= 640 and 0 <= item.box.y0_px <= item.box.y1_px <= 360


def test_detect_sets_its_number_of_threads(small: TorchDetector) -> None:
    torch.set_num_threads(2)
    small.detect(PICTURE)
    assert torch.get_num_threads() == 1


def test_an_unknown_size_is_refused(models: Path) -> None:
    with pytest.raises(ModelFileError, match="'huge'.*small, medium, large"):
        TorchDetector("huge")


def test_a_weights_file_of_another_size_is_refused(models: Path) -> None:
    swapped = models / "swapped"
    swapped.mkdir(exist_ok=True)
    write_model(swapped, "small", 8.0)
    card = cards.read_card("small", swapped)
    cards.write_card(cards.changed(card, name="large"), swapped)
    with pytest.raises(ModelFileError, match=r"small\.safetensors: .*another architecture: input_width_px is 320"):
        TorchDetector("large", weights=swapped / "small.safetensors")


def test_a_peak_is_read_as_the_box_it_encodes() -> None:
    output = torch.full((6, 10, 20), -9.0)
    output[1, 4, 7] = 3.0
    output[1, 4, 8] = 2.0  # A neighbour of the peak is not one itself.
    output[2:, 4, 7] = torch.tensor([0.25, -0.5, np.log(3.0), np.log(5.0)])
    scores, labels, boxes = decoded(output, 2, 4)
    assert scores[0] == pytest.approx(1 / (1 + np.exp(-3.0))) and labels[0] == 1
    centre_x, centre_y = (7 + 0.5 + 0.25) * 4, (4 + 0.5 - 0.5) * 4
    assert boxes[0] == pytest.approx([centre_x - 6, centre_y - 10, centre_x + 6, centre_y + 10], abs=1e-4)
    assert scores[1] < 0.01


class FakeContext:
    """A callback's view with a given time left and a given profile."""

    t = 0

    def __init__(self, remaining: Duration, rgb: np.ndarray = PICTURE, profile: dict[str, Duration] | None = None):
        self.left, self.profile, self.done = remaining, profile or {}, ""
        self.message = CameraFrame(rgb=rgb, camera=CameraModel(), captured_ns=0)

    def __getitem__(self, port: object) -> CameraFrame:
        return self.message

    def remaining(self) -> Duration:
        return self.left

    def expected(self, work: str) -> Duration:
        return self.profile.get(work, Duration(0))

    def work(self, name: str) -> None:
        self.done = name


@pytest.fixture(scope="module")
def operator(models: Path) -> CnnDetector:
    return CnnDetector(sizes=["large", "small", "medium"], weights=str(models))


@pytest.mark.parametrize(("left", "size"), [(3, "small"), (8, "small"), (22, "medium"), (59, "medium"), (60, "large")])
def test_the_largest_model_that_fits_the_time_left_runs(operator: CnnDetector, left: int, size: str) -> None:
    ctx: Any = FakeContext(ms(left))
    answer = operator.on_watermark(ctx)
    assert (answer.model, ctx.done) == (size, size)


def test_the_latency_profile_overrules_the_card(operator: CnnDetector) -> None:
    ctx: Any = FakeContext(ms(200), profile={"small": ms(136), "medium": ms(325), "large": ms(1067)})
    assert operator.chosen(ctx) == "small"


def test_a_run_without_pixels_is_refused_by_the_operator(operator: CnnDetector) -> None:
    ctx: Any = FakeContext(ms(100), rgb=np.zeros((0, 0, 3), np.uint8))
    with pytest.raises(InvalidFrame, match=r"frame at t=0: the picture has no pixels.*run the world with pixels"):
        operator.on_watermark(ctx)


@pytest.mark.parametrize("sizes", [[], ["small", "huge"]])
def test_sizes_that_do_not_exist_are_refused(sizes: list[str]) -> None:
    with pytest.raises(UsageError, match="choose from: small, medium, large"):
        CnnDetector(sizes=sizes)
