"""A trained model at work: picture in, boxes out, on a fixed number of threads. Needs torch.

Decides how boxes are read from the network's output. Which model runs when is decided elsewhere.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from operators.detection.base import checked_frame
from operators.detection.nms import suppress
from operators.messages import Box, Detection
from operators.models.cards import ARCHITECTURES, SIZES, WEIGHTS_DIR, ModelCard
from operators.models.errors import ModelFileError
from operators.models.loading import load_network
from operators.models.network import CentreNet, normalised, resized

CANDIDATES_MAX = 128
"""Peaks looked at per picture; a street shows far fewer road users."""
OVERLAP_MAX = 0.55


class TorchDetector:
    """One size of the shipped family, on CPU.

    Args:
        size: ``small``, ``medium`` or ``large``.
        weights: a weights file with its ``cards.json`` beside it; the shipped one if None.
        threads: intra-operator threads of torch. One, unless this process has cores to itself.
        score_min: replaces the card's thresholds for all labels if given.

    Raises ModelFileError when the file is missing, damaged or of another architecture.
    """

    def __init__(
        self, size: str, *, weights: Path | None = None, threads: int = 1, score_min: float | None = None
    ) -> None:
        if size not in ARCHITECTURES:
            raise ModelFileError(f"there is no model size {size!r}", hint=f"choose one of: {', '.join(SIZES)}")
        path = WEIGHTS_DIR / f"{size}.safetensors" if weights is None else weights
        self.name = size
        self.threads = threads
        self.architecture = ARCHITECTURES[size]
        self.network: CentreNet
        self.card: ModelCard
        self.network, self.card = load_network(size, path, architecture=self.architecture)
        self.thresholds = np.array(
            [self.card.threshold(label) if score_min is None else score_min for label in self.architecture.labels]
        )

    def warm_up(self) -> None:
        """Runs twice on grey, so that the first real picture does not pay for kernel selection."""
        for _ in range(2):
            self.detect(np.full((360, 640, 3), 128, dtype=np.uint8))

    def detect(self, rgb: NDArray[np.uint8]) -> tuple[Detection, ...]:
        """Road users in ``rgb`` (height, width, 3) uint8: boxes in its pixels, best score first. InvalidFrame."""
        rgb = checked_frame(rgb)
        if torch.get_num_threads() != self.threads:
            torch.set_num_threads(self.threads)
        height, width = rgb.shape[:2]
        # A copy, since messages are read-only and torch cannot express that.
        picture = torch.from_numpy(np.array(rgb, order="C")).permute(2, 0, 1)[None]
        shape = self.architecture
        with torch.inference_mode():
            x = normalised(resized(picture, shape.input_height_px, shape.input_width_px))
            output = self.network(x.contiguous(memory_format=torch.channels_last))[0]
            scores, labels, boxes = decoded(output, len(shape.labels), shape.stride_px)
        enough = scores >= self.thresholds[labels]
        scores, labels, boxes = scores[enough], labels[enough], boxes[enough]
        scale = np.array([width / shape.input_width_px, height / shape.input_height_px] * 2)
        boxes = np.clip(boxes * scale, 0.0, [width, height, width, height])
        kept = suppress(boxes, scores, labels, max_overlap=OVERLAP_MAX)
        return tuple(_detection(shape.labels[labels[k]], scores[k], boxes[k]) for k in kept)


def decoded(
    output: Tensor, n_labels: int, stride_px: int
) -> tuple[NDArray[np.float64], NDArray[np.int64], NDArray[np.float64]]:
    """Scores (n,), class numbers (n,) and boxes (n, 4) in input pixels of the peaks of one output (channels, h, w).

    A peak is a cell that no neighbour of its class exceeds. At most ``CANDIDATES_MAX`` of them, best first.
    """
    heat = torch.sigmoid(output[:n_labels].float())
    heat = heat * (functional.max_pool2d(heat[None], 3, 1, 1)[0] == heat)
    _, height, width = heat.shape
    best, index = heat.flatten().topk(min(CANDIDATES_MAX, heat.numel()))
    cell = index % (height * width)
    dx, dy, log_w, log_h = output[n_labels:].float().flatten(1)[:, cell].double()
    centre_x = (cell % width + 0.5 + dx) * stride_px
    centre_y = (cell // width + 0.5 + dy) * stride_px
    half_w, half_h = log_w.exp() * (stride_px / 2), log_h.exp() * (stride_px / 2)
    boxes = torch.stack((centre_x - half_w, centre_y - half_h, centre_x + half_w, centre_y + half_h), dim=1)
    labels = (index // (height * width)).numpy().astype(np.int64)
    return best.double().numpy(), labels, boxes.numpy()


def _detection(label: str, score: np.float64, box: NDArray[np.float64]) -> Detection:
    x0, y0, x1, y1 = (float(edge) for edge in box)
    return Detection(label=label, score=float(score), box=Box(x0_px=x0, y0_px=y0, x1_px=x1, y1_px=y1))
