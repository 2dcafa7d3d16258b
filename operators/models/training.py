"""Trains one network on labelled pictures: targets, loss, schedule, checkpoints. Step k depends on (seed, k) alone.

Decides nothing about where pictures come from, nor whether the result is good (``evaluation``).
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from operators.models.augmentation import varied
from operators.models.cards import Architecture
from operators.models.errors import ModelFileError
from operators.models.examples import Example, Examples
from operators.models.network import CentreNet, channels_last, normalised
from operators.models.optimizer import OrthogonalMomentum

VISIBLE_MIN = 0.2
"""Less than this of an object is neither asked for nor punished."""
CENTRE_SHARE = 0.12
"""Standard deviation of a centre's bump, as a share of the box side; at least ``SIGMA_MIN`` cells."""
SIGMA_MIN = 0.7
POSITIVE_MIN = 0.6
"""Cells whose bump is at least this high shall fire and learn the box; several per object teach faster than one."""
CELLS_PER_OBJECT = 4.0
"""Larger objects fire in more cells, but weigh no more than this many: near trucks must not outweigh far people."""
WHOLE_EVERY = 4
"""Every so many steps whole pictures are shown instead of crops, so that near trucks are seen in one piece."""


@dataclass(frozen=True)
class Plan:
    """What a training run does.

    ``picture_width_px`` is the width of the pictures given; crops are ``crop_px`` (width, height) of the network's
    input resolution.
    """

    architecture: Architecture
    steps: int
    seed: int
    batch: int = 8
    whole_batch: int = 2
    """Pictures in every ``WHOLE_EVERY``-th step."""
    crop_px: tuple[int, int] = (320, 128)
    picture_width_px: int = 640
    learning_rate: float = 0.04
    ema: float = 0.995


@dataclass(frozen=True)
class Targets:
    """What the network should have said for one batch; all float32, (batch, …, h, w) with h, w in cells."""

    heat: Tensor
    heat_weight: Tensor
    box: Tensor
    box_weight: Tensor


def targets(example: Example, architecture: Architecture) -> tuple[NDArray[np.float32], ...]:
    """Heat (labels, h, w), its weight, boxes (4, h, w) as x0, y0, x1, y1 in cells, their weight (h, w), of one example.

    Source: Zhou et al., Objects as Points (2019), §3; elliptic bumps as in Liu et al., TTFNet (2020), §4.2
    """
    stride = architecture.stride_px
    height, width = (-(-side // stride) for side in example.rgb.shape[:2])
    heat = np.zeros((len(architecture.labels), height, width), dtype=np.float32)
    weight = np.ones_like(heat)
    box = np.zeros((4, height, width), dtype=np.float32)
    box_weight = np.zeros((height, width), dtype=np.float32)
    best = np.zeros((height, width), dtype=np.float32)
    ys, xs = np.arange(height, dtype=np.float32), np.arange(width, dtype=np.float32)
    # Hidden objects first, so that what they blank out is given back to those in front of them.
    for k in np.argsort(example.visible >= VISIBLE_MIN, kind="stable"):
        label, (x0, y0, x1, y1) = example.labels[k], example.boxes[k] / stride
        if example.visible[k] < VISIBLE_MIN:
            rows = slice(max(0, math.floor(y0) - 1), math.ceil(y1) + 1)
            weight[label, rows, max(0, math.floor(x0) - 1) : math.ceil(x1) + 1] = 0.0
            continue
        centre_x, centre_y = (x0 + x1) / 2 - 0.5, (y0 + y1) / 2 - 0.5
        sigma_x, sigma_y = max(SIGMA_MIN, CENTRE_SHARE * (x1 - x0)), max(SIGMA_MIN, CENTRE_SHARE * (y1 - y0))
        bump = np.exp(
            -(((ys - centre_y) / sigma_y) ** 2)[:, None] / 2 - (((xs - centre_x) / sigma_x) ** 2)[None, :] / 2
        )
        bump /= bump.max()
        np.maximum(heat[label], bump, out=heat[label])
        mine = (bump >= POSITIVE_MIN) & (bump > best)
        best[mine] = bump[mine]
        box[:, mine] = np.array((x0, y0, x1, y1), dtype=np.float32)[:, None]
        box_weight[mine] = weight[label, mine] = bump[mine] * min(1.0, CELLS_PER_OBJECT / max(1e-6, bump[mine].sum()))
    return heat, weight, box, box_weight


def loss(output: Tensor, wanted: Targets, n_labels: int) -> Tensor:
    """Penalty-reduced focal loss on the centres plus L1 and generalised-IoU loss on the boxes; a scalar.

    Source: Law and Deng, CornerNet (2018), eq. 1; Rezatofighi et al., Generalized IoU (2019), eq. 1-2
    """
    output = output.float()
    heat = torch.sigmoid(output[:, :n_labels]).clamp(1e-4, 1 - 1e-4)
    centre = wanted.heat >= POSITIVE_MIN
    hit = torch.where(centre, (1 - heat) ** 2 * heat.log(), 0.0)
    miss = torch.where(centre, 0.0, (1 - wanted.heat) ** 4 * heat**2 * (1 - heat).log())
    positives = (centre * wanted.heat_weight).sum().clamp(min=1)
    focal = -((hit + miss) * wanted.heat_weight).sum() / positives
    chosen = wanted.box_weight > 0
    weight = wanted.box_weight[chosen]
    columns = torch.arange(output.shape[3], dtype=torch.float32).expand(output.shape[0], output.shape[2], -1)[chosen]
    rows = torch.arange(output.shape[2], dtype=torch.float32)[:, None].expand(wanted.box_weight.shape)[chosen]
    dx, dy, log_w, log_h = output[:, n_labels:].movedim(1, 0)[:, chosen]
    x0, y0, x1, y1 = wanted.box.movedim(1, 0)[:, chosen]
    centre_x, centre_y = columns + 0.5 + dx, rows + 0.5 + dy
    w, h = log_w.clamp(max=6.0).exp(), log_h.clamp(max=6.0).exp()
    true_w, true_h = (x1 - x0).clamp(min=0.1), (y1 - y0).clamp(min=0.1)
    # Offsets relative to the side, so that a pixel counts more on a far person than on a near truck.
    l1 = (centre_x - (x0 + x1) / 2).abs() / true_w.clamp(min=1) + (log_w - true_w.log()).abs()
    l1 = l1 + (centre_y - (y0 + y1) / 2).abs() / true_h.clamp(min=1) + (log_h - true_h.log()).abs()
    edges = (centre_x - w / 2, centre_y - h / 2, centre_x + w / 2, centre_y + h / 2)
    iou_loss = 1 - _generalised_iou(edges, (x0, y0, x1, y1))
    total: Tensor = focal + (weight * (l1 + 2.0 * iou_loss)).sum() / weight.sum().clamp(min=1)
    return total


def _generalised_iou(a: tuple[Tensor, ...], b: tuple[Tensor, ...]) -> Tensor:
    shared = (torch.minimum(a[2], b[2]) - torch.maximum(a[0], b[0])).clamp(min=0)
    shared = shared * (torch.minimum(a[3], b[3]) - torch.maximum(a[1], b[1])).clamp(min=0)
    union = (a[2] - a[0]) * (a[3] - a[1]) + (b[2] - b[0]) * (b[3] - b[1]) - shared
    hull = (torch.maximum(a[2], b[2]) - torch.minimum(a[0], b[0])) * (
        torch.maximum(a[3], b[3]) - torch.minimum(a[1], b[1])
    )
    return shared / union.clamp(min=1e-6) - (hull - union) / hull.clamp(min=1e-6)


def grown(small: dict[str, Tensor], fresh: dict[str, Tensor]) -> dict[str, Tensor]:
    """``fresh`` weights of a larger network, holding those of a ``small`` one such that the answers are the same."""
    result = {name: value.clone() for name, value in fresh.items()}
    for name, value in result.items():
        if name in small:
            old = small[name]
            if value.dim() == 4:
                value[: old.shape[0], old.shape[1] :] = 0.0
            value[tuple(slice(side) for side in old.shape)] = old
        elif name.endswith("second.norm.weight"):
            value.zero_()  # A block that adds nothing to its shortcut.
    return result


class Training:
    """A run that can stop after any step and go on from its checkpoint with the same result."""

    def __init__(self, plan: Plan, examples: Examples) -> None:
        self.plan, self.examples = plan, examples
        with torch.random.fork_rng():
            torch.manual_seed(plan.seed)
            self.network = channels_last(CentreNet(plan.architecture))
        self.optimizer = OrthogonalMomentum(self.network.parameters(), plan.learning_rate)
        self.average = {name: value.clone() for name, value in self.network.state_dict().items()}
        self.step = 0

    def run(self, *, until: int | None = None, report: Callable[[int, float], None] | None = None) -> None:
        """Trains up to step ``until`` (the plan's end if None); ``report(step, loss)`` hears of every step."""
        self.network.train()
        for _ in range(self.step, self.plan.steps if until is None else until):
            value = self._advance()
            if report is not None:
                report(self.step, value)

    def _advance(self) -> float:
        plan = self.plan
        rate = plan.learning_rate * min(1.0, (self.step + 1) / 50)
        rate *= 0.5 + 0.5 * math.cos(math.pi * self.step / plan.steps)
        for group in self.optimizer.param_groups:
            group["lr"] = rate
        picture, wanted = self.batch(self.step)
        # bfloat16 products halve the time of a step; weights and sums stay float32.
        with torch.autocast("cpu", dtype=torch.bfloat16):
            output = self.network(picture)
        value = loss(output, wanted, len(plan.architecture.labels))
        self.optimizer.zero_grad(set_to_none=True)
        value.backward()  # type: ignore[no-untyped-call]
        torch.nn.utils.clip_grad_norm_(self.network.parameters(), 20.0)
        self.optimizer.step()
        self.step += 1
        keep = min(plan.ema, (1 + self.step) / (10 + self.step))
        with torch.no_grad():
            for name, now in self.network.state_dict().items():
                if now.is_floating_point():
                    self.average[name].lerp_(now, 1 - keep)
        return float(value.detach())

    def batch(self, step: int) -> tuple[Tensor, Targets]:
        """Pictures (batch, 3, h, w), normalised, and targets of one step; a function of (seed, step) alone."""
        plan = self.plan
        rng = np.random.default_rng([plan.seed, step])
        shape = plan.architecture
        whole = step % WHOLE_EVERY == WHOLE_EVERY - 1
        width, height = (shape.input_width_px, shape.input_height_px) if whole else plan.crop_px
        scale = shape.input_width_px / plan.picture_width_px
        chosen = [
            varied(self.examples[int(k)], scale=scale, width_px=width, height_px=height, rng=rng)
            for k in rng.integers(len(self.examples), size=plan.whole_batch if whole else plan.batch)
        ]
        rgb = torch.from_numpy(np.stack([example.rgb for example in chosen])).permute(0, 3, 1, 2)
        parts = [targets(example, plan.architecture) for example in chosen]
        wanted = Targets(*(torch.from_numpy(np.stack(column)) for column in zip(*parts, strict=True)))
        return normalised(rgb).contiguous(memory_format=torch.channels_last), wanted

    def averaged(self) -> CentreNet:
        """The moving average of the weights as a folded network of its own."""
        network = CentreNet(self.plan.architecture)
        network.load_state_dict(self.average)
        return network.fold()

    def save(self, path: Path) -> None:
        """Writes a checkpoint; replaces the old one only when the new one is whole."""
        whole: dict[str, Any] = {
            "step": self.step,
            "network": self.network.state_dict(),
            "average": self.average,
            "optimizer": self.optimizer.state_dict(),
        }
        partial = path.with_suffix(".partial")
        torch.save(whole, partial)
        partial.replace(path)

    def resume(self, path: Path) -> None:
        """Goes on where ``path`` was saved. Raises ModelFileError when it is not a checkpoint of this plan."""
        stored = self._read(path)
        try:
            self.network.load_state_dict(stored["network"])
            self.optimizer.load_state_dict(stored["optimizer"])
            self.average, self.step = stored["average"], stored["step"]
        except (RuntimeError, KeyError, ValueError) as error:
            raise ModelFileError(
                f"the checkpoint does not fit this training: {str(error).splitlines()[0]}",
                where=str(path),
                hint="delete it to start afresh",
            ) from None

    def start_from(self, path: Path) -> None:
        """Starts with the averaged weights of another run's checkpoint, of this or a smaller architecture.

        Channels and blocks that the other lacks start without influence, so that the larger network begins with the
        smaller one's answers. Source: Chen et al., Net2Net (2016), §2
        """
        stored: dict[str, Tensor] = self._read(path)["average"]
        try:
            self.network.load_state_dict(grown(stored, self.network.state_dict()))
        except (RuntimeError, KeyError) as error:
            raise ModelFileError(
                f"the checkpoint is of a larger architecture: {str(error).splitlines()[0]}",
                where=str(path),
                hint="start from a smaller or an equal one",
            ) from None
        self.average = {name: value.clone() for name, value in self.network.state_dict().items()}

    def _read(self, path: Path) -> dict[str, Any]:
        try:
            stored: dict[str, Any] = torch.load(path, weights_only=True)
        except Exception as error:  # torch raises a different type for each way in which a file can be broken.
            raise ModelFileError(
                f"the checkpoint cannot be read: {error}", where=str(path), hint="delete it to start afresh"
            ) from None
        return stored
