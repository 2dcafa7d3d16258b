"""Model files are whole or refused by name; training repeats itself; figures mean what the card says."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("torch")
import msgspec
import torch

from operators.messages import LABELS, Box, Detection
from operators.models import cards, evaluation, training
from operators.models.cards import ARCHITECTURES, Architecture, ModelCard
from operators.models.errors import ModelFileError
from operators.models.examples import Example
from operators.models.loading import load_network, save_weights
from operators.models.network import CentreNet, folded_network
from operators.models.optimizer import orthogonal

TINY = Architecture(input_width_px=64, input_height_px=64, channels=(4, 4, 4, 4, 4), blocks=(0, 0, 0, 0))


def card_for(path: Path, digest: str, architecture: Architecture = TINY, name: str = "tiny") -> ModelCard:
    return ModelCard(
        name=name,
        file=path.name,
        size_bytes=path.stat().st_size,
        blake2b=digest,
        parameters=0,
        architecture=architecture,
        figures=evaluation.judged([], [], architecture.labels),
        latency=cards.Latency(p50_ms=1.0, p99_ms=2.0, runs=1, threads=1, cpu="test"),
        recipe=cards.Recipe(
            pictures=1, steps=1, batch=1, seed=0, held_out_pictures=1, held_out_seed=1, data="none", torch="any"
        ),
    )


@pytest.fixture
def model(tmp_path: Path) -> Path:
    torch.manual_seed(0)
    path = tmp_path / "tiny.safetensors"
    cards.write_card(card_for(path, save_weights(folded_network(TINY), path)), tmp_path)
    return path


def street(*objects: tuple[int, tuple[int, int, int, int]], visible: float = 1.0, far: float = 10.0) -> Example:
    """A grey picture with one bright rectangle per object."""
    rgb = np.full((64, 64, 3), 90, dtype=np.uint8)
    for _, (x0, y0, x1, y1) in objects:
        rgb[y0:y1, x0:x1] = 220
    return Example(
        rgb=rgb,
        labels=np.array([label for label, _ in objects], dtype=np.int64),
        boxes=np.array([box for _, box in objects], dtype=np.float32).reshape(-1, 4),
        visible=np.full(len(objects), visible, dtype=np.float32),
        distance_m=np.full(len(objects), far, dtype=np.float32),
    )


def seen(label: str, score: float, *edges: float) -> Detection:
    x0, y0, x1, y1 = edges
    return Detection(label=label, score=score, box=Box(x0_px=x0, y0_px=y0, x1_px=x1, y1_px=y1))


def test_a_saved_model_answers_as_it_did_up_to_half_precision(model: Path) -> None:
    torch.manual_seed(0)
    before = folded_network(TINY)
    after, card = load_network("tiny", model, architecture=TINY)
    picture = torch.rand(1, 3, 64, 64)
    torch.testing.assert_close(after(picture), before(picture), atol=2e-2, rtol=2e-2)
    assert card.size_bytes == model.stat().st_size


@pytest.mark.parametrize("share", [0.0, 0.1, 0.5, 0.999])
def test_one_altered_byte_anywhere_is_refused_by_name(model: Path, share: float) -> None:
    content = bytearray(model.read_bytes())
    content[int(share * len(content))] ^= 1
    model.write_bytes(content)
    with pytest.raises(ModelFileError, match=r"tiny\.safetensors: .*digest") as caught:
        load_network("tiny", model, architecture=TINY)
    assert str(model) in str(caught.value)


@pytest.mark.parametrize("length", [0, 5, 400])
def test_a_truncated_file_is_refused_by_name(model: Path, length: int) -> None:
    model.write_bytes(model.read_bytes()[:length])
    with pytest.raises(ModelFileError, match=rf"tiny\.safetensors: .*has {length} bytes"):
        load_network("tiny", model, architecture=TINY)


def test_a_missing_file_is_refused_by_name(model: Path) -> None:
    model.unlink()
    with pytest.raises(ModelFileError, match=r"tiny\.safetensors: .*cannot be read"):
        load_network("tiny", model, architecture=TINY)


def test_another_architecture_is_refused_and_the_difference_named(model: Path) -> None:
    other = msgspec.structs.replace(TINY, channels=(4, 4, 4, 4, 8))
    with pytest.raises(ModelFileError, match="another architecture: channels is"):
        load_network("tiny", model, architecture=other)


def test_a_whole_file_that_is_no_model_is_refused(model: Path) -> None:
    model.write_bytes(b"no tensors here, but the digest is right")
    from operators.models.loading import file_digest

    cards.write_card(card_for(model, file_digest(model.read_bytes())), model.parent)
    with pytest.raises(ModelFileError, match=r"tiny\.safetensors: .*header"):
        load_network("tiny", model, architecture=TINY)


def test_weights_that_are_not_finite_are_refused(tmp_path: Path) -> None:
    network = folded_network(TINY)
    with torch.no_grad():
        network.out.bias[0] = float("nan")
    path = tmp_path / "tiny.safetensors"
    cards.write_card(card_for(path, save_weights(network, path)), tmp_path)
    with pytest.raises(ModelFileError, match="not finite"):
        load_network("tiny", path, architecture=TINY)


def test_missing_or_damaged_cards_are_refused_by_name(model: Path) -> None:
    listing = model.parent / "cards.json"
    listing.write_text('{"tiny": {"name"')
    with pytest.raises(ModelFileError, match=r"cards\.json: .*damaged"):
        load_network("tiny", model, architecture=TINY)
    listing.unlink()
    with pytest.raises(ModelFileError, match=r"cards\.json: .*cannot be read"):
        load_network("tiny", model, architecture=TINY)


def test_a_model_without_a_card_is_refused(model: Path) -> None:
    with pytest.raises(ModelFileError, match="no card for model 'huge'"):
        load_network("huge", model, architecture=TINY)


def test_folding_the_batch_norm_keeps_the_answers() -> None:
    torch.manual_seed(1)
    network = CentreNet(msgspec.structs.replace(TINY, blocks=(1, 1, 1, 2)))
    network(torch.rand(4, 3, 64, 64))
    network.eval()
    picture = torch.rand(1, 3, 64, 64)
    before = network(picture)
    torch.testing.assert_close(network.fold()(picture), before, atol=1e-4, rtol=1e-3)


@pytest.mark.parametrize("size", cards.SIZES)
def test_every_size_answers_on_a_grid_of_its_stride(size: str) -> None:
    shape = ARCHITECTURES[size]
    with torch.inference_mode():
        output = folded_network(shape)(torch.zeros(1, 3, shape.input_height_px, shape.input_width_px))
    assert output.shape == (1, len(LABELS) + 4, -(-shape.input_height_px // 4), shape.input_width_px // 4)


def test_a_perfect_answer_has_less_loss_than_any_shifted_one() -> None:
    example = street((0, (16, 8, 28, 40)), (1, (36, 20, 60, 44)))
    parts = training.targets(example, TINY)
    wanted = training.Targets(*(torch.from_numpy(part)[None] for part in parts))
    perfect = perfect_output(parts)
    best = training.loss(perfect, wanted, 2)
    for channel, shift in [(0, 2.0), (2, 0.3), (3, -0.3), (4, 0.2), (5, -0.2)]:
        shifted = perfect.clone()
        shifted[:, channel] += shift
        assert training.loss(shifted, wanted, 2) > best
    assert best < 0.05


def perfect_output(parts: tuple[np.ndarray, ...]) -> torch.Tensor:
    """The output that these targets ask for."""
    heat, _, box, weight = parts
    rows, columns = np.mgrid[: weight.shape[0], : weight.shape[1]]
    x0, y0, x1, y1 = np.where(weight > 0, box, np.array([0, 0, 1, 1])[:, None, None])
    regression = [(x0 + x1) / 2 - columns - 0.5, (y0 + y1) / 2 - rows - 0.5, np.log(x1 - x0), np.log(y1 - y0)]
    logits = np.where(heat >= training.POSITIVE_MIN, 9.0, -9.0)
    return torch.from_numpy(np.concatenate([logits, np.stack(regression)])[None].astype(np.float32))


def test_hidden_objects_are_neither_asked_for_nor_punished() -> None:
    heat, weight, _, box_weight = training.targets(street((0, (16, 8, 28, 40)), visible=0.1), TINY)
    assert heat.max() == 0.0 and box_weight.max() == 0.0
    assert weight[0, 4, 5] == 0.0 and weight[1].min() == 1.0 and weight[0, 15, 15] == 1.0


def plan(steps: int) -> training.Plan:
    return training.Plan(architecture=TINY, steps=steps, seed=3, batch=2, crop_px=(64, 64), picture_width_px=64)


EXAMPLES = [street((0, (16, 8, 28, 40))), street((1, (10, 20, 50, 44)))]


def test_training_resumed_from_a_checkpoint_ends_with_the_same_weights(tmp_path: Path) -> None:
    straight = training.Training(plan(6), EXAMPLES)
    straight.run()
    first = training.Training(plan(6), EXAMPLES)
    first.run(until=3)
    first.save(tmp_path / "at3")
    second = training.Training(plan(6), EXAMPLES)
    second.resume(tmp_path / "at3")
    second.run()
    for name, value in straight.average.items():
        torch.testing.assert_close(second.average[name], value, rtol=0, atol=0)


@pytest.mark.parametrize("shape", [(3, 8), (8, 3), (6, 6)])
def test_the_optimizer_takes_steps_of_equal_size_in_all_directions(shape: tuple[int, int]) -> None:
    steep = torch.from_numpy(np.random.default_rng(0).normal(size=shape).astype(np.float32))
    steep[0] *= 100.0
    sizes = torch.linalg.svdvals(orthogonal(steep)) / max(1.0, shape[0] / shape[1]) ** 0.5
    assert sizes[:2].min() > 0.6 and sizes.max() < 1.3


def test_a_larger_network_starts_with_the_answers_of_the_smaller_one(tmp_path: Path) -> None:
    small = training.Training(plan(3), EXAMPLES)
    small.run()
    small.save(tmp_path / "small")
    wide = msgspec.structs.replace(TINY, channels=(4, 6, 8, 8, 9), blocks=(0, 1, 2, 2))
    large = training.Training(dataclasses.replace(plan(3), architecture=wide), EXAMPLES)
    large.start_from(tmp_path / "small")
    picture = torch.rand(1, 3, 64, 64)
    torch.testing.assert_close(large.averaged()(picture), small.averaged()(picture), atol=1e-5, rtol=1e-4)
    with pytest.raises(ModelFileError, match="larger architecture"):
        large.run(until=1)
        large.save(tmp_path / "large")
        small.start_from(tmp_path / "large")


def test_a_damaged_checkpoint_is_refused_by_name(tmp_path: Path) -> None:
    (tmp_path / "at3").write_bytes(b"half a file")
    with pytest.raises(ModelFileError, match="at3: the checkpoint cannot be read"):
        training.Training(plan(6), EXAMPLES).resume(tmp_path / "at3")


def test_crops_keep_boxes_on_their_objects() -> None:
    """The bright rectangle stays where its box says, whatever crop, scale and mirror do."""
    from operators.models.augmentation import varied

    for seed in range(40):
        rng = np.random.default_rng(seed)
        example = varied(street((0, (16, 8, 40, 40))), scale=1.0, width_px=48, height_px=48, rng=rng)
        for (x0, y0, x1, y1), visible in zip(example.boxes, example.visible, strict=True):
            if visible and min(x1 - x0, y1 - y0) > 8 and (x1 - x0) * (y1 - y0) < 0.6 * 48 * 48:
                inside = example.rgb[int(y0) + 3 : int(y1) - 3, int(x0) + 3 : int(x1) - 3].astype(float)
                assert inside.mean() > example.rgb.astype(float).mean()


def test_average_precision_is_the_area_under_the_monotone_curve() -> None:
    assert evaluation.average_precision(np.array([True, False, True]), 4) == pytest.approx((1 + 2 / 3) / 4)
    assert evaluation.average_precision(np.array([], dtype=bool), 3) == 0.0


def test_only_the_best_of_two_boxes_on_one_object_counts() -> None:
    scene = [street((0, (10, 10, 30, 30)))]
    found = [[seen("pedestrian", 0.6, 10, 10, 30, 30), seen("pedestrian", 0.9, 11, 10, 30, 30)]]
    matches = evaluation.matched(0, "pedestrian", scene, found)
    assert matches.scores.tolist() == [0.9, 0.6] and matches.true.tolist() == [True, False]
    assert matches.found_score.tolist() == [0.9] and matches.centre_error_px.tolist() == [0.5]


def test_objects_that_are_mostly_hidden_count_neither_way() -> None:
    scene = [street((0, (10, 10, 30, 30)), visible=0.2)]
    matches = evaluation.matched(0, "pedestrian", scene, [[seen("pedestrian", 0.9, 10, 10, 30, 30)]])
    assert len(matches.scores) == 0 and len(matches.found_score) == 0


def test_the_operating_threshold_is_the_lowest_with_the_wanted_precision() -> None:
    scene = [street((0, (10, 10, 30, 30)), (0, (40, 40, 60, 60)))]
    found = [
        [
            seen("pedestrian", 0.9, 10, 10, 30, 30),
            seen("pedestrian", 0.5, 40, 40, 60, 60),
            seen("pedestrian", 0.4, 0, 0, 5, 5),
        ]
    ]
    judged = evaluation.judged(scene, found, LABELS)["pedestrian"]
    assert (judged.threshold, judged.precision, judged.recall_all) == (0.5, 1.0, 1.0)
    assert judged.recall[0] == 1.0 and judged.counted == (2, 0, 0, 0, 0)


shipped = pytest.mark.skipif(not (cards.WEIGHTS_DIR / "cards.json").exists(), reason="no weights shipped")


@shipped
def test_the_shipped_model_card_is_what_its_cards_say() -> None:
    listed = list(cards.read_cards().values())
    assert (cards.WEIGHTS_DIR / "MODEL_CARD.md").read_text(encoding="utf-8") == cards.markdown(listed)
    assert tuple(card.name for card in listed) == cards.SIZES


@shipped
def test_larger_shipped_models_are_slower_and_see_pedestrians_farther() -> None:
    listed = [cards.read_card(size) for size in cards.SIZES]
    speeds = [card.latency.p50_ms for card in listed]
    precisions = [card.figures["pedestrian"].average_precision for card in listed]
    far = [card.figures["pedestrian"].recall for card in listed]
    assert speeds == sorted(speeds) and precisions == sorted(precisions)
    for k, (near, distant) in enumerate(cards.DISTANCE_BINS_M):
        if distant > 25:
            found = [recall[k] for recall in far]
            assert found == sorted(found), f"pedestrians at {near} to {distant} m"


@shipped
@pytest.mark.parametrize("size", cards.SIZES)
def test_every_shipped_file_is_whole_small_enough_and_of_its_size(size: str) -> None:
    weights = cards.WEIGHTS_DIR / f"{size}.safetensors"
    _, card = load_network(size, weights, architecture=ARCHITECTURES[size])
    assert card.size_bytes < 3_000_000
    assert all(figures.precision >= 0.88 for figures in card.figures.values())
    assert card.recipe.seed != card.recipe.held_out_seed
