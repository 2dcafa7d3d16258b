"""The card of a model: its architecture, digest, operating point and measured figures, as JSON and as Markdown.

Reading a card needs no torch. What the figures mean is decided by ``evaluation``; how weights are read, by ``loading``.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, TypeVar

import msgspec

from operators.models.errors import ModelFileError

S = TypeVar("S", bound=msgspec.Struct)

CARDS_FILE = "cards.json"
WEIGHTS_DIR = Path(__file__).parent / "weights"
SIZES: tuple[str, ...] = ("small", "medium", "large")
"""The family, fastest first."""
MODEL_VERSION = 1
"""Raised whenever the tensors' names, shapes or meaning change."""
DISTANCE_BINS_M: tuple[tuple[float, float], ...] = ((0, 15), (15, 25), (25, 40), (40, 60), (60, 90))


class Architecture(msgspec.Struct, frozen=True, kw_only=True):
    """All that fixes a network. ``channels`` at strides 2, 4, 8, 16, 32; residual ``blocks`` at 4, 8, 16, 32."""

    input_width_px: int
    input_height_px: int
    channels: tuple[int, int, int, int, int]
    blocks: tuple[int, int, int, int]
    labels: tuple[str, ...] = ("pedestrian", "vehicle")
    stride_px: int = 4
    version: int = MODEL_VERSION


ARCHITECTURES: dict[str, Architecture] = {
    "small": Architecture(input_width_px=320, input_height_px=180, channels=(16, 24, 32, 48, 64), blocks=(1, 1, 1, 2)),
    "medium": Architecture(input_width_px=480, input_height_px=270, channels=(16, 32, 48, 64, 96), blocks=(1, 1, 1, 2)),
    "large": Architecture(input_width_px=640, input_height_px=360, channels=(16, 32, 64, 96, 128), blocks=(1, 2, 2, 2)),
}


class ClassFigures(msgspec.Struct, frozen=True, kw_only=True):
    """How well one class is found in held-out pictures, at IoU 0.5.

    ``recall`` and ``counted`` follow ``DISTANCE_BINS_M``; a bin without objects has recall 0 and count 0. Errors are
    those of matched boxes, in pixels of the full picture.
    """

    threshold: float
    average_precision: float
    precision: float
    recall_all: float
    recall: tuple[float, ...]
    counted: tuple[int, ...]
    bottom_error_px_p50: float
    centre_error_px_p50: float


class Latency(msgspec.Struct, frozen=True, kw_only=True):
    """Processor time of one ``detect`` call, resize to boxes, batch 1: what it takes on a core of its own."""

    p50_ms: float
    p99_ms: float
    runs: int
    threads: int
    cpu: str


class Recipe(msgspec.Struct, frozen=True, kw_only=True):
    """How the weights came about, enough to repeat it."""

    pictures: int
    steps: int
    batch: int
    seed: int
    held_out_pictures: int
    held_out_seed: int
    data: str
    start: str = ""
    """The checkpoint whose weights it began with; empty: random ones."""
    torch: str


class ModelCard(msgspec.Struct, frozen=True, kw_only=True):
    """One model: which file, with which digest, of which architecture, and how good."""

    name: str
    file: str
    size_bytes: int
    blake2b: str
    """Digest (32 bytes, hex) of the whole weights file."""
    parameters: int
    architecture: Architecture
    figures: dict[str, ClassFigures]
    """By label."""
    latency: Latency
    recipe: Recipe
    licence: str = "Apache-2.0"

    def threshold(self, label: str) -> float:
        """Score from which a detection of ``label`` is reported."""
        return self.figures[label].threshold


def read_cards(folder: Path = WEIGHTS_DIR) -> dict[str, ModelCard]:
    """All cards of ``folder``, by model name. Raises ModelFileError when the file is missing or not a set of cards."""
    path = folder / CARDS_FILE
    try:
        return msgspec.json.decode(path.read_bytes(), type=dict[str, ModelCard])
    except OSError as error:
        raise ModelFileError(
            f"the model cards cannot be read: {error.strerror}",
            where=str(path),
            hint="restore the file from the distribution or train the models with `skylane train`",
        ) from None
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise ModelFileError(
            f"the model cards are damaged: {error}",
            where=str(path),
            hint="restore the file from the distribution or train the models with `skylane train`",
        ) from None


def read_card(name: str, folder: Path = WEIGHTS_DIR) -> ModelCard:
    """The card of one model. Raises ModelFileError when there is none."""
    cards = read_cards(folder)
    if name not in cards:
        raise ModelFileError(
            f"there is no card for model {name!r}",
            where=str(folder / CARDS_FILE),
            hint=f"choose one of: {', '.join(cards) or 'none (train one with `skylane train`)'}",
        )
    return cards[name]


def changed(value: S, **fields: Any) -> S:
    """``value`` with some fields replaced."""
    return msgspec.structs.replace(value, **fields)


def write_card(card: ModelCard, folder: Path) -> None:
    """Adds or replaces one card in ``folder`` and rewrites MODEL_CARD.md from all of them."""
    cards = read_cards(folder) if (folder / CARDS_FILE).exists() else {}
    cards[card.name] = card
    known = [name for name in SIZES if name in cards]
    ordered = {name: cards[name] for name in known + sorted(set(cards) - set(known))}
    (folder / CARDS_FILE).write_bytes(msgspec.json.format(msgspec.json.encode(ordered), indent=2) + b"\n")
    (folder / "MODEL_CARD.md").write_text(markdown(list(ordered.values())), encoding="utf-8")


def markdown(cards: list[ModelCard]) -> str:
    """MODEL_CARD.md: every figure below comes from the cards, none is written by hand."""
    lines = [
        "# Detector family",
        "",
        "Anchor-free centre-point detectors (heatmap, offset, size at stride 4) for pedestrians and vehicles in "
        "640 × 360 pictures. Generated from `cards.json` by the evaluation; do not edit.",
        "",
        "## Size and speed",
        "",
        "Processor time of one picture on one thread, from resizing to boxes.",
        "",
        "| model | input px | parameters | file kB | p50 ms | p99 ms | measured on |",
        "|---|---|---|---|---|---|---|",
    ]
    for card in cards:
        shape, latency = card.architecture, card.latency
        lines.append(
            f"| {card.name} | {shape.input_width_px} × {shape.input_height_px} | {card.parameters:,} "
            f"| {card.size_bytes / 1000:.0f} | {latency.p50_ms:.1f} | {latency.p99_ms:.1f} "
            f"| {latency.cpu}, {latency.threads} thread, {latency.runs} runs |"
        )
    for label in cards[0].architecture.labels if cards else ():
        lines += ["", *_class_table(label, cards)]
    lines += ["", *_provenance(cards)]
    return "\n".join(lines) + "\n"


def _class_table(label: str, cards: list[ModelCard]) -> list[str]:
    bins = [f"{near:.0f}–{far:.0f} m" for near, far in DISTANCE_BINS_M]
    lines = [
        f"## {label.capitalize()}: held-out pictures, IoU ≥ 0.5",
        "",
        "Precision and recall hold at the threshold; in brackets the number of objects. Errors are medians over "
        "matched boxes, in pixels of the full picture.",
        "",
        f"| model | AP | threshold | precision | recall | {' | '.join(bins)} | bottom px | centre px |",
        "|---" * (7 + len(bins)) + "|",
    ]
    for card in cards:
        figures = card.figures[label]
        recall = " | ".join(f"{r:.2f} ({n})" for r, n in zip(figures.recall, figures.counted, strict=True))
        lines.append(
            f"| {card.name} | {figures.average_precision:.3f} | {figures.threshold:.2f} | {figures.precision:.3f} "
            f"| {figures.recall_all:.2f} | {recall} | {figures.bottom_error_px_p50:.1f} "
            f"| {figures.centre_error_px_p50:.1f} |"
        )
    return lines


def _provenance(cards: list[ModelCard]) -> list[str]:
    lines = [
        "## Training",
        "",
        "| model | pictures | steps × batch | starts from | seed | held out | torch |",
        "|---|---|---|---|---|---|---|",
    ]
    for card in cards:
        recipe = card.recipe
        lines.append(
            f"| {card.name} | {recipe.pictures} | {recipe.steps} × {recipe.batch} "
            f"| {recipe.start or 'random'} | {recipe.seed} "
            f"| {recipe.held_out_pictures} pictures of seed {recipe.held_out_seed} | {recipe.torch} |"
        )
    data = sorted({card.recipe.data for card in cards})
    licences = sorted({card.licence for card in cards})
    return [
        *lines,
        "",
        "Orthogonalised momentum with a cosine schedule and a moving average of the weights; crops, flips, scale, "
        "brightness, colour and noise are varied. Loss: penalty-reduced focal loss on the centres, L1 and "
        "generalised-IoU loss on the boxes. A network that starts from a smaller one begins with its answers.",
        "",
        f"Data: {' '.join(data)}",
        "",
        f"Licence: {', '.join(licences)}.",
        "",
        "## Limits",
        "",
        "Trained and measured on synthetic pictures of this project's own renderer only. The figures say nothing about "
        "real cameras, night, rain, or classes other than the two above, and must not be used to argue that a real car "
        "is safe. Held-out pictures show other scenes, partly in the same streets, and the thresholds were chosen on "
        "them: elsewhere expect somewhat less. Boxes of 3 to 10 pixels (people beyond 40 m) rarely reach IoU 0.5.",
    ]
