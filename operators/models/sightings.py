"""What was truly there in a picture and what the detectors found: the data of an accuracy model, and its matching.

Boxes are (x0, y0, x1, y1) in pixels, half-open. Where the pictures come from is decided elsewhere.
"""

from __future__ import annotations

import msgspec
import numpy as np
from numpy.typing import NDArray

from operators.detection.nms import overlap

Edges = tuple[float, float, float, float]
MATCH_OVERLAP_MIN = 0.3
FALSE_OVERLAP_MAX = 0.3
"""A detection that overlaps no road user more than this is a false one; a second one of the same is neither."""


class Sighting(msgspec.Struct, frozen=True, kw_only=True):
    """One road user in one picture."""

    id: int
    label: str
    box: Edges
    """Of its 3-D outline, clipped to the picture: what is known without pixels."""
    visible: float
    distance_m: float
    tight: Edges | None
    """Around its visible pixels; None when there are too few."""


class View(msgspec.Struct, frozen=True, kw_only=True):
    """One picture: light and weather, who was there, what each model found (label, score, box)."""

    t: int
    width_px: int
    height_px: int
    night: float
    rain: float
    fog_m: float
    seen: tuple[Sighting, ...]
    found: dict[str, tuple[tuple[str, float, float, float, float, float], ...]]


class Sightings(msgspec.Struct, frozen=True, kw_only=True):
    """The pictures of one scene, in order."""

    scene: str
    views: tuple[View, ...]


def matched(view: View, model: str, label: str) -> tuple[dict[int, int], list[int]]:
    """(road user's id → index of the detection that found it, indices of false detections), for one class.

    Best score first, each detection takes the free road user whose visible pixels it overlaps most.
    """
    rows = view.found[model]
    users = [user for user in view.seen if user.tight is not None and user.label == label]
    everyone = np.array([user.tight for user in view.seen if user.tight is not None], dtype=np.float64).reshape(-1, 4)
    tight = np.array([user.tight for user in users], dtype=np.float64).reshape(-1, 4)
    hits: dict[int, int] = {}
    false: list[int] = []
    mine = sorted((k for k, row in enumerate(rows) if row[0] == label), key=lambda k: -rows[k][1])
    for k in mine:
        box: NDArray[np.float64] = np.array([rows[k][2:]], dtype=np.float64)
        shares = overlap(box, tight)[0] if len(tight) else np.zeros(0)
        free = [i for i in np.argsort(-shares) if shares[i] >= MATCH_OVERLAP_MIN and users[i].id not in hits]
        if free:
            hits[users[free[0]].id] = k
        elif not len(everyone) or overlap(box, everyone)[0].max() < FALSE_OVERLAP_MAX:
            false.append(k)
    return hits, false
