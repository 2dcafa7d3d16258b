"""Varies training pictures: crop, scale, mirror, brightness, colour, noise. Chance comes from the generator given."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray

from operators.models.examples import Example
from operators.models.network import resized

KEPT_SHARE_MIN = 0.25
"""An object of which a crop leaves less than this is no longer asked for; see ``Example.visible``."""
_GRAIN_VALUES = 16381
"""Prime, so that the repeated grain never lines up with rows."""


def varied(example: Example, *, scale: float, width_px: int, height_px: int, rng: np.random.Generator) -> Example:
    """A crop of ``width_px`` x ``height_px``, resampled by about ``scale``, mirrored and recoloured by chance."""
    height, width = example.rgb.shape[:2]
    # A fifth is enlarged much: people right in front of the car are rare in the pictures, and must not be missed.
    low, high = ((-0.3, 0.3), (0.3, 1.2), (0.0, 0.0))[int(rng.choice(3, p=(0.45, 0.2, 0.35)))]
    scale *= float(np.exp(rng.uniform(low, high)))
    scale = max(scale, width_px / width, height_px / height)
    crop_w, crop_h = min(width, round(width_px / scale)), min(height, round(height_px / scale))
    x0, y0 = _corner(example, crop_w, crop_h, rng)
    cropped = _crop(example, x0, y0, crop_w, crop_h)
    mirror = rng.random() < 0.5
    rgb = cropped.rgb[:, ::-1] if mirror else cropped.rgb
    picture = torch.from_numpy(np.array(rgb, order="C")).permute(2, 0, 1)[None]
    resampled = resized(picture, height_px, width_px)[0].permute(1, 2, 0).numpy()
    boxes = cropped.boxes * np.array([width_px / crop_w, height_px / crop_h] * 2, dtype=np.float32)
    if mirror:
        boxes = np.stack((width_px - boxes[:, 2], boxes[:, 1], width_px - boxes[:, 0], boxes[:, 3]), axis=1)
    return Example(
        rgb=recoloured(resampled, rng),
        labels=cropped.labels,
        boxes=boxes,
        visible=cropped.visible,
        distance_m=cropped.distance_m,
    )


def recoloured(rgb: NDArray[np.uint8], rng: np.random.Generator) -> NDArray[np.uint8]:
    """Other exposure, contrast, colour balance and sensor noise."""
    levels = np.linspace(0.0, 1.0, 256)[:, None] ** np.exp(rng.uniform(-0.15, 0.15))
    levels = 255.0 * levels * np.exp(rng.uniform(-0.2, 0.2) + rng.normal(0.0, 0.03, 3)) + rng.uniform(-6, 6)
    table = np.clip(levels, 0, 255).astype(np.int16)
    values = np.stack([table[:, k][rgb[:, :, k]] for k in range(3)], axis=2)
    if rng.random() < 0.3:
        grain = (rng.standard_normal(_GRAIN_VALUES, dtype=np.float32) * rng.uniform(0.5, 5.0)).round().astype(np.int16)
        values += np.resize(grain, values.shape)
    clipped: NDArray[np.uint8] = np.clip(values, 0, 255).astype(np.uint8)
    return clipped


def _corner(example: Example, crop_w: int, crop_h: int, rng: np.random.Generator) -> tuple[int, int]:
    """Most crops contain a road user, pedestrians and far ones first: empty street teaches little."""
    height, width = example.rgb.shape[:2]
    if len(example.labels) and rng.random() < 0.75:
        weight = np.where(example.labels == 0, 2.0, 1.0)
        x0, y0, x1, y1 = example.boxes[rng.choice(len(weight), p=weight / weight.sum())]
        x = (x0 + x1) / 2 - crop_w * rng.uniform(0.15, 0.85)
        y = (y0 + y1) / 2 - crop_h * rng.uniform(0.25, 0.75)
    else:
        x, y = rng.uniform(0, width - crop_w), rng.uniform(0, height - crop_h)
    return int(np.clip(x, 0, width - crop_w)), int(np.clip(y, 0, height - crop_h))


def _crop(example: Example, x0: int, y0: int, crop_w: int, crop_h: int) -> Example:
    boxes = example.boxes - np.array([x0, y0, x0, y0], dtype=np.float32)
    clipped = np.clip(boxes, 0, np.array([crop_w, crop_h, crop_w, crop_h], dtype=np.float32))
    before = np.prod(np.maximum(boxes[:, 2:] - boxes[:, :2], 1e-3), axis=1)
    kept = np.prod(clipped[:, 2:] - clipped[:, :2], axis=1) / before
    inside = kept > 0.0
    visible = np.where(kept < KEPT_SHARE_MIN, 0.0, example.visible)[inside].astype(np.float32)
    return Example(
        rgb=example.rgb[y0 : y0 + crop_h, x0 : x0 + crop_w],
        labels=example.labels[inside],
        boxes=clipped[inside],
        visible=visible,
        distance_m=example.distance_m[inside],
    )
