"""Accuracy models: what a trained detector would probably find, said from the truth alone. For runs without pixels.

Decides how an answer is drawn, seeded by (seed, t, id) and with the memory that a detector's luck has from picture to
picture. How a model is fitted is ``accuracy_fitting``'s business. Needs neither torch nor pictures.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from statistics import NormalDist
from typing import NamedTuple

import msgspec
import numpy as np
from numpy.typing import NDArray

from operators.detection.nms import suppress
from operators.models.cards import WEIGHTS_DIR
from operators.models.errors import ModelFileError

Floats = NDArray[np.float64]
ACCURACY_FILE = "accuracy.json"
VERSION = 1
"""Raised whenever ``FEATURES`` or the meaning of a field changes."""
FEATURES = (
    "one",
    "log_height",
    "log_height_squared",
    "visible",
    "visible_squared",
    "visible_times_log_height",
    "log_distance",
    "log_aspect",
    "at_picture_edge",
    "night",
    "night_times_log_distance",
    "rain",
    "haze",
)
"""What a detection depends on: size in pixels, occlusion, distance, shape, light and weather."""
OVERLAP_MAX = 0.55
"""As the detectors': of two boxes of a class that overlap more, one goes."""
_NORMAL = NormalDist()


class Light(NamedTuple):
    """Light and weather: night, rain in [0, 1]; fog's visibility in metres, 0 for none."""

    night: float = 0.0
    rain: float = 0.0
    fog_m: float = 0.0


class Persistence(msgspec.Struct, frozen=True, kw_only=True):
    """How luck lasts: shares of its variance that stay for good and that change over ``slow_s``; the rest is new at
    every picture.
    """

    lasting: float
    slow: float
    slow_s: float


class ClassAccuracy(msgspec.Struct, frozen=True, kw_only=True):
    """One class of one detector; every tuple of weights goes with ``FEATURES``."""

    threshold: float
    detection: tuple[float, ...]
    """Log-odds of being found."""
    score: tuple[float, ...]
    """Log-odds of the score, when found; it spreads by ``score_std`` around that."""
    score_std: float
    edge_bias: tuple[tuple[float, ...], ...]
    """Four: x0, y0, x1, y1, relative to the outline's width or height."""
    edge_spread: tuple[tuple[float, ...], ...]
    """Four: logarithm of the standard deviation of the same."""
    edge_mixing: tuple[tuple[float, ...], ...]
    """(4, 4) lower triangular: the edges do not err independently."""
    edge_tail: float
    """Some road users have worse boxes for good: standard deviation of the logarithm of how much worse."""
    luck: Persistence
    edge_luck: tuple[Persistence, Persistence]
    """Of road users that are hidden in part or cut off by the picture's edge, and of whole ones."""
    false_rate: tuple[float, float, float]
    """Logarithm of false detections per picture: constant, night, rain and fog."""
    false_lasting_s: float
    false_boxes: tuple[tuple[float, float, float, float, float], ...]
    """Score and box of some that happened where nobody was."""
    ghost_share: float
    """Of the false detections: those that overlap a road user without being it, such as half of two parked cars."""
    ghost_boxes: tuple[tuple[float, float, float, float, float], ...]
    """Score and box of some, relative to the road user's outline: 0 its left or upper edge, 1 the other."""


class Agreement(msgspec.Struct, frozen=True, kw_only=True):
    """A figure on held-out pictures: from the detector, from the model, and the interval of their difference."""

    pixels: float
    fitted: float
    difference_low: float
    difference_high: float


class AccuracyRecipe(msgspec.Struct, frozen=True, kw_only=True):
    """How a model came about, enough to repeat it."""

    command: str
    scenes: int
    pictures: int
    road_users: int
    seed: int
    held_out_scenes: int
    held_out_seed: int
    data: str
    weights: str
    """Digest of the detector's weights."""


class DetectorAccuracy(msgspec.Struct, frozen=True, kw_only=True):
    """One detector: its classes, where the figures come from, and how well they agree with the pixels."""

    name: str
    labels: dict[str, ClassAccuracy]
    recipe: AccuracyRecipe
    agreement: dict[str, Agreement] = {}
    version: int = VERSION


class Seen(NamedTuple):
    """One road user as the truth has it: outline box (x0, y0, x1, y1) in the picture, visible share, distance."""

    id: int
    label: str
    box: tuple[float, float, float, float]
    visible: float
    distance_m: float


class Found(NamedTuple):
    """One answer: label, score, box."""

    label: str
    score: float
    box: tuple[float, float, float, float]


def features(seen: Sequence[Seen], light: Light, width_px: int, height_px: int) -> Floats:
    """(n, len(FEATURES)) of road users in one picture."""
    if not seen:
        return np.zeros((0, len(FEATURES)))
    boxes = np.array([one.box for one in seen], dtype=np.float64)
    visible = np.array([one.visible for one in seen], dtype=np.float64)
    distance = np.clip(np.array([one.distance_m for one in seen], dtype=np.float64), 1.0, 200.0)
    width, height = _sides(boxes)
    size = np.log(np.clip(height, 3.0, 400.0) / 40.0)
    far = np.log(distance / 20.0)
    at_edge = (boxes[:, 0] <= 1) | (boxes[:, 2] >= width_px - 1) | (boxes[:, 1] <= 1) | (boxes[:, 3] >= height_px - 1)
    haze = 1.0 - np.exp(-3.0 * distance / light.fog_m) if light.fog_m > 0.0 else np.zeros(len(seen))
    one = np.ones(len(seen))
    columns = (one, size, size**2, visible, visible**2, visible * size, far, np.log(width / height), at_edge)
    return np.column_stack((*columns, light.night * one, light.night * far, light.rain * one, haze)).astype(np.float64)


def answer(
    model: DetectorAccuracy, seen: Sequence[Seen], light: Light, *, width_px: int, height_px: int, seed: int, t: int
) -> tuple[Found, ...]:
    """What the detector says of a picture taken at ``t`` (ns), best score first. The same for equal arguments."""
    found: list[Found] = []
    for k, (label, one) in enumerate(model.labels.items()):
        mine = [user for user in seen if user.label == label]
        stream = seed * 64 + 8 * k
        found += _true_ones(one, mine, features(mine, light, width_px, height_px), (width_px, height_px), stream, t)
        found += [Found(label, *row) for row in false_ones(one, seen, light, stream + 7, t)]
    if not found:
        return ()
    boxes, scores = np.array([item.box for item in found]), np.array([item.score for item in found])
    labels = np.array([list(model.labels).index(item.label) for item in found], dtype=np.int64)
    return tuple(found[int(k)] for k in suppress(boxes, scores, labels, max_overlap=OVERLAP_MAX))


def _true_ones(
    one: ClassAccuracy, seen: Sequence[Seen], rows: Floats, picture: tuple[int, int], stream: int, t: int
) -> list[Found]:
    ids = np.array([user.id for user in seen], dtype=np.uint64)
    if not len(ids):
        return []
    chance = probability(one, rows)
    rank = np.array([_NORMAL.cdf(z) for z in luck(one.luck, stream, ids, t)])
    hits = np.flatnonzero(rank > 1.0 - chance)
    if not len(hits):
        return []
    lasts = edge_persistence(one, rows[hits])
    noise = np.stack([luck(lasts, stream + 1 + k, ids[hits], t) for k in range(4)], axis=1)
    noise *= np.exp(one.edge_tail * normals(stream + 5, ids[hits], 0))[:, None]
    edges = _edges(one, seen, rows, hits, noise, picture)
    found = []
    for k, box in zip(hits, edges, strict=True):
        within = min(max((rank[k] - (1.0 - chance[k])) / chance[k], 1e-3), 1.0 - 1e-3)
        logit = float(rows[k] @ np.array(one.score)) + one.score_std * _NORMAL.inv_cdf(within)
        score = min(0.995, max(one.threshold, 1.0 / (1.0 + math.exp(-min(max(logit, -30.0), 30.0)))))
        found.append(Found(seen[int(k)].label, score, (box[0], box[1], box[2], box[3])))
    return found


def probability(one: ClassAccuracy, rows: Floats) -> Floats:
    """Chance of being found, (n,)."""
    chance: Floats = 1.0 / (1.0 + np.exp(-np.clip(rows @ np.array(one.detection), -30.0, 30.0)))
    return chance


def _edges(
    one: ClassAccuracy,
    seen: Sequence[Seen],
    rows: Floats,
    hits: NDArray[np.int64],
    noise: Floats,
    picture: tuple[int, int],
) -> list[list[float]]:
    boxes = np.array([seen[k].box for k in hits], dtype=np.float64)
    width, height = _sides(boxes)
    spread = np.exp(np.clip(rows[hits] @ np.array(one.edge_spread).T, -8.0, 0.5))
    error = rows[hits] @ np.array(one.edge_bias).T + spread * (noise @ np.array(one.edge_mixing).T)
    boxes = boxes + np.clip(error, -0.9, 0.9) * np.stack([width, height, width, height], axis=1)
    boxes = np.clip(boxes, 0.0, [*picture, *picture])
    boxes[:, 2:] = np.maximum(boxes[:, 2:], boxes[:, :2] + 1.0)
    return [[float(value) for value in box] for box in boxes]


def false_ones(
    one: ClassAccuracy, seen: Sequence[Seen], light: Light, stream: int, t: int
) -> list[tuple[float, tuple[float, float, float, float]]]:
    """Score and box of what is found and is nobody: as many, as lasting and as near to road users as the detector's."""
    constant, night, haze = one.false_rate
    dim = max(light.rain, math.exp(-light.fog_m / 60.0) if light.fog_m > 0.0 else 0.0)
    rate = math.exp(min(3.0, constant + night * light.night + haze * dim))
    slot = int(t // max(1, round(one.false_lasting_s * 1e9)))
    rng = np.random.default_rng([stream, slot])
    near = [user for user in seen if user.visible > 0.2]
    found = []
    for _ in range(int(rng.poisson(rate))):
        ghost, which, whose = rng.random() < one.ghost_share, rng.random(), rng.random()
        boxes = one.ghost_boxes if ghost else one.false_boxes
        if not boxes or (ghost and not near):
            continue
        score, *edges = boxes[int(which * len(boxes))]
        if ghost:
            x0, y0, x1, y1 = near[int(whose * len(near))].box
            low, size = (x0, y0, x0, y0), (x1 - x0, y1 - y0, x1 - x0, y1 - y0)
            edges = [a + share * b for a, share, b in zip(low, edges, size, strict=True)]
        found.append((score, (edges[0], edges[1], edges[2], edges[3])))
    return found


class Shares(NamedTuple):
    """``Persistence`` of several road users: shares (n,), and the time of the slow part, which they have in common."""

    lasting: Floats
    slow: Floats
    slow_s: float


def edge_persistence(one: ClassAccuracy, rows: Floats) -> Shares:
    """How the errors of boxes last: of whole road users longer, since they are their shape's."""
    part, whole = one.edge_luck
    share = wholeness(rows)
    lasting = (1.0 - share) * part.lasting + share * whole.lasting
    return Shares(lasting, (1.0 - share) * part.slow + share * whole.slow, part.slow_s)


def wholeness(rows: Floats) -> Floats:
    """From 0, half hidden or cut off, to 1, (n,)."""
    visible, cut = rows[:, FEATURES.index("visible")], rows[:, FEATURES.index("at_picture_edge")]
    share: Floats = np.clip((visible - 0.5) / 0.3, 0.0, 1.0) * (1.0 - cut)
    return share


def luck(lasts: Persistence | Shares, stream: int, ids: NDArray[np.uint64], t: int) -> Floats:
    """Standard normal draws, (n,): pure functions of (stream, id, t) that change with t as ``lasts`` says."""
    span = max(1, round(lasts.slow_s * 1e9))
    at, share = divmod(int(t), span)[0], (int(t) % span) / span
    before, after = normals(stream, ids, 2 * at + 2), normals(stream, ids, 2 * at + 4)
    slow = ((1.0 - share) * before + share * after) / math.hypot(1.0 - share, share)
    new = np.maximum(0.0, 1.0 - lasts.lasting - lasts.slow)
    draws: Floats = np.sqrt(lasts.lasting) * normals(stream, ids, 0) + np.sqrt(lasts.slow) * slow
    return draws + np.sqrt(new) * normals(stream, ids, 2 * int(t) + 1)


def normals(stream: int, ids: NDArray[np.uint64], number: int) -> Floats:
    """Standard normal draws, (n,), from a hash of (stream, id, number).

    Source: Steele, Lea & Flood, Fast Splittable Pseudorandom Number Generators (2014), the finaliser of SplitMix64
    """
    key = _mixed(np.array([stream % 2**64], np.uint64)) ^ np.array([number % 2**64], np.uint64)
    first = _mixed(_mixed(key) ^ ids.astype(np.uint64))
    second = _mixed(first + np.uint64(0x9E3779B97F4A7C15))
    radius = np.sqrt(-2.0 * np.log((first >> np.uint64(11)).astype(np.float64) * 2.0**-53 + 2.0**-54))
    return np.asarray(radius * np.cos(2.0 * math.pi * (second >> np.uint64(11)).astype(np.float64) * 2.0**-53))


def _mixed(x: NDArray[np.uint64]) -> NDArray[np.uint64]:
    x = x + np.uint64(0x9E3779B97F4A7C15)
    x = (x ^ (x >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    x = (x ^ (x >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return x ^ (x >> np.uint64(31))


def _sides(boxes: Floats) -> tuple[Floats, Floats]:
    return np.maximum(boxes[:, 2] - boxes[:, 0], 1.0), np.maximum(boxes[:, 3] - boxes[:, 1], 1.0)


def read_accuracy(folder: Path = WEIGHTS_DIR) -> dict[str, DetectorAccuracy]:
    """All accuracy models of ``folder``, by detector. Raises ModelFileError when the file is missing or damaged."""
    path, hint = folder / ACCURACY_FILE, "restore the file from the distribution or run `skylane fit-detectors`"
    try:
        models = msgspec.json.decode(path.read_bytes(), type=dict[str, DetectorAccuracy])
    except OSError as error:
        raise ModelFileError(
            f"the accuracy models cannot be read: {error.strerror}", where=str(path), hint=hint
        ) from None
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise ModelFileError(f"the accuracy models are damaged: {error}", where=str(path), hint=hint) from None
    old = [model.name for model in models.values() if model.version != VERSION]
    if old:
        raise ModelFileError(f"the accuracy model of {old[0]} is of another version", where=str(path), hint=hint)
    return models


def write_accuracy(models: dict[str, DetectorAccuracy], folder: Path) -> Path:
    """Write all models into ``folder``."""
    path = folder / ACCURACY_FILE
    folder.mkdir(parents=True, exist_ok=True)
    path.write_bytes(msgspec.json.format(msgspec.json.encode(models), indent=1) + b"\n")
    return path
