"""The detectors' data recipe: which rendered pictures train them, which judge them, and where the results go.

How a network learns and what counts as found is decided in ``operators.models``. Needs torch.
"""

from __future__ import annotations

import platform
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from operators.detection.torch_detector import TorchDetector
from operators.messages import LABELS, CameraModel, Detection
from operators.models import cards, evaluation, loading, training
from operators.models.examples import Example, Examples
from pipeline.errors import UsageError
from scenarios import dataset

HELD_OUT_SEED = 9_000_001
"""No picture of this seed is ever trained on."""
STEPS_PER_MINUTE = {"small": 700, "medium": 450, "large": 300}
"""Fixed, so that ``minutes`` names the same training on every computer; about right on one core of a 2024 server."""
PROMINENT_PX = 2000
"""An object with this many pixels in view counts as wholly visible, whatever share of it that is."""
SILHOUETTE_M2 = 0.28
"""Silhouette of a small person seen from the side."""
CROPS_PX = {"small": (256, 112), "medium": (320, 128), "large": (320, 144)}
DATA = (
    "Rendered streets of `scenarios.dataset`: random roads, traffic, people, occluders, light; picture k of a seed "
    "depends on (seed, k) alone. Boxes are tight around the visible pixels."
)
_NO_LATENCY = cards.Latency(p50_ms=0.0, p99_ms=0.0, runs=0, threads=1, cpu="not measured")
_CHECKPOINT_EVERY = 200


def train(
    size: str,
    *,
    pictures: int,
    minutes: float,
    seed: int,
    out: Path,
    start: Path | None = None,
    report: Callable[[str], None] = lambda _: None,
) -> Path:
    """Trains ``size`` for about ``minutes`` on ``pictures`` pictures of ``seed``; writes its weights file to ``out``.

    Pictures and checkpoints lie in ``out/cache``; a run that was stopped goes on from there and ends with the same
    weights. ``start`` names a checkpoint to begin with. The card is written by ``evaluate``. Raises UsageError for an
    unknown size or the held-out seed.
    """
    if seed == HELD_OUT_SEED:
        raise UsageError(f"seed {seed} is held out for evaluation", where="seed", hint="train on any other seed")
    torch.set_num_threads(1)
    torch.use_deterministic_algorithms(True)
    plan = _plan(size, minutes, seed)
    run = training.Training(plan, rendered(seed, pictures, out / "cache", report))
    checkpoint = checkpoint_file(size, pictures=pictures, minutes=minutes, seed=seed, out=out)
    if checkpoint.exists():
        run.resume(checkpoint)
        report(f"{size}: goes on at step {run.step} of {plan.steps}")
    elif start is not None:
        run.start_from(start)
    losses: list[float] = []
    while run.step < plan.steps:
        run.run(until=min(plan.steps, run.step + _CHECKPOINT_EVERY), report=lambda _, loss: losses.append(loss))
        run.save(checkpoint)
        report(f"{size}: step {run.step} of {plan.steps}, loss {np.mean(losses[-_CHECKPOINT_EVERY:]):.2f}")
    return _shipped(size, run, out, pictures=pictures, start=start)


def _plan(size: str, minutes: float, seed: int) -> training.Plan:
    return training.Plan(
        architecture=_architecture(size),
        steps=_steps(size, minutes),
        seed=seed,
        crop_px=CROPS_PX[size],
        whole_batch=4 if size == "small" else 2,
    )


def _shipped(size: str, run: training.Training, out: Path, *, pictures: int, start: Path | None) -> Path:
    """Writes the weights and a card without figures yet."""
    plan, network, weights = run.plan, run.averaged(), out / f"{size}.safetensors"
    digest = loading.save_weights(network, weights)
    recipe = cards.Recipe(
        pictures=pictures,
        steps=plan.steps,
        batch=plan.batch,
        seed=plan.seed,
        held_out_pictures=0,
        held_out_seed=HELD_OUT_SEED,
        data=DATA,
        start=start.stem if start else "",
        torch=str(torch.__version__),
    )
    card = cards.ModelCard(
        name=size,
        file=weights.name,
        size_bytes=weights.stat().st_size,
        blake2b=digest,
        parameters=sum(value.numel() for value in network.parameters()),
        architecture=plan.architecture,
        figures=evaluation.judged([], [], plan.architecture.labels),
        latency=_NO_LATENCY,
        recipe=recipe,
    )
    cards.write_card(card, out)
    return weights


def train_family(
    *,
    pictures: int,
    minutes: dict[str, float],
    seed: int,
    out: Path,
    report: Callable[[str], None] = lambda _: None,
) -> None:
    """Trains every size, each but the first from the next smaller one; ``minutes`` by size. See ``train``."""
    start: Path | None = None
    for size in cards.SIZES:
        train(size, pictures=pictures, minutes=minutes[size], seed=seed, out=out, start=start, report=report)
        start = checkpoint_file(size, pictures=pictures, minutes=minutes[size], seed=seed, out=out)


def checkpoint_file(size: str, *, pictures: int, minutes: float, seed: int, out: Path) -> Path:
    """Where such a training keeps its state."""
    return out / "cache" / f"{size}-{seed}-{pictures}-{_steps(size, minutes)}.checkpoint"


def _steps(size: str, minutes: float) -> int:
    return max(1, round(minutes * STEPS_PER_MINUTE[size]))


def evaluate(
    size: str,
    *,
    pictures: int,
    out: Path,
    now_ns: Callable[[], int],
    runs: int = 300,
    cache: Path | None = None,
    report: Callable[[str], None] = lambda _: None,
) -> cards.ModelCard:
    """Judges ``out/<size>.safetensors`` on held-out pictures and writes figures, thresholds and latency onto its card.

    ``now_ns`` is the clock that times ``runs`` single calls: processor time, so that a busy machine does not count.
    """
    _architecture(size)
    weights = out / f"{size}.safetensors"
    examples = rendered(HELD_OUT_SEED, pictures, cache or out / "cache", report)
    open_detector = TorchDetector(size, weights=weights, score_min=0.02)
    detections: list[Sequence[Detection]] = [open_detector.detect(example.rgb) for example in examples]
    figures = evaluation.judged(examples, detections, open_detector.architecture.labels)
    card = cards.read_card(size, out)
    recipe = cards.changed(card.recipe, held_out_pictures=pictures, held_out_seed=HELD_OUT_SEED)
    cards.write_card(cards.changed(card, figures=figures, recipe=recipe), out)
    p50, p99 = evaluation.timed(TorchDetector(size, weights=weights), examples[:64], runs, now_ns)
    latency = cards.Latency(p50_ms=round(p50, 2), p99_ms=round(p99, 2), runs=runs, threads=1, cpu=_cpu())
    card = cards.changed(cards.read_card(size, out), latency=latency)
    cards.write_card(card, out)
    return card


def rendered(seed: int, pictures: int, cache: Path, report: Callable[[str], None] = lambda _: None) -> Examples:
    """The first ``pictures`` pictures of ``seed``, from ``cache`` if the renderer still draws the same first one."""
    stem = cache / f"pictures-{seed}-{pictures}"
    first = example(seed, 0)
    stored = _stored(stem)
    if stored is None or len(stored) != pictures or not np.array_equal(stored[0].rgb, first.rgb):
        report(f"renders {pictures} pictures of seed {seed}")
        _store(stem, [first, *(example(seed, k) for k in range(1, pictures))])
        stored = _stored(stem)
    assert stored is not None
    return stored


def example(seed: int, index: int) -> Example:
    """Picture ``index`` of ``seed`` as training and evaluation read it."""
    rgb, boxes = dataset.picture(seed, index)
    return Example(
        rgb=rgb,
        labels=np.array([LABELS.index(box.label) for box in boxes], dtype=np.int64),
        boxes=np.array([(box.x0_px, box.y0_px, box.x1_px, box.y1_px) for box in boxes], np.float32).reshape(-1, 4),
        visible=np.array([_visible(box) for box in boxes], dtype=np.float32),
        distance_m=np.array([box.distance_m for box in boxes], dtype=np.float32),
    )


def _visible(box: dataset.LabelledBox) -> float:
    """The share in view that teaches and counts; geometry alone knows neither trees nor the picture's edge."""
    # A half truck that fills a third of the picture is no hidden object, although half of it lies beside the picture.
    share = max(box.visible_share, min(1.0, box.pixels / PROMINENT_PX))
    if box.label == "pedestrian":
        whole_px = SILHOUETTE_M2 * (CameraModel().fx_px / max(1.0, box.distance_m)) ** 2
        share = min(share, box.pixels / whole_px)
    return share


def _store(stem: Path, examples: Examples) -> None:
    """``.npy`` of all pictures and ``.npz`` of all labels; the labels, written last, make it valid."""
    stem.parent.mkdir(parents=True, exist_ok=True)
    stem.with_suffix(".npz").unlink(missing_ok=True)
    np.save(stem.with_suffix(".npy"), np.stack([one.rgb for one in examples]))
    np.savez(
        stem.with_suffix(".npz"),
        count=np.array([len(one.labels) for one in examples]),
        labels=np.concatenate([one.labels for one in examples]),
        boxes=np.concatenate([one.boxes for one in examples]),
        visible=np.concatenate([one.visible for one in examples]),
        distance_m=np.concatenate([one.distance_m for one in examples]),
    )


def _stored(stem: Path) -> list[Example] | None:
    if not stem.with_suffix(".npz").exists():
        return None
    rgb: NDArray[np.uint8] = np.load(stem.with_suffix(".npy"), mmap_mode="r")
    with np.load(stem.with_suffix(".npz")) as stored:
        columns = {name: stored[name] for name in stored.files}
    ends = np.cumsum(columns.pop("count"))[:-1]
    parts = {name: np.split(values, ends) for name, values in columns.items()}
    return [Example(rgb=rgb[k], **{name: values[k] for name, values in parts.items()}) for k in range(len(rgb))]


def _architecture(size: str) -> cards.Architecture:
    if size not in cards.ARCHITECTURES:
        raise UsageError(f"there is no model size {size!r}", where="size", hint=f"choose: {', '.join(cards.SIZES)}")
    return cards.ARCHITECTURES[size]


def _cpu() -> str:
    """The processor's model name, as well as the system tells."""
    info = Path("/proc/cpuinfo")
    lines = info.read_text().splitlines() if info.exists() else []
    names = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.machine()
