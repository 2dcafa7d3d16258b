"""CLEAR MOT, identity and HOTA: how well tracks follow true road users, from overlaps of one instant after another.

Decides which track is whose. What counts as similar is the caller's: picture boxes (``similarities``) or anything in
[0, 1].
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from scenarios.metrics.frames import Floats, Ints, Objects, overlaps

ALPHAS: Floats = np.arange(1, 20) / 20.0
EPSILON = float(np.finfo(np.float64).eps)
MOSTLY_TRACKED, MOSTLY_LOST = 0.8, 0.2


class Instant(NamedTuple):
    """Who is there and who is tracked: ``true`` (n,), ``tracked`` (m,) identities, ``similarity`` (n, m) in [0, 1]."""

    true: Ints
    tracked: Ints
    similarity: Floats


class Clear(NamedTuple):
    """Source: Bernardin, Stiefelhagen: Evaluating Multiple Object Tracking Performance (2008). nan without truth."""

    mota: float
    motp: float
    """Mean overlap of what was matched."""
    true_positives: int
    false_positives: int
    false_negatives: int
    switches: int
    mostly_tracked: int
    partly_tracked: int
    mostly_lost: int
    fragmentations: int


class Identity(NamedTuple):
    """Source: Ristani et al.: Performance Measures and a Data Set for Multi-Target Tracking (2016). nan without any."""

    idf1: float
    precision: float
    recall: float


class Hota(NamedTuple):
    """Means over alpha .05 … .95. Source: Luiten et al.: HOTA (IJCV 2021). nan without truth and tracks."""

    hota: float
    det_a: float
    ass_a: float
    loc_a: float
    det_recall: float
    det_precision: float
    ass_recall: float
    ass_precision: float


def similarities(scenes: Sequence[tuple[Objects, Objects]], *, iou_min: float = 0.5) -> list[Instant]:
    """Overlaps of boxes of the same class. Tracks of road users that need not be found are left out with them."""
    instants = []
    for truth, found in scenes:
        overlap = overlaps(truth.boxes, found.boxes)
        overlap = np.where(truth.labels[:, None] == found.labels[None, :], overlap, 0.0)
        passed = truth.crowd | truth.ignored
        kept = np.ones(len(found), np.bool_)
        if passed.any() and len(found):
            rows, columns = _assigned(np.where(overlap >= iou_min - EPSILON, overlap, 0.0))
            taken = passed[rows] & (overlap[rows, columns] >= iou_min - EPSILON)
            kept[columns[taken]] = False
        instants.append(Instant(truth.ids[~passed], found.ids[kept], overlap[~passed][:, kept]))
    return instants


def clear(instants: Sequence[Instant], *, least: float = 0.5) -> Clear:
    """A match of the instant before is kept while it holds; the rest is matched for the greatest similarity.

    An instant in which nobody is there, or nobody is tracked, leaves the matches before it as they were.
    """
    present: dict[int, int] = {}
    followed: dict[int, int] = {}
    parts: dict[int, int] = {}
    last: dict[int, int] = {}  # whom it was matched with at any time before
    before: dict[int, int] = {}  # whom it was matched with in the instant before
    right = tracked = switches = 0
    total = 0.0
    for true, said, similarity in instants:
        for who in true.tolist():
            present[who] = present.get(who, 0) + 1
        tracked += len(said)
        if not len(true) or not len(said):
            continue
        kept = np.array([before.get(who, -1) for who in true.tolist()])[:, None] == said[None, :]
        known = np.array([who in before for who in true.tolist()])[:, None]
        worth = np.where(similarity >= least - EPSILON, similarity + 1000.0 * (kept & known), 0.0)
        rows, columns = _assigned(worth)
        rows, columns = rows[worth[rows, columns] > EPSILON], columns[worth[rows, columns] > EPSILON]
        matched = dict(zip(true[rows].tolist(), said[columns].tolist(), strict=True))
        for who, track in matched.items():
            switches += last.get(who, track) != track
            followed[who] = followed.get(who, 0) + 1
            parts[who] = parts.get(who, 0) + (who not in before)
        last |= matched
        before = matched
        right += len(matched)
        total += float(similarity[rows, columns].sum())
    shares = np.array([followed.get(who, 0) / seen for who, seen in present.items()])
    there = sum(present.values())
    missed, wrong = there - right, tracked - right
    mostly, lost = int((shares > MOSTLY_TRACKED).sum()), int((shares < MOSTLY_LOST).sum())
    return Clear(
        mota=1.0 - (missed + wrong + switches) / there if there else math.nan,
        motp=total / right if right else math.nan,
        true_positives=right,
        false_positives=wrong,
        false_negatives=missed,
        switches=switches,
        mostly_tracked=mostly,
        partly_tracked=len(shares) - mostly - lost,
        mostly_lost=lost,
        fragmentations=sum(count - 1 for count in parts.values()),
    )


def identity(instants: Sequence[Instant], *, least: float = 0.5) -> Identity:
    """Every road user gets one track for the whole drive, so that as many instants as possible are right."""
    true, said = _numbered([i.true for i in instants]), _numbered([i.tracked for i in instants])
    together = np.zeros((len(true), len(said)))
    for who, track, similarity in instants:
        rows, columns = np.nonzero(similarity >= least)
        np.add.at(together, (_rows(true, who[rows]), _rows(said, track[columns])), 1.0)
    there, tracked = sum(len(i.true) for i in instants), sum(len(i.tracked) for i in instants)
    rows, columns = _assigned(together)
    right = float(together[rows, columns].sum())
    return Identity(
        idf1=2.0 * right / (there + tracked) if there + tracked else math.nan,
        precision=right / tracked if tracked else math.nan,
        recall=right / there if there else math.nan,
    )


def hota(instants: Sequence[Instant]) -> Hota:
    """Detection and association weighed alike, at every demand on the overlap."""
    true, said = _numbered([i.true for i in instants]), _numbered([i.tracked for i in instants])
    there, tracked = sum(len(i.true) for i in instants), sum(len(i.tracked) for i in instants)
    if not there and not tracked:
        return Hota(*[math.nan] * 8)
    seen, shown, aligned = _alignment(instants, true, said)
    matches = np.zeros((len(ALPHAS), len(true), len(said)))
    located = np.zeros(len(ALPHAS))
    for who, track, similarity in instants:
        rows_of, columns_of = _rows(true, who), _rows(said, track)
        rows, columns = _assigned(aligned[np.ix_(rows_of, columns_of)] * similarity)
        near = similarity[rows, columns]
        for a in np.flatnonzero(near.max(initial=-1.0) >= ALPHAS - EPSILON):
            good = near >= ALPHAS[a] - EPSILON
            matches[a, rows_of[rows[good]], columns_of[columns[good]]] += 1.0
            located[a] += float(near[good].sum())
    right = matches.sum(axis=(1, 2))
    once = np.maximum(right, 1.0)

    def associated(whole: Floats) -> Floats:
        return np.asarray((matches * (matches / np.maximum(whole, 1.0))).sum(axis=(1, 2)) / once)

    det_a = right / (there + tracked - right)
    ass_a = associated(seen[:, None] + shown[None, :] - matches)
    return Hota(
        hota=float(np.sqrt(det_a * ass_a).mean()),
        det_a=float(det_a.mean()),
        ass_a=float(ass_a.mean()),
        loc_a=float(np.where(right > 0.0, located / once, 1.0).mean()),
        det_recall=float(right.mean() / max(there, 1)),
        det_precision=float(right.mean() / max(tracked, 1)),
        ass_recall=float(associated(np.broadcast_to(seen[:, None], matches.shape)).mean()),
        ass_precision=float(associated(np.broadcast_to(shown[None, :], matches.shape)).mean()),
    )


def _alignment(instants: Sequence[Instant], true: Ints, said: Ints) -> tuple[Floats, Floats, Floats]:
    """How often everybody is there (n,) and tracked (m,), and how well each pair fits over the whole drive (n, m)."""
    seen, shown, fits = np.zeros(len(true)), np.zeros(len(said)), np.zeros((len(true), len(said)))
    for who, track, similarity in instants:
        rows, columns = _rows(true, who), _rows(said, track)
        seen[rows] += 1.0
        shown[columns] += 1.0
        whole = similarity.sum(axis=0)[None, :] + similarity.sum(axis=1)[:, None] - similarity
        share = np.where(whole > EPSILON, similarity / np.where(whole > EPSILON, whole, 1.0), 0.0)
        fits[np.ix_(rows, columns)] += share
    return seen, shown, fits / (seen[:, None] + shown[None, :] - fits)


def _assigned(worth: Floats) -> tuple[Ints, Ints]:
    """Rows and columns of the assignment of the greatest worth."""
    from scipy.optimize import linear_sum_assignment

    rows, columns = linear_sum_assignment(worth, maximize=True)
    return rows.astype(np.int64), columns.astype(np.int64)


def _numbered(identities: Sequence[Ints]) -> Ints:
    return np.unique(np.concatenate([np.zeros(0, np.int64), *identities]))


def _rows(known: Ints, identities: Ints) -> Ints:
    return np.searchsorted(known, identities).astype(np.int64)
