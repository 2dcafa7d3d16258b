"""Fits accuracy models to sightings: regularised regressions for what is found, how good the boxes are, what is false.

Deterministic. Does not decide which pictures are taken.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from operators.detection.nms import overlap
from operators.models.accuracy import FEATURES, ClassAccuracy, Light, Persistence, Seen, features, wholeness
from operators.models.sightings import Sightings, View, matched

Floats = NDArray[np.float64]
Row = tuple[float, float, float, float, float]
PENALTY = 2.0
"""Of the regressions, on standardised features; the constant is free."""
LAGS_MAX = 8
EDGE_SLOW_S = 0.4
GHOST_OVERLAP_MIN = 0.1
FALSE_BOXES_MAX = 48
FALSE_LASTING_S = (0.05, 0.1, 0.2, 0.4, 0.8, 1.6, 3.2)


@dataclass(frozen=True)
class _Rows:
    """One class in many pictures: a row per road user and picture."""

    phi: Floats
    found: NDArray[np.bool_]
    score: Floats
    error: Floats
    """(n, 4) relative to the outline's sides; nan where not found."""
    who: list[tuple[int, int]]
    """(scene, id)."""
    at: NDArray[np.int64]
    """Time of the picture, ns."""


def fit(data: Sequence[Sightings], model: str, label: str, threshold: float) -> ClassAccuracy:
    """The accuracy of ``model`` for ``label``. Raises ValueError when there are too few road users to learn from."""
    rows = _rows(data, model, label)
    if rows.found.sum() < 4 * len(FEATURES) or (~rows.found).sum() < len(FEATURES):
        raise ValueError(f"{rows.found.sum()} found and {(~rows.found).sum()} missed {label}s are too few for {model}")
    detection = logistic(rows.phi, rows.found.astype(np.float64))
    chance = 1.0 / (1.0 + np.exp(-rows.phi @ detection))
    hits = rows.found
    logits = np.log(rows.score[hits] / (1.0 - rows.score[hits]))
    score = ridge(rows.phi[hits], logits)
    bias = np.stack([ridge(rows.phi[hits], _trimmed(rows.error[hits, k])) for k in range(4)])
    left = rows.error[hits] - rows.phi[hits] @ bias.T
    spread = np.stack([_log_spread(rows.phi[hits], left[:, k]) for k in range(4)])
    # What errs most is what is half hidden for seconds: a typical error and how long it lasts matter more than tails.
    whole = left / np.exp(rows.phi[hits] @ spread.T)
    standard = np.clip(whole, -2.0, 2.0)
    typical = np.median(np.abs(standard), axis=0) / 0.6745
    mixing = np.diag(typical) @ np.linalg.cholesky(np.corrcoef(standard.T) + 1e-6 * np.eye(4))
    sure = (chance > 0.03) & (chance < 0.97)
    residual = np.where(sure, (hits - chance) / np.sqrt(np.maximum(chance * (1.0 - chance), 1e-9)), np.nan)
    edges = np.full((len(hits), 4), np.nan)
    edges[hits] = standard / np.maximum(standard.std(axis=0), 1e-9)
    false = _false(data, model, label)
    return ClassAccuracy(
        threshold=threshold,
        detection=_plain(detection),
        score=_plain(score),
        score_std=round(float(np.std(logits - rows.phi[hits] @ score)), 4),
        edge_bias=tuple(_plain(row) for row in bias),
        edge_spread=tuple(_plain(row) for row in spread),
        edge_mixing=tuple(_plain(row) for row in mixing),
        edge_tail=tail(whole),
        luck=persistence(residual[:, None], rows.who, rows.at, binary=True),
        edge_luck=_edge_luck(edges, rows),
        false_rate=_false_rate(data, false),
        false_lasting_s=_false_lasting_s(data, model, false),
        **_false_boxes(data, model, false),
    )


def tail(standard: Floats) -> float:
    """Spread of the logarithm of a factor on normal errors that makes their tails as heavy as these, (n, 4)."""
    wanted = float(np.mean(np.quantile(np.abs(standard), 0.95, axis=0) / np.median(np.abs(standard), axis=0)))
    rng = np.random.default_rng(3)
    z, g = np.abs(rng.normal(size=20_000)), rng.normal(size=20_000)

    def heavy(spread: float) -> float:
        values = z * np.exp(spread * g)
        return float(np.quantile(values, 0.95) / np.median(values))

    return min((k / 20 for k in range(31)), key=lambda spread: abs(heavy(spread) - wanted))


def _edge_luck(edges: Floats, rows: _Rows) -> tuple[Persistence, Persistence]:
    """Of road users hidden in part or cut off, and of whole ones."""
    whole = wholeness(rows.phi) > 0.5
    both = [np.where(mask[:, None], edges, np.nan) for mask in (~whole, whole)]
    found = [persistence(one, rows.who, rows.at, binary=False, slow_s=(EDGE_SLOW_S,)) for one in both]
    return found[0], found[1]


def logistic(x: Floats, y: Floats, penalty: float = PENALTY) -> Floats:
    """Weights of a logistic regression, (k,): Newton's method on the penalised likelihood; ``x[:, 0]`` is 1.

    Source: Hastie, Tibshirani & Friedman, The Elements of Statistical Learning, §4.4.1
    """
    scale, ridge_ = _scaled(x, penalty)
    z, weights = x / scale, np.zeros(x.shape[1])
    for _ in range(50):
        chance = 1.0 / (1.0 + np.exp(-np.clip(z @ weights, -30.0, 30.0)))
        slope = z.T @ (y - chance) - ridge_ * weights
        bend = (z * (chance * (1.0 - chance))[:, None]).T @ z + np.diag(ridge_ + 1e-9)
        step = np.linalg.solve(bend, slope)
        weights = weights + step * min(1.0, 4.0 / max(1e-12, float(np.abs(step).max())))
        if float(np.abs(step).max()) < 1e-9:
            break
    result: Floats = weights / scale
    return result


def ridge(x: Floats, y: Floats, penalty: float = PENALTY) -> Floats:
    """Weights of a penalised linear regression, (k,); ``x[:, 0]`` is 1 and its weight free."""
    scale, ridge_ = _scaled(x, penalty)
    z = x / scale
    result: Floats = np.linalg.solve(z.T @ z + np.diag(ridge_ + 1e-9), z.T @ y) / scale
    return result


def persistence(
    values: Floats,
    who: Sequence[tuple[int, int]],
    at: NDArray[np.int64],
    *,
    binary: bool,
    slow_s: Sequence[float] = (0.2, 0.4, 0.8, 1.6),
) -> Persistence:
    """How luck lasts, from products of standardised residuals (n, m) of the same road user at different times.

    ``binary``: the residuals are of hits and misses, whose correlation is less than that of the luck behind them.
    """
    lags_s, found = _correlations(values, who, at, binary=binary)
    best = (math.inf, 0.0, 0.0, slow_s[0])
    for span_s in slow_s:
        curve = np.array([_slow_correlation(lag / span_s) for lag in lags_s])
        for lasting in np.linspace(0.0, 0.95, 20):
            for slow in np.linspace(0.0, 0.98 - lasting, 15):
                cost = float(((lasting + slow * curve - found) ** 2).sum()) if len(found) else 0.0
                if cost < best[0] - 1e-12:
                    best = (cost, float(lasting), float(slow), span_s)
    return Persistence(lasting=round(best[1], 3), slow=round(best[2], 3), slow_s=best[3])


def _correlations(
    values: Floats, who: Sequence[tuple[int, int]], at: NDArray[np.int64], *, binary: bool
) -> tuple[Floats, Floats]:
    """Lags (s) up to ``LAGS_MAX`` pictures and how much the luck of pictures that far apart has in common.

    Of hits and misses from their products, of errors from the median step between them, which outliers do not move.
    """
    tracks: dict[tuple[int, int], list[int]] = {}
    for k, key in enumerate(who):
        tracks.setdefault(key, []).append(k)
    pairs: dict[int, list[tuple[int, int]]] = {}
    for own in tracks.values():
        for i, first in enumerate(own):
            for second in own[i + 1 : i + 1 + LAGS_MAX]:
                if np.isfinite(values[first] * values[second]).all():
                    pairs.setdefault(int(at[second] - at[first]), []).append((first, second))
    lags = sorted(lag for lag, own in pairs.items() if len(own) >= 30)
    common = []
    for lag in lags:
        first, second = np.array(pairs[lag]).T
        if binary:
            common.append(math.sin(0.5 * math.pi * min(1.0, float((values[first] * values[second]).mean()))))
        else:
            step = np.median(np.abs(values[first] - values[second])) / np.median(np.abs(values[first]))
            common.append(1.0 - 0.5 * float(step) ** 2)
    return np.array([lag / 1e9 for lag in lags]), np.array(common)


def _slow_correlation(turns: float) -> float:
    """Correlation of the slow part of ``accuracy.luck`` over ``turns`` of its span, averaged over its phase."""
    total = 0.0
    for phase in np.linspace(0.0, 1.0, 21):
        cell, later = divmod(phase + turns, 1.0)
        here = {0: 1.0 - phase, 1: phase}
        there = {int(cell): 1.0 - later, int(cell) + 1: later}
        shared = sum(here.get(k, 0.0) * weight for k, weight in there.items())
        total += shared / (math.hypot(1.0 - phase, phase) * math.hypot(1.0 - later, later))
    return total / 21.0


def _rows(data: Sequence[Sightings], model: str, label: str) -> _Rows:
    phi, found, score, error, who, at = [], [], [], [], [], []
    for scene, sightings in enumerate(data):
        for view in sightings.views:
            hits, _ = matched(view, model, label)
            mine = seen_of(view, label)
            phi.append(features(mine, light_of(view), view.width_px, view.height_px))
            for one in mine:
                row = view.found[model][hits[one.id]] if one.id in hits else None
                found.append(row is not None)
                score.append(row[1] if row else np.nan)
                x0, y0, x1, y1 = one.box
                sides = np.array([x1 - x0, y1 - y0, x1 - x0, y1 - y0])
                error.append((np.array(row[2:]) - one.box) / np.maximum(sides, 1.0) if row else np.full(4, np.nan))
                who.append((scene, one.id))
                at.append(view.t)
    none = np.zeros((0, len(FEATURES)))
    return _Rows(
        np.concatenate([none, *phi]),
        np.array(found, dtype=bool),
        np.clip(np.array(score, dtype=np.float64), 0.01, 0.995),
        np.array(error, dtype=np.float64).reshape(-1, 4),
        who,
        np.array(at, dtype=np.int64),
    )


def seen_of(view: View, label: str | None = None) -> list[Seen]:
    """The picture's road users as the truth has them."""
    return [
        Seen(one.id, one.label, one.box, one.visible, one.distance_m)
        for one in view.seen
        if label is None or one.label == label
    ]


def light_of(view: View) -> Light:
    """The picture's light and weather."""
    return Light(view.night, view.rain, view.fog_m)


def _false(data: Sequence[Sightings], model: str, label: str) -> list[list[list[int]]]:
    """Per scene and picture: which detections are false."""
    return [[matched(view, model, label)[1] for view in sightings.views] for sightings in data]


def _false_rate(data: Sequence[Sightings], false: list[list[list[int]]]) -> tuple[float, float, float]:
    """Weights of a Poisson regression on night and on the worse of rain and fog."""
    x, y = [], []
    for sightings, rows in zip(data, false, strict=True):
        for view, wrong in zip(sightings.views, rows, strict=True):
            dim = max(view.rain, math.exp(-view.fog_m / 60.0) if view.fog_m > 0.0 else 0.0)
            x.append((1.0, view.night, dim))
            y.append(float(len(wrong)))
    rows_, counts, weights = np.array(x), np.array(y), np.array([math.log(np.mean(y) + 1e-3), 0.0, 0.0])
    ridge_ = np.array([0.0, PENALTY, PENALTY])
    for _ in range(50):
        rate = np.exp(np.clip(rows_ @ weights, -12.0, 3.0))
        step = np.linalg.solve(
            (rows_ * rate[:, None]).T @ rows_ + np.diag(ridge_ + 1e-6), rows_.T @ (counts - rate) - ridge_ * weights
        )
        weights = weights + np.clip(step, -1.0, 1.0)
    return round(float(weights[0]), 4), round(float(weights[1]), 4), round(float(weights[2]), 4)


def _false_lasting_s(data: Sequence[Sightings], model: str, false: list[list[list[int]]]) -> float:
    """How long a false detection stays: from how many are still there in the next picture."""
    stay = total = 0
    step_s = 0.1
    for sightings, rows in zip(data, false, strict=True):
        for k in range(len(sightings.views) - 1):
            step_s = max(0.01, (sightings.views[k + 1].t - sightings.views[k].t) / 1e9)
            total += len(rows[k])
            stay += min(len(rows[k]), len(rows[k + 1]))
    share = stay / total if total else 0.0
    wanted = step_s / max(1e-3, 1.0 - share)
    return min(FALSE_LASTING_S, key=lambda s: abs(math.log(s / wanted)))


def _false_boxes(data: Sequence[Sightings], model: str, false: list[list[list[int]]]) -> dict[str, Any]:
    """Some that are alone, in pixels, and some that overlap a road user, relative to its outline."""
    alone: list[Row] = []
    ghosts: list[Row] = []
    for sightings, rows in zip(data, false, strict=True):
        for view, wrong in zip(sightings.views, rows, strict=True):
            outlines = np.array([one.box for one in view.seen], dtype=np.float64).reshape(-1, 4)
            for k in wrong:
                _, score, *edges = view.found[model][k]
                shares = overlap(np.array([edges]), outlines)[0] if len(outlines) else np.zeros(1)
                if shares.max() < GHOST_OVERLAP_MIN:
                    alone.append((score, edges[0], edges[1], edges[2], edges[3]))
                    continue
                own = outlines[int(np.argmax(shares))]
                side = np.maximum(own[2:] - own[:2], 1.0)
                place = (np.array(edges) - own[[0, 1, 0, 1]]) / side[[0, 1, 0, 1]]
                x0, y0, x1, y1 = (float(value) for value in np.clip(place, -2.0, 3.0))
                ghosts.append((score, x0, y0, x1, y1))
    total = len(alone) + len(ghosts)
    return {
        "false_boxes": _some(alone, 1),
        "ghost_share": round(len(ghosts) / total, 3) if total else 0.0,
        "ghost_boxes": _some(ghosts, 3),
    }


def _some(rows: Sequence[Row], digits: int) -> tuple[Row, ...]:
    step = max(1, math.ceil(len(rows) / FALSE_BOXES_MAX))
    return tuple(
        (round(score, 3), round(x0, digits), round(y0, digits), round(x1, digits), round(y1, digits))
        for score, x0, y0, x1, y1 in rows[::step]
    )


def _trimmed(values: Floats) -> Floats:
    low, high = np.quantile(values, [0.01, 0.99])
    result: Floats = np.clip(values, low, high)
    return result


def _log_spread(phi: Floats, left: Floats) -> Floats:
    """Weights of the logarithm of the standard deviation: of normal residuals, E log|r| = log(std) - 0.635."""
    weights = ridge(phi, np.log(np.abs(_trimmed(left)) + 1e-3))
    weights[0] += 0.635
    return weights


def _scaled(x: Floats, penalty: float) -> tuple[Floats, Floats]:
    scale = np.maximum(x.std(axis=0), 1e-3)
    scale[0] = 1.0
    weights = np.full(x.shape[1], penalty)
    weights[0] = 0.0
    return scale, weights


def _plain(weights: Floats) -> tuple[float, ...]:
    return tuple(round(float(value), 5) for value in weights)
