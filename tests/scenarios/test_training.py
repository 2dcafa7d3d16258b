"""The data recipe: held-out pictures stay held out, rendered pictures are kept, a stopped training goes on."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("torch")
from operators.models import cards
from operators.models.cards import ARCHITECTURES
from pipeline.errors import UsageError
from scenarios import dataset, training
from scenarios.dataset import LabelledBox


class Drawn:
    """Stands in for the renderer: flat pictures that depend on (seed, index, look); counts how many it draws."""

    def __init__(self) -> None:
        self.look, self.count = 0, 0

    def picture(self, seed: int, index: int) -> tuple[np.ndarray, list[LabelledBox]]:
        self.count += 1
        rgb = np.full((96, 128, 3), (seed + 3 * index + self.look) % 200, dtype=np.uint8)
        rgb[20:60, 30:50] = 250
        box = LabelledBox("pedestrian", 30, 20, 50, 60, 12.0, 0.3, 14.0, 0.0, 400 + 800 * (index % 3), "pedestrian")
        return rgb, [box] * (index % 3)


@pytest.fixture
def drawn(monkeypatch: pytest.MonkeyPatch) -> Drawn:
    fake = Drawn()
    monkeypatch.setattr(dataset, "picture", fake.picture)
    return fake


def test_pictures_are_drawn_once_and_read_back_the_same(drawn: Drawn, tmp_path: Path) -> None:
    first = training.rendered(5, 4, tmp_path)
    assert drawn.count == 4
    again = training.rendered(5, 4, tmp_path)
    assert drawn.count == 5  # The first one is drawn again, to see whether the renderer still draws like that.
    for k, (one, two) in enumerate(zip(first, again, strict=True)):
        assert (one.rgb == two.rgb).all() and (one.boxes == two.boxes).all()
        assert len(two.labels) == k % 3 and (two.rgb == drawn.picture(5, k)[0]).all()


def test_pictures_are_drawn_anew_when_the_renderer_draws_differently(drawn: Drawn, tmp_path: Path) -> None:
    training.rendered(5, 4, tmp_path)
    drawn.look = 11
    assert training.rendered(5, 4, tmp_path)[3].rgb[0, 0, 0] == 5 + 3 * 3 + 11


@pytest.mark.parametrize(
    ("label", "pixels", "share", "visible"),
    [
        ("vehicle", 1200, 0.3, 1200 / 2000),  # Half beside the picture, yet plain to see.
        ("vehicle", 100, 0.3, 0.3),
        ("pedestrian", 180, 1.0, 180 / (0.28 * 32**2)),  # Behind a tree, which the geometry does not know.
        ("pedestrian", 500, 1.0, 1.0),
    ],
)
def test_what_is_visible_follows_the_pixels_in_view(label: str, pixels: int, share: float, visible: float) -> None:
    box = LabelledBox(label, 30, 20, 50, 60, 10.0, share, 14.0, 0.0, pixels, "any")
    assert training._visible(box) == pytest.approx(visible)


def test_the_held_out_seed_is_refused_for_training(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="held out"):
        training.train("small", pictures=2, minutes=1, seed=training.HELD_OUT_SEED, out=tmp_path)


def test_an_unknown_size_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="'tiny'.*choose: small, medium, large"):
        training.train("tiny", pictures=2, minutes=1, seed=1, out=tmp_path)


def test_a_trained_model_is_judged_on_held_out_pictures_and_its_card_says_so(
    drawn: Drawn, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tiny = cards.changed(ARCHITECTURES["small"], input_width_px=64, input_height_px=48, channels=(4, 4, 4, 4, 4))
    monkeypatch.setitem(ARCHITECTURES, "small", tiny)
    monkeypatch.setitem(training.CROPS_PX, "small", (64, 48))
    monkeypatch.setitem(training.STEPS_PER_MINUTE, "small", 3)
    weights = training.train("small", pictures=3, minutes=1, seed=5, out=tmp_path)
    ticks = iter(range(0, 10**9, 2_000_000))
    card = training.evaluate("small", pictures=3, out=tmp_path, now_ns=lambda: next(ticks), runs=4)
    assert weights == tmp_path / "small.safetensors" and card == cards.read_card("small", tmp_path)
    assert (card.latency.p50_ms, card.recipe.steps, card.recipe.held_out_seed) == (2.0, 3, training.HELD_OUT_SEED)
    assert card.figures["pedestrian"].counted == (3, 0, 0, 0, 0)
    assert "| small | 64 × 48 |" in (tmp_path / "MODEL_CARD.md").read_text(encoding="utf-8")
